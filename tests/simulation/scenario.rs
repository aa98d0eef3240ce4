//! What a seed decides before a history begins: settings, the kind of replica, and which faults.

use super::rng::Rng;
use simplescalevm::pool::Policy;
use std::num::NonZeroU64;
use std::time::Duration;

/// The kinds of trouble. Each can be switched off by itself, which is how a failure is reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Fault {
    /// A request fails and has no effect.
    ApiError,
    /// A request has its effect and its answer is lost.
    LostAnswer,
    /// A request has its effect long after the client gave up.
    LateEffect,
    /// An error carries a `Retry-After`.
    RetryAfter,
    /// A list shows what was some time ago.
    StaleList,
    /// A list lacks servers.
    ShortList,
    /// New servers show in lists only after a while.
    ListLag,
    /// A cell of the cloud is down: its servers are `UNKNOWN`.
    CellDown,
    /// A list shows running servers without addresses.
    NoAddresses,
    /// Probes are lost.
    ProbeLoss,
    /// Probes take nearly their whole timeout.
    ProbeSlow,
    /// Replicas answer nonsense: capacity jumps, termination flips.
    ProbeLies,
    /// A replica, or all at once, says "done" in one answer, without any truth in it.
    DoneFlips,
    /// There is no room for probes.
    QueueFull,
    /// The guest hangs for a while or for ever, holding its sessions.
    GuestHangs,
    /// The guest powers itself off.
    GuestStops,
    /// The cloud shows an error state of a server that was active; its guest may still run.
    HostFails,
    /// The cloud shows an error state of the whole pool; the guests run on.
    PoolFails,
    /// A deletion is accepted and never ends.
    StuckDeleting,
    /// No host is found: 202, then an error state.
    NoHost,
    /// A server stays in building.
    StuckBuilding,
    /// A boot takes long.
    SlowBoot,
    /// A boot never ends.
    DeadBoot,
    /// Operators stop, pause, lock, delete, rename servers, and add some of their own.
    OperatorServers,
    /// Operators take, add, remove and re-describe external addresses.
    OperatorAddresses,
    /// The quota shrinks and grows.
    Quota,
    /// The cloud's clock jumps.
    CloudClock,
    /// The scaler is killed, at any point, and started anew with an empty memory.
    Kill,
    /// The scaler's thread stands still, at any point.
    Stall,
    /// A second scaler runs by mistake.
    SecondScaler,
    /// One of two API nodes answers half of the servers, or none, for a while.
    HalfLists,
    /// The image is broken, until the last fault is over.
    BrokenImage,
    /// An address cannot be given to a replica, or to none, for ever.
    MoveRefused,
    /// Another writer changes an address at the same time, and both are told 200.
    LostUpdate,
    /// The servers cannot be listed, made or deleted for a while; the addresses can be moved.
    ServersDown,
    /// An operator takes a server's address away and gives it to another one; the first gets a new one later.
    AddressChangesServer,
}

impl Fault {
    pub(crate) const ALL: [Self; 36] = [
        Self::ApiError,
        Self::LostAnswer,
        Self::LateEffect,
        Self::RetryAfter,
        Self::StaleList,
        Self::ShortList,
        Self::ListLag,
        Self::CellDown,
        Self::NoAddresses,
        Self::ProbeLoss,
        Self::ProbeSlow,
        Self::ProbeLies,
        Self::DoneFlips,
        Self::QueueFull,
        Self::GuestHangs,
        Self::GuestStops,
        Self::HostFails,
        Self::PoolFails,
        Self::StuckDeleting,
        Self::NoHost,
        Self::StuckBuilding,
        Self::SlowBoot,
        Self::DeadBoot,
        Self::OperatorServers,
        Self::OperatorAddresses,
        Self::Quota,
        Self::CloudClock,
        Self::Kill,
        Self::Stall,
        Self::SecondScaler,
        Self::HalfLists,
        Self::BrokenImage,
        Self::MoveRefused,
        Self::LostUpdate,
        Self::ServersDown,
        Self::AddressChangesServer,
    ];

    fn bit(self) -> u64 {
        1 << self as u64
    }
}

