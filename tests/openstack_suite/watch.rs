//! Looks at the cloud's list all the time, so that nothing which was there for a moment is missed.

use super::cloud::{Cloud, word};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// What has been seen so far.
#[derive(Default)]
struct Seen {
    /// The most servers of one pool at one time that were not being deleted.
    most: BTreeMap<String, usize>,
    latest: Vec<Value>,
    taken: Option<Instant>,
}

pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Whether a server is there and nobody is deleting it.
pub(crate) fn is_there(server: &Value) -> bool {
    server["OS-EXT-STS:task_state"] != "deleting" && server["status"] != "DELETED"
}

/// The value by which a pool is known.
pub(crate) fn pool_of(server: &Value) -> String {
    let metadata = server["metadata"].as_object().into_iter().flatten();
    metadata
        .filter(|(key, _)| !key.starts_with("simplescalevm."))
        .map(|(_, value)| word(value))
        .next()
        .unwrap_or_default()
}

impl Watch {
    /// Begins to look at the servers whose names begin so.
    pub(crate) fn start(cloud: Arc<Cloud>, run: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let query = format!("all_tenants=1&name=%5E{run}&limit=1000");
        let thread = spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let asked = Instant::now();
                // While the API is away there is nothing to see.
                if let Ok(servers) = cloud.admin.list_servers(&query) {
                    shared
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .take_in(servers, asked);
                }
                sleep(Duration::from_millis(300));
            }
        });
        Self {
            seen,
            stop,
            thread: Some(thread),
        }
    }

    /// The pool's servers in a list that was asked for just now.
    pub(crate) fn servers(&self, pool: &str) -> Vec<Value> {
        let now = Instant::now();
        for _ in 0..1500 {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.taken.is_some_and(|taken| taken >= now) {
                let of_pool = seen.latest.iter().filter(|server| pool_of(server) == pool);
                return of_pool.cloned().collect();
            }
            drop(seen);
            sleep(Duration::from_millis(40));
        }
        panic!("the cloud gave no list for a minute")
    }

    /// The most servers that the pool had at one time.
    pub(crate) fn most(&self, pool: &str) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.most.get(pool).copied().unwrap_or_default()
    }
}

impl Seen {
    fn take_in(&mut self, servers: Vec<Value>, asked: Instant) {
        let mut now: BTreeMap<String, usize> = BTreeMap::new();
        for server in servers.iter().filter(|server| is_there(server)) {
            *now.entry(pool_of(server)).or_default() += 1;
        }
        for (pool, count) in now {
            let most = self.most.entry(pool).or_default();
            *most = count.max(*most);
        }
        self.latest = servers;
        self.taken = Some(asked);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
