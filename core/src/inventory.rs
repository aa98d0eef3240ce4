//! What a list of the cloud says.

use super::{CloudTime, Marks, Moment};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// The cloud's id of a server, for example Nova's UUID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(Arc<str>);

impl ReplicaId {
    /// Takes the id as the cloud writes it.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as the cloud writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The cloud's id of an external address, for example Neutron's UUID of a floating IP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalAddressId(Arc<str>);

impl ExternalAddressId {
    /// Takes the id as the cloud writes it.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as the cloud writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExternalAddressId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a server is still being created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creating {
    /// The cloud is building it.
    Building,
    /// It runs, but has no address of the wanted kind on the wanted network yet.
    NoAddress,
}

/// How a server failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// The cloud shows an error state.
    Error,
    /// The guest is off.
    Stopped,
}

/// A server's state, as the table of `docs/ARCHITECTURE.md` reads it from the cloud's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerState {
    /// Being deleted, or deleted.
    Leaving,
    /// Not there yet.
    Creating(Creating),
    /// It runs and can be probed at this address.
    Running(IpAddr),
    /// It is of no use any more.
    Failed(Failed),
    /// Somebody paused, suspended, rescued, resized or shelved it on purpose; the cloud's word.
    Held(String),
    /// The cloud cannot say (a cell of the cloud is down), not even whether it is of the pool.
    Unknown,
}

/// One server, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The cloud's id.
    pub id: ReplicaId,
    /// Its name; not unique.
    pub name: String,
    /// Its state.
    pub state: ServerState,
    /// Its own addresses of the wanted kind on the wanted network, in the cloud's order and
    /// whatever its state is: a server in an error state may still serve.
    pub addresses: Vec<IpAddr>,
    /// Whether the operator locked it against changes.
    pub locked: bool,
    /// When it was created.
    pub created: Option<CloudTime>,
    /// When it became active for the first time.
    pub launched: Option<CloudTime>,
    /// The id of the image that it was made from; `None`: not known, or none.
    pub image: Option<Arc<str>>,
    /// What the daemon has written into its metadata.
    pub marks: Marks,
}

/// Who an external address points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Nobody: the address is free.
    Nobody,
    /// The server of this id, of the pool or not.
    Server(ReplicaId),
    /// A port that belongs to no server.
    Stranger,
    /// The list contradicts itself: one of these servers, or none.
    Unclear(Vec<ReplicaId>),
}

impl Holder {
    /// The servers that have it, or may have it.
    pub fn servers(&self) -> impl Iterator<Item = &ReplicaId> {
        let servers = match self {
            Self::Nobody | Self::Stranger => &[][..],
            Self::Server(id) => std::slice::from_ref(id),
            Self::Unclear(ids) => ids,
        };
        servers.iter()
    }
}

/// An external address (floating IP) of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalAddress {
    /// The cloud's id.
    pub id: ExternalAddressId,
    /// The address.
    pub address: IpAddr,
    /// Who has it.
    pub holder: Holder,
    /// The cloud's revision of this record, which guards a change of it.
    pub revision: Option<u64>,
}

/// One complete list of the cloud. A list that broke off never becomes one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// When the list was asked for.
    pub taken: Moment,
    /// The cloud's clock when it answered.
    pub cloud_time: Option<CloudTime>,
    /// The servers of the pool, and those of which the cloud cannot say.
    pub servers: Vec<Server>,
    /// The external addresses of the pool, where they were listed with the servers; `None`: they stay as they are known.
    pub external_addresses: Option<Vec<ExternalAddress>>,
    /// Addresses on the wanted network that are no replica's alone: a server outside the pool has
    /// them, or several servers do.
    pub not_alone: BTreeSet<IpAddr>,
}
