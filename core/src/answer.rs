//! What a replica says of itself, and the ways in which it can fail to.

use super::{Moment, Policy, ReplicaId};
use crate::names;
use std::fmt;
use std::time::Duration;

/// A replica's good answer to a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Resources that can be taken on the replica now.
    pub free: u64,
    /// Whether the replica says that it is done and may be deleted.
    pub termination: bool,
}

/// Why a probe failed. The texts are bounded in length where they are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeFailure {
    /// The connection was refused.
    Refused,
    /// No route, host down, or another failure to connect.
    Unroutable(String),
    /// `REPLICA_API_TIMEOUT` passed before the whole answer was there.
    Timeout,
    /// The connection ended before the whole answer was there.
    ConnectionLost,
    /// The TLS handshake or the certificate check failed.
    Tls(String),
    /// The bytes were not an HTTP response.
    NotHttp(String),
    /// The status was not 2xx (redirects are not followed).
    Status(u16),
    /// The body is not JSON.
    NotJson,
    /// The body is text in an encoding that JSON does not have.
    Encoding(&'static str),
    /// The body is JSON, but no object.
    NotAnObject,
    /// A key is missing.
    KeyMissing(String),
    /// A key's value is not what it must be.
    BadValue {
        /// The configured key.
        key: String,
        /// The value as received, shortened.
        value: String,
    },
    /// The answer is larger than 64 KiB.
    TooLarge,
    /// More free resources than `REPLICA_CAPACITY_LIMIT`.
    OverLimit {
        /// The free resources as reported.
        free: u64,
        /// The limit.
        limit: u64,
    },
    /// The probe could not be made at all (out of file descriptors, say): it says nothing of
    /// the replica, and does not count as one of its failures.
    Local(String),
}

names!(ProbeFailure {
    Self::Refused => "refused",
    Self::Unroutable(_) => "unroutable",
    Self::Timeout => "timeout",
    Self::ConnectionLost => "connection-lost",
    Self::Tls(_) => "tls",
    Self::NotHttp(_) => "not-http",
    Self::Status(_) => "status",
    Self::NotJson | Self::Encoding(_) => "not-json",
    Self::NotAnObject => "not-an-object",
    Self::KeyMissing(_) => "key-missing",
    Self::BadValue { .. } => "bad-value",
    Self::TooLarge => "too-large",
    Self::OverLimit { .. } => "over-limit",
    Self::Local(_) => "local",
});

impl fmt::Display for ProbeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Unroutable(why) => write!(f, "cannot connect: {why}"),
            Self::Timeout => f.write_str("no whole answer within REPLICA_API_TIMEOUT"),
            Self::ConnectionLost => f.write_str("connection closed before the whole answer"),
            Self::Tls(why) => write!(f, "TLS: {why}"),
            Self::NotHttp(why) => write!(f, "not an HTTP answer: {why}"),
            Self::Status(status) => write!(f, "HTTP status {status}"),
            Self::NotJson => f.write_str("the body is not JSON"),
            Self::Encoding(name) => write!(f, "the body is in {name}, and JSON has to be in UTF-8"),
            Self::NotAnObject => f.write_str("the body is JSON but not an object"),
            Self::KeyMissing(key) => write!(f, "key {key} is missing"),
            Self::BadValue { key, value } => write!(f, "key {key} has the bad value {value}"),
            Self::OverLimit { free, limit } => {
                write!(
                    f,
                    "{free} free resources, more than REPLICA_CAPACITY_LIMIT={limit}"
                )
            }
            Self::TooLarge => f.write_str("the answer is larger than 64 KiB"),
            Self::Local(why) => write!(f, "the probe could not be made: {why}"),
        }
    }
}

impl std::error::Error for ProbeFailure {}

/// One finished probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    /// The replica that was asked.
    pub replica: ReplicaId,
    /// The round that [`super::Memory::probe_started`] gave out; any other is a late result.
    pub round: u64,
    /// When the probe ended.
    pub finished: Moment,
    /// How long it took.
    pub latency: Duration,
    /// What came of it.
    pub outcome: Result<Answer, ProbeFailure>,
}

impl ProbeResult {
    /// The result as it is believed: one liar must not make the whole pool look well.
    #[must_use]
    pub fn believed(mut self, policy: &Policy) -> Self {
        let limit = policy.capacity_limit.get();
        if let Ok(Answer { free, .. }) = self.outcome
            && free > limit
        {
            self.outcome = Err(ProbeFailure::OverLimit { free, limit });
        }
        self
    }
}
