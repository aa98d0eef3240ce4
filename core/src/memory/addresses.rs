//! The external addresses as they are known: from their last list, and from what was moved since.

use super::Memory;
use crate::{ExternalAddress, ExternalAddressId, Holder, Moment, ReplicaId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The external addresses, and who has one.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses {
    known: Vec<ExternalAddress>,
    /// When they were asked for; `None`: they have never been listed.
    asked: Option<Moment>,
    holders: BTreeSet<ReplicaId>,
    /// Since when lists show an address at an older revision than one before.
    older_since: BTreeMap<ExternalAddressId, Moment>,
}

impl Addresses {
    /// For so long a list may lag behind another one; an older revision that is shown for longer is the true one.
    const LISTS_LAG_BY: Duration = Duration::from_secs(120);

    fn note_holders(&mut self) {
        let servers = self.known.iter().flat_map(|a| a.holder.servers().cloned());
        self.holders = servers.collect();
    }
}

impl Memory {
    /// The external addresses, each where it is known to be; empty without external address management.
    #[must_use]
    pub fn external_addresses(&self) -> &[ExternalAddress] {
        &self.addresses.known
    }

    /// The servers, of the pool or not, that have an external address of the pool.
    #[must_use]
    pub fn holders(&self) -> &BTreeSet<ReplicaId> {
        &self.addresses.holders
    }

    /// Whether the external addresses were listed since the servers were, or with them.
    #[must_use]
    pub fn addresses_are_fresh(&self) -> bool {
        self.listed_at
            .is_none_or(|listed| self.addresses.asked.is_some_and(|asked| asked >= listed))
    }

    /// Whether a list of the external addresses that was asked for later has come before this one.
    #[must_use]
    pub fn has_newer_addresses(&self, asked: Moment) -> bool {
        self.addresses.asked.is_some_and(|newest| asked < newest)
    }

    /// Takes in a list of the external addresses. Returns the moves of unknown outcome that it shows to have been made.
    pub fn addresses_listed(
        &mut self,
        mut listed: Vec<ExternalAddress>,
        asked: Moment,
        now: Moment,
    ) -> Vec<(ExternalAddressId, ReplicaId)> {
        let confirmed = self.moves.confirmed(&listed, asked);
        for (address, _) in &confirmed {
            self.moves.succeeded(address, now);
        }
        let mut older_since = std::mem::take(&mut self.addresses.older_since);
        older_since.retain(|id, _| listed.iter().any(|address| address.id == *id));
        for address in &mut listed {
            let is_same = |known: &&ExternalAddress| known.id == address.id;
            let Some(known) = self.addresses.known.iter().find(is_same) else {
                continue;
            };
            // Where it has been moved since the list was made, it is where that has left it.
            let is_newer = match (known.revision, address.revision) {
                (Some(known), Some(listed)) => known > listed,
                _ => {
                    self.moves.is_moved_since(&address.id, asked)
                        && !confirmed.iter().any(|(id, _)| *id == address.id)
                }
            };
            if !is_newer {
                older_since.remove(&address.id);
                continue;
            }
            let since = *older_since.entry(address.id.clone()).or_insert(asked);
            if asked.since(since) <= Addresses::LISTS_LAG_BY {
                *address = known.clone();
            }
        }
        self.addresses.older_since = older_since;
        self.addresses.known = listed;
        self.addresses.asked = Some(asked);
        self.addresses.note_holders();
        // Only such a list decides what was open: one of the servers alone says nothing of it.
        self.moves.listed(asked);
        confirmed
    }

    /// Takes in that an external address, as it was when that was asked for, was moved, so that the same move is not
    /// wanted again before the next list.
    pub fn address_moved(&mut self, was: &ExternalAddress, to: &ReplicaId, now: Moment) {
        self.moves.succeeded(&was.id, now);
        // So the answer has said: only then is it certain that it was moved by this request.
        let revision = was.revision.map(|revision| revision.saturating_add(1));
        let known = self.addresses.known.iter_mut();
        for address in known.filter(|address| address.id == was.id) {
            // A list that came before the answer shows it already, or even what somebody else has done since.
            if revision.is_some() && address.revision >= revision {
                continue;
            }
            address.holder = Holder::Server(to.clone());
            address.revision = revision;
        }
        self.addresses.note_holders();
    }

    /// Whether a move of an external address was answered after the addresses were listed, or is under way.
    #[must_use]
    pub fn is_moved_since_listed(&self, id: &ExternalAddressId) -> bool {
        self.moves
            .is_newer(id, self.addresses.asked.unwrap_or_default())
    }
}
