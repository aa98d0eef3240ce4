//! As much of a URL as the client needs: scheme, authority and path, and percent-encoding.

use std::fmt;
use std::net::Ipv6Addr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Servers and proxies take few longer ones, and each stands in the log.
const MAX_BYTES: usize = 2_000;

/// An `http` or `https` URL without query; the path has no trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    scheme: String,
    authority: String,
    path: String,
}

impl Url {
    /// Reads a URL; the error says what is wrong without repeating a user name or password.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err("expected a URL of at most 2000 characters");
        }
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("expected a URL that begins with http:// or https://")?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return Err("expected a URL that begins with http:// or https://");
        }
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("expected a URL of ASCII characters without blanks and control characters");
        }
        if rest.contains(['?', '#']) {
            return Err("expected a URL without a query (?) and a fragment (#)");
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        check_authority(authority)?;
        if path.contains(FORBIDDEN) {
            return Err("expected a URL whose path has none of \\ \" < > ^ ` { | }");
        }
        Ok(Self {
            scheme,
            authority: authority.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
        })
    }

    /// The path, without trailing slash; empty for the root.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The same scheme and host with another path.
    pub(crate) fn with_path(&self, path: &str) -> Self {
        let path = path.trim_end_matches('/');
        let slash = if path.is_empty() || path.starts_with('/') {
            ""
        } else {
            "/"
        };
        Self {
            scheme: self.scheme.clone(),
            authority: self.authority.clone(),
            path: format!("{slash}{path}"),
        }
    }

    /// The path's segments that are not empty.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path
            .split('/')
            .filter(|part| !part.is_empty())
            .collect()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

/// What RFC 3986 has no place for, and what HTTP libraries read in ways of their own.
const FORBIDDEN: [char; 9] = ['\\', '"', '<', '>', '^', '`', '{', '|', '}'];

/// `HOST` or `HOST:PORT`. An HTTP library takes a port that it cannot read for the scheme's own, and would send a
/// password there.
fn check_authority(authority: &str) -> Result<(), &'static str> {
    if authority.contains('@') {
        return Err("expected a URL without user name and password");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest
                .split_once(']')
                .ok_or("expected a ] after the IPv6 address")?;
            if address.contains('%') {
                return Err(
                    "expected an IPv6 address without a zone (%): it cannot be part of a URL here",
                );
            }
            if address.parse::<Ipv6Addr>().is_err() {
                return Err("expected an IPv6 address between [ and ]");
            }
            match port.strip_prefix(':') {
                Some(port) => (address, Some(port)),
                None if port.is_empty() => (address, None),
                None => return Err("expected a colon and a port behind the ]"),
            }
        }
        None => match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(
                    "expected one colon, before the port, and an IPv6 address in brackets, such as [::1]:5000",
                );
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err("expected a URL with a host");
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if !host.chars().all(is_name) {
        return Err("expected a host of letters, digits, - and dots");
    }
    let is_number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    match port {
        Some(port) if !is_number(port) || !matches!(port.parse::<u16>(), Ok(1..)) => {
            Err("expected a port between 1 and 65535")
        }
        _ => Ok(()),
    }
}

/// The path of an absolute URL, without its query.
pub(crate) fn path_of(url: &str) -> &str {
    let bare = url.split('?').next().unwrap_or_default();
    let rest = bare.split_once("://").map_or(bare, |(_, rest)| rest);
    rest.find('/')
        .and_then(|at| rest.get(at..))
        .unwrap_or_default()
}

/// Scheme, host and path of a URL, or what a relative one has of them: without user name, password and query.
pub(crate) fn without_secrets(text: &str) -> String {
    let bare = text.trim().split(['?', '#']).next().unwrap_or_default();
    let (before, rest) = match bare.find("//") {
        Some(at) => bare.split_at(at + 2),
        None => ("", bare),
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{before}{host}{path}")
}

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Percent-encodes everything but the unreserved characters of RFC 3986, section 2.3, so that an id or a name can
/// neither leave its path segment nor add a query parameter.
pub(crate) fn encode(text: &str) -> String {
    let out = utf8_percent_encode(text, RESERVED).to_string();
    match out.as_str() {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => out,
    }
}

/// A query string of those pairs that have a value; empty if there are none.
pub(crate) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    pairs
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", encode(&value?))))
        .collect::<Vec<_>>()
        .join("&")
}

