//! What the scaler remembers from one observation to the next.

use super::{
    Answer, Backoff, BackoffCause, CloudTime, CreateFailure, Creating, DeleteReason, Failed,
    Listing, Moment, Phase, Policy, ProbeFailure, ProbeResult, ReplicaId, Server, ServerState,
    assess, creations::Creations,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// What is remembered of one replica. It is dropped when the replica is gone from the lists.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Record {
    /// The replica as last listed.
    pub server: Server,
    /// When a list first had it.
    pub first_seen: Moment,
    /// When a list first showed it running.
    pub first_running: Option<Moment>,
    /// Whether it was created after this scaler's first list.
    pub born_here: bool,
    /// Whether a list has shown it as anything but being created: it may have held a session.
    pub may_have_run: bool,
    /// The newest creation that it may stem from; 0: none.
    creation: u64,
    /// The last good answer; void once the replica has been out of service.
    pub answer: Option<Answer>,
    /// Whether it has ever given an answer that counts.
    pub has_answered: bool,
    /// Whether it has ever said that it is not done, so that "done" can be believed.
    pub has_served: bool,
    /// Failed probes in a row.
    pub failures: u32,
    /// The last probe's failure, if it failed.
    pub last_failure: Option<ProbeFailure>,
    /// When the last probe ended, and how long it took.
    pub last_probe: Option<(Moment, Duration)>,
    /// Since when it is unreachable.
    pub unreachable_since: Option<Moment>,
    /// What it counted when the provider last knew its state.
    pub frozen_count: u64,
    /// When its deletion was accepted.
    pub delete_accepted: Option<Moment>,
    /// Why it failed, as the provider tells it; `None`: not asked yet.
    pub fault: Option<String>,
    probe: ProbeSchedule,
}

#[derive(Debug, Clone, Copy)]
struct ProbeSchedule {
    next: Moment,
    under_way: Option<u64>,
}

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

/// All that is remembered. One thread owns it.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    records: BTreeMap<ReplicaId, Record>,
    cloud_anchor: Option<(CloudTime, Moment)>,
    first_list: Option<CloudTime>,
    shrunken: Option<ShrunkenList>,
    /// Replicas that went from the lists of late, with the newest creation that they may stem
    /// from. One that a list had only left out is no new one: it is not one of the servers that
    /// are being waited for, and does not show that the last creation succeeded.
    gone: BTreeMap<ReplicaId, (Moment, u64)>,
    creations: Creations,
    rounds: u64,
}

impl Memory {
    /// A server that is older than this and was not in the last list is no new one: a list had
    /// left it out, or somebody has put it into the pool. Long enough for the cloud's own clocks
    /// to disagree.
    const NEW_SERVERS_SHOW_WITHIN: Duration = Duration::from_secs(300);

    /// What is remembered of each replica, in the order of their ids.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// What is remembered of one replica.
    #[must_use]
    pub fn record(&self, id: &ReplicaId) -> Option<&Record> {
        self.records.get(id)
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
        self.cloud_anchor
            .map(|(time, at)| CloudTime(time.0.saturating_add(now.since(at).as_secs())))
    }

    /// A replica's age: on the cloud's clock, or since it was first seen where that is unknown, or
    /// where that clock has been set back since.
    #[must_use]
    pub fn age(&self, record: &Record, now: Moment) -> Duration {
        match (self.cloud_time(now), record.server.created) {
            (Some(cloud_now), Some(created)) if created <= cloud_now => cloud_now.since(created),
            _ => now.since(record.first_seen),
        }
    }

