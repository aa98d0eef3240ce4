//! Neutron: networks, ports and what the client lists besides.

use serde_json::{Map, Value, json};

use super::{Call, neutron_floating};
use crate::http::Answer;
use crate::state::{Network, Port, Subnet};
use crate::util::iso_z;

pub(super) fn serve(call: &mut Call<'_>) -> Answer {
    if call.parts.is_empty() {
        let href = format!("{}/v2.0/", call.base);
        return Answer::json(
            200,
            &json!({ "versions": [{ "id": "v2.0", "status": "CURRENT", "links": [{ "rel": "self", "href": href }] }] }),
        );
    }
    if !call.token_is_good() {
        let message = "The request you have made requires authentication.";
        return Answer::json(
            401,
            &json!({ "error": { "code": 401, "title": "Unauthorized", "message": message } }),
        )
        .with(
            "Www-Authenticate",
            format!("Keystone uri=\"{}/identity/v3\"", call.root),
        );
    }
    route(call)
}

fn route(call: &mut Call<'_>) -> Answer {
    match (call.method, call.parts.as_slice()) {
        // As upstream: without the slash there is nothing.
        ("GET", ["v2.0"]) if call.request.path().ends_with('/') => {
            Answer::json(200, &resources(call))
        }
        (_, ["v2.0", "floatingips", ..]) => neutron_floating::serve(call),
        ("GET", ["v2.0", "extensions"]) => Answer::json(200, &extensions()),
        ("GET", ["v2.0", "extensions", alias]) => {
            let all = extensions();
            let mut all = all["extensions"].as_array().into_iter().flatten();
            match all.find(|extension| extension["alias"] == *alias) {
                Some(extension) => Answer::json(200, &json!({ "extension": extension })),
                None => no_extension(alias),
            }
        }
        ("GET", ["v2.0", "quotas", id]) if *id == call.state.ids.project => Answer::json(
            200,
            &json!({ "quota": { "floatingip": 1000, "network": 100, "port": 10000, "router": 10, "security_group": 10, "subnet": 100 } }),
        ),
        ("GET", ["v2.0", "quotas", ..]) => error(
            403,
            "PolicyNotAuthorized",
            "rule:get_quota is disallowed by policy",
        ),
        ("DELETE", ["v2.0", "ports", id]) if call.state.ports.contains_key(*id) => {
            let id = (*id).to_owned();
            call.state.delete_port(&id);
            Answer::empty(204)
        }
        ("GET", ["v2.0", kind]) => listed(call, kind),
        ("GET" | "DELETE", ["v2.0", kind, id]) => shown(call, kind, id),
        _ => not_found("HTTPNotFound", "The resource could not be found."),
    }
}

/// Here Neutron answers in plain text.
fn no_extension(alias: &str) -> Answer {
    let text = format!(
        "404 Not Found\n\nThe resource could not be found.\n\n Extension with alias {alias} does not exist  "
    );
    let mut answer = Answer::empty(404).with("Content-Type", "text/plain; charset=UTF-8");
    answer.body = text.into_bytes();
    answer
}

fn not_found(kind: &str, message: &str) -> Answer {
    error(404, kind, message)
}

/// The resources of a kind, and the kind's name in a list.
fn items(call: &Call<'_>, kind: &str) -> Option<(&'static str, Vec<Value>)> {
    match kind {
        "networks" => Some(("networks", networks(call))),
        "subnets" => Some(("subnets", subnets(call))),
        "ports" => Some(("ports", ports(call))),
        "routers" => Some(("routers", vec![router(call)])),
        "security-groups" => Some(("security_groups", security_groups(call))),
        _ => None,
    }
}

fn listed(call: &Call<'_>, kind: &str) -> Answer {
    match items(call, kind) {
        Some((name, items)) => list(call, name, items),
        None => not_found("HTTPNotFound", "The resource could not be found."),
    }
}

