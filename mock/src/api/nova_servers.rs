//! How Nova shows servers.

use std::net::IpAddr;

use regex_lite::Regex;
use serde_json::{Map, Value, json};

use super::nova::{fault, object};
use super::{Call, links};
use crate::http::Answer;
use crate::state::Server;
use crate::util::{iso, iso_z};

pub(super) fn list(call: &Call<'_>, minor: u32, detail: bool) -> Answer {
    let most = call.state.config.page_limit;
    let text = call.param("limit");
    let Ok(limit) = text.map_or(Ok(most), str::parse::<usize>) else {
        let text = text.unwrap_or_default();
        let message = format!(
            "Invalid input for query parameters limit. Value: {text}. '{text}' does not match '^[0-9]*$'"
        );
        return fault(400, "badRequest", &message);
    };
    let limit = limit.min(most);
    let filter = match Filter::new(call) {
        Ok(filter) => filter,
        Err(answer) => return answer,
    };
    let servers = call.state.listed();
    let end = match call.param("marker") {
        None => u64::MAX,
        // The marker is looked up in what is listed: a server that has gone meanwhile breaks the walk, as with Nova.
        Some(marker) => match servers.values().find(|server| server.id == marker) {
            Some(server) => server.seq,
            None => return fault(400, "badRequest", &format!("marker [{marker}] not found")),
        },
    };
    let shown = |server: &&Server| {
        !server.hidden && (!server.down_cell || minor >= 69) && filter.takes(server)
    };
    let page: Vec<&Server> = servers
        .range(..end)
        .rev()
        .map(|(_, server)| server)
        .filter(shown)
        .take(limit)
        .collect();
    let views: Vec<Value> = page
        .iter()
        .map(|server| {
            if detail {
                view(call, server, minor, true)
            } else {
                brief(call, server)
            }
        })
        .collect();
    let mut body = json!({ "servers": views });
    if let Some(last) = page.last().filter(|_| page.len() == limit) {
        let path = if detail { "servers/detail" } else { "servers" };
        body["servers_links"] = json!([{ "rel": "next", "href": next_link(call, path, &last.id) }]);
    }
    Answer::json(200, &body)
}

/// The link to the page after `marker`, with the query of this one.
pub(super) fn next_link(call: &Call<'_>, path: &str, marker: &str) -> String {
    let query = call
        .request
        .target
        .split_once('?')
        .map(|(_, query)| query)
        .unwrap_or_default();
    let mut pairs: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("marker="))
        .collect();
    let marker = format!("marker={marker}");
    pairs.push(&marker);
    pairs.sort_unstable();
    format!("{}/v2.1/{path}?{}", call.base, pairs.join("&"))
}

struct Filter {
    name: Option<Regex>,
    statuses: Vec<String>,
    /// Nothing matches: deleted servers are not shown to users, and so on.
    nothing: bool,
    uuids: Vec<String>,
}

impl Filter {
    fn new(call: &Call<'_>) -> Result<Self, Answer> {
        let name = match call.param("name") {
            None => None,
            Some(pattern) => Some(Regex::new(pattern).map_err(|_| {
                fault(400, "badRequest", &format!("Invalid input for query parameters name. Value: {pattern}. '{pattern}' is not a 'regex'"))
            })?),
        };
        let other_project = call
            .param("project_id")
            .or(call.param("tenant_id"))
            .is_some_and(|id| id != call.state.ids.project);
        Ok(Self {
            name,
            statuses: call.params("status").map(str::to_uppercase).collect(),
            nothing: call
                .param("deleted")
                .is_some_and(|value| matches!(value, "True" | "true" | "1"))
                || other_project,
            uuids: call.params("uuid").map(str::to_owned).collect(),
        })
    }

    fn takes(&self, server: &Server) -> bool {
        !self.nothing
            && self
                .name
                .as_ref()
                .is_none_or(|name| name.is_match(&server.name))
            && (self.statuses.is_empty()
                || self.statuses.iter().any(|status| status == server.status()))
            && (self.uuids.is_empty() || self.uuids.contains(&server.id))
    }
}

fn brief(call: &Call<'_>, server: &Server) -> Value {
    let links = links(call, &format!("servers/{}", server.id));
    if server.down_cell {
        return down(call, server);
    }
    json!({ "id": server.id, "name": server.name, "links": links })
}

fn down(call: &Call<'_>, server: &Server) -> Value {
    json!({
        "id": server.id, "status": "UNKNOWN", "tenant_id": call.state.ids.project,
        "created": iso_z(call.state.unix_ms(server.created_ms)), "links": links(call, &format!("servers/{}", server.id)),
    })
}

