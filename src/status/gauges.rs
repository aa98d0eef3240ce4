//! The pool as it is, as gauges.

use super::DaemonInfo;
use crate::pool::{Blocked, Health, Holder, Moment, MoveReason, ReplicaState, Snapshot};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

pub(super) type Label = (&'static str, &'static str);
pub(super) type Real = Gauge<f64, AtomicU64>;

/// What can be read off the pool as it is.
pub(super) fn gauges(
    snapshot: &Snapshot,
    facts: &DaemonInfo,
    loop_turns: bool,
    now: Moment,
) -> Registry {
    let mut r = Registry::with_prefix(super::metrics::PREFIX);
    supply(&mut r, snapshot, loop_turns, now);
    let mut gauge = |name, help, value: f64| {
        let gauge = Real::default();
        gauge.set(value);
        r.register(name, help, gauge);
    };
    let assessment = &snapshot.plan.assessment;
    gauge("is_leader", "Whether this daemon decides", 1.0);
    gauge(
        "available_resources",
        "Resources that can be taken now or are on their way",
        real(assessment.available),
    );
    gauge(
        "min_available_resources",
        "REPLICA_MIN_AVAILABLE_RESOURCES",
        real(snapshot.floor),
    );
    gauge(
        "max_replicas",
        "REPLICA_MAX_COUNT; +Inf without a limit",
        snapshot.max_count.map_or(f64::INFINITY, real),
    );
    let last_success = snapshot.last_list.map_or(0, |at| {
        (facts.wall_clock)()
            .0
            .saturating_sub(now.since(at).as_secs())
    });
    gauge(
        "last_success_timestamp_seconds",
        "When the last complete list of the cloud was taken; 0 before the first",
        real(last_success),
    );
    let backoff = snapshot.backoff.map(|b| b.until.since(now).as_secs_f64());
    gauge(
        "backoff_seconds",
        "How long the next creation still waits",
        backoff.unwrap_or_default(),
    );
    let answering = snapshot.records.iter();
    let answering = answering.filter(|r| r.unreachable_since.is_none());
    let full_since = answering.filter_map(|r| r.full_since).min();
    gauge(
        "longest_full_seconds",
        "For how long the replica that answers and has been full the longest has had nothing free; 0 without one",
        full_since.map_or(0.0, |since| now.since(since).as_secs_f64()),
    );
    let dropped = <Counter>::default();
    dropped.inc_by((facts.log_lines_dropped)());
    r.register(
        "log_lines_dropped",
        "Lines of the log that could not be written and were dropped",
        dropped,
    );
    let mut labelled = |name, help, values: Vec<(Label, usize)>| {
        let family = Family::<[Label; 1], Gauge>::default();
        for (label, value) in values {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            family.get_or_create(&[label]).set(value);
        }
        r.register(name, help, family);
    };
    labelled(
        "build_info",
        "The daemon's version",
        vec![(("version", facts.version), 1)],
    );
    let by_state = assessment.by_state();
    let states = ReplicaState::NAMES.iter().map(|name| {
        let count = by_state.get(name).copied().unwrap_or_default();
        (("state", *name), count)
    });
    labelled("replicas", "Replicas by state", states.collect());
    let blocked = Blocked::NAMES.iter().map(|name| {
        let is_it = |b: &&Blocked| b.name() == *name;
        (
            ("reason", *name),
            snapshot.plan.blocked.iter().filter(is_it).count(),
        )
    });
    labelled(
        "blocked",
        "What is wanted and not done, by reason",
        blocked.collect(),
    );
    labelled(
        "external_addresses",
        "External addresses of the pool by state",
        addresses_by_state(snapshot),
    );
    labelled(
        "external_addresses_waiting",
        "External addresses that wait for a replica to be moved to, by reason of the move",
        addresses_waiting(snapshot),
    );
    r
}

/// What callers find, how bad that is, and what is there beyond it.
fn supply(r: &mut Registry, snapshot: &Snapshot, loop_turns: bool, now: Moment) {
    let mut gauge = |name, help, value: f64| {
        let gauge = Real::default();
        gauge.set(value);
        r.register(name, help, gauge);
    };
    let health = Health::of(snapshot, loop_turns, now);
    gauge(
        "severity",
        "How the pool is: 0 ok, 1 warning, 2 critical; the page and /status have the reasons",
        f64::from(health.severity.number()),
    );
    gauge(
        "ready_resources",
        "Resources that can be taken now, on replicas that answer",
        real(snapshot.plan.assessment.ready),
    );
    let supply = &snapshot.supply;
    let below = supply.below_since.map(|since| now.since(since));
    gauge(
        "ready_below_floor_seconds",
        "For how long fewer resources have been ready than the floor; 0 if they are not",
        below.unwrap_or_default().as_secs_f64(),
    );
    gauge(
        "expected_boot_seconds",
        "When a boot is late: half as long again as the slowest of the last ones; REPLICA_STARTUP_GRACE before the first",
        snapshot.expected_boot.as_secs_f64(),
    );
    gauge(
        "surplus_resources",
        "Ready resources above the floor; nothing is done about them",
        real(snapshot.surplus().resources),
    );
    gauge(
        "outdated_replicas",
        "Replicas from another image than OPENSTACK_IMAGE stands for now; nothing is done about them",
        real(u64::try_from(snapshot.outdated()).unwrap_or(u64::MAX)),
    );
    let mut counter = |name, help, time: Duration| {
        let counter = Counter::<f64, AtomicU64>::default();
        counter.inc_by(time.as_secs_f64());
        r.register(name, help, counter);
    };
    counter(
        "seconds_without_ready_resource",
        "Seconds in which no resource was ready, with a floor above zero",
        supply.none,
    );
    counter(
        "seconds_below_floor",
        "Seconds in which fewer resources were ready than the floor",
        supply.below,
    );
}

fn addresses_by_state(snapshot: &Snapshot) -> Vec<(Label, usize)> {
    let state = |holder: &Holder| match holder {
        Holder::Nobody => "free",
        Holder::Server(id) if snapshot.plan.assessment.replica(id).is_some() => "held",
        Holder::Server(_) | Holder::Stranger | Holder::Unclear(_) => "outside",
    };
    let count = |name| {
        let addresses = snapshot.external_addresses.iter();
        addresses.filter(|a| state(&a.holder) == name).count()
    };
    ["held", "free", "outside"]
        .map(|name| (("state", name), count(name)))
        .into()
}

/// The blocked moves. An address that is free is normal; one whose holder goes or does not answer
/// leads callers astray.
fn addresses_waiting(snapshot: &Snapshot) -> Vec<(Label, usize)> {
    let count = |name| {
        let is_it = |b: &&Blocked| matches!(b, Blocked::MoveAddress { reason, .. } if reason.name() == name);
        snapshot.plan.blocked.iter().filter(is_it).count()
    };
    MoveReason::NAMES
        .map(|why| (("reason", why), count(why)))
        .into()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a measure for people: 53 bits are enough"
)]
pub(super) fn real(number: u64) -> f64 {
    number as f64
}
