//! What one life of a scaler has been told, and nothing else: the simulation's own memory of it,
//! by which its deeds are judged. A restarted scaler begins with an empty one.

use simplescalevm::pool::{
    Answer, CloudTime, Creating, ExternalAddress, Health, Holder, Instance, Listing, Looked,
    Policy, ProbeFailure, ProbeResult, ReplicaId, Server, ServerState, Severity,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What was heard of one replica.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    /// The probe that was begun last. The result of any other is late.
    pub(crate) round: Option<u64>,
    /// Where it is to be asked, as of the last list.
    pub(crate) at: Option<IpAddr>,
    pub(crate) answer: Option<Answer>,
    /// Answers in a row, the last ones, that say that it is done.
    pub(crate) done: u32,
    /// When the first and the last of them were asked for.
    pub(crate) done_since: Option<u64>,
    pub(crate) done_asked: u64,
    pub(crate) failures: u32,
    /// When the last failed probe was begun.
    pub(crate) asked_in_vain: Option<u64>,
    /// The last and the first failed probe of the silence.
    pub(crate) last_failed: Option<u64>,
    pub(crate) silent_since: Option<u64>,
    /// It has once said that it is not done.
    pub(crate) served: bool,
    /// Since when, and for which reasons its creation may have come to something.
    served_at: Option<u64>,
    free_at: Option<u64>,
    good_for: BTreeSet<&'static str>,
    pub(crate) answered: bool,
    pub(crate) ran: bool,
    /// Where it was when a list showed it running.
    pub(crate) last_address: Option<IpAddr>,
    /// Since when, and in how many lists, it is shown as failed.
    pub(crate) failed: Option<(u64, u32)>,
    pub(crate) first_listed: u64,
    pub(crate) address_seen: bool,
    /// When a list last showed it active without an address, and for how long lists have.
    pub(crate) without_address: Option<(u64, u64)>,
    /// As last listed; and since when, or since its deletion was accepted first.
    pub(crate) leaves: bool,
    pub(crate) server: Option<Server>,
    /// The last list lacked it, and nothing but asking for it by its id can tell.
    pub(crate) untold: bool,
    /// It was asked for beside the last list, and the answer was that it is not there.
    told_gone: bool,
    /// It was asked for, and is not there.
    pub(crate) gone: bool,
    pub(crate) leaving_since: Option<u64>,
    pub(crate) untold_since: Option<u64>,
    /// Nobody has known of it for long.
    pub(crate) given_up: bool,
    /// When a list last showed its address on another server, too.
    pub(crate) shared_address: Option<u64>,
    /// Since when, and how often, the cloud has known no such server.
    pub(crate) denied: Option<(u64, u32)>,
}

impl Heard {
    /// The last good answer, if it stands.
    pub(crate) fn standing(&self, policy: &Policy) -> Option<Answer> {
        self.answer
            .filter(|_| self.failures < policy.failure_threshold)
    }

    pub(crate) fn is_silent(&self, policy: &Policy) -> bool {
        self.failures >= policy.failure_threshold
    }

    /// Between two lists that are far apart, nobody knows.
    fn note_address(&mut self, state: &ServerState, now: u64) {
        let lacks_one = *state == ServerState::Creating(Creating::NoAddress) && !self.address_seen;
        let (last, time) = self.without_address.unwrap_or((now, 0));
        let time = time + (now - last).min(KNOWN_BETWEEN_LISTS_MS);
        self.without_address = lacks_one.then_some((now, time));
    }

    /// Whether "done" is all that it has said for no longer than an interval of the probes.
    pub(crate) fn has_just_turned(&self, policy: &Policy) -> bool {
        let interval = u64::try_from(policy.probe_interval.as_millis()).unwrap_or(u64::MAX);
        self.served
            && self
                .done_since
                .is_some_and(|since| self.done_asked < since + interval)
    }

    /// Whether it can be asked although the cloud shows it as failed.
    pub(crate) fn can_be_asked(&self, server: &Server) -> bool {
        !server.addresses.is_empty() || self.last_address.is_some()
    }

