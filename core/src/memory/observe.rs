//! How a list changes what is remembered.

use super::super::{
    CloudTime, Inquiry, Listing, Looked, Moment, Policy, Record, ReplicaId, ReplicaState, Server,
    ServerState, assess, creations::Stems,
};
use super::{Memory, ShrunkenList};
use std::collections::{BTreeMap, BTreeSet};
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
        self.observe_asked(policy, listing, &Inquiry::default(), arrived)
    }

    /// The same, with what was asked for one by one because the list lacks it.
    pub fn observe_asked(
        &mut self,
        policy: &Policy,
        listing: &Listing,
        inquiry: &Inquiry,
        arrived: Moment,
    ) -> bool {
        let now = listing.taken;
        self.lists += 1;
        self.listed_at = Some(now);
        if let Some(addresses) = &listing.external_addresses {
            self.addresses_listed(addresses.clone(), now, arrived);
        }
        if self.lists == 1 && policy.settles_after_start > Duration::ZERO {
            self.creations.hold(now + policy.settles_after_start);
        }
        let previous_list = self.clocks.anchor();
        if let Some(cloud_time) = listing.cloud_time {
            self.clocks.tells(cloud_time, (now, arrived));
        }
        let listed: BTreeSet<&ReplicaId> = listing.servers.iter().map(|s| &s.id).collect();
        let found: Vec<&Server> = inquiry
            .found()
            .filter(|server| !listed.contains(&server.id))
            .collect();
        let there = found.iter().map(|server| &server.id);
        let there: BTreeSet<&ReplicaId> = listed.iter().copied().chain(there).collect();
        let unknown = self.note_untold(policy, inquiry, arrived);
        let believed = self.accept_or_doubt(&there, inquiry, &unknown);
        let is_gone = |id: &ReplicaId| {
            let was_asked = inquiry.of(id).is_some();
            // What was asked for and is not there is gone, whatever the list lacks besides.
            !there.contains(id) && !unknown.contains(id) && (believed || was_asked)
        };
        // What this list shows is as old as its being asked for.
        self.departed
            .forget_older_than(Self::NEW_SERVERS_SHOW_WITHIN, now);
        self.drop_gone(policy, is_gone, inquiry, arrived);
        let seen = listing.servers.iter().map(|server| (server, false));
        for (server, asked) in seen.chain(found.into_iter().map(|server| (server, true))) {
            match self.records.contains_key(&server.id) {
                true => self.update(policy, server, (now, arrived)),
                // A server of which the cloud cannot say anything is only of the pool if it
                // was before.
                false if server.state == ServerState::Unknown => {}
                false => self.admit((server, asked), previous_list, arrived),
            }
        }
        let lists = self.lists;
        let asked = inquiry.0.iter();
        for (id, _) in asked.filter(|(_, looked)| **looked != Looked::NotAsked) {
            self.change(id, |record| record.asked = lists);
        }
        self.forget_addresses_of_others(policy, listing);
        self.blame_failed_creations(policy, now);
        let told = |s: &Server| s.state != ServerState::Unknown;
        let listed = listing.servers.iter().map(|s| (&s.id, told(s))).collect();
        self.creations.settle(&listed, inquiry, now);
        self.first_list = self.first_list.or(listing.cloud_time);
        let newest = listing.servers.iter().filter_map(|server| server.created);
        self.newest_server = self.newest_server.max(newest.max());
        self.terminations.was_listed();
        if believed {
            self.weigh_terminations(policy, (now, arrived));
        }
        believed
    }

    /// Looks whether most of the replicas have turned to "done" at once. They are asked once more,
    /// long enough after this list.
    fn weigh_terminations(&mut self, policy: &Policy, (taken, now): (Moment, Moment)) {
        let may_serve = |record: &&Arc<Record>| {
            matches!(
                assess::state(policy, self.clocks, record, now),
                ReplicaState::Serving { .. }
                    | ReplicaState::Finishing { .. }
                    | ReplicaState::Finished
                    | ReplicaState::Checking
            )
        };
        let serving = self.records.values().filter(may_serve).count();
        let records = &self.records;
        let record = |id: &ReplicaId| records.get(id).map(Arc::as_ref);
        let asked = self
            .terminations
            .listed(policy, serving, record, (taken, now));
        for (id, at) in asked {
            self.change(&id, |record| {
                if record.probe.under_way.is_none() {
                    record.probe.at = at;
                }
            });
        }
    }

    /// What was heard at an address says nothing of a replica any more once another server has it,
    /// of the pool or not: one address never speaks for two.
    fn forget_addresses_of_others(&mut self, policy: &Policy, listing: &Listing) {
        let mut holders: BTreeMap<IpAddr, &ReplicaId> = BTreeMap::new();
        let stays = |server: &&Server| server.state != ServerState::Leaving;
        for server in listing.servers.iter().filter(stays) {
            let own = server
                .addresses
                .iter()
                .map(|address| (*address, &server.id));
            holders.extend(own);
        }
        let has_left = |record: &&Arc<Record>| {
            let own = &record.server.id;
            // One that no list has shown running is asked where it is shown.
            let address = record.last_address.or_else(|| record.probe_address());
            address.is_some_and(|address| {
                let holder = holders.get(&address);
                listing.not_alone.contains(&address) || holder.is_some_and(|id| *id != own)
            })
        };
        let left = self.records.values().filter(has_left);
        let left: Vec<ReplicaId> = left.map(|record| record.server.id.clone()).collect();
        for id in left {
            let clocks = self.clocks;
            self.change(&id, |record| {
                let state = assess::state(policy, clocks, record, listing.taken);
                record.leave_its_address(assess::count(policy, &state));
            });
        }
    }

    /// What is to be asked for beside a list, what has waited longest for it first: the first
    /// servers of creations that should have shown by now, and what the list lacks.
    #[must_use]
    pub fn questions(&self, listing: &Listing) -> Vec<ReplicaId> {
        let listed: BTreeSet<&ReplicaId> = listing.servers.iter().map(|s| &s.id).collect();
        let ordered = self.creations.overdue_firsts(listing.taken);
        let mut questions: Vec<ReplicaId> = ordered
            .filter(|id| !listed.contains(*id))
            .filter(|id| !self.record(id).is_some_and(Record::is_expected))
            .cloned()
            .collect();
        let mut missing: Vec<(u64, &ReplicaId)> = self
            .records()
            .filter(|record| record.is_expected() && !listed.contains(&record.server.id))
            .map(|record| (record.asked, &record.server.id))
            .collect();
        missing.sort_unstable();
        questions.extend(missing.into_iter().map(|(_, id)| id.clone()));
        questions
    }

    /// How many replicas there are of which the last list, and what was asked beside it, did not tell.
    #[must_use]
    pub fn untold(&self) -> usize {
        self.records().filter(|r| !self.is_listed(r)).count()
    }

    /// How many replicas answer that are said not to be there.
    #[must_use]
    pub fn denied(&self, inquiry: &Inquiry) -> usize {
        let asked = inquiry.0.iter();
        let gone = asked.filter(|(_, looked)| **looked == Looked::Gone);
        gone.filter_map(|(id, _)| self.record(id))
            .filter(|record| record.is_expected() && record.answers_now())
            .count()
    }

    /// What stays as it was, although a list lacks it: nothing is known of it, or it answers.
    fn note_untold(
        &mut self,
        policy: &Policy,
        inquiry: &Inquiry,
        now: Moment,
    ) -> BTreeSet<ReplicaId> {
        let mut stay = |id: &ReplicaId, looked: &Looked| {
            let stays = |record: &mut Record| {
                record.is_expected() && record.stays_untold(policy, looked, now)
            };
            self.change(id, stays) == Some(true)
        };
        let asked = inquiry.0.iter();
        let untold = asked.filter(|(id, looked)| stay(id, looked));
        untold.map(|(id, _)| id.clone()).collect()
    }

    fn accept_or_doubt(
        &mut self,
        there: &BTreeSet<&ReplicaId>,
        inquiry: &Inquiry,
        unknown: &BTreeSet<ReplicaId>,
    ) -> bool {
        let expected: Vec<&ReplicaId> = self
            .records
            .values()
            .filter(|record| record.is_expected())
            .map(|r| &r.server.id)
            .collect();
        let missing: BTreeSet<ReplicaId> = expected
            .iter()
            .filter(|id| !there.contains(**id))
            .filter(|id| inquiry.of(id).is_none() || unknown.contains(**id))
            .map(|id| (*id).clone())
            .collect();
        let lacks_too_much = missing.len() >= 2 && missing.len() * 2 > expected.len();
        // What could be asked for and was not, or was not answered, is not known: no list confirms that.
        let confirmed = unknown.is_empty()
            && self
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

    fn drop_gone(
        &mut self,
        policy: &Policy,
        is_gone: impl Fn(&ReplicaId) -> bool,
        inquiry: &Inquiry,
        now: Moment,
    ) {
        let schedule = &mut self.schedule;
        let mut gone: Vec<Arc<Record>> = Vec::new();
        self.records.retain(|id, record| {
            // What its deletion comes to is still to be taken in.
            let stays = record.delete_under_way || !is_gone(id);
            if !stays {
                schedule.moved(id, record.waits(), None);
                let looked = inquiry.of(id);
                let given_up = matches!(looked, Some(Looked::NotKnown | Looked::NotAsked));
                self.departed.remember(record, given_up, now);
                gone.push(Arc::clone(record));
            }
            stays
        });
        if !gone.is_empty() {
            self.creations.room_was_made(now);
            self.blame_vanished(policy, &gone, now);
        }
    }

    fn admit(
        &mut self,
        (server, asked): (&Server, bool),
        previous_list: Option<(CloudTime, Moment)>,
        now: Moment,
    ) {
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
        let left_out = self.departed.take_back(&server.id);
        let mark = server.marks.creation;
        let is_own = mark.is_some_and(|mark| mark.instance == self.instance)
            || self.creations.is_first(&server.id);
        let since_first_list = match (self.first_list, server.created) {
            (Some(first), Some(created)) => created >= first,
            _ => false,
        };
        // Where a time is not known, it counts as somebody else's: it is not deleted for silence.
        // Neither is one that a list had left out, of which it is forgotten whether it answered.
        let created_since_start = left_out.is_none() && (is_own || (is_young && since_first_list));
        let stems = match left_out {
            Some(past) => Stems::Ours(past.creation),
            None if is_own || is_new => {
                let is_listed = !asked;
                self.creations
                    .server_shown(server, is_listed, self.instance)
            }
            // It was there before, and a list had left it out, or could not say whose it is.
            None => Stems::Ours(0),
        };
        if left_out.is_none() && stems == Stems::Foreign {
            self.expect_rest_of_batch(server, now);
        }
        let creation = match stems {
            Stems::Ours(number) => number,
            // It may be one that was put into the pool by hand, or of a creation that came late.
            Stems::Foreign if mark.is_none() => self.creations.unmarked(),
            Stems::Foreign | Stems::KnownBatch => 0,
        };
        let foreign = stems == Stems::Foreign && since_first_list;
        self.foreign += u64::from(foreign);
        let previous_list = previous_list.filter(|_| is_new);
        let (age_when_seen, clock_ahead) = self.age_when_seen(server, previous_list, now);
        let mut record = Record {
            listed: self.lists,
            age_when_seen,
            clock_ahead,
            created_since_start,
            creation,
            foreign,
            ..Record::first_seen(server, now)
        };
        record.may_have_run |= left_out.is_some_and(|past| past.may_have_run);
        record.note_creating(now);
        record.note_failed(now);
        record.note_times(self.clocks, now);
        self.schedule.moved(&server.id, None, record.waits());
        self.records.insert(server.id.clone(), Arc::new(record));
    }

    /// The other servers of a batch that another process ordered moments ago may still have to show; and if this is
    /// the first list, that process may have ended just before, and have ordered more.
    fn expect_rest_of_batch(&mut self, server: &Server, now: Moment) {
        let (Some(mark), Some(created), Some(cloud_now)) = (
            server.marks.creation,
            server.created,
            self.clocks.cloud_time(now),
        ) else {
            return;
        };
        let age = cloud_now.since(created);
        let left = Policy::CREATION_SETTLES_WITHIN.saturating_sub(age);
        if left == Duration::ZERO {
            return;
        }
        let is_first_list = self.lists == 1;
        self.creations.others_batch(mark, now + left, is_first_list);
        if is_first_list {
            self.creations.hold(now + left);
        }
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
            .map(|r| assess::count(policy, &assess::state(policy, self.clocks, r, when.0)));
        let (lists, first_list, clocks) = (self.lists, self.first_list, self.clocks);
        self.change(&server.id, |record| {
            record.listed = lists;
            record.untold_since = None;
            record.denied = None;
            // One that lists show being built, and that became active after the first list, has
            // not run before this process began.
            let launched = server.launched.zip(first_list);
            record.created_since_start |= launched
                .is_some_and(|(launched, first)| launched >= first)
                && record.server.launched.is_none()
                && !record.may_have_run;
            let marks = record.server.marks;
            record.take_listed(server, frozen, when);
            // What has once been read stays: an old list lacks it, and so does an outage.
            let now = &mut record.server.marks;
            now.served |= marks.served;
            now.creation = now.creation.or(marks.creation);
            record.note_times(clocks, when.1);
        });
    }
}
