//! Requests to the cloud as values: whoever decides hands them over, and takes in what they came to.

use super::{Catalogue, Cloud, CloudError, LookedUp, Order, Port, ServerTemplate, Sight, Standby};
use crate::pool::{Accepted, ExternalAddress, Listing, Looked, Moment, Quota, ReplicaId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A request, with all that it needs: nothing is chosen while it is made.
#[derive(Debug, Clone)]
pub enum Request {
    /// [`Cloud::list`].
    List(Moment, Sight),
    /// [`Cloud::external_addresses`].
    ExternalAddresses(Arc<ServerTemplate>),
    /// [`Cloud::create`].
    Create(Order),
    /// [`Cloud::show`].
    Show(ReplicaId, Sight),
    /// [`Cloud::mark`]: server, key, value.
    Mark(ReplicaId, &'static str, String),
    /// [`Cloud::delete`].
    Delete(ReplicaId),
    /// [`Cloud::move_address`].
    Move(ExternalAddress, Standby),
    /// [`Cloud::fault`].
    Fault(ReplicaId),
    /// [`Cloud::look_up`].
    LookUp(Arc<ServerTemplate>, Option<Arc<Catalogue>>),
    /// [`Cloud::find_ports`].
    FindPorts(Vec<Standby>),
    /// [`Cloud::quota`].
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
            Self::ExternalAddresses(_) | Self::Move(..) | Self::FindPorts(_) => Service::Network,
            Self::LookUp(..) => Service::All,
        }
    }
}

/// What a request came to.
#[derive(Debug)]
pub enum Reply {
    /// To `List`, with what was learned about network names.
    Listing(Result<Listing, CloudError>, Sight),
    /// To `ExternalAddresses`.
    ExternalAddresses(Result<Vec<ExternalAddress>, CloudError>),
    /// To `Create`.
    Created(Result<Accepted, CloudError>),
    /// To `Show`.
    Shown(Result<Looked, CloudError>),
    /// To `Mark`, `Delete` and `Move`.
    Done(Result<(), CloudError>),
    /// To `Fault`.
    Fault(Result<Option<String>, CloudError>),
    /// To `LookUp`.
    LookedUp(Result<LookedUp, CloudError>),
    /// To `FindPorts`.
    Ports(Result<BTreeMap<ReplicaId, Port>, CloudError>),
    /// To `Quota`.
    Quota(Result<Option<Quota>, CloudError>),
}

/// How many requests can be under way in all, with so many to one service: where one service hangs, there is a place for
/// each other one, a look-up of names ([`Service::All`]) among them.
#[must_use]
pub const fn most_under_way(places: usize) -> usize {
    places + 2
}

/// A request under way, as it is told from others.
pub type JobId = u64;

/// Whoever has requests made. None of these calls waits for an answer.
pub trait Calls {
    /// How many requests to one service can be under way at a time.
    fn places(&self) -> usize;
    /// Has a request made. No more are handed over than [`most_under_way`].
    fn begin(&mut self, job: JobId, request: Request);
    /// A request that has come to something, if there is one.
    fn ended(&mut self) -> Option<(JobId, Reply)>;
}

/// On the caller's own thread, which waits in `begin`.
#[derive(Debug)]
pub struct AtOnce<P> {
    /// The cloud.
    pub cloud: P,
    ended: VecDeque<(JobId, Reply)>,
}

impl<P: Cloud> AtOnce<P> {
    /// Requests are made by this one.
    pub fn new(cloud: P) -> Self {
        Self {
            cloud,
            ended: VecDeque::new(),
        }
    }
}

impl<P: Cloud> Calls for AtOnce<P> {
    fn places(&self) -> usize {
        1
    }

    fn begin(&mut self, job: JobId, request: Request) {
        let reply = perform(&mut self.cloud, request);
        self.ended.push_back((job, reply));
    }

    fn ended(&mut self) -> Option<(JobId, Reply)> {
        self.ended.pop_front()
    }
}

/// Makes a request.
pub fn perform(cloud: &mut impl Cloud, request: Request) -> Reply {
    match request {
        Request::List(now, mut sight) => {
            let listing = cloud.list(now, &mut sight);
            Reply::Listing(listing, sight)
        }
        Request::ExternalAddresses(pool) => {
            let description = &pool.floating_ip_description;
            Reply::ExternalAddresses(cloud.external_addresses(description))
        }
        Request::Create(order) => Reply::Created(cloud.create(&order)),
        Request::Show(replica, sight) => Reply::Shown(cloud.show(&replica, &sight)),
        Request::Mark(replica, key, value) => Reply::Done(cloud.mark(&replica, key, &value)),
        Request::Delete(replica) => Reply::Done(cloud.delete(&replica)),
        Request::Move(address, to) => Reply::Done(cloud.move_address(&address, &to)),
        Request::Fault(replica) => Reply::Fault(cloud.fault(&replica)),
        Request::LookUp(pool, before) => Reply::LookedUp(cloud.look_up(&pool, before.as_deref())),
        Request::FindPorts(to) => Reply::Ports(cloud.find_ports(&to)),
        Request::Quota => Reply::Quota(cloud.quota()),
    }
}
