//! One HTTP exchange: the seam between the client and the HTTP library below it.

use std::error::Error as StdError;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroize;

use crate::cause::Cause;
use crate::config::Proxies;
use crate::secret::Secret;

/// Carries out single HTTP exchanges.
///
/// A transport follows no redirect, does not retry, returns every status as a [`Response`], and ends within
/// [`Request::timeout`] (name lookup, connecting, TLS, sending and every read taken together).
pub trait Transport: Send + Sync {
    /// Sends a request and reads the whole answer. Of the body of an answer that is no success, [`MAX_ERROR_BYTES`] are
    /// enough.
    fn send(&self, request: &Request) -> Result<Response, TransportError>;

    /// Sends a request and hands the body of a successful answer (2xx) to `take` while it comes in; the [`Response`]
    /// then has none. A body that breaks off, or that is larger than it may be, is an error afterwards.
    ///
    /// Unless a transport has a way of its own, the body is read as a whole before.
    fn stream(
        &self,
        request: &Request,
        take: &mut dyn FnMut(&mut dyn Read),
    ) -> Result<Response, TransportError> {
        let mut response = self.send(request)?;
        if (200..300).contains(&response.status) {
            let body = std::mem::take(&mut response.body);
            take(&mut body.as_slice());
        }
        Ok(response)
    }
}

/// The most that is read of the body of an answer that is no success: what is shown of it is far less.
pub const MAX_ERROR_BYTES: u64 = 256 * 1024;

/// Who takes the body of an answer while it comes in.
#[cfg(any(feature = "ureq", feature = "reqwest"))]
pub(super) type Take<'a> = &'a mut dyn FnMut(&mut dyn Read);

/// Remembers how reading failed, which the reader at its other end cannot tell.
#[cfg(any(feature = "ureq", feature = "reqwest"))]
pub(super) struct Watched<R> {
    pub(super) inner: R,
    pub(super) failed: Option<std::io::Error>,
}

#[cfg(any(feature = "ureq", feature = "reqwest"))]
impl<R> Watched<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            failed: None,
        }
    }
}

#[cfg(any(feature = "ureq", feature = "reqwest"))]
impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != std::io::ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            kind.into()
        })
    }
}

/// The request methods that the client uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates, and logs in.
    Post,
    /// Changes.
    Put,
    /// Deletes.
    Delete,
}

impl Method {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request to send. `Debug` shows neither header values nor the body: they hold tokens and passwords.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The absolute URL, with its query.
    pub url: String,
    /// Header names in lower case, and their values.
    pub headers: Vec<(&'static str, String)>,
    /// The body, if any.
    pub body: Option<Vec<u8>>,
    /// The longest time that the whole exchange may take.
    pub timeout: Duration,
    /// The largest body to read, in bytes; a larger one is [`TransportErrorKind::TooLarge`].
    pub max_body_bytes: u64,
    /// The exchange must not begin on a kept connection, which the server may just be closing: for requests that
    /// change something and must therefore not be sent again blindly.
    pub fresh_connection: bool,
}

impl Request {
    /// Gives it a JSON body.
    pub(crate) fn set_json(&mut self, body: &Value) {
        let kind = ("content-type", "application/json".to_owned());
        self.headers.push(kind);
        self.body = Some(body.to_string().into_bytes());
    }

    /// The token to be asked with.
    pub(crate) fn set_token(&mut self, token: &Secret) {
        let value = token.expose().to_owned();
        self.headers.push(("x-auth-token", value));
    }

    /// Overwrites what it holds in confidence: the body of a login, the token of any other request.
    pub(crate) fn wipe(&mut self) {
        self.body.zeroize();
        for (_, value) in &mut self.headers {
            value.zeroize();
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &names)
            .field("body_bytes", &self.body.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}

/// An answer, of whatever status. `Debug` shows neither header values nor the body.
#[derive(Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, and those values that are text.
    pub headers: Vec<(String, String)>,
    /// The body; empty if it was handed on while it came in.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// How an exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportErrorKind {
    /// No connection: name not found, refused, unreachable. Nothing was sent.
    #[error("no connection")]
    Connect,
    /// No connection in time. Nothing was sent.
    #[error("no connection in time")]
    ConnectTimeout,
    /// The connection stood and the answer did not come in time.
    #[error("no answer in time")]
    Timeout,
    /// TLS failed: mostly a certificate that is not trusted.
    #[error("TLS failed")]
    Tls,
    /// The connection broke while sending or reading.
    #[error("the connection was lost")]
    Lost,
    /// The answer is not HTTP.
    #[error("the answer is not valid HTTP")]
    BadAnswer,
    /// The answer's body is larger than [`Request::max_body_bytes`].
    #[error("the answer is too large")]
    TooLarge,
    /// The request cannot be sent as it is, for instance a header with a line break.
    #[error("the request cannot be sent")]
    BadRequest,
}

/// A failed exchange.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct TransportError {
    /// How it failed.
    pub kind: TransportErrorKind,
    /// Why, where it is known.
    pub cause: Option<Cause>,
    /// The HTTP library's own error.
    pub source: Box<dyn StdError + Send + Sync>,
}

impl TransportError {
    /// Puts the two together.
    pub fn new(
        kind: TransportErrorKind,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            cause: None,
            source: source.into(),
        }
    }
}

/// What a transport needs to know once.
#[derive(Debug, Clone, Default)]
pub struct TransportConfig {
    /// File with the certificates to trust instead of the embedded authorities, in PEM or DER: see
    /// [`crate::tls::client_config`].
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate.
    pub insecure: bool,
    /// The proxies to go through.
    pub proxies: Proxies,
}

/// The TLS client for those settings.
#[cfg(any(feature = "ureq", feature = "reqwest"))]
pub(super) fn tls_client(config: &TransportConfig) -> std::io::Result<rustls::ClientConfig> {
    let file = config.ca_file.as_ref().map(std::fs::read).transpose()?;
    crate::tls::client_config(file.as_deref(), config.insecure)
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}
