//! The decision: from what is known to what is to be done, and why.

mod creation;
mod deletions;
mod moves;

use crate::{
    Assessment, BackoffCause, ExternalAddress, ExternalAddressId, Memory, Moment, Policy,
    ReplicaId, assess, names,
};
pub use moves::standbys;
use std::num::NonZeroU64;
use std::sync::Arc;

/// Why a replica is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeleteReason {
    /// The cloud shows an error state.
    Error,
    /// The guest is off.
    Stopped,
    /// It has reported termination=true.
    Termination,
    /// It did not come up within `REPLICA_STARTUP_TIMEOUT`.
    StartupTimeout,
    /// It has been unreachable for `REPLICA_UNREACHABLE_TIMEOUT`.
    UnreachableTimeout,
}

names!(DeleteReason {
    Self::Error => "error",
    Self::Stopped => "stopped",
    Self::Termination => "termination",
    Self::StartupTimeout => "startup-timeout",
    Self::UnreachableTimeout => "unreachable-timeout",
});

/// Why an external address goes to another replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MoveReason {
    /// Its holder is about to be deleted, for this reason.
    HolderGoes(DeleteReason),
    /// Its holder does not answer.
    HolderUnreachable,
    /// No replica has it.
    Free,
}

names!(MoveReason {
    Self::HolderGoes(_) => "holder-goes",
    Self::HolderUnreachable => "holder-unreachable",
    Self::Free => "free",
});

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Point an external address to a replica.
    MoveAddress {
        /// The external address, as listed.
        address: ExternalAddress,
        /// The replica that had it.
        from: Option<ReplicaId>,
        /// The replica that gets it.
        to: ReplicaId,
        /// Why.
        reason: MoveReason,
    },
    /// Delete a replica.
    Delete {
        /// The replica.
        replica: ReplicaId,
        /// Why.
        reason: DeleteReason,
        /// Moves of this plan that must have succeeded before.
        after: Vec<ExternalAddressId>,
    },
    /// Create replicas.
    Create {
        /// How many.
        count: NonZeroU64,
    },
}

/// Why a wanted creation is not (wholly) in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateBlock {
    /// Creations have failed; the next try is at `until`.
    Backoff {
        /// The latest cause.
        cause: BackoffCause,
        /// When the next creation may be tried.
        until: Moment,
    },
    /// A creation waits for its answer; there is one at a time.
    UnderWay {
        /// Since when.
        since: Moment,
    },
    /// It is not known whether the last creation made servers.
    OutcomeUnknown {
        /// Until when a list is given time to show them.
        until: Moment,
    },
    /// The process that ran before this one may have ordered servers that no list shows yet.
    JustStarted {
        /// Until when a list is given time to show them.
        until: Moment,
    },
    /// `REPLICA_MAX_COUNT` is reached.
    MaxCount {
        /// The limit.
        max: u64,
    },
    /// `REPLICA_MAX_CREATING` is reached.
    MaxCreating {
        /// The limit.
        max: u64,
    },
    /// The last list lacks so much of the pool that the next one has to confirm it.
    ShrunkenList {
        /// How many replicas it lacks.
        missing: usize,
    },
}

/// Why a replica that would be deleted is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteBlock {
    /// The operator locked it.
    Locked,
    /// It says "delete me", but has never said anything else and may still be starting.
    StillStarting {
        /// When its word is taken for it.
        until: Moment,
    },
    /// It is not shown running, but cannot be shown never to have held a session.
    MayHaveRun,
    /// The cloud shows it as failed or unfinished, and it answers without "done".
    StillAnswers,
    /// It is one of many that say at once that they are done, and has to say so once more.
    MassTermination {
        /// When it is asked for that, once a list has shown those that turned.
        until: Option<Moment>,
    },
    /// It says that it is done, at an address that the cloud does not show on it any more: it may be another one.
    AddressNotShown,
    /// No replica answers at all, so that the fault may well be on this side.
    NobodyAnswers,
    /// The last list lacks so much of the pool that the next one has to confirm it.
    ShrunkenList {
        /// How many replicas it lacks.
        missing: usize,
    },
    /// It is finished and has an external address that cannot be moved for now.
    AddressNotMoved {
        /// When the move is tried again, if it is not a list that is waited for.
        until: Option<Moment>,
    },
}

/// Why an external address that should be elsewhere is not moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveBlock {
    /// No serving replica is without an external address.
    NoStandby,
    /// The cloud has refused each move that there is a standby for.
    Refused {
        /// The standby that is tried next.
        by: ReplicaId,
        /// Why it could not be given the address, in the cloud's words.
        error: Arc<str>,
        /// When it is tried again.
        until: Moment,
    },
    /// The last request left open what came of it: the next list shows where the address is.
    OutcomeUnknown {
        /// The replica that it may be on by now.
        to: ReplicaId,
    },
}

