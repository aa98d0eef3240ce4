//! What the scaler thread hands to the status server.

use super::history::{self, History};
use super::metrics::Metrics;
use crate::pool::{Moment, Snapshot};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Written by the scaler, read by the status server; neither ever waits for the other's work.
#[derive(Debug, Default)]
pub struct Board {
    /// Locked for the copy of the pointer only.
    latest: RwLock<Arc<Snapshot>>,
    heartbeat_ms: AtomicU64,
    /// Locked for one sample, or for the copy of all.
    history: Mutex<History>,
    metrics: Metrics,
}

impl Board {
    /// Makes a snapshot the one that is shown.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.take(&snapshot);
        drop(history);
        let mut latest = self.latest.write().unwrap_or_else(PoisonError::into_inner);
        let previous = std::mem::replace(&mut *latest, snapshot);
        drop(latest);
        // INVARIANT: freed only after the lock, since a large snapshot takes its time.
        drop(previous);
    }

    /// What is counted and measured.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The pool over the last hours.
    #[must_use]
    pub fn history(&self, now: Moment) -> Value {
        let cloud_now = self.latest().cloud_time_at(now);
        // INVARIANT: locked for the copy only, and not while the JSON is built: `publish` on the
        // scaler's thread would have to wait.
        let history = || self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = history().samples();
        history::view(&samples, now, cloud_now)
    }

    /// Notes that the scaler's loop has made a turn.
    pub fn heartbeat(&self, now: Moment) {
        let now_ms = u64::try_from(now.0.as_millis()).unwrap_or(u64::MAX);
        self.heartbeat_ms.store(now_ms, Ordering::Relaxed);
    }

    /// The last published snapshot; an empty one before the first.
    #[must_use]
    pub fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.latest.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// When the scaler's loop made its last turn; the start of the process before the first.
    #[must_use]
    pub fn last_heartbeat(&self) -> Moment {
        let ms = self.heartbeat_ms.load(Ordering::Relaxed);
        Moment(std::time::Duration::from_millis(ms))
    }
}
