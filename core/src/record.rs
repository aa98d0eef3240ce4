//! What is remembered of one replica, and how a list and an answer change it.

mod first;
mod listed;
mod shown;

use super::clocks::Clocks;
use super::trial::Trial;
use super::{
    Answer, Creating, DeleteReason, Instance, Moment, Policy, ProbeFailure, ProbeResult, Server,
    ServerState,
};
pub(super) use shown::{Launch, ShownCreating};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The word for a server that is shown without an address, and whose last one is another's by now.
pub(super) const NO_ADDRESS: &str = "no-address";

/// What is remembered of one replica. It is dropped when the replica is gone from the lists.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Record {
    /// The replica as last listed.
    pub server: Server,
    /// Its name, as plans share it.
    pub(super) name: Arc<str>,
    /// Why its deletion was asked for.
    pub(super) deleted_for: Option<DeleteReason>,
    /// The last list that had it, by its number.
    pub(super) listed: u64,
    /// When a list first had it.
    pub first_seen: Moment,
    /// How old it was then, if the cloud told.
    pub(super) age_when_seen: Option<Duration>,
    /// By how much the cloud's clock made it older than it can be.
    pub(super) clock_ahead: Duration,
    /// When a list last showed it being built.
    pub(super) built_until: Option<Moment>,
    /// Its launch, as first seen.
    pub(super) launch: Option<Launch>,
    /// When a list first showed it running.
    pub first_running: Option<Moment>,
    /// Whether it was created after this scaler's first list.
    pub created_since_start: bool,
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
    /// So many answers in a row, the last ones, say that it is done, and could be believed.
    pub done_in_a_row: u32,
    /// When the first and the last of them were asked for.
    pub(super) done_since: Option<Moment>,
    pub(super) done_asked: Option<Moment>,
    /// The free resources of its last answer that did not say that it is done.
    pub(super) free_before: Option<u64>,
    /// Since when each of its answers has said that nothing is free, and that it is not done.
    pub full_since: Option<Moment>,
    /// Failed probes in a row.
    pub failures: u32,
    /// So many of them, the last ones, without a gap in which nobody asked.
    pub(super) silence: u32,
    /// The last probe's failure, if it failed.
    pub last_failure: Option<ProbeFailure>,
    /// When the last probe ended, and how long it took.
    pub last_probe: Option<(Moment, Duration)>,
    /// Since when it is unreachable.
    pub unreachable_since: Option<Moment>,
    /// When it last did not answer, if it has not answered since.
    pub silent_until: Option<Moment>,
    /// When the last failed probe was begun.
    pub(super) asked_in_vain: Option<Moment>,
    /// Where it was last asked while the cloud showed it running.
    pub(super) last_address: Option<IpAddr>,
    /// Where it has answered.
    pub(super) answered_at: Option<IpAddr>,
    /// Which of several addresses is asked, as long as none has answered.
    pub(super) address_turn: usize,
    /// Since when, and in how many lists, the cloud has shown it as failed without a break.
    pub(super) shown_failed: Option<(Moment, u32)>,
    /// How lists have shown it being created, if the last one did.
    pub(super) shown_creating: Option<ShownCreating>,
    /// What it counted when the cloud last knew its state.
    pub frozen_count: u64,
    /// When an external address last could not be given to it.
    pub(super) refused_address: Option<Moment>,
    /// When its deletion was accepted.
    pub delete_accepted: Option<Moment>,
    /// Its deletion is being asked for, and not answered yet.
    pub delete_under_way: bool,
    /// When it was first seen leaving, or its deletion was first accepted.
    pub(super) leaving_since: Option<Moment>,
    /// Why it failed, as the cloud tells it; `None`: not asked yet.
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
    /// Since when, and how often, the cloud has said that it knows no such server, while lists lacked it.
    pub(super) denied: Option<(Moment, u32)>,
}

/// When a replica is asked next, or the round in which it is being asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct NextProbe {
    pub(super) at: Moment,
    pub(super) under_way: Option<u64>,
}

impl Record {
    /// Why its deletion was asked for; `None`: it was not, or that came to nothing.
    #[must_use]
    pub fn deleted_for(&self) -> Option<DeleteReason> {
        self.deleted_for
    }

    pub(super) fn is_probed(&self) -> bool {
        self.probe_address().is_some() && self.delete_accepted.is_none()
    }

    /// Where it can be asked. The cloud's word alone ends nobody: a server that is shown as failed,
    /// or as being built for longer than a build takes, may serve all the same.
    #[must_use]
    pub fn probe_address(&self) -> Option<IpAddr> {
        match self.server.state {
            ServerState::Running(address) => Some(address),
            ServerState::Failed(_) => self.known_address(),
            ServerState::Creating(Creating::Building)
                if self.time_shown_creating() >= Policy::BUILDS_WITHIN =>
            {
                self.server.addresses.first().copied()
            }
            _ => None,
        }
    }

