//! The scaler: observe, plan, apply. It owns the memory and makes every request that changes
//! something; what is to be done is decided in [`crate::pool`].

mod act;
mod addresses;
mod agenda;
mod blocked;
mod chores;
mod fold;
mod jobs;
mod journal;
mod log;
mod look;
mod lookout;
mod pace;
mod parts;

pub use journal::chain;
pub use parts::{Clock, Observer, Parts, Probes};

use crate::cloud::{Calls, Catalogue, CloudError, NetworkNames, Port, Service};
use crate::pool::{
    Action, CycleStep, Health, Lists, Measure, Memory, Moment, Plan, ProbeFailure, Quota,
    ReplicaId, ReplicaState, SERVED_KEY, Severity, Snapshot, Supply, Unprepared, Words, plan,
};
use act::Cooldowns;
use addresses::AddressService;
use agenda::{Agenda, Ground, Object};
use chores::Chores;
use jobs::{Errand, Jobs, OncePerTurn};
use journal::{Context, Journal, When};
use look::Look;
use lookout::Lookout;
use pace::{LOOK_AGAIN_AFTER, Pace};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The least time between two lists that are made because an action is called for.
const LIST_ON_DEMAND_AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// When a probe for which there was no room is handed over again, unless one ends before.
const ROOM_IS_LOOKED_FOR_EVERY: Duration = Duration::from_millis(20);
/// How long the next list waits after failed ones: 2 s, 4 s, ... up to the interval of the lists.
fn wait_after(lists: &Lists) -> Duration {
    let doublings = lists.failures.min(10);
    let wait = LIST_ON_DEMAND_AT_MOST_EVERY * 2_u32.pow(doublings);
    wait.min(lists.interval)
}

/// How often it is looked whether the pool is critical, which takes a look at each replica.
const JUDGED_EVERY: Duration = Duration::from_secs(1);
/// For how many standbys a move is prepared, at most: one request asks for all of them.
const STANDBYS_PREPARED: usize = 100;
/// The longest wait that a cloud's `Retry-After` can cause.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// Observes, plans and acts, one turn at a time. It never waits: requests are handed over, and what they came to is
/// taken in by a later turn.
#[derive(Debug)]
pub struct Scaler<P, Q, C, W> {
    parts: Parts<P, Q, C, W>,
    jobs: Jobs,
    memory: Memory,
    /// The id of the image that new servers were made from when the pool was last listed.
    image: Option<Arc<str>>,
    plan: Plan,
    journal: Journal,
    /// The list that is being made.
    look: Option<Look>,
    agenda: Agenda,
    chores: Chores,
    /// What failed in the last cycle: it is tried again from the next list, but is no reason to
    /// ask for one.
    failed: BTreeSet<Object>,
    /// When actions on these were answered, if no list was asked for since.
    answered: BTreeMap<Object, Moment>,
    cooldowns: Cooldowns,
    addresses: AddressService,
    pace: Pace,
    lookout: Lookout,
    /// Since when a list on demand may be made that is wanted.
    wanted_list: Option<Moment>,
    listed_on_demand: Option<Moment>,
    /// There was no room for the last probe that was due.
    probes_are_full: bool,
    next_list: Moment,
    lists: Lists,
    /// The same for the external addresses.
    address_lists: Lists,
    /// Why the last list failed, for whoever looks once.
    list_error: Option<CloudError>,
    supply: Supply,
    /// Nothing is done, whatever the plan.
    looks_only: bool,
    /// What the names in the settings stand for, as last looked up.
    catalogue: Option<Arc<Catalogue>>,
    network_names: NetworkNames,
    /// What new servers lack.
    unprepared: Option<Unprepared>,
    /// As it was last read.
    quota: Quota,
    /// When it was last looked whether the pool is critical.
    judged: Moment,
    /// The replicas, as of the last list.
    known: Arc<BTreeSet<ReplicaId>>,
    /// The ports of replicas that an address may be moved to; none: asked for in vain.
    ports: BTreeMap<ReplicaId, Option<Port>>,
    /// The cloud takes the mark of a creation.
    orders_are_marked: bool,
}

