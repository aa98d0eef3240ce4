//! Which request gets which answer.

use super::http::{BadRequest, Method, Request, Response};
use super::page::PAGE;
use super::shared::Shared;
use super::view::{self, EventsBody, StatusBody};
use super::{Facts, accept, metrics};
use crate::pool::{Health, Moment};
use serde_json::{Value, json};

/// The status of the pool as it is known now.
struct Known<'a> {
    shared: &'a Shared,
    facts: &'a Facts,
    now: Moment,
    accept: &'a [u8],
}

/// Answers a request from what is known now.
pub(super) fn answer(request: &Request, shared: &Shared, facts: &Facts, now: Moment) -> Response {
    let view: fn(&Known<'_>) -> Response = match request.path.as_slice() {
        b"/" => first_page,
        b"/status" => status,
        b"/events" => events,
        b"/history" => history,
        b"/metrics" => metrics,
        b"/healthz" => healthz,
        b"/readyz" => readyz,
        _ => {
            return error(
                404,
                "there is nothing here; see /, /status, /events, /history, /metrics, /healthz \
                 and /readyz",
            );
        }
    };
    match request.method {
        Method::Get | Method::Head => view(&Known {
            shared,
            facts,
            now,
            accept: &request.accept,
        }),
        Method::Other => error(405, "only GET and HEAD are answered"),
    }
}

/// Answers what is no request; `None`: nobody is there to be answered.
pub(super) fn answer_bad(bad: &BadRequest) -> Option<Response> {
    match bad {
        BadRequest::Silent => None,
        BadRequest::Slow => Some(error(408, "the request did not end in time")),
        BadRequest::LongTarget => Some(error(414, "the URL is too long")),
        BadRequest::LongHead => Some(error(431, "the head of the request is too long")),
        BadRequest::Malformed => Some(error(400, "this is not an HTTP request")),
        BadRequest::Version => Some(error(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")),
    }
}

/// A page for whoever prefers one; the summary for everybody else.
fn first_page(known: &Known<'_>) -> Response {
    const VARY: &str = "Vary: Accept\r\n";
    if accept::prefers_html(known.accept) {
        return Response {
            status: 200,
            content_type: "text/html; charset=utf-8",
            headers: format!("{VARY}{}", PAGE.headers),
            body: PAGE.body.clone(),
        };
    }
    let latest = known.shared.latest();
    let view = view::summary_view(&latest, known.facts, known.is_healthy(), known.now);
    Response {
        headers: VARY.to_owned(),
        ..respond(200, &view)
    }
}

fn status(known: &Known<'_>) -> Response {
    let body = StatusBody {
        snapshot: &known.shared.latest(),
        facts: known.facts,
        healthy: known.is_healthy(),
        now: known.now,
    };
    // People read it in a terminal.
    let text = serde_json::to_vec_pretty(&body);
    written(text)
}

fn events(known: &Known<'_>) -> Response {
    written(serde_json::to_vec(&EventsBody(
        &known.shared.latest(),
        known.now,
    )))
}

fn history(known: &Known<'_>) -> Response {
    respond(200, &known.shared.history(known.now))
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
        headers: "Vary: Accept\r\n".to_owned(),
        body: text.into_bytes(),
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
            format!("the scaling loop has made no turn for {silent_for} s (limit: {limit} s)");
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
        headers: String::new(),
        body: format!("{body}\n").into_bytes(),
    }
}

fn written(json: serde_json::Result<Vec<u8>>) -> Response {
    match json {
        Ok(mut body) => {
            body.push(b'\n');
            Response {
                status: 200,
                content_type: Response::JSON,
                headers: String::new(),
                body,
            }
        }
        Err(failure) => error(500, &failure.to_string()),
    }
}
