//! Many exchanges in one thread.

use super::servers::{self, GOOD, Net, Talk, always, ok, once};
use super::{Job, LONG, Pool, SHORT, clock, good, job, next, pool, settings};
use simplescalevm::pool::ProbeFailure;
use simplescalevm_mock::LoopbackListener;
use socket2::{Domain, Socket, Type};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Everybody of 127.0.0.0/8 at one port, in one thread: answers, if the last byte of the address it was called at is even.
fn everybody() -> u16 {
    let listener = LoopbackListener::bind(0).unwrap();
    let port = listener.port().unwrap();
    thread::spawn(move || {
        let mut kept = Vec::new();
        loop {
            let mut stream = listener.accept().unwrap();
            if is_living(stream.local_addr().unwrap().ip()) {
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(ok(GOOD).as_bytes());
            } else {
                kept.push(stream);
            }
        }
    });
    port
}

fn is_living(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.octets()[3] % 2 == 0)
}

#[test]
fn four_hundred_that_hang_delay_none_of_four_hundred_that_live() {
    let port = everybody();
    // Nobody is known to be dead; a timeout before the last good result would be a living one kept waiting.
    let mut pool = Pool::start(&settings(port, LONG), &clock());
    for round in 0..2 {
        for number in 0..800_u16 {
            let [high, low] = number.to_be_bytes();
            let address = Ipv4Addr::new(127, 67 + round, high, low);
            pool.submit(job(address.into())).unwrap();
        }
        for _ in 0..400 {
            let result = next(&mut pool);
            assert_eq!(result.outcome, good(), "{result:?}");
        }
    }
    assert_eq!(pool.under_way(), 800);
    pool.stop().unwrap();
}

#[test]
fn one_that_hangs_ends_in_time_however_many_answered_since_another_hung() {
    // Somewhere there the thread drops what it remembers of those that answered.
    const ANSWERED: std::ops::Range<u16> = 1_018..1_034;
    let trial = |answered, timeout| {
        let settings = settings(everybody(), timeout);
        let mut pool = Pool::with_threads(1, &settings, &clock());
        let replica = |host| job(Ipv4Addr::new(127, 70, 0, host).into());
        pool.submit(replica(1)).unwrap();
        let answers = |pool: &mut Pool| {
            pool.submit(replica(2)).unwrap();
            let outcome = next(pool).outcome;
            if outcome != good() {
                // On a busy machine the first one may run out of time before as many have answered.
                assert_eq!(outcome, Err(ProbeFailure::Timeout));
            }
            outcome == good()
        };
        let is_in_time = (0..answered).all(|_| answers(&mut pool));
        if is_in_time {
            pool.submit(replica(3)).unwrap();
            for _ in 0..2 {
                assert_eq!(next(&mut pool).outcome, Err(ProbeFailure::Timeout));
            }
        }
        pool.stop().unwrap();
        is_in_time
    };
    thread::scope(|scope| {
        for answered in ANSWERED {
            let slower = [10, 40, 160].map(|times| SHORT * times);
            scope.spawn(move || assert!(slower.into_iter().any(|time| trial(answered, time))));
        }
    });
}

#[test]
fn every_failure_among_others() {
    let mut net = Net::new(20);
    let first = net.serve(1, always(ok(GOOD))).0;
    let mut expected = HashMap::new();
    let boxed = |script: fn(Talk)| -> Script { Box::new(script) };
    let answers = |bytes: &str| -> Script { Box::new(once(bytes.into())) };
    let scripts = [
        (boxed(servers::flooding), Err(ProbeFailure::TooLarge)),
        (boxed(servers::silent), Err(ProbeFailure::Timeout)),
        (boxed(servers::dribbling), Err(ProbeFailure::Timeout)),
        (boxed(servers::dribbling_header), Err(ProbeFailure::Timeout)),
        (boxed(servers::resetting), Err(ProbeFailure::ConnectionLost)),
        (
            answers("HTTP/1.1 503 No\r\n\r\n"),
            Err(ProbeFailure::Status(503)),
        ),
        (answers(&ok("?")), Err(ProbeFailure::NotJson)),
        (answers(&ok("[]")), Err(ProbeFailure::NotAnObject)),
        (answers(&ok(GOOD)), good()),
        (Box::new(always(ok(GOOD))), good()),
    ];
    for (index, (script, outcome)) in scripts.into_iter().enumerate() {
        let host = u8::try_from(index + 2).unwrap();
        let (address, _) = net.serve(host, script);
        expected.insert(address, outcome);
    }
    expected.insert(net.address(100), Err(ProbeFailure::Refused));
    let settings = settings(net.port, SHORT * 5);
    let mut pool = Pool::with_threads(1, &settings, &clock());
    for _ in 0..3 {
        for address in expected.keys().chain([&first]) {
            pool.submit(job(*address)).unwrap();
        }
        for _ in 0..=expected.len() {
            let result = next(&mut pool);
            let address: IpAddr = result.replica.as_str().parse().unwrap();
            let outcome = expected.get(&address).cloned().unwrap_or_else(good);
            assert_eq!(result.outcome, outcome, "{address}");
        }
    }
    pool.stop().unwrap();
}

