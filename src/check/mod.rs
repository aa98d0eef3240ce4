//! The command `check`: looks at the settings, the cloud and the replicas, says what is wrong and how to mend it, and
//! changes nothing.

mod floating_ips;
mod login;
mod members;
mod new_server;
mod quota;
mod replicas;
mod report;

use self::report::{Report, has_error, in_json, in_words};
use crate::cloud::ServerTemplate;
use crate::config::Settings;
use crate::logging;
use crate::runtime::{self, Failure};
use crate::scaler::chain;
use log::LevelFilter;
use openstack_sdk_blocking::Cloud;
use std::process::ExitCode;

/// Checks the settings against the cloud and prints what was found.
#[must_use]
pub fn check(settings: &Settings, json: bool) -> ExitCode {
    const SUBJECT: &str = "settings";
    let log = settings.daemon.log.at_most(LevelFilter::Error);
    logging::start(log, settings.pool.label());
    let mut report = Report::default();
    report.ok(SUBJECT, settings.origin.as_str());
    for warning in &settings.warnings {
        report.warning(SUBJECT, warning.as_str(), "");
    }
    if let Err(failure) = look(&mut report, settings) {
        report.error(SUBJECT, chain(&failure), "");
    }
    let findings = report.close();
    let is_printed = if json {
        runtime::print_json(in_json(&findings))
    } else {
        runtime::print_words(&in_words(&findings))
    };
    logging::flush();
    runtime::exit_code(!has_error(&findings) && is_printed)
}

/// Looks at all that is needed, as far as it gets.
fn look(report: &mut Report, settings: &Settings) -> Result<(), Failure> {
    // Nothing is asked with settings that the replicas cannot be asked with.
    runtime::endpoint(settings)?;
    let cloud = runtime::cloud(settings)?;
    let template = &settings.pool.template;
    let can_be_asked = look_at_cloud(report, &cloud, template, settings);
    new_server::cloud_init(report, template);
    if can_be_asked {
        replicas::replicas(report, settings);
    }
    Ok(())
}

/// Logs in and looks at what the cloud has for the pool; tells whether the replicas can be asked: their servers were
/// listed, and the network that their addresses lie on is there. After a failed login nothing else is tried.
fn look_at_cloud(
    report: &mut Report,
    cloud: &Cloud,
    template: &ServerTemplate,
    settings: &Settings,
) -> bool {
    let policy = &settings.pool.policy;
    let Some(token) = login::login(report, cloud) else {
        return false;
    };
    let is_admin = token.roles.iter().any(|role| role == "admin");
    let project = token.project_id.as_deref();
    let members = members::members(report, cloud, template);
    members::locks(report, cloud);
    let flavor = new_server::flavor(report, cloud, template, is_admin);
    new_server::image(report, cloud, template, flavor.as_ref());
    let network = new_server::network(report, cloud, template, policy, is_admin);
    new_server::zone(report, cloud, template);
    new_server::keypair(report, cloud, template);
    let port = settings.pool.endpoint.port.get();
    new_server::security_groups(report, cloud, template, port, project);
    quota::quota(report, cloud, policy, flavor.as_ref(), members.as_deref());
    if policy.external_addresses {
        floating_ips::floating_ips(
            report,
            cloud,
            template,
            policy,
            members.as_deref(),
            network.as_ref(),
        );
    }
    members.is_some() && network.is_some()
}
