//! Judgement of the three deeds: deletions, moves and creations.

use super::judge::{Invariant, ms};
use super::knowledge::{DELETION_SETTLES_MS, Heard, Listed, SETTLES_MS};
use super::scenario::{Fault, GuestKind};
use super::server::{Guest, Maker, Nova, Vm};
use super::world::World;
use simplescalevm::cloud::{CloudError, CloudErrorKind};
use simplescalevm::pool::{
    Creating, ExternalAddress, Holder, Policy, ReplicaId, Server, ServerState,
};
use std::net::IpAddr;
use std::time::Duration;

/// The rows of the table of deletions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ground {
    Failed,
    Done,
    NeverCameUp,
    Silent,
}

/// How old a list may be when something is done on it, without what the deeds before it in the
/// same cycle took: the scaler gives a list up after two minutes, and looks before each request.
const LIST_IS_GOOD_FOR_MS: u64 = 120_000;
const SURE_AFTER_MS: u64 = 2_000;
/// How old the list of the servers may be where addresses are moved while they cannot be listed.
const SERVERS_ARE_KNOWN_FOR_MS: u64 = 3_600_000 + LIST_IS_GOOD_FOR_MS;
/// How often and how long the address of a finished replica is tried before that is deleted.
const TRIES: u32 = 5;
const TRIED_FOR_MS: u64 = 120_000;
const REFUSED_FOR_MS: u64 = 5_000;
const LEAVING_COUNTS_FOR_MS: u64 = 600_000;

impl World {
    /// What holds for every deed: it rests on a list of this turn, and is not a repetition.
    fn check_deed(&mut self, life: usize, deed: String) -> Option<Listed> {
        let now = self.now;
        let known = self.judge.life(life);
        let listed = known.listed.clone();
        let turn = known.turn;
        let is_under_way = !known.under_way.insert(deed.clone());
        // It is begun again on a list that was asked for after its answer.
        let asked = listed.as_ref().map_or(0, |l| l.asked);
        let is_move = deed.starts_with("move");
        let answered = known.answered.get(&deed).copied();
        let is_too_soon = !is_move && answered.is_some_and(|at| at > asked);
        let is_new = known.done.insert(deed.clone()) && !is_under_way && !is_too_soon;
        let (addresses, is_late) = (known.addresses_turn, known.is_late);
        let list_ended = listed.as_ref().map_or(0, |l| l.ended);
        let by_addresses = addresses
            .filter(|(in_turn, at)| is_move && *at >= list_ended && (*in_turn == turn || is_late));
        if is_under_way {
            let text = format!("{deed}, which is under way");
            self.judge.violated(life, now, Invariant::Repeated, text);
        }
        if let (Some(listed), Some((_, at))) = (&listed, by_addresses) {
            let age = now - listed.ended;
            if age > SERVERS_ARE_KNOWN_FOR_MS || now - at > LIST_IS_GOOD_FOR_MS {
                let text = format!("{deed}: the list of the servers is {age} ms old");
                self.judge.violated(life, now, Invariant::StaleList, text);
            }
            return Some(listed.clone());
        }
        let Some(listed) = listed.filter(|l| l.turn == turn || is_late) else {
            self.judge.violated(life, now, Invariant::StaleList, deed);
            return None;
        };
        let age = now - listed.ended;
        if age > LIST_IS_GOOD_FOR_MS {
            let text = format!("{deed}: the list is {age} ms old");
            self.judge.violated(life, now, Invariant::StaleList, text);
        }
        if !is_new {
            self.judge.violated(life, now, Invariant::Repeated, deed);
        }
        Some(listed)
    }

