//! Snapshots as JSON. The names of the fields are stable; `docs/status-api.md` has them all.

use super::DaemonInfo;
use super::value::{milliseconds, object, seconds, seconds_until};
use super::view_events::{IN_STATUS, event_view};
use super::view_plan::{blocked_view, going_because, plan_view};
use crate::pool::{
    Assessment, Backoff, Blocked, Creating, DeleteReason, ExternalAddress, Failed, Finding, Health,
    Holder, Incident, Moment, ProbeFailure, Record, ReplicaId, ReplicaState, ServerState, Snapshot,
    Words, delete_reason, shown, surplus_in_words, utc, visible,
};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The body of `GET /`: the keys of the reference, and the most important of the rest.
#[must_use]
pub fn summary_view(snapshot: &Snapshot, facts: &DaemonInfo, healthy: bool, now: Moment) -> Value {
    let words = Words::of(snapshot, now);
    let blocked = snapshot.plan.blocked.iter().map(|b| words.blocked(b));
    let health = Health::of(snapshot, healthy, now);
    let assessment = snapshot.assessment();
    json!({
        "status": u8::from(healthy),
        "isMaster": true,
        "version": facts.version,
        "provider": facts.provider,
        "severity": health.severity.name(),
        "severity_reasons": reasons_view(&health, &words, now),
        "ready": assessment.map(|a| a.ready),
        "available": assessment.map(|a| a.available),
        "floor": snapshot.floor,
        "missing": snapshot.missing(),
        "replicas": by_state(snapshot),
        "blocked": blocked.collect::<Vec<_>>(),
        "last_list_seconds_ago": snapshot.last_list.map(|at| seconds(now.since(at))),
    })
}

/// The body of `GET /status`: everything.
#[must_use]
pub fn status_view(snapshot: &Snapshot, facts: &DaemonInfo, healthy: bool, now: Moment) -> Value {
    let body = StatusBody {
        snapshot,
        facts,
        healthy,
        now,
        with_settings: true,
    };
    // Nothing in it can fail to become JSON.
    serde_json::to_value(body).unwrap_or_default()
}

/// The body of `GET /status`, written item by item: of a thousand replicas only one at a time is
/// there as a tree.
pub(super) struct StatusBody<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) facts: &'a DaemonInfo,
    pub(super) healthy: bool,
    pub(super) now: Moment,
    pub(super) with_settings: bool,
}

impl Serialize for StatusBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (snapshot, now) = (self.snapshot, self.now);
        let words = Words::of(snapshot, now);
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.head(&words) {
            map.serialize_entry(&name, &value)?;
        }
        let replicas = replicas_view(snapshot, &words, now);
        map.serialize_entry("replicas", &Lazily::new(replicas))?;
        for (name, value) in self.tail(&words) {
            map.serialize_entry(&name, &value)?;
        }
        let events = snapshot.events.newest_first().take(IN_STATUS);
        let events = events.map(|event| event_view(event, now));
        map.serialize_entry("events", &Lazily::new(events))?;
        let settings = self.with_settings.then(|| settings_view(self.facts));
        map.serialize_entry("settings", &settings)?;
        let hint = (!self.with_settings).then_some(SETTINGS_HINT);
        map.serialize_entry("settings_hint", &hint)?;
        map.end()
    }
}

impl StatusBody<'_> {
    fn head(&self, words: &Words<'_>) -> Map<String, Value> {
        let (snapshot, facts, now) = (self.snapshot, self.facts, self.now);
        let assessment = snapshot.assessment();
        let health = Health::of(snapshot, self.healthy, now);
        object(json!({
            "severity": health.severity.name(),
            "severity_reasons": reasons_view(&health, words, now),
            "status": u8::from(self.healthy),
            "isMaster": true,
            "version": facts.version,
            "provider": facts.provider,
            "pool": facts.pool,
            "uptime_seconds": seconds(now.0),
            "snapshot_seconds_ago": seconds(now.since(snapshot.taken)),
            "last_list_seconds_ago": snapshot.last_list.map(|at| seconds(now.since(at))),
            "cloud_time": words.utc(now),
            "summary": {
                "ready": assessment.map(|a| a.ready),
                "available": assessment.map(|a| a.available),
                "capacity": snapshot.capacity,
                "expected_boot_seconds": seconds(snapshot.expected_boot),
                "floor": snapshot.floor,
                "missing": snapshot.missing(),
                "max_replicas": snapshot.max_count,
                "replicas": assessment.map(|a| a.replicas.len()),
                "by_state": by_state(snapshot),
                "awaited": assessment.map(|a| a.awaited),
            },
        }))
    }

    fn tail(&self, words: &Words<'_>) -> Map<String, Value> {
        let (snapshot, now) = (self.snapshot, self.now);
        object(json!({
            "external_addresses": addresses_view(snapshot, words),
            "surplus": surplus_view(snapshot),
            "image": snapshot.image.as_deref(),
            "plan": plan_view(&snapshot.plan, words, now),
            "backoff": snapshot.backoff.map(|backoff| backoff_view(backoff, words, now)),
            "shrunken_list": snapshot.shrunken_list.as_ref().map(|list| json!({
                "missing": list.missing.iter().map(ReplicaId::as_str).collect::<Vec<_>>(),
                "previous": list.previous,
            })),
            "incidents": snapshot.incidents.iter().rev()
                .map(|incident| incident_view(incident, words, now))
                .collect::<Vec<_>>(),
            "counters": {
                "cycles": snapshot.counters.cycles,
                "failed_cycles": snapshot.counters.failed_cycles,
                "created": snapshot.counters.created,
                "deleted": snapshot.counters.deleted,
                "moved": snapshot.counters.moved,
                "seconds_watched": seconds(snapshot.supply.watched),
                "seconds_below_floor": seconds(snapshot.supply.below),
                "seconds_without_ready_resource": seconds(snapshot.supply.none),
                "foreign_creations": snapshot.foreign,
            },
        }))
    }
}

