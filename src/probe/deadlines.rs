//! When the exchanges under way have to be over.

use crate::pool::Moment;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How many deadlines of finished exchanges are kept, beside as many as exchanges are under way.
const MAX_FINISHED: usize = 1024;

/// When an exchange has to be over. Deadlines are compared by their ends first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deadline {
    pub(super) end: Moment,
    /// The exchange's number.
    pub(super) serial: u64,
    /// The slot of the exchange's connection.
    pub(super) slot: usize,
}

/// The deadlines of a shard's exchanges, the earliest first, whatever the timeouts of their endpoints.
///
/// An exchange that finishes in time leaves its deadline behind, since it would have to be searched for. It
/// is dropped when it is the earliest, or when there are too many of them.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BinaryHeap<Reverse<Deadline>>);

impl Deadlines {
    /// Adds a deadline. `under_way`: how many exchanges have not finished.
    ///
    /// INVARIANT: every exchange under way has its deadline here, or it would never time out. The new
    /// exchange is not in its slot yet, so its deadline is added after those of finished exchanges are dropped.
    pub(super) fn push(
        &mut self,
        deadline: Deadline,
        under_way: usize,
        is_under_way: impl Fn(&Deadline) -> bool,
    ) {
        // At least `under_way + MAX_FINISHED` are added from one such search to the next.
        if self.0.len() > 2 * under_way + MAX_FINISHED {
            self.0.retain(|Reverse(deadline)| is_under_way(deadline));
        }
        self.0.push(Reverse(deadline));
    }

    /// The earliest deadline of an exchange under way.
    pub(super) fn next(&mut self, is_under_way: impl Fn(&Deadline) -> bool) -> Option<Deadline> {
        while let Some(Reverse(deadline)) = self.0.peek() {
            if is_under_way(deadline) {
                return Some(*deadline);
            }
            self.0.pop();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    /// Exchanges with timeouts of their own begin and finish in any order: the next deadline is always the earliest
    /// of those under way, and what finished exchanges leave behind is bounded.
    fn check(steps: impl IntoIterator<Item = (bool, u16)>) {
        let mut deadlines = Deadlines::default();
        let mut under_way: BTreeSet<Deadline> = BTreeSet::new();
        for (step, (begins, number)) in steps.into_iter().enumerate() {
            if begins {
                let serial = step as u64;
                let deadline = Deadline {
                    end: Moment(Duration::from_millis(serial + u64::from(number))),
                    serial,
                    slot: step,
                };
                deadlines.push(deadline, under_way.len() + 1, |d| under_way.contains(d));
                under_way.insert(deadline);
            } else if let Some(any) = under_way
                .iter()
                .nth(usize::from(number) % under_way.len().max(1))
                .copied()
            {
                under_way.remove(&any);
            }
            if number % 4 == 0 {
                let next = deadlines.next(|d| under_way.contains(d));
                assert_eq!(next, under_way.first().copied());
            }
            assert!(deadlines.0.len() <= 2 * (under_way.len() + 1) + MAX_FINISHED + 1);
        }
        let order: Vec<Deadline> = std::iter::from_fn(|| {
            let next = deadlines.next(|d| under_way.contains(d))?;
            under_way.remove(&next).then_some(next)
        })
        .collect();
        assert!(under_way.is_empty());
        assert!(order.is_sorted());
    }

    #[test]
    fn one_that_hangs_does_not_keep_the_deadlines_of_those_that_finished() {
        let hanging = (true, 1);
        check(
            [hanging]
                .into_iter()
                .chain((0..20_000).map(|step| (step % 2 == 0, 60_001))),
        );
    }

    proptest! {
        #[test]
        fn the_earliest_comes_first(steps in proptest::collection::vec((any::<bool>(), any::<u16>()), 0..200)) {
            check(steps);
        }
    }
}
