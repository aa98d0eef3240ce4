//! Logins and catalogs that lead elsewhere than where the pool is.

use super::cloud::{Cloud, Session, TENANT_PASSWORD, word};
use super::pool::{Context, PATIENCE_S, Pool};
use super::rig::{expect, stays, wait};
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;

/// No project in the settings: the user's default project is taken, and then somebody changes it.
pub(crate) fn default_project_changes(context: &Context) {
    let cloud = &context.cloud;
    let user = cloud.tenant(&context.name);
    let other = format!("{}-other", context.name);
    let there = cloud.tenant(&other).project_id();
    let role = cloud.admin.get("identity", "/roles?name=member");
    let path = format!(
        "/projects/{there}/users/{}/roles/{}",
        user.user_id(),
        word(&role["roles"][0]["id"])
    );
    cloud.admin.must("PUT", "identity", &path, &Value::Null);
    let (here, path) = (user.project_id(), format!("/users/{}", user.user_id()));
    // The same password besides, which makes all tokens worthless.
    let lead_to = |project: &str| {
        let change = json!({"user": {"default_project_id": project, "password": TENANT_PASSWORD}});
        cloud.admin.must("PATCH", "identity", &path, &change);
    };
    lead_to(&here);
    let mut pool = Pool::of(context, user, 2);
    for variable in ["OS_PROJECT_NAME", "OS_PROJECT_DOMAIN_NAME"] {
        pool.unset(variable);
    }
    pool.bring_up(2);
    let ids = pool.ids();
    lead_to(&there);
    // The client that logs in with the same settings is in the other project now, where there is nothing.
    let mine = Session::new(&context.name, TENANT_PASSWORD, &other);
    wait("an error", 90, || {
        let log = pool.log();
        expect(log.contains(&there) || log.contains(&other), &true)?;
        let failed = pool.status()["counters"]["failed_cycles"].as_u64();
        expect(failed > Some(0), &true)
    });
    stays("the pool", 15, || expect(pool.ids(), &ids));
    assert_eq!(pool.made(), 2, "servers made in all, in both projects");
    let elsewhere = mine.list_servers("limit=50").expect("a list");
    assert_eq!(
        elsewhere,
        Vec::<Value>::new(),
        "servers in the other project"
    );
    lead_to(&here);
    wait("an end of the errors", PATIENCE_S, || {
        let log = pool.log();
        expect(log.contains("the cloud can be listed again"), &true)
    });
    pool.wait_up(2);
    pool.assert_settled(2, 4);
    pool.kill();
    pool.clean_up();
    drop(pool);
    cloud.forget_tenant(&other);
}

/// A second region with endpoints of its own, until it goes.
struct SecondRegion<'a>(&'a Cloud, Vec<String>);

impl<'a> SecondRegion<'a> {
    fn new(cloud: &'a Cloud) -> Self {
        let mut region = Self(cloud, Vec::new());
        let order = json!({"region": {"id": "RegionTwo"}});
        cloud.admin.must("POST", "identity", "/regions", &order);
        region.1.push("/regions/RegionTwo".to_owned());
        let services = cloud.admin.get("identity", "/services");
        let services = services["services"].as_array().cloned().unwrap_or_default();
        for (kind, url) in [
            ("image", "http://127.0.0.1:9/image"),
            ("network", "http://127.0.0.1:9/network"),
        ] {
            let service = services.iter().find(|service| service["type"] == kind);
            let order = json!({"endpoint": {
                "service_id": service.expect("the service")["id"], "region_id": "RegionTwo",
                "interface": "public", "url": url}});
            let made = cloud.admin.must("POST", "identity", "/endpoints", &order);
            let id = word(&made["endpoint"]["id"]);
            region.1.push(format!("/endpoints/{id}"));
        }
        region
    }
}

impl Drop for SecondRegion<'_> {
    fn drop(&mut self) {
        for path in self.1.iter().rev() {
            let _ = self.0.admin.call("DELETE", "identity", path, &Value::Null);
        }
    }
}

/// No region in the settings and two in the catalog: nothing is guessed.
pub(crate) fn two_regions(context: &Context) {
    let mut pool = Pool::new(context, 1);
    let second = SecondRegion::new(&context.cloud);
    pool.unset("OS_REGION_NAME");
    let output = pool.run(&["check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for word in ["OS_REGION_NAME", "RegionOne", "RegionTwo"] {
        assert!(said.contains(word), "check names {word}:\n{said}");
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    pool.start();
    sleep(Duration::from_secs(8));
    assert_eq!((pool.creations(), pool.made()), (0, 0), "nothing is done");
    let log = pool.log();
    for word in ["OS_REGION_NAME", "RegionOne", "RegionTwo"] {
        assert!(log.contains(word), "the log names {word}:\n{log}");
    }
    pool.kill();
    pool.set("OS_REGION_NAME", "RegionOne");
    pool.bring_up(1);
    // It comes up without a region as well, once there is only one.
    drop(second);
    pool.kill();
    pool.unset("OS_REGION_NAME");
    pool.start();
    wait("the pool without a region", 60, || {
        expect(pool.serving(), &1)
    });
    pool.assert_settled(1, 4);
}
