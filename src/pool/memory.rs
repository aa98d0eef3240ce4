//! What the scaler remembers from one observation to the next.

use super::record::{Clocks, NextProbe, Record};
use super::{
    Backoff, BackoffCause, CloudTime, CreateFailure, DeleteReason, Failed, Listing, Moment, Phase,
    Policy, ProbeResult, ReplicaId, Server, ServerState, answers::Answers, assess,
    creations::Creations, gone::Gone, schedule::Schedule,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A replica that is due to be probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTarget {
    /// The replica.
    pub replica: ReplicaId,
    /// Where it is.
    pub address: IpAddr,
    /// It holds an external address: it goes first.
    pub urgent: bool,
    /// Its last probe failed: it must not hold up the others.
    pub suspect: bool,
}

/// A list that lacks too much of the pool to be believed at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShrunkenList {
    /// The replicas that it lacks.
    pub missing: BTreeSet<ReplicaId>,
    /// How many replicas the last believed list had.
    pub previous: usize,
}

/// What a probe's result changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing that a decision depends on.
    AsBefore,
    /// The replica is what it was, but counts otherwise.
    OtherCount {
        /// What it counted.
        before: u64,
        /// What it counts now.
        after: u64,
    },
    /// The replica is something else now.
    OtherPhase,
}

/// All that is remembered. One thread owns it.
///
/// A record is shared with the snapshots that show it, and copied when it changes after that.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    records: BTreeMap<ReplicaId, Arc<Record>>,
    schedule: Schedule,
    clocks: Clocks,
    first_list: Option<CloudTime>,
    gone: Gone,
    shrunken: Option<ShrunkenList>,
    answers: Answers,
    creations: Creations,
    rounds: u64,
    lists: u64,
}

impl Memory {
    /// A server that is older than this and was not in the last list is no new one: a list had
    /// left it out, or somebody has put it into the pool. Long enough for the cloud's own clocks
    /// to disagree.
    const NEW_SERVERS_SHOW_WITHIN: Duration = Duration::from_secs(300);
    /// How many due replicas are named at once, beside the holders of external addresses.
    const DUE_AT_ONCE: usize = 256;