#[cfg(test)]
mod tests {
    use super::{Url, encode, query, without_secrets};

    #[test]
    fn parses_and_prints() {
        let cases: &[(&str, Result<&str, &str>)] = &[
            ("http://127.0.0.1:5000/v3/", Ok("http://127.0.0.1:5000/v3")),
            ("HTTPS://auth.example/", Ok("https://auth.example")),
            (
                "https://[::1]:5000/identity",
                Ok("https://[::1]:5000/identity"),
            ),
            (" http://a_b-c.d:65535/ ", Ok("http://a_b-c.d:65535")),
            ("http://127.0.0.1:1//v3//", Ok("http://127.0.0.1:1//v3")),
            ("ftp://x", Err("http://")),
            ("auth.example/v3", Err("http://")),
            ("http://user:pass@host/", Err("without user name")),
            ("http:///v3", Err("host")),
            ("http://:5000/v3", Err("with a host")),
            ("http://a b/", Err("blanks")),
            ("http://host/a b", Err("blanks")),
            ("http://host/v3?a b", Err("blanks")),
            ("http://h\u{f6}st/", Err("ASCII")),
            ("http://host/v3?x=1", Err("query")),
            ("http://host?x", Err("query")),
            ("http://host/v3#x", Err("fragment")),
            ("http://host:99999/v3", Err("port between 1 and 65535")),
            ("http://host:65536", Err("port between 1 and 65535")),
            ("http://host:0/v3", Err("port between 1 and 65535")),
            ("http://host:/v3", Err("port between 1 and 65535")),
            ("http://host:+80/v3", Err("port between 1 and 65535")),
            ("http://host:-1/v3", Err("port between 1 and 65535")),
            ("http://host:80x/v3", Err("port between 1 and 65535")),
            ("http://host:0x50/v3", Err("port between 1 and 65535")),
            ("http://host:5000:5000/v3", Err("one colon")),
            ("http://::1/v3", Err("brackets")),
            ("http://fe80::1:5000/v3", Err("brackets")),
            ("http://[::1/v3", Err("]")),
            ("http://[::1]5000/v3", Err("colon")),
            ("http://[::1]:99999/v3", Err("port between 1 and 65535")),
            ("http://[fe80::1%25eth0]:5000/v3", Err("zone")),
            ("http://[fe80::1%eth0]:5000/v3", Err("zone")),
            ("http://[127.0.0.1]:5000/v3", Err("IPv6 address between")),
            ("http://host%2f/v3", Err("host of letters")),
            ("http://ho\\st/v3", Err("host of letters")),
            ("http://host,other/v3", Err("host of letters")),
            ("http://$HOST/v3", Err("host of letters")),
            ("http://host/{project}", Err("path has none of")),
            ("http:/host/v3", Err("http://")),
            ("http//host:5000/v3", Err("http://")),
            (
                &format!("http://{}", "a".repeat(2_000)),
                Err("at most 2000"),
            ),
        ];
        for (text, expected) in cases {
            match (Url::parse(text), expected) {
                (Ok(url), Ok(expected)) => assert_eq!(url.to_string(), *expected),
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }

    #[test]
    fn what_is_shown_of_a_url_holds_no_secret() {
        let cases = [
            (
                "https://u:p@cloud/identity/v3?token=x#y",
                "https://cloud/identity/v3",
            ),
            ("https://cloud", "https://cloud"),
            ("//u@cloud/v3", "//cloud/v3"),
            ("/v3/auth/tokens?x", "/v3/auth/tokens"),
        ];
        for (text, expected) in cases {
            assert_eq!(without_secrets(text), expected, "{text}");
        }
    }

    #[test]
    fn encodes() {
        assert_eq!(encode("Debian 11/ä"), "Debian%2011%2F%C3%A4");
        assert_eq!(encode(".."), "%2E%2E");
        assert_eq!(
            query([
                ("a", Some("x&y".to_owned())),
                ("b", None),
                ("c", Some("1".to_owned()))
            ]),
            "a=x%26y&c=1"
        );
    }
}
