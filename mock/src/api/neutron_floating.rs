//! Neutron's floating IPs.

use serde_json::{Value, json};

use super::Call;
use super::neutron::{error, list};
use crate::http::{Answer, Request};
use crate::state::{FloatingIp, State};
use crate::util::iso_z;

pub(super) fn serve(call: &mut Call<'_>) -> Answer {
    let id = call.parts.get(2).map(|id| (*id).to_owned());
    match (call.method, id) {
        ("GET", None) => {
            let all = call
                .state
                .floating_ips
                .values()
                .map(|ip| view(call, ip))
                .collect();
            list(call, "floatingips", all)
        }
        ("POST", None) => create(call),
        (_, Some(id)) if !call.state.floating_ips.contains_key(&id) => error(
            404,
            "FloatingIPNotFound",
            &format!("Floating IP {id} could not be found"),
        ),
        ("GET", Some(id)) => shown(call, &id, 200),
        ("PUT", Some(id)) => update(call, &id),
        ("DELETE", Some(id)) => {
            call.state.associate(&id, None);
            if let Some(ip) = call.state.floating_ips.remove(&id) {
                call.state.by_address.remove(&ip.address);
            }
            Answer::empty(204)
        }
        _ => error(404, "HTTPNotFound", "The resource could not be found."),
    }
}

fn shown(call: &Call<'_>, id: &str, status: u16) -> Answer {
    match call.state.floating_ips.get(id) {
        Some(ip) => Answer::json(status, &json!({ "floatingip": view(call, ip) })),
        None => error(
            404,
            "FloatingIPNotFound",
            &format!("Floating IP {id} could not be found"),
        ),
    }
}

fn public_id(call: &Call<'_>) -> String {
    let name = &call.state.config.public_network;
    call.state
        .networks
        .iter()
        .find(|network| network.name == *name)
        .map(|network| network.id.clone())
        .unwrap_or_default()
}

fn view(call: &Call<'_>, ip: &FloatingIp) -> Value {
    let state = &call.state;
    let port = ip.port_id.as_deref().and_then(|id| state.ports.get(id));
    let details = port.map(|port| {
        json!({
            "name": port.name, "network_id": port.network_id, "mac_address": port.mac, "admin_state_up": true,
            "status": if port.active { "ACTIVE" } else { "DOWN" }, "device_id": port.device_id, "device_owner": port.device_owner,
        })
    });
    let fixed = port
        .and_then(|port| port.address(4))
        .map(|address| address.to_string());
    json!({
        "id": ip.id, "tenant_id": state.ids.project, "floating_ip_address": ip.address.to_string(),
        "floating_network_id": public_id(call), "router_id": port.map(|_| &state.ids.router), "port_id": ip.port_id,
        "fixed_ip_address": fixed, "status": if port.is_some() { "ACTIVE" } else { "DOWN" },
        "description": ip.description, "port_details": details, "tags": [],
        "created_at": iso_z(state.unix_ms(ip.created_ms)), "updated_at": iso_z(state.unix_ms(ip.updated_ms)),
        "revision_number": ip.revision, "project_id": state.ids.project,
    })
}

fn body(call: &Call<'_>) -> Option<Value> {
    call.request
        .json()
        .and_then(|body| body.get("floatingip").cloned())
        .filter(Value::is_object)
}

fn malformed() -> Answer {
    error(400, "HTTPBadRequest", "Resource body required")
}

fn create(call: &mut Call<'_>) -> Answer {
    let Some(body) = body(call) else {
        return malformed();
    };
    let network = body["floating_network_id"].as_str().unwrap_or_default();
    if network != public_id(call) {
        return error(
            400,
            "BadRequest",
            &format!("Bad floatingip request: Network {network} is not a valid external network."),
        );
    }
    let port = match port(call, &body, "") {
        Ok(port) => port,
        Err(answer) => return answer,
    };
    let Some(id) = call
        .state
        .make_floating_ip(body["description"].as_str().unwrap_or_default())
    else {
        return error(
            409,
            "IpAddressGenerationFailure",
            &format!("No more IP addresses available on network {network}."),
        );
    };
    if let Wanted::On(port) = port {
        call.state.associate(&id, Some(&port));
    }
    shown(call, &id, 201)
}

