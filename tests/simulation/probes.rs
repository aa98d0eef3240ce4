//! The simulated probe pool: asks what is at an address, some time later.

use super::cloud::Shared;
use super::judge::ms;
use super::scenario::Fault;
use super::world::{Event, Probe, World};
use simplescalevm::pool::{
    CycleStep, Health, Measure, Moment, ProbeFailure, ProbeResult, ProbeTarget, ReplicaId, Snapshot,
};
use simplescalevm::scaler::{Observer, Probes};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct SimProbes {
    pub(crate) world: Shared,
    pub(crate) life: usize,
    /// Replicas for which a connection is kept.
    pub(crate) kept: BTreeSet<ReplicaId>,
}

impl Probes for SimProbes {
    fn submit(&mut self, target: &ProbeTarget, round: u64) -> bool {
        let mut world = self.world.lock();
        let (now, life) = (world.now, self.life);
        if now < world.queue_full_until {
            return false;
        }
        world.figures.probes += 1;
        world.judge.probe_begins(life, now, target, round);
        self.kept.insert(target.replica.clone());
        let timeout = world.scenario.probe_timeout_ms;
        let (lost, slow) = (
            world.strikes(Fault::ProbeLoss),
            world.strikes(Fault::ProbeSlow),
        );
        let fast = world.rng.range(1, 40);
        let loss = lost.then_some(match fast % 4 {
            0 => ProbeFailure::Timeout,
            1 => ProbeFailure::ConnectionLost,
            2 => ProbeFailure::Local("out of file descriptors".to_owned()),
            _ => ProbeFailure::Status(500),
        });
        let latency = match (&loss, slow) {
            (Some(ProbeFailure::Timeout), _) => timeout,
            (_, true) => timeout - fast,
            (_, false) => fast,
        };
        let probe = Probe {
            life,
            replica: target.replica.clone(),
            address: target.address,
            round,
            started: now,
            loss,
        };
        world.after(latency, Event::Probe(probe));
        true
    }

    fn finished(&mut self) -> Option<ProbeResult> {
        let mut world = self.world.lock();
        let life = self.life;
        let result = world.results.get_mut(&life)?.pop_front()?;
        // When it ended, not when it is looked at: the thread may have stood still in between.
        let ended = world.started[life] + ms(result.finished.0);
        let is_good = world.judge.probe_ended(life, ended, &result);
        // One that lists had left out so far cannot be told from a new one: for five minutes before
        // the last list, which may be five minutes ago, on the cloud's clock, which is never off by
        // more than ten minutes either way.
        let is_new = |world: &World| {
            let vm = world.servers.get(&result.replica);
            let clock = if world.cloud_jumped { 1_200_000 } else { 0 };
            // It may be gone by now: this thread may have stood still since its answer.
            vm.is_none_or(|vm| vm.made_ms > 0 || world.now < 600_000 + clock)
        };
        let came_late = world.judge.life(life).came_late(&result.replica);
        if is_good && (came_late || is_new(&world)) {
            world.judge.came_up(life);
        }
        Some(result)
    }

    fn forget(&mut self, is_gone: &dyn Fn(&ReplicaId) -> bool) {
        self.kept.retain(|id| !is_gone(id));
        let kept = self.kept.len();
        let mut world = self.world.lock();
        let (now, life) = (world.now, self.life);
        world.judge.connections_kept(life, now, kept);
        world.judge.taken_in(life);
    }
}

/// What counts is what the scaler keeps; the world is none of it.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("world")
    }
}

/// Looks at what the scaler shows.
#[derive(Debug)]
pub(crate) struct SimObserver {
    pub(crate) world: Shared,
    pub(crate) life: usize,
}

impl Observer for SimObserver {
    fn beat(&self, _: Moment) {}

    /// A list has come, as the scaler sees it: what it makes of it is of this moment.
    fn measured(&self, measure: &Measure) {
        if matches!(measure, Measure::Step(CycleStep::List, _)) {
            let mut world = self.world.lock();
            let now = world.now;
            world.judge.list_goes_on(self.life, now);
        }
    }

    fn publish(&self, snapshot: Arc<Snapshot>) {
        let mut world = self.world.lock();
        let (now, life) = (world.now, self.life);
        let health = Health::of(&snapshot, true, world.moment(life));
        world.judge.shown(life, now, &snapshot, &health);
    }
}
