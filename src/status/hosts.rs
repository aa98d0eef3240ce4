//! By which names the server may be asked, and whether somebody on this machine asks.
//!
//! A page of somebody else's can make a browser ask this server under a name of its own that leads
//! here (DNS rebinding). The `Host` of such a request is that name.

use super::allowed_host::AllowedHost;
use super::host::Host;
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

/// Whether a host is one that may be asked; without any entry each is. This machine may always ask by
/// an address or as `localhost`, for health checks.
pub(super) fn is_allowed(host: Option<&Host>, peer: Peer, allowed: &[AllowedHost]) -> bool {
    let is_allowed = |host: &Host| {
        let is_plain = host.address().is_some() || host.is_loopback();
        (peer != Peer::Other && is_plain) || allowed.iter().any(|entry| entry.allows(host))
    };
    allowed.is_empty() || host.is_some_and(is_allowed)
}

/// Whether a request comes from this machine: its peer is a loopback address, no proxy passed it on,
/// and no other name led here.
pub(super) fn is_from_here(host: Option<&Host>, forwarded: bool, peer: Peer) -> bool {
    peer == Peer::Loopback && !forwarded && host.is_none_or(Host::is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Option<Host> {
        (!text.is_empty()).then(|| Host::read(text.as_bytes()).unwrap())
    }

    #[test]
    fn only_allowed_hosts_are_answered() {
        let check = |allowed: &str, text: &str, peer, expected| {
            let allowed = allowed.split(',').filter(|entry| !entry.is_empty());
            let allowed: Vec<AllowedHost> = allowed.map(|entry| entry.parse().unwrap()).collect();
            let told = is_allowed(host(text).as_ref(), peer, &allowed);
            assert_eq!(told, expected, "{text} {peer:?}");
        };
        let status = "status.example.org,192.0.2.7,gw:8000,.lan";
        check(status, "status.example.org", Peer::Other, true);
        check(status, "192.0.2.7:8000", Peer::Other, true);
        check(status, "gw:8001", Peer::Other, false);
        check(status, "a.lan", Peer::Other, true);
        check(status, "evil.example", Peer::Other, false);
        check(status, "localhost", Peer::Other, false);
        check(status, "", Peer::Loopback, false);
        check("*", "evil.example", Peer::Other, true);
        check("", "evil.example", Peer::Other, true);
        check("", "", Peer::Other, true);
        // A health check on this machine asks by the address.
        check("a", "127.0.0.1:8000", Peer::Loopback, true);
        check("a", "localhost", Peer::Loopback, true);
        check("a", "192.0.2.1:8000", Peer::Own, true);
        check("a", "192.0.2.1:8000", Peer::Other, false);
        check("a", "evil.example", Peer::Loopback, false);
    }

    #[test]
    fn who_is_on_this_machine() {
        let check = |text: &str, forwarded, peer, expected| {
            let told = is_from_here(host(text).as_ref(), forwarded, peer);
            assert_eq!(told, expected, "{text}");
        };
        check("127.0.0.1:8000", false, Peer::Loopback, true);
        check("localhost:8000", false, Peer::Loopback, true);
        check("[::1]:8000", false, Peer::Loopback, true);
        check("", false, Peer::Loopback, true);
        check("192.0.2.1", false, Peer::Loopback, false);
        check("127.0.0.1:8000", false, Peer::Own, false);
        check("127.0.0.1:8000", false, Peer::Other, false);
        check("127.0.0.1:8000", true, Peer::Loopback, false);
        check("rebound.example", false, Peer::Loopback, false);
        let of = |peer: &str, own: &str| Peer::of(peer.parse().unwrap(), own.parse().ok());
        assert_eq!(of("127.0.0.2", ""), Peer::Loopback);
        assert_eq!(of("::ffff:127.0.0.1", "::1"), Peer::Loopback);
        assert_eq!(of("::ffff:192.0.2.1", "192.0.2.1"), Peer::Own);
        assert_eq!(of("192.0.2.2", "192.0.2.1"), Peer::Other);
    }
}
