//! What a probe costs, and how long a round takes: the probe pool alone, against a server of this program's own that is
//! every replica of 127.0.0.0/8 and runs in a process of its own.
//!
//! `cargo run --release --example probe_rate -- [REPLICAS [ROUNDS [PERCENT_HUNG [kept|closed [TIMEOUT_MS [EVERY_MS]]]]]]`
//!
//! A round begins when the last one has ended, and not before `EVERY_MS` after its beginning: rounds in a row find warm caches,
//! so that rounds with and without replicas that hang are only to be compared with the same value.
//!
//! Prints, per round, the time until the last living replica's result and until the last result at all, and at the end the
//! CPU time per probe of a round: user and system, all threads.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use simplescalevm::pool::{Moment, ReplicaId};
use simplescalevm::probe::{
    Clock, Endpoint, EndpointSettings, ProbeJob, ProbePool, Protocol, TlsSettings,
};
use simplescalevm_mock::LoopbackListener;
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU16, NonZeroUsize};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| {
        arguments
            .get(at)
            .map_or(default, |text| text.parse().unwrap())
    };
    if arguments.first().is_some_and(|word| word == "serve") {
        return serve(arguments[1] == "closed");
    }
    let (replicas, rounds, hung) = (number(0, 1000), number(1, 20), number(2, 0));
    let mode = arguments.get(3).map_or("kept", String::as_str);
    let timeout = Duration::from_millis(number(4, 5000) as u64);
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["serve", mode])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 6];
    server
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut line)
        .unwrap();
    let port: u16 = std::str::from_utf8(&line).unwrap().trim().parse().unwrap();
    let every = Duration::from_millis(number(5, 0) as u64);
    measure(replicas, rounds, hung, port, (timeout, every));
    server.kill().unwrap();
    server.wait().unwrap();
}

fn measure(
    replicas: usize,
    rounds: usize,
    hung: usize,
    port: u16,
    (timeout, every): (Duration, Duration),
) {
    let settings = EndpointSettings {
        protocol: Protocol::Http,
        port: NonZeroU16::new(port).unwrap(),
        path: "/".to_owned(),
        capacity_key: "capacity".to_owned(),
        termination_key: "termination".to_owned(),
        timeout,
        tls: TlsSettings::default(),
    };
    let endpoint = Arc::new(Endpoint::new(&settings).unwrap());
    let start = Instant::now();
    let clock: Clock = Arc::new(move || Moment(start.elapsed()));
    let mut pool = ProbePool::start(NonZeroUsize::new(4).unwrap(), &clock).unwrap();
    let jobs: Vec<ProbeJob> = (0..replicas)
        .map(|index| {
            let is_hung = index * hung / 100 != (index + 1) * hung / 100;
            let [_, _, high, low] = u32::try_from(index).unwrap().to_be_bytes();
            // The server never answers the callers of 127.2.0.0/16.
            let net = if is_hung { 2 } else { 1 };
            ProbeJob {
                replica: ReplicaId::new(&format!("5f0c9f2e-7a34-4c11-9d62-{index:012x}")),
                address: IpAddr::V4(Ipv4Addr::new(127, net, high, low)),
                endpoint: Arc::clone(&endpoint),
                round: 0,
                urgent: false,
                suspect: false,
            }
        })
        .collect();
    let mut dead: Vec<bool> = vec![false; replicas];
    let mut costs = Vec::new();
    let mut times = Vec::new();
    for round in 0..rounds {
        let (began, cpu_before) = (Instant::now(), cpu());
        for (index, job) in jobs.iter().enumerate() {
            let job = ProbeJob {
                round: index as u64,
                suspect: dead[index],
                ..job.clone()
            };
            pool.submit(job).unwrap();
        }
        let (mut last_living, mut good) = (Duration::ZERO, 0);
        for _ in 0..replicas {
            let result = next(&mut pool);
            let index = usize::try_from(result.round).unwrap();
            dead[index] = result.outcome.is_err();
            if result.outcome.is_ok() {
                good += 1;
                last_living = began.elapsed();
            }
        }
        let cost = (cpu().saturating_sub(cpu_before)).as_secs_f64() * 1e6 / replicas as f64;
        if round > 0 {
            costs.push(cost);
            times.push(last_living.as_secs_f64() * 1e3);
        }
        println!(
            "round {round}: {good} good, last living {last_living:?}, all {:?}, {cost:.1} us of CPU per probe",
            began.elapsed()
        );
        std::thread::sleep(every.saturating_sub(began.elapsed()));
    }
    costs.sort_by(f64::total_cmp);
    times.sort_by(f64::total_cmp);
    if let (Some(cost), Some(time)) = (costs.get(costs.len() / 2), times.get(times.len() / 2)) {
        let least = times[0];
        println!(
            "median {cost:.1} us of CPU per probe; last living after {time:.1} ms (least {least:.1}); {}",
            memory()
        );
    }
    pool.stop().unwrap();
}

fn next(pool: &mut ProbePool) -> simplescalevm::pool::ProbeResult {
    loop {
        if let Some(result) = pool.finished() {
            return result;
        }
        let report = pool.reports().recv().unwrap();
        pool.take(report).unwrap();
    }
}

/// The CPU time of all threads of this process.
fn cpu() -> Duration {
    let mut nanos = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path().join("schedstat");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        nanos += text
            .split(' ')
            .next()
            .map_or(0, |word| word.parse::<u64>().unwrap_or(0));
    }
    Duration::from_nanos(nanos)
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.unwrap_or_default().to_owned()
}

/// Answers every request; the callers of 127.2.0.0/16 get nothing.
fn serve(closes: bool) {
    const LISTENER: Token = Token(usize::MAX);
    let body = r#"{"capacity": 3, "termination": false}"#;
    let connection = if closes { "close" } else { "keep-alive" };
    let response = format!(
        "HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n{body}",
        body.len()
    );
    let listener = std::net::TcpListener::from(LoopbackListener::bind(0).unwrap());
    listener.set_nonblocking(true).unwrap();
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new().unwrap();
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    print!("{:6}", listener.local_addr().unwrap().port());
    std::io::stdout().flush().unwrap();
    let mut events = Events::with_capacity(1024);
    let mut streams: HashMap<usize, (TcpStream, bool)> = HashMap::new();
    let mut count = 0;
    loop {
        if poll.poll(&mut events, None).is_err() {
            continue;
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    count += 1;
                    let me = match stream.local_addr().unwrap().ip() {
                        IpAddr::V4(me) if me.is_loopback() => me,
                        _ => continue,
                    };
                    poll.registry()
                        .register(&mut stream, Token(count), Interest::READABLE)
                        .unwrap();
                    streams.insert(count, (stream, me.octets()[1] == 2));
                }
                continue;
            }
            let Some((stream, is_hung)) = streams.get_mut(&event.token().0) else {
                continue;
            };
            let mut request = [0; 2048];
            loop {
                match stream.read(&mut request) {
                    Ok(1..) if *is_hung => {}
                    Ok(1..) => {
                        let sent = stream.write_all(response.as_bytes());
                        if closes || sent.is_err() {
                            streams.remove(&event.token().0);
                            break;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    _ => {
                        streams.remove(&event.token().0);
                        break;
                    }
                }
            }
        }
    }
}
