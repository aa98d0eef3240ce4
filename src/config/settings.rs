//! The settings as types.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;
use openstack_sdk_blocking::{Auth, CloudConfig, ConfigProblem, Scope, Secret};

use super::environment::Environment;
use super::error::{ConfigError, Problem};
use super::reader::{self, Reader};
use super::table::{self, Section, Variable};
use super::{files, kind::Kind, mask, names, warnings};
use crate::local_file;
use crate::pool::Policy;

const USER_AGENT: &str = concat!("simplescalevm/", env!("CARGO_PKG_VERSION"));
/// A bound for `clouds.yaml` and `secure.yaml`.
const MAX_YAML_BYTES: u64 = 1 << 20;

/// Everything that the daemon is told at start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `APP_HOST`.
    pub app_host: IpAddr,
    /// `APP_PORT`; 0 takes any free one.
    pub app_port: u16,
    /// `APP_ALLOWED_HOSTS`; empty: any.
    pub allowed_hosts: Vec<String>,
    /// `APP_SHOW_SETTINGS`: whether the status page shows settings to others than this machine.
    pub show_settings: bool,
    /// What decisions depend on.
    pub policy: Policy,
    /// How replicas are asked.
    pub replica_api: ReplicaApi,
    /// `PROBE_THREADS`: at most so many event loops; never more than 4 are started.
    pub probe_threads: NonZeroUsize,
    /// `SCALING_INTERVAL`: between two listings of the cloud.
    pub scaling_interval: Duration,
    /// `PROVIDER`.
    pub provider: ProviderKind,
    /// The cloud, and the servers that are created there.
    pub openstack: OpenStackSettings,
    /// `LOG_LEVEL`.
    pub log_level: LevelFilter,
    /// `LOG_FORMAT`.
    pub log_format: LogFormat,
    /// What is odd but does not keep the daemon from starting.
    pub warnings: Vec<String>,
    /// Where the settings are from, in words.
    pub origin: String,
    shown: Vec<(&'static str, String)>,
}

/// How replicas are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaApi {
    /// `REPLICA_API_PROTOCOL`.
    pub protocol: Protocol,
    /// `REPLICA_API_PORT`.
    pub port: NonZeroU16,
    /// `REPLICA_API_PATH`, which starts with a slash.
    pub path: String,
    /// `REPLICA_API_CAPACITY_KEY`.
    pub capacity_key: String,
    /// `REPLICA_API_TERMINATION_KEY`.
    pub termination_key: String,
    /// `REPLICA_API_TIMEOUT`, for the whole probe.
    pub timeout: Duration,
    /// `REPLICA_API_CA_FILE`.
    pub ca_file: Option<PathBuf>,
    /// `REPLICA_API_INSECURE`.
    pub insecure: bool,
}

/// `REPLICA_API_PROTOCOL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

/// `PROVIDER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// The only one.
    OpenStack,
}

/// `LOG_FORMAT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// An object per line.
    Json,
}

/// `OPENSTACK_IP_VERSION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The cloud, and the servers that are created there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenStackSettings {
    /// `OPENSTACK_FLAVOR`, a name or an id.
    pub flavor: String,
    /// `OPENSTACK_IMAGE`, a name or an id.
    pub image: String,
    /// `OPENSTACK_NETWORK`, a name or an id.
    pub network: String,
    /// `OPENSTACK_NAME`.
    pub name: String,
    /// `OPENSTACK_UNIQUE_NAMES`: whether every creation adds a part of its own to the name.
    pub unique_names: bool,
    /// `OPENSTACK_IP_VERSION`.
    pub ip_version: IpVersion,
    /// `OPENSTACK_METADATA_KEY`.
    pub metadata_key: String,
    /// `OPENSTACK_METADATA_VALUE`.
    pub metadata_value: String,
    /// `OPENSTACK_FLOATING_IP_DESCRIPTION`.
    pub floating_ip_description: String,
    /// `OPENSTACK_KEYPAIR`.
    pub keypair: Option<String>,
    /// `OPENSTACK_CLOUD_INIT_FILE`.
    pub cloud_init_file: Option<PathBuf>,
    /// `OPENSTACK_SECURITY_GROUPS`, in the order in which they are written.
    pub security_groups: Vec<String>,
    /// `OPENSTACK_AVAILABILITY_ZONE`.
    pub availability_zone: Option<String>,
    /// `OPENSTACK_CONCURRENCY`, at least 1.
    pub concurrency: NonZeroUsize,
    /// `OPENSTACK_REQUESTS_PER_SECOND`: to one service, on average.
    pub requests_per_second: NonZeroU32,
    /// `OPENSTACK_TIMEOUT`, for one request.
    pub timeout: Duration,
    /// Where the cloud is and who logs in.
    pub cloud: CloudConfig,
}

