//! The jobs that wait.

use super::ProbeJob;
use std::collections::VecDeque;

/// Which kinds of jobs may start, in the order of [`Queue`].
pub(super) type Open = [bool; 4];

/// Jobs by importance: of holders of external addresses, of holders whose last probe failed, of other
/// replicas, of other replicas whose last probe failed. Of one kind, the job that came first is first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    kinds: [VecDeque<ProbeJob>; 4],
}

impl Queue {
    pub(super) fn push(&mut self, job: ProbeJob) {
        self.kinds[kind(&job)].push_back(job);
    }

    /// The next job of the kinds that may start.
    pub(super) fn pop(&mut self, open: Open) -> Option<ProbeJob> {
        let mut kinds = self.kinds.iter_mut().zip(open);
        kinds.find_map(|(jobs, is_open)| if is_open { jobs.pop_front() } else { None })
    }

    /// Whether [`Self::pop`] would find nothing.
    pub(super) fn is_empty(&self, open: Open) -> bool {
        let mut kinds = self.kinds.iter().zip(open);
        kinds.all(|(jobs, is_open)| !is_open || jobs.is_empty())
    }

    /// Whether a job waits whose replica holds no external address and failed its last probe.
    pub(super) fn has_suspects(&self) -> bool {
        !self.kinds[3].is_empty()
    }
}

fn kind(job: &ProbeJob) -> usize {
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
    use crate::probe::{Endpoint, EndpointSettings, Protocol, TlsSettings};
    use std::net::Ipv4Addr;
    use std::num::NonZeroU16;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn holders_of_addresses_go_first_and_suspects_last() {
        let endpoint = Endpoint::new(&EndpointSettings {
            protocol: Protocol::Http,
            port: NonZeroU16::MIN,
            path: "/".to_owned(),
            capacity_key: String::new(),
            termination_key: String::new(),
            timeout: Duration::ZERO,
            tls: TlsSettings::default(),
        });
        let endpoint = Arc::new(endpoint.unwrap());
        let job = |round, urgent, suspect| ProbeJob {
            endpoint: Arc::clone(&endpoint),
            replica: ReplicaId::new("a"),
            address: Ipv4Addr::LOCALHOST.into(),
            round,
            urgent,
            suspect,
        };
        let mut queue = Queue::default();
        for round in 0..12 {
            queue.push(job(round, round % 2 == 1, round >= 6));
        }
        let mut order = Vec::new();
        assert!(queue.has_suspects());
        for open in [[true, false, true, false], [true; 4]] {
            while let Some(job) = queue.pop(open) {
                order.push(job.round);
            }
            assert!(queue.is_empty(open));
        }
        assert!(!queue.has_suspects());
        assert_eq!(order, [1, 3, 5, 0, 2, 4, 7, 9, 11, 6, 8, 10]);
    }
}
