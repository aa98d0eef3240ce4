//! One connection with its replica and the exchange on it.

use super::ProbeJob;
use super::endpoint::Endpoint;
use super::link::{Broken, Buffers, Link, Next};
use super::response::{Progress, Response};
use crate::pool::{Answer, Moment, ProbeFailure, ReplicaId};
use std::net::IpAddr;
use std::sync::{Arc, Weak};

/// How often a socket is read before the others have their turn.
const MAX_READS: usize = 8;

/// How often an idle connection may receive bytes that are not HTTP, such as the tickets of TLS.
const MAX_IDLE_READS: u8 = 16;

/// Buffers that all exchanges of a thread use by turns.
pub(super) struct Room {
    buffers: Buffers,
    request: Vec<u8>,
    /// For the body of the next response.
    spare: Vec<u8>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            buffers: Buffers::new(),
            request: Vec::new(),
            spare: Vec::new(),
        }
    }
}

/// What a socket is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    /// Only for writing.
    ToWrite,
    /// There is something to read.
    ToRead,
    /// There is something to read, if only the end.
    Ending,
}

/// An exchange under way.
pub(super) struct Exchange {
    /// INVARIANT: only an exchange holds its endpoint, and a kept connection does not: an endpoint is freed as soon
    /// as the last of its jobs is done, however long its connections are kept.
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) round: u64,
    pub(super) suspect: bool,
    pub(super) started: Moment,
    /// The exchange's number, which no other exchange of the thread has.
    pub(super) serial: u64,
    /// Whether its connection was kept from another exchange.
    pub(super) reused: bool,
    /// Present from the first byte on.
    response: Option<Box<Response>>,
}

/// A connection with its replica.
pub(super) struct Slot {
    pub(super) replica: ReplicaId,
    pub(super) address: IpAddr,
    /// Only compared: the `Weak` sees to it that no other endpoint ever has the same address in memory.
    endpoint: Weak<Endpoint>,
    pub(super) link: Link,
    /// Whether the connection may be kept: false once the replica has moved or is gone.
    pub(super) is_owned: bool,
    pub(super) idle_since: Moment,
    /// How often it received something while it was idle, for which there is no other limit.
    pub(super) idle_reads: u8,
    pub(super) exchange: Option<Exchange>,
}

/// What to do with a slot.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing until its socket is ready.
    Wait,
    /// There may be more to read, after the other sockets have had their turn.
    Unread,
    /// The kept connection is of no more use.
    Close,
    /// A kept connection has turned out to be closed, before a single byte of the response.
    Stale,
    /// The exchange is over.
    Done {
        outcome: Result<Answer, ProbeFailure>,
        reusable: bool,
    },
}

impl Exchange {
    pub(super) fn new(job: ProbeJob, started: Moment, serial: u64, reused: bool) -> Self {
        Self {
            endpoint: job.endpoint,
            round: job.round,
            suspect: job.suspect,
            started,
            serial,
            reused,
            response: None,
        }
    }

    fn feed(&mut self, bytes: &[u8], spare: &mut Vec<u8>) -> Result<Progress, ProbeFailure> {
        let mut response = match self.response.take() {
            Some(response) => response,
            None => Box::new(Response::new(std::mem::take(spare))?),
        };
        let progress = response.feed(bytes);
        self.response = Some(response);
        progress
    }

    /// Reads the answer from a whole response, and takes the response's buffer back.
    fn answer(&mut self, spare: &mut Vec<u8>) -> Result<Answer, ProbeFailure> {
        let response = self.response.take().ok_or(ProbeFailure::ConnectionLost)?;
        let answer = self.endpoint.read_answer(response.body());
        *spare = response.into_body();
        answer
    }
}

impl Slot {
    /// A new connection, for a job.
    pub(super) fn new(link: Link, job: ProbeJob, now: Moment, serial: u64) -> Self {
        Self {
            replica: job.replica.clone(),
            address: job.address,
            endpoint: Arc::downgrade(&job.endpoint),
            link,
            is_owned: true,
            idle_since: now,
            idle_reads: 0,
            exchange: Some(Exchange::new(job, now, serial, false)),
        }
    }

    /// Whether the connection leads to where the job's replica is to be asked.
    pub(super) fn is_for(&self, job: &ProbeJob) -> bool {
        self.address == job.address && self.endpoint.as_ptr() == Arc::as_ptr(&job.endpoint)
    }

    /// Sends the request.
    pub(super) fn ask(&mut self, room: &mut Room) -> Step {
        let Some(exchange) = &self.exchange else {
            return Step::Close;
        };
        exchange
            .endpoint
            .write_request(self.address, &mut room.request);
        match self.link.send(&room.request) {
            Ok(()) => Step::Wait,
            Err(broken) => self.broken(room, broken),
        }
    }

    /// Writes and reads as far as the socket allows.
    pub(super) fn go_on(&mut self, room: &mut Room, ready: Ready) -> Step {
        // A peer may answer and not read any more: the answer counts, so the socket is read.
        if let Err(Broken::Failed(failure)) = self.link.flush() {
            return self.broken(room, Broken::Failed(failure));
        }
        if ready == Ready::ToWrite {
            return Step::Wait;
        }
        for _ in 0..MAX_READS {
            let step = self.read(room, ready == Ready::Ending);
            if step != Step::Unread {
                return step;
            }
        }
        Step::Unread
    }

    fn read(&mut self, room: &mut Room, is_ending: bool) -> Step {
        let received = match self.link.receive(&mut room.buffers, is_ending) {
            Ok(received) => received,
            Err(broken) => return self.broken(room, broken),
        };
        let next = received.next;
        let Some(exchange) = &mut self.exchange else {
            // No request is open: a replica that sends bytes all the same does not follow the protocol.
            self.idle_reads += 1;
            let is_quiet = received.bytes.is_empty() && self.idle_reads < MAX_IDLE_READS;
            return match next {
                Next::Wait if is_quiet => Step::Wait,
                Next::Read if is_quiet => Step::Unread,
                _ => Step::Close,
            };
        };
        let progress = if received.bytes.is_empty() {
            Ok(Progress::More)
        } else {
            exchange.feed(received.bytes, &mut room.spare)
        };
        match (progress, next) {
            (Ok(Progress::More), Next::Wait) => Step::Wait,
            (Ok(Progress::More), Next::Read) => Step::Unread,
            (Ok(Progress::More), Next::End) => self.broken(room, Broken::Lost),
            (Ok(Progress::Whole { reusable }), _) => {
                let outcome = exchange.answer(&mut room.spare);
                // INVARIANT: only a connection on which nothing is left to be read is kept: sockets are
                // watched edge-triggered, so that an end known already would never be reported again.
                let reusable = reusable && next == Next::Wait && outcome.is_ok();
                Step::Done { outcome, reusable }
            }
            (Err(failure), _) => failed(failure),
        }
    }

    fn broken(&mut self, room: &mut Room, broken: Broken) -> Step {
        let Some(exchange) = &mut self.exchange else {
            return Step::Close;
        };
        match (broken, &mut exchange.response) {
            (Broken::Failed(failure), _) => failed(failure),
            (Broken::Lost, None) if exchange.reused => Step::Stale,
            (Broken::Lost, None) => failed(ProbeFailure::ConnectionLost),
            (Broken::Lost, Some(response)) => match response.end() {
                Ok(_) => Step::Done {
                    outcome: exchange.answer(&mut room.spare),
                    reusable: false,
                },
                Err(failure) => failed(failure),
            },
        }
    }
}

fn failed(failure: ProbeFailure) -> Step {
    Step::Done {
        outcome: Err(failure),
        reusable: false,
    }
}
