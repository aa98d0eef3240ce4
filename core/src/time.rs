//! The two clocks: this process's monotonic one and the cloud's.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment on the monotonic clock, as the time since the process started.
///
/// Being a plain number it can be made up, so that a test or the simulation is its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub Duration);

impl Moment {
    /// The start of the process.
    pub const START: Self = Self(Duration::ZERO);

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}

/// A time on the cloud's own clock, in seconds since the Unix epoch (UTC).
///
/// Ages of servers are differences of two of these, so this machine's wall clock never matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloudTime(pub u64);

/// The cloud's clock, carried on by the monotonic clock from what it showed at one moment. A moment has one time on it,
/// whenever that is asked for: log, page and JSON show the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudClock {
    /// What it showed.
    pub showed: CloudTime,
    /// When.
    pub at: Moment,
}

impl CloudClock {
    /// What it shows at a moment.
    #[must_use]
    pub fn time(self, moment: Moment) -> CloudTime {
        let (since, until) = (moment.since(self.at), self.at.since(moment));
        let begun = self.showed.0.saturating_add(since.as_secs());
        CloudTime(begun.saturating_sub(whole_seconds_up(until)))
    }

    /// What it will show when something ends: rounded up, so that it is over by then.
    #[must_use]
    pub fn end(self, moment: Moment) -> CloudTime {
        let (since, until) = (moment.since(self.at), self.at.since(moment));
        let ended = self.showed.0.saturating_add(whole_seconds_up(since));
        CloudTime(ended.saturating_sub(until.as_secs()))
    }
}

/// Rounded up, so that a wait that is not over never shows as 0.
#[must_use]
pub fn whole_seconds_up(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}

impl CloudTime {
    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}
