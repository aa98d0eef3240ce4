//! The pool over the last hours, in memory of a fixed size, for the page's chart.

use crate::pool::{CloudTime, Moment, ReplicaState, Snapshot, Supply, utc};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// What is kept: steps of so many seconds, so many of them.
const FINE: (u64, usize) = (10, 360);
const COARSE: (u64, usize) = (60, 1_440);

const STATES: usize = ReplicaState::NAMES.len();

/// The pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// Seconds since the start of the process.
    at: u32,
    ready: u32,
    available: u32,
    floor: u32,
    by_state: [u16; STATES],
    time: Times,
}

/// Milliseconds of a step, each counted as it passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Times {
    watched: u32,
    below: u32,
    none: u32,
}

/// Samples of a fixed step, the newest last.
#[derive(Debug)]
struct Ring {
    step: u64,
    kept: usize,
    samples: VecDeque<Sample>,
}

/// The last hour in fine steps, and the last day in coarse ones.
#[derive(Debug)]
pub(super) struct History {
    fine: Ring,
    coarse: Ring,
    /// What was counted up to the last sample.
    counted: Supply,
}

impl Default for History {
    fn default() -> Self {
        Self {
            fine: Ring::new(FINE),
            coarse: Ring::new(COARSE),
            counted: Supply::default(),
        }
    }
}

impl Sample {
    /// None before the first list: nothing is known of the pool then.
    fn of(snapshot: &Snapshot) -> Option<Self> {
        let assessment = snapshot.assessment()?;
        let mut by_state = [0_u16; STATES];
        for replica in assessment.replicas.iter() {
            let index = ReplicaState::NAMES
                .iter()
                .position(|n| *n == replica.state.name());
            if let Some(count) = index.and_then(|index| by_state.get_mut(index)) {
                *count = count.saturating_add(1);
            }
        }
        Some(Self {
            at: narrow(snapshot.taken.0.as_secs()),
            ready: narrow(assessment.ready),
            available: narrow(assessment.available),
            floor: narrow(snapshot.floor),
            by_state,
            time: Times::default(),
        })
    }

    /// How far below its floor the pool is, and, where it is not, how little above it: first what
    /// is ready, then what is available.
    fn want(&self) -> (i64, i64) {
        let floor = i64::from(self.floor);
        (
            floor - i64::from(self.ready),
            floor - i64::from(self.available),
        )
    }
}

impl Times {
    /// What was counted between two moments.
    fn between(before: &Supply, after: &Supply) -> Self {
        let passed = |before: Duration, after: Duration| {
            let passed = after.saturating_sub(before).as_millis();
            u32::try_from(passed).unwrap_or(u32::MAX)
        };
        Self {
            watched: passed(before.watched, after.watched),
            below: passed(before.below, after.below),
            none: passed(before.none, after.none),
        }
    }

    fn plus(self, more: Self) -> Self {
        Self {
            watched: self.watched.saturating_add(more.watched),
            below: self.below.saturating_add(more.below),
            none: self.none.saturating_add(more.none),
        }
    }
}

impl Ring {
    fn new((step, kept): (u64, usize)) -> Self {
        Self {
            step,
            kept,
            samples: VecDeque::with_capacity(kept),
        }
    }

    fn step_of(&self, sample: &Sample) -> u64 {
        u64::from(sample.at) / self.step
    }

    /// The worst moment of a step stands for it, so that no short want is lost; its times are those
    /// of the whole step.
    fn take(&mut self, sample: Sample) {
        let step = self.step_of(&sample);
        let is_same = self.samples.back().is_some_and(|s| self.step_of(s) == step);
        match self.samples.back_mut() {
            Some(last) if is_same => {
                let time = last.time.plus(sample.time);
                if sample.want() >= last.want() {
                    *last = sample;
                }
                last.time = time;
            }
            _ => {
                if self.samples.len() == self.kept {
                    self.samples.pop_front();
                }
                self.samples.push_back(sample);
            }
        }
    }
}

impl History {
    /// Takes in the pool as it is now.
    pub(super) fn take(&mut self, snapshot: &Snapshot) {
        if let Some(mut sample) = Sample::of(snapshot) {
            sample.time = Times::between(&self.counted, &snapshot.supply);
            self.counted = snapshot.supply;
            self.fine.take(sample);
            self.coarse.take(sample);
        }
    }

    /// A copy: coarse steps, then fine ones, the oldest first. At most 1,800 of them, of some 60
    /// bytes each. No moment is in two of them, so that their times can be added up.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let is_full = self.fine.samples.len() == self.fine.kept;
        let first = self.fine.samples.front().filter(|_| is_full);
        // The coarse step in which the fine ones begin stands for all of its time.
        let Some(joint) = first.map(|sample| self.coarse.step_of(sample)) else {
            return self.fine.samples.iter().copied().collect();
        };
        let step = |sample: &&Sample| self.coarse.step_of(sample);
        let coarse = self.coarse.samples.iter().filter(|s| step(s) <= joint);
        let fine = self.fine.samples.iter().filter(|s| step(s) > joint);
        coarse.chain(fine).copied().collect()
    }
}

