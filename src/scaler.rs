//! The scaler: observe, plan, apply. It owns the memory and makes every request that changes
//! something; what is to be done is decided in [`crate::pool`].

mod journal;
mod telling;

pub use journal::chain;

use crate::pool::{
    Action, ActionReport, CycleReport, CycleStep, DeleteReason, ExternalAddress, ExternalAddressId,
    Failed, Holder, Listing, Memory, Moment, MoveReason, Note, Outcome, Phase, Plan, Policy,
    ProbeFailure, ProbeResult, ProbeTarget, ReplicaId, ServerState, Snapshot, Words, plan,
    violations,
};
use crate::provider::{Provider, ProviderError};
use journal::{Journal, When};
use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The probes, as the scaler needs them. None of these calls blocks.
pub trait Probes {
    /// Hands over a probe; `false`: there is no room for it now.
    fn submit(&mut self, target: &ProbeTarget, round: u64) -> bool;
    /// The next finished probe, if there is one.
    fn finished(&mut self) -> Option<ProbeResult>;
    /// Frees what is kept for replicas that are gone.
    fn forget(&mut self, is_gone: &dyn Fn(&ReplicaId) -> bool);
}

/// The monotonic clock.
pub trait Clock {
    /// The time since the process started.
    fn now(&self) -> Moment;
}

/// Who is told what the scaler knows.
pub trait Watcher {
    /// The scaler is alive.
    fn beat(&self, now: Moment);
    /// The newest snapshot.
    fn publish(&self, snapshot: Arc<Snapshot>);
    /// Something to be counted or measured.
    fn note(&self, _: &Note) {}
}

/// The least time between two lists, unless a list is due anyway.
const LIST_ON_DEMAND_AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// How long a plan may be looked at again without anything new, so that time alone can act.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The least time between two snapshots of an unchanged pool.
const PUBLISH_AT_MOST_EVERY: Duration = Duration::from_millis(250);
/// How many failed servers are asked for their fault in one cycle.
const FAULTS_READ_IN_A_CYCLE: usize = 5;
/// How old a list may be when an action is begun: this thread, or the whole machine, may have
/// stood still since. Long enough for many slow requests in one cycle.
const LIST_IS_GOOD_FOR: Duration = Duration::from_secs(120);
/// The longest wait that a provider's `Retry-After` can cause.
const LONGEST_QUIET: Duration = Duration::from_secs(900);

/// How often the quota is read, and how soon after something was done.
const QUOTA_EVERY: Duration = Duration::from_secs(600);
const QUOTA_SOON: Duration = Duration::from_secs(30);

/// The scaler's parts.
#[derive(Debug)]
pub struct Parts<P, Q, C, W> {
    /// The cloud.
    pub provider: P,
    /// The probe pool.
    pub probes: Q,
    /// The clock.
    pub clock: C,
    /// Where snapshots go.
    pub watcher: W,
    /// The settings that decisions depend on.
    pub policy: Policy,
    /// `SCALING_INTERVAL`.
    pub scaling_interval: Duration,
    /// Set from outside: no new action is begun any more.
    pub stop: Arc<AtomicBool>,
}

/// Observes, plans and applies, one turn at a time.
#[derive(Debug)]
pub struct Scaler<P, Q, C, W> {
    parts: Parts<P, Q, C, W>,
    memory: Memory,
    listing: Option<Listing>,
    /// Who holds an external address, as last listed.
    holders: BTreeSet<ReplicaId>,
    plan: Plan,
    journal: Journal,
    /// What failed in the last cycle: it is tried again from the next list, but is no reason to
    /// ask for one.
    failed: BTreeSet<Object>,
    dirty: bool,
    planned_at: Moment,
    published_at: Option<Moment>,
    next_list: Moment,
    /// No list before this moment, whatever calls for one.
    quiet_until: Moment,
    failed_lists_in_a_row: u32,
    next_quota: Moment,
    /// There was no room for a probe that is due: it is offered again when a result makes room,
    /// or when the plan is looked at again. Until then its being due is no reason for a turn.
    probes_are_full: bool,
}

/// What an action is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Object {
    Replica(ReplicaId),
    Address(ExternalAddressId),
    Creation,
}

