//! What each signal does: it ends the daemon as it should end, or nothing.
//!
//! A signal's default is mostly to end the process at once, whatever it is doing: a creation that the cloud has accepted would
//! then be known to nobody.

use super::Failure;
use super::threads::{Notice, spawn};
use crossbeam_channel::Sender;
use nix::sys::signal::{SigSet, Signal};
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP, SIGUSR1, SIGUSR2,
    SIGVTALRM, SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;
use std::io;

/// These end the daemon well, the second of them at once. `SIGXCPU` comes before `SIGKILL` where the time on the processor
/// is limited.
const ENDING: [i32; 4] = [SIGTERM, SIGINT, SIGQUIT, SIGXCPU];
/// These do nothing. So does `SIGPIPE`, which every Rust program ignores.
const IGNORED: [i32; 10] = [
    SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXFSZ, SIGTRAP, SIGSYS,
];
/// Linux alone has these: `SIGSTKFLT`, `SIGPWR`, and those without a name that a C library leaves to programs; musl keeps 32 to 34
/// to itself, glibc 32 and 33.
const IGNORED_BY_NUMBER: [i32; 2] = [16, 30];
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

/// Keeps signals away from this thread and those that it starts from now on: a call that waits for the cloud is not
/// interrupted by one. They wait for [`watch`].
pub(super) fn hold_back() -> Result<(), Failure> {
    masked().thread_block().map_err(refused)
}

fn masked() -> SigSet {
    let mut set = SigSet::empty();
    for number in ENDING.into_iter().chain(IGNORED).chain(IGNORED_BY_NUMBER) {
        if let Ok(signal) = Signal::try_from(number) {
            set.add(signal);
        }
    }
    set
}

fn refused(error: nix::Error) -> Failure {
    Failure::Signals(io::Error::from(error))
}

/// Sends the first signal that ends the daemon on; the second one ends the process at once.
pub(super) fn watch(events: &Sender<Notice>) -> Result<(), Failure> {
    let mut signals = Signals::new(ENDING.into_iter().chain(IGNORED)).map_err(Failure::Signals)?;
    for number in IGNORED_BY_NUMBER.into_iter().chain(REAL_TIME) {
        // One that this system does not have cannot come either.
        let _ = signals.add_signal(number);
    }
    let sender = events.clone();
    spawn("signals", events, move || {
        if let Err(error) = masked().thread_unblock() {
            log::error!("signals cannot be received: {error}");
            return;
        }
        let mut is_ending = false;
        for signal in signals.forever() {
            if !ENDING.contains(&signal) {
                ignored(signal);
            } else if is_ending {
                crate::logging::flush();
                signal_hook::low_level::exit(128 + signal);
            } else {
                is_ending = true;
                // There is no receiver any more: the process is ending.
                let _ = sender.send(Notice::Signal(signal));
            }
        }
    })
    .map(drop)
    .map_err(Failure::Thread)
}

fn ignored(signal: i32) {
    if signal == SIGHUP {
        log::warn!(
            "SIGHUP: ignored, settings cannot be reloaded yet; restart the daemon instead, it loses nothing"
        );
    } else {
        log::info!("{}: ignored", name(signal));
    }
}

/// `SIGUSR1`, or `signal 34`.
pub(super) fn name(signal: i32) -> String {
    signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned)
}
