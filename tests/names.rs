//! What the names in the settings stand for, and where the login leads: over a pool's life.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use openstack_sdk_blocking::{Auth, Cloud, CloudConfig, DomainRef, ProjectRef, Scope, UserRef};
use serde_json::{Value, json};
use simplescalevm::cloud::openstack::OpenStack;
use simplescalevm::cloud::{Catalogue, Cloud as _, CloudError, CloudErrorKind, ServerTemplate};
use simplescalevm::pool::{NameChange, NamedThing};
use simplescalevm_mock::MockCloud;
use support::{Daemon, counter, quick_cloud, requests};

/// A pool on that cloud, and what its names stood for when they were last looked up.
struct Pool(OpenStack, ServerTemplate, Option<Catalogue>);

impl Pool {
    /// Looks the names up: those that have changed.
    fn look_up(&mut self) -> Result<Vec<NameChange>, CloudError> {
        let found = self.0.look_up(&self.1, self.2.as_ref())?;
        self.2 = Some(found.catalogue);
        Ok(found.changes)
    }
}

/// A pool on that cloud as the daemon would have it.
fn pool(cloud: &MockCloud, change: impl FnOnce(&mut ServerTemplate)) -> Pool {
    let env: std::collections::BTreeMap<_, _> = cloud.env().into_iter().collect();
    let domain = || DomainRef::Name("Default".to_owned());
    let auth = Auth::Password {
        user: UserRef::Name {
            name: env["OS_USERNAME"].clone(),
            domain: domain(),
        },
        password: env["OS_PASSWORD"].as_str().into(),
    };
    let scope = Scope::Project(ProjectRef::Name {
        name: env["OS_PROJECT_NAME"].clone(),
        domain: domain(),
    });
    let config = CloudConfig::new(cloud.auth_url(), auth, scope);
    let mut template = ServerTemplate {
        name: "server".into(),
        unique_names: true,
        image: "Debian 11".into(),
        flavor: "d2-8".into(),
        network: "internal".into(),
        ip_version: 4,
        metadata_key: "group".into(),
        metadata_value: "scaled".into(),
        floating_ip_description: "server".into(),
        keypair: None,
        cloud_init_file: None,
        security_groups: vec!["default".into()],
        availability_zone: None,
    };
    change(&mut template);
    Pool(OpenStack::new(Cloud::new(config).unwrap()), template, None)
}

fn make(cloud: &MockCloud, kind: &str, body: &Value) -> String {
    let made = cloud.control("POST", kind, body).unwrap();
    made["id"].as_str().unwrap().to_owned()
}

fn id_of(cloud: &MockCloud, kind: &str, name: &str) -> String {
    let all = cloud.state()["ids"][kind].clone();
    let mut all = all.as_array().unwrap().iter();
    let found = all.find(|one| one["name"] == name).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

#[test]
fn the_newest_active_image_is_used_from_the_next_look_on() {
    let cloud = quick_cloud(|_| {});
    let mut pool = pool(&cloud, |_| {});
    assert_eq!(pool.look_up().unwrap(), []);
    let old = id_of(&cloud, "images", "Debian 11");
    for status in ["queued", "deactivated"] {
        make(
            &cloud,
            "images",
            &json!({ "name": "Debian 11", "status": status }),
        );
    }
    assert_eq!(pool.look_up().unwrap(), []);
    let new = make(&cloud, "images", &json!({ "name": "Debian 11" }));
    let changes = pool.look_up().unwrap();
    let change = NameChange {
        thing: NamedThing::Image,
        setting: "OPENSTACK_IMAGE=Debian 11".to_owned(),
        old,
        new: new.clone(),
    };
    assert_eq!(changes, [change]);
    assert_eq!(pool.look_up().unwrap(), [], "told once");
    // A look that fails changes nothing.
    cloud
        .control("DELETE", "networks/internal", &json!({}))
        .unwrap();
    let error = pool.look_up().unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Lookup);
    make(
        &cloud,
        "networks",
        &json!({ "name": "internal", "external": false, "shared": false }),
    );
    let changes = pool.look_up().unwrap();
    let things: Vec<NamedThing> = changes.iter().map(|change| change.thing).collect();
    assert_eq!(things, [NamedThing::Network]);
}

