//! What a cloud is, where it is and who logs in.

mod clouds;
mod model;
mod problem;
mod proxy;
mod setting;
mod vars;
mod yaml;

pub use self::model::{
    Auth, CloudConfig, CredentialRef, DEFAULT_TIMEOUT, DomainRef, Interface, ProjectRef, Scope,
    ServiceConfig, Source, UserRef,
};
pub use self::problem::ConfigProblem;
pub use self::proxy::Proxies;
pub use self::setting::VARIABLES;
