//! One connection with its replica and the exchange on it.

use super::ProbeJob;
use super::answer::read_answer;
use super::link::{Broken, Buffers, Link, Then};
use super::recipe::Recipe;
use super::response::{Progress, Response};
use crate::pool::{Answer, Moment, ProbeFailure, ReplicaId};
use std::net::IpAddr;

/// How often a socket is looked at before the others have their turn.
const MAX_LOOKS: usize = 8;

/// How often an idle connection may have news that are not HTTP, such as the tickets of TLS.
const MAX_IDLE_LOOKS: u8 = 16;

/// Room that all exchanges of a thread use by turns.
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
    pub(super) round: u64,
    pub(super) suspect: bool,
    pub(super) started: Moment,
    /// Tells this exchange from others that had or will have its place.
    pub(super) serial: u64,
    /// Whether it uses a connection that was kept.
    pub(super) reused: bool,
    /// From the first byte on.
    response: Option<Box<Response>>,
}

/// A place for a replica's connection.
pub(super) struct Slot {
    pub(super) replica: ReplicaId,
    pub(super) address: IpAddr,
    pub(super) link: Link,
    /// Whether the connection may be kept: false once the replica has moved or is gone.
    pub(super) is_owned: bool,
    pub(super) idle_since: Moment,
    /// How often it had news while it was idle, for which there is no other limit.
    pub(super) idle_looks: u8,
    pub(super) exchange: Option<Exchange>,
}

/// What is to be done with a slot.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing until its socket is ready.
    Wait,
    /// There may be more to read; the others first.
    Again,
    /// The kept connection is of no more use.
    Close,
    /// A kept connection turned out to have ended, before it brought a single byte.
    Stale,
    /// The exchange is over.
    Done {
        outcome: Result<Answer, ProbeFailure>,
        reusable: bool,
    },
}

impl Exchange {
    pub(super) fn new(job: &ProbeJob, started: Moment, serial: u64, reused: bool) -> Self {
        Self {
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

    /// Reads the answer from a response that is whole, and takes its room back.
    fn answer(&mut self, recipe: &Recipe, spare: &mut Vec<u8>) -> Result<Answer, ProbeFailure> {
        let response = self.response.take().ok_or(ProbeFailure::ConnectionLost)?;
        let settings = &recipe.settings;
        let answer = read_answer(
            response.body(),
            &settings.capacity_key,
            &settings.termination_key,
        );
        *spare = response.into_body();
        answer
    }
}

impl Slot {
    /// Sends the request.
    pub(super) fn ask(&mut self, recipe: &Recipe, room: &mut Room) -> Step {
        recipe.write_request(self.address, &mut room.request);
        match self.link.say(&room.request) {
            Ok(()) => Step::Wait,
            Err(broken) => self.broken(recipe, room, broken),
        }
    }

    /// Goes on as far as the socket allows.
    pub(super) fn go_on(&mut self, recipe: &Recipe, room: &mut Room, ready: Ready) -> Step {
        // A peer may answer and not listen any more: the answer counts, so it is looked for.
        if let Err(Broken::Failed(failure)) = self.link.flush() {
            return self.broken(recipe, room, Broken::Failed(failure));
        }
        if ready == Ready::ToWrite {
            return Step::Wait;
        }
        for _ in 0..MAX_LOOKS {
            let step = self.look(recipe, room, ready == Ready::Ending);
            if step != Step::Again {
                return step;
            }
        }
        Step::Again
    }

    fn look(&mut self, recipe: &Recipe, room: &mut Room, is_ending: bool) -> Step {
        let heard = match self.link.hear(&mut room.buffers, is_ending) {
            Ok(heard) => heard,
            Err(broken) => return self.broken(recipe, room, broken),
        };
        let then = heard.then;
        let Some(exchange) = &mut self.exchange else {
            // Nobody asked: bytes say that the connection is not what it should be.
            self.idle_looks += 1;
            let is_quiet = heard.bytes.is_empty() && self.idle_looks < MAX_IDLE_LOOKS;
            return match then {
                Then::Wait if is_quiet => Step::Wait,
                Then::Look if is_quiet => Step::Again,
                _ => Step::Close,
            };
        };
        let progress = if heard.bytes.is_empty() {
            Ok(Progress::More)
        } else {
            exchange.feed(heard.bytes, &mut room.spare)
        };
        match (progress, then) {
            (Ok(Progress::More), Then::Wait) => Step::Wait,
            (Ok(Progress::More), Then::Look) => Step::Again,
            (Ok(Progress::More), Then::End) => self.broken(recipe, room, Broken::Lost),
            (Ok(Progress::Whole { reusable }), _) => {
                let outcome = exchange.answer(recipe, &mut room.spare);
                // INVARIANT: only a connection on which nothing is left to be seen is kept: a socket is
                // watched for its edges, so that an end known already would never be told again.
                let reusable = reusable && then == Then::Wait && outcome.is_ok();
                Step::Done { outcome, reusable }
            }
            (Err(failure), _) => failed(failure),
        }
    }

    fn broken(&mut self, recipe: &Recipe, room: &mut Room, broken: Broken) -> Step {
        let Some(exchange) = &mut self.exchange else {
            return Step::Close;
        };
        match (broken, &mut exchange.response) {
            (Broken::Failed(failure), _) => failed(failure),
            (Broken::Lost, None) if exchange.reused => Step::Stale,
            (Broken::Lost, None) => failed(ProbeFailure::ConnectionLost),
            (Broken::Lost, Some(response)) => match response.end() {
                Ok(_) => Step::Done {
                    outcome: exchange.answer(recipe, &mut room.spare),
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
