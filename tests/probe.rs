//! The probe pool over real sockets.
#![allow(
    clippy::disallowed_methods,
    reason = "a test over real sockets runs on real time"
)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure anywhere in a test is to end it"
)]

#[path = "probe/exchange.rs"]
mod exchange;
#[path = "probe/https.rs"]
mod https;
#[path = "probe/kept.rs"]
mod kept;
#[path = "probe/order.rs"]
mod order;
#[path = "probe/servers.rs"]
mod servers;
#[path = "probe/together.rs"]
mod together;

use servers::Net;
use simplescalevm::pool::{Answer, Moment, ProbeFailure, ProbeResult, ReplicaId};
use simplescalevm::probe::{Clock, ProbeJob, ProbePool, ProbeSettings, Protocol, TlsSettings};
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(400);

fn clock() -> Clock {
    let start = Instant::now();
    Arc::new(move || Moment(start.elapsed()))
}

fn settings(port: u16, timeout: Duration) -> ProbeSettings {
    ProbeSettings {
        protocol: Protocol::Http,
        port: NonZeroU16::new(port).unwrap(),
        path: "/status".to_owned(),
        capacity_key: "capacity".to_owned(),
        termination_key: "termination".to_owned(),
        timeout,
        tls: TlsSettings::default(),
        threads: NonZeroUsize::new(4).unwrap(),
    }
}

fn pool(net: &Net, timeout: Duration) -> ProbePool {
    ProbePool::start(&settings(net.port, timeout), &clock()).unwrap()
}

fn job(address: IpAddr) -> ProbeJob {
    ProbeJob {
        replica: ReplicaId::new(&address.to_string()),
        address,
        round: 1,
        urgent: false,
        suspect: false,
    }
}

fn next(pool: &mut ProbePool) -> ProbeResult {
    loop {
        if let Some(result) = pool.finished() {
            return result;
        }
        let report = pool.reports().recv_timeout(LONG).unwrap();
        pool.take(report).unwrap();
    }
}

fn probe(pool: &mut ProbePool, address: IpAddr) -> Result<Answer, ProbeFailure> {
    pool.submit(job(address)).unwrap();
    next(pool).outcome
}

#[allow(clippy::unnecessary_wraps, reason = "it is compared with outcomes")]
fn good() -> Result<Answer, ProbeFailure> {
    Ok(Answer {
        free: 3,
        termination: false,
    })
}
