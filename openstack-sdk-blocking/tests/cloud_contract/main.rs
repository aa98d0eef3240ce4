//! What the client promises, against the cloud that the `OS_*` variables name: a real one or a mock.
//!
//! `. openrc; OS_CONTRACT=1 cargo test -p openstack-sdk-blocking --test cloud_contract`. Skipped, with a note, only if
//! `OS_CONTRACT` is not set. Servers are named `sdk-...` and deleted again, as are the floating IPs made here.
//!
//! Image, flavor, networks: `OS_CONTRACT_IMAGE`, `_FLAVOR`, `_NETWORK` (where floating IPs reach), `_FLOATING_NETWORK`;
//! `OS_CONTRACT_TRANSPORT=reqwest` for the other transport.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests read their cloud's address and wait for servers"
)]

mod changes;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use openstack_sdk_blocking::{
    Auth, Cloud, CloudConfig, CreateServer, Error, ErrorKind, FloatingIpQuery, FloatingIpUpdate,
    Request, Response, Secret, Server, ServerQuery, Service, Transport, TransportConfig,
    TransportError, UreqTransport,
};

const PATIENCE: Duration = Duration::from_secs(120);
const DESCRIPTION: &str = "sdk-contract";

/// One test at a time: they share a cloud.
static TURN: Mutex<()> = Mutex::new(());

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn setting(name: &str, default: &str) -> String {
    variable(&format!("OS_CONTRACT_{name}")).unwrap_or_else(|| default.to_owned())
}

fn config() -> CloudConfig {
    let files = |path: &Path| std::fs::read_to_string(path);
    let mut config = CloudConfig::from_vars(&variable, &files).unwrap();
    config.timeout = Duration::from_secs(60);
    config
}

fn connect(config: CloudConfig) -> Cloud {
    #[cfg(feature = "reqwest")]
    if variable("OS_CONTRACT_TRANSPORT").as_deref() == Some("reqwest") {
        let transport = openstack_sdk_blocking::ReqwestTransport::new(
            &openstack_sdk_blocking::TransportConfig {
                ca_file: config.ca_file.clone(),
                insecure: config.insecure,
                proxies: config.proxies.clone(),
            },
        );
        return Cloud::with_transport(config, Box::new(transport.unwrap())).unwrap();
    }
    Cloud::new(config).unwrap()
}

/// The cloud, and the turn; none if no cloud is set.
fn cloud(test: &str) -> Option<(Cloud, MutexGuard<'static, ()>)> {
    if variable("OS_CONTRACT").is_none() {
        eprintln!("{test}: skipped, OS_CONTRACT is not set");
        return None;
    }
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    Some((connect(config()), turn))
}

fn order(cloud: &Cloud, name: &str) -> CreateServer {
    let images = cloud
        .image()
        .find_images(&setting("IMAGE", "Debian 11"))
        .unwrap();
    let flavors = cloud
        .compute()
        .find_flavors(&setting("FLAVOR", "s1-2"))
        .unwrap();
    let networks = cloud
        .network()
        .find_networks(&setting("NETWORK", "internal"))
        .unwrap();
    CreateServer {
        name: format!("sdk-{name}"),
        image: images[0].id.clone(),
        flavor: flavors[0].id.clone(),
        networks: vec![networks[0].id.clone()],
        metadata: BTreeMap::from([("sdk".to_owned(), "contract ä".to_owned())]),
        user_data: Some("I2Nsb3VkLWNvbmZpZwo=".to_owned()),
        ..CreateServer::default()
    }
}

fn named(cloud: &Cloud, name: &str) -> Vec<Server> {
    let list = cloud
        .compute()
        .list_servers(&ServerQuery::default())
        .unwrap();
    let wanted = format!("sdk-{name}");
    list.servers
        .into_iter()
        .filter(|server| server.name.starts_with(&wanted))
        .collect()
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "{what} did not come");
        thread::sleep(Duration::from_millis(300));
    }
}

/// Deletes what the test made, also when it fails.
struct Cleanup<'a> {
    cloud: &'a Cloud,
    name: &'a str,
}

impl Drop for Cleanup<'_> {
    fn drop(&mut self) {
        let network = self.cloud.network();
        let query = FloatingIpQuery {
            description: Some(DESCRIPTION.to_owned()),
            ..FloatingIpQuery::default()
        };
        for address in network.floating_ips(&query).unwrap_or_default() {
            if let Err(error) = network.delete_floating_ip(&address.id) {
                eprintln!("clean-up: {error}");
            }
        }
        for server in named(self.cloud, self.name) {
            if let Err(error) = self.cloud.compute().delete_server(&server.id) {
                eprintln!("clean-up: {error}");
            }
        }
        wait_for("the end of the servers", || {
            named(self.cloud, self.name).is_empty().then_some(())
        });
    }
}

#[test]
fn logging_in() {
    let Some((cloud, _turn)) = cloud("logging_in") else {
        return;
    };
    let info = cloud.authenticate().unwrap();
    assert!(info.user_id.is_some() && !info.roles.is_empty(), "{info:?}");
    assert!(info.lifetime > Duration::from_secs(30), "{info:?}");
    let mut wrong = config();
    match &mut wrong.auth {
        Auth::Password { password, .. } => *password = Secret::new("wrong"),
        Auth::ApplicationCredential { secret, .. } => *secret = Secret::new("wrong"),
        Auth::Token(token) => *token = Secret::new("wrong"),
    }
    let error = connect(wrong).authenticate().unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Unauthorized, Some(401)),
        "{error}"
    );
    let mut elsewhere = config();
    elsewhere.region = Some("Nowhere".to_owned());
    let error = connect(elsewhere).compute().limits().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Catalog, "{error}");
    let mut rootless = config();
    rootless.auth_url = rootless.auth_url.trim_end_matches("/v3").to_owned();
    connect(rootless).authenticate().unwrap();
    let mut wrong_path = config();
    wrong_path.auth_url = rootless_path(&wrong_path.auth_url);
    let error = connect(wrong_path).authenticate().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongUrl, "{error}");
}

