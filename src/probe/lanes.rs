//! What waits to be begun.

use super::ProbeJob;
use std::collections::VecDeque;

/// Which lanes are open, in the order of [`Lanes`].
pub(super) type Open = [bool; 4];

/// Jobs in the order of their importance: holders of external addresses, those among them whose last
/// probe failed, the others, and those among the others whose last probe failed.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: [VecDeque<ProbeJob>; 4],
}

impl Lanes {
    pub(super) fn push(&mut self, job: ProbeJob) {
        self.lanes[lane(&job)].push_back(job);
    }

    /// The next job of the lanes that are open.
    pub(super) fn pop(&mut self, open: Open) -> Option<ProbeJob> {
        let mut lanes = self.lanes.iter_mut().zip(open);
        lanes.find_map(|(lane, is_open)| if is_open { lane.pop_front() } else { None })
    }

    /// Whether [`Self::pop`] would find nothing.
    pub(super) fn is_empty(&self, open: Open) -> bool {
        let mut lanes = self.lanes.iter().zip(open);
        lanes.all(|(lane, is_open)| !is_open || lane.is_empty())
    }

    /// Whether a replica waits that holds nothing and did not answer last time.
    pub(super) fn has_suspects(&self) -> bool {
        !self.lanes[3].is_empty()
    }
}

fn lane(job: &ProbeJob) -> usize {
    match (job.urgent, job.suspect) {
        (true, false) => 0,
        (true, true) => 1,
        (false, false) => 2,
        (false, true) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::ReplicaId;
    use std::net::Ipv4Addr;

    #[test]
    fn holders_of_addresses_go_first_and_suspects_last() {
        let job = |round, urgent, suspect| ProbeJob {
            replica: ReplicaId::new("a"),
            address: Ipv4Addr::LOCALHOST.into(),
            round,
            urgent,
            suspect,
        };
        let mut lanes = Lanes::default();
        for round in 0..12 {
            lanes.push(job(round, round % 2 == 1, round >= 6));
        }
        let mut order = Vec::new();
        assert!(lanes.has_suspects());
        for open in [[true, false, true, false], [true; 4]] {
            while let Some(job) = lanes.pop(open) {
                order.push(job.round);
            }
            assert!(lanes.is_empty(open));
        }
        assert!(!lanes.has_suspects());
        assert_eq!(order, [1, 3, 5, 0, 2, 4, 7, 9, 11, 6, 8, 10]);
    }
}
