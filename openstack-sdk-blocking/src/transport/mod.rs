//! One HTTP exchange: the seam between the client and the HTTP library below it.

#[cfg(feature = "ureq")]
mod connect;
mod exchange;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(any(feature = "ureq", feature = "reqwest"))]
mod tls_cause;
#[cfg(feature = "ureq")]
mod ureq;

pub use self::exchange::{
    MAX_ERROR_BYTES, Method, Request, Response, Transport, TransportConfig, TransportError,
    TransportErrorKind,
};
#[cfg(feature = "reqwest")]
pub use self::reqwest::ReqwestTransport;
#[cfg(feature = "ureq")]
pub use self::ureq::UreqTransport;
