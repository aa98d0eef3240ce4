//! Asking replicas over HTTP: a fixed pool of threads, one probe, and reading an answer.
//!
//! The connection travels with the job. Each replica has one small HTTP agent of its own with at
//! most one kept connection; [`ProbePool::submit`] moves it into the job, the worker brings it back
//! with the result, and [`ProbePool::take`] puts it away again. So no connection is ever shared,
//! nor searched for under a lock.

mod answer;
mod connection;
mod failure;
mod pool;
mod settings;
mod worker;

pub use answer::{MAX_BODY_BYTES, MAX_FREE, read_answer};
pub use pool::{Clock, Full, MAX_UNDER_WAY, ProbePool, Report, WorkerDied};
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
    /// Whether its last probe failed. At most half of the threads work on such replicas, so that
    /// any number of dead ones, each good for a whole timeout, leaves the living ones theirs.
    pub suspect: bool,
}
