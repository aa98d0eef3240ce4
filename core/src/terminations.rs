//! Many replicas that say "done" at once: the end of an evening, or a fault that all of their status
//! scripts have together. Which of the two it is, a second look tells.

use super::{Moment, Policy, Record, ReplicaId};
use std::collections::BTreeMap;

/// Most of the replicas have turned to "done" at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MassTermination {
    /// Rises by one from one to the next.
    pub number: u64,
    /// How many had turned when it was noticed.
    pub turned: usize,
    /// Of how many that served.
    pub of: usize,
}

/// A replica that has turned to "done".
#[derive(Debug, Clone, Copy)]
struct Turned {
    at: Moment,
    /// It has said so again, long enough afterwards.
    is_old: bool,
    /// It is one of many: it has to say so once more, long enough after a list that shows it.
    waits: Option<Wait>,
    /// It does not answer any more, so that the others need not be held up for it.
    is_silent: bool,
}

/// What the deletion of one of many that have turned waits for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wait {
    /// A list that shows it.
    ForList,
    /// An answer to a probe from this moment on.
    Until(Moment),
}

impl Wait {
    /// From when on its answer counts, if that is known.
    pub(super) fn until(self) -> Option<Moment> {
        match self {
            Self::ForList => None,
            Self::Until(moment) => Some(moment),
        }
    }
}

/// The replicas that have turned to "done" of late.
#[derive(Debug, Clone, Default)]
pub(super) struct Terminations {
    turned: BTreeMap<ReplicaId, Turned>,
    /// How many replicas may have served, as of the last believed list.
    serving: usize,
    last: Option<MassTermination>,
    /// Some have turned of which no list was asked for yet.
    wants_a_list: bool,
}

impl Terminations {
    /// So many at least make it a mass.
    const MANY: usize = 3;

    /// The last time that most of the replicas turned at once.
    pub(super) fn last(&self) -> Option<MassTermination> {
        self.last
    }

    /// Whether a replica's termination has to be confirmed once more, and from when on.
    pub(super) fn wait(&self, id: &ReplicaId) -> Option<Wait> {
        self.turned.get(id)?.waits
    }

    /// Whether a list is wanted that shows those that have turned. Each is a reason for one list.
    pub(super) fn wants_a_list(&self) -> bool {
        self.wants_a_list
    }

    /// A list has come, believed or not.
    pub(super) fn was_listed(&mut self) {
        self.wants_a_list = false;
    }

    /// Takes in a replica's answer, to a probe that was begun at a moment. Returns whether it has turned by that, or
    /// confirmed that it did.
    pub(super) fn answered(&mut self, policy: &Policy, record: &Record, asked: Moment) -> bool {
        let id = &record.server.id;
        if record.done_in_a_row == 0 {
            return self.turned.remove(id).is_some();
        }
        // Of one that never served here, a broken image say, it is no turn.
        let has_served = record.has_served || !record.created_since_start;
        if record.done_in_a_row == 1 && has_served {
            let turned = Turned {
                at: asked,
                is_old: false,
                waits: None,
                is_silent: false,
            };
            self.turned.insert(id.clone(), turned);
            self.compare();
            return true;
        }
        let Some(turned) = self.turned.get_mut(id) else {
            return false;
        };
        turned.is_silent = false;
        turned.is_old |= asked.since(turned.at) >= policy.probe_interval;
        match turned.waits {
            Some(Wait::Until(moment)) if asked >= moment => self.turned.remove(id).is_some(),
            _ => false,
        }
    }

    /// A replica's deletion was accepted.
    pub(super) fn deleted(&mut self, id: &ReplicaId) {
        if let Some(turned) = self.turned.get_mut(id) {
            turned.waits = None;
            turned.is_old = true;
        }
    }

    /// Takes in a believed list, asked for at one moment and there at another, which shows so many that may have
    /// served. Returns the replicas that are to be asked at the moment that comes with them.
    pub(super) fn listed<'a>(
        &mut self,
        policy: &Policy,
        serving: usize,
        record: impl Fn(&ReplicaId) -> Option<&'a Record>,
        (taken, now): (Moment, Moment),
    ) -> Vec<(ReplicaId, Moment)> {
        self.compare();
        self.serving = serving;
        // As long as it takes until each replica has been asked, and asked again.
        let lately = policy.probe_interval * 2 + Policy::CONFIRM_TERMINATION_AFTER * 2;
        self.turned.retain(|id, turned| {
            let is_recent = now.since(turned.at) <= lately;
            let Some(record) = record(id).filter(|record| record.done_in_a_row > 0) else {
                turned.waits = None;
                return is_recent;
            };
            turned.is_silent = record.is_silent(policy);
            is_recent || !turned.is_old || turned.waits.is_some()
        });
        // Some that were counted may have left since.
        self.compare();
        self.wants_a_list = false;
        let until = now + policy.confirm_mass_after();
        let mut asked = Vec::new();
        for (id, turned) in &mut self.turned {
            if !matches!(turned.waits, Some(Wait::ForList)) {
                continue;
            }
            if turned.at <= taken {
                turned.waits = Some(Wait::Until(until));
                asked.push((id.clone(), until));
            } else {
                // It turned while the list was being made, which does not show what that did to the pool.
                self.wants_a_list = true;
            }
        }
        asked
    }

    /// Whether those that have turned are so many that each has to be confirmed. While that goes on,
    /// others that turn join them.
    fn compare(&mut self) {
        let is_open = |turned: &Turned| turned.waits.is_some() && !turned.is_silent;
        let is_going_on = self.turned.values().any(is_open);
        let count = self.turned.len();
        let of = self.serving.max(count);
        if !is_going_on {
            let fresh = self.turned.values().any(|turned| !turned.is_old);
            if count < Self::MANY || count * 2 <= of || !fresh {
                return;
            }
            self.last = Some(MassTermination {
                number: self.last.map_or(1, |last| last.number + 1),
                turned: count,
                of,
            });
        }
        for turned in self.turned.values_mut().filter(|turned| !turned.is_old) {
            if turned.waits.is_none() {
                turned.waits = Some(Wait::ForList);
                self.wants_a_list = true;
            }
        }
    }
}
