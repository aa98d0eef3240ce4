//! Carrying out a plan.

use super::call::lost;
use super::{Clock, Probes, Scaler, Watcher, chain};
use crate::pool::{
    Action, ActionReport, CreateFailure, CycleReport, ExternalAddress, ExternalAddressId, Holder,
    Moment, MoveFailure, MoveReason, Note, Outcome, Plan, ReplicaId, plan, short_text, violations,
};
use crate::provider::{Calls, Order, ProviderError, ProviderErrorKind, Reply, Request};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::time::Duration;

/// How old a list may be when an action is begun: this thread, or the whole machine, may have
/// stood still since. Long enough for many slow requests in one cycle.
const LIST_IS_GOOD_FOR: Duration = Duration::from_secs(120);

/// For how long an object is left out, at least, whose requests got no answer twice in a row, and for
/// the double of that from the third time on. Whatever comes after it has its turn meanwhile.
const LEFT_OUT_FOR: Duration = Duration::from_secs(60);

/// What an action is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Object {
    Replica(ReplicaId),
    Address(ExternalAddressId),
    Creation,
}

impl Object {
    pub(super) fn of(action: &Action) -> Self {
        match action {
            Action::MoveAddress { address, .. } => Self::Address(address.id.clone()),
            Action::Delete { replica, .. } => Self::Replica(replica.clone()),
            Action::Create { .. } => Self::Creation,
        }
    }
}

/// The objects whose last requests got no answer: how often in a row, and when they may be tried.
#[derive(Debug, Default)]
pub(super) struct Unanswered(BTreeMap<Object, (u32, Moment)>);

impl Unanswered {
    fn is_left_out(&self, object: &Object, now: Moment) -> bool {
        self.0.get(object).is_some_and(|(_, until)| now < *until)
    }

    /// A request has ended. What is left out is so for two intervals of the lists at least, that one
    /// cycle does without it.
    fn ended(&mut self, object: Object, got_no_answer: bool, now: Moment, interval: Duration) {
        let wait = LEFT_OUT_FOR.max(interval * 2);
        self.0.retain(|_, (_, until)| now.since(*until) <= wait * 2);
        if !got_no_answer {
            self.0.remove(&object);
            return;
        }
        let (times, until) = self.0.entry(object).or_insert((0, now));
        *until = now + wait * (*times).min(2);
        *times = times.saturating_add(1);
    }
}

/// What a plan rests on when it is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// The last list of everything.
    List,
    /// The last list of the servers, however old, and one of the external addresses.
    Addresses {
        /// When that was asked for.
        asked: Moment,
    },
}

/// Why an action of a plan is not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hindrance {
    Stopping,
    ProviderFailed,
    AskedToWait,
    Unanswered,
    OldList,
    News,
    AddressNotMoved,
    CreationFailed,
}

impl Hindrance {
    fn text(self) -> &'static str {
        match self {
            Self::Stopping => "the daemon is stopping",
            Self::ProviderFailed => "the provider failed at an earlier step",
            Self::AskedToWait => "the provider asked to wait",
            Self::Unanswered => "the provider has not answered this lately",
            Self::OldList => "the list is too old by now",
            Self::News => "a newer answer, or the time that has passed, rules it out",
            Self::AddressNotMoved => "its external address could not be moved",
            Self::CreationFailed => "servers of an earlier creation failed or did not show",
        }
    }
}

/// An action, what is said of it, and why it is not begun.
struct Begun<'a> {
    action: &'a Action,
    sentence: String,
    hindrance: Option<Hindrance>,
}

impl<P: Calls, Q: Probes, C: Clock, W: Watcher> Scaler<P, Q, C, W> {
    /// Carries a plan out in its order, without choosing.
    pub(super) fn apply(&mut self, plan: &Plan) {
        self.apply_on(plan, Ground::List);
    }