    pub(crate) fn check_deletion(&mut self, life: usize, id: &ReplicaId) {
        let now = self.now;
        let Some(listed) = self.check_deed(life, format!("delete {id}")) else {
            return;
        };
        if self.servers.get(id).is_some_and(|vm| !vm.ever_member) {
            let text = format!("delete {id}");
            self.judge
                .violated(life, now, Invariant::StrangerTouched, text);
        }
        if listed.shrunken {
            let text = format!("delete {id}");
            self.judge
                .violated(life, now, Invariant::ShrunkenListBelieved, text);
        }
        let settles = DELETION_SETTLES_MS;
        let policy = self.judge.policy.clone();
        let known = self.judge.life(life);
        let again = known.deleted.get(id).is_some_and(|at| now - at < settles);
        let heard = known.heard.get(id).cloned().unwrap_or_default();
        let Some(server) = listed.servers.get(id) else {
            let text = format!("delete {id}, which is not listed");
            return self
                .judge
                .violated(life, now, Invariant::ProtectedDeleted, text);
        };
        if again {
            let text = format!("delete {id}, which is being deleted");
            self.judge.violated(life, now, Invariant::Repeated, text);
        }
        let ground = ground(&policy, server, &heard);
        if ground == Some(Ground::Done) {
            self.check_addresses_of(life, id, &listed);
        }
        let text = || format!("{server:?} {heard:?}");
        let has_served = server.marks.served && policy.unreachable_timeout.is_none();
        if ground == Some(Ground::NeverCameUp) && has_served {
            self.judge
                .violated(life, now, Invariant::ServedDeleted, text());
        }
        match ground {
            None => self
                .judge
                .violated(life, now, Invariant::ProtectedDeleted, text()),
            Some(ground) if !borne_out(&policy, ground, server, &heard, now) => {
                self.judge
                    .violated(life, now, Invariant::SilenceAssumed, text());
            }
            Some(Ground::Done) if self.is_one_of_many(life, &heard, &listed) => {
                self.judge
                    .violated(life, now, Invariant::MassDeleted, text());
            }
            Some(_) => {}
        }
    }

    /// A finished replica goes without its addresses, as far as those can be moved.
    fn check_addresses_of(&mut self, life: usize, id: &ReplicaId, listed: &Listed) {
        let now = self.now;
        let policy = self.judge.policy.clone();
        let known = self.judge.life(life);
        let held = |a: &&ExternalAddress| a.holder == Holder::Server(id.clone());
        for address in listed.addresses.iter().filter(held) {
            let name = address.id.as_str().to_owned();
            let is_open = known.open_moves.contains_key(&name);
            let tried = known.tries.get(&(name.clone(), id.clone())).copied();
            let has_standby = |to: &ReplicaId| {
                let is_holder = |a: &ExternalAddress| a.holder == Holder::Server(to.clone());
                let answer = known.heard.get(to).and_then(|h| h.standing(&policy));
                let runs = listed.servers.get(to).map(|s| &s.state);
                matches!(runs, Some(ServerState::Running(_)))
                    && !known.deleted.contains_key(to)
                    && answer.is_some_and(|answer| !answer.termination)
                    && !listed.addresses.iter().any(is_holder)
                    && !known.given.contains(to)
            };
            let is_late = tried
                .is_some_and(|(first, _, count)| count >= TRIES && now - first >= TRIED_FOR_MS);
            // Tries of long ago say nothing: it is tried anew, and that is among them.
            let in_this_turn = tried.is_some_and(|(_, last, _)| last > known.turn_began);
            let hurried = !is_late && in_this_turn;
            let is_open = is_open && !(is_late && in_this_turn);
            if is_open || (hurried && listed.servers.keys().any(has_standby)) {
                let text = format!("{id} with {name}: open {is_open}, tried {tried:?}");
                self.judge.violated(life, now, Invariant::AddressLost, text);
                return;
            }
        }
    }

