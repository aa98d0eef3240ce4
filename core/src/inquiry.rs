//! What a list lacks is asked for one by one before it is believed gone: a list may lag, or come from a part of the
//! cloud that does not know everything.

use super::{Moment, Policy, Record, ReplicaId, Server, ServerState};
use std::collections::BTreeMap;
use std::time::Duration;

/// What asking for one server came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// It is there, as if listed.
    There(Box<Server>),
    /// It is there, and not of the pool any more.
    Left,
    /// The cloud knows no such server.
    Gone,
    /// The cloud did not answer: it stays as it was.
    NotKnown,
    /// There was too much to ask for, or no time: it stays as it was.
    NotAsked,
}

impl Looked {
    /// Whether nothing is known of it.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::NotKnown | Self::NotAsked)
    }
}

/// What was asked beside a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inquiry(pub BTreeMap<ReplicaId, Looked>);

impl Inquiry {
    /// How many servers are asked for beside one list.
    pub const AT_ONCE: usize = 20;

    pub(super) fn of(&self, id: &ReplicaId) -> Option<&Looked> {
        self.0.get(id)
    }

    /// The servers that are there although the list lacks them.
    pub fn found(&self) -> impl Iterator<Item = &Server> {
        self.0.values().filter_map(|looked| match looked {
            Looked::There(server) => Some(server.as_ref()),
            _ => None,
        })
    }

    /// How many are not known.
    #[must_use]
    pub fn not_known(&self) -> usize {
        self.0.values().filter(|looked| looked.is_unknown()).count()
    }
}

impl Record {
    /// Whether a list should have it.
    pub(super) fn is_expected(&self) -> bool {
        let is_deleted = self.delete_under_way || self.delete_accepted.is_some();
        !is_deleted && self.server.state != ServerState::Leaving
    }

    /// Whether its last probe was answered.
    pub(super) fn answers_now(&self) -> bool {
        self.answer.is_some() && self.failures == 0 && self.is_probed()
    }

    /// Takes in what asking for it beside a list that lacks it came to. Returns whether it stays as it was.
    ///
    /// While it answers, the cloud's word alone is not enough: where nothing is known of it, for as long as that is
    /// so; where it is said not to be there, until that has been said often enough and for long enough.
    pub(super) fn stays_untold(&mut self, policy: &Policy, looked: &Looked, now: Moment) -> bool {
        const LONG: Duration = Duration::from_secs(900);
        let since = *self.untold_since.get_or_insert(now);
        match looked {
            Looked::There(_) | Looked::Left => false,
            Looked::Gone => {
                let (first, times) = self.denied.unwrap_or((now, 0));
                let times = times.saturating_add(1);
                self.denied = Some((first, times));
                let is_confirmed =
                    times >= Policy::GONE_IS_SAID && now.since(first) >= Policy::GONE_FOR;
                self.answers_now() && !is_confirmed
            }
            Looked::NotKnown | Looked::NotAsked => {
                let is_silent = self.failures >= policy.failure_threshold;
                let answers = self.answer.is_some() && self.is_probed();
                (answers && !is_silent) || now.since(since) < LONG
            }
        }
    }
}
