//! Why an action of a plan is not begun.

use super::{LIST_IS_GOOD_FOR, service_of};
use crate::cloud::{Calls, Service};
use crate::pool::{Action, ExternalAddressId, Moment, SkipReason, plan};
use crate::scaler::agenda::{Ground, Object};
use crate::scaler::{Clock, Observer, Probes, Scaler};

impl<P: Calls, Q: Probes, C: Clock, W: Observer> Scaler<P, Q, C, W> {
    /// Why an action is not begun, if anything speaks against it now.
    pub(super) fn hindrance(
        &self,
        action: &Action,
        ground: Ground,
        now: Moment,
    ) -> Option<SkipReason> {
        if self.is_stopping() {
            return Some(SkipReason::Stopping);
        }
        let service = service_of(action);
        if self.agenda.failed.contains(&service) {
            return Some(SkipReason::CloudFailed);
        }
        if now < self.jobs.paused_until(service) {
            return Some(SkipReason::AskedToWait);
        }
        let object = Object::of(action);
        if self.needs_names(action) && now < self.jobs.paused_until(Service::All) {
            return Some(SkipReason::AskedToWait);
        }
        if self.cooldowns.is_left_out(&object, now) {
            return Some(SkipReason::Unanswered);
        }
        let listed = self.memory.listed_at();
        let listed = match ground {
            Ground::List => listed.unwrap_or_default(),
            Ground::Addresses { asked } => asked,
        };
        if now.since(listed) > LIST_IS_GOOD_FOR {
            return Some(SkipReason::OldList);
        }
        let is_move = matches!(action, Action::MoveAddress { .. });
        if is_move && ground == Ground::List && !self.memory.addresses_are_fresh() {
            return Some(SkipReason::OldAddresses);
        }
        if self.is_tried_since(&object, listed) {
            return Some(SkipReason::TriedSince);
        }
        match action {
            Action::Delete { after, .. }
                if !after.iter().all(|id| self.agenda.moved.contains(id)) =>
            {
                Some(SkipReason::AddressNotMoved)
            }
            Action::Create { .. } if self.creation_has_to_wait(now) => {
                Some(SkipReason::CreationFailed)
            }
            _ if !self.is_still_wanted(action, now) => Some(SkipReason::Superseded),
            _ => None,
        }
    }

    /// INVARIANT: what was begun is not begun again before its outcome and a list that was asked for after that.
    fn is_tried_since(&self, object: &Object, listed: Moment) -> bool {
        let is_later = |answered: &Moment| *answered > listed;
        match object {
            Object::Address(id) => self.memory.is_moved_since_listed(id),
            _ => self.jobs.concern(object) || self.answered.get(object).is_some_and(is_later),
        }
    }

    /// Whether a new list is all that an action wants which was not begun.
    pub(super) fn wants_a_list(&self, why: SkipReason, action: &Action) -> bool {
        match (why, action) {
            (
                SkipReason::OldList
                | SkipReason::TriedSince
                | SkipReason::Superseded
                | SkipReason::CreationFailed,
                _,
            ) => true,
            // It goes with the moves that it waits for.
            (SkipReason::AddressNotMoved, Action::Delete { after, .. }) => {
                let is_failed = |id: &ExternalAddressId| Object::Address(id.clone());
                self.memory.addresses_are_fresh()
                    && !after.iter().any(|id| self.failed.contains(&is_failed(id)))
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

    /// Whether a plan made now would still have an action of the plan that is being carried out. A
    /// replica may have said something else in the meantime.
    fn is_still_wanted(&self, action: &Action, now: Moment) -> bool {
        let anew;
        let newest = if self.pace.plan_is_old(now) {
            anew = plan(&self.parts.policy, &self.memory, now);
            &anew
        } else {
            &self.plan
        };
        newest.actions.iter().any(|other| match (action, other) {
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
                // As it is known by now: who has it, and which of its revisions.
            ) => address == same && to == now,
            _ => false,
        })
    }
}
