//! What may be done with one server.

use serde_json::{Value, json};

use super::nova::{fault, no_server, object};
use super::{Call, nova_create, nova_servers};
use crate::http::Answer;
use crate::state::Server;

pub(super) fn one_server(call: &mut Call<'_>, id: &str, rest: &[&str], minor: u32) -> Answer {
    let Some(server) = call.state.server(id) else {
        return no_server(id);
    };
    match (call.method, rest) {
        ("GET", []) => Answer::json(
            200,
            &json!({ "server": nova_servers::view(call, server, minor, false) }),
        ),
        ("PUT", []) => update(call, id, minor),
        ("DELETE", []) => delete(call, id),
        ("POST", ["action"]) => action(call, id),
        ("GET", ["ips"]) => Answer::json(
            200,
            &json!({ "addresses": nova_servers::addresses(call, server) }),
        ),
        ("GET", ["os-interface"]) => Answer::json(
            200,
            &json!({ "interfaceAttachments": interfaces(call, server) }),
        ),
        ("GET", ["os-security-groups"]) => Answer::json(200, &json!({ "security_groups": [] })),
        ("GET", ["os-volume_attachments"]) => {
            Answer::json(200, &json!({ "volumeAttachments": [] }))
        }
        (_, ["metadata", rest @ ..]) => metadata(call, id, rest),
        _ => Answer::html(404, "The resource could not be found."),
    }
}

fn conflict(message: &str) -> Answer {
    fault(409, "conflictingRequest", message)
}

fn update(call: &mut Call<'_>, id: &str, minor: u32) -> Answer {
    let body = call.request.json().unwrap_or_default();
    let now = call.state.now_ms;
    let Some(server) = call.state.server_mut(id) else {
        return no_server(id);
    };
    if let Some(name) = body["server"]["name"].as_str() {
        name.clone_into(&mut server.name);
    }
    if let Some(description) = body["server"].get("description") {
        server.description = description.as_str().map(str::to_owned);
    }
    server.updated_ms = now;
    match call.state.server(id) {
        Some(server) => Answer::json(
            200,
            &json!({ "server": nova_servers::view(call, server, minor, false) }),
        ),
        None => no_server(id),
    }
}

fn delete(call: &mut Call<'_>, id: &str) -> Answer {
    if call.state.server(id).is_some_and(|server| server.locked) {
        return conflict(&format!("Instance {id} is locked"));
    }
    call.state.delete_server(id);
    Answer::empty(204)
}

fn interfaces(call: &Call<'_>, server: &Server) -> Vec<Value> {
    let ports = server
        .ports
        .iter()
        .filter_map(|id| call.state.ports.get(id));
    ports
        .map(|port| {
            let ips: Vec<Value> = port.fixed_ips.iter().map(|(subnet, ip)| json!({ "subnet_id": subnet, "ip_address": ip.to_string() })).collect();
            let state = if port.active { "ACTIVE" } else { "DOWN" };
            json!({ "net_id": port.network_id, "port_id": port.id, "mac_addr": port.mac, "port_state": state, "fixed_ips": ips })
        })
        .collect()
}

/// An action's name, the states it may start from, and the state it ends in.
const ACTIONS: [(&str, &str, &[&str], &str); 8] = [
    ("os-stop", "stop", &["active", "error"], "stopped"),
    ("os-start", "start", &["stopped"], "active"),
    ("pause", "pause", &["active"], "paused"),
    ("unpause", "unpause", &["paused"], "active"),
    ("suspend", "suspend", &["active"], "suspended"),
    ("resume", "resume", &["suspended"], "active"),
    (
        "shelve",
        "shelve",
        &["active", "stopped", "paused", "suspended"],
        "shelved_offloaded",
    ),
    (
        "unshelve",
        "unshelve",
        &["shelved", "shelved_offloaded"],
        "active",
    ),
];

fn action(call: &mut Call<'_>, id: &str) -> Answer {
    let body = object(call.request.json().unwrap_or_default());
    let Some((name, detail)) = body.into_iter().next() else {
        return fault(400, "badRequest", "Malformed request body");
    };
    let Some(server) = call.state.server_mut(id) else {
        return no_server(id);
    };
    match name.as_str() {
        "lock" | "unlock" => {
            server.locked = name == "lock";
            let now = call.state.now_ms;
            call.state.record.event(now, &name, id, json!({}));
            return Answer::empty(202);
        }
        "os-resetState" => {
            let wanted = detail["state"].as_str().unwrap_or_default().to_owned();
            if !matches!(wanted.as_str(), "active" | "error") {
                return fault(
                    400,
                    "badRequest",
                    "Invalid input for field/attribute state.",
                );
            }
            call.state.set_vm_state(id, &wanted);
            return Answer::empty(202);
        }
        "os-getConsoleOutput" => return Answer::json(200, &json!({ "output": "" })),
        "reboot" if server.vm_state == "active" => {
            call.state.activate(id);
            return Answer::empty(202);
        }
        _ => {}
    }
    let Some((_, verb, from, to)) = ACTIONS.iter().find(|(action, ..)| *action == name) else {
        return fault(
            400,
            "badRequest",
            &format!("There is no such action: {name}"),
        );
    };
    if server.locked {
        return conflict(&format!("Instance {id} is locked"));
    }
    if let Some(task) = &server.task_state {
        return conflict(&format!(
            "Cannot '{verb}' instance {id} while it is in task_state {task}"
        ));
    }
    if !from.contains(&server.vm_state.as_str()) {
        return conflict(&format!(
            "Cannot '{verb}' instance {id} while it is in vm_state {}",
            server.vm_state
        ));
    }
    call.state.set_vm_state(id, to);
    Answer::empty(202)
}

fn metadata(call: &mut Call<'_>, id: &str, rest: &[&str]) -> Answer {
    let body = call.request.json().unwrap_or_default();
    let wanted = match nova_create::metadata(
        body.get("metadata")
            .or(body.get("meta"))
            .unwrap_or(&Value::Null),
    ) {
        Ok(wanted) => wanted,
        Err(answer) => return answer,
    };
    let now = call.state.now_ms;
    let Some(server) = call.state.server_mut(id) else {
        return no_server(id);
    };
    let missing = || fault(404, "itemNotFound", "Metadata item was not found");
    let answer = match (call.method, rest) {
        ("GET", []) => return Answer::json(200, &json!({ "metadata": server.metadata })),
        ("GET", [key]) => {
            return server.metadata.get(*key).map_or_else(missing, |value| {
                Answer::json(200, &json!({ "meta": { *key: value } }))
            });
        }
        ("POST", []) => {
            server.metadata.extend(wanted);
            Answer::json(200, &json!({ "metadata": server.metadata }))
        }
        ("PUT", []) => {
            server.metadata = wanted;
            Answer::json(200, &json!({ "metadata": server.metadata }))
        }
        ("PUT", [key]) => {
            let Some(value) = wanted.get(*key) else {
                return fault(400, "badRequest", "Request body and URI mismatch");
            };
            server.metadata.insert((*key).to_owned(), value.clone());
            Answer::json(200, &json!({ "meta": { *key: value } }))
        }
        ("DELETE", [key]) => match server.metadata.remove(*key) {
            Some(_) => Answer::empty(204),
            None => return missing(),
        },
        _ => return Answer::html(404, "The resource could not be found."),
    };
    server.updated_ms = now;
    answer
}
