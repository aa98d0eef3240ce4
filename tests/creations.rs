//! Who created what, and whether it came to something: the real program in front of the mock cloud.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::json;
use simplescalevm_mock::{Behaviour, MockCloud, Mode};
use std::collections::BTreeSet;
use std::time::Duration;
use support::{Daemon, counter, quick_cloud};

const LIST: &str = "/v2.1/servers/detail";

fn lists(cloud: &MockCloud) -> u64 {
    let requests = &cloud.counters()["requests"];
    requests[format!("nova GET {LIST}")].as_u64().unwrap_or(0)
}

fn texts(cloud: &MockCloud, key: &str) -> Vec<String> {
    let servers = cloud.servers();
    let texts = servers.iter().filter_map(|server| {
        let metadata = &server["metadata"];
        let text = if key == "name" {
            &server["name"]
        } else {
            &metadata[key]
        };
        text.as_str().map(str::to_owned)
    });
    texts.collect()
}

#[test]
fn every_server_has_a_name_of_its_own_and_the_marks() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(
        &cloud,
        &[
            ("OPENSTACK_UNIQUE_NAMES", "true"),
            ("OPENSTACK_NAME", "gateway"),
        ],
    );
    daemon.wait_for_available(3);
    let first = cloud.servers()[0]["id"].as_str().unwrap().to_owned();
    cloud.set_termination(&first, true).unwrap();
    daemon.wait("a replacement", || counter(&cloud, "created") == 4);
    daemon.wait("marks", || texts(&cloud, "simplescalevm.served").len() >= 3);
    let names = texts(&cloud, "name");
    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
    for name in &names {
        let part = name.strip_prefix("gateway-").unwrap();
        let part = part.split('-').next().unwrap();
        assert!(
            part.len() == 6 && part.bytes().all(|b| b.is_ascii_hexdigit()),
            "{name}"
        );
    }
    for mark in texts(&cloud, "simplescalevm.creation") {
        let words: Vec<&str> = mark.split(' ').collect();
        assert_eq!((words[0], words.len()), ("v1", 4), "{mark}");
    }
    assert_eq!(texts(&cloud, "group"), vec!["scaled"; names.len()]);
}

#[test]
fn a_long_name_leaves_room_for_what_makes_it_unique() {
    let cloud = quick_cloud(|_| {});
    let long = "gateway-".repeat(20);
    let daemon = Daemon::start(
        &cloud,
        &[
            ("OPENSTACK_UNIQUE_NAMES", "true"),
            ("OPENSTACK_NAME", long.leak()),
        ],
    );
    daemon.wait_for_available(3);
    let names = texts(&cloud, "name");
    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!(distinct.len(), 3, "{names:?}");
    assert!(names.iter().all(|name| name.len() <= 63), "{names:?}");
}

#[test]
fn a_cloud_that_takes_no_marks_gets_its_servers_without_them() {
    let cloud = quick_cloud(|_| {});
    let body = json!({ "forbidden": { "code": 403, "message": "Maximum number of metadata items exceeds 1" } });
    let rule = json!({
        "service": "nova", "method": "POST", "path": "/servers$", "status": 403, "body": body, "times": 1,
    });
    cloud.add_fault(&rule).unwrap();
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    assert_eq!(
        texts(&cloud, "simplescalevm.creation"),
        Vec::<String>::new()
    );
    cloud.set_termination("server-1", true).unwrap();
    daemon.wait_for_available(3);
    daemon.wait("a replacement", || counter(&cloud, "created") == 4);
    assert_eq!(
        texts(&cloud, "simplescalevm.creation"),
        Vec::<String>::new()
    );
    let log = daemon.log();
    let told = log
        .matches("in the metadata of new servers is refused")
        .count();
    assert_eq!(told, 1, "{log}");
}

