//! What a probe thread sends to the scaler, and the clock that it goes by.

use crate::pool::{Moment, ProbeResult};
use std::sync::Arc;

/// Where a thread reads the time.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// A thread of the pool panicked. The pool must not be used any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the thread {thread} panicked")]
pub struct WorkerDied {
    /// The name of the thread.
    pub thread: String,
}

/// A thread's report; to be handed to [`ProbePool::take`](super::ProbePool::take).
#[derive(Debug)]
pub struct Report(pub(super) Inner);

#[derive(Debug)]
pub(super) enum Inner {
    /// Results, and how many of them are of suspects.
    Done(Vec<ProbeResult>, usize),
    Died(Box<WorkerDied>),
}

impl Report {
    pub(super) fn done(results: Vec<ProbeResult>, of_suspects: usize) -> Self {
        Self(Inner::Done(results, of_suspects))
    }

    pub(super) fn died(thread: String) -> Self {
        Self(Inner::Died(Box::new(WorkerDied { thread })))
    }
}
