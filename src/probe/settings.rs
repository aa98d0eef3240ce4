//! What the probe pool is started with.

use super::recipe::Recipe;
use openstack_sdk_blocking::tls::TrustError;
use std::fmt;
use std::io;
use std::num::{NonZeroU16, NonZeroUsize};
use std::time::Duration;

/// How replicas are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

impl Protocol {
    /// The scheme of the URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that is not named in a request.
    pub(super) fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Whom to trust over `https`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The contents of a file in PEM or DER. Its certificates are trusted in place of the public
    /// authorities'.
    pub ca_file: Option<Vec<u8>>,
    /// Whether any certificate will do.
    pub insecure: bool,
}

/// The settings of the probe pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSettings {
    /// `REPLICA_API_PROTOCOL`.
    pub protocol: Protocol,
    /// `REPLICA_API_PORT`.
    pub port: NonZeroU16,
    /// `REPLICA_API_PATH`; begins with a slash, may hold a query.
    pub path: String,
    /// `REPLICA_API_CAPACITY_KEY`.
    pub capacity_key: String,
    /// `REPLICA_API_TERMINATION_KEY`.
    pub termination_key: String,
    /// `REPLICA_API_TIMEOUT`: bounds a whole probe.
    pub timeout: Duration,
    /// `REPLICA_API_CA_FILE` and `REPLICA_API_INSECURE`; only read with [`Protocol::Https`].
    pub tls: TlsSettings,
    /// `PROBE_THREADS`: at most so many threads; see [`super::MAX_THREADS`].
    pub threads: NonZeroUsize,
}

impl ProbeSettings {
    /// Checks what [`super::ProbePool::start`] would check, without starting anything.
    pub fn check(&self) -> Result<(), StartError> {
        Recipe::new(self).map(drop)
    }
}

/// Why the probe pool could not be started.
#[derive(Debug)]
pub enum StartError {
    /// The path cannot be part of a URL.
    BadPath(String),
    /// The CA file cannot be used, or the TLS client could not be set up.
    Tls(TrustError),
    /// The means to wait for sockets could not be had.
    Poll(io::Error),
    /// A thread could not be started.
    Thread {
        /// Its name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadPath(path) => write!(f, "{path:?} is not the path of a URL"),
            Self::Tls(TrustError::CaFile(_)) => f.write_str("REPLICA_API_CA_FILE cannot be used"),
            Self::Tls(_) => f.write_str("TLS with the replicas cannot be set up"),
            Self::Poll(_) => f.write_str("sockets cannot be waited for"),
            Self::Thread { name, .. } => write!(f, "cannot start the thread {name}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls(source) => Some(source),
            Self::Poll(source) | Self::Thread { source, .. } => Some(source),
            Self::BadPath(_) => None,
        }
    }
}