    fn is_to_be_asked_at(&self, server: &Server) -> Option<IpAddr> {
        let shown = &server.addresses;
        let last = self.last_address;
        match server.state {
            ServerState::Running(address) => Some(address),
            ServerState::Failed(_) => last
                .filter(|last| shown.is_empty() || shown.contains(last))
                .or_else(|| shown.first().copied()),
            ServerState::Creating(Creating::NoAddress) if self.address_seen => last,
            _ => None,
        }
    }

    /// What a list shows of it besides being there.
    fn note_state(&mut self, policy: &Policy, server: &Server, now: u64) {
        let was_failed = self.failed;
        let at = self.is_to_be_asked_at(server);
        let before = std::mem::replace(&mut self.at, at).or(self.last_address);
        // What was heard elsewhere says nothing of it here.
        if before.zip(at).is_some_and(|(before, at)| before != at) {
            self.round = None;
            self.out_of_service();
        }
        self.failed = match server.state {
            ServerState::Failed(_) => {
                let (since, lists) = was_failed.unwrap_or((now, 0));
                Some((since, lists + 1))
            }
            _ => None,
        };
        match &server.state {
            ServerState::Running(address) => {
                self.ran = true;
                self.address_seen = true;
                self.last_address = Some(*address);
                if was_failed.is_some() && self.is_silent(policy) {
                    self.out_of_service();
                }
            }
            ServerState::Creating(Creating::NoAddress) if self.address_seen => {
                if was_failed.is_some() && self.is_silent(policy) {
                    self.out_of_service();
                }
            }
            // Nothing is known of it, so no answer becomes void; but where it was, is forgotten.
            ServerState::Unknown => self.address_seen = false,
            // It may serve all the same, and is asked on.
            ServerState::Failed(_) if self.can_be_asked(server) => {
                self.address_seen = self.last_address.is_some();
            }
            ServerState::Creating(_) | ServerState::Leaving => {
                self.round = None;
                self.address_seen = false;
                if was_failed.is_some() {
                    self.out_of_service();
                }
            }
            ServerState::Held(_) | ServerState::Failed(_) => {
                self.round = None;
                self.address_seen = false;
                self.out_of_service();
            }
        }
    }

    /// Takes in that the cloud knows no such server. While it answers, that has to be said thrice, and for a minute.
    fn is_believed_gone(&mut self, now: u64) -> bool {
        let (since, times) = self.denied.get_or_insert((now, 0));
        *times += 1;
        let is_said = *times >= 3 && now - *since >= 60_000;
        let is_asked = |server: &Server| self.is_to_be_asked_at(server).is_some();
        let is_asked = self.server.as_ref().is_some_and(is_asked);
        let answers = self.answer.is_some() && self.failures == 0 && is_asked;
        is_said || !answers || !self.untold
    }

    /// Whether its creation may have come to something by this answer, and not before for the same reason: it serves,
    /// has something free, is taken, was called, ends, or has lived for a while, be it since it served or was free.
    fn comes_to_something(&mut self, policy: &Policy, answer: &Answer, now: u64) -> bool {
        let serves = !answer.termination;
        self.served |= serves;
        if serves {
            self.served_at.get_or_insert(now);
        }
        if serves && answer.free > 0 {
            self.free_at.get_or_insert(now);
        }
        let after = |at: Option<u64>, time: u64| at.is_some_and(|at| now >= at + time);
        let (served, free) = (self.served_at, self.free_at);
        let took = |at: Option<u64>| at.unwrap_or_default().saturating_sub(self.first_listed);
        let grace = u64::try_from(policy.startup_grace.as_millis()).unwrap_or(u64::MAX);
        let reasons = [
            ("serves", serves),
            ("free", free.is_some()),
            ("taken", serves && free.is_some() && answer.free == 0),
            ("called", after(free, 10_000)),
            ("ends", !serves && self.served),
            ("lives", after(served, 60_000)),
            ("lives a boot", after(served, took(served))),
            ("lives a grace", after(served, grace)),
            ("free for a minute", after(free, 60_000)),
            ("free for a boot", after(free, took(free))),
            ("free for a grace", after(free, grace)),
        ];
        let new = reasons.iter().filter(|(_, holds)| *holds);
        new.fold(false, |any, (reason, _)| {
            self.good_for.insert(reason) || any
        })
    }