    /// Whether it has just turned to "done", with most of those that are there, three at least.
    fn is_one_of_many(&mut self, life: usize, heard: &Heard, listed: &Listed) -> bool {
        let policy = self.judge.policy.clone();
        let known = self.judge.life(life);
        // Those that go with it are among them.
        let gone = |id: &ReplicaId| known.deleted.get(id).is_some_and(|at| *at < listed.ended);
        let is_there = |server: &&Server| server.state != ServerState::Leaving && !gone(&server.id);
        // What the list lacks and nobody could tell of is there, too.
        let untold = known
            .heard
            .values()
            .filter(|heard| heard.untold && !heard.gone);
        let there = listed.servers.values().filter(is_there).count() + untold.count();
        // What was asked for beside the list, and is not there, is none of them.
        let turned = known.heard.iter().filter(|(id, heard)| {
            listed.servers.contains_key(*id)
                && !heard.gone
                && !gone(id)
                && heard.has_just_turned(&policy)
        });
        let turned = turned.count();
        heard.has_just_turned(&policy) && turned >= 3 && turned * 2 > there
    }

    /// A session may be cut only where the replica said that it was done (which is its own fault
    /// if it was not so), or where the settings call for the deletion of the silent.
    pub(crate) fn check_cut(&mut self, life: usize, id: &ReplicaId) {
        let now = self.now;
        let Some(vm) = self.servers.get(id).filter(|vm| !vm.sessions.is_empty()) else {
            return;
        };
        let sessions = vm.sessions.len() as u64;
        let listed = self.judge.life(life).listed.clone();
        let heard = self
            .judge
            .life(life)
            .heard
            .get(id)
            .cloned()
            .unwrap_or_default();
        let server = listed.as_ref().and_then(|l| l.servers.get(id));
        let ground = server.and_then(|s| ground(&self.judge.policy, s, &heard));
        let may_lie =
            self.scenario.faults.has(Fault::ProbeLies) || self.scenario.guest == GuestKind::Proxy;
        let explained = match ground {
            // A flip is one answer.
            Some(Ground::Done) => {
                // The list shows an address on it that is another one's by now.
                let is_elsewhere = vm.ip.map(IpAddr::V4) != heard.at;
                let believes_one = self.judge.policy.termination_confirmations == 1;
                let flipped = believes_one && vm.flipped_ms.is_some();
                is_elsewhere || flipped || (may_lie && vm.said_done_ms.is_some())
            }
            // One that was being built may have come up since the list; in time, if the cloud's
            // clock is wrong.
            Some(Ground::NeverCameUp) if self.cloud_jumped && !heard.ran => true,
            // Lists have said for the whole startup time that it has no address.
            Some(Ground::NeverCameUp) if heard.without_address.is_some() => true,
            // The cloud shows it as failed, or the settings delete the silent; and it is silent.
            Some(Ground::Silent | Ground::NeverCameUp | Ground::Failed) => {
                let server = server.filter(|server| heard.can_be_asked(server));
                server.is_none() || heard.is_silent(&self.judge.policy)
            }
            None => false,
        };
        self.figures.cut_sessions += sessions;
        if !explained {
            let text = format!("{sessions} on {id}: {ground:?} {heard:?}");
            self.judge.violated(life, now, Invariant::SessionCut, text);
        }
    }

