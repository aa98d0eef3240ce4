//! What each replica is worth at a moment, and what that sums up to.

use super::clocks::Clocks;
use super::{Creating, Failed, Memory, Moment, Policy, Record, ReplicaId, ServerState};
use crate::names;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a replica is at a moment, from the list and its answers together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplicaState {
    /// Being deleted.
    Leaving,
    /// On its way: the cloud has not finished it.
    Creating(Creating),
    /// On its way: it runs, and its own start-up is given time.
    Starting,
    /// It runs, and too few probes have been made to say what it is.
    Checking,
    /// It answers, and has so many resources free.
    Serving {
        /// Free resources.
        free: u64,
    },
    /// It has reported termination=true, and has to report it again before that is believed.
    Finishing {
        /// The free resources of its last answer that said otherwise.
        counted: u64,
    },
    /// It has reported termination=true often enough.
    Finished,
    /// It runs and does not answer. It may hold sessions all the same.
    Unreachable {
        /// Since when.
        since: Moment,
    },
    /// The cloud says that it is of no use any more.
    Failed(Failed),
    /// Somebody took it out of service on purpose.
    Held,
    /// The cloud cannot say.
    Unknown {
        /// What it counted when the cloud last could.
        counted: u64,
    },
}

names!(ReplicaState {
    Self::Leaving => "leaving",
    Self::Creating(_) => "creating",
    Self::Starting => "starting",
    Self::Checking => "checking",
    Self::Serving { .. } => "serving",
    Self::Finishing { .. } => "finishing",
    Self::Finished => "finished",
    Self::Unreachable { .. } => "unreachable",
    Self::Failed(_) => "failed",
    Self::Held => "held",
    Self::Unknown { .. } => "unknown",
});

impl ReplicaState {
    /// Whether it answers.
    #[must_use]
    pub fn answers(&self) -> bool {
        matches!(
            self,
            Self::Serving { .. } | Self::Finishing { .. } | Self::Finished
        )
    }
}

/// One replica, assessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessed {
    /// Its id.
    pub id: ReplicaId,
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub state: ReplicaState,
    /// What it adds to the available resources.
    pub counts: u64,
    /// The operator's lock.
    pub locked: bool,
    /// Whether it has ever answered that it is not done.
    pub has_served: bool,
    /// Its age.
    pub age: Duration,
    /// Where it is probed.
    pub address: Option<IpAddr>,
}

/// The pool, assessed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assessment {
    /// When it was made.
    pub at: Moment,
    /// The replicas, in the order of their ids.
    pub replicas: Arc<Vec<Assessed>>,
    /// Servers of accepted creations that no list has shown yet.
    pub awaited: u64,
    /// Available resources: what can be taken now, and what is on its way.
    pub available: u64,
    /// Ready resources: what can be taken now, on replicas that answer.
    pub ready: u64,
}

impl Assessment {
    /// How many replicas are in each state; states without any are absent.
    #[must_use]
    pub fn by_state(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for replica in self.replicas.iter() {
            *counts.entry(replica.state.name()).or_default() += 1;
        }
        counts
    }

    /// A replica of the pool.
    #[must_use]
    pub fn replica(&self, id: &ReplicaId) -> Option<&Assessed> {
        let index = self.replicas.binary_search_by(|r| r.id.cmp(id)).ok()?;
        self.replicas.get(index)
    }

    /// The state of a replica of the pool.
    #[must_use]
    pub fn state(&self, id: &ReplicaId) -> Option<&ReplicaState> {
        self.replica(id).map(|r| &r.state)
    }

    /// How many replicas the cloud has not finished.
    pub(super) fn creating(&self) -> u64 {
        let creating = |r: &&Assessed| matches!(r.state, ReplicaState::Creating(_));
        self.replicas.iter().filter(creating).count() as u64
    }

    /// Whether any replica answers now.
    #[must_use]
    pub fn anyone_answers(&self) -> bool {
        self.replicas.iter().any(|r| r.state.answers())
    }
}

