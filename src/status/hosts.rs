//! By which names the server may be asked, and whether somebody on this machine asks.
//!
//! A page of somebody else's can make a browser ask this server under a name of its own that leads
//! here (DNS rebinding). The `Host` of such a request is that name.

use super::http::Request;
use std::net::IpAddr;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// This machine, over its loopback interface.
    Loopback,
    /// This machine, by another address of its own; a container's engine may pass others on so.
    Own,
    /// Somebody else.
    Other,
}

impl Peer {
    pub(super) fn of(peer: IpAddr, own: Option<IpAddr>) -> Self {
        let peer = peer.to_canonical();
        if peer.is_loopback() {
            Self::Loopback
        } else if own.is_some_and(|own| own.to_canonical() == peer) {
            Self::Own
        } else {
            Self::Other
        }
    }
}

/// Whether a request names a host that is allowed; none at all: any is. This machine may always ask
/// by an address or as `localhost`, for health checks.
pub(super) fn is_allowed(request: &Request, peer: Peer, allowed: &[String]) -> bool {
    if allowed.is_empty() {
        return true;
    }
    let [host] = request.hosts.as_slice() else {
        return false;
    };
    let Some(host) = Host::read(host) else {
        return false;
    };
    let is_plain = host.address().is_some() || host.is_loopback();
    (peer != Peer::Other && is_plain) || allowed.iter().any(|entry| host.is(entry))
}

/// Whether a request comes from this machine: its peer is a loopback address, no proxy passed it on,
/// and no other name led here.
pub(super) fn is_from_here(request: &Request, peer: Peer) -> bool {
    let is_loopback = |host: &Vec<u8>| Host::read(host).is_some_and(|host| host.is_loopback());
    peer == Peer::Loopback && !request.forwarded && request.hosts.iter().all(is_loopback)
}

/// A host and its port, if there is one.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    name: String,
    port: Option<String>,
}

impl Host {
    fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.trim();
        let (name, port) = if let Some(rest) = text.strip_prefix('[') {
            let (name, rest) = rest.split_once(']')?;
            (name, rest.strip_prefix(':'))
        } else {
            match text.split_once(':') {
                // More than one colon: an IPv6 address without brackets.
                Some((name, port)) if !port.contains(':') => (name, Some(port)),
                _ => (text, None),
            }
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        (!name.is_empty()).then(|| Self {
            name,
            port: port.map(str::to_owned),
        })
    }

    fn address(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }

    fn is_loopback(&self) -> bool {
        let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
        self.name == "localhost" || self.address().is_some_and(is_loopback)
    }

    /// `*` is any, `.example.org` is each host of that domain; a port counts if it is written down.
    fn is(&self, entry: &str) -> bool {
        if entry == "*" {
            return true;
        }
        if let Some(domain) = entry.strip_prefix('.') {
            let domain = domain.to_ascii_lowercase();
            let host = self.name.strip_suffix(&domain);
            return host.is_some_and(|host| host.is_empty() || host.ends_with('.'));
        }
        let Some(allowed) = Self::read(entry.as_bytes()) else {
            return false;
        };
        let is_same_address = self.address().is_some() && self.address() == allowed.address();
        (self.name == allowed.name || is_same_address)
            && (allowed.port.is_none() || allowed.port == self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::http::Method;

    fn request(hosts: &[&str], forwarded: bool) -> Request {
        Request {
            method: Method::Get,
            path: "/".to_owned(),
            accept: Vec::new(),
            hosts: hosts.iter().map(|h| h.as_bytes().to_vec()).collect(),
            forwarded,
        }
    }

    #[test]
    fn only_allowed_names_are_answered() {
        let check = |allowed: &str, host: &str, expected| {
            let allowed: Vec<String> = allowed.split(',').map(str::to_owned).collect();
            let request = request(&[host], false);
            assert_eq!(
                is_allowed(&request, Peer::Other, &allowed),
                expected,
                "{host}"
            );
        };
        let status = "status.example.org,192.0.2.7,[2001:db8::1],gw:8000,.lan";
        check(status, "status.example.org", true);
        check(status, "Status.Example.ORG.:8000", true);
        check(status, "192.0.2.7:8000", true);
        check(status, "[2001:db8::1]:8000", true);
        check(status, "[2001:DB8:0::1]", true);
        check(status, "gw:8000", true);
        check(status, "gw", false);
        check(status, "gw:8001", false);
        check(status, "a.lan", true);
        check(status, "lan", true);
        check(status, "xlan", false);
        check(status, "evil.example", false);
        check(status, "status.example.org.evil.example", false);
        check(status, "evil.example:status.example.org", false);
        check(status, "localhost", false);
        check(status, "", false);
        check("*", "evil.example", true);
        let allowed = ["a".to_owned()];
        let check = |hosts: &[&str], peer, allowed: &[String], expected| {
            let request = request(hosts, false);
            assert_eq!(is_allowed(&request, peer, allowed), expected, "{hosts:?}");
        };
        check(&[], Peer::Loopback, &allowed, false);
        check(&["a", "b"], Peer::Loopback, &allowed, false);
        check(&["a", "b"], Peer::Other, &[], true);
        // A health check on this machine asks by the address.
        check(&["127.0.0.1:8000"], Peer::Loopback, &allowed, true);
        check(&["localhost"], Peer::Loopback, &allowed, true);
        check(&["192.0.2.1:8000"], Peer::Own, &allowed, true);
        check(&["192.0.2.1:8000"], Peer::Other, &allowed, false);
        check(&["evil.example"], Peer::Loopback, &allowed, false);
    }

    #[test]
    fn who_is_on_this_machine() {
        let check = |hosts: &[&str], forwarded, peer, expected| {
            let request = request(hosts, forwarded);
            assert_eq!(is_from_here(&request, peer), expected, "{hosts:?}");
        };
        check(&["127.0.0.1:8000"], false, Peer::Loopback, true);
        check(&["localhost:8000"], false, Peer::Loopback, true);
        check(&["[::1]:8000"], false, Peer::Loopback, true);
        check(&[], false, Peer::Loopback, true);
        check(&["192.0.2.1"], false, Peer::Loopback, false);
        check(&["127.0.0.1:8000"], false, Peer::Own, false);
        check(&["127.0.0.1:8000"], false, Peer::Other, false);
        check(&["127.0.0.1:8000"], true, Peer::Loopback, false);
        check(&["rebound.example"], false, Peer::Loopback, false);
        check(
            &["localhost", "rebound.example"],
            false,
            Peer::Loopback,
            false,
        );
        let of = |peer: &str, own: &str| Peer::of(peer.parse().unwrap(), own.parse().ok());
        assert_eq!(of("127.0.0.2", ""), Peer::Loopback);
        assert_eq!(of("::ffff:127.0.0.1", "::1"), Peer::Loopback);
        assert_eq!(of("::ffff:192.0.2.1", "192.0.2.1"), Peer::Own);
        assert_eq!(of("192.0.2.2", "192.0.2.1"), Peer::Other);
    }
}