    pub(super) fn apply_on(&mut self, plan: &Plan, ground: Ground) {
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
        let mut rest = plan.actions.as_slice();
        while let Some(first) = rest.first() {
            let (group, after) = rest.split_at(self.together(first, rest));
            rest = after;
            let group: Vec<Begun<'_>> = group
                .iter()
                .map(|action| Begun {
                    action,
                    sentence: self.sentence(plan, action),
                    hindrance: self.hindrance(action, ground, &moved, gave_up),
                })
                .collect();
            let results = self.carry_out(plan, &group);
            for (begun, result) in group.into_iter().zip(results) {
                let outcome = match (begun.hindrance, result) {
                    (Some(why), _) => Outcome::Skipped(why.text()),
                    (None, Ok(())) => Outcome::Done,
                    (None, Err(error)) => {
                        gave_up |= error.kind.concerns_the_provider();
                        Outcome::Failed(chain(&error))
                    }
                };
                match (&outcome, begun.action) {
                    (Outcome::Done, Action::MoveAddress { address, .. }) => {
                        moved.insert(address.id.clone());
                    }
                    // What was refused is remembered, and the plan waits: for each pair by itself.
                    (Outcome::Done, _) | (Outcome::Failed(_), Action::MoveAddress { .. }) => {}
                    _ if begun
                        .hindrance
                        .is_some_and(|why| self.wants_a_list(why, begun.action)) => {}
                    _ => {
                        self.failed.insert(Object::of(begun.action));
                    }
                }
                report.actions.push(ActionReport {
                    action: begun.action.clone(),
                    sentence: begun.sentence,
                    outcome,
                });
            }
            self.parts.watcher.beat(self.parts.clock.now());
            self.pump();
        }
        self.pace.changed();
        self.journal.applied(report);
    }

    /// What is done and why, and what becomes of an external address that could not be moved.
    fn sentence(&self, plan: &Plan, action: &Action) -> String {
        let mut sentence = self.words_of(plan).action(action);
        let (Action::Delete { replica, .. }, Some(listing)) = (action, &self.listing) else {
            return sentence;
        };
        let (moves, now) = (self.memory.moves(), self.parts.clock.now());
        for address in &listing.external_addresses {
            let is_held = matches!(&address.holder, Holder::Server(id) if id == replica);
            if is_held && moves.is_given_up(&address.id, replica, now) {
                let error = moves
                    .last_error(&address.id)
                    .unwrap_or("no standby is left");
                let address = address.address;
                sentence.push_str(&format!(
                    "; its external address {address} could not be moved and becomes free: {error}"
                ));
            }
        }
        sentence
    }

    fn hindrance(
        &self,
        action: &Action,
        ground: Ground,
        moved: &BTreeSet<ExternalAddressId>,
        gave_up: bool,
    ) -> Option<Hindrance> {
        if self.is_stopping() {
            return Some(Hindrance::Stopping);
        }
        if gave_up {
            return Some(Hindrance::ProviderFailed);
        }
        let now = self.parts.clock.now();
        let listed = self.listing.as_ref().map(|listing| listing.taken);
        let (listed, quiet_until) = match ground {
            Ground::List => (listed.unwrap_or_default(), self.quiet_until),
            Ground::Addresses { asked } => (asked, self.addresses.quiet_until()),
        };
        if now < quiet_until {
            return Some(Hindrance::AskedToWait);
        }
        if self.unanswered.is_left_out(&Object::of(action), now) {
            return Some(Hindrance::Unanswered);
        }
        if now.since(listed) > LIST_IS_GOOD_FOR {
            return Some(Hindrance::OldList);
        }
        if self.pace.plan_is_old(now) && !self.is_still_wanted(action, now) {
            return Some(Hindrance::News);
        }
        match action {
            Action::Delete { after, .. } if !after.iter().all(|id| moved.contains(id)) => {
                Some(Hindrance::AddressNotMoved)
            }
            Action::Create { .. } if self.creation_has_to_wait(now) => {
                Some(Hindrance::CreationFailed)
            }
            _ => None,
        }
    }

    /// Whether a new list is all that an action wants which was not begun.
    fn wants_a_list(&self, why: Hindrance, action: &Action) -> bool {
        match (why, action) {
            (Hindrance::OldList | Hindrance::News | Hindrance::CreationFailed, _) => true,
            // It goes with the moves that it waits for.
            (Hindrance::AddressNotMoved, Action::Delete { after, .. }) => {
                let is_failed = |id: &ExternalAddressId| Object::Address(id.clone());
                !after.iter().any(|id| self.failed.contains(&is_failed(id)))
            }
            _ => false,
        }
    }

