//! Settings of the mock cloud: one table for flags, environment and control API.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::behaviour::Behaviour;

/// What a mock cloud is like. Everything but host, ports, seed, names and users may be changed while it runs.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // Each is a switch of its own.
pub struct MockCloudConfig {
    /// Address of the API. Loopback by default.
    pub host: IpAddr,
    /// Port of the API; 0 takes a free one.
    pub port: u16,
    /// Port on which every replica answers; 0 takes a free one.
    pub replica_port: u16,
    /// From the creation to `ACTIVE`.
    pub build_time: Duration,
    /// From `ACTIVE` to the first answer as a replica.
    pub boot_time: Duration,
    /// From the deletion to the server's end.
    pub delete_time: Duration,
    /// From `ACTIVE` until the addresses are listed.
    pub address_delay: Duration,
    /// Capacity that a new replica reports.
    pub capacity: i64,
    /// Key of the capacity; dots make nested objects if `nested_keys`.
    pub capacity_key: String,
    /// Key of the termination flag.
    pub termination_key: String,
    /// Whether a dot in a key means a nested object.
    pub nested_keys: bool,
    /// The only path that replicas know; all paths if `None`.
    pub replica_path: Option<String>,
    /// How a new replica answers.
    pub behaviour: Behaviour,
    /// Life of a token issued from now on.
    pub token_lifetime: Duration,
    /// Nova's `max_limit` and Neutron's page size limit.
    pub page_limit: usize,
    /// Quota of servers; -1 is none.
    pub quota_instances: i64,
    /// New servers end in `ERROR` with "No valid host was found".
    pub no_host: bool,
    /// New servers become active but never answer as replicas.
    pub never_boot: bool,
    /// The server list is that of so long ago (0: of now).
    pub stale: Duration,
    /// The server list stays as it was when this was set.
    pub freeze: bool,
    /// Seconds that the cloud's clock is ahead of this machine's.
    pub clock_offset: i64,
    /// Floating IPs made at the start.
    pub floating_ips: usize,
    /// Their description.
    pub floating_ip_description: String,
    /// The shared flat network with IPv4 and IPv6.
    pub network: String,
    /// The project's own network, behind the router.
    pub internal_network: String,
    /// The network of the floating IPs.
    pub public_network: String,
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
    /// Project name.
    pub project: String,
    /// The user's roles, separated by commas.
    pub roles: String,
    /// The id of the project that a login without one is for; none if empty.
    pub default_project: String,
    /// The regions of the catalog, separated by commas; the cloud is in each of them.
    pub regions: String,
    /// The router leads nowhere.
    pub no_gateway: bool,
    /// Seed of identifiers, faults and callers.
    pub seed: u64,
    /// Callers per second (0: none).
    pub callers: f64,
    /// Mean length of a call in seconds.
    pub call_time: f64,
    /// A replica is done after its last call (a gateway); otherwise its slots are free again.
    pub end_after_call: bool,
}

impl Default for MockCloudConfig {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            replica_port: 0,
            build_time: Duration::from_secs(1),
            boot_time: Duration::from_secs(1),
            delete_time: Duration::from_millis(500),
            address_delay: Duration::ZERO,
            capacity: 1,
            capacity_key: "capacity".into(),
            termination_key: "termination".into(),
            nested_keys: true,
            replica_path: None,
            behaviour: Behaviour::default(),
            token_lifetime: Duration::from_secs(3600),
            page_limit: 1000,
            quota_instances: 2000,
            no_host: false,
            never_boot: false,
            stale: Duration::ZERO,
            freeze: false,
            clock_offset: 0,
            floating_ips: 5,
            floating_ip_description: "server".into(),
            network: "Ext-Net".into(),
            internal_network: "internal".into(),
            public_network: "public".into(),
            username: "scaler".into(),
            password: "p@ss \"w$rd#1".into(),
            project: "scaler".into(),
            roles: "member,reader".into(),
            default_project: String::new(),
            regions: "RegionOne".into(),
            no_gateway: false,
            seed: 1,
            callers: 0.0,
            call_time: 10.0,
            end_after_call: true,
        }
    }
}

