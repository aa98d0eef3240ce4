//! What an error means to the caller.

/// What an error means to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A quota is used up: 403 with one of Nova's messages about it, 409 `OverQuota` from Neutron, 413.
    Quota,
    /// 409: the object is in a state that forbids this, or somebody else was faster.
    Conflict,
    /// 404 with the service's own error body: there is no such object.
    NotFound,
    /// 404 (or a redirect) from something that is not the service's API: the URL is wrong.
    WrongUrl,
    /// 412: the object has another revision than `If-Match` says.
    PreconditionFailed,
    /// 401: the credentials (or a token that was just issued) are not accepted.
    Unauthorized,
    /// 403 for another reason than a quota.
    Forbidden,
    /// 400, and what else of 4xx says that the request is wrong.
    BadRequest,
    /// 429, or 413 with `Retry-After`.
    RateLimited,
    /// No connection or no answer in time.
    Timeout,
    /// No connection, or it broke.
    Connection,
    /// An answer that cannot be read: not HTTP, not JSON, too large, a list that does not end.
    BadAnswer,
    /// 5xx.
    Server,
    /// The configuration cannot be used.
    Config,
    /// The catalog has no such service, region or interface.
    Catalog,
    /// A list was broken off because the caller said so ([`crate::Cloud::between_pages`]).
    Stopped,
}
