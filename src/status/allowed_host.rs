//! The entries of `APP_ALLOWED_HOSTS`. One that no `Host` can ever match is refused: it would lock
//! everybody out, or make people believe that a name is answered.

use super::host::Host;
use std::fmt;
use std::str::FromStr;

/// An entry of `APP_ALLOWED_HOSTS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    hosts: Hosts,
    /// Its port counts if it is written down.
    port: Option<u16>,
}

/// The hosts that an entry stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    /// `*`
    Any,
    /// `.example.org`: that host and each below it.
    Domain(String),
    One(Host),
}

/// Why an entry can never match, and what to write in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeverMatches {
    why: &'static str,
    instead: Option<String>,
}

impl std::error::Error for NeverMatches {}

impl fmt::Display for NeverMatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, instead } = self;
        match instead {
            Some(instead) => write!(f, "{why}: write {instead}"),
            None => write!(
                f,
                "{why}: write a name or an address, such as status.example.org, .example.org (each host of that \
                 domain), 192.0.2.10 or [2001:db8::1]:8000"
            ),
        }
    }
}

impl AllowedHost {
    pub(super) fn allows(&self, host: &Host) -> bool {
        let is_it = match &self.hosts {
            Hosts::Any => true,
            Hosts::Domain(domain) => {
                let below = host.name().strip_suffix(domain.as_str());
                below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
            }
            Hosts::One(one) => {
                let is_same_address = host.address().is_some() && host.address() == one.address();
                host.name() == one.name() || is_same_address
            }
        };
        is_it && host.has_port(self.port)
    }

    fn read(text: &str) -> Option<Self> {
        if text == "*" {
            let (hosts, port) = (Hosts::Any, None);
            return Some(Self { hosts, port });
        }
        let domain = text.strip_prefix('.');
        let host = Host::read(domain.unwrap_or(text).as_bytes())?;
        let is_label = |label: &str| {
            let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            !label.is_empty() && label.bytes().all(is_part)
        };
        let is_known = host.address().is_some() || host.name().split('.').all(is_label);
        // Nobody can be asked at port 0.
        if !is_known || host.port() == Some(0) {
            return None;
        }
        Some(Self {
            port: host.port(),
            hosts: match domain {
                Some(_) => Hosts::Domain(host.name().to_owned()),
                None => Hosts::One(host),
            },
        })
    }
}

impl FromStr for AllowedHost {
    type Err = NeverMatches;

    fn from_str(text: &str) -> Result<Self, NeverMatches> {
        Self::read(text).ok_or_else(|| NeverMatches {
            why: why(text),
            instead: instead(text),
        })
    }
}

/// Bytes; a pasted file does not fill the log.
const LONGEST_ADVICE: usize = 255;
const SEPARATORS: [char; 3] = [',', ';', '|'];
/// One slash is enough to see what was meant.
const SCHEME_ENDS: &str = ":/";
const ENDS_OF_A_HOST: [char; 4] = ['/', '?', '#', '\\'];

fn is_separator(c: char) -> bool {
    c.is_whitespace() || SEPARATORS.contains(&c)
}

fn is_network(text: &str) -> bool {
    let network = text.split_once('/');
    network.is_some_and(|(address, bits)| {
        let is_number = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
        is_number && Host::read(address.as_bytes()).is_some_and(|host| host.address().is_some())
    })
}

fn why(text: &str) -> &'static str {
    if text.contains(is_separator) {
        "is more than one host, and commas separate them"
    } else if is_network(text) {
        "is a network, and each of its addresses has to stand there"
    } else if text.contains(SCHEME_ENDS) {
        "is a URL, and a Host is a name or an address alone"
    } else if text.contains(ENDS_OF_A_HOST) {
        "has a path, and no Host has one"
    } else if text.contains('*') {
        "has a `*`, which means something only alone"
    } else if !text.is_ascii() {
        "has characters that no Host has (a name's form in ASCII begins with xn--)"
    } else if bare(text).is_some_and(|(_, has_port)| has_port) {
        "has a port that is no number from 1 to 65535"
    } else {
        "is no name and no address of a host"
    }
}

/// What was probably meant. Before an `@` there may be a password, and where that ends is not known.
fn instead(text: &str) -> Option<String> {
    if is_network(text) || text.contains('@') {
        return None;
    }
    let parts = text.split(is_separator).filter(|part| !part.is_empty());
    let parts: Option<Vec<String>> = parts.map(one_instead).collect();
    parts
        .map(|parts| parts.join(","))
        .filter(|parts| (1..=LONGEST_ADVICE).contains(&parts.len()))
}

/// What a single entry was probably meant to be.
fn one_instead(text: &str) -> Option<String> {
    let rest = match text.split_once(SCHEME_ENDS) {
        Some((_, rest)) => rest.trim_start_matches('/'),
        None => text.strip_prefix("//").unwrap_or(text),
    };
    let host = rest.split(ENDS_OF_A_HOST).next().unwrap_or_default();
    let host = match host.strip_prefix('*') {
        Some(below) if !below.is_empty() => format!(".{}", below.trim_start_matches('.')),
        _ => host.to_owned(),
    };
    let is_read = |host: &String| AllowedHost::read(host).is_some();
    let bare = || bare(&host).map(|(bare, _)| bare.to_owned());
    Some(host.clone()).filter(is_read).or_else(bare)
}

