//! The kinds of values, what each accepts, and how that is told to a user.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Nova's bound for names, metadata keys and metadata values.
const NOVA_TEXT_CHARS: usize = 255;

/// What a variable's value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One line of text.
    Text,
    /// The key of a server's metadata; Nova allows letters, digits and `-_:. `.
    MetadataKey,
    /// An IP address to listen on, or `localhost`.
    Address,
    /// The path of a URL, with its query.
    UrlPath,
    /// A whole number, both bounds included.
    Whole {
        /// The smallest one.
        min: u64,
        /// The largest one.
        max: u64,
    },
    /// Seconds, fractions allowed, both bounds included.
    Seconds {
        /// The smallest one, unless it is zero.
        min_ms: u64,
        /// The largest one.
        max_s: u64,
        /// What zero means; `None`: zero is refused.
        zero: Option<&'static str>,
    },
    /// Yes or no.
    Switch,
    /// One word of several, in any case.
    Choice(&'static [&'static str]),
    /// Text, separated by commas.
    List,
    /// Hosts, separated by commas; the status server reads each.
    Hosts,
    /// The path of a file.
    File,
    /// Read by somebody else: the cloud's client, the mock, or `make`.
    Elsewhere,
}

impl Kind {
    /// What a value must be, to follow "expected".
    pub fn expected(&self) -> String {
        match self {
            Self::Text | Self::List => {
                format!("at most {NOVA_TEXT_CHARS} characters on one line")
            }
            Self::Hosts => "names and addresses of hosts, separated by commas".to_owned(),
            Self::MetadataKey => format!(
                "1 to {NOVA_TEXT_CHARS} of letters, digits, blanks and -_:. \
                 (Nova's rule for metadata keys)"
            ),
            Self::Address => {
                "an IP address such as 0.0.0.0, 127.0.0.1 or ::, or localhost".to_owned()
            }
            Self::UrlPath => {
                "a path such as /status, without blanks (write %20), `#` or a host".to_owned()
            }
            Self::Whole { min, max } => format!("a whole number from {min} to {max}"),
            Self::Seconds {
                min_ms,
                max_s,
                zero,
            } => {
                let min = Duration::from_millis(*min_ms).as_secs_f64();
                let zero = zero.map_or(String::new(), |meaning| format!(", or 0 ({meaning})"));
                format!("seconds such as 30 or 0.5, from {min} to {max_s}{zero}")
            }
            Self::Switch => "true or false".to_owned(),
            Self::Choice(words) => format!("one of: {}", words.join(", ")),
            Self::File => "the path of a readable file".to_owned(),
            Self::Elsewhere => String::new(),
        }
    }