impl<P: Calls, Q: Probes, C: Clock, W: Observer> Scaler<P, Q, C, W> {
    /// A scaler that knows nothing yet. The first turn lists the pool.
    pub fn new(parts: Parts<P, Q, C, W>) -> Self {
        let now = parts.clock.now();
        let mut memory = Memory::of(parts.instance);
        // What makes a server one of the pool is never overwritten.
        let is_the_pools_key = parts.template.metadata_key == SERVED_KEY;
        if is_the_pools_key {
            memory.marks_are_refused();
        }
        Self {
            jobs: Jobs::new(parts.requests_per_second),
            memory,
            image: None,
            plan: Plan::default(),
            journal: Journal::default(),
            look: None,
            agenda: Agenda::default(),
            chores: Chores::new(now, is_the_pools_key),
            failed: BTreeSet::new(),
            answered: BTreeMap::new(),
            cooldowns: Cooldowns::default(),
            addresses: AddressService::default(),
            pace: Pace::new(now),
            lookout: Lookout::default(),
            wanted_list: None,
            listed_on_demand: None,
            probes_are_full: false,
            next_list: now,
            lists: Lists {
                interval: parts.scaling_interval,
                ..Lists::default()
            },
            address_lists: Lists {
                interval: parts.scaling_interval,
                ..Lists::default()
            },
            list_error: None,
            supply: Supply::default(),
            looks_only: false,
            catalogue: None,
            network_names: NetworkNames::default(),
            unprepared: None,
            quota: Quota::default(),
            judged: Moment::default(),
            known: Arc::default(),
            ports: BTreeMap::new(),
            orders_are_marked: true,
            parts,
        }
    }

    /// Does what is due and returns when the next turn is, at the latest. A finished probe and an answer of the cloud
    /// are reasons for an earlier one.
    pub fn turn(&mut self) -> Moment {
        let mut may = OncePerTurn::new();
        loop {
            self.pump();
            let came = self.take_replies();
            if !self.begin_next(&mut may) && !came {
                break;
            }
        }
        let now = self.parts.clock.now();
        self.parts.observer.beat(now);
        self.publish(now);
        self.next_turn(now)
    }

    /// Lists the pool once, without doing anything. Its requests are made at once.
    ///
    /// # Errors
    /// The cloud's.
    pub fn observe(&mut self) -> Result<(), CloudError> {
        self.looks_only = true;
        self.journal.states_and_plan_are_told_elsewhere();
        self.begin_look();
        while self.take_replies() || self.advance_look() {}
        if let Some(error) = self.list_error.take() {
            return Err(error);
        }
        // It is only for showing which replicas are out of date.
        self.begin(Errand::Names, self.request_names(None));
        self.take_replies();
        self.image = self.image_of_new_servers();
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
            let measure = Measure::Probe(result.latency, failure);
            self.parts.observer.measured(&measure);
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
            let due = self.memory.due_probes(now);
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
        if self.memory.listed_at().is_some() {
            let now = self.parts.clock.now();
            let new = plan(&self.parts.policy, &self.memory, now);
            let mut journal = std::mem::take(&mut self.journal);
            journal.planned(&self.context(&new), &self.plan.assessment, &new);
            self.journal = journal;
            self.pace.planned(&new, now, self.parts.clock.now());
            self.plan = new;
            self.count_supply(now);
        }
        &self.plan
    }

    /// Makes the plan anew if anything may have changed it, and a list may be made for it.
    fn replan_if_due(&mut self) {
        let now = self.parts.clock.now();
        let may = !self.is_stopping() && now >= self.jobs.paused_until(Service::All);
        if may && self.pace.plan_is_due(now) {
            self.replan();
        }
    }

