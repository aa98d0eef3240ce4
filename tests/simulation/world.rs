//! The world of one history: servers, callers, operators and time. Everything in it is ground
//! truth; what a scaler is told of it goes through [`super::cloud`] and [`super::probes`].

use super::judge::Judge;
use super::rng::Rng;
use super::scenario::{Broken, Fault, GuestKind, Scenario};
use super::server::{Guest, Maker, Nova, Vm};
use simplescalevm::pool::{
    Answer, CreationMark, Listing, Marks, Moment, ProbeFailure, ProbeResult, ReplicaId,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// What happens at a time that is set before.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Built(ReplicaId),
    Addressed(ReplicaId),
    HalfUp(ReplicaId),
    Up(ReplicaId),
    Breaks(ReplicaId, Broken),
    Gone(ReplicaId),
    PoweredOn(ReplicaId),
    Made {
        life: usize,
        request: u64,
        count: u64,
        mark: CreationMark,
    },
    Deleted(ReplicaId),
    Moved {
        address: usize,
        to: ReplicaId,
    },
    Call,
    SessionEnds(ReplicaId),
    Probe(Probe),
    Operator,
    GuestTrouble,
    Weather,
}

#[derive(Debug, Clone)]
pub(crate) struct Probe {
    pub(crate) life: usize,
    pub(crate) replica: ReplicaId,
    pub(crate) address: IpAddr,
    pub(crate) round: u64,
    pub(crate) started: u64,
    pub(crate) loss: Option<ProbeFailure>,
}

/// A floating IP.
#[derive(Debug, Clone)]
pub(crate) struct Fip {
    pub(crate) id: String,
    /// Whether its description is the pool's.
    pub(crate) of_pool: bool,
    pub(crate) removed: bool,
    pub(crate) port: Port,
    pub(crate) revision: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Port {
    None,
    Server(ReplicaId),
    /// A port that belongs to no server.
    Foreign,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) lists: u64,
    pub(crate) turns: u64,
    pub(crate) probes: u64,
    pub(crate) created: u64,
    pub(crate) deleted: u64,
    pub(crate) moved: u64,
    pub(crate) calls: u64,
    pub(crate) lost_calls: u64,
    pub(crate) cut_sessions: u64,
    pub(crate) kills: u64,
    pub(crate) faults: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        self.lists += other.lists;
        self.turns += other.turns;
        self.probes += other.probes;
        self.created += other.created;
        self.deleted += other.deleted;
        self.moved += other.moved;
        self.calls += other.calls;
        self.lost_calls += other.lost_calls;
        self.cut_sessions += other.cut_sessions;
        self.kills += other.kills;
        self.faults += other.faults;
    }
}

/// What the scaler's thread runs into at its so-manyth look at the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ambush {
    Kill,
    Stall(u64),
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) scenario: Scenario,
    pub(crate) servers: BTreeMap<ReplicaId, Vm>,
    pub(crate) fips: Vec<Fip>,
    queue: BTreeMap<(u64, u64), Event>,
    queued: u64,
    /// Finished probes of each life, in the order of their end.
    pub(crate) results: BTreeMap<usize, VecDeque<ProbeResult>>,
    /// When each life's process started.
    pub(crate) started: Vec<u64>,
    pub(crate) woken: bool,
    pub(crate) rough: bool,
    pub(crate) quiet: bool,
    pub(crate) quiet_since: u64,
    pub(crate) calls_come: bool,
    pub(crate) cloud_offset: i64,
    pub(crate) cloud_jumped: bool,
    pub(crate) cell_down_until: u64,
    pub(crate) queue_full_until: u64,
    pub(crate) half_lists_until: u64,
    pub(crate) servers_down_until: u64,
    /// The request that is under way is answered in a way that leaves open what came of it.
    pub(crate) answer_is_open: bool,
    /// Addresses and replicas that cannot be given to each other; `None`: to any.
    pub(crate) refusals: BTreeSet<(usize, Option<ReplicaId>)>,
    pub(crate) quota: u64,
    pub(crate) old_lists: VecDeque<(u64, Listing)>,
    pub(crate) ambush: Option<(u64, Ambush)>,
    pub(crate) seed: u64,
    pub(crate) killed: bool,
    pub(crate) requests: u64,
    pub(crate) judge: Judge,
    pub(crate) figures: Figures,
    pub(crate) digest: u64,
    pub(crate) trace: Option<Vec<String>>,
    next_id: u64,
}

