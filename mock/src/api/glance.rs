//! Glance: the images and how they are listed.

use serde_json::{Value, json};

use super::Call;
use crate::http::Answer;
use crate::state::Image;
use crate::util::iso_z;

pub(super) fn serve(call: &mut Call<'_>) -> Answer {
    match call.parts.as_slice() {
        [] => return Answer::json(300, &versions(call)),
        ["versions"] => return Answer::json(200, &versions(call)),
        _ => {}
    }
    if !call.token_is_good() {
        let text = "This server could not verify that you are authorized to access the document you requested. Either you supplied the wrong credentials (e.g., bad password), or your browser does not understand how to supply the credentials required.";
        return Answer::html(401, text).with(
            "Www-Authenticate",
            format!("Keystone uri=\"{}/identity/v3\"", call.root),
        );
    }
    match (call.method, call.parts.as_slice()) {
        ("GET", ["v2", "images"]) => list(call),
        ("GET", ["v2", "images", id]) => {
            match call.state.images.iter().find(|image| image.id == *id) {
                Some(image) => Answer::json(200, &view(call, image)),
                None => Answer::html(404, &format!("No image found with ID {id}")),
            }
        }
        ("GET", ["v2", "schemas", name @ ("image" | "images")]) => {
            let text = json!({ "type": "string" });
            Answer::json(
                200,
                &json!({
                    "name": name, "properties": { "id": text, "name": text, "status": text },
                    "additionalProperties": { "type": "string" }, "links": [{ "rel": "self", "href": "{self}" }],
                }),
            )
        }
        _ => Answer::html(404, "The resource could not be found."),
    }
}

fn versions(call: &Call<'_>) -> Value {
    let version = |minor: u8| {
        let status = if minor == 17 { "CURRENT" } else { "SUPPORTED" };
        json!({ "id": format!("v2.{minor}"), "status": status, "links": [{ "rel": "self", "href": format!("{}/v2/", call.base) }] })
    };
    let minors = [15, 13, 12, 11, 10, 9, 8, 17, 7, 6, 5, 4, 3, 2, 1, 0];
    json!({ "versions": minors.into_iter().map(version).collect::<Vec<_>>() })
}

fn view(call: &Call<'_>, image: &Image) -> Value {
    let path = format!("/v2/images/{}", image.id);
    let at = iso_z(call.state.unix_ms(image.created_ms));
    json!({
        "owner_specified.openstack.object": format!("images/{}", image.name), "name": image.name, "disk_format": "raw",
        "container_format": "bare", "visibility": image.visibility, "size": 65536, "virtual_size": 65536, "status": image.status,
        "checksum": "fcd6bcb56c1689fcef28b57c22475bad", "protected": false, "min_ram": 0, "min_disk": 0,
        "owner": image.owner, "os_hidden": image.hidden, "os_hash_algo": "sha512",
        "os_hash_value": "73e4153936dab198397b74ee9efc26093dda721eaab2f8d92786891153b45b04265a161b169c988edb0db2c53124607b6eaaa816559c5ce54f3dbc9fa6a7a4b2",
        "id": image.id, "created_at": at, "updated_at": at, "tags": [], "self": path,
        "file": format!("{path}/file"), "schema": "/v2/schemas/image", "stores": "fs",
    })
}

fn list(call: &Call<'_>) -> Answer {
    let limit = match call.param("limit").map(str::parse::<usize>) {
        None => 25,
        Some(Ok(limit)) => limit.min(1000),
        Some(Err(_)) => return Answer::html(400, "limit param must be an integer"),
    };
    let hidden = call
        .param("os_hidden")
        .is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let wanted = |image: &&Image| {
        // Those of the community are in a list only if it is for them.
        let visible = match call.param("visibility") {
            None => image.visibility != "community",
            Some("all") => true,
            Some(wanted) => wanted == image.visibility,
        };
        visible
            && image.hidden == hidden
            && takes(call, "name", &image.name)
            && takes(call, "id", &image.id)
            && takes(call, "status", &image.status)
    };
    // Glance lists the newest first.
    let mut images: Vec<&Image> = call.state.images.iter().rev().filter(wanted).collect();
    if let Some(marker) = call.param("marker") {
        let Some(at) = images.iter().position(|image| image.id == marker) else {
            return Answer::html(400, &format!("No image found with ID {marker}"));
        };
        images.drain(..=at);
    }
    images.truncate(limit);
    let own = |extra: Option<&str>| {
        let pairs = call
            .query
            .iter()
            .filter(|(key, _)| key != "marker")
            .map(|(key, value)| format!("{key}={}", value.replace(' ', "+")));
        let query: Vec<String> = pairs
            .chain(extra.map(|id| format!("marker={id}")))
            .collect();
        if query.is_empty() {
            "/v2/images".to_owned()
        } else {
            format!("/v2/images?{}", query.join("&"))
        }
    };
    let mut body = json!({
        "images": images.iter().map(|image| view(call, image)).collect::<Vec<_>>(),
        "first": own(None), "schema": "/v2/schemas/images",
    });
    if let Some(last) = images.last().filter(|_| images.len() == limit) {
        body["next"] = json!(own(Some(&last.id)));
    }
    Answer::json(200, &body)
}

/// Whether a filter lets a value pass: `x`, or `in:x,"y,z"`.
fn takes(call: &Call<'_>, key: &str, value: &str) -> bool {
    call.param(key)
        .is_none_or(|wanted| match wanted.strip_prefix("in:") {
            None => wanted == value,
            Some(list) => {
                list.split(',').any(|one| one.trim_matches('"') == value)
                    || list.trim_matches('"') == value
            }
        })
}
