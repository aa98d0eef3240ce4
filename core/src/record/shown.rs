//! What lists have shown of a replica, and since when.

use crate::{CloudTime, Creating, Moment};
use std::time::Duration;

/// When a server became active, as it was when a list first told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Launch {
    pub(crate) time: CloudTime,
    pub(crate) ago: Duration,
    pub(crate) seen: Moment,
}

/// How lists have shown a replica being created, without a break.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShownCreating {
    pub(super) why: Creating,
    pub(super) last: Moment,
    /// For how long, until the last list.
    pub(super) time: Duration,
    /// For how long, until the list before it.
    pub(super) time_before: Duration,
}

impl ShownCreating {
    pub(super) fn first(why: Creating, at: Moment) -> Self {
        Self {
            why,
            last: at,
            time: Duration::ZERO,
            time_before: Duration::ZERO,
        }
    }
}