/// The cloud's clock at the start, in seconds.
const CLOUD_START: i64 = 1_700_000_000;
/// Addresses are used again, the first free one first, as clouds do.
const ADDRESSES: u16 = 5_000;
/// How long a flip waits for its probe at the most, and how far apart two of them are at least.
pub(crate) const FLIP_LASTS_MS: u64 = 60_000;
/// When the operator deletes a guest whose service never runs: later than nearly any history ends.
const OPERATOR_NOTICES_MS: u64 = 86_400_000;

impl World {
    pub(crate) fn new(seed: u64, mut rng: Rng, scenario: Scenario, with_trace: bool) -> Self {
        rng.next();
        let mut world = Self {
            now: 0,
            rng,
            servers: BTreeMap::new(),
            fips: Vec::new(),
            queue: BTreeMap::new(),
            queued: 0,
            results: BTreeMap::new(),
            started: Vec::new(),
            woken: false,
            rough: false,
            quiet: false,
            quiet_since: 0,
            calls_come: true,
            cloud_offset: 0,
            cloud_jumped: false,
            cell_down_until: 0,
            queue_full_until: 0,
            half_lists_until: 0,
            servers_down_until: 0,
            answer_is_open: false,
            refusals: BTreeSet::new(),
            quota: u64::MAX,
            old_lists: VecDeque::new(),
            ambush: None,
            seed,
            killed: false,
            requests: 0,
            judge: Judge::new(&scenario),
            figures: Figures::default(),
            digest: seed ^ 0xcbf2_9ce4_8422_2325,
            trace: with_trace.then(Vec::new),
            next_id: 0,
            scenario,
        };
        world.people();
        world
    }

    /// What is there before the scaler: machines that are none of its business, its addresses,
    /// and at times a pool from before.
    fn people(&mut self) {
        for _ in 0..self.rng.range(1, 3) {
            let id = self.add_server(Maker::Operator, false);
            self.finish_build(&id);
        }
        for _ in 0..self.rng.below(4) {
            let id = self.add_server(Maker::Operator, true);
            if self.rng.permille(800) {
                self.finish_build(&id);
            } else if let Some(vm) = self.servers.get_mut(&id) {
                // Somebody's build that hangs.
                vm.doomed = true;
            }
        }
        for number in 0..self.scenario.addresses {
            let stranger = self.servers.keys().next().cloned();
            let port = match (self.rng.below(8), stranger) {
                (0, Some(stranger)) => Port::Server(stranger),
                (1, _) => Port::Foreign,
                _ => Port::None,
            };
            self.fips.push(Fip {
                id: format!("fip-{number}"),
                of_pool: self.rng.permille(900),
                removed: false,
                port,
                revision: 1,
            });
        }
        self.after(1_000, Event::Call);
        self.after(5_000, Event::Weather);
        self.after(7_000, Event::Operator);
        self.after(3_000, Event::GuestTrouble);
    }

    // --- time ---

    pub(crate) fn after(&mut self, ms: u64, event: Event) {
        self.queued += 1;
        self.queue.insert((self.now + ms, self.queued), event);
    }

    /// Lets time pass, up to `until`. With `wakes`, only until a probe's result is there.
    pub(crate) fn pass(&mut self, until: u64, wakes: bool) {
        self.woken = false;
        while let Some(entry) = self.queue.first_entry() {
            let at = entry.key().0;
            if at > until {
                break;
            }
            let event = entry.remove();
            self.now = self.now.max(at);
            self.happen(event);
            if wakes && self.woken {
                return;
            }
        }
        self.now = self.now.max(until);
    }

    pub(crate) fn cloud_time(&self) -> u64 {
        let seconds = i64::try_from(self.now / 1_000).unwrap();
        u64::try_from(CLOUD_START + seconds + self.cloud_offset).unwrap_or_default()
    }

    /// A moment on the clock of one life's process.
    pub(crate) fn moment(&self, life: usize) -> Moment {
        Moment(Duration::from_millis(self.now - self.started[life]))
    }

    /// Whether a fault strikes now.
    pub(crate) fn strikes(&mut self, fault: Fault) -> bool {
        let on = self.rough && !self.quiet && self.scenario.faults.has(fault);
        // Drawn all the same, so that leaving a fault out changes as little as possible.
        let hit = self.rng.permille(self.scenario.permille);
        if on && hit {
            self.figures.faults += 1;
        }
        on && hit
    }