    fn out_of_service(&mut self) {
        self.answer = None;
        self.done = 0;
        self.done_since = None;
        self.asked_in_vain = None;
        self.failures = 0;
        self.silent_since = None;
    }
}

/// A list that was delivered.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) asked: u64,
    pub(crate) ended: u64,
    /// When the scaler looked at the clock next.
    pub(crate) arrived: u64,
    pub(crate) turn: u64,
    pub(crate) servers: BTreeMap<ReplicaId, Server>,
    /// Without what was asked for beside it.
    alone: BTreeMap<ReplicaId, Server>,
    pub(crate) addresses: Vec<ExternalAddress>,
    /// It lacks so much of which nothing is known that nothing is done on it.
    pub(crate) shrunken: bool,
}

/// A list that is there and not taken in yet.
#[derive(Debug)]
pub(crate) struct Arriving {
    /// When it was asked for.
    pub(crate) asked: u64,
    /// Its number.
    pub(crate) list: u64,
    /// When the scaler had its servers; from when it goes on, that moment.
    pub(crate) arrived: u64,
    /// When it would have had to go on at the latest, if nothing had held it up.
    pub(crate) ended: u64,
    /// Whether the scaler has looked at the clock since.
    pub(crate) looked: bool,
    pub(crate) listing: Listing,
    /// When its external addresses were asked for, if they came in time.
    pub(crate) with_addresses: Option<u64>,
    /// They are not waited for any more.
    pub(crate) went_on: bool,
    /// What was asked for beside it: when that was answered, and what.
    pub(crate) shown: Vec<(u64, ReplicaId, Option<Looked>)>,
}

impl Arriving {
    /// The external addresses are there, or are not waited for any more: to the scaler, the list comes now. That may be
    /// later than it would have waited, if its thread was held up; the list is no younger by that.
    pub(crate) fn goes_on(&mut self, now: u64) {
        if !std::mem::replace(&mut self.went_on, true) {
            self.ended = now.min(self.latest());
            self.arrived = now;
            self.looked = false;
        }
    }

    /// When it goes on without its addresses, unless something holds the thread up.
    pub(crate) fn latest(&self) -> u64 {
        self.arrived + ADDRESSES_ARE_WAITED_FOR_MS
    }

    /// The thread stood still before it looked at the clock: to the scaler, it came afterwards.
    pub(crate) fn stalled(&mut self, before: u64, after: u64) {
        if self.arrived == before && !self.looked {
            self.arrived = after;
            self.ended = if self.ended == before {
                after
            } else {
                self.ended
            };
        }
    }
}

/// A creation and its answer: accepted, refused, or open.
#[derive(Debug, Clone)]
pub(crate) struct Creation {
    pub(crate) number: u64,
    pub(crate) count: u64,
    pub(crate) answered: Option<u64>,
    pub(crate) outcome: Option<bool>,
    /// Servers that lists showed for the first time since it was sent.
    pub(crate) shown: u64,
    /// Its time to show is over.
    pub(crate) settled: bool,
    /// Its servers carry its mark.
    pub(crate) marked: bool,
    /// Its first server, if the answer told it.
    pub(crate) first: Option<ReplicaId>,
    /// A list has shown one of it.
    pub(crate) listed: bool,
    /// Its first server was asked for, and is not there.
    pub(crate) gone: bool,
}

impl Creation {
    /// Whether servers of it may still show for the first time.
    pub(crate) fn is_open(&self) -> bool {
        self.outcome != Some(false) && self.shown < self.count && !self.settled
    }

