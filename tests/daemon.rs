//! The real program in front of the mock cloud: what it asks, what it does, what it says.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use simplescalevm_mock::{Behaviour, MockCloud, Mode};
use std::collections::BTreeMap;
use support::{Daemon, counter, program, quick_cloud, variables, wait};

fn of_the_pool(count: u64, network: &str) -> Value {
    json!({
        "count": count, "name": "old", "metadata": { "group": "scaled" }, "booted": true,
        "network": network,
    })
}

/// Requests by method and path, as in `nova GET /v2.1/servers/detail`.
fn counted(cloud: &MockCloud) -> BTreeMap<String, u64> {
    let requests = cloud.counters()["requests"].clone();
    serde_json::from_value(requests).unwrap()
}

fn count(cloud: &MockCloud, request: &str) -> u64 {
    counted(cloud).get(request).copied().unwrap_or_default()
}

const LIST: &str = "nova GET /v2.1/servers/detail";
const CREATE: &str = "nova POST /v2.1/servers";
const DELETE: &str = "nova DELETE /v2.1/servers/ID";
const LIST_ADDRESSES: &str = "neutron GET /v2.0/floatingips";
const MOVE: &str = "neutron PUT /v2.0/floatingips/ID";

#[test]
fn from_nothing_to_the_floor_and_never_more() {
    let cloud = quick_cloud(|c| c.boot_time = std::time::Duration::from_secs(1));
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    let lists = count(&cloud, LIST);
    daemon.wait("ten more lists", || count(&cloud, LIST) >= lists + 10);
    assert_eq!(counter(&cloud, "created"), 3);
    assert_eq!(counter(&cloud, "max_servers"), 3);
    assert_eq!(count(&cloud, CREATE), 1);
    let summary = daemon.get("/").unwrap();
    assert_eq!(
        (
            &summary["status"],
            &summary["isMaster"],
            &summary["available"]
        ),
        (&json!(1), &json!(true), &json!(3))
    );
}

#[test]
fn an_idle_cycle_is_one_request_and_two_with_external_addresses() {
    let idle = |network, more: &[(&'static str, &str)]| {
        let cloud = quick_cloud(|_| {});
        cloud.add_servers(&of_the_pool(3, network)).unwrap();
        let daemon = Daemon::start(&cloud, more);
        daemon.wait_for_available(3);
        let lists = count(&cloud, LIST);
        daemon.wait("a list", || count(&cloud, LIST) > lists);
        cloud.clear_log();
        daemon.wait("ten lists", || count(&cloud, LIST) >= 10);
        counted(&cloud)
    };
    let alone = idle("Ext-Net", &[]);
    assert_eq!(alone.keys().collect::<Vec<_>>(), [LIST], "{alone:?}");
    let both = idle("internal", &ADDRESSED);
    let addressed: Vec<_> = both
        .keys()
        .filter(|k| !k.contains("PUT") && !k.contains("/ports"))
        .collect();
    assert_eq!(addressed, [LIST_ADDRESSES, LIST], "{both:?}");
    assert!(both[LIST].abs_diff(both[LIST_ADDRESSES]) <= 1, "{both:?}");
}

#[test]
fn ten_replicas_are_one_request_after_the_lookups() {
    let cloud = quick_cloud(|_| {});
    let more = [
        ("REPLICA_MIN_AVAILABLE_RESOURCES", "10"),
        ("OPENSTACK_KEYPAIR", "ops"),
    ];
    let daemon = Daemon::start(&cloud, &more);
    daemon.wait_for_available(10);
    let lookups = [
        "glance GET /v2/images",
        "nova GET /v2.1/flavors/detail",
        "neutron GET /v2.0/networks",
        "nova GET /v2.1/os-keypairs/ops",
    ];
    let first = counted(&cloud);
    for lookup in lookups {
        assert!(first.contains_key(lookup), "{lookup}: {first:?}");
    }
    assert_eq!(first[CREATE], 1, "{first:?}");
    cloud.clear_log();
    cloud
        .control("DELETE", "servers/all", &Value::Null)
        .unwrap();
    daemon.wait("ten more", || counter(&cloud, "created") == 20);
    daemon.wait_for_available(10);
    let second = counted(&cloud);
    assert_eq!(second[CREATE], 1, "{second:?}");
    for lookup in lookups {
        assert!(!second.contains_key(lookup), "{lookup}: {second:?}");
    }
}

#[test]
fn a_finished_replica_is_deleted_and_replaced_once() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    cloud.set_termination("server-1", true).unwrap();
    daemon.wait("a replacement", || counter(&cloud, "created") == 4);
    daemon.wait_for_available(3);
    assert_eq!(count(&cloud, DELETE), 1);
    assert_eq!(counter(&cloud, "created"), 4);
    assert!(cloud.servers().iter().all(|s| s["name"] != "server-1"));
}

