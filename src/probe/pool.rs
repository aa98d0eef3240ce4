//! The handle of the probe pool, held by the scaler thread alone.

use super::ProbeJob;
use super::connection::{Connection, Recipe};
use super::settings::{ProbeSettings, StartError};
use super::worker::{Done, Lanes, Work, Worker};
use crate::pool::{Moment, ProbeResult, ReplicaId};
use crossbeam_channel::{Receiver, Sender, bounded, never};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

/// Where a thread reads the time.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// How many probes may wait or be under way at a time. Costs 90 bytes each from the start on.
pub const MAX_UNDER_WAY: usize = 8 * 1024;

/// Enough for a TLS handshake in a debug build, which needs most.
const STACK_BYTES: usize = 256 * 1024;

/// There are [`MAX_UNDER_WAY`] probes already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MAX_UNDER_WAY} probes are waiting already")
    }
}

impl std::error::Error for Full {}

/// A thread of the pool panicked. The pool must not be used any further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerDied {
    /// The name of the thread.
    pub thread: String,
}

impl fmt::Display for WorkerDied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the thread {} panicked", self.thread)
    }
}

impl std::error::Error for WorkerDied {}

/// What a thread sends; to be handed to [`ProbePool::take`].
#[derive(Debug)]
pub struct Report(Inner);

#[derive(Debug)]
enum Inner {
    Done(Box<Done>),
    Died(Box<WorkerDied>),
}

impl Report {
    pub(super) fn done(done: Done) -> Self {
        Self(Inner::Done(Box::new(done)))
    }

    pub(super) fn died(thread: String) -> Self {
        Self(Inner::Died(Box::new(WorkerDied { thread })))
    }
}

/// Where a replica's connection is.
enum Slot {
    Idle(Connection),
    /// With a job. The agent is a second handle, by which the exchange can be broken off.
    Away(IpAddr, ureq::Agent),
}

/// Threads that ask replicas, and the connections that they use.
pub struct ProbePool {
    recipe: Arc<Recipe>,
    slots: HashMap<ReplicaId, Slot>,
    under_way: usize,
    senders: Senders,
    reports: Receiver<Report>,
    threads: Vec<JoinHandle<()>>,
}

/// The other ends of [`Lanes`].
struct Senders {
    _halt: Sender<Infallible>,
    urgent: Sender<Box<Work>>,
    urgent_suspect: Sender<Box<Work>>,
    normal: Sender<Box<Work>>,
    suspect: Sender<Box<Work>>,
}

impl ProbePool {
    /// Starts the threads.
    pub fn start(settings: &ProbeSettings, clock: &Clock) -> Result<Self, StartError> {
        let recipe = Arc::new(Recipe::new(settings)?);
        let count = settings.threads.get();
        let (senders, lanes) = lanes();
        let living_only = Lanes {
            urgent_suspect: never(),
            suspect: never(),
            ..lanes.clone()
        };
        // INVARIANT: a worker never waits to send. Of the results there are at most
        // `MAX_UNDER_WAY`, which `submit` sees to, and of the last words one per thread.
        let (reports_in, reports) = bounded(MAX_UNDER_WAY + count);
        let for_suspects = (count / 2).max(1);
        let mut threads = Vec::with_capacity(count);
        for index in 0..count {
            let name = format!("probe-{index}");
            let served = if index < for_suspects {
                &lanes
            } else {
                &living_only
            };
            let worker = Worker {
                name: name.clone(),
                recipe: Arc::clone(&recipe),
                clock: Arc::clone(clock),
                lanes: served.clone(),
                reports: reports_in.clone(),
            };
            let thread = Builder::new()
                .name(name.clone())
                .stack_size(STACK_BYTES)
                .spawn(move || worker.run())
                .map_err(|source| StartError::Thread { name, source })?;
            threads.push(thread);
        }
        Ok(Self {
            recipe,
            slots: HashMap::new(),
            under_way: 0,
            senders,
            reports,
            threads,
        })
    }

