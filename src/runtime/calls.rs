//! The thread that makes the requests to the cloud, and blocks in them.

use super::threads::{Event, RealClock, spawn};
use crate::pool::Moment;
use crate::probe::Report;
use crate::provider::{Calls, Provider, Reply, Request, perform};
use crate::scaler::Clock;
use crossbeam_channel::{Receiver, Select, Sender, bounded};
use std::io;
use std::thread::JoinHandle;

/// The call thread as the scaler sees it.
#[derive(Debug)]
pub(super) struct CallThread {
    requests: Sender<Request>,
    replies: Receiver<Reply>,
    /// Results of probes are a reason to look up while a request is under way.
    reports: Receiver<Report>,
    clock: RealClock,
}

impl CallThread {
    /// Starts the thread. It ends with this value, after the request in flight.
    pub(super) fn start(
        mut provider: impl Provider + 'static,
        reports: Receiver<Report>,
        clock: RealClock,
        events: &Sender<Event>,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (requests, asked) = bounded::<Request>(1);
        let (answers, replies) = bounded::<Reply>(1);
        let thread = spawn("call-0", events, move || {
            for request in asked {
                if answers.send(perform(&mut provider, request)).is_err() {
                    return;
                }
            }
        })?;
        let calls = Self {
            requests,
            replies,
            reports,
            clock,
        };
        Ok((calls, thread))
    }
}

impl Calls for CallThread {
    fn call(&mut self, request: Request, meanwhile: &mut dyn FnMut() -> Moment) -> Option<Reply> {
        self.requests.send(request).ok()?;
        loop {
            let next = meanwhile();
            let mut select = Select::new();
            let reply = select.recv(&self.replies);
            select.recv(&self.reports);
            let ready = select.ready_timeout(next.since(self.clock.now()));
            if ready == Ok(reply) {
                return self.replies.recv().ok();
            }
        }
    }
}
