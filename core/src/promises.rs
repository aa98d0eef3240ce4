//! The promises that every plan must keep, written down a second time and independently.
//!
//! The scaler checks each plan against them before it applies it, and so do the tests.

use super::{
    Action, Assessment, DeleteReason, Holder, Memory, Moment, Plan, Policy, ReplicaId, ReplicaState,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// A promise that a plan breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Violation {
    /// An action on a server that is not of the pool.
    StrangerTouched,
    /// A locked, held, unknown, leaving, serving or just silent replica is deleted, or one that has not
    /// said often enough that it is done.
    ProtectedReplicaDeleted,
    /// Most of the pool is deleted at once, for what it has said for no longer than a moment.
    TerminatesTooMany,
    /// An external address is taken from a replica that serves, or from outside the pool.
    AddressTakenFromHolder,
    /// An external address goes to a replica that does not serve or has one already.
    AddressGivenToUnfit,
    /// More is created than is missing.
    CreatesMoreThanMissing,
    /// The pool would exceed `REPLICA_MAX_COUNT`.
    MaxCountExceeded,
    /// More would be creating at a time than `REPLICA_MAX_CREATING`.
    MaxCreatingExceeded,
    /// Something is created although creations have to wait.
    CreatesWhileWaiting,
    /// Something is created or deleted on a list that has to be confirmed.
    ActsOnShrunkenList,
    /// The order is not: addresses, deletions, the creation.
    WrongOrder,
    /// Two actions of the same kind have the same object.
    Repeated,
}

/// Which promises a plan breaks; none, if all is well.
#[must_use]
pub fn violations(
    policy: &Policy,
    memory: &Memory,
    plan: &Plan,
    now: Moment,
) -> BTreeSet<Violation> {
    let mut found = BTreeSet::new();
    let mut deleted = BTreeSet::new();
    let mut moved = BTreeSet::new();
    let mut served = memory.holders().clone();
    let mut stage = 0;
    let mut created = 0_u64;
    for action in &plan.actions {
        let (this_stage, repeated) = match action {
            Action::MoveAddress {
                address, from, to, ..
            } => {
                found.extend(bad_source(&plan.assessment, &address.holder, from.as_ref()));
                if !matches!(
                    plan.assessment.state(to),
                    Some(ReplicaState::Serving { .. })
                ) || !served.insert(to.clone())
                {
                    found.insert(Violation::AddressGivenToUnfit);
                }
                (0, !moved.insert(address.id.clone()))
            }
            Action::Delete {
                replica, reason, ..
            } => {
                found.extend(bad_deletion(
                    policy,
                    memory,
                    &plan.assessment,
                    replica,
                    *reason,
                ));
                (1, !deleted.insert(replica.clone()))
            }
            Action::Create { count } => {
                created = created.saturating_add(count.get());
                (2, stage == 2)
            }
        };
        if repeated {
            found.insert(Violation::Repeated);
        }
        if this_stage < stage {
            found.insert(Violation::WrongOrder);
        }
        stage = this_stage;
    }
    if terminates_too_many(policy, memory, plan) {
        found.insert(Violation::TerminatesTooMany);
    }
    if memory.shrunken_list().is_some() && (created > 0 || !deleted.is_empty()) {
        found.insert(Violation::ActsOnShrunkenList);
    }
    if created > 0 {
        found.extend(bad_creation(policy, memory, &plan.assessment, created, now));
    }
    found
}

/// Whether three or more, and most of what is there, would go for an answer that none of them has
/// repeated a probe interval later.
fn terminates_too_many(policy: &Policy, memory: &Memory, plan: &Plan) -> bool {
    let is_hasty = |action: &&Action| match action {
        Action::Delete {
            replica,
            reason: DeleteReason::Termination,
            ..
        } => memory.record(replica).is_some_and(|record| {
            let (ended, took) = record.last_probe.unwrap_or_default();
            let since = record.done_since.unwrap_or_default();
            (ended - took).since(since) < policy.probe_interval
                && (record.has_served || !record.created_since_start)
        }),
        _ => false,
    };
    let hasty = plan.actions.iter().filter(is_hasty).count();
    let is_there = |state: &&ReplicaState| **state != ReplicaState::Leaving;
    let states = plan.assessment.replicas.iter().map(|r| &r.state);
    hasty >= 3 && hasty * 2 > states.filter(is_there).count()
}

