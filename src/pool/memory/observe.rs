//! How a list changes what is remembered.

use super::super::record::NextProbe;
use super::super::{
    BackoffCause, CloudTime, Failed, Listing, Moment, Phase, Policy, Record, ReplicaId, Server,
    ServerState, assess,
};
use super::{Memory, ShrunkenList};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

impl Memory {
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
        let previous_list = self.clocks.anchor();
        if let Some(cloud_time) = listing.cloud_time {
            self.clocks.tells(cloud_time, arrived);
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
        self.forget_addresses_of_others(listing);
        self.blame_failed_creations(policy, now);
        self.creations.settle(now);
        self.first_list = self.first_list.or(listing.cloud_time);
        let newest = listing.servers.iter().filter_map(|server| server.created);
        self.newest_server = self.newest_server.max(newest.max());
        self.terminations.was_listed();
        if believed {
            self.weigh_terminations(policy, arrived);
        }
        believed
    }

    /// Looks whether most of the replicas have turned to "done" at once. They are asked once more,
    /// long enough after this list.
    fn weigh_terminations(&mut self, policy: &Policy, now: Moment) {
        let may_serve = |record: &&Arc<Record>| {
            matches!(
                assess::phase(policy, self.clocks, record, now),
                Phase::Serving { .. } | Phase::Finishing { .. } | Phase::Finished | Phase::Checking
            )
        };
        let serving = self.records.values().filter(may_serve).count();
        let records = &self.records;
        let record = |id: &ReplicaId| records.get(id).map(Arc::as_ref);
        let asked = self.terminations.listed(policy, serving, record, now);
        for (id, at) in asked {
            self.change(&id, |record| {
                if record.probe.under_way.is_none() {
                    record.probe.at = at;
                }
            });
        }
    }

    /// A failed server that is shown without an address is asked where it was last, but only until
    /// another server has that address: one address never speaks for two.
    fn forget_addresses_of_others(&mut self, listing: &Listing) {
        let asked: Vec<(ReplicaId, IpAddr)> = self
            .records
            .values()
            .filter(|record| record.is_asked_at_its_last_address())
            .filter_map(|record| Some((record.server.id.clone(), record.last_address?)))
            .collect();
        for (id, address) in asked {
            let mut others = listing.servers.iter().filter(|server| server.id != id);
            if others.any(|server| server.addresses.contains(&address)) {
                self.change(&id, Record::leave_its_address);
            }
        }
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

    fn admit(&mut self, server: &Server, previous_list: Option<(CloudTime, Moment)>, now: Moment) {
        let is_young = match (previous_list, server.created) {
            (Some((_, list)), Some(created)) => self
                .clocks
                .time_since(created, list)
                .is_none_or(|age| age <= Self::NEW_SERVERS_SHOW_WITHIN),
            _ => true,
        };
        // Where the cloud's clock is wrong, the order in which it made its servers is not.
        let is_newest = server.created > self.newest_server;
        let is_new = is_young || is_newest;
        let left_out = self.gone.came_back(&server.id);
        // Where a time is not known, it counts as somebody else's: it is not deleted for silence.
        // Neither is one that a list had left out, of which it is forgotten whether it answered.
        let born_here = match (self.first_list, server.created) {
            (Some(first), Some(created)) => left_out.is_none() && is_young && created >= first,
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
        let previous_list = previous_list.filter(|_| is_new);
        let (age_when_seen, clock_ahead) = self.age_when_seen(server, previous_list, now);
        let running = matches!(server.state, ServerState::Running(_));
        let mut record = Record {
            server: server.clone(),
            name: server.name.as_str().into(),
            listed: self.lists,
            first_seen: now,
            age_when_seen,
            clock_ahead,
            launch: None,
            built_until: None,
            first_running: running.then_some(now),
            born_here,
            may_have_run: left_out.is_some_and(|past| past.may_have_run)
                || !matches!(server.state, ServerState::Creating(_)),
            creation,
            answer: None,
            has_answered: false,
            has_served: false,
            done_in_a_row: 0,
            done_since: None,
            done_asked: None,
            free_before: None,
            full_since: None,
            failures: 0,
            silence: 0,
            last_failure: None,
            last_probe: None,
            unreachable_since: None,
            silent_until: None,
            asked_in_vain: None,
            last_address: match server.state {
                ServerState::Running(address) => Some(address),
                _ => None,
            },
            shown_failed: None,
            shown_creating: None,
            frozen_count: 0,
            refused_address: None,
            delete_accepted: None,
            leaving_since: (server.state == ServerState::Leaving).then_some(now),
            fault: None,
            probe: NextProbe {
                at: now,
                under_way: None,
            },
        };
        record.note_creating(now);
        record.note_failed(now);
        record.note_times(self.clocks, now);
        self.schedule.moved(&server.id, None, record.due());
        self.records.insert(server.id.clone(), Arc::new(record));
    }

    /// How old a server is that a list has for the first time, and by how much less that is than by
    /// the cloud's clock: a new one was made since the list before, whatever that clock says.
    fn age_when_seen(
        &mut self,
        server: &Server,
        previous_list: Option<(CloudTime, Moment)>,
        now: Moment,
    ) -> (Option<Duration>, Duration) {
        let Some(created) = server.created else {
            return (None, Duration::ZERO);
        };
        let at_most = previous_list.map(|(_, at)| now.since(at));
        let lag = at_most.map(|age| age.saturating_add(Self::NEW_SERVERS_SHOW_WITHIN));
        self.clocks.compare(created, lag, now);
        let age = self.clocks.time_since(created, now).unwrap_or_default();
        match at_most {
            Some(at_most) if age > at_most.saturating_add(Self::CLOCKS_DIFFER_BY) => {
                (Some(at_most), age.saturating_sub(at_most))
            }
            _ => (Some(age), Duration::ZERO),
        }
    }

    fn update(&mut self, policy: &Policy, server: &Server, when: (Moment, Moment)) {
        let frozen = self
            .record(&server.id)
            .filter(|r| r.server.state != ServerState::Unknown)
            .map(|r| assess::count(policy, &assess::phase(policy, self.clocks, r, when.0)));
        let (lists, clocks) = (self.lists, self.clocks);
        self.change(&server.id, |record| {
            record.listed = lists;
            record.take_listed(server, frozen, when);
            record.note_times(clocks, when.1);
        });
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
}
