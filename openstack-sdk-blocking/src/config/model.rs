//! What a cloud is, where it is and who logs in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::proxy::Proxies;
use crate::secret::Secret;
use crate::service::Service;

/// The time that one request may take unless set otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// How to reach a cloud and log in to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudConfig {
    /// Keystone's URL, with or without `/v3`.
    pub auth_url: String,
    /// Who logs in.
    pub auth: Auth,
    /// What the token is good for. Not sent with an application credential, which carries its own.
    pub scope: Scope,
    /// The region whose endpoints are used; without one, the only one that the catalog has.
    pub region: Option<String>,
    /// Which of a service's endpoints is used.
    pub interface: Interface,
    /// What is otherwise for single services.
    pub services: BTreeMap<Service, ServiceConfig>,
    /// PEM file with the certificate authorities to trust instead of the embedded ones (`webpki-roots`).
    pub ca_file: Option<PathBuf>,
    /// The variable, or `FILE: key`, that [`CloudConfig::ca_file`] is from, for messages about the file.
    pub ca_file_origin: Option<String>,
    /// Accept any certificate.
    pub insecure: bool,
    /// The longest time that one request may take, from name lookup to the last byte of the answer.
    pub timeout: Duration,
    /// The `User-Agent` of every request.
    pub user_agent: String,
    /// The proxies that requests go through.
    pub proxies: Proxies,
    /// What was set and has no effect here, for people.
    pub notes: Vec<String>,
}

/// What is otherwise for one service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceConfig {
    /// The region whose endpoint is used.
    pub region: Option<String>,
    /// Which of its endpoints is used.
    pub interface: Option<Interface>,
    /// Its URL, in place of the catalog's.
    pub endpoint: Option<String>,
}

impl CloudConfig {
    /// A configuration with the defaults for everything but the essentials: the public interface, no region, 30 s, no proxy.
    pub fn new(auth_url: impl Into<String>, auth: Auth, scope: Scope) -> Self {
        Self {
            auth_url: auth_url.into(),
            auth,
            scope,
            region: None,
            interface: Interface::Public,
            services: BTreeMap::new(),
            ca_file: None,
            ca_file_origin: None,
            insecure: false,
            timeout: DEFAULT_TIMEOUT,
            user_agent: concat!("openstack-sdk-blocking/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxies: Proxies::default(),
            notes: Vec::new(),
        }
    }
}

/// A setting that is there, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The variable that it is or would be.
    pub variable: String,
    /// Its value; none for a secret.
    pub value: Option<String>,
    /// The variable, or `FILE: key`.
    pub origin: String,
}

/// Who logs in (Identity API v3, "Authentication and token management", `POST /v3/auth/tokens`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// A user with a password.
    Password {
        /// The user.
        user: UserRef,
        /// The password.
        password: Secret,
    },
    /// An application credential.
    ApplicationCredential {
        /// Which one.
        credential: CredentialRef,
        /// Its secret.
        secret: Secret,
    },
    /// A token, exchanged for another one.
    Token(Secret),
}

/// A user, by id or by name and domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserRef {
    /// By id.
    Id(String),
    /// By name.
    Name {
        /// The user's name.
        name: String,
        /// The user's domain.
        domain: DomainRef,
    },
}

/// A domain, by id or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainRef {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

/// A project, by id or by name and domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectRef {
    /// By id.
    Id(String),
    /// By name.
    Name {
        /// The project's name.
        name: String,
        /// The project's domain.
        domain: DomainRef,
    },
}

/// An application credential, by id or by name and user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialRef {
    /// By id.
    Id(String),
    /// By name.
    Name {
        /// The credential's name.
        name: String,
        /// The user that it belongs to.
        user: UserRef,
    },
}

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Whatever the cloud gives: the user's default project, or nothing.
    Unscoped,
    /// A project.
    Project(ProjectRef),
    /// A domain.
    Domain(DomainRef),
}

/// Which of a service's endpoints is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interface {
    /// For everyone.
    #[default]
    Public,
    /// For the cloud's own networks.
    Internal,
    /// For administrators.
    Admin,
}

impl Interface {
    /// Reads `public`, `internal` or `admin`, also in the old form `publicURL`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.strip_suffix("URL").unwrap_or(text) {
            "public" => Some(Self::Public),
            "internal" => Some(Self::Internal),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    /// The word in the catalog.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }
}
