//! Reading a replica's answer. Pure.

use crate::pool::{Answer, ProbeFailure};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The largest answer that is read.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The largest number of free resources that is believed. The sum over any pool fits in a `u64`.
pub const MAX_FREE: u64 = u32::MAX as u64;

/// The longest part of a value that is repeated in a failure.
const MAX_VALUE_CHARS: usize = 80;

/// An object, each value as the text it was received as. Of a key that comes twice the last counts.
///
/// The text is kept because it is what the operator wants to see, because a number such as `1e999`
/// has no other form, and because skipping a value does not recurse however deep it is nested.
type Object<'a> = BTreeMap<String, &'a RawValue>;

/// Reads an answer: a JSON object that holds both keys.
///
/// A key is either literally in the object or a dotted path into nested ones.
pub fn read_answer(
    body: &[u8],
    capacity_key: &str,
    termination_key: &str,
) -> Result<Answer, ProbeFailure> {
    if body.len() > MAX_BODY_BYTES {
        return Err(ProbeFailure::TooLarge);
    }
    let whole: &RawValue = serde_json::from_slice(body).map_err(|_| ProbeFailure::NotJson)?;
    if !whole.get().starts_with('{') {
        return Err(ProbeFailure::NotAnObject);
    }
    let object: Object<'_> =
        serde_json::from_str(whole.get()).map_err(|_| ProbeFailure::NotJson)?;
    Ok(Answer {
        free: read_key(&object, capacity_key, read_capacity)?,
        termination: read_key(&object, termination_key, read_termination)?,
    })
}

/// At most `max_chars` characters of a text from outside, fit for one line of a log.
pub(super) fn shorten(text: &str, max_chars: usize) -> String {
    let mut short = String::new();
    let mut length = 0;
    for c in text.chars() {
        let start = short.len();
        if matches!(c, '"' | '\'' | '\\') {
            short.push(c);
        } else {
            short.extend(c.escape_debug());
        }
        length += short[start..].chars().count();
        if length > max_chars {
            let end = short.char_indices().nth(max_chars.saturating_sub(1));
            short.truncate(end.map_or(0, |(at, _)| at));
            short.push('…');
            break;
        }
    }
    short
}

fn read_key<T>(
    object: &Object<'_>,
    key: &str,
    read: fn(&str) -> Option<T>,
) -> Result<T, ProbeFailure> {
    let value = find(object, key).ok_or_else(|| ProbeFailure::KeyMissing(key.to_owned()))?;
    read(value.get()).ok_or_else(|| ProbeFailure::BadValue {
        key: key.to_owned(),
        value: shorten(value.get(), MAX_VALUE_CHARS),
    })
}

/// At each level the key that exists literally wins over the path.
fn find<'a>(object: &Object<'a>, key: &str) -> Option<&'a RawValue> {
    if let Some(value) = object.get(key) {
        return Some(value);
    }
    let (head, rest) = key.split_once('.')?;
    let inner = serde_json::from_str(object.get(head)?.get()).ok()?;
    find(&inner, rest)
}

fn read_capacity(json: &str) -> Option<u64> {
    match json {
        "true" => Some(1),
        "false" => Some(0),
        _ if json.starts_with('"') => {
            whole_number(serde_json::from_str::<String>(json).ok()?.trim())
        }
        _ => whole_number(json),
    }
}

fn read_termination(json: &str) -> Option<bool> {
    match json {
        "true" => Some(true),
        "false" => Some(false),
        // Python writes True and False.
        _ if json.starts_with('"') => {
            let text: String = serde_json::from_str(json).ok()?;
            let is = |word: &str| text.trim().eq_ignore_ascii_case(word);
            if is("true") {
                Some(true)
            } else if is("false") {
                Some(false)
            } else {
                None
            }
        }
        _ => match whole_number(json)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
    }
}

fn whole_number(text: &str) -> Option<u64> {
    let number = match text.parse::<u64>() {
        Ok(number) => number,
        Err(_) => whole_float(text.parse().ok()?)?,
    };
    (number <= MAX_FREE).then_some(number)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
fn whole_float(number: f64) -> Option<u64> {
    // NaN and the infinities fail the comparison with the range or have no zero fraction.
    let whole = (0.0..=MAX_FREE as f64).contains(&number) && number.fract() == 0.0;
    whole.then_some(number as u64)
}
