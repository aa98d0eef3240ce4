//! Keeps what a request holds in confidence out of what is told of its answer.
//!
//! Clouds and proxies repeat requests in their errors: Nova's "Invalid input for field/attribute user_data. Value: ..."
//! has the whole of it, and debugging proxies print headers and bodies.

use std::fmt::Write as _;

use serde_json::Value;
use zeroize::Zeroize;

use crate::secret::Secret;
use crate::url;

/// What takes the place of a hidden text.
const MASK: &str = "***";
/// A shorter text would hide half of every message, and is no secret anyway.
const MIN_CHARS: usize = 4;
/// A longer text is also found where an echo was cut off after so many characters of it.
const PREFIX_CHARS: usize = 16;

/// Far more than is ever shown of a text.
const MAX_CHARS: usize = 20_000;

/// Texts that must not be shown.
#[derive(Default)]
pub(crate) struct Redactor {
    /// In every spelling in which an echo may have them, the longest first.
    hidden: Vec<Vec<char>>,
}

impl Drop for Redactor {
    fn drop(&mut self) {
        self.hidden.zeroize();
    }
}

impl Redactor {
    /// Hides secrets and the user data of a request's body.
    pub(crate) fn new<'a>(
        secrets: impl IntoIterator<Item = &'a Secret>,
        body: Option<&'a Value>,
    ) -> Self {
        let user_data = body.and_then(|body| body.pointer("/server/user_data")?.as_str());
        let texts = secrets.into_iter().map(Secret::expose).chain(user_data);
        let mut hidden: Vec<Vec<char>> = texts
            .filter(|text| text.chars().count() >= MIN_CHARS)
            .flat_map(spellings)
            .map(|text| text.chars().collect())
            .collect();
        hidden.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        hidden.dedup();
        Self { hidden }
    }

    /// The text with a mask in place of whatever is hidden.
    pub(crate) fn scrub(&self, text: &str) -> String {
        if self.hidden.is_empty() {
            return text.chars().take(MAX_CHARS).collect();
        }
        let chars: Vec<char> = text.chars().take(MAX_CHARS).collect();
        let mut rest = chars.as_slice();
        let mut out = String::with_capacity(text.len());
        while let Some((first, after)) = rest.split_first() {
            let found = self
                .hidden
                .iter()
                .map(|hidden| shown_of(hidden, rest))
                .max();
            if let Some(length @ 1..) = found {
                out.push_str(MASK);
                rest = rest.get(length..).unwrap_or_default();
            } else {
                out.push(*first);
                rest = after;
            }
        }
        out
    }
}

/// How many characters of a hidden text a text begins with; zero if too few to tell.
fn shown_of(hidden: &[char], text: &[char]) -> usize {
    if hidden.first() != text.first() {
        return 0;
    }
    let equal = hidden.iter().zip(text).take_while(|(a, b)| a == b).count();
    if equal >= hidden.len().min(PREFIX_CHARS) {
        equal
    } else {
        0
    }
}

/// As it is, in JSON (once and twice, also in Python's ASCII), in a URL and in HTML.
fn spellings(text: &str) -> [String; 6] {
    let json = in_json(text);
    let ascii = in_ascii(&json);
    let html = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;");
    [
        text.to_owned(),
        in_json(&json),
        url::encode(text),
        html,
        json,
        ascii,
    ]
}

fn in_json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    let inner = quoted.strip_prefix('"').and_then(|q| q.strip_suffix('"'));
    inner.unwrap_or(&quoted).to_owned()
}

fn in_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a text cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Redactor;
    use crate::secret::Secret;

    fn check(secret: &str, text: &str, expected: &str) {
        let redactor = Redactor::new([&Secret::new(secret)], None);
        assert_eq!(redactor.scrub(text), expected, "{secret}");
    }

    #[test]
    fn every_spelling_is_hidden() {
        check("hunter2", "a hunter2, hunter2!", "a ***, ***!");
        check(
            "p@ss \"w$rd#1",
            r#"{"password": "p@ss \"w$rd#1"}"#,
            r#"{"password": "***"}"#,
        );
        check(
            "p@ss \"w$rd#1",
            r#""{\"password\": \"p@ss \\\"w$rd#1\"}""#,
            r#""{\"password\": \"***\"}""#,
        );
        check(
            "é\"<&>",
            "é&quot;&lt;&amp;&gt; %C3%A9%22%3C%26%3E \\u00e9\\\"<&>",
            "*** *** ***",
        );
        check("", "nothing to hide", "nothing to hide");
        check("a", "a banana", "a banana");
    }

    #[test]
    fn a_long_text_is_hidden_where_its_echo_is_cut_off() {
        let long = "abcdefghijklmnopqrstuvwxyz";
        check(long, "is abcdefghijklmnopqrs... ", "is ***... ");
        check(long, "is abcdefghijklmno... ", "is abcdefghijklmno... ");
    }

    #[test]
    fn user_data_is_hidden() {
        let body = json!({"server": {"name": "gateway", "user_data": "I2Nsb3VkLWNvbmZpZw=="}});
        let redactor = Redactor::new([], Some(&body));
        let text =
            "Invalid input for field/attribute user_data. Value: I2Nsb3VkLWNvbmZpZw==. gateway";
        let expected = "Invalid input for field/attribute user_data. Value: ***. gateway";
        assert_eq!(redactor.scrub(text), expected);
    }
}