fn rootless_path(url: &str) -> String {
    format!("{}/nothing/v3", url.trim_end_matches("/v3"))
}

#[test]
fn looking_up() {
    let Some((cloud, _turn)) = cloud("looking_up") else {
        return;
    };
    let image = setting("IMAGE", "Debian 11");
    let images = cloud.image().find_images(&image).unwrap();
    assert!(
        images
            .iter()
            .all(|found| found.name == image && found.status == "active"),
        "{images:?}"
    );
    assert!(images[0].created_at.is_some(), "{images:?}");
    assert_eq!(
        cloud.image().find_images(&images[0].id).unwrap(),
        images[..1]
    );
    assert_eq!(cloud.image().find_images("no such image").unwrap(), []);
    let none = "00000000-0000-4000-8000-000000000000";
    assert_eq!(cloud.image().find_images(none).unwrap(), []);
    assert_eq!(
        cloud.image().image(none).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let flavors = cloud.compute().flavors().unwrap();
    assert_eq!(
        cloud.compute().find_flavors(&flavors[0].id).unwrap(),
        flavors[..1]
    );
    let networks = cloud
        .network()
        .find_networks(&setting("NETWORK", "internal"))
        .unwrap();
    assert_eq!(
        cloud.network().find_networks(&networks[0].id).unwrap(),
        networks
    );
    assert_eq!(
        cloud.network().find_networks("no such network").unwrap(),
        []
    );
    let subnets = cloud.network().subnets(&networks[0].id).unwrap();
    assert!(
        subnets.iter().any(|subnet| subnet.ip_version == 4),
        "{subnets:?}"
    );
    assert!(
        !cloud
            .network()
            .find_security_groups("default")
            .unwrap()
            .is_empty()
    );
    let missing = cloud.compute().keypair("no such keypair").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
    for keypair in cloud.compute().keypairs().unwrap() {
        assert_eq!(cloud.compute().keypair(&keypair.name).unwrap(), keypair);
    }
    let limits = cloud.compute().limits().unwrap();
    assert!(
        limits.max_total_instances.is_some() && limits.total_instances_used.is_some(),
        "{limits:?}"
    );
}

#[test]
fn what_is_not_there() {
    let Some((cloud, _turn)) = cloud("what_is_not_there") else {
        return;
    };
    let none = "00000000-0000-4000-8000-000000000000";
    let errors = [
        cloud.compute().server(none).map(drop).unwrap_err(),
        cloud.compute().delete_server(none).unwrap_err(),
        cloud.network().floating_ip(none).map(drop).unwrap_err(),
        cloud.network().delete_floating_ip(none).unwrap_err(),
        cloud
            .network()
            .update_floating_ip(none, &FloatingIpUpdate::detach(), Some(1))
            .map(drop)
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.request_id().is_some(), "{error}");
        assert!(!error.outcome_unknown(), "{error}");
    }
    let mut bad = order(&cloud, "bad");
    bad.key_name = Some("no such keypair".to_owned());
    let error = cloud.compute().create_servers(&bad).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest, "{error}");
    let mut bad = order(&cloud, "bad");
    bad.image = none.to_owned();
    let error = cloud.compute().create_servers(&bad).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest, "{error}");
}

type Told = (Service, Option<u16>);
type Operation<'a> = &'a dyn Fn() -> Result<(), Error>;

/// Spoils the token of one request.
struct Spoiling {
    inner: UreqTransport,
    armed: Arc<AtomicBool>,
}

impl Transport for Spoiling {
    fn send(&self, request: &Request) -> Result<Response, TransportError> {
        let mut request = request.clone();
        for (name, value) in &mut request.headers {
            if *name == "x-auth-token" && self.armed.swap(false, Ordering::SeqCst) {
                "worthless".clone_into(value);
            }
        }
        self.inner.send(&request)
    }
}

#[test]
fn a_token_that_is_no_longer_taken_is_renewed() {
    let Some((_, _turn)) = cloud("a_token_that_is_no_longer_taken_is_renewed") else {
        return;
    };
    let armed = Arc::new(AtomicBool::new(false));
    let transport = Spoiling {
        inner: UreqTransport::new(&TransportConfig::default()).unwrap(),
        armed: Arc::clone(&armed),
    };
    let mut cloud = Cloud::with_transport(config(), Box::new(transport)).unwrap();
    let told: Arc<Mutex<Vec<Told>>> = Arc::default();
    let log = Arc::clone(&told);
    cloud.on_request(Box::new(move |record| {
        log.lock().unwrap().push((record.service, record.status));
    }));
    let calls: [(Service, Operation<'_>); 3] = [
        (Service::Compute, &|| {
            cloud
                .compute()
                .list_servers(&ServerQuery::default())
                .map(drop)
        }),
        (Service::Network, &|| {
            cloud.network().networks(None).map(drop)
        }),
        (Service::Image, &|| cloud.image().images(None).map(drop)),
    ];
    for (service, call) in calls {
        call().unwrap();
        told.lock().unwrap().clear();
        armed.store(true, Ordering::SeqCst);
        call().unwrap();
        let expected = [
            (service, Some(401)),
            (Service::Identity, Some(201)),
            (service, Some(200)),
        ];
        assert_eq!(*told.lock().unwrap(), expected);
    }
}