/// Something that the plan would have done and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// Replicas are missing and not created.
    Create {
        /// How many.
        count: u64,
        /// Why not.
        why: CreateBlock,
    },
    /// A replica is not deleted.
    Delete {
        /// The replica.
        replica: ReplicaId,
        /// Why it would be.
        reason: DeleteReason,
        /// Why it is not.
        why: DeleteBlock,
    },
    /// An external address stays where it is of no use.
    MoveAddress {
        /// The external address.
        address: ExternalAddressId,
        /// The replica that has it.
        from: Option<ReplicaId>,
        /// Why it would be moved.
        reason: MoveReason,
        /// Why it is not.
        why: MoveBlock,
    },
}

names!(Blocked {
    Self::Create { why: CreateBlock::Backoff { .. }, .. } => "backoff",
    Self::Create { why: CreateBlock::UnderWay { .. }, .. } => "creation-under-way",
    Self::Create { why: CreateBlock::OutcomeUnknown { .. }, .. }
        | Self::MoveAddress { why: MoveBlock::OutcomeUnknown { .. }, .. } => "outcome-unknown",
    Self::Create { why: CreateBlock::JustStarted { .. }, .. } => "just-started",
    Self::Create { why: CreateBlock::MaxCount { .. }, .. } => "max-count",
    Self::Create { why: CreateBlock::MaxCreating { .. }, .. } => "max-creating",
    Self::Create { why: CreateBlock::ShrunkenList { .. }, .. }
        | Self::Delete { why: DeleteBlock::ShrunkenList { .. }, .. } => "shrunken-list",
    Self::Delete { why: DeleteBlock::Locked, .. } => "locked",
    Self::Delete { why: DeleteBlock::StillStarting { .. }, .. } => "still-starting",
    Self::Delete { why: DeleteBlock::MayHaveRun, .. } => "may-have-run",
    Self::Delete { why: DeleteBlock::StillAnswers, .. } => "still-answers",
    Self::Delete { why: DeleteBlock::MassTermination { .. }, .. } => "mass-termination",
    Self::Delete { why: DeleteBlock::AddressNotShown, .. } => "address-not-shown",
    Self::Delete { why: DeleteBlock::NobodyAnswers, .. } => "nobody-answers",
    Self::Delete { why: DeleteBlock::AddressNotMoved { .. }, .. } => "address-not-moved",
    Self::MoveAddress { why: MoveBlock::NoStandby, .. } => "no-standby",
    Self::MoveAddress { why: MoveBlock::Refused { .. }, .. } => "move-refused",
});

impl MoveBlock {
    /// The standby that it is about, if there is any.
    #[must_use]
    pub fn standby(&self) -> Option<&ReplicaId> {
        match self {
            Self::NoStandby => None,
            Self::Refused { by: standby, .. } | Self::OutcomeUnknown { to: standby } => {
                Some(standby)
            }
        }
    }
}

impl Blocked {
    /// Until when it is blocked, where that is known.
    #[must_use]
    pub fn until(&self) -> Option<Moment> {
        match self {
            Self::Create {
                why:
                    CreateBlock::Backoff { until, .. }
                    | CreateBlock::OutcomeUnknown { until }
                    | CreateBlock::JustStarted { until },
                ..
            }
            | Self::Delete {
                why:
                    DeleteBlock::StillStarting { until }
                    | DeleteBlock::AddressNotMoved { until: Some(until) },
                ..
            }
            | Self::MoveAddress {
                why: MoveBlock::Refused { until, .. },
                ..
            } => Some(*until),
            Self::Delete {
                why: DeleteBlock::MassTermination { until },
                ..
            } => *until,
            _ => None,
        }
    }
}

/// What is to be done, in this order, and what is not, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What each replica is worth.
    pub assessment: Assessment,
    /// The actions: first addresses, then deletions, then the creation.
    pub actions: Vec<Action>,
    /// What would have been done and is not.
    pub blocked: Vec<Blocked>,
    /// How many replicas are missing to reach the floor, before any limit.
    pub missing: u64,
}

/// What one step of the plan comes to: what it wants done, in order, and what it would have wanted and why not.
#[derive(Debug)]
struct Step<A> {
    actions: Vec<A>,
    blocked: Vec<Blocked>,
}

impl<A> Default for Step<A> {
    fn default() -> Self {
        Self {
            actions: Vec::new(),
            blocked: Vec::new(),
        }
    }
}

/// Plans completely, without doing anything.
#[must_use]
pub fn plan(policy: &Policy, memory: &Memory, now: Moment) -> Plan {
    let assessment = assess(policy, memory, now);
    let missing = policy.missing(assessment.available);
    let wanted = deletions::wanted(policy, memory, &assessment, now);
    let moves = if policy.external_addresses {
        moves::plan_moves(memory, &assessment, &wanted, now)
    } else {
        Step::default()
    };
    let deletions = deletions::after_moves(memory, &wanted, &moves, now);
    let creation = creation::plan_creation(policy, memory, &assessment, missing, now);
    // INVARIANT: addresses, then deletions, then the creation. An address that its holder takes
    // along into deletion is lost to callers until the next cycle.
    Plan {
        actions: [moves.actions, deletions.actions, creation.actions].concat(),
        blocked: [
            wanted.blocked,
            moves.blocked,
            deletions.blocked,
            creation.blocked,
        ]
        .concat(),
        assessment,
        missing,
    }
}
