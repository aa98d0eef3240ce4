//! How the pool is, in one of three words, and why: the one place that says so, for the page, the
//! JSON, `/readyz` and the metrics alike. The table in `docs/ARCHITECTURE.md` is its specification.

use super::words::{are, counted};
use super::{
    BackoffCause, Blocked, CreateBlock, DeleteBlock, Moment, MoveBlock, MoveReason, ReplicaState,
    Snapshot,
};
use crate::names;
use std::fmt;
use std::time::Duration;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Severity {
    /// The floor is kept by resources that are ready, and nothing fails.
    #[default]
    Ok,
    /// Somebody should have a look in working hours.
    Warning,
    /// Callers find nothing, or soon will and nothing can be done about it.
    Critical,
}

names!(Severity {
    Self::Ok => "ok",
    Self::Warning => "warning",
    Self::Critical => "critical",
});

impl Severity {
    /// 0, 1 or 2.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
        }
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The control loop makes no turn any more.
    LoopStopped,
    /// There has been no list of the cloud yet, and none has failed.
    NoListYet,
    /// Lists fail.
    CannotList {
        /// How many in a row.
        failures: u32,
        /// None has come since the start: nothing is known of the pool.
        from_start: bool,
    },
    /// Lists of the external addresses fail.
    CannotListAddresses {
        /// How many in a row.
        failures: u32,
    },
    /// The last list is too old, although none has failed: one takes too long.
    ListTooOld,
    /// The replicas that were there at the start are being asked for the first time.
    FirstLook,
    /// No resource is ready.
    NothingReady {
        /// The floor.
        floor: u64,
    },
    /// Fewer resources are ready than the floor.
    BelowFloor {
        /// Ready resources.
        ready: u64,
        /// The floor.
        floor: u64,
        /// It has lasted for longer than boots take.
        overdue: bool,
    },
    /// Replicas are missing and cannot be created.
    CreationBlocked {
        /// How many.
        count: u64,
        /// It is known when the next one is tried.
        waits: bool,
    },
    /// Something that new servers are made of is missing: a creation fails, or would.
    NotPrepared,
    /// Creations failed, and the next one waits.
    CreationsFail {
        /// How many in a row.
        failures: u32,
        /// The latest cause.
        cause: BackoffCause,
    },
    /// Replicas do not answer or have failed.
    ReplicasDown {
        /// How many.
        down: usize,
        /// Of how many that should serve.
        of: usize,
    },
    /// The cloud cannot report the state of replicas.
    ReplicasUnknown {
        /// How many.
        count: usize,
    },
    /// A list lacks so much of the pool that the next one has to confirm it.
    ShrunkenList {
        /// How many replicas it lacks.
        missing: usize,
    },
    /// Other wanted actions are blocked.
    ActionsBlocked {
        /// How many.
        count: usize,
    },
}

names!(Reason {
    Self::LoopStopped => "loop-stopped",
    Self::NoListYet => "no-list-yet",
    Self::CannotList { .. } => "cannot-list",
    Self::CannotListAddresses { .. } => "cannot-list-addresses",
    Self::ListTooOld => "list-too-old",
    Self::FirstLook => "first-look",
    Self::NothingReady { .. } => "nothing-ready",
    Self::BelowFloor { .. } => "below-floor",
    Self::CreationBlocked { .. } => "creation-blocked",
    Self::NotPrepared => "not-prepared",
    Self::CreationsFail { .. } => "creations-fail",
    Self::ReplicasDown { .. } => "replicas-down",
    Self::ReplicasUnknown { .. } => "replicas-unknown",
    Self::ShrunkenList { .. } => "shrunken-list",
    Self::ActionsBlocked { .. } => "actions-blocked",
});

