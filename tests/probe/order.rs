//! Which jobs go first, and the life of the threads.

use super::servers::{self, GOOD, Net, always, ok};
use super::{Job, LONG, Pool, clock, good, job, next, pool, probe, settings};
use simplescalevm::pool::{Moment, ProbeFailure, ReplicaId};
use simplescalevm::probe::{Clock, WorkerDied};
use simplescalevm_mock::LoopbackListener;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
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
        let suspect = Job {
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
    // Connections in the order in which they were begun.
    let everybody = LoopbackListener::bind(0).unwrap();
    let settings = settings(everybody.port().unwrap(), LONG);
    // The thread stands still where it reads the clock until all jobs are there.
    let (gate, opened) = crossbeam_channel::bounded::<()>(0);
    let clock: Clock = Arc::new(move || {
        let _ = opened.recv();
        Moment::START
    });
    let mut pool = Pool::with_threads(1, &settings, &clock);
    for round in 10..22_u8 {
        let address = Ipv4Addr::new(127, 66, 19, round);
        let one = Job {
            urgent: round >= 16,
            suspect: round % 2 == 0,
            ..job(address.into())
        };
        pool.submit(one).unwrap();
    }
    drop(gate);
    let order: Vec<u8> = (0..12)
        .map(|_| {
            let stream = everybody.accept().unwrap();
            match stream.local_addr().unwrap().ip() {
                IpAddr::V4(address) => address.octets()[3],
                IpAddr::V6(_) => unreachable!("it is bound to an IPv4 address"),
            }
        })
        .collect();
    assert_eq!(order, [17, 19, 21, 16, 18, 20, 11, 13, 15, 10, 12, 14]);
    pool.stop().unwrap();
}

#[test]
fn stop_breaks_off_what_is_under_way_and_ends_every_thread() {
    let mut net = Net::new(16);
    let (hanging, seen) = net.serve(1, servers::silent);
    let clock = clock();
    let mut pool = Pool::start(&settings(net.port, LONG * 60), &clock);
    for host in 0..100 {
        let one = Job {
            replica: ReplicaId::new(&host.to_string()),
            ..job(hanging)
        };
        pool.submit(one).unwrap();
    }
    while seen.connections() < 100 {
        thread::yield_now();
    }
    pool.stop().unwrap();
    assert_eq!(Arc::strong_count(&clock), 1);
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
    let settings = settings(net.port, LONG);
    let mut pool = Pool::with_threads(1, &settings, &clock);
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

#[test]
fn suspects_leave_half_of_the_places_to_the_living() {
    let mut net = Net::new(31);
    let silent = net.serve(1, servers::silent).0;
    let living = net.serve(2, always(ok(GOOD))).0;
    let mut pool = pool(&net, LONG).with_room_for(40);
    let suspect = |urgent| Job {
        suspect: true,
        urgent,
        ..job(silent)
    };
    let suspects = (0..100).take_while(|_| pool.submit(suspect(false)).is_ok());
    assert_eq!(suspects.count(), 20);
    // A holder of an external address has its place all the same.
    pool.submit(suspect(true)).unwrap();
    for _ in 0..3 {
        for _ in 0..19 {
            pool.submit(job(living)).unwrap();
        }
        assert!(pool.submit(job(living)).is_err());
        for _ in 0..19 {
            assert_eq!(next(&mut pool).outcome, good());
        }
    }
    pool.stop().unwrap();
}