impl Object {
    fn of(action: &Action) -> Self {
        match action {
            Action::MoveAddress { address, .. } => Self::Address(address.id.clone()),
            Action::Delete { replica, .. } => Self::Replica(replica.clone()),
            Action::Create { .. } => Self::Creation,
        }
    }
}

impl<P: Provider, Q: Probes, C: Clock, W: Watcher> Scaler<P, Q, C, W> {
    /// A scaler that knows nothing yet. The first turn lists the pool.
    pub fn new(parts: Parts<P, Q, C, W>) -> Self {
        let now = parts.clock.now();
        Self {
            memory: Memory::default(),
            listing: None,
            holders: BTreeSet::new(),
            plan: Plan::default(),
            journal: Journal::default(),
            failed: BTreeSet::new(),
            dirty: false,
            planned_at: now,
            published_at: None,
            next_list: now,
            quiet_until: now,
            failed_lists_in_a_row: 0,
            next_quota: now,
            probes_are_full: false,
            parts,
        }
    }

    /// Does what is due and returns when the next turn is, at the latest. A finished probe is a
    /// reason for an earlier one.
    pub fn turn(&mut self) -> Moment {
        self.pump();
        if self.list_is_due() {
            self.cycle();
        }
        let now = self.parts.clock.now();
        self.parts.watcher.beat(now);
        self.publish(now);
        self.next_turn(now)
    }

    /// Lists the pool once, without doing anything.
    ///
    /// # Errors
    /// The provider's.
    pub fn observe(&mut self) -> Result<(), ProviderError> {
        let listing = self.parts.provider.list(self.parts.clock.now())?;
        self.take_in(listing);
        Ok(())
    }

    /// The probes.
    pub fn probes(&self) -> &Q {
        &self.parts.probes
    }

    /// Ends the scaler and gives the probes back.
    pub fn into_probes(self) -> Q {
        self.parts.probes
    }

    /// Takes in finished probes and hands over those that are due. Returns when the next one is.
    pub fn pump(&mut self) -> Moment {
        while let Some(result) = self.parts.probes.finished() {
            let failure = result.outcome.as_ref().err().map(ProbeFailure::kind);
            let note = Note::Probed(result.latency, failure);
            self.parts.watcher.note(&note);
            self.dirty |= self.memory.probed(&self.parts.policy, &result);
            Journal::probed(&self.memory, &result);
        }
        let now = self.parts.clock.now();
        self.probes_are_full = false;
        for target in self.memory.due_probes(&self.holders, now) {
            let round = self
                .memory
                .probe_started(&self.parts.policy, &target.replica, now);
            if !self.parts.probes.submit(&target, round) {
                self.memory.probe_put_off(&target.replica, now);
                self.probes_are_full = true;
                break;
            }
        }
        self.next_probe(now)
    }

    fn next_probe(&self, now: Moment) -> Moment {
        let look_again = now + LOOK_AGAIN_AFTER;
        let next = self.memory.next_probe().filter(|_| !self.probes_are_full);
        next.unwrap_or(look_again)
    }

    /// Makes the plan anew from the last list and all that is known now.
    pub fn replan(&mut self) -> &Plan {
        if let Some(listing) = &self.listing {
            let now = self.parts.clock.now();
            let new = plan(&self.parts.policy, &self.memory, listing, now);
            self.planned_at = now;
            self.dirty = false;
            let mut journal = std::mem::take(&mut self.journal);
            journal.planned(
                self.when(),
                (&self.parts.policy, &self.memory),
                &self.words_of(&new),
                &new,
                &self.parts.watcher,
            );
            self.journal = journal;
            self.plan = new;
        }
        &self.plan
    }

    /// Whether a replica still has to be probed before anything can be said of it.
    pub fn is_undecided(&self) -> bool {
        self.memory
            .records()
            .zip(&self.plan.assessment.replicas)
            .any(|(record, assessed)| {
                assessed.phase == Phase::Checking
                    || (assessed.address.is_some() && record.last_probe.is_none())
            })
    }

