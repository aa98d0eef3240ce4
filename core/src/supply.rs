//! How the ready resources stood against the floor, second by second.

use super::{Assessment, Moment};
use std::time::Duration;

/// What callers found, as time passed. Each second is counted for what was known when it passed, so
/// that sums over any time are exact, whatever a chart keeps of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Supply {
    /// When the first list was looked at.
    first: Option<Moment>,
    last: Option<Moment>,
    /// Since when fewer resources are ready than the floor.
    pub below_since: Option<Moment>,
    /// Since when none is ready, with a floor above zero.
    pub none_since: Option<Moment>,
    /// Since when fewer resources are available than the floor: what is on its way does not make up
    /// for it.
    pub short_since: Option<Moment>,
    /// For how long this has been counted.
    pub watched: Duration,
    /// For how long fewer resources were ready than the floor.
    pub below: Duration,
    /// For how long none was ready, with a floor above zero.
    pub none: Duration,
}

impl Supply {
    /// After this, what is not known at the start counts as what it is.
    pub const FIRST_LOOK: Duration = Duration::from_secs(60);

    /// Takes in the pool as of `now`. Counting begins with the first verdict on every replica
    /// (`decided`): after a start, replicas that were not asked yet are not known to have nothing.
    pub fn take(&mut self, assessment: &Assessment, floor: u64, decided: bool, now: Moment) {
        let first = *self.first.get_or_insert(now);
        let last = match self.last {
            Some(last) => last,
            None if now.since(first) >= Self::FIRST_LOOK => {
                let began = first + Self::FIRST_LOOK;
                self.mark(assessment, floor, began);
                began
            }
            None if decided => {
                self.mark(assessment, floor, now);
                now
            }
            None => return,
        };
        let passed = now.since(last);
        self.last = Some(last.max(now));
        self.watched = self.watched.saturating_add(passed);
        if self.below_since.is_some() {
            self.below = self.below.saturating_add(passed);
        }
        if self.none_since.is_some() {
            self.none = self.none.saturating_add(passed);
        }
        self.mark(assessment, floor, now);
    }

    /// Whether there has been a verdict on every replica.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.last.is_some()
    }

    fn mark(&mut self, assessment: &Assessment, floor: u64, now: Moment) {
        let (ready, available) = (assessment.ready, assessment.available);
        let mark = |since: &mut Option<Moment>, holds: bool| {
            *since = holds.then(|| since.unwrap_or(now));
        };
        mark(&mut self.below_since, ready < floor);
        mark(&mut self.none_since, ready == 0 && floor > 0);
        mark(&mut self.short_since, available < floor);
    }
}

/// How long the last replicas took from their creation to their first answer as serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Boots {
    last: [Duration; Self::KEPT],
    next: usize,
}

impl Boots {
    const KEPT: usize = 8;
    /// Not even a quick image's boots are expected to be over sooner.
    const LEAST: Duration = Duration::from_secs(30);

    /// Takes in one more.
    pub fn measured(&mut self, took: Duration) {
        if let Some(place) = self.last.get_mut(self.next) {
            *place = took;
        }
        self.next = (self.next + 1) % Self::KEPT;
    }

    /// When a boot is late: half as long again as the slowest of the last ones; `grace` before the
    /// first.
    #[must_use]
    pub fn expected(&self, grace: Duration) -> Duration {
        let slowest = self.last.iter().max().copied().unwrap_or_default();
        let expected = if slowest.is_zero() {
            grace
        } else {
            slowest.saturating_add(slowest / 2)
        };
        expected.max(Self::LEAST)
    }
}

/// How listing the cloud goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lists {
    /// `SCALING_INTERVAL`.
    pub interval: Duration,
    /// Failed lists since the last good one.
    pub failures: u32,
    /// When the first of them was asked for.
    pub failing_since: Option<Moment>,
}

impl Lists {
    /// Takes in a good list.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.failing_since = None;
    }

    /// Takes in a failed list, asked for at `asked`.
    pub fn failed(&mut self, asked: Moment) {
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(asked);
    }
}
