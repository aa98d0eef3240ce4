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
    let whole: &RawValue =
        serde_json::from_slice(without_mark(body)).map_err(|_| not_json(body))?;
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

/// Without the byte order mark that programs on Windows write before UTF-8, and without the whitespace around it;
/// there may be several, where a file was put together from others.
fn without_mark(body: &[u8]) -> &[u8] {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    let mut rest = body.trim_ascii_start();
    while let Some(after) = rest.strip_prefix(MARK) {
        rest = after.trim_ascii_start();
    }
    rest
}

/// Why a text is no JSON. The mark of another encoding, or a zero byte beside the first brace or blank, shows that
/// the replica used the wrong encoding.
fn not_json(body: &[u8]) -> ProbeFailure {
    match body {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => ProbeFailure::Encoding("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ProbeFailure::Encoding("UTF-16"),
        [0, a, 0, b, ..] | [a, 0, b, 0, ..] if *a > 0 && *b > 0 => ProbeFailure::Encoding("UTF-16"),
        _ => ProbeFailure::NotJson,
    }
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
    let (mut object, mut key) = (object, key);
    let mut inner: Object<'a>;
    loop {
        if let Some(value) = object.get(key) {
            return Some(value);
        }
        let (head, rest) = key.split_once('.')?;
        let value: &'a RawValue = object.get(head)?;
        inner = serde_json::from_str(value.get()).ok()?;
        object = &inner;
        key = rest;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use ProbeFailure::{BadValue, KeyMissing, NotAnObject, NotJson, TooLarge};
    use proptest::prelude::*;

    fn check(body: &str, expected: &Result<(u64, bool), ProbeFailure>) {
        let got = read_answer(body.as_bytes(), "capacity", "data.done");
        let got = got.map(|answer| (answer.free, answer.termination));
        assert_eq!(&got, expected, "{body}");
    }

    fn check_capacity(value: &str, expected: Option<u64>) {
        let expected = expected.map(|free| (free, false)).ok_or(BadValue {
            key: "capacity".to_owned(),
            value: value.to_owned(),
        });
        check(
            &format!(r#"{{"capacity": {value}, "data.done": 0}}"#),
            &expected,
        );
    }

    fn check_termination(value: &str, expected: Option<bool>) {
        let expected = expected.map(|done| (1, done)).ok_or(BadValue {
            key: "data.done".to_owned(),
            value: value.to_owned(),
        });
        check(
            &format!(r#"{{"data": {{"done":{value}}}, "capacity": 1}}"#),
            &expected,
        );
    }

    #[test]
    fn capacities() {
        let good = [
            ("0", 0),
            ("3", 3),
            ("3.0", 3),
            ("1e2", 100),
            ("-0", 0),
            ("-0.0", 0),
            (r#""3""#, 3),
            (r#"" 3\n""#, 3),
            (r#""3.0""#, 3),
            (r#""\u0033""#, 3),
            ("true", 1),
            ("false", 0),
            ("4294967295", MAX_FREE),
        ];
        for (value, free) in good {
            check_capacity(value, Some(free));
        }
        let bad = [
            "-1",
            "1.5",
            "-1.0",
            "1e19",
            "1e999",
            "-1e999",
            "4294967296",
            "null",
            "[]",
            "{}",
            "18446744073709551616",
            r#""""#,
            r#""x""#,
            r#""NaN""#,
            r#""inf""#,
            r#""-1""#,
            r#""1e999""#,
            r#""true""#,
            "[3]",
        ];
        for value in bad {
            check_capacity(value, None);
        }
    }

    #[test]
    fn terminations() {
        let good = [
            ("true", true),
            ("false", false),
            (r#""true""#, true),
            (r#""False""#, false),
            (r#"" TRUE ""#, true),
            ("1", true),
            ("0", false),
            ("1.0", true),
        ];
        for (value, done) in good {
            check_termination(value, Some(done));
        }
        for value in [
            "2", "-1", "null", "[]", r#""yes""#, r#""1""#, r#""""#, "0.5", "1e999",
        ] {
            check_termination(value, None);
        }
    }

    #[test]
    fn shapes() {
        let missing = |key: &str| Err(KeyMissing(key.to_owned()));
        let table = [
            (
                r#"{"capacity":1,"data":{"done":true},"more":[{}]}"#,
                Ok((1, true)),
            ),
            (
                r#"{"capacity":1,"data.done":true,"data":{"done":false}}"#,
                Ok((1, true)),
            ),
            (
                r#"{"capacity":1,"capacity":2,"data.done":0}"#,
                Ok((2, false)),
            ),
            (r#"{"cap\u0061city":1,"data.done":0}"#, Ok((1, false))),
            (" \r\n{\"capacity\":1,\"data.done\":0}\n", Ok((1, false))),
            (r#"{"capacity":1,"data":{}}"#, missing("data.done")),
            (r#"{"capacity":1,"data":[]}"#, missing("data.done")),
            (r#"{"capacity":1,"data":null}"#, missing("data.done")),
            (r#"{"data":{"done":true}}"#, missing("capacity")),
            ("{}", missing("capacity")),
            ("[]", Err(NotAnObject)),
            ("3", Err(NotAnObject)),
            (r#""{}""#, Err(NotAnObject)),
            ("null", Err(NotAnObject)),
            ("", Err(NotJson)),
            ("{", Err(NotJson)),
            ("{} {}", Err(NotJson)),
            ("<html>", Err(NotJson)),
            (r#"{"capacity":NaN,"data.done":0}"#, Err(NotJson)),
            (r#"{"capacity":1,"data.done":0,}"#, Err(NotJson)),
            ("\u{feff}{\"capacity\":1,\"data.done\":0}", Ok((1, false))),
            (
                " \n\u{feff}\r\n\u{feff}\t{\"capacity\":1,\"data.done\":0}",
                Ok((1, false)),
            ),
            ("\u{feff}", Err(NotJson)),
            ("\u{feff}[]", Err(NotAnObject)),
            ("{\u{feff}\"capacity\":1,\"data.done\":0}", Err(NotJson)),
        ];
        for (body, expected) in table {
            check(body, &expected);
        }
        assert_eq!(
            read_answer(b"{\"capacity\": \"\xff\"}", "capacity", "x"),
            Err(NotJson)
        );
        assert_eq!(
            read_answer(&vec![b' '; MAX_BODY_BYTES + 1], "a", "b"),
            Err(TooLarge)
        );
    }

    #[test]
    fn another_encoding_is_told() {
        let text = r#"{"capacity":1,"done":0}"#;
        let units = |mark: &str| format!("{mark}{text}").encode_utf16().collect::<Vec<_>>();
        for mark in ["", "\u{feff}"] {
            let little: Vec<u8> = units(mark).iter().flat_map(|u| u.to_le_bytes()).collect();
            let big: Vec<u8> = units(mark).iter().flat_map(|u| u.to_be_bytes()).collect();
            for body in [little, big] {
                let failure = read_answer(&body, "capacity", "done").unwrap_err();
                assert_eq!(failure, ProbeFailure::Encoding("UTF-16"));
                assert_eq!(failure.name(), "not-json");
                let told = failure.to_string();
                assert_eq!(told, "the body is in UTF-16, and JSON has to be in UTF-8");
            }
        }
        let wide = |c: char| u32::from(c).to_le_bytes();
        let body: Vec<u8> = "\u{feff}{}".chars().flat_map(wide).collect();
        assert_eq!(
            read_answer(&body, "a", "b"),
            Err(ProbeFailure::Encoding("UTF-32"))
        );
    }

    #[test]
    fn deep_nesting_is_skipped_or_followed_without_recursion() {
        let deep = "[".repeat(30_000) + &"]".repeat(30_000);
        check(
            &format!(r#"{{"capacity":1,"data.done":0,"x":{deep}}}"#),
            &Ok((1, false)),
        );
        check(&deep, &Err(NotAnObject));
        let path = vec!["a"; 5_000].join(".");
        let body = r#"{"a":"#.repeat(5_000) + "1" + &"}".repeat(5_000);
        let answer = read_answer(body.as_bytes(), &path, &path);
        assert_eq!(
            answer,
            Ok(Answer {
                free: 1,
                termination: true
            })
        );
    }

    #[test]
    fn bad_values_are_shortened_and_escaped() {
        let cases = [
            ("abc", "abc".to_owned()),
            ("[\n\t1]", "[\\n\\t1]".to_owned()),
            ("\u{7f}\u{202e}é\"'\\", "\\u{7f}\\u{202e}é\"'\\".to_owned()),
            (&"x".repeat(80), "x".repeat(80)),
            (&"x".repeat(81), "x".repeat(79) + "…"),
            (&"\n".repeat(500), "\\n".repeat(39) + "\\…"),
        ];
        for (text, expected) in cases {
            assert_eq!(shorten(text, MAX_VALUE_CHARS), expected);
        }
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200), key in ".{0,8}") {
            let _ = read_answer(&body, &key, "a.b");
        }

        #[test]
        fn never_panics_on_near_json(body in r#"\{("a"|"b"|"a\.b"|[0-9eE.+-]|[{}:,"\\\[\] ]|true){0,40}\}"#) {
            if let Ok(answer) = read_answer(body.as_bytes(), "a", "a.b") {
                prop_assert!(answer.free <= MAX_FREE);
            }
        }

        #[test]
        fn shortened_texts_are_short_and_of_one_line(text in "\\PC*|.{0,300}") {
            let short = shorten(&text, MAX_VALUE_CHARS);
            prop_assert!(short.chars().count() <= MAX_VALUE_CHARS);
            prop_assert!(!short.chars().any(char::is_control));
        }
    }
}