/// A set of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Faults(pub(crate) u64);

impl Faults {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self(u64::MAX);

    pub(crate) fn has(self, fault: Fault) -> bool {
        self.0 & fault.bit() != 0
    }

    pub(crate) fn without(self, fault: Fault) -> Self {
        Self(self.0 & !fault.bit())
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn of(faults: &[Fault]) -> Self {
        Self(faults.iter().fold(0, |set, fault| set | fault.bit()))
    }

    pub(crate) fn names(self) -> String {
        let on = Fault::ALL.iter().filter(|fault| self.has(**fault));
        let names: Vec<String> = on.map(|fault| format!("{fault:?}")).collect();
        names.join(",")
    }
}

/// How replicas of this history behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GuestKind {
    /// A media gateway: takes its calls, then ends ("one call and end" with capacity 1).
    Gateway,
    /// A proxy: says "delete me" whenever its service does not run, also while it is starting.
    Proxy,
    /// A worker: takes sessions for ever, until somebody drains it.
    Worker,
}

/// The ways in which an image can be broken, once its guest is up. Callers take none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It says for ever that nothing is free.
    NeverFree,
    /// It is free for a moment, then done.
    FreeThenDone,
    /// It is busy for a moment, then done.
    BusyThenDone,
    /// It is free for a moment, then silent.
    FreeThenSilent,
    /// It is free for a moment, then switches itself off.
    FreeThenOff,
    /// It is free for a moment, then gone from the cloud.
    FreeThenGone,
    /// It is gone as soon as it is up.
    Gone,
}

impl Broken {
    const ALL: [Self; 7] = [
        Self::NeverFree,
        Self::FreeThenDone,
        Self::BusyThenDone,
        Self::FreeThenSilent,
        Self::FreeThenOff,
        Self::FreeThenGone,
        Self::Gone,
    ];
}

/// Everything that a history is drawn with. Times are milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) policy: Policy,
    pub(crate) scaling_interval: Duration,
    pub(crate) probe_timeout_ms: u64,
    pub(crate) api_timeout_ms: u64,
    pub(crate) build_ms: (u64, u64),
    pub(crate) boot_ms: (u64, u64),
    pub(crate) call_every_ms: u64,
    pub(crate) call_ms: (u64, u64),
    pub(crate) guest: GuestKind,
    pub(crate) faults: Faults,
    /// How likely a fault is at each occasion, in bad weather.
    pub(crate) permille: u64,
    pub(crate) addresses: u64,
    /// Lists until the faults end.
    pub(crate) rough_cycles: u64,
    /// Lists that a history has at least.
    pub(crate) cycles: u64,
    /// How the image is broken, if it is.
    pub(crate) broken: Broken,
    /// The cloud takes the marks of creations, and those of having served.
    pub(crate) with_marks: bool,
    pub(crate) may_mark: bool,
}

