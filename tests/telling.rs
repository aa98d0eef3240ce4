//! What the daemon tells: log lines, events, metrics.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use simplescalevm_mock::MockCloud;
use support::{Daemon, counter, quick_cloud};

const JSON: [(&str, &str); 1] = [("LOG_FORMAT", "json")];

fn lines(daemon: &Daemon) -> Vec<Value> {
    let log = daemon.log();
    let whole = log.rfind('\n').map_or("", |end| &log[..end]);
    let parsed = whole.lines().map(serde_json::from_str);
    parsed.collect::<Result<_, _>>().unwrap()
}

fn of_event(lines: &[Value], event: &str) -> Vec<Value> {
    let found = lines.iter().filter(|line| line["event"] == event);
    found.cloned().collect()
}

/// The ends of outages of the cloud.
fn ends(daemon: &Daemon) -> Vec<Value> {
    let mut found = of_event(&lines(daemon), "recovered");
    found.retain(|line| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("the cloud"))
    });
    found
}

fn lists(cloud: &MockCloud) -> u64 {
    let requests = &cloud.counters()["requests"];
    requests["nova GET /v2.1/servers/detail"]
        .as_u64()
        .unwrap_or(0)
}

fn metric(daemon: &Daemon, name: &str) -> Option<f64> {
    let url = format!("http://127.0.0.1:{}/metrics", daemon.port);
    let text = ureq::get(&url)
        .call()
        .ok()?
        .body_mut()
        .read_to_string()
        .ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

#[test]
fn a_decision_is_one_line_with_all_that_matters() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &JSON);
    daemon.wait_for_available(3);
    let gone = cloud.servers()[0].clone();
    cloud.set_termination("server-1", true).unwrap();
    daemon.wait("a replacement", || counter(&cloud, "created") == 4);
    daemon.wait_for_available(3);
    daemon.wait("its end", || {
        !of_event(&lines(&daemon), "replica-gone").is_empty()
    });
    let told = lines(&daemon);
    for line in &told {
        for name in ["time", "level", "message", "module", "pool"] {
            assert!(line[name].is_string(), "{name}: {line}");
        }
        let time = line["time"].as_str().unwrap();
        assert!(
            time.len() == 24 && time.ends_with('Z') && &time[10..11] == "T",
            "{time}"
        );
        assert_eq!(line["pool"], "scaled");
    }
    let deleted = of_event(&told, "delete");
    assert_eq!(deleted.len(), 1, "{deleted:#?}");
    let expected = json!({
        "replica": gone["id"], "name": "server-1", "reason": "termination", "outcome": "done",
        "floor": 3, "level": "info",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&deleted[0][name], value, "{name}: {:#}", deleted[0]);
    }
    // The creation is begun first; which of the two is answered first is not known.
    let by = |line: &Value, name: &str| {
        let after = line[format!("{name}_after")].as_i64().unwrap();
        after - line[name].as_i64().unwrap()
    };
    assert_eq!(
        (by(&deleted[0], "available"), by(&deleted[0], "replicas")),
        (0, -1)
    );
    let created = of_event(&told, "create");
    assert_eq!(created.len(), 2, "{created:#?}");
    assert_eq!(
        (&created[0]["available"], &created[0]["available_after"]),
        (&json!(0), &json!(3))
    );
    assert_eq!(
        (by(&created[1], "available"), by(&created[1], "replicas")),
        (1, 1)
    );
    // Nothing changes, nothing is said.
    let before = daemon.log().len();
    let listed = lists(&cloud);
    daemon.wait("five lists", || lists(&cloud) >= listed + 5);
    assert_eq!(daemon.log()[before..].to_owned(), "");
    // Why was this machine deleted?
    let events = daemon.get("/events").unwrap();
    let events = events["events"].as_array().unwrap();
    let story: Vec<&Value> = events
        .iter()
        .filter(|e| e["replica"] == gone["id"])
        .collect();
    let kinds: Vec<&str> = story
        .iter()
        .rev()
        .filter_map(|e| e["event"].as_str())
        .collect();
    assert_eq!(kinds.first(), Some(&"replica-new"), "{story:#?}");
    assert_eq!(kinds.last(), Some(&"replica-gone"), "{story:#?}");
    assert!(kinds.contains(&"delete"));
    for event in &story[..1] {
        assert_eq!(
            (&event["name"], &event["reason"]),
            (&json!("server-1"), &json!("termination"))
        );
        assert!(event["at"].as_str().unwrap().ends_with('Z'));
    }
    let measured = [
        ("simplescalevm_created_total", 4.0),
        ("simplescalevm_deleted_total{reason=\"termination\"}", 1.0),
        ("simplescalevm_replica_ready_seconds_count", 4.0),
        ("simplescalevm_replica_lifetime_seconds_count", 1.0),
        ("simplescalevm_replicas{state=\"serving\"}", 3.0),
        ("simplescalevm_available_resources", 3.0),
        ("simplescalevm_min_available_resources", 3.0),
    ];
    for (name, value) in measured {
        assert_eq!(metric(&daemon, name), Some(value), "{name}");
    }
}

