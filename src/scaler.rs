//! The scaler: observe, plan, apply. It owns the memory and makes every request that changes
//! something; what is to be done is decided in [`crate::pool`].

mod addresses;
mod apply;
mod ask;
mod blocked;
mod call;
mod fold;
mod journal;
mod lookout;
mod names;
mod oddities;
mod pace;
mod parts;
mod telling;

pub use journal::chain;
pub use parts::{Clock, Parts, Probes, Watcher};

use crate::pool::{
    CycleStep, Failed, Listing, Lists, Memory, Moment, Note, Phase, Plan, ProbeFailure, ReplicaId,
    ServerState, Snapshot, Supply, Words, plan, take_out_contradictions,
};
use crate::provider::{Calls, ProviderError, Reply, Request};
use addresses::{AddressService, ListFailure};
use apply::{Object, Unanswered};
use journal::{Journal, When};
use lookout::Lookout;
use pace::{LOOK_AGAIN_AFTER, Pace};
use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The least time between two lists that are made because an action is called for.
const LIST_ON_DEMAND_AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// When a probe for which there was no room is handed over again, unless one ends before.
const ROOM_IS_LOOKED_FOR_EVERY: Duration = Duration::from_millis(20);
/// For how many standbys a move is prepared.
const STANDBYS_PREPARED: usize = 4;
/// How many failed servers are asked for their fault in one cycle.
const FAULTS_READ_IN_A_CYCLE: usize = 5;
/// The longest wait that a provider's `Retry-After` can cause.
const LONGEST_QUIET: Duration = Duration::from_secs(900);

/// How often the quota is read, and how soon after something was done.
const QUOTA_EVERY: Duration = Duration::from_secs(600);
const QUOTA_SOON: Duration = Duration::from_secs(30);

/// Observes, plans and applies, one turn at a time.
#[derive(Debug)]
pub struct Scaler<P, Q, C, W> {
    parts: Parts<(), Q, C, W>,
    /// The provider; none while a request is under way.
    calls: Option<P>,
    memory: Memory,
    listing: Option<Listing>,
    /// Who holds an external address, as last listed.
    holders: BTreeSet<ReplicaId>,
    plan: Plan,
    journal: Journal,
    /// What failed in the last cycle: it is tried again from the next list, but is no reason to
    /// ask for one.
    failed: BTreeSet<Object>,
    unanswered: Unanswered,
    addresses: AddressService,
    pace: Pace,
    lookout: Lookout,
    /// Since when a list on demand may be made that is wanted.
    wanted_list: Option<Moment>,
    listed_on_demand: Option<Moment>,
    /// There was no room for the last probe that was due.
    probes_are_full: bool,
    next_list: Moment,
    /// No list before this moment, whatever calls for one.
    quiet_until: Moment,
    lists: Lists,
    supply: Supply,
    marks_are_refused: bool,
    /// With which of the replicas that are to be marked the next cycle begins.
    mark_turn: usize,
    next_quota: Moment,
    names: names::Names,
}

