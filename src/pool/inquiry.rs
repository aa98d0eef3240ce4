//! What a list lacks is asked for one by one before it is believed gone: a list may lag, or come from a part of the
//! provider that does not know everything.

use super::{Moment, Record, ReplicaId, Server, ServerState};
use std::collections::BTreeMap;
use std::time::Duration;

/// What asking for one server came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// It is there, as if listed.
    There(Box<Server>),
    /// The provider knows no such server, or it is not of the pool any more.
    Gone,
    /// The provider did not answer: it stays as it was.
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
        self.delete_accepted.is_none() && self.server.state != ServerState::Leaving
    }

    /// Takes in that nothing is known of it beside a list that lacks it. Returns whether it is believed to be gone all
    /// the same: lists have not had it for long, and neither does it answer.
    pub(super) fn is_given_up(&mut self, threshold: u32, now: Moment) -> bool {
        const LONG: Duration = Duration::from_secs(900);
        let since = *self.untold_since.get_or_insert(now);
        let answers = self.answer.is_some() && self.failures < threshold && self.is_probed();
        !answers && now.since(since) >= LONG
    }
}
