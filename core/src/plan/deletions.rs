//! Which replicas are to be deleted, and why others are not.

use super::moves::{Wait, waits_for};
use super::{Action, Blocked, DeleteBlock, DeleteReason, Step};
use crate::{
    Assessed, Assessment, Creating, Failed, Memory, Moment, Policy, Record, ReplicaId,
    ReplicaState, ServerState,
};
use std::sync::Arc;
use std::time::Duration;

/// The deletions that the tables call for, and what speaks against others of them.
pub(super) fn wanted(
    policy: &Policy,
    memory: &Memory,
    assessment: &Assessment,
    now: Moment,
) -> Step<(ReplicaId, DeleteReason)> {
    let anyone_answers = assessment.anyone_answers();
    let when = (memory.listed_at().unwrap_or_default(), now);
    let mut step = Step::default();
    let is_left = |(record, _): &(&Arc<Record>, &Assessed)| !record.delete_under_way;
    let all = memory.records().zip(assessment.replicas.iter());
    for (record, assessed) in all.filter(is_left) {
        let Some((reason, block)) = wanted_deletion(policy, memory, record, assessed, when) else {
            continue;
        };
        let why = if block.is_some() {
            block
        } else if record.server.locked {
            Some(DeleteBlock::Locked)
        } else if let Some(list) = memory.shrunken_list() {
            Some(DeleteBlock::ShrunkenList {
                missing: list.missing.len(),
            })
        } else if !memory.is_listed(record) {
            let missing = memory.untold();
            Some(DeleteBlock::ShrunkenList { missing })
        } else if let Some(wait) = memory
            .waits_for_confirmation(&record.server.id)
            .filter(|_| reason == DeleteReason::Termination)
        {
            Some(DeleteBlock::MassTermination {
                until: wait.until(),
            })
        } else if reason == DeleteReason::Termination && !is_asked_where_it_is_shown(record) {
            Some(DeleteBlock::AddressNotShown)
        } else if reason == DeleteReason::UnreachableTimeout && !anyone_answers {
            Some(DeleteBlock::NobodyAnswers)
        } else {
            None
        };
        let replica = record.server.id.clone();
        match why {
            Some(why) => step.blocked.push(Blocked::Delete {
                replica,
                reason,
                why,
            }),
            None => step.actions.push((replica, reason)),
        }
    }
    step
}

/// The wanted deletions, each after the moves that it waits for.
pub(super) fn after_moves(
    memory: &Memory,
    wanted: &Step<(ReplicaId, DeleteReason)>,
    moves: &Step<Action>,
    now: Moment,
) -> Step<Action> {
    let mut step = Step::default();
    for (replica, reason) in wanted.actions.iter().cloned() {
        match waits_for(memory, moves, (&replica, reason), now) {
            Wait::Moves(after) => step.actions.push(Action::Delete {
                replica,
                reason,
                after,
            }),
            Wait::Blocked(why) => step.blocked.push(Blocked::Delete {
                replica,
                reason,
                why,
            }),
            Wait::UnderWay => {}
        }
    }
    step
}

/// For how long, at least, lists before the last one must have shown a server being built before
/// it is deleted for that.
const SHOWN_BUILDING_FOR: Duration = Duration::from_secs(60);

/// What is to become of one that the cloud has not finished in its startup time.
fn unfinished_in_time(
    policy: &Policy,
    record: &Record,
    why: Creating,
    silent: bool,
) -> Option<(DeleteReason, Option<DeleteBlock>)> {
    if record.says_it_is_needed(policy) {
        let why = DeleteBlock::StillAnswers;
        return Some((DeleteReason::StartupTimeout, Some(why)));
    }
    if !never_ran(record, why) {
        return Some((DeleteReason::StartupTimeout, Some(DeleteBlock::MayHaveRun)));
    }
    // The list alone may be an old one, or have left out an address by mistake.
    let needed = policy.startup_timeout.map(|timeout| match why {
        Creating::Building => timeout.min(SHOWN_BUILDING_FOR),
        Creating::NoAddress => timeout,
    });
    let is_known = needed.is_some_and(|needed| record.time_shown_creating() >= needed);
    let can_be_asked = !record.server.addresses.is_empty();
    let is_asked = silent || record.answer.is_some() || !can_be_asked;
    (is_known && is_asked).then_some((DeleteReason::StartupTimeout, None))
}

