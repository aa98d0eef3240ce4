//! Requests to the provider: while one is under way, replicas are asked on.

use super::{Clock, Probes, Scaler, Watcher};
use crate::pool::Moment;
use crate::provider::{Calls, ProviderError, ProviderErrorKind, Reply, Request};

impl<P: Calls, Q: Probes, C: Clock, W: Watcher> Scaler<P, Q, C, W> {
    /// Has a request made. Until it has come to something, finished probes are taken in and those that are due handed
    /// over; nothing is decided, and the loop does not count as turning.
    pub(super) fn call<T>(
        &mut self,
        request: Request,
        read: impl FnOnce(Reply) -> Option<T>,
    ) -> Option<T> {
        self.wait(|calls, meanwhile| calls.call(request, meanwhile))
            .flatten()
            .and_then(read)
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
        self.try_call(request, Reply::done)
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
        let replies = self
            .wait(|calls, meanwhile| calls.call_all(requests, meanwhile))
            .unwrap_or_else(|| std::iter::repeat_with(|| None).take(count).collect());
        let done = |reply: Option<Reply>| reply.and_then(Reply::done);
        replies
            .into_iter()
            .map(|reply| done(reply).unwrap_or_else(|| Err(lost())))
            .collect()
    }

    /// Has the provider do something, and goes on asking replicas until it has.
    fn wait<T>(&mut self, go: impl FnOnce(&mut P, &mut dyn FnMut() -> Moment) -> T) -> Option<T> {
        let mut calls = self.calls.take()?;
        let result = go(&mut calls, &mut || self.pump());
        self.calls = Some(calls);
        Some(result)
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
