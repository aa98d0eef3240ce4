//! What happened: one closed type from the decision to the log, the rings, the metrics and the page.

use super::{
    Action, Assessed, BackoffCause, Blocked, CloudTime, DeleteReason, Moment, OddClock, Reason,
    Record, ReplicaId, ReplicaState, state_detail,
};
use crate::names;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The replica that an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its id.
    pub id: ReplicaId,
    /// Its name then.
    pub name: Arc<str>,
}

/// What a replica has become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Became {
    /// Its state.
    pub state: ReplicaState,
    /// What belongs to the state, in words: why it failed, what its last probe came to. Empty: nothing.
    pub detail: String,
}

/// Something that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind: one of a few stable words.
    pub kind: &'static str,
    /// The error in words, with its causes and what mends it.
    pub error: String,
}

/// What fails, where it is no action on an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doing {
    /// Listing the servers.
    List,
    /// Listing the external addresses by themselves.
    ListAddresses,
    /// Looking up what the names in the settings stand for.
    LookUpNames,
    /// Checking the plan against the promises.
    Plan,
}

/// What works again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Listing the servers, after so many failures in so long a time.
    List(u64, Duration),
    /// Looking up the names in the settings.
    Names,
    /// The pool as a whole, which was critical for so long.
    Pool(Duration),
}

impl Assessed {
    /// The replica, as an event names it.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject {
            id: self.id.clone(),
            name: Arc::clone(&self.name),
        }
    }
}

impl Became {
    /// What a replica is now, and what belongs to that.
    #[must_use]
    pub fn of(assessed: &Assessed, record: &Record) -> Self {
        Self {
            state: assessed.state.clone(),
            detail: state_detail(assessed, record),
        }
    }
}

/// A setting that names something in the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedThing {
    /// `OPENSTACK_IMAGE`.
    Image,
    /// `OPENSTACK_FLAVOR`.
    Flavor,
    /// `OPENSTACK_NETWORK`.
    Network,
    /// `OPENSTACK_SECURITY_GROUPS`.
    SecurityGroups,
}

/// A name in the settings that stands for something else than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameChange {
    /// What is named.
    pub thing: NamedThing,
    /// The setting, with its value.
    pub setting: String,
    /// What it stood for.
    pub old: String,
    /// What it stands for now.
    pub new: String,
}

/// Why an action of a plan is not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// The daemon is stopping.
    Stopping,
    /// An earlier request to the same service failed in a way that concerns all of them.
    CloudFailed,
    /// The cloud asked to be left alone for a while.
    AskedToWait,
    /// The last requests for this object got no answer.
    Unanswered,
    /// The list that the plan rests on is too old.
    OldList,
    /// The external addresses could not be listed.
    OldAddresses,
    /// It was tried after the list was asked for.
    TriedSince,
    /// A newer answer, or the time that has passed, rules it out.
    Superseded,
    /// The move that it waits for was not made.
    AddressNotMoved,
    /// Creations have begun to wait since the plan was made.
    CreationFailed,
}

names!(SkipReason {
    Self::Stopping => "stopping",
    Self::CloudFailed => "cloud-failed",
    Self::AskedToWait => "asked-to-wait",
    Self::Unanswered => "unanswered",
    Self::OldList => "old-list",
    Self::OldAddresses => "old-addresses",
    Self::TriedSince => "tried-since",
    Self::Superseded => "superseded",
    Self::AddressNotMoved => "address-not-moved",
    Self::CreationFailed => "creation-failed",
});

