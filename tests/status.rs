//! The status server over real sockets, and its JSON against golden files.
//!
//! `UPDATE_GOLDEN=1` rewrites `tests/data/status/*.json`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

#[path = "status/client.rs"]
mod client;
#[path = "status/crowd.rs"]
mod crowd;
#[path = "status/pool.rs"]
mod pool;

use client::{Daemon, Reply};
use serde_json::Value;
use simplescalevm::pool::{Assessment, Moment, Snapshot, surplus_in_words};
use simplescalevm::status::{StatusError, status_view, summary_view};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn every_route_answers_with_json_of_its_exact_length() {
    let daemon = Daemon::start();
    daemon.shared.publish(Arc::new(pool::rich()));
    let check = |method: &str, target: &str, status: u16| {
        let reply = daemon.ask(method, target);
        assert_eq!(reply.status, status, "{method} {target}");
        assert_eq!(reply.header("Content-Type"), Some("application/json"));
        assert_eq!(reply.header("Cache-Control"), Some("no-store"));
        assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"));
        let allow = (status == 405).then_some("GET, HEAD");
        assert_eq!(reply.header("Allow"), allow, "{method} {target}");
        let length = reply.header("Content-Length").unwrap().to_owned();
        if method == "HEAD" {
            assert!(reply.body.is_empty(), "{target}");
            assert_eq!(length, daemon.ask("GET", target).body.len().to_string());
            return;
        }
        assert_eq!(length, reply.body.len().to_string());
        let error = &reply.json()["error"];
        assert_eq!(error.is_string(), status != 200, "{method} {target}");
    };
    for path in ["/", "/status", "/events", "/history", "/healthz", "/readyz"] {
        check("GET", path, 200);
        check("HEAD", path, 200);
        check("GET", &format!("{path}?a=/nope&b=%00"), 200);
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get"] {
            check(method, path, 405);
        }
    }
    // A URL as the target is as good as its path.
    for target in [
        "http://localhost/status",
        "HTTP://127.0.0.1:8000/status?a",
        "http://x",
    ] {
        check("GET", target, 200);
        check("HEAD", target, 200);
        check("POST", target, 405);
    }
    let long = format!("/{}", "a".repeat(4_000));
    let (tls, tunnel) = ("https://localhost/status", "localhost:443");
    for path in [
        "*",
        "//",
        "/.",
        "/status/",
        "/../",
        "/%2e",
        "/é",
        "http://x//",
        tls,
        tunnel,
        &long,
    ] {
        check("GET", path, 404);
        check("HEAD", path, 404);
        check("POST", path, 404);
    }
}

#[test]
fn the_first_page_has_the_keys_of_the_reference() {
    let daemon = Daemon::start();
    let page = daemon.ask("GET", "/").json();
    assert_eq!(page["status"], 1);
    assert_eq!(page["isMaster"], true);
    assert_eq!(page["last_list_seconds_ago"], Value::Null);
    assert_eq!(page["available"], Value::Null);
    daemon.shared.publish(Arc::new(pool::rich()));
    let page = daemon.ask("GET", "/").json();
    assert_eq!(page["available"], 4);
}

#[test]
fn what_is_there_beyond_what_is_needed_is_told() {
    let mut snapshot = pool::rich();
    (snapshot.floor, snapshot.capacity) = (3, 2);
    let mut told = |ready: u64| {
        snapshot.plan.assessment.ready = ready;
        surplus_in_words(&snapshot)
    };
    let outdated = "1 replica was made from another image than OPENSTACK_IMAGE stands for now. \
                    Running replicas are not replaced: only new ones are made from the new image.";
    // One resource more than the floor is not a replica more.
    for ready in [0, 3, 4] {
        assert_eq!(told(ready), [outdated], "{ready}");
    }
    let surplus = "2 resources more than the floor are ready, as many as 1 new replica brings. \
                   The pool is not made smaller: a replica goes once it reports termination.";
    assert_eq!(told(5), [surplus, outdated]);
    let surplus = surplus
        .replacen('2', "5", 1)
        .replace("1 new replica brings", "2 new replicas bring");
    assert_eq!(told(8), [surplus.as_str(), outdated]);
    // Where it is not known from what image new ones are made, none is outdated.
    snapshot.image = None;
    snapshot.plan.assessment.ready = 3;
    assert!(surplus_in_words(&snapshot).is_empty());
}

