//! How another thread ends a shard's sleep.

use mio::{Token, Waker};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// The token of a wakeup; slots have theirs from 0 on.
pub(super) const WAKEUP: Token = Token(usize::MAX);

/// Wakes a shard or stops it; shared by the shard and the pool.
#[derive(Debug)]
pub(super) struct Wakeup {
    waker: Waker,
    is_asleep: AtomicBool,
    is_stopped: AtomicBool,
}

impl Wakeup {
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            waker,
            is_asleep: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Wakes the shard, if it sleeps, after a command was sent to it.
    pub(super) fn wake(&self) -> io::Result<()> {
        // INVARIANT: the shard marks itself as asleep before it looks for commands, and this is called
        // after the command was sent. So either the shard sees the command, or this sees the mark.
        if self.is_asleep.swap(false, Ordering::SeqCst) {
            return self.waker.wake();
        }
        Ok(())
    }

    /// Stops the shard.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        // It fails if a wakeup is on its way already.
        let _ = self.waker.wake();
    }

    /// Whether the shard is to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::SeqCst)
    }

    /// The shard marks itself as asleep or awake.
    pub(super) fn mark_asleep(&self, is_asleep: bool) {
        self.is_asleep.store(is_asleep, Ordering::SeqCst);
    }
}
