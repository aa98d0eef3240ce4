//! The scenarios on a real OpenStack, and what they are made of.

mod addresses;
mod checks;
mod cloud;
mod commands;
mod elsewhere;
mod keeping;
mod login;
mod making;
mod moves;
mod outages;
mod pool;
mod replicas;
mod restarts;
mod rig;
pub(crate) mod runner;
mod sessions;
mod watch;

use runner::{Alone, Patient, Scenario, Shared};

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
    (
        "newer image of the same name",
        Patient,
        restarts::newer_image,
    ),
    ("list that lags by 75 s", Patient, restarts::lagging_list),
    (
        "restart: never came up, has served",
        Shared,
        restarts::never_came_up,
    ),
    (
        "ERROR while it answers",
        Shared,
        sessions::error_while_it_answers,
    ),
    ("done for one answer", Shared, sessions::done_once),
    (
        "address given to another server",
        Shared,
        sessions::address_given_away,
    ),
    (
        "second, lower address on a port",
        Shared,
        sessions::second_address,
    ),
    (
        "floating IP that cannot be moved",
        Shared,
        moves::no_way_out,
    ),
    (
        "floating IP that only a third can take",
        Shared,
        moves::another_way_out,
    ),
    (
        "free floating IPs without a route",
        Shared,
        moves::unroutable_ones,
    ),
    ("two writers of one floating IP", Shared, moves::two_writers),
    (
        "user's default project changes",
        Shared,
        elsewhere::default_project_changes,
    ),
    (
        "seven of ten lists empty",
        Shared,
        restarts::half_empty_lists,
    ),
    (
        "killed before the creation is carried out",
        Alone,
        restarts::killed_before_it_is_made,
    ),
    ("two outages within an hour", Shared, restarts::two_outages),
    ("check of what cannot work", Shared, checks::cannot_work),
    (
        "security group shared by another project",
        Shared,
        checks::shared_group,
    ),
    ("OS_CLOUD=envvars", Shared, checks::cloud_of_the_environment),
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
    ("no region, and two of them", Alone, elsewhere::two_regions),
    ("tokens of 60 s", Alone, login::short_tokens),
];
