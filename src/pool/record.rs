//! What is remembered of one replica, and how a list and an answer change it.

use super::trial::Trial;
use super::{
    Answer, Creating, Instance, Moment, Policy, ProbeFailure, ProbeResult, Server, ServerState,
};
use std::sync::Arc;
use std::time::Duration;

/// What is remembered of one replica. It is dropped when the replica is gone from the lists.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Record {
    /// The replica as last listed.
    pub server: Server,
    /// Its name, as plans share it.
    pub(super) name: Arc<str>,
    /// The last list that had it, by its number.
    pub(super) listed: u64,
    /// When a list first had it.
    pub first_seen: Moment,
    /// When a list first showed it running.
    pub first_running: Option<Moment>,
    /// Whether it was created after this scaler's first list.
    pub born_here: bool,
    /// Whether a list has shown it as anything but being created: it may have held a session.
    pub may_have_run: bool,
    /// The newest creation that it may stem from; 0: none.
    pub(super) creation: u64,
    /// The last good answer; void once the replica has been out of service.
    pub answer: Option<Answer>,
    /// Whether it has ever given an answer that counts.
    pub has_answered: bool,
    /// Whether it has ever said that it is not done, so that "done" can be believed.
    pub has_served: bool,
    /// Since when each of its answers has said that nothing is free, and that it is not done.
    pub full_since: Option<Moment>,
    /// Failed probes in a row.
    pub failures: u32,
    /// The last probe's failure, if it failed.
    pub last_failure: Option<ProbeFailure>,
    /// When the last probe ended, and how long it took.
    pub last_probe: Option<(Moment, Duration)>,
    /// Since when it is unreachable.
    pub unreachable_since: Option<Moment>,
    /// When it last did not answer, if it has not answered since.
    pub silent_until: Option<Moment>,
    /// How lists have shown it being created, if the last one did.
    pub(super) shown_creating: Option<ShownCreating>,
    /// What it counted when the provider last knew its state.
    pub frozen_count: u64,
    /// When an external address last could not be given to it.
    pub(super) refused_address: Option<Moment>,
    /// When its deletion was accepted.
    pub delete_accepted: Option<Moment>,
    /// Why it failed, as the provider tells it; `None`: not asked yet.
    pub fault: Option<String>,
    pub(super) probe: NextProbe,
    /// What its answers have shown since it came up.
    pub(super) trial: Trial,
    /// It was created while this process runs, and not by it.
    pub foreign: bool,
    /// The list beside which it was last asked for by its id.
    pub(super) asked: u64,
    /// Since when lists lack it and nothing is known of it.
    pub(super) untold_since: Option<Moment>,
}

/// How lists have shown a replica being created, without a break.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShownCreating {
    why: Creating,
    last: Moment,
    /// For how long, until the last list.
    time: Duration,
    /// For how long, until the list before it.
    time_before: Duration,
}

impl ShownCreating {
    fn first(why: Creating, at: Moment) -> Self {
        Self {
            why,
            last: at,
            time: Duration::ZERO,
            time_before: Duration::ZERO,
        }
    }
}

/// When a replica is asked next, or the round in which it is being asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct NextProbe {
    pub(super) at: Moment,
    pub(super) under_way: Option<u64>,
}

impl Record {
    pub(super) fn is_probed(&self) -> bool {
        matches!(self.server.state, ServerState::Running(_)) && self.delete_accepted.is_none()
    }

    /// Whether it has certainly never served: it was created under this process' eyes and has
    /// never answered it; or under those of another one that marks what has served.
    pub(super) fn certainly_never_served(&self, here: Instance, marks_refused: bool) -> bool {
        let is_promised =
            self.server.marks.creation.is_some_and(|mark| {
                mark.instance != here && mark.served_is_marked && !marks_refused
            });
        let known = self.born_here || is_promised;
        known && !self.has_answered && !self.server.marks.served
    }

    /// When it is due to be probed, if it waits for that.
    pub(super) fn due(&self) -> Option<Moment> {
        let waits = self.probe.under_way.is_none() && self.is_probed();
        waits.then_some(self.probe.at)
    }

    /// The same with its place among those that wait.
    pub(super) fn waits(&self) -> Option<(bool, Moment)> {
        self.due().map(|at| (self.failures > 0, at))
    }

    /// For how long lists have shown it being created in the same way, without the last one: that
    /// alone may be an old one.
    pub(super) fn time_shown_creating(&self) -> Duration {
        self.shown_creating
            .map_or(Duration::ZERO, |shown| shown.time_before)
    }