/// A server in full; as part of a list or alone.
pub(super) fn view(call: &Call<'_>, server: &Server, minor: u32, in_list: bool) -> Value {
    let state = &call.state;
    if server.down_cell {
        let mut view = down(call, server);
        if !in_list && let Some(map) = view.as_object_mut() {
            map.extend(object(json!({
                "image": image(call, server, 69), "flavor": flavor(call, server, 69), "OS-EXT-STS:power_state": 0,
                "OS-EXT-AZ:availability_zone": server.zone.as_deref().unwrap_or("UNKNOWN"), "user_id": state.ids.user,
            })));
        }
        return view;
    }
    let up = server.launched_ms.is_some();
    let mut view = object(json!({
        "id": server.id, "name": server.name, "status": server.status(), "tenant_id": state.ids.project, "user_id": state.ids.user,
        "metadata": server.metadata, "image": image(call, server, minor), "flavor": flavor(call, server, minor),
        "hostId": if up { "5bd5ffbbbf7d9e8f2cc7b8ed8a1e1fbe16aa0a46a05e8de7eb1a4cf7" } else { "" },
        "created": iso_z(state.unix_ms(server.created_ms)), "updated": iso_z(state.unix_ms(server.updated_ms)),
        "addresses": addresses(call, server), "accessIPv4": "", "accessIPv6": "",
        "links": links(call, &format!("servers/{}", server.id)), "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": if up { "nova" } else { server.zone.as_deref().unwrap_or_default() },
        "config_drive": "", "key_name": server.key_name,
        "OS-SRV-USG:launched_at": server.launched_ms.map(|at| iso(state.unix_ms(at)) + ".000000"), "OS-SRV-USG:terminated_at": null,
        "OS-EXT-STS:task_state": server.task_state, "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": server.power_state(), "os-extended-volumes:volumes_attached": [],
    }));
    if matches!(
        server.status(),
        "ACTIVE" | "BUILD" | "REBUILD" | "RESIZE" | "VERIFY_RESIZE" | "MIGRATING"
    ) {
        view.insert("progress".into(), json!(0));
    }
    if server.status() == "ERROR"
        && let Some((message, at, listed)) = &server.fault
        && (*listed || !in_list)
    {
        view.insert(
            "fault".into(),
            json!({ "code": 500, "created": iso_z(state.unix_ms(*at)), "message": message }),
        );
    }
    if !server.ports.is_empty() {
        let groups: Vec<Value> = server
            .security_groups
            .iter()
            .map(|name| json!({ "name": name }))
            .collect();
        view.insert("security_groups".into(), json!(groups));
    }
    by_version(&mut view, server, minor, in_list);
    Value::Object(view)
}

fn by_version(view: &mut Map<String, Value>, server: &Server, minor: u32, in_list: bool) {
    let hostname: String = server
        .name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let fields = [
        (9, "locked", json!(server.locked)),
        (19, "description", json!(server.description)),
        (26, "tags", json!([])),
        (63, "trusted_image_certificates", Value::Null),
        (73, "locked_reason", Value::Null),
        (90, "OS-EXT-SRV-ATTR:hostname", json!(hostname)),
        (96, "pinned_availability_zone", json!(server.zone)),
        (100, "scheduler_hints", json!({})),
    ];
    for (since, name, value) in fields {
        if minor >= since {
            view.insert(name.into(), value);
        }
    }
    if minor >= 71 && !in_list {
        view.insert("server_groups".into(), json!([]));
    }
}

fn image(call: &Call<'_>, server: &Server, minor: u32) -> Value {
    if server.image.is_empty() {
        return json!("");
    }
    let mut image = json!({ "id": server.image, "links": [{ "rel": "bookmark", "href": format!("{}/images/{}", call.base, server.image) }] });
    if minor >= 98 {
        image["properties"] = json!({ "base_image_ref": server.image, "container_format": "bare", "disk_format": "raw", "min_disk": "1", "min_ram": "0" });
    }
    image
}

fn flavor(call: &Call<'_>, server: &Server, minor: u32) -> Value {
    let Some(flavor) = call.state.flavors.get(server.flavor) else {
        return json!({});
    };
    if minor < 47 {
        return json!({ "id": flavor.id, "links": [{ "rel": "bookmark", "href": format!("{}/flavors/{}", call.base, flavor.id) }] });
    }
    json!({ "vcpus": flavor.vcpus, "ram": flavor.ram, "disk": 1, "ephemeral": 0, "swap": 0, "original_name": flavor.name, "extra_specs": {} })
}

/// The addresses by network; hidden while the server is building.
pub(super) fn addresses(call: &Call<'_>, server: &Server) -> Value {
    let state = &call.state;
    let mut networks: Map<String, Value> = Map::new();
    let early =
        server.vm_state == "building" || server.no_address || server.addresses_ms > state.now_ms;
    for port in server
        .ports
        .iter()
        .filter(|_| !early)
        .filter_map(|id| state.ports.get(id).or(state.old_ports.get(id)))
    {
        let Some(network) = state.network(&port.network_id) else {
            continue;
        };
        let one = |address: IpAddr, kind: &str| {
            let version = if address.is_ipv4() { 4 } else { 6 };
            json!({ "version": version, "addr": address.to_string(), "OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": port.mac })
        };
        let name = server.old_network_names.get(&network.id);
        let list = networks
            .entry(name.unwrap_or(&network.name).clone())
            .or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.extend(
                port.fixed_ips
                    .iter()
                    .map(|(_, address)| one(*address, "fixed")),
            );
            list.extend(
                state
                    .floating_of_port(&port.id)
                    .map(|ip| one(ip.address, "floating")),
            );
        }
    }
    Value::Object(networks)
}