    pub(crate) fn check_move(&mut self, life: usize, address: &ExternalAddress, to: &ReplicaId) {
        let now = self.now;
        let deed = format!("move {}", address.id);
        let Some(listed) = self.check_deed(life, deed) else {
            return;
        };
        let policy = self.judge.policy.clone();
        let known = self.judge.life(life);
        let is_listed = listed.addresses.contains(address);
        let serves = |id: &ReplicaId| {
            let runs = listed.servers.get(id).is_some_and(|s| {
                matches!(
                    s.state,
                    ServerState::Running(_)
                        | ServerState::Creating(Creating::NoAddress)
                        | ServerState::Failed(_)
                )
            });
            let heard = known.heard.get(id);
            let answer = heard.and_then(|heard| heard.standing(&policy));
            runs && answer.is_some_and(|answer| !answer.termination)
        };
        let is_failed = |id: &ReplicaId| {
            let server = listed.servers.get(id);
            server.is_some_and(|s| matches!(s.state, ServerState::Failed(_)))
        };
        let taken = match &address.holder {
            Holder::Nobody => None,
            Holder::Stranger | Holder::Unclear(_) => Some(Invariant::StrangerTouched),
            Holder::Server(id) if !known.heard.contains_key(id) => Some(Invariant::StrangerTouched),
            Holder::Server(id) => serves(id).then_some(Invariant::AddressTaken),
        };
        let pair = (address.id.as_str().to_owned(), to.clone());
        let refused = known.refused.get(&pair).map(|at| now - at);
        let too_soon = refused.is_some_and(|ago| ago < REFUSED_FOR_MS);
        let is_holder = |a: &ExternalAddress| a.holder == Holder::Server(to.clone());
        let has_one = listed.addresses.iter().any(is_holder) || known.given.contains(to);
        let misplaced = has_one || !serves(to) || is_failed(to) || !is_listed;
        known.given.insert(to.clone());
        known
            .moving
            .insert(address.id.as_str().to_owned(), to.clone());
        let text = format!(
            "{address:?} to {to}: has one {has_one}, serves {}, listed {is_listed}",
            serves(to)
        );
        if let Some(invariant) = taken {
            self.judge.violated(life, now, invariant, text.clone());
        }
        if too_soon {
            let text = text.clone();
            self.judge
                .violated(life, now, Invariant::MovesTooOften, text);
        }
        if misplaced {
            self.judge
                .violated(life, now, Invariant::AddressMisplaced, text);
        }
    }

    /// Takes in what came of a move, as the scaler was told.
    pub(crate) fn move_ended(
        &mut self,
        life: usize,
        address: &ExternalAddress,
        to: &ReplicaId,
        failed: Option<(CloudErrorKind, bool)>,
    ) {
        let now = self.now;
        let known = self.judge.life(life);
        let name = address.id.as_str().to_owned();
        known.moving.remove(&name);
        let Some((kind, outcome_unknown)) = failed else {
            known.tries.retain(|(id, _), _| *id != name);
            known.refused.retain(|(id, _), _| *id != name);
            let listed = known.listed.iter_mut().flat_map(|l| &mut l.addresses);
            // A list may have shown it, and what came after it, before the answer came.
            let as_sent =
                |a: &&mut ExternalAddress| a.id == address.id && a.revision == address.revision;
            for moved in listed.filter(as_sent) {
                moved.holder = Holder::Server(to.clone());
                moved.revision = moved.revision.map(|revision| revision + 1);
            }
            return;
        };
        if let Holder::Server(from) = &address.holder {
            let tries = known.tries.entry((name.clone(), from.clone()));
            let (_, last, count) = tries.or_insert((now, now, 0));
            (*last, *count) = (now, *count + 1);
        }
        if !outcome_unknown {
            known.given.remove(to);
        }
        if outcome_unknown {
            known.open_moves.insert(name.clone(), to.clone());
        }
        if kind != CloudErrorKind::Changed {
            known.refused.insert((name, to.clone()), now);
        }
    }

    /// Judges a creation.
    pub(crate) fn check_creation(&mut self, life: usize, count: u64, number: u64) {
        let now = self.now;
        let listed = self.check_deed(life, "create".to_owned());
        if listed.as_ref().is_some_and(|l| l.shrunken) {
            let text = format!("create {count}");
            self.judge
                .violated(life, now, Invariant::ShrunkenListBelieved, text);
        }
        if let Some(listed) = listed {
            self.check_amount(life, count, &listed);
        }
        self.check_waits(life, count);
        self.check_bill(life, count);
        if self.quiet {
            self.check_surplus(life, count);
        }
        self.judge.creation_sent(life, count, number);
    }