    /// Whether creations have begun to wait since the plan was made: by a deletion of the same plan,
    /// or since the time is over in which servers of the last one should have shown.
    fn creation_has_to_wait(&self, now: Moment) -> bool {
        let is_backing_off = self.memory.backoff().is_some_and(|b| now < b.until);
        is_backing_off || self.memory.is_overdue(now)
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

    /// How many of the next actions are begun at the same time: deletions, none of which waits for another.
    fn together(&self, first: &Action, rest: &[Action]) -> usize {
        let is_deletion = |action: &&Action| matches!(action, Action::Delete { .. });
        if !is_deletion(&first) {
            return 1;
        }
        rest.iter()
            .take(self.places())
            .take_while(is_deletion)
            .count()
    }

    /// Carries actions out, and leaves out those that something hinders: these give `Ok`.
    fn carry_out(&mut self, plan: &Plan, group: &[Begun<'_>]) -> Vec<Result<(), ProviderError>> {
        let request = |begun: &Begun<'_>| match begun.action {
            Action::Delete { replica, .. } if begun.hindrance.is_none() => {
                Some(Request::Delete(replica.clone()))
            }
            _ => None,
        };
        let deletions: Vec<Request> = group.iter().filter_map(request).collect();
        let mut deleted = if deletions.is_empty() {
            Vec::new()
        } else {
            self.have_all_done(deletions)
        }
        .into_iter();
        let mut results = Vec::with_capacity(group.len());
        for begun in group {
            if begun.hindrance.is_some() {
                results.push(Ok(()));
                continue;
            }
            let result = match begun.action {
                Action::Delete {
                    replica, reason, ..
                } => {
                    let result = deleted.next().unwrap_or_else(|| Err(lost()));
                    if result.is_ok() {
                        let now = self.parts.clock.now();
                        self.memory.deletion_accepted(replica, *reason, now);
                    }
                    result
                }
                Action::MoveAddress {
                    address,
                    from,
                    to,
                    reason,
                } => self.move_and_note(address, from.as_ref(), to, *reason),
                Action::Create { count } => self.create(*count),
            };
            self.ended(plan, begun, &result);
            results.push(result);
        }
        results
    }

    fn move_and_note(
        &mut self,
        address: &ExternalAddress,
        from: Option<&ReplicaId>,
        to: &ReplicaId,
        reason: MoveReason,
    ) -> Result<(), ProviderError> {
        let moved = self.move_address(address, to);
        match &moved {
            Ok(()) => {
                self.memory.moves_mut().succeeded(&address.id);
                self.note_move(from, reason);
            }
            Err(error) => self.move_failed(&address.id, from, to, error),
        }
        moved
    }

    fn create(&mut self, count: NonZeroU64) -> Result<(), ProviderError> {
        let mark = self.memory.creation_sent(count.get());
        let order = Order {
            count,
            mark,
            name_part: mark.instance.name_part(mark.number),
        };
        let result = self.try_call(Request::Create(order), Reply::created);
        let outcome = match &result {
            Ok(accepted) => Ok(accepted.clone()),
            Err(error) => Err(error.as_create_failure()),
        };
        let now = self.parts.clock.now();
        let is_refused = |failure: &CreateFailure| !failure.outcome_unknown;
        if !outcome.as_ref().is_err_and(is_refused) {
            self.lookout.asked(now);
        }
        self.memory.creation_answered(count.get(), outcome, now);
        self.tell_name_changes();
        result.map(drop)
    }

    /// Takes in what an action came to, whatever it was.
    fn ended(&mut self, plan: &Plan, begun: &Begun<'_>, result: &Result<(), ProviderError>) {
        let now = self.parts.clock.now();
        if let Err(error) = result {
            self.obey(error, now);
            if matches!(begun.action, Action::MoveAddress { .. }) {
                self.addresses.obey(error, now);
            }
        }
        // A creation has its backoff.
        if !matches!(begun.action, Action::Create { .. }) {
            let got_no_answer = result.as_ref().is_err_and(|e| e.kind.is_no_answer());
            let interval = self.parts.scaling_interval;
            self.unanswered
                .ended(Object::of(begun.action), got_no_answer, now, interval);
        }
        let when = self.when();
        self.journal.ended(
            when,
            &self.parts.policy,
            (plan, begun.action, &begun.sentence),
            result,
            &self.parts.watcher,
        );
    }

    fn move_failed(
        &mut self,
        address: &ExternalAddressId,
        from: Option<&ReplicaId>,
        to: &ReplicaId,
        error: &ProviderError,
    ) {
        let now = self.parts.clock.now();
        let changed = error.kind == ProviderErrorKind::Changed;
        if !changed && !error.kind.concerns_the_provider() {
            self.memory.address_refused(to, now);
        }
        let failure = MoveFailure {
            error: short_text(&chain(error)).into(),
            changed,
            outcome_unknown: error.outcome_unknown,
        };
        let moves = self.memory.moves_mut();
        moves.failed(address, from, to, failure, now);
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
        let standby = self.standby(to);
        self.have_done(Request::Move(address.clone(), standby))?;
        // What is known now, so that the same move is not wanted again before the next list.
        if let Some(listing) = &mut self.listing {
            let listed = listing.external_addresses.iter_mut();
            for known in listed.filter(|known| known.id == address.id) {
                known.holder = Holder::Server(to.clone());
            }
            self.holders = listing.holders();
        }
        Ok(())
    }
}
