//! Many clients at once: large answers are rendered once, and keep nobody from a small one.

use crate::client::{Daemon, Reply};
use crate::pool;
use serde_json::Value;
use simplescalevm::pool::{Moment, Snapshot};
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// So many replicas that an answer does not fit into what a kernel keeps for a connection.
const REPLICAS: usize = 3_000;

fn ask_only(daemon: &Daemon, path: &str) -> TcpStream {
    let mut stream = daemon.connect();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// What has to work whatever else goes on.
fn small_answers_come(daemon: &Daemon) {
    for path in ["/healthz", "/readyz"] {
        assert_eq!(daemon.ask("GET", path).status, 200, "{path}");
    }
    let metrics = daemon.ask("GET", "/metrics");
    assert!(metrics.text().contains("simplescalevm_ready_resources"));
}

#[test]
fn a_large_answer_is_rendered_once_for_all() {
    let daemon = Daemon::start_with(|facts| facts.max_connections = 128);
    daemon.shared.publish(Arc::new(pool::large(REPLICAS)));
    let readers: Vec<TcpStream> = (0..50).map(|_| ask_only(&daemon, "/status")).collect();
    small_answers_come(&daemon);
    let bodies: Vec<Vec<u8>> = readers.into_iter().map(|r| Reply::read(r).body).collect();
    assert!(bodies[0].len() > 1 << 20, "{} bytes", bodies[0].len());
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    let status: Value = serde_json::from_slice(&bodies[0]).unwrap();
    assert_eq!(status["replicas"].as_array().unwrap().len(), REPLICAS);
    assert_eq!(daemon.server.rendered(), 1);
    // Another document, another second, another state: each once.
    let ask = |path: &str, expected| {
        for _ in 0..3 {
            assert_eq!(daemon.ask("GET", path).status, 200, "{path}");
            assert_eq!(daemon.server.rendered(), expected, "{path}");
        }
    };
    ask("/status", 1);
    ask("/events", 2);
    ask("/", 3);
    daemon.set_clock(1);
    ask("/status", 4);
    daemon.shared.publish(Arc::new(pool::rich()));
    ask("/status", 5);
    assert_eq!(daemon.ask("HEAD", "/status").status, 200);
    assert_eq!(daemon.server.rendered(), 5);
}

#[test]
fn what_was_published_before_a_request_is_in_its_answer() {
    let daemon = Daemon::start();
    let mut readers = Vec::new();
    let many = pool::large(200);
    for count in 0..40_u64 {
        let mut snapshot = many.clone();
        snapshot.counters.created = count;
        daemon.shared.publish(Arc::new(snapshot));
        readers.push((count, ask_only(&daemon, "/status")));
    }
    for (count, reader) in readers {
        let created = Reply::read(reader).json()["counters"]["created"].clone();
        assert!(created.as_u64() >= Some(count), "{created} after {count}");
    }
}

#[test]
fn slow_readers_of_ever_new_states_take_bounded_memory() {
    let daemon = Daemon::start();
    let large = pool::large(REPLICAS);
    let body = {
        daemon.shared.publish(Arc::new(large.clone()));
        daemon.ask("GET", "/status").body.len()
    };
    let before = daemon.server.rendered();
    let mut readers = Vec::new();
    for _ in 0..30 {
        daemon.shared.publish(Arc::new(large.clone()));
        readers.push(ask_only(&daemon, "/status"));
        small_answers_come(&daemon);
    }
    let readers: Vec<Reply> = readers.into_iter().map(Reply::read).collect();
    assert!(readers.iter().all(|reply| reply.status == 200));
    // Bodies that are still out are 16 MiB at most, and one more is being made.
    let most = u64::try_from((16 << 20) / body + 2).unwrap();
    let rendered = daemon.server.rendered() - before;
    assert!(rendered <= most, "{rendered} bodies of {body} bytes");
}

#[test]
fn heavy_clients_do_not_starve_small_answers() {
    let daemon = Daemon::start();
    daemon.shared.publish(Arc::new(pool::large(REPLICAS)));
    let mut readers = Vec::new();
    for _ in 0..20 {
        readers.extend((0..10).map(|_| ask_only(&daemon, "/status")));
        small_answers_come(&daemon);
    }
    // The newest of them are answered in whole, once they read.
    let newest = readers.split_off(readers.len() - 8);
    for reader in newest {
        assert_eq!(Reply::read(reader).status, 200);
    }
    assert!(!daemon.server.is_finished());
}

#[test]
fn a_head_in_two_segments_outlasts_a_flood_of_connections() {
    let daemon = Daemon::start();
    let mut flood: Vec<TcpStream> = Vec::new();
    for _ in 0..20 {
        let mut stream = daemon.connect();
        stream.set_nodelay(true).unwrap();
        stream.write_all(b"GET /healthz HT").unwrap();
        flood.extend((0..100).map(|_| daemon.connect()));
        for path in ["/healthz", "/metrics"] {
            assert_eq!(daemon.ask("GET", path).status, 200);
        }
        stream.write_all(b"TP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(Reply::read(stream).status, 200);
    }
    drop(flood);
    assert_eq!(daemon.ask("GET", "/healthz").status, 200);
}

/// A client's first byte comes a little after its connection: many requests that were begun and never end must not have
/// turned it away meanwhile.
#[test]
fn who_is_about_to_ask_outlasts_begun_requests() {
    let daemon = Daemon::start_with(|facts| facts.max_connections = 128);
    let half = || {
        let mut stream = daemon.connect();
        stream.write_all(b"GET /healthz HT").unwrap();
        stream
    };
    let mut begun: Vec<TcpStream> = (0..200).map(|_| half()).collect();
    // The daemon has read them all.
    assert_eq!(daemon.ask("GET", "/healthz").status, 200);
    for _ in 0..10 {
        let mut client = daemon.connect();
        begun.extend((0..50).map(|_| half()));
        client
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        assert_eq!(Reply::read(client).status, 200);
    }
}

#[test]
fn what_does_not_end_in_time_is_ended() {
    let daemon = Daemon::start();
    let mut begun = daemon.connect();
    begun.write_all(b"GET / HT").unwrap();
    let silent = daemon.connect();
    assert_eq!(daemon.ask("GET", "/healthz").status, 200);
    daemon.shared.heartbeat(Moment(Duration::from_secs(11)));
    daemon.set_clock(11);
    assert_eq!(Reply::read(begun).status, 408);
    let mut rest = Vec::new();
    let read = std::io::Read::read_to_end(&mut &silent, &mut rest);
    assert!(matches!(read, Ok(0)), "{read:?}");
}

#[test]
fn only_allowed_hosts_are_answered_and_settings_stay_here() {
    let daemon = Daemon::start_with(|facts| {
        facts.server.allowed_hosts = vec!["status.lan".parse().unwrap()];
    });
    daemon.shared.publish(Arc::new(Snapshot::default()));
    let ask = |path: &str, lines: &str| {
        let head = format!("GET {path} HTTP/1.1\r\n{lines}\r\n");
        daemon.send(head.as_bytes())
    };
    for path in [
        "/", "/status", "/events", "/history", "/metrics", "/healthz", "/nope",
    ] {
        let check = |lines: &str, status: u16| {
            assert_eq!(ask(path, lines).status, status, "{path} {lines:?}");
        };
        let found = if path == "/nope" { 404 } else { 200 };
        check("Host: status.lan\r\n", found);
        check("Host: 127.0.0.1:8000\r\n", found);
        check("Host: rebound.example\r\n", 421);
        // The host of a target that is a URL takes the place of the header.
        let url = |host: &str, lines: &str| ask(&format!("http://{host}{path}"), lines).status;
        assert_eq!(url("status.lan:8000", "Host: rebound.example\r\n"), found);
        assert_eq!(url("rebound.example", "Host: status.lan\r\n"), 421);
        check("", 400);
        check("Host: status.lan\r\nHost: rebound.example\r\n", 400);
        let old = format!("GET {path} HTTP/1.0\r\n\r\n");
        assert_eq!(daemon.send(old.as_bytes()).status, 421);
    }
    let settings = |target: &str, lines: &str| {
        let status = ask(target, lines).json();
        let is_shown = status["settings"]["APP_PORT"] == "8000";
        assert_eq!(status["settings"].is_null(), !is_shown, "{lines:?}");
        assert_eq!(status["settings_hint"].is_null(), is_shown, "{lines:?}");
        is_shown
    };
    let here = "Host: localhost:8000\r\n";
    assert!(settings("/status", here));
    assert!(!settings("/status", "Host: status.lan\r\n"));
    assert!(!settings(
        "/status",
        "Host: localhost\r\nX-Forwarded-For: 192.0.2.1\r\n"
    ));
    assert!(settings("http://[::1]:8000/status", here));
    assert!(!settings("http://status.lan/status", here));
    let daemon = Daemon::start_with(|facts| facts.server.show_settings = true);
    let forwarded = b"GET /status HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n";
    let status = daemon.send(forwarded).json();
    assert_eq!(status["settings"]["APP_PORT"], "8000");
    // Any name is answered by default.
    assert_eq!(daemon.send(b"GET / HTTP/1.0\r\n\r\n").status, 200);
}
