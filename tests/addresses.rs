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
