//! The replicas: one listener answers for every server, told apart by the address that was called.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::behaviour::{Behaviour, Mode};
use crate::http::{End, Handler, Reply, Request, Step, is_of_loopback, reason};
use crate::state::State;
use crate::util::lock;

/// The handler of the replicas' port.
pub(crate) struct Replicas {
    pub(crate) state: Arc<Mutex<State>>,
}

impl Handler for Replicas {
    fn accepts(&self, local: SocketAddr) -> bool {
        if !is_of_loopback(local) {
            return false;
        }
        let mut state = lock(&self.state);
        state.advance();
        let now = state.now_ms;
        state
            .server_at(local.ip())
            .is_some_and(|server| server.presence(now) != Mode::Refuse)
    }

    fn handle(&self, request: &mut Request) -> Reply {
        let mut state = lock(&self.state);
        state.advance();
        let now = state.now_ms;
        let Some(id) = state
            .server_at(request.local.ip())
            .map(|server| server.id.clone())
        else {
            return Reply::new(None, End::Reset);
        };
        let State {
            config,
            record,
            by_id,
            servers,
            ..
        } = &mut *state;
        let Some(server) = by_id.get(&id).and_then(|seq| servers.get_mut(seq)) else {
            return Reply::new(None, End::Reset);
        };
        let mode = server.presence(now);
        if request.stage == 0 {
            server.probes += 1;
            record.probes += 1;
            if server.behaviour.delay > 0.0 && mode != Mode::Refuse {
                return Reply::again(Duration::from_secs_f64(server.behaviour.delay));
            }
        }
        match mode {
            Mode::Refuse | Mode::Reset => return Reply::new(None, End::Reset),
            Mode::Silent => return Reply::new(None, End::Hang),
            _ => {}
        }
        if config
            .replica_path
            .as_ref()
            .is_some_and(|path| path != request.path())
        {
            let wrong = Behaviour {
                status: 404,
                body: Some("not found".into()),
                ..server.behaviour.clone()
            };
            return answer(&wrong, "", request);
        }
        let body = body(
            config.nested_keys,
            &[
                (&config.capacity_key, &server.capacity),
                (&config.termination_key, &server.termination),
            ],
        );
        answer(&server.behaviour, &body, request)
    }
}

/// `{"capacity": 1, "termination": false}`; a dotted key makes nested objects.
pub(crate) fn body(nested: bool, pairs: &[(&str, &Value)]) -> String {
    let mut root = json!({});
    for (key, value) in pairs {
        let path: Vec<&str> = if nested {
            key.split('.').collect()
        } else {
            vec![*key]
        };
        let mut place = &mut root;
        for part in path {
            if !place.is_object() {
                *place = json!({});
            }
            place = &mut place[part];
        }
        *place = (*value).clone();
    }
    root.to_string()
}

/// Status line and headers, but for the framing.
fn head(behaviour: &Behaviour, http10: bool, close: bool) -> String {
    let status = if behaviour.location.is_some() && behaviour.status == 200 {
        302
    } else {
        behaviour.status
    };
    let mut head = format!(
        "HTTP/1.{} {status} {}\r\n",
        u8::from(!http10),
        reason(status)
    );
    if let Some(kind) = &behaviour.content_type {
        let _ = write!(head, "Content-Type: {kind}\r\n");
    }
    if let Some(location) = &behaviour.location {
        let _ = write!(head, "Location: {location}\r\n");
    }
    for (name, value) in &behaviour.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if close {
        head.push_str("Connection: close\r\n");
    } else if http10 {
        head.push_str("Connection: keep-alive\r\n");
    }
    head
}

/// The reply that a behaviour makes of a body.
pub(crate) fn answer(behaviour: &Behaviour, body: &str, request: &Request) -> Reply {
    let body = behaviour.body.as_deref().unwrap_or(body).as_bytes();
    let http10 = behaviour.http10 || request.http10;
    let close = behaviour.close || !request.keep_alive() || behaviour.http10;
    let head = head(behaviour, http10, close);
    let end = if close { End::Close } else { End::KeepAlive };
    let sized =
        |head: &str, length: u64| format!("{head}Content-Length: {length}\r\n\r\n").into_bytes();
    let whole = |head: &str| {
        if behaviour.chunked && !http10 {
            let mut bytes = format!(
                "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n",
                body.len()
            )
            .into_bytes();
            bytes.extend_from_slice(body);
            bytes.extend_from_slice(if body.is_empty() {
                b"\r\n"
            } else {
                b"\r\n0\r\n\r\n"
            });
            return bytes;
        }
        let mut bytes = sized(head, body.len() as u64);
        bytes.extend_from_slice(body);
        bytes
    };
    match behaviour.mode {
        Mode::Dribble => {
            let pause = Duration::from_secs_f64(behaviour.interval);
            let bytes = whole(&head);
            Reply::new(
                bytes
                    .into_iter()
                    .flat_map(|byte| [Step::Send(vec![byte]), Step::Wait(pause)]),
                end,
            )
        }
        Mode::Huge => Reply::new(
            [
                Step::Send(sized(&head, behaviour.bytes)),
                Step::Fill(behaviour.bytes),
            ],
            end,
        ),
        Mode::Garbage => Reply::new(
            [Step::Send(
                b"\x00\xffthis is no HTTP\r\n\r\n\x01\x02".to_vec(),
            )],
            End::Close,
        ),
        Mode::Truncate => {
            let mut bytes = sized(&head, body.len() as u64);
            bytes.extend_from_slice(&body[..body.len() / 2]);
            Reply::new([Step::Send(bytes)], End::Close)
        }
        _ => Reply::new([Step::Send(whole(&head))], end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_keys_nest() {
        let (one, no) = (json!(1), json!(false));
        assert_eq!(
            body(true, &[("data.ready", &one), ("data.done", &no)]),
            r#"{"data":{"done":false,"ready":1}}"#
        );
        assert_eq!(body(false, &[("data.ready", &one)]), r#"{"data.ready":1}"#);
    }
}