fn shown(call: &Call<'_>, kind: &str, id: &str) -> Answer {
    let Some((name, items)) = items(call, kind) else {
        return not_found("HTTPNotFound", "The resource could not be found.");
    };
    let found = items.into_iter().find(|item| item["id"] == id);
    match found.filter(|_| call.method == "GET") {
        Some(item) => {
            let name = name.trim_end_matches('s');
            Answer::json(200, &json!({ name: only_fields(call, item) }))
        }
        None => match kind {
            "networks" => not_found(
                "NetworkNotFound",
                &format!("Network {id} could not be found."),
            ),
            "subnets" => not_found(
                "SubnetNotFound",
                &format!("Subnet {id} could not be found."),
            ),
            "ports" => not_found("PortNotFound", &format!("Port {id} could not be found.")),
            "routers" => not_found("RouterNotFound", &format!("Router {id} could not be found")),
            _ => not_found(
                "SecurityGroupNotFound",
                &format!("Security group {id} does not exist"),
            ),
        },
    }
}

pub(super) fn error(status: u16, kind: &str, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({ "NeutronError": { "type": kind, "message": message, "detail": "" } }),
    )
}

fn resources(call: &Call<'_>) -> Value {
    let names = ["network", "subnet", "subnetpool", "port"];
    let one = |name: &str| json!({ "name": name, "collection": format!("{name}s"), "links": [{ "rel": "self", "href": format!("{}/v2.0/{name}s", call.base) }] });
    json!({ "resources": names.map(one) })
}

/// Neutron's answer to a list: filters, fields and pages.
pub(super) fn list(call: &Call<'_>, name: &str, mut items: Vec<Value>) -> Answer {
    const OWN: [&str; 6] = [
        "fields",
        "limit",
        "marker",
        "page_reverse",
        "sort_key",
        "sort_dir",
    ];
    for (key, _) in call
        .query
        .iter()
        .filter(|(key, _)| !OWN.contains(&key.as_str()))
    {
        // A name that no resource has is no filter.
        if key != "fixed_ips" && items.iter().all(|item| item.get(key.as_str()).is_none()) {
            continue;
        }
        let wanted: Vec<&str> = call.params(key).collect();
        items.retain(|item| match key.as_str() {
            "fixed_ips" => wanted.iter().all(|filter| has_fixed_ip(item, filter)),
            _ => wanted.iter().any(|text| is(&item[key.as_str()], text)),
        });
    }
    items.sort_by(|a, b| a["id"].as_str().cmp(&b["id"].as_str()));
    let limit = call.param("limit").and_then(|limit| limit.parse().ok());
    if let Some(marker) = call.param("marker") {
        items.retain(|item| item["id"].as_str() > Some(marker));
    }
    let mut body = Map::new();
    if let Some(limit) = limit.filter(|limit| *limit > 0 && *limit <= items.len()) {
        items.truncate(limit);
        let marker = items
            .last()
            .and_then(|item| item["id"].as_str())
            .unwrap_or_default();
        let others = call
            .request
            .target
            .split_once('?')
            .map(|(_, query)| query)
            .unwrap_or_default();
        let others: Vec<&str> = others
            .split('&')
            .filter(|pair| !pair.starts_with("marker="))
            .collect();
        let href = format!(
            "{}/{}?{}&marker={marker}",
            call.base,
            call.parts.join("/"),
            others.join("&")
        );
        body.insert(
            format!("{name}_links"),
            json!([{ "rel": "next", "href": href }]),
        );
    }
    let items = items
        .into_iter()
        .map(|item| only_fields(call, item))
        .collect();
    body.insert(name.to_owned(), Value::Array(items));
    Answer::json(200, &Value::Object(body))
}

fn is(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value == text,
        Value::Bool(value) => {
            value.to_string().eq_ignore_ascii_case(text) || text == if *value { "1" } else { "0" }
        }
        Value::Null => text.is_empty(),
        Value::Number(number) => number.to_string() == text,
        _ => false,
    }
}

fn has_fixed_ip(item: &Value, filter: &str) -> bool {
    let (key, wanted) = filter.split_once('=').unwrap_or((filter, ""));
    item["fixed_ips"]
        .as_array()
        .is_some_and(|ips| ips.iter().any(|ip| ip[key] == wanted))
}

