//! The cloud of virtual machines: what is asked of it, and how it can fail.

mod calls;
pub mod openstack;
mod template;

pub use calls::{AtOnce, Calls, JobId, Reply, Request, Service, most_under_way, perform};
pub use template::ServerTemplate;

pub use crate::pool::CloudErrorKind;
use crate::pool::{
    Accepted, CreateFailure, CreationMark, ExternalAddress, Listing, Looked, Moment, NameChange,
    Quota, ReplicaId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

/// An order of new servers, all alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The pool that the servers are for.
    pub template: Arc<ServerTemplate>,
    /// How many.
    pub count: NonZeroU64,
    /// What they are to carry, so that it is known later who ordered them.
    pub mark: CreationMark,
    /// Whether they are to carry it: a cloud may refuse it.
    pub is_marked: bool,
    /// What makes their name one of their own.
    pub name_part: String,
    /// What they are made of.
    pub catalogue: Arc<Catalogue>,
}

/// What the configured names stand for: an observation, which is made anew now and then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    /// The image's id.
    pub image: String,
    /// Anybody can make an image of the community, under any name.
    pub is_community_image: bool,
    /// Other active images of that name.
    pub other_images: Vec<String>,
    /// The flavor's id.
    pub flavor: String,
    /// The network's id.
    pub network: String,
    /// The ids of the security groups.
    pub security_groups: Vec<String>,
}

impl Catalogue {
    /// Whether a creation would be made of the same things.
    #[must_use]
    pub fn makes_the_same(&self, other: &Self) -> bool {
        self.image == other.image
            && self.flavor == other.flavor
            && self.network == other.network
            && self.security_groups == other.security_groups
    }
}

/// What reading a pool's servers depends on.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// The pool.
    pub template: Arc<ServerTemplate>,
    /// The names by which a server's addresses on the wanted network are known.
    pub names: NetworkNames,
    /// The replicas that lists have shown before.
    pub known: Arc<BTreeSet<ReplicaId>>,
    /// The id of the wanted network, where it has been looked up.
    pub network: Option<String>,
}

/// The network names that lists were found to use, by network.
#[derive(Debug, Clone, Default)]
pub struct NetworkNames {
    /// The wanted network's, the one that was learned last first.
    pub ours: Vec<String>,
    /// Those of other networks.
    pub others: BTreeSet<String>,
    /// Since when the others are known.
    pub since: Moment,
}

/// A cloud that can list, create and delete servers and move external addresses, of whatever pool.
///
/// Each call blocks, for a bounded time, and nothing is remembered from one to the next: several may be made at a
/// time. Only servers of a pool are ever named to it.
pub trait Cloud: Send {
    /// Lists a whole pool, without its external addresses.
    ///
    /// # Errors
    /// Any failure; a list that broke off is one.
    fn list(&mut self, now: Moment, sight: &mut Sight) -> Result<Listing, CloudError>;

    /// Lists the external addresses with this description. Another service than that of the servers may answer:
    /// either can fail by itself.
    ///
    /// # Errors
    /// Any failure; a list that broke off is one.
    fn external_addresses(&mut self, description: &str)
    -> Result<Vec<ExternalAddress>, CloudError>;

    /// Asks for new servers, in one request. Where the cloud takes no mark, they are made without it.
    fn create(&mut self, order: &Order) -> Result<Accepted, CloudError>;

    /// Asks for one server by its id: it is there, has left the pool, or is gone.
    ///
    /// # Errors
    /// Whatever leaves that open.
    fn show(&mut self, replica: &ReplicaId, sight: &Sight) -> Result<Looked, CloudError>;

    /// Writes one item of a server's metadata.
    fn mark(&mut self, replica: &ReplicaId, key: &str, value: &str) -> Result<(), CloudError>;

    /// Deletes a server. One that is not there any more is deleted.
    fn delete(&mut self, replica: &ReplicaId) -> Result<(), CloudError>;

    /// Points an external address to a server in one step, provided that its record has not
    /// changed since it was listed. `Ok` only if it is certain that this request has done so; where
    /// the answer leaves that open, the error says so.
    fn move_address(&mut self, address: &ExternalAddress, to: &Standby) -> Result<(), CloudError>;

    /// Why a server failed, if the cloud tells.
    fn fault(&mut self, replica: &ReplicaId) -> Result<Option<String>, CloudError>;

    /// Looks up what the configured names stand for, and what of that has changed.
    ///
    /// # Errors
    /// A name that stands for nothing, or for more than one thing, and any failure.
    fn look_up(
        &mut self,
        _template: &ServerTemplate,
        _before: Option<&Catalogue>,
    ) -> Result<LookedUp, CloudError> {
        Ok(LookedUp::default())
    }

    /// Looks up the ports that moves to these servers need, so that each move is one request. A server without one on
    /// the wanted network is left out.
    fn find_ports(&mut self, _to: &[Standby]) -> Result<BTreeMap<ReplicaId, Port>, CloudError> {
        Ok(BTreeMap::new())
    }

    /// What the cloud allows, and what is used of it, if it tells. Only the order of actions depends on it.
    fn quota(&mut self) -> Result<Option<Quota>, CloudError> {
        Ok(None)
    }
}

/// The server that an external address is to be pointed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standby {
    /// The server.
    pub replica: ReplicaId,
    /// Where it is asked, and so where it serves.
    pub address: Option<IpAddr>,
    /// The port with that address; none: it is not known yet.
    pub port: Option<Port>,
}

/// A server's port on the wanted network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The cloud's id.
    pub id: String,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
}

/// What looking up the configured names came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LookedUp {
    /// What they stand for.
    pub catalogue: Catalogue,
    /// Those that stood for something else before.
    pub changes: Vec<NameChange>,
}

/// A failed request to the cloud.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CloudError {
    /// What kind of failure it was.
    pub kind: CloudErrorKind,
    /// What happened, in one sentence, without the source's text.
    pub message: String,
    /// How long the cloud asks to wait before the next request.
    pub retry_after: Option<Duration>,
    /// Whether the request may have been carried out all the same.
    pub outcome_unknown: bool,
    /// What to do about it, if there is anything.
    pub remedy: Option<String>,
    /// The cause.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl CloudError {
    /// An error that this side found, before anything was asked of the cloud.
    #[must_use]
    pub fn local(kind: CloudErrorKind, message: String) -> Self {
        Self {
            kind,
            message,
            retry_after: None,
            outcome_unknown: false,
            remedy: None,
            source: None,
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..self
        }
    }

    /// What this error of a creation means for the next one.
    #[must_use]
    pub fn as_create_failure(&self) -> CreateFailure {
        CreateFailure {
            cause: self.kind.backoff_cause(),
            retry_after: self.retry_after,
            outcome_unknown: self.outcome_unknown,
        }
    }
}
