use std::collections::HashMap;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, NextTimeout, TcpConnector};
use ureq::{Agent, Proxy, Timeout, http};

use super::connect::{PlainProxyConnector, TlsConnector};
use super::exchange::{
    MAX_ERROR_BYTES, Request, Response, Take, Transport, TransportConfig, TransportError,
    TransportErrorKind, Watched, tls_client,
};
use super::tls_cause;
use crate::cause::Cause;
use crate::clock::monotonic_now;
use crate::config::Proxies;

/// Shorter than the idle times of the servers and proxies in front of OpenStack APIs (uwsgi and Apache: 5 s and up).
const MAX_IDLE_AGE: Duration = Duration::from_secs(4);
const MAX_CONNECT_TIME: Duration = Duration::from_secs(10);
const NAME_TTL: Duration = Duration::from_secs(30);
const MAX_NAMES: usize = 64;
const BUFFER_BYTES: usize = 16 * 1024;

/// The default transport, over `ureq` 3 and `rustls`.
///
/// Connections are kept for a few seconds. Requests that change something begin on a new one. Looked-up addresses
/// are kept for 30 seconds, or until a connection fails.
///
/// `ureq-proto`, below, writes raw bytes (tokens and passwords included) to the log at level `TRACE`: a logger that
/// lets `TRACE` through must leave the target `ureq_proto` out.
#[derive(Debug)]
pub struct UreqTransport {
    agent: Agent,
    names: NameCache,
    proxies: Proxies,
}

impl UreqTransport {
    /// Makes a transport; reads the CA file, if one is set.
    pub fn new(config: &TransportConfig) -> io::Result<Self> {
        let tls = tls_client(config)?;
        let builder = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_age(MAX_IDLE_AGE)
            .max_idle_connections(16)
            .max_idle_connections_per_host(2)
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES);
        let names = NameCache::default();
        let agent = Agent::with_parts(
            builder.build(),
            ().chain(PlainProxyConnector)
                .chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(TlsConnector(Arc::new(tls))),
            CachingResolver {
                names: names.clone(),
                inner: DefaultResolver::default(),
            },
        );
        // So that a request cannot fail for it.
        for proxy in config.proxies.all() {
            Proxy::new(proxy.expose()).map_err(io::Error::other)?;
        }
        let proxies = config.proxies.clone();
        Ok(Self {
            agent,
            names,
            proxies,
        })
    }

    fn exchange(&self, request: &Request, take: Option<Take<'_>>) -> Result<Response, ureq::Error> {
        let method = request.method.as_str();
        let mut builder = http::Request::builder().method(method).uri(&request.url);
        for (name, value) in &request.headers {
            let mut value = http::HeaderValue::from_str(value).map_err(http::Error::from)?;
            value.set_sensitive(*name == "x-auth-token");
            builder = builder.header(*name, value);
        }
        let mut response = match &request.body {
            Some(body) => self.run(builder.body(body.as_slice())?, request)?,
            None => self.run(builder.body(())?, request)?,
        };
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| {
                Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
            })
            .collect();
        let status = response.status();
        let body = response
            .body_mut()
            .with_config()
            .limit(request.max_body_bytes);
        let mut whole = Vec::new();
        match take {
            Some(take) if status.is_success() => {
                let mut watched = Watched::new(body.reader());
                take(&mut watched);
                if let Some(error) = watched.failed {
                    return Err(error.into());
                }
            }
            _ if status.is_success() => whole = body.read_to_vec()?,
            _ => {
                body.limit(u64::MAX)
                    .reader()
                    .take(MAX_ERROR_BYTES)
                    .read_to_end(&mut whole)?;
            }
        }
        Ok(Response {
            status: status.as_u16(),
            headers,
            body: whole,
        })
    }

    fn run<S: ureq::AsSendBody>(
        &self,
        message: http::Request<S>,
        request: &Request,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let connect_time = (request.timeout / 2).min(MAX_CONNECT_TIME);
        let idle_age = if request.fresh_connection {
            Duration::ZERO
        } else {
            MAX_IDLE_AGE
        };
        let proxy = self.proxies.of(&request.url);
        let proxy = proxy.map(|proxy| Proxy::new(proxy.expose())).transpose()?;
        let mut message = message;
        let is_plain = message.uri().scheme_str() == Some("http");
        if let Some(credentials) = proxy.as_ref().filter(|_| is_plain).and_then(credentials) {
            let headers = message.headers_mut();
            headers.insert(http::header::PROXY_AUTHORIZATION, credentials);
        }
        let message = self
            .agent
            .configure_request(message)
            .proxy(proxy)
            .timeout_global(Some(request.timeout))
            .timeout_resolve(Some(connect_time))
            .timeout_connect(Some(connect_time))
            .max_idle_age(idle_age)
            .build();
        self.agent.run(message)
    }

    fn failed(&self, error: ureq::Error) -> TransportError {
        let kind = classify(&error);
        if matches!(
            kind,
            TransportErrorKind::Connect | TransportErrorKind::ConnectTimeout
        ) {
            self.names.clear();
        }
        let cause = (kind == TransportErrorKind::Tls)
            .then(|| tls_cause(&error))
            .flatten();
        TransportError {
            cause,
            ..TransportError::new(kind, error)
        }
    }
}