fn only_fields(call: &Call<'_>, item: Value) -> Value {
    let fields: Vec<&str> = call.params("fields").collect();
    match item {
        Value::Object(map) if !fields.is_empty() => Value::Object(
            map.into_iter()
                .filter(|(key, _)| fields.contains(&key.as_str()))
                .collect(),
        ),
        item => item,
    }
}

fn owner<'a>(call: &'a Call<'_>, network: &Network) -> &'a str {
    if network.mine {
        &call.state.ids.project
    } else {
        &call.state.ids.admin_project
    }
}

fn networks(call: &Call<'_>) -> Vec<Value> {
    let view = |network: &Network| {
        let at = iso_z(call.state.unix_ms(network.created_ms));
        let subnets: Vec<&str> = network
            .subnets
            .iter()
            .map(|subnet| subnet.id.as_str())
            .collect();
        json!({
            "id": network.id, "name": network.name, "tenant_id": owner(call, network), "admin_state_up": true,
            "mtu": if network.mine { 1450 } else { 1500 }, "status": "ACTIVE", "subnets": subnets, "shared": network.shared,
            "availability_zone_hints": [], "availability_zones": [], "ipv4_address_scope": null, "ipv6_address_scope": null,
            "router:external": network.external, "description": "", "port_security_enabled": network.port_security, "is_default": false,
            "tags": [], "created_at": at, "updated_at": at, "revision_number": 2, "project_id": owner(call, network),
        })
    };
    call.state.networks.iter().map(view).collect()
}

fn subnets(call: &Call<'_>) -> Vec<Value> {
    let view = |network: &Network, subnet: &Subnet| {
        let at = iso_z(call.state.unix_ms(network.created_ms));
        let stem = subnet
            .cidr
            .split_once(if subnet.version() == 4 {
                ".0.0/"
            } else {
                "::/"
            })
            .map_or("", |(stem, _)| stem);
        let pool = if subnet.version() == 4 {
            json!([{ "start": format!("{stem}.0.2"), "end": format!("{stem}.255.254") }])
        } else {
            json!([{ "start": format!("{stem}::2"), "end": format!("{stem}::ffff:ffff:ffff:ffff") }])
        };
        json!({
            "id": subnet.id, "name": subnet.name, "tenant_id": owner(call, network), "network_id": network.id,
            "ip_version": subnet.version(), "subnetpool_id": null, "enable_dhcp": false, "ipv6_ra_mode": null,
            "ipv6_address_mode": null, "gateway_ip": subnet.gateway.to_string(), "cidr": subnet.cidr, "allocation_pools": pool,
            "host_routes": [], "dns_nameservers": [], "description": "", "router:external": network.external,
            "service_types": [], "tags": [], "created_at": at, "updated_at": at, "revision_number": 0,
            "project_id": owner(call, network),
        })
    };
    let all = call.state.networks.iter();
    all.flat_map(|network| {
        network
            .subnets
            .iter()
            .map(move |subnet| view(network, subnet))
    })
    .collect()
}

/// The ports, only those of one device or with one id where that is asked for.
fn ports(call: &Call<'_>) -> Vec<Value> {
    let state = &call.state;
    let view = |port: &Port| {
        let ips: Vec<Value> = port
            .fixed_ips
            .iter()
            .map(|(subnet, ip)| json!({ "subnet_id": subnet, "ip_address": ip.to_string() }))
            .collect();
        json!({
            "id": port.id, "name": port.name, "network_id": port.network_id, "tenant_id": state.ids.project,
            "mac_address": port.mac, "admin_state_up": true, "status": if port.active { "ACTIVE" } else { "DOWN" },
            "device_id": port.device_id, "device_owner": port.device_owner, "fixed_ips": ips, "allowed_address_pairs": [],
            "extra_dhcp_opts": [], "security_groups": port.security_groups, "description": "", "binding:vnic_type": "normal",
            "port_security_enabled": !port.security_groups.is_empty(), "tags": [],
            "created_at": iso_z(state.unix_ms(port.created_ms)), "updated_at": iso_z(state.unix_ms(port.updated_ms)),
            "revision_number": port.revision, "project_id": state.ids.project,
        })
    };
    let wanted = |port: &&Port| {
        let id = call.parts.get(2).is_none_or(|id| port.id == *id);
        let mut devices = call.params("device_id").peekable();
        id && (devices.peek().is_none() || devices.any(|device| device == port.device_id))
    };
    state.ports.values().filter(wanted).map(view).collect()
}