impl Settings {
    /// Reads everything, or tells everything that is wrong. Makes no request.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(environment);
        reader.problems.extend_from_slice(environment.problems());
        reader.check_utf8();
        let app_host = reader.required("APP_HOST", Kind::address);
        let app_port = reader.whole("APP_PORT");
        let allowed_hosts = reader.list("APP_ALLOWED_HOSTS");
        let show_settings = reader.switch("APP_SHOW_SETTINGS");
        let log_level = log_level(&mut reader);
        let log_format = match reader.choice("LOG_FORMAT") {
            "json" => LogFormat::Json,
            _ => LogFormat::Text,
        };
        let scaling_interval = reader.seconds("SCALING_INTERVAL");
        let policy = policy(&mut reader, scaling_interval);
        let replica_api = replica_api(&mut reader);
        let probe_threads = reader.size("PROBE_THREADS");
        // The table knows one word.
        let _ = reader.choice("PROVIDER");
        let openstack = openstack(&mut reader, environment);
        if !reader.problems.is_empty() {
            return Err(refused(reader.problems, environment));
        }
        let mut settings = Self {
            app_host: app_host.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            app_port: u16::try_from(app_port).unwrap_or_default(),
            allowed_hosts,
            show_settings,
            policy,
            replica_api,
            probe_threads,
            scaling_interval,
            provider: ProviderKind::OpenStack,
            openstack,
            log_level,
            log_format,
            warnings: environment.warnings().to_vec(),
            origin: environment.origin(),
            shown: table::variables()
                .iter()
                .filter(|variable| !matches!(variable.section, Section::Image | Section::Mock))
                .map(|variable| (variable.name, shown(variable, environment)))
                .collect(),
        };
        settings.warnings.extend(environment.shadowed());
        settings.warnings.extend(names::warnings(environment));
        settings.warnings.extend(warnings::of_values(environment));
        settings.warnings.extend(warnings::of_settings(&settings));
        let notes = &settings.openstack.cloud.notes;
        settings.warnings.extend_from_slice(notes);
        Ok(settings)
    }

    /// Where the status page of a daemon with these settings is, reading nothing but `APP_HOST` and
    /// `APP_PORT`.
    pub fn status_address(environment: &Environment) -> Result<SocketAddr, ConfigError> {
        let mut reader = Reader::new(environment);
        let host = reader.required("APP_HOST", Kind::address);
        let port = u16::try_from(reader.whole("APP_PORT")).unwrap_or_default();
        if port == 0 && reader.problems.is_empty() {
            let expected = "0 is any free port, which cannot be known here";
            reader.problems.push(Problem::new("APP_PORT", expected));
        }
        let host = match host {
            Some(IpAddr::V4(host)) if !host.is_unspecified() => host.into(),
            Some(IpAddr::V6(host)) if !host.is_unspecified() => host.into(),
            Some(IpAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
            _ => Ipv4Addr::LOCALHOST.into(),
        };
        if reader.problems.is_empty() {
            return Ok(SocketAddr::new(host, port));
        }
        Err(refused(reader.problems, environment))
    }

    /// Every variable with its effective value, empty if it has none, secrets as `***`.
    pub fn shown(&self) -> &[(&'static str, String)] {
        &self.shown
    }
}

/// Everything that is wrong, and where the settings were looked for if one is missing.
fn refused(problems: Vec<Problem>, environment: &Environment) -> ConfigError {
    let is_missing = |problem: &Problem| problem.expected.starts_with("is not set");
    let note = environment.lacks_file() && problems.iter().any(is_missing);
    ConfigError {
        problems,
        note: note.then(|| environment.origin()),
    }
}

/// A variable's value, for people: without what is secret.
pub(super) fn shown(variable: &Variable, environment: &Environment) -> String {
    match reader::lookup(environment, variable) {
        Some(found) => mask::shown(variable, found.text),
        None => variable.default.unwrap_or_default().to_owned(),
    }
}

fn log_level(reader: &mut Reader<'_>) -> LevelFilter {
    match reader.choice("LOG_LEVEL") {
        "off" => LevelFilter::Off,
        "error" => LevelFilter::Error,
        "warn" | "warning" => LevelFilter::Warn,
        "debug" => LevelFilter::Debug,
        "trace" => LevelFilter::Trace,
        _ => LevelFilter::Info,
    }
}

/// Nothing that a replica with the configured capacity may report is a failed probe.
fn capacity_limit(reader: &mut Reader<'_>, capacity: NonZeroU64) -> NonZeroU64 {
    const NAME: &str = "REPLICA_CAPACITY_LIMIT";
    let Some(limit) = reader.optional_whole(NAME).and_then(NonZeroU64::new) else {
        return Policy::capacity_limit_of(capacity);
    };
    if limit < capacity {
        let expected = format!("must not be below REPLICA_CAPACITY={capacity}");
        let problem = Problem::new(NAME, expected).with_value(&limit.to_string());
        reader.problems.push(problem);
    }
    limit
}

fn policy(reader: &mut Reader<'_>, scaling_interval: Duration) -> Policy {
    let capacity = reader.count("REPLICA_CAPACITY");
    Policy {
        capacity,
        capacity_limit: capacity_limit(reader, capacity),
        floor: reader.whole("REPLICA_MIN_AVAILABLE_RESOURCES"),
        max_count: NonZeroU64::new(reader.whole("REPLICA_MAX_COUNT")),
        max_creating: NonZeroU64::new(reader.whole("REPLICA_MAX_CREATING")),
        failure_threshold: u32::try_from(reader.whole("REPLICA_FAILURE_THRESHOLD"))
            .unwrap_or(u32::MAX),
        termination_confirmations: u32::try_from(reader.whole("REPLICA_TERMINATION_CONFIRMATIONS"))
            .unwrap_or(u32::MAX),
        startup_grace: reader.seconds("REPLICA_STARTUP_GRACE"),
        startup_timeout: reader.seconds_or_never("REPLICA_STARTUP_TIMEOUT"),
        unreachable_timeout: reader.seconds_or_never("REPLICA_UNREACHABLE_TIMEOUT"),
        settles_after_start: Policy::SETTLES_AFTER_START.min(scaling_interval),
        probe_interval: reader.seconds("PROBE_INTERVAL"),
        external_addresses: reader.switch("EXTERNAL_ADDRESS_MANAGEMENT"),
    }
}

fn replica_api(reader: &mut Reader<'_>) -> ReplicaApi {
    let protocol = match reader.choice("REPLICA_API_PROTOCOL") {
        "https" => Protocol::Https,
        _ => Protocol::Http,
    };
    let port = u16::try_from(reader.whole("REPLICA_API_PORT")).unwrap_or_default();
    ReplicaApi {
        protocol,
        port: NonZeroU16::new(port).unwrap_or(NonZeroU16::MIN),
        path: reader
            .required("REPLICA_API_PATH", Kind::url_path)
            .unwrap_or_default(),
        capacity_key: reader.text("REPLICA_API_CAPACITY_KEY"),
        termination_key: reader.text("REPLICA_API_TERMINATION_KEY"),
        timeout: reader.seconds("REPLICA_API_TIMEOUT"),
        ca_file: reader.checked_file("REPLICA_API_CA_FILE", files::authorities),
        insecure: reader.switch("REPLICA_API_INSECURE"),
    }
}

fn openstack(reader: &mut Reader<'_>, environment: &Environment) -> OpenStackSettings {
    let mut cloud = cloud(reader, environment);
    let timeout = reader.seconds("OPENSTACK_TIMEOUT");
    cloud.timeout = timeout;
    cloud.user_agent = USER_AGENT.into();
    OpenStackSettings {
        flavor: reader.text("OPENSTACK_FLAVOR"),
        image: reader.text("OPENSTACK_IMAGE"),
        network: reader.text("OPENSTACK_NETWORK"),
        name: reader.text("OPENSTACK_NAME"),
        unique_names: reader.switch("OPENSTACK_UNIQUE_NAMES"),
        ip_version: match reader.choice("OPENSTACK_IP_VERSION") {
            "6" => IpVersion::V6,
            _ => IpVersion::V4,
        },
        metadata_key: reader.text("OPENSTACK_METADATA_KEY"),
        metadata_value: reader.text("OPENSTACK_METADATA_VALUE"),
        floating_ip_description: reader.text("OPENSTACK_FLOATING_IP_DESCRIPTION"),
        keypair: reader.optional_text("OPENSTACK_KEYPAIR"),
        cloud_init_file: reader.checked_file("OPENSTACK_CLOUD_INIT_FILE", files::cloud_init),
        security_groups: reader.list("OPENSTACK_SECURITY_GROUPS"),
        availability_zone: reader.optional_text("OPENSTACK_AVAILABILITY_ZONE"),
        concurrency: reader.size("OPENSTACK_CONCURRENCY"),
        requests_per_second: reader.rate("OPENSTACK_REQUESTS_PER_SECOND"),
        timeout,
        cloud,
    }
}

/// What the cloud's client makes of `OS_*`, `clouds.yaml` and `secure.yaml`.
fn cloud(reader: &mut Reader<'_>, environment: &Environment) -> CloudConfig {
    let vars = |name: &str| of_the_cloud(environment, name);
    match CloudConfig::from_vars(&vars, &read_yaml) {
        Ok(cloud) => {
            let origin = cloud.ca_file_origin.as_deref().unwrap_or("OS_CACERT");
            let check = |path: &PathBuf| files::authorities(origin, path).err();
            let problem = cloud.ca_file.as_ref().and_then(check);
            reader.problems.extend(problem);
            cloud
        }
        Err(problems) => {
            for ConfigProblem { variable, problem } in problems {
                // A value that cannot be read is told already, and is missing here.
                if !environment.is_unreadable(&variable) {
                    reader.problems.push(Problem::new(variable, problem));
                }
            }
            CloudConfig::new("", Auth::Token(Secret::new("")), Scope::Unscoped)
        }
    }
}

/// A variable as the cloud's client reads it.
pub(super) fn of_the_cloud(environment: &Environment, name: &str) -> Option<String> {
    match table::find(name) {
        Some(variable) => reader::lookup(environment, variable).map(|found| found.text.to_owned()),
        // `HOME` and `XDG_CONFIG_HOME`.
        None => environment.get(name).map(str::to_owned),
    }
}

pub(super) fn read_yaml(path: &Path) -> io::Result<String> {
    let bytes = local_file::read(path, MAX_YAML_BYTES)?;
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8"))
}
