//! What happened, as it is told in the log and kept for the status page; and what is measured.

use super::{BackoffCause, CloudTime, DeleteReason, Moment, MoveReason, ReplicaId};
use crate::names;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The pool as it was found at the start.
    Found,
    /// A list has a replica for the first time.
    New,
    /// A replica's state is another one.
    State,
    /// No list has the replica any more.
    Gone,
    /// Replicas were asked for.
    Create,
    /// Of the replicas that were asked for, only a part was made.
    CutShort,
    /// A replica's deletion was asked for.
    Delete,
    /// An external address was moved.
    Move,
    /// Something is wanted and not done.
    Blocked,
    /// Something failed.
    Error,
    /// What failed before works again.
    Recovered,
    /// A list lacks too much to be believed at once.
    Doubted,
    /// A list lacks servers that are there, or of which nothing is known.
    Incomplete,
    /// A list contradicts itself.
    Contradiction,
    /// Servers of the pool were created, and not by this daemon.
    Foreign,
    /// The image's name stands for another image.
    ImageChanged,
    /// The flavor's name stands for another flavor.
    FlavorChanged,
    /// The network's name stands for another network.
    NetworkChanged,
    /// The security groups' names stand for others.
    SecurityGroupsChanged,
    /// Most of the replicas say at once that they are done.
    MassTermination,
    /// The cloud has been deleting a server for too long.
    StuckDeleting,
    /// A replica reports more than `REPLICA_CAPACITY`.
    OverCapacity,
    /// The cloud's clock jumped, or is wrong.
    ClockJump,
}

names!(EventKind {
    Self::Found => "found",
    Self::New => "replica-new",
    Self::State => "replica-state",
    Self::Gone => "replica-gone",
    Self::Create => "create",
    Self::CutShort => "create-partial",
    Self::Delete => "delete",
    Self::Move => "move-address",
    Self::Blocked => "blocked",
    Self::Error => "error",
    Self::Recovered => "recovered",
    Self::Doubted => "list-doubted",
    Self::Incomplete => "list-incomplete",
    Self::Contradiction => "contradiction",
    Self::Foreign => "foreign-creation",
    Self::ImageChanged => "image-changed",
    Self::FlavorChanged => "flavor-changed",
    Self::NetworkChanged => "network-changed",
    Self::SecurityGroupsChanged => "security-groups-changed",
    Self::MassTermination => "mass-termination",
    Self::StuckDeleting => "stuck-deleting",
    Self::OverCapacity => "over-capacity",
    Self::ClockJump => "clock-jump",
});

impl EventKind {
    /// Whether it tells what became of one replica, not what was decided.
    #[must_use]
    pub fn is_change(self) -> bool {
        matches!(self, Self::New | Self::State | Self::Gone)
    }
}

/// The pool in numbers, before and after what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    /// Ready resources, as last known.
    pub ready: u64,
    /// Available resources before.
    pub available: u64,
    /// Available resources after.
    pub available_after: u64,
    /// Replicas that are not leaving, before.
    pub replicas: u64,
    /// Replicas that are not leaving, after.
    pub replicas_after: u64,
    /// The floor.
    pub floor: u64,
}

/// Something that happened, with its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Rises by one from event to event.
    pub number: u64,
    /// When.
    pub at: Moment,
    /// When, on the cloud's clock.
    pub time: Option<CloudTime>,
    /// What kind of thing.
    pub kind: EventKind,
    /// The replica that it is about.
    pub replica: Option<ReplicaId>,
    /// The replica's name then.
    pub name: Option<Arc<str>>,
    /// Why: a stable word.
    pub reason: Option<&'static str>,
    /// What came of it: `done` or `failed`.
    pub outcome: Option<&'static str>,
    /// The replica's state before and after.
    pub states: (Option<&'static str>, Option<&'static str>),
    /// All of it in a sentence.
    pub text: String,
    /// The error in words, with its causes.
    pub error: Option<String>,
    /// How often it happened in a row.
    pub times: u64,
    /// The numbers, where they are known.
    pub numbers: Option<Numbers>,
}

