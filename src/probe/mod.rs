//! Asking replicas over HTTP: event loops, one exchange, and reading an answer.
//!
//! A few threads share the replicas among themselves: the hash of a replica's id decides for good which
//! thread asks it. Each thread has its own non-blocking sockets and waits for all of them at once. So a
//! replica that never answers costs a socket until its deadline, and no thread; a connection is never
//! shared between threads, nor searched for under a lock.
//!
//! How replicas are asked is an [`Endpoint`], which rides on each [`ProbeJob`]: the threads serve any number
//! of endpoints at a time, and keep none for longer than its jobs last.
//!
//! From the outside in: [`ProbePool`] is the scaler thread's handle, `wakeup` ends a thread's sleep, `shard`
//! is the loop of one thread, `queue` the jobs that wait, `deadlines` the ends of exchanges, `slot` one
//! connection with its exchange, `link` bytes in and out of the socket, `tls` those of a secured
//! connection, `response` the HTTP part, without any I/O.

mod answer;
mod deadlines;
mod endpoint;
mod failure;
mod link;
mod pool;
mod queue;
mod report;
mod response;
mod settings;
mod shard;
mod slot;
mod tls;
mod wakeup;

pub use answer::{MAX_BODY_BYTES, MAX_FREE, read_answer};
pub use endpoint::Endpoint;
pub use pool::{Full, MAX_THREADS, MAX_UNDER_WAY, ProbePool, for_the_rest};
pub use report::{Clock, Report, WorkerDied};
pub use settings::{EndpointError, EndpointSettings, Protocol, StartError, TlsSettings};

use crate::pool::ReplicaId;
use std::net::IpAddr;
use std::sync::Arc;

/// One probe to be made.
#[derive(Debug, Clone)]
pub struct ProbeJob {
    /// The replica to ask.
    pub replica: ReplicaId,
    /// The replica's address.
    pub address: IpAddr,
    /// How the replica is asked, and how long the probe may take. A kept connection is used again only for the
    /// very same endpoint: for a clone of this `Arc`, not for another endpoint with equal settings.
    pub endpoint: Arc<Endpoint>,
    /// Copied into the result.
    pub round: u64,
    /// Whether the job goes before others: its replica holds an external address.
    pub urgent: bool,
    /// Whether the replica's last probe failed. Such replicas are asked after the others and get at most
    /// half of the sockets, so that any number of dead replicas leaves the living ones their turn.
    pub suspect: bool,
}
