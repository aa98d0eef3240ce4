//! From the client's errors to the cloud's.

use super::remedy;
use crate::cloud::{CloudError, CloudErrorKind};
use openstack_sdk_blocking::{Error, ErrorKind};

/// Says what was being done when the client failed.
pub(crate) fn failed(doing: &'static str) -> impl FnOnce(Error) -> CloudError {
    move |error| CloudError {
        kind: kind(error.kind()),
        message: doing.to_owned(),
        retry_after: error.retry_after(),
        outcome_unknown: error.outcome_unknown(),
        remedy: remedy::of(&error),
        source: Some(Box::new(error)),
    }
}

fn kind(kind: ErrorKind) -> CloudErrorKind {
    match kind {
        ErrorKind::Quota => CloudErrorKind::Quota,
        ErrorKind::Conflict => CloudErrorKind::Conflict,
        ErrorKind::NotFound => CloudErrorKind::NotFound,
        ErrorKind::PreconditionFailed => CloudErrorKind::Changed,
        ErrorKind::Unauthorized => CloudErrorKind::Unauthorized,
        ErrorKind::Forbidden => CloudErrorKind::Forbidden,
        ErrorKind::BadRequest => CloudErrorKind::Rejected,
        ErrorKind::RateLimited => CloudErrorKind::RateLimited,
        ErrorKind::Timeout => CloudErrorKind::Timeout,
        ErrorKind::Connection => CloudErrorKind::Connection,
        ErrorKind::Server => CloudErrorKind::Server,
        ErrorKind::Config | ErrorKind::Catalog => CloudErrorKind::Lookup,
        // Also a wrong URL, and whatever a later version of the client tells apart.
        _ => CloudErrorKind::BadAnswer,
    }
}