    /// Takes in that a list shows it being created, or not. Between two lists that are far apart,
    /// nobody knows: this thread may have stood still.
    pub(super) fn note_creating(&mut self, now: Moment) {
        const KNOWN_BETWEEN_LISTS: Duration = Duration::from_secs(60);
        let ServerState::Creating(why) = self.server.state else {
            self.shown_creating = None;
            return;
        };
        let past = self.shown_creating;
        // One that was active is built anew, or this is an old list.
        let was_active = past.is_some_and(|shown| shown.why == Creating::NoAddress);
        self.may_have_run |= was_active && why == Creating::Building;
        self.shown_creating = Some(match past.filter(|shown| shown.why == why) {
            None => ShownCreating::first(why, now),
            Some(shown) => {
                let since_last = now.since(shown.last).min(KNOWN_BETWEEN_LISTS);
                ShownCreating {
                    why,
                    last: now,
                    time: shown.time.saturating_add(since_last),
                    time_before: shown.time,
                }
            }
        });
    }

    /// Takes in what a list says that was asked for at one moment and arrived at another;
    /// `frozen`: what it counted until now, if that was known.
    pub(super) fn take_listed(
        &mut self,
        server: &Server,
        frozen: Option<u64>,
        (asked, arrived): (Moment, Moment),
    ) {
        if server.state == ServerState::Unknown {
            if let Some(count) = frozen {
                self.frozen_count = count;
            }
            self.server.state = ServerState::Unknown;
            if let Some(shown) = &mut self.shown_creating {
                *shown = ShownCreating::first(shown.why, arrived);
            }
            return;
        }
        if *self.name != *server.name {
            self.name = server.name.as_str().into();
        }
        let was = std::mem::replace(&mut self.server, server.clone()).state;
        // Nova at times shows a server that runs without its addresses. It is asked where it was
        // last, and neither counts as a new one nor goes for having no address for too long.
        if let ServerState::Running(address) = was
            && self.server.state == ServerState::Creating(Creating::NoAddress)
        {
            self.server.state = ServerState::Running(address);
        }
        self.may_have_run |= !matches!(self.server.state, ServerState::Creating(_));
        self.note_creating(arrived);
        let settled = self
            .delete_accepted
            .is_some_and(|at| asked.since(at) >= Policy::DELETION_SETTLES_WITHIN);
        if settled && self.server.state != ServerState::Leaving {
            self.delete_accepted = None;
        }
        if matches!(self.server.state, ServerState::Running(_)) {
            self.first_running.get_or_insert(arrived);
            if !matches!(was, ServerState::Running(_)) {
                self.probe.at = arrived;
            }
            return;
        }
        self.probe.under_way = None;
        self.full_since = None;
        // What it said before it was out of service says nothing of it afterwards, whatever the
        // provider shows in between.
        if matches!(
            self.server.state,
            ServerState::Held(_) | ServerState::Failed(_)
        ) {
            self.answer = None;
            self.failures = 0;
            self.unreachable_since = None;
            self.silent_until = None;
        }
    }

    /// Returns whether it serves for the first time.
    pub(super) fn take_result(
        &mut self,
        policy: &Policy,
        result: &ProbeResult,
        grace_is_over: bool,
    ) -> bool {
        self.probe.under_way = None;
        self.last_probe = Some((result.finished, result.latency));
        match &result.outcome {
            Ok(answer) => {
                self.answer = Some(*answer);
                let is_full = answer.free == 0 && !answer.termination;
                let since = self.full_since.unwrap_or(result.finished);
                self.full_since = is_full.then_some(since);
                self.failures = 0;
                self.last_failure = None;
                self.unreachable_since = None;
                self.silent_until = None;
                let came_up = !self.has_served && !answer.termination;
                self.has_served |= came_up;
                self.has_answered |= self.has_served || grace_is_over;
                came_up
            }
            // It was not asked, so its silence says nothing.
            Err(failure @ ProbeFailure::Local(_)) => {
                self.last_failure = Some(failure.clone());
                false
            }
            Err(failure) => {
                self.failures = self.failures.saturating_add(1);
                self.last_failure = Some(failure.clone());
                self.silent_until = Some(result.finished);
                if self.failures >= policy.failure_threshold {
                    self.unreachable_since.get_or_insert(result.finished);
                } else {
                    let soon = policy.probe_interval.min(Policy::RETRY_AFTER_FAILED_PROBE);
                    // Counted from its start, as the interval is: what did not answer in time
                    // has been waited for already.
                    let started = result.finished - result.latency;
                    self.probe.at = started + soon;
                }
                false
            }
        }
    }
}
