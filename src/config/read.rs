//! The settings, read from the environment and `.env` by the table.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use openstack_sdk_blocking::{Auth, CloudConfig, ConfigProblem, Scope, Secret};

use super::environment::Environment;
use super::error::{ConfigError, Problem};
use super::settings::{CloudSettings, DaemonSettings, PoolSettings, ProviderKind, Settings};
use super::variable::{Given, Goes, Variable, lookup};
use super::{files, mask, names, table, warnings};
use crate::local_file;
use crate::pool::Policy;
use crate::status::StatusSettings;

const USER_AGENT: &str = concat!("simplescalevm/", env!("CARGO_PKG_VERSION"));
/// A bound for `clouds.yaml` and `secure.yaml`.
const MAX_YAML_BYTES: u64 = 1 << 20;

impl Settings {
    /// Reads everything, or tells everything that is wrong. Makes no request.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let mut problems = environment.problems().to_vec();
        problems.extend(not_utf8(environment));
        let (client, mut of_client) = client(environment);
        // What stands here before a row of the table is read is never seen: each row has a value or a problem.
        let mut daemon = DaemonSettings::default();
        let mut cloud = CloudSettings {
            provider: ProviderKind::OpenStack,
            client,
            concurrency: NonZeroUsize::MIN,
            requests_per_second: NonZeroU32::MIN,
        };
        let mut pool = PoolSettings::default();
        for variable in table::variables() {
            let given = Given::of(environment, variable);
            match variable.goes {
                Goes::Daemon(put) => problems.extend(put(&mut daemon, &given).err()),
                Goes::Cloud(put) => problems.extend(put(&mut cloud, &given).err()),
                Goes::Pool(put) => problems.extend(put(&mut pool, &given).err()),
                // They are told where the first of the client's variables stands.
                Goes::Client => problems.append(&mut of_client),
                Goes::Elsewhere => {}
            }
        }
        if !problems.is_empty() {
            return Err(refused(problems, environment));
        }
        let settles = Policy::SETTLES_AFTER_START.min(pool.scaling_interval);
        pool.policy.settles_after_start = settles;
        let mut settings = Self {
            daemon,
            cloud,
            pool,
            warnings: warnings::of_environment(environment),
            origin: environment.origin(),
            shown: table::settings()
                .map(|variable| (variable.name, shown(variable, environment)))
                .collect(),
        };
        settings.warnings.extend(warnings::of_values(environment));
        settings.warnings.extend(warnings::of_settings(&settings));
        let notes = &settings.cloud.client.notes;
        settings.warnings.extend_from_slice(notes);
        Ok(settings)
    }

    /// Where the status page of a daemon with these settings is, reading nothing but `APP_HOST` and
    /// `APP_PORT`.
    pub fn status_address(environment: &Environment) -> Result<SocketAddr, ConfigError> {
        let mut daemon = DaemonSettings::default();
        let mut problems = Vec::new();
        for variable in table::variables() {
            if let (Goes::Daemon(put), "APP_HOST" | "APP_PORT") = (variable.goes, variable.name) {
                problems.extend(put(&mut daemon, &Given::of(environment, variable)).err());
            }
        }
        let StatusSettings { host, port, .. } = daemon.status;
        if port == 0 && problems.is_empty() {
            let expected = "0 is any free port, which cannot be known here";
            problems.push(Problem::new("APP_PORT", expected));
        }
        let host = match host.parse() {
            Ok(IpAddr::V4(host)) if !host.is_unspecified() => host.into(),
            Ok(IpAddr::V6(host)) if !host.is_unspecified() => host.into(),
            Ok(IpAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
            _ => Ipv4Addr::LOCALHOST.into(),
        };
        if problems.is_empty() {
            return Ok(SocketAddr::new(host, port));
        }
        Err(refused(problems, environment))
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
    match lookup(environment, variable) {
        Some(found) => mask::shown(variable.kind, variable.secret, found.text),
        None => variable.default.unwrap_or_default().to_owned(),
    }
}

/// Values of the table's variables that are not valid UTF-8.
fn not_utf8(environment: &Environment) -> impl Iterator<Item = Problem> {
    names::known()
        .filter(|name| environment.is_not_utf8(name))
        .map(|name| Problem::new(name, "the value in the environment is not valid UTF-8"))
}

/// What the cloud's client makes of `OS_*`, `clouds.yaml` and `secure.yaml`, and what is wrong with them.
fn client(environment: &Environment) -> (CloudConfig, Vec<Problem>) {
    let vars = |name: &str| of_the_cloud(environment, name);
    match CloudConfig::from_vars(&vars, &read_yaml) {
        Ok(mut client) => {
            client.user_agent = USER_AGENT.into();
            let origin = client.ca_file_origin.as_deref().unwrap_or("OS_CACERT");
            let check = |path: &PathBuf| files::authorities(origin, path).err();
            let problem = client.ca_file.as_ref().and_then(check);
            let problems = problem.into_iter().collect();
            (client, problems)
        }
        Err(problems) => {
            let problems = problems
                .into_iter()
                // A value that cannot be read is told already, and is missing here.
                .filter(|problem| !environment.is_unreadable(&problem.variable))
                .map(|ConfigProblem { variable, problem }| Problem::new(variable, problem))
                .collect();
            let nobody = CloudConfig::new("", Auth::Token(Secret::new("")), Scope::Unscoped);
            (nobody, problems)
        }
    }
}

/// A variable as the cloud's client reads it.
pub(super) fn of_the_cloud(environment: &Environment, name: &str) -> Option<String> {
    match table::find(name) {
        Some(variable) => lookup(environment, variable).map(|found| found.text.to_owned()),
        // `HOME` and `XDG_CONFIG_HOME`.
        None => environment.get(name).map(str::to_owned),
    }
}

pub(super) fn read_yaml(path: &Path) -> io::Result<String> {
    let bytes = local_file::read(path, MAX_YAML_BYTES)?;
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8"))
}
