//! Text from outside (names, answers, error bodies), made fit to be shown: it cannot break a line, move a cursor, turn
//! the reading order round or hide a part of itself, and it is of bounded length.

use std::borrow::Cow;

/// The longest name that a sentence repeats, in characters.
pub const LONGEST_NAME: usize = 64;
/// The longest other text, in characters.
pub const LONGEST_TEXT: usize = 2_000;
const CUT: char = '…';

/// Whether a character has an effect on its surroundings instead of a shape of its own: controls (C0, C1, DEL), line and
/// paragraph separators, marks and overrides of the reading order, what has no width, and tags.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}'
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text with escapes in the place of what is not seen: `\n`, `\u{202e}`.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unseen(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The same without a copy where all of it is seen, which is nearly always.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    if text.contains(is_unseen) {
        Cow::Owned(visible(text))
    } else {
        Cow::Borrowed(text)
    }
}

/// The same, line by line: the ends of the lines stay.
#[must_use]
pub fn visible_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(visible).collect();
    lines.join("\n")
}

/// A name: [`visible`], and at most 64 characters, with `…` where it goes on.
#[must_use]
pub fn short_name(name: &str) -> String {
    cut(name, LONGEST_NAME)
}

/// An error, a fault, a sentence: [`visible`], and at most 2,000 characters.
#[must_use]
pub fn short_text(text: &str) -> String {
    cut(text, LONGEST_TEXT)
}

fn cut(text: &str, longest: usize) -> String {
    // No character becomes less than one: what lies behind is not looked at, however much it is.
    let mut all = text.chars();
    let head: String = all.by_ref().take(longest).collect();
    let shown = visible(&head);
    if all.next().is_none() && shown.chars().count() <= longest {
        return shown;
    }
    shown.chars().take(longest - 1).chain([CUT]).collect()
}

/// As it is, but for its length.
#[must_use]
pub fn bounded(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some(_) => text
            .chars()
            .take(longest.saturating_sub(1))
            .chain([CUT])
            .collect(),
    }
}

/// JSON with JSON's own escapes for what is not seen: the same value to a program, harmless on a terminal. Outside of
/// strings JSON has no such characters but line ends and tabs, which stay.
#[must_use]
pub fn visible_json(json: String) -> String {
    let is_to_be_escaped = |c: char| is_unseen(c) && !matches!(c, '\n' | '\r' | '\t');
    if json.is_ascii() || !json.contains(is_to_be_escaped) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if is_to_be_escaped(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_shown() {
        let check = |text: &str, expected: &str| assert_eq!(visible(text), expected);
        check("gw-1 é 東京 🙂", "gw-1 é 東京 🙂");
        check("a\nb\u{1b}[2J\tc\r", "a\\nb\\u{1b}[2J\\tc\\r");
        check("\u{7f}\u{85}\u{9b}31m", "\\u{7f}\\u{85}\\u{9b}31m");
        check("gw\u{202e}gpj", "gw\\u{202e}gpj");
        check(
            "\u{2066}x\u{2069}\u{200b}\u{feff}\u{61c}",
            "\\u{2066}x\\u{2069}\\u{200b}\\u{feff}\\u{61c}",
        );
        check(
            "\u{2028}\u{2029}\u{ad}\u{e0041}",
            "\\u{2028}\\u{2029}\\u{ad}\\u{e0041}",
        );
        assert_eq!(visible_lines("a\u{202e}\nb\r\n"), "a\\u{202e}\nb\\r\n");
    }

    #[test]
    fn length_is_bounded_and_the_cut_is_shown() {
        let long = "x".repeat(65);
        assert_eq!(short_name(&long[..64]), long[..64]);
        assert_eq!(short_name(&long), format!("{}…", &long[..63]));
        let hidden = "\u{202e}".repeat(40);
        let shown = short_name(&hidden);
        assert!(
            shown.chars().count() == 64 && shown.ends_with('…'),
            "{shown}"
        );
        assert_eq!(short_text(&"é".repeat(1_000_000)).chars().count(), 2_000);
    }

    #[test]
    fn json_says_the_same_to_a_program() {
        let json = "{\n\t\"name\": \"a\u{202e}b\u{9b}\u{e0041}é\"\n}".to_owned();
        assert_eq!(
            visible_json(json),
            "{\n\t\"name\": \"a\\u202eb\\u009b\\udb40\\udc41é\"\n}"
        );
    }
}
