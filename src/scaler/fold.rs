//! Errors that repeat: how often in a row, and which of the times are told.

use super::agenda::Object;
use crate::pool::{Doing, Event, Moment};
use std::collections::BTreeMap;
use std::time::Duration;

/// While something goes on failing, it is told at least this often.
const TOLD_EVERY: Duration = Duration::from_secs(900);
/// A failure that comes so long after the one before is the first of a new row.
const ROW_ENDS_AFTER: Duration = Duration::from_secs(3600);

/// What fails.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    /// What the loop does again and again.
    Doing(Doing),
    /// A list lacks what is there.
    Incomplete,
    /// A list lacks too much to be believed.
    Doubted,
    /// Most of the replicas turn at once, again and again.
    MassTermination,
    /// What is done about an object.
    Object(Object),
    /// What is not done about one.
    Skipped(Object),
}

impl About {
    /// What an event repeats, and in which way; `None`: it is told each time.
    pub(super) fn of(event: &Event) -> Option<(Self, &'static str)> {
        let about = match event {
            Event::Failed(doing, _) => Self::Doing(*doing),
            Event::Incomplete(_) => Self::Incomplete,
            Event::Doubted { .. } => return Some((Self::Doubted, event.name())),
            Event::MassTermination { .. } => {
                return Some((Self::MassTermination, event.name()));
            }
            Event::Acted {
                action,
                result: Err(_),
                ..
            } => Self::Object(Object::of(action)),
            Event::Skipped { action, why, .. } => {
                return Some((Self::Skipped(Object::of(action)), why.name()));
            }
            _ => return None,
        };
        Some((about, event.failure()?.kind))
    }
}

/// The failures of one thing since it last went well.
#[derive(Debug)]
struct Row {
    times: u64,
    last: Moment,
    told: Moment,
    /// How often in each way: a thing that fails in two ways by turns is not told each time.
    by_kind: BTreeMap<&'static str, u64>,
}

/// What came of one more failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Again {
    /// How often it has failed in a row, in whatever way.
    pub(super) times: u64,
    /// How often it has failed in this way since it last went well.
    pub(super) of_its_kind: u64,
    /// Whether it is to be told.
    pub(super) is_told: bool,
}

/// All that fails at the moment.
#[derive(Debug, Default)]
pub(super) struct Folds {
    rows: BTreeMap<About, Row>,
    swept: Moment,
}

impl Folds {
    /// It has failed (again): told at the first, second, fourth, ... time of its kind, and when it was last told a quarter
    /// of an hour ago.
    pub(super) fn failed(&mut self, about: About, kind: &'static str, now: Moment) -> Again {
        // Not at each of thousands of failures, but before a row that has ended could be taken for one that goes on.
        let is_over = |row: &Row| now.since(row.last) >= ROW_ENDS_AFTER;
        if self.rows.get(&about).is_some_and(is_over) || now.since(self.swept) >= TOLD_EVERY {
            self.rows.retain(|_, row| !is_over(row));
            self.swept = now;
        }
        let row = self.rows.entry(about).or_insert_with(|| Row {
            times: 0,
            last: now,
            told: now,
            by_kind: BTreeMap::new(),
        });
        let of_its_kind = row.by_kind.entry(kind).or_default();
        *of_its_kind += 1;
        row.times += 1;
        row.last = now;
        let is_told = of_its_kind.is_power_of_two() || now.since(row.told) >= TOLD_EVERY;
        if is_told {
            row.told = now;
        }
        Again {
            times: row.times,
            of_its_kind: *of_its_kind,
            is_told,
        }
    }

    /// It went well, or is no more: the next failure is the first one. Returns how often it had failed.
    pub(super) fn ended(&mut self, about: &About) -> u64 {
        self.rows.remove(about).map_or(0, |row| row.times)
    }
}

/// What stays as it is for long and must not be forgotten: told when it begins, and every quarter of an hour.
#[derive(Debug, Default)]
pub(super) struct Lasting(BTreeMap<String, Spell>);

#[derive(Debug)]
struct Spell {
    since: Moment,
    told: Moment,
    last: Moment,
}

