//! What TLS failed for, found below the HTTP library's own error.

use std::error::Error as StdError;
use std::io;

use rustls::{CertificateError, Error, InvalidMessage};

use crate::cause::Cause;

/// Looks through an error and all below it, also into `io::Error`, which hides what it wraps.
pub(super) fn find(error: &(dyn StdError + 'static)) -> Option<Cause> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<Error>() {
            return of(error);
        }
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn of(error: &Error) -> Option<Cause> {
    use CertificateError as Bad;
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => Some(Cause::PlainHttp),
        Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => Some(Cause::Expired),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => Some(Cause::NotValidYet),
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                Some(Cause::NotValidForName)
            }
            // Which of the two an unknown authority shows as depends on what is in the file.
            Bad::UnknownIssuer | Bad::BadSignature => Some(Cause::UnknownIssuer),
            Bad::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
                Some(Cause::UnknownIssuer)
            }
            _ => None,
        },
        _ => None,
    }
}