    /// Until when its servers are waited for: where no list shows any of it, it is asked for before it is given up.
    pub(crate) fn waits_until(&self) -> Option<u64> {
        const LONGEST_LAG_MS: u64 = 900_000;
        let asks = self.first.is_some() && !self.listed && !self.gone;
        let time = if asks { LONGEST_LAG_MS } else { SETTLES_MS };
        self.answered.map(|at| at + time)
    }
}

/// How long lists and answers of the cloud may lag behind a creation, and behind a deletion.
pub(crate) const SETTLES_MS: u64 = 30_000;
/// For how long the scaler waits for the addresses that belong to a list.
pub(crate) const ADDRESSES_ARE_WAITED_FOR_MS: u64 = 2_000;
pub(crate) const DELETION_SETTLES_MS: u64 = 60_000;
pub(crate) const KNOWN_BETWEEN_LISTS_MS: u64 = 60_000;
const KNOWN_FOR_MS: u64 = 300_000;
const KNOWN_FOR_S: i64 = 300;
const GIVEN_UP_AFTER_MS: u64 = 900_000;

/// One process of a scaler, from its start to its end.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// When a list first showed a server leaving.
    pub(crate) left: BTreeMap<ReplicaId, u64>,
    pub(crate) turn: u64,
    pub(crate) turn_began: u64,
    /// Answers come late: a turn is no measure of what belongs together.
    pub(crate) is_late: bool,
    pub(crate) listed: Option<Listed>,
    pub(crate) arriving: Option<Arriving>,
    pub(crate) heard: BTreeMap<ReplicaId, Heard>,
    /// Replicas that lists no longer had, and since when: known for five minutes.
    pub(crate) gone: BTreeMap<ReplicaId, u64>,
    /// When the last list with a time came; how far its clock was ahead of the simulation's, when it was
    /// least so, and whether that list came quickly; and when the newest server was created.
    pub(crate) last_list: Option<u64>,
    pub(crate) first_list: Option<u64>,
    pub(crate) least_ahead: Option<(i64, bool)>,
    pub(crate) newest: Option<CloudTime>,
    /// The cloud's clock has been seen to jump: ages by it say nothing.
    pub(crate) clock_jumped: bool,
    pub(crate) deleted: BTreeMap<ReplicaId, u64>,
    /// Replicas whose deletion is not answered yet.
    pub(crate) deleting: BTreeSet<ReplicaId>,
    /// Deeds that are not answered yet, and when others were.
    pub(crate) under_way: BTreeSet<String>,
    pub(crate) answered: BTreeMap<String, u64>,
    pub(crate) creations: Vec<Creation>,
    pub(crate) creations_sent: u64,
    /// What was done since the last list.
    pub(crate) done: BTreeSet<String>,
    pub(crate) given: BTreeSet<ReplicaId>,
    /// Moves that are not answered yet: the address, and who is to have it.
    pub(crate) moving: BTreeMap<String, ReplicaId>,
    /// How many replicas the last list should have had.
    pub(crate) expected: usize,
    pub(crate) threshold: u32,
    /// Servers that were ordered of a broken image.
    pub(crate) ordered: u64,
    /// Its process, as marks name it.
    pub(crate) instance: Instance,
    pub(crate) quiet_until: u64,
    /// The same, as far as the service of the external addresses has asked for it.
    pub(crate) addresses_quiet_until: u64,
    /// When the newest list of the addresses was asked for.
    pub(crate) addresses_asked: u64,
    /// The turn in which the addresses were listed by themselves, and when.
    pub(crate) addresses_turn: Option<(u64, u64)>,
    /// Moves that failed: when first and last, and how often, by address and holder.
    pub(crate) tries: BTreeMap<(String, ReplicaId), (u64, u64, u32)>,
    /// When an address was last refused to a replica.
    pub(crate) refused: BTreeMap<(String, ReplicaId), u64>,
    /// Addresses of which it is open where they are, since the last list of them.
    pub(crate) open_moves: BTreeMap<String, ReplicaId>,
    pub(crate) list_began: Option<u64>,
    pub(crate) list_followed_at_once: bool,
    pub(crate) list_failures: u32,
    pub(crate) listing_failed_at: u64,
    /// Creations that came to nothing since a new replica served, and what follows from them.
    pub(crate) failures: u32,
    pub(crate) failed_at: u64,
    pub(crate) was_quota: bool,
    /// Servers created and deleted, as far as the answers told.
    pub(crate) accepted: (u64, u64),
    /// Since when what was shown cannot have had anything ready.
    pub(crate) nothing_since: Option<u64>,
}

