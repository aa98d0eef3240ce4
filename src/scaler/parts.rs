//! What a scaler is made of.

use crate::pool::{Instance, Moment, Note, Policy, ProbeResult, ProbeTarget, ReplicaId, Snapshot};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The probes, as the scaler needs them. None of these calls blocks.
pub trait Probes {
    /// Hands over a probe; `false`: there is no room for it now.
    fn submit(&mut self, target: &ProbeTarget, round: u64) -> bool;
    /// The next finished probe, if there is one.
    fn finished(&mut self) -> Option<ProbeResult>;
    /// Frees what is kept for replicas that are gone.
    fn forget(&mut self, is_gone: &dyn Fn(&ReplicaId) -> bool);
}

/// The monotonic clock.
pub trait Clock {
    /// The time since the process started.
    fn now(&self) -> Moment;
}

/// Who is told what the scaler knows.
pub trait Watcher {
    /// The scaler is alive.
    fn beat(&self, now: Moment);
    /// The newest snapshot.
    fn publish(&self, snapshot: Arc<Snapshot>);
    /// Something to be counted or measured.
    fn note(&self, _: &Note) {}
}

/// The scaler's parts.
#[derive(Debug)]
pub struct Parts<P, Q, C, W> {
    /// The cloud.
    pub provider: P,
    /// The probe pool.
    pub probes: Q,
    /// The clock.
    pub clock: C,
    /// Where snapshots go.
    pub watcher: W,
    /// The settings that decisions depend on.
    pub policy: Policy,
    /// This process, as the marks of its servers name it.
    pub instance: Instance,
    /// `SCALING_INTERVAL`.
    pub scaling_interval: Duration,
    /// Set from outside: no new action is begun any more.
    pub stop: Arc<AtomicBool>,
}

impl<P, Q, C, W> Parts<P, Q, C, W> {
    /// The provider, and the rest.
    pub(super) fn split(self) -> (P, Parts<(), Q, C, W>) {
        let rest = Parts {
            provider: (),
            probes: self.probes,
            clock: self.clock,
            watcher: self.watcher,
            policy: self.policy,
            instance: self.instance,
            scaling_interval: self.scaling_interval,
            stop: self.stop,
        };
        (self.provider, rest)
    }
}