    pub(super) fn text(self, text: &str) -> Option<String> {
        let fits = match self {
            Self::Text | Self::List => {
                text.chars().count() <= NOVA_TEXT_CHARS && !text.contains(char::is_control)
            }
            Self::MetadataKey => {
                text.len() <= NOVA_TEXT_CHARS
                    && text
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || "-_:. ".contains(c))
            }
            Self::File => !text.contains('\0'),
            Self::Hosts => true,
            _ => false,
        };
        fits.then(|| text.to_owned())
    }

    pub(super) fn list(self, text: &str) -> Option<Vec<String>> {
        let items = text.split(',').map(str::trim);
        items
            .filter(|item| !item.is_empty())
            .map(|item| self.text(item))
            .collect()
    }

    pub(super) fn address(self, text: &str) -> Option<IpAddr> {
        if self != Self::Address {
            return None;
        }
        // The reference binds "localhost" as IPv4.
        if text.eq_ignore_ascii_case("localhost") {
            return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        match bare {
            Some(v6) => v6.parse().map(IpAddr::V6).ok(),
            None => text.parse().ok(),
        }
    }

    pub(super) fn url_path(self, text: &str) -> Option<String> {
        let clean = text.chars().all(|c| c.is_ascii_graphic() && c != '#');
        if self != Self::UrlPath || !clean || text.contains("://") {
            return None;
        }
        Some(if text.starts_with('/') {
            text.to_owned()
        } else {
            format!("/{text}")
        })
    }

    pub(super) fn whole(self, text: &str) -> Option<u64> {
        let Self::Whole { min, max } = self else {
            return None;
        };
        // `u64::from_str` would take a leading plus.
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().filter(|n| (min..=max).contains(n))
    }

    pub(super) fn seconds(self, text: &str) -> Option<Duration> {
        let Self::Seconds {
            min_ms,
            max_s,
            zero,
        } = self
        else {
            return None;
        };
        // `f64::from_str` would take signs, exponents, `inf` and `nan`.
        if !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return None;
        }
        let seconds: f64 = text.parse().ok()?;
        let duration = Duration::try_from_secs_f64(seconds).ok()?;
        if duration.is_zero() {
            // A number too small to be told from zero was not meant as zero.
            let meant = !text.bytes().any(|b| (b'1'..=b'9').contains(&b));
            return (meant && zero.is_some()).then_some(duration);
        }
        let bounds = Duration::from_millis(min_ms)..=Duration::from_secs(max_s);
        bounds.contains(&duration).then_some(duration)
    }

    pub(super) fn switch(self, text: &str) -> Option<bool> {
        match text.to_ascii_lowercase().as_str() {
            _ if self != Self::Switch => None,
            "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
            "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
            _ => None,
        }
    }

    pub(super) fn choice(self, text: &str) -> Option<&'static str> {
        let Self::Choice(words) = self else {
            return None;
        };
        let word = words.iter().find(|word| word.eq_ignore_ascii_case(text));
        word.copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDS: Kind = Kind::Seconds {
        min_ms: 10,
        max_s: 60,
        zero: None,
    };
    const SECONDS_OR_NEVER: Kind = Kind::Seconds {
        min_ms: 10,
        max_s: 60,
        zero: Some("never"),
    };

    #[test]
    fn whole_numbers() {
        let check = |text: &str, expected| {
            let kind = Kind::Whole { min: 1, max: 65535 };
            assert_eq!(kind.whole(text), expected, "{text:?}");
        };
        check("1", Some(1));
        check("0080", Some(80));
        check("65535", Some(65535));
        for bad in ["0", "65536", "+1", "-1", "1.0", "1e3", "", "eighty", "0x10"] {
            check(bad, None);
        }
        check("99999999999999999999999999", None);
        check("\u{0661}", None);
    }

    #[test]
    fn seconds() {
        let check = |kind: Kind, text: &str, expected_ms: Option<u64>| {
            let expected = expected_ms.map(Duration::from_millis);
            assert_eq!(kind.seconds(text), expected, "{text:?}");
        };
        check(SECONDS, "5", Some(5_000));
        check(SECONDS, "0.5", Some(500));
        check(SECONDS, ".5", Some(500));
        check(SECONDS, "5.", Some(5_000));
        check(SECONDS, "60", Some(60_000));
        check(SECONDS_OR_NEVER, "0", Some(0));
        check(SECONDS_OR_NEVER, "0.0", Some(0));
        for bad in [
            "0", "60.1", "0.001", "-1", "+1", "1e1", "inf", "nan", "5s", "", ".", "1.2.3",
        ] {
            check(SECONDS, bad, None);
        }
        check(SECONDS_OR_NEVER, "0.00000000000001", None);
        check(SECONDS, &"9".repeat(400), None);
    }

    #[test]
    fn addresses_paths_switches() {
        let address = |text: &str| Kind::Address.address(text).map(|a| a.to_string());
        assert_eq!(address("localhost").as_deref(), Some("127.0.0.1"));
        assert_eq!(address("[::1]").as_deref(), Some("::1"));
        assert_eq!(address("::").as_deref(), Some("::"));
        assert_eq!(address("example.org"), None);
        assert_eq!(address("[1.2.3.4]"), None);

        let path = |text: &str| Kind::UrlPath.url_path(text);
        assert_eq!(path("status").as_deref(), Some("/status"));
        assert_eq!(path("/a?b=c").as_deref(), Some("/a?b=c"));
        for bad in ["/a b", "http://h/x", "/é", "/a#b", "/a\n"] {
            assert_eq!(path(bad), None, "{bad:?}");
        }

        for yes in ["true", "True", "TRUE", "1", "yes", "on"] {
            assert_eq!(Kind::Switch.switch(yes), Some(true), "{yes}");
        }
        for no in ["false", "False", "0", "no", "OFF"] {
            assert_eq!(Kind::Switch.switch(no), Some(false), "{no}");
        }
        assert_eq!(Kind::Switch.switch("maybe"), None);
        let list = Kind::List.list(" b, ,a ,,");
        assert_eq!(list, Some(vec!["b".to_owned(), "a".to_owned()]));
        assert_eq!(
            Kind::MetadataKey.text("sipmediagw.group").as_deref(),
            Some("sipmediagw.group")
        );
        assert_eq!(Kind::MetadataKey.text("a/b"), None);
    }
}
