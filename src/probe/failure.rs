//! Why an exchange failed: the one place where errors of the HTTP client are read.

use super::answer::shorten;
use crate::pool::ProbeFailure;
use std::io;
use std::io::ErrorKind;

/// The longest text of an error that is handed on.
const MAX_TEXT_CHARS: usize = 160;

/// The TLS handshake failed. It is made where the handshake takes place, since the client passes
/// most failures of it on as plain I/O errors.
#[derive(Debug)]
pub(super) struct HandshakeFailed(pub(super) ureq::Error);

impl std::fmt::Display for HandshakeFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            ureq::Error::Io(error) => write!(f, "{error}"),
            ureq::Error::Rustls(error) => write!(f, "{error}"),
            error => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for HandshakeFailed {}

/// Says what an error of the client means.
pub(super) fn classify(error: &ureq::Error) -> ProbeFailure {
    use ureq::Error as E;
    let text = || shorten(&error.to_string(), MAX_TEXT_CHARS);
    match error {
        E::Timeout(_) => ProbeFailure::Timeout,
        E::Io(error) => classify_io(error),
        E::StatusCode(status) => ProbeFailure::Status(*status),
        E::BodyExceedsLimit(_) => ProbeFailure::TooLarge,
        // The request's own part is checked at start, so what is left of the protocol is the peer's.
        E::Protocol(_) | E::LargeResponseHeader(..) | E::BodyStalled => {
            ProbeFailure::NotHttp(text())
        }
        E::Tls(_) | E::Pem(_) | E::Rustls(_) | E::TlsRequired => ProbeFailure::Tls(text()),
        E::Other(other) => match other.downcast_ref::<HandshakeFailed>() {
            Some(failed) => ProbeFailure::Tls(shorten(&failed.to_string(), MAX_TEXT_CHARS)),
            None => ProbeFailure::Local(text()),
        },
        _ => ProbeFailure::Local(text()),
    }
}

/// Whether the peer ended the connection.
pub(super) fn is_lost(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Io(error) if is_lost_kind(error.kind()))
}

fn is_lost_kind(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected
    )
}

fn classify_io(error: &io::Error) -> ProbeFailure {
    let text = || shorten(&error.to_string(), MAX_TEXT_CHARS);
    match error.kind() {
        ErrorKind::ConnectionRefused => ProbeFailure::Refused,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => ProbeFailure::Timeout,
        kind if is_lost_kind(kind) => ProbeFailure::ConnectionLost,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            ProbeFailure::Unroutable(text())
        }
        // Sockets do not say this, a broken or forged TLS record does.
        ErrorKind::InvalidData => ProbeFailure::Tls(text()),
        _ => ProbeFailure::Local(text()),
    }
}
