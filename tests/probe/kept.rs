//! Kept connections.

use super::servers::{GOOD, Net, Talk, always, chunked, ok, once};
use super::{Job, LONG, good, job, next, pool, probe};
use simplescalevm::pool::{Answer, Moment, ProbeFailure};
use std::io::Read;
use std::thread;
use std::time::Duration;

#[test]
fn one_connection_is_kept_and_used_again() {
    let mut net = Net::new(8);
    let (address, seen) = net.serve(1, always(chunked(GOOD)));
    let mut pool = pool(&net, LONG);
    for round in 0..20 {
        let one = Job {
            round,
            ..job(address)
        };
        pool.submit(one).unwrap();
        let result = next(&mut pool);
        assert_eq!(result.outcome, good());
        assert_eq!(result.round, round);
        assert!(result.latency <= result.finished.since(Moment::START));
    }
    assert_eq!((seen.connections(), seen.requests()), (1, 20));
    let forgotten = job(address).replica;
    pool.retain(|replica| *replica != forgotten);
    assert_eq!(probe(&mut pool, address), good());
    assert_eq!(seen.connections(), 2);
    pool.retain(|_| false);
    assert_eq!(probe(&mut pool, address), good());
    assert_eq!(seen.connections(), 3);
}

#[test]
fn a_failed_probe_leaves_no_connection_behind() {
    let mut net = Net::new(9);
    let (address, seen) = net.serve(
        1,
        always("HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno".into()),
    );
    let mut pool = pool(&net, LONG);
    for _ in 0..3 {
        assert_eq!(probe(&mut pool, address), Err(ProbeFailure::Status(503)));
    }
    assert_eq!((seen.connections(), seen.requests()), (3, 3));
}

#[test]
fn a_replica_that_moves_or_is_forgotten_under_way_loses_its_connection() {
    let mut net = Net::new(10);
    let (old, old_seen) = net.serve(1, always(ok(GOOD)));
    let (new, new_seen) = net.serve(2, always(ok(GOOD)));
    let mut pool = pool(&net, LONG);
    let moved = Job {
        replica: job(old).replica,
        ..job(new)
    };
    assert_eq!(probe(&mut pool, old), good());
    for _ in 0..2 {
        pool.submit(moved.clone()).unwrap();
        assert_eq!(next(&mut pool).outcome, good());
    }
    assert_eq!((old_seen.connections(), new_seen.connections()), (1, 1));
    pool.submit(moved.clone()).unwrap();
    pool.retain(|replica| *replica != moved.replica);
    assert_eq!(next(&mut pool).outcome, good());
    assert_eq!(pool.under_way(), 0);
    pool.submit(moved).unwrap();
    assert_eq!(next(&mut pool).outcome, good());
    assert_eq!(new_seen.connections(), 2);
}

/// Probes twice; the replica's end is scripted by the connection's number.
fn check_second(
    number: u8,
    script: fn(Talk),
    expected: &Result<Answer, ProbeFailure>,
    connections: usize,
) {
    let mut net = Net::new(number);
    let (address, seen) = net.serve(1, script);
    let mut pool = pool(&net, LONG);
    assert_eq!(probe(&mut pool, address), good());
    // Gives a replica that closes after its answer the time to do so.
    thread::sleep(Duration::from_millis(50));
    assert_eq!(&probe(&mut pool, address), expected);
    assert_eq!(seen.connections(), connections);
    pool.stop().unwrap();
}

#[test]
fn a_connection_closed_in_between_is_no_failure() {
    check_second(11, |talk| once(ok(GOOD).into())(talk), &good(), 2);
}

#[test]
fn a_connection_closed_just_when_it_is_used_is_no_failure() {
    // The request is read and dropped, as by a server that has begun to close the connection.
    let script = |mut talk: Talk| {
        talk.hear();
        talk.say(ok(GOOD).as_bytes());
        if talk.number > 0 {
            talk.hang();
        }
        talk.hear();
    };
    check_second(12, script, &good(), 2);
}

#[test]
fn a_connection_reset_just_when_it_is_used_is_no_failure() {
    let script = |mut talk: Talk| {
        talk.hear();
        talk.say(ok(GOOD).as_bytes());
        // One byte is taken of the next request; the rest makes the close a reset.
        let _ = talk.stream.read(&mut [0]);
    };
    check_second(13, script, &good(), 2);
}

#[test]
fn an_answer_broken_off_on_a_kept_connection_is_a_failure() {
    let script = |mut talk: Talk| {
        talk.hear();
        talk.say(ok(GOOD).as_bytes());
        talk.hear();
        talk.say(b"HTTP/1.1 200 O");
    };
    check_second(14, script, &Err(ProbeFailure::ConnectionLost), 1);
}

#[test]
fn the_second_attempt_has_the_rest_of_the_time() {
    let mut net = Net::new(15);
    let (address, seen) = net.serve(1, |mut talk: Talk| {
        talk.hear();
        if talk.number > 0 {
            talk.hang();
        }
        talk.say(ok(GOOD).as_bytes());
        talk.hear();
        thread::sleep(Duration::from_millis(700));
    });
    let mut pool = pool(&net, Duration::from_secs(1));
    assert_eq!(probe(&mut pool, address), good());
    pool.submit(job(address)).unwrap();
    let result = next(&mut pool);
    assert_eq!(result.outcome, Err(ProbeFailure::Timeout));
    assert!(result.latency < Duration::from_millis(1600), "{result:?}");
    assert_eq!(seen.connections(), 2);
}