    pub(crate) fn note(&mut self, code: u64, text: impl FnOnce() -> String) {
        self.digest = (self.digest ^ self.now ^ (code << 48)).wrapping_mul(0x0100_0000_01b3);
        if let Some(trace) = &mut self.trace {
            let (s, ms) = (self.now / 1_000, self.now % 1_000);
            trace.push(format!("{s:>7}.{ms:03}  {}", text()));
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Built(id) => self.finish_build(&id),
            Event::Addressed(id) => self.give_address(&id),
            Event::HalfUp(id) => self.half_up(&id),
            Event::Up(id) => self.up(&id),
            Event::Breaks(id, broken) => self.breaks(&id, broken),
            Event::Gone(id) => {
                // Somebody may have pointed one at it meanwhile; its port goes with it.
                self.free_addresses_of(&id);
                self.servers.remove(&id);
            }
            Event::PoweredOn(id) => {
                if let Some(vm) = self.servers.get_mut(&id)
                    && vm.nova == Nova::PoweringOn
                {
                    vm.nova = Nova::Active;
                    self.give_address(&id);
                    self.boot(&id);
                }
            }
            Event::Made {
                life,
                request,
                count,
                mark,
            } => _ = self.make(life, request, count, mark),
            Event::Deleted(id) => self.remove(&id),
            Event::Moved { address, to } => self.point(address, &to),
            Event::Call => self.call(),
            Event::SessionEnds(id) => self.sessions_end(&id),
            Event::Probe(probe) => self.probe_ends(&probe),
            Event::Operator => self.operator(),
            Event::GuestTrouble => self.guest_trouble(),
            Event::Weather => self.weather(),
        }
    }

    /// Fair and rough times take turns, so that the pool also has time to recover in between.
    fn weather(&mut self) {
        self.rough = !self.rough;
        let next = if self.rough {
            self.rng.range(5_000, 120_000)
        } else {
            self.rng.range(5_000, 60_000)
        };
        let rough = self.rough;
        self.note(1, || {
            format!("weather: {}", if rough { "rough" } else { "fair" })
        });
        self.after(next, Event::Weather);
    }

    /// The last fault is over: what is stuck for ever is put right by whoever stuck it.
    pub(crate) fn calm_down(&mut self) {
        self.quiet = true;
        self.quiet_since = self.now;
        self.calls_come = false;
        self.cell_down_until = 0;
        self.queue_full_until = 0;
        self.half_lists_until = 0;
        self.servers_down_until = 0;
        self.quota = u64::MAX;
        self.ambush = None;
        let now = self.now;
        let never_times_out = self.scenario.policy.startup_timeout.is_none();
        for vm in self.servers.values_mut() {
            vm.lies_until = now;
            vm.service_down_until = now;
            // A build that hangs counts for as long as nothing may delete it.
            let stays = never_times_out || vm.locked;
            if stays && vm.doomed && vm.nova == Nova::Building {
                vm.nova = Nova::Error;
            }
        }
        self.note(2, || "the last fault is over".to_owned());
    }

    // --- the life of a server ---

    pub(crate) fn add_server(&mut self, maker: Maker, member: bool) -> ReplicaId {
        self.next_id += 1;
        let id = ReplicaId::new(&format!("{:08x}-{}", self.rng.below(1 << 32), self.next_id));
        let kind = self.scenario.guest;
        let capacity = self.scenario.policy.capacity.get();
        let takes = match kind {
            GuestKind::Gateway => capacity,
            GuestKind::Proxy | GuestKind::Worker => u64::MAX,
        };
        let lag = if self.strikes(Fault::ListLag) {
            self.rng.range(1_000, 60_000)
        } else {
            0
        };
        let vm = Vm {
            id: id.clone(),
            name: format!("server-{}", self.next_id),
            maker,
            made_ms: self.now,
            active_ms: None,
            created: self.cloud_time(),
            launched: None,
            member,
            ever_member: member,
            nova: Nova::Building,
            locked: false,
            ip: None,
            visible_ms: self.now + lag,
            doomed: false,
            guest: Guest::Off,
            hung_until: 0,
            service_down_until: 0,
            lies_until: 0,
            sessions: Vec::new(),
            capacity,
            takes,
            drained: false,
            flips: false,
            flipped_ms: None,
            said_done_ms: None,
            marks: Marks::default(),
            breaks: None,
            broke: false,
        };
        self.servers.insert(id.clone(), vm);
        self.note(3, || format!("server {id} is made by {maker:?}"));
        id
    }

