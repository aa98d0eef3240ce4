//! A host and its port, as they stand in a `Host` header, in a URL and in `APP_ALLOWED_HOSTS`.

use std::net::{IpAddr, Ipv6Addr};

/// A host and its port, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// In lower case, without a last dot; an IPv6 address without its brackets and its zone.
    name: String,
    port: Option<u16>,
}

impl Host {
    /// The ports that nobody writes down, since `http` and `https` have them by default.
    const UNWRITTEN: [u16; 2] = [80, 443];

    /// Reads what stands in a header (RFC 9110, 7.2) and, between `//` and the path, in a URL. An IPv6
    /// address without its brackets is understood too, as long as it has no port.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (name, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let address = address.split('%').next().unwrap_or_default();
            address.parse::<Ipv6Addr>().ok()?;
            (address, port)
        } else if text.parse::<Ipv6Addr>().is_ok() {
            (text, "")
        } else {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (name.strip_suffix('.').unwrap_or(name), port)
        };
        let port = match port {
            "" | ":" => None,
            port => Some(number(port.strip_prefix(':')?)?),
        };
        let is_part = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:".contains(&b);
        let is_name = !name.is_empty() && name.bytes().all(is_part);
        is_name.then(|| Self {
            name: name.to_ascii_lowercase(),
            port,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn address(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }

    pub(super) fn is_loopback(&self) -> bool {
        let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
        self.name == "localhost" || self.address().is_some_and(is_loopback)
    }

    /// Whether its port is this one; none is any.
    pub(super) fn has_port(&self, port: Option<u16>) -> bool {
        let is_it = |port: u16| match self.port {
            Some(own) => own == port,
            None => Self::UNWRITTEN.contains(&port),
        };
        port.is_none_or(is_it)
    }

    /// Its port, where one is written down.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }
}

/// `u16::from_str` would take a leading plus.
fn number(digits: &str) -> Option<u16> {
    let is_number = digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_they_are_written() {
        let check = |text: &str, name: &str, port| {
            let host = Host::read(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((host.name(), host.port()), (name, port), "{text}");
        };
        check("Status.Example.ORG", "status.example.org", None);
        check("status.example.org.:8000", "status.example.org", Some(8000));
        check("my_service:0080", "my_service", Some(80));
        // An empty port is none.
        check("x:", "x", None);
        check("[::1]:", "::1", None);
        check("192.0.2.7:65535", "192.0.2.7", Some(65_535));
        check("[2001:DB8::1]", "2001:db8::1", None);
        check("[2001:db8::1]:8000", "2001:db8::1", Some(8000));
        check("[fe80::1%25eth0]:1", "fe80::1", Some(1));
        check("2001:db8::1", "2001:db8::1", None);
        check("a!$&'()*+,;=~%41", "a!$&'()*+,;=~%41", None);
    }

    #[test]
    fn what_is_no_host_is_not_read() {
        for text in [
            "",
            ".",
            ":",
            ":80",
            "a b",
            "a\tb",
            "a/",
            "a@b",
            "http://a",
            "a:b",
            "a:-1",
            "a:+1",
            "a:1:2",
            "a:65536",
            "a:8000x",
            "[a]",
            "[::1",
            "::1]",
            "[::1]a",
            "[]",
            "[%eth0]",
            "b\u{fc}cher",
            "a\"b",
            "a\\b",
            "a?b",
            "a#b",
            "{a}",
            "<a>",
        ] {
            assert_eq!(Host::read(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Host::read(b"a\xff"), None);
    }
}