#[test]
fn an_error_that_repeats_is_folded() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &JSON);
    daemon.wait_for_available(3);
    let fault = json!({ "service": "nova", "path": "/servers/detail", "status": 503 });
    cloud.add_fault(&fault).unwrap();
    let failed = |s: &Value| s["counters"]["failed_cycles"].as_u64() >= Some(9);
    daemon.wait_for_status("nine failures", failed);
    cloud.clear_faults();
    daemon.wait("the end of it", || {
        !of_event(&lines(&daemon), "recovered").is_empty()
    });
    let told = of_event(&lines(&daemon), "error");
    let times: Vec<u64> = told
        .iter()
        .map(|e| e["times"].as_u64().unwrap_or(1))
        .collect();
    assert_eq!(times[..4], [1, 2, 4, 8], "{told:#?}");
    assert_eq!(
        (&told[0]["reason"], &told[0]["level"]),
        (&json!("server"), &json!("error"))
    );
    let counted = metric(&daemon, "simplescalevm_errors_total{kind=\"server\"}");
    assert!(counted >= Some(9.0), "{counted:?}");
}

#[test]
fn a_line_for_people_has_the_sentence_first() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &[("OPENSTACK_METADATA_VALUE", "my pool")]);
    daemon.wait_for_available(3);
    let log = daemon.log();
    let line = log
        .lines()
        .find(|line| line.contains("create 3 replicas"))
        .unwrap();
    let (_, told) = line.split_once("[INFO] ").unwrap();
    assert_eq!(
        told,
        "create 3 replicas (0 resources available, the floor is 3): done \
         | pool=\"my pool\" reason=below-floor available=0->3 replicas=0->3 floor=3"
    );
}

#[test]
fn the_quota_is_read_seldom_and_its_failure_harms_nothing() {
    let cloud = quick_cloud(|c| c.quota_instances = 7);
    let pool =
        json!({ "count": 3, "name": "old", "metadata": { "group": "scaled" }, "booted": true });
    cloud.add_servers(&pool).unwrap();
    let fault = json!({ "service": "nova", "path": "/limits", "status": 403, "times": 1 });
    cloud.add_fault(&fault).unwrap();
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    let listed = lists(&cloud);
    daemon.wait("ten lists", || lists(&cloud) >= listed + 10);
    assert_eq!(cloud.log("path=/limits").len(), 1);
    assert_eq!(daemon.status()["counters"]["failed_cycles"], 0);
    drop(daemon);
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait("the quota", || {
        metric(&daemon, "simplescalevm_quota_limit{resource=\"instances\"}") == Some(7.0)
    });
    let used = metric(&daemon, "simplescalevm_quota_used{resource=\"instances\"}");
    assert_eq!(used, Some(3.0));
}

/// The numbers in a row of those errors, as they were told.
fn times(lines: &[Value]) -> Vec<u64> {
    let told = of_event(lines, "error");
    told.iter()
        .map(|e| e["times"].as_u64().unwrap_or(1))
        .collect()
}