/// The body of `GET /events`: all that are kept.
pub(super) struct EventsBody<'a>(pub(super) &'a Snapshot, pub(super) Moment);

impl Serialize for EventsBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(snapshot, now) = *self;
        let mut map = serializer.serialize_map(None)?;
        let cloud_time = snapshot.cloud_time_at(now).map(utc);
        map.serialize_entry("cloud_time", &cloud_time)?;
        let events = snapshot.events.newest_first();
        let events = events.map(|event| event_view(event, now));
        map.serialize_entry("events", &Lazily::new(events))?;
        map.end()
    }
}

/// A list whose items are made when they are written.
struct Lazily<I>(Cell<Option<I>>);

impl<I> Lazily<I> {
    fn new(items: I) -> Self {
        Self(Cell::new(Some(items)))
    }
}

impl<I: Iterator<Item: Serialize>> Serialize for Lazily<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.take().into_iter().flatten())
    }
}

const SETTINGS_HINT: &str = "shown to this machine only; APP_SHOW_SETTINGS=true shows them to everyone who can reach this port";

fn settings_view(facts: &DaemonInfo) -> Map<String, Value> {
    let settings = facts.settings.iter();
    settings
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect()
}

/// Every state is there, so that a reader need not know which may be absent.
fn by_state(snapshot: &Snapshot) -> Map<String, Value> {
    let counts = snapshot.assessment().map(Assessment::by_state);
    let count = |name| counts.as_ref().map(|c| c.get(name).copied().unwrap_or(0));
    ReplicaState::NAMES
        .iter()
        .map(|name| ((*name).to_owned(), json!(count(name))))
        .collect()
}

/// A replica in `/status`. Written without a tree of values: there may be thousands. Of one that is
/// not remembered everything that only the memory knows is `null`.
#[derive(Serialize)]
struct ReplicaView<'a> {
    address: Option<IpAddr>,
    age_seconds: u64,
    blocked: Option<Value>,
    counts: u64,
    detail: Option<&'a str>,
    external_addresses: Vec<IpAddr>,
    failures: Option<u32>,
    fault: Option<Cow<'a, str>>,
    free: Option<u64>,
    full_seconds: Option<u64>,
    has_served: Option<bool>,
    id: &'a str,
    last_failure: Option<String>,
    last_failure_kind: Option<&'static str>,
    last_probe_seconds_ago: Option<u64>,
    latency_ms: Option<u64>,
    locked: bool,
    name: Cow<'a, str>,
    outdated: Option<bool>,
    reason: Option<&'static str>,
    reason_text: Option<&'static str>,
    state: &'static str,
    termination: Option<bool>,
    unreachable_seconds: Option<u64>,
}

