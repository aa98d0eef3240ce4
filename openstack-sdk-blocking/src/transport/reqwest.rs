use std::error::Error as StdError;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, ClientBuilder};
use reqwest::{header, redirect};

use super::exchange::{
    MAX_ERROR_BYTES, Method, Request, Response, Take, Transport, TransportConfig, TransportError,
    TransportErrorKind, Watched, tls_client,
};
use super::tls_cause;
use crate::clock::monotonic_now;

const MAX_IDLE_AGE: Duration = Duration::from_secs(4);
const MAX_CONNECT_TIME: Duration = Duration::from_secs(10);

/// A transport over `reqwest`'s blocking client, which runs tokio on a hidden thread.
#[derive(Debug)]
pub struct ReqwestTransport {
    keeping: Client,
    /// Keeps no connection, so that each request has its own.
    fresh: Client,
}

impl ReqwestTransport {
    /// Makes a transport; reads the CA file, if one is set.
    pub fn new(config: &TransportConfig) -> io::Result<Self> {
        let keeping = builder(config)?
            .pool_idle_timeout(MAX_IDLE_AGE)
            .pool_max_idle_per_host(2);
        let fresh = builder(config)?.pool_max_idle_per_host(0);
        Ok(Self {
            keeping: keeping.build().map_err(io::Error::other)?,
            fresh: fresh.build().map_err(io::Error::other)?,
        })
    }

    fn exchange(
        &self,
        request: &Request,
        take: Option<Take<'_>>,
    ) -> Result<Response, TransportError> {
        let started_at = monotonic_now();
        let client = if request.fresh_connection {
            &self.fresh
        } else {
            &self.keeping
        };
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut builder = client
            .request(method, &request.url)
            .timeout(request.timeout);
        for (name, value) in &request.headers {
            let mut value = header::HeaderValue::from_str(value)
                .map_err(|error| TransportError::new(TransportErrorKind::BadRequest, error))?;
            value.set_sensitive(*name == "x-auth-token");
            builder = builder.header(*name, value);
        }
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        // The URL that reqwest would add to its error has the query in it.
        let response = builder.send().map_err(|error| {
            let cause = tls_cause::find(&error);
            let kind = match cause {
                Some(_) => TransportErrorKind::Tls,
                None => classify(&error),
            };
            TransportError {
                cause,
                ..TransportError::new(kind, error.without_url())
            }
        })?;
        let status = response.status();
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| {
                Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
            })
            .collect();
        let mut body = Watched::new(Bounded {
            response,
            request,
            started_at,
            read: 0,
        });
        let mut whole = Vec::new();
        match take {
            Some(take) if status.is_success() => take(&mut body),
            _ if status.is_success() => drop(body.read_to_end(&mut whole)),
            _ => drop(body.by_ref().take(MAX_ERROR_BYTES).read_to_end(&mut whole)),
        }
        if let Some(error) = body.failed {
            return Err(read_failed(error));
        }
        Ok(Response {
            status: status.as_u16(),
            headers,
            body: whole,
        })
    }
}

impl Transport for ReqwestTransport {
    fn send(&self, request: &Request) -> Result<Response, TransportError> {
        self.exchange(request, None)
    }

    fn stream(
        &self,
        request: &Request,
        take: &mut dyn FnMut(&mut dyn Read),
    ) -> Result<Response, TransportError> {
        self.exchange(request, Some(take))
    }
}

fn builder(config: &TransportConfig) -> io::Result<ClientBuilder> {
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(MAX_CONNECT_TIME)
        .use_preconfigured_tls(tls_client(config)?);
    let proxies = config.proxies.clone();
    // This also keeps reqwest from looking for proxies by itself.
    builder = builder.no_proxy().proxy(reqwest::Proxy::custom(move |url| {
        Some(proxies.of(url.as_str())?.expose().to_owned())
    }));
    Ok(builder)
}

/// reqwest bounds each read by the timeout; the sum is bounded here.
struct Bounded<'a> {
    response: reqwest::blocking::Response,
    request: &'a Request,
    started_at: Instant,
    read: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.started_at.elapsed() >= self.request.timeout {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let length = self.response.read(buffer)?;
        self.read += length as u64;
        let is_success = self.response.status().is_success();
        if is_success && self.read > self.request.max_body_bytes {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(length)
    }
}

fn read_failed(error: io::Error) -> TransportError {
    let kind = match error.kind() {
        io::ErrorKind::TimedOut => TransportErrorKind::Timeout,
        io::ErrorKind::FileTooLarge => TransportErrorKind::TooLarge,
        _ => error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<reqwest::Error>())
            .map_or(TransportErrorKind::Lost, classify),
    };
    TransportError::new(kind, error)
}

fn classify(error: &reqwest::Error) -> TransportErrorKind {
    use TransportErrorKind as Kind;
    if error.is_connect() {
        return match error.is_timeout() {
            true => Kind::ConnectTimeout,
            false if has_source(error, is_tls) => Kind::Tls,
            false => Kind::Connect,
        };
    }
    if error.is_timeout() {
        return Kind::Timeout;
    }
    if error.is_builder() {
        return Kind::BadRequest;
    }
    if has_source(error, hyper::Error::is_parse) {
        Kind::BadAnswer
    } else {
        Kind::Lost
    }
}

/// So rustls' errors are wrapped, once or twice.
fn is_tls(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    error.kind() == io::ErrorKind::InvalidData || inner.is_some_and(is_tls)
}

fn has_source<E: StdError + 'static>(error: &reqwest::Error, is: impl Fn(&E) -> bool) -> bool {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.downcast_ref::<E>().is_some_and(&is) {
            return true;
        }
        source = inner.source();
    }
    false
}
