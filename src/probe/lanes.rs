//! What waits to be begun.

use super::ProbeJob;
use std::collections::VecDeque;

/// Jobs in the order of their importance: holders of external addresses first, and of them and of
/// the others first those whose last probe was answered.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: [VecDeque<ProbeJob>; 4],
}

impl Lanes {
    pub(super) fn push(&mut self, job: ProbeJob) {
        self.lanes[lane(&job)].push_back(job);
    }

    /// The next job; a suspect only if there is room for one.
    pub(super) fn pop(&mut self, with_suspects: bool) -> Option<ProbeJob> {
        let lanes = self.lanes.iter_mut().enumerate();
        lanes
            .filter(|(number, _)| with_suspects || number % 2 == 0)
            .find_map(|(_, lane)| lane.pop_front())
    }

    /// Whether [`Self::pop`] would find nothing.
    pub(super) fn is_empty(&self, with_suspects: bool) -> bool {
        let mut lanes = self.lanes.iter().enumerate();
        lanes.all(|(number, lane)| lane.is_empty() || !with_suspects && number % 2 == 1)
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
        for with_suspects in [false, true] {
            while let Some(job) = lanes.pop(with_suspects) {
                order.push(job.round);
            }
            assert!(lanes.is_empty(with_suspects));
            assert_eq!(lanes.is_empty(true), with_suspects);
        }
        assert_eq!(order, [1, 3, 5, 0, 2, 4, 7, 9, 11, 6, 8, 10]);
    }
}
