//! What is odd in the pool or its cloud, told once each.

use super::Watcher;
use super::journal::{Journal, When};
use crate::pool::{
    ClockOddity, Event, EventKind, Memory, Note, Phase, Plan, Policy, Record, ReplicaId, Words,
    counted,
};
use std::sync::Arc;

/// What was told of one replica.
#[derive(Debug, Default)]
pub(super) struct Told {
    stuck_deleting: bool,
    over_capacity: bool,
}

/// What was told of the pool and the cloud as a whole: the numbers of the last ones.
#[derive(Debug, Default)]
pub(super) struct ToldOfAll {
    mass_terminations: u64,
    odd_clocks: u64,
}

impl Journal {
    pub(super) fn tell_oddities(
        &mut self,
        when: When,
        (policy, memory): (&Policy, &Memory),
        words: &Words<'_>,
        plan: &Plan,
        watcher: &dyn Watcher,
    ) {
        self.tell_mass_termination(when, memory, watcher);
        self.tell_odd_clock(when, memory);
        for (record, assessed) in memory.records().zip(plan.assessment.replicas.iter()) {
            match assessed.phase {
                Phase::Leaving if record.is_stuck_leaving(when.0) => {
                    self.tell_stuck(when, policy, words, record);
                }
                Phase::Serving { free } if free > policy.capacity.get() => {
                    self.tell_over_capacity(when, policy, words, (record, free));
                }
                _ => {}
            }
        }
    }

    fn tell_mass_termination(&mut self, when: When, memory: &Memory, watcher: &dyn Watcher) {
        let new = memory
            .mass_termination()
            .filter(|mass| mass.number > self.told.mass_terminations);
        let Some(mass) = new else {
            return;
        };
        self.told.mass_terminations = mass.number;
        watcher.note(&Note::MassTermination);
        let text = format!(
            "{} of {} replicas report termination=true at once: none of them is deleted until it has \
             reported that again, PROBE_INTERVAL after a new list",
            mass.turned, mass.of
        );
        let kind = EventKind::MassTermination;
        let event = Event {
            reason: Some(kind.name()),
            ..Event::new(kind, text)
        };
        self.keep(when, event);
    }

    fn tell_odd_clock(&mut self, when: When, memory: &Memory) {
        let new = memory
            .odd_clock()
            .filter(|odd| odd.number > self.told.odd_clocks);
        let Some(odd) = new else {
            return;
        };
        self.told.odd_clocks = odd.number;
        let seconds = odd.seconds.unsigned_abs();
        let text = match (odd.how, odd.seconds < 0) {
            (ClockOddity::Jumped, false) => {
                format!(
                    "the cloud's clock (Date) jumped ahead by {seconds} s: ages are counted on from what was seen before"
                )
            }
            (ClockOddity::Jumped, true) => {
                format!(
                    "the cloud's clock (Date) jumped back by {seconds} s: ages are counted on from what was seen before"
                )
            }
            (ClockOddity::Disagrees, false) => {
                format!(
                    "the cloud's clock (Date) is {seconds} s ahead of the times at which it creates servers"
                )
            }
            (ClockOddity::Disagrees, true) => {
                format!(
                    "the cloud's clock (Date) is {seconds} s behind the times at which it creates servers"
                )
            }
        };
        let kind = EventKind::ClockJump;
        let event = Event {
            reason: Some(kind.name()),
            ..Event::new(kind, text)
        };
        self.keep(when, event);
    }

    fn tell_stuck(&mut self, when: When, policy: &Policy, words: &Words<'_>, record: &Record) {
        let id = &record.server.id;
        if self.was_told(id, |told| &mut told.stuck_deleting) {
            return;
        }
        let minutes = Policy::LEAVING_COUNTS_FOR.as_secs() / 60;
        let so = match policy.max_count {
            Some(_) => ": it no longer counts towards REPLICA_MAX_COUNT",
            None => "",
        };
        let text = format!(
            "replica {} has been leaving for {minutes} min{so}",
            words.replica(id)
        );
        self.keep_of(when, EventKind::StuckDeleting, record, text);
    }

    fn tell_over_capacity(
        &mut self,
        when: When,
        policy: &Policy,
        words: &Words<'_>,
        (record, free): (&Record, u64),
    ) {
        let id = &record.server.id;
        if self.was_told(id, |told| &mut told.over_capacity) {
            return;
        }
        let text = format!(
            "replica {} reports {}: that is counted, and is more than \
             REPLICA_CAPACITY={}",
            words.replica(id),
            counted(free, "free resource"),
            policy.capacity
        );
        self.keep_of(when, EventKind::OverCapacity, record, text);
    }

    fn was_told(&mut self, id: &ReplicaId, which: fn(&mut Told) -> &mut bool) -> bool {
        self.known
            .get_mut(id)
            .is_none_or(|known| std::mem::replace(which(&mut known.told), true))
    }

    fn keep_of(&mut self, when: When, kind: EventKind, record: &Record, text: String) {
        let event = Event {
            replica: Some(record.server.id.clone()),
            name: Some(Arc::from(record.server.name.as_str())),
            reason: Some(kind.name()),
            ..Event::new(kind, text)
        };
        self.keep(when, event);
    }
}