impl Life {
    /// What a list showed at the one time was taken in at the other.
    pub(crate) fn knew_nothing(&mut self, before: u64, after: u64) {
        for heard in self.heard.values_mut() {
            if let Some((last, time)) = &mut heard.without_address
                && *last == before
            {
                (*last, *time) = (after, *time + KNOWN_BETWEEN_LISTS_MS);
            }
        }
    }

    /// The most that can be ready, by what the replicas have answered.
    fn can_be_ready(&self, policy: &Policy) -> u64 {
        let standing = |heard: &Heard| heard.standing(policy).filter(|a| !a.termination);
        let free = self.heard.values().filter_map(standing).map(|a| a.free);
        free.fold(0, u64::saturating_add)
    }

    /// Whether its first list lacked a replica: it cannot tell it from a new one.
    pub(crate) fn came_late(&self, id: &ReplicaId) -> bool {
        let first = self.first_list.unwrap_or_default();
        self.heard.get(id).is_some_and(|h| h.first_listed > first)
    }

    /// Something may be ready again, even if it is not shown before it is gone.
    pub(crate) fn note_ready(&mut self, policy: &Policy) {
        if self.can_be_ready(policy) > 0 {
            self.nothing_since = None;
        }
    }

    /// What is wrong with a severity. Bound: too little is never `ok`; nothing at all is critical after
    /// a minute for the first look and a minute of grace, once there is a list.
    pub(crate) fn hidden_outage(
        &mut self,
        policy: &Policy,
        now: u64,
        health: &Health,
    ) -> Option<String> {
        let most = self.can_be_ready(policy);
        let is_none = most == 0 && policy.floor > 0 && self.listed.is_some();
        self.nothing_since = is_none.then(|| self.nothing_since.unwrap_or(now));
        let lasts = self.nothing_since.map_or(0, |since| now - since);
        let is_hidden = (most < policy.floor && health.severity == Severity::Ok)
            || (lasts > 120_000
                && (health.severity != Severity::Critical || health.not_ready().is_none()));
        let (floor, shown) = (policy.floor, health.severity.name());
        is_hidden
            .then(|| format!("{shown}, at most {most} of {floor} ready, nothing for {lasts} ms"))
    }

    /// Takes in a complete list, by the rules of section 2.1 and 2.2 of the specification.
    pub(crate) fn list(&mut self, policy: &Policy, now: u64, listing: &Listing) {
        let servers: BTreeMap<ReplicaId, Server> = listing
            .servers
            .iter()
            .map(|server| (server.id.clone(), server.clone()))
            .collect();
        if let Some(time) = listing.cloud_time {
            let seconds = |value: u64| i64::try_from(value).unwrap();
            let ahead = seconds(time.0) - seconds(now / 1_000);
            let jumped = |least: i64| ahead.abs_diff(least) > 60;
            self.clock_jumped |= self.least_ahead.is_some_and(|(least, _)| jumped(least));
            let is_exact = now - self.list_began.unwrap_or(now) < 60_000;
            self.least_ahead = match self.least_ahead {
                Some((least, exact)) if exact == is_exact => Some((least.min(ahead), exact)),
                Some((least, true)) => Some((least, true)),
                _ => Some((ahead, is_exact)),
            };
        }
        for (id, heard) in &mut self.heard {
            let is_deleted = self.deleted.contains_key(id) || self.deleting.contains(id);
            let is_expected = !is_deleted && !heard.leaves;
            heard.untold = !servers.contains_key(id) && is_expected;
            let is_open = self.deleting.contains(id);
            heard.gone = !servers.contains_key(id) && !is_expected && !is_open;
        }
        self.expected = self.count_expected();
        // By the time at which it was asked for: what happened since, it may not show.
        let asked = self.list_began.unwrap_or(now);
        for server in servers.values() {
            if server.state == ServerState::Unknown && !self.heard.contains_key(&server.id) {
                continue;
            }
            self.shows_first(server, true);
            self.take_server(policy, now, server);
        }
        for creation in &mut self.creations {
            let first = creation.first.as_ref();
            let server = first.and_then(|id| servers.get(id));
            creation.listed |= server.is_some_and(|s| s.state != ServerState::Unknown);
            let until = creation.waits_until();
            creation.settled |= until.is_some_and(|until| asked >= until);
        }
        let newest = listing.servers.iter().filter_map(|server| server.created);
        self.newest = self.newest.max(newest.max());
        self.last_list = Some(now);
        self.first_list.get_or_insert(now);
        self.done.clear();
        self.forget_given();
        let addresses = self.with_own_moves(listing.external_addresses.clone().unwrap_or_default());
        self.listed = Some(Listed {
            asked: 0,
            ended: now,
            arrived: now,
            turn: self.turn,
            alone: servers.clone(),
            servers,
            addresses,
            shrunken: false,
        });
    }

