//! Nova: creation, listing, deletion.

#![allow(clippy::unwrap_used)] // A test.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::Session;

const SERVERS: &str = "/compute/v2.1/servers";

#[test]
fn a_server_lives() {
    let session = Session::with(|config| {
        config.build_time = Duration::from_millis(100);
        config.boot_time = Duration::from_millis(100);
        config.delete_time = Duration::from_millis(100);
    });
    let id = session.create("a", "Ext-Net");
    let path = format!("{SERVERS}/{id}");
    let server = session.get(&path).json["server"].clone();
    assert_eq!(
        (&server["status"], &server["OS-EXT-STS:task_state"]),
        (&json!("BUILD"), &json!("spawning"))
    );
    assert_eq!(server["addresses"], json!({}));
    assert_eq!(session.probe(&id).status, 0);
    std::thread::sleep(Duration::from_millis(150));
    let server = session.get(&path).json["server"].clone();
    assert_eq!(
        (&server["status"], &server["OS-EXT-STS:vm_state"]),
        (&json!("ACTIVE"), &json!("active"))
    );
    assert_eq!(server["addresses"]["Ext-Net"].as_array().unwrap().len(), 2);
    assert!(
        server["OS-SRV-USG:launched_at"]
            .as_str()
            .unwrap()
            .ends_with(".000000")
    );
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(session.probe(&id).status, 200);
    assert_eq!(session.call("DELETE", &path, &Value::Null).status, 204);
    assert_eq!(
        session.get(&path).json["server"]["OS-EXT-STS:task_state"],
        "deleting"
    );
    std::thread::sleep(Duration::from_millis(150));
    let gone = session.get(&path);
    assert_eq!(
        (gone.status, &gone.json["itemNotFound"]["message"]),
        (404, &json!(format!("Instance {id} could not be found.")))
    );
}

#[test]
fn bad_orders_are_refused_as_nova_does() {
    let session = Session::quick();
    let check = |field: &str, value: Value, status: u16, message: &str| {
        let mut order = session.order("a", "Ext-Net");
        order["server"][field] = value;
        let answer = session.call("POST", SERVERS, &order);
        let text = answer.json.to_string();
        assert_eq!(answer.status, status, "{field}: {text}");
        assert!(text.contains(message), "{field}: {text}");
    };
    check(
        "imageRef",
        json!("nope"),
        400,
        "Can not find requested image",
    );
    check(
        "flavorRef",
        json!("nope"),
        400,
        "Flavor nope could not be found.",
    );
    check("key_name", json!("nope"), 400, "Invalid key_name provided.");
    check(
        "user_data",
        json!("###"),
        400,
        "User data needs to be valid base 64.",
    );
    check("user_data", json!("A".repeat(65536)), 400, "is too long");
    check(
        "security_groups",
        json!([{ "name": "nope" }]),
        400,
        "Security group nope not found",
    );
    check(
        "networks",
        json!([{ "uuid": "nope" }]),
        400,
        "Network nope could not be found.",
    );
    check(
        "networks",
        json!([{ "uuid": session.id("networks", "public") }]),
        403,
        "external network",
    );
    check(
        "networks",
        json!("auto"),
        409,
        "Multiple possible networks found",
    );
    check("availability_zone", json!("mars"), 400, "availability zone");
    check("max_count", json!(0), 400, "minimum of 1");
    let mut order = session.order("a", "Ext-Net");
    order["server"].as_object_mut().unwrap().remove("networks");
    assert_eq!(session.at("2.37", "POST", SERVERS, &order).status, 400);
    assert_eq!(session.cloud.servers().len(), 0);
}

#[test]
fn many_in_one_request_within_the_quota() {
    let session = Session::with(|config| config.quota_instances = 3);
    let mut order = session.order("x", "Ext-Net");
    order["server"]["min_count"] = json!(1);
    order["server"]["max_count"] = json!(5);
    assert_eq!(session.call("POST", SERVERS, &order).status, 202);
    let names: Vec<Value> = session
        .cloud
        .servers()
        .iter()
        .map(|server| server["name"].clone())
        .collect();
    assert_eq!(names, ["x-1", "x-2", "x-3"]);
    let refused = session.call("POST", SERVERS, &session.order("y", "Ext-Net"));
    let message = "Quota exceeded for instances: Requested 1, but already used 3 of 3 instances";
    assert_eq!(
        (refused.status, &refused.json["forbidden"]["message"]),
        (403, &json!(message))
    );
    assert_eq!(session.cloud.counters()["max_servers"], 3);
}

