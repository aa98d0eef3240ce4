//! What an endpoint is made from, and why an endpoint or the threads cannot be had.

use openstack_sdk_blocking::tls::TrustError;
use std::io;
use std::num::NonZeroU16;
use std::time::Duration;

/// The protocol of the replicas' status API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// `http`.
    #[default]
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

    /// The port that a request leaves out of its `Host`.
    pub(super) fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Which certificates are trusted over `https`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The contents of a file in PEM or DER. Its certificates are trusted in place of the public
    /// authorities'.
    pub ca_file: Option<Vec<u8>>,
    /// Whether any certificate will do.
    pub insecure: bool,
}

/// How the replicas of one pool are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSettings {
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
}

impl Default for EndpointSettings {
    fn default() -> Self {
        Self {
            protocol: Protocol::default(),
            port: NonZeroU16::MIN.saturating_add(8080 - 1),
            path: "/".to_owned(),
            capacity_key: "capacity".to_owned(),
            termination_key: "termination".to_owned(),
            timeout: Duration::from_secs(5),
            tls: TlsSettings::default(),
        }
    }
}

/// Why replicas cannot be asked with these settings.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The path cannot be part of a URL.
    #[error("REPLICA_API_PATH: {0:?} is not the path of a URL")]
    BadPath(String),
    /// The CA file cannot be used.
    #[error("REPLICA_API_CA_FILE cannot be used")]
    CaFile(#[source] TrustError),
    /// The TLS client could not be set up.
    #[error("TLS with the replicas cannot be set up")]
    Tls(#[source] TrustError),
}

/// Why the probe threads could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The means to wait for sockets could not be had.
    #[error("sockets cannot be waited for")]
    Poll(#[source] io::Error),
    /// A thread could not be started.
    #[error("cannot start the thread {name}")]
    Thread {
        /// Its name.
        name: String,
        /// The system's error.
        source: io::Error,
    },
}