impl<P: Calls, Q: Probes, C: Clock, W: Watcher> Scaler<P, Q, C, W> {
    /// A scaler that knows nothing yet. The first turn lists the pool.
    pub fn new(parts: Parts<P, Q, C, W>) -> Self {
        let now = parts.clock.now();
        let (provider, parts) = parts.split();
        Self {
            calls: Some(provider),
            memory: Memory::of(parts.instance),
            listing: None,
            holders: BTreeSet::new(),
            plan: Plan::default(),
            journal: Journal::default(),
            failed: BTreeSet::new(),
            unanswered: Unanswered::default(),
            addresses: AddressService::default(),
            pace: Pace::new(now),
            lookout: Lookout::default(),
            wanted_list: None,
            listed_on_demand: None,
            probes_are_full: false,
            next_list: now,
            quiet_until: now,
            lists: Lists {
                interval: parts.scaling_interval,
                ..Lists::default()
            },
            supply: Supply::default(),
            marks_are_refused: false,
            mark_turn: 0,
            next_quota: now,
            names: names::Names::new(now),
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
        if self.rescue_is_due() {
            self.rescue();
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
        let asked = self.parts.clock.now();
        let listed = self.list_all(asked);
        let mut listing = listed.map_err(ListFailure::into_error)?;
        // It is only for showing which replicas are out of date.
        match self.have_done(Request::PrepareCreation) {
            Ok(()) => {
                let image = self.call(Request::Image, Reply::image).flatten();
                listing.image = image;
            }
            Err(error) => log::debug!("a creation cannot be prepared: {}", chain(&error)),
        }
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
            let result = result.believed(&self.parts.policy);
            let failure = result.outcome.as_ref().err().map(ProbeFailure::name);
            let note = Note::Probed(result.latency, failure);
            self.parts.watcher.note(&note);
            let heard = self.memory.probed(&self.parts.policy, &result);
            self.pace.heard(&self.parts.policy, heard);
            Journal::probed(&self.memory, &result);
        }
        let now = self.parts.clock.now();
        self.probes_are_full = !self.hand_over(now);
        self.next_probe(now)
    }

    /// Hands over the probes that are due; `false`: there was no room for all.
    fn hand_over(&mut self, now: Moment) -> bool {
        loop {
            let due = self.memory.due_probes(&self.holders, now);
            if due.is_empty() {
                return true;
            }
            for target in due {
                let id = &target.replica;
                let round = self.memory.probe_started(&self.parts.policy, id, now);
                if !self.parts.probes.submit(&target, round) {
                    self.memory.probe_put_off(id, now);
                    return false;
                }
            }
        }
    }

    fn next_probe(&self, now: Moment) -> Moment {
        let next = self.memory.next_probe().unwrap_or(now + LOOK_AGAIN_AFTER);
        if self.probes_are_full {
            return next.max(now + ROOM_IS_LOOKED_FOR_EVERY);
        }
        next
    }

    /// Makes the plan anew from the last list and all that is known now.
    pub fn replan(&mut self) -> &Plan {
        if let Some(listing) = &self.listing {
            let now = self.parts.clock.now();
            let new = plan(&self.parts.policy, &self.memory, listing, now);
            let mut journal = std::mem::take(&mut self.journal);
            journal.planned(
                self.when(),
                (&self.parts.policy, &self.memory),
                &self.words_of(&new),
                &new,
                &self.parts.watcher,
            );
            self.journal = journal;
            self.pace.planned(&new, now, self.parts.clock.now());
            self.plan = new;
            self.count_supply(now);
        }
        &self.plan
    }

    /// Counts the time that has passed with what was known until now.
    fn count_supply(&mut self, now: Moment) {
        if self.listing.is_some() {
            let decided = self.supply.is_known() || !self.is_undecided();
            let floor = self.parts.policy.floor;
            self.supply.take(&self.plan.assessment, floor, decided, now);
        }
    }

    /// Whether a replica still has to be probed before anything can be said of it.
    pub fn is_undecided(&self) -> bool {
        self.memory
            .records()
            .zip(self.plan.assessment.replicas.iter())
            .any(|(record, assessed)| {
                matches!(assessed.phase, Phase::Checking | Phase::Finishing { .. })
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
            capacity: self.parts.policy.capacity.get(),
            supply: self.supply,
            lists: self.lists,
            expected_boot: self
                .journal
                .boots()
                .expected(self.parts.policy.startup_grace),
            image: self.listing.as_ref().and_then(|list| list.image.clone()),
            max_count: self.parts.policy.max_count.map(NonZeroU64::get),
            plan: self.plan.clone(),
            records: self.memory.records().cloned().collect(),
            external_addresses: self
                .listing
                .as_ref()
                .map(|listing| listing.external_addresses.clone())
                .unwrap_or_default(),
            backoff: self.memory.backoff(),
            last_fault: self.memory.last_fault().cloned(),
            shrunken_list: self.memory.shrunken_list().cloned(),
            ..self.journal.as_snapshot()
        }
    }

    fn list_is_due(&mut self) -> bool {
        self.wanted_list = None;
        let now = self.parts.clock.now();
        if self.is_stopping() || now < self.quiet_until {
            return false;
        }
        if now >= self.next_list || self.lookout.is_due(now) {
            return true;
        }
        if self.listing.is_none() {
            return false;
        }
        if self.pace.plan_is_due(now) {
            self.replan();
        }
        let is_wanted = self.memory.moves().any_is_open()
            || self.memory.wants_a_list()
            || self.memory.is_overdue(now)
            || self
                .plan
                .actions
                .iter()
                .any(|action| !self.failed.contains(&Object::of(action)));
        let may_be_made = self
            .listed_on_demand
            .map_or(now, |at| at + LIST_ON_DEMAND_AT_MOST_EVERY);
        self.wanted_list = is_wanted.then_some(may_be_made);
        is_wanted && now >= may_be_made
    }

    fn next_turn(&self, now: Moment) -> Moment {
        let wanted = self.wanted_list.unwrap_or(self.next_list);
        let look = self.lookout.next().unwrap_or(self.next_list);
        let list = self.next_list.min(wanted).min(look).max(self.quiet_until);
        // While no list may be made, there is no plan to be made for one either.
        let plans = self.listing.is_some() && now >= self.quiet_until && !self.is_stopping();
        let plan = if plans {
            self.pace.next()
        } else {
            now + LOOK_AGAIN_AFTER
        };
        self.next_probe(now)
            .min(list)
            .min(plan)
            .min(now + LOOK_AGAIN_AFTER)
    }

    /// One cycle: a new list, a new plan from it, and that plan applied.
    fn cycle(&mut self) {
        let asked = self.parts.clock.now();
        if self.wanted_list.take().is_some() {
            self.listed_on_demand = Some(asked);
        }
        self.lookout.looks_now(asked);
        let listed = self.list_all(asked);
        self.stepped(CycleStep::List, asked);
        self.addresses.listed(listed.as_ref().err());
        match listed {
            Ok(listing) => {
                self.lists.succeeded();
                self.next_list = asked + self.parts.scaling_interval;
                self.take_in(listing);
                self.journal.listed(self.when());
            }
            // It was broken off.
            Err(_) if self.is_stopping() => return,
            Err(failure) => return self.list_failed(asked, &failure),
        }
        self.parts.watcher.beat(self.parts.clock.now());
        self.read_faults();
        self.pump();
        let began = self.parts.clock.now();
        self.replan();
        self.lookout.settle(self.plan.assessment.awaited);
        self.stepped(CycleStep::Plan, began);
        let plan = self.plan.clone();
        let began = self.parts.clock.now();
        if !plan.actions.is_empty() {
            // An action may take its time: what is being done is shown before.
            self.pace.publish_now();
            self.publish(began);
        }
        self.apply(&plan);
        self.stepped(CycleStep::Apply, began);
        self.write_marks(plan.actions.is_empty());
        if plan.actions.is_empty() {
            self.prepare_moves();
            if self.look_names_up(true) {
                self.read_quota();
            }
        } else {
            self.look_names_up(false);
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
        if now < self.next_quota.max(self.quiet_until) || self.is_stopping() {
            return;
        }
        self.next_quota = now + QUOTA_EVERY;
        let quota = self.try_call(Request::Quota, Reply::quota);
        match quota {
            Ok(Some(quota)) => self.parts.watcher.note(&Note::Quota(quota)),
            Ok(None) => {}
            Err(error) => {
                log::debug!("the quota cannot be read: {}", chain(&error));
                self.obey(&error, self.parts.clock.now());
            }
        }
        self.parts.watcher.beat(self.parts.clock.now());
    }

    fn list_failed(&mut self, asked: Moment, failure: &ListFailure) {
        let now = self.parts.clock.now();
        let error = failure.error();
        if let ListFailure::ExternalAddresses(error) = failure {
            self.addresses.obey(error, now);
        }
        self.lists.failed(asked);
        let doublings = self.lists.failures.min(10);
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

    /// Takes in that something could not be looked up; `true`: nothing else is to be, in this cycle.
    fn look_up_failed(&mut self, error: &ProviderError) -> bool {
        self.obey(error, self.parts.clock.now());
        error.kind.concerns_the_provider() || error.retry_after.is_some()
    }

    fn take_in(&mut self, mut listing: Listing) {
        let arrived = self.parts.clock.now();
        let memory = &self.memory;
        let contradictions = take_out_contradictions(&mut listing, |id| memory.address_of(id));
        let when = self.when();
        self.journal.contradicted(when, &contradictions);
        let inquiry = self.ask_for_missing(&listing);
        self.settle_moves(&listing.external_addresses, listing.taken);
        let policy = &self.parts.policy;
        let memory = &self.memory;
        self.lookout
            .listed(&listing, |id| memory.record(id).is_some());
        if !self
            .memory
            .observe_asked(policy, &listing, &inquiry, arrived)
        {
            let when = self.when();
            self.journal.disbelieved(when, &self.memory);
        }
        if let Some(part) = self.memory.creation_cut_short() {
            let when = self.when();
            self.journal.cut_short(when, part);
        }
        let memory = &self.memory;
        self.parts.probes.forget(&|id| memory.record(id).is_none());
        self.holders = listing.holders();
        // There may be thousands of them, and they are taken in.
        listing.not_alone = BTreeSet::new();
        self.listing = Some(listing);
        self.tell_several_addresses();
        self.pace.changed();
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
            if self.is_stopping() || self.parts.clock.now() < self.quiet_until {
                return;
            }
            let fault = self.try_call(Request::Fault(id.clone()), Reply::fault);
            let fault = match fault {
                Ok(fault) => fault.unwrap_or_default(),
                Err(error) => {
                    log::debug!("the fault of server {id} cannot be read: {error}");
                    if self.look_up_failed(&error) {
                        return;
                    }
                    String::new()
                }
            };
            self.memory.fault_read(&id, &fault);
            self.parts.watcher.beat(self.parts.clock.now());
        }
    }

    fn publish(&mut self, now: Moment) {
        if !self.pace.publish_is_due(now) {
            return;
        }
        if self.pace.has_news() {
            self.replan();
        }
        self.count_supply(now);
        self.parts.watcher.publish(Arc::new(self.snapshot()));
        self.pace.published(now, self.parts.clock.now());
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
        .with_fault(self.memory.last_fault().map(AsRef::as_ref))
    }

    fn when(&self) -> When {
        let now = self.parts.clock.now();
        (now, self.memory.cloud_time(now))
    }

    fn is_stopping(&self) -> bool {
        self.parts.stop.load(Ordering::Relaxed)
    }
}