impl Reason {
    /// What to know or to do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::LoopStopped => {
                "Nothing is decided any more: see the log, and restart the daemon."
            }
            Self::NoListYet => "Nothing is known of the pool yet.",
            Self::CannotList { .. } => {
                "Nothing is created or deleted without a list. The log has the cause; it is tried \
                 again by itself."
            }
            Self::CannotListAddresses { .. } => {
                "No external address is moved without a list of them. The log has the cause; it is \
                 tried again by itself."
            }
            Self::ListTooOld => {
                "Nothing is created or deleted on an old list. The cloud's API takes too long."
            }
            Self::FirstLook => "What they have free is not known yet.",
            Self::NothingReady { .. } => "Callers find nothing.",
            Self::BelowFloor { overdue: false, .. } => {
                "It is a warning until what is on its way has arrived; if nothing is, see what is blocked."
            }
            Self::BelowFloor { overdue: true, .. } => {
                "New replicas do not come up, cannot be created, or are taken as fast as they come."
            }
            Self::CreationBlocked { .. } | Self::ActionsBlocked { .. } => {
                "The list of what is blocked has the reasons."
            }
            Self::NotPrepared => {
                "No server can be made until that is mended. Those that run are kept as they are."
            }
            Self::CreationsFail { .. } => "The next creation waits, for longer after each failure.",
            Self::ReplicasDown { .. } => {
                "Those that have served may hold sessions, and stay unless REPLICA_UNREACHABLE_TIMEOUT is set; \
                 those that never came up are deleted after REPLICA_STARTUP_TIMEOUT. Look at them."
            }
            Self::ReplicasUnknown { .. } => {
                "Part of the cloud is down. They keep what they counted."
            }
            Self::ShrunkenList { .. } => "Nothing is created or deleted until the next list.",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoopStopped => f.write_str("The control loop has stopped"),
            Self::NoListYet => f.write_str("Waiting for the first list of the cloud"),
            Self::CannotList { failures, .. } => write!(
                f,
                "The cloud cannot be listed ({} in a row)",
                counted(u64::from(*failures), "failure")
            ),
            Self::CannotListAddresses { failures } => write!(
                f,
                "The external addresses cannot be listed ({} in a row)",
                counted(u64::from(*failures), "failure")
            ),
            Self::ListTooOld => f.write_str("The last list of the cloud is too old"),
            Self::FirstLook => f.write_str("The replicas are being asked for the first time"),
            Self::NothingReady { floor } => {
                write!(f, "No resource is ready; the floor is {floor}")
            }
            Self::BelowFloor {
                ready,
                floor,
                overdue,
            } => {
                let is = are(*ready);
                let ready = counted(*ready, "resource");
                write!(f, "Only {ready} {is} ready; the floor is {floor}")?;
                f.write_str(if *overdue {
                    ", for longer than boots take"
                } else {
                    ""
                })
            }
            Self::CreationBlocked { count, waits } => {
                let are = are(*count);
                let replicas = counted(*count, "replica");
                let how = if *waits {
                    "not created yet"
                } else {
                    "cannot be created"
                };
                write!(f, "{replicas} {are} missing and {how}")
            }
            Self::NotPrepared => f.write_str("What a new server needs cannot be found"),
            Self::CreationsFail { failures, cause } => write!(
                f,
                "Creations fail: {cause} ({} in a row)",
                counted(u64::from(*failures), "failure")
            ),
            Self::ReplicasDown { down, of } => {
                let (answer, have) = if *down == 1 {
                    ("does not answer", "has failed")
                } else {
                    ("do not answer", "have failed")
                };
                write!(f, "{down} of {of} replicas {answer} or {have}")
            }
            Self::ReplicasUnknown { count } => {
                let replicas = counted(number(*count), "replica");
                write!(f, "The cloud cannot report the state of {replicas}")
            }
            Self::ShrunkenList { missing } => {
                let replicas = counted(number(*missing), "replica");
                write!(f, "A list that lacks {replicas} has to be confirmed")
            }
            Self::ActionsBlocked { count } => {
                let are = are(number(*count));
                let actions = counted(number(*count), "wanted action");
                write!(f, "{actions} {are} blocked")
            }
        }
    }
}

/// A reason, how bad it is by now, and since when it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub reason: Reason,
    /// How bad.
    pub severity: Severity,
    /// Since when, where that is known.
    pub since: Option<Moment>,
}

/// How the pool is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// The worst of the findings.
    pub severity: Severity,
    /// What is not as it should be, the worst first.
    pub findings: Vec<Finding>,
}

