//! How long the cloud takes to build a server, as far as that was seen, and when a new one is worth a look.

use std::collections::VecDeque;
use std::time::Duration;

/// So many of the last builds count.
const KEPT: usize = 8;
/// Times are known to the second: a look comes a little later.
const MARGIN: Duration = Duration::from_secs(1);
/// When to look as long as no build was seen.
const UNKNOWN: [Duration; 3] = [
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
];

/// The last builds, from the request on until the server ran.
#[derive(Debug, Clone, Default)]
pub struct Builds(VecDeque<Duration>);

impl Builds {
    /// The least time between two looks, and after any other list.
    pub const APART: Duration = Duration::from_secs(2);

    /// A build has ended.
    pub fn took(&mut self, time: Duration) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(time);
    }

    /// How long after a request the list is worth a look: when the quickest, the middle and the slowest of the last
    /// builds had ended. At most three, in order, not too near to each other.
    #[must_use]
    pub fn looks(&self) -> Vec<Duration> {
        let mut times: Vec<Duration> = self.0.iter().copied().collect();
        times.sort_unstable();
        let (Some(first), Some(last)) = (times.first(), times.last()) else {
            return UNKNOWN.to_vec();
        };
        let middle = times.get(times.len() / 2).unwrap_or(last);
        let mut looks: Vec<Duration> = Vec::new();
        for time in [first, middle, last] {
            let look = time.saturating_add(MARGIN);
            if looks
                .last()
                .is_none_or(|before| look >= *before + Self::APART)
            {
                looks.push(look);
            }
        }
        looks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_follow_the_last_builds() {
        let check = |builds: &Builds, expected: &[u64]| {
            let looks: Vec<u64> = builds.looks().iter().map(Duration::as_secs).collect();
            assert_eq!(looks, expected);
        };
        let mut builds = Builds::default();
        let took = |builds: &mut Builds, times: &[u64]| {
            for time in times {
                builds.took(Duration::from_secs(*time));
            }
        };
        check(&builds, &[5, 10, 20]);
        took(&mut builds, &[4]);
        check(&builds, &[5]);
        took(&mut builds, &[5, 4, 30]);
        check(&builds, &[5, 31]);
        took(&mut builds, &[12, 12, 12, 12]);
        check(&builds, &[5, 13, 31]);
        // What was long ago does not count.
        took(&mut builds, &[60; 8]);
        check(&builds, &[61]);
    }
}
