//! What can go wrong, classified once, where the wire is read.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::cause::{Cause, Target};
use crate::clock;
use crate::redact::Redactor;
use crate::transport::{Method, Response, TransportError, TransportErrorKind};
use crate::url;

const MAX_MESSAGE_CHARS: usize = 400;
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The services that the client speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Keystone.
    Identity,
    /// Nova.
    Compute,
    /// Neutron.
    Network,
    /// Glance.
    Image,
}

impl Service {
    /// The service type in the catalog.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Compute => "compute",
            Self::Network => "network",
            Self::Image => "image",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an error means to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A quota is used up: 403 with one of Nova's messages about it, 409 `OverQuota` from Neutron, 413.
    Quota,
    /// 409: the object is in a state that forbids this, or somebody else was faster.
    Conflict,
    /// 404 with the service's own error body: there is no such object.
    NotFound,
    /// 404 (or a redirect) from something that is not the service's API: the URL is wrong.
    WrongUrl,
    /// 412: the object has another revision than `If-Match` says.
    PreconditionFailed,
    /// 401: the credentials (or a token that was just issued) are not accepted.
    Unauthorized,
    /// 403 for another reason than a quota.
    Forbidden,
    /// 400, and what else of 4xx says that the request is wrong.
    BadRequest,
    /// 429, or 413 with `Retry-After`.
    RateLimited,
    /// No connection or no answer in time.
    Timeout,
    /// No connection, or it broke.
    Connection,
    /// An answer that cannot be read: not HTTP, not JSON, too large, a list that does not end.
    BadAnswer,
    /// 5xx.
    Server,
    /// The configuration cannot be used.
    Config,
    /// The catalog has no such service, region or interface.
    Catalog,
    /// A list was broken off because the caller said so ([`crate::Cloud::between_pages`]).
    Stopped,
}

/// A failed operation. `Display` is one sentence; the cause below it is in `source()`.
pub struct Error(Box<Parts>);

struct Parts {
    request: Option<(Service, Method, String)>,
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
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// What it means.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The service that was asked; none for configuration errors.
    pub fn service(&self) -> Option<Service> {
        self.0.request.as_ref().map(|(service, ..)| *service)
    }

    /// The request's method; none for configuration errors.
    pub fn method(&self) -> Option<Method> {
        self.0.request.as_ref().map(|(_, method, _)| *method)
    }

