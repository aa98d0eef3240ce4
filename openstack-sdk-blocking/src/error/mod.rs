//! What can go wrong, classified once, where the wire is read.

mod answer;
mod kind;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cause::{Cause, Target};
use crate::redact::Redactor;
use crate::service::Service;
use crate::transport::{Method, Request, Response, TransportError, TransportErrorKind};
use crate::url;

pub use self::kind::ErrorKind;

const MAX_MESSAGE_CHARS: usize = 400;

/// What was asked of which service.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) service: Service,
    pub(crate) method: Method,
    /// Of the request's URL, without query.
    pub(crate) path: String,
}

impl Asked {
    pub(crate) fn of(service: Service, request: &Request) -> Self {
        Self {
            service,
            method: request.method,
            path: url::path_of(&request.url).to_owned(),
        }
    }

    /// Whether something may be otherwise afterwards. A login changes nothing.
    fn changes(&self) -> bool {
        self.method != Method::Get && self.service != Service::Identity
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.service, self.method, self.path)
    }
}

/// A failed operation. `Display` is one sentence; the cause below it is in `source()`.
pub struct Error(Box<Parts>);

#[derive(Clone)]
struct Parts {
    request: Option<Asked>,
    kind: ErrorKind,
    status: Option<u16>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    message: String,
    /// A login that was refused is not tried again for so long.
    next_login: Option<Duration>,
    outcome_unknown: bool,
    target: Option<Target>,
    cause: Option<Cause>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// What it means.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The service that was asked; none for configuration errors.
    pub fn service(&self) -> Option<Service> {
        self.0.request.as_ref().map(|asked| asked.service)
    }

    /// The request's method; none for configuration errors.
    pub fn method(&self) -> Option<Method> {
        self.0.request.as_ref().map(|asked| asked.method)
    }

    /// The path of the request's URL, without query; none for configuration errors.
    pub fn path(&self) -> Option<&str> {
        self.0.request.as_ref().map(|asked| asked.path.as_str())
    }