    /// The state as of now.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.parts.clock.now();
        Snapshot {
            taken: now,
            cloud_time: self.memory.cloud_time(now),
            last_list: self.listing.as_ref().map(|listing| listing.taken),
            floor: self.parts.policy.floor,
            max_count: self.parts.policy.max_count.map(NonZeroU64::get),
            plan: self.plan.clone(),
            records: self.memory.records().cloned().collect(),
            external_addresses: self
                .listing
                .as_ref()
                .map(|listing| listing.external_addresses.clone())
                .unwrap_or_default(),
            backoff: self.memory.backoff(),
            shrunken_list: self.memory.shrunken_list().cloned(),
            ..self.journal.as_snapshot()
        }
    }

    fn list_is_due(&mut self) -> bool {
        let now = self.parts.clock.now();
        if self.is_stopping() || now < self.quiet_until {
            return false;
        }
        if now >= self.next_list {
            return true;
        }
        let Some(listing) = &self.listing else {
            return false;
        };
        let listed = listing.taken;
        if self.dirty || now.since(self.planned_at) >= LOOK_AGAIN_AFTER {
            self.replan();
        }
        let is_wanted = self
            .plan
            .actions
            .iter()
            .any(|action| !self.failed.contains(&Object::of(action)));
        is_wanted && now.since(listed) >= LIST_ON_DEMAND_AT_MOST_EVERY
    }

    fn next_turn(&self, now: Moment) -> Moment {
        let look_again = now + LOOK_AGAIN_AFTER;
        let probe = self.next_probe(now);
        let list = self.next_list.max(self.quiet_until);
        probe.min(list).min(look_again)
    }

    /// One cycle: a new list, a new plan from it, and that plan applied.
    fn cycle(&mut self) {
        let asked = self.parts.clock.now();
        let listed = self.parts.provider.list(asked);
        self.stepped(CycleStep::List, asked);
        match listed {
            Ok(listing) => {
                self.failed_lists_in_a_row = 0;
                self.next_list = asked + self.parts.scaling_interval;
                self.take_in(listing);
                self.journal.listed(self.when());
            }
            Err(error) => return self.list_failed(&error),
        }
        self.parts.watcher.beat(self.parts.clock.now());
        self.read_faults();
        self.pump();
        let began = self.parts.clock.now();
        self.replan();
        self.stepped(CycleStep::Plan, began);
        let plan = self.plan.clone();
        let began = self.parts.clock.now();
        if !plan.actions.is_empty() {
            // An action may take its time: what is being done is shown before.
            self.published_at = None;
            self.publish(began);
        }
        self.apply(&plan);
        self.stepped(CycleStep::Apply, began);
        if plan.actions.is_empty() {
            self.read_quota();
        } else {
            let soon = self.parts.clock.now() + QUOTA_SOON;
            self.next_quota = self.next_quota.min(soon);
        }
    }

    fn stepped(&self, step: CycleStep, began: Moment) {
        let took = self.parts.clock.now().since(began);
        self.parts.watcher.note(&Note::Stepped(step, took));
    }

    /// Asks what the provider allows, seldom and only in a quiet cycle: it is for people.
    fn read_quota(&mut self) {
        let now = self.parts.clock.now();
        if now < self.next_quota || self.is_stopping() {
            return;
        }
        self.next_quota = now + QUOTA_EVERY;
        match self.parts.provider.quota() {
            Ok(Some(quota)) => self.parts.watcher.note(&Note::Quota(quota)),
            Ok(None) => {}
            Err(error) => {
                log::debug!("the quota cannot be read: {}", chain(&error));
                self.obey(&error, self.parts.clock.now());
            }
        }
        self.parts.watcher.beat(self.parts.clock.now());
    }

    fn list_failed(&mut self, error: &ProviderError) {
        let now = self.parts.clock.now();
        self.failed_lists_in_a_row = self.failed_lists_in_a_row.saturating_add(1);
        let doublings = self.failed_lists_in_a_row.min(10);
        let wait = LIST_ON_DEMAND_AT_MOST_EVERY * 2_u32.pow(doublings);
        self.next_list = now + wait.min(self.parts.scaling_interval);
        self.quiet_until = self.quiet_until.max(self.next_list);
        self.obey(error, now);
        let when = self.when();
        self.journal.list_failed(when, error, &self.parts.watcher);
    }

    fn obey(&mut self, error: &ProviderError, now: Moment) {
        if let Some(wish) = error.retry_after {
            self.quiet_until = self.quiet_until.max(now + wish.min(LONGEST_QUIET));
        }
    }

    fn take_in(&mut self, listing: Listing) {
        if !self.memory.observe(&self.parts.policy, &listing) {
            let when = self.when();
            self.journal.disbelieved(when, &self.memory);
        }
        let memory = &self.memory;
        self.parts.probes.forget(&|id| memory.record(id).is_none());
        self.holders = listing.holders();
        self.listing = Some(listing);
        self.dirty = true;
    }

    /// Asks once for the fault of each server that ended in an error state.
    fn read_faults(&mut self) {
        let unread: Vec<ReplicaId> = self
            .memory
            .records()
            .filter(|r| r.server.state == ServerState::Failed(Failed::Error) && r.fault.is_none())
            .map(|r| r.server.id.clone())
            .take(FAULTS_READ_IN_A_CYCLE)
            .collect();
        for id in unread {
            if self.is_stopping() {
                return;
            }
            let fault = match self.parts.provider.fault(&id) {
                Ok(fault) => fault.unwrap_or_default(),
                Err(error) => {
                    log::debug!("the fault of server {id} cannot be read: {error}");
                    self.obey(&error, self.parts.clock.now());
                    if error.kind.concerns_the_provider() || error.retry_after.is_some() {
                        return;
                    }
                    String::new()
                }
            };
            self.memory.fault_read(&id, &fault);
            self.parts.watcher.beat(self.parts.clock.now());
        }
    }

    /// Carries a plan out in its order, without choosing.
    fn apply(&mut self, plan: &Plan) {
        self.failed.clear();
        let Some(listing) = self.listing.as_ref().filter(|_| !plan.actions.is_empty()) else {
            return;
        };
        let now = self.parts.clock.now();
        let broken = violations(&self.parts.policy, &self.memory, listing, plan, now);
        if !broken.is_empty() {
            let when = self.when();
            return self.journal.refused(when, &broken, &self.parts.watcher);
        }
        let mut report = CycleReport {
            taken: listing.taken,
            available: plan.assessment.available,
            actions: Vec::with_capacity(plan.actions.len()),
        };
        let mut moved = BTreeSet::new();
        let mut gave_up = false;
        for action in &plan.actions {
            let sentence = self.words_of(plan).action(action);
            let outcome = match self.hindrance(action, report.taken, &moved, gave_up) {
                Some(why) => Outcome::Skipped(why),
                None => match self.carry_out(plan, action, &sentence) {
                    Ok(()) => Outcome::Done,
                    Err(error) => {
                        gave_up |= error.kind.concerns_the_provider();
                        Outcome::Failed(chain(&error))
                    }
                },
            };
            match (&outcome, action) {
                (Outcome::Done, Action::MoveAddress { address, .. }) => {
                    moved.insert(address.id.clone());
                }
                (Outcome::Done, _) => {}
                _ => {
                    self.failed.insert(Object::of(action));
                }
            }
            report.actions.push(ActionReport {
                action: action.clone(),
                sentence,
                outcome,
            });
            self.parts.watcher.beat(self.parts.clock.now());
            self.pump();
        }
        self.dirty = true;
        self.journal.applied(report);
    }

    fn hindrance(
        &self,
        action: &Action,
        listed: Moment,
        moved: &BTreeSet<ExternalAddressId>,
        gave_up: bool,
    ) -> Option<&'static str> {
        if self.is_stopping() {
            return Some("the daemon is stopping");
        }
        if gave_up {
            return Some("the provider failed at an earlier step");
        }
        let now = self.parts.clock.now();
        if now < self.quiet_until {
            return Some("the provider asked to wait");
        }
        if now.since(listed) > LIST_IS_GOOD_FOR {
            return Some("the list is too old by now");
        }
        if self.dirty && !self.is_still_wanted(action, now) {
            return Some("what was heard since speaks against it");
        }
        match action {
            Action::Delete { after, .. } if !after.iter().all(|id| moved.contains(id)) => {
                Some("its external address could not be moved")
            }
            _ => None,
        }
    }

    /// Whether a plan made now would still have an action of the plan that is being applied. A
    /// replica may have said something else in the meantime.
    fn is_still_wanted(&self, action: &Action, now: Moment) -> bool {
        let Some(listing) = &self.listing else {
            return false;
        };
        let anew = plan(&self.parts.policy, &self.memory, listing, now);
        anew.actions.iter().any(|other| match (action, other) {
            (Action::Create { count }, Action::Create { count: now }) => now >= count,
            (
                Action::Delete {
                    replica, reason, ..
                },
                Action::Delete {
                    replica: same,
                    reason: now,
                    ..
                },
            ) => replica == same && reason == now,
            (
                Action::MoveAddress { address, to, .. },
                Action::MoveAddress {
                    address: same,
                    to: now,
                    ..
                },
            ) => address.id == same.id && to == now,
            _ => false,
        })
    }

    fn carry_out(
        &mut self,
        plan: &Plan,
        action: &Action,
        sentence: &str,
    ) -> Result<(), ProviderError> {
        let result = match action {
            Action::MoveAddress {
                address,
                from,
                to,
                reason,
            } => {
                let moved = self.move_address(address, to);
                if moved.is_ok() {
                    self.note_move(from.as_ref(), *reason);
                }
                moved
            }
            Action::Delete {
                replica, reason, ..
            } => self.delete(replica, *reason),
            Action::Create { count } => {
                self.memory.creation_sent();
                let result = self.parts.provider.create(*count);
                let outcome = result
                    .as_ref()
                    .map_or_else(|error| Err(error.as_create_failure()), |()| Ok(()));
                let now = self.parts.clock.now();
                self.memory.creation_answered(count.get(), outcome, now);
                result
            }
        };
        let now = self.parts.clock.now();
        if let Err(error) = &result {
            self.obey(error, now);
        }
        let when = self.when();
        self.journal.ended(
            when,
            &self.parts.policy,
            (plan, action, sentence),
            &result,
            &self.parts.watcher,
        );
        result
    }

    fn note_move(&self, from: Option<&ReplicaId>, reason: MoveReason) {
        let now = self.parts.clock.now();
        let silent_since = from
            .filter(|_| reason == MoveReason::HolderUnreachable)
            .and_then(|id| self.memory.record(id)?.unreachable_since);
        let outage = silent_since.map(|since| now.since(since));
        self.parts.watcher.note(&Note::Moved(reason, outage));
    }

    fn move_address(
        &mut self,
        address: &ExternalAddress,
        to: &ReplicaId,
    ) -> Result<(), ProviderError> {
        self.parts.provider.move_address(address, to)?;
        // What is known now, so that the same move is not wanted again before the next list.
        let listed = self
            .listing
            .iter_mut()
            .flat_map(|l| &mut l.external_addresses);
        for known in listed.filter(|known| known.id == address.id) {
            known.holder = Holder::Server(to.clone());
        }
        Ok(())
    }

    fn delete(&mut self, replica: &ReplicaId, reason: DeleteReason) -> Result<(), ProviderError> {
        self.parts.provider.delete(replica)?;
        let now = self.parts.clock.now();
        self.memory.deletion_accepted(replica, reason, now);
        Ok(())
    }

    fn publish(&mut self, now: Moment) {
        let too_soon = self
            .published_at
            .is_some_and(|at| now.since(at) < PUBLISH_AT_MOST_EVERY);
        if too_soon {
            return;
        }
        if self.dirty {
            self.replan();
        }
        self.published_at = Some(now);
        self.parts.watcher.publish(Arc::new(self.snapshot()));
    }

    fn words_of<'a>(&'a self, plan: &'a Plan) -> Words<'a> {
        let addresses = self
            .listing
            .as_ref()
            .map_or(&[][..], |listing| &listing.external_addresses);
        let clocks = self.when();
        let floor = self.parts.policy.floor;
        Words::new(
            &plan.assessment,
            addresses,
            self.memory.backoff(),
            floor,
            clocks,
        )
    }

    fn when(&self) -> When {
        let now = self.parts.clock.now();
        (now, self.memory.cloud_time(now))
    }

    fn is_stopping(&self) -> bool {
        self.parts.stop.load(Ordering::Relaxed)
    }
}