    /// The path of the request's URL, without query; none for configuration errors.
    pub fn path(&self) -> Option<&str> {
        self.0.request.as_ref().map(|(.., path)| path.as_str())
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
        Self(Box::new(Parts {
            request: self.0.request.clone(),
            kind: self.0.kind,
            status: self.0.status,
            request_id: self.0.request_id.clone(),
            retry_after: self.0.retry_after,
            message: self.0.message.clone(),
            next_login: self.0.next_login,
            outcome_unknown: self.0.outcome_unknown,
            target: self.0.target.clone(),
            cause: self.0.cause.clone(),
            source: None,
        }))
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn from_transport(
        service: Service,
        method: Method,
        path: &str,
        target: Target,
        error: TransportError,
    ) -> Self {
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
        built.0.request = Some((service, method, path.to_owned()));
        built.0.outcome_unknown = sent && changes(service, method);
        built.0.cause = cause;
        built.with_source(error.source)
    }

    pub(crate) fn bad_answer(
        service: Service,
        method: Method,
        path: &str,
        answer: &Response,
        message: &str,
        redactor: &Redactor,
    ) -> Self {
        let mut built = Self::config(ErrorKind::BadAnswer, redactor.scrub(message));
        built.0.request = Some((service, method, path.to_owned()));
        built.0.status = Some(answer.status);
        built.0.request_id = request_id(answer).map(|id| redactor.scrub(&id));
        built.0.outcome_unknown = changes(service, method);
        built
    }

    pub(crate) fn from_status(
        service: Service,
        method: Method,
        path: &str,
        answer: &Response,
        redactor: &Redactor,
    ) -> Self {
        let said = Said::read(answer, redactor);
        let retry_after = retry_after(answer, &said);
        let kind = classify(service, answer, &said, retry_after);
        let wants_tls = wants_tls(answer, &said);
        let message = match redirected(service, answer) {
            Some(text) => redactor.scrub(&text),
            None => said.message,
        };
        let mut built = Self::config(kind, message);
        built.0.request = Some((service, method, path.to_owned()));
        built.0.status = Some(answer.status);
        built.0.request_id = request_id(answer).map(|id| redactor.scrub(&id));
        built.0.retry_after = retry_after;
        built.0.outcome_unknown = kind == ErrorKind::Server && changes(service, method);
        built.0.cause = wants_tls.then_some(Cause::TlsPort);
        built
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((service, method, path)) = &self.0.request else {
            return f.write_str(&self.0.message);
        };
        write!(f, "{service}: {method} {path}")?;
        match self.0.status {
            Some(status) => write!(f, " was answered with {status}")?,
            None => f.write_str(" failed")?,
        }
        match self.0.kind {
            ErrorKind::WrongUrl => {
                if let Some(target) = &self.0.target {
                    write!(f, " by {target}")?;
                }
                f.write_str(", which is not this API's answer (is the URL wrong?)")?;
            }
            ErrorKind::BadAnswer if self.0.status.is_some() => {
                if let Some(target) = &self.0.target {
                    write!(f, " by {target}")?;
                }
                f.write_str(", which cannot be used")?;
            }
            _ => {}
        }
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

fn changes(service: Service, method: Method) -> bool {
    method != Method::Get && service != Service::Identity
}

/// What an error's body says, whichever service wrote it.
struct Said {
    /// The body has the shape of an OpenStack service's error.
    own: bool,
    /// Neutron's error type, else empty.
    kind: String,
    message: String,
    retry_after_seconds: Option<u64>,
}

impl Said {
    fn read(answer: &Response, redactor: &Redactor) -> Self {
        let mut said = Self {
            own: false,
            kind: String::new(),
            message: String::new(),
            retry_after_seconds: None,
        };
        let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(&answer.body) else {
            said.message = strip_tags(&redactor.scrub(&String::from_utf8_lossy(&answer.body)));
            return said;
        };
        // {"itemNotFound": {..}}, {"NeutronError": {..} or ".."}, {"error": {..}}, {"errors": [{..}]}, {"message": ..}
        let inner = match body.values().next() {
            Some(Value::Object(inner)) if body.len() == 1 => inner.clone(),
            Some(Value::String(text)) if body.len() == 1 => {
                said.own = true;
                said.message = redactor.scrub(text);
                return said;
            }
            Some(Value::Array(list)) if body.len() == 1 => match list.first() {
                Some(Value::Object(inner)) => inner.clone(),
                _ => body.clone(),
            },
            _ => body.clone(),
        };
        let text = |name: &str| inner.get(name).and_then(Value::as_str).unwrap_or_default();
        let message = ["message", "detail", "title"]
            .into_iter()
            .map(text)
            .find(|found| !found.is_empty());
        said.own = message.is_some();
        text("type").clone_into(&mut said.kind);
        said.message = strip_tags(&redactor.scrub(message.unwrap_or_default()));
        said.retry_after_seconds = inner
            .get("retryAfter")
            .and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
        said
    }
}

fn classify(
    service: Service,
    answer: &Response,
    said: &Said,
    retry_after: Option<Duration>,
) -> ErrorKind {
    match answer.status {
        300..=399 => ErrorKind::WrongUrl,
        400 if wants_tls(answer, said) => ErrorKind::WrongUrl,
        401 => ErrorKind::Unauthorized,
        403 if tells_of_a_quota(&said.message) => ErrorKind::Quota,
        403 => ErrorKind::Forbidden,
        404 => not_found(service, answer, said),
        409 if said.kind == "OverQuota" => ErrorKind::Quota,
        409 => ErrorKind::Conflict,
        412 => ErrorKind::PreconditionFailed,
        413 if retry_after.is_some() => ErrorKind::RateLimited,
        413 => ErrorKind::Quota,
        429 => ErrorKind::RateLimited,
        500..=599 => ErrorKind::Server,
        400..=499 => ErrorKind::BadRequest,
        _ => ErrorKind::BadAnswer,
    }
}

/// What nginx, Apache and `HAProxy`'s like answer to a plain request on a port for TLS.
fn wants_tls(answer: &Response, said: &Said) -> bool {
    let text = said.message.to_ascii_lowercase();
    answer.status == 400
        && !said.own
        && text.contains("plain http")
        && ["https", "ssl", "tls"]
            .iter()
            .any(|word| text.contains(word))
}

/// Nova's words, of which not all name the quota: `Quota exceeded for ...`, `Maximum number of ports exceeded`
/// (`nova/exception.py`, `PortLimitExceeded`), and with unified limits `Project X is over a limit for [...]`
/// (`oslo_limit/exception.py`, `ProjectOverLimit`).
fn tells_of_a_quota(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("quota")
        || message.contains("over a limit for")
        || (message.contains("maximum number of") && message.contains("exceeded"))
}

/// Nova, Neutron and Keystone answer in JSON for an object that is not there; Neutron does so for an unknown path too,
/// with a type of its own. Glance answers in HTML for both and names the object in the first case only.
fn not_found(service: Service, answer: &Response, said: &Said) -> ErrorKind {
    let known = match service {
        Service::Image if !said.own => {
            request_id(answer).is_some()
                && !said.message.contains("The resource could not be found")
        }
        _ => said.own && said.kind != "HTTPNotFound",
    };
    if known {
        ErrorKind::NotFound
    } else {
        ErrorKind::WrongUrl
    }
}

/// Where a redirect leads, and which setting should lead there; redirects are not followed.
fn redirected(service: Service, answer: &Response) -> Option<String> {
    /// What a login adds to the identity service's URL.
    const LOGIN: &str = "/auth/tokens";
    if !(300..400).contains(&answer.status) {
        return None;
    }
    let place = url::without_secrets(answer.header("location")?);
    let place = place.trim_end_matches('/');
    let remedy = match service {
        Service::Identity => format!(
            "set OS_AUTH_URL to {}",
            place.strip_suffix(LOGIN).unwrap_or(place)
        ),
        _ => format!("the catalog's URL of {service} has to lead there (openstack endpoint set)"),
    };
    Some(format!("redirected to {place}: {remedy}"))
}

fn request_id(answer: &Response) -> Option<String> {
    ["x-openstack-request-id", "x-compute-request-id"]
        .into_iter()
        .find_map(|name| answer.header(name))
        .map(|id| id.chars().filter(char::is_ascii_graphic).take(64).collect())
}

fn retry_after(answer: &Response, said: &Said) -> Option<Duration> {
    let from_header = answer.header("retry-after").and_then(|text| {
        text.trim().parse::<u64>().ok().or_else(|| {
            let then = clock::parse_http_date(text)?;
            let now = clock::parse_http_date(answer.header("date")?)?;
            Some(then.saturating_sub(now))
        })
    });
    let seconds = from_header.or(said.retry_after_seconds)?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
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

/// The text of an HTML page: proxies answer in HTML.
fn strip_tags(text: &str) -> String {
    if !text.trim_start().starts_with('<') && !text.contains("<br") {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars().take(20_000) {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                out.push(' ');
            }
            _ if !inside => out.push(c),
            _ => {}
        }
    }
    out
}
