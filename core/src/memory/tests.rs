//! The schedule of the probes follows the records.

use super::*;
use crate::{Answer, Creating, ProbeFailure};
use crate::{Failed, Listing, Policy, ProbeResult, Server, ServerState};
use proptest::prelude::*;
use std::net::Ipv4Addr;

/// What the schedule must hold, by looking at every record.
fn waiting(memory: &Memory) -> Vec<(bool, Moment, ReplicaId)> {
    let due = |(id, record): (&ReplicaId, &Arc<Record>)| {
        Some((record.failures > 0, record.due()?, id.clone()))
    };
    let mut waiting: Vec<_> = memory.records.iter().filter_map(due).collect();
    waiting.sort();
    waiting
}

fn server(number: usize, kind: u8) -> Server {
    let address = Ipv4Addr::LOCALHOST.into();
    Server {
        id: ReplicaId::new(&number.to_string()),
        name: String::new(),
        state: match kind {
            0 => ServerState::Creating(Creating::NoAddress),
            1 => ServerState::Failed(Failed::Stopped),
            2 => ServerState::Held("paused".to_owned()),
            3 => ServerState::Unknown,
            4 => ServerState::Leaving,
            _ => ServerState::Running(address),
        },
        addresses: Vec::new(),
        locked: false,
        created: None,
        launched: None,
        image: None,
        marks: crate::Marks::default(),
    }
}

/// What happens: to which replica, what, and so many milliseconds later.
type Step = (usize, u8, u64);

fn happen(memory: &mut Memory, rounds: &mut [u64], kinds: &mut [u8], step: Step, at: u64) {
    let policy = Policy::default();
    let now = Moment(Duration::from_millis(at));
    let (number, what, _) = step;
    let id = ReplicaId::new(&number.to_string());
    match what {
        0 => rounds[number] = memory.probe_started(&policy, &id, now),
        1 => memory.probe_put_off(&id, now),
        2 | 3 => {
            let answer = Answer {
                free: 1,
                termination: false,
            };
            let outcome = if what == 2 {
                Ok(answer)
            } else {
                Err(ProbeFailure::Timeout)
            };
            memory.probed(
                &policy,
                &ProbeResult {
                    replica: id,
                    round: rounds[number],
                    finished: now,
                    latency: Duration::from_millis(7),
                    outcome,
                },
            );
        }
        4 => memory.deletion_accepted(&id, DeleteReason::Termination, now),
        what => {
            kinds[number] = what % 9;
            // 8: it is not listed.
            let listed = kinds.iter().enumerate().filter(|(_, kind)| **kind != 8);
            memory.observe(
                &policy,
                &Listing {
                    taken: now,
                    cloud_time: None,
                    servers: listed.map(|(n, kind)| server(n, *kind)).collect(),
                    external_addresses: Some(Vec::new()),
                    not_alone: std::collections::BTreeSet::new(),
                },
            );
        }
    }
}

proptest! {
    #[test]
    fn schedule_holds_exactly_those_that_wait(
        steps in prop::collection::vec((0..6_usize, 0..20_u8, 0..2_000_u64), 1..120)
    ) {
        let mut memory = Memory::default();
        let (mut rounds, mut kinds, mut at) = ([0; 6], [8; 6], 0);
        for step in steps {
            at += step.2;
            happen(&mut memory, &mut rounds, &mut kinds, step, at);
            let naive = waiting(&memory);
            prop_assert_eq!(memory.next_probe(), naive.iter().map(|(_, due, _)| *due).min());
            let now = Moment(Duration::from_millis(at));
            let due: Vec<ReplicaId> = memory.schedule.due(now).cloned().collect();
            let naive: Vec<ReplicaId> = naive
                .into_iter()
                .filter(|(_, due, _)| *due <= now)
                .map(|(_, _, id)| id)
                .collect();
            prop_assert_eq!(due, naive);
        }
    }
}
