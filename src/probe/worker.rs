//! A thread of the probe pool.

use super::ProbeJob;
use super::connection::{Connection, Recipe};
use super::pool::{Clock, Report};
use crate::pool::ProbeResult;
use crossbeam_channel::{Receiver, Sender, TryRecvError, select};
use std::convert::Infallible;
use std::sync::Arc;

/// A job on its way to a worker, with the connection to use.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) job: ProbeJob,
    pub(super) connection: Connection,
}

/// A finished job on its way back.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) result: ProbeResult,
    pub(super) connection: Connection,
}

/// Where a worker's jobs come from. A lane that it does not serve is one that never delivers.
#[derive(Debug, Clone)]
pub(super) struct Lanes {
    /// Is cut off when the pool stops, so that waiting jobs are left where they are.
    pub(super) halt: Receiver<Infallible>,
    pub(super) urgent: Receiver<Box<Work>>,
    pub(super) urgent_suspect: Receiver<Box<Work>>,
    pub(super) normal: Receiver<Box<Work>>,
    pub(super) suspect: Receiver<Box<Work>>,
}

impl Lanes {
    fn next(&self) -> Option<Box<Work>> {
        if self.halt.try_recv() == Err(TryRecvError::Disconnected) {
            return None;
        }
        for lane in [&self.urgent, &self.urgent_suspect] {
            if let Ok(work) = lane.try_recv() {
                return Some(work);
            }
        }
        // Of the lanes that are ready one is taken at random, so that neither the normal jobs nor
        // the suspects, if they are more than can be done, keep the others from their turn.
        select! {
            recv(self.halt) -> _ => None,
            recv(self.urgent) -> work => work.ok(),
            recv(self.urgent_suspect) -> work => work.ok(),
            recv(self.normal) -> work => work.ok(),
            recv(self.suspect) -> work => work.ok(),
        }
    }
}

/// One of the threads.
pub(super) struct Worker {
    pub(super) name: String,
    pub(super) recipe: Arc<Recipe>,
    pub(super) clock: Clock,
    pub(super) lanes: Lanes,
    pub(super) reports: Sender<Report>,
}

impl Worker {
    /// Works until the pool stops.
    pub(super) fn run(self) {
        while let Some(work) = self.lanes.next() {
            let done = self.probe(*work);
            if self.reports.send(Report::done(done)).is_err() {
                break;
            }
        }
    }

    fn probe(&self, work: Work) -> Done {
        let started = (self.clock)();
        let outcome = work.connection.ask(&self.recipe, &self.clock);
        let finished = (self.clock)();
        Done {
            result: ProbeResult {
                replica: work.job.replica,
                round: work.job.round,
                finished,
                latency: finished.since(started),
                outcome,
            },
            connection: work.connection,
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The channel has room for one of these per thread. If nobody listens any more, the
            // pool is gone and so is the need to tell it.
            let _ = self.reports.send(Report::died(self.name.clone()));
        }
    }
}
