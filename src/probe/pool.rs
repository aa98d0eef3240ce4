//! The handle of the probe pool, held by the scaler thread alone.

use super::ProbeJob;
use super::report::{Clock, Inner, Report, WorkerDied};
use super::settings::StartError;
use super::shard::{Command, Parts, Shard};
use super::wakeup::{WAKEUP, Wakeup};
use crate::pool::{ProbeResult, ReplicaId};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use mio::{Poll, Waker};
use std::collections::hash_map::DefaultHasher;
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle, available_parallelism};

/// How many probes may wait or be under way at a time.
pub const MAX_UNDER_WAY: usize = 8 * 1024;

/// How many threads there are at most, whatever the settings and the machine. Each is an event loop that
/// makes more than 20,000 probes a second.
pub const MAX_THREADS: usize = 4;

/// File descriptors that are left to the rest of the process, of so many: the status page's clients,
/// standard streams, signals, the connections to the cloud, files that are read.
#[must_use]
pub const fn for_the_rest(limit: usize) -> usize {
    let share = limit / 32;
    if share < 64 {
        64
    } else if share > 2_048 {
        2_048
    } else {
        share
    }
}

/// Enough for a TLS handshake in a debug build, which needs most.
const STACK_BYTES: usize = 256 * 1024;

/// There is no room for the probe: there are [`MAX_UNDER_WAY`] already, or half as many of suspects and this is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many probes are waiting already")]
pub struct Full;

/// A thread with its share of the replicas.
struct Worker {
    name: String,
    commands: Sender<Command>,
    wakeup: Arc<Wakeup>,
    thread: Option<JoinHandle<()>>,
}

/// Threads that ask replicas, and the connections that they use.
pub struct ProbePool {
    /// The replicas to which a thread may have a connection.
    known: HashSet<ReplicaId>,
    under_way: usize,
    suspects_under_way: usize,
    max_under_way: usize,
    workers: Vec<Worker>,
    reports: Receiver<Report>,
    finished: VecDeque<ProbeResult>,
}

impl ProbePool {
    /// Starts the threads: one per processor, but at most `threads` and [`MAX_THREADS`].
    pub fn start(threads: NonZeroUsize, clock: &Clock) -> Result<Self, StartError> {
        let processors = available_parallelism().map_or(1, usize::from);
        let count = threads.get().min(processors).min(MAX_THREADS);
        // INVARIANT: a thread never waits to send. No report of results is empty, so that there are at most as many as
        // results, which `submit` bounds, and one report of its death per thread.
        let (reports_in, reports) = bounded(MAX_UNDER_WAY + count);
        let mut pool = Self {
            known: HashSet::new(),
            under_way: 0,
            suspects_under_way: 0,
            max_under_way: MAX_UNDER_WAY,
            workers: Vec::with_capacity(count),
            reports,
            finished: VecDeque::new(),
        };
        for index in 0..count {
            let sockets = Poll::new().map_err(StartError::Poll)?;
            let waker = Waker::new(sockets.registry(), WAKEUP).map_err(StartError::Poll)?;
            let wakeup = Arc::new(Wakeup::new(waker));
            // What is in it is bounded by `submit`, and by one request to forget per probe.
            let (commands, inbox) = unbounded();
            let name = format!("probe-{index}");
            let parts = Parts {
                name: name.clone(),
                clock: Arc::clone(clock),
                sockets,
                wakeup: Arc::clone(&wakeup),
                inbox,
                reports: reports_in.clone(),
                max_open: max_open(count),
            };
            let thread = Builder::new()
                .name(name.clone())
                .stack_size(STACK_BYTES)
                .spawn(move || Shard::new(parts).run())
                .map_err(|source| StartError::Thread {
                    name: name.clone(),
                    source,
                })?;
            pool.workers.push(Worker {
                name,
                commands,
                wakeup,
                thread: Some(thread),
            });
        }
        Ok(pool)
    }

    /// The same pool with room for fewer probes.
    #[must_use]
    pub fn with_room_for(mut self, probes: usize) -> Self {
        self.max_under_way = probes.min(MAX_UNDER_WAY);
        self
    }

