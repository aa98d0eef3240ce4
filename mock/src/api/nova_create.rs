//! `POST /servers`: what Nova checks, and what it makes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::nova::{fault, usage};
use super::{Call, links};
use crate::http::Answer;
use crate::state::NewServer;

pub(super) fn create(call: &mut Call<'_>, minor: u32) -> Answer {
    let body = call.request.json().unwrap_or_default();
    let Some(server) = body.get("server").filter(|server| server.is_object()) else {
        return bad("Invalid input for field/attribute server. 'server' is a required property");
    };
    let made = check(call, server, minor).and_then(|new| Ok((count(call, server)?, new)));
    let (count, mut new) = match made {
        Ok(made) => made,
        Err(answer) => return answer,
    };
    let name = new.name.clone();
    let mut first = String::new();
    for index in 1..=count {
        if count > 1 {
            new.name = format!("{name}-{index}");
        }
        let id = call.state.create_server(&new);
        if first.is_empty() {
            first = id;
        }
    }
    let groups: Vec<Value> = new
        .security_groups
        .iter()
        .map(|name| json!({ "name": name }))
        .collect();
    let answer = json!({ "server": {
        "id": first, "links": links(call, &format!("servers/{first}")), "OS-DCF:diskConfig": "MANUAL",
        "security_groups": groups, "adminPass": "mockPassword",
    } });
    Answer::json(202, &answer).with("Location", format!("{}/v2.1/servers/{first}", call.base))
}

fn bad(message: &str) -> Answer {
    fault(400, "badRequest", message)
}

fn required(server: &Value, name: &str) -> Answer {
    bad(&format!(
        "Invalid input for field/attribute server. Value: {server}. '{name}' is a required property"
    ))
}

/// What is asked for, or Nova's complaint.
fn check(call: &Call<'_>, server: &Value, minor: u32) -> Result<NewServer, Answer> {
    let text = |key: &str| server.get(key).and_then(Value::as_str);
    let name = text("name")
        .filter(|name| !name.trim().is_empty())
        .ok_or_else(|| required(server, "name"))?;
    let flavor = text("flavorRef").ok_or_else(|| required(server, "flavorRef"))?;
    if minor >= 37 && server.get("networks").is_none() {
        return Err(required(server, "networks"));
    }
    if let Some(data) = text("user_data") {
        if data.len() > 65535 {
            return Err(bad(&format!(
                "Invalid input for field/attribute user_data. Value: {}.... '{}...' is too long",
                &data[..64.min(data.len())],
                &data[..64.min(data.len())]
            )));
        }
        if STANDARD.decode(data.replace(['\n', '\r'], "")).is_err() {
            return Err(bad("User data needs to be valid base 64."));
        }
    }
    let image = text("imageRef").unwrap_or_default();
    if !call
        .state
        .images
        .iter()
        .any(|known| known.id == image && known.status == "active")
    {
        let missing = if image.is_empty() {
            "Invalid imageRef provided."
        } else {
            "Can not find requested image"
        };
        return Err(bad(missing));
    }
    let (networks, existing_ports) = networks(call, server)?;
    let flavor = flavor.rsplit('/').next().unwrap_or_default();
    let Some(flavor) = call
        .state
        .flavors
        .iter()
        .position(|known| known.id == flavor)
    else {
        return Err(bad(&format!("Flavor {flavor} could not be found.")));
    };
    if call.state.flavors[flavor].disk == 0 {
        return Err(fault(
            403,
            "forbidden",
            "Only volume-backed servers are allowed for flavors with zero disk.",
        ));
    }
    let key_name = text("key_name");
    if key_name.is_some_and(|name| !call.state.keypairs.iter().any(|pair| pair.name == name)) {
        return Err(bad("Invalid key_name provided."));
    }
    let zone = text("availability_zone");
    if zone.is_some_and(|zone| zone != "nova") {
        return Err(bad("The requested availability zone is not available"));
    }
    Ok(NewServer {
        name: name.trim().to_owned(),
        description: if minor >= 19 {
            text("description").map(str::to_owned)
        } else {
            Some(name.to_owned())
        },
        metadata: metadata(&server["metadata"])?,
        image: image.to_owned(),
        flavor,
        key_name: key_name.map(str::to_owned),
        security_groups: security_groups(call, server)?,
        zone: zone.map(str::to_owned),
        networks,
        existing_ports,
        user_data: text("user_data").map(str::to_owned),
    })
}

/// Metadata: at most 128 pairs of text, each at most 255 characters.
pub(super) fn metadata(value: &Value) -> Result<BTreeMap<String, String>, Answer> {
    let mut result = BTreeMap::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        let Some(text) = value.as_str() else {
            return Err(bad(&format!(
                "Invalid input for field/attribute {key}. Value: {value}. {value} is not of type 'string'"
            )));
        };
        if text.chars().count() > 255 || key.is_empty() || key.chars().count() > 255 {
            return Err(bad(&format!(
                "Invalid input for field/attribute {key}. Value: {text}. '{text}' is too long"
            )));
        }
        result.insert(key.clone(), text.to_owned());
    }
    if result.len() > 128 {
        return Err(fault(
            403,
            "forbidden",
            "Maximum number of metadata items exceeds 128",
        ));
    }
    Ok(result)
}