    /// Where it was last, unless the cloud shows it elsewhere by now.
    fn known_address(&self) -> Option<IpAddr> {
        let shown = &self.server.addresses;
        self.last_address
            .filter(|last| shown.is_empty() || shown.contains(last))
            .or_else(|| shown.first().copied())
    }

    /// Whether its address is known from its own past only: the cloud shows none any more.
    pub(super) fn is_asked_at_its_last_address(&self) -> bool {
        matches!(self.server.state, ServerState::Failed(_))
            && self.server.addresses.is_empty()
            && self.last_address.is_some()
    }

    /// Whether it has several addresses, and none of those that are listed has answered.
    fn has_to_choose(&self) -> bool {
        let listed = &self.server.addresses;
        let knows = self.answered_at.is_some_and(|at| listed.contains(&at));
        listed.len() > 1 && !knows
    }

    /// Where one that runs is asked: where it has answered, as long as that is listed. A further
    /// address on its port changes nothing.
    fn chosen_address(&self, first: IpAddr) -> IpAddr {
        let listed = &self.server.addresses;
        if let Some(at) = self.answered_at.filter(|at| listed.contains(at)) {
            return at;
        }
        let turn = self.address_turn.checked_rem(listed.len());
        let chosen = turn.and_then(|turn| listed.get(turn));
        chosen.copied().unwrap_or(first)
    }

    /// An address has not answered; where there is another one, it is asked next. Returns whether
    /// all have been asked by now.
    fn all_were_asked(&mut self) -> bool {
        if !matches!(self.server.state, ServerState::Running(_)) || !self.has_to_choose() {
            return true;
        }
        let count = self.server.addresses.len();
        self.address_turn = (self.address_turn + 1).checked_rem(count).unwrap_or(0);
        if let Some(next) = self.server.addresses.get(self.address_turn) {
            self.server.state = ServerState::Running(*next);
            self.last_address = Some(*next);
        }
        self.address_turn == 0
    }

    /// Whether it has been leaving for so long that the cloud may never be done with it.
    #[must_use]
    pub fn is_stuck_leaving(&self, now: Moment) -> bool {
        let leaves = self.server.state == ServerState::Leaving || self.delete_accepted.is_some();
        leaves
            && self
                .leaving_since
                .is_some_and(|since| now.since(since) >= Policy::LEAVING_COUNTS_FOR)
    }

    /// Whether it does not answer, so that the last good answer stands no longer.
    pub(super) fn is_silent(&self, policy: &Policy) -> bool {
        self.failures >= policy.failure_threshold
    }

    /// Whether it has been silent for so long that something final may rest on that. One failed probe is
    /// not enough, whatever the threshold is, nor is one after a time in which nobody asked: this
    /// thread may have stood still while it came up.
    pub(super) fn is_surely_silent(&self, policy: &Policy) -> bool {
        self.silence >= policy.failure_threshold.max(2)
    }

    /// Whether it says that it is not done, and is not silent.
    pub(super) fn says_it_is_needed(&self, policy: &Policy) -> bool {
        self.answer.is_some_and(|answer| !answer.termination) && !self.is_silent(policy)
    }

    /// Whether a server that the cloud shows as failed is of no use: it has not answered since, or
    /// there is nothing to be asked. One that may have served and is shown without an address has
    /// to be shown so again.
    pub(super) fn is_lost(&self, policy: &Policy) -> bool {
        let Some((since, lists)) = self.shown_failed else {
            return false;
        };
        if self.probe_address().is_none() {
            let ran = self.server.launched.is_some() || self.first_running.is_some();
            return lists >= 2 || !ran;
        }
        self.is_surely_silent(policy) && self.asked_in_vain.is_some_and(|at| at >= since)
    }

    /// Whether it has certainly never served: it was created under this process' eyes and has
    /// never answered it; or under those of another one that marks what has served.
    pub(super) fn certainly_never_served(&self, here: Instance, marks_refused: bool) -> bool {
        let is_promised =
            self.server.marks.creation.is_some_and(|mark| {
                mark.instance != here && mark.served_is_marked && !marks_refused
            });
        let known = self.created_since_start || is_promised;
        known && !self.has_come_up()
    }

