//! What a process uses, over time, and whether it stays level.

use std::fs;

/// What the daemon used at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) rss_kib: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
    /// User and system, since the start.
    pub(crate) cpu_ms: u64,
}

impl Use {
    /// Reads it from `/proc`.
    pub(crate) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        // The name in parentheses may hold blanks.
        let words: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks = |at: usize| words[at].parse::<u64>().unwrap();
        Self {
            rss_kib: field("VmRSS:"),
            threads: field("Threads:"),
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64,
            // Linux counts a hundred a second, whatever its own clock does.
            cpu_ms: (ticks(11) + ticks(12)) * 10,
        }
    }
}

/// One figure at the beginning and at the end: the medians of the first and the last quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trend {
    pub(crate) name: &'static str,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) most: u64,
    /// How far the last may be above the first.
    pub(crate) margin: u64,
}

impl Trend {
    pub(crate) fn of(name: &'static str, values: &[u64], margin: impl Fn(u64) -> u64) -> Self {
        let quarter = (values.len() / 4).max(1);
        let first = median(&values[..quarter]);
        Self {
            name,
            first,
            last: median(&values[values.len() - quarter..]),
            most: values.iter().copied().max().unwrap_or_default(),
            margin: margin(first),
        }
    }

    pub(crate) fn is_level(&self) -> bool {
        self.last <= self.first + self.margin
    }
}

fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

#[test]
fn a_rise_is_seen_and_a_peak_is_not_one() {
    let margin = |_| 5;
    let check = |values: &[u64], level| {
        let trend = Trend::of("x", values, margin);
        assert_eq!(trend.is_level(), level, "{trend:?}");
    };
    check(&[10, 10, 10, 99, 10, 10, 10, 15], true);
    check(&[10, 10, 12, 14, 16, 18, 20, 22], false);
    check(&[7], true);
}