fn security_groups(call: &Call<'_>, server: &Value) -> Result<Vec<String>, Answer> {
    let wanted = server.get("security_groups").and_then(Value::as_array);
    let names = wanted
        .into_iter()
        .flatten()
        .filter_map(|group| group["name"].as_str());
    let mut groups = Vec::new();
    for name in names {
        // By name Nova looks among the project's own alone, by id among those that are shared too.
        if let Some(shared) = call
            .state
            .shared_groups
            .iter()
            .find(|group| group.id == name)
        {
            groups.push(shared.name.clone());
            continue;
        }
        if name != "default" && name != call.state.ids.security_group {
            let project = &call.state.ids.project;
            return Err(bad(&format!(
                "Security group {name} not found for project {project}."
            )));
        }
        if !groups.contains(&"default".to_owned()) {
            groups.push("default".to_owned());
        }
    }
    if groups.is_empty() {
        groups.push("default".to_owned());
    }
    Ok(groups)
}

/// Networks to make ports on, and ports that exist.
fn networks(call: &Call<'_>, server: &Value) -> Result<(Vec<String>, Vec<String>), Answer> {
    let usable: Vec<&str> = call
        .state
        .networks
        .iter()
        .filter(|network| network.mine || network.shared)
        .map(|network| network.id.as_str())
        .collect();
    let Some(wanted) = server
        .get("networks")
        .and_then(Value::as_array)
        .filter(|list| !list.is_empty())
    else {
        return match (server["networks"].as_str(), usable.as_slice()) {
            (Some("none"), _) | (_, []) => Ok((Vec::new(), Vec::new())),
            (_, [one]) => Ok((vec![(*one).to_owned()], Vec::new())),
            _ => Err(fault(
                409,
                "conflictingRequest",
                "Multiple possible networks found, use a Network ID to be more specific.",
            )),
        };
    };
    let (mut networks, mut ports) = (Vec::new(), Vec::new());
    for one in wanted {
        if let Some(id) = one["port"].as_str() {
            let port = call
                .state
                .ports
                .get(id)
                .ok_or_else(|| bad(&format!("Port {id} could not be found.")))?;
            if !port.device_id.is_empty() {
                return Err(fault(
                    409,
                    "conflictingRequest",
                    &format!("Port {id} is still in use."),
                ));
            }
            ports.push(id.to_owned());
            continue;
        }
        let id = one["uuid"].as_str().unwrap_or_default();
        let Some(network) = call.state.network(id) else {
            return Err(bad(&format!("Network {id} could not be found.")));
        };
        if network.external && !network.shared {
            return Err(fault(
                403,
                "forbidden",
                &format!("It is not allowed to create an interface on external network {id}"),
            ));
        }
        let has_groups = server
            .get("security_groups")
            .and_then(Value::as_array)
            .is_some_and(|groups| !groups.is_empty());
        if network.subnets.is_empty() || (has_groups && !network.port_security) {
            return Err(bad(if has_groups {
                "Network requires port_security_enabled and subnet associated in order to apply security groups."
                    .to_owned()
            } else {
                format!("Network {id} requires a subnet in order to boot instances on.")
            }
            .as_str()));
        }
        networks.push(id.to_owned());
    }
    Ok((networks, ports))
}

/// How many servers: as many as the quota allows, if that is at least the minimum.
fn count(call: &Call<'_>, server: &Value) -> Result<usize, Answer> {
    let number = |key: &str| match server.get(key) {
        None => Ok(None),
        Some(value) => {
            let number = value
                .as_u64()
                .or_else(|| value.as_str()?.parse().ok())
                .filter(|number| *number > 0);
            let number = number.and_then(|number| usize::try_from(number).ok());
            number.map(Some).ok_or_else(|| bad(&format!("Invalid input for field/attribute {key}. Value: {value}. {value} is less than the minimum of 1")))
        }
    };
    let least = number("min_count")?.unwrap_or(1);
    let most = number("max_count")?.unwrap_or(least);
    if least > most {
        return Err(bad("min_count must be <= max_count"));
    }
    let (used, ..) = usage(call);
    let quota = call.state.config.quota_instances;
    let Ok(quota) = usize::try_from(quota) else {
        return Ok(most);
    };
    let room = quota.saturating_sub(used);
    if room < least {
        let message = format!(
            "Quota exceeded for instances: Requested {most}, but already used {used} of {quota} instances"
        );
        return Err(fault(403, "forbidden", &message));
    }
    Ok(most.min(room))
}
