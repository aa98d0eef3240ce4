//! The targets: each takes bytes from outside, hands them to the real code, and panics if a promise is broken.
//!
//! `tests/fuzz.rs` runs them with its own mutations on any toolchain, `fuzz/` with libFuzzer on nightly.

pub mod answer;
pub mod cloud;
pub mod clouds_yaml;
pub mod dotenv;
pub mod probe;
pub mod status;

use std::error::Error;
use std::fmt::Write;

/// Known to the targets as a secret; must not come back.
pub const PASSWORD: &str = "Pa55\"w\\rd#$é";
/// As above.
pub const TOKEN: &str = "gAAAAABtokenOfTheMockCloud_0123456789";

/// The longest text that anything from outside may turn into, in characters.
pub const MAX_TEXT_CHARS: usize = 4_000;

/// Checks an error's texts: bounded, and without secrets.
pub fn check_error(error: &(dyn Error + 'static)) {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(one) = next {
        check_text(&one.to_string());
        let _ = write!(text, "{one:?}");
        next = one.source();
    }
    check_secrets(&text);
}

/// Checks a text that goes to the log: bounded, and without secrets.
pub fn check_text(text: &str) {
    let length = text.chars().count();
    assert!(length <= MAX_TEXT_CHARS, "a text of {length} characters");
    check_secrets(text);
}

/// Checks that none of the known secrets is in a text.
pub fn check_secrets(text: &str) {
    for secret in [PASSWORD, TOKEN] {
        assert!(!text.contains(secret), "a secret is shown: {text}");
    }
}
