//! How the replicas of one pool are asked.

use super::answer::read_answer;
use super::settings::{EndpointError, EndpointSettings, Protocol};
use super::tls;
use crate::pool::{Answer, ProbeFailure};
use rustls::ClientConfig;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use ureq_proto::client::Call;
use ureq_proto::http::uri::PathAndQuery;
use ureq_proto::http::{Request, Uri};

const USER_AGENT: &str = concat!("SimpleScaleVM/", env!("CARGO_PKG_VERSION"));

/// Stands for the replica's address in the request, which is made once for all replicas.
const PLACEHOLDER: &str = "replica.invalid";

/// How the replicas of one pool are asked: made once from its settings, then shared by all of its jobs.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) timeout: Duration,
    /// One for all connections: it holds the trusted roots and the sessions to resume.
    pub(super) tls: Option<Arc<ClientConfig>>,
    port: u16,
    is_default_port: bool,
    capacity_key: String,
    termination_key: String,
    before_host: Vec<u8>,
    after_host: Vec<u8>,
}

impl Endpoint {
    /// Checks the settings and prepares what all probes share. No request is made.
    pub fn new(settings: &EndpointSettings) -> Result<Self, EndpointError> {
        let bad_path = || EndpointError::BadPath(settings.path.clone());
        if !settings.path.starts_with('/') {
            return Err(bad_path());
        }
        let path = PathAndQuery::try_from(settings.path.as_str()).map_err(|_| bad_path())?;
        let request = request(path).ok_or_else(bad_path)?;
        let host = format!("\r\nhost: {PLACEHOLDER}\r\n");
        let at = request
            .windows(host.len())
            .position(|part| part == host.as_bytes())
            .ok_or_else(bad_path)?;
        let (before, after) = request.split_at(at + "\r\nhost: ".len());
        let tls = match settings.protocol {
            Protocol::Http => None,
            Protocol::Https => Some(tls::client_config(&settings.tls)?),
        };
        let port = settings.port.get();
        Ok(Self {
            timeout: settings.timeout,
            tls,
            port,
            is_default_port: port == settings.protocol.default_port(),
            capacity_key: settings.capacity_key.clone(),
            termination_key: settings.termination_key.clone(),
            before_host: before.to_vec(),
            after_host: after[PLACEHOLDER.len()..].to_vec(),
        })
    }

    /// The address and port of a replica.
    pub(super) fn socket(&self, address: IpAddr) -> SocketAddr {
        SocketAddr::new(address, self.port)
    }

    /// Writes the request to a replica.
    pub(super) fn write_request(&self, address: IpAddr, to: &mut Vec<u8>) {
        to.clear();
        to.extend_from_slice(&self.before_host);
        let socket = self.socket(address);
        // Writing to a vector cannot fail.
        let _ = if !self.is_default_port {
            write!(to, "{socket}")
        } else if socket.is_ipv6() {
            write!(to, "[{address}]")
        } else {
            write!(to, "{address}")
        };
        to.extend_from_slice(&self.after_host);
    }

    /// Reads an answer by this endpoint's keys.
    pub(super) fn read_answer(&self, body: &[u8]) -> Result<Answer, ProbeFailure> {
        read_answer(body, &self.capacity_key, &self.termination_key)
    }
}

/// The request as the HTTP client's protocol part writes it.
fn request(path: PathAndQuery) -> Option<Vec<u8>> {
    let room = path.as_str().len() + 512;
    let request = Request::get(Uri::from(path))
        .header("host", PLACEHOLDER)
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
    use std::num::NonZeroU16;

    fn settings(protocol: Protocol, port: u16, path: &str) -> EndpointSettings {
        EndpointSettings {
            protocol,
            port: NonZeroU16::new(port).unwrap(),
            path: path.to_owned(),
            capacity_key: "capacity".to_owned(),
            termination_key: "termination".to_owned(),
            timeout: Duration::from_secs(5),
            tls: super::super::TlsSettings::default(),
        }
    }

    #[test]
    fn requests() {
        use Protocol::{Http, Https};
        let check = |protocol, port, address: &str, host: &str| {
            let endpoint = Endpoint::new(&settings(protocol, port, "/a?b=c")).unwrap();
            let mut request = Vec::new();
            endpoint.write_request(address.parse().unwrap(), &mut request);
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
    fn bad_settings_are_refused() {
        let settings = |path: &str| settings(Protocol::Https, 8080, path);
        for path in ["", "status", "http://x/", "/a b", "/\u{7f}"] {
            let error = Endpoint::new(&settings(path)).unwrap_err();
            assert!(
                matches!(error, EndpointError::BadPath(_)),
                "{path}: {error}"
            );
        }
        let with_ca = |pem: &str| {
            let mut settings = settings("/");
            settings.tls.ca_file = Some(pem.into());
            Endpoint::new(&settings).unwrap_err()
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
