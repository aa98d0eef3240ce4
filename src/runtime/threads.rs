//! What ties the threads together: the clock, the channels, and the news of a thread's end.

use crate::pool::{
    Event, Instance, Measure, Moment, ProbeResult, ProbeTarget, ReplicaId, Snapshot,
};
use crate::probe::{Endpoint, ProbeJob, ProbePool, Report, WorkerDied};
use crate::scaler::{Clock, Observer, Probes};
use crate::status::Board;
use crossbeam_channel::{Receiver, Sender};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// A number that hardly any other process has: the seed that the standard library draws for its hash tables.
pub(super) fn instance() -> Instance {
    let drawn = RandomState::new().hash_one(std::process::id());
    // Its lower half is as random as the whole.
    Instance(u32::try_from(drawn & 0xffff_ffff).unwrap_or_default())
}

/// News for the main thread.
#[derive(Debug)]
pub(super) enum Notice {
    /// A signal has come.
    Signal(i32),
    /// A thread has ended without having been asked to.
    Ended(&'static str),
}

/// Starts a named thread whose end, be it by a panic, is told to the main thread.
pub(super) fn spawn(
    name: &'static str,
    events: &Sender<Notice>,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    struct Farewell(&'static str, Sender<Notice>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            // There is no receiver any more: the process is ending.
            let _ = self.1.send(Notice::Ended(self.0));
        }
    }
    let farewell = Farewell(name, events.clone());
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _farewell = farewell;
        body();
    })
}

/// The process's monotonic clock.
#[derive(Debug, Clone)]
pub(super) struct RealClock {
    start: Instant,
}

impl RealClock {
    /// The clock starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the daemon's clock")]
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The same clock as a function.
    pub(super) fn shared(&self) -> Arc<dyn Fn() -> Moment + Send + Sync> {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

impl Clock for RealClock {
    fn now(&self) -> Moment {
        Moment(self.start.elapsed())
    }
}

/// The probe pool as the scaler sees it.
#[derive(Debug)]
pub(super) struct ProbesOfPool {
    pool: ProbePool,
    /// How the pool's replicas are asked; rides on each of their jobs.
    endpoint: Arc<Endpoint>,
    death: Option<WorkerDied>,
}

impl ProbesOfPool {
    pub(super) fn new(pool: ProbePool, endpoint: Endpoint) -> Self {
        Self {
            pool,
            endpoint: Arc::new(endpoint),
            death: None,
        }
    }

    /// The thread of the pool that has died, if one has.
    pub(super) fn death(&self) -> Option<&WorkerDied> {
        self.death.as_ref()
    }

    /// Where the news arrive that [`Probes::finished`] reads.
    pub(super) fn reports(&self) -> &Receiver<Report> {
        self.pool.reports()
    }

    /// Ends the threads.
    pub(super) fn stop(self) {
        if let Err(error) = self.pool.stop() {
            log::error!("{error}");
        }
    }
}

impl Probes for ProbesOfPool {
    fn submit(&mut self, target: &ProbeTarget, round: u64) -> bool {
        let job = ProbeJob {
            replica: target.replica.clone(),
            address: target.address,
            endpoint: Arc::clone(&self.endpoint),
            round,
            urgent: target.urgent,
            suspect: target.suspect,
        };
        self.pool.submit(job).is_ok()
    }

    fn finished(&mut self) -> Option<ProbeResult> {
        loop {
            if let Some(result) = self.pool.finished() {
                return Some(result);
            }
            let report = self.pool.reports().try_recv().ok()?;
            if let Err(death) = self.pool.take(report) {
                self.death = Some(death);
                return None;
            }
        }
    }

    fn forget(&mut self, is_gone: &dyn Fn(&ReplicaId) -> bool) {
        self.pool.retain(|replica| !is_gone(replica));
    }
}

/// The status server's side as the scaler sees it.
#[derive(Debug)]
pub(super) struct StatusObserver {
    shared: Arc<Board>,
}

impl StatusObserver {
    pub(super) fn new(shared: Arc<Board>) -> Self {
        Self { shared }
    }
}

impl Observer for StatusObserver {
    fn beat(&self, now: Moment) {
        self.shared.heartbeat(now);
    }

    fn publish(&self, snapshot: Arc<Snapshot>) {
        self.shared.publish(snapshot);
    }

    fn happened(&self, event: &Event) {
        self.shared.metrics().happened(event);
    }

    fn measured(&self, measure: &Measure) {
        self.shared.metrics().measured(measure);
    }
}
