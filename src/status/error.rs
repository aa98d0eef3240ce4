//! Why the status server could not start.

use std::net::SocketAddr;
use std::{error, fmt, io};

/// Why the status server could not start, and what the operator can do about it.
#[derive(Debug)]
pub enum StatusError {
    /// `APP_HOST` is no address and no name that can be resolved.
    Resolve {
        /// The host as configured.
        host: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// `APP_HOST` is a name without an address.
    NoAddress {
        /// The host as configured.
        host: String,
    },
    /// The address cannot be listened on.
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The thread could not be started.
    Thread {
        /// The system's error.
        source: io::Error,
    },
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve { host, .. } => {
                write!(f, "cannot find the address of APP_HOST={host}")
            }
            Self::NoAddress { host } => write!(f, "APP_HOST={host} has no address"),
            Self::Listen { address, source } => {
                write!(f, "cannot listen on {address}{}", Self::advice(source))
            }
            Self::Thread { .. } => f.write_str("cannot start the thread of the status server"),
        }
    }
}

impl StatusError {
    fn advice(source: &io::Error) -> &'static str {
        match source.kind() {
            io::ErrorKind::AddrInUse => {
                ": another program has this port; end it or set APP_PORT to a free one"
            }
            io::ErrorKind::AddrNotAvailable => {
                ": this machine does not have this address; set APP_HOST to one that it has, or \
                 to 0.0.0.0"
            }
            io::ErrorKind::PermissionDenied => {
                ": this user may not open this port; set APP_PORT to 1024 or more"
            }
            _ => "; see APP_HOST and APP_PORT",
        }
    }
}

impl error::Error for StatusError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Resolve { source, .. }
            | Self::Listen { source, .. }
            | Self::Thread { source } => Some(source),
            Self::NoAddress { .. } => None,
        }
    }
}
