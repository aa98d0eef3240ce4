//! The control API, under `/mock`. README.md describes it.

use serde_json::{Value, json};

use super::control_servers as servers;
use crate::config::SETTINGS;
use crate::faults::Rule;
use crate::http::{Answer, Request};
use crate::state::{Flavor, Keypair, SharedGroup, State};

/// Answers one request of the control API.
pub(super) fn control(state: &mut State, request: &Request) -> Answer {
    let segments = request.segments();
    let parts: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
    let body = if request.body.is_empty() {
        Value::Null
    } else {
        request.json().unwrap_or(Value::Null)
    };
    if !request.body.is_empty() && body.is_null() {
        return error(400, "the body is not JSON");
    }
    match run(state, &request.method, &parts, &body, &request.query()) {
        Ok(value) => Answer::json(200, &value),
        Err(message) if message == NOT_FOUND => error(404, "there is no such thing; see /mock"),
        Err(message) => error(400, &message),
    }
}

const NOT_FOUND: &str = "\u{0}";

fn error(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({ "error": message }))
}

/// The control API as a function; in-process tests use it directly.
pub(crate) fn run(
    state: &mut State,
    method: &str,
    parts: &[&str],
    body: &Value,
    query: &[(String, String)],
) -> Result<Value, String> {
    match (method, parts) {
        ("GET", []) => Ok(json!({ "paths": PATHS })),
        ("GET", ["state"]) => Ok(dump(state)),
        ("GET", ["servers"]) => Ok(all_servers(state)),
        ("POST", ["servers"]) => Ok(json!({ "ids": servers::add(state, body)? })),
        ("GET" | "PUT" | "PATCH" | "DELETE", ["servers", selector]) => {
            selected(state, method, selector, body)
        }
        ("GET", ["floatingips"]) => Ok(floating(state)),
        ("POST", ["floatingips"]) => {
            let description = body["description"]
                .as_str()
                .unwrap_or(&state.config.floating_ip_description)
                .to_owned();
            Ok(json!({ "id": state.make_floating_ip(&description) }))
        }
        ("PUT", ["floatingips", which]) => {
            servers::change_floating(state, which, body).map(|()| floating(state))
        }
        (_, ["faults"]) => faults(state, method, body),
        ("GET", ["settings"]) => Ok(settings(state)),
        ("PUT" | "PATCH", ["settings"]) => set(state, body).map(|()| settings(state)),
        ("GET", ["tokens"]) => Ok(json!({ "tokens": state.tokens.keys().collect::<Vec<_>>() })),
        ("POST", ["tokens", "revoke"]) => {
            let count = state.tokens.len();
            state.tokens.clear();
            Ok(json!({ "revoked": count }))
        }
        ("GET", ["log"]) => Ok(log(state, query)),
        ("DELETE", ["log"]) => {
            state.record.clear_log();
            Ok(json!({}))
        }
        ("GET", ["events"]) => Ok(json!({ "events": state.record.events })),
        ("DELETE", ["events"]) => {
            state.record.events.clear();
            Ok(json!({}))
        }
        ("GET", ["counters"]) => Ok(counters(state)),
        ("POST", ["counters", "reset"]) => {
            let (now, live) = (
                state.servers.len(),
                state
                    .servers
                    .values()
                    .filter(|server| !server.deleting())
                    .count(),
            );
            let record = &mut state.record;
            (
                record.created,
                record.deleted,
                record.failed,
                record.vanished,
                record.probes,
            ) = (0, 0, 0, 0, 0);
            (record.max_servers, record.max_live) = (now, live);
            Ok(counters(state))
        }
        ("GET", ["callers"]) => Ok(state.callers.to_json()),
        ("POST", ["images"]) => Ok(json!({ "id": servers::add_image(state, body) })),
        ("PUT", ["networks", which]) => {
            let name = body["name"].as_str().ok_or("a name is wanted")?;
            let renamed = state.rename_network(which, name);
            renamed.then(|| json!({})).ok_or_else(|| NOT_FOUND.into())
        }
        (
            "POST" | "DELETE",
            [
                kind @ ("images" | "networks" | "keypairs" | "flavors" | "security-groups"),
                rest @ ..,
            ],
        ) => catalogue(state, method, kind, rest, body),
        _ => Err(NOT_FOUND.into()),
    }
}

