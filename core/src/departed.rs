//! Replicas that went from the lists of late. One that a list had only left out comes back as what
//! it was, and not as a new one.

use super::{DeleteReason, Moment, Record, ReplicaId};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is still known of a replica that went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Past {
    at: Moment,
    /// The newest creation that it may stem from: it is not one of the servers that are being waited
    /// for, and does not show that the last creation succeeded.
    pub(super) creation: u64,
    /// Why its deletion was asked for.
    pub(super) deleted_for: Option<DeleteReason>,
    /// It may hold a session.
    pub(super) may_have_run: bool,
    /// The cloud has not said that it is gone: nothing was known of it for long, and it may come back.
    given_up: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Departed(BTreeMap<ReplicaId, Past>);

impl Departed {
    /// For how long one is known that was given up, and how many of them are, however long an outage lasts.
    const GIVEN_UP_FOR: Duration = Duration::from_secs(86_400);
    const MOST: usize = 10_000;

    pub(super) fn forget_older_than(&mut self, age: Duration, now: Moment) {
        self.0.retain(|_, past| {
            let age = if past.given_up {
                Self::GIVEN_UP_FOR
            } else {
                age
            };
            now.since(past.at) <= age
        });
    }

    pub(super) fn remember(&mut self, record: &Record, given_up: bool, now: Moment) {
        if self.0.len() >= Self::MOST {
            return;
        }
        let past = Past {
            at: now,
            creation: record.creation,
            deleted_for: record.deleted_for,
            may_have_run: record.may_have_run,
            given_up,
        };
        self.0.insert(record.server.id.clone(), past);
    }

    /// Why the deletion of one that went was asked for.
    pub(super) fn deleted_for(&self, id: &ReplicaId) -> Option<DeleteReason> {
        self.0.get(id)?.deleted_for
    }

    pub(super) fn take_back(&mut self, id: &ReplicaId) -> Option<Past> {
        self.0.remove(id)
    }
}
