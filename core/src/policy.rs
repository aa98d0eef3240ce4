//! The settings that decisions depend on.

use std::num::NonZeroU64;
use std::time::Duration;

/// The part of the configuration that [`super::plan`] depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `REPLICA_CAPACITY`: resources that a new replica brings.
    pub capacity: NonZeroU64,
    /// `REPLICA_CAPACITY_LIMIT`: an answer that reports more free resources is a failed probe.
    pub capacity_limit: NonZeroU64,
    /// `REPLICA_MIN_AVAILABLE_RESOURCES`: available resources must not stay below it.
    pub floor: u64,
    /// `REPLICA_MAX_COUNT`: replicas, of any state, that the pool may have; `None`: no limit.
    pub max_count: Option<NonZeroU64>,
    /// `REPLICA_MAX_CREATING`: replicas that may be creating at a time; `None`: no limit.
    pub max_creating: Option<NonZeroU64>,
    /// `REPLICA_FAILURE_THRESHOLD`: failed probes in a row until a replica is unreachable.
    pub failure_threshold: u32,
    /// `REPLICA_TERMINATION_CONFIRMATIONS`: answers in a row that say "done" until it is believed.
    pub termination_confirmations: u32,
    /// `REPLICA_STARTUP_GRACE`: how long after its launch a silent replica still counts.
    pub startup_grace: Duration,
    /// `REPLICA_STARTUP_TIMEOUT`: a replica that has not come up by then is deleted; `None`: never.
    pub startup_timeout: Option<Duration>,
    /// `REPLICA_UNREACHABLE_TIMEOUT`: how long a replica may be unreachable; `None`: for ever.
    pub unreachable_timeout: Option<Duration>,
    /// How long after the first list of a process nothing is created: one that was killed may have sent a creation
    /// that the cloud has not carried out yet.
    pub settles_after_start: Duration,
    /// `PROBE_INTERVAL`: between two probes of a replica.
    pub probe_interval: Duration,
    /// `EXTERNAL_ADDRESS_MANAGEMENT`: whether floating IPs are looked after.
    pub external_addresses: bool,
}

impl Policy {
    /// [`Policy::settles_after_start`] of the daemon, unless lists are closer together. Nova answers a creation within
    /// this time, mostly.
    pub const SETTLES_AFTER_START: Duration = Duration::from_secs(5);
    /// How long after an accepted or undecided creation its servers may be missing from lists.
    pub const CREATION_SETTLES_WITHIN: Duration = Duration::from_secs(30);
    /// How long after an accepted deletion the server may still be listed as if nothing was.
    pub const DELETION_SETTLES_WITHIN: Duration = Duration::from_secs(60);
    /// How often the cloud has to say that it knows no server by a replica's id, beside lists that lack it, until a
    /// replica that answers all the same is believed gone.
    pub const GONE_IS_SAID: u32 = 3;
    /// For how long, at least, it has to say so.
    pub const GONE_FOR: Duration = Duration::from_secs(60);
    /// How often the move of a finished replica's external address is tried, at least, before the
    /// replica is deleted with it, which frees the address.
    pub const MOVE_TRIES: u32 = 5;
    /// How long after the first failed try that happens, at the earliest.
    pub const MOVE_GIVEN_UP_AFTER: Duration = Duration::from_secs(120);
    /// From the start of a failed probe to the next one, if it has ended by then, unless the probe interval is shorter.
    pub const RETRY_AFTER_FAILED_PROBE: Duration = Duration::from_secs(1);

    /// From the start of a probe whose answer says "done" to the one that has to confirm it, unless the
    /// probe interval is shorter.
    pub const CONFIRM_TERMINATION_AFTER: Duration = Duration::from_secs(1);
    /// For how long a server that is leaving counts towards `REPLICA_MAX_COUNT`: a cloud that never
    /// ends a deletion must not keep the pool empty.
    pub const LEAVING_COUNTS_FOR: Duration = Duration::from_secs(600);
    /// A server that lists have shown being built for longer than this is asked, if it has an address:
    /// it may run all the same.
    pub const BUILDS_WITHIN: Duration = Duration::from_secs(60);

    /// What may lie between two probes of a replica that belong to one silence.
    #[must_use]
    pub fn asked_within(&self) -> Duration {
        self.probe_interval.saturating_mul(2) + Duration::from_secs(30)
    }

    /// From a list to the answers that have to confirm that most of the replicas are done: a fault of all status
    /// scripts lasts for seconds, however often they are asked.
    #[must_use]
    pub fn confirm_mass_after(&self) -> Duration {
        self.probe_interval.max(Duration::from_secs(5))
    }

    /// The default of `REPLICA_CAPACITY_LIMIT`. Some users' capacity is set too low, but not by that much.
    #[must_use]
    pub fn capacity_limit_of(capacity: NonZeroU64) -> NonZeroU64 {
        capacity.saturating_mul(NonZeroU64::MIN.saturating_add(99))
    }

    /// How many replicas reach the floor from `available` resources.
    #[must_use]
    pub fn missing(&self, available: u64) -> u64 {
        self.floor
            .saturating_sub(available)
            .div_ceil(self.capacity.get())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            capacity: NonZeroU64::MIN,
            capacity_limit: Self::capacity_limit_of(NonZeroU64::MIN),
            floor: 3,
            max_count: None,
            max_creating: None,
            failure_threshold: 3,
            termination_confirmations: 2,
            startup_grace: Duration::from_secs(300),
            startup_timeout: Some(Duration::from_secs(900)),
            unreachable_timeout: None,
            settles_after_start: Duration::ZERO,
            probe_interval: Duration::from_secs(5),
            external_addresses: false,
        }
    }
}
