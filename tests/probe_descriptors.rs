//! The probe pool with fewer file descriptors than replicas. A program of its own: the limit is the process's.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test over real sockets runs on real time, and ends where something fails"
)]

use simplescalevm::pool::{Moment, ProbeFailure, ProbeResult, ReplicaId};
use simplescalevm::probe::{
    Clock, Endpoint, EndpointSettings, ProbeJob, ProbePool, Protocol, TlsSettings,
};
use simplescalevm_mock::LoopbackListener;
use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::num::{NonZeroU16, NonZeroUsize};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Set in the process that is the replicas.
const ASKED_FOR: &str = "PROBE_DESCRIPTORS_REPLICAS";
const PORT_FROM: &str = "the replicas' port: ";

/// Not a test: all replicas, in a process with descriptors of its own. Those with an odd last byte never answer.
#[test]
fn replicas() {
    if std::env::var_os(ASKED_FOR).is_none() {
        return;
    }
    let listener = LoopbackListener::bind(0).unwrap();
    println!("\n{PORT_FROM}{}", listener.port().unwrap());
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn(move || answer(stream))
            .unwrap();
    }
}

fn answer(mut stream: TcpStream) {
    let is_dead = is_dead(stream.local_addr().unwrap().ip());
    let body = r#"{"capacity": 3, "termination": false}"#;
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    while matches!(stream.read(&mut [0; 1024]), Ok(1..)) {
        if !is_dead && stream.write_all(response.as_bytes()).is_err() {
            break;
        }
    }
}

fn is_dead(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.octets()[3] % 2 == 1)
}

fn next(pool: &mut ProbePool) -> ProbeResult {
    loop {
        if let Some(result) = pool.finished() {
            return result;
        }
        let report = pool
            .reports()
            .recv_timeout(Duration::from_secs(60))
            .unwrap();
        pool.take(report).unwrap();
    }
}

/// Ends with the test, however that ends.
struct Replicas(Child);

impl Drop for Replicas {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_replicas() -> (Replicas, NonZeroU16) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "replicas", "--nocapture"])
        .env(ASKED_FOR, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut replicas = Replicas(child);
    let (mut text, mut byte) = (String::new(), [0]);
    let stdout = replicas.0.stdout.as_mut().unwrap();
    loop {
        stdout.read_exact(&mut byte).unwrap();
        if byte == *b"\n" {
            if let Some(port) = text.strip_prefix(PORT_FROM) {
                let port = port.parse().unwrap();
                return (replicas, port);
            }
            text.clear();
        } else {
            text.push(char::from(byte[0]));
        }
    }
}

#[test]
fn more_replicas_than_descriptors() {
    let (_replicas, port) = start_replicas();
    rlimit::setrlimit(rlimit::Resource::NOFILE, 144, 144).unwrap();
    let settings = EndpointSettings {
        protocol: Protocol::Http,
        port,
        path: "/".to_owned(),
        capacity_key: "capacity".to_owned(),
        termination_key: "termination".to_owned(),
        timeout: Duration::from_secs(1),
        tls: TlsSettings::default(),
    };
    let endpoint = Arc::new(Endpoint::new(&settings).unwrap());
    let start = Instant::now();
    let clock: Clock = Arc::new(move || Moment(start.elapsed()));
    let mut pool = ProbePool::start(NonZeroUsize::MIN, &clock).unwrap();
    // 300 that live and 100 that hang, with 80 sockets for all of them.
    let living = (0..300_u16).map(|number| number * 2);
    let addresses: Vec<IpAddr> = living
        .chain((0..100).map(|number| number * 2 + 1))
        .map(|number| {
            let [high, low] = number.to_be_bytes();
            Ipv4Addr::new(127, 68, high, low).into()
        })
        .collect();
    let mut suspects: HashSet<IpAddr> = HashSet::new();
    for round in 0..3 {
        for address in &addresses {
            let job = ProbeJob {
                replica: ReplicaId::new(&address.to_string()),
                address: *address,
                endpoint: Arc::clone(&endpoint),
                round,
                urgent: false,
                suspect: suspects.contains(address),
            };
            pool.submit(job).unwrap();
        }
        let mut timed_out = 0;
        for count in 0..addresses.len() {
            let result = next(&mut pool);
            let address: IpAddr = result.replica.as_str().parse().unwrap();
            if is_dead(address) {
                assert_eq!(result.outcome, Err(ProbeFailure::Timeout), "{address}");
                suspects.insert(address);
                timed_out += 1;
            } else {
                assert!(result.outcome.is_ok(), "{result:?}");
                // Suspects have half of the sockets at most, and wait for the others.
                assert!(round == 0 || timed_out == 0, "{count}: {result:?}");
            }
        }
        assert_eq!(timed_out, 100);
    }
    pool.stop().unwrap();
}
