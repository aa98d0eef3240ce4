//! Which replicas are to be asked, and what their answers change.

use super::super::record::{NextProbe, Record};
use super::super::{
    Moment, Policy, ProbeResult, ReplicaId, ReplicaState, assess, terminations::Wait, trial::Shown,
};
use super::Memory;
use std::net::IpAddr;

/// A replica that is due to be probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTarget {
    /// The replica.
    pub replica: ReplicaId,
    /// Where it is.
    pub address: IpAddr,
    /// It holds an external address: it goes first.
    pub urgent: bool,
    /// Its last probe failed: it must not hold up the others.
    pub suspect: bool,
}

/// What a probe's result changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing that a decision depends on.
    AsBefore,
    /// The replica is what it was, but counts otherwise.
    OtherCount {
        /// What it counted.
        before: u64,
        /// What it counts now.
        after: u64,
    },
    /// The replica is something else now, or its word that it is done counts otherwise.
    OtherPhase,
}

impl Memory {
    /// How many due replicas are named at once, beside the holders of external addresses.
    const DUE_AT_ONCE: usize = 256;

    /// Takes in the result of a probe. A result of another round than the one under way is late
    /// and changes nothing.
    pub fn probed(&mut self, policy: &Policy, result: &ProbeResult) -> Heard {
        let result = &result.clone().believed(policy);
        let clocks = self.clocks;
        let heard = self.change(&result.replica, |record| {
            if record.probe.under_way != Some(result.round) {
                return None;
            }
            let before = assess::state(policy, clocks, record, result.finished);
            let grace_is_over = clocks.active_for(record, result.finished) >= policy.startup_grace;
            record.take_result(policy, result, grace_is_over);
            let after = assess::state(policy, clocks, record, result.finished);
            let shown = result.outcome.as_ref().map_or(Shown::Nothing, |answer| {
                let age = clocks.age(record, result.finished);
                let grace = policy.startup_grace;
                record.trial.heard(*answer, result.finished, age, grace)
            });
            Some((before, after, (record.creation, shown)))
        });
        let Some((before, after, (creation, shown))) = heard.flatten() else {
            return Heard::AsBefore;
        };
        match shown {
            Shown::Nothing => {}
            Shown::Free => self.creations.had_free(creation),
            Shown::Proven => self.creations.proved(creation),
        }
        let mut turns = false;
        if result.outcome.is_ok() {
            turns = self.weigh_answer(policy, result);
            self.silence.heard(policy, result.finished);
        }
        match (before, after) {
            (before, after) if before == after && !turns => Heard::AsBefore,
            (ReplicaState::Serving { free: before }, ReplicaState::Serving { free: after }) => {
                Heard::OtherCount { before, after }
            }
            _ => Heard::OtherPhase,
        }
    }

    /// Takes in what a replica says of its end. One of many that say so at once is asked again when
    /// its word counts. Returns whether that word counts otherwise now.
    fn weigh_answer(&mut self, policy: &Policy, result: &ProbeResult) -> bool {
        let id = &result.replica;
        let Some(record) = self.records.get(id) else {
            return false;
        };
        let asked = result.finished - result.latency;
        let turns = self.terminations.answered(policy, record, asked);
        if let Some(until) = self.terminations.wait(id).and_then(Wait::until) {
            self.change(id, |record| record.probe.at = record.probe.at.max(until));
        }
        turns
    }

    /// Which replicas are due to be probed, holders of external addresses first, then those that
    /// have waited longest. There may be more: this is for handing them over bit by bit.
    #[must_use]
    pub fn due_probes(&self, now: Moment) -> Vec<ProbeTarget> {
        let holders = self.holders();
        let is_due = |id: &&ReplicaId| {
            let due = self.record(id).and_then(Record::due);
            due.is_some_and(|due| due <= now)
        };
        let urgent = holders.iter().filter(is_due).map(|id| (id, true));
        let others = self.schedule.due(now).filter(|id| !holders.contains(*id));
        let others = others.take(Self::DUE_AT_ONCE).map(|id| (id, false));
        let mut due: Vec<ProbeTarget> = urgent
            .chain(others)
            .filter_map(|(id, urgent)| {
                let record = self.record(id)?;
                Some(ProbeTarget {
                    replica: id.clone(),
                    address: record.probe_address()?,
                    urgent,
                    suspect: record.failures > 0,
                })
            })
            .collect();
        due.sort_by_key(|target| (!target.urgent, target.suspect));
        due
    }

    /// When the next probe is due, if any replica waits for one.
    #[must_use]
    pub fn next_probe(&self) -> Option<Moment> {
        self.schedule.next()
    }

    /// Notes that a replica is being probed and returns the round that its result must carry.
    pub fn probe_started(&mut self, policy: &Policy, id: &ReplicaId, now: Moment) -> u64 {
        self.rounds += 1;
        let probe = NextProbe {
            at: now + policy.probe_interval,
            under_way: Some(self.rounds),
        };
        self.change(id, |record| record.probe = probe);
        self.rounds
    }

    /// Takes back [`Memory::probe_started`]: the probe could not be handed over.
    pub fn probe_put_off(&mut self, id: &ReplicaId, now: Moment) {
        let probe = NextProbe {
            at: now,
            under_way: None,
        };
        self.change(id, |record| record.probe = probe);
    }
}
