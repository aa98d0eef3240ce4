//! How old things are. The cloud's clock says so once, when a thing is first seen; from then on the
//! monotonic clock counts. So no jump of the cloud's clock makes anybody older or younger.

use super::{CloudClock, CloudTime, Moment, Record};
use std::time::Duration;

/// The cloud's clock, carried on from its last answer by the monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clocks {
    anchor: Option<(CloudTime, Moment)>,
    /// What is shown to people.
    shown: Option<CloudClock>,
    /// How far the cloud's clock was ahead of this process's in the last list, in seconds: at least, and
    /// at most.
    ahead: Option<(i64, i64)>,
    /// The same when it was least so, and whether that is exact.
    least_ahead: Option<(i64, bool)>,
    odd: Option<OddClock>,
}

/// The cloud's clock is wrong, now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OddClock {
    /// Rises by one from one to the next.
    pub number: u64,
    /// What is odd about it.
    pub how: ClockOddity,
    /// By how many seconds; negative: it went, or is, behind.
    pub seconds: i64,
}

/// What is odd about the cloud's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockOddity {
    /// It jumped against the monotonic clock from one list to the next.
    Jumped,
    /// It disagrees with the times at which the cloud says that servers were created.
    Disagrees,
}

impl Clocks {
    /// What two clocks may differ by, or a list may take, without being odd.
    const ODD_BEYOND: i64 = 60;

    /// When the last list with a time arrived, and the cloud's clock in it.
    pub(super) fn anchor(self) -> Option<(CloudTime, Moment)> {
        self.anchor
    }

    /// The cloud's clock as it is shown. A `Date` is cut off to a second: the clock stays the same for as long as
    /// lists fit it, so that a time that was shown does not change with the next list.
    pub(super) fn shown(self) -> Option<CloudClock> {
        self.shown
    }

    pub(super) fn odd(self) -> Option<OddClock> {
        self.odd
    }

    /// Takes in the cloud's clock, as it was in a list that was asked for at one moment and arrived at
    /// another. What it showed at which moment between the two, nobody knows.
    pub(super) fn tells(&mut self, time: CloudTime, (asked, arrived): (Moment, Moment)) {
        let new = (ahead(time, arrived), ahead(time, asked));
        if let Some(old) = self.ahead {
            let jump = (new.0.saturating_sub(old.1)).max(0) + (new.1.saturating_sub(old.0)).min(0);
            if jump.abs() > Self::ODD_BEYOND {
                self.note(ClockOddity::Jumped, jump);
            }
        }
        self.ahead = Some(new);
        self.anchor = Some((time, arrived));
        let told = CloudClock {
            showed: time,
            at: arrived,
        };
        let fits = |old: &CloudClock| old.time(asked) <= time && old.time(arrived) >= time;
        self.shown = self.shown.filter(fits).or(Some(told));
        // A list that took long says little of that moment: it counts only until there is another.
        let is_exact = arrived.since(asked).as_secs() < Self::ODD_BEYOND.unsigned_abs();
        self.least_ahead = match self.least_ahead {
            Some((least, true)) if is_exact => Some((least.min(new.0), true)),
            Some((least, true)) => Some((least, true)),
            Some((least, false)) if !is_exact => Some((least.min(new.0), false)),
            _ => Some((new.0, is_exact)),
        };
    }

    /// Takes in when a server was created, by the cloud, and how long ago that was at the most.
    pub(super) fn compare(&mut self, created: CloudTime, at_most: Option<Duration>, now: Moment) {
        let Some(time) = self.cloud_time(now) else {
            return;
        };
        let age = seconds(time.0).saturating_sub(seconds(created.0));
        let most = at_most.map_or(i64::MAX, |age| seconds(age.as_secs()));
        let off = if age < 0 {
            age
        } else {
            age.saturating_sub(most).max(0)
        };
        // What has jumped disagrees as well, and it is told once for all servers.
        if off.abs() > Self::ODD_BEYOND && self.odd.is_none() {
            self.note(ClockOddity::Disagrees, off);
        }
    }

    fn note(&mut self, how: ClockOddity, seconds: i64) {
        self.odd = Some(OddClock {
            number: self.odd.map_or(1, |odd| odd.number + 1),
            how,
            seconds,
        });
    }

    pub(super) fn cloud_time(self, now: Moment) -> Option<CloudTime> {
        self.anchor
            .map(|(time, at)| CloudTime(time.0.saturating_add(now.since(at).as_secs())))
    }

    /// How long ago something was, by the cloud's clock. Of all that it has said of itself, what makes
    /// things youngest is taken: it may have been ahead for one list. `None`: it lies ahead.
    pub(super) fn time_since(self, then: CloudTime, now: Moment) -> Option<Duration> {
        let now = seconds(now.0.as_secs()).saturating_add(self.least_ahead?.0);
        let ago = now.saturating_sub(seconds(then.0));
        u64::try_from(ago).ok().map(Duration::from_secs)
    }

    #[expect(
        clippy::unused_self,
        reason = "ages are asked of the clocks, by whatever they are told"
    )]
    pub(super) fn age(self, record: &Record, now: Moment) -> Duration {
        let age = record.age_when_seen.unwrap_or_default();
        age.saturating_add(now.since(record.first_seen))
    }

    pub(super) fn active_for(self, record: &Record, now: Moment) -> Duration {
        match (record.launch, record.first_running) {
            (Some(launch), _) => launch.ago.saturating_add(now.since(launch.seen)),
            (None, Some(first_running)) => now.since(first_running),
            (None, None) => self.age(record, now),
        }
    }
}

fn ahead(time: CloudTime, at: Moment) -> i64 {
    seconds(time.0).saturating_sub(seconds(at.0.as_secs()))
}

fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    #[test]
    fn a_moment_has_one_time_however_the_lists_fall_into_the_seconds() {
        // In truth it shows 1,000.9 at the start of the process.
        let date = |at: u64| CloudTime(1_000 + (at + 900) / 1_000);
        let mut clocks = Clocks::default();
        let mut told = Vec::new();
        for list in 0..200 {
            let asked = list * 2_130;
            clocks.tells(date(asked + 20), (ms(asked), ms(asked + 30)));
            let clock = clocks.shown().unwrap();
            told.push((clock.time(ms(500_050)), clock.end(ms(500_050))));
        }
        told.dedup();
        // The first lists may have been told early in a second.
        assert!(told.len() <= 2, "{told:?}");
        assert_eq!(told.pop(), Some((CloudTime(1_500), CloudTime(1_501))));
    }

    #[test]
    fn what_is_shown_follows_a_jump_either_way() {
        let mut clocks = Clocks::default();
        for (second, shows) in [(0, 1_000), (30, 1_030), (60, 5_000), (90, 100), (120, 130)] {
            clocks.tells(CloudTime(shows), (ms(second * 1_000), ms(second * 1_000)));
            let shown = clocks.shown().map(|clock| clock.time(ms(second * 1_000)));
            assert_eq!(shown, Some(CloudTime(shows)));
        }
    }

    #[test]
    fn an_end_is_rounded_up_and_anything_else_down() {
        let clock = CloudClock {
            showed: CloudTime(1_000),
            at: ms(10_400),
        };
        let check = |at, time, end| {
            assert_eq!(
                (clock.time(ms(at)).0, clock.end(ms(at)).0),
                (time, end),
                "{at}"
            );
        };
        check(10_400, 1_000, 1_000);
        check(10_401, 1_000, 1_001);
        check(11_400, 1_001, 1_001);
        check(10_399, 999, 1_000);
        check(9_400, 999, 999);
    }
}
