//! Which jobs go first, and the life of the threads.

use super::servers::{self, GOOD, Net, Talk, always, ok};
use super::{LONG, clock, good, job, next, pool, probe, settings};
use simplescalevm::pool::{Moment, ProbeFailure, ReplicaId};
use simplescalevm::probe::{Clock, ProbeJob, ProbePool, WorkerDied};
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

#[test]
fn healthy_replicas_do_not_wait_for_sick_ones() {
    let mut net = Net::new(5);
    let mut sick = Vec::new();
    for host in (1..60).step_by(6) {
        sick.push(net.serve(host, servers::silent).0);
        sick.push(net.serve(host + 1, servers::dribbling).0);
        sick.push(net.serve(host + 2, servers::dribbling_header).0);
        sick.push(net.serve(host + 3, servers::resetting).0);
        sick.push(net.serve(host + 4, servers::flooding).0);
        sick.push(net.address(host + 5));
    }
    let healthy: HashSet<_> = (100..120)
        .map(|host| net.serve(host, always(ok(GOOD))).0)
        .collect();
    let mut pool = pool(&net, Duration::from_secs(2));
    for address in &sick {
        let suspect = ProbeJob {
            suspect: true,
            ..job(*address)
        };
        pool.submit(suspect).unwrap();
    }
    for address in &healthy {
        pool.submit(job(*address)).unwrap();
    }
    let mut answered = 0;
    let mut timed_out = false;
    while answered < healthy.len() {
        let result = next(&mut pool);
        timed_out |= result.outcome == Err(ProbeFailure::Timeout);
        if result.outcome.is_ok() {
            answered += 1;
            assert!(!timed_out, "{result:?} came after a timeout");
        }
    }
    pool.stop().unwrap();
}

#[test]
fn urgent_jobs_go_first() {
    let mut net = Net::new(6);
    let (heard_in, heard) = crossbeam_channel::bounded::<()>(1);
    let (gate, opened) = crossbeam_channel::bounded::<()>(0);
    let (first, _) = net.serve(1, move |mut talk: Talk| {
        talk.hear();
        heard_in.send(()).unwrap();
        let _ = opened.recv();
        talk.say(ok(GOOD).as_bytes());
    });
    let others: Vec<_> = (2..12)
        .map(|host| net.serve(host, always(ok(GOOD))).0)
        .collect();
    let mut settings = settings(net.port, LONG);
    settings.threads = NonZeroUsize::MIN;
    let mut pool = ProbePool::start(&settings, &clock()).unwrap();
    pool.submit(job(first)).unwrap();
    heard.recv().unwrap();
    for (address, round) in others.into_iter().zip(10..) {
        let one = ProbeJob {
            urgent: round >= 15,
            suspect: round == 15,
            round,
            ..job(address)
        };
        pool.submit(one).unwrap();
    }
    drop(gate);
    let order: Vec<_> = (0..11).map(|_| next(&mut pool).round).collect();
    assert_eq!(order, [1, 16, 17, 18, 19, 15, 10, 11, 12, 13, 14]);
}

#[test]
fn suspects_have_half_of_the_threads() {
    let mut net = Net::new(7);
    let hanging: Vec<_> = (1..20)
        .map(|host| net.serve(host, servers::silent))
        .collect();
    let (healthy, _) = net.serve(20, always(ok(GOOD)));
    let mut pool = pool(&net, LONG);
    for (address, _) in &hanging {
        let suspect = ProbeJob {
            suspect: true,
            urgent: true,
            ..job(*address)
        };
        pool.submit(suspect).unwrap();
    }
    for _ in 0..100 {
        assert_eq!(probe(&mut pool, healthy), good());
    }
    let asked = hanging
        .iter()
        .filter(|(_, seen)| seen.connections() > 0)
        .count();
    assert!(asked <= 2, "{asked}");
    pool.stop().unwrap();
}

#[test]
fn stop_breaks_off_what_is_under_way_and_ends_every_thread() {
    let mut net = Net::new(16);
    let (hanging, seen) = net.serve(1, servers::silent);
    let clock = clock();
    let mut pool = ProbePool::start(&settings(net.port, LONG * 60), &clock).unwrap();
    for host in 0..100 {
        let one = ProbeJob {
            replica: ReplicaId::new(&host.to_string()),
            ..job(hanging)
        };
        pool.submit(one).unwrap();
    }
    while seen.connections() < 4 {
        thread::yield_now();
    }
    pool.stop().unwrap();
    // Each thread had one.
    assert_eq!(Arc::strong_count(&clock), 1);
    assert_eq!(seen.connections(), 4);
}

#[test]
fn the_death_of_a_thread_is_reported() {
    let mut net = Net::new(17);
    let (address, _) = net.serve(1, always(ok(GOOD)));
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let clock: Clock = Arc::new(move || {
        assert!(!switch.load(Ordering::SeqCst), "on purpose");
        Moment::START
    });
    let mut settings = settings(net.port, LONG);
    settings.threads = NonZeroUsize::MIN;
    let mut pool = ProbePool::start(&settings, &clock).unwrap();
    assert_eq!(probe(&mut pool, address), good());
    broken.store(true, Ordering::SeqCst);
    pool.submit(job(address)).unwrap();
    let report = pool.reports().recv_timeout(LONG).unwrap();
    let died = WorkerDied {
        thread: "probe-0".to_owned(),
    };
    assert_eq!(pool.take(report), Err(died.clone()));
    assert_eq!(pool.stop(), Err(died));
}
