//! When any replica at all has answered.

use super::{Moment, Policy};
use std::time::Duration;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PoolSilence {
    since: Option<Moment>,
    last: Option<Moment>,
}

impl PoolSilence {
    /// Since when there has been no silence of all replicas together for half the time for which one
    /// may be silent. During such a silence the fault may well be on this side.
    pub(super) fn since(self) -> Option<Moment> {
        self.since
    }

    pub(super) fn heard(&mut self, policy: &Policy, now: Moment) {
        let longest_gap = policy.unreachable_timeout.unwrap_or(Duration::MAX) / 2;
        if self.last.is_none_or(|last| now.since(last) >= longest_gap) {
            self.since = Some(now);
        }
        self.last = Some(now);
    }
}