type Script = Box<dyn Fn(Talk) + Send + Sync>;

#[test]
fn bytes_that_nobody_asked_for_end_a_connection() {
    let mut net = Net::new(21);
    let extra = |later: bool| {
        move |mut talk: Talk| {
            talk.hear();
            if later {
                talk.say(ok(GOOD).as_bytes());
                thread::sleep(Duration::from_millis(20));
                talk.say(b"HTTP/1.1 500 Late\r\n\r\n");
            } else {
                talk.say(format!("{}HTTP/1.1 500 Early\r\n\r\n", ok(GOOD)).as_bytes());
            }
            talk.hang();
        }
    };
    for (host, later) in [(1, false), (2, true)] {
        let (address, seen) = net.serve(host, extra(later));
        let mut pool = pool(&net, LONG);
        for count in 1..4 {
            pool.submit(job(address)).unwrap();
            assert_eq!(next(&mut pool).outcome, good());
            assert_eq!(seen.connections(), count);
            thread::sleep(Duration::from_millis(100));
        }
        pool.stop().unwrap();
    }
}

#[test]
fn a_connection_that_the_replica_ends_is_closed_at_once() {
    const COUNT: u8 = 40;
    let mut net = Net::new(22);
    let (gone_in, gone) = crossbeam_channel::bounded(usize::from(COUNT));
    let addresses: Vec<IpAddr> = (1..=COUNT)
        .map(|host| {
            let gone_in = gone_in.clone();
            let script = move |mut talk: Talk| {
                talk.hear();
                talk.say(ok(GOOD).as_bytes());
                // Some ends come together with the answer, some when the connection is idle.
                thread::sleep(Duration::from_millis(u64::from(host / 4)));
                talk.stream.shutdown(std::net::Shutdown::Write).unwrap();
                // Returns when the other side has closed as well.
                talk.hang();
                gone_in.send(()).unwrap();
            };
            net.serve(host, script).0
        })
        .collect();
    let mut pool = pool(&net, LONG);
    for address in addresses {
        pool.submit(job(address)).unwrap();
    }
    for _ in 0..COUNT {
        assert_eq!(next(&mut pool).outcome, good());
    }
    for _ in 0..COUNT {
        gone.recv_timeout(LONG).unwrap();
    }
    pool.stop().unwrap();
}

#[test]
fn stop_while_connecting() {
    // A listener whose queue is full lets a caller wait for its connection.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.66.23.1:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let socket = listener.local_addr().unwrap().as_socket().unwrap();
    let _full: Vec<_> = (0..4)
        .map(|_| {
            let stream = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            stream.set_nonblocking(true).unwrap();
            let _ = stream.connect(&socket.into());
            stream
        })
        .collect();
    let mut pool = Pool::start(&settings(socket.port(), SHORT), &clock());
    pool.submit(job(socket.ip())).unwrap();
    assert_eq!(next(&mut pool).outcome, Err(ProbeFailure::Timeout));
    pool.stop().unwrap();
    let mut pool = Pool::start(&settings(socket.port(), LONG * 60), &clock());
    pool.submit(job(socket.ip())).unwrap();
    thread::sleep(Duration::from_millis(50));
    assert_eq!(pool.under_way(), 1);
    pool.stop().unwrap();
}

#[test]
fn two_probes_of_one_replica_at_a_time_are_both_answered() {
    let mut net = Net::new(24);
    let (address, seen) = net.serve(1, always(ok(GOOD)));
    let mut pool = pool(&net, LONG);
    for _ in 0..5 {
        for round in 0..3 {
            let one = Job {
                round,
                ..job(address)
            };
            pool.submit(one).unwrap();
        }
        for _ in 0..3 {
            assert_eq!(next(&mut pool).outcome, good());
        }
    }
    assert_eq!(pool.under_way(), 0);
    assert!(seen.connections() <= 15);
    pool.stop().unwrap();
}

#[test]
fn an_ipv6_replica() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        // Not every machine that runs this has IPv6.
        return;
    };
    let socket = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let talk = Talk {
                stream,
                number: 0,
                seen: Arc::default(),
            };
            always(ok(GOOD))(talk);
        }
    });
    let mut pool = Pool::start(&settings(socket.port(), LONG), &clock());
    for _ in 0..2 {
        pool.submit(job(socket.ip())).unwrap();
        assert_eq!(next(&mut pool).outcome, good());
    }
    pool.stop().unwrap();
}