    /// Addresses as a list shows them, and later ones as the scaler has moved them since.
    pub(crate) fn with_own_moves(
        &self,
        mut addresses: Vec<ExternalAddress>,
    ) -> Vec<ExternalAddress> {
        let known = self.listed.iter().flat_map(|l| &l.addresses);
        for known in known {
            for listed in addresses.iter_mut().filter(|a| a.id == known.id) {
                if known.revision > listed.revision {
                    listed.clone_from(known);
                }
            }
        }
        addresses
    }

    /// A list shows who has been given an address, and not who is being given one.
    pub(crate) fn forget_given(&mut self) {
        self.given = self.moving.values().cloned().collect();
    }

    /// A list of the addresses shows what came of the moves that were open.
    pub(crate) fn settle_moves(&mut self, addresses: &[ExternalAddress]) {
        for address in addresses {
            let name = address.id.as_str();
            let to = self.open_moves.get(name);
            if to.is_some_and(|to| address.holder == Holder::Server(to.clone())) {
                self.tries.retain(|(id, _), _| id != name);
                self.refused.retain(|(id, _), _| id != name);
            }
        }
        self.open_moves.clear();
    }

    /// One address never speaks for two.
    fn leave_addresses_of_others(&mut self, servers: &BTreeMap<ReplicaId, Server>, now: u64) {
        for (id, heard) in &mut self.heard {
            let is_other =
                |server: &&Server| server.id != *id && server.state != ServerState::Leaving;
            let has = |address: IpAddr| {
                let mut others = servers.values().filter(is_other);
                others.any(|server| server.addresses.contains(&address))
            };
            if heard.last_address.or(heard.at).is_some_and(has) {
                heard.shared_address = Some(now);
            }
            let Some(address) = heard.last_address.or(heard.at) else {
                continue;
            };
            if has(address) {
                if heard.at.is_some_and(|at| at != address) {
                    // It is asked elsewhere, and what it says there stands.
                    heard.last_address = None;
                    continue;
                }
                heard.at = None;
                // Where the list lacks it, it may yet be shown there again.
                let shown = servers.get(id);
                if shown.is_some_and(|own| own.addresses.is_empty()) {
                    heard.last_address = None;
                }
                heard.address_seen = false;
                heard.round = None;
                heard.out_of_service();
            }
        }
    }