#[test]
fn an_image_of_the_community_never_takes_the_place_of_another() {
    let cloud = quick_cloud(|_| {});
    let own = make(
        &cloud,
        "images",
        &json!({ "name": "Gateway", "visibility": "private" }),
    );
    let mut pool = pool(&cloud, |template| template.image = "Gateway".into());
    pool.look_up().unwrap();
    cloud
        .control("DELETE", &format!("images/{own}"), &json!({}))
        .unwrap();
    make(
        &cloud,
        "images",
        &json!({ "name": "Gateway", "visibility": "community", "owner": "stranger" }),
    );
    let error = pool.look_up().unwrap_err();
    assert!(
        error.to_string().contains("anybody can make one"),
        "{error}"
    );
}

/// Nova finds a group that another project shares by its id alone.
#[test]
fn security_groups_go_out_by_id() {
    let cloud = quick_cloud(|_| {});
    let id = make(&cloud, "security-groups", &json!({ "name": "sip" }));
    let more = [("OPENSTACK_SECURITY_GROUPS", "sip")];
    let daemon = Daemon::start(&cloud, &more);
    daemon.wait_for_available(3);
    let creations = requests(&cloud, "service=nova&method=POST&path=/servers");
    let body = &creations[0]["body"]["server"]["security_groups"];
    assert_eq!(*body, json!([{ "name": id }]));
}

/// Why nothing can be made, as the page has it.
fn unprepared(status: &Value) -> Option<String> {
    let mut reasons = status["severity_reasons"].as_array()?.iter();
    let found = reasons.find(|reason| reason["reason"] == "not-prepared")?;
    found["text"].as_str().map(str::to_owned)
}

#[test]
fn the_page_names_the_setting_for_as_long_as_its_name_stands_for_nothing() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    cloud
        .control("DELETE", "images/Debian 11", &json!({}))
        .unwrap();
    cloud.set_termination("server-1", true).unwrap();
    daemon.wait_for_status("the setting", |s| unprepared(s).is_some());
    let text = unprepared(&daemon.status()).unwrap();
    let words = "What a new server needs cannot be found: ";
    let error = text.strip_prefix(words).unwrap();
    assert!(error.starts_with("OPENSTACK_IMAGE=Debian 11: "), "{text}");
    assert!(
        daemon.log().contains(&format!(": {error}")),
        "{text}\n{}",
        daemon.log()
    );
    make(&cloud, "images", &json!({ "name": "Debian 11" }));
    daemon.wait_for_available(3);
    assert_eq!(unprepared(&daemon.status()), None);
}

#[test]
fn the_page_names_a_cloud_init_file_that_is_gone() {
    let cloud = quick_cloud(|_| {});
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("names-gone.yml");
    std::fs::write(&path, "#cloud-config\n").unwrap();
    let more = [("OPENSTACK_CLOUD_INIT_FILE", path.to_str().unwrap())];
    let daemon = Daemon::start(&cloud, &more);
    daemon.wait_for_available(3);
    std::fs::remove_file(&path).unwrap();
    cloud.set_termination("server-1", true).unwrap();
    daemon.wait_for_status("the setting", |s| {
        unprepared(s).is_some_and(|text| text.contains("OPENSTACK_CLOUD_INIT_FILE: "))
    });
    std::fs::write(&path, "#cloud-config\n").unwrap();
    daemon.wait_for_available(3);
    assert_eq!(unprepared(&daemon.status()), None);
}

#[test]
fn what_nova_refuses_comes_with_its_remedy() {
    let cloud = quick_cloud(|_| {});
    make(&cloud, "flavors", &json!({ "name": "thin", "disk": 0 }));
    let daemon = Daemon::start(&cloud, &[("OPENSTACK_FLAVOR", "thin")]);
    let expected = "-> set OPENSTACK_FLAVOR to a flavor with a disk";
    daemon.wait("the remedy", || daemon.log().contains(expected));
}

