//! What a request to the cloud can come to besides what was asked for.

use super::BackoffCause;
use crate::names;

/// What kind of failure it was. Set once, where the answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloudErrorKind {
    /// The quota is used up.
    Quota,
    /// Too many requests.
    RateLimited,
    /// The credentials are not accepted.
    Unauthorized,
    /// The credentials do not allow it.
    Forbidden,
    /// The object is not there.
    NotFound,
    /// The object's state does not allow it.
    Conflict,
    /// The object has changed since it was listed.
    Changed,
    /// The request is not accepted as it is.
    Rejected,
    /// A configured name stands for nothing, or for more than one thing.
    Lookup,
    /// A file that the request needs cannot be used.
    LocalFile,
    /// No whole answer came in time.
    Timeout,
    /// The cloud could not be reached, or the connection was lost.
    Connection,
    /// The cloud failed (5xx).
    Server,
    /// The answer makes no sense.
    BadAnswer,
}

names!(CloudErrorKind {
    Self::Quota => "quota",
    Self::RateLimited => "rate-limited",
    Self::Unauthorized => "unauthorized",
    Self::Forbidden => "forbidden",
    Self::NotFound => "not-found",
    Self::Conflict => "conflict",
    Self::Changed => "changed",
    Self::Rejected => "rejected",
    Self::Lookup => "lookup",
    Self::LocalFile => "local-file",
    Self::Timeout => "timeout",
    Self::Connection => "connection",
    Self::Server => "server",
    Self::BadAnswer => "bad-answer",
});

impl CloudErrorKind {
    /// Whether the next request is likely to fail in the same way, whatever it is about.
    #[must_use]
    pub fn concerns_the_cloud(self) -> bool {
        matches!(
            self,
            Self::RateLimited | Self::Unauthorized | Self::Timeout | Self::Connection
        )
    }

    /// Whether there was no answer in time, or none at all.
    #[must_use]
    pub fn is_no_answer(self) -> bool {
        matches!(self, Self::Timeout | Self::Connection)
    }

    /// Why the next creation waits after it.
    #[must_use]
    pub fn backoff_cause(self) -> BackoffCause {
        match self {
            Self::Quota => BackoffCause::Quota,
            Self::RateLimited => BackoffCause::RateLimited,
            Self::Timeout | Self::Connection | Self::Server | Self::BadAnswer => {
                BackoffCause::CloudFailure
            }
            Self::Unauthorized
            | Self::Forbidden
            | Self::NotFound
            | Self::Conflict
            | Self::Changed
            | Self::Rejected => BackoffCause::Rejected,
            Self::Lookup | Self::LocalFile => BackoffCause::NotPrepared,
        }
    }
}
