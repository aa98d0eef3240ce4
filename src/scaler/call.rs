//! Requests to the provider: while one is under way, replicas are asked on.

use super::{Clock, Probes, Scaler, Watcher};
use crate::provider::{Calls, ProviderError, ProviderErrorKind, Reply, Request};

impl<P: Calls, Q: Probes, C: Clock, W: Watcher> Scaler<P, Q, C, W> {
    /// Has a request made. Until it has come to something, finished probes are taken in and those that are due handed
    /// over; nothing is decided, and the loop does not count as turning.
    pub(super) fn call<T>(
        &mut self,
        request: Request,
        read: impl FnOnce(Reply) -> Option<T>,
    ) -> Option<T> {
        let mut calls = self.calls.take()?;
        let reply = calls.call(request, &mut || self.pump());
        self.calls = Some(calls);
        reply.and_then(read)
    }

    /// The same for a request that can fail.
    pub(super) fn try_call<T>(
        &mut self,
        request: Request,
        read: impl FnOnce(Reply) -> Option<Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        self.call(request, read).unwrap_or_else(|| Err(lost()))
    }

    /// The same for one that gives nothing.
    pub(super) fn have_done(&mut self, request: Request) -> Result<(), ProviderError> {
        self.try_call(request, |reply| match reply {
            Reply::Done(result) => Some(result),
            _ => None,
        })
    }

    /// How many requests can be under way at a time.
    pub(super) fn places(&self) -> usize {
        self.calls.as_ref().map_or(1, Calls::places)
    }

    /// Has several requests made, none of which waits for another.
    pub(super) fn have_all_done(
        &mut self,
        requests: Vec<Request>,
    ) -> Vec<Result<(), ProviderError>> {
        let count = requests.len();
        let Some(mut calls) = self.calls.take() else {
            return std::iter::repeat_with(|| Err(lost())).take(count).collect();
        };
        let replies = calls.call_all(requests, &mut || self.pump());
        self.calls = Some(calls);
        let done = |reply| match reply {
            Some(Reply::Done(result)) => result,
            _ => Err(lost()),
        };
        replies.into_iter().map(done).collect()
    }
}

/// Nothing is known of the request; the process is about to end.
pub(super) fn lost() -> ProviderError {
    let text = "the thread that makes the requests has ended".to_owned();
    ProviderError {
        outcome_unknown: true,
        ..ProviderError::local(ProviderErrorKind::Connection, text)
    }
}
