//! Neutron's floating IPs: moved in one call, guarded by their revision.

#![allow(clippy::unwrap_used)] // A test.

mod support;

use serde_json::{Value, json};
use support::{Session, exchange};

const FLOATING: &str = "/network/v2.0/floatingips";

fn port_of(session: &Session, server: &str) -> String {
    let ports = session
        .get(&format!("/network/v2.0/ports?device_id={server}&fields=id"))
        .json;
    assert_eq!(ports["ports"][0].as_object().unwrap().len(), 1);
    ports["ports"][0]["id"].as_str().unwrap().to_owned()
}

fn put(session: &Session, id: &str, port: &str, revision: Option<u64>) -> support::Answer {
    let guard = revision.map(|revision| format!("revision_number={revision}"));
    let mut headers = vec![("X-Auth-Token", session.token.as_str())];
    headers.extend(guard.as_deref().map(|guard| ("If-Match", guard)));
    session.raw(
        "PUT",
        &format!("{FLOATING}/{id}"),
        &headers,
        &json!({ "floatingip": { "port_id": port } }),
    )
}

#[test]
fn an_address_moves_in_one_call() {
    let session = Session::quick();
    let (a, b) = (
        session.create("a", "internal"),
        session.create("b", "internal"),
    );
    let (port_a, port_b) = (port_of(&session, &a), port_of(&session, &b));
    let ip = session.get(&format!("{FLOATING}?description=server")).json["floatingips"][0].clone();
    let id = ip["id"].as_str().unwrap();
    let revision = ip["revision_number"].as_u64().unwrap();
    let moved = put(&session, id, &port_a, Some(revision)).json["floatingip"].clone();
    assert_eq!(
        (&moved["port_details"]["device_id"], &moved["status"]),
        (&json!(a), &json!("ACTIVE"))
    );
    let stale = put(&session, id, &port_b, Some(revision));
    assert_eq!(
        (stale.status, &stale.json["NeutronError"]["type"]),
        (412, &json!("RevisionNumberConstraintFailed"))
    );
    let revision = moved["revision_number"].as_u64().unwrap();
    assert_eq!(put(&session, id, &port_b, Some(revision)).status, 200);
    let addresses = session.get(&format!("/compute/v2.1/servers/{b}")).json["server"]["addresses"]
        ["internal"]
        .clone();
    assert_eq!(addresses[1]["OS-EXT-IPS:type"], "floating");
    // The floating address answers as the replica that holds it.
    let address = addresses[1]["addr"].as_str().unwrap().parse().unwrap();
    let to = std::net::SocketAddr::new(address, session.cloud.replica_port());
    session
        .cloud
        .set_server(&b, &json!({ "behaviour": { "body": "b" } }))
        .unwrap();
    assert!(
        exchange(to, "GET", "/", &[], &Value::Null)
            .body
            .starts_with(b"1\r\nb")
    );
    let history: Vec<Value> = session
        .cloud
        .events()
        .into_iter()
        .filter(|event| event["kind"] == "floating-ip")
        .collect();
    assert_eq!(
        (&history[1]["from_server"], &history[1]["to_server"]),
        (&json!(a), &json!(b))
    );
}

#[test]
fn a_port_takes_one_address() {
    let session = Session::quick();
    let port = port_of(&session, &session.create("a", "internal"));
    let all = session.get(FLOATING).json["floatingips"].clone();
    let id = |index: usize| all[index]["id"].as_str().unwrap().to_owned();
    assert_eq!(put(&session, &id(0), &port, None).status, 200);
    assert_eq!(put(&session, &id(0), &port, None).status, 200);
    let second = put(&session, &id(1), &port, None);
    assert_eq!(
        (second.status, &second.json["NeutronError"]["type"]),
        (409, &json!("FloatingIPPortAlreadyAssociated"))
    );
    assert_eq!(put(&session, &id(1), "nope", None).status, 404);
    assert_eq!(
        put(&session, "nope", &port, None).json["NeutronError"]["type"],
        "FloatingIPNotFound"
    );
    // The flat network has no router to the floating IPs' network.
    let flat = port_of(&session, &session.create("b", "Ext-Net"));
    assert_eq!(
        put(&session, &id(1), &flat, None).json["NeutronError"]["type"],
        "ExternalGatewayForFloatingIPNotFound"
    );
}

#[test]
fn a_deleted_server_frees_its_address() {
    let session = Session::quick();
    let server = session.create("a", "internal");
    let port = port_of(&session, &server);
    let id = session.get(FLOATING).json["floatingips"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    put(&session, &id, &port, None);
    assert_eq!(
        session.get(&format!("{FLOATING}?port_id={port}")).json["floatingips"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    session.call(
        "DELETE",
        &format!("/compute/v2.1/servers/{server}"),
        &Value::Null,
    );
    let ip = session.get(&format!("{FLOATING}/{id}")).json["floatingip"].clone();
    assert_eq!(
        (&ip["port_id"], &ip["status"]),
        (&Value::Null, &json!("DOWN"))
    );
    assert_eq!(
        session.get(&format!("/network/v2.0/ports/{port}")).status,
        404
    );
}

#[test]
fn lists_have_filters_fields_and_pages() {
    let session = Session::quick();
    let made = json!({ "floatingip": { "floating_network_id": session.id("networks", "public"), "description": "mine" } });
    assert_eq!(session.call("POST", FLOATING, &made).status, 201);
    let count = |query: &str| {
        session.get(&format!("{FLOATING}?{query}")).json["floatingips"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(
        (
            count("description=server"),
            count("description=mine"),
            count("status=DOWN")
        ),
        (5, 1, 6)
    );
    let page = session.get(&format!("{FLOATING}?limit=4&fields=id")).json;
    let next = page["floatingips_links"][0]["href"]
        .as_str()
        .unwrap()
        .strip_prefix(&session.cloud.url())
        .unwrap();
    assert_eq!(
        session.get(next).json["floatingips"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(session.get("/network/v2.0").status, 404);
    assert_eq!(
        session.get("/network/v2.0/networks?name=Ext-Net").json["networks"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
