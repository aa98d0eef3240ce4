//! Requests to the provider: while one is under way, replicas are asked on.

use super::{Clock, Probes, Scaler, Watcher};
use crate::provider::{Calls, ProviderError, ProviderErrorKind, Reply, Request};

impl<P: Calls, Q: Probes, C: Clock, W: Watcher> Scaler<P, Q, C, W> {
    /// Has a request made. Until it has come to something, finished probes are taken in and those that are due handed
    /// over; nothing is decided.
    pub(super) fn call<T>(
        &mut self,
        request: Request,
        read: impl FnOnce(Reply) -> Option<T>,
    ) -> Option<T> {
        let mut calls = self.calls.take()?;
        let reply = calls.call(request, &mut || {
            let next = self.pump();
            self.parts.watcher.beat(self.parts.clock.now());
            next
        });
        self.calls = Some(calls);
        reply.and_then(read)
    }

    /// The same for a request that can fail.
    pub(super) fn try_call<T>(
        &mut self,
        request: Request,
        read: impl FnOnce(Reply) -> Option<Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        self.call(request, read).unwrap_or_else(|| {
            let text = "the thread that makes the requests has ended".to_owned();
            Err(ProviderError {
                outcome_unknown: true,
                ..ProviderError::local(ProviderErrorKind::Connection, text)
            })
        })
    }

    /// The same for one that gives nothing.
    pub(super) fn have_done(&mut self, request: Request) -> Result<(), ProviderError> {
        self.try_call(request, |reply| match reply {
            Reply::Done(result) => Some(result),
            _ => None,
        })
    }
}