#[test]
fn sick_replicas_are_one_failed_probe_each_and_hold_nobody_up() {
    let cloud = quick_cloud(|_| {});
    cloud.add_servers(&of_the_pool(25, "Ext-Net")).unwrap();
    let redirect = Behaviour {
        location: Some("/elsewhere".to_owned()),
        ..Behaviour::default()
    };
    let body = |text: &str| Behaviour {
        body: Some(text.to_owned()),
        ..Behaviour::default()
    };
    let sick = [
        (Behaviour::of(Mode::Silent), "timeout"),
        (Behaviour::of(Mode::Huge), "too-large"),
        (body("[]"), "not-an-object"),
        (
            body(r#"{"capacity": -1, "termination": false}"#),
            "bad-value",
        ),
        (redirect, "status"),
        (Behaviour::of(Mode::Refuse), "connection-lost"),
        (Behaviour::of(Mode::Garbage), "not-http"),
        (body("<html>"), "not-json"),
        (body(r#"{"capacity": 1}"#), "key-missing"),
    ];
    for (index, (behaviour, _)) in sick.iter().enumerate() {
        let name = format!("old-{}", index + 1);
        cloud.set_behaviour(&name, behaviour).unwrap();
    }
    let more = [
        ("REPLICA_FAILURE_THRESHOLD", "1000"),
        ("REPLICA_API_TIMEOUT", "5"),
    ];
    let daemon = Daemon::start(&cloud, &more);
    let replica = |status: &Value, name: &str| {
        let replicas = status["replicas"].as_array().unwrap();
        replicas.iter().find(|r| r["name"] == name).cloned()
    };
    // All the healthy ones are known before the first timeout is.
    daemon.wait_for_status("the healthy ones", |status| {
        let serving = status["summary"]["by_state"]["serving"] == 25 - sick.len();
        let silent = replica(status, "old-1");
        serving && silent.is_some_and(|r| r["failures"] == 0)
    });
    for (index, (_, kind)) in sick.iter().enumerate() {
        let name = format!("old-{}", index + 1);
        let mut seen = Value::Null;
        daemon.wait(&format!("{name}: {kind}"), || {
            seen = daemon.status();
            replica(&seen, &name).is_some_and(|r| r["last_failure_kind"] == *kind)
        });
    }
    assert_eq!(count(&cloud, DELETE), 0);
}

#[test]
fn every_setting_wrong_is_one_message_and_no_request() {
    let cloud = quick_cloud(|_| {});
    let wrong = [
        ("APP_PORT", "http"),
        ("REPLICA_CAPACITY", "0"),
        ("REPLICA_MIN_AVAILABLE_RESOURCES", "-1"),
        ("REPLICA_API_PROTOCOL", "ftp"),
        ("REPLICA_API_PORT", "70000"),
        ("REPLICA_API_TIMEOUT", "0"),
        ("REPLICA_FAILURE_THRESHOLD", "0"),
        ("REPLICA_STARTUP_GRACE", "soon"),
        ("EXTERNAL_ADDRESS_MANAGEMENT", "perhaps"),
        ("PROVIDER", "aws"),
        ("OPENSTACK_IP_VERSION", "5"),
        ("OPENSTACK_CLOUD_INIT_FILE", "/nonexistent"),
        ("PROBE_THREADS", "0"),
        ("SCALING_INTERVAL", "nan"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("OS_IDENTITY_API_VERSION", "2"),
        ("OS_INTERFACE", "secret"),
    ];
    for command in [&[][..], &["check"], &["plan"]] {
        let output = program(command, &variables(&cloud, &wrong))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command:?} {text}");
        for (name, _) in wrong {
            assert!(text.contains(name), "{name} is missing:\n{text}");
        }
        assert!(text.contains("openstack"), "known clouds:\n{text}");
        assert!(!text.contains("p@ss"), "{text}");
    }
    assert!(cloud.log("").is_empty());
}

#[test]
fn a_signal_ends_it_well() {
    for signal in ["TERM", "INT"] {
        let cloud = quick_cloud(|_| {});
        let daemon = Daemon::start(&cloud, &[]);
        daemon.wait_for_available(3);
        daemon.signal(signal);
        let (status, log) = daemon.end();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.ends_with("stopped\n"), "{log}");
    }
}

#[test]
fn the_request_in_flight_is_finished_and_nothing_new_begun() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &[("OPENSTACK_CONCURRENCY", "1")]);
    daemon.wait_for_available(3);
    let slow = json!({ "service": "nova", "method": "DELETE", "delay": 2 });
    cloud.add_fault(&slow).unwrap();
    cloud.set_termination("all", true).unwrap();
    daemon.wait("the plan", || daemon.log().contains("finished"));
    // The first deletion is on the wire for two seconds from about now.
    daemon.wait_for_status("three deletions", |s| {
        s["plan"]["actions"]
            .as_array()
            .is_some_and(|a| a.len() >= 3)
    });
    daemon.signal("TERM");
    let (status, log) = daemon.end();
    assert_eq!(status.code(), Some(0), "{log}");
    let requested = cloud.log("service=nova&method=DELETE").len();
    assert!(requested <= 1, "{requested} deletions\n{log}");
    assert_eq!(counter(&cloud, "created"), 3);
    let told = log
        .matches("(termination: it reported termination=true): done")
        .count();
    assert_eq!(told, requested, "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &[("OPENSTACK_TIMEOUT", "600")]);
    daemon.wait_for_available(3);
    cloud
        .add_fault(&json!({ "service": "nova", "hang": true }))
        .unwrap();
    let lists = cloud.log("service=nova").len();
    let hangs = || {
        let status = daemon.get("/status");
        status.is_some_and(|s| s["last_list_seconds_ago"].as_u64() > Some(1))
    };
    daemon.wait("a hanging list", || {
        cloud.log("service=nova").len() > lists || hangs()
    });
    daemon.signal("TERM");
    daemon.wait("the first signal's line", || {
        daemon.log().contains("SIGTERM")
    });
    daemon.signal("TERM");
    let (status, log) = daemon.end();
    assert_eq!(status.code(), Some(128 + 15), "{log}");
}

#[test]
fn what_cannot_start_says_why_and_ends_with_1() {
    let cloud = quick_cloud(|_| {});
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let variables = variables(&cloud, &[("APP_PORT", &port)]);
    let output = program(&[], &variables).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("APP_PORT") && text.contains(&port), "{text}");
}

