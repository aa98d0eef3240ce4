//! The decision: from what is known to what is to be done, and why.

use super::{
    Assessment, BackoffCause, ExternalAddress, ExternalAddressId, Holder, Listing, Memory, Moment,
    Phase, Policy, Record, ReplicaId, ServerState, assess, deletions::plan_deletions,
};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

/// Why a replica is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeleteReason {
    /// The provider shows an error state.
    Error,
    /// The guest is off.
    Stopped,
    /// It says itself that it is done.
    Termination,
    /// It did not come up within `REPLICA_STARTUP_TIMEOUT`.
    StartupTimeout,
    /// It has been unreachable for `REPLICA_UNREACHABLE_TIMEOUT`.
    UnreachableTimeout,
}

impl DeleteReason {
    /// A short stable word for JSON, logs and counters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Stopped => "stopped",
            Self::Termination => "termination",
            Self::StartupTimeout => "startup-timeout",
            Self::UnreachableTimeout => "unreachable-timeout",
        }
    }
}

/// Why an external address goes to another replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MoveReason {
    /// Its holder is about to be deleted, for this reason.
    HolderGoes(DeleteReason),
    /// Its holder does not answer.
    HolderUnreachable,
    /// Nobody has it.
    Free,
}

impl MoveReason {
    /// A short stable word for JSON, logs and counters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HolderGoes(_) => "holder-goes",
            Self::HolderUnreachable => "holder-unreachable",
            Self::Free => "free",
        }
    }
}

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
    /// It is not known whether the last creation made servers.
    OutcomeUnknown {
        /// Until when a list is given time to show them.
        until: Moment,
    },
    /// `REPLICA_MAX_COUNT` is reached.
    MaxCount {
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
    /// The provider shows it as failed or unfinished, and it answers without "done".
    StillAnswers,
    /// It is one of many that say at once that they are done, and has to say so once more.
    MassTermination {
        /// When it is asked for that, once a list has shown those that turned.
        until: Option<Moment>,
    },
    /// No replica answers at all, so that the fault may well be on this side.
    NobodyAnswers,
    /// The last list lacks so much of the pool that the next one has to confirm it.
    ShrunkenList {
        /// How many replicas it lacks.
        missing: usize,
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
    /// An external address stays where it is of no use, because no standby is there.
    MoveAddress {
        /// The external address.
        address: ExternalAddressId,
        /// Why it would be moved.
        reason: MoveReason,
    },
}

impl Blocked {
    /// All words that [`Blocked::name`] can give.
    pub const NAMES: [&'static str; 11] = [
        "backoff",
        "outcome-unknown",
        "max-count",
        "shrunken-list",
        "locked",
        "still-starting",
        "may-have-run",
        "still-answers",
        "mass-termination",
        "nobody-answers",
        "no-standby",
    ];

    /// A short stable word for JSON, logs and counters.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { why, .. } => match why {
                CreateBlock::Backoff { .. } => "backoff",
                CreateBlock::OutcomeUnknown { .. } => "outcome-unknown",
                CreateBlock::MaxCount { .. } => "max-count",
                CreateBlock::ShrunkenList { .. } => "shrunken-list",
            },
            Self::Delete { why, .. } => match why {
                DeleteBlock::Locked => "locked",
                DeleteBlock::StillStarting { .. } => "still-starting",
                DeleteBlock::MayHaveRun => "may-have-run",
                DeleteBlock::StillAnswers => "still-answers",
                DeleteBlock::MassTermination { .. } => "mass-termination",
                DeleteBlock::NobodyAnswers => "nobody-answers",
                DeleteBlock::ShrunkenList { .. } => "shrunken-list",
            },
            Self::MoveAddress { .. } => "no-standby",
        }
    }

    /// Until when it is blocked, where that is known.
    #[must_use]
    pub fn until(&self) -> Option<Moment> {
        match self {
            Self::Create {
                why: CreateBlock::Backoff { until, .. } | CreateBlock::OutcomeUnknown { until },
                ..
            }
            | Self::Delete {
                why: DeleteBlock::StillStarting { until },
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

/// Plans completely, without doing anything.
#[must_use]
pub fn plan(policy: &Policy, memory: &Memory, listing: &Listing, now: Moment) -> Plan {
    let assessment = assess(policy, memory, now);
    let mut plan = Plan {
        missing: policy.missing(assessment.available),
        ..Plan::default()
    };
    let deletions = plan_deletions(
        policy,
        memory,
        &assessment,
        (listing.taken, now),
        &mut plan.blocked,
    );
    let moves = if policy.external_addresses {
        let going = going(&deletions, &plan.blocked);
        plan_moves(memory, &assessment, listing, &going, &mut plan.blocked)
    } else {
        Vec::new()
    };
    // INVARIANT: addresses, then deletions, then the creation. An address that its holder takes
    // along into deletion is lost to callers until the next cycle.
    for (replica, reason) in deletions {
        let after = moves_before(&moves, &replica, reason);
        plan.actions.push(Action::Delete {
            replica,
            reason,
            after,
        });
    }
    plan.actions.splice(0..0, moves);
    let count = plan_creation(policy, memory, plan.missing, now, &mut plan.blocked);
    if let Some(count) = NonZeroU64::new(count) {
        plan.actions.push(Action::Create { count });
    }
    plan.assessment = assessment;
    plan
}

/// The replicas that are no place for an external address any more: those about to be deleted,
/// and those that only the operator's lock keeps.
fn going(
    deletions: &[(ReplicaId, DeleteReason)],
    blocked: &[Blocked],
) -> BTreeMap<ReplicaId, DeleteReason> {
    let kept = blocked.iter().filter_map(|blocked| match blocked {
        Blocked::Delete {
            replica,
            reason,
            why: DeleteBlock::Locked,
        } => Some((replica.clone(), *reason)),
        _ => None,
    });
    deletions.iter().cloned().chain(kept).collect()
}

fn plan_moves(
    memory: &Memory,
    assessment: &Assessment,
    listing: &Listing,
    going: &BTreeMap<ReplicaId, DeleteReason>,
    blocked: &mut Vec<Blocked>,
) -> Vec<Action> {
    let mut wanted: Vec<(MoveReason, Option<ReplicaId>, &ExternalAddress)> = listing
        .external_addresses
        .iter()
        .filter_map(|address| {
            let (reason, from) = reason_to_move(memory, assessment, &address.holder, going)?;
            Some((reason, from, address))
        })
        .collect();
    // INVARIANT: first what is about to go, then what is silent, then what is free: with few
    // standbys, an address that a caller may still be using matters more than an unused one.
    wanted.sort_by(|(a, _, x), (b, _, y)| (a, &x.id).cmp(&(b, &y.id)));
    let mut standbys = standbys(memory, assessment, listing, wanted.len()).into_iter();
    let mut moves = Vec::new();
    for (reason, from, address) in wanted {
        match standbys.next() {
            Some(to) => moves.push(Action::MoveAddress {
                address: address.clone(),
                from,
                to,
                reason,
            }),
            None => blocked.push(Blocked::MoveAddress {
                address: address.id.clone(),
                reason,
            }),
        }
    }
    moves
}

/// Why an address should leave its holder, and which replica that is. An address on a port that
/// belongs to no replica of the pool is left alone.
fn reason_to_move(
    memory: &Memory,
    assessment: &Assessment,
    holder: &Holder,
    going: &BTreeMap<ReplicaId, DeleteReason>,
) -> Option<(MoveReason, Option<ReplicaId>)> {
    let id = match holder {
        Holder::Nobody => return Some((MoveReason::Free, None)),
        Holder::Stranger => return None,
        Holder::Server(id) => id,
    };
    let reason = match going.get(id) {
        Some(reason) => MoveReason::HolderGoes(*reason),
        None => match assessment.phase(id)? {
            Phase::Unreachable { .. } => MoveReason::HolderUnreachable,
            _ => return None,
        },
    };
    memory
        .record(id)
        .map(|r| (reason, Some(r.server.id.clone())))
}

/// So many serving replicas without an external address, the oldest first so that the choice is
/// stable; but last of all those that could not be given one, the latest of them last.
#[must_use]
pub fn standbys(
    memory: &Memory,
    assessment: &Assessment,
    listing: &Listing,
    count: usize,
) -> Vec<ReplicaId> {
    if count == 0 {
        return Vec::new();
    }
    let holders = listing.holders();
    // What a believed list lacks is forgotten.
    let all_are_listed = memory.shrunken_list().is_none();
    let mut standbys: Vec<(Option<Moment>, Reverse<Duration>, &ReplicaId)> = memory
        .records()
        .zip(assessment.replicas.iter())
        .filter(|(record, assessed)| {
            matches!(assessed.phase, Phase::Serving { .. })
                && matches!(record.server.state, ServerState::Running(_))
                && (all_are_listed || memory.is_listed(record))
        })
        .map(|(r, assessed)| (r.refused_address, Reverse(assessed.age), &assessed.id))
        .filter(|(_, _, id)| !holders.contains(*id))
        .collect();
    if count < standbys.len() {
        standbys.select_nth_unstable(count);
        standbys.truncate(count);
    }
    standbys.sort_unstable();
    standbys.into_iter().map(|(_, _, id)| id.clone()).collect()
}

/// The moves that must succeed before a replica may be deleted. An address on a replica that is
/// broken anyway holds nothing up: its deletion frees the address.
fn moves_before(
    moves: &[Action],
    replica: &ReplicaId,
    reason: DeleteReason,
) -> Vec<ExternalAddressId> {
    if reason != DeleteReason::Termination {
        return Vec::new();
    }
    moves
        .iter()
        .filter_map(|action| match action {
            Action::MoveAddress {
                address,
                from: Some(from),
                ..
            } if from == replica => Some(address.id.clone()),
            _ => None,
        })
        .collect()
}

fn plan_creation(
    policy: &Policy,
    memory: &Memory,
    missing: u64,
    now: Moment,
    blocked: &mut Vec<Blocked>,
) -> u64 {
    if missing == 0 {
        return 0;
    }
    let backoff = memory.backoff().filter(|b| now < b.until);
    let why = if let Some(list) = memory.shrunken_list() {
        Some(CreateBlock::ShrunkenList {
            missing: list.missing.len(),
        })
    } else if let Some(until) = memory.undecided_until(now) {
        Some(CreateBlock::OutcomeUnknown { until })
    } else {
        backoff.map(|b| CreateBlock::Backoff {
            cause: b.cause,
            until: b.until,
        })
    };
    if let Some(why) = why {
        blocked.push(Blocked::Create {
            count: missing,
            why,
        });
        return 0;
    }
    let Some(max) = policy.max_count else {
        return missing;
    };
    let counts = |record: &&std::sync::Arc<Record>| !record.is_stuck_leaving(now);
    let pool = memory.records().filter(counts).count() as u64;
    let room = max
        .get()
        .saturating_sub(pool.saturating_add(memory.awaited(now)));
    if missing > room {
        blocked.push(Blocked::Create {
            count: missing - room,
            why: CreateBlock::MaxCount { max: max.get() },
        });
    }
    missing.min(room)
}
