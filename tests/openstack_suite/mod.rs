//! The scenarios on a real OpenStack, and what they are made of.

mod addresses;
mod cloud;
mod commands;
mod keeping;
mod login;
mod making;
mod outages;
mod pool;
mod replicas;
mod rig;
pub(crate) mod runner;
mod watch;

use runner::{Alone, Scenario, Shared};

/// All scenarios. The longest stand first, so that they run beside the others.
pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "floor reached and kept",
        Shared,
        keeping::floor_reached_and_kept,
    ),
    (
        "termination",
        Shared,
        keeping::termination_is_deleted_and_replaced_once,
    ),
    (
        "server in ERROR",
        Shared,
        keeping::error_is_deleted_and_replaced_once,
    ),
    (
        "floating IPs assigned, moved on termination",
        Shared,
        addresses::assigned_and_moved,
    ),
    (
        "floating IP moved from a hung holder",
        Shared,
        addresses::moved_from_a_hung_holder,
    ),
    ("no valid host, and recovery", Shared, making::no_valid_host),
    ("quota reached and raised", Shared, making::quota),
    (
        "floating IP of a foreign port",
        Shared,
        addresses::never_from_a_foreign_port,
    ),
    (
        "image renamed, put back, replaced",
        Shared,
        making::image_renamed,
    ),
    (
        "500 after the servers were made",
        Shared,
        making::lost_answer,
    ),
    ("killed in the middle of creating", Shared, making::killed),
    ("user disabled and enabled", Shared, login::user_disabled),
    ("tokens revoked", Shared, login::tokens_revoked),
    (
        "server stopped",
        Shared,
        keeping::stopped_is_deleted_and_replaced_once,
    ),
    ("server paused", Shared, keeping::paused_is_kept),
    ("server locked", Shared, keeping::locked_is_kept),
    (
        "foreign servers",
        Shared,
        keeping::foreign_servers_are_untouched,
    ),
    (
        "all settings arrive on the server",
        Shared,
        making::settings_arrive,
    ),
    ("IPv4 or IPv6", Shared, making::ip_version),
    ("check", Shared, commands::check),
    ("plan", Shared, commands::plan),
    ("nova-api stopped for 30 s", Alone, outages::nova_stopped),
    ("nova-api hung for 30 s", Alone, outages::nova_hung),
    ("nova-api slow by 3 s", Alone, outages::nova_slow),
    ("neutron stopped", Alone, outages::neutron_stopped),
    (
        "keystone stopped past the token's end",
        Alone,
        outages::keystone_stopped,
    ),
    (
        "150 servers, pages of 50",
        Alone,
        making::many_servers_in_pages,
    ),
    ("tokens of 60 s", Alone, login::short_tokens),
];