#[test]
fn a_failed_list_changes_nothing_and_the_next_one_goes_on() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    cloud
        .add_fault(&json!({ "service": "nova", "path": "/servers/detail", "status": 503 }))
        .unwrap();
    daemon.wait_for_status("failed cycles", |s| {
        s["counters"]["failed_cycles"].as_u64() > Some(1)
    });
    cloud.set_capacity("server-1", 0).unwrap();
    daemon.wait_for_status("two available", |s| s["summary"]["available"] == 2);
    assert_eq!(
        counter(&cloud, "created"),
        3,
        "nothing is done without a list"
    );
    let status = daemon.status();
    assert_eq!(status["incidents"][0]["kind"], "server", "{status}");
    cloud.clear_faults();
    daemon.wait_for_available(3);
    assert_eq!(counter(&cloud, "created"), 4);
}

#[test]
fn a_lost_answer_does_not_create_twice() {
    for rule in [
        json!({ "service": "nova", "method": "POST", "path": "/servers$", "drop": "after" }),
        json!({ "service": "nova", "method": "POST", "path": "/servers$", "status": 500, "after": true }),
        json!({ "service": "nova", "method": "POST", "path": "/servers$", "hang": true }),
    ] {
        let cloud = quick_cloud(|_| {});
        cloud.add_fault(&rule).unwrap();
        let daemon = Daemon::start(&cloud, &[("OPENSTACK_TIMEOUT", "1")]);
        daemon.wait("the servers", || counter(&cloud, "created") >= 3);
        daemon.wait_for_available(3);
        let lists = count(&cloud, LIST);
        daemon.wait("ten more lists", || count(&cloud, LIST) >= lists + 10);
        assert_eq!(counter(&cloud, "created"), 3, "{rule}\n{}", daemon.log());
    }
}

