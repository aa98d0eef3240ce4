//! Extra lists after a creation: a new server is probed as soon as a list shows it running, and the next regular list may
//! be half a minute away.

use crate::pool::{Builds, Listing, Moment, ReplicaId, ServerState};
use std::collections::BTreeMap;

/// How many looks may be planned at a time, however many creations there are.
const MOST: usize = 12;
/// How many builds are followed at a time.
const FOLLOWED: usize = 1_000;

/// When the list is worth a look.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    builds: Builds,
    /// The last creation.
    asked: Option<Moment>,
    /// Servers that lists have shown being built, and when they were asked for.
    building: BTreeMap<ReplicaId, Moment>,
    /// In order.
    looks: Vec<Moment>,
    last_list: Option<Moment>,
}

impl Lookout {
    /// Servers were asked for, and there may be some.
    pub(super) fn asked(&mut self, now: Moment) {
        self.asked = Some(now);
        self.looks
            .extend(self.builds.looks().iter().map(|wait| now + *wait));
        self.looks.sort_unstable();
        self.looks.truncate(MOST);
    }

    /// When the next look is due.
    pub(super) fn next(&self) -> Option<Moment> {
        let next = *self.looks.first()?;
        Some(
            self.last_list
                .map_or(next, |last| next.max(last + Builds::APART)),
        )
    }

    /// Whether a look is due.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        self.next().is_some_and(|next| next <= now)
    }

    /// A list was asked for, for whatever reason: it serves all looks that were due.
    pub(super) fn looks_now(&mut self, now: Moment) {
        self.last_list = Some(now);
        self.looks.retain(|look| *look > now);
    }

    /// Learns from a list how long builds take. Nothing is looked for any more once nothing is being built or awaited.
    pub(super) fn listed(&mut self, listing: &Listing, is_known: impl Fn(&ReplicaId) -> bool) {
        let Some(asked) = self.asked else { return };
        let mut building = BTreeMap::new();
        for server in &listing.servers {
            let since = self.building.get(&server.id).copied();
            match server.state {
                ServerState::Creating(_) if building.len() < FOLLOWED => {
                    building.insert(server.id.clone(), since.unwrap_or(asked));
                }
                ServerState::Running(_) => {
                    let is_new = since.is_some() || !is_known(&server.id);
                    if is_new {
                        let seen = listing.taken.since(since.unwrap_or(asked));
                        // The cloud's own times are exact; how long it took until a list showed it is not.
                        let told = match (server.created, server.launched) {
                            (Some(created), Some(launched)) if launched >= created => {
                                launched.since(created)
                            }
                            _ => seen,
                        };
                        self.builds.took(told.min(seen));
                    }
                }
                _ => {}
            }
        }
        self.building = building;
    }

    /// All that was asked for has shown and none of it is being built: there is nothing to look for.
    pub(super) fn settle(&mut self, awaited: u64) {
        if awaited == 0 && self.building.is_empty() {
            self.looks.clear();
            self.asked = None;
        }
    }
}
