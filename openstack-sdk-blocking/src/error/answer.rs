//! What a service's answer says of why a request failed.

use std::time::Duration;

use serde_json::Value;

use super::kind::ErrorKind;
use crate::clock;
use crate::redact::Redactor;
use crate::service::Service;
use crate::transport::Response;
use crate::url;

const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What an answer that is no good one means.
pub(super) struct Verdict {
    pub(super) kind: ErrorKind,
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
    /// It was a plain request to a port for TLS.
    pub(super) wants_tls: bool,
}

pub(super) fn read(service: Service, answer: &Response, redactor: &Redactor) -> Verdict {
    let said = Said::read(answer, redactor);
    let retry_after = retry_after(answer, &said);
    Verdict {
        kind: classify(service, answer, &said, retry_after),
        retry_after,
        wants_tls: wants_tls(answer, &said),
        message: match redirected(service, answer) {
            Some(text) => redactor.scrub(&text),
            None => said.message,
        },
    }
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

pub(super) fn request_id(answer: &Response) -> Option<String> {
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