#[test]
fn a_quota_is_waited_for_and_told() {
    let cloud = quick_cloud(|c| c.quota_instances = 3);
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    cloud.set_capacity("server-1", 0).unwrap();
    daemon.wait_for_status("blocked by the quota", |s| {
        s["plan"]["blocked"][0]["cause"] == "quota" && s["summary"]["available"] == 2
    });
    let tried = count(&cloud, CREATE);
    let lists = count(&cloud, LIST);
    daemon.wait("ten more lists", || count(&cloud, LIST) >= lists + 10);
    assert!(count(&cloud, CREATE) <= tried + 1, "no creation loop");
    cloud.set(&json!({ "quota_instances": 10 })).unwrap();
    daemon.wait_for_available(3);
    assert_eq!(counter(&cloud, "created"), 4);
}

#[test]
fn no_host_is_no_churn() {
    let cloud = quick_cloud(|c| c.no_host = true);
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_status("the failure is told", |s| {
        s["plan"]["blocked"][0]["cause"] == "server-error"
    });
    let lists = count(&cloud, LIST);
    daemon.wait("ten more lists", || count(&cloud, LIST) >= lists + 10);
    let made = counter(&cloud, "created");
    assert!(made <= 6, "{made} servers");
    let fault = "No valid host was found";
    daemon.wait("the fault in the log, as a warning", || {
        let log = daemon.log();
        let mut lines = log.lines();
        lines.any(|line| line.contains("[WARN]") && line.contains(fault))
    });
    daemon.wait_for_status("the fault in the headline", |s| {
        s["severity_reasons"].to_string().contains(fault)
            && s["plan"]["blocked"].to_string().contains(fault)
    });
    cloud.set(&json!({ "no_host": false })).unwrap();
    daemon.wait_for_available(3);
}

fn holders(cloud: &MockCloud) -> Vec<(String, Value)> {
    let ips = cloud.floating_ips();
    let holder = |ip: &Value| {
        (
            ip["address"].as_str().unwrap_or_default().to_owned(),
            ip["server"].clone(),
        )
    };
    ips.iter()
        .map(holder)
        .filter(|(_, server)| !server.is_null())
        .collect()
}

const ADDRESSED: [(&str, &str); 2] = [
    ("EXTERNAL_ADDRESS_MANAGEMENT", "true"),
    ("OPENSTACK_NETWORK", "internal"),
];

#[test]
fn a_terminating_holders_address_is_on_a_standby_before_it_is_deleted() {
    let cloud = quick_cloud(|c| c.floating_ips = 2);
    let daemon = Daemon::start(&cloud, &ADDRESSED);
    daemon.wait("both addresses held", || holders(&cloud).len() == 2);
    daemon.wait_for_available(3);
    let (_, holder) = holders(&cloud).remove(0);
    cloud.clear_log();
    cloud
        .set_termination(holder.as_str().unwrap(), true)
        .unwrap();
    daemon.wait("the deletion", || count(&cloud, DELETE) == 1);
    let log = cloud.log("");
    let at = |method: &str, path: &str| {
        let found = log
            .iter()
            .position(|r| r["method"] == method && r["path"].as_str().unwrap().contains(path));
        found.unwrap_or_else(|| panic!("{method} {path}: {log:#?}"))
    };
    assert!(at("PUT", "/floatingips/") < at("DELETE", "/servers/"));
    assert_eq!(count(&cloud, MOVE), 1, "one request moves it");
    daemon.wait("both held again", || holders(&cloud).len() == 2);
    assert!(holders(&cloud).iter().all(|(_, other)| *other != holder));
}

