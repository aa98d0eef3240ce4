#![cfg_attr(feature = "ureq", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "ureq"), doc = "A small blocking OpenStack client.")]
#![allow(clippy::doc_markdown, reason = "OpenStack is a name, not an item")]

mod cause;
mod clock;
mod cloud;
mod compute;
mod config;
mod error;
mod image;
mod network;
mod redact;
mod row;
mod scan;
mod secret;
mod service;
mod session;
mod text;
#[cfg(any(feature = "ureq", feature = "reqwest"))]
pub mod tls;
mod transport;
mod url;
mod wire;

pub use cause::{Cause, Target};
pub use cloud::Cloud;
pub use compute::{
    Address, AddressKind, Compute, CreateServer, Created, Fault, Flavor, Keypair, Limits,
    MAX_MICROVERSION, MAX_USER_DATA_BYTES, Server, ServerList, ServerQuery,
};
pub use config::{
    Auth, CloudConfig, ConfigProblem, CredentialRef, DEFAULT_TIMEOUT, DomainRef, Interface,
    ProjectRef, Proxies, Scope, ServiceConfig, Source, UserRef, VARIABLES,
};
pub use error::{Error, ErrorKind};
pub use image::{Image, ImageInfo};
pub use network::{
    FixedIp, FloatingIp, FloatingIpQuery, FloatingIpUpdate, Gateway, Network, NetworkInfo, Port,
    PortDetails, PortQuery, Router, SecurityGroup, SecurityGroupRule, Subnet,
};
pub use secret::Secret;
pub use service::Service;
pub use session::{Microversion, RequestRecord, TokenInfo};
pub use text::nearest;
#[cfg(feature = "reqwest")]
pub use transport::ReqwestTransport;
#[cfg(feature = "ureq")]
pub use transport::UreqTransport;
pub use transport::{
    MAX_ERROR_BYTES, Method, Request, Response, Transport, TransportConfig, TransportError,
    TransportErrorKind,
};