/// A setting's name, whether it may be changed while the cloud runs, and what it is.
pub const SETTINGS: &[(&str, bool, &str)] = &[
    ("host", false, "address of the API"),
    ("port", false, "port of the API; 0: any (mock-cloud: 5000)"),
    (
        "replica-port",
        false,
        "port of the replicas; 0: any (mock-cloud: 8080)",
    ),
    ("build-time", true, "seconds from the creation to ACTIVE"),
    (
        "boot-time",
        true,
        "seconds from ACTIVE to the first answer as a replica",
    ),
    (
        "delete-time",
        true,
        "seconds from the deletion to the server's end",
    ),
    (
        "address-delay",
        true,
        "seconds from ACTIVE until the addresses are listed",
    ),
    ("capacity", true, "capacity of a new replica"),
    (
        "capacity-key",
        true,
        "key of the capacity; a dot makes a nested object",
    ),
    ("termination-key", true, "key of the termination flag"),
    (
        "nested-keys",
        true,
        "whether a dot in a key makes a nested object",
    ),
    (
        "replica-path",
        true,
        "the only path replicas know (empty: all)",
    ),
    (
        "behaviour",
        true,
        "how a new replica answers, see README.md",
    ),
    ("token-lifetime", true, "seconds that a new token lives"),
    ("page-limit", true, "largest page of a list"),
    ("quota-instances", true, "quota of servers (-1: none)"),
    (
        "no-host",
        true,
        "new servers end in ERROR, \"No valid host was found\"",
    ),
    ("never-boot", true, "new servers never answer as replicas"),
    (
        "stale",
        true,
        "the server list is that of so many seconds ago",
    ),
    ("freeze", true, "the server list stays as it is now"),
    (
        "clock-offset",
        true,
        "seconds that the cloud's clock is ahead",
    ),
    ("floating-ips", false, "number of floating IPs"),
    ("floating-ip-description", false, "their description"),
    ("network", false, "name of the flat network"),
    ("internal-network", false, "name of the project's network"),
    ("public-network", false, "name of the floating IPs' network"),
    ("username", false, "user"),
    ("password", false, "password"),
    ("project", false, "project"),
    ("roles", true, "roles of the user, separated by commas"),
    (
        "default-project",
        true,
        "id of the project of a login without one (empty: none)",
    ),
    (
        "regions",
        true,
        "regions of the catalog, separated by commas",
    ),
    ("no-gateway", true, "the router leads nowhere"),
    ("seed", false, "seed of identifiers, faults and callers"),
    ("callers", true, "simulated callers per second (0: none)"),
    ("call-time", true, "mean length of a call in seconds"),
    (
        "end-after-call",
        true,
        "a replica is done after its last call",
    ),
];

impl MockCloudConfig {
    /// Sets one setting by its name in [`SETTINGS`] (`_` and `-` are alike).
    ///
    /// # Errors
    /// Says what was expected.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let name = name.replace('_', "-");
        let done = match name.as_str() {
            "host" => put(&mut self.host, value, "an IP address"),
            "port" => put(&mut self.port, value, "a port"),
            "replica-port" => put(&mut self.replica_port, value, "a port"),
            "build-time" => seconds(&mut self.build_time, value),
            "boot-time" => seconds(&mut self.boot_time, value),
            "delete-time" => seconds(&mut self.delete_time, value),
            "address-delay" => seconds(&mut self.address_delay, value),
            "token-lifetime" => seconds(&mut self.token_lifetime, value),
            "stale" => seconds(&mut self.stale, value),
            "capacity" => put(&mut self.capacity, value, "an integer"),
            "capacity-key" => put(&mut self.capacity_key, value, "text"),
            "termination-key" => put(&mut self.termination_key, value, "text"),
            "nested-keys" => put(&mut self.nested_keys, value, "true or false"),
            "replica-path" => {
                self.replica_path = Some(value.to_owned()).filter(|path| !path.is_empty());
                Ok(())
            }
            "behaviour" => Behaviour::parse(value).map(|behaviour| self.behaviour = behaviour),
            "page-limit" => put(&mut self.page_limit, value, "a number"),
            "quota-instances" => put(&mut self.quota_instances, value, "an integer"),
            "no-host" => put(&mut self.no_host, value, "true or false"),
            "never-boot" => put(&mut self.never_boot, value, "true or false"),
            "freeze" => put(&mut self.freeze, value, "true or false"),
            "clock-offset" => put(&mut self.clock_offset, value, "whole seconds"),
            "floating-ips" => put(&mut self.floating_ips, value, "a number"),
            "floating-ip-description" => put(&mut self.floating_ip_description, value, "text"),
            "network" => put(&mut self.network, value, "text"),
            "internal-network" => put(&mut self.internal_network, value, "text"),
            "public-network" => put(&mut self.public_network, value, "text"),
            "username" => put(&mut self.username, value, "text"),
            "password" => put(&mut self.password, value, "text"),
            "project" => put(&mut self.project, value, "text"),
            "roles" => put(&mut self.roles, value, "text"),
            "default-project" => put(&mut self.default_project, value, "text"),
            "regions" => put(&mut self.regions, value, "text"),
            "no-gateway" => put(&mut self.no_gateway, value, "true or false"),
            "seed" => put(&mut self.seed, value, "a number"),
            "callers" => put(&mut self.callers, value, "a number"),
            "call-time" => put(&mut self.call_time, value, "seconds"),
            "end-after-call" => put(&mut self.end_after_call, value, "true or false"),
            _ => return Err(format!("there is no setting {name:?}")),
        };
        done.map_err(|wanted| format!("{name}: {value:?} is not {wanted}"))
    }
}

fn put<T: std::str::FromStr>(place: &mut T, value: &str, wanted: &str) -> Result<(), String> {
    *place = value.parse().map_err(|_| wanted.to_owned())?;
    Ok(())
}

fn seconds(place: &mut Duration, value: &str) -> Result<(), String> {
    *place = value
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| time.as_secs() < 1 << 40)
        .ok_or("a number of seconds")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_the_table_exists() {
        for (name, ..) in SETTINGS {
            let error = MockCloudConfig::default()
                .set(name, "\u{0}")
                .err()
                .unwrap_or_default();
            assert!(!error.contains("there is no"), "{name}");
        }
    }

    #[test]
    fn seconds_may_have_fractions() {
        let mut config = MockCloudConfig::default();
        config.set("build_time", "0.25").unwrap();
        assert_eq!(config.build_time, Duration::from_millis(250));
        assert_eq!(
            config.set("boot-time", "-1"),
            Err("boot-time: \"-1\" is not a number of seconds".into())
        );
    }
}
