//! From the client's errors to the provider's.

use super::remedy;
use crate::provider::{ProviderError, ProviderErrorKind};
use openstack_sdk_blocking::{Error, ErrorKind};

/// Says what was being done when the client failed.
pub(super) fn failed(doing: &'static str) -> impl FnOnce(Error) -> ProviderError {
    move |error| ProviderError {
        kind: kind(error.kind()),
        message: doing.to_owned(),
        retry_after: error.retry_after(),
        outcome_unknown: error.outcome_unknown(),
        remedy: remedy::of(&error),
        source: Some(Box::new(error)),
    }
}

fn kind(kind: ErrorKind) -> ProviderErrorKind {
    match kind {
        ErrorKind::Quota => ProviderErrorKind::Quota,
        ErrorKind::Conflict => ProviderErrorKind::Conflict,
        ErrorKind::NotFound => ProviderErrorKind::NotFound,
        ErrorKind::PreconditionFailed => ProviderErrorKind::Changed,
        ErrorKind::Unauthorized => ProviderErrorKind::Unauthorized,
        ErrorKind::Forbidden => ProviderErrorKind::Forbidden,
        ErrorKind::BadRequest => ProviderErrorKind::Rejected,
        ErrorKind::RateLimited => ProviderErrorKind::RateLimited,
        ErrorKind::Timeout => ProviderErrorKind::Timeout,
        ErrorKind::Connection => ProviderErrorKind::Connection,
        ErrorKind::Server => ProviderErrorKind::Server,
        ErrorKind::Config | ErrorKind::Catalog => ProviderErrorKind::Lookup,
        // Also a wrong URL, and whatever a later version of the client tells apart.
        _ => ProviderErrorKind::BadAnswer,
    }
}