impl Event {
    /// An event of which only the sentence is known.
    #[must_use]
    pub fn new(kind: EventKind, text: String) -> Self {
        Self {
            number: 0,
            at: Moment::START,
            time: None,
            kind,
            replica: None,
            name: None,
            reason: None,
            outcome: None,
            states: (None, None),
            text,
            error: None,
            times: 1,
            numbers: None,
        }
    }
}

/// The last events. Decisions have a ring of their own, so that no number of changes of state
/// pushes the answer to "why was this deleted" out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Events {
    decisions: VecDeque<Arc<Event>>,
    changes: VecDeque<Arc<Event>>,
    count: u64,
}

impl Events {
    /// How many decisions are kept, and as many changes of state.
    pub const KEPT: usize = 1_000;

    /// Keeps an event, gives it its number, and forgets the oldest one of its kind if need be.
    pub fn keep(&mut self, mut event: Event) -> Arc<Event> {
        self.count += 1;
        event.number = self.count;
        let event = Arc::new(event);
        let ring = if event.kind.is_change() {
            &mut self.changes
        } else {
            &mut self.decisions
        };
        if ring.len() == Self::KEPT {
            ring.pop_front();
        }
        ring.push_back(Arc::clone(&event));
        event
    }

    /// Those that are kept, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Arc<Event>> {
        let mut decisions = self.decisions.iter().rev().peekable();
        let mut changes = self.changes.iter().rev().peekable();
        std::iter::from_fn(move || match (decisions.peek(), changes.peek()) {
            (Some(decision), Some(change)) if decision.number < change.number => changes.next(),
            (None, Some(_)) => changes.next(),
            _ => decisions.next(),
        })
    }
}

/// A step of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CycleStep {
    /// The cloud is listed.
    List,
    /// The plan is made.
    Plan,
    /// The plan is carried out.
    Apply,
}

names!(CycleStep {
    Self::List => "list",
    Self::Plan => "plan",
    Self::Apply => "apply",
});

/// What the cloud allows the project, and what is used of it; `None`: without a limit, or
/// not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Servers: limit, used.
    pub instances: (Option<u64>, Option<u64>),
    /// Virtual CPUs: limit, used.
    pub cores: (Option<u64>, Option<u64>),
    /// Memory in MiB: limit, used.
    pub ram_mib: (Option<u64>, Option<u64>),
}

/// Something to be counted or measured. Nothing here names a replica: what is counted must have
/// a bounded number of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// A step of a cycle has ended.
    Stepped(CycleStep, Duration),
    /// Something failed; the kind is one of a few words.
    Failed(&'static str),
    /// The cloud accepted a creation of so many servers.
    Created(u64),
    /// A creation came to nothing.
    CreateFailed(BackoffCause),
    /// So many servers of the pool were created, and not by this daemon.
    Foreign(u64),
    /// The cloud accepted a deletion.
    Deleted(DeleteReason),
    /// An external address was moved, so long after its holder was found unreachable.
    Moved(MoveReason, Option<Duration>),
    /// A probe has ended, in a failure of this kind if it failed.
    Probed(Duration, Option<&'static str>),
    /// A replica that was created here serves for the first time, so long after its creation.
    Ready(Duration),
    /// A replica is gone, at this age.
    Gone(Duration),
    /// Most of the replicas said at once that they are done.
    MassTermination,
    /// What the cloud allows.
    Quota(Quota),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_do_not_push_decisions_out() {
        let mut events = Events::default();
        let event = |kind| Event::new(kind, String::new());
        events.keep(event(EventKind::Delete));
        for _ in 0..3 * Events::KEPT {
            events.keep(event(EventKind::State));
        }
        events.keep(event(EventKind::Create));
        let numbers: Vec<u64> = events.newest_first().map(|e| e.number).collect();
        assert_eq!(numbers.len(), Events::KEPT + 2);
        assert!(numbers.is_sorted_by(|a, b| a > b), "{numbers:?}");
        let kinds: Vec<EventKind> = events.newest_first().map(|e| e.kind).collect();
        assert_eq!(kinds.first(), Some(&EventKind::Create));
        assert_eq!(kinds.last(), Some(&EventKind::Delete));
    }
}