    /// The effect of a creation. Returns the id of its first server.
    pub(crate) fn make(
        &mut self,
        life: usize,
        request: u64,
        count: u64,
        mark: CreationMark,
    ) -> Option<ReplicaId> {
        // `min_count` is 1: the cloud makes as many as there is room for.
        let have = self.servers.values().filter(|vm| vm.exists()).count() as u64;
        let count = count.min(self.quota.saturating_sub(have)).max(1);
        let mut first = None;
        for _ in 0..count {
            let id = self.add_server(Maker::Scaler(life, request), true);
            self.figures.created += 1;
            first.get_or_insert_with(|| id.clone());
            let with_marks = self.scenario.with_marks;
            if let Some(vm) = self.servers.get_mut(&id) {
                vm.marks.creation = with_marks.then_some(mark);
            }
            let (low, high) = self.scenario.build_ms;
            if self.strikes(Fault::StuckBuilding) {
                if let Some(vm) = self.servers.get_mut(&id) {
                    vm.doomed = true;
                }
                continue;
            }
            let build = self.rng.range(low, high);
            self.after(build, Event::Built(id));
        }
        first
    }

    fn finish_build(&mut self, id: &ReplicaId) {
        let no_host = self.now > 0 && self.strikes(Fault::NoHost);
        let cloud_time = self.cloud_time();
        let (now, late) = (self.now, self.rng.permille(300));
        let Some(vm) = self
            .servers
            .get_mut(id)
            .filter(|vm| vm.nova == Nova::Building)
        else {
            return;
        };
        if no_host {
            vm.nova = Nova::Error;
            return self.note(4, || format!("server {id}: no host"));
        }
        vm.nova = Nova::Active;
        vm.launched = Some(cloud_time);
        vm.active_ms = Some(now);
        self.note(5, || format!("server {id} is active"));
        if late {
            let delay = self.rng.range(500, 4_000);
            self.after(delay, Event::Addressed(id.clone()));
        } else {
            self.give_address(id);
        }
        self.boot(id);
    }

    fn give_address(&mut self, id: &ReplicaId) {
        let used: Vec<Ipv4Addr> = self.servers.values().filter_map(|vm| vm.ip).collect();
        let ip = (1..ADDRESSES)
            .map(|number| Ipv4Addr::from(0x0a00_0000 | u32::from(number)))
            .find(|ip| !used.contains(ip));
        if let Some(vm) = self.servers.get_mut(id) {
            vm.ip = vm.ip.or(ip);
        }
    }

    pub(crate) fn boot(&mut self, id: &ReplicaId) {
        let (low, high) = self.scenario.boot_ms;
        let mut time = self.rng.range(low, high);
        if self.strikes(Fault::SlowBoot) {
            time = self.rng.range(time, time * 10);
        }
        let dead = self.strikes(Fault::DeadBoot);
        let half = self.rng.range(0, time);
        let is_broken = !self.quiet && self.scenario.faults.has(Fault::BrokenImage);
        let (broken, moment) = (self.scenario.broken, self.rng.range(0, 8_000));
        let Some(vm) = self.servers.get_mut(id) else {
            return;
        };
        if is_broken && matches!(vm.maker, Maker::Scaler(..)) {
            vm.breaks = Some((broken, moment));
        }
        vm.guest = Guest::Booting;
        vm.doomed |= dead;
        if !dead || half.is_multiple_of(2) {
            self.after(half, Event::HalfUp(id.clone()));
        }
        if dead {
            // It may say for ever that it is busy: in the end its operator notices.
            self.after(OPERATOR_NOTICES_MS, Event::Deleted(id.clone()));
        } else {
            self.after(time, Event::Up(id.clone()));
        }
    }

    fn half_up(&mut self, id: &ReplicaId) {
        if let Some(vm) = self.servers.get_mut(id)
            && vm.guest == Guest::Booting
        {
            vm.guest = Guest::HalfUp;
        }
    }

    fn up(&mut self, id: &ReplicaId) {
        let Some(vm) = self.servers.get_mut(id) else {
            return;
        };
        if vm.nova == Nova::Active && matches!(vm.guest, Guest::Booting | Guest::HalfUp) {
            vm.guest = Guest::Up;
            if let Some((broken, time)) = vm.breaks {
                self.after(time, Event::Breaks(id.clone(), broken));
            }
            self.note(6, || format!("server {id} is up"));
        }
    }

