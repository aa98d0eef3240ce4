//! The servers that the pool has, and what their list tells besides.

use super::report::Report;
use crate::cloud::ServerTemplate;
use crate::cloud::openstack::failed;
use crate::logging;
use openstack_sdk_blocking::{Cloud, Server, ServerQuery};

/// The servers of the pool. Their list also tells the cloud's clock.
pub(super) fn members(
    report: &mut Report,
    cloud: &Cloud,
    template: &ServerTemplate,
) -> Option<Vec<Server>> {
    let here = logging::wall_clock().0;
    let list = match cloud.compute().list_servers(&ServerQuery::default()) {
        Ok(list) => list,
        Err(error) => {
            let error = failed("the servers cannot be listed")(error);
            report.failed("pool", &error, "");
            return None;
        }
    };
    let all = list.servers.len();
    let mut servers = list.servers;
    servers.retain(|s| s.metadata.get(&template.metadata_key) == Some(&template.metadata_value));
    report.ok(
        "pool",
        format!(
            "{} of the project's {all} servers have {}={}",
            servers.len(),
            template.metadata_key,
            template.metadata_value
        ),
    );
    if let Some(date) = list.date {
        clock(report, date, here);
    }
    Some(servers)
}

/// Whether the daemon will see that a server is locked. That compute cannot be reached at all is told with the pool.
pub(super) fn locks(report: &mut Report, cloud: &Cloud) {
    if matches!(cloud.compute().tells_locks(), Ok(false)) {
        report.warning(
            "locks",
            "Nova offers no microversion from 2.9 on: Nova does not show whether servers are locked, \
             and a locked one may be deleted",
            "let this machine read Nova's versions: GET on the compute endpoint of the catalog, without the \
             project's id, has to be answered with them",
        );
    }
}

fn clock(report: &mut Report, cloud: u64, here: u64) {
    /// A list may take so long that this is no difference between the clocks.
    const TOLERATED_SECONDS: u64 = 30;
    let difference = cloud.abs_diff(here);
    if difference <= TOLERATED_SECONDS {
        report.ok("clock", "this machine's and the cloud's agree");
        return;
    }
    let how = if cloud > here { "behind" } else { "ahead of" };
    report.warning(
        "clock",
        format!("this machine is {difference} s {how} the cloud"),
        "keep it by NTP: certificates and the times in the log depend on it, decisions do not",
    );
}