#[test]
fn no_host_ends_in_error() {
    let session = Session::quick();
    session.cloud.set(&json!({ "no_host": true })).unwrap();
    let id = session.create("a", "Ext-Net");
    let listed = session.get(&format!("{SERVERS}/detail")).json["servers"][0].clone();
    assert_eq!(
        (&listed["OS-EXT-STS:vm_state"], listed.get("fault")),
        (&json!("error"), None)
    );
    let shown = session.get(&format!("{SERVERS}/{id}")).json["server"]["fault"]["message"].clone();
    assert_eq!(
        shown,
        "No valid host was found. There are not enough hosts available."
    );
}

#[test]
fn a_list_comes_in_pages() {
    let session = Session::with(|config| config.page_limit = 2);
    session
        .cloud
        .add_servers(&json!({ "count": 5, "name": "n", "active": true }))
        .unwrap();
    let mut path = format!("{SERVERS}/detail?status=active");
    let mut names = Vec::new();
    loop {
        let page = session.get(&path).json;
        names.extend(
            page["servers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|server| server["name"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["servers_links"][0]["href"].as_str() else {
            break;
        };
        path = next.strip_prefix(&session.cloud.url()).unwrap().to_owned();
    }
    assert_eq!(names, ["n-5", "n-4", "n-3", "n-2", "n-1"]);
    assert_eq!(
        session.get(&format!("{SERVERS}?marker=nope")).json["badRequest"]["message"],
        "marker [nope] not found"
    );
    assert_eq!(
        session.get(&format!("{SERVERS}?name=%5En-[12]$")).json["servers"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn fields_come_with_their_microversion() {
    let session = Session::quick();
    let id = session.create("a", "Ext-Net");
    let path = format!("{SERVERS}/{id}");
    let at = |version: &str| session.at(version, "GET", &path, &Value::Null).json["server"].clone();
    assert_eq!(
        (at("2.8").get("locked"), at("2.9")["locked"].clone()),
        (None, json!(false))
    );
    assert!(at("2.46")["flavor"]["id"].is_string());
    assert_eq!(at("2.47")["flavor"]["original_name"], "d2-8");
    assert_eq!(session.at("2.101", "GET", &path, &Value::Null).status, 406);
    assert_eq!(session.at("x", "GET", &path, &Value::Null).status, 400);
}

#[test]
fn a_down_cell_shows_what_nova_shows() {
    let session = Session::quick();
    let id = session.create("a", "Ext-Net");
    session
        .cloud
        .set_server(&id, &json!({ "down_cell": true }))
        .unwrap();
    let path = format!("{SERVERS}/detail");
    let old = session.at("2.68", "GET", &path, &Value::Null).json["servers"].clone();
    let new = session.at("2.69", "GET", &path, &Value::Null).json["servers"].clone();
    assert_eq!(old, json!([]));
    assert_eq!(
        (
            &new[0]["status"],
            new[0].get("metadata"),
            new[0].get("name")
        ),
        (&json!("UNKNOWN"), None, None)
    );
}

#[test]
fn a_locked_server_stays() {
    let session = Session::quick();
    let id = session.create("a", "Ext-Net");
    let path = format!("{SERVERS}/{id}");
    let action = |body: Value| {
        session
            .call("POST", &format!("{path}/action"), &body)
            .status
    };
    assert_eq!(action(json!({ "lock": null })), 202);
    assert_eq!(session.call("DELETE", &path, &Value::Null).status, 409);
    assert_eq!(action(json!({ "os-stop": null })), 409);
    assert_eq!(action(json!({ "unlock": null })), 202);
    assert_eq!(action(json!({ "os-stop": null })), 202);
    assert_eq!(action(json!({ "os-stop": null })), 409);
    assert_eq!(session.get(&path).json["server"]["status"], "SHUTOFF");
    assert_eq!(session.probe(&id).status, 0);
    assert_eq!(action(json!({ "os-start": null })), 202);
    assert_eq!(session.probe(&id).status, 200);
}

#[test]
fn metadata_can_be_changed() {
    let session = Session::quick();
    let path = format!("{SERVERS}/{}/metadata", session.create("a", "Ext-Net"));
    session.call("POST", &path, &json!({ "metadata": { "a": "1" } }));
    assert_eq!(
        session.get(&path).json["metadata"],
        json!({ "group": "scaled", "a": "1" })
    );
    session.call(
        "PUT",
        &format!("{path}/group"),
        &json!({ "meta": { "group": "other" } }),
    );
    assert_eq!(
        session
            .call("DELETE", &format!("{path}/a"), &Value::Null)
            .status,
        204
    );
    assert_eq!(
        session.get(&path).json["metadata"],
        json!({ "group": "other" })
    );
    assert_eq!(
        session
            .call("POST", &path, &json!({ "metadata": { "a": 1 } }))
            .status,
        400
    );
}
