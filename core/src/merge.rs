//! What several pools have planned, in one order: that in which requests are begun where not all can be at once.

use crate::Action;
use std::collections::BTreeMap;

/// Puts what pools have planned and not begun in one order: moves, creations, deletions, since callers wait for a move
/// and for a creation, and for no deletion. Within each of these the pools take turns, in the order in which they are
/// handed in, and what one pool has planned keeps its own order.
///
/// `quota_is_used_up`: what is to be created fits into the project only when something is deleted first, so that
/// deletions go before creations.
#[must_use]
pub fn merge<T>(
    pools: Vec<Vec<T>>,
    action: impl Fn(&T) -> &Action,
    quota_is_used_up: bool,
) -> Vec<T> {
    let class = |planned: &T| match action(planned) {
        Action::MoveAddress { .. } => 0,
        Action::Create { .. } if !quota_is_used_up => 1,
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
