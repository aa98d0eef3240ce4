//! Why an exchange failed: the one place where errors of the network and of its protocols are read.

use super::answer::shorten;
use crate::pool::ProbeFailure;
use std::fmt::Display;
use std::io;
use std::io::ErrorKind;

/// The longest text of an error that is handed on.
const MAX_TEXT_CHARS: usize = 160;

/// `EMFILE` and `ENFILE`, the same numbers on every Linux.
const OUT_OF_DESCRIPTORS: [i32; 2] = [24, 23];

/// Whether the peer ended the connection.
pub(super) fn is_lost(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected
    )
}

/// Whether there was no descriptor left for a socket.
pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code.is_some_and(|code| OUT_OF_DESCRIPTORS.contains(&code))
}

/// What an error of a socket means.
pub(super) fn of_io(error: &io::Error) -> ProbeFailure {
    let text = || shorten(&error.to_string(), MAX_TEXT_CHARS);
    match error.kind() {
        ErrorKind::ConnectionRefused => ProbeFailure::Refused,
        ErrorKind::TimedOut => ProbeFailure::Timeout,
        kind if is_lost(kind) => ProbeFailure::ConnectionLost,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            ProbeFailure::Unroutable(text())
        }
        ErrorKind::OutOfMemory
        | ErrorKind::AddrNotAvailable
        | ErrorKind::AddrInUse
        | ErrorKind::PermissionDenied => ProbeFailure::Local(text()),
        _ if is_out_of_descriptors(error) => ProbeFailure::Local(text()),
        _ => ProbeFailure::Unroutable(text()),
    }
}

/// The handshake failed, or a record was broken or forged.
pub(super) fn of_tls(error: &dyn Display) -> ProbeFailure {
    ProbeFailure::Tls(shorten(&error.to_string(), MAX_TEXT_CHARS))
}

/// The bytes are no HTTP response. The request was checked at start, so it is the peer's fault.
pub(super) fn of_http(error: &dyn Display) -> ProbeFailure {
    ProbeFailure::NotHttp(shorten(&error.to_string(), MAX_TEXT_CHARS))
}

/// Something on this side that has nothing to do with the replica.
pub(super) fn local(error: &dyn Display) -> ProbeFailure {
    ProbeFailure::Local(shorten(&error.to_string(), MAX_TEXT_CHARS))
}