    /// Hands a job to its thread. Never waits.
    ///
    /// INVARIANT: suspects have half of the places at most, unless they hold an external address: each takes its
    /// whole timeout, and thousands of them would leave no place for living replicas.
    pub fn submit(&mut self, job: ProbeJob) -> Result<(), Full> {
        let is_suspect = job.suspect;
        let has_share =
            !is_suspect || job.urgent || self.suspects_under_way < self.max_under_way / 2;
        if self.under_way >= self.max_under_way || !has_share {
            return Err(Full);
        }
        if !self.known.contains(&job.replica) {
            self.known.insert(job.replica.clone());
        }
        let worker = self.worker_of(&job.replica);
        // This fails only if the thread has died, of which there is a report.
        let sent = worker.commands.send(Command::Probe(job));
        sent.map_err(|_| Full)?;
        worker.wakeup.wake().map_err(|_| Full)?;
        self.under_way += 1;
        self.suspects_under_way += usize::from(is_suspect);
        Ok(())
    }

    /// Where the threads' reports arrive, for a `select!` together with other channels.
    #[must_use]
    pub fn reports(&self) -> &Receiver<Report> {
        &self.reports
    }

    /// Reads a report: the results in it are then with [`Self::finished`].
    pub fn take(&mut self, report: Report) -> Result<(), WorkerDied> {
        match report.0 {
            Inner::Done(results, of_suspects) => {
                self.under_way = self.under_way.saturating_sub(results.len());
                self.suspects_under_way = self.suspects_under_way.saturating_sub(of_suspects);
                self.finished.extend(results);
                Ok(())
            }
            Inner::Died(died) => Err(*died),
        }
    }

    /// The next result of the reports taken.
    pub fn finished(&mut self) -> Option<ProbeResult> {
        self.finished.pop_front()
    }

    /// Closes the connections of all replicas that `keep` does not keep; the connection of a probe under
    /// way is closed once the probe is over.
    pub fn retain(&mut self, mut keep: impl FnMut(&ReplicaId) -> bool) {
        let gone: Vec<ReplicaId> = self.known.extract_if(|replica| !keep(replica)).collect();
        for replica in gone {
            self.send_forget(replica);
        }
    }

    /// How many probes wait or are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Ends the threads and waits for them: exchanges under way are broken off, jobs that wait are dropped.
    pub fn stop(mut self) -> Result<(), WorkerDied> {
        self.end()
    }

    fn end(&mut self) -> Result<(), WorkerDied> {
        for worker in &self.workers {
            worker.wakeup.stop();
        }
        let mut outcome = Ok(());
        for mut worker in self.workers.drain(..) {
            let ended = worker.thread.take().map(JoinHandle::join);
            if matches!(ended, Some(Err(_))) {
                let thread = worker.name;
                outcome = Err(WorkerDied { thread });
            }
        }
        outcome
    }

    fn send_forget(&self, replica: ReplicaId) {
        let worker = self.worker_of(&replica);
        // If the thread is dead, so are its connections.
        if worker.commands.send(Command::Forget(replica)).is_ok() {
            let _ = worker.wakeup.wake();
        }
    }

    /// The thread that asks a replica, for good.
    fn worker_of(&self, replica: &ReplicaId) -> &Worker {
        let mut hasher = DefaultHasher::new();
        replica.hash(&mut hasher);
        let number = hasher.finish() % self.workers.len() as u64;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is below a number of threads"
        )]
        &self.workers[number as usize]
    }
}

impl Drop for ProbePool {
    fn drop(&mut self) {
        // How the threads ended is returned by `stop`.
        let _ = self.end();
    }
}

impl fmt::Debug for ProbePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbePool")
            .field("replicas", &self.known.len())
            .field("under_way", &self.under_way)
            .field("threads", &self.workers.len())
            .finish_non_exhaustive()
    }
}

/// How many sockets each of the threads may have, of the descriptors that the process may have.
fn max_open(threads: usize) -> usize {
    let (soft, _) = rlimit::Resource::NOFILE.get().unwrap_or((1024, 1024));
    let soft = usize::try_from(soft).unwrap_or(usize::MAX);
    (soft.saturating_sub(for_the_rest(soft)) / threads).max(16)
}
