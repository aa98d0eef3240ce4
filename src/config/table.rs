//! The one table of variables.

use std::num::NonZeroU64;

use log::LevelFilter;

use super::error::Problem;
use super::kind::Kind;
use super::settings::{PoolSettings, ProviderKind};
use super::value::Words;
use super::variable::{Given, Goes, Section, Variable};
use super::{files, hosts};
use crate::logging::LogFormat;
use crate::pool::Policy;
use crate::probe::Protocol;

/// All variables, in the order in which they are documented and checked.
pub const fn variables() -> &'static [Variable] {
    TABLE
}

/// The settings of the daemon among them.
pub fn settings() -> impl Iterator<Item = &'static Variable> {
    TABLE.iter().filter(|variable| variable.scope().is_some())
}

pub(super) fn find(name: &str) -> Option<&'static Variable> {
    TABLE.iter().find(|variable| variable.name == name)
}

/// The variable of that name or alias.
pub(super) fn of_name(name: &str) -> Option<&'static Variable> {
    TABLE
        .iter()
        .find(|variable| variable.name == name || variable.alias == Some(name))
}

const PORT: Kind = Kind::Whole {
    min: 1,
    max: 65_535,
};
const PORT_OR_ANY: Kind = Kind::Whole {
    min: 0,
    max: 65_535,
};
const MILLION: u64 = 1_000_000;
const INTERVAL: Kind = Kind::Seconds {
    min_ms: 10,
    max_s: 86_400,
    zero: None,
};
const REQUEST: Kind = Kind::Seconds {
    min_ms: 10,
    max_s: 3_600,
    zero: None,
};
const THIRTY_DAYS_S: u64 = 30 * 86_400;

const fn age(zero: &'static str) -> Kind {
    Kind::Seconds {
        min_ms: 10,
        max_s: THIRTY_DAYS_S,
        zero: Some(zero),
    }
}

use Kind::{
    Address, Choice, Elsewhere, File, Hosts, List, MetadataKey, Switch, Text, UrlPath, Whole,
};
use Section::{
    Application, Credentials, ExternalAddresses, Image, Intervals, Mock, OpenStack, Pool, Provider,
    Replacement, ReplicaApi,
};

/// The place of a value: a field of one of the three scopes' settings.
macro_rules! place {
    (daemon.$($field:ident).+) => { Goes::Daemon(|daemon, given| given.put(&mut daemon.$($field).+)) };
    (cloud.$($field:ident).+) => { Goes::Cloud(|cloud, given| given.put(&mut cloud.$($field).+)) };
    (pool.$($field:ident).+) => { Goes::Pool(|pool, given| given.put(&mut pool.$($field).+)) };
}

