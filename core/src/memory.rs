//! What the scaler remembers from one observation to the next.

mod addresses;
mod failures;
mod observe;
mod probing;

use super::clocks::{Clocks, OddClock};
use super::record::Record;
use super::{
    Accepted, Backoff, BackoffCause, CloudClock, CloudTime, CreateFailure, CreationMark,
    DeleteReason, Instance, Moment, Policy, ReplicaId,
    creations::Creations,
    departed::Departed,
    moves::Moves,
    pool_silence::PoolSilence,
    schedule::Schedule,
    terminations::{MassTermination, Terminations, Wait},
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use addresses::Addresses;
pub use probing::{Heard, ProbeTarget};

/// A list that lacks too much of the pool to be believed at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShrunkenList {
    /// The replicas that it lacks.
    pub missing: BTreeSet<ReplicaId>,
    /// How many replicas the last believed list had.
    pub previous: usize,
}

/// All that is remembered. One thread owns it.
///
/// A record is shared with the snapshots that show it, and copied when it changes after that.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    records: BTreeMap<ReplicaId, Arc<Record>>,
    schedule: Schedule,
    clocks: Clocks,
    /// When the last list of the servers was asked for.
    listed_at: Option<Moment>,
    addresses: Addresses,
    first_list: Option<CloudTime>,
    /// When the newest server that a list has had was created.
    newest_server: Option<CloudTime>,
    departed: Departed,
    shrunken: Option<ShrunkenList>,
    silence: PoolSilence,
    creations: Creations,
    moves: Moves,
    terminations: Terminations,
    last_fault: Option<Arc<str>>,
    rounds: u64,
    lists: u64,
    /// This process, as the marks of its servers name it.
    instance: Instance,
    /// Servers of the pool that were created while this process runs, and not by it.
    foreign: u64,
    /// Marks cannot be written into the metadata of servers.
    marks_refused: bool,
}

impl Memory {
    /// A server that is older than this and was not in the last list is no new one: a list had
    /// left it out, or somebody has put it into the pool. Long enough for the cloud's own clocks
    /// to disagree.
    const NEW_SERVERS_SHOW_WITHIN: Duration = Duration::from_secs(300);
    /// By how much a new server may be older, by the cloud's clock, than the list before the one that
    /// has it: lists lag, and clocks differ.
    const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(60);

    /// The memory of one process, which knows its servers by their marks.
    #[must_use]
    pub fn of(instance: Instance) -> Self {
        Self {
            instance,
            ..Self::default()
        }
    }

    /// When the last list was asked for; `None`: there has been none.
    #[must_use]
    pub fn listed_at(&self) -> Option<Moment> {
        self.listed_at
    }

    /// This process.
    #[must_use]
    pub fn instance(&self) -> Instance {
        self.instance
    }

    /// How many servers of the pool were created while this process runs, and not by it.
    #[must_use]
    pub fn foreign(&self) -> u64 {
        self.foreign
    }