    /// The answer's status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The cloud's id of the request (`X-Openstack-Request-Id`), for its operators.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the cloud asks to wait (`Retry-After`), at most a day.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What the cloud or the client says, at most 400 characters.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether a request that changes something may have been carried out nonetheless: no answer in time, connection
    /// lost after sending, 5xx, or a success whose body cannot be read. Never so for reading and for logging in.
    pub fn outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }

    /// Where the request went; none if none was sent.
    pub fn target(&self) -> Option<&Target> {
        self.0.target.as_ref()
    }

    /// What lies behind it, where one can tell.
    pub fn cause(&self) -> Option<&Cause> {
        self.0.cause.as_ref()
    }

    pub(crate) fn config(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            request: None,
            kind,
            status: None,
            request_id: None,
            retry_after: None,
            // Names from a catalog may be in it.
            message: tidy(&message.into()),
            next_login: None,
            outcome_unknown: false,
            target: None,
            cause: None,
            source: None,
        }))
    }

    /// Where the request went.
    pub(crate) fn sent_to(mut self, target: Target) -> Self {
        self.0.target = Some(target);
        self
    }

    pub(crate) fn with_message(mut self, message: &str) -> Self {
        self.0.message = tidy(message);
        self
    }

    pub(crate) fn because(mut self, cause: Cause) -> Self {
        self.0.cause = Some(cause);
        self
    }

    /// An error about a login that was refused: what is to be known of it, and when the next one may be tried.
    pub(crate) fn with_login_wait(mut self, text: &str, wait: Duration) -> Self {
        self.0.message = tidy(text);
        self.0.retry_after = Some(wait);
        self.0.next_login = Some(wait);
        self
    }

    /// The same for somebody who tries once: it does not say when the next login is.
    #[must_use]
    pub fn of_one_try(mut self) -> Self {
        self.0.next_login = None;
        self
    }

    /// The same request and its answer once more.
    pub(crate) fn again(&self) -> Self {
        Self(self.0.clone())
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    pub(crate) fn from_transport(asked: &Asked, target: Target, error: TransportError) -> Self {
        use TransportErrorKind as Kind;
        let (kind, sent) = match error.kind {
            Kind::Connect => (ErrorKind::Connection, false),
            Kind::ConnectTimeout => (ErrorKind::Timeout, false),
            Kind::Timeout => (ErrorKind::Timeout, true),
            // A certificate is refused before anything is sent, but a record can be damaged later.
            Kind::Lost | Kind::Tls => (ErrorKind::Connection, true),
            Kind::BadAnswer | Kind::TooLarge => (ErrorKind::BadAnswer, true),
            Kind::BadRequest => (ErrorKind::Config, false),
        };
        let is_no_http = error.kind == Kind::BadAnswer && !target.is_https;
        let cause = error.cause.clone().or(is_no_http.then_some(Cause::TlsPort));
        let mut message = match error.kind {
            Kind::Connect => format!("no connection to {target}"),
            Kind::ConnectTimeout => format!("no connection to {target} in time"),
            Kind::Timeout => format!("no answer from {target} in time"),
            Kind::Tls => format!("no TLS with {target}"),
            Kind::Lost => format!("the connection to {target} was lost"),
            Kind::BadAnswer => format!("the answer of {target} is not valid HTTP"),
            Kind::TooLarge => format!("the answer of {target} is too large"),
            Kind::BadRequest => error.to_string(),
        };
        if let Some(words) = cause.as_ref().and_then(Cause::words) {
            message = format!("{message}: {words}");
        }
        let mut built = Self::config(kind, message).sent_to(target);
        built.0.request = Some(asked.clone());
        built.0.outcome_unknown = sent && asked.changes();
        built.0.cause = cause;
        built.with_source(error.source)
    }

    pub(crate) fn bad_answer(
        asked: &Asked,
        answer: &Response,
        message: &str,
        redactor: &Redactor,
    ) -> Self {
        let message = redactor.scrub(message);
        let mut built = Self::answered(asked, answer, ErrorKind::BadAnswer, message, redactor);
        built.0.outcome_unknown = asked.changes();
        built
    }

    pub(crate) fn from_status(asked: &Asked, answer: &Response, redactor: &Redactor) -> Self {
        let verdict = answer::read(asked.service, answer, redactor);
        let kind = verdict.kind;
        let mut built = Self::answered(asked, answer, kind, verdict.message, redactor);
        built.0.retry_after = verdict.retry_after;
        built.0.outcome_unknown = kind == ErrorKind::Server && asked.changes();
        built.0.cause = verdict.wants_tls.then_some(Cause::TlsPort);
        built
    }

    fn answered(
        asked: &Asked,
        answer: &Response,
        kind: ErrorKind,
        message: String,
        redactor: &Redactor,
    ) -> Self {
        let mut built = Self::config(kind, message);
        built.0.request = Some(asked.clone());
        built.0.status = Some(answer.status);
        built.0.request_id = answer::request_id(answer).map(|id| redactor.scrub(&id));
        built
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(asked) = &self.0.request else {
            return f.write_str(&self.0.message);
        };
        asked.fmt(f)?;
        match self.0.status {
            Some(status) => write!(f, " was answered with {status}")?,
            None => f.write_str(" failed")?,
        }
        let which = match self.0.kind {
            ErrorKind::WrongUrl => ", which is not this API's answer (is the URL wrong?)",
            ErrorKind::BadAnswer if self.0.status.is_some() => ", which cannot be used",
            _ => "",
        };
        if let Some(target) = self.target().filter(|_| !which.is_empty()) {
            write!(f, " by {target}")?;
        }
        f.write_str(which)?;
        if !self.0.message.is_empty() {
            write!(f, ": {}", self.0.message)?;
        }
        if let Some(wait) = self.0.next_login {
            write!(f, "; next try in {} s", wait.as_millis().div_ceil(1000))?;
        }
        if let Some(id) = &self.0.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("text", &self.to_string())
            .field("retry_after", &self.0.retry_after)
            .field("outcome_unknown", &self.0.outcome_unknown)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// One line, of bounded length, without control characters.
fn tidy(text: &str) -> String {
    let words: Vec<_> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((at, _)) => format!("{}...", line.get(..at).unwrap_or_default()),
        None => line,
    }
}
