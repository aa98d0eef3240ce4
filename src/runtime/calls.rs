//! The threads that make the requests to the cloud, and block in them.

use super::threads::{Notice, spawn};
use crate::cloud::{Calls, Cloud, JobId, Reply, Request, most_under_way, perform};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The names of the threads, and so the most that there can be.
const NAMES: [&str; 18] = [
    "call-0", "call-1", "call-2", "call-3", "call-4", "call-5", "call-6", "call-7", "call-8",
    "call-9", "call-10", "call-11", "call-12", "call-13", "call-14", "call-15", "call-16",
    "call-17",
];

/// The call threads as the scaler sees them.
#[derive(Debug)]
pub(super) struct CallThreads {
    jobs: Sender<(JobId, Request)>,
    outcomes: Receiver<(JobId, Reply)>,
    places: usize,
    /// A thread has ended although it was not to: some outcome may never come.
    has_ended: Arc<AtomicBool>,
}

/// Tells that a thread has ended, be it by a panic.
struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl CallThreads {
    /// Starts as many threads as requests can be under way, with so many to one service, each thread with a cloud of
    /// its own. They end with this value, after the requests in flight.
    pub(super) fn start(
        cloud: &(impl Cloud + Clone + 'static),
        places: usize,
        events: &Sender<Notice>,
    ) -> io::Result<(Self, Vec<JoinHandle<()>>)> {
        let most = most_under_way(places);
        let (jobs, begun) = bounded::<(JobId, Request)>(most);
        let (ended, outcomes) = bounded(most);
        let has_ended = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::with_capacity(most);
        for name in NAMES.into_iter().take(most) {
            let (mut cloud, begun, ended) = (cloud.clone(), begun.clone(), ended.clone());
            let end = End(Arc::clone(&has_ended));
            threads.push(spawn(name, events, move || {
                let _end = end;
                for (job, request) in begun {
                    let reply = perform(&mut cloud, request);
                    if ended.send((job, reply)).is_err() {
                        return;
                    }
                }
            })?);
        }
        let calls = Self {
            jobs,
            outcomes,
            places,
            has_ended,
        };
        Ok((calls, threads))
    }

    /// Where outcomes arrive.
    pub(super) fn outcomes(&self) -> &Receiver<(JobId, Reply)> {
        &self.outcomes
    }

    /// Whether some outcome may never come.
    pub(super) fn has_died(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }
}

impl Calls for CallThreads {
    fn places(&self) -> usize {
        self.places
    }

    fn begin(&mut self, job: JobId, request: Request) {
        // Without a thread there is no outcome, and its end ends the process.
        let _ = self.jobs.send((job, request));
    }

    fn ended(&mut self) -> Option<(JobId, Reply)> {
        self.outcomes.try_recv().ok()
    }
}