    /// Whether it is past its start: it has given an answer that counts, or carries the mark of having served, which
    /// outlives the process that put it there.
    pub(super) fn has_come_up(&self) -> bool {
        self.has_answered || self.server.marks.served
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

    /// Takes in how old it is, where that was not known before, and since when it is active. It was not
    /// while lists showed it being built.
    pub(super) fn note_times(&mut self, clocks: Clocks, now: Moment) {
        let seen_for = now.since(self.first_seen);
        let created = self.server.created.filter(|_| self.age_when_seen.is_none());
        if let Some(created) = created {
            let age = clocks.time_since(created, now).unwrap_or_default();
            self.age_when_seen = Some(age.saturating_sub(seen_for));
        }
        let Some(time) = self.server.launched else {
            return;
        };
        if self.launch.is_some_and(|launch| launch.time == time) {
            return;
        }
        let built = self.built_until.map(|at| now.since(at));
        let most = built.unwrap_or(Duration::MAX);
        self.launch = clocks.time_since(time, now).map(|ago| Launch {
            time,
            ago: ago.saturating_sub(self.clock_ahead).min(most),
            seen: now,
        });
    }

    /// Takes in that a list shows it being created, or not. Between two lists that are far apart,
    /// nobody knows: this thread may have stood still.
    pub(super) fn note_creating(&mut self, now: Moment) {
        const KNOWN_BETWEEN_LISTS: Duration = Duration::from_secs(60);
        let ServerState::Creating(why) = self.server.state else {
            self.shown_creating = None;
            return;
        };
        if why == Creating::Building {
            self.built_until = Some(now);
        }
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

    fn forget_answers(&mut self) {
        self.answer = None;
        self.done_in_a_row = 0;
        self.done_since = None;
        self.done_asked = None;
        self.free_before = None;
        self.full_since = None;
        self.failures = 0;
        self.silence = 0;
        self.unreachable_since = None;
        self.silent_until = None;
        self.asked_in_vain = None;
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
        let is_being_built = matches!(self.server.state, ServerState::Creating(_));
        match &result.outcome {
            // It is shown as being built, and runs: nothing is made of that but that it stays.
            Ok(answer) if is_being_built => {
                self.answer = Some(*answer);
                self.may_have_run |= !answer.termination;
                self.failures = 0;
                self.silence = 0;
                self.last_failure = None;
                false
            }
            Ok(answer) => {
                self.answered_at = self.probe_address();
                self.answer = Some(*answer);
                let is_full = answer.free == 0 && !answer.termination;
                let since = self.full_since.unwrap_or(result.finished);
                self.full_since = is_full.then_some(since);
                self.failures = 0;
                self.silence = 0;
                self.last_failure = None;
                self.unreachable_since = None;
                self.silent_until = None;
                let came_up = !self.has_served && !answer.termination;
                self.has_served |= came_up;
                // Neither does it matter whether it may still be starting where it has failed.
                let is_failed = matches!(self.server.state, ServerState::Failed(_));
                self.has_answered |= self.has_served || grace_is_over || is_failed;
                self.take_termination(policy, answer, result.finished - result.latency);
                came_up
            }
            // It was not asked, so its silence says nothing.
            Err(failure @ ProbeFailure::Local(_)) => {
                self.last_failure = Some(failure.clone());
                false
            }
            Err(failure) => {
                let started = result.finished - result.latency;
                let soon = policy.probe_interval.min(Policy::RETRY_AFTER_FAILED_PROBE);
                if !self.all_were_asked() {
                    self.last_failure = Some(failure.clone());
                    self.probe.at = started + soon;
                    return false;
                }
                let goes_on = self
                    .silent_until
                    .is_some_and(|last| started.since(last) <= policy.asked_within());
                self.silence = if goes_on {
                    self.silence.saturating_add(1)
                } else {
                    1
                };
                self.failures = self.failures.saturating_add(1);
                self.last_failure = Some(failure.clone());
                self.asked_in_vain = Some(started);
                self.silent_until = Some(result.finished);
                if self.failures >= policy.failure_threshold {
                    self.unreachable_since.get_or_insert(result.finished);
                } else {
                    // Counted from its start, as the interval is: what did not answer in time
                    // has been waited for already.
                    self.probe.at = started + soon;
                }
                false
            }
        }
    }

    /// One answer that says "done" is not enough: a status script says so whenever its service is being
    /// restarted. It is asked again soon.
    fn take_termination(&mut self, policy: &Policy, answer: &Answer, started: Moment) {
        if !answer.termination {
            self.done_in_a_row = 0;
            self.done_since = None;
            self.done_asked = None;
            self.free_before = Some(answer.free);
            if self.delete_accepted.is_none() {
                self.leaving_since = None;
            }
        } else if self.has_come_up() {
            // Two that lie far apart are two first ones: this thread may have stood still in between.
            let goes_on = self
                .done_asked
                .is_some_and(|last| started.since(last) <= policy.asked_within());
            if !goes_on {
                self.done_in_a_row = 0;
                self.done_since = Some(started);
            }
            self.done_asked = Some(started);
            self.done_in_a_row = self.done_in_a_row.saturating_add(1);
            if self.done_in_a_row < policy.termination_confirmations {
                let soon = policy.probe_interval.min(Policy::CONFIRM_TERMINATION_AFTER);
                self.probe.at = started + soon;
            }
        }
    }
}
