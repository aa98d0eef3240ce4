//! The whole daemon under pressure from outside: thousands of connections to its status page, and more replicas than the soft
//! limit of file descriptors allows.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test of real processes in real time, which fails by panicking"
)]

mod support;

use serde_json::json;
use simplescalevm::status::StatusServer;
use simplescalevm_mock::MockCloud;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Daemon, free_port, program, quick_cloud, variables};

/// At most so many connections are served at a time.
const STATUS_THREADS: usize = 32;

fn threads(daemon: &Daemon) -> usize {
    fs::read_dir(format!("/proc/{}/task", daemon.pid()))
        .unwrap()
        .count()
}

fn descriptors(daemon: &Daemon) -> usize {
    fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
        .unwrap()
        .count()
}

fn rss_kib(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

fn healthy(daemon: &Daemon) -> bool {
    daemon
        .get("/healthz")
        .is_some_and(|health| health["status"] == 1)
}

/// How many lists and probes there are in a while.
fn work_done(cloud: &MockCloud, span: Duration) -> (u64, u64) {
    let count = || {
        let counters = cloud.counters();
        let lists = counters["requests"]["nova GET /v2.1/servers/detail"].as_u64();
        (
            lists.unwrap_or_default(),
            counters["probes"].as_u64().unwrap(),
        )
    };
    let (lists, probes) = count();
    std::thread::sleep(span);
    let (lists_now, probes_now) = count();
    (lists_now - lists, probes_now - probes)
}

/// Opens connections that never ask, ask slowly, or never take the answer, and keeps on doing so.
fn besiege(port: u16, stop: &AtomicBool) -> usize {
    let mut open: Vec<TcpStream> = Vec::new();
    let mut made = 0;
    while !stop.load(Ordering::Relaxed) {
        if open.len() >= 2_000 {
            // The oldest ones were closed by the daemon long ago.
            open.drain(..500);
        }
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
            continue;
        };
        let _ = stream.set_nonblocking(true);
        // The daemon may have closed it already.
        let _ = match made % 3 {
            0 => Ok(()),
            1 => stream.write_all(b"GET /status HTTP/1.1\r\nX: "),
            _ => stream.write_all(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n"),
        };
        // Another byte for one that is slow.
        let slow = made * 7 % open.len().max(1);
        if let Some(stream) = open.get_mut(slow) {
            let _ = stream.write_all(b"x");
        }
        open.push(stream);
        made += 1;
        if made > 2_000 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    made
}

#[test]
fn a_besieged_status_page_does_not_hold_the_loop_up() {
    let cloud = quick_cloud(|_| {});
    let old = json!({"count": 20, "name": "old", "metadata": {"group": "scaled"}, "booted": true});
    cloud.add_servers(&old).unwrap();
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_status("twenty serve", |s| {
        s["summary"]["by_state"]["serving"] == 20
    });
    assert!(healthy(&daemon));
    let span = Duration::from_secs(5);
    let (threads_before, descriptors_before) = (threads(&daemon), descriptors(&daemon));
    let rss_before = rss_kib(&daemon);
    let (lists_before, probes_before) = work_done(&cloud, span);
    let stop = AtomicBool::new(false);
    let (mut answers, mut most_threads, mut most_descriptors) = (0, 0, 0);
    let (made, during) = std::thread::scope(|scope| {
        let siege = scope.spawn(|| besiege(daemon.port, &stop));
        std::thread::sleep(Duration::from_secs(1));
        let during = work_done(&cloud, span);
        for _ in 0..20 {
            // The siege may close one of these, too, the more the slower this machine is.
            answers += usize::from((0..3).any(|_| healthy(&daemon)));
            most_threads = most_threads.max(threads(&daemon));
            most_descriptors = most_descriptors.max(descriptors(&daemon));
        }
        // Nothing is judged before the siege has ended: it would go on for ever.
        stop.store(true, Ordering::Relaxed);
        (siege.join().unwrap(), during)
    });
    assert!(answers >= 15, "{answers} of 20 health checks were answered");
    // Threads and descriptors that are just ending are still seen.
    let limit = threads_before + STATUS_THREADS + 8;
    assert!(most_threads <= limit, "{most_threads} threads");
    let limit = descriptors_before + StatusServer::MAX_CONNECTIONS + 8;
    assert!(
        most_descriptors <= limit,
        "{most_descriptors} descriptors, {descriptors_before} before"
    );
    assert!(made > 2_000, "{made} connections");
    let (lists, probes) = during;
    println!(
        "{made} connections; lists {lists_before} -> {lists}, probes {probes_before} -> {probes}, RSS {rss_before} -> {} KiB",
        rss_kib(&daemon)
    );
    // Both within one run and on the same machine: the siege takes its share of the cores, the loop keeps its time.
    assert!(
        lists * 3 >= lists_before * 2,
        "{lists} lists, {lists_before} before"
    );
    assert!(
        probes * 3 >= probes_before * 2,
        "{probes} probes, {probes_before} before"
    );
    assert!(
        rss_kib(&daemon) < rss_before + 16 * 1024,
        "{} KiB",
        rss_kib(&daemon)
    );
    assert!(healthy(&daemon));
    daemon.signal("TERM");
    let begun = Instant::now();
    let (status, log) = daemon.end();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

/// Systemd and shells give a soft limit of 1,024 mostly: a kept connection per replica needs more.
#[test]
fn the_soft_limit_of_descriptors_does_not_bound_the_pool() {
    let cloud = quick_cloud(|_| {});
    let old = json!({"count": 150, "name": "old", "metadata": {"group": "scaled"}, "booted": true});
    cloud.add_servers(&old).unwrap();
    let start = |limit: &str, more: &[(&'static str, &str)]| {
        let port = free_port();
        let mut variables = variables(&cloud, more);
        variables.push(("APP_PORT", port.to_string()));
        let mut limited = Command::new("sh");
        let plain = program(&[], &variables);
        limited
            .args(["-c", &format!("{limit}; exec \"$0\"")])
            .arg(plain.get_program())
            .env_clear()
            .envs(
                plain
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir(env!("CARGO_TARGET_TMPDIR"));
        Daemon::spawn(limited, port)
    };
    let daemon = start("ulimit -S -n 100", &[]);
    daemon.wait_for_status("all serve", |s| s["summary"]["by_state"]["serving"] == 150);
    assert!(descriptors(&daemon) > 150, "one is kept per replica");
    assert!(
        !daemon.log().contains("file descriptors may be open"),
        "{}",
        daemon.log()
    );
    drop(daemon);
    let daemon = start("ulimit -n 200", &[("REPLICA_MAX_COUNT", "1000")]);
    daemon.wait("what to do", || daemon.log().contains("LimitNOFILE="));
    drop(daemon);
}
