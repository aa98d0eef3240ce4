//! The pool as it is, as gauges.

use super::DaemonInfo;
use crate::pool::{
    Assessment, Blocked, Health, Holder, Moment, MoveReason, ReplicaState, Snapshot,
};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// What the names of all metrics begin with.
pub(super) const PREFIX: &str = "simplescalevm";

pub(super) type Label = (&'static str, &'static str);
pub(super) type Real = Gauge<f64, AtomicU64>;

/// What can be read off the pool as it is. What is not known has no sample: a zero would be taken for
/// one.
pub(super) fn gauges(
    snapshot: &Snapshot,
    facts: &DaemonInfo,
    loop_turns: bool,
    now: Moment,
) -> Registry {
    let mut r = Registry::with_prefix(PREFIX);
    of_the_daemon(&mut r, snapshot, facts, now);
    supply(&mut r, snapshot, loop_turns, now);
    if let Some(assessment) = snapshot.assessment() {
        of_the_pool(&mut r, snapshot, assessment, now);
    }
    r
}

fn gauge(r: &mut Registry, name: &'static str, help: &'static str, value: f64) {
    let gauge = Real::default();
    gauge.set(value);
    r.register(name, help, gauge);
}

fn labelled(
    r: &mut Registry,
    name: &'static str,
    help: &'static str,
    values: impl IntoIterator<Item = (Label, usize)>,
) {
    let family = Family::<[Label; 1], Gauge>::default();
    for (label, value) in values {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        family.get_or_create(&[label]).set(value);
    }
    r.register(name, help, family);
}

/// What is known from the start on.
fn of_the_daemon(r: &mut Registry, snapshot: &Snapshot, facts: &DaemonInfo, now: Moment) {
    gauge(r, "is_leader", "Whether this daemon decides", 1.0);
    gauge(
        r,
        "min_available_resources",
        "REPLICA_MIN_AVAILABLE_RESOURCES",
        real(snapshot.floor),
    );
    gauge(
        r,
        "max_replicas",
        "REPLICA_MAX_COUNT; +Inf without a limit",
        snapshot.max_count.map_or(f64::INFINITY, real),
    );
    // An alert on how long ago that was rests on the 0.
    let last_success = snapshot.last_list.map_or(0, |at| {
        (facts.wall_clock)()
            .0
            .saturating_sub(now.since(at).as_secs())
    });
    gauge(
        r,
        "last_success_timestamp_seconds",
        "When the last complete list of the cloud was taken; 0 before the first",
        real(last_success),
    );
    let backoff = snapshot.backoff.map(|b| b.until.since(now).as_secs_f64());
    gauge(
        r,
        "backoff_seconds",
        "How long the next creation still waits",
        backoff.unwrap_or_default(),
    );
    let dropped = <Counter>::default();
    dropped.inc_by((facts.log_lines_dropped)());
    r.register(
        "log_lines_dropped",
        "Lines of the log that could not be written and were dropped",
        dropped,
    );
    labelled(
        r,
        "build_info",
        "The daemon's version",
        [(("version", facts.version), 1)],
    );
}

/// What a list of the cloud tells.
fn of_the_pool(r: &mut Registry, snapshot: &Snapshot, assessment: &Assessment, now: Moment) {
    gauge(
        r,
        "available_resources",
        "Resources that can be taken now or are on their way",
        real(assessment.available),
    );
    gauge(
        r,
        "ready_resources",
        "Resources that can be taken now, on replicas that answer",
        real(assessment.ready),
    );
    if let Some(surplus) = snapshot.surplus() {
        gauge(
            r,
            "surplus_resources",
            "Ready resources above the floor; nothing is done about them",
            real(surplus.resources),
        );
    }
    if let Some(outdated) = snapshot.outdated() {
        gauge(
            r,
            "outdated_replicas",
            "Replicas from another image than OPENSTACK_IMAGE stands for now; nothing is done about them",
            real(u64::try_from(outdated).unwrap_or(u64::MAX)),
        );
    }
    let answering = snapshot.records.iter();
    let answering = answering.filter(|r| r.unreachable_since.is_none());
    let full_since = answering.filter_map(|r| r.full_since).min();
    gauge(
        r,
        "longest_full_seconds",
        "The longest time for which a replica that answers has had no free resource; 0 if each has one",
        full_since.map_or(0.0, |since| now.since(since).as_secs_f64()),
    );
    let by_state = assessment.by_state();
    let states = ReplicaState::NAMES.iter().map(|name| {
        let count = by_state.get(name).copied().unwrap_or_default();
        (("state", *name), count)
    });
    labelled(r, "replicas", "Replicas by state", states);
    let blocked = Blocked::NAMES.iter().map(|name| {
        let is_it = |b: &&Blocked| b.name() == *name;
        let count = snapshot.plan.blocked.iter().filter(is_it).count();
        (("reason", *name), count)
    });
    labelled(
        r,
        "blocked",
        "What is wanted and not done, by reason",
        blocked,
    );
    labelled(
        r,
        "external_addresses",
        "Floating IPs of the pool by state",
        addresses_by_state(snapshot, assessment),
    );
    labelled(
        r,
        "external_addresses_waiting",
        "Floating IPs that wait for a replica to be moved to, by reason of the move",
        addresses_waiting(snapshot),
    );
}

/// How bad it is, and for how long callers have found too little.
fn supply(r: &mut Registry, snapshot: &Snapshot, loop_turns: bool, now: Moment) {
    let health = Health::of(snapshot, loop_turns, now);
    gauge(
        r,
        "severity",
        "How the pool is: 0 ok, 1 warning, 2 critical; the page and /status have the reasons",
        f64::from(health.severity.number()),
    );
    gauge(
        r,
        "expected_boot_seconds",
        "When a boot is late: half as long again as the slowest of the last ones; REPLICA_STARTUP_GRACE before the first",
        snapshot.expected_boot.as_secs_f64(),
    );
    let supply = &snapshot.supply;
    if supply.is_known() {
        let below = supply.below_since.map(|since| now.since(since));
        gauge(
            r,
            "ready_below_floor_seconds",
            "For how long fewer resources have been ready than the floor; 0 if they are not",
            below.unwrap_or_default().as_secs_f64(),
        );
    }
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

fn addresses_by_state(snapshot: &Snapshot, assessment: &Assessment) -> Vec<(Label, usize)> {
    let state = |holder: &Holder| match holder {
        Holder::Nobody => "free",
        Holder::Server(id) if assessment.replica(id).is_some() => "held",
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
