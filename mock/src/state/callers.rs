//! Simulated callers: they take a slot of a running replica, or are lost.

use serde_json::{Value, json};

use super::{Due, State};
use crate::util::{Rng, millis};

/// Callers and what became of them.
#[derive(Debug)]
pub(crate) struct Callers {
    rng: Rng,
    running: bool,
    pub(crate) arrived: u64,
    pub(crate) served: u64,
    pub(crate) lost: u64,
    pub(crate) cut: u64,
    pub(crate) active: u64,
}

impl Callers {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed ^ 0xCA11),
            running: false,
            arrived: 0,
            served: 0,
            lost: 0,
            cut: 0,
            active: 0,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "arrived": self.arrived, "served": self.served, "lost": self.lost, "cut": self.cut, "active": self.active })
    }
}

impl State {
    /// Starts or stops the callers after the rate was changed.
    pub(crate) fn wake_callers(&mut self) {
        if self.config.callers > 0.0 && !self.callers.running {
            self.callers.running = true;
            self.next_call();
        }
    }

    fn next_call(&mut self) {
        let wait = self.callers.rng.exponential(1.0 / self.config.callers);
        self.schedule(millis(wait).max(1), Due::Call);
    }

    pub(super) fn call_arrives(&mut self) {
        if self.config.callers <= 0.0 {
            self.callers.running = false;
            return;
        }
        self.next_call();
        self.callers.arrived += 1;
        let free: Vec<u64> = self
            .servers
            .values()
            .filter(|server| server.takes_calls(self.now_ms))
            .map(|server| server.seq)
            .collect();
        if free.is_empty() {
            self.callers.lost += 1;
            self.record.event(self.now_ms, "call-lost", "", json!({}));
            return;
        }
        let seq = free[self.callers.rng.below(free.len())];
        self.callers.served += 1;
        self.callers.active += 1;
        if let Some(server) = self.servers.get_mut(&seq) {
            server.calls += 1;
            server.capacity = json!(server.capacity.as_i64().unwrap_or(1) - 1);
        }
        let length = self.callers.rng.exponential(self.config.call_time);
        self.schedule(millis(length).max(1), Due::CallEnd(seq));
    }

    pub(super) fn call_ends(&mut self, seq: u64) {
        let gateway = self.config.end_after_call;
        // A server that is gone took its calls with it; they were counted as cut.
        let Some(server) = self.servers.get_mut(&seq).filter(|server| server.calls > 0) else {
            return;
        };
        server.calls -= 1;
        self.callers.active -= 1;
        if !gateway {
            server.capacity = json!(server.capacity.as_i64().unwrap_or(0) + 1);
        } else if server.calls == 0 && server.capacity.as_i64() == Some(0) {
            server.termination = json!(true);
        }
    }

    pub(super) fn cut_calls(&mut self, calls: u64) {
        self.callers.cut += calls;
        self.callers.active -= calls.min(self.callers.active);
    }
}