/// Without any ready resource for so long, it is critical; below, a slot was just taken.
pub const NOTHING_READY_FOR: Duration = Duration::from_secs(60);
/// With too little available and creations blocked for so long, it is critical.
pub const BLOCKED_FOR: Duration = Duration::from_secs(300);
/// A list younger than this is never too old.
const YOUNG_LIST: Duration = Duration::from_secs(60);

impl Health {
    /// Judges a snapshot as of `now`, which may be later than its own; `loop_turns`: whether the
    /// control loop has made a turn lately.
    #[must_use]
    pub fn of(snapshot: &Snapshot, loop_turns: bool, now: Moment) -> Self {
        let mut judge = Judge {
            snapshot,
            now,
            findings: Vec::new(),
        };
        if !loop_turns {
            judge.add(Severity::Critical, Reason::LoopStopped, None);
        }
        judge.lists();
        judge.address_lists();
        judge.resources();
        // Before what comes of it.
        if let Some(unprepared) = &snapshot.unprepared {
            let since = Some(unprepared.since);
            judge.add(Severity::Warning, Reason::NotPrepared, since);
        }
        judge.creations();
        judge.replicas();
        judge.plan();
        let mut findings = judge.findings;
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Self {
            severity: findings
                .iter()
                .map(|f| f.severity)
                .max()
                .unwrap_or_default(),
            findings,
        }
    }

    /// Why `/readyz` says no: the pool cannot be looked after, or callers find nothing.
    #[must_use]
    pub fn not_ready(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| match finding.reason {
            Reason::NoListYet
            | Reason::CannotList {
                from_start: true, ..
            } => true,
            Reason::LoopStopped
            | Reason::CannotList {
                from_start: false, ..
            }
            | Reason::ListTooOld
            | Reason::NothingReady { .. } => finding.severity == Severity::Critical,
            Reason::FirstLook
            | Reason::CannotListAddresses { .. }
            | Reason::BelowFloor { .. }
            | Reason::CreationBlocked { .. }
            | Reason::NotPrepared
            | Reason::CreationsFail { .. }
            | Reason::ReplicasDown { .. }
            | Reason::ReplicasUnknown { .. }
            | Reason::ShrunkenList { .. }
            | Reason::ActionsBlocked { .. } => false,
        })
    }
}

struct Judge<'a> {
    snapshot: &'a Snapshot,
    now: Moment,
    findings: Vec<Finding>,
}

