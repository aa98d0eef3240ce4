//! What a scaler is made of.

use crate::cloud::ServerTemplate;
use crate::pool::{
    Event, Instance, Measure, Moment, Policy, ProbeResult, ProbeTarget, ReplicaId, Snapshot,
};
use std::num::NonZeroU32;
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
pub trait Observer {
    /// The scaler is alive.
    fn beat(&self, now: Moment);
    /// The newest snapshot.
    fn publish(&self, snapshot: Arc<Snapshot>);
    /// Something has happened, whether it is logged or not.
    fn happened(&self, _: &Event) {}
    /// Something was measured.
    fn measured(&self, _: &Measure) {}
}

/// The scaler's parts.
#[derive(Debug)]
pub struct Parts<P, Q, C, W> {
    /// The requests to the cloud.
    pub calls: P,
    /// The probe pool.
    pub probes: Q,
    /// The clock.
    pub clock: C,
    /// Where snapshots go.
    pub observer: W,
    /// What the pool's servers are like.
    pub template: Arc<ServerTemplate>,
    /// The settings that decisions depend on.
    pub policy: Policy,
    /// This process, as the marks of its servers name it.
    pub instance: Instance,
    /// `SCALING_INTERVAL`.
    pub scaling_interval: Duration,
    /// `OPENSTACK_REQUESTS_PER_SECOND`: requests to one service, on average; `None`: no limit.
    pub requests_per_second: Option<NonZeroU32>,
    /// Set from outside: no new action is begun any more.
    pub stop: Arc<AtomicBool>,
}
