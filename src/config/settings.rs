//! The settings as types: those of the daemon, of the cloud and of the pool. Each consumer owns the type
//! of what it is told, and the table says which field of it a variable is.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use openstack_sdk_blocking::CloudConfig;

use crate::cloud::ServerTemplate;
use crate::logging::LogSettings;
use crate::pool::Policy;
use crate::probe::EndpointSettings;
use crate::status::StatusSettings;

/// Everything that the daemon is told at start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of the process.
    pub daemon: DaemonSettings,
    /// Of the cloud and its client.
    pub cloud: CloudSettings,
    /// Of the pool.
    pub pool: PoolSettings,
    /// What is odd but does not keep the daemon from starting.
    pub warnings: Vec<String>,
    /// Where the settings are from, in words.
    pub origin: String,
    pub(super) shown: Vec<(&'static str, String)>,
}

/// The settings of the process.
#[derive(Debug, Clone)]
pub struct DaemonSettings {
    /// The status page's server.
    pub status: StatusSettings,
    /// The log.
    pub log: LogSettings,
    /// `PROBE_THREADS`: at most so many event loops; never more than 4 are started.
    pub probe_threads: NonZeroUsize,
}

impl Default for DaemonSettings {
    fn default() -> Self {
        Self {
            status: StatusSettings::default(),
            log: LogSettings::default(),
            probe_threads: NonZeroUsize::MIN,
        }
    }
}

/// The settings of a cloud.
#[derive(Debug, Clone)]
pub struct CloudSettings {
    /// `PROVIDER`.
    pub provider: ProviderKind,
    /// Where the cloud is, who logs in, and `OPENSTACK_TIMEOUT`.
    pub client: CloudConfig,
    /// `OPENSTACK_CONCURRENCY`, at least 1.
    pub concurrency: NonZeroUsize,
    /// `OPENSTACK_REQUESTS_PER_SECOND`: to one service, on average.
    pub requests_per_second: NonZeroU32,
}

/// The settings of a pool.
#[derive(Debug, Clone, Default)]
pub struct PoolSettings {
    /// What decisions depend on.
    pub policy: Policy,
    /// How replicas are asked.
    pub endpoint: EndpointSettings,
    /// The servers that are created.
    pub template: ServerTemplate,
    /// `SCALING_INTERVAL`: between two listings of the cloud.
    pub scaling_interval: Duration,
}

impl PoolSettings {
    /// What the pool is called: its part of its servers' metadata, which no other pool may have.
    pub fn label(&self) -> &str {
        &self.template.metadata_value
    }
}

/// `PROVIDER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// The only one.
    OpenStack,
}

impl Settings {
    /// Every variable with its effective value, empty if it has none, secrets as `***`.
    pub fn shown(&self) -> &[(&'static str, String)] {
        &self.shown
    }
}