fn replicas_view<'a>(
    snapshot: &'a Snapshot,
    words: &'a Words<'a>,
    now: Moment,
) -> impl Iterator<Item = ReplicaView<'a>> {
    let mut held_addresses: BTreeMap<&ReplicaId, Vec<IpAddr>> = BTreeMap::new();
    for address in &snapshot.external_addresses {
        if let Holder::Server(id) = &address.holder {
            held_addresses.entry(id).or_default().push(address.address);
        }
    }
    let going = going_because(snapshot);
    let kept: BTreeMap<&ReplicaId, &Blocked> = snapshot
        .plan
        .blocked
        .iter()
        .filter_map(|blocked| match blocked {
            Blocked::Delete { replica, .. } => Some((replica, blocked)),
            _ => None,
        })
        .collect();
    let records: BTreeMap<&ReplicaId, &Record> = snapshot
        .records
        .iter()
        .map(|record| (&record.server.id, record.as_ref()))
        .collect();
    let since_assessed = now.since(snapshot.taken);
    let since = move |at| seconds(now.since(at));
    let replicas = &snapshot.plan.assessment.replicas;
    replicas.iter().map(move |assessed| {
        let id = &assessed.id;
        let record = records.get(id).copied();
        let answer = record.and_then(|r| r.answer);
        let last_probe = record.and_then(|r| r.last_probe);
        let failure = record.and_then(|r| r.last_failure.as_ref());
        let unreachable_since = match assessed.state {
            ReplicaState::Unreachable { since } => Some(since),
            _ => record.and_then(|r| r.unreachable_since),
        };
        let reason = going.get(id);
        ReplicaView {
            address: assessed.address,
            age_seconds: seconds(assessed.age.saturating_add(since_assessed)),
            blocked: kept.get(id).map(|b| blocked_view(b, words, now)),
            counts: assessed.counts,
            detail: record.map(|r| detail(&r.server.state)),
            external_addresses: held_addresses.remove(id).unwrap_or_default(),
            failures: record.map(|r| r.failures),
            // An empty fault was asked for and is not there.
            fault: record
                .and_then(|r| r.fault.as_deref())
                .filter(|fault| !fault.is_empty())
                .map(shown),
            free: answer.map(|a| a.free),
            full_seconds: record.and_then(|r| r.full_since).map(since),
            has_served: record.map(|r| r.has_served),
            id: id.as_str(),
            last_failure: failure.map(|failure| visible(&failure.to_string())),
            last_failure_kind: failure.map(ProbeFailure::name),
            last_probe_seconds_ago: last_probe.map(|(at, _)| since(at)),
            latency_ms: last_probe.map(|(_, latency)| milliseconds(latency)),
            locked: assessed.locked,
            name: shown(&assessed.name),
            outdated: record.and_then(|r| snapshot.is_outdated(r)),
            reason: reason.map(DeleteReason::name),
            reason_text: reason.map(|r| delete_reason(*r)),
            state: assessed.state.name(),
            termination: answer.map(|a| a.termination),
            unreachable_seconds: unreachable_since.map(since),
        }
    })
}

/// The cloud's view of a server.
fn detail(state: &ServerState) -> &str {
    match state {
        ServerState::Leaving => "being deleted",
        ServerState::Creating(Creating::Building) => "being built",
        ServerState::Creating(Creating::NoAddress) => "without an address",
        ServerState::Running(_) => "running",
        ServerState::Failed(Failed::Error) => "error",
        ServerState::Failed(Failed::Stopped) => "stopped",
        ServerState::Held(word) => word,
        ServerState::Unknown => "unknown to the cloud",
    }
}

fn addresses_view(snapshot: &Snapshot, words: &Words<'_>) -> Vec<Value> {
    let view = |address: &ExternalAddress| {
        let (state, holder_id, holder) = match &address.holder {
            Holder::Nobody => ("free", None, "free".to_owned()),
            Holder::Server(id) if words.name(id).is_some() => {
                ("held", Some(id.as_str()), words.replica(id))
            }
            Holder::Server(id) => ("outside", Some(id.as_str()), OUTSIDE.to_owned()),
            Holder::Stranger => ("outside", None, OUTSIDE.to_owned()),
            Holder::Unclear(_) => ("unclear", None, "listed twice, differently".to_owned()),
        };
        json!({
            "id": address.id.as_str(),
            "address": address.address.to_string(),
            "state": state,
            "holder_id": holder_id,
            "holder": holder,
        })
    };
    snapshot.external_addresses.iter().map(view).collect()
}

const OUTSIDE: &str = "outside the pool";

/// Why the pool is not as it should be, the worst first.
fn reasons_view(health: &Health, words: &Words<'_>, now: Moment) -> Vec<Value> {
    let view = |finding: &Finding| {
        json!({
            "reason": finding.reason.name(),
            "severity": finding.severity.name(),
            "text": words.reason(finding.reason),
            "advice": finding.reason.advice(),
            "seconds": finding.since.map(|since| seconds(now.since(since))),
        })
    };
    health.findings.iter().map(view).collect()
}

/// What is ready beyond the floor, and that nothing is done about it.
fn surplus_view(snapshot: &Snapshot) -> Value {
    let surplus = snapshot.surplus();
    let sentences = surplus_in_words(snapshot);
    json!({
        "resources": surplus.map(|s| s.resources),
        "replicas": surplus.map(|s| s.replicas),
        "outdated": snapshot.outdated(),
        "text": (!sentences.is_empty()).then(|| sentences.join(" ")),
    })
}

fn backoff_view(backoff: Backoff, words: &Words<'_>, now: Moment) -> Value {
    json!({
        "failures": backoff.failures,
        "cause": backoff.cause.name(),
        "text": words.cause(backoff.cause),
        "until_seconds": seconds_until(backoff.until, now),
        "until": words.end(backoff.until),
    })
}

fn incident_view(incident: &Incident, words: &Words<'_>, now: Moment) -> Value {
    json!({
        "seconds_ago": seconds(now.since(incident.last)),
        "at": words.utc(incident.last),
        "times": incident.times,
        "doing": incident.doing,
        "kind": incident.kind,
        "error": incident.error,
    })
}
