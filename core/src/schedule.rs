//! Who is to be probed next, ordered by time.

use super::{Moment, ReplicaId};
use std::collections::BTreeSet;

/// When a replica is due to be probed, and whether it is a suspect: its last probe failed.
pub(super) type Due = (bool, Moment);

/// The replicas that wait for a probe. Those that are being probed, or are not to be, are absent.
#[derive(Debug, Clone, Default)]
pub(super) struct Schedule {
    living: BTreeSet<(Moment, ReplicaId)>,
    suspects: BTreeSet<(Moment, ReplicaId)>,
}

impl Schedule {
    /// A replica that was waiting for `before` now waits for `after`; `None`: it is not waiting.
    pub(super) fn moved(&mut self, id: &ReplicaId, before: Option<Due>, after: Option<Due>) {
        if before == after {
            return;
        }
        if let Some((is_suspect, before)) = before {
            self.of(is_suspect).remove(&(before, id.clone()));
        }
        if let Some((is_suspect, after)) = after {
            self.of(is_suspect).insert((after, id.clone()));
        }
    }

    fn of(&mut self, is_suspect: bool) -> &mut BTreeSet<(Moment, ReplicaId)> {
        if is_suspect {
            &mut self.suspects
        } else {
            &mut self.living
        }
    }

    /// When the first one is due.
    pub(super) fn next(&self) -> Option<Moment> {
        let firsts = [self.living.first(), self.suspects.first()];
        firsts.into_iter().flatten().map(|(due, _)| *due).min()
    }

    /// Those that are due: of those that live and then of the suspects, the one that has waited longest first. However
    /// many suspects are due, they come after all that live.
    pub(super) fn due(&self, now: Moment) -> impl Iterator<Item = &ReplicaId> {
        let is_due = move |(due, _): &&(Moment, ReplicaId)| *due <= now;
        let living = self.living.iter().take_while(is_due);
        let suspects = self.suspects.iter().take_while(is_due);
        living.chain(suspects).map(|(_, id)| id)
    }
}
