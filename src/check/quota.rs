//! Whether the quota has room for the floor and the cap.

use super::report::Report;
use crate::cloud::openstack::failed;
use crate::pool::{Policy, are, counted};
use openstack_sdk_blocking::{Cloud, Flavor, Limits, Server};

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
        Some(limit) => report.error(
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
        (Some(max), Some(most)) if max.get() > most => report.warning(
            SUBJECT,
            format!("REPLICA_MAX_COUNT={max}, but the quota limits the pool to {most}"),
            "ask for more quota, or set a cap that the project can pay and hold",
        ),
        (Some(max), _) => report.ok(SUBJECT, format!("REPLICA_MAX_COUNT={max} fits")),
        (None, Some(most)) => report.ok(
            SUBJECT,
            format!(
                "no REPLICA_MAX_COUNT: the quota limits the pool to {}",
                counted(most, "server")
            ),
        ),
        (None, None) => report.warning(
            SUBJECT,
            "neither REPLICA_MAX_COUNT nor a quota ends the pool",
            "set REPLICA_MAX_COUNT to what you are ready to pay",
        ),
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
