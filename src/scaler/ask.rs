//! What is asked and written beside the lists: servers that a list lacks, and marks in their metadata.

use super::journal::oddities::Asked;
use super::{Clock, Probes, Scaler, Watcher, chain};
use crate::pool::{Inquiry, Listing, Looked, ReplicaId, SERVED_KEY, utc};
use crate::provider::{Calls, ProviderErrorKind, Reply, Request};
use std::time::Duration;

/// How many marks are written in a cycle in which nothing is done, and in any other.
const MARKS_IN_A_QUIET_CYCLE: usize = 10;
const MARKS_IN_A_CYCLE: usize = 2;
/// When the next list comes where there was more to ask for than is asked for at once.
const ASK_ON_AFTER: Duration = Duration::from_secs(2);

impl<P: Calls, Q: Probes, C: Clock, W: Watcher> Scaler<P, Q, C, W> {
    /// Asks one by one for what a list lacks. What could not be asked, or got no answer, is not known.
    pub(super) fn ask_for_missing(&mut self, listing: &Listing) -> Inquiry {
        let questions = self.memory.questions(listing);
        let mut inquiry = Inquiry::default();
        let mut goes_on = true;
        let has_more = questions.len() > Inquiry::AT_ONCE;
        for (number, id) in questions.into_iter().enumerate() {
            goes_on &= !self.is_stopping() && self.parts.clock.now() >= self.quiet_until;
            let looked = if goes_on && number < Inquiry::AT_ONCE {
                self.ask_for(&id, &mut goes_on)
            } else {
                Looked::NotAsked
            };
            inquiry.0.insert(id, looked);
        }
        if !inquiry.0.is_empty() {
            let asked = Asked::of(&self.memory, &inquiry);
            let when = self.when();
            self.journal.asked(when, asked, &self.parts.watcher);
        }
        if has_more && goes_on {
            let soon = self.parts.clock.now() + ASK_ON_AFTER;
            self.next_list = self.next_list.min(soon);
        }
        inquiry
    }

    fn ask_for(&mut self, id: &ReplicaId, goes_on: &mut bool) -> Looked {
        let shown = self.try_call(Request::Show(id.clone()), Reply::shown);
        let looked = match shown {
            Ok(looked) => looked,
            Err(error) => {
                log::debug!("server {id} cannot be asked for: {}", chain(&error));
                *goes_on = !self.look_up_failed(&error);
                Looked::NotKnown
            }
        };
        self.parts.watcher.beat(self.parts.clock.now());
        looked
    }

    /// Marks replicas that have served, so that a later process does not take a silent one for one that never came up.
    pub(super) fn write_marks(&mut self, is_quiet: bool) {
        if self.marks_are_refused {
            return;
        }
        let now = self.parts.clock.now();
        let most = if is_quiet {
            MARKS_IN_A_QUIET_CYCLE
        } else {
            MARKS_IN_A_CYCLE
        };
        let mut unmarked = self.memory.unmarked(now);
        // One that cannot be marked now does not hold up the others.
        let turn = self.mark_turn.checked_rem(unmarked.len()).unwrap_or(0);
        unmarked.rotate_left(turn);
        for (id, time) in unmarked.into_iter().take(most) {
            if self.is_stopping() || self.parts.clock.now() < self.quiet_until {
                return;
            }
            let value = time.map_or_else(|| "unknown".to_owned(), utc);
            match self.have_done(Request::Mark(id.clone(), SERVED_KEY, value)) {
                Ok(()) => self.memory.marked(&id),
                Err(error) if is_refusal(error.kind) && error.retry_after.is_none() => {
                    self.marks_are_refused = true;
                    self.memory.marks_are_refused();
                    log::warn!(
                        "{SERVED_KEY} cannot be written into the metadata of servers, and is not tried any more: {}",
                        chain(&error)
                    );
                    return;
                }
                Err(error) => {
                    self.mark_turn = self.mark_turn.wrapping_add(1);
                    // It is being changed, or locked, or gone: the next cycle sees.
                    log::debug!("server {id} cannot be marked: {}", chain(&error));
                    if self.look_up_failed(&error) {
                        return;
                    }
                }
            }
            self.parts.watcher.beat(self.parts.clock.now());
        }
    }
}

/// Whether an error says that it is never allowed, and not that it is not possible now.
fn is_refusal(kind: ProviderErrorKind) -> bool {
    matches!(
        kind,
        ProviderErrorKind::Forbidden | ProviderErrorKind::Quota | ProviderErrorKind::Rejected
    )
}
