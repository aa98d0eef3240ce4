//! Which creations came to nothing, by what became of their servers.

use super::super::{
    BackoffCause, Failed, Moment, Policy, Record, ReplicaState, ServerState, assess,
};
use super::Memory;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Memory {
    /// A new server that ended before it ever served, did not come up in its time, or did and came to nothing all the
    /// same, is a failed creation. That is noted with the list, so that the plan made from it waits already.
    pub(super) fn blame_failed_creations(&mut self, policy: &Policy, now: Moment) {
        let failed: Vec<(u64, BackoffCause)> = self
            .records
            .values()
            .filter_map(|r| Some((r.creation, self.came_to_nothing(policy, r, now)?)))
            .collect();
        let doubtful = |cause| matches!(cause, BackoffCause::NeverFree | BackoffCause::EndedEarly);
        let worst = if failed.iter().any(|(_, cause)| doubtful(*cause)) {
            let good = self.good_creations();
            let has_failed = |(creation, cause): &(u64, BackoffCause)| {
                !doubtful(*cause) || !good.contains(creation)
            };
            failed.into_iter().filter(has_failed).max()
        } else {
            failed.into_iter().max()
        };
        if let Some((creation, cause)) = worst {
            self.creations.record_failure(creation, cause, now);
        }
    }

    /// Servers that went without having been deleted here are failures if they had come to nothing.
    pub(super) fn blame_vanished(&mut self, policy: &Policy, gone: &[Arc<Record>], now: Moment) {
        let cause = |record: &Record| vanished(policy, record);
        let failed = gone.iter().filter_map(|r| Some((r.creation, cause(r)?)));
        let Some((creation, cause)) = failed.max() else {
            return;
        };
        if !self.good_creations().contains(&creation) {
            self.creations.record_failure(creation, cause, now);
        }
    }

    /// The creations of which a replica has come to something, or can be taken now.
    fn good_creations(&self) -> BTreeSet<u64> {
        let is_good = |record: &&Arc<Record>| {
            let answers = record.failures == 0 && record.is_probed();
            let is_free = record.answer.is_some_and(|a| !a.termination && a.free > 0);
            record.creation > 0 && (record.trial.is_proven() || (answers && is_free))
        };
        let good = self.records.values().filter(is_good);
        good.map(|record| record.creation).collect()
    }

    fn came_to_nothing(
        &self,
        policy: &Policy,
        record: &Record,
        now: Moment,
    ) -> Option<BackoffCause> {
        let grace = policy.startup_grace;
        let is_ours = record.creation > 0;
        if record.server.state == ServerState::Leaving {
            return vanished(policy, record);
        }
        if record.has_served {
            let trial = &record.trial;
            if !is_ours || trial.is_proven() {
                return None;
            }
            return match assess::state(policy, self.clocks, record, now) {
                ReplicaState::Serving { free: 0 } if trial.was_never_free(grace) => {
                    Some(BackoffCause::NeverFree)
                }
                ReplicaState::Failed(_)
                | ReplicaState::Unreachable { .. }
                | ReplicaState::Finished
                    if trial.would_end_early(grace) =>
                {
                    Some(BackoffCause::EndedEarly)
                }
                _ => None,
            };
        }
        let never_launched = !record.has_come_up() && record.server.launched.is_none();
        if !(is_ours || never_launched) {
            return None;
        }
        match assess::state(policy, self.clocks, record, now) {
            ReplicaState::Failed(Failed::Error) => Some(BackoffCause::ServerError),
            ReplicaState::Failed(Failed::Stopped)
            | ReplicaState::Unreachable { .. }
            | ReplicaState::Finished
                if is_ours =>
            {
                Some(BackoffCause::NeverCameUp)
            }
            _ => None,
        }
    }
}

/// Why one that goes, or has gone, and was not deleted here is a failure, if it is.
fn vanished(policy: &Policy, record: &Record) -> Option<BackoffCause> {
    let is_deleted = record.delete_under_way || record.delete_accepted.is_some();
    let is_ours = record.creation > 0 && !is_deleted;
    if !is_ours {
        None
    } else if record.trial.would_end_early(policy.startup_grace) {
        Some(BackoffCause::EndedEarly)
    } else {
        (!record.has_come_up()).then_some(BackoffCause::NeverCameUp)
    }
}