fn selected(
    state: &mut State,
    method: &str,
    selector: &str,
    body: &Value,
) -> Result<Value, String> {
    let ids = servers::select(state, selector);
    if ids.is_empty() && selector != "all" && !selector.starts_with("metadata:") {
        return Err(NOT_FOUND.into());
    }
    for id in &ids {
        match method {
            "GET" => {}
            "DELETE" => state.vanish(id),
            _ => servers::change(state, id, body)?,
        }
    }
    let views: Vec<Value> = ids
        .iter()
        .filter_map(|id| state.server(id))
        .map(|server| servers::view(state, server))
        .collect();
    Ok(json!({ "ids": ids, "servers": views }))
}

const PATHS: [&str; 15] = [
    "GET /mock/state",
    "GET|POST /mock/servers",
    "GET|PUT|DELETE /mock/servers/SELECTOR",
    "GET|POST /mock/floatingips",
    "PUT /mock/floatingips/ID",
    "GET|POST|PUT|DELETE /mock/faults",
    "GET|PUT /mock/settings",
    "GET /mock/tokens",
    "POST /mock/tokens/revoke",
    "GET|DELETE /mock/log",
    "GET|DELETE /mock/events",
    "GET /mock/counters",
    "POST /mock/counters/reset",
    "GET /mock/callers",
    "POST|DELETE /mock/{images,networks,keypairs,flavors,security-groups}[/NAME]",
];

fn dump(state: &State) -> Value {
    json!({
        "now_ms": state.now_ms, "counters": counters(state), "callers": state.callers.to_json(), "settings": settings(state),
        "servers": all_servers(state)["servers"], "floatingips": floating(state)["floatingips"],
        "faults": state.faults.iter().map(Rule::to_json).collect::<Vec<_>>(), "tokens": state.tokens.len(),
        "ids": {
            "user": state.ids.user, "project": state.ids.project, "router": state.ids.router,
            "application_credential": state.ids.application_credential, "application_secret": state.ids.application_secret,
            "images": state.images.iter().map(|image| json!({ "id": image.id, "name": image.name })).collect::<Vec<_>>(),
            "flavors": state.flavors.iter().map(|flavor| json!({ "id": flavor.id, "name": flavor.name })).collect::<Vec<_>>(),
            "networks": state.networks.iter().map(|network| json!({ "id": network.id, "name": network.name })).collect::<Vec<_>>(),
        },
    })
}

fn all_servers(state: &State) -> Value {
    json!({ "servers": state.servers.values().map(|server| servers::view(state, server)).collect::<Vec<_>>() })
}

fn counters(state: &State) -> Value {
    let mut counters = state.record.counters();
    counters["servers"] = json!(state.servers.len());
    counters["live"] = json!(
        state
            .servers
            .values()
            .filter(|server| !server.deleting())
            .count()
    );
    counters
}

fn floating(state: &State) -> Value {
    let view = |ip: &crate::state::FloatingIp| {
        let server = ip
            .port_id
            .as_deref()
            .and_then(|port| state.server_of_port(port));
        json!({
            "id": ip.id, "address": ip.address.to_string(), "description": ip.description, "port_id": ip.port_id,
            "revision": ip.revision, "server": server.map(|server| &server.id), "server_name": server.map(|server| &server.name),
        })
    };
    json!({ "floatingips": state.floating_ips.values().map(view).collect::<Vec<_>>() })
}

fn faults(state: &mut State, method: &str, body: &Value) -> Result<Value, String> {
    let rules = match body {
        Value::Array(rules) => rules.as_slice(),
        Value::Null => &[],
        one => std::slice::from_ref(one),
    };
    let rules = rules
        .iter()
        .map(Rule::parse)
        .collect::<Result<Vec<_>, _>>()?;
    match method {
        "GET" => {}
        "POST" => state.faults.extend(rules),
        "PUT" => state.faults = rules,
        "DELETE" => state.faults.clear(),
        _ => return Err(NOT_FOUND.into()),
    }
    Ok(json!({ "faults": state.faults.iter().map(Rule::to_json).collect::<Vec<_>>() }))
}

fn settings(state: &State) -> Value {
    let c = &state.config;
    json!({
        "build_time": c.build_time.as_secs_f64(), "boot_time": c.boot_time.as_secs_f64(), "delete_time": c.delete_time.as_secs_f64(),
        "address_delay": c.address_delay.as_secs_f64(), "capacity": c.capacity, "capacity_key": c.capacity_key,
        "termination_key": c.termination_key, "nested_keys": c.nested_keys, "replica_path": c.replica_path,
        "behaviour": c.behaviour.to_json(), "token_lifetime": c.token_lifetime.as_secs_f64(), "page_limit": c.page_limit,
        "quota_instances": c.quota_instances, "no_host": c.no_host, "never_boot": c.never_boot, "stale": c.stale.as_secs_f64(),
        "freeze": c.freeze, "clock_offset": c.clock_offset, "callers": c.callers, "call_time": c.call_time,
        "end_after_call": c.end_after_call,
    })
}