/// What the body says about the port.
enum Wanted {
    Untouched,
    Parked,
    On(String),
}

/// The port that the body names, if it may have this floating IP.
fn port(call: &Call<'_>, body: &Value, own: &str) -> Result<Wanted, Answer> {
    let Some(value) = body.get("port_id") else {
        return Ok(Wanted::Untouched);
    };
    let Some(id) = value.as_str().filter(|id| !id.is_empty()) else {
        return Ok(Wanted::Parked);
    };
    let Some(port) = call.state.ports.get(id) else {
        return Err(error(
            404,
            "PortNotFound",
            &format!("Port {id} could not be found."),
        ));
    };
    let subnet = port.fixed_ips.iter().find(|(_, address)| address.is_ipv4());
    let Some((subnet, fixed)) = subnet else {
        return Err(error(
            400,
            "BadRequest",
            &format!(
                "Bad floatingip request: Cannot add floating IP to port {id} that has no fixed IPv4 addresses."
            ),
        ));
    };
    let of = call.state.floating_ips.get(own);
    let reachable = call
        .state
        .network(&port.network_id)
        .is_some_and(|network| !network.external)
        && !of.is_some_and(|ip| ip.unroutable)
        && !call.state.config.no_gateway;
    if !reachable {
        let message = format!(
            "External network {} is not reachable from subnet {subnet}.  Therefore, cannot associate Port {id} with a Floating IP.",
            public_id(call)
        );
        return Err(error(404, "ExternalGatewayForFloatingIPNotFound", &message));
    }
    let (address, fixed) = (
        call.state
            .floating_ips
            .get(own)
            .map(|ip| ip.address.to_string())
            .unwrap_or_default(),
        *fixed,
    );
    if call.state.floating_of_port(id).any(|ip| ip.id != own) {
        let message = format!(
            "Cannot associate floating IP {address} ({own}) with port {id} using fixed IP {fixed}, as that fixed IP already has a floating IP on external network {}.",
            public_id(call)
        );
        return Err(error(409, "FloatingIPPortAlreadyAssociated", &message));
    }
    Ok(Wanted::On(id.to_owned()))
}

/// Whether a request's `If-Match` fits the address, or there is none.
pub(super) fn condition_holds(state: &State, request: &Request, id: &str) -> bool {
    let revision = state.floating_ips.get(id).map_or(0, |ip| ip.revision);
    let wanted = request
        .header("if-match")
        .and_then(|condition| condition.trim_matches('"').strip_prefix("revision_number="));
    wanted.is_none_or(|wanted| wanted == revision.to_string())
}

fn update(call: &mut Call<'_>, id: &str) -> Answer {
    let revision = call.state.floating_ips.get(id).map_or(0, |ip| ip.revision);
    if let Some(condition) = call.request.header("if-match") {
        let Some(wanted) = condition.trim_matches('"').strip_prefix("revision_number=") else {
            return error(
                400,
                "HTTPBadRequest",
                "Precondition header must be in the form of \"revision_number=N\"",
            );
        };
        // Neutron looks once, when the request comes. An update that then loses against another one
        // is repeated without the condition.
        if wanted != revision.to_string() && !call.request.condition_held {
            let message = format!("Constrained to {wanted}, but current revision is {revision}");
            return error(412, "RevisionNumberConstraintFailed", &message);
        }
    }
    let Some(body) = body(call) else {
        return malformed();
    };
    let port = match port(call, &body, id) {
        Ok(port) => port,
        Err(answer) => return answer,
    };
    match port {
        Wanted::Untouched => {}
        Wanted::Parked => call.state.associate(id, None),
        Wanted::On(port) => call.state.associate(id, Some(&port)),
    }
    if let Some(ip) = call.state.floating_ips.get_mut(id)
        && let Some(description) = body.get("description").and_then(Value::as_str)
    {
        description.clone_into(&mut ip.description);
        ip.revision += 1;
    }
    shown(call, id, 200)
}
