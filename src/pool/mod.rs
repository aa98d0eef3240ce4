//! The pure core: what is known of the pool, and what is to be done about it.

mod answer;
mod observation;
mod policy;
mod time;

pub use answer::{Answer, ProbeFailure, ProbeResult};
pub use observation::{
    Creating, ExternalAddress, ExternalAddressId, Failed, Holder, Listing, ReplicaId, Server,
    ServerState,
};
pub use policy::Policy;
pub use time::{CloudTime, Moment};