fn tls_cause(error: &ureq::Error) -> Option<Cause> {
    match error {
        ureq::Error::Rustls(error) => tls_cause::find(error),
        ureq::Error::Io(error) => tls_cause::find(error),
        _ => None,
    }
}

/// For a proxy that is asked for a whole URL. `ureq` itself sends them with a CONNECT.
fn credentials(proxy: &Proxy) -> Option<http::HeaderValue> {
    let (user, password) = (proxy.username(), proxy.password());
    if user.is_none() && password.is_none() {
        return None;
    }
    let (user, password) = (user.unwrap_or_default(), password.unwrap_or_default());
    let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let mut value = http::HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Transport for UreqTransport {
    fn send(&self, request: &Request) -> Result<Response, TransportError> {
        self.exchange(request, None)
            .map_err(|error| self.failed(error))
    }

    fn stream(
        &self,
        request: &Request,
        take: &mut dyn FnMut(&mut dyn Read),
    ) -> Result<Response, TransportError> {
        self.exchange(request, Some(take))
            .map_err(|error| self.failed(error))
    }
}

fn classify(error: &ureq::Error) -> TransportErrorKind {
    use TransportErrorKind as Kind;
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => Kind::ConnectTimeout,
        ureq::Error::Timeout(_) => Kind::Timeout,
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::ConnectProxyFailed(_) => Kind::Connect,
        ureq::Error::Tls(_) | ureq::Error::TlsRequired | ureq::Error::Rustls(_) => Kind::Tls,
        ureq::Error::Io(error) => classify_io(error),
        ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => Kind::BadAnswer,
        ureq::Error::BodyExceedsLimit(_) => Kind::TooLarge,
        ureq::Error::Http(_)
        | ureq::Error::BadUri(_)
        | ureq::Error::InvalidProxyUrl
        | ureq::Error::RequireHttpsOnly(_) => Kind::BadRequest,
        _ => Kind::Lost,
    }
}

fn classify_io(error: &io::Error) -> TransportErrorKind {
    use TransportErrorKind as Kind;
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable => Kind::Connect,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Kind::Timeout,
        // So ureq wraps the errors of rustls.
        io::ErrorKind::InvalidData => Kind::Tls,
        _ => Kind::Lost,
    }
}

#[derive(Debug, Clone, Default)]
struct NameCache(Arc<Mutex<HashMap<String, Found>>>);

/// When it was looked up, and the addresses.
type Found = (Instant, Vec<SocketAddr>);

impl NameCache {
    fn get(&self, key: &str) -> Option<Vec<SocketAddr>> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (found_at, addresses) = names.get(key)?;
        (found_at.elapsed() < NAME_TTL).then(|| addresses.clone())
    }

    fn put(&self, key: String, addresses: Vec<SocketAddr>) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MAX_NAMES {
            names.clear();
        }
        names.insert(key, (monotonic_now(), addresses));
    }

    fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// ureq looks a name up before every request, kept connection or not, and starts a thread for it.
#[derive(Debug)]
struct CachingResolver {
    names: NameCache,
    inner: DefaultResolver,
}

impl Resolver for CachingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let default_port = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = uri.port_u16().unwrap_or(default_port);
        let host = uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let mut addresses = self.empty();
        if let Ok(address) = bare.parse::<IpAddr>() {
            addresses.push(SocketAddr::new(address, port));
            return Ok(addresses);
        }
        let key = format!("{host}:{port}");
        if let Some(known) = self.names.get(&key) {
            for address in known {
                addresses.push(address);
            }
            return Ok(addresses);
        }
        let found = self.inner.resolve(uri, config, timeout).map_err(|error| {
            // getaddrinfo's failure has no kind of its own, and nothing has been sent yet.
            log::debug!("looking {host} up: {error}");
            match error {
                ureq::Error::Io(_) => ureq::Error::HostNotFound,
                other => other,
            }
        })?;
        self.names.put(key, found.iter().copied().collect());
        Ok(found)
    }
}