/// Something that happened, with its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The pool as it was found at the start: how many replicas are in each state.
    Found(Vec<(&'static str, usize)>),
    /// A list has a replica for the first time.
    New(Subject, Became),
    /// A replica's state is another one than that before.
    State(Subject, &'static str, Became),
    /// No list has the replica any more.
    Gone {
        /// The replica.
        replica: Subject,
        /// Its last state.
        state: &'static str,
        /// Why its deletion was asked for; `None`: this daemon did not ask for it.
        deleted: Option<DeleteReason>,
        /// How old it was.
        age: Duration,
    },
    /// An action was answered.
    Acted {
        /// The action.
        action: Action,
        /// The action and its reason in words, with the names of then.
        sentence: String,
        /// The replica that it is about.
        replica: Option<Subject>,
        /// For how long the holder of a moved address had been unreachable.
        outage: Option<Duration>,
        /// What came of it.
        result: Result<(), Failure>,
    },
    /// A list shows that a move of unknown outcome was made.
    MoveConfirmed {
        /// The address.
        address: String,
        /// The replica that has it.
        to: Subject,
    },
    /// An action of a plan was not begun.
    Skipped {
        /// The action.
        action: Action,
        /// The action and its reason in words.
        sentence: String,
        /// The replica that it is about.
        replica: Option<Subject>,
        /// Why not.
        why: SkipReason,
    },
    /// Of the replicas that were asked for, only a part was made.
    CutShort {
        /// How many were made.
        made: u64,
        /// How many were asked for.
        ordered: u64,
    },
    /// Something is wanted and not done, and has been so for a while.
    Blocked(Blocked, Option<Subject>, Duration),
    /// Something failed.
    Failed(Doing, Failure),
    /// The pool is critical from now on, for this reason.
    Critical(Reason),
    /// What failed before works again.
    Recovered(Recovery),
    /// A list lacks too much to be believed at once.
    Doubted {
        /// How many replicas it lacks.
        missing: usize,
        /// How many the last believed list had.
        previous: usize,
    },
    /// A list lacks servers that are there, or of which nothing is known.
    Incomplete(Failure),
    /// A list contradicts itself, and has done so for a while.
    Contradiction(String, Duration),
    /// Servers of the pool were created, and not by this daemon.
    Foreign {
        /// How many.
        count: u64,
        /// One of them carries the mark of another daemon.
        is_marked: bool,
        /// Some of them.
        servers: Vec<Subject>,
    },
    /// A name in the settings stands for something else.
    NameChanged(NameChange),
    /// Most of the replicas report at once that they are done.
    MassTermination {
        /// How many have turned.
        turned: usize,
        /// Of how many.
        of: usize,
    },
    /// The cloud has been deleting a server for too long. Whether a limit of the pool's size counted it until now.
    StuckDeleting(Subject, bool),
    /// A replica reports more free resources than it is meant to have.
    OverCapacity {
        /// The replica.
        replica: Subject,
        /// What it reports.
        free: u64,
        /// `REPLICA_CAPACITY`.
        capacity: u64,
    },
    /// The cloud's clock jumped, or is wrong.
    ClockJump(OddClock),
}

names!(Event {
    Self::Found(_) => "found",
    Self::New(..) => "replica-new",
    Self::State(..) => "replica-state",
    Self::Gone { .. } => "replica-gone",
    Self::Acted { action: Action::Create { .. }, .. } => "create",
    Self::CutShort { .. } => "create-partial",
    Self::Acted { action: Action::Delete { .. }, .. } => "delete",
    Self::Acted { action: Action::MoveAddress { .. }, .. } | Self::MoveConfirmed { .. } => "move-address",
    Self::Skipped { .. } => "skipped",
    Self::Blocked(..) => "blocked",
    Self::Failed(..) => "error",
    Self::Critical(_) => "critical",
    Self::Recovered(_) => "recovered",
    Self::Doubted { .. } => "list-doubted",
    Self::Incomplete(_) => "list-incomplete",
    Self::Contradiction(..) => "contradiction",
    Self::Foreign { .. } => "foreign-creation",
    Self::NameChanged(NameChange { thing: NamedThing::Image, .. }) => "image-changed",
    Self::NameChanged(NameChange { thing: NamedThing::Flavor, .. }) => "flavor-changed",
    Self::NameChanged(NameChange { thing: NamedThing::Network, .. }) => "network-changed",
    Self::NameChanged(NameChange { thing: NamedThing::SecurityGroups, .. }) => "security-groups-changed",
    Self::MassTermination { .. } => "mass-termination",
    Self::StuckDeleting(..) => "stuck-deleting",
    Self::OverCapacity { .. } => "over-capacity",
    Self::ClockJump(_) => "clock-jump",
});

impl Event {
    /// The word for a creation's reason.
    pub const BELOW_FLOOR: &'static str = "below-floor";

    /// Whether it shows what became of one replica, not what was decided.
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(self, Self::New(..) | Self::State(..) | Self::Gone { .. })
    }

    /// The replica that it is about.
    #[must_use]
    pub fn replica(&self) -> Option<&Subject> {
        match self {
            Self::New(replica, _)
            | Self::State(replica, ..)
            | Self::Gone { replica, .. }
            | Self::MoveConfirmed { to: replica, .. }
            | Self::StuckDeleting(replica, _)
            | Self::OverCapacity { replica, .. } => Some(replica),
            Self::Acted { replica, .. }
            | Self::Skipped { replica, .. }
            | Self::Blocked(_, replica, _) => replica.as_ref(),
            _ => None,
        }
    }

    /// Why: a stable word.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Gone { deleted, .. } => deleted.as_ref().map(DeleteReason::name),
            Self::Acted { action, .. } => Some(match action {
                Action::MoveAddress { reason, .. } => reason.name(),
                Action::Delete { reason, .. } => reason.name(),
                Action::Create { .. } => Self::BELOW_FLOOR,
            }),
            Self::Skipped { why, .. } => Some(why.name()),
            Self::CutShort { .. } => Some("quota"),
            Self::Blocked(blocked, ..) => Some(blocked.name()),
            Self::Critical(reason) => Some(reason.name()),
            Self::Failed(_, failure) | Self::Incomplete(failure) => Some(failure.kind),
            Self::Foreign { is_marked, .. } => Some(if *is_marked {
                "another-daemon"
            } else {
                "unmarked"
            }),
            Self::MassTermination { .. }
            | Self::StuckDeleting(..)
            | Self::OverCapacity { .. }
            | Self::ClockJump(_) => Some(self.name()),
            _ => None,
        }
    }

    /// What came of it: `done` or `failed`.
    #[must_use]
    pub fn outcome(&self) -> Option<&'static str> {
        match self {
            Self::Acted { result: Ok(()), .. } | Self::MoveConfirmed { .. } => Some("done"),
            Self::Acted { result: Err(_), .. } => Some("failed"),
            _ => None,
        }
    }

    /// What failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Acted {
                result: Err(failure),
                ..
            }
            | Self::Failed(_, failure)
            | Self::Incomplete(failure) => Some(failure),
            _ => None,
        }
    }

    /// The replica's state before and after.
    #[must_use]
    pub fn states(&self) -> (Option<&'static str>, Option<&'static str>) {
        match self {
            Self::New(_, became) => (None, Some(became.state.name())),
            Self::State(_, before, became) => (Some(before), Some(became.state.name())),
            Self::Gone { state, .. } => (Some(state), None),
            _ => (None, None),
        }
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

/// An event as it is logged and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Rises by one from entry to entry.
    pub number: u64,
    /// When.
    pub at: Moment,
    /// When, on the cloud's clock.
    pub time: Option<CloudTime>,
    /// What happened.
    pub event: Event,
    /// The same in a sentence.
    pub text: String,
    /// How often it happened in a row.
    pub times: u64,
    /// The numbers, where they are known.
    pub numbers: Option<Numbers>,
}