#[test]
fn a_hung_holders_address_leaves_it_and_the_holder_stays() {
    let cloud = quick_cloud(|c| c.floating_ips = 1);
    let more = [ADDRESSED[0], ADDRESSED[1], ("REPLICA_API_TIMEOUT", "0.3")];
    let daemon = Daemon::start(&cloud, &more);
    daemon.wait("the address held", || holders(&cloud).len() == 1);
    daemon.wait_for_available(3);
    let (_, hung) = holders(&cloud).remove(0);
    cloud
        .set_behaviour(hung.as_str().unwrap(), &Behaviour::of(Mode::Silent))
        .unwrap();
    daemon.wait("another holder", || {
        holders(&cloud)
            .first()
            .is_some_and(|(_, other)| *other != hung)
    });
    daemon.wait_for_available(3);
    assert_eq!(count(&cloud, DELETE), 0, "it may hold sessions");
    assert_eq!(counter(&cloud, "created"), 4);
}

#[test]
fn a_strangers_address_is_never_touched() {
    let cloud = quick_cloud(|c| c.floating_ips = 1);
    let stranger = json!({ "name": "stranger", "network": "internal", "booted": true });
    cloud.add_servers(&stranger).unwrap();
    let ip = cloud.floating_ips()[0]["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let given = cloud.control(
        "PUT",
        &format!("floatingips/{ip}"),
        &json!({ "server": "stranger" }),
    );
    given.unwrap();
    let before = holders(&cloud);
    let daemon = Daemon::start(&cloud, &ADDRESSED);
    daemon.wait_for_available(3);
    let lists = count(&cloud, LIST);
    daemon.wait("five more lists", || count(&cloud, LIST) >= lists + 5);
    assert_eq!(holders(&cloud), before);
    assert_eq!(count(&cloud, MOVE), 0);
}

#[test]
fn a_token_that_ends_is_renewed_without_an_error() {
    let cloud = quick_cloud(|c| c.token_lifetime = std::time::Duration::from_secs(5));
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    daemon.wait("three logins", || {
        cloud.log("service=keystone&method=POST").len() >= 3
    });
    cloud.revoke_tokens();
    let lists = count(&cloud, LIST);
    daemon.wait("five more lists", || count(&cloud, LIST) >= lists + 5);
    assert_eq!(
        daemon.status()["counters"]["failed_cycles"],
        0,
        "{}",
        daemon.log()
    );
}

#[test]
fn health_and_readiness() {
    let cloud = quick_cloud(|_| {});
    cloud
        .add_fault(&json!({ "service": "keystone", "status": 503 }))
        .unwrap();
    let daemon = Daemon::start(&cloud, &[]);
    let ask = |path: &str| {
        let url = format!("http://127.0.0.1:{}{path}", daemon.port);
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let Ok(mut answer) = agent.get(&url).call() else {
            return (0, Value::Null);
        };
        let body = answer.body_mut().read_to_string().unwrap_or_default();
        let body = serde_json::from_str(&body).unwrap_or_default();
        (answer.status().as_u16(), body)
    };
    let status_of = |path: &str| ask(path).0;
    daemon.wait("health", || status_of("/healthz") == 200);
    daemon.wait("the cause", || ask("/readyz").1["reason"] == "cannot-list");
    assert_eq!(status_of("/readyz"), 503);
    // What the settings say is known, and of the pool nothing.
    let (_, page) = ask("/");
    assert_eq!(
        (&page["floor"], &page["available"]),
        (&json!(3), &json!(null))
    );
    cloud.clear_faults();
    daemon.wait("readiness", || status_of("/readyz") == 200);
    assert_eq!(status_of("/nowhere"), 404);
}

#[test]
fn an_unreachable_cloud_is_told_and_survived() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &[("OS_AUTH_URL", "http://127.0.0.1:9/v3")]);
    daemon.wait_for_status("failed cycles", |s| {
        s["counters"]["failed_cycles"].as_u64() > Some(0)
    });
    assert!(
        wait(|| daemon.log().contains("list the pool")),
        "{}",
        daemon.log()
    );
    assert_eq!(daemon.get("/").unwrap()["status"], 1);
}
