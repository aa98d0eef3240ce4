//! OpenStack as the cloud, over answers of a cloud that make no sense.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use openstack_sdk_blocking::{
    Auth, Cloud, CloudConfig, ProjectRef, Request, Response, Scope, Transport, TransportError,
    UserRef,
};
use serde_json::{Value, json};
use simplescalevm::cloud::openstack::OpenStack;
use simplescalevm::cloud::{Cloud as _, ServerTemplate, Sight};
use simplescalevm::pool::{Moment, Server, ServerState};
use std::sync::{Arc, Mutex};

/// A cloud whose list of servers is set, and that knows one by one those that are there.
#[derive(Default)]
struct Fake {
    list: Vec<Value>,
    one_by_one: Vec<Value>,
    asked: Vec<String>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Fake>>);

impl Transport for Shared {
    fn send(&self, request: &Request) -> Result<Response, TransportError> {
        let mut fake = self.0.lock().unwrap();
        let path = request.url.strip_prefix("http://cloud").unwrap().to_owned();
        let answer = |status, body: Value| {
            Ok(Response {
                status,
                headers: vec![("x-subject-token".to_owned(), "token".to_owned())],
                body: body.to_string().into_bytes(),
            })
        };
        let endpoint = |kind: &str| {
            json!({"type": kind, "endpoints": [{"interface": "public", "region": "R",
            "url": format!("http://cloud/{kind}/v2.1")}]})
        };
        match path.as_str() {
            "/v3/auth/tokens" => answer(
                201,
                json!({"token": {"project": {"id": "p"}, "catalog": [endpoint("compute")]}}),
            ),
            "/compute/v2.1/" => answer(
                200,
                json!({"version": {"id": "v2.1", "version": "2.96", "min_version": "2.1"}}),
            ),
            "/compute/v2.1/servers/detail" => answer(200, json!({"servers": fake.list})),
            other => {
                let id = other.rsplit('/').next().unwrap().to_owned();
                let found = fake.one_by_one.iter().find(|s| s["id"] == id).cloned();
                fake.asked.push(id);
                match found {
                    Some(server) => answer(200, json!({"server": server})),
                    None => answer(404, json!({"itemNotFound": {"message": "not there"}})),
                }
            }
        }
    }
}

fn open_stack(cloud: &Shared) -> (OpenStack, Sight) {
    let auth = Auth::Password {
        user: UserRef::Id("u".to_owned()),
        password: "secret".into(),
    };
    let scope = Scope::Project(ProjectRef::Id("p".to_owned()));
    let config = CloudConfig::new("http://cloud/v3", auth, scope);
    let session = Cloud::with_transport(config, Box::new(cloud.clone())).unwrap();
    let template = ServerTemplate {
        name: "gateway".to_owned(),
        unique_names: true,
        image: "image".to_owned(),
        flavor: "flavor".to_owned(),
        network: "net".to_owned(),
        ip_version: 4,
        metadata_key: "group".to_owned(),
        metadata_value: "scaled".to_owned(),
        floating_ip_description: "scaled".to_owned(),
        keypair: None,
        cloud_init_file: None,
        security_groups: Vec::new(),
        availability_zone: None,
    };
    let sight = Sight {
        template: Arc::new(template),
        ..Sight::default()
    };
    (OpenStack::new(session), sight)
}

fn member(id: &str) -> Value {
    json!({"id": id, "name": "gateway", "status": "ACTIVE", "OS-EXT-STS:vm_state": "active",
        "created": "2026-01-01T00:00:00Z", "metadata": {"group": "scaled"}, "locked": false,
        "addresses": {"net": [{"addr": "127.0.0.7", "version": 4, "OS-EXT-IPS:type": "fixed"}]}})
}

fn changed(id: &str, change: &Value) -> Value {
    let mut server = member(id);
    for (key, value) in change.as_object().unwrap() {
        server[key] = value.clone();
    }
    server
}

/// Lists those servers, as one that remembers the replicas of the list before.
fn list(
    cloud: &Shared,
    (open_stack, sight): &mut (OpenStack, Sight),
    servers: Vec<Value>,
) -> Vec<Server> {
    cloud.0.lock().unwrap().list = servers;
    let listed = open_stack.list(Moment::default(), sight).unwrap().servers;
    let is_known =
        |server: &&Server| server.state != ServerState::Unknown || sight.known.contains(&server.id);
    let known = listed
        .iter()
        .filter(is_known)
        .map(|server| server.id.clone());
    sight.known = Arc::new(known.collect());
    listed
}

fn running() -> ServerState {
    ServerState::Running("127.0.0.7".parse().unwrap())
}

fn held() -> ServerState {
    ServerState::Held("unreadable".to_owned())
}

