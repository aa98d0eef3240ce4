//! One replica's connection and one probe over it.

use super::answer::{MAX_BODY_BYTES, read_answer};
use super::failure::{HandshakeFailed, classify, is_lost};
use super::pool::Clock;
use super::settings::{ProbeSettings, Protocol, StartError};
use crate::pool::{Answer, ProbeFailure};
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use ureq::config::{AutoHeaderValue, Config};
use ureq::http::uri::PathAndQuery;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, RustlsConnector, TcpConnector, Transport,
};
use ureq::{Agent, Body, Error};

/// Holds a response's whole header; what is longer fails the probe. Kept per connection.
const INPUT_BUFFER_BYTES: usize = 4 * 1024;

/// Room for the request beside its path. Kept per connection.
const OUTPUT_BUFFER_BYTES: usize = 512;

/// How long a kept connection may lie idle. Servers mostly close it earlier.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// What all probes have in common.
#[derive(Debug)]
pub(super) struct Recipe {
    settings: ProbeSettings,
    config: Config,
    /// One for all connections: it holds the trusted roots and the sessions to resume.
    tls: Option<Arc<RustlsConnector>>,
}

impl Recipe {
    pub(super) fn new(settings: &ProbeSettings) -> Result<Self, StartError> {
        let bad_path = || StartError::BadPath(settings.path.clone());
        if !settings.path.starts_with('/') {
            return Err(bad_path());
        }
        let path = PathAndQuery::try_from(settings.path.as_str()).map_err(|_| bad_path())?;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("SimpleScaleVM/", env!("CARGO_PKG_VERSION")))
            .accept_encoding(AutoHeaderValue::None)
            .timeout_global(Some(settings.timeout))
            .input_buffer_size(INPUT_BUFFER_BYTES)
            .output_buffer_size(OUTPUT_BUFFER_BYTES + path.as_str().len())
            .max_response_header_size(INPUT_BUFFER_BYTES)
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .max_idle_age(MAX_IDLE);
        let mut tls = None;
        if settings.protocol == Protocol::Https {
            config = config.tls_config(tls_config(settings)?);
            tls = Some(Arc::new(RustlsConnector::default()));
        }
        Ok(Self {
            settings: settings.clone(),
            config: config.build(),
            tls,
        })
    }
}

/// The connection to one replica, open or not.
#[derive(Debug)]
pub(super) struct Connection {
    agent: Agent,
    address: IpAddr,
    url: String,
    trace: Arc<Trace>,
}

impl Connection {
    pub(super) fn new(recipe: &Recipe, address: IpAddr) -> Self {
        let settings = &recipe.settings;
        let socket = SocketAddr::new(address, settings.port.get());
        let trace = Arc::new(Trace::default());
        let dialer = Dialer {
            tls: recipe.tls.clone(),
            trace: Arc::clone(&trace),
        };
        Self {
            agent: Agent::with_parts(recipe.config.clone(), dialer, Known(socket)),
            address,
            url: format!("{}://{socket}{}", settings.protocol.as_str(), settings.path),
            trace,
        }
    }

    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    /// A handle by which the exchange under way can be broken off.
    pub(super) fn agent(&self) -> Agent {
        self.agent.clone()
    }

    /// Asks the replica, within the timeout of the settings.
    ///
    /// A replica may close a kept connection at the very moment at which it is used again. That
    /// says nothing of the replica, so it is asked once more, over a new connection.
    pub(super) fn ask(&self, recipe: &Recipe, clock: &Clock) -> Result<Answer, ProbeFailure> {
        let started = clock();
        let body = match self.exchange(None) {
            Err(Trouble::Http(error)) if self.trace.was_stale() && is_lost(&error) => {
                let spent = clock().since(started);
                match recipe.settings.timeout.checked_sub(spent) {
                    Some(left) if !left.is_zero() => self.exchange(Some(left)),
                    _ => return Err(ProbeFailure::Timeout),
                }
            }
            other => other,
        };
        let body = body.map_err(|trouble| match trouble {
            Trouble::Http(error) => classify(&error),
            Trouble::Answer(failure) => failure,
        })?;
        let settings = &recipe.settings;
        read_answer(&body, &settings.capacity_key, &settings.termination_key)
    }

    fn exchange(&self, left: Option<Duration>) -> Result<Vec<u8>, Trouble> {
        self.trace.reset();
        let request = self.agent.get(&self.url);
        let response = match left {
            None => request.call(),
            Some(left) => request.config().timeout_global(Some(left)).build().call(),
        }?;
        if response.status().is_success() {
            read_body(response.into_body())
        } else {
            Err(ProbeFailure::Status(response.status().as_u16()).into())
        }
    }
}

enum Trouble {
    Http(Error),
    Answer(ProbeFailure),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Http(error)
    }
}

impl From<ProbeFailure> for Trouble {
    fn from(failure: ProbeFailure) -> Self {
        Self::Answer(failure)
    }
}

