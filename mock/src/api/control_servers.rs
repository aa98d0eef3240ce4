//! The control API's part about servers, floating IPs and images.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::behaviour::Behaviour;
use crate::state::{Image, NewServer, Server, State};

/// The ids of the servers that a selector means: `all`, an id, a name, an address, or `metadata:KEY=VALUE`.
pub(super) fn select(state: &State, selector: &str) -> Vec<String> {
    let ids = |wanted: &dyn Fn(&Server) -> bool| {
        state
            .servers
            .values()
            .filter(|server| wanted(server))
            .map(|server| server.id.clone())
            .collect::<Vec<_>>()
    };
    if selector == "all" {
        return ids(&|_| true);
    }
    if let Some((key, value)) = selector
        .strip_prefix("metadata:")
        .and_then(|pair| pair.split_once('='))
    {
        return ids(&|server| server.metadata.get(key).is_some_and(|have| have == value));
    }
    if let Ok(address) = selector.parse() {
        return state
            .server_at(address)
            .map(|server| server.id.clone())
            .into_iter()
            .collect();
    }
    ids(&|server| server.id == selector || server.name == selector)
}

/// A server as the control API shows it.
pub(super) fn view(state: &State, server: &Server) -> Value {
    let ports = server.ports.iter().filter_map(|id| state.ports.get(id));
    let floating: Vec<String> = server
        .ports
        .iter()
        .flat_map(|port| state.floating_of_port(port))
        .map(|ip| ip.address.to_string())
        .collect();
    let fixed: Vec<String> = ports
        .flat_map(|port| {
            port.fixed_ips
                .iter()
                .map(|(_, address)| address.to_string())
        })
        .collect();
    json!({
        "id": server.id, "name": server.name, "status": server.status(), "vm_state": server.vm_state, "task_state": server.task_state,
        "created_ms": server.created_ms, "launched_ms": server.launched_ms, "booted": server.booted(state.now_ms),
        "booted_ms": server.booted_ms, "metadata": server.metadata, "addresses": fixed, "floating": floating, "ports": server.ports,
        "capacity": server.capacity, "termination": server.termination, "behaviour": server.behaviour.to_json(),
        "calls": server.calls, "probes": server.probes, "locked": server.locked, "hidden": server.hidden,
        "down_cell": server.down_cell, "no_address": server.no_address, "user_data": server.user_data,
        "key_name": server.key_name, "fault": server.fault.as_ref().map(|(message, ..)| message),
        "flavor": state.flavors.get(server.flavor).map(|flavor| &flavor.name), "image": server.image,
    })
}

/// Changes one server as the fields say.
pub(super) fn change(state: &mut State, id: &str, fields: &Value) -> Result<(), String> {
    let fields = fields.as_object().ok_or("an object is wanted")?;
    for (key, value) in fields {
        let flag = || {
            value
                .as_bool()
                .ok_or_else(|| format!("{key}: true or false is wanted"))
        };
        let now = state.now_ms;
        let Some(server) = state.server_mut(id) else {
            return Err(format!("there is no server {id}"));
        };
        match key.as_str() {
            "capacity" => server.capacity = value.clone(),
            "termination" => server.termination = value.clone(),
            "behaviour" => server.behaviour = Behaviour::from_json(value)?,
            "locked" => server.locked = flag()?,
            "hidden" => server.hidden = flag()?,
            "down_cell" => server.down_cell = flag()?,
            "no_address" => server.no_address = flag()?,
            "addresses" => state.set_addresses(id, &addresses(value)?),
            "deaf_at" => {
                for address in addresses(value)? {
                    state.by_address.remove(&address);
                }
            }
            "task_state" => server.task_state = value.as_str().map(str::to_owned),
            "name" => value
                .as_str()
                .ok_or("name: text is wanted")?
                .clone_into(&mut server.name),
            // `true`: answers from now on; `false`: never.
            "booted" => server.booted_ms = flag()?.then_some(now),
            "metadata" => server.metadata = metadata(value)?,
            "vm_state" => {
                let wanted = value.as_str().ok_or("vm_state: text is wanted")?.to_owned();
                state.set_vm_state(id, &wanted);
            }
            "fault" => {
                let message = value.as_str().ok_or("fault: text is wanted")?.to_owned();
                state.fail(id, &message, true);
            }
            _ => return Err(format!("a server has no field {key:?} to set")),
        }
    }
    Ok(())
}