#[test]
fn a_policy_that_forbids_the_mark_is_told_once() {
    let cloud = quick_cloud(|_| {});
    let rule = json!({ "service": "nova", "method": "POST", "path": "/metadata$", "status": 403 });
    cloud.add_fault(&rule).unwrap();
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    let before = lists(&cloud);
    daemon.wait("ten lists", || lists(&cloud) > before + 10);
    let log = daemon.log();
    let told = log.matches("is not tried any more").count();
    assert_eq!(told, 1, "{log}");
    cloud.set_termination("server-1", true).unwrap();
    daemon.wait("a replacement", || counter(&cloud, "created") == 4);
    let promising = texts(&cloud, "simplescalevm.creation");
    let promising = promising.iter().filter(|mark| !mark.ends_with(" unserved"));
    assert!(promising.count() <= 3);
}

#[test]
fn half_empty_lists_create_nothing() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    let rule = json!({
        "service": "nova", "method": "GET", "path": "/servers/detail$", "status": 200,
        "body": { "servers": [] }, "probability": 0.7,
    });
    cloud.add_fault(&rule).unwrap();
    let before = lists(&cloud);
    daemon.wait("lists", || lists(&cloud) > before + 40);
    assert_eq!(counter(&cloud, "created"), 3);
    let status = daemon.status();
    assert_eq!(status["summary"]["available"], 3, "{status}");
    let incident = status["incidents"].as_array().unwrap();
    assert!(
        incident.iter().any(|i| i["kind"] == "list-incomplete"),
        "{status}"
    );
}

#[test]
fn machines_that_never_came_up_go_after_a_restart() {
    let cloud = quick_cloud(|c| c.never_boot = true);
    let short = [
        ("REPLICA_STARTUP_GRACE", "2"),
        ("REPLICA_STARTUP_TIMEOUT", "6"),
    ];
    let daemon = Daemon::start(&cloud, &short);
    daemon.wait("servers", || cloud.live() == 3);
    let dead: BTreeSet<String> = ids(&cloud);
    drop(daemon);
    let daemon = Daemon::start(&cloud, &short);
    daemon.wait("their end", || ids(&cloud).is_disjoint(&dead));
    // What has served stays, however silent it is.
    cloud.set(&json!({ "never-boot": false })).unwrap();
    daemon.wait_for_available(3);
    daemon.wait("marks", || texts(&cloud, "simplescalevm.served").len() >= 3);
    let served: BTreeSet<String> = cloud
        .servers()
        .iter()
        .filter(|server| !server["metadata"]["simplescalevm.served"].is_null())
        .map(|server| server["id"].as_str().unwrap().to_owned())
        .collect();
    drop(daemon);
    for id in &served {
        cloud
            .set_behaviour(id, &Behaviour::of(Mode::Refuse))
            .unwrap();
    }
    let daemon = Daemon::start(&cloud, &short);
    daemon.wait_for_status("silence", |s| {
        s["summary"]["by_state"]["unreachable"].as_u64() >= Some(3)
    });
    std::thread::sleep(Duration::from_secs(8));
    assert!(ids(&cloud).is_superset(&served));
}

fn ids(cloud: &MockCloud) -> BTreeSet<String> {
    let servers = cloud.servers();
    let alive = servers.iter().filter(|s| s["task_state"] != "deleting");
    alive
        .map(|s| s["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_pool_that_is_never_free_is_no_storm() {
    let cloud = quick_cloud(|c| c.capacity = 0);
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait("servers", || cloud.live() >= 3);
    std::thread::sleep(Duration::from_secs(8));
    assert!(counter(&cloud, "created") <= 6, "{}", daemon.log());
    let status = daemon.status();
    assert_eq!(status["backoff"]["cause"], "never-free", "{status}");
}

#[test]
fn two_daemons_on_one_pool_are_told() {
    let cloud = quick_cloud(|_| {});
    let (one, other) = (Daemon::start(&cloud, &[]), Daemon::start(&cloud, &[]));
    let told = |daemon: &Daemon| daemon.log().contains("another daemon keeps this pool");
    // If both began with an empty pool, both are told; otherwise the second one finds what the first one made.
    let lost = || {
        let ids = ids(&cloud);
        for id in &ids {
            _ = cloud.set_capacity(id, 0);
        }
    };
    one.wait("the word of it", || {
        lost();
        told(&one) || told(&other)
    });
}