// One line per variable reads as the table that it is.
#[rustfmt::skip]
const TABLE: &[Variable] = &[
    Variable::new(Image, "VERSION", env!("CARGO_PKG_VERSION"), Elsewhere, "tag of the container image; not read by the program"),

    Variable::old(Application, "APP_HOST", "0.0.0.0", Address, "address that the status server listens on").to(place!(daemon.status.host)),
    Variable::old(Application, "APP_PORT", "8000", PORT_OR_ANY, "its port; 0 takes any free one").to(place!(daemon.status.port)),
    Variable::new(Application, "APP_ALLOWED_HOSTS", "", Hosts, "hosts that a request's `Host` may name, separated by commas, such as `status.example.org`, `.example.org` (each host of that domain) or `192.0.2.10:8000`; others get 421; by default any").to(Goes::Daemon(hosts::allowed)),
    Variable::new(Application, "APP_SHOW_SETTINGS", "false", Switch, "show the settings, without secrets, to every client of the status server and not only to this machine").to(place!(daemon.status.show_settings)),
    Variable::new(Application, "LOG_LEVEL", "info", Choice(LevelFilter::WORDS), "minimum log level: `off`, `error`, `warn` (or `warning`), `info`, `debug` or `trace`").to(place!(daemon.log.level)),
    Variable::new(Application, "LOG_FORMAT", "text", Choice(LogFormat::WORDS), "`text`, or `json` for one object per line").to(place!(daemon.log.format)),

    Variable::old(Pool, "REPLICA_CAPACITY", "1", Whole { min: 1, max: MILLION }, "resources that a new replica brings").to(place!(pool.policy.capacity)),
    Variable::new(Pool, "REPLICA_CAPACITY_LIMIT", "", Whole { min: 1, max: u64::MAX }, "free resources of one replica above which its answer is a failed probe; by default a hundred times `REPLICA_CAPACITY`").to(Goes::Pool(capacity_limit)),
    Variable::old(Pool, "REPLICA_MIN_AVAILABLE_RESOURCES", "3", Whole { min: 0, max: MILLION }, "resources that must be available at all times").to(place!(pool.policy.floor)),
    Variable::new(Pool, "REPLICA_MAX_COUNT", "0", Whole { min: 0, max: MILLION }, "replicas, of any state, that the pool may have; 0: no limit").to(place!(pool.policy.max_count)),
    Variable::new(Pool, "REPLICA_MAX_CREATING", "0", Whole { min: 0, max: MILLION }, "replicas that may be creating at a time; 0: no limit").to(place!(pool.policy.max_creating)),

    Variable::old(ReplicaApi, "REPLICA_API_PROTOCOL", "http", Choice(Protocol::WORDS), "`http` or `https`").to(place!(pool.endpoint.protocol)),
    Variable::old(ReplicaApi, "REPLICA_API_PORT", "8080", PORT, "port of a replica's status API").to(place!(pool.endpoint.port)),
    Variable::old(ReplicaApi, "REPLICA_API_PATH", "/", UrlPath, "its path; a leading `/` may be left out").to(place!(pool.endpoint.path)),
    Variable::old(ReplicaApi, "REPLICA_API_CAPACITY_KEY", "capacity", Text, "key of the answer that holds the free resources; dots reach into nested objects").to(place!(pool.endpoint.capacity_key)),
    Variable::old(ReplicaApi, "REPLICA_API_TERMINATION_KEY", "termination", Text, "key of the answer that is true once the replica may be deleted").to(Goes::Pool(termination_key)),
    Variable::new(ReplicaApi, "REPLICA_API_TIMEOUT", "5", REQUEST, "seconds that one probe may take, from its first packet to the last byte of the answer").to(place!(pool.endpoint.timeout)),
    Variable::new(ReplicaApi, "REPLICA_API_CA_FILE", "", File, "file with the authorities or certificates to trust for `https` replicas, in PEM or DER").to(Goes::Pool(|pool, given| given.put_file(&mut pool.endpoint.tls.ca_file, files::authorities))),
    Variable::new(ReplicaApi, "REPLICA_API_INSECURE", "false", Switch, "accept any certificate of `https` replicas").to(place!(pool.endpoint.tls.insecure)),

    Variable::new(Replacement, "REPLICA_FAILURE_THRESHOLD", "3", Whole { min: 1, max: 1_000 }, "failed probes in a row until a replica counts as unreachable").to(place!(pool.policy.failure_threshold)),
    Variable::new(Replacement, "REPLICA_TERMINATION_CONFIRMATIONS", "2", Whole { min: 1, max: 10 }, "answers in a row, a second apart, that must report `termination` before a replica is deleted; 1: the first one is enough").to(place!(pool.policy.termination_confirmations)),
    Variable::new(Replacement, "REPLICA_STARTUP_GRACE", "300", age("none"), "seconds after its launch for which a silent replica counts as starting").to(place!(pool.policy.startup_grace)),
    Variable::new(Replacement, "REPLICA_STARTUP_TIMEOUT", "900", age("never"), "seconds after which a replica that never answered is deleted; 0: never").to(place!(pool.policy.startup_timeout)),
    Variable::new(Replacement, "REPLICA_UNREACHABLE_TIMEOUT", "0", age("never"), "seconds after which an unreachable replica is deleted, with the sessions it may hold; 0: never").to(place!(pool.policy.unreachable_timeout)),

    Variable::new(Intervals, "SCALING_INTERVAL", "30", INTERVAL, "seconds between two lists of the pool's servers").to(place!(pool.scaling_interval)),
    Variable::new(Intervals, "PROBE_INTERVAL", "5", INTERVAL, "seconds between two probes of a replica").to(place!(pool.policy.probe_interval)),
    Variable::new(Intervals, "PROBE_THREADS", "4", Whole { min: 1, max: 1_024 }, "maximum number of probe threads; one per processor is started, at most 4").to(place!(daemon.probe_threads)),

    Variable::old(ExternalAddresses, "EXTERNAL_ADDRESS_MANAGEMENT", "false", Switch, "keep the pool's floating IPs on replicas that serve").to(place!(pool.policy.external_addresses)),

    Variable::old(Provider, "PROVIDER", "openstack", Choice(ProviderKind::WORDS), "the cloud's kind; `openstack` is the only one").to(place!(cloud.provider)),

    Variable::old(Credentials, "OS_AUTH_URL", "", Elsewhere, "URL of the identity service (Keystone)"),
    Variable::old(Credentials, "OS_USERNAME", "", Elsewhere, "user"),
    Variable::old(Credentials, "OS_PASSWORD", "", Elsewhere, "the user's password").secret(),
    Variable::old(Credentials, "OS_REGION_NAME", "", Elsewhere, "region whose endpoints are used; needed where the cloud has several"),
    Variable::old(Credentials, "OS_PROJECT_DOMAIN_ID", "", Elsewhere, "the project's domain").example("default"),
    Variable::old(Credentials, "OS_USER_DOMAIN_NAME", "", Elsewhere, "the user's domain").example("Default"),
    Variable::old(Credentials, "OS_PROJECT_ID", "", Elsewhere, "project"),
    Variable::old(Credentials, "OS_PROJECT_NAME", "", Elsewhere, "project, where there is no id"),
    Variable::old(Credentials, "OS_INTERFACE", "public", Elsewhere, "endpoints to use: `public`, `internal` or `admin`"),
    Variable::old(Credentials, "OS_IDENTITY_API_VERSION", "3", Elsewhere, "version of the identity API; only `3` is supported"),
    Variable::new(Credentials, "OS_USER_ID", "", Elsewhere, "user, instead of `OS_USERNAME`"),
    Variable::new(Credentials, "OS_USER_DOMAIN_ID", "", Elsewhere, "the user's domain, instead of `OS_USER_DOMAIN_NAME`"),
    Variable::new(Credentials, "OS_PROJECT_DOMAIN_NAME", "", Elsewhere, "the project's domain, instead of `OS_PROJECT_DOMAIN_ID`"),
    Variable::new(Credentials, "OS_DOMAIN_ID", "", Elsewhere, "domain to log in to, where there is no project"),
    Variable::new(Credentials, "OS_DOMAIN_NAME", "", Elsewhere, "the same, by name"),
    Variable::new(Credentials, "OS_DEFAULT_DOMAIN", "", Elsewhere, "domain of user and project where none is set"),
    Variable::new(Credentials, "OS_DEFAULT_DOMAIN_ID", "", Elsewhere, "the same, by id"),
    Variable::new(Credentials, "OS_DEFAULT_DOMAIN_NAME", "", Elsewhere, "the same, by name"),
    Variable::new(Credentials, "OS_TENANT_ID", "", Elsewhere, "older name of `OS_PROJECT_ID`"),
    Variable::new(Credentials, "OS_TENANT_NAME", "", Elsewhere, "older name of `OS_PROJECT_NAME`"),
    Variable::new(Credentials, "OS_AUTH_TYPE", "", Elsewhere, "`v3password`, `v3applicationcredential` or `v3token`; by default what the other variables call for"),
    Variable::new(Credentials, "OS_APPLICATION_CREDENTIAL_ID", "", Elsewhere, "application credential"),
    Variable::new(Credentials, "OS_APPLICATION_CREDENTIAL_NAME", "", Elsewhere, "the same, by name and user"),
    Variable::new(Credentials, "OS_APPLICATION_CREDENTIAL_SECRET", "", Elsewhere, "its secret").secret(),
    Variable::new(Credentials, "OS_TOKEN", "", Elsewhere, "a token to log in with").secret(),
    Variable::new(Credentials, "OS_CACERT", "", Elsewhere, "file with the authorities or certificates to trust for the cloud's API, in PEM or DER"),
    Variable::new(Credentials, "SSL_CERT_FILE", "", Elsewhere, "the same for all programs; `OS_CACERT` wins"),
    Variable::new(Credentials, "HTTPS_PROXY", "", Elsewhere, "HTTP proxy for the `https` URLs of the cloud's API, `http://HOST:PORT`; replicas are never asked through one").alias("https_proxy").secret(),
    Variable::new(Credentials, "HTTP_PROXY", "", Elsewhere, "the same for its `http` URLs").alias("http_proxy").secret(),
    Variable::new(Credentials, "ALL_PROXY", "", Elsewhere, "the same for URLs whose scheme has no proxy of its own").alias("all_proxy").secret(),
    Variable::new(Credentials, "NO_PROXY", "", Elsewhere, "hosts, domains and networks that are reached without a proxy, separated by commas; `*`: all").alias("no_proxy"),
    Variable::new(Credentials, "OS_INSECURE", "", Elsewhere, "accept any certificate of the cloud's API"),
    Variable::new(Credentials, "OS_ENDPOINT_TYPE", "", Elsewhere, "older name of `OS_INTERFACE`"),
    Variable::new(Credentials, "OS_CLOUD", "", Elsewhere, "entry of `clouds.yaml` to use; a variable that is set wins over the file"),
    Variable::new(Credentials, "OS_CLOUD_NAME", "envvars", Elsewhere, "the value of `OS_CLOUD` that stands for these variables alone"),
    Variable::new(Credentials, "OS_COMPUTE_REGION_NAME", "", Elsewhere, "Nova's region, if different from `OS_REGION_NAME`"),
    Variable::new(Credentials, "OS_COMPUTE_INTERFACE", "", Elsewhere, "Nova's endpoint, if different from `OS_INTERFACE`"),
    Variable::new(Credentials, "OS_COMPUTE_ENDPOINT_OVERRIDE", "", Elsewhere, "Nova's URL, in place of the catalog's"),
    Variable::new(Credentials, "OS_NETWORK_REGION_NAME", "", Elsewhere, "Neutron's region, if different from `OS_REGION_NAME`"),
    Variable::new(Credentials, "OS_NETWORK_INTERFACE", "", Elsewhere, "Neutron's endpoint, if different from `OS_INTERFACE`"),
    Variable::new(Credentials, "OS_NETWORK_ENDPOINT_OVERRIDE", "", Elsewhere, "Neutron's URL, in place of the catalog's"),
    Variable::new(Credentials, "OS_IMAGE_REGION_NAME", "", Elsewhere, "Glance's region, if different from `OS_REGION_NAME`"),
    Variable::new(Credentials, "OS_IMAGE_INTERFACE", "", Elsewhere, "Glance's endpoint, if different from `OS_INTERFACE`"),
    Variable::new(Credentials, "OS_IMAGE_ENDPOINT_OVERRIDE", "", Elsewhere, "Glance's URL, in place of the catalog's"),
    Variable::new(Credentials, "OS_IDENTITY_REGION_NAME", "", Elsewhere, "no effect: Keystone is asked at `OS_AUTH_URL`"),
    Variable::new(Credentials, "OS_IDENTITY_INTERFACE", "", Elsewhere, "no effect"),
    Variable::new(Credentials, "OS_IDENTITY_ENDPOINT_OVERRIDE", "", Elsewhere, "no effect"),
    Variable::new(Credentials, "OS_VOLUME_REGION_NAME", "", Elsewhere, "no effect: Cinder is never asked"),
    Variable::new(Credentials, "OS_VOLUME_INTERFACE", "", Elsewhere, "no effect"),
    Variable::new(Credentials, "OS_VOLUME_ENDPOINT_OVERRIDE", "", Elsewhere, "no effect"),
    Variable::new(Credentials, "OS_SYSTEM_SCOPE", "", Elsewhere, "not supported, and refused"),
    Variable::new(Credentials, "OS_TRUST_ID", "", Elsewhere, "not supported, and refused: use an application credential"),
    Variable::new(Credentials, "OS_CERT", "", Elsewhere, "client certificate: not supported, and refused"),
    Variable::new(Credentials, "OS_KEY", "", Elsewhere, "key of the client certificate: not supported, and refused"),
    Variable::new(Credentials, "OS_CLIENT_CONFIG_FILE", "", Elsewhere, "`clouds.yaml`, if not in `.`, `~/.config/openstack` or `/etc/openstack`"),
    Variable::new(Credentials, "OS_CLIENT_SECURE_FILE", "", Elsewhere, "`secure.yaml`, if not in `.`, `~/.config/openstack` or `/etc/openstack`"),

    Variable::old(OpenStack, "OPENSTACK_FLAVOR", "d2-8", Text, "flavor, by name or id").alias("OPENSTACK_SCALED_FLAVOR").to(place!(pool.template.flavor)),
    Variable::old(OpenStack, "OPENSTACK_IMAGE", "Debian 11", Text, "image, by name or id").alias("OPENSTACK_SCALED_IMAGE").to(place!(pool.template.image)),
    Variable::old(OpenStack, "OPENSTACK_IP_VERSION", "4", Choice(<u8>::WORDS), "IP version of the address that a replica is asked on: `4` or `6`").to(place!(pool.template.ip_version)),
    Variable::old(OpenStack, "OPENSTACK_NETWORK", "Ext-Net", Text, "network, by name or id").alias("OPENSTACK_SCALED_NETWORK").to(place!(pool.template.network)),
    Variable::old(OpenStack, "OPENSTACK_METADATA_KEY", "group", MetadataKey, "metadata key that marks a server as part of the pool").to(place!(pool.template.metadata_key)),
    Variable::old(OpenStack, "OPENSTACK_METADATA_VALUE", "scaled", Text, "its value; no other pool of the project may have the same").alias("OPENSTACK_METADATA_SCALED_VALUE").to(place!(pool.template.metadata_value)),
    Variable::old(OpenStack, "OPENSTACK_FLOATING_IP_DESCRIPTION", "server", Text, "description that marks a floating IP as part of the pool").to(place!(pool.template.floating_ip_description)),
    Variable::old(OpenStack, "OPENSTACK_KEYPAIR", "", Text, "key pair for new servers").to(place!(pool.template.keypair)),
    Variable::old(OpenStack, "OPENSTACK_CLOUD_INIT_FILE", "", File, "cloud-init file for new servers, read at each creation").alias("OPENSTACK_SCALED_CLOUD_INIT_FILE").to(Goes::Pool(|pool, given| given.put_file(&mut pool.template.cloud_init_file, files::cloud_init))),
    Variable::new(OpenStack, "OPENSTACK_NAME", "server", Text, "name of new servers").alias("OPENSTACK_SCALED_NAME").to(place!(pool.template.name)),
    Variable::new(OpenStack, "OPENSTACK_UNIQUE_NAMES", "true", Switch, "whether each new server has a name and hostname of its own: `OPENSTACK_NAME` and a short random part").to(place!(pool.template.unique_names)),
    Variable::new(OpenStack, "OPENSTACK_SECURITY_GROUPS", "", List, "security groups for new servers, separated by commas; by default the project's own").to(place!(pool.template.security_groups)),
    Variable::new(OpenStack, "OPENSTACK_AVAILABILITY_ZONE", "", Text, "availability zone for new servers").to(place!(pool.template.availability_zone)),
    Variable::new(OpenStack, "OPENSTACK_CONCURRENCY", "4", Whole { min: 1, max: 16 }, "requests to one service of OpenStack at a time; two further requests to other services are possible meanwhile").to(place!(cloud.concurrency)),
    Variable::new(OpenStack, "OPENSTACK_REQUESTS_PER_SECOND", "10", Whole { min: 1, max: 1000 }, "requests a second to one service of OpenStack, on average; a burst may have as many at once").to(place!(cloud.requests_per_second)),
    Variable::new(OpenStack, "OPENSTACK_TIMEOUT", "30", REQUEST, "seconds that one request to OpenStack may take; a list of several pages has ten times as long").to(place!(cloud.client.timeout)),

    Variable::new(Mock, "MOCK_HOST", "0.0.0.0", Elsewhere, "address that the mock replica listens on"),
    Variable::new(Mock, "MOCK_PORT", "5555", Elsewhere, "its port"),
    Variable::new(Mock, "MOCK_CAPACITY_KEY", "capacity", Elsewhere, "key of the capacity in its answer"),
    Variable::new(Mock, "MOCK_TERMINATION_KEY", "termination", Elsewhere, "key of the termination flag"),
    Variable::new(Mock, "MOCK_CAPACITY_VALUE", "0", Elsewhere, "capacity that it reports"),
    Variable::new(Mock, "MOCK_TERMINATION_VALUE", "false", Elsewhere, "termination flag that it reports"),
];