    /// What is remembered of each replica, in the order of their ids.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &Arc<Record>> {
        self.records.values()
    }

    /// What is remembered of one replica.
    #[must_use]
    pub fn record(&self, id: &ReplicaId) -> Option<&Record> {
        self.records.get(id).map(Arc::as_ref)
    }

    /// Where a replica is, or was last.
    #[must_use]
    pub fn address_of(&self, id: &ReplicaId) -> Option<IpAddr> {
        self.record(id)?.last_address
    }

    /// Whether the last list has it.
    pub(super) fn is_listed(&self, record: &Record) -> bool {
        record.listed == self.lists
    }

    /// The list that is waiting to be confirmed, if the last one lacked too much.
    #[must_use]
    pub fn shrunken_list(&self) -> Option<&ShrunkenList> {
        self.shrunken.as_ref()
    }

    /// The wait before the next creation, if creations have failed since a replica came up.
    #[must_use]
    pub fn backoff(&self) -> Option<Backoff> {
        self.creations.backoff()
    }

    /// Servers of accepted creations that no list has shown yet.
    #[must_use]
    pub fn awaited(&self, now: Moment) -> u64 {
        self.creations.awaited(now)
    }

    /// Until when a creation of unknown outcome holds up the next one, if it does.
    #[must_use]
    pub fn undecided_until(&self, now: Moment) -> Option<Moment> {
        self.creations.undecided_until(now)
    }

    /// Until when a process that has just started waits for servers that one before it may have ordered, if it does.
    #[must_use]
    pub fn held_until(&self, now: Moment) -> Option<Moment> {
        self.creations.held_until(now)
    }

    /// The cloud's clock, as it is shown.
    #[must_use]
    pub fn cloud_clock(&self) -> Option<CloudClock> {
        self.clocks.shown()
    }

    /// A replica's age: on the cloud's clock when it was first seen, and counted from there; or since
    /// then where that is unknown.
    #[must_use]
    pub fn age(&self, record: &Record, now: Moment) -> Duration {
        self.clocks.age(record, now)
    }

    /// How long a replica has been active: since its launch on the cloud's clock, else since it
    /// was first seen running, else since its creation.
    #[must_use]
    pub fn active_for(&self, record: &Record, now: Moment) -> Duration {
        self.clocks.active_for(record, now)
    }

    pub(super) fn clocks(&self) -> Clocks {
        self.clocks
    }

    /// How long a replica has had to come up. One that was created under this scaler's eyes is
    /// measured on the monotonic clock, so that no jump of the cloud's clock condemns it.
    #[must_use]
    pub fn startup_time(&self, record: &Record, now: Moment) -> Duration {
        if record.created_since_start {
            now.since(record.first_seen)
        } else {
            self.age(record, now)
        }
    }

    /// Whether a silent replica has certainly never served and has had its time to come up: one
    /// that was created under this scaler's eyes; or by another process of it that would have
    /// marked it if it had served, and that this one has found silent for long itself.
    pub(super) fn never_came_up(&self, policy: &Policy, record: &Record, now: Moment) -> bool {
        let Some(timeout) = policy.startup_timeout else {
            return false;
        };
        if !record.certainly_never_served(self.instance, self.marks_refused) {
            return false;
        }
        let grace = policy.startup_grace.min(timeout);
        let silent_for = record
            .unreachable_since
            .map_or(Duration::ZERO, |since| now.since(since));
        self.startup_time(record, now) >= timeout
            && (record.created_since_start || silent_for >= grace)
    }

    /// Changes a record, and with it its place among those that wait for a probe.
    fn change<T>(&mut self, id: &ReplicaId, change: impl FnOnce(&mut Record) -> T) -> Option<T> {
        let record = Arc::make_mut(self.records.get_mut(id)?);
        let before = record.waits();
        let outcome = change(record);
        self.schedule.moved(id, before, record.waits());
        Some(outcome)
    }

    /// A creation of which the quota let only a part through: how many servers of how many. Told once.
    pub fn creation_cut_short(&mut self) -> Option<(u64, u64)> {
        self.creations.cut_short()
    }

    /// Notes that a creation of `count` servers is sent: servers that show from now on may stem from it. Returns the
    /// mark that they are to carry.
    pub fn creation_sent(&mut self, count: u64, now: Moment) -> CreationMark {
        CreationMark {
            instance: self.instance,
            number: self.creations.sent(count, now),
            count,
            served_is_marked: !self.marks_refused,
        }
    }

    /// Takes in the cloud's answer to the creation that was sent last.
    pub fn creation_answered(&mut self, outcome: Result<Accepted, CreateFailure>, now: Moment) {
        self.creations.answered(outcome, now);
    }

    /// Takes in that the creation that was sent last has certainly made nothing, and is to be sent otherwise.
    pub fn creation_withdrawn(&mut self) {
        self.creations.withdrawn();
    }

    /// Since when a creation waits for its answer, if one does.
    #[must_use]
    pub fn creation_under_way(&self) -> Option<Moment> {
        self.creations.under_way_since()
    }

    /// How many of the awaited servers are of a creation that is not answered yet.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.creations.unanswered()
    }

    /// Notes that a replica's deletion is asked for.
    pub fn deletion_sent(&mut self, id: &ReplicaId, reason: DeleteReason) {
        self.change(id, |record| {
            record.delete_under_way = true;
            record.deleted_for = Some(reason);
        });
    }

    /// Takes in that a replica's deletion was not accepted; it may have been all the same where its outcome is unknown.
    pub fn deletion_failed(&mut self, id: &ReplicaId, outcome_unknown: bool) {
        self.change(id, |record| {
            record.delete_under_way = false;
            if !outcome_unknown {
                record.deleted_for = None;
            }
        });
    }

    /// Why the deletion of a replica was asked for that is there, or that went of late; `None`: it was not.
    #[must_use]
    pub fn deleted_for(&self, id: &ReplicaId) -> Option<DeleteReason> {
        match self.record(id) {
            Some(record) => record.deleted_for,
            None => self.departed.deleted_for(id),
        }
    }

    /// Takes in that the cloud accepted a replica's deletion, or no longer knows it.
    pub fn deletion_accepted(&mut self, id: &ReplicaId, reason: DeleteReason, now: Moment) {
        let creation = self.change(id, |record| {
            record.delete_under_way = false;
            record.delete_accepted = Some(now);
            record.deleted_for.get_or_insert(reason);
            record.leaving_since.get_or_insert(now);
            record.creation
        });
        self.terminations.deleted(id);
        if let Some(creation) = creation.filter(|_| reason == DeleteReason::StartupTimeout) {
            self.creations
                .record_failure(creation, BackoffCause::NeverCameUp, now);
        }
    }

    /// Notes that an external address could not be given to a replica: another is to be tried first.
    pub fn address_refused(&mut self, id: &ReplicaId, now: Moment) {
        self.change(id, |record| record.refused_address = Some(now));
    }

    /// What came of the moves of external addresses.
    #[must_use]
    pub fn moves(&self) -> &Moves {
        &self.moves
    }

    /// The same, to be told what came of one.
    pub fn moves_mut(&mut self) -> &mut Moves {
        &mut self.moves
    }

    /// Since when there has been no long silence of all replicas together.
    pub(super) fn answers_since(&self) -> Option<Moment> {
        self.silence.since()
    }

    /// What was last odd about the cloud's clock.
    #[must_use]
    pub fn odd_clock(&self) -> Option<OddClock> {
        self.clocks.odd()
    }

    /// The last time that most of the replicas said at once that they are done.
    #[must_use]
    pub fn mass_termination(&self) -> Option<MassTermination> {
        self.terminations.last()
    }

    /// Whether a replica is one of many that say at once that they are done, so that it has to say so
    /// once more; and from when on, if that is known.
    pub(super) fn waits_for_confirmation(&self, id: &ReplicaId) -> Option<Wait> {
        self.terminations.wait(id)
    }

    /// Whether a list is wanted although there is nothing to be done yet.
    #[must_use]
    pub fn wants_a_list(&self) -> bool {
        self.terminations.wants_a_list()
    }

    /// Whether servers of an accepted creation are overdue, and no list was asked for since.
    #[must_use]
    pub fn is_overdue(&self, now: Moment) -> bool {
        self.creations.is_overdue(now)
    }

    /// The replicas that have served and do not carry the mark of that yet, with the time at which they first did.
    #[must_use]
    pub fn unmarked(&self, now: Moment) -> Vec<(ReplicaId, Option<CloudTime>)> {
        let wants_one = |record: &&Arc<Record>| {
            let writable = record.is_probed() && !record.server.locked && self.is_listed(record);
            let promised = record.server.marks.creation.is_some();
            record.has_served && promised && !record.server.marks.served && writable
        };
        let first = |record: &Arc<Record>| {
            let ago = record
                .trial
                .came_up_at()
                .map_or(Duration::ZERO, |at| now.since(at));
            let time = self.clocks.cloud_time(now);
            let first = time.map(|time| CloudTime(time.0.saturating_sub(ago.as_secs())));
            (record.server.id.clone(), first)
        };
        let wanting = self.records().filter(wants_one);
        wanting.map(first).collect()
    }

    /// Takes in that a replica carries the mark of having served.
    pub fn marked(&mut self, id: &ReplicaId) {
        self.change(id, |record| record.server.marks.served = true);
    }

    /// Takes in that marks cannot be written: nothing depends on them from now on.
    pub fn marks_are_refused(&mut self) {
        self.marks_refused = true;
    }

    /// What the cloud said of the last server that ended in an error.
    #[must_use]
    pub fn last_fault(&self) -> Option<&Arc<str>> {
        self.last_fault.as_ref()
    }

    /// Notes what the cloud says of a failed server (an empty text: nothing).
    pub fn fault_read(&mut self, id: &ReplicaId, fault: &str) {
        if !fault.is_empty() {
            self.last_fault = Some(fault.into());
        }
        self.change(id, |record| record.fault = Some(fault.to_owned()));
    }
}

#[cfg(test)]
mod tests;