/// Reads to the end, which is what lets the connection be kept, or to one byte too many.
fn read_body(body: Body) -> Result<Vec<u8>, Trouble> {
    const LIMIT: u64 = MAX_BODY_BYTES as u64;
    if body.content_length().is_some_and(|length| length > LIMIT) {
        return Err(ProbeFailure::TooLarge.into());
    }
    let mut bytes = Vec::new();
    body.into_reader()
        .take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::from)?;
    if bytes.len() > MAX_BODY_BYTES {
        return Err(ProbeFailure::TooLarge.into());
    }
    Ok(bytes)
}

fn tls_config(settings: &ProbeSettings) -> Result<TlsConfig, StartError> {
    let mut roots = RootCerts::WebPki;
    if let Some(pem) = &settings.tls.ca_pem {
        let mut certificates = Vec::new();
        for item in parse_pem(pem) {
            if let PemItem::Certificate(one) = item.map_err(StartError::CaFileUnreadable)? {
                certificates.push(one);
            }
        }
        if certificates.is_empty() {
            return Err(StartError::CaFileEmpty);
        }
        roots = RootCerts::Specific(Arc::new(certificates));
    }
    Ok(TlsConfig::builder()
        .root_certs(roots)
        .disable_verification(settings.tls.insecure)
        .build())
}

/// What became of the connection during one exchange.
#[derive(Debug, Default)]
struct Trace {
    dialed: AtomicBool,
    heard: AtomicBool,
}

impl Trace {
    fn reset(&self) {
        self.dialed.store(false, Ordering::Relaxed);
        self.heard.store(false, Ordering::Relaxed);
    }

    /// Whether a kept connection was used and not a byte came over it.
    fn was_stale(&self) -> bool {
        !self.dialed.load(Ordering::Relaxed) && !self.heard.load(Ordering::Relaxed)
    }
}

/// Answers with the known address. The client's own resolver starts a thread for each request.
#[derive(Debug)]
struct Known(SocketAddr);

impl Resolver for Known {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}

/// Makes connections, and notes that it did.
#[derive(Debug)]
struct Dialer {
    tls: Option<Arc<RustlsConnector>>,
    trace: Arc<Trace>,
}

impl Connector for Dialer {
    type Out = Watched;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Watched>, Error> {
        self.trace.dialed.store(true, Ordering::Relaxed);
        let Some(tcp) = TcpConnector::default().connect(details, None::<()>)? else {
            return Ok(None);
        };
        let mut inner: Box<dyn Transport> = Box::new(tcp);
        if let Some(tls) = &self.tls {
            let secured = tls
                .connect(details, Some(inner))
                .map_err(|error| match error {
                    Error::Timeout(_) => error,
                    error => Error::Other(Box::new(HandshakeFailed(error))),
                })?;
            let Some(secured) = secured else {
                return Ok(None);
            };
            inner = Box::new(secured);
        }
        Ok(Some(Watched {
            inner,
            trace: Arc::clone(&self.trace),
        }))
    }
}

/// A transport that notes the first byte it receives.
#[derive(Debug)]
struct Watched {
    inner: Box<dyn Transport>,
    trace: Arc<Trace>,
}

impl Transport for Watched {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        // A read into a full buffer would look like the end of the connection.
        if self.inner.buffers().input_append_buf().is_empty() {
            let length = self.inner.buffers().input().len();
            return Err(Error::LargeResponseHeader(length, INPUT_BUFFER_BYTES));
        }
        let progress = self.inner.await_input(timeout)?;
        if progress {
            self.trace.heard.store(true, Ordering::Relaxed);
        }
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::{NonZeroU16, NonZeroUsize};

    fn settings(path: &str) -> ProbeSettings {
        ProbeSettings {
            protocol: Protocol::Https,
            port: NonZeroU16::new(8080).unwrap(),
            path: path.to_owned(),
            capacity_key: "capacity".to_owned(),
            termination_key: "termination".to_owned(),
            timeout: Duration::from_secs(5),
            tls: super::super::TlsSettings::default(),
            threads: NonZeroUsize::MIN,
        }
    }

    #[test]
    fn urls() {
        let recipe = Recipe::new(&settings("/a?b=c")).unwrap();
        let table = [
            ("10.0.0.1", "https://10.0.0.1:8080/a?b=c"),
            ("2001:db8::1", "https://[2001:db8::1]:8080/a?b=c"),
        ];
        for (address, url) in table {
            let connection = Connection::new(&recipe, address.parse().unwrap());
            assert_eq!(connection.url, url);
            assert!(ureq::http::Uri::try_from(url).is_ok());
        }
    }

    #[test]
    fn bad_settings_are_refused_at_start() {
        for path in ["", "status", "http://x/", "/a b", "/\u{7f}"] {
            let error = Recipe::new(&settings(path)).unwrap_err();
            assert!(matches!(error, StartError::BadPath(_)), "{path}: {error}");
        }
        let with_ca = |pem: &str| {
            let mut settings = settings("/");
            settings.tls.ca_pem = Some(pem.into());
            Recipe::new(&settings).unwrap_err()
        };
        assert!(matches!(with_ca(""), StartError::CaFileEmpty));
        let broken = "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n";
        assert!(matches!(with_ca(broken), StartError::CaFileUnreadable(_)));
    }
}