    /// Hands a job to the threads. Never waits.
    pub fn submit(&mut self, job: ProbeJob) -> Result<(), Full> {
        if self.under_way >= MAX_UNDER_WAY {
            return Err(Full);
        }
        let connection = match self.slots.remove(&job.replica) {
            Some(Slot::Idle(connection)) if connection.address() == job.address => connection,
            _ => Connection::new(&self.recipe, job.address),
        };
        let away = Slot::Away(job.address, connection.agent());
        self.slots.insert(job.replica.clone(), away);
        let lane = match (job.urgent, job.suspect) {
            (true, false) => &self.senders.urgent,
            (true, true) => &self.senders.urgent_suspect,
            (false, false) => &self.senders.normal,
            (false, true) => &self.senders.suspect,
        };
        // Each lane has room for `MAX_UNDER_WAY`, so this fails only if every thread has died, of
        // which there are reports.
        let work = Box::new(Work { job, connection });
        lane.try_send(work).map_err(|_| Full)?;
        self.under_way += 1;
        Ok(())
    }

    /// Where the threads' reports arrive, for a `select!` together with other channels.
    #[must_use]
    pub fn reports(&self) -> &Receiver<Report> {
        &self.reports
    }

    /// Reads a report and puts the connection that came with it away for the next probe.
    pub fn take(&mut self, report: Report) -> Result<ProbeResult, WorkerDied> {
        let done = match report.0 {
            Inner::Done(done) => *done,
            Inner::Died(died) => return Err(*died),
        };
        self.under_way = self.under_way.saturating_sub(1);
        // A replica that was forgotten or has moved in the meantime has no place for it.
        if let Some(slot) = self.slots.get_mut(&done.result.replica)
            && matches!(slot, Slot::Away(address, _) if *address == done.connection.address())
        {
            *slot = Slot::Idle(done.connection);
        }
        Ok(done.result)
    }

    /// Closes a replica's connection; that of a probe under way once it has ended.
    pub fn forget(&mut self, replica: &ReplicaId) {
        self.slots.remove(replica);
    }

    /// Closes the connections of all replicas but those that are to be kept.
    pub fn retain(&mut self, mut keep: impl FnMut(&ReplicaId) -> bool) {
        self.slots.retain(|replica, _| keep(replica));
    }

    /// How many probes wait or are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Ends the threads and waits for them: the exchanges under way are broken off, jobs that
    /// wait are dropped. Only a connect under way is waited for, for at most the timeout.
    pub fn stop(self) -> Result<(), WorkerDied> {
        drop(self.senders);
        for slot in self.slots.into_values() {
            if let Slot::Away(_, agent) = slot {
                agent.shutdown();
            }
        }
        let mut outcome = Ok(());
        for thread in self.threads {
            let name = thread.thread().name().unwrap_or("probe").to_owned();
            if thread.join().is_err() {
                outcome = Err(WorkerDied { thread: name });
            }
        }
        outcome
    }
}

impl fmt::Debug for ProbePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbePool")
            .field("replicas", &self.slots.len())
            .field("under_way", &self.under_way)
            .field("threads", &self.threads.len())
            .finish_non_exhaustive()
    }
}

fn lanes() -> (Senders, Lanes) {
    let (halt_in, halt) = bounded(0);
    let (urgent_in, urgent) = bounded(MAX_UNDER_WAY);
    let (urgent_suspect_in, urgent_suspect) = bounded(MAX_UNDER_WAY);
    let (normal_in, normal) = bounded(MAX_UNDER_WAY);
    let (suspect_in, suspect) = bounded(MAX_UNDER_WAY);
    let senders = Senders {
        _halt: halt_in,
        urgent: urgent_in,
        urgent_suspect: urgent_suspect_in,
        normal: normal_in,
        suspect: suspect_in,
    };
    let lanes = Lanes {
        halt,
        urgent,
        urgent_suspect,
        normal,
        suspect,
    };
    (senders, lanes)
}
