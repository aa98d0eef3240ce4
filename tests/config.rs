//! The settings from the outside: `.env` against python-dotenv, every kind of mistake, and the documents.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure anywhere in a test is to end it"
)]

#[path = "config/documents.rs"]
mod documents;
#[path = "config/dotenv.rs"]
mod dotenv;
#[path = "config/mistakes.rs"]
mod mistakes;
#[path = "config/origins.rs"]
mod origins;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use simplescalevm::config::{self, Environment, Kind, Section, Settings, variables};
use simplescalevm::logging::LogFormat;
use simplescalevm::pool::Policy;
use simplescalevm::probe::{EndpointSettings, MAX_THREADS, Protocol};

const PASSWORD: &str = "p@ss \"w$rd#1";
const LOGIN: [(&str, &str); 4] = [
    ("OS_AUTH_URL", "https://cloud.example/v3"),
    ("OS_USERNAME", "me"),
    ("OS_PASSWORD", PASSWORD),
    ("OS_PROJECT_ID", "p1"),
];

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn scratch(name: &str, content: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

/// Settings from a login and whatever else is given.
fn settings(more: &[(&str, &str)]) -> Result<Settings, String> {
    let pairs = LOGIN.iter().chain(more).copied();
    let environment = Environment::from_pairs(pairs.collect::<BTreeMap<_, _>>());
    Settings::from_environment(&environment).map_err(|error| error.to_string())
}

#[test]
fn the_wait_after_a_start_is_no_longer_than_to_the_next_list() {
    let quick = settings(&[("SCALING_INTERVAL", "2")]).unwrap();
    assert_eq!(
        quick.pool.policy.settles_after_start,
        Duration::from_secs(2)
    );
}

#[test]
fn defaults() {
    let settings = settings(&[]).unwrap();
    assert_eq!(
        (
            settings.daemon.status.host.as_str(),
            settings.daemon.status.port
        ),
        ("0.0.0.0", 8000)
    );
    let policy = Policy {
        settles_after_start: Policy::SETTLES_AFTER_START,
        ..Policy::default()
    };
    assert_eq!(settings.pool.policy, policy);
    let api = &settings.pool.endpoint;
    assert_eq!(*api, EndpointSettings::default());
    assert_eq!(
        (api.protocol, api.port.get(), api.path.as_str()),
        (Protocol::Http, 8080, "/")
    );
    assert_eq!(
        (api.capacity_key.as_str(), api.termination_key.as_str()),
        ("capacity", "termination")
    );
    assert_eq!(
        (api.timeout, api.tls.insecure, &api.tls.ca_file),
        (Duration::from_secs(5), false, &None)
    );
    assert_eq!(
        (
            settings.daemon.probe_threads.get(),
            settings.pool.scaling_interval
        ),
        (MAX_THREADS, Duration::from_secs(30))
    );
    assert_eq!(
        (settings.daemon.log.level, settings.daemon.log.format),
        (log::LevelFilter::Info, LogFormat::Text)
    );
    let cloud = &settings.pool.template;
    assert_eq!(
        (cloud.flavor.as_str(), cloud.image.as_str()),
        ("d2-8", "Debian 11")
    );
    assert_eq!(
        (cloud.network.as_str(), cloud.name.as_str()),
        ("Ext-Net", "server")
    );
    assert_eq!(
        (cloud.metadata_key.as_str(), cloud.metadata_value.as_str()),
        ("group", "scaled")
    );
    assert_eq!(
        (cloud.floating_ip_description.as_str(), cloud.ip_version),
        ("server", 4)
    );
    assert_eq!(
        (
            &cloud.keypair,
            &cloud.cloud_init_file,
            &cloud.availability_zone
        ),
        (&None, &None, &None)
    );
    assert_eq!(
        (
            settings.cloud.client.timeout,
            settings.cloud.concurrency.get()
        ),
        (Duration::from_secs(30), 4)
    );
    assert!(cloud.security_groups.is_empty());
    assert_eq!(settings.warnings, Vec::<String>::new());
}

#[test]
fn values_become_types() {
    let ca = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls/ca.pem");
    let cloud_init = scratch("cloud-init.sh", &vec![b'#'; 49_149]);
    let settings = settings(&[
        ("APP_HOST", "localhost"),
        ("APP_PORT", "0"),
        ("REPLICA_API_PROTOCOL", "HTTPS"),
        ("REPLICA_API_PATH", "status"),
        ("REPLICA_API_CA_FILE", ca.to_str().unwrap()),
        ("REPLICA_API_TIMEOUT", "2.5"),
        ("REPLICA_MIN_AVAILABLE_RESOURCES", "0"),
        ("REPLICA_MAX_COUNT", "7"),
        ("REPLICA_STARTUP_GRACE", "0"),
        ("REPLICA_STARTUP_TIMEOUT", "0"),
        ("REPLICA_UNREACHABLE_TIMEOUT", "600"),
        ("EXTERNAL_ADDRESS_MANAGEMENT", "True"),
        ("OPENSTACK_IP_VERSION", "6"),
        ("OPENSTACK_SECURITY_GROUPS", " web, ,default,"),
        ("OPENSTACK_CLOUD_INIT_FILE", cloud_init.to_str().unwrap()),
        ("OPENSTACK_METADATA_KEY", "sipmediagw.group"),
        (
            "APP_ALLOWED_HOSTS",
            " status.lan, ,.example.org,[::1]:80,*,",
        ),
        ("LOG_LEVEL", "WARNING"),
        ("LOG_FORMAT", "json"),
    ])
    .unwrap();
    assert_eq!(settings.daemon.status.host, "127.0.0.1");
    assert_eq!(settings.daemon.status.port, 0);
    let hosts = ["status.lan", ".example.org", "[::1]:80", "*"];
    let hosts = hosts.map(|host| host.parse().unwrap());
    assert_eq!(settings.daemon.status.allowed_hosts, hosts);
    let api = &settings.pool.endpoint;
    assert_eq!(api.protocol, Protocol::Https);
    assert_eq!(api.path, "/status");
    assert_eq!(api.tls.ca_file, Some(fs::read(ca).unwrap()));
    assert_eq!(api.timeout, Duration::from_millis(2500));
    let policy = &settings.pool.policy;
    assert_eq!(
        (
            policy.floor,
            policy.max_count.map(std::num::NonZeroU64::get)
        ),
        (0, Some(7))
    );
    assert_eq!(
        (policy.startup_grace, policy.startup_timeout),
        (Duration::ZERO, None)
    );
    assert_eq!(policy.unreachable_timeout, Some(Duration::from_mins(10)));
    assert!(policy.external_addresses);
    let template = &settings.pool.template;
    assert_eq!(template.ip_version, 6);
    assert_eq!(template.security_groups, ["web", "default"]);
    assert_eq!(template.cloud_init_file, Some(cloud_init));
    assert_eq!(settings.daemon.log.level, log::LevelFilter::Warn);
    assert_eq!(settings.daemon.log.format, LogFormat::Json);
    assert_eq!(settings.warnings, Vec::<String>::new());
}

/// What a setting changes, nothing else does: no two rows of the table lead to one place.
#[test]
fn every_setting_has_a_place_of_its_own() {
    let file = scratch("place", &fs::read(root("tests/data/tls/ca.pem")).unwrap());
    let file = file.to_str().unwrap();
    let places = |more: &[(&str, &str)]| {
        let Settings {
            daemon,
            cloud,
            pool,
            ..
        } = settings(more).unwrap();
        format!("{daemon:#?}\n{cloud:#?}\n{pool:#?}")
    };
    let before = places(&[]);
    let mut changed = BTreeMap::new();
    for variable in config::settings().filter(|v| v.section != Section::Credentials) {
        let name = variable.name;
        let value = match variable.kind {
            Kind::Address => "127.0.0.9",
            Kind::UrlPath => "/x",
            Kind::Whole { .. } => "7",
            Kind::Seconds { .. } => "7.5",
            Kind::Switch if variable.default == Some("true") => "false",
            Kind::Switch => "true",
            Kind::File => file,
            Kind::Choice([_]) => continue,
            Kind::Choice([.., last]) if variable.default != Some(last) => last,
            Kind::Choice(_) | Kind::Elsewhere => panic!("{name}"),
            Kind::Text | Kind::MetadataKey | Kind::List | Kind::Hosts => "x",
        };
        let mut pairs = vec![(name, value)];
        // It is a hundred times the capacity unless it is set.
        if name == "REPLICA_CAPACITY" {
            pairs.push(("REPLICA_CAPACITY_LIMIT", "100"));
        }
        let after = places(&pairs);
        let lines = before.lines().zip(after.lines()).enumerate();
        let first = lines
            .filter(|(_, (old, new))| old != new)
            .map(|(at, _)| at)
            .next();
        let first = first.unwrap_or_else(|| panic!("{name} changes nothing"));
        let other = changed.insert(first, name);
        assert_eq!(other, None, "{name} goes where {other:?} goes");
    }
}

#[test]
fn aliases_give_way_to_the_name() {
    let check = |pairs: &[(&str, &str)], image: &str, warnings: usize| {
        let settings = settings(pairs).unwrap();
        assert_eq!(settings.pool.template.image, image, "{pairs:?}");
        assert_eq!(settings.warnings.len(), warnings, "{:?}", settings.warnings);
    };
    let alias = ("OPENSTACK_SCALED_IMAGE", "new");
    check(&[alias], "new", 0);
    check(&[alias, ("OPENSTACK_IMAGE", "")], "new", 0);
    check(&[alias, ("OPENSTACK_IMAGE", "new")], "new", 0);
    check(&[alias, ("OPENSTACK_IMAGE", "old")], "old", 1);
    let value = settings(&[("OPENSTACK_METADATA_SCALED_VALUE", "v")]).unwrap();
    assert_eq!(value.pool.template.metadata_value, "v");
}

#[test]
fn secrets_are_never_shown() {
    let secret = "s3cret-\u{2603}";
    for (setting, url) in [
        (
            "OS_AUTH_URL",
            "https://user:s3cret-\u{2603}@cloud.example/v3",
        ),
        ("OS_AUTH_URL", "https://cloud.example/v3?key=s3cret"),
        ("OS_AUTH_URL", "https://cloud.example/v3#s3cret"),
        (
            "OS_COMPUTE_ENDPOINT_OVERRIDE",
            "ftp://cloud.example/?s3cret",
        ),
        ("HTTPS_PROXY", "http://proxy.example/?s3cret"),
    ] {
        let environment = Environment::from_pairs([
            ("OS_AUTH_URL", "https://cloud.example/v3"),
            (setting, url),
            ("OS_USERNAME", "me"),
            ("OS_PASSWORD", secret),
            ("OS_TOKEN", secret),
            ("OS_APPLICATION_CREDENTIAL_SECRET", ""),
        ]);
        assert!(!format!("{environment:?}").contains("s3cret"));
        let (text, _) = simplescalevm::runtime::config(&environment, false);
        assert!(!text.contains("s3cret"), "{text}");
        match Settings::from_environment(&environment) {
            Ok(settings) => {
                assert!(!format!("{:?}", settings.warnings).contains("s3cret"));
                assert!(!format!("{:?}", settings.shown()).contains("s3cret"));
            }
            Err(error) => assert!(!error.to_string().contains("s3cret"), "{error}"),
        }
    }
    let settings = settings(&[("OS_PASSWORD", secret), ("OS_TOKEN", secret)]).unwrap();
    assert!(!format!("{settings:?}").contains("s3cret"));
    let shown: BTreeMap<&str, &str> = settings
        .shown()
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(shown["OS_PASSWORD"], "***");
    assert_eq!(shown["OS_APPLICATION_CREDENTIAL_SECRET"], "");
    assert_eq!(shown["OS_USERNAME"], "me");
    assert_eq!(shown["APP_PORT"], "8000");
    assert_eq!(shown["OPENSTACK_KEYPAIR"], "");
    assert!(!shown.contains_key("MOCK_PORT"));
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let environment = Environment::from_parts(LOGIN, Some((Path::new(".env"), &bytes)));
        let _ = Settings::from_environment(&environment);
    }

    #[test]
    fn no_text_makes_it_panic(text in "([A-C]|=|'|\"|\\\\|#|\\$|\\{|\\}|:-|\n|\r| |é|export |.){0,60}") {
        let environment = Environment::from_parts(LOGIN, Some((Path::new(".env"), text.as_bytes())));
        let _ = Settings::from_environment(&environment);
    }

    #[test]
    fn no_value_makes_it_panic(at in 0..variables().len(), value in "\\PC{0,40}|[-+0-9.e]{1,400}") {
        let name = variables()[at].name;
        let _ = settings(&[(name, &value)]);
    }

    #[test]
    fn no_name_makes_it_panic(name in "(APP|REPLICA|OS|_|-|\\PC){0,30}") {
        prop_assume!(!name.is_empty());
        let _ = settings(&[(&name, "x")]);
    }
}