    /// How long a replica has been active: since its launch on the cloud's clock, else since it
    /// was first seen running, else since its creation.
    #[must_use]
    pub fn active_for(&self, record: &Record, now: Moment) -> Duration {
        match (
            self.cloud_time(now),
            record.server.launched,
            record.first_running,
        ) {
            (Some(cloud_now), Some(launched), _) if launched <= cloud_now => {
                cloud_now.since(launched)
            }
            (_, _, Some(first_running)) => now.since(first_running),
            _ => self.age(record, now),
        }
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
        let now = listing.taken;
        let previous_list = self.cloud_anchor.map(|(time, _)| time);
        if let Some(cloud_time) = listing.cloud_time {
            self.cloud_anchor = Some((cloud_time, now));
        }
        let listed: BTreeSet<&ReplicaId> = listing.servers.iter().map(|s| &s.id).collect();
        let believed = self.weigh(&listed);
        if believed {
            self.drop_gone(&listed, now);
        }
        for server in &listing.servers {
            match self.records.contains_key(&server.id) {
                true => self.update(policy, server, now),
                // A server of which the provider cannot say anything is only of the pool if it
                // was before.
                false if server.state == ServerState::Unknown => {}
                false => self.admit(server, previous_list, now),
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
            .retain(|_, (at, _)| now.since(*at) <= Self::NEW_SERVERS_SHOW_WITHIN);
        let before = self.records.len();
        self.records.retain(|id, record| {
            let stays = listed.contains(id);
            if !stays {
                self.gone.insert(id.clone(), (now, record.creation));
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
        // Where a time is not known, it counts as somebody else's: it is not deleted for silence.
        let born_here = match (self.first_list, server.created) {
            (Some(first), Some(created)) => is_new && created >= first,
            _ => false,
        };
        let creation = if let Some((_, creation)) = self.gone.remove(&server.id) {
            creation
        } else {
            self.creations.server_shown();
            if is_new { self.creations.newest() } else { 0 }
        };
        let running = matches!(server.state, ServerState::Running(_));
        let record = Record {
            server: server.clone(),
            first_seen: now,
            first_running: running.then_some(now),
            born_here,
            may_have_run: !matches!(server.state, ServerState::Creating(_)),
            creation,
            answer: None,
            has_answered: false,
            has_served: false,
            failures: 0,
            last_failure: None,
            last_probe: None,
            unreachable_since: None,
            frozen_count: 0,
            delete_accepted: None,
            fault: None,
            probe: ProbeSchedule {
                next: now,
                under_way: None,
            },
        };
        self.records.insert(server.id.clone(), record);
    }

    fn update(&mut self, policy: &Policy, server: &Server, now: Moment) {
        let frozen = self
            .record(&server.id)
            .filter(|r| r.server.state != ServerState::Unknown)
            .map(|r| assess::count(policy, &assess::phase(policy, self, r, now)));
        let Some(record) = self.records.get_mut(&server.id) else {
            return;
        };
        if server.state == ServerState::Unknown {
            if let Some(count) = frozen {
                record.frozen_count = count;
            }
            record.server.state = ServerState::Unknown;
            return;
        }
        let was = std::mem::replace(&mut record.server, server.clone()).state;
        // Nova at times shows a server that runs without its addresses. It is asked where it was
        // last, and neither counts as a new one nor goes for having no address for too long.
        if let ServerState::Running(address) = was
            && record.server.state == ServerState::Creating(Creating::NoAddress)
        {
            record.server.state = ServerState::Running(address);
        }
        record.may_have_run |= !matches!(record.server.state, ServerState::Creating(_));
        let settled = record
            .delete_accepted
            .is_some_and(|at| now.since(at) >= Policy::DELETION_SETTLES_WITHIN);
        if settled && record.server.state != ServerState::Leaving {
            record.delete_accepted = None;
        }
        if matches!(record.server.state, ServerState::Running(_)) {
            record.first_running.get_or_insert(now);
            if !matches!(was, ServerState::Running(_)) {
                record.probe.next = now;
            }
            return;
        }
        record.probe.under_way = None;
        // What it said before it was out of service says nothing of it afterwards, whatever the
        // provider shows in between.
        if matches!(
            record.server.state,
            ServerState::Held(_) | ServerState::Failed(_)
        ) {
            record.answer = None;
            record.failures = 0;
            record.unreachable_since = None;
        }
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
        match assess::phase(policy, self, record, now) {
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
    /// and changes nothing. Returns whether a decision may depend on what changed.
    pub fn probed(&mut self, policy: &Policy, result: &ProbeResult) -> bool {
        let Some(record) = self.records.get(&result.replica) else {
            return false;
        };
        if record.probe.under_way != Some(result.round) {
            return false;
        }
        let before = assess::phase(policy, self, record, result.finished);
        let grace_is_over = self.active_for(record, result.finished) >= policy.startup_grace;
        let Some(record) = self.records.get_mut(&result.replica) else {
            return false;
        };
        let came_up = record.take_result(policy, result, grace_is_over);
        let creation = record.creation;
        if came_up {
            self.creations.came_up(creation);
        }
        self.record(&result.replica)
            .is_some_and(|r| assess::phase(policy, self, r, result.finished) != before)
    }

    /// Which replicas are due to be probed, holders of external addresses first.
    #[must_use]
    pub fn due_probes(&self, holders: &BTreeSet<ReplicaId>, now: Moment) -> Vec<ProbeTarget> {
        let mut due: Vec<ProbeTarget> = self
            .records
            .values()
            .filter(|r| r.probe.under_way.is_none() && r.probe.next <= now && r.is_probed())
            .filter_map(|r| match r.server.state {
                ServerState::Running(address) => Some(ProbeTarget {
                    replica: r.server.id.clone(),
                    address,
                    urgent: holders.contains(&r.server.id),
                    suspect: r.failures > 0,
                }),
                _ => None,
            })
            .collect();
        due.sort_by_key(|target| (!target.urgent, target.suspect));
        due
    }

    /// When the next probe is due, if any replica is to be probed and none is due already.
    #[must_use]
    pub fn next_probe(&self) -> Option<Moment> {
        self.records
            .values()
            .filter(|r| r.probe.under_way.is_none() && r.is_probed())
            .map(|r| r.probe.next)
            .min()
    }

    /// Notes that a replica is being probed and returns the round that its result must carry.
    pub fn probe_started(&mut self, policy: &Policy, id: &ReplicaId, now: Moment) -> u64 {
        self.rounds += 1;
        if let Some(record) = self.records.get_mut(id) {
            record.probe.under_way = Some(self.rounds);
            record.probe.next = now + policy.probe_interval;
        }
        self.rounds
    }

    /// Takes back [`Memory::probe_started`]: the probe could not be handed over.
    pub fn probe_put_off(&mut self, id: &ReplicaId, now: Moment) {
        if let Some(record) = self.records.get_mut(id) {
            record.probe = ProbeSchedule {
                next: now,
                under_way: None,
            };
        }
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
        let Some(record) = self.records.get_mut(id) else {
            return;
        };
        record.delete_accepted = Some(now);
        let creation = record.creation;
        if reason == DeleteReason::StartupTimeout {
            self.creations
                .blame(creation, BackoffCause::NeverCameUp, now);
        }
    }

    /// Notes what the provider says of a failed server (an empty text: nothing).
    pub fn fault_read(&mut self, id: &ReplicaId, fault: &str) {
        if let Some(record) = self.records.get_mut(id) {
            record.fault = Some(fault.to_owned());
        }
    }
}

impl Record {
    fn is_probed(&self) -> bool {
        matches!(self.server.state, ServerState::Running(_)) && self.delete_accepted.is_none()
    }

    /// Returns whether it serves for the first time.
    fn take_result(&mut self, policy: &Policy, result: &ProbeResult, grace_is_over: bool) -> bool {
        self.probe.under_way = None;
        self.last_probe = Some((result.finished, result.latency));
        match &result.outcome {
            Ok(answer) => {
                self.answer = Some(*answer);
                self.failures = 0;
                self.last_failure = None;
                self.unreachable_since = None;
                let came_up = !self.has_served && !answer.termination;
                self.has_served |= came_up;
                self.has_answered |= self.has_served || grace_is_over;
                came_up
            }
            Err(failure) => {
                self.failures = self.failures.saturating_add(1);
                self.last_failure = Some(failure.clone());
                if self.failures >= policy.failure_threshold {
                    self.unreachable_since.get_or_insert(result.finished);
                } else {
                    let soon = policy.probe_interval.min(Policy::RETRY_AFTER_FAILED_PROBE);
                    self.probe.next = result.finished + soon;
                }
                false
            }
        }
    }
}
