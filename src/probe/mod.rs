//! Asking replicas over HTTP: event loops, one exchange, and reading an answer.
//!
//! A few threads share the replicas among themselves: the hash of a replica's id says which one it
//! belongs to, for good. Each thread has its own sockets, all of them non-blocking, and waits for all
//! of them at once. So a replica that never answers costs a socket until its time is up, and no thread;
//! and a connection is never shared, nor searched for under a lock.
//!
//! From the outside in: [`ProbePool`] is the scaler thread's handle, `shard` the loop of one thread,
//! `lanes` what waits to be begun, `slot` one connection with the exchange on it, `link` its bytes in
//! and out of the socket, `tls` those of a secured one, `response` the HTTP part, without any I/O.

mod answer;
mod failure;
mod lanes;
mod link;
mod pool;
mod recipe;
mod response;
mod settings;
mod shard;
mod slot;
mod tls;

pub use answer::{MAX_BODY_BYTES, MAX_FREE, read_answer};
pub use pool::{
    Clock, Full, MAX_THREADS, MAX_UNDER_WAY, ProbePool, Report, WorkerDied, for_the_rest,
};
pub use settings::{ProbeSettings, Protocol, StartError, TlsSettings};

use crate::pool::ReplicaId;
use std::net::IpAddr;

/// One probe to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeJob {
    /// The replica to ask.
    pub replica: ReplicaId,
    /// Where it is.
    pub address: IpAddr,
    /// Handed through to the result.
    pub round: u64,
    /// Whether it goes before the others: it holds an external address.
    pub urgent: bool,
    /// Whether its last probe failed. Such replicas are asked after the others, and at most half of
    /// the sockets are theirs, so that any number of dead ones leaves the living ones their turn.
    pub suspect: bool,
}