#[test]
fn the_second_outage_is_told_as_the_first_one() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &JSON);
    daemon.wait_for_available(3);
    let mut told = Vec::new();
    for outage in 1..=2 {
        let before = daemon.status()["counters"]["failed_cycles"].clone();
        let fault = json!({ "service": "nova", "path": "/servers/detail", "status": 503 });
        cloud.add_fault(&fault).unwrap();
        let failed = |s: &Value| {
            s["counters"]["failed_cycles"].as_u64() >= before.as_u64().map(|before| before + 5)
        };
        daemon.wait_for_status("five failures", failed);
        cloud.clear_faults();
        daemon.wait("the end of it", || ends(&daemon).len() == outage);
        let all = times(&lines(&daemon));
        assert_eq!(
            all[told.len()..][..3],
            [1, 2, 4],
            "outage {outage}: {all:?}"
        );
        told = all;
    }
    let status = daemon.status();
    let incidents = status["incidents"].as_array().unwrap();
    assert_eq!(incidents.len(), 2, "one for each outage: {incidents:#?}");
    for (incident, end) in incidents.iter().rev().zip(ends(&daemon)) {
        let times = incident["times"].as_u64().unwrap();
        let text = end["message"].as_str().unwrap();
        assert!(text.contains(&format!("after {times} failures")), "{text}");
    }
}

#[test]
fn a_replica_that_is_lost_is_a_warning() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &JSON);
    daemon.wait_for_available(3);
    let silent = simplescalevm_mock::Behaviour::of(simplescalevm_mock::Mode::Refuse);
    cloud.set_behaviour("server-1", &silent).unwrap();
    let mut found = Vec::new();
    daemon.wait("the verdict", || {
        found = of_event(&lines(&daemon), "replica-state");
        found.retain(|e| e["to"] == "unreachable");
        !found.is_empty()
    });
    assert_eq!(found[0]["level"], "warn", "{found:#?}");
}

#[test]
fn the_journal_is_told_the_weight_of_each_line() {
    let cloud = quick_cloud(|_| {});
    let run = |stream: &str| {
        let mut variables = support::variables(&cloud, &[]);
        let port = support::free_port();
        variables.push(("APP_PORT", port.to_string()));
        variables.push(("JOURNAL_STREAM", stream.to_owned()));
        let daemon = Daemon::spawn(support::program(&[], &variables), port);
        daemon.wait_for_available(3);
        daemon.signal("HUP");
        daemon.wait("a warning", || daemon.log().contains("SIGHUP"));
        daemon.log()
    };
    let log = run("8:12345");
    assert!(
        log.lines()
            .all(|line| line.starts_with("<6>2") || line.starts_with("<4>2")),
        "{log}"
    );
    let weighed = |line: &str| line.starts_with("<4>2") && line.contains("[WARN] SIGHUP: ");
    assert!(log.lines().any(weighed), "{log}");
    assert!(run("").lines().all(|line| line.starts_with('2')));
    // Where the journal itself reads, it writes the time down.
    let socket = std::os::unix::net::UnixDatagram::pair().unwrap();
    let (ours, theirs) = socket;
    let theirs = std::fs::File::from(std::os::fd::OwnedFd::from(theirs));
    let found = theirs.metadata().unwrap();
    let stream = {
        use std::os::unix::fs::MetadataExt;
        format!("{}:{}", found.dev(), found.ino())
    };
    let mut variables = support::variables(&cloud, &[("OS_AUTH_URL", "http://127.0.0.1:1/v3")]);
    variables.push(("APP_PORT", "0".to_owned()));
    variables.push(("JOURNAL_STREAM", stream));
    let mut daemon = support::program(&[], &variables)
        .stderr(theirs)
        .spawn()
        .unwrap();
    ours.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let mut heads = Vec::new();
    let mut line = [0; 4096];
    while !heads
        .iter()
        .any(|head: &String| head.starts_with("<3>[ERROR]"))
    {
        let n = ours.recv(&mut line).unwrap();
        heads.push(String::from_utf8_lossy(&line[..n]).into_owned());
    }
    let _ = daemon.kill();
    let _ = daemon.wait();
    let started = |head: &String| head.starts_with("<6>[INFO] SimpleScaleVM ");
    assert!(heads.iter().any(started), "{heads:?}");
}