/// What is not known is never shown as zero. What the settings say is known from the start.
#[test]
fn before_the_first_list_nothing_is_known_of_the_pool() {
    let daemon = Daemon::start();
    daemon.set_clock(1_402);
    let mut unlisted = Snapshot {
        last_list: None,
        ..pool::rich()
    };
    unlisted.plan = simplescalevm::pool::Plan::default();
    unlisted.records.clear();
    unlisted.supply = simplescalevm::pool::Supply::default();
    daemon.shared.publish(Arc::new(unlisted));
    let (page, status) = (
        daemon.ask("GET", "/").json(),
        daemon.ask("GET", "/status").json(),
    );
    let summary = &status["summary"];
    for name in ["ready", "available", "missing"] {
        assert_eq!(
            (&page[name], &summary[name]),
            (&Value::Null, &Value::Null),
            "{name}"
        );
    }
    for name in ["replicas", "awaited"] {
        assert_eq!(summary[name], Value::Null, "{name}");
    }
    for name in ["resources", "replicas", "outdated", "text"] {
        assert_eq!(status["surplus"][name], Value::Null, "{name}");
    }
    for counts in [&page["replicas"], &summary["by_state"]] {
        let counts = counts.as_object().unwrap();
        assert!(
            !counts.is_empty() && counts.values().all(Value::is_null),
            "{counts:?}"
        );
    }
    assert_eq!(
        (&page["floor"], &summary["floor"]),
        (&10.into(), &10.into())
    );
    assert_eq!(
        daemon.ask("GET", "/history").json()["samples"],
        serde_json::json!([])
    );

    let names = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let names = lines.filter_map(|line| line.split(['{', ' ']).next());
        names
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let before = names(&daemon.ask("GET", "/metrics").text());
    daemon.shared.publish(Arc::new(pool::rich()));
    let after = names(&daemon.ask("GET", "/metrics").text());
    let came: Vec<&str> = after.difference(&before).map(String::as_str).collect();
    let expected = [
        "simplescalevm_available_resources",
        "simplescalevm_blocked",
        "simplescalevm_external_addresses",
        "simplescalevm_external_addresses_waiting",
        "simplescalevm_longest_full_seconds",
        "simplescalevm_outdated_replicas",
        "simplescalevm_ready_below_floor_seconds",
        "simplescalevm_ready_resources",
        "simplescalevm_replicas",
        "simplescalevm_surplus_resources",
    ];
    assert_eq!(came, expected);
    assert!(before.is_subset(&after));
}

/// It may be known long after the first list from what image new replicas are made.
#[test]
fn without_the_image_none_is_said_to_be_of_the_right_one() {
    let daemon = Daemon::start();
    let mut snapshot = pool::rich();
    snapshot.image = None;
    let mut check = |expected: Value| {
        daemon.shared.publish(Arc::new(snapshot.clone()));
        let status = daemon.ask("GET", "/status").json();
        assert_eq!(status["surplus"]["outdated"], expected);
        let metrics = daemon.ask("GET", "/metrics").text();
        let is_there = metrics.contains("\nsimplescalevm_outdated_replicas ");
        assert_eq!(is_there, !expected.is_null(), "{metrics}");
        snapshot.records.clear();
    };
    check(Value::Null);
    check(0.into());
}

