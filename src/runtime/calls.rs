//! The threads that make the requests to the cloud, and block in them.

use super::threads::{Event, RealClock, spawn};
use crate::pool::Moment;
use crate::probe::Report;
use crate::provider::{Calls, Provider, Reply, Request, perform};
use crate::scaler::Clock;
use crossbeam_channel::{Receiver, Select, Sender, bounded};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The names of the threads, and so the most that there can be.
const NAMES: [&str; 16] = [
    "call-0", "call-1", "call-2", "call-3", "call-4", "call-5", "call-6", "call-7", "call-8",
    "call-9", "call-10", "call-11", "call-12", "call-13", "call-14", "call-15",
];

/// A request and its place among those that were handed over together.
type Numbered<T> = (usize, T);

/// The call threads as the scaler sees them.
#[derive(Debug)]
pub(super) struct CallThreads {
    /// To the one thread that remembers what was looked up.
    first: Sender<Numbered<Request>>,
    /// To whichever is free of the others.
    others: Sender<Numbered<Request>>,
    replies: Receiver<Numbered<Reply>>,
    /// Results of probes are a reason to look up while requests are under way.
    reports: Receiver<Report>,
    clock: RealClock,
    places: usize,
    /// A thread has ended although it was not to.
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
    /// Starts a thread for each provider. They end with this value, after the requests in flight.
    pub(super) fn start(
        providers: Vec<impl Provider + 'static>,
        reports: Receiver<Report>,
        clock: RealClock,
        events: &Sender<Event>,
    ) -> io::Result<(Self, Vec<JoinHandle<()>>)> {
        let places = providers.len();
        let (first, asked_first) = bounded(1);
        let (others, asked_others) = bounded(places);
        let (answers, replies) = bounded(places);
        let has_ended = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::with_capacity(places);
        let channels = std::iter::once(asked_first).chain(std::iter::repeat(asked_others));
        for ((mut provider, name), asked) in providers.into_iter().zip(NAMES).zip(channels) {
            let answers = answers.clone();
            let end = End(Arc::clone(&has_ended));
            threads.push(spawn(name, events, move || {
                let _end = end;
                for (number, request) in asked {
                    let reply = perform(&mut provider, request);
                    if answers.send((number, reply)).is_err() {
                        return;
                    }
                }
            })?);
        }
        let calls = Self {
            first,
            others,
            replies,
            reports,
            clock,
            places,
            has_ended,
        };
        Ok((calls, threads))
    }

    /// Waits for so many replies. `None`: a thread has died.
    fn wait(
        &self,
        count: usize,
        meanwhile: &mut dyn FnMut() -> Moment,
    ) -> Option<Vec<Numbered<Reply>>> {
        let mut found = Vec::with_capacity(count);
        while found.len() < count {
            let next = meanwhile();
            let mut select = Select::new();
            let reply = select.recv(&self.replies);
            select.recv(&self.reports);
            if select.ready_timeout(next.since(self.clock.now())) == Ok(reply) {
                found.push(self.replies.recv().ok()?);
            } else if self.has_ended.load(Ordering::Relaxed) {
                return None;
            }
        }
        Some(found)
    }
}

impl Calls for CallThreads {
    fn call(&mut self, request: Request, meanwhile: &mut dyn FnMut() -> Moment) -> Option<Reply> {
        self.first.send((0, request)).ok()?;
        let (_, reply) = self.wait(1, meanwhile)?.pop()?;
        Some(reply)
    }

    fn places(&self) -> usize {
        self.places
    }

    fn call_all(
        &mut self,
        requests: Vec<Request>,
        meanwhile: &mut dyn FnMut() -> Moment,
    ) -> Vec<Option<Reply>> {
        let count = requests.len();
        let mut replies: Vec<Option<Reply>> = std::iter::repeat_with(|| None).take(count).collect();
        for (number, request) in requests.into_iter().enumerate() {
            // One for the first thread, the rest for the others.
            let to = if number == 0 {
                &self.first
            } else {
                &self.others
            };
            if to.send((number, request)).is_err() {
                return replies;
            }
        }
        for (number, reply) in self.wait(count, meanwhile).into_iter().flatten() {
            replies[number] = Some(reply);
        }
        replies
    }
}
