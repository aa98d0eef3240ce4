//! Who is to be probed next, ordered by time.

use super::{Moment, ReplicaId};
use std::collections::BTreeSet;

/// The replicas that wait for a probe. Those that are being probed, or are not to be, are absent.
#[derive(Debug, Clone, Default)]
pub(super) struct Schedule {
    waiting: BTreeSet<(Moment, ReplicaId)>,
}

impl Schedule {
    /// A replica that was waiting for `before` now waits for `after`; `None`: it is not waiting.
    pub(super) fn moved(&mut self, id: &ReplicaId, before: Option<Moment>, after: Option<Moment>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.waiting.remove(&(before, id.clone()));
        }
        if let Some(after) = after {
            self.waiting.insert((after, id.clone()));
        }
    }

    /// When the first one is due.
    pub(super) fn next(&self) -> Option<Moment> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// Those that are due, the one that has waited longest first.
    pub(super) fn due(&self, now: Moment) -> impl Iterator<Item = &ReplicaId> {
        self.waiting
            .iter()
            .take_while(move |(due, _)| *due <= now)
            .map(|(_, id)| id)
    }
}
