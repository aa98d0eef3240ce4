use std::error::Error as StdError;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, ClientBuilder};
use reqwest::{Certificate, header, redirect};

use super::{
    Method, Request, Response, Transport, TransportConfig, TransportError, TransportErrorKind,
    tls_cause,
};
use crate::clock::monotonic_now;

const MAX_IDLE_AGE: Duration = Duration::from_secs(4);
const MAX_CONNECT_TIME: Duration = Duration::from_secs(10);
const CHUNK_BYTES: usize = 16 * 1024;

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
}

impl Transport for ReqwestTransport {
    fn send(&self, request: &Request) -> Result<Response, TransportError> {
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
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| {
                Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
            })
            .collect();
        let body = read_body(response, request, started_at)?;
        Ok(Response {
            status,
            headers,
            body,
        })
    }
}

fn builder(config: &TransportConfig) -> io::Result<ClientBuilder> {
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(MAX_CONNECT_TIME)
        .danger_accept_invalid_certs(config.insecure);
    let proxies = config.proxies.clone();
    // This also keeps reqwest from looking for proxies by itself.
    builder = builder.no_proxy().proxy(reqwest::Proxy::custom(move |url| {
        Some(proxies.of(url.as_str())?.expose().to_owned())
    }));
    if let Some(path) = &config.ca_file {
        let certificates = Certificate::from_pem_bundle(&std::fs::read(path)?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if certificates.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "no certificate in it, expected PEM",
            ));
        }
        builder = builder.tls_built_in_root_certs(false);
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    Ok(builder)
}

/// reqwest bounds each read by the timeout; the sum is bounded here.
fn read_body(
    mut response: reqwest::blocking::Response,
    request: &Request,
    started_at: Instant,
) -> Result<Vec<u8>, TransportError> {
    let mut body = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = response.read(&mut chunk).map_err(|error| {
            let kind = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<reqwest::Error>())
                .map_or(TransportErrorKind::Lost, classify);
            TransportError::new(kind, error)
        })?;
        let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else {
            return Ok(body);
        };
        body.extend_from_slice(part);
        if u64::try_from(body.len()).is_ok_and(|length| length > request.max_body_bytes) {
            return Err(TransportError::new(
                TransportErrorKind::TooLarge,
                "body over the limit",
            ));
        }
        if started_at.elapsed() >= request.timeout {
            return Err(TransportError::new(
                TransportErrorKind::Timeout,
                "body not complete in time",
            ));
        }
    }
}

fn classify(error: &reqwest::Error) -> TransportErrorKind {
    use TransportErrorKind as Kind;
    if error.is_connect() {
        return match error.is_timeout() {
            true => Kind::ConnectTimeout,
            false
                if has_source(error, |io: &io::Error| {
                    io.kind() == io::ErrorKind::InvalidData
                }) =>
            {
                Kind::Tls
            }
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
