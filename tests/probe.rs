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

#[path = "probe/endpoints.rs"]
mod endpoints;
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
use simplescalevm::probe::{
    Clock, Endpoint, EndpointSettings, Full, ProbeJob, ProbePool, Protocol, TlsSettings, WorkerDied,
};
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroUsize};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(400);

fn clock() -> Clock {
    let start = Instant::now();
    Arc::new(move || Moment(start.elapsed()))
}

fn settings(port: u16, timeout: Duration) -> EndpointSettings {
    EndpointSettings {
        protocol: Protocol::Http,
        port: NonZeroU16::new(port).unwrap(),
        path: "/status".to_owned(),
        capacity_key: "capacity".to_owned(),
        termination_key: "termination".to_owned(),
        timeout,
        tls: TlsSettings::default(),
    }
}

/// A probe pool, and the endpoint of its jobs.
struct Pool {
    pool: ProbePool,
    endpoint: Arc<Endpoint>,
}

impl Pool {
    fn start(settings: &EndpointSettings, clock: &Clock) -> Self {
        Self::with_threads(4, settings, clock)
    }

    fn with_threads(threads: usize, settings: &EndpointSettings, clock: &Clock) -> Self {
        Self {
            pool: ProbePool::start(NonZeroUsize::new(threads).unwrap(), clock).unwrap(),
            endpoint: endpoint(settings),
        }
    }

    fn with_room_for(self, probes: usize) -> Self {
        let pool = self.pool.with_room_for(probes);
        Self { pool, ..self }
    }

    fn submit(&mut self, job: Job) -> Result<(), Full> {
        let endpoint = Arc::clone(&self.endpoint);
        self.submit_to(&endpoint, job)
    }

    fn submit_to(&mut self, endpoint: &Arc<Endpoint>, job: Job) -> Result<(), Full> {
        self.pool.submit(ProbeJob {
            replica: job.replica,
            address: job.address,
            endpoint: Arc::clone(endpoint),
            round: job.round,
            urgent: job.urgent,
            suspect: job.suspect,
        })
    }

    fn stop(self) -> Result<(), WorkerDied> {
        self.pool.stop()
    }
}

impl Deref for Pool {
    type Target = ProbePool;

    fn deref(&self) -> &ProbePool {
        &self.pool
    }
}

impl DerefMut for Pool {
    fn deref_mut(&mut self) -> &mut ProbePool {
        &mut self.pool
    }
}

fn endpoint(settings: &EndpointSettings) -> Arc<Endpoint> {
    Arc::new(Endpoint::new(settings).unwrap())
}

fn pool(net: &Net, timeout: Duration) -> Pool {
    Pool::start(&settings(net.port, timeout), &clock())
}

/// A job without its endpoint.
#[derive(Clone)]
struct Job {
    replica: ReplicaId,
    address: IpAddr,
    round: u64,
    urgent: bool,
    suspect: bool,
}

fn job(address: IpAddr) -> Job {
    Job {
        replica: ReplicaId::new(&address.to_string()),
        address,
        round: 1,
        urgent: false,
        suspect: false,
    }
}

fn next(pool: &mut Pool) -> ProbeResult {
    loop {
        if let Some(result) = pool.finished() {
            return result;
        }
        let report = pool.reports().recv_timeout(LONG).unwrap();
        pool.take(report).unwrap();
    }
}

fn probe(pool: &mut Pool, address: IpAddr) -> Result<Answer, ProbeFailure> {
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