    /// What is remembered of each replica, in the order of their ids.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &Arc<Record>> {
        self.records.values()
    }

    /// What is remembered of one replica.
    #[must_use]
    pub fn record(&self, id: &ReplicaId) -> Option<&Record> {
        self.records.get(id).map(Arc::as_ref)
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

    /// The cloud's clock at `now`, carried on from its last answer by the monotonic clock.
    #[must_use]
    pub fn cloud_time(&self, now: Moment) -> Option<CloudTime> {
        self.clocks.cloud_time(now)
    }

    /// A replica's age: on the cloud's clock, or since it was first seen where that is unknown.
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
        if record.born_here {
            now.since(record.first_seen)
        } else {
            self.age(record, now)
        }
    }

    /// Takes in a complete list. Returns whether it is believed: a list that lacks more than
    /// half of the pool, and at least two, has to be confirmed by the next one.
    pub fn observe(&mut self, policy: &Policy, listing: &Listing) -> bool {
        self.observe_late(policy, listing, listing.taken)
    }

    /// Takes in a complete list that arrived some time after it was asked for. What it shows is
    /// not older than its being asked for; but the cloud's clock in it is that of the answer, and
    /// a list may take long. Nobody must become older by that.
    pub fn observe_late(&mut self, policy: &Policy, listing: &Listing, arrived: Moment) -> bool {
        let now = listing.taken;
        self.lists += 1;
        let previous_list = self.clocks.anchor.map(|(time, _)| time);
        if let Some(cloud_time) = listing.cloud_time {
            self.clocks.anchor = Some((cloud_time, arrived));
        }
        let listed: BTreeSet<&ReplicaId> = listing.servers.iter().map(|s| &s.id).collect();
        let believed = self.weigh(&listed);
        if believed {
            self.drop_gone(&listed, arrived);
        }
        for server in &listing.servers {
            match self.records.contains_key(&server.id) {
                true => self.update(policy, server, (now, arrived)),
                // A server of which the provider cannot say anything is only of the pool if it
                // was before.
                false if server.state == ServerState::Unknown => {}
                false => self.admit(server, previous_list, arrived),
            }
        }
        self.blame_failed_creations(policy, now);
        self.creations.settle(now);
        self.first_list = self.first_list.or(listing.cloud_time);
        believed
    }

    fn weigh(&mut self, listed: &BTreeSet<&ReplicaId>) -> bool {
        let expected: Vec<&ReplicaId> = self
            .records
            .values()
            .filter(|r| r.delete_accepted.is_none() && r.server.state != ServerState::Leaving)
            .map(|r| &r.server.id)
            .collect();
        let missing: BTreeSet<ReplicaId> = expected
            .iter()
            .filter(|id| !listed.contains(**id))
            .map(|id| (*id).clone())
            .collect();
        let lacks_too_much = missing.len() >= 2 && missing.len() * 2 > expected.len();
        let confirmed = self
            .shrunken
            .as_ref()
            .is_some_and(|first| missing.is_subset(&first.missing));
        if lacks_too_much && !confirmed {
            let previous = expected.len();
            self.shrunken = Some(ShrunkenList { missing, previous });
            return false;
        }
        self.shrunken = None;
        true
    }

    fn drop_gone(&mut self, listed: &BTreeSet<&ReplicaId>, now: Moment) {
        self.gone
            .forget_older_than(Self::NEW_SERVERS_SHOW_WITHIN, now);
        let before = self.records.len();
        let schedule = &mut self.schedule;
        self.records.retain(|id, record| {
            let stays = listed.contains(id);
            if !stays {
                schedule.moved(id, record.due(), None);
                self.gone.went(record, now);
            }
            stays
        });
        if self.records.len() < before {
            self.creations.room_was_made(now);
        }
    }

    fn admit(&mut self, server: &Server, previous_list: Option<CloudTime>, now: Moment) {
        let is_new = match (previous_list, server.created) {
            (Some(list), Some(created)) => list.since(created) <= Self::NEW_SERVERS_SHOW_WITHIN,
            _ => true,
        };
        let left_out = self.gone.came_back(&server.id);
        // Where a time is not known, it counts as somebody else's: it is not deleted for silence.
        // Neither is one that a list had left out, of which it is forgotten whether it answered.
        let born_here = match (self.first_list, server.created) {
            (Some(first), Some(created)) => left_out.is_none() && is_new && created >= first,
            _ => false,
        };
        let creation = if let Some(past) = left_out {
            past.creation
        } else if is_new {
            self.creations.server_shown();
            self.creations.newest()
        } else {
            // It was there before, and a list had left it out, or could not say whose it is.
            0
        };
        let running = matches!(server.state, ServerState::Running(_));
        let mut record = Record {
            server: server.clone(),
            name: server.name.as_str().into(),
            listed: self.lists,
            first_seen: now,
            first_running: running.then_some(now),
            born_here,
            may_have_run: left_out.is_some_and(|past| past.may_have_run)
                || !matches!(server.state, ServerState::Creating(_)),
            creation,
            answer: None,
            has_answered: false,
            has_served: false,
            full_since: None,
            failures: 0,
            last_failure: None,
            last_probe: None,
            unreachable_since: None,
            silent_until: None,
            shown_creating: None,
            frozen_count: 0,
            refused_address: None,
            delete_accepted: None,
            fault: None,
            probe: NextProbe {
                at: now,
                under_way: None,
            },
        };
        record.note_creating(now);
        self.schedule.moved(&server.id, None, record.due());
        self.records.insert(server.id.clone(), Arc::new(record));
    }

    fn update(&mut self, policy: &Policy, server: &Server, when: (Moment, Moment)) {
        let frozen = self
            .record(&server.id)
            .filter(|r| r.server.state != ServerState::Unknown)
            .map(|r| assess::count(policy, &assess::phase(policy, self.clocks, r, when.0)));
        let lists = self.lists;
        self.change(&server.id, |record| {
            record.listed = lists;
            record.take_listed(server, frozen, when);
        });
    }

    /// Changes a record, and with it its place among those that wait for a probe.
    fn change<T>(&mut self, id: &ReplicaId, change: impl FnOnce(&mut Record) -> T) -> Option<T> {
        let record = Arc::make_mut(self.records.get_mut(id)?);
        let before = record.due();
        let outcome = change(record);
        self.schedule.moved(id, before, record.due());
        Some(outcome)
    }

    /// A new server that ended before it ever served, or did not come up in its time, is a failed
    /// creation. That is noted with the list, so that the plan made from it waits already.
    fn blame_failed_creations(&mut self, policy: &Policy, now: Moment) {
        let newest = self
            .records
            .values()
            .filter_map(|r| Some((r.creation, self.came_to_nothing(policy, r, now)?)))
            .max();
        if let Some((creation, cause)) = newest {
            self.creations.blame(creation, cause, now);
        }
    }

    fn came_to_nothing(
        &self,
        policy: &Policy,
        record: &Record,
        now: Moment,
    ) -> Option<BackoffCause> {
        let never_launched = !record.has_answered && record.server.launched.is_none();
        let is_ours = record.creation > 0;
        if record.has_served || !(is_ours || never_launched) {
            return None;
        }
        match assess::phase(policy, self.clocks, record, now) {
            Phase::Failed(Failed::Error) => Some(BackoffCause::ServerError),
            Phase::Failed(Failed::Stopped) | Phase::Unreachable { .. } | Phase::Finished
                if is_ours =>
            {
                Some(BackoffCause::NeverCameUp)
            }
            _ => None,
        }
    }

    /// Takes in the result of a probe. A result of another round than the one under way is late
    /// and changes nothing.
    pub fn probed(&mut self, policy: &Policy, result: &ProbeResult) -> Heard {
        let clocks = self.clocks;
        let heard = self.change(&result.replica, |record| {
            if record.probe.under_way != Some(result.round) {
                return None;
            }
            let before = assess::phase(policy, clocks, record, result.finished);
            let grace_is_over = clocks.active_for(record, result.finished) >= policy.startup_grace;
            let came_up = record.take_result(policy, result, grace_is_over);
            let after = assess::phase(policy, clocks, record, result.finished);
            Some((before, after, came_up.then_some(record.creation)))
        });
        let Some((before, after, came_up)) = heard.flatten() else {
            return Heard::AsBefore;
        };
        if let Some(creation) = came_up {
            self.creations.came_up(creation);
        }
        if result.outcome.is_ok() {
            self.answers.heard(policy, result.finished);
        }
        match (before, after) {
            (before, after) if before == after => Heard::AsBefore,
            (Phase::Serving { free: before }, Phase::Serving { free: after }) => {
                Heard::OtherCount { before, after }
            }
            _ => Heard::OtherPhase,
        }
    }

    /// Which replicas are due to be probed, holders of external addresses first, then those that
    /// have waited longest. There may be more: this is for handing them over bit by bit.
    #[must_use]
    pub fn due_probes(&self, holders: &BTreeSet<ReplicaId>, now: Moment) -> Vec<ProbeTarget> {
        let is_due = |id: &&ReplicaId| {
            let due = self.record(id).and_then(Record::due);
            due.is_some_and(|due| due <= now)
        };
        let urgent = holders.iter().filter(is_due).map(|id| (id, true));
        let others = self.schedule.due(now).filter(|id| !holders.contains(*id));
        let others = others.take(Self::DUE_AT_ONCE).map(|id| (id, false));
        let mut due: Vec<ProbeTarget> = urgent
            .chain(others)
            .filter_map(|(id, urgent)| {
                let record = self.record(id)?;
                let ServerState::Running(address) = record.server.state else {
                    return None;
                };
                Some(ProbeTarget {
                    replica: id.clone(),
                    address,
                    urgent,
                    suspect: record.failures > 0,
                })
            })
            .collect();
        due.sort_by_key(|target| (!target.urgent, target.suspect));
        due
    }

    /// When the next probe is due, if any replica waits for one.
    #[must_use]
    pub fn next_probe(&self) -> Option<Moment> {
        self.schedule.next()
    }

    /// Notes that a replica is being probed and returns the round that its result must carry.
    pub fn probe_started(&mut self, policy: &Policy, id: &ReplicaId, now: Moment) -> u64 {
        self.rounds += 1;
        let probe = NextProbe {
            at: now + policy.probe_interval,
            under_way: Some(self.rounds),
        };
        self.change(id, |record| record.probe = probe);
        self.rounds
    }

    /// Takes back [`Memory::probe_started`]: the probe could not be handed over.
    pub fn probe_put_off(&mut self, id: &ReplicaId, now: Moment) {
        let probe = NextProbe {
            at: now,
            under_way: None,
        };
        self.change(id, |record| record.probe = probe);
    }

    /// Notes that a creation is sent: servers that show from now on may stem from it.
    pub fn creation_sent(&mut self) {
        self.creations.sent();
    }

    /// Takes in the provider's answer to a creation of `count` servers.
    pub fn creation_answered(
        &mut self,
        count: u64,
        outcome: Result<(), CreateFailure>,
        now: Moment,
    ) {
        self.creations.answered(count, outcome, now);
    }

    /// Takes in that the provider accepted a replica's deletion, or no longer knows it.
    pub fn deletion_accepted(&mut self, id: &ReplicaId, reason: DeleteReason, now: Moment) {
        let creation = self.change(id, |record| {
            record.delete_accepted = Some(now);
            record.creation
        });
        if let Some(creation) = creation.filter(|_| reason == DeleteReason::StartupTimeout) {
            self.creations
                .blame(creation, BackoffCause::NeverCameUp, now);
        }
    }

    /// Notes that an external address could not be given to a replica: another is to be tried first.
    pub fn address_refused(&mut self, id: &ReplicaId, now: Moment) {
        self.change(id, |record| record.refused_address = Some(now));
    }

    /// Since when there has been no long silence of all replicas together.
    pub(super) fn answers_since(&self) -> Option<Moment> {
        self.answers.since()
    }

    /// Whether servers of an accepted creation are overdue, and no list was asked for since.
    #[must_use]
    pub fn is_overdue(&self, now: Moment) -> bool {
        self.creations.is_overdue(now)
    }

    /// Notes what the provider says of a failed server (an empty text: nothing).
    pub fn fault_read(&mut self, id: &ReplicaId, fault: &str) {
        self.change(id, |record| record.fault = Some(fault.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{Answer, Creating, ProbeFailure};
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    /// What the schedule must hold, by looking at every record.
    fn waiting(memory: &Memory) -> Vec<(Moment, ReplicaId)> {
        let due = |(id, record): (&ReplicaId, &Arc<Record>)| Some((record.due()?, id.clone()));
        let mut waiting: Vec<_> = memory.records.iter().filter_map(due).collect();
        waiting.sort();
        waiting
    }

    fn server(number: usize, kind: u8) -> Server {
        let address = Ipv4Addr::LOCALHOST.into();
        Server {
            id: ReplicaId::new(&number.to_string()),
            name: String::new(),
            state: match kind {
                0 => ServerState::Creating(Creating::NoAddress),
                1 => ServerState::Failed(Failed::Stopped),
                2 => ServerState::Held("paused".to_owned()),
                3 => ServerState::Unknown,
                4 => ServerState::Leaving,
                _ => ServerState::Running(address),
            },
            locked: false,
            created: None,
            launched: None,
            image: None,
        }
    }

    /// What happens: to which replica, what, and so many milliseconds later.
    type Step = (usize, u8, u64);

    fn happen(memory: &mut Memory, rounds: &mut [u64], kinds: &mut [u8], step: Step, at: u64) {
        let policy = Policy::default();
        let now = Moment(Duration::from_millis(at));
        let (number, what, _) = step;
        let id = ReplicaId::new(&number.to_string());
        match what {
            0 => rounds[number] = memory.probe_started(&policy, &id, now),
            1 => memory.probe_put_off(&id, now),
            2 | 3 => {
                let answer = Answer {
                    free: 1,
                    termination: false,
                };
                let outcome = if what == 2 {
                    Ok(answer)
                } else {
                    Err(ProbeFailure::Timeout)
                };
                memory.probed(
                    &policy,
                    &ProbeResult {
                        replica: id,
                        round: rounds[number],
                        finished: now,
                        latency: Duration::from_millis(7),
                        outcome,
                    },
                );
            }
            4 => memory.deletion_accepted(&id, DeleteReason::Termination, now),
            what => {
                kinds[number] = what % 9;
                // 8: it is not listed.
                let listed = kinds.iter().enumerate().filter(|(_, kind)| **kind != 8);
                memory.observe(
                    &policy,
                    &Listing {
                        taken: now,
                        cloud_time: None,
                        servers: listed.map(|(n, kind)| server(n, *kind)).collect(),
                        external_addresses: Vec::new(),
                        image: None,
                    },
                );
            }
        }
    }

    proptest! {
        #[test]
        fn schedule_holds_exactly_those_that_wait(
            steps in prop::collection::vec((0..6_usize, 0..20_u8, 0..2_000_u64), 1..120)
        ) {
            let mut memory = Memory::default();
            let (mut rounds, mut kinds, mut at) = ([0; 6], [8; 6], 0);
            for step in steps {
                at += step.2;
                happen(&mut memory, &mut rounds, &mut kinds, step, at);
                let naive = waiting(&memory);
                prop_assert_eq!(memory.next_probe(), naive.first().map(|(due, _)| *due));
                let now = Moment(Duration::from_millis(at));
                let due: Vec<ReplicaId> = memory.schedule.due(now).cloned().collect();
                let naive: Vec<ReplicaId> = naive
                    .into_iter()
                    .filter(|(due, _)| *due <= now)
                    .map(|(_, id)| id)
                    .collect();
                prop_assert_eq!(due, naive);
            }
        }
    }
}