impl Scenario {
    pub(crate) fn draw(rng: &mut Rng, allowed: Faults) -> Self {
        let seconds = Duration::from_secs;
        let capacity = *rng.pick(&[1, 1, 1, 2, 3, 5]);
        let floor = rng.range(0, 6);
        let needed = floor.div_ceil(capacity).max(1);
        let max_count = rng.permille(500).then(|| needed + rng.range(0, 6));
        let boot_ms = *rng.pick(&[(1_000, 3_000), (5_000, 20_000), (20_000, 60_000)]);
        let guest = *rng.pick(&[GuestKind::Gateway, GuestKind::Proxy, GuestKind::Worker]);
        // A grace that is shorter than the boot of replicas that say "delete me" while they start
        // is a mistake in the settings: each of them is then deleted, one every 15 min.
        let grace = match rng.below(8) {
            0 if guest != GuestKind::Proxy => 0,
            1 if guest != GuestKind::Proxy => boot_ms.1 / 2_000,
            _ => boot_ms.1 / 1_000 + rng.range(10, 120),
        };
        let policy = Policy {
            capacity: NonZeroU64::new(capacity).unwrap(),
            capacity_limit: NonZeroU64::new(capacity * 100).unwrap(),
            floor,
            max_count: max_count.and_then(NonZeroU64::new),
            failure_threshold: u32::try_from(rng.range(1, 4)).unwrap(),
            termination_confirmations: *rng.pick(&[1, 2, 2, 2, 3]),
            startup_grace: seconds(grace),
            startup_timeout: rng
                .permille(850)
                .then(|| seconds(grace.max(20) + rng.range(10, 200))),
            unreachable_timeout: rng.permille(400).then(|| seconds(rng.range(10, 200))),
            probe_interval: seconds(*rng.pick(&[1, 2, 2, 5, 5, 10])),
            external_addresses: rng.permille(600),
            max_creating: NonZeroU64::new(*rng.pick(&[0, 0, 0, 1, 2])),
            ..Policy::default()
        };
        // Few kinds of trouble at a time show what belongs together; many show what nobody
        // thought of.
        let share = *rng.pick(&[40, 120, 300, 700]);
        let faults = Fault::ALL.iter().filter(|_| rng.permille(share));
        let faults: Vec<Fault> = faults.copied().collect();
        let mut scenario = Self {
            policy,
            scaling_interval: seconds(*rng.pick(&[1, 1, 2, 2, 3, 5, 10, 30])),
            probe_timeout_ms: *rng.pick(&[500, 1_000, 5_000]),
            api_timeout_ms: *rng.pick(&[2_000, 10_000, 30_000]),
            build_ms: *rng.pick(&[(500, 2_000), (2_000, 15_000)]),
            boot_ms,
            call_every_ms: rng.range(2_000, 60_000),
            call_ms: *rng.pick(&[(2_000, 20_000), (20_000, 200_000)]),
            guest,
            faults: Faults::of(&faults).and(allowed),
            permille: *rng.pick(&[10, 50, 150, 400]),
            addresses: rng.range(0, 4),
            rough_cycles: 460,
            cycles: 500,
            broken: *rng.pick(&Broken::ALL),
            with_marks: rng.permille(900),
            may_mark: rng.permille(900),
        };
        let settles = Policy::SETTLES_AFTER_START.min(scenario.scaling_interval);
        scenario.policy.settles_after_start = settles;
        scenario
    }

    /// Settings that delete a replica while it boots. The backoff bounds the bill, but nothing brings
    /// the pool to its floor.
    pub(crate) fn deletes_what_boots(&self) -> bool {
        let is_below = |timeout: Option<Duration>, boot_ms: u64| {
            timeout.is_some_and(|timeout| timeout < Duration::from_millis(boot_ms))
        };
        let Policy {
            startup_grace,
            startup_timeout,
            unreachable_timeout,
            ..
        } = self.policy;
        is_below(startup_timeout, self.build_ms.1 + self.boot_ms.1)
            || is_below(
                unreachable_timeout.map(|t| t + startup_grace),
                self.boot_ms.1,
            )
    }

    /// The time within which the floor must be reached once the last fault is over. What the
    /// scaler may rightly wait for, one after the other:
    ///  - `Retry-After` (at most 120 s are drawn) or the wait after failed lists;
    ///  - the last request's timeout, and 30 s for a creation of which the outcome is open;
    ///  - replicas that will never come up count until their grace or startup time is over, and
    ///    what is deleted may show for 60 s;
    ///  - that makes them a failed creation: at most 15 min of backoff;
    ///  - "done" is confirmed, and all the more where many say so at once;
    ///  - then a creation, its build and its boot, each with one probe and one list after it.
    pub(crate) fn recovery_ms(&self) -> u64 {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap();
        let list = ms(self.scaling_interval).max(2_000) + 2_000;
        let probe = ms(self.policy.probe_interval) + self.probe_timeout_ms;
        let silence = u64::from(self.policy.failure_threshold) * (1_000 + self.probe_timeout_ms);
        let doomed = ms(self.policy.startup_grace)
            .max(ms(self.policy.startup_timeout.unwrap_or_default()))
            + silence
            + probe;
        let longest_boot = self.build_ms.1 + self.boot_ms.1;
        120_000
            + self.api_timeout_ms
            + 60_000
            + doomed
            + longest_boot * 2
            + 900_000
            + 30_000
            + 6 * list
            + 4 * probe
    }
}
