//! Which request gets which answer.

use super::Facts;
use super::http::{BadRequest, Method, Request, Response};
use super::shared::Shared;
use super::view;
use crate::pool::Moment;
use serde_json::{Value, json};

/// Answers a request from what is known now.
pub(super) fn answer(request: &Request, shared: &Shared, facts: &Facts, now: Moment) -> Response {
    let view: fn(&Shared, &Facts, Moment) -> Response = match request.path.as_slice() {
        b"/" => summary,
        b"/status" => status,
        b"/healthz" => healthz,
        b"/readyz" => readyz,
        _ => {
            return error(
                404,
                "there is nothing here; see /, /status, /healthz and /readyz",
            );
        }
    };
    match request.method {
        Method::Get | Method::Head => view(shared, facts, now),
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

fn summary(shared: &Shared, facts: &Facts, now: Moment) -> Response {
    let healthy = is_healthy(shared, facts, now);
    let view = view::summary_view(&shared.latest(), facts, healthy, now);
    respond(200, &view)
}

fn status(shared: &Shared, facts: &Facts, now: Moment) -> Response {
    let healthy = is_healthy(shared, facts, now);
    let view = view::status_view(&shared.latest(), facts, healthy, now);
    // People read it in a terminal.
    Response {
        status: 200,
        body: format!("{view:#}\n").into_bytes(),
    }
}

fn healthz(shared: &Shared, facts: &Facts, now: Moment) -> Response {
    let silent_for = now.since(shared.last_heartbeat()).as_secs();
    let limit = facts.healthy_within.as_secs();
    if is_healthy(shared, facts, now) {
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

fn readyz(shared: &Shared, _: &Facts, _: Moment) -> Response {
    match shared.latest().last_list {
        Some(_) => respond(200, &json!({"ready": true})),
        None => respond(
            503,
            &json!({"ready": false, "error": "there has been no complete list of the provider yet"}),
        ),
    }
}

fn is_healthy(shared: &Shared, facts: &Facts, now: Moment) -> bool {
    now.since(shared.last_heartbeat()) <= facts.healthy_within
}

fn error(status: u16, text: &str) -> Response {
    respond(status, &json!({"error": text}))
}

fn respond(status: u16, body: &Value) -> Response {
    Response {
        status,
        body: format!("{body}\n").into_bytes(),
    }
}