    /// Takes in what is shown of one server.
    fn take_server(&mut self, policy: &Policy, now: u64, server: &Server) {
        // By the time at which it was asked for: what happened since, it may not show.
        let asked = self.list_began.unwrap_or(now);
        let heard = self
            .heard
            .entry(server.id.clone())
            .or_insert_with(|| Heard {
                first_listed: now,
                ..Heard::default()
            });
        if server.state != ServerState::Unknown {
            heard.note_address(&server.state, now);
        }
        heard.leaves = server.state == ServerState::Leaving;
        if heard.leaves {
            // A list of servers is no list while that of the addresses fails, so that what it lacked is
            // not forgotten by the scaler.
            let first = self.left.entry(server.id.clone()).or_insert(now);
            heard.leaving_since.get_or_insert(*first);
        }
        let was_marked = heard.server.as_ref().is_some_and(|s| s.marks.served);
        let mut server = server.clone();
        // What has once been read stays.
        server.marks.served |= was_marked;
        heard.server = Some(server.clone());
        (heard.untold, heard.gone, heard.untold_since) = (false, false, None);
        heard.denied = None;
        // One of which a list has nothing but its id does not come back by that.
        heard.given_up &= server.state == ServerState::Unknown;
        let accepted = self.deleted.get(&server.id);
        let settled = accepted.is_some_and(|at| asked >= at + DELETION_SETTLES_MS);
        if settled && !heard.leaves && server.state != ServerState::Unknown {
            self.deleted.remove(&server.id);
        }
        heard.note_state(policy, &server, now);
    }

    /// A server that nobody had heard of: whose creation it is of, by its mark, or by guess where it has none.
    fn shows_first(&mut self, server: &Server, is_list: bool) {
        let is_first = !self.heard.contains_key(&server.id);
        let is_new = is_first && self.gone.remove(&server.id).is_none();
        let is_young = match (self.last_list, server.created) {
            (Some(last), Some(created)) => {
                let ahead = self.least_ahead.map_or(0, |(ahead, _)| ahead);
                let clock = i64::try_from(last / 1_000).unwrap() + ahead;
                clock - i64::try_from(created.0).unwrap() <= KNOWN_FOR_S
            }
            _ => true,
        };
        let is_young = is_young || server.created > self.newest || self.clock_jumped;
        let mark = server.marks.creation;
        let here = self.instance;
        let firsts = self.creations.iter();
        let by_id = firsts
            .filter(|c| c.is_open() && c.first.as_ref() == Some(&server.id))
            .map(|c| c.number)
            .next();
        let is_of = |c: &&mut Creation| match (mark, by_id) {
            (Some(mark), _) => mark.instance == here && c.number == mark.number,
            (None, Some(number)) => c.number == number,
            (None, None) => c.is_open() && !c.marked,
        };
        if let Some(creation) = self.creations.iter_mut().find(is_of) {
            creation.listed |= is_list && is_new;
            if is_new && (is_young || mark.is_some() || by_id.is_some()) {
                creation.shown += 1;
            }
        }
    }

    fn count_expected(&self) -> usize {
        let is_expected = |(id, heard): &(&ReplicaId, &Heard)| {
            let is_deleted = self.deleted.contains_key(*id) || self.deleting.contains(*id);
            !is_deleted && !heard.leaves && !heard.given_up
        };
        self.heard.iter().filter(is_expected).count()
    }