/// Assesses the pool as it is remembered at `now`.
#[must_use]
pub fn assess(policy: &Policy, memory: &Memory, now: Moment) -> Assessment {
    let replicas: Vec<Assessed> = memory
        .records()
        .map(|record| {
            let state = state(policy, memory.clocks(), record, now);
            Assessed {
                id: record.server.id.clone(),
                name: Arc::clone(&record.name),
                counts: count(policy, &state),
                state,
                locked: record.server.locked,
                has_served: record.has_served,
                age: memory.age(record, now),
                address: match record.server.state {
                    ServerState::Running(address) => Some(address),
                    _ => record.probe_address(),
                },
            }
        })
        .collect();
    let awaited = memory.awaited(now);
    let available = replicas.iter().map(|r| r.counts).fold(
        awaited.saturating_mul(policy.capacity.get()),
        u64::saturating_add,
    );
    let ready = replicas.iter().map(|r| ready(&r.state));
    let ready = ready.fold(0, u64::saturating_add);
    Assessment {
        at: now,
        replicas: Arc::new(replicas),
        awaited,
        available,
        ready,
    }
}

pub(super) fn count(policy: &Policy, state: &ReplicaState) -> u64 {
    match state {
        ReplicaState::Creating(_) | ReplicaState::Starting | ReplicaState::Checking => {
            policy.capacity.get()
        }
        ReplicaState::Serving { free } => *free,
        ReplicaState::Unknown { counted } | ReplicaState::Finishing { counted } => *counted,
        ReplicaState::Leaving
        | ReplicaState::Finished
        | ReplicaState::Unreachable { .. }
        | ReplicaState::Failed(_)
        | ReplicaState::Held => 0,
    }
}

/// What can be taken now: nothing that is only promised counts here.
fn ready(state: &ReplicaState) -> u64 {
    match state {
        ReplicaState::Serving { free } => *free,
        ReplicaState::Creating(_)
        | ReplicaState::Starting
        | ReplicaState::Checking
        | ReplicaState::Unknown { .. }
        | ReplicaState::Leaving
        | ReplicaState::Finishing { .. }
        | ReplicaState::Finished
        | ReplicaState::Unreachable { .. }
        | ReplicaState::Failed(_)
        | ReplicaState::Held => 0,
    }
}

pub(super) fn state(policy: &Policy, clocks: Clocks, record: &Record, now: Moment) -> ReplicaState {
    if record.delete_accepted.is_some() {
        return ReplicaState::Leaving;
    }
    match &record.server.state {
        ServerState::Leaving => ReplicaState::Leaving,
        ServerState::Creating(why) => ReplicaState::Creating(*why),
        ServerState::Failed(how) if record.is_lost(policy) => ReplicaState::Failed(*how),
        // The replica's own word counts for more than the cloud's.
        ServerState::Failed(_) => match running_state(policy, clocks, record, now) {
            ReplicaState::Starting => ReplicaState::Checking,
            other => other,
        },
        ServerState::Held(_) => ReplicaState::Held,
        ServerState::Unknown => ReplicaState::Unknown {
            counted: record.frozen_count,
        },
        ServerState::Running(_) => running_state(policy, clocks, record, now),
    }
}

fn running_state(policy: &Policy, clocks: Clocks, record: &Record, now: Moment) -> ReplicaState {
    let active_for = clocks.active_for(record, now);
    let grace_is_over = active_for >= policy.startup_grace;
    let silent = record.is_silent(policy);
    match record.answer.filter(|_| !silent) {
        Some(answer) if !answer.termination => ReplicaState::Serving { free: answer.free },
        // A status script often says "delete me" while its service is still starting. What it
        // said by then is not held against it: it has to say so once more.
        Some(_) if record.done_in_a_row >= policy.termination_confirmations => {
            // What it said long ago, before this thread stood still, it has to say again.
            let asked = record.done_asked.unwrap_or_default();
            if now.since(asked) <= policy.asked_within() {
                ReplicaState::Finished
            } else {
                ReplicaState::Finishing { counted: 0 }
            }
        }
        Some(_) if record.done_in_a_row > 0 => ReplicaState::Finishing {
            counted: record.free_before.unwrap_or(policy.capacity.get()),
        },
        Some(_) => ReplicaState::Starting,
        None if !record.has_come_up() && !grace_is_over => ReplicaState::Starting,
        None if silent => {
            let silent_since = record.unreachable_since.unwrap_or(now);
            // The time that it was given to start is not held against it.
            let grace_end = now - active_for.saturating_sub(policy.startup_grace);
            let since = if record.has_come_up() {
                silent_since
            } else {
                silent_since.max(grace_end)
            };
            ReplicaState::Unreachable { since }
        }
        None => ReplicaState::Checking,
    }
}
