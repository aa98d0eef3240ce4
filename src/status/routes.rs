//! Which request gets which answer.

use super::board::Board;
use super::bodies::{Document, Source};
use super::hosts::{self, Peer};
use super::http::{BadHost, BadRequest, Body, Method, Request, Response};
use super::page::PAGE;
use super::{DaemonInfo, accept, metrics};
use crate::pool::{Health, Moment};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;

const VARY: &str = "Vary: Accept\r\n";

/// The status of the pool as it is known now.
struct Known<'a> {
    shared: &'a Board,
    facts: &'a DaemonInfo,
    now: Moment,
    accept: &'a [u8],
    /// The settings are shown to who asks.
    with_settings: bool,
}

/// What a request gets.
#[derive(Debug)]
pub(super) enum Answer {
    /// This, at once.
    Ready(Response),
    /// A document that is shared, and may have to be rendered.
    Board(Document, Source),
}

/// Answers a request from what is known now.
pub(super) fn answer(
    request: &Request,
    peer: Peer,
    shared: &Board,
    facts: &DaemonInfo,
    now: Moment,
) -> Answer {
    let host = match &request.host {
        Ok(host) => host.as_ref(),
        Err(bad) => return Answer::Ready(answer_bad_host(*bad)),
    };
    if !hosts::is_allowed(host, peer, &facts.server.allowed_hosts) {
        let text = "this server is not asked by that name; see APP_ALLOWED_HOSTS";
        return Answer::Ready(error(421, text));
    }
    let view: fn(&Known<'_>) -> Answer = match request.path.as_str() {
        "/" => first_page,
        "/status" => status,
        "/events" => |known| known.document(Document::Events),
        "/history" => |known| known.document(Document::History),
        "/metrics" => |known| Answer::Ready(metrics(known)),
        "/healthz" => |known| Answer::Ready(healthz(known)),
        "/readyz" => |known| Answer::Ready(readyz(known)),
        _ => {
            return Answer::Ready(error(
                404,
                "there is nothing here; see /, /status, /events, /history, /metrics, /healthz \
                 and /readyz",
            ));
        }
    };
    match request.method {
        Method::Get | Method::Head => view(&Known {
            shared,
            facts,
            now,
            accept: &request.accept,
            with_settings: facts.server.show_settings
                || hosts::is_from_here(host, request.forwarded, peer),
        }),
        Method::Other => Answer::Ready(error(405, "only GET and HEAD are answered")),
    }
}

/// The answer that carries a document.
pub(super) fn document(document: Document, body: Body) -> Response {
    Response {
        status: 200,
        content_type: Response::JSON,
        headers: match document {
            Document::Summary => VARY.into(),
            Document::Status { .. } | Document::Events | Document::History => "".into(),
        },
        body,
    }
}

/// Answers what is no request.
pub(super) fn answer_bad(bad: &BadRequest) -> Response {
    match bad {
        BadRequest::Slow => error(408, "the request did not end in time"),
        BadRequest::LongTarget => error(414, "the URL is too long"),
        BadRequest::LongHead => error(431, "the head of the request is too long"),
        BadRequest::Malformed => error(400, "this is not an HTTP request"),
        BadRequest::Version => error(505, "only HTTP/1.0 and HTTP/1.1 are spoken here"),
    }
}

/// Answers who does not say which host is asked.
fn answer_bad_host(bad: BadHost) -> Response {
    let text = match bad {
        BadHost::Missing => "a request of HTTP/1.1 needs a Host header",
        BadHost::Several => "there is more than one Host header",
        BadHost::Unreadable => "the host that is asked cannot be read: HOST or HOST:PORT is",
    };
    error(400, text)
}

/// A page for whoever prefers one; the summary for everybody else.
fn first_page(known: &Known<'_>) -> Answer {
    if !accept::prefers_html(known.accept) {
        return known.document(Document::Summary);
    }
    Answer::Ready(Response {
        status: 200,
        content_type: "text/html; charset=utf-8",
        headers: format!("{VARY}{}", PAGE.headers).into(),
        body: Arc::clone(&PAGE.body),
    })
}

fn status(known: &Known<'_>) -> Answer {
    known.document(Document::Status {
        with_settings: known.with_settings,
    })
}

fn metrics(known: &Known<'_>) -> Response {
    let latest = known.shared.latest();
    let metrics = known.shared.metrics();
    let text = metrics.open_metrics(&latest, known.facts, known.is_healthy(), known.now);
    let (content_type, text) = if accept::prefers_open_metrics(known.accept) {
        (
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            text,
        )
    } else {
        (
            "text/plain; version=0.0.4; charset=utf-8",
            metrics::as_prometheus_text(&text),
        )
    };
    Response {
        status: 200,
        content_type,
        headers: VARY.into(),
        body: Arc::new(text.into_bytes()),
    }
}

fn healthz(known: &Known<'_>) -> Response {
    let silent_for = known.now.since(known.shared.last_heartbeat()).as_secs();
    let limit = known.facts.healthy_within.as_secs();
    if known.is_healthy() {
        respond(
            200,
            &json!({"status": 1, "last_turn_seconds_ago": silent_for}),
        )
    } else {
        let text =
            format!("the control loop has made no turn for {silent_for} s (limit: {limit} s)");
        respond(
            503,
            &json!({"status": 0, "last_turn_seconds_ago": silent_for, "error": text}),
        )
    }
}

fn readyz(known: &Known<'_>) -> Response {
    let health = Health::of(&known.shared.latest(), known.is_healthy(), known.now);
    let severity = health.severity.name();
    match health.not_ready() {
        None => respond(200, &json!({"ready": true, "severity": severity})),
        Some(finding) => respond(
            503,
            &json!({
                "ready": false,
                "severity": severity,
                "reason": finding.reason.name(),
                "error": finding.reason.to_string(),
            }),
        ),
    }
}

impl Known<'_> {
    fn document(&self, document: Document) -> Answer {
        let source = Source::new(self.shared, self.is_healthy(), self.now);
        Answer::Board(document, source)
    }

    fn is_healthy(&self) -> bool {
        self.now.since(self.shared.last_heartbeat()) <= self.facts.healthy_within
    }
}

fn error(status: u16, text: &str) -> Response {
    respond(status, &json!({"error": text}))
}

fn respond(status: u16, body: &Value) -> Response {
    Response {
        status,
        content_type: Response::JSON,
        headers: Cow::Borrowed(""),
        body: Arc::new(format!("{body}\n").into_bytes()),
    }
}