fn addresses(value: &Value) -> Result<Vec<IpAddr>, String> {
    let texts = value.as_array().ok_or("a list of IP addresses is wanted")?;
    let all: Option<Vec<IpAddr>> = texts
        .iter()
        .map(|text| text.as_str()?.parse().ok())
        .collect();
    all.ok_or_else(|| "IP addresses are wanted".to_owned())
}

fn metadata(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let map = value.as_object().ok_or("metadata: an object is wanted")?;
    map.iter()
        .map(|(key, value)| {
            Ok((
                key.clone(),
                value
                    .as_str()
                    .ok_or("metadata: texts are wanted")?
                    .to_owned(),
            ))
        })
        .collect()
}

/// Makes servers behind the client's back: `{"name", "metadata", "count", "network", "active", "booted", ...}`.
pub(super) fn add(state: &mut State, body: &Value) -> Result<Vec<String>, String> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let name = text("name").unwrap_or("server");
    let network = text("network").unwrap_or(&state.config.network).to_owned();
    let known = state
        .networks
        .iter()
        .find(|known| known.name == network || known.id == network);
    let network = known
        .map(|known| known.id.clone())
        .ok_or_else(|| format!("there is no network {network:?}"))?;
    let new = NewServer {
        name: name.to_owned(),
        metadata: body.get("metadata").map_or(Ok(BTreeMap::new()), metadata)?,
        image: state
            .images
            .first()
            .map(|image| image.id.clone())
            .unwrap_or_default(),
        security_groups: vec!["default".into()],
        networks: vec![network],
        ..NewServer::default()
    };
    let count = body.get("count").and_then(Value::as_u64).unwrap_or(1);
    let mut ids = Vec::new();
    for index in 1..=count {
        let name = if count > 1 {
            format!("{name}-{index}")
        } else {
            name.to_owned()
        };
        let id = state.create_server(&NewServer {
            name,
            ..new.clone()
        });
        if body["active"] == true || body["booted"] == true {
            state.activate(&id);
        }
        let mut rest = body.as_object().cloned().unwrap_or_default();
        rest.retain(|key, _| {
            !matches!(
                key.as_str(),
                "name" | "metadata" | "count" | "network" | "active"
            )
        });
        change(state, &id, &Value::Object(rest))?;
        ids.push(id);
    }
    Ok(ids)
}

/// Changes a floating IP, named by id or address: `{"description", "server", "port_id", "unroutable"}`.
pub(super) fn change_floating(state: &mut State, which: &str, body: &Value) -> Result<(), String> {
    let found = state
        .floating_ips
        .values()
        .find(|ip| ip.id == which || ip.address.to_string() == which);
    let id = found
        .map(|ip| ip.id.clone())
        .ok_or_else(|| format!("there is no floating IP {which}"))?;
    if let (Some(description), Some(ip)) = (
        body["description"].as_str(),
        state.floating_ips.get_mut(&id),
    ) {
        description.clone_into(&mut ip.description);
        ip.revision += 1;
    }
    if let (Some(unroutable), Some(ip)) = (
        body["unroutable"].as_bool(),
        state.floating_ips.get_mut(&id),
    ) {
        ip.unroutable = unroutable;
    }
    if let Some(port) = body.get("port_id") {
        state.associate(&id, port.as_str());
    }
    if let Some(server) = body.get("server") {
        let server = server.as_str().map(|selector| select(state, selector));
        let port = server.and_then(|ids| state.server(ids.first()?)?.ports.first().cloned());
        state.associate(&id, port.as_deref());
    }
    Ok(())
}

/// One more image, perhaps of a name that exists.
pub(super) fn add_image(state: &mut State, body: &Value) -> String {
    let text = |key: &str, usual: &str| body[key].as_str().unwrap_or(usual).to_owned();
    let image = Image {
        id: state.rng.uuid(),
        name: text("name", "Debian 11"),
        status: text("status", "active"),
        visibility: text("visibility", "public"),
        hidden: body["hidden"] == true,
        owner: text("owner", &state.ids.admin_project),
        created_ms: state.now_ms,
    };
    let id = image.id.clone();
    state.images.push(image);
    id
}
