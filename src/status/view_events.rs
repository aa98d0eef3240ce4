//! Events as JSON.

use super::view::seconds;
use crate::pool::{Event, Moment, ReplicaId, shown, utc};
use serde_json::{Value, json};

/// How many events `/status` has; `/events` has all that are kept.
pub(super) const IN_STATUS: usize = 100;

/// One event.
pub(super) fn event_view(event: &Event, now: Moment) -> Value {
    let numbers = event.numbers;
    json!({
        "number": event.number,
        "at": event.time.map(utc),
        "seconds_ago": seconds(now.since(event.at)),
        "event": event.kind.name(),
        "replica": event.replica.as_ref().map(ReplicaId::as_str),
        "name": event.name.as_deref().map(shown),
        "reason": event.reason,
        "outcome": event.outcome,
        "from_state": event.states.0,
        "to_state": event.states.1,
        "text": event.text,
        "error": event.error,
        "times": event.times,
        "ready": numbers.map(|n| n.ready),
        "available": numbers.map(|n| n.available),
        "available_after": numbers.map(|n| n.available_after),
        "replicas": numbers.map(|n| n.replicas),
        "replicas_after": numbers.map(|n| n.replicas_after),
        "floor": numbers.map(|n| n.floor),
    })
}
