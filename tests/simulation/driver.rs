//! Runs one history: turns of the real scaler, time in between, kills, and the quiet end.

use super::calls::SimCalls;
use super::cloud::{Killed, Shared, SimClock, SimCloud};
use super::judge::{Found, Invariant, instance_of, ms};
use super::probes::{SimObserver, SimProbes};
use super::rng::Rng;
use super::scenario::{Fault, Faults, GuestKind, Scenario};
use super::world::{Ambush, Figures, World};
use simplescalevm::pool::Policy;
use simplescalevm::scaler::{Parts, Scaler};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

type RealScaler = Scaler<SimCalls, SimProbes, SimClock, SimObserver>;

/// How a history is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Only these faults may strike.
    pub(crate) faults: Faults,
    pub(crate) trace: bool,
    /// Not what was drawn, but so many days of comings and goings, with samples of the scaler's
    /// size.
    pub(crate) steady_days: Option<u64>,
    /// Looks away, to see what else notices the same mistake.
    pub(crate) ignore: Option<Invariant>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            faults: Faults::ALL,
            trace: false,
            steady_days: None,
            ignore: None,
        }
    }
}

/// What came of a history.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) scenario: Scenario,
    pub(crate) found: Option<Found>,
    pub(crate) figures: Figures,
    pub(crate) digest: u64,
    pub(crate) simulated_ms: u64,
    /// How long after the last fault the floor was reached.
    pub(crate) recovered_ms: u64,
    /// How much the scaler remembers, in characters, as the history goes on.
    pub(crate) sizes: Vec<usize>,
    pub(crate) trace: Vec<String>,
}

impl Report {
    /// The seed, what was violated, and the last events.
    pub(crate) fn tell(&self, last: usize) -> String {
        let mut text = format!(
            "SEED={} faults: {}\n",
            self.seed,
            self.scenario.faults.names()
        );
        let _ = writeln!(text, "{:?}", self.scenario);
        let from = self.trace.len().saturating_sub(last);
        for line in &self.trace[from..] {
            let _ = writeln!(text, "{line}");
        }
        match &self.found {
            Some(found) => {
                let at = found.at_ms;
                let _ = writeln!(
                    text,
                    "VIOLATED: {:?} by life {} at {}.{:03}: {}",
                    found.invariant,
                    found.life,
                    at / 1_000,
                    at % 1_000,
                    found.text
                );
            }
            None => text.push_str("nothing is violated\n"),
        }
        let _ = writeln!(text, "{:?} digest {:016x}", self.figures, self.digest);
        text
    }
}

/// One running process of the scaler.
struct Actor {
    life: usize,
    scaler: RealScaler,
    wake: u64,
    idle_turns: u32,
    /// Started by mistake, beside the first one.
    is_second: bool,
}

/// Runs the history of a seed.
pub(crate) fn run(seed: u64, options: Options) -> Report {
    let mut rng = Rng::new(seed);
    let mut scenario = Scenario::draw(&mut rng, options.faults);
    if options.steady_days.is_some() {
        scenario = steady();
    }
    let mut world = World::new(seed, rng, scenario.clone(), options.trace);
    world.judge.ignored = options.ignore;
    let mut driver = Driver {
        world: Shared::new(world),
        actors: Vec::new(),
        recovered: None,
        sizes: Vec::new(),
    };
    driver.start(false);
    match options.steady_days {
        Some(days) => driver.steady_days(days),
        None => while driver.step() {},
    }
    let recovered = driver.recovered.unwrap_or_default();
    let sizes = std::mem::take(&mut driver.sizes);
    drop(driver.actors);
    let mut world = driver.world.lock();
    Report {
        seed,
        scenario,
        found: world.judge.found.take(),
        figures: world.figures,
        digest: world.digest,
        simulated_ms: world.now,
        recovered_ms: recovered.saturating_sub(world.quiet_since),
        sizes,
        trace: world.trace.take().unwrap_or_default(),
    }
}

/// A long time of comings and goings, `days` of them: gateways that take a call and end, with some
/// trouble. Nothing that is remembered may grow with time.
pub(crate) fn churn(seed: u64, days: u64) -> Report {
    let options = Options {
        steady_days: Some(days),
        ..Options::default()
    };
    run(seed, options)
}

