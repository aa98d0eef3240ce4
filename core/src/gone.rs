//! Replicas that went from the lists of late. One that a list had only left out comes back as what
//! it was, and not as a new one.

use super::{Moment, Record, ReplicaId};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is still known of a replica that went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Past {
    at: Moment,
    /// The newest creation that it may stem from: it is not one of the servers that are being waited
    /// for, and does not show that the last creation succeeded.
    pub(super) creation: u64,
    /// It may hold a session.
    pub(super) may_have_run: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Gone(BTreeMap<ReplicaId, Past>);

impl Gone {
    pub(super) fn forget_older_than(&mut self, age: Duration, now: Moment) {
        self.0.retain(|_, past| now.since(past.at) <= age);
    }

    pub(super) fn went(&mut self, record: &Record, now: Moment) {
        let past = Past {
            at: now,
            creation: record.creation,
            may_have_run: record.may_have_run,
        };
        self.0.insert(record.server.id.clone(), past);
    }

    pub(super) fn came_back(&mut self, id: &ReplicaId) -> Option<Past> {
        self.0.remove(id)
    }
}