fn bad_source(
    assessment: &Assessment,
    holder: &Holder,
    from: Option<&ReplicaId>,
) -> Option<Violation> {
    let fits = match (holder, from) {
        (Holder::Nobody, None) => true,
        (Holder::Server(id), Some(from)) => {
            id == from
                && matches!(
                    assessment.state(id),
                    Some(
                        ReplicaState::Finished
                            | ReplicaState::Unreachable { .. }
                            | ReplicaState::Failed(_)
                            | ReplicaState::Creating(_)
                            | ReplicaState::Starting
                    )
                )
        }
        _ => false,
    };
    (!fits).then_some(Violation::AddressTakenFromHolder)
}

fn bad_deletion(
    policy: &Policy,
    memory: &Memory,
    assessment: &Assessment,
    replica: &ReplicaId,
    reason: DeleteReason,
) -> Option<Violation> {
    let (Some(record), Some(state)) = (memory.record(replica), assessment.state(replica)) else {
        return Some(Violation::StrangerTouched);
    };
    let never_served = record.certainly_never_served(memory.instance(), false);
    let answers = record.failures < policy.failure_threshold;
    // What the replica says of itself comes before everything that the cloud says of it.
    let is_needed = answers && record.answer.is_some_and(|answer| !answer.termination);
    let fits = !record.server.locked
        && !is_needed
        && memory.is_listed(record)
        && match state {
            ReplicaState::Failed(_) => {
                let unheard = record.has_served && answers && record.probe_address().is_some();
                matches!(reason, DeleteReason::Error | DeleteReason::Stopped) && !unheard
            }
            ReplicaState::Finished => {
                reason == DeleteReason::Termination
                    && record.done_in_a_row >= policy.termination_confirmations
            }
            ReplicaState::Creating(_) => {
                reason == DeleteReason::StartupTimeout
                    && !record.may_have_run
                    && !record.server.marks.served
            }
            ReplicaState::Starting => reason == DeleteReason::StartupTimeout && never_served,
            ReplicaState::Unreachable { .. } => match reason {
                DeleteReason::StartupTimeout => never_served,
                other => other == DeleteReason::UnreachableTimeout,
            },
            ReplicaState::Serving { .. }
            | ReplicaState::Finishing { .. }
            | ReplicaState::Checking
            | ReplicaState::Held
            | ReplicaState::Unknown { .. }
            | ReplicaState::Leaving => false,
        };
    (!fits).then_some(Violation::ProtectedReplicaDeleted)
}

fn bad_creation(
    policy: &Policy,
    memory: &Memory,
    assessment: &Assessment,
    created: u64,
    now: Moment,
) -> Vec<Violation> {
    let mut found = Vec::new();
    // All but the last of the new replicas must still leave the pool below its floor.
    let without_last = policy
        .capacity
        .get()
        .saturating_mul(created - 1)
        .saturating_add(
            assessment
                .replicas
                .iter()
                .map(|r| r.counts)
                .fold(0, u64::saturating_add),
        )
        .saturating_add(policy.capacity.get().saturating_mul(memory.awaited(now)));
    if without_last >= policy.floor {
        found.push(Violation::CreatesMoreThanMissing);
    }
    // What has been leaving for ten minutes may do so for ever.
    let is_stuck = |since: Moment| now.since(since) >= Duration::from_secs(600);
    let counts = assessment.replicas.iter().filter(|replica| {
        let record = memory.record(&replica.id);
        let since = record.and_then(|record| record.leaving_since);
        !(replica.state == ReplicaState::Leaving && since.is_some_and(is_stuck))
    });
    let pool = (counts.count() as u64).saturating_add(memory.awaited(now));
    if policy
        .max_count
        .is_some_and(|max| pool.saturating_add(created) > max.get())
    {
        found.push(Violation::MaxCountExceeded);
    }
    let creating = assessment.creating().saturating_add(memory.awaited(now));
    if policy
        .max_creating
        .is_some_and(|max| creating.saturating_add(created) > max.get())
    {
        found.push(Violation::MaxCreatingExceeded);
    }
    let waits = memory.backoff().is_some_and(|b| now < b.until);
    let waits = waits || memory.held_until(now).is_some();
    if waits || memory.undecided_until(now).is_some() {
        found.push(Violation::CreatesWhileWaiting);
    }
    found
}
