//! The wait after creations that came to nothing: a broken image must not turn into a bill.

use super::Moment;
use crate::names;
use std::fmt;
use std::time::Duration;

/// Why the next creation has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackoffCause {
    /// The project's quota is used up.
    Quota,
    /// The cloud refused the request as it is (4xx).
    Rejected,
    /// Nothing was asked: a name is not there, or the cloud-init file cannot be read.
    NotPrepared,
    /// The cloud failed (5xx), did not answer, or could not be reached.
    CloudFailure,
    /// The cloud asked for fewer requests.
    RateLimited,
    /// A new server ended in an error state, for example for want of a host.
    ServerError,
    /// A new replica did not come up within `REPLICA_STARTUP_TIMEOUT`.
    NeverCameUp,
    /// A new replica answers, and has had no free resource since it came up.
    NeverFree,
    /// A new replica came up, and ended or was gone before it had done anything.
    EndedEarly,
}

names!(BackoffCause {
    Self::Quota => "quota",
    Self::Rejected => "rejected",
    Self::NotPrepared => "not-prepared",
    Self::CloudFailure => "cloud-failure",
    Self::RateLimited => "rate-limited",
    Self::ServerError => "server-error",
    Self::NeverCameUp => "never-came-up",
    Self::NeverFree => "never-free",
    Self::EndedEarly => "ended-early",
});

impl BackoffCause {
    /// Whether a new replica itself is the cause, and so may be its image or its cloud-init file.
    #[must_use]
    pub fn is_of_the_image(self) -> bool {
        matches!(self, Self::NeverCameUp | Self::NeverFree | Self::EndedEarly)
    }
}

impl fmt::Display for BackoffCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quota => "the project's quota is used up",
            Self::Rejected => "the cloud rejected the last creation",
            Self::NotPrepared => "what a new server needs cannot be found",
            Self::CloudFailure => "the cloud failed at the last creation",
            Self::RateLimited => "the cloud asked for fewer requests",
            Self::ServerError => "a new server ended in an error state",
            Self::NeverCameUp => "a new replica never came up",
            Self::NeverFree => "a new replica has had no free resource since it came up",
            Self::EndedEarly => "a new replica ended or fell silent soon after it had come up",
        })
    }
}

/// A creation that the cloud did not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateFailure {
    /// What went wrong.
    pub cause: BackoffCause,
    /// The cloud's `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Whether servers may have been made all the same.
    pub outcome_unknown: bool,
}

/// How long creations wait, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Failures since a new replica last served.
    pub failures: u32,
    /// Nothing is created before this moment.
    pub until: Moment,
    /// The latest cause.
    pub cause: BackoffCause,
}

impl Backoff {
    /// The wait after the first failure; each further one doubles it.
    pub const FIRST: Duration = Duration::from_secs(10);
    /// The longest wait.
    pub const LONGEST: Duration = Duration::from_secs(15 * 60);

    /// The wait that follows so many failures in a row.
    #[must_use]
    pub fn delay(failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        (Self::FIRST * 2_u32.pow(doublings)).min(Self::LONGEST)
    }

    /// The state after one more failure, `before` or more of which went before. A cloud's wish
    /// for a longer wait is obeyed, up to an hour.
    #[must_use]
    pub fn escalate(
        previous: Option<Self>,
        before: u32,
        cause: BackoffCause,
        retry_after: Option<Duration>,
        now: Moment,
    ) -> Self {
        const LONGEST_WISH: Duration = Duration::from_secs(3600);
        let before = previous.map_or(0, |b| b.failures).max(before);
        let failures = before.saturating_add(1);
        let wish = retry_after.unwrap_or_default().min(LONGEST_WISH);
        let until = now + Self::delay(failures).max(wish);
        let until = previous.map_or(until, |b| until.max(b.until));
        Self {
            failures,
            until,
            cause,
        }
    }
}
