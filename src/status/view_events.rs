//! Events as JSON.

use super::value::seconds;
use crate::pool::{Entry, Moment, shown, utc};
use serde_json::{Value, json};

/// How many events `/status` has; `/events` has all that are kept.
pub(super) const IN_STATUS: usize = 100;

/// One event.
pub(super) fn event_view(entry: &Entry, now: Moment) -> Value {
    let (event, numbers) = (&entry.event, entry.numbers);
    let replica = event.replica();
    let (from_state, to_state) = event.states();
    json!({
        "number": entry.number,
        "at": entry.time.map(utc),
        "seconds_ago": seconds(now.since(entry.at)),
        "event": event.name(),
        "replica": replica.map(|replica| replica.id.as_str()),
        "name": replica.map(|replica| shown(&replica.name)),
        "reason": event.reason(),
        "outcome": event.outcome(),
        "from_state": from_state,
        "to_state": to_state,
        "text": entry.text,
        "error": event.failure().map(|failure| &failure.error),
        "kind": event.failure().map(|failure| failure.kind),
        "times": entry.times,
        "ready": numbers.map(|n| n.ready),
        "available": numbers.map(|n| n.available),
        "available_after": numbers.map(|n| n.available_after),
        "replicas": numbers.map(|n| n.replicas),
        "replicas_after": numbers.map(|n| n.replicas_after),
        "floor": numbers.map(|n| n.floor),
    })
}