fn router(call: &Call<'_>) -> Value {
    let state = &call.state;
    let at = iso_z(state.unix_ms(0));
    let public = state
        .networks
        .iter()
        .find(|network| network.name == state.config.public_network);
    let gateway = public.filter(|_| !state.config.no_gateway).map(|network| {
        json!({
            "network_id": network.id, "enable_snat": true,
            "external_fixed_ips": [{ "subnet_id": network.subnets[0].id, "ip_address": "127.65.255.254" }],
        })
    });
    json!({
        "id": state.ids.router, "name": "router", "tenant_id": state.ids.project, "admin_state_up": true, "status": "ACTIVE",
        "external_gateway_info": gateway, "description": "", "availability_zones": [], "availability_zone_hints": [],
        "routes": [], "flavor_id": null, "tags": [], "created_at": at, "updated_at": at, "revision_number": 3,
        "project_id": state.ids.project,
    })
}

/// The project's own, and those of others that are shared with it.
fn security_groups(call: &Call<'_>) -> Vec<Value> {
    let own = security_group(call);
    let shared = call.state.shared_groups.iter().map(|group| {
        let mut view = own.clone();
        view["id"] = json!(group.id);
        view["name"] = json!(group.name);
        view["shared"] = json!(true);
        for key in ["project_id", "tenant_id"] {
            view[key] = json!(call.state.ids.admin_project);
        }
        view
    });
    std::iter::once(own.clone())
        .chain(shared.collect::<Vec<_>>())
        .collect()
}

fn security_group(call: &Call<'_>) -> Value {
    let ids = &call.state.ids;
    let at = iso_z(call.state.unix_ms(0));
    // Those of every new group, and one that lets in TCP from everywhere.
    let rule = |direction: &str, version: u8, protocol: Option<&str>| {
        json!({
            "id": format!("{}-{direction}-{version}", ids.security_group), "security_group_id": ids.security_group,
            "direction": direction, "ethertype": format!("IPv{version}"), "protocol": protocol, "port_range_min": null,
            "port_range_max": null, "remote_ip_prefix": null, "remote_group_id": null, "remote_address_group_id": null,
            "normalized_cidr": null, "description": "", "tags": [], "created_at": at, "updated_at": at,
            "revision_number": 0, "tenant_id": ids.project, "project_id": ids.project,
        })
    };
    let rules = [
        rule("egress", 4, None),
        rule("egress", 6, None),
        rule("ingress", 4, Some("tcp")),
        rule("ingress", 6, Some("tcp")),
    ];
    json!({
        "id": ids.security_group, "name": "default", "stateful": true, "tenant_id": ids.project,
        "description": "Default security group", "shared": false, "security_group_rules": rules, "tags": [],
        "created_at": at, "updated_at": at, "revision_number": 1, "project_id": ids.project,
    })
}

fn extensions() -> Value {
    let one = |(alias, name): (&str, &str)| json!({ "name": name, "alias": alias, "description": name, "updated": "2015-01-01T10:00:00-00:00", "links": [] });
    let all = [
        ("router", "Neutron L3 Router"),
        ("security-group", "security-group"),
        ("quotas", "Quota management support"),
        ("fip-port-details", "Floating IP Port Details Extension"),
        (
            "revision-if-match",
            "If-Match constraints based on revision_number",
        ),
        ("standard-attr-revisions", "Resource revision numbers"),
        (
            "standard-attr-tag",
            "Tag support for resources with standard attribute",
        ),
        ("external-net", "Neutron external network"),
        ("pagination", "Pagination support"),
        ("sorting", "Sorting support"),
    ];
    json!({ "extensions": all.map(one) })
}
