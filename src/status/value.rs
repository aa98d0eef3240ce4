//! Durations and objects, as all views write them.

use crate::pool::{Moment, whole_seconds_up};
use serde_json::{Map, Value};
use std::time::Duration;

/// The entries of a value that is an object.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Whole seconds that have passed.
pub(super) fn seconds(duration: Duration) -> u64 {
    duration.as_secs()
}

/// Rounded up, so that 0 means: it is over.
pub(super) fn seconds_until(until: Moment, now: Moment) -> u64 {
    whole_seconds_up(until.since(now))
}

/// Whole milliseconds that have passed.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