impl Judge<'_> {
    fn add(&mut self, severity: Severity, reason: Reason, since: Option<Moment>) {
        self.findings.push(Finding {
            reason,
            severity,
            since,
        });
    }

    /// Critical once it has lasted for longer than `limit`.
    fn lasts(&self, since: Moment, limit: Duration) -> Severity {
        if self.now.since(since) > limit {
            Severity::Critical
        } else {
            Severity::Warning
        }
    }

    fn lists(&mut self) {
        let lists = self.snapshot.lists;
        let last = self.snapshot.last_list;
        match (lists.failing_since, last) {
            (Some(since), _) => {
                let severity = self.lasts(since, lists.interval * 2);
                let failures = lists.failures;
                let from_start = last.is_none();
                // The first hiccup is repeated within seconds.
                if failures > 1 || severity == Severity::Critical || from_start {
                    let reason = Reason::CannotList {
                        failures,
                        from_start,
                    };
                    self.add(severity, reason, Some(since));
                }
            }
            (None, None) => {
                // A first list that hangs is no start any more.
                let severity = self.lasts(Moment::START, (lists.interval * 3).max(YOUNG_LIST));
                self.add(severity, Reason::NoListYet, None);
            }
            (None, Some(last)) => {
                let limit = (lists.interval * 3).max(YOUNG_LIST);
                if self.now.since(last) > limit {
                    self.add(Severity::Critical, Reason::ListTooOld, Some(last));
                }
            }
        }
    }

    /// A holder that dies by then keeps its address.
    fn address_lists(&mut self) {
        let lists = self.snapshot.address_lists;
        if let Some(since) = lists.failing_since.filter(|_| lists.failures > 1) {
            let failures = lists.failures;
            let severity = self.lasts(since, lists.interval * 2);
            self.add(
                severity,
                Reason::CannotListAddresses { failures },
                Some(since),
            );
        }
    }

    fn resources(&mut self) {
        let Snapshot { supply, floor, .. } = *self.snapshot;
        let ready = self.snapshot.plan.assessment.ready;
        if self.snapshot.last_list.is_none() {
            return;
        }
        if !supply.is_known() {
            self.add(Severity::Warning, Reason::FirstLook, None);
        } else if let Some(since) = supply.none_since {
            let severity = self.lasts(since, NOTHING_READY_FOR);
            self.add(severity, Reason::NothingReady { floor }, Some(since));
        } else if let Some(since) = supply.below_since {
            let overdue = self.now.since(since) > self.snapshot.expected_boot;
            let reason = Reason::BelowFloor {
                ready,
                floor,
                overdue,
            };
            self.add(Severity::Warning, reason, Some(since));
        }
    }

    fn creations(&mut self) {
        let plan = &self.snapshot.plan;
        let blocked = plan.blocked.iter().find_map(|blocked| match blocked {
            Blocked::Create { count, why } => {
                let is_under_way = matches!(why, CreateBlock::UnderWay { .. });
                Some((*count, is_under_way || blocked.until().is_some()))
            }
            Blocked::Delete { .. } | Blocked::MoveAddress { .. } => None,
        });
        if let Some((count, waits)) = blocked {
            let since = self.snapshot.supply.short_since;
            let severity = since.map_or(Severity::Warning, |at| self.lasts(at, BLOCKED_FOR));
            self.add(severity, Reason::CreationBlocked { count, waits }, since);
        }
        // A failure of long ago keeps nothing from being created.
        let waits = |until: Moment| until > self.now || plan.missing > 0;
        if let Some(backoff) = self.snapshot.backoff.filter(|b| waits(b.until)) {
            let reason = Reason::CreationsFail {
                failures: backoff.failures,
                cause: backoff.cause,
            };
            self.add(Severity::Warning, reason, None);
        }
    }

    fn replicas(&mut self) {
        let assessment = &self.snapshot.plan.assessment;
        let (mut down, mut unknown, mut of) = (0, 0, 0);
        for replica in assessment.replicas.iter() {
            match replica.state {
                ReplicaState::Unreachable { .. } | ReplicaState::Failed(_) => {
                    down += 1;
                    of += 1;
                }
                ReplicaState::Unknown { .. } => {
                    unknown += 1;
                    of += 1;
                }
                ReplicaState::Creating(_) | ReplicaState::Leaving => {}
                ReplicaState::Starting
                | ReplicaState::Checking
                | ReplicaState::Serving { .. }
                | ReplicaState::Finishing { .. }
                | ReplicaState::Finished
                | ReplicaState::Held => of += 1,
            }
        }
        if down > 0 {
            let many = down > 1 && down * 2 >= of;
            let severity = if many && assessment.ready < self.snapshot.floor {
                Severity::Critical
            } else {
                Severity::Warning
            };
            self.add(severity, Reason::ReplicasDown { down, of }, None);
        }
        if unknown > 0 {
            let reason = Reason::ReplicasUnknown { count: unknown };
            self.add(Severity::Warning, reason, None);
        }
    }

    fn plan(&mut self) {
        if let Some(list) = &self.snapshot.shrunken_list {
            let missing = list.missing.len();
            self.add(Severity::Warning, Reason::ShrunkenList { missing }, None);
        }
        // A creation has a reason of its own, what waits for a known moment is on its way, and more
        // addresses than replicas are normal.
        let is_normal = |blocked: &&Blocked| match blocked {
            // So does an address that a finished replica waits for.
            Blocked::Create { .. }
            | Blocked::Delete {
                why: DeleteBlock::AddressNotMoved { .. },
                ..
            } => true,
            Blocked::Delete { .. } => blocked.until().is_some(),
            Blocked::MoveAddress { reason, why, .. } => match why {
                MoveBlock::NoStandby => *reason == MoveReason::Free,
                MoveBlock::Refused { .. } => false,
                MoveBlock::OutcomeUnknown { .. } => true,
            },
        };
        let blocked = self.snapshot.plan.blocked.iter();
        let count = blocked.filter(|blocked| !is_normal(blocked)).count();
        if count > 0 {
            let reason = Reason::ActionsBlocked { count };
            self.add(Severity::Warning, reason, None);
        }
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