fn set(state: &mut State, body: &Value) -> Result<(), String> {
    let fields = body.as_object().ok_or("an object is wanted")?;
    let mut config = state.config.clone();
    for (key, value) in fields {
        let name = key.replace('_', "-");
        if !SETTINGS
            .iter()
            .any(|(known, changeable, _)| *known == name && *changeable)
        {
            return Err(format!("there is no setting {key:?} that can be changed"));
        }
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        config.set(&name, &text)?;
    }
    state.config = config;
    state.keep_snapshots();
    state.wake_callers();
    Ok(())
}

/// The log, of `service`, `method`, `path` (a part of it), from index `since`.
fn log(state: &State, query: &[(String, String)]) -> Value {
    let param = |name: &str| {
        query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let since = param("since")
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0);
    let first = state.record.forgotten;
    let entries: Vec<Value> = (first..)
        .zip(&state.record.log)
        .filter(|(index, entry)| {
            *index >= since
                && param("service")
                    .is_none_or(|wanted| crate::faults::service_name(wanted) == entry.service)
                && param("method").is_none_or(|wanted| wanted == entry.method)
                && param("path").is_none_or(|wanted| entry.path.contains(wanted))
        })
        .map(|(index, entry)| entry.to_json(index))
        .collect();
    json!({ "log": entries, "next": first + state.record.log.len() as u64, "now_ms": state.now_ms })
}

/// Adds or takes away a network, keypair, image or flavor, by name.
fn catalogue(
    state: &mut State,
    method: &str,
    kind: &str,
    rest: &[&str],
    body: &Value,
) -> Result<Value, String> {
    let name = rest
        .first()
        .copied()
        .or(body["name"].as_str())
        .ok_or("a name is wanted")?
        .to_owned();
    match (method, kind) {
        ("DELETE", "images") => state
            .images
            .retain(|image| image.name != name && image.id != name),
        ("DELETE", "networks") => state
            .networks
            .retain(|network| network.name != name && network.id != name),
        ("DELETE", "security-groups") => state.shared_groups.retain(|group| group.name != name),
        ("DELETE", "keypairs") => state.keypairs.retain(|pair| pair.name != name),
        // Servers know their flavor by its place: it keeps the place and loses its name and id.
        ("DELETE", _) => {
            for at in 0..state.flavors.len() {
                if state.flavors[at].name == name {
                    let id = state.rng.uuid();
                    state.flavors[at].name = format!("{name} (gone)");
                    state.flavors[at].id = id;
                }
            }
        }
        ("POST", "keypairs") => {
            let created_ms = state.now_ms;
            let public_key = state
                .keypairs
                .first()
                .map(|pair| pair.public_key.clone())
                .unwrap_or_default();
            state.keypairs.push(Keypair {
                name,
                public_key,
                created_ms,
            });
        }
        ("POST", "security-groups") => {
            let id = state.rng.uuid();
            let group = SharedGroup {
                id: id.clone(),
                name,
            };
            state.shared_groups.push(group);
            return Ok(json!({ "id": id }));
        }
        ("POST", "flavors") => {
            let id = state.rng.uuid();
            state.flavors.push(Flavor {
                id: id.clone(),
                name,
                ram: 512,
                vcpus: 1,
                disk: body["disk"].as_u64().unwrap_or(1),
                too_big: false,
            });
            return Ok(json!({ "id": id }));
        }
        ("POST", "networks") => {
            let mut network = state
                .networks
                .iter()
                .find(|network| network.name == name)
                .or_else(|| {
                    let usual = &state.config.internal_network;
                    state.networks.iter().find(|network| network.name == *usual)
                })
                .or(state.networks.last())
                .cloned()
                .ok_or("no network")?;
            network.id = state.rng.uuid();
            network.name = name;
            network.created_ms = state.now_ms;
            let is = |key: &str, now: bool| body[key].as_bool().unwrap_or(now);
            network.external = is("external", network.external);
            network.shared = is("shared", network.shared);
            network.port_security = is("port_security", network.port_security);
            if body["subnets"] == false {
                network.subnets.clear();
            }
            let id = network.id.clone();
            state.networks.push(network);
            return Ok(json!({ "id": id }));
        }
        _ => return Err(NOT_FOUND.into()),
    }
    Ok(json!({}))
}
