//! Requests to the cloud as values: whoever decides hands them over, and takes in what they came to.

use super::{Catalogue, LookedUp, Order, Port, Provider, ProviderError, Sight, Standby};
use crate::pool::{Accepted, ExternalAddress, Listing, Looked, Moment, Quota, ReplicaId};
use std::collections::VecDeque;
use std::sync::Arc;

/// A request, with all that it needs: nothing is chosen while it is made.
#[derive(Debug, Clone)]
pub enum Request {
    /// [`Provider::list`].
    List(Moment, Sight),
    /// [`Provider::external_addresses`].
    ExternalAddresses,
    /// [`Provider::create`].
    Create(Order),
    /// [`Provider::show`].
    Show(ReplicaId, Sight),
    /// [`Provider::mark`]: server, key, value.
    Mark(ReplicaId, &'static str, String),
    /// [`Provider::delete`].
    Delete(ReplicaId),
    /// [`Provider::move_address`].
    Move(ExternalAddress, Standby),
    /// [`Provider::fault`].
    Fault(ReplicaId),
    /// [`Provider::look_up`].
    LookUp(Option<Arc<Catalogue>>),
    /// [`Provider::find_port`].
    FindPort(Standby),
    /// [`Provider::quota`].
    Quota,
}

/// The services of a cloud, each of which can fail, or ask to be left alone, by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Servers (Nova).
    Compute,
    /// External addresses and ports (Neutron).
    Network,
    /// Several: names are looked up.
    All,
}

impl Request {
    /// Which service answers it.
    #[must_use]
    pub fn service(&self) -> Service {
        match self {
            Self::List(..)
            | Self::Create(_)
            | Self::Show(..)
            | Self::Mark(..)
            | Self::Delete(_)
            | Self::Fault(_)
            | Self::Quota => Service::Compute,
            Self::ExternalAddresses | Self::Move(..) | Self::FindPort(_) => Service::Network,
            Self::LookUp(_) => Service::All,
        }
    }
}

/// What a request came to.
#[derive(Debug)]
pub enum Reply {
    /// To `List`, with what was learned about network names.
    Listing(Result<Listing, ProviderError>, Sight),
    /// To `ExternalAddresses`.
    ExternalAddresses(Result<Vec<ExternalAddress>, ProviderError>),
    /// To `Create`.
    Created(Result<Accepted, ProviderError>),
    /// To `Show`.
    Shown(Result<Looked, ProviderError>),
    /// To `Mark`, `Delete` and `Move`.
    Done(Result<(), ProviderError>),
    /// To `Fault`.
    Fault(Result<Option<String>, ProviderError>),
    /// To `LookUp`.
    LookedUp(Result<LookedUp, ProviderError>),
    /// To `FindPort`.
    Port(Result<Option<Port>, ProviderError>),
    /// To `Quota`.
    Quota(Result<Option<Quota>, ProviderError>),
}

/// A request under way, as it is told from others.
pub type JobId = u64;

/// Whoever has requests made. None of these calls waits for an answer.
pub trait Calls {
    /// How many requests can be under way at a time.
    fn places(&self) -> usize;
    /// Has a request made. No more are handed over than there are places.
    fn begin(&mut self, job: JobId, request: Request);
    /// A request that has come to something, if there is one.
    fn ended(&mut self) -> Option<(JobId, Reply)>;
}

/// On the caller's own thread, which waits in `begin`.
#[derive(Debug)]
pub struct AtOnce<P> {
    /// The cloud.
    pub provider: P,
    ended: VecDeque<(JobId, Reply)>,
}

impl<P: Provider> AtOnce<P> {
    /// Requests are made by this one.
    pub fn new(provider: P) -> Self {
        Self {
            provider,
            ended: VecDeque::new(),
        }
    }
}

impl<P: Provider> Calls for AtOnce<P> {
    fn places(&self) -> usize {
        1
    }

    fn begin(&mut self, job: JobId, request: Request) {
        let reply = perform(&mut self.provider, request);
        self.ended.push_back((job, reply));
    }

    fn ended(&mut self) -> Option<(JobId, Reply)> {
        self.ended.pop_front()
    }
}

/// Makes a request.
pub fn perform(provider: &mut impl Provider, request: Request) -> Reply {
    match request {
        Request::List(now, mut sight) => {
            let listing = provider.list(now, &mut sight);
            Reply::Listing(listing, sight)
        }
        Request::ExternalAddresses => Reply::ExternalAddresses(provider.external_addresses()),
        Request::Create(order) => Reply::Created(provider.create(&order)),
        Request::Show(replica, sight) => Reply::Shown(provider.show(&replica, &sight)),
        Request::Mark(replica, key, value) => Reply::Done(provider.mark(&replica, key, &value)),
        Request::Delete(replica) => Reply::Done(provider.delete(&replica)),
        Request::Move(address, to) => Reply::Done(provider.move_address(&address, &to)),
        Request::Fault(replica) => Reply::Fault(provider.fault(&replica)),
        Request::LookUp(before) => Reply::LookedUp(provider.look_up(before.as_deref())),
        Request::FindPort(to) => Reply::Port(provider.find_port(&to)),
        Request::Quota => Reply::Quota(provider.quota()),
    }
}
