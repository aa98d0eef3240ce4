//! The real program in front of the mock cloud: external addresses that cannot be moved, and
//! servers whose own addresses change.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use simplescalevm_mock::{Behaviour, MockCloud, Mode};
use support::{Daemon, counter, quick_cloud};

const ADDRESSED: [(&str, &str); 3] = [
    ("EXTERNAL_ADDRESS_MANAGEMENT", "true"),
    ("OPENSTACK_NETWORK", "internal"),
    ("REPLICA_API_TIMEOUT", "0.3"),
];

fn requests(cloud: &MockCloud, method: &str, path: &str) -> usize {
    let log = cloud.log("");
    let is_it = |entry: &&Value| {
        entry["method"] == method && entry["path"].as_str().is_some_and(|p| p.contains(path))
    };
    log.iter().filter(is_it).count()
}

fn change_address(cloud: &MockCloud, which: usize, fields: &Value) {
    let address = cloud.floating_ips()[which]["address"].clone();
    let path = format!("floatingips/{}", address.as_str().unwrap());
    cloud.control("PUT", &path, fields).unwrap();
}

fn holder(cloud: &MockCloud, which: usize) -> Value {
    cloud.floating_ips()[which]["server"].clone()
}

fn blocked(daemon: &Daemon) -> Vec<(String, String)> {
    let status = daemon.get("/status").unwrap();
    let blocked = status["plan"]["blocked"].as_array().unwrap().clone();
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    blocked
        .iter()
        .map(|entry| (text(entry, "why"), text(entry, "text")))
        .collect()
}

#[test]
fn an_address_that_no_router_leads_to_is_shown_so_and_keeps_no_other_from_being_given() {
    let cloud = quick_cloud(|c| c.floating_ips = 2);
    change_address(&cloud, 0, &json!({ "unroutable": true }));
    let daemon = Daemon::start(&cloud, &ADDRESSED);
    daemon.wait("the good address held", || !holder(&cloud, 1).is_null());
    daemon.wait_for_available(3);
    daemon.wait("its reason", || {
        let blocked = blocked(&daemon);
        let mut refused = blocked.iter().filter(|(why, _)| why == "move-refused");
        refused.any(|(_, text)| text.contains("is not reachable from subnet"))
    });
    change_address(&cloud, 0, &json!({ "unroutable": false }));
    daemon.wait("the other one too", || !holder(&cloud, 0).is_null());
}

#[test]
fn a_replica_with_an_address_of_the_operators_holds_up_nothing() {
    let cloud = quick_cloud(|c| c.floating_ips = 2);
    change_address(&cloud, 1, &json!({ "description": "the operator's" }));
    let daemon = Daemon::start(&cloud, &[ADDRESSED[1], ADDRESSED[2]]);
    daemon.wait_for_available(3);
    let oldest = cloud.servers()[0]["id"].clone();
    change_address(&cloud, 1, &json!({ "server": oldest }));
    drop(daemon);
    let daemon = Daemon::start(&cloud, &ADDRESSED);
    daemon.wait("the address held", || !holder(&cloud, 0).is_null());
    assert_ne!(holder(&cloud, 0), oldest);
    assert_eq!(holder(&cloud, 1), oldest, "the operator's stays");
}

#[test]
fn of_two_writers_that_both_get_200_only_the_next_list_tells() {
    let cloud = quick_cloud(|c| c.floating_ips = 1);
    let daemon = Daemon::start(&cloud, &ADDRESSED);
    daemon.wait("the address held", || !holder(&cloud, 0).is_null());
    daemon.wait_for_available(3);
    let done = holder(&cloud, 0);
    // Neutron looks at the revision when the request comes, and is slow then.
    let slow = json!({ "service": "network", "method": "PUT", "path": "floatingips", "delay": 1, "times": 1 });
    cloud.add_fault(&slow).unwrap();
    cloud.clear_log();
    cloud.set_termination(done.as_str().unwrap(), true).unwrap();
    let hits =
        || cloud.control("GET", "faults", &Value::Null).unwrap()["faults"][0]["hits"].clone();
    daemon.wait("the slow request", || hits() == 1);
    // Meanwhile, another writer makes the step that the daemon wanted to make.
    change_address(&cloud, 0, &json!({ "description": "server" }));
    daemon.wait("the deletion", || {
        requests(&cloud, "DELETE", "/servers/") == 1
    });
    let log = cloud.log("");
    let at = |method: &str, path: &str| {
        let is_it = |entry: &Value| {
            entry["method"] == method && entry["path"].as_str().is_some_and(|p| p.contains(path))
        };
        log.iter().position(is_it).unwrap()
    };
    let (put, delete) = (at("PUT", "/floatingips/"), at("DELETE", "/servers/"));
    assert_eq!(log[put]["status"], 200);
    let listed = log[put..delete].iter().filter(|entry| {
        let path = entry["path"].as_str().unwrap_or_default();
        entry["method"] == "GET" && path.ends_with("/floatingips")
    });
    assert_eq!(listed.count(), 1, "{log:#?}");
}