#[test]
fn a_pool_stays_in_its_project() {
    let cloud = quick_cloud(|c| c.token_lifetime = std::time::Duration::from_secs(1));
    let project = cloud.state()["ids"]["project"].as_str().unwrap().to_owned();
    cloud.set(&json!({ "default_project": project })).unwrap();
    let unset = [
        ("OS_PROJECT_NAME", ""),
        ("OS_PROJECT_DOMAIN_NAME", ""),
        ("OS_REGION_NAME", ""),
    ];
    let daemon = Daemon::start(&cloud, &unset);
    daemon.wait_for_available(3);
    let told =
        format!("for project scaler ({project}), region RegionOne; this holds until the end");
    assert!(daemon.log().contains(&told), "{}", daemon.log());
    cloud
        .set(&json!({ "default_project": "0123456789abcdef" }))
        .unwrap();
    let error = "the login leads to project elsewhere (0123456789abcdef) now, and this process was started for project";
    daemon.wait("the error", || daemon.log().contains(error));
    assert!(
        daemon
            .log()
            .contains("-> set OS_PROJECT_ID and OS_REGION_NAME")
    );
    let since = cloud.log("").len();
    daemon.wait("three more logins", || {
        let log = cloud.log("");
        log[since.min(log.len())..]
            .iter()
            .filter(|r| r["service"] == "keystone")
            .count()
            >= 3
    });
    // Nobody was asked with such a token, and nothing made.
    let strangers: Vec<_> = cloud.log("")[since..]
        .iter()
        .filter(|r| r["service"] == "nova" || r["service"] == "neutron")
        .cloned()
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    assert_eq!(counter(&cloud, "created"), 3);
    cloud.set(&json!({ "default_project": project })).unwrap();
    daemon.wait("a list again", || {
        daemon.log().contains("can be listed again")
    });
    assert_eq!(counter(&cloud, "created"), 3);
}

#[test]
fn a_pool_stays_in_its_region() {
    let cloud = quick_cloud(|c| c.token_lifetime = std::time::Duration::from_secs(1));
    let daemon = Daemon::start(&cloud, &[("OS_REGION_NAME", "")]);
    daemon.wait_for_available(3);
    cloud.set(&json!({ "regions": "RegionTwo" })).unwrap();
    let error = "the login leads to region RegionTwo now";
    daemon.wait("the error", || daemon.log().contains(error));
    assert_eq!(counter(&cloud, "created"), 3);
}

#[test]
fn the_log_names_target_cause_and_remedy_as_check_does() {
    let cloud = quick_cloud(|_| {});
    let check = |more: &[(&'static str, &str)], parts: &[&str]| {
        let daemon = Daemon::start(&cloud, more);
        for part in parts {
            daemon.wait(part, || daemon.log().contains(part));
        }
        assert_eq!(counter(&cloud, "created"), 0);
    };
    check(
        &[("OS_REGION_NAME", "regionone-x")],
        &[
            "in region regionone-x; its endpoints: ",
            "did you mean RegionOne?",
            "-> set OS_REGION_NAME to one of: RegionOne",
        ],
    );
    check(
        &[("OS_PROJECT_NAME", "scalers")],
        &[
            "and at the project (OS_PROJECT_ID",
            "they have no project scalers; there are: scaler; did you mean scaler?",
            "no file at ",
        ],
    );
    check(
        &[("OS_AUTH_URL", "http://127.0.0.1:9/v3")],
        &["no connection to 127.0.0.1:9", "-> is OS_AUTH_URL right"],
    );
    check(
        &[("OPENSTACK_FLAVOR", "d2-9")],
        &[
            "OPENSTACK_FLAVOR=d2-9: there is no flavor of that name or id; did you mean d2-8? -> openstack flavor list",
        ],
    );
}
