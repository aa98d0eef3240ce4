//! What the configured names stand for: looked up now and then, and what comes of it.

use super::{Clock, Probes, Scaler, Watcher, chain};
use crate::pool::{Event, EventKind, Moment};
use crate::provider::{Calls, NameChange, ProviderError, ProviderErrorKind, Reply, Request};
use std::time::Duration;

/// How often names are looked up.
const NAMES_EVERY: Duration = Duration::from_secs(300);

/// When names are looked up, and how it went.
#[derive(Debug)]
pub(super) struct Names {
    next: Moment,
    /// What was last told of a failure: without the ids that each request has of its own.
    told: Option<(ProviderErrorKind, String)>,
}

impl Names {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            next: now,
            told: None,
        }
    }

    /// Whether it is time. A cycle with something to do is not held up, unless each of them has something to do.
    fn are_due(&self, is_quiet: bool, now: Moment) -> bool {
        let due = if is_quiet {
            self.next
        } else {
            self.next + NAMES_EVERY
        };
        now >= due
    }

    /// What there is to tell of it: a failure once, and its end.
    fn ended(&mut self, result: &Result<(), ProviderError>) -> Option<Event> {
        match result {
            Ok(()) => self.told.take().map(|_| {
                let text = "the names in the settings can be looked up again".to_owned();
                Event::new(EventKind::Recovered, text)
            }),
            Err(error) => {
                let now = Some((error.kind, error.message.clone()));
                if self.told == now {
                    return None;
                }
                self.told = now;
                Some(Event {
                    reason: Some(error.kind.name()),
                    error: Some(chain(error)),
                    ..Event::new(
                        EventKind::Error,
                        "look up the names in the settings".to_owned(),
                    )
                })
            }
        }
    }
}

impl<P: Calls, Q: Probes, C: Clock, W: Watcher> Scaler<P, Q, C, W> {
    /// Looks the names up anew, if it is time; what was known stays, if that fails. `false`: nothing else is to be looked
    /// up in this cycle.
    pub(super) fn look_names_up(&mut self, is_quiet: bool) -> bool {
        let now = self.parts.clock.now();
        if !self.names.are_due(is_quiet, now) || now < self.quiet_until || self.is_stopping() {
            return true;
        }
        self.names.next = now + NAMES_EVERY;
        let result = self.have_done(Request::PrepareCreation);
        // What concerns the provider as a whole is told with the lists.
        let concerns_all = result
            .as_ref()
            .is_err_and(|error| error.kind.concerns_the_provider());
        if let Some(event) = (!concerns_all).then(|| self.names.ended(&result)).flatten() {
            let when = self.when();
            self.journal
                .names_looked_up(when, event, &self.parts.watcher);
        }
        let mut goes_on = true;
        if let Err(error) = &result {
            log::debug!("a creation cannot be prepared: {}", chain(error));
            goes_on = !self.look_up_failed(error);
        }
        self.tell_name_changes();
        self.parts.watcher.beat(self.parts.clock.now());
        goes_on
    }

    /// Tells which names have come to stand for something else.
    pub(super) fn tell_name_changes(&mut self) {
        let changes = self.call(Request::NameChanges, Reply::name_changes);
        for NameChange {
            kind,
            setting,
            old,
            new,
        } in changes.unwrap_or_default()
        {
            let text = format!("{setting} stands for {new} from now on, no more for {old}");
            let when = self.when();
            self.journal
                .names_looked_up(when, Event::new(kind, text), &self.parts.watcher);
        }
    }
}
