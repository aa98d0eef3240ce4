//! The open connections: a bounded number of them, of which the newest always gets in.

use std::collections::VecDeque;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a new connection waits for the thread of a closed one to end, at most.
const WAITS_FOR_ROOM: u32 = 20;
const WAIT_FOR_ROOM: Duration = Duration::from_millis(50);

/// The set of open connections.
#[derive(Debug)]
pub(super) struct Connections {
    limit: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    open: VecDeque<Entry>,
    closed: bool,
}

#[derive(Debug)]
struct Entry {
    connection: Arc<Connection>,
    /// It was told to go; its thread has not ended yet.
    evicted: bool,
}

/// One connection, shared between its thread and the set.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    answering: AtomicBool,
}

/// A place in the set, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    connection: Arc<Connection>,
}

impl Connections {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit: limit.max(1),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Gives a connection a place. Where none is free, the connection that has been idle for
    /// longest is closed: who asks at once is answered, however many others just sit there.
    /// `None`: the set is closed, or no thread made room in time.
    pub(super) fn admit(self: &Arc<Self>, stream: TcpStream) -> Option<Place> {
        let mut state = self.lock();
        for _ in 0..WAITS_FOR_ROOM {
            if state.closed {
                return None;
            }
            if state.open.len() < self.limit {
                let connection = Arc::new(Connection {
                    stream,
                    answering: AtomicBool::new(false),
                });
                state.open.push_back(Entry {
                    connection: Arc::clone(&connection),
                    evicted: false,
                });
                return Some(Place {
                    connections: Arc::clone(self),
                    connection,
                });
            }
            state.evict_one();
            state = self.wait(state, WAIT_FOR_ROOM);
        }
        None
    }

    /// Closes the connection that has been idle for longest, and waits a moment: the process
    /// is short of something that a connection holds.
    pub(super) fn relieve(&self, wait: Duration) {
        let mut state = self.lock();
        state.evict_one();
        drop(self.wait(state, wait));
    }

    /// Closes all connections, lets none in any more, and waits for their threads to end.
    /// Returns whether they did.
    pub(super) fn close(&self, waits: u32, wait: Duration) -> bool {
        let mut state = self.lock();
        state.closed = true;
        for entry in &mut state.open {
            entry.evict();
        }
        for _ in 0..waits {
            if state.open.is_empty() {
                return true;
            }
            state = self.wait(state, wait);
        }
        state.open.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, wait: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, wait);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    fn evict_one(&mut self) {
        let idle = |e: &Entry| !e.evicted && !e.connection.answering.load(Ordering::Relaxed);
        let victim = self.open.iter().position(idle);
        let victim = victim.or_else(|| self.open.iter().position(|e| !e.evicted));
        if let Some(entry) = victim.and_then(|index| self.open.get_mut(index)) {
            entry.evict();
        }
    }
}

impl Entry {
    /// Wakes the connection's thread out of its read or write, with an error.
    fn evict(&mut self) {
        self.evicted = true;
        // It fails only for a connection that the client has closed already.
        let _ = self.connection.stream.shutdown(Shutdown::Both);
    }
}

impl Place {
    pub(super) fn stream(&self) -> &TcpStream {
        &self.connection.stream
    }

    /// Says whether the connection is being answered, and so is not the first to be closed.
    pub(super) fn set_answering(&self, answering: bool) {
        self.connection
            .answering
            .store(answering, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.connections.lock();
        state
            .open
            .retain(|e| !Arc::ptr_eq(&e.connection, &self.connection));
        drop(state);
        self.connections.changed.notify_all();
    }
}
