//! The pool over the last hours, in memory of a fixed size, for the page's chart.

use crate::pool::{CloudTime, Moment, Phase, Snapshot, utc};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// What is kept: steps of so many seconds, so many of them.
const FINE: (u64, usize) = (10, 360);
const COARSE: (u64, usize) = (60, 1_440);

const PHASES: usize = Phase::NAMES.len();

/// The pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// Seconds since the start of the process.
    at: u32,
    available: u32,
    floor: u32,
    by_phase: [u16; PHASES],
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
}

impl Default for History {
    fn default() -> Self {
        Self {
            fine: Ring::new(FINE),
            coarse: Ring::new(COARSE),
        }
    }
}

impl Sample {
    fn of(snapshot: &Snapshot) -> Self {
        let mut by_phase = [0_u16; PHASES];
        for replica in snapshot.plan.assessment.replicas.iter() {
            let index = Phase::NAMES.iter().position(|n| *n == replica.phase.name());
            if let Some(count) = index.and_then(|index| by_phase.get_mut(index)) {
                *count = count.saturating_add(1);
            }
        }
        Self {
            at: narrow(snapshot.taken.0.as_secs()),
            available: narrow(snapshot.plan.assessment.available),
            floor: narrow(snapshot.floor),
            by_phase,
        }
    }

    /// How far below its floor the pool is, and, where it is not, how little above it.
    fn want(&self) -> i64 {
        i64::from(self.floor) - i64::from(self.available)
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

    /// The worst moment of a step stands for it, so that no short want is lost.
    fn take(&mut self, sample: Sample) {
        let step = |s: &Sample| u64::from(s.at) / self.step;
        match self.samples.back_mut() {
            Some(last) if step(last) == step(&sample) => {
                if sample.want() >= last.want() {
                    *last = sample;
                }
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
    /// Takes in the pool as it is now. Before the first list nothing is known of it.
    pub(super) fn take(&mut self, snapshot: &Snapshot) {
        if snapshot.last_list.is_some() {
            let sample = Sample::of(snapshot);
            self.fine.take(sample);
            self.coarse.take(sample);
        }
    }

    /// A copy: coarse steps, then fine ones, the oldest first. At most 1,800 of them, of some 40
    /// bytes each.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let fine_from = self.fine.samples.front().map_or(u32::MAX, |s| s.at);
        let older = self.coarse.samples.iter().filter(|s| s.at < fine_from);
        older.chain(&self.fine.samples).copied().collect()
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
            sample.by_phase
        ])
    });
    json!({
        "cloud_time": cloud_now.map(utc),
        "fields": ["seconds_ago", "available", "floor", "replicas"],
        "states": Phase::NAMES,
        "steps_seconds": [COARSE.0, FINE.0],
        "samples": samples.collect::<Vec<_>>(),
    })
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{Assessment, Plan};

    fn snapshot(second: u64, available: u64) -> Snapshot {
        Snapshot {
            taken: Moment(Duration::from_secs(second)),
            last_list: Some(Moment::START),
            floor: 3,
            plan: Plan {
                assessment: Assessment {
                    available,
                    ..Assessment::default()
                },
                ..Plan::default()
            },
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_day_fits_and_no_want_is_lost() {
        let mut history = History::default();
        history.take(&Snapshot::default());
        let two_days = 2 * 86_400;
        for second in (0..two_days).step_by(5) {
            let available = if second == two_days - 40_000 { 1 } else { 5 };
            history.take(&snapshot(second, available));
        }
        assert_eq!(history.fine.samples.len(), FINE.1);
        assert_eq!(history.coarse.samples.len(), COARSE.1);
        let now = Moment(Duration::from_secs(two_days));
        let view = view(&history.samples(), now, None);
        let samples = view["samples"].as_array().unwrap();
        let ago = |index: usize| samples[index][0].as_u64().unwrap();
        assert!((86_300..=86_400).contains(&ago(0)), "{}", ago(0));
        assert!(ago(samples.len() - 1) <= 10);
        assert!((1..samples.len()).all(|i| ago(i) < ago(i - 1)));
        let wants: Vec<_> = samples.iter().filter(|s| s[1] == 1).collect();
        assert_eq!(wants.len(), 1);
        assert!(wants[0][0] == 40_000);
    }
}
