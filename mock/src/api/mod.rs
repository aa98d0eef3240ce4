//! The API's front door: faults, tokens, the request log, and the way to the right service.

pub(crate) mod control;
mod control_servers;
mod glance;
mod keystone;
mod neutron;
mod neutron_floating;
mod nova;
mod nova_actions;
mod nova_create;
mod nova_servers;

use control::control;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::faults::{self, Drop, Fault};
use crate::http::{Answer, End, Handler, Reply, Request, Step};
use crate::state::{LogEntry, State};
use crate::util::lock;

/// A request on its way to a service.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) request: &'a Request,
    pub(crate) method: &'a str,
    /// Segments of the path within the service.
    pub(crate) parts: Vec<&'a str>,
    pub(crate) query: Vec<(String, String)>,
    /// `http://127.0.0.1:PORT/SERVICE`
    pub(crate) base: String,
    /// `http://127.0.0.1:PORT`
    pub(crate) root: String,
}

impl Call<'_> {
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn params<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b str> {
        self.query
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn token_is_good(&self) -> bool {
        let token = self
            .request
            .header("x-auth-token")
            .and_then(|token| self.state.tokens.get(token));
        token.is_some_and(|token| token.expires_ms > self.state.now_ms && token.has_project)
    }
}

/// The handler of the API's port.
pub(crate) struct Api {
    pub(crate) state: Arc<Mutex<State>>,
}

impl Handler for Api {
    fn handle(&self, request: &mut Request) -> Reply {
        let mut state = lock(&self.state);
        state.advance();
        let segments = request.segments();
        let service = match segments.first().map(String::as_str) {
            Some(name @ ("identity" | "compute" | "network" | "image")) => {
                faults::service_name(name)
            }
            Some("mock") => {
                let answer = control(&mut state, request);
                return reply(&state, answer, request);
            }
            _ => return reply(&state, index(request), request),
        };
        let parts: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
        let path = format!("/{}", parts.join("/"));
        if request.stage == 0 {
            let State {
                faults: rules, rng, ..
            } = &mut *state;
            request.fault = faults::draw(rules, rng, service, &request.method, &path);
            if let Some(delay) = request
                .fault
                .as_ref()
                .map(|fault| fault.delay_ms)
                .filter(|delay| *delay > 0)
            {
                if let ("neutron", [_, "floatingips", id]) = (service, &parts[..]) {
                    request.condition_held = neutron_floating::condition_holds(&state, request, id);
                }
                return Reply::again(Duration::from_millis(delay));
            }
        }
        let fault = request.fault.clone().unwrap_or_default();
        let hidden = fault.drop == Some(Drop::Before)
            || (fault.status.is_some() && !fault.after && fault.drop.is_none());
        let answer = (!hidden).then(|| serve(&mut state, request, service, &parts));
        finish(&mut state, request, service, path, &fault, answer)
    }

    fn tick(&self) {
        let mut state = lock(&self.state);
        state.advance();
        state.keep_snapshots();
    }
}

fn serve(state: &mut State, request: &Request, service: &str, parts: &[&str]) -> Answer {
    let root = format!(
        "http://{}",
        request
            .header("host")
            .map_or_else(|| request.local.to_string(), str::to_owned)
    );
    let name = request.segments().first().cloned().unwrap_or_default();
    let mut call = Call {
        method: &request.method,
        parts: parts.to_vec(),
        query: request.query(),
        base: format!("{root}/{name}"),
        root,
        state,
        request,
    };
    let id = format!("req-{}", call.state.rng.uuid());
    let answer = match service {
        "keystone" => keystone::serve(&mut call),
        "nova" => nova::serve(&mut call),
        "neutron" => neutron::serve(&mut call),
        _ => glance::serve(&mut call),
    };
    answer.with("x-openstack-request-id", id)
}

/// Logs the request and makes the reply, as the fault wants it.
fn finish(
    state: &mut State,
    request: &Request,
    service: &str,
    path: String,
    fault: &Fault,
    answer: Option<Answer>,
) -> Reply {
    let effect = answer.as_ref().map(|answer| answer.status);
    let silent = fault.drop.is_some() || fault.hang;
    let shown = match (fault.status, answer) {
        _ if silent => None,
        (Some(status), _) => Some(injected(status, fault, request)),
        (None, answer) => answer.map(|answer| {
            fault
                .headers
                .iter()
                .fold(answer, |answer, (key, value)| answer.with(key, value))
        }),
    };
    let status = shown.as_ref().map_or(0, |answer| answer.status);
    let microversion = request
        .header("openstack-api-version")
        .or_else(|| request.header("x-openstack-nova-api-version"));
    state.record.request(LogEntry {
        at_ms: state.now_ms,
        service: service.to_owned(),
        method: request.method.clone(),
        path,
        query: request
            .target
            .split_once('?')
            .map(|(_, query)| query.to_owned())
            .unwrap_or_default(),
        status,
        effect: effect.filter(|effect| *effect != status),
        body: request.json(),
        microversion: microversion.map(str::to_owned),
    });
    let wait =
        (fault.delay_after_ms > 0).then(|| Step::Wait(Duration::from_millis(fault.delay_after_ms)));
    match shown {
        None if fault.drop.is_some() => Reply::new(wait, End::Reset),
        None => Reply::new(None, End::Hang),
        Some(answer) => {
            let keep = request.keep_alive() && fault.truncate.is_none();
            let bytes = answer.into_bytes(
                state.wall_clock(),
                keep,
                request.body_limit().or(fault.truncate),
            );
            Reply::new(
                wait.into_iter().chain([Step::Send(bytes)]),
                if keep { End::KeepAlive } else { End::Close },
            )
        }
    }
}

fn injected(status: u16, fault: &Fault, request: &Request) -> Answer {
    let mut body = fault.body.clone().unwrap_or_else(|| {
        json!({ "mockFault": { "code": status, "message": "Injected by the mock cloud." } })
            .to_string()
    });
    // As debugging proxies do, and services that say which value they refuse.
    if body.contains("{ECHO}") {
        let sent = String::from_utf8_lossy(&request.body);
        let echo = json!(format!("{:?} {sent}", request.headers)).to_string();
        body = body.replace("{ECHO}", echo.trim_matches('"'));
    }
    let mut answer = Answer {
        status,
        headers: fault.headers.clone(),
        body: body.into_bytes(),
    };
    if !answer
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        answer = answer.with("Content-Type", "application/json");
    }
    answer
}

fn reply(state: &State, answer: Answer, request: &Request) -> Reply {
    let keep = request.keep_alive();
    let bytes = answer.into_bytes(state.wall_clock(), keep, request.body_limit());
    Reply::new(
        [Step::Send(bytes)],
        if keep { End::KeepAlive } else { End::Close },
    )
}

fn index(request: &Request) -> Answer {
    if request.path() == "/" {
        return Answer::json(
            200,
            &json!({
                "mock cloud": { "identity": "/identity/v3", "compute": "/compute/v2.1", "network": "/network", "image": "/image", "control": "/mock" }
            }),
        );
    }
    Answer::html(404, "The resource could not be found.")
}

/// `{"links": [...]}` as Nova's resources have it.
fn links(call: &Call<'_>, path: &str) -> Value {
    json!([
        { "rel": "self", "href": format!("{}/v2.1/{path}", call.base) },
        { "rel": "bookmark", "href": format!("{}/{path}", call.base) },
    ])
}
