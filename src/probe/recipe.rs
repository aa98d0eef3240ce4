//! What all probes have in common.

use super::settings::{ProbeSettings, Protocol, StartError};
use super::tls;
use rustls::ClientConfig;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use ureq_proto::client::Call;
use ureq_proto::http::uri::PathAndQuery;
use ureq_proto::http::{Request, Uri};

const USER_AGENT: &str = concat!("SimpleScaleVM/", env!("CARGO_PKG_VERSION"));

/// Stands for the replica's address in the request that is made once for all.
const NOBODY: &str = "replica.invalid";

/// What all probes have in common.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) settings: ProbeSettings,
    /// One for all connections: it holds the trusted roots and the sessions to resume.
    pub(super) tls: Option<Arc<ClientConfig>>,
    before_host: Vec<u8>,
    after_host: Vec<u8>,
}

impl Recipe {
    pub(super) fn new(settings: &ProbeSettings) -> Result<Self, StartError> {
        let bad_path = || StartError::BadPath(settings.path.clone());
        if !settings.path.starts_with('/') {
            return Err(bad_path());
        }
        let path = PathAndQuery::try_from(settings.path.as_str()).map_err(|_| bad_path())?;
        let request = request(path).ok_or_else(bad_path)?;
        let host = format!("\r\nhost: {NOBODY}\r\n");
        let at = request
            .windows(host.len())
            .position(|part| part == host.as_bytes())
            .ok_or_else(bad_path)?;
        let (before, after) = request.split_at(at + "\r\nhost: ".len());
        let tls = match settings.protocol {
            Protocol::Http => None,
            Protocol::Https => Some(tls::client_config(&settings.tls)?),
        };
        Ok(Self {
            settings: settings.clone(),
            tls,
            before_host: before.to_vec(),
            after_host: after[NOBODY.len()..].to_vec(),
        })
    }

    /// Where a replica is asked.
    pub(super) fn socket(&self, address: IpAddr) -> SocketAddr {
        SocketAddr::new(address, self.settings.port.get())
    }

    /// Writes the request to a replica.
    pub(super) fn write_request(&self, address: IpAddr, to: &mut Vec<u8>) {
        to.clear();
        to.extend_from_slice(&self.before_host);
        let socket = self.socket(address);
        // Writing to a vector cannot fail.
        let _ = if socket.port() != self.settings.protocol.default_port() {
            write!(to, "{socket}")
        } else if socket.is_ipv6() {
            write!(to, "[{address}]")
        } else {
            write!(to, "{address}")
        };
        to.extend_from_slice(&self.after_host);
    }
}

/// The request as the HTTP client's protocol part writes it.
fn request(path: PathAndQuery) -> Option<Vec<u8>> {
    let room = path.as_str().len() + 512;
    let request = Request::get(Uri::from(path))
        .header("host", NOBODY)
        .header("user-agent", USER_AGENT)
        .header("accept", "*/*")
        .body(())
        .ok()?;
    let mut call = Call::new(request).ok()?.proceed();
    let mut bytes = vec![0; room];
    let length = call.write(&mut bytes).ok()?;
    bytes.truncate(length);
    call.can_proceed().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::{NonZeroU16, NonZeroUsize};
    use std::time::Duration;

    fn settings(protocol: Protocol, port: u16, path: &str) -> ProbeSettings {
        ProbeSettings {
            protocol,
            port: NonZeroU16::new(port).unwrap(),
            path: path.to_owned(),
            capacity_key: "capacity".to_owned(),
            termination_key: "termination".to_owned(),
            timeout: Duration::from_secs(5),
            tls: super::super::TlsSettings::default(),
            threads: NonZeroUsize::MIN,
        }
    }

    #[test]
    fn requests() {
        use Protocol::{Http, Https};
        let check = |protocol, port, address: &str, host: &str| {
            let recipe = Recipe::new(&settings(protocol, port, "/a?b=c")).unwrap();
            let mut request = Vec::new();
            recipe.write_request(address.parse().unwrap(), &mut request);
            let expected = format!(
                "GET /a?b=c HTTP/1.1\r\nhost: {host}\r\nuser-agent: {USER_AGENT}\r\naccept: */*\r\n\r\n"
            );
            assert_eq!(String::from_utf8(request).unwrap(), expected);
        };
        check(Http, 8080, "10.0.0.1", "10.0.0.1:8080");
        check(Https, 8080, "2001:db8::1", "[2001:db8::1]:8080");
        check(Http, 80, "10.0.0.1", "10.0.0.1");
        check(Https, 443, "2001:db8::1", "[2001:db8::1]");
        check(Http, 443, "10.0.0.1", "10.0.0.1:443");
    }

    #[test]
    fn bad_settings_are_refused_at_start() {
        let settings = |path: &str| settings(Protocol::Https, 8080, path);
        for path in ["", "status", "http://x/", "/a b", "/\u{7f}"] {
            let error = Recipe::new(&settings(path)).unwrap_err();
            assert!(matches!(error, StartError::BadPath(_)), "{path}: {error}");
        }
        let with_ca = |pem: &str| {
            let mut settings = settings("/");
            settings.tls.ca_file = Some(pem.into());
            Recipe::new(&settings).unwrap_err()
        };
        let broken = "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n";
        for (pem, expected) in [("", "it is empty"), (broken, "its PEM is damaged")] {
            let error = with_ca(pem);
            assert_eq!(error.to_string(), "REPLICA_API_CA_FILE cannot be used");
            let why = std::error::Error::source(&error).unwrap().to_string();
            assert!(why.contains(expected), "{why}");
        }
    }
}
