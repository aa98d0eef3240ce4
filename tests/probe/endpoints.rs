//! Several endpoints in one engine: each job is asked, read and timed by its own.

use super::https::secured_answering;
use super::servers::{self, Net, Talk, always, ok};
use super::{Job, LONG, Pool, SHORT, clock, endpoint, job, next, settings};
use simplescalevm::pool::{Answer, Moment, ProbeFailure, ReplicaId};
use simplescalevm::probe::{EndpointSettings, Protocol};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// What both kinds of keys read from: `capacity` and `termination` read 3 and false, `rooms.free` and `done` 7 and true.
const BOTH: &str = r#"{"capacity": 3, "termination": false, "rooms": {"free": 7}, "done": true}"#;

fn rooms(port: u16, timeout: Duration) -> EndpointSettings {
    EndpointSettings {
        path: "/rooms".to_owned(),
        capacity_key: "rooms.free".to_owned(),
        termination_key: "done".to_owned(),
        ..settings(port, timeout)
    }
}

fn named(name: &str, address: IpAddr) -> Job {
    Job {
        replica: ReplicaId::new(name),
        ..job(address)
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it is compared with outcomes")]
fn read(free: u64, termination: bool) -> Result<Answer, ProbeFailure> {
    Ok(Answer { free, termination })
}

#[test]
fn two_endpoints_at_a_time_are_each_asked_and_read_in_their_own_way() {
    // The same address, two ports.
    let (mut plain_net, mut secured_net) = (Net::new(32), Net::new(32));
    let (address, plain_seen) = plain_net.serve(1, always(ok(BOTH)));
    let (_, secured_seen) = secured_net.serve(1, secured_answering(BOTH));
    let mut secured = rooms(secured_net.port, LONG);
    secured.protocol = Protocol::Https;
    secured.tls.insecure = true;
    let secured = endpoint(&secured);
    let plain = endpoint(&settings(plain_net.port, LONG));
    let mut pool = Pool::with_threads(1, &settings(1, LONG), &clock());
    let expected = HashMap::from([("plain", read(3, false)), ("secured", read(7, true))]);
    for _ in 0..5 {
        pool.submit_to(&plain, named("plain", address)).unwrap();
        pool.submit_to(&secured, named("secured", address)).unwrap();
        for _ in 0..2 {
            let result = next(&mut pool);
            assert_eq!(result.outcome, expected[result.replica.as_str()]);
        }
    }
    for (seen, path) in [(plain_seen, "/status"), (secured_seen, "/rooms")] {
        assert_eq!((seen.connections(), seen.requests()), (1, 5), "{path}");
        for request in seen.requests.lock().unwrap().iter() {
            assert!(request.starts_with(&format!("GET {path} HTTP/1.1\r\n")));
        }
    }
    pool.stop().unwrap();
}

#[test]
fn a_connection_is_used_again_only_for_its_own_endpoint() {
    let mut net = Net::new(33);
    let (address, seen) = net.serve(1, always(ok(BOTH)));
    // Address, port and protocol are the same; of the last one everything is.
    let endpoints = [
        (endpoint(&settings(net.port, LONG)), read(3, false)),
        (endpoint(&rooms(net.port, LONG)), read(7, true)),
        (endpoint(&rooms(net.port, LONG)), read(7, true)),
    ];
    let mut pool = Pool::with_threads(1, &settings(1, LONG), &clock());
    let mut connections = 0;
    for (endpoint, expected) in endpoints.iter().cycle().take(7) {
        connections += 1;
        for _ in 0..3 {
            pool.submit_to(endpoint, job(address)).unwrap();
            assert_eq!(&next(&mut pool).outcome, expected);
            assert_eq!(seen.connections(), connections);
        }
    }
    // All at a time, for one replica.
    for (round, (endpoint, _)) in (0..).zip(&endpoints) {
        let job = Job {
            round,
            ..job(address)
        };
        pool.submit_to(endpoint, job).unwrap();
    }
    for _ in &endpoints {
        let result = next(&mut pool);
        let (_, expected) = &endpoints[usize::try_from(result.round).unwrap()];
        assert_eq!(&result.outcome, expected);
    }
    pool.stop().unwrap();
}

#[test]
fn a_replica_that_gets_another_endpoint_loses_the_connection_of_the_old_one() {
    let (mut old_net, mut new_net) = (Net::new(34), Net::new(34));
    let (closed_in, closed) = crossbeam_channel::bounded(1);
    let (address, _) = old_net.serve(1, move |mut talk: Talk| {
        talk.hear();
        talk.say(ok(BOTH).as_bytes());
        talk.hang();
        closed_in.send(()).unwrap();
    });
    new_net.serve(1, always(ok(BOTH)));
    let mut pool = Pool::start(&settings(old_net.port, LONG), &clock());
    pool.submit(job(address)).unwrap();
    assert_eq!(next(&mut pool).outcome, read(3, false));
    assert!(closed.try_recv().is_err());
    pool.endpoint = endpoint(&rooms(new_net.port, LONG));
    pool.submit(job(address)).unwrap();
    assert_eq!(next(&mut pool).outcome, read(7, true));
    closed.recv_timeout(LONG).unwrap();
    pool.stop().unwrap();
}

/// Probes of replicas that never answer, each begun after the one before. Whether each of them timed out before the
/// deadline of any that had more time left.
fn time_out(net: u8, timeouts: [Duration; 3]) -> bool {
    let mut net = Net::new(net);
    let (address, seen) = net.serve(1, servers::silent);
    let mut pool = Pool::with_threads(1, &settings(net.port, LONG), &clock());
    let endpoints = timeouts.map(|timeout| endpoint(&settings(net.port, timeout)));
    for (number, endpoint) in endpoints.iter().enumerate() {
        let one = Job {
            round: number as u64,
            ..named(&number.to_string(), address)
        };
        pool.submit_to(endpoint, one).unwrap();
        while seen.connections() <= number {
            thread::yield_now();
        }
    }
    let ends: Vec<(Moment, Moment)> = timeouts
        .iter()
        .map(|_| {
            let result = next(&mut pool);
            assert_eq!(result.outcome, Err(ProbeFailure::Timeout));
            let timeout = timeouts[usize::try_from(result.round).unwrap()];
            assert!(result.latency >= timeout, "{result:?}");
            (result.finished - result.latency + timeout, result.finished)
        })
        .collect();
    pool.stop().unwrap();
    assert!(ends.is_sorted_by_key(|(deadline, _)| *deadline), "{ends:?}");
    ends.windows(2).all(|pair| pair[0].1 < pair[1].0)
}

#[test]
fn a_short_timeout_ends_in_time_before_and_behind_long_ones() {
    const ORDERS: [[u32; 3]; 6] = [
        [1, 4, 8],
        [1, 8, 4],
        [4, 1, 8],
        [4, 8, 1],
        [8, 1, 4],
        [8, 4, 1],
    ];
    thread::scope(|scope| {
        for (net, order) in (35..).zip(ORDERS) {
            // On a busy machine the thread may have its turn late: then all have more time.
            let slower = [1, 4, 16].map(|times| order.map(|part| SHORT / 2 * part * times));
            scope.spawn(move || {
                let in_time = slower.into_iter().any(|timeouts| time_out(net, timeouts));
                assert!(in_time, "{order:?}");
            });
        }
    });
}

#[test]
fn an_endpoint_is_freed_when_its_last_job_is_done() {
    let mut net = Net::new(41);
    let (address, seen) = net.serve(1, always(ok(BOTH)));
    let (silent, silent_seen) = net.serve(2, servers::silent);
    let mut pool = Pool::with_threads(1, &settings(1, LONG), &clock());
    for count in 1..6 {
        // Likely at the place in memory of the one before, whose connection is not used all the same.
        let one = endpoint(&settings(net.port, LONG));
        let freed = Arc::downgrade(&one);
        for _ in 0..2 {
            pool.submit_to(&one, job(address)).unwrap();
            assert_eq!(next(&mut pool).outcome, read(3, false));
        }
        assert_eq!(freed.strong_count(), 1);
        drop(one);
        assert_eq!(freed.strong_count(), 0);
        assert_eq!(seen.connections(), count);
    }
    // A probe under way keeps it, and nothing does after the end.
    let one = endpoint(&settings(net.port, LONG * 60));
    let freed = Arc::downgrade(&one);
    pool.submit_to(&one, job(silent)).unwrap();
    drop(one);
    while silent_seen.connections() == 0 {
        thread::yield_now();
    }
    assert_eq!(freed.strong_count(), 1);
    pool.stop().unwrap();
    assert_eq!(freed.strong_count(), 0);
}