    /// It shows that the image is broken.
    fn breaks(&mut self, id: &ReplicaId, broken: Broken) {
        let now = self.now;
        let Some(vm) = self.servers.get_mut(id).filter(|vm| vm.exists()) else {
            return;
        };
        vm.broke = true;
        // An error state switches no guest off, and what is broken breaks all the same.
        if !matches!(vm.nova, Nova::Active | Nova::Error) {
            return;
        }
        match broken {
            Broken::NeverFree | Broken::FreeThenSilent => {}
            Broken::FreeThenDone | Broken::BusyThenDone => vm.drained = true,
            Broken::FreeThenOff => {
                vm.nova = Nova::Stopped;
                vm.power_off();
            }
            Broken::FreeThenGone | Broken::Gone => self.remove(id),
        }
        self.note(10, || {
            format!("server {id} shows at {now} that it is broken: {broken:?}")
        });
    }

    /// The effect of a deletion.
    pub(crate) fn remove(&mut self, id: &ReplicaId) {
        let mut linger = self.rng.range(0, 8_000);
        if self.strikes(Fault::StuckDeleting) {
            linger = 3 * 3_600_000;
        }
        let Some(vm) = self.servers.get_mut(id).filter(|vm| vm.exists()) else {
            return;
        };
        vm.nova = Nova::Deleting;
        vm.power_off();
        vm.ip = None;
        self.free_addresses_of(id);
        self.note(7, || format!("server {id} is deleted"));
        self.after(linger, Event::Gone(id.clone()));
    }

    fn free_addresses_of(&mut self, id: &ReplicaId) {
        for fip in &mut self.fips {
            if fip.port == Port::Server(id.clone()) {
                fip.port = Port::None;
                fip.revision += 1;
            }
        }
    }

    /// The effect of a move.
    pub(crate) fn point(&mut self, address: usize, to: &ReplicaId) {
        if let Some(fip) = self.fips.get_mut(address) {
            fip.port = Port::Server(to.clone());
            fip.revision += 1;
        }
        self.note(8, || format!("fip-{address} points to {to}"));
    }

    // --- answers to probes ---

    fn probe_ends(&mut self, probe: &Probe) {
        let lies = self.strikes(Fault::ProbeLies);
        let (now, kind) = (self.now, self.scenario.guest);
        let lie = Answer {
            free: *self.rng.pick(&[0, 1, 2, 100, 501, u64::MAX]),
            termination: self.rng.permille(300),
        };
        let holder = self
            .servers
            .values_mut()
            .find(|vm| vm.ip.map(IpAddr::V4) == Some(probe.address));
        let outcome = match (&probe.loss, holder) {
            (Some(loss), _) => Err(loss.clone()),
            (None, Some(vm)) if vm.answers(now) => {
                let lately = vm.flipped_ms.is_some_and(|at| now <= at + FLIP_LASTS_MS);
                let flips = std::mem::take(&mut vm.flips) && lately;
                let answer = if flips {
                    Answer {
                        free: 0,
                        termination: true,
                    }
                } else if lies || now < vm.lies_until {
                    vm.lies_until = now;
                    lie
                } else {
                    vm.answer(kind, now)
                };
                if answer.termination && !flips {
                    vm.said_done_ms = Some(now);
                }
                Ok(answer)
            }
            (None, Some(vm)) if vm.guest == Guest::Booting => Err(ProbeFailure::Refused),
            (None, _) => Err(ProbeFailure::Timeout),
        };
        let timeout = probe.started + self.scenario.probe_timeout_ms;
        if outcome == Err(ProbeFailure::Timeout) && now < timeout {
            let again = Probe {
                loss: Some(ProbeFailure::Timeout),
                ..probe.clone()
            };
            return self.after(timeout - now, Event::Probe(again));
        }
        let start = self.started[probe.life];
        let result = ProbeResult {
            replica: probe.replica.clone(),
            round: probe.round,
            finished: Moment(Duration::from_millis(now - start)),
            latency: Duration::from_millis(now - probe.started),
            outcome,
        };
        self.note(9, || {
            format!("probe of {}: {:?}", result.replica, result.outcome)
        });
        let waiting = self.results.entry(probe.life).or_default();
        waiting.push_back(result);
        self.woken = true;
    }
}
