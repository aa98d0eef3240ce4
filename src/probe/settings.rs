//! What an endpoint is made from, and why an endpoint or the threads cannot be had.

use openstack_sdk_blocking::tls::TrustError;
use std::fmt;
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
#[derive(Debug)]
pub enum EndpointError {
    /// The path cannot be part of a URL.
    BadPath(String),
    /// The CA file cannot be used, or the TLS client could not be set up.
    Tls(TrustError),
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadPath(path) => {
                write!(f, "REPLICA_API_PATH: {path:?} is not the path of a URL")
            }
            Self::Tls(TrustError::CaFile(_)) => f.write_str("REPLICA_API_CA_FILE cannot be used"),
            Self::Tls(_) => f.write_str("TLS with the replicas cannot be set up"),
        }
    }
}

impl std::error::Error for EndpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls(source) => Some(source),
            Self::BadPath(_) => None,
        }
    }
}

/// Why the probe threads could not be started.
#[derive(Debug)]
pub enum StartError {
    /// The means to wait for sockets could not be had.
    Poll(io::Error),
    /// A thread could not be started.
    Thread {
        /// Its name.
        name: String,
        /// The system's error.
        source: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll(_) => f.write_str("sockets cannot be waited for"),
            Self::Thread { name, .. } => write!(f, "cannot start the thread {name}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Poll(source) | Self::Thread { source, .. } => Some(source),
        }
    }
}