/// Nothing that a replica with the configured capacity may report is a failed probe.
fn capacity_limit(pool: &mut PoolSettings, given: &Given<'_>) -> Result<(), Problem> {
    let capacity = pool.policy.capacity;
    let limit = given.value::<Option<NonZeroU64>>()?;
    pool.policy.capacity_limit = limit.unwrap_or_else(|| Policy::capacity_limit_of(capacity));
    match limit.filter(|limit| *limit < capacity) {
        Some(limit) => {
            let expected = format!("must not be below REPLICA_CAPACITY={capacity}");
            Err(given.problem(expected).with_value(&limit.to_string()))
        }
        None => Ok(()),
    }
}

/// One key for both would make a replica with one free resource one that is done.
fn termination_key(pool: &mut PoolSettings, given: &Given<'_>) -> Result<(), Problem> {
    pool.endpoint.termination_key = given.value()?;
    let key = &pool.endpoint.termination_key;
    if *key == pool.endpoint.capacity_key {
        let expected = "must not be REPLICA_API_CAPACITY_KEY, too";
        return Err(given.problem(expected.to_owned()).with_value(key));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_stands_once() {
        let mut seen = BTreeSet::new();
        for variable in TABLE {
            for name in [Some(variable.name), variable.alias].into_iter().flatten() {
                assert!(seen.insert(name), "{name} stands twice");
            }
        }
    }

    #[test]
    fn sections_are_complete_and_unbroken() {
        let order: Vec<Section> = TABLE.iter().map(|variable| variable.section).collect();
        let mut runs = order.clone();
        runs.dedup();
        assert_eq!(runs, Section::ALL);
    }

    #[test]
    fn whatever_the_client_reads_is_in_the_table() {
        for name in openstack_sdk_blocking::VARIABLES {
            assert!(find(name).is_some(), "{name} is missing");
        }
    }

    #[test]
    fn no_secret_has_a_default() {
        for variable in TABLE.iter().filter(|variable| variable.secret) {
            assert_eq!(variable.default, None, "{}", variable.name);
        }
    }
}