/// The last events. Decisions have a ring of their own, so that no number of changes of state
/// pushes the answer to "why was this deleted" out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Events {
    decisions: VecDeque<Arc<Entry>>,
    changes: VecDeque<Arc<Entry>>,
    count: u64,
}

impl Events {
    /// How many decisions are kept, and as many changes of state.
    pub const KEPT: usize = 1_000;

    /// Keeps an event, gives it its number, and forgets the oldest one of its kind if need be.
    pub fn keep(&mut self, mut entry: Entry) -> Arc<Entry> {
        self.count += 1;
        entry.number = self.count;
        let entry = Arc::new(entry);
        let ring = if entry.event.is_change() {
            &mut self.changes
        } else {
            &mut self.decisions
        };
        if ring.len() == Self::KEPT {
            ring.pop_front();
        }
        ring.push_back(Arc::clone(&entry));
        entry
    }

    /// Those that are kept, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Arc<Entry>> {
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

impl Quota {
    /// Whether so many servers more are known not to fit in, whatever their flavor is.
    #[must_use]
    pub fn lacks_room_for(&self, servers: u64) -> bool {
        match self.instances {
            (Some(limit), Some(used)) => limit.saturating_sub(used) < servers,
            _ => false,
        }
    }
}

/// Something that is measured, and is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// A step of a cycle has ended.
    Step(CycleStep, Duration),
    /// A probe has ended, in a failure of this kind if it failed.
    Probe(Duration, Option<&'static str>),
    /// A replica that was created here has served for the first time, so long after its creation.
    CameUp(Duration),
    /// Creations have come to nothing, and wait.
    CreationFailed(BackoffCause),
    /// What the cloud allows.
    Quota(Quota),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_do_not_push_decisions_out() {
        let mut events = Events::default();
        let replica = Subject {
            id: ReplicaId::new("a"),
            name: "a".into(),
        };
        let became = Became {
            state: ReplicaState::Starting,
            detail: String::new(),
        };
        let entry = |event| Entry {
            number: 0,
            at: Moment::START,
            time: None,
            event,
            text: String::new(),
            times: 1,
            numbers: None,
        };
        let decision = Event::Recovered(Recovery::Names);
        events.keep(entry(decision.clone()));
        for _ in 0..3 * Events::KEPT {
            events.keep(entry(Event::State(
                replica.clone(),
                "checking",
                became.clone(),
            )));
        }
        events.keep(entry(decision));
        let numbers: Vec<u64> = events.newest_first().map(|e| e.number).collect();
        assert_eq!(numbers.len(), Events::KEPT + 2);
        assert!(numbers.is_sorted_by(|a, b| a > b), "{numbers:?}");
        let words: Vec<&str> = events.newest_first().map(|e| e.event.name()).collect();
        assert_eq!(words.first(), Some(&"recovered"));
        assert_eq!(words.last(), Some(&"recovered"));
    }
}