    /// Counts the time that has passed with what was known until now.
    fn count_supply(&mut self, now: Moment) {
        if self.memory.listed_at().is_some() {
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
                matches!(
                    assessed.state,
                    ReplicaState::Checking | ReplicaState::Finishing { .. }
                ) || (assessed.address.is_some() && record.last_probe.is_none())
            })
    }

    /// The state as of now.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.parts.clock.now();
        Snapshot {
            taken: now,
            cloud_clock: self.memory.cloud_clock(),
            last_list: self.memory.listed_at(),
            floor: self.parts.policy.floor,
            capacity: self.parts.policy.capacity.get(),
            supply: self.supply,
            lists: self.lists,
            address_lists: self.address_lists,
            expected_boot: self
                .journal
                .boots()
                .expected(self.parts.policy.startup_grace),
            image: self.image.clone(),
            max_count: self.parts.policy.max_count.map(NonZeroU64::get),
            plan: self.plan.clone(),
            records: self.memory.records().cloned().collect(),
            external_addresses: self.memory.external_addresses().to_vec(),
            backoff: self.memory.backoff(),
            last_fault: self.memory.last_fault().cloned(),
            unprepared: self.unprepared.clone(),
            shrunken_list: self.memory.shrunken_list().cloned(),
            ..self.journal.as_snapshot()
        }
    }

    fn list_is_due(&mut self) -> bool {
        self.wanted_list = None;
        let now = self.parts.clock.now();
        if self.is_stopping() || now < self.jobs.paused_until(Service::All) {
            return false;
        }
        if now >= self.next_list || self.lookout.is_due(now) {
            return true;
        }
        if self.memory.listed_at().is_none() {
            return false;
        }
        self.replan_if_due();
        // While their list fails, the addresses are listed by themselves, and less often.
        let has_addresses = self.memory.addresses_are_fresh();
        let is_wanted = (has_addresses && self.memory.moves().any_is_open())
            || self.memory.wants_a_list()
            || self.memory.is_overdue(now)
            || self.plan.actions.iter().any(|action| {
                let is_move = matches!(action, Action::MoveAddress { .. });
                self.is_open(action) && (!is_move || has_addresses)
            });
        let may_be_made = self
            .listed_on_demand
            .map_or(now, |at| at + LIST_ON_DEMAND_AT_MOST_EVERY);
        self.wanted_list = is_wanted.then_some(may_be_made);
        is_wanted && now >= may_be_made
    }

    /// Whether an action waits for nothing but a list: it has not failed lately, and is not to be begun or under way.
    fn is_open(&self, action: &Action) -> bool {
        let object = Object::of(action);
        // What was done since the last plan is still in it.
        let is_done = |object: &Object| {
            matches!(object, Object::Replica(_)) && self.answered.contains_key(object)
        };
        !self.failed.contains(&object)
            && !is_done(&object)
            && !self.agenda.has(&object)
            && !self.jobs.concern(&object)
    }

    fn next_turn(&self, now: Moment) -> Moment {
        let paused_until = self.jobs.paused_until(Service::All);
        let look_again = now + LOOK_AGAIN_AFTER;
        let wanted = self.wanted_list.unwrap_or(self.next_list);
        let look = self.lookout.next().unwrap_or(self.next_list);
        // While a list is being made, the answer calls for a turn.
        let list = match &self.look {
            // The first one waits for all of it.
            Some(look) => look
                .until()
                .filter(|_| self.memory.listed_at().is_some())
                .unwrap_or(look_again),
            None if self
                .jobs
                .has_place(self.parts.calls.places(), Service::Compute) =>
            {
                self.next_list.min(wanted).min(look).max(paused_until)
            }
            // So does the answer that makes room.
            None => look_again,
        };
        // While no list may be made, there is no plan to be made for one either.
        let plans = self.memory.listed_at().is_some() && now >= paused_until && !self.is_stopping();
        let plan = if plans { self.pace.next() } else { look_again };
        self.next_probe(now)
            .min(list)
            .min(plan)
            .min(self.jobs.held_until().unwrap_or(look_again))
            .min(look_again)
    }

    /// A list has been taken in: a new plan from it, and that plan carried out.
    fn act_on_list(&mut self) {
        self.pump();
        let began = self.parts.clock.now();
        self.replan();
        self.lookout.settle(self.plan.assessment.awaited);
        self.stepped(CycleStep::Plan, began);
        if self.looks_only {
            return;
        }
        let plan = self.plan.clone();
        if !plan.actions.is_empty() {
            // An action may take its time: what is being done is shown before.
            self.pace.publish_now();
            let now = self.parts.clock.now();
            self.publish(now);
        }
        self.chores.after_plan(plan.actions.is_empty());
        self.carry_out(plan, Ground::List);
    }

    /// The image that the names in the settings stand for now.
    fn image_of_new_servers(&self) -> Option<Arc<str>> {
        self.catalogue.as_ref().map(|c| c.image.as_str().into())
    }

    fn stepped(&self, step: CycleStep, began: Moment) {
        let took = self.parts.clock.now().since(began);
        self.parts.observer.measured(&Measure::Step(step, took));
    }

    fn publish(&mut self, now: Moment) {
        if !self.pace.publish_is_due(now) {
            return;
        }
        if self.pace.has_news() {
            self.replan();
        }
        self.count_supply(now);
        let snapshot = self.snapshot();
        if now.since(self.judged) >= JUDGED_EVERY {
            self.judged = now;
            let health = Health::of(&snapshot, true, now);
            if health.severity == Severity::Critical || self.journal.is_critical() {
                self.tell(|journal, context| journal.judged(context, &health));
            }
        }
        self.parts.observer.publish(Arc::new(snapshot));
        self.pace.published(now, self.parts.clock.now());
    }

    fn words_of<'a>(&'a self, plan: &'a Plan) -> Words<'a> {
        let clocks = self.when();
        let floor = self.parts.policy.floor;
        Words::new(
            &plan.assessment,
            self.memory.external_addresses(),
            self.memory.backoff(),
            floor,
            clocks,
        )
        .with_fault(self.memory.last_fault().map(AsRef::as_ref))
    }

    fn context<'a>(&'a self, plan: &'a Plan) -> Context<'a> {
        Context {
            when: self.when(),
            words: self.words_of(plan),
            policy: &self.parts.policy,
            memory: &self.memory,
            observer: &self.parts.observer,
        }
    }

    /// Writes into the journal, in the words of the last plan.
    fn tell<T>(&mut self, write: impl FnOnce(&mut Journal, &Context<'_>) -> T) -> T {
        let mut journal = std::mem::take(&mut self.journal);
        let told = write(&mut journal, &self.context(&self.plan));
        self.journal = journal;
        told
    }

    fn when(&self) -> When {
        let now = self.parts.clock.now();
        (now, self.memory.cloud_clock())
    }

    fn is_stopping(&self) -> bool {
        self.parts.stop.load(Ordering::Relaxed)
    }
}