#[test]
fn metrics_come_in_both_formats() {
    let daemon = Daemon::start();
    daemon.shared.publish(Arc::new(pool::rich()));
    daemon.set_clock(1_402);
    let get = |accept: &str| {
        let head = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n");
        let reply = daemon.send(head.as_bytes());
        assert_eq!((reply.status, reply.header("Vary")), (200, Some("Accept")));
        (
            reply.header("Content-Type").unwrap().to_owned(),
            reply.text(),
        )
    };
    let (kind, text) = get("*/*");
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    assert!(text.contains("\n# TYPE simplescalevm_deleted_total counter\n"));
    assert!(!text.contains("# EOF"), "{text}");
    let (kind, open) = get("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    assert_eq!(
        kind,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(open.contains("\n# TYPE simplescalevm_deleted counter\n"));
    assert!(open.ends_with("# EOF\n"), "{open}");
    let lines = [
        "simplescalevm_build_info{version=\"4.0.0-test\"} 1",
        "simplescalevm_available_resources 4.0",
        "simplescalevm_ready_resources 1.0",
        "simplescalevm_severity 2.0",
        "simplescalevm_ready_below_floor_seconds 402.0",
        "simplescalevm_expected_boot_seconds 90.0",
        "simplescalevm_surplus_resources 0.0",
        "simplescalevm_outdated_replicas 1.0",
        "simplescalevm_seconds_below_floor_total 395.0",
        "simplescalevm_seconds_without_ready_resource_total 0.0",
        "simplescalevm_min_available_resources 10.0",
        "simplescalevm_max_replicas 20.0",
        "simplescalevm_replicas{state=\"serving\"} 2",
        "simplescalevm_replicas{state=\"unreachable\"} 1",
        "simplescalevm_blocked{reason=\"backoff\"} 1",
        "simplescalevm_blocked{reason=\"locked\"} 1",
        "simplescalevm_external_addresses{state=\"held\"} 3",
        "simplescalevm_external_addresses{state=\"outside\"} 2",
        "simplescalevm_blocked{reason=\"no-standby\"} 2",
        "simplescalevm_external_addresses_waiting{reason=\"free\"} 1",
        "simplescalevm_external_addresses_waiting{reason=\"holder-unreachable\"} 1",
        "simplescalevm_external_addresses_waiting{reason=\"holder-goes\"} 0",
        "simplescalevm_longest_full_seconds 100.0",
        "simplescalevm_is_leader 1.0",
    ];
    for line in lines {
        for text in [&text, &open] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
    assert!(
        !text.contains("id-") && !text.contains("203.0.113"),
        "{text}"
    );
}

#[test]
fn health_follows_the_loop() {
    let daemon = Daemon::start();
    let check = |seconds, status: u16| {
        daemon.set_clock(seconds);
        let reply = daemon.ask("GET", "/healthz");
        assert_eq!(reply.status, status, "at {seconds} s: {}", reply.text());
        let health = u64::from(status == 200);
        assert_eq!(reply.json()["status"], health);
        assert_eq!(daemon.ask("GET", "/").json()["status"], health);
        assert_eq!(daemon.ask("GET", "/status").json()["status"], health);
    };
    check(0, 200);
    check(60, 200);
    check(61, 503);
    daemon.shared.heartbeat(Moment(Duration::from_secs(61)));
    check(61, 200);
    check(121, 200);
    check(122, 503);
}

#[test]
fn ready_from_the_first_complete_list_on_and_while_lists_succeed() {
    let daemon = Daemon::start();
    let check = |second, status: u16, reason: Option<&str>| {
        daemon.set_clock(second);
        daemon.shared.heartbeat(Moment(Duration::from_secs(second)));
        let reply = daemon.ask("GET", "/readyz");
        assert_eq!(reply.status, status, "at {second} s: {}", reply.text());
        assert_eq!(reply.json()["ready"], status == 200);
        assert_eq!(reply.json()["reason"].as_str(), reason);
        // It is the same judgement everywhere.
        let severity = &reply.json()["severity"];
        for path in ["/", "/status"] {
            let page = daemon.ask("GET", path).json();
            assert_eq!(page["severity"], *severity, "{path}");
            if let Some(reason) = reason {
                assert_eq!(page["severity_reasons"][0]["reason"], reason);
            }
        }
        let number = ["ok", "warning", "critical"]
            .iter()
            .position(|n| severity == n);
        let metric = format!("simplescalevm_severity {}.0", number.unwrap());
        let metrics = daemon.ask("GET", "/metrics").text();
        assert!(metrics.lines().any(|line| line == metric), "{metric}");
    };
    check(0, 503, Some("no-list-yet"));
    let mut refused = Snapshot::default();
    refused.lists.interval = Duration::from_secs(30);
    refused.lists.failed(Moment::START);
    daemon.shared.publish(Arc::new(refused));
    check(1, 503, Some("cannot-list"));
    check(61, 503, Some("cannot-list"));
    let mut snapshot = Snapshot {
        last_list: Some(Moment::START),
        ..Snapshot::default()
    };
    snapshot
        .supply
        .take(&Assessment::default(), 0, true, Moment::START);
    snapshot.lists.interval = Duration::from_secs(30);
    daemon.shared.publish(Arc::new(snapshot.clone()));
    check(30, 200, None);
    snapshot.lists.failed(Moment(Duration::from_secs(30)));
    daemon.shared.publish(Arc::new(snapshot));
    check(90, 200, None);
    // Nothing is published any more, and time goes on.
    check(91, 503, Some("cannot-list"));
}

#[test]
fn garbage_is_refused_and_changes_nothing() {
    let daemon = Daemon::start();
    let check = |bytes: &[u8], status: u16| {
        let reply = daemon.send(bytes);
        assert_eq!(reply.status, status, "{}", bytes.escape_ascii());
        assert!(reply.json()["error"].is_string());
    };
    check(b"hello\r\n\r\n", 400);
    check(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", 400);
    check(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400);
    check(b"GET / HTTP/1.1\r\n\r\n", 400);
    check(b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400);
    check(b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400);
    check(b"POST /nope HTTP/1.1\r\nHost:\r\n\r\n", 400);
    check(b"GET http://a@b/ HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    // The rest is not waited for.
    check(b"\x16\x03\x01", 400);
    check(b"GET /\xff\x00 HTTP/1.1\r\n\r\n", 400);
    check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    check(&vec![b'a'; 20_000], 414);
    check(&[b"GET /", &vec![b'a'; 1_000_000][..]].concat(), 414);
    check(
        &[b"GET / HTTP/1.1\r\nA: ", &vec![b'a'; 20_000][..]].concat(),
        431,
    );
    check(
        &[b"GET / HTTP/1.1\r\n", &b"A: b\r\n".repeat(9_000)[..]].concat(),
        431,
    );
    // There is no body behind the head of an answer to `HEAD`, be it an error.
    let reply = daemon.send(b"HEAD / HTTP/1.1\r\n\r\n");
    assert_eq!((reply.status, reply.body.len()), (400, 0));
    // HTTP/1.0 knows no Host.
    assert_eq!(daemon.send(b"GET / HTTP/1.0\r\n\r\n").status, 200);
    assert_eq!(daemon.ask("GET", "/healthz").status, 200);
    assert!(!daemon.server.is_finished());
}

/// `tiny_http` allocates as much as `Content-Length` says, which ends the whole process.
#[test]
fn bodies_are_ignored_whatever_their_length() {
    let daemon = Daemon::start();
    for length in [
        "5",
        "5000",
        "9000000000000000000",
        "18446744073709551615",
        "-1",
        "x",
    ] {
        for method in ["GET", "POST"] {
            let head = format!(
                "{method} /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
            );
            let status = if method == "GET" { 200 } else { 405 };
            assert_eq!(daemon.send(head.as_bytes()).status, status, "{length}");
        }
    }
    let mut upload = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    upload.extend(vec![b'z'; 50_000]);
    assert_eq!(daemon.send(&upload).status, 405);
}

#[test]
fn a_request_may_come_in_pieces() {
    let daemon = Daemon::start();
    let mut stream = daemon.connect();
    stream.set_nodelay(true).unwrap();
    for byte in b"\r\nGET /healthz HTTP/1.0\r\nHost: x\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    assert_eq!(Reply::read(stream).status, 200);
}

#[test]
fn idle_connections_neither_pile_up_nor_lock_anybody_out() {
    let daemon = Daemon::start();
    let mut idle: Vec<TcpStream> = Vec::new();
    for count in 0..2_000 {
        let mut stream = daemon.connect();
        match count % 3 {
            0 => {}
            1 => stream.write_all(b"GET /status HT").unwrap(),
            // Asks and never takes the answer.
            _ => stream
                .write_all(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap(),
        }
        idle.push(stream);
        if count % 100 == 0 {
            assert_eq!(daemon.ask("GET", "/healthz").status, 200, "after {count}");
        }
    }
    assert_eq!(daemon.ask("GET", "/healthz").status, 200);
    // However many clients: one thread talks to all of them, and one renders.
    let threads = client::threads_of_the_server();
    assert!(threads <= 2 * client::SERVERS_AT_MOST, "{threads} threads");
    drop(idle);
    assert_eq!(daemon.ask("GET", "/healthz").status, 200);
    assert!(!daemon.server.is_finished());
}

#[test]
fn a_quiet_time_does_not_end_it() {
    let daemon = Daemon::start();
    std::thread::park_timeout(Duration::from_millis(2_500));
    assert_eq!(daemon.ask("GET", "/healthz").status, 200);
}

#[test]
fn stopping_takes_no_time_even_with_open_connections() {
    let daemon = Daemon::start();
    let address = daemon.server.local_addr();
    let mut idle: Vec<TcpStream> = (0..10).map(|_| daemon.connect()).collect();
    let watch = client::Stopwatch::start();
    daemon.server.stop();
    assert!(watch.elapsed() < Duration::from_secs(2));
    assert_eq!(idle[0].read(&mut [0; 1]).unwrap_or(0), 0);
    assert!(TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err());
    assert!(TcpListener::bind(address).is_ok(), "the port is free again");
}

#[test]
fn hosts_are_names_and_addresses_of_both_kinds() {
    for host in ["localhost", "127.0.0.1", "0.0.0.0"] {
        let daemon = Daemon::start_on(host, 0).unwrap();
        let port = daemon.server.local_addr().port();
        let reply = Daemon::ask_at(([127, 0, 0, 1], port).into(), "GET", "/healthz");
        assert_eq!(reply.status, 200, "{host}");
    }
    // Not every machine that builds this has IPv6.
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    for host in ["::", "[::]"] {
        let daemon = Daemon::start_on(host, 0).unwrap();
        let port = daemon.server.local_addr().port();
        for address in [
            SocketAddr::from(([127, 0, 0, 1], port)),
            ([0, 0, 0, 0, 0, 0, 0, 1], port).into(),
        ] {
            let reply = Daemon::ask_at(address, "GET", "/healthz");
            assert_eq!(reply.status, 200, "{host}");
        }
    }
}

#[test]
fn a_failure_to_listen_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let check = |host: &str, port, parts: &[&str]| {
        let error: StatusError = Daemon::start_on(host, port).unwrap_err();
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(part), "{text:?} lacks {part:?}");
        }
        assert!(error.source().is_some());
    };
    let address = format!("127.0.0.1:{port}");
    check("127.0.0.1", port, &[&address, "APP_PORT"]);
    check("203.0.113.1", 0, &["203.0.113.1", "APP_HOST"]);
    check("no such host", 0, &["no such host", "APP_HOST"]);
}

#[test]
fn snapshots_look_as_documented() {
    let (facts, now) = (pool::facts(), Moment(Duration::from_millis(1_400_500)));
    for (name, snapshot) in [("rich", pool::rich()), ("empty", Snapshot::default())] {
        check_golden(
            &format!("{name}.status.json"),
            &status_view(&snapshot, &facts, true, now),
        );
        check_golden(
            &format!("{name}.summary.json"),
            &summary_view(&snapshot, &facts, false, now),
        );
    }
}

#[test]
fn the_documentation_names_every_field() {
    let page = include_str!("../docs/status-api.md");
    let now = Moment(Duration::from_secs(1_400));
    let mut missing = Vec::new();
    let mut views = vec![
        status_view(&pool::rich(), &pool::facts(), true, now),
        summary_view(&pool::rich(), &pool::facts(), true, now),
    ];
    while let Some(view) = views.pop() {
        match view {
            Value::Array(items) => views.extend(items),
            Value::Object(fields) => {
                for (name, value) in fields {
                    if !page.contains(&format!("`{name}`")) {
                        missing.push(name.clone());
                    }
                    if name != "settings" {
                        views.push(value);
                    }
                }
            }
            _ => {}
        }
    }
    assert!(missing.is_empty(), "docs/status-api.md lacks {missing:?}");
}

fn check_golden(file: &str, found: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/status")
        .join(file);
    if client::is_update_wanted() {
        std::fs::write(&path, format!("{found:#}\n")).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    assert_eq!(
        *found, expected,
        "UPDATE_GOLDEN=1 rewrites {file}\n{found:#}"
    );
}