#[test]
fn an_address_leaves_its_hung_holder_while_nova_is_down() {
    let cloud = quick_cloud(|c| c.floating_ips = 1);
    let daemon = Daemon::start(&cloud, &ADDRESSED);
    daemon.wait("the address held", || !holder(&cloud, 0).is_null());
    daemon.wait_for_available(3);
    let hung = holder(&cloud, 0);
    let down = json!({ "service": "compute", "path": "servers", "status": 503, "headers": { "Retry-After": "600" } });
    cloud.add_fault(&down).unwrap();
    cloud
        .set_behaviour(hung.as_str().unwrap(), &Behaviour::of(Mode::Silent))
        .unwrap();
    daemon.wait("another holder", || holder(&cloud, 0) != hung);
    assert_eq!(counter(&cloud, "deleted"), 0);
}

#[test]
fn a_renamed_network_hides_neither_old_replicas_nor_new_ones() {
    let cloud = quick_cloud(|_| {});
    let networks = cloud.state()["ids"]["networks"].as_array().unwrap().clone();
    let internal = networks.iter().find(|n| n["name"] == "internal").unwrap();
    let id = internal["id"].as_str().unwrap().to_owned();
    let daemon = Daemon::start(&cloud, &[("OPENSTACK_NETWORK", &id)]);
    daemon.wait_for_available(3);
    let renamed = json!({ "name": "renamed" });
    cloud.control("PUT", "networks/internal", &renamed).unwrap();
    cloud.set_capacity("all", 0).unwrap();
    daemon.wait_for_available(3);
    daemon.wait("six that are asked", || {
        let status = daemon.get("/status").unwrap();
        let replicas = status["replicas"].as_array().unwrap().clone();
        let asked = replicas.iter().filter(|r| r["state"] == "serving");
        asked.count() == 6
    });
    drop(daemon);
    // After a restart the old ones are the ones whose name is not the network's.
    let daemon = Daemon::start(&cloud, &[("OPENSTACK_NETWORK", &id)]);
    daemon.wait_for_available(3);
    assert_eq!(counter(&cloud, "created"), 6);
}

/// Its state as the daemon shows it.
fn state_of(daemon: &Daemon, id: &Value) -> Value {
    let status = daemon.get("/status").unwrap();
    let replicas = status["replicas"].as_array().unwrap();
    let found = replicas.iter().find(|replica| replica["id"] == *id);
    found.map_or(Value::Null, |replica| replica["state"].clone())
}

fn first_address(server: &Value) -> String {
    server["addresses"][0].as_str().unwrap().to_owned()
}

#[test]
fn a_replica_whose_address_another_server_has_now_is_not_deleted_on_its_word() {
    let cloud = quick_cloud(|_| {});
    // Lists are far apart: in between, another one answers at the first one's address.
    let more = [
        ("OPENSTACK_NETWORK", "internal"),
        ("REPLICA_TERMINATION_CONFIRMATIONS", "1"),
    ];
    let daemon = Daemon::start(&cloud, &more);
    daemon.wait_for_available(3);
    let servers = cloud.servers();
    let (lost, taker) = (&servers[0], &servers[1]);
    let address = first_address(lost);
    let stranger = json!({ "name": "stranger", "network": "internal", "booted": true });
    let stranger = cloud.add_servers(&stranger).unwrap().remove(0);
    for taker in [taker["id"].as_str().unwrap(), &stranger] {
        let lost = lost["id"].as_str().unwrap();
        cloud.set_termination(taker, true).unwrap();
        cloud.set_server(lost, &json!({ "addresses": [] })).unwrap();
        let given = json!({ "addresses": [address] });
        cloud.set_server(taker, &given).unwrap();
        daemon.wait("it is left alone", || {
            state_of(&daemon, &json!(lost)) == "held"
        });
    }
    let deleted = cloud.log("method=DELETE");
    let lost = lost["id"].as_str().unwrap();
    let is_lost = |entry: &Value| entry["path"].as_str().is_some_and(|p| p.ends_with(lost));
    assert!(!deleted.iter().any(is_lost), "{deleted:#?}");
}

#[test]
fn a_further_address_on_its_port_does_not_make_a_replica_unreachable() {
    let cloud = quick_cloud(|c| c.floating_ips = 1);
    let more = [
        ADDRESSED[0],
        ADDRESSED[1],
        ADDRESSED[2],
        ("REPLICA_UNREACHABLE_TIMEOUT", "1"),
    ];
    let daemon = Daemon::start(&cloud, &more);
    daemon.wait("the address held", || !holder(&cloud, 0).is_null());
    daemon.wait_for_available(3);
    let holder_before = holder(&cloud, 0);
    let id = holder_before.as_str().unwrap();
    let server = cloud.servers().into_iter().find(|s| s["id"] == id).unwrap();
    let old = first_address(&server);
    // Nothing listens there, and Nova shows it first.
    let both = json!({ "addresses": ["127.77.0.1", old] });
    cloud.set_server(id, &both).unwrap();
    let deaf = json!({ "deaf_at": ["127.77.0.1"] });
    cloud.set_server(id, &deaf).unwrap();
    let lists = || requests(&cloud, "GET", "/servers/detail");
    let before = lists();
    daemon.wait("some lists and probes", || lists() >= before + 6);
    assert_eq!(state_of(&daemon, &holder_before), "serving");
    assert_eq!(holder(&cloud, 0), holder_before);
    // After a restart, it is not known any more which of them answers.
    drop(daemon);
    let daemon = Daemon::start(&cloud, &more);
    daemon.wait_for_available(3);
    let before = lists();
    daemon.wait("more of them", || lists() >= before + 6);
    assert_eq!(state_of(&daemon, &holder_before), "serving");
    assert_eq!(holder(&cloud, 0), holder_before);
    assert_eq!(counter(&cloud, "created"), 3);
}
