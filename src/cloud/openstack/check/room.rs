//! Whether the pool has room: quota, floor and cap, floating IPs.

use super::Report;
use crate::cloud::openstack::error::failed;
use crate::cloud::openstack::lookup::ServerTemplate;
use crate::pool::{Policy, are, counted};
use openstack_sdk_blocking::{
    Cloud, Flavor, FloatingIp, FloatingIpQuery, Limits, NetworkInfo, Port, PortQuery, Server,
};
use std::collections::BTreeSet;

/// One limit of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Limit {
    what: &'static str,
    max: u64,
    used: u64,
    /// How many more servers it leaves room for.
    room: u64,
}

/// The limits that there are, with the room that each leaves for servers of the flavor.
fn limits(limits: &Limits, flavor: Option<&Flavor>) -> Vec<Limit> {
    let vcpus = flavor.and_then(|flavor| flavor.vcpus);
    let ram = flavor.and_then(|flavor| flavor.ram_mib);
    let rows = [
        (
            "instances",
            limits.max_total_instances,
            limits.total_instances_used,
            Some(1),
        ),
        (
            "cores",
            limits.max_total_cores,
            limits.total_cores_used,
            vcpus,
        ),
        (
            "MiB of RAM",
            limits.max_total_ram_mib,
            limits.total_ram_used_mib,
            ram,
        ),
    ];
    let limit = |(what, max, used, each): (_, Option<i64>, Option<i64>, Option<u64>)| {
        // -1 stands for no limit.
        let max = u64::try_from(max?).ok()?;
        let used = u64::try_from(used.unwrap_or_default()).unwrap_or_default();
        let each = each.filter(|each| *each > 0)?;
        let room = max.saturating_sub(used) / each;
        Some(Limit {
            what,
            max,
            used,
            room,
        })
    };
    rows.into_iter().filter_map(limit).collect()
}

pub(super) fn quota(
    report: &mut Report,
    cloud: &Cloud,
    policy: &Policy,
    flavor: Option<&Flavor>,
    pool: Option<&[Server]>,
) {
    let answer = match cloud.compute().limits() {
        Ok(answer) => answer,
        Err(error) => {
            let error = failed("the quota cannot be read")(error);
            report.unseen("quota", &error);
            return;
        }
    };
    let limits = limits(&answer, flavor);
    let narrowest = limits.iter().min_by_key(|limit| limit.room);
    let told: Vec<String> = limits
        .iter()
        .map(|limit| format!("{} of {} {} used", limit.used, limit.max, limit.what))
        .collect();
    match narrowest {
        Some(Limit { room, .. }) => report.ok(
            "quota",
            format!(
                "room for {}: {}",
                counted(*room, "more server"),
                told.join(", ")
            ),
        ),
        None => report.ok("quota", "no limit"),
    }
    let there = pool.map_or(0, |pool| u64::try_from(pool.len()).unwrap_or(u64::MAX));
    floor(report, policy, there, narrowest);
    cap(report, policy, there, narrowest);
}

fn floor(report: &mut Report, policy: &Policy, there: u64, narrowest: Option<&Limit>) {
    let needed = policy.floor.div_ceil(policy.capacity.get());
    let missing = needed.saturating_sub(there);
    let text = format!(
        "{} {} {} without calls, {there} {} there",
        counted(policy.floor, "free resource"),
        are(policy.floor),
        counted(needed, "server"),
        are(there)
    );
    match narrowest.filter(|limit| limit.room < missing) {
        None => report.ok("floor", text),
        Some(limit) => report.wrong(
            "floor",
            format!(
                "{text}, and the quota has room for {} ({})",
                counted(limit.room, "more server"),
                limit.what
            ),
            format!(
                "ask the cloud's operator for more {}, or lower REPLICA_MIN_AVAILABLE_RESOURCES",
                limit.what
            ),
        ),
    }
}

fn cap(report: &mut Report, policy: &Policy, there: u64, narrowest: Option<&Limit>) {
    const SUBJECT: &str = "cap";
    let most = narrowest.map(|limit| there.saturating_add(limit.room));
    match (policy.max_count, most) {
        (Some(max), Some(most)) if max.get() > most => report.hint(
            SUBJECT,
            format!("REPLICA_MAX_COUNT={max}, but the quota ends the pool at {most}"),
            "ask for more quota, or set a cap that the project can pay and hold",
        ),
        (Some(max), _) => report.ok(SUBJECT, format!("REPLICA_MAX_COUNT={max} fits")),
        (None, Some(most)) => report.ok(
            SUBJECT,
            format!(
                "no REPLICA_MAX_COUNT: the quota ends the pool at {}",
                counted(most, "server")
            ),
        ),
        (None, None) => report.hint(
            SUBJECT,
            "neither REPLICA_MAX_COUNT nor a quota ends the pool",
            "set REPLICA_MAX_COUNT to what you are ready to pay",
        ),
    }
}