/// What a member of the pool is after its answer changed, and what one is that is seen so for the first time.
#[test]
fn a_member_that_cannot_be_read_is_unknown() {
    let unknown = || (ServerState::Unknown, held());
    let untold = || (ServerState::Unknown, ServerState::Unknown);
    let as_before = || (running(), running());
    let address =
        |addr: Value| json!({"net": [{"addr": addr, "version": 4, "OS-EXT-IPS:type": "fixed"}]});
    let cases = [
        (json!({}), as_before()),
        (
            json!({"created": "yesterday", "flavor": 5, "image": [], "updated": {}}),
            as_before(),
        ),
        (
            json!({"metadata": {"group": "scaled", "other": 5}}),
            as_before(),
        ),
        (
            json!({"addresses": {"net": [{"addr": ""}, {"addr": "127.0.0.7", "version": 4}]}}),
            as_before(),
        ),
        (json!({"addresses": null}), unknown()),
        (json!({"addresses": "none"}), unknown()),
        (json!({"addresses": {"net": null, "x": 5}}), unknown()),
        (json!({"addresses": address(Value::Null)}), unknown()),
        (json!({"addresses": address("".into())}), unknown()),
        (json!({"addresses": address(json!(5))}), unknown()),
        (json!({"OS-EXT-STS:vm_state": 5}), unknown()),
        (
            json!({"OS-EXT-STS:task_state": {"deleting": true}}),
            unknown(),
        ),
        (json!({"OS-EXT-STS:vm_state": null, "status": 5}), unknown()),
        (json!({"metadata": null}), untold()),
        (json!({"metadata": "group=scaled"}), untold()),
        (json!({"metadata": {"group": 5}}), untold()),
        (json!({"metadata": {"group": null}}), untold()),
        // Not unread: Nova says that it has none, and that it runs.
        (json!({"addresses": {}}), {
            let none = ServerState::Creating(simplescalevm::pool::Creating::NoAddress);
            (none.clone(), none)
        }),
    ];
    for (change, (after, first)) in cases {
        let cloud = Shared::default();
        let mut open_stack = open_stack(&cloud);
        let good = list(&cloud, &mut open_stack, vec![member("a"), member("b")]);
        assert!(good.iter().all(|server| server.state == running()));
        let other = [changed("a", &change), member("b"), changed("c", &change)];
        for _ in 0..3 {
            let servers = list(&cloud, &mut open_stack, other.to_vec());
            let state = |id: &str| {
                let found = servers.iter().find(|server| server.id.as_str() == id);
                found
                    .unwrap_or_else(|| panic!("{change}: {id} is absent"))
                    .state
                    .clone()
            };
            assert_eq!(state("a"), after, "{change}");
            assert_eq!(state("b"), running(), "{change}");
            // Once it is of the pool, it is a member as the others are.
            let expected = [&first, &after];
            assert!(
                expected.contains(&&state("c")),
                "{change}: {:?}",
                state("c")
            );
        }
        let servers = list(&cloud, &mut open_stack, vec![member("a"), member("b")]);
        assert!(
            servers.iter().all(|server| server.state == running()),
            "{change}"
        );
        let gone = list(&cloud, &mut open_stack, vec![member("b")]);
        assert_eq!(gone.len(), 1, "{change}: a well-read list is believed");
    }
}

#[test]
fn a_lock_that_cannot_be_read_may_be_one() {
    for (lock, expected) in [
        (json!(true), true),
        (json!(false), false),
        (json!("true"), true),
        (json!("yes"), true),
        (json!(1), true),
        (json!({}), true),
        (Value::Null, false),
    ] {
        let cloud = Shared::default();
        let mut open_stack = open_stack(&cloud);
        let change = json!({"locked": lock});
        let servers = list(&cloud, &mut open_stack, vec![changed("a", &change)]);
        assert_eq!(
            (servers[0].locked, &servers[0].state),
            (expected, &running()),
            "{lock}"
        );
    }
}

#[test]
fn a_strangers_odd_server_is_not_of_the_pool() {
    for odd in [
        json!(5),
        json!({"id": "s", "metadata": {"x": 5}}),
        json!({"id": "s", "metadata": {}, "addresses": null}),
        json!({"id": "s", "metadata": {"group": "other"}, "addresses": {"net": [{"addr": ""}]}}),
        json!({"id": "s", "metadata": {}, "OS-EXT-STS:vm_state": 5, "locked": "yes"}),
    ] {
        let cloud = Shared::default();
        let mut open_stack = open_stack(&cloud);
        let servers = list(&cloud, &mut open_stack, vec![odd.clone(), member("a")]);
        assert_eq!(servers.len(), 1, "{odd}: {servers:?}");
        assert_eq!(servers[0].state, running(), "{odd}");
    }
}