fn steady() -> Scenario {
    let policy = Policy {
        external_addresses: true,
        probe_interval: Duration::from_secs(30),
        ..Policy::default()
    };
    Scenario {
        policy,
        scaling_interval: Duration::from_secs(60),
        guest: GuestKind::Gateway,
        call_every_ms: 60_000,
        faults: Faults::of(&[
            Fault::ApiError,
            Fault::ListLag,
            Fault::ProbeLoss,
            Fault::GuestStops,
            Fault::HostFails,
            Fault::NoHost,
            Fault::DeadBoot,
        ]),
        permille: 10,
        rough_cycles: u64::MAX,
        cycles: u64::MAX,
        ..Scenario::draw(&mut Rng::new(1), Faults::NONE)
    }
}

/// Leaves out one kind of fault after the other for as long as the same invariant is violated.
pub(crate) fn minimise(seed: u64, options: Options) -> Report {
    let mut best = run(seed, options);
    let Some(wanted) = best.found.as_ref().map(|found| found.invariant) else {
        return best;
    };
    let mut faults = options.faults.and(best.scenario.faults);
    let drawn = faults;
    for fault in Fault::ALL.into_iter().filter(|fault| drawn.has(*fault)) {
        let fewer = faults.without(fault);
        let trial = run(
            seed,
            Options {
                faults: fewer,
                ..options
            },
        );
        if trial.found.as_ref().is_some_and(|f| f.invariant == wanted) {
            faults = fewer;
            best = trial;
        }
    }
    best
}

struct Driver {
    world: Shared,
    actors: Vec<Actor>,
    /// When the floor was reached after the last fault; `None`: it is not, now.
    recovered: Option<u64>,
    sizes: Vec<usize>,
}

/// How many samples of the scaler's size a history yields.
const SAMPLES: usize = 100;

impl Driver {
    /// So many days, and now and then the whole state as text: what grows, shows.
    fn steady_days(&mut self, days: u64) {
        let every = days * 86_400_000 / SAMPLES as u64;
        while self.sizes.len() < SAMPLES && self.step() {
            if self.world.lock().now >= every * (self.sizes.len() as u64 + 1)
                && let Some(actor) = self.actors.first()
            {
                self.sizes.push(format!("{:?}", actor.scaler).len());
            }
        }
    }

    /// Starts a process with an empty memory.
    fn start(&mut self, is_second: bool) {
        let (life, now, policy, scaling_interval, seed) = {
            let mut world = self.world.lock();
            let (life, now) = (world.started.len(), world.now);
            world.started.push(now);
            world.judge.life(life);
            world.note(40, || format!("life {life} of a scaler begins"));
            let scenario = &world.scenario;
            (
                life,
                now,
                scenario.policy.clone(),
                scenario.scaling_interval,
                world.seed,
            )
        };
        let world = &self.world;
        let scaler = Scaler::new(Parts {
            calls: SimCalls::new(
                SimCloud {
                    world: world.clone(),
                    life,
                    drawn: (0, Vec::new()),
                    half_list: None,
                    news: Vec::new(),
                },
                seed,
            ),
            probes: SimProbes {
                world: world.clone(),
                life,
                kept: BTreeSet::new(),
            },
            clock: SimClock {
                world: world.clone(),
                life,
            },
            observer: SimObserver {
                world: world.clone(),
                life,
            },
            policy,
            template: Arc::default(),
            instance: instance_of(life),
            scaling_interval,
            requests_per_second: None,
            stop: Arc::new(AtomicBool::new(false)),
        });
        self.actors.push(Actor {
            life,
            scaler,
            wake: now,
            idle_turns: 0,
            is_second,
        });
    }

    /// One turn of somebody, and what comes before it; `false`: the history is over.
    fn step(&mut self) -> bool {
        {
            let mut world = self.world.lock();
            if world.judge.found.is_some() {
                return false;
            }
            if !world.quiet && world.figures.lists >= world.scenario.rough_cycles {
                world.calm_down();
                drop(world);
                self.actors.retain(|actor| !actor.is_second);
            }
        }
        if self.look_at_the_floor() {
            return false;
        }
        self.mischief();
        let next = self.wait();
        self.turn(next);
        true
    }

