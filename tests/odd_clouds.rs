//! The real program in front of a mock cloud that is odd, or slow.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::json;
use std::time::Duration;
use support::{Daemon, counter, quick_cloud};

const LISTS: &str = "service=nova&method=GET&path=servers/detail";

/// SIGTERM within a list of many slow pages is not answered with the rest of them.
#[test]
fn a_list_of_many_pages_is_no_reason_to_go_on() {
    const PAGES: u64 = 100;
    let cloud = quick_cloud(|config| config.page_limit = 1);
    let strangers = json!({ "count": PAGES, "name": "stranger", "booted": true });
    cloud.add_servers(&strangers).unwrap();
    let slow = json!({ "service": "nova", "path": "servers/detail", "delay": 0.2 });
    cloud.add_fault(&slow).unwrap();
    let daemon = Daemon::start(&cloud, &[("OPENSTACK_TIMEOUT", "30")]);
    daemon.wait("the third page", || cloud.log(LISTS).len() >= 3);
    daemon.signal("TERM");
    let (status, log) = daemon.end();
    assert!(status.success(), "{log}");
    let asked = cloud.log(LISTS).len() as u64;
    assert!(asked < PAGES / 2, "{asked} pages: {log}");
    assert!(!log.contains("broken off"), "{log}");
}

/// A list whose pages are each in time, and which has no end, is an error in its time; the next one is tried.
#[test]
fn a_list_without_end_is_told_of() {
    let cloud = quick_cloud(|config| config.page_limit = 1);
    let strangers = json!({ "count": 200, "name": "stranger", "booted": true });
    cloud.add_servers(&strangers).unwrap();
    let slow = json!({ "service": "nova", "path": "servers/detail", "delay": 0.1 });
    cloud.add_fault(&slow).unwrap();
    let daemon = Daemon::start(&cloud, &[("OPENSTACK_TIMEOUT", "1")]);
    daemon.wait("the error", || {
        daemon.log().contains("was not complete in its time")
    });
    assert!(cloud.log("service=nova&method=POST").is_empty());
    let before = cloud.log(LISTS).len();
    daemon.wait("the next one", || cloud.log(LISTS).len() > before);
}

/// A wrong password is not tried over and over, and another thread does not do it either.
#[test]
fn a_refused_login_waits() {
    let cloud = quick_cloud(|_| {});
    let wrong = ("OS_PASSWORD", "wrong");
    let daemon = Daemon::start(&cloud, &[wrong, ("SCALING_INTERVAL", "0.2")]);
    let logins = || cloud.log("service=keystone&method=POST").len();
    daemon.wait("a second login", || logins() >= 2);
    let log = daemon.log();
    assert!(
        log.contains("the login was refused; next try in 5 s"),
        "{log}"
    );
    assert!(log.contains("OS_PASSWORD"), "{log}");
    // By the first interval, it would have been tried more than ten times.
    std::thread::park_timeout(Duration::from_secs(3));
    assert_eq!(logins(), 2, "{}", daemon.log());
}

/// While a list is on its way, replicas are asked on.
#[test]
fn a_list_that_takes_long_keeps_no_replica_from_being_asked() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &[("OPENSTACK_TIMEOUT", "20")]);
    daemon.wait_for_available(3);
    let slow = json!({ "service": "nova", "path": "servers/detail", "delay": 4 });
    cloud.add_fault(&slow).unwrap();
    // The first list that is slow, and the probes until the second one begins.
    let lists = || cloud.log(LISTS).len();
    let before = lists();
    daemon.wait("a slow list", || lists() > before);
    let asked = counter(&cloud, "probes");
    let (began, is_over) = (lists(), || lists() > before + 1);
    daemon.wait("the next one", is_over);
    let asked = counter(&cloud, "probes") - asked;
    assert_eq!(lists(), began + 1);
    // Three replicas, five times a second, in four seconds: sixty, or none.
    assert!(asked > 15, "{asked} probes\n{}", daemon.log());
}

/// Milliseconds from the first to the last of eight deletions, each of which the cloud takes half a second for.
fn deletions_take(concurrency: &'static str) -> u64 {
    let cloud = quick_cloud(|_| {});
    let more = [
        ("OPENSTACK_CONCURRENCY", concurrency),
        ("REPLICA_MIN_AVAILABLE_RESOURCES", "8"),
    ];
    let daemon = Daemon::start(&cloud, &more);
    daemon.wait_for_available(8);
    let slow = json!({ "service": "nova", "method": "DELETE", "delay": 0.5 });
    cloud.add_fault(&slow).unwrap();
    let done = json!({ "termination": true, "capacity": 0 });
    cloud.set_server("all", &done).unwrap();
    let deletions = || cloud.log("service=nova&method=DELETE");
    daemon.wait("the deletions", || deletions().len() >= 8);
    let at: Vec<u64> = deletions()
        .iter()
        .filter_map(|request| request["at_ms"].as_u64())
        .collect();
    at.iter().max().unwrap() - at.iter().min().unwrap()
}

#[test]
fn deletions_do_not_wait_for_each_other() {
    let (one_by_one, together) = (deletions_take("1"), deletions_take("4"));
    assert!(together * 2 < one_by_one, "{together} ms, {one_by_one} ms");
}
