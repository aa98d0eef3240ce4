//! Requests to the provider as values, so that whoever decides need not stand still while one is under way.

use super::{NameChange, Order, Provider, ProviderError, Standby};
use crate::pool::{Accepted, ExternalAddress, Listing, Looked, Moment, Quota, ReplicaId};
use std::sync::Arc;

/// A request, with all that it needs: nothing is chosen while it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// [`Provider::list`].
    List(Moment),
    /// [`Provider::external_addresses`].
    ExternalAddresses,
    /// [`Provider::create`].
    Create(Order),
    /// [`Provider::show`].
    Show(ReplicaId),
    /// [`Provider::mark`]: server, key, value.
    Mark(ReplicaId, &'static str, String),
    /// [`Provider::delete`].
    Delete(ReplicaId),
    /// [`Provider::move_address`].
    Move(ExternalAddress, Standby),
    /// [`Provider::fault`].
    Fault(ReplicaId),
    /// [`Provider::prepare_creation`].
    PrepareCreation,
    /// [`Provider::prepare_move`].
    PrepareMove(Standby),
    /// [`Provider::forget_moves`].
    ForgetMoves,
    /// [`Provider::name_changes`].
    NameChanges,
    /// [`Provider::image`].
    Image,
    /// [`Provider::quota`].
    Quota,
}

/// What a request came to.
#[derive(Debug)]
pub enum Reply {
    /// To `List`.
    Listing(Result<Listing, ProviderError>),
    /// To `ExternalAddresses`.
    ExternalAddresses(Result<Vec<ExternalAddress>, ProviderError>),
    /// To `Create`.
    Created(Result<Accepted, ProviderError>),
    /// To `Show`.
    Shown(Result<Looked, ProviderError>),
    /// To `Mark`, `Delete`, `Move`, `PrepareCreation`, `PrepareMove` and `ForgetMoves`.
    Done(Result<(), ProviderError>),
    /// To `Fault`.
    Fault(Result<Option<String>, ProviderError>),
    /// To `NameChanges`.
    NameChanges(Vec<NameChange>),
    /// To `Image`.
    Image(Option<Arc<str>>),
    /// To `Quota`.
    Quota(Result<Option<Quota>, ProviderError>),
}

/// What each reply holds, for whoever knows what was asked for.
macro_rules! read {
    ($($method:ident: $variant:ident => $content:ty,)+) => {
        impl Reply {
            $(pub(crate) fn $method(self) -> Option<$content> {
                match self {
                    Self::$variant(content) => Some(content),
                    _ => None,
                }
            })+
        }
    };
}

read! {
    listing: Listing => Result<Listing, ProviderError>,
    external_addresses: ExternalAddresses => Result<Vec<ExternalAddress>, ProviderError>,
    created: Created => Result<Accepted, ProviderError>,
    shown: Shown => Result<Looked, ProviderError>,
    done: Done => Result<(), ProviderError>,
    fault: Fault => Result<Option<String>, ProviderError>,
    name_changes: NameChanges => Vec<NameChange>,
    image: Image => Option<Arc<str>>,
    quota: Quota => Result<Option<Quota>, ProviderError>,
}

/// Whoever has requests made.
pub trait Calls {
    /// Has a request made, and returns once it has come to something. Until then `meanwhile` is called whenever there
    /// is something for it to do, and no later than the moment that it returned last. `None`: requests can be made no
    /// more, and it is not known what became of this one.
    fn call(&mut self, request: Request, meanwhile: &mut dyn FnMut() -> Moment) -> Option<Reply>;

    /// How many requests can be under way at a time.
    fn places(&self) -> usize {
        1
    }

    /// The same for several requests, none of which waits for another: at the same time, as far as there are places.
    fn call_all(
        &mut self,
        requests: Vec<Request>,
        meanwhile: &mut dyn FnMut() -> Moment,
    ) -> Vec<Option<Reply>> {
        let requests = requests.into_iter();
        requests
            .map(|request| self.call(request, meanwhile))
            .collect()
    }
}

/// On the caller's own thread, which waits.
impl<P: Provider> Calls for P {
    fn call(&mut self, request: Request, _: &mut dyn FnMut() -> Moment) -> Option<Reply> {
        Some(perform(self, request))
    }
}

/// Makes a request.
pub fn perform(provider: &mut impl Provider, request: Request) -> Reply {
    match request {
        Request::List(now) => Reply::Listing(provider.list(now)),
        Request::ExternalAddresses => Reply::ExternalAddresses(provider.external_addresses()),
        Request::Create(order) => Reply::Created(provider.create(&order)),
        Request::Show(replica) => Reply::Shown(provider.show(&replica)),
        Request::Mark(replica, key, value) => Reply::Done(provider.mark(&replica, key, &value)),
        Request::Delete(replica) => Reply::Done(provider.delete(&replica)),
        Request::Move(address, to) => Reply::Done(provider.move_address(&address, &to)),
        Request::Fault(replica) => Reply::Fault(provider.fault(&replica)),
        Request::PrepareCreation => Reply::Done(provider.prepare_creation()),
        Request::PrepareMove(to) => Reply::Done(provider.prepare_move(&to)),
        Request::ForgetMoves => {
            provider.forget_moves();
            Reply::Done(Ok(()))
        }
        Request::NameChanges => Reply::NameChanges(provider.name_changes()),
        Request::Image => Reply::Image(provider.image()),
        Request::Quota => Reply::Quota(provider.quota()),
    }
}
