//! Carrying out a plan.

use super::{Clock, Probes, Scaler, Watcher, chain};
use crate::pool::{
    Action, ActionReport, CycleReport, DeleteReason, ExternalAddress, ExternalAddressId, Holder,
    Moment, MoveReason, Note, Outcome, Plan, ReplicaId, plan, violations,
};
use crate::provider::{Provider, ProviderError};
use std::collections::BTreeSet;
use std::time::Duration;

/// How old a list may be when an action is begun: this thread, or the whole machine, may have
/// stood still since. Long enough for many slow requests in one cycle.
const LIST_IS_GOOD_FOR: Duration = Duration::from_secs(120);

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

impl<P: Provider, Q: Probes, C: Clock, W: Watcher> Scaler<P, Q, C, W> {
    /// Carries a plan out in its order, without choosing.
    pub(super) fn apply(&mut self, plan: &Plan) {
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
        self.pace.changed();
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
        if self.pace.has_news() && !self.is_still_wanted(action, now) {
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
}