    /// What was asked for beside the last list is known now: whether that list is believed.
    pub(crate) fn settle_list(&mut self) {
        let Some(listed) = &mut self.listed else {
            return;
        };
        let now = listed.arrived;
        let alone = std::mem::take(&mut listed.alone);
        let threshold = self.threshold;
        // By then it may have answered, or not.
        for (id, heard) in self.heard.iter_mut().filter(|(_, h)| h.told_gone) {
            heard.told_gone = false;
            // The answer to a deletion that was begun meanwhile decides.
            heard.gone = heard.is_believed_gone(now) && !self.deleting.contains(id);
        }
        for heard in self.heard.values_mut().filter(|h| h.untold && !h.gone) {
            let since = *heard.untold_since.get_or_insert(now);
            let is_asked = |server: &Server| heard.is_to_be_asked_at(server).is_some();
            let is_asked = heard.server.as_ref().is_some_and(is_asked);
            let answers = heard.answer.is_some() && heard.failures < threshold && is_asked;
            // To the scaler it may be a list later.
            heard.gone |= heard.given_up && !answers;
            heard.given_up |= !answers && now - since >= GIVEN_UP_AFTER_MS;
        }
        let untold = self
            .heard
            .values()
            .filter(|h| h.untold && !h.gone && !h.given_up)
            .count();
        let shrunken = untold >= 2 && untold * 2 > self.expected;
        if let Some(listed) = &mut self.listed {
            listed.shrunken = shrunken;
        }
        // What leaves, and what the list lacks, is only gone by a list that is believed.
        for heard in self.heard.values_mut() {
            heard.gone &= !shrunken || heard.untold;
        }
        self.gone.retain(|_, at| now - *at <= KNOWN_FOR_MS);
        let went = self.heard.iter().filter(|(_, heard)| heard.gone);
        self.gone.extend(went.map(|(id, _)| (id.clone(), now)));
        self.heard.retain(|_, heard| !heard.gone);
        let heard = &self.heard;
        self.deleted.retain(|id, _| heard.contains_key(id));
        self.leave_addresses_of_others(&alone, now);
    }

    /// Takes in what asking for one server came to: it is there, it is not, or (`None`) nobody knows.
    pub(crate) fn shown_one(
        &mut self,
        policy: &Policy,
        now: u64,
        id: &ReplicaId,
        shown: Option<&Looked>,
    ) {
        match shown {
            Some(Looked::There(server)) => {
                let is_known = self.heard.contains_key(id);
                if server.state == ServerState::Unknown && !is_known {
                    return;
                }
                self.shows_first(server, false);
                // It is taken in with the list.
                let arrived = self.listed.as_ref().map_or(now, |listed| listed.arrived);
                self.take_server(policy, arrived, server);
                if let Some(listed) = &mut self.listed {
                    listed.servers.insert(id.clone(), server.as_ref().clone());
                }
            }
            Some(looked @ (Looked::Gone | Looked::Left)) => {
                if let Some(heard) = self.heard.get_mut(id) {
                    heard.gone = *looked == Looked::Left;
                    heard.told_gone = *looked == Looked::Gone;
                }
                let first = |c: &&mut Creation| c.first.as_ref() == Some(id);
                let asked = self.list_began.unwrap_or(now);
                if let Some(creation) = self.creations.iter_mut().find(first) {
                    creation.gone = true;
                    let until = creation.waits_until();
                    creation.settled |= until.is_some_and(|until| asked >= until);
                }
            }
            _ => {}
        }
    }

    /// Takes in a result of a probe. Returns whether its creation may have come to something by that.
    pub(crate) fn probed(&mut self, policy: &Policy, now: u64, result: &ProbeResult) -> bool {
        let Some(heard) = self.heard.get_mut(&result.replica) else {
            return false;
        };
        if heard.round != Some(result.round) {
            return false;
        }
        heard.round = None;
        let took = u64::try_from(result.latency.as_millis()).unwrap_or(u64::MAX);
        match &result.outcome {
            Ok(answer) => {
                heard.answer = Some(*answer);
                heard.answered = true;
                let before = std::mem::replace(&mut heard.done_asked, now.saturating_sub(took));
                if answer.termination {
                    // Two that lie far apart are two first ones.
                    let interval = u64::try_from(policy.probe_interval.as_millis()).unwrap();
                    if heard.done_asked - before > 2 * interval + 30_000 {
                        heard.done = 0;
                        heard.done_since = None;
                    }
                    heard.done += 1;
                    heard.done_since.get_or_insert(heard.done_asked);
                } else {
                    heard.done = 0;
                    heard.done_since = None;
                }
                heard.failures = 0;
                heard.silent_since = None;
                heard.comes_to_something(policy, answer, now)
            }
            // It was not asked.
            Err(ProbeFailure::Local(_)) => false,
            Err(_) => {
                heard.failures += 1;
                heard.asked_in_vain = Some(now.saturating_sub(took));
                heard.last_failed = Some(now);
                heard.silent_since.get_or_insert(now);
                false
            }
        }
    }
}
