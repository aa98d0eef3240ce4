//! What became of the creations, and how long the next one waits for that.

use super::{Backoff, BackoffCause, CreateFailure, Moment, Policy};

/// The creations so far. A creation is known by its number, the first one being 1; what was not
/// created by this process has the number 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Creations {
    sent: u64,
    unseen: Vec<UnseenCreation>,
    backoff: Option<Backoff>,
    /// The newest creation that has already lengthened the backoff.
    blamed: Option<u64>,
}

/// A creation of which not every server has shown in a list yet.
#[derive(Debug, Clone, Copy)]
struct UnseenCreation {
    number: u64,
    ordered: u64,
    unseen: u64,
    /// Whether the provider said yes. Otherwise it is not known whether servers were made.
    accepted: bool,
    until: Moment,
}

impl UnseenCreation {
    fn is_overdue(&self, now: Moment) -> bool {
        self.accepted && self.unseen > 0 && now >= self.until
    }

    /// Why not all of its servers have shown. Nova makes as many as the quota lets it, if that is at
    /// least one, and says no word of the rest.
    fn cause(&self) -> BackoffCause {
        if self.unseen < self.ordered {
            BackoffCause::Quota
        } else {
            BackoffCause::NeverCameUp
        }
    }
}

impl Creations {
    pub(super) fn backoff(&self) -> Option<Backoff> {
        self.backoff
    }

    /// The number of the newest creation.
    pub(super) fn newest(&self) -> u64 {
        self.sent
    }

    pub(super) fn awaited(&self, now: Moment) -> u64 {
        self.unseen(now, true)
            .map(|c| c.unseen)
            .fold(0, u64::saturating_add)
    }

    pub(super) fn undecided_until(&self, now: Moment) -> Option<Moment> {
        self.unseen(now, false).map(|c| c.until).max()
    }

    fn unseen(&self, now: Moment, accepted: bool) -> impl Iterator<Item = &UnseenCreation> {
        self.unseen
            .iter()
            .filter(move |c| c.accepted == accepted && c.unseen > 0 && now < c.until)
    }

    pub(super) fn is_overdue(&self, now: Moment) -> bool {
        self.unseen.iter().any(|c| c.is_overdue(now))
    }

    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }

    pub(super) fn answered(&mut self, count: u64, outcome: Result<(), CreateFailure>, now: Moment) {
        let failure = outcome.err();
        if failure.is_none_or(|f| f.outcome_unknown) {
            self.unseen.push(UnseenCreation {
                number: self.sent,
                ordered: count,
                unseen: count,
                accepted: failure.is_none(),
                until: now + Policy::CREATION_SETTLES_WITHIN,
            });
        }
        if let Some(CreateFailure {
            cause, retry_after, ..
        }) = failure
        {
            // The servers of a creation that already counts as failed do not count again.
            self.blamed = Some(self.sent);
            self.backoff = Some(Backoff::escalate(self.backoff, cause, retry_after, now));
        }
    }

    /// A list shows a server for the first time.
    pub(super) fn server_shown(&mut self) {
        if let Some(creation) = self.unseen.iter_mut().find(|c| c.unseen > 0) {
            creation.unseen -= 1;
        }
    }

    /// Ends the wait for servers that have shown, or that should have by now. Servers that were
    /// accepted and do not show may cost money all the same, so they are no reason to hurry.
    pub(super) fn settle(&mut self, now: Moment) {
        let lost = self
            .unseen
            .iter()
            .filter(|c| c.is_overdue(now))
            .max_by_key(|c| c.number)
            .map(|c| (c.number, c.cause()));
        self.unseen.retain(|c| c.unseen > 0 && now < c.until);
        if let Some((number, cause)) = lost {
            self.blame(number, cause, now);
        }
    }

    /// A server of this creation came to nothing. The servers of one creation count once, and
    /// so do those of creations that were sent before anything was known.
    pub(super) fn blame(&mut self, number: u64, cause: BackoffCause, now: Moment) {
        if self.blamed.is_none_or(|blamed| number > blamed) {
            self.blamed = Some(self.sent);
            self.backoff = Some(Backoff::escalate(self.backoff, cause, None, now));
        }
    }

    /// A replica of this creation serves. That of a later creation than the failed one shows
    /// that the cause is gone; one of the failed creation itself shows that it did not fail,
    /// unless others of it ended in an error.
    pub(super) fn came_up(&mut self, number: u64) {
        let blamed = self.blamed.unwrap_or(0);
        let was_slow = number == blamed
            && self
                .backoff
                .is_some_and(|b| b.cause != BackoffCause::ServerError);
        if number > 0 && (number > blamed || was_slow) {
            self.backoff = None;
        }
    }

    /// A replica is gone: what failed for want of quota may be tried again.
    pub(super) fn room_was_made(&mut self, now: Moment) {
        if let Some(backoff) = &mut self.backoff
            && backoff.cause == BackoffCause::Quota
        {
            backoff.until = backoff.until.min(now);
        }
    }
}
