//! Why the status server could not start.

use std::io;
use std::net::SocketAddr;

/// Why the status server could not start, and what the operator can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// `APP_HOST` is no address and no name that can be resolved.
    #[error("cannot find the address of APP_HOST={host}")]
    Resolve {
        /// The host as configured.
        host: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// `APP_HOST` is a name without an address.
    #[error("APP_HOST={host} has no address")]
    NoAddress {
        /// The host as configured.
        host: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}{}", advice(.source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The thread could not be started.
    #[error("cannot start the thread of the status server")]
    Thread {
        /// The system's error.
        source: io::Error,
    },
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            ": another program has this port; end it or set APP_PORT to a free one"
        }
        io::ErrorKind::AddrNotAvailable => {
            ": this machine does not have this address; set APP_HOST to one that it has, or to \
             0.0.0.0"
        }
        io::ErrorKind::PermissionDenied => {
            ": this user may not open this port; set APP_PORT to 1024 or more"
        }
        _ => "; see APP_HOST and APP_PORT",
    }
}