pub(super) fn floating_ips(
    report: &mut Report,
    cloud: &Cloud,
    template: &ServerTemplate,
    policy: &Policy,
    pool: Option<&[Server]>,
    network: Option<&NetworkInfo>,
) {
    const SUBJECT: &str = "floating IPs";
    let description = &template.floating_ip_description;
    let found = cloud.authenticate().and_then(|token| {
        cloud.network().floating_ips(&FloatingIpQuery {
            project_id: token.project_id,
            ..FloatingIpQuery::default()
        })
    });
    let all = match found {
        Ok(found) => found,
        Err(error) => {
            let error = failed("the floating IPs cannot be listed")(error);
            report.failed(SUBJECT, &error, "");
            return;
        }
    };
    let (of_pool, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|ip| ip.description == *description);
    if of_pool.is_empty() {
        report.wrong(
            SUBJECT,
            format!(
                "OPENSTACK_FLOATING_IP_DESCRIPTION={description}: no floating IP of the project has that \
                 description ({} have another)",
                others.len()
            ),
            format!(
                "openstack floating ip set --description {description:?} ADDRESS, or floating ip create"
            ),
        );
        return;
    }
    let free = of_pool.iter().filter(|ip| ip.port_id.is_none()).count();
    let is_outside =
        |device: &str| pool.is_some_and(|pool| pool.iter().all(|server| server.id != device));
    let outside: Vec<String> = of_pool
        .iter()
        .filter(|ip| {
            let device = ip
                .port_details
                .as_ref()
                .and_then(|port| port.device_id.as_deref());
            ip.port_id.is_some() && device.is_some_and(is_outside)
        })
        .map(|ip| ip.floating_ip_address.to_string())
        .collect();
    let count = of_pool.len();
    report.ok(SUBJECT, format!("{count} found, {free} of them free"));
    if let Some(network) = network {
        routes(report, cloud, network, &of_pool);
    }
    let needed = policy.floor.div_ceil(policy.capacity.get());
    if u64::try_from(count - outside.len()).is_ok_and(|usable| usable < needed) {
        report.hint(
            SUBJECT,
            format!("the floor is {}: not each of them gets one", counted(needed, "server")),
            format!("openstack floating ip create --description {description:?} NETWORK, if each should have one"),
        );
    }
    if !outside.is_empty() {
        report.hint(
            SUBJECT,
            format!(
                "{} is on a port outside the pool and stays there",
                outside.join(", ")
            ),
            "openstack floating ip unset --port, if the pool is to have it",
        );
    }
}

/// Whether a router leads from the replicas' network to the networks of the floating IPs.
fn routes(report: &mut Report, cloud: &Cloud, network: &NetworkInfo, ips: &[FloatingIp]) {
    const SUBJECT: &str = "floating IPs";
    let query = PortQuery {
        network_id: Some(network.id.clone()),
        ..PortQuery::default()
    };
    let seen = cloud
        .network()
        .routers()
        .and_then(|routers| Ok((routers, cloud.network().ports(&query)?)));
    let (routers, ports) = match seen {
        Ok(seen) => seen,
        Err(error) => {
            let error = failed("the routers cannot be listed")(error);
            report.unseen(SUBJECT, &error);
            return;
        }
    };
    let is_interface = |port: &&Port| {
        let owner = port.device_owner.as_deref().unwrap_or_default();
        owner.starts_with("network:router_interface") || owner.starts_with("network:ha_router")
    };
    let joined: BTreeSet<&str> = ports
        .iter()
        .filter(is_interface)
        .filter_map(|port| port.device_id.as_deref())
        .collect();
    let reached: BTreeSet<&str> = routers
        .iter()
        .filter(|router| joined.contains(router.id.as_str()))
        .filter_map(|router| router.gateway.as_ref()?.network_id.as_deref())
        .collect();
    let unreached: Vec<String> = ips
        .iter()
        .filter(|ip| {
            let from = ip.floating_network_id.as_deref();
            from.is_some_and(|from| !reached.contains(from))
        })
        .map(|ip| ip.floating_ip_address.to_string())
        .collect();
    if unreached.is_empty() {
        return;
    }
    let text = format!(
        "no router leads from {} to the external network of {}: it cannot be put on a replica",
        network.name,
        unreached.join(", ")
    );
    let remedy = "openstack router set --external-gateway and openstack router add subnet, or a floating IP of a \
                  network that a router leads to";
    // Routers of others are hidden, and may lead there from a network that is shared.
    if network.shared {
        report.hint(SUBJECT, text, remedy);
    } else {
        report.wrong(SUBJECT, text, remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_what_the_narrowest_limit_leaves() {
        let flavor = Flavor {
            id: String::new(),
            name: String::new(),
            vcpus: Some(2),
            ram_mib: Some(4096),
            disk_gib: None,
            disabled: false,
        };
        let check = |instances, cores, ram, expected: &[(&str, u64)]| {
            let answer = Limits {
                max_total_instances: Some(instances),
                total_instances_used: Some(3),
                max_total_cores: Some(cores),
                total_cores_used: Some(6),
                max_total_ram_mib: Some(ram),
                total_ram_used_mib: Some(12_288),
                max_server_meta: None,
            };
            let limits = limits(&answer, Some(&flavor));
            let found: Vec<_> = limits.iter().map(|l| (l.what, l.room)).collect();
            assert_eq!(found, expected);
        };
        check(
            10,
            20,
            40_960,
            &[("instances", 7), ("cores", 7), ("MiB of RAM", 7)],
        );
        check(2, 7, -1, &[("instances", 0), ("cores", 0)]);
        check(-1, -1, -1, &[]);
    }
}