    /// Servers of this life's accepted creations that no list has shown yet, for 30 s.
    fn awaited(&mut self, life: usize) -> u64 {
        let now = self.now;
        let known = self.judge.life(life);
        known
            .creations
            .iter()
            .filter(|c| c.outcome == Some(true) && c.is_open())
            .filter(|c| c.waits_until().is_some_and(|until| now < until))
            .map(|c| c.count - c.shown)
            .sum()
    }

    /// Bound: what surely counts (what serves, by what it says; what is on its way; what was
    /// ordered less than 30 s ago) and all but the last of the new ones stay below the floor.
    fn check_amount(&mut self, life: usize, count: u64, listed: &Listed) {
        let now = self.now;
        let awaited = self.awaited(life);
        let policy = self.judge.policy.clone();
        let capacity = policy.capacity.get();
        let jumped = self.cloud_jumped;
        // Where addresses change servers, what answers for one that has failed may be another one.
        let changes = self.scenario.faults.has(Fault::AddressChangesServer);
        let is_sure = |s: &Server| !changes || !matches!(s.state, ServerState::Failed(_));
        let known = &self.judge.lives[life];
        // Also what this list lacks and nobody has said to be gone.
        let counting: Vec<(&ReplicaId, u64)> = known
            .heard
            .iter()
            .filter(|(id, heard)| !known.deleted.contains_key(*id) && !heard.given_up)
            .filter_map(|(id, heard)| {
                let (server, vm) = (heard.server.as_ref()?, self.servers.get(id)?);
                (vm.exists() && is_sure(server))
                    .then(|| (id, surely(&policy, server, heard, vm, now, jumped)))
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        let counts = counting.iter().map(|(_, count)| *count);
        let sure: u64 = counts.fold(0, u64::saturating_add);
        let sum = sure.saturating_add((awaited + count - 1) * capacity);
        let members = listed.servers.values();
        // What has been leaving for ten minutes may do so for ever.
        let counts = |s: &&Server| {
            known.heard.get(&s.id).is_some_and(|heard| {
                let leaves = heard.leaves || known.deleted.contains_key(&s.id);
                let since = heard.leaving_since.unwrap_or(now);
                // What was given up does not come back by a list that has nothing but its id.
                !(heard.given_up || leaves && now - since >= LEAVING_COUNTS_FOR_MS)
            })
        };
        let members = members.filter(counts).count() as u64;
        if sum >= policy.floor {
            let open = self.judge.lives[life].creations.clone();
            let text =
                format!("{count}, although {counting:?} count and {awaited} are ordered: {open:?}");
            self.judge.violated(life, now, Invariant::Storm, text);
        }
        let pool = members + awaited + count;
        if policy.max_count.is_some_and(|max| pool > max.get()) {
            let text = format!("{members} + {awaited} + {count}");
            self.judge
                .violated(life, now, Invariant::MaxCountExceeded, text);
        }
    }

    /// Bound: 30 s after an open outcome, unless lists show as many new servers; 10 s after a
    /// failed creation, twice as long after each further one, at most 15 min.
    fn check_waits(&mut self, life: usize, count: u64) {
        let now = self.now;
        let known = self.judge.life(life);
        let open = known
            .creations
            .iter()
            .filter(|c| c.outcome.is_none() && c.is_open())
            .any(|c| c.answered.is_some_and(|at| now - at < SETTLES_MS));
        let wait = match known.failures {
            0 => Duration::ZERO,
            _ if known.was_quota => Duration::ZERO,
            // Not the product's own arithmetic, or both would be wrong together.
            failures => Duration::from_secs((10 << (failures - 1).min(10)).min(900)),
        };
        let too_soon = now - known.failed_at < ms(wait);
        let failures = known.failures;
        if open {
            let text = format!("create {count} while an outcome is open");
            self.judge.violated(life, now, Invariant::Storm, text);
        }
        if too_soon {
            let text = format!("create {count} after {failures} failures");
            self.judge
                .violated(life, now, Invariant::BackoffIgnored, text);
        }
    }

    /// Bound: of a broken image, the servers of so many creations for the whole floor as fit in if each waits twice as
    /// long as the one before it, up to 15 min; twice that, because what is free for a moment looks as if it had been
    /// taken; and ten for those that were under way, or that were made while an image worked.
    fn check_bill(&mut self, life: usize, count: u64) {
        let faults = self.scenario.faults;
        // Lies look like answers of a replica that works, one answer that says "done" like the end of a call, and a
        // quota that was used up ends its wait early. What this process did not make has no part in its waits.
        let other = [
            Fault::ProbeLies,
            Fault::Quota,
            Fault::GuestHangs,
            Fault::DoneFlips,
        ];
        let is_broken = faults.has(Fault::BrokenImage) && !self.quiet;
        // What is busy for a minute and then ends cannot be told from a call.
        let boots_for_long = self.scenario.boot_ms.1 > 50_000 || faults.has(Fault::SlowBoot);
        if !is_broken || boots_for_long || other.into_iter().any(|fault| faults.has(fault)) {
            return;
        }
        let now = self.now;
        let lasts = (now - self.started[life]) / 1_000;
        let known = self.judge.life(life);
        known.ordered += count;
        let ordered = known.ordered;
        let doublings = u64::from((lasts / 10 + 1).ilog2()) + 1;
        let policy = &self.scenario.policy;
        let most = 2 * (doublings.min(8) + lasts / 900) + 8;
        if ordered > most * policy.floor.div_ceil(policy.capacity.get()) {
            let text = format!("{ordered} servers in {lasts} s");
            self.judge.violated(life, now, Invariant::Bill, text);
        }
    }

    /// Bound: once the lists have had 60 s to become true again, nothing is created as long as
    /// what is truly there, and truly on its way, reaches the floor.
    fn check_surplus(&mut self, life: usize, count: u64) {
        let now = self.now;
        if now < self.quiet_since + 60_000 + ms(self.scenario.scaling_interval) {
            return;
        }
        let available = self.truly_available(life);
        let capacity = self.scenario.policy.capacity.get();
        let sum = available.saturating_add((count - 1) * capacity);
        if sum >= self.scenario.policy.floor {
            let text = format!("create {count}, although {available} are there");
            self.judge.violated(life, now, Invariant::Surplus, text);
        }
    }

    /// What callers can have now where the scaler could hear of it, and what is being built.
    fn truly_available(&self, life: usize) -> u64 {
        let now = self.now;
        let policy = &self.scenario.policy;
        let capacity = policy.capacity.get();
        let heard = &self.judge.lives[life].heard;
        let one = |vm: &Vm| match vm.nova {
            Nova::Building if vm.member && !vm.doomed => capacity,
            Nova::Active if vm.member && vm.guest == Guest::Booting && !vm.doomed => {
                let grace = ms(policy.startup_grace);
                let young = vm
                    .active_ms
                    .is_some_and(|at| now - at + SURE_AFTER_MS < grace);
                if young && !self.cloud_jumped {
                    capacity
                } else {
                    0
                }
            }
            _ => {
                let heard = heard.get(&vm.id).and_then(|heard| heard.standing(policy));
                heard.map_or(0, |answer| answer.free.min(vm.truly_free(now)))
            }
        };
        self.servers.values().map(one).fold(0, u64::saturating_add)
    }
}

/// The row of the table of deletions that fits, by what the scaler was told.
fn ground(policy: &Policy, server: &Server, heard: &Heard) -> Option<Ground> {
    if server.locked {
        return None;
    }
    let runs = match server.state {
        ServerState::Running(_) => true,
        ServerState::Creating(Creating::NoAddress) => heard.ran,
        ServerState::Failed(_) => heard.can_be_asked(server),
        _ => false,
    };
    let standing = heard.standing(policy);
    let is_done = heard.done >= policy.termination_confirmations;
    match &server.state {
        _ if standing.is_some_and(|answer| !answer.termination) => None,
        // Nothing can be asked. One that was launched has to be shown so twice.
        ServerState::Failed(_) if !runs => {
            let lists = heard.failed.map_or(0, |(_, lists)| lists);
            let ran = heard.ran || server.launched.is_some();
            (lists >= 2 || !ran).then_some(Ground::Failed)
        }
        ServerState::Failed(_) if heard.failures >= policy.failure_threshold.max(2) => {
            Some(Ground::Failed)
        }
        ServerState::Creating(_) if !heard.ran => {
            policy.startup_timeout.map(|_| Ground::NeverCameUp)
        }
        _ if !runs => None,
        _ if standing.is_some() => {
            let is_shown = heard.at.is_some_and(|at| server.addresses.contains(&at));
            (is_done && is_shown).then_some(Ground::Done)
        }
        _ if !heard.is_silent(policy) => None,
        _ if policy.startup_timeout.is_some() && !heard.served => Some(Ground::NeverCameUp),
        _ => policy.unreachable_timeout.map(|_| Ground::Silent),
    }
}

/// Whether a silence was borne out by a failed probe at its end. Between probes, and while the
/// scaler's own thread stands still, nobody knows anything.
fn borne_out(policy: &Policy, ground: Ground, server: &Server, heard: &Heard, now: u64) -> bool {
    // By the plan, which is a second old at most.
    let asked_within = ms(policy.probe_interval) * 2 + 30_000 + 2_000;
    if ground == Ground::Done {
        return now - heard.done_asked <= asked_within;
    }
    if ground == Ground::Failed {
        // It has been asked since the cloud shows it so.
        let since = heard.failed.map_or(0, |(since, _)| since);
        return !heard.can_be_asked(server) || heard.asked_in_vain.is_some_and(|at| at >= since);
    }
    let startup = policy.startup_timeout.map(ms);
    if matches!(server.state, ServerState::Creating(Creating::Building)) {
        return true;
    }
    let without = heard.without_address.map_or(0, |(_, time)| time);
    if !heard.ran && matches!(server.state, ServerState::Creating(_)) {
        return startup.is_some_and(|limit| without >= limit);
    }
    let Some(last) = heard.last_failed.filter(|last| *last <= now) else {
        return false;
    };
    let of_another = server.marks.creation.is_some();
    let silent_for = |limit| {
        heard
            .silent_since
            .is_some_and(|since| last >= since + limit)
    };
    let grace = ms(policy.startup_grace);
    let came_up_in_time = startup.is_some_and(|limit| {
        last >= heard.first_listed + limit || (of_another && silent_for(limit.min(grace)))
    });
    let unreachable = policy.unreachable_timeout.map(ms);
    let answers_in_time = unreachable.is_some_and(|limit| {
        heard
            .silent_since
            .is_some_and(|since| last >= since + limit)
    });
    match ground {
        Ground::NeverCameUp => came_up_in_time || answers_in_time,
        _ => answers_in_time,
    }
}

/// What a listed replica surely counts.
fn surely(policy: &Policy, server: &Server, heard: &Heard, vm: &Vm, now: u64, jumped: bool) -> u64 {
    let capacity = policy.capacity.get();
    let grace = ms(policy.startup_grace);
    match &server.state {
        ServerState::Creating(_) if !heard.ran => capacity,
        ServerState::Failed(_) => match heard.standing(policy) {
            Some(answer) if !answer.termination => answer.free,
            _ => 0,
        },
        ServerState::Running(_) => match heard.standing(policy) {
            Some(answer) if !answer.termination => answer.free,
            Some(_) => 0,
            None if heard.answered || server.marks.served || jumped => 0,
            None => {
                let young = vm
                    .active_ms
                    .is_some_and(|at| now - at + SURE_AFTER_MS < grace);
                if young { capacity } else { 0 }
            }
        },
        _ => 0,
    }
}
