//! How many replicas are created, and why not more.

use super::{Action, Blocked, CreateBlock, Step};
use crate::{Assessment, Memory, Moment, Policy, Record};
use std::num::NonZeroU64;
use std::sync::Arc;

/// Creates what is missing, as far as nothing speaks against it.
pub(super) fn plan_creation(
    policy: &Policy,
    memory: &Memory,
    assessment: &Assessment,
    missing: u64,
    now: Moment,
) -> Step<Action> {
    let (count, why) = match (missing, waits_for(memory, now)) {
        (0, _) => return Step::default(),
        (_, Some(why)) => (0, why),
        (_, None) => {
            let (room, why) = room(policy, memory, assessment, now);
            (missing.min(room), why)
        }
    };
    let create = |count| Action::Create { count };
    let left = missing - count;
    Step {
        actions: NonZeroU64::new(count).map(create).into_iter().collect(),
        blocked: (left > 0)
            .then_some(Blocked::Create { count: left, why })
            .into_iter()
            .collect(),
    }
}

/// Why nothing at all is created for now, if so.
fn waits_for(memory: &Memory, now: Moment) -> Option<CreateBlock> {
    let backoff = memory.backoff().filter(|b| now < b.until);
    if let Some(list) = memory.shrunken_list() {
        Some(CreateBlock::ShrunkenList {
            missing: list.missing.len(),
        })
    } else if let Some(since) = memory.creation_under_way() {
        Some(CreateBlock::UnderWay { since })
    } else if let Some(until) = memory.undecided_until(now) {
        Some(CreateBlock::OutcomeUnknown { until })
    } else if let Some(until) = memory.held_until(now) {
        Some(CreateBlock::JustStarted { until })
    } else {
        backoff.map(|b| CreateBlock::Backoff {
            cause: b.cause,
            until: b.until,
        })
    }
}

/// How many may be created under the limits, and which of them binds.
fn room(
    policy: &Policy,
    memory: &Memory,
    assessment: &Assessment,
    now: Moment,
) -> (u64, CreateBlock) {
    let awaited = memory.awaited(now);
    let counts = |record: &&Arc<Record>| !record.is_stuck_leaving(now);
    let pool = memory.records().filter(counts).count() as u64;
    let creating = assessment.creating().saturating_add(awaited);
    let room = |max: Option<NonZeroU64>, used: u64| {
        max.map_or(u64::MAX, |max| max.get().saturating_sub(used))
    };
    let (in_pool, at_once) = (
        room(policy.max_count, pool.saturating_add(awaited)),
        room(policy.max_creating, creating),
    );
    if in_pool <= at_once {
        let max = policy.max_count.map_or(0, NonZeroU64::get);
        (in_pool, CreateBlock::MaxCount { max })
    } else {
        let max = policy.max_creating.map_or(0, NonZeroU64::get);
        (at_once, CreateBlock::MaxCreating { max })
    }
}
