//! A replica's answer: the keys in the first line, the body below it.

use serde_json::Value;
use simplescalevm::pool::ProbeFailure;
use simplescalevm::probe::{MAX_BODY_BYTES, MAX_FREE, read_answer};

/// Judges with `serde_json`'s own reading.
pub fn check(data: &[u8]) {
    let (keys, body) = split(data);
    let keys = String::from_utf8_lossy(keys);
    let (capacity, termination) = keys.split_once(' ').unwrap_or((&keys, "termination"));
    let read = read_answer(body, capacity, termination);
    let parsed: Result<Value, _> = serde_json::from_slice(body);
    match &read {
        Ok(answer) => {
            assert!(answer.free <= MAX_FREE);
            // The one thing that the two readers see differently: depth, and numbers without end.
            if let Ok(value) = &parsed {
                assert!(value.is_object(), "{value}");
            }
        }
        Err(ProbeFailure::NotAnObject) => {
            assert!(parsed.as_ref().map_or(true, |value| !value.is_object()));
        }
        Err(ProbeFailure::NotJson | ProbeFailure::Encoding(_)) => {
            assert!(parsed.is_err(), "serde_json takes it");
        }
        Err(ProbeFailure::TooLarge) => assert!(body.len() > MAX_BODY_BYTES),
        Err(ProbeFailure::KeyMissing(_)) => {
            if let Ok(Value::Object(object)) = &parsed {
                let both = object.contains_key(capacity) && object.contains_key(termination);
                assert!(!both, "both keys are there");
            }
        }
        Err(ProbeFailure::BadValue { value, .. }) => {
            assert!(value.chars().count() <= 81 && !value.contains('\n'));
        }
        Err(other) => panic!("{other:?} is not about a body"),
    }
    if let Err(failure) = &read {
        let own = capacity.chars().count().max(termination.chars().count());
        assert!(
            failure.to_string().chars().count() <= own + 200,
            "{failure}"
        );
    }
}

fn split(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(at) if at < 200 => (&data[..at], &data[at + 1..]),
        _ => (b"capacity termination", data),
    }
}
