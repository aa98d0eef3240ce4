//! Nova: versions, flavors, keypairs, limits; the servers are in the files beside.

use serde_json::{Map, Value, json};

use super::{Call, links, nova_actions, nova_create, nova_servers};
use crate::http::Answer;
use crate::state::{Flavor, Keypair, Server};
use crate::util::iso_micros;

/// The newest microversion.
const NEWEST: u32 = 100;

pub(super) fn serve(call: &mut Call<'_>) -> Answer {
    match call.parts.as_slice() {
        [] => {
            return Answer::json(
                200,
                &json!({ "versions": [old_version(call), version(call, false)] }),
            );
        }
        ["v2.1"] => return Answer::json(200, &json!({ "version": version(call, true) })),
        _ => {}
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
    let minor = match microversion(call) {
        Ok(minor) => minor,
        Err(answer) => return answer,
    };
    let answer = route(call, minor);
    answer
        .with("OpenStack-API-Version", format!("compute 2.{minor}"))
        .with("X-OpenStack-Nova-API-Version", format!("2.{minor}"))
        .with("Vary", "OpenStack-API-Version")
        .with("Vary", "X-OpenStack-Nova-API-Version")
}

fn route(call: &mut Call<'_>, minor: u32) -> Answer {
    // Clients may still put the project's id into the path.
    if call
        .parts
        .get(1)
        .is_some_and(|part| *part == call.state.ids.project)
    {
        call.parts.remove(1);
    }
    let parts = call.parts.clone();
    match (call.method, parts.as_slice()) {
        ("GET", ["v2.1", "servers"]) => nova_servers::list(call, minor, false),
        ("GET", ["v2.1", "servers", "detail"]) => nova_servers::list(call, minor, true),
        ("POST", ["v2.1", "servers"]) => nova_create::create(call, minor),
        (_, ["v2.1", "servers", id, rest @ ..]) => {
            let Some(server) = call.state.server(id) else {
                return no_server(id);
            };
            if server.down_cell && (minor < 69 || call.method != "GET") {
                return fault(
                    500,
                    "computeFault",
                    "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API log if possible.\n<class 'nova.exception.NovaException'>",
                );
            }
            nova_actions::one_server(call, id, rest, minor)
        }
        ("GET", ["v2.1", "flavors"]) => flavors(call, minor, false),
        ("GET", ["v2.1", "flavors", "detail"]) => flavors(call, minor, true),
        ("GET", ["v2.1", "flavors", id]) => {
            match call.state.flavors.iter().find(|flavor| flavor.id == *id) {
                Some(flavor) => Answer::json(
                    200,
                    &json!({ "flavor": flavor_view(call, flavor, minor, true) }),
                ),
                None => fault(
                    404,
                    "itemNotFound",
                    &format!("Flavor {id} could not be found."),
                ),
            }
        }
        ("GET", ["v2.1", "flavors", _, "os-extra_specs"]) => {
            Answer::json(200, &json!({ "extra_specs": {} }))
        }
        ("GET", ["v2.1", "os-keypairs", rest @ ..]) => keypairs(call, minor, rest),
        ("GET", ["v2.1", "limits"]) => Answer::json(200, &limits(call, minor)),
        ("GET", ["v2.1", "os-availability-zone"]) => Answer::json(
            200,
            &json!({ "availabilityZoneInfo": [{ "zoneName": "nova", "zoneState": { "available": true }, "hosts": null }] }),
        ),
        ("GET", ["v2.1", "os-availability-zone", "detail"]) => {
            let action = "os_compute_api:os-availability-zone:detail";
            fault(
                403,
                "forbidden",
                &format!("Policy doesn't allow {action} to be performed."),
            )
        }
        ("GET", ["v2.1", "extensions"]) => Answer::json(200, &json!({ "extensions": [] })),
        ("GET", ["v2.1", "os-server-groups"]) => Answer::json(200, &json!({ "server_groups": [] })),
        ("GET", ["v2.1", "os-quota-sets", ..]) => fault(
            403,
            "forbidden",
            "Policy doesn't allow os_compute_api:os-quota-sets:show to be performed.",
        ),
        _ => Answer::html(404, "The resource could not be found."),
    }
}

/// Nova's error body.
pub(super) fn fault(status: u16, kind: &str, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({ kind: { "code": status, "message": message } }),
    )
}

pub(super) fn no_server(id: &str) -> Answer {
    fault(
        404,
        "itemNotFound",
        &format!("Instance {id} could not be found."),
    )
}

fn old_version(call: &Call<'_>) -> Value {
    json!({
        "id": "v2.0", "status": "SUPPORTED", "version": "", "min_version": "", "updated": "2011-01-21T11:33:21Z",
        "links": [{ "rel": "self", "href": format!("{}/v2/", call.base) }],
    })
}

fn version(call: &Call<'_>, whole: bool) -> Value {
    let mut version = json!({
        "id": "v2.1", "status": "CURRENT", "version": format!("2.{NEWEST}"), "min_version": "2.1",
        "updated": "2013-07-23T11:33:21Z", "links": [{ "rel": "self", "href": format!("{}/v2.1/", call.base) }],
    });
    if whole {
        version["links"] = json!([
            { "rel": "self", "href": format!("{}/v2.1/", call.base) },
            { "rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/" },
        ]);
        version["media-types"] = json!([{ "base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1" }]);
    }
    version
}

