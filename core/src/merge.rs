//! What several pools have planned, in one order: that in which requests are begun where not all can be at once.

use crate::Action;
use std::collections::BTreeMap;

/// How much may be asked of the cloud at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many requests may be under way (`OPENSTACK_CONCURRENCY`).
    pub places: usize,
    /// Whether a service gets only so many requests a second (`OPENSTACK_REQUESTS_PER_SECOND`).
    pub is_rated: bool,
}

/// Puts what pools have planned and not begun in one order: moves, deletions, creations. Within each of these the pools
/// take turns, in the order in which they are handed in, and what one pool has planned keeps its own order.
///
/// Where deletions take more than all places, and each second lets through only so many, creations go before them:
/// callers wait for those, and for no deletion.
#[must_use]
pub fn merge<T>(pools: Vec<Vec<T>>, action: impl Fn(&T) -> &Action, room: Room) -> Vec<T> {
    let all = pools.iter().flatten();
    let deletions = all.filter(|planned| matches!(action(planned), Action::Delete { .. }));
    let creations_first = room.is_rated && deletions.count() > room.places;
    let class = |planned: &T| match action(planned) {
        Action::MoveAddress { .. } => 0,
        Action::Create { .. } if creations_first => 1,
        Action::Delete { .. } => 2,
        Action::Create { .. } => 3,
    };
    let mut order = BTreeMap::new();
    for (pool, planned) in pools.into_iter().enumerate() {
        let mut turns = BTreeMap::new();
        for planned in planned {
            let class = class(&planned);
            let turn = turns.entry(class).or_insert(0);
            order.insert((class, *turn, pool), planned);
            *turn += 1;
        }
    }
    order.into_values().collect()
}
