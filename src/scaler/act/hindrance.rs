//! Why an action of a plan is not begun.

use super::{Ground, LIST_IS_GOOD_FOR, Object, service_of};
use crate::cloud::{Calls, Service};
use crate::pool::{Action, ExternalAddressId, Moment, plan};
use crate::scaler::{Clock, Probes, Scaler, Watcher};

/// Why an action of a plan is not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hindrance {
    Stopping,
    CloudFailed,
    AskedToWait,
    Unanswered,
    OldList,
    OldAddresses,
    TriedSince,
    News,
    AddressNotMoved,
    CreationFailed,
}

impl Hindrance {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Stopping => "the daemon is stopping",
            Self::CloudFailed => "the cloud failed at an earlier step",
            Self::AskedToWait => "the cloud asked to wait",
            Self::Unanswered => "the cloud has not answered this lately",
            Self::OldList => "the list is too old by now",
            Self::OldAddresses => "the external addresses could not be listed",
            Self::TriedSince => "it was tried after the list was asked for",
            Self::News => "a newer answer, or the time that has passed, rules it out",
            Self::AddressNotMoved => "its external address could not be moved",
            Self::CreationFailed => "servers of an earlier creation failed or did not show",
        }
    }
}

impl<P: Calls, Q: Probes, C: Clock, W: Watcher> Scaler<P, Q, C, W> {
    pub(super) fn hindrance(
        &self,
        action: &Action,
        ground: Ground,
        now: Moment,
    ) -> Option<Hindrance> {
        if self.is_stopping() {
            return Some(Hindrance::Stopping);
        }
        let service = service_of(action);
        if self.agenda.failed.contains(&service) {
            return Some(Hindrance::CloudFailed);
        }
        if now < self.jobs.quiet_until(service) {
            return Some(Hindrance::AskedToWait);
        }
        let object = Object::of(action);
        if self.needs_names(action) && now < self.jobs.quiet_until(Service::All) {
            return Some(Hindrance::AskedToWait);
        }
        if self.unanswered.is_left_out(&object, now) {
            return Some(Hindrance::Unanswered);
        }
        let listed = self.memory.listed_at();
        let listed = match ground {
            Ground::List => listed.unwrap_or_default(),
            Ground::Addresses { asked } => asked,
        };
        if now.since(listed) > LIST_IS_GOOD_FOR {
            return Some(Hindrance::OldList);
        }
        let is_move = matches!(action, Action::MoveAddress { .. });
        if is_move && ground == Ground::List && !self.memory.addresses_are_fresh() {
            return Some(Hindrance::OldAddresses);
        }
        if self.is_tried_since(&object, listed) {
            return Some(Hindrance::TriedSince);
        }
        if !self.is_still_wanted(action, now) {
            return Some(Hindrance::News);
        }
        match action {
            Action::Delete { after, .. }
                if !after.iter().all(|id| self.agenda.moved.contains(id)) =>
            {
                Some(Hindrance::AddressNotMoved)
            }
            Action::Create { .. } if self.creation_has_to_wait(now) => {
                Some(Hindrance::CreationFailed)
            }
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
    pub(super) fn wants_a_list(&self, why: Hindrance, action: &Action) -> bool {
        match (why, action) {
            (
                Hindrance::OldList
                | Hindrance::TriedSince
                | Hindrance::News
                | Hindrance::CreationFailed,
                _,
            ) => true,
            // It goes with the moves that it waits for.
            (Hindrance::AddressNotMoved, Action::Delete { after, .. }) => {
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
            ) => address.id == same.id && to == now,
            _ => false,
        })
    }
}
