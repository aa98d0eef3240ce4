//! What is to be done, and what is being done, as the scaler's parts name it to each other.

use crate::cloud::Service;
use crate::pool::{Action, Assessed, ExternalAddressId, Moment, Plan, ReplicaId, Subject};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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

/// An action that is to be begun.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) action: Action,
    pub(super) ground: Ground,
    /// The plan that it belongs to.
    pub(super) plan: u64,
}

/// An action under way.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) action: Action,
    pub(super) sentence: String,
    /// What its replica was worth then.
    pub(super) assessed: Option<Assessed>,
    pub(super) plan: u64,
}

impl Begun {
    /// The replica that it is about.
    pub(super) fn subject(&self) -> Option<Subject> {
        self.assessed.as_ref().map(Assessed::subject)
    }
}

/// A plan whose actions have not all ended.
#[derive(Debug)]
pub(super) struct OpenPlan {
    pub(super) left: usize,
    pub(super) began: Moment,
}

/// What is to be done, and what has come of it so far.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    pub(super) queue: VecDeque<Planned>,
    pub(super) plan: Plan,
    /// Addresses that were moved since the last list.
    pub(super) moved: BTreeSet<ExternalAddressId>,
    /// Services that failed since then, in a way that concerns all requests.
    pub(super) failed: BTreeSet<Service>,
    /// The names were looked up for the creation of this plan.
    pub(super) names_are_new: bool,
    pub(super) open: BTreeMap<u64, OpenPlan>,
    pub(super) last_plan: u64,
}

impl Agenda {
    /// Whether an action on this object is still to be begun.
    pub(super) fn has(&self, object: &Object) -> bool {
        let mut actions = self.queue.iter().map(|planned| &planned.action);
        actions.any(|action| Object::of(action) == *object)
    }
}