/// Whether the tables call for a replica's deletion, and what of itself speaks against it, as
/// listed at one moment and to be done at another.
fn wanted_deletion(
    policy: &Policy,
    memory: &Memory,
    record: &Record,
    assessed: &Assessed,
    (listed, now): (Moment, Moment),
) -> Option<(DeleteReason, Option<DeleteBlock>)> {
    // Most replicas of a large pool are of no interest here, and their records need not be read.
    let is_safe = matches!(
        assessed.state,
        ReplicaState::Serving { .. }
            | ReplicaState::Finishing { .. }
            | ReplicaState::Checking
            | ReplicaState::Held
            | ReplicaState::Unknown { .. }
            | ReplicaState::Leaving
    );
    if is_safe {
        // The cloud calls it failed, and it does its work.
        let ServerState::Failed(how) = &record.server.state else {
            return None;
        };
        let answers = assessed.state.answers();
        return answers.then_some((reason_of(*how), Some(DeleteBlock::StillAnswers)));
    }
    let startup_is_over_at = |moment| {
        let startup_time = memory.startup_time(record, moment);
        let timeout = policy.startup_timeout;
        timeout.is_some_and(|timeout| startup_time >= timeout)
    };
    let silent = record.is_surely_silent(policy);
    // Silence lasts until the last failed probe and not until now: this thread may have stood
    // still, and nobody was asked in the meantime.
    let silent_until = record.silent_until.unwrap_or(now);
    let wanted = |reason| Some((reason, None));
    match assessed.state {
        ReplicaState::Failed(how) => wanted(reason_of(how)),
        ReplicaState::Finished => wanted(DeleteReason::Termination),
        // It is asked once more since the cloud shows it as failed, and then goes for that.
        ReplicaState::Unreachable { .. }
            if matches!(record.server.state, ServerState::Failed(_)) =>
        {
            None
        }
        // By the list: it may have been finished since.
        ReplicaState::Creating(why) if startup_is_over_at(listed) => {
            unfinished_in_time(policy, record, why, silent)
        }
        ReplicaState::Starting | ReplicaState::Unreachable { .. }
            if silent && memory.never_came_up(policy, record, silent_until) =>
        {
            wanted(DeleteReason::StartupTimeout)
        }
        ReplicaState::Starting if record.answer.is_some_and(|a| a.termination) && !silent => {
            let left = policy
                .startup_grace
                .saturating_sub(memory.active_for(record, now));
            let until = now + left;
            Some((
                DeleteReason::Termination,
                Some(DeleteBlock::StillStarting { until }),
            ))
        }
        ReplicaState::Unreachable { since }
            if silent
                && policy.unreachable_timeout.is_some_and(|timeout| {
                    let since = memory.answers_since().map_or(since, |at| since.max(at));
                    silent_until.since(since) >= timeout
                }) =>
        {
            wanted(DeleteReason::UnreachableTimeout)
        }
        _ => None,
    }
}

/// Whether the cloud shows the address at which it is asked on it.
fn is_asked_where_it_is_shown(record: &Record) -> bool {
    let shown = &record.server.addresses;
    record.probe_address().is_some_and(|at| shown.contains(&at))
}

fn reason_of(how: Failed) -> DeleteReason {
    match how {
        Failed::Error => DeleteReason::Error,
        Failed::Stopped => DeleteReason::Stopped,
    }
}

/// Whether a replica that is still being created has certainly never held a session. One that is
/// active without an address may have had one before this scaler started: the cloud may not
/// show it, or the settings name another network now.
fn never_ran(record: &Record, why: Creating) -> bool {
    let known = match why {
        Creating::Building => record.server.launched.is_none(),
        Creating::NoAddress => record.created_since_start,
    };
    known && !record.may_have_run && !record.server.marks.served
}