impl Lasting {
    /// It is so now. `Some`: it is to be told, for how long it has been so.
    pub(super) fn is_so(&mut self, what: &str, now: Moment, repeats: bool) -> Option<Duration> {
        let Some(spell) = self.0.get_mut(what) else {
            let spell = Spell {
                since: now,
                told: now,
                last: now,
            };
            self.0.insert(what.to_owned(), spell);
            return Some(Duration::ZERO);
        };
        spell.last = now;
        let is_due = repeats && now.since(spell.told) >= TOLD_EVERY;
        is_due.then(|| {
            spell.told = now;
            now.since(spell.since)
        })
    }

    /// Only these are so any more.
    pub(super) fn keep(&mut self, is_so: impl Fn(&str) -> bool) {
        self.0.retain(|what, _| is_so(what));
    }

    /// What has not been so for as long as it would take to be told again is over. What comes and goes meanwhile is not
    /// told each time.
    pub(super) fn forget(&mut self, now: Moment) {
        self.0.retain(|_, spell| now.since(spell.last) < TOLD_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    /// The times that are told of a thing that fails every 30 s.
    fn told(folds: &mut Folds, kind: &'static str, seconds: std::ops::Range<u64>) -> Vec<u64> {
        seconds
            .step_by(30)
            .map(|second| folds.failed(About::Doing(Doing::List), kind, at(second)))
            .filter(|again| again.is_told)
            .map(|again| again.times)
            .collect()
    }

    #[test]
    fn a_long_outage_is_told_every_quarter_of_an_hour() {
        let mut folds = Folds::default();
        let five_hours = told(&mut folds, "timeout", 0..18_000);
        assert_eq!(five_hours[..6], [1, 2, 4, 8, 16, 32]);
        let gaps = five_hours.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.clone().all(|gap| gap <= 30), "{five_hours:?}");
        assert!(five_hours.len() < 30, "{five_hours:?}");
    }

    #[test]
    fn the_second_outage_is_told_as_the_first() {
        let mut folds = Folds::default();
        let first = told(&mut folds, "server", 0..300);
        assert_eq!(first, [1, 2, 4, 8]);
        assert_eq!(folds.ended(&About::Doing(Doing::List)), 10);
        assert_eq!(told(&mut folds, "server", 600..900), first);
        let creation = About::Object(Object::Creation);
        let other = folds.failed(creation, "server", at(900));
        assert_eq!((other.times, other.is_told), (1, true));
    }

    #[test]
    fn two_kinds_by_turns_are_counted_together_and_told_by_each() {
        let mut folds = Folds::default();
        let kinds = ["timeout", "connection"].into_iter().cycle().take(16);
        let told: Vec<u64> = kinds
            .map(|kind| folds.failed(About::Doing(Doing::Plan), kind, at(1)))
            .filter(|again| again.is_told)
            .map(|again| again.times)
            .collect();
        assert_eq!(told, [1, 2, 3, 4, 7, 8, 15, 16]);
    }

    #[test]
    fn a_row_ends_by_itself_after_an_hour() {
        let mut folds = Folds::default();
        for second in 0..3 {
            folds.failed(About::Doing(Doing::List), "server", at(second));
        }
        let again = folds.failed(About::Doing(Doing::List), "server", at(2 + 3600));
        assert_eq!((again.times, again.of_its_kind), (1, 1));
    }

    #[test]
    fn what_lasts_is_told_again() {
        let mut lasting = Lasting::default();
        let mut told = Vec::new();
        for second in (0..4_000).step_by(10) {
            if let Some(duration) = lasting.is_so("max", at(second), true) {
                told.push(duration.as_secs());
            }
            lasting.keep(|what| what == "max");
        }
        assert_eq!(told, [0, 900, 1800, 2700, 3600]);
        lasting.keep(|_| false);
        assert_eq!(lasting.is_so("max", at(4_000), true), Some(Duration::ZERO));
        assert_eq!(lasting.is_so("max", at(9_000), false), None);
    }

    #[test]
    fn what_comes_and_goes_is_told_as_what_lasts() {
        let mut lasting = Lasting::default();
        let mut told = Vec::new();
        for second in (0..2_000).step_by(10) {
            let is_so = second % 40 == 0;
            if is_so && lasting.is_so("twice", at(second), true).is_some() {
                told.push(second);
            }
            lasting.forget(at(second));
        }
        assert_eq!(told, [0, 920, 1840]);
        lasting.forget(at(1_960 + 900));
        assert_eq!(
            lasting.is_so("twice", at(3_000), true),
            Some(Duration::ZERO)
        );
    }
}