    /// After the last fault: whether the floor is reached, in time, and long enough ago.
    fn look_at_the_floor(&mut self) -> bool {
        const STAYS_FOR_MS: u64 = 60_000;
        let mut world = self.world.lock();
        if !world.quiet {
            return false;
        }
        let now = world.now;
        let policy = &world.scenario.policy;
        // A cloud that never ends a deletion fills the pool for ten minutes.
        let pool = world.servers.values().filter(|vm| vm.member).count() as u64;
        let is_full = policy.max_count.is_some_and(|max| pool >= max.get());
        let free = world.servers.values().map(|vm| vm.truly_free(now));
        let free = free.fold(0, u64::saturating_add);
        if free >= policy.floor || is_full {
            let since = *self.recovered.get_or_insert(now);
            return now - since >= STAYS_FOR_MS && world.figures.lists >= world.scenario.cycles;
        }
        self.recovered = None;
        let clock = if world.cloud_jumped { 1_200_000 } else { 0 };
        let limit = world.scenario.recovery_ms() + clock;
        if now > world.quiet_since + limit {
            if world.scenario.deletes_what_boots() {
                return true;
            }
            let text = format!("{free} are free, {limit} ms after the last fault");
            world.judge.violated(0, now, Invariant::FloorMissed, text);
        }
        false
    }

    /// Kills, stalls and second scalers, for the next turns.
    fn mischief(&mut self) {
        let mut world = self.world.lock();
        if world.quiet || world.ambush.is_some() {
            return;
        }
        let seldom = world.rng.permille(30);
        let (kill, stall, second) = (
            world.strikes(Fault::Kill),
            world.strikes(Fault::Stall),
            world.strikes(Fault::SecondScaler),
        );
        let (steps, length) = (world.rng.below(60), world.rng.skewed(1_000, 900_000));
        if seldom && kill {
            world.ambush = Some((steps, Ambush::Kill));
        } else if seldom && stall {
            world.ambush = Some((steps, Ambush::Stall(length)));
        } else if seldom && second {
            drop(world);
            let count = self.actors.len();
            if count == 1 {
                self.start(true);
            } else {
                self.actors.retain(|actor| !actor.is_second);
            }
        }
    }

    /// Lets time pass until somebody is due, and says who.
    fn wait(&mut self) -> usize {
        let due = |actor: &Actor| {
            let answer = actor.scaler.calls().next_due();
            answer.map_or(actor.wake, |due| due.min(actor.wake))
        };
        let wake = self.actors.iter().map(due).min().unwrap_or(0);
        let mut world = self.world.lock();
        let has_result = |world: &World, actor: &Actor| {
            let waiting = world.results.get(&actor.life);
            waiting.is_some_and(|results| !results.is_empty())
        };
        if !self.actors.iter().any(|actor| has_result(&world, actor)) {
            let until = wake.max(world.now);
            world.pass(until, true);
        }
        let now = world.now;
        let is_due = |actor: &Actor| due(actor) <= now || has_result(&world, actor);
        self.actors.iter().position(is_due).unwrap_or(0)
    }

    fn turn(&mut self, index: usize) {
        const IDLE_TURNS: u32 = 20;
        let actor = &mut self.actors[index];
        let life = actor.life;
        let before = {
            let mut world = self.world.lock();
            world.figures.turns += 1;
            let now = world.now;
            world.judge.turn_begins(life, now);
            (world.now, world.requests, world.figures.probes)
        };
        let turned = catch_unwind(AssertUnwindSafe(|| actor.scaler.turn()));
        let mut world = self.world.lock();
        match turned {
            Ok(next) => {
                actor.wake = world.started[life] + ms(next.0);
                let is_idle = (world.now, world.requests, world.figures.probes) == before;
                // A result that is there is a reason for a turn.
                if is_idle && actor.wake <= world.now {
                    actor.idle_turns += 1;
                    actor.wake = world.now + 1;
                } else {
                    actor.idle_turns = 0;
                }
                if actor.idle_turns > IDLE_TURNS {
                    let now = world.now;
                    let text = format!("{IDLE_TURNS} turns without anything to do");
                    world.judge.violated(life, now, Invariant::Spins, text);
                }
            }
            Err(payload) => {
                let now = world.now;
                world.results.remove(&life);
                if payload.downcast_ref::<Killed>().is_none() {
                    let text = "see the message above".to_owned();
                    return world.judge.violated(life, now, Invariant::Panicked, text);
                }
                world.figures.kills += 1;
                let downtime = world.rng.skewed(100, 120_000);
                world.pass(now + downtime, false);
                drop(world);
                let dead = self.actors.remove(index);
                self.start(dead.is_second);
            }
        }
    }
}