/// A host that can be read without its brackets, zone, doubled dots or port, and whether it has a port.
fn bare(text: &str) -> Option<(&str, bool)> {
    // To let everybody in is nothing to advise.
    let is_read = |host: &&str| *host != "*" && AllowedHost::read(host).is_some();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') || host.ends_with(']') => (host, true),
        _ => (text, false),
    };
    let inside = host.trim_start_matches(['[', '.']);
    let inside = inside.split([']', '%']).next().unwrap_or_default();
    [host, inside]
        .into_iter()
        .find(is_read)
        .map(|bare| (bare, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entry: &str, host: &str) -> bool {
        let entry: AllowedHost = entry.parse().unwrap();
        entry.allows(&Host::read(host.as_bytes()).unwrap())
    }

    #[test]
    fn entries_match_what_they_name() {
        for (entry, host, expected) in [
            ("status.example.org", "status.example.org", true),
            ("Status.example.org.", "status.EXAMPLE.org.:8000", true),
            (
                "status.example.org",
                "status.example.org.evil.example",
                false,
            ),
            ("status.example.org", "a.status.example.org", false),
            ("192.0.2.7", "192.0.2.7:8000", true),
            ("192.0.2.7", "192.0.2.70", false),
            ("[2001:db8::1]", "[2001:DB8:0::1]:8000", true),
            ("2001:db8::1", "[2001:db8::1]", true),
            ("[2001:db8::1]:8000", "[2001:db8::1]:8001", false),
            ("my_service:8000", "my_service:8000", true),
            ("gw:8000", "gw", false),
            ("gw:8000", "gw:8001", false),
            // Nobody writes down the default ports.
            ("gw:80", "gw", true),
            ("gw:443", "gw", true),
            ("gw:443", "gw:80", false),
            (".lan", "a.lan", true),
            (".LAN.", "b.a.lan:1", true),
            (".lan", "lan", true),
            (".lan", "xlan", false),
            (".lan:8000", "a.lan:8000", true),
            (".lan:8000", "a.lan", false),
            ("*", "evil.example:1", true),
        ] {
            assert_eq!(allows(entry, host), expected, "{entry} {host}");
        }
    }

    #[test]
    fn what_can_never_match_is_told_and_mended() {
        const SEVERAL: &str = "is more than one host, and commas separate them";
        const URL: &str = "is a URL, and a Host is a name or an address alone";
        const NETWORK: &str = "is a network, and each of its addresses has to stand there";
        const PATH: &str = "has a path, and no Host has one";
        const STAR: &str = "has a `*`, which means something only alone";
        const LETTERS: &str =
            "has characters that no Host has (a name's form in ASCII begins with xn--)";
        const PORT: &str = "has a port that is no number from 1 to 65535";
        const NO_HOST: &str = "is no name and no address of a host";
        for (entry, why, instead) in [
            ("https://x.org/", URL, Some("x.org")),
            ("http://x.org:8000", URL, Some("x.org:8000")),
            ("http://[::1]:8000/status?a#b", URL, Some("[::1]:8000")),
            ("http://*.x.org/", URL, Some(".x.org")),
            ("http://", URL, None),
            ("x.org, y.org", SEVERAL, Some("x.org,y.org")),
            ("x.org y.org", SEVERAL, Some("x.org,y.org")),
            ("x.org;y.org:80", SEVERAL, Some("x.org,y.org:80")),
            ("x.org\thttps://y.org/", SEVERAL, Some("x.org,y.org")),
            ("x.org $y", SEVERAL, None),
            ("*.example.org", STAR, Some(".example.org")),
            ("*.example.org:8000", STAR, Some(".example.org:8000")),
            ("*example.org", STAR, Some(".example.org")),
            ("status.*.org", STAR, None),
            ("*:8000", STAR, None),
            ("**", STAR, None),
            ("x.org/status", PATH, Some("x.org")),
            ("//x.org", PATH, Some("x.org")),
            ("/status", PATH, None),
            ("https:/x.org", URL, Some("x.org")),
            ("x.org?a", PATH, Some("x.org")),
            ("192.0.2.0/24", NETWORK, None),
            ("2001:db8::/32", NETWORK, None),
            ("me@x.org", NO_HOST, None),
            ("https://u:p@x.org/", URL, None),
            ("x.org:http", PORT, Some("x.org")),
            ("x.org:0", PORT, Some("x.org")),
            ("x.org:65536", PORT, Some("x.org")),
            ("x.org:8000:1", NO_HOST, None),
            ("[::1]:http", PORT, Some("[::1]")),
            (".x.org:http", PORT, Some(".x.org")),
            ("[x.org]", NO_HOST, Some("x.org")),
            ("[::1", NO_HOST, Some("::1")),
            ("fe80::1%eth0", NO_HOST, Some("fe80::1")),
            ("..x.org", NO_HOST, Some("x.org")),
            ("x..org", NO_HOST, None),
            (".", NO_HOST, None),
            ("$HOST", NO_HOST, None),
            ("x=y", NO_HOST, None),
            ("", NO_HOST, None),
            ("b\u{fc}cher.example", LETTERS, None),
        ] {
            let told = entry.parse::<AllowedHost>();
            let instead = instead.map(str::to_owned);
            assert_eq!(
                told,
                Err(NeverMatches {
                    why,
                    instead: instead.clone()
                }),
                "{entry}"
            );
            for instead in instead.iter().flat_map(|instead| instead.split(',')) {
                assert!(instead.parse::<AllowedHost>().is_ok(), "{entry}: {instead}");
            }
        }
    }
}