/// Samples as JSON.
pub(super) fn view(samples: &[Sample], now: Moment, cloud_now: Option<CloudTime>) -> Value {
    let samples = samples.iter().map(|sample| {
        let at = Moment(Duration::from_secs(u64::from(sample.at)));
        json!([
            now.since(at).as_secs(),
            sample.available,
            sample.floor,
            sample.by_state,
            sample.ready,
            seconds(sample.time.watched),
            seconds(sample.time.below),
            seconds(sample.time.none),
        ])
    });
    json!({
        "cloud_time": cloud_now.map(utc),
        "fields": [
            "seconds_ago", "available", "floor", "replicas", "ready", "seconds_watched",
            "seconds_below_floor", "seconds_without_ready_resource",
        ],
        "states": ReplicaState::NAMES,
        "steps_seconds": [COARSE.0, FINE.0],
        "samples": samples.collect::<Vec<_>>(),
    })
}

fn seconds(milliseconds: u32) -> f64 {
    f64::from(milliseconds) / 1_000.0
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{Assessment, Plan};

    /// A pool of which each snapshot has what was counted so far, as the scaler's have.
    #[derive(Default)]
    struct Pool {
        supply: Supply,
        history: History,
    }

    impl Pool {
        fn is(&mut self, ms: u64, ready: u64, available: u64) {
            let taken = Moment(Duration::from_millis(ms));
            let assessment = Assessment {
                available,
                ready,
                ..Assessment::default()
            };
            self.supply.take(&assessment, 3, true, taken);
            self.history.take(&Snapshot {
                taken,
                last_list: Some(Moment::START),
                floor: 3,
                supply: self.supply,
                plan: Plan {
                    assessment,
                    ..Plan::default()
                },
                ..Snapshot::default()
            });
        }

        fn view(&self, second: u64) -> Vec<Value> {
            let now = Moment(Duration::from_secs(second));
            let view = view(&self.history.samples(), now, None);
            view["samples"].as_array().unwrap().clone()
        }

        /// Milliseconds watched, below the floor, and without anything ready.
        fn sums(&self) -> [u32; 3] {
            let samples = self.history.samples();
            let sum = |of: fn(&Times) -> u32| samples.iter().map(|s| of(&s.time)).sum();
            [sum(|t| t.watched), sum(|t| t.below), sum(|t| t.none)]
        }
    }

    #[test]
    fn a_day_fits_and_no_want_is_lost() {
        let mut pool = Pool::default();
        pool.history.take(&Snapshot::default());
        let two_days = 2 * 86_400;
        for second in (0..two_days).step_by(5) {
            let ready = if second == two_days - 40_000 { 1 } else { 5 };
            pool.is(second * 1_000, ready, 6);
        }
        assert_eq!(pool.history.fine.samples.len(), FINE.1);
        assert_eq!(pool.history.coarse.samples.len(), COARSE.1);
        let samples = pool.view(two_days);
        let ago = |index: usize| samples[index][0].as_u64().unwrap();
        assert!((86_300..=86_400).contains(&ago(0)), "{}", ago(0));
        assert!(ago(samples.len() - 1) <= 10);
        assert!((1..samples.len()).all(|i| ago(i) < ago(i - 1)));
        let wants: Vec<_> = samples.iter().filter(|s| s[4] == 1).collect();
        assert_eq!(wants.len(), 1);
        assert!(wants[0][0] == 40_000);
        // The last sample's own time has not passed yet.
        assert_eq!(pool.sums()[1..], [5_000, 0]);
    }

    #[test]
    fn seconds_are_counted_as_they_pass_and_not_by_the_step() {
        let mut pool = Pool::default();
        // A second and a half below the floor in each minute of 14, a fifth of it without anything.
        for ms in (0..=14 * 60_000).step_by(100) {
            let (ready, available) = match ms % 60_000 {
                30_000..=30_200 => (0, 3),
                30_300..=31_400 => (2, 3),
                _ => (3, 3),
            };
            pool.is(ms, ready, available);
        }
        assert_eq!(pool.sums(), [840_000, 21_000, 4_200]);
        // The chart shows the worst moments all the same.
        let worst = pool.view(840).iter().filter(|s| s[4] == 0).count();
        assert_eq!(worst, 14);
    }

    #[test]
    fn nothing_is_counted_twice_where_coarse_and_fine_steps_meet() {
        for end in (3_600..3_900).step_by(7) {
            let mut pool = Pool::default();
            for second in 0..=end {
                pool.is(second * 1_000, u64::from(second % 4 > 0) * 3, 3);
            }
            let all = u32::try_from(end).unwrap();
            let quarter = all.div_ceil(4) * 1_000;
            let expected = [all * 1_000, quarter, quarter];
            assert_eq!(pool.sums(), expected, "after {end} s");
        }
    }
}
