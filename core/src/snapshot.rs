//! What the scaler shows to the rest of the daemon.

use super::{
    Action, Assessment, Backoff, CloudClock, CloudErrorKind, CloudTime, Doing, Event, Events,
    ExternalAddress, Lists, Moment, Plan, Record, ShrunkenList, Supply,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// An error that did not end the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// When it happened last.
    pub last: Moment,
    /// How often it happened in a row.
    pub times: u64,
    /// What was being done.
    pub doing: String,
    /// The kind of the error: together with `doing`, what makes it the same error again.
    pub kind: &'static str,
    /// The error in words, with its causes.
    pub error: String,
}

/// Something that new servers are made of is missing: a name in the settings stands for nothing, or a file that they
/// name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unprepared {
    /// Since when that is known.
    pub since: Moment,
    /// Which of the two.
    pub kind: CloudErrorKind,
    /// What is missing and which setting names it, as the log has it.
    pub error: Arc<str>,
}

/// What has been done since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Complete lists.
    pub cycles: u64,
    /// Lists that failed.
    pub failed_cycles: u64,
    /// Servers asked for and accepted.
    pub created: u64,
    /// Deletions accepted.
    pub deleted: u64,
    /// External addresses moved.
    pub moved: u64,
}

impl Counters {
    /// Counts an event.
    pub fn count(&mut self, event: &Event) {
        let (counter, by) = match event {
            Event::Failed(Doing::List, _) => (&mut self.failed_cycles, 1),
            Event::MoveConfirmed { .. } => (&mut self.moved, 1),
            Event::Acted {
                action,
                result: Ok(()),
                ..
            } => match action {
                Action::MoveAddress { .. } => (&mut self.moved, 1),
                Action::Delete { .. } => (&mut self.deleted, 1),
                Action::Create { count } => (&mut self.created, count.get()),
            },
            _ => return,
        };
        *counter = counter.saturating_add(by);
    }
}

/// The scaler's state at one moment, complete and immutable.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// When it was made.
    pub taken: Moment,
    /// The cloud's clock.
    pub cloud_clock: Option<CloudClock>,
    /// When the last complete list was taken; `None`: there has been none.
    pub last_list: Option<Moment>,
    /// The floor.
    pub floor: u64,
    /// `REPLICA_CAPACITY`.
    pub capacity: u64,
    /// `REPLICA_MAX_COUNT`; `None`: no limit.
    pub max_count: Option<u64>,
    /// How the ready resources have stood against the floor.
    pub supply: Supply,
    /// How listing the cloud goes.
    pub lists: Lists,
    /// How listing the external addresses goes.
    pub address_lists: Lists,
    /// For how long a new replica may be expected to boot.
    pub expected_boot: Duration,
    /// The id of the image that new servers are made from, where it is known.
    pub image: Option<Arc<str>>,
    /// The last plan: what each replica is worth, what would be done now, what is blocked.
    pub plan: Plan,
    /// What is remembered of each replica, in the order of `plan.assessment.replicas`.
    pub records: Vec<Arc<Record>>,
    /// The external addresses of the last list.
    pub external_addresses: Vec<ExternalAddress>,
    /// The wait before the next creation.
    pub backoff: Option<Backoff>,
    /// What the cloud said of the last server that ended in an error.
    pub last_fault: Option<Arc<str>>,
    /// What new servers lack.
    pub unprepared: Option<Unprepared>,
    /// The list that waits to be confirmed.
    pub shrunken_list: Option<ShrunkenList>,
    /// The last errors, the newest last.
    pub incidents: Arc<VecDeque<Incident>>,
    /// The last decisions and changes of state.
    pub events: Arc<Events>,
    /// What has been done so far.
    pub counters: Counters,
    /// Servers of the pool that were created since the start, and not by this daemon.
    pub foreign: u64,
}

/// Free resources beyond the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Surplus {
    /// Ready resources above the floor.
    pub resources: u64,
    /// How many new replicas bring as much.
    pub replicas: u64,
}

impl Snapshot {
    /// What the cloud's clock shows at `now`.
    #[must_use]
    pub fn cloud_time_at(&self, now: Moment) -> Option<CloudTime> {
        self.cloud_clock.map(|clock| clock.time(now))
    }

    /// The pool as last assessed. `None` before the first list: nothing is known of it then, which is no
    /// pool without replicas.
    #[must_use]
    pub fn assessment(&self) -> Option<&Assessment> {
        self.last_list.map(|_| &self.plan.assessment)
    }

    /// How many replicas are missing, before any limit; `None` before the first list.
    #[must_use]
    pub fn missing(&self) -> Option<u64> {
        self.last_list.map(|_| self.plan.missing)
    }

    /// What is ready beyond the floor; `None` before the first list. Nothing is done about it: replicas
    /// go when they say that they are done.
    #[must_use]
    pub fn surplus(&self) -> Option<Surplus> {
        let resources = self.assessment()?.ready.saturating_sub(self.floor);
        Some(Surplus {
            resources,
            replicas: resources.checked_div(self.capacity).unwrap_or_default(),
        })
    }

    /// Whether a replica stems from another image than new ones do; `None`: one of the two is not
    /// known.
    #[must_use]
    pub fn is_outdated(&self, record: &Record) -> Option<bool> {
        let (own, new) = (record.server.image.as_ref()?, self.image.as_ref()?);
        Some(own != new)
    }

    /// How many replicas stem from another image than new ones do; `None`: there has been no list, or it
    /// is not known what new ones are made from.
    #[must_use]
    pub fn outdated(&self) -> Option<usize> {
        self.last_list?;
        if self.image.is_none() && !self.records.is_empty() {
            return None;
        }
        let outdated = |record: &&Arc<Record>| self.is_outdated(record) == Some(true);
        Some(self.records.iter().filter(outdated).count())
    }
}