fn microversion(call: &Call<'_>) -> Result<u32, Answer> {
    let new = call
        .request
        .header("openstack-api-version")
        .and_then(|text| {
            text.split(',')
                .find_map(|part| part.trim().strip_prefix("compute "))
                .map(str::trim)
        });
    let Some(text) = new.or(call.request.header("x-openstack-nova-api-version")) else {
        return Ok(1);
    };
    if text == "latest" {
        return Ok(NEWEST);
    }
    let parsed = text
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    match parsed {
        Some((2, minor)) if (1..=NEWEST).contains(&minor) => Ok(minor),
        Some(_) => Err(fault(
            406,
            "computeFault",
            &format!(
                "Version {text} is not supported by the API. Minimum is 2.1 and maximum is 2.{NEWEST}."
            ),
        )),
        None => Err(fault(
            400,
            "badRequest",
            &format!(
                "API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum."
            ),
        )),
    }
}

fn flavor_view(call: &Call<'_>, flavor: &Flavor, minor: u32, detail: bool) -> Value {
    let mut view = json!({ "id": flavor.id, "name": flavor.name, "links": links(call, &format!("flavors/{}", flavor.id)) });
    if let Some(map) = view.as_object_mut() {
        if detail {
            let swap = if minor >= 75 { json!(0) } else { json!("") };
            map.extend(object(json!({
                "ram": flavor.ram, "disk": flavor.disk, "swap": swap, "OS-FLV-EXT-DATA:ephemeral": 0, "OS-FLV-DISABLED:disabled": false,
                "vcpus": flavor.vcpus, "os-flavor-access:is_public": true, "rxtx_factor": 1.0,
            })));
            if minor >= 61 {
                map.insert("extra_specs".into(), json!({}));
            }
        }
        if minor >= 55 {
            map.insert("description".into(), Value::Null);
        }
    }
    view
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn flavors(call: &Call<'_>, minor: u32, detail: bool) -> Answer {
    let limit = call
        .param("limit")
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(1000)
        .min(call.state.config.page_limit);
    let mut all: Vec<&Flavor> = call.state.flavors.iter().collect();
    if let Some(marker) = call.param("marker") {
        let Some(at) = all.iter().position(|flavor| flavor.id == marker) else {
            return fault(400, "badRequest", &format!("marker [{marker}] not found"));
        };
        all.drain(..=at);
    }
    all.truncate(limit);
    let items: Vec<Value> = all
        .iter()
        .map(|flavor| flavor_view(call, flavor, minor, detail))
        .collect();
    let mut body = json!({ "flavors": items });
    if let Some(last) = all.last().filter(|_| all.len() == limit) {
        let path = if detail { "flavors/detail" } else { "flavors" };
        body["flavors_links"] =
            json!([{ "rel": "next", "href": nova_servers::next_link(call, path, &last.id) }]);
    }
    Answer::json(200, &body)
}

fn keypairs(call: &Call<'_>, minor: u32, rest: &[&str]) -> Answer {
    let pairs = &call.state.keypairs;
    let Some(name) = rest.first() else {
        let view = |pair: &Keypair| json!({ "keypair": keypair(call, pair, minor, false) });
        return Answer::json(
            200,
            &json!({ "keypairs": pairs.iter().map(view).collect::<Vec<_>>() }),
        );
    };
    let Some(pair) = pairs.iter().find(|pair| pair.name == *name) else {
        let user = &call.state.ids.user;
        let message = format!("Keypair {name} not found for user {user}");
        return fault(404, "itemNotFound", &message);
    };
    Answer::json(200, &json!({ "keypair": keypair(call, pair, minor, true) }))
}

fn keypair(call: &Call<'_>, pair: &Keypair, minor: u32, whole: bool) -> Value {
    let mut view = json!({
        "name": pair.name, "public_key": pair.public_key, "fingerprint": "35:f3:34:69:a7:14:5d:f6:8b:27:15:83:48:6c:16:9b",
    });
    if minor >= 2 {
        view["type"] = json!("ssh");
    }
    if whole && let Some(map) = view.as_object_mut() {
        map.extend(object(json!({
            "user_id": call.state.ids.user, "created_at": iso_micros(call.state.unix_ms(pair.created_ms)),
            "deleted": false, "deleted_at": null, "id": 1, "updated_at": null,
        })));
    }
    view
}

/// How much the servers use: number, cores, memory.
pub(super) fn usage(call: &Call<'_>) -> (usize, u64, u64) {
    let flavor = |server: &Server| call.state.flavors.get(server.flavor);
    let sum = |of: fn(&Flavor) -> u64| call.state.servers.values().filter_map(flavor).map(of).sum();
    (
        call.state.servers.len(),
        sum(|flavor| flavor.vcpus),
        sum(|flavor| flavor.ram),
    )
}

fn limits(call: &Call<'_>, minor: u32) -> Value {
    let (servers, cores, ram) = usage(call);
    let mut absolute = json!({
        "maxTotalInstances": call.state.config.quota_instances, "maxTotalCores": -1, "maxTotalRAMSize": -1, "maxServerMeta": 128,
        "maxTotalKeypairs": 1000, "maxServerGroups": 10, "maxServerGroupMembers": 10, "totalRAMUsed": ram,
        "totalCoresUsed": cores, "totalInstancesUsed": servers, "totalServerGroupsUsed": 0,
    });
    if minor < 36
        && let Some(map) = absolute.as_object_mut()
    {
        map.extend(object(json!({
            "maxTotalFloatingIps": -1, "maxSecurityGroups": -1, "maxSecurityGroupRules": -1, "totalFloatingIpsUsed": 0, "totalSecurityGroupsUsed": 0,
        })));
    }
    if minor < 39 {
        absolute["maxImageMeta"] = json!(128);
    }
    if minor < 57 {
        absolute["maxPersonality"] = json!(5);
        absolute["maxPersonalitySize"] = json!(10240);
    }
    json!({ "limits": { "rate": [], "absolute": absolute } })
}
