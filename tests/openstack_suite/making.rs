//! How servers are made, and what happens when the cloud does not make them.

use super::cloud::{Session, TENANT_PASSWORD, word};
use super::pool::{Context, PATIENCE_S, Pool, address_of};
use super::replicas::Behaviour;
use super::rig::{Undo, expect, stays, wait};
use super::watch::is_there;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;

/// The settings that describe a server, as the cloud has them afterwards.
pub(crate) fn settings_arrive(context: &Context) {
    // `I2Nsb3...` is what base64 makes of it.
    const CLOUD_INIT: &str = "#cloud-config\nhostname: replica\n";
    const ENCODED: &str = "I2Nsb3VkLWNvbmZpZwpob3N0bmFtZTogcmVwbGljYQo=";
    let mut pool = Pool::new(context, 1);
    let name = pool.name.clone();
    let group = json!({"security_group": {"name": name, "description": "of a test"}});
    let group = pool
        .user
        .must("POST", "network", "/security-groups", &group);
    let group = word(&group["security_group"]["id"]);
    let file = pool.directory.join("cloud init.yml");
    std::fs::write(&file, CLOUD_INIT).expect("a file");
    for (variable, value) in [
        ("OPENSTACK_CLOUD_INIT_FILE", "cloud init.yml"),
        ("OPENSTACK_KEYPAIR", "ops"),
        ("OPENSTACK_SECURITY_GROUPS", &format!("default, {name}")),
        ("OPENSTACK_METADATA_KEY", "sipmediagw.group"),
        ("OPENSTACK_FLAVOR", "s1-2"),
        ("OPENSTACK_NETWORK", "internal"),
        ("OPENSTACK_AVAILABILITY_ZONE", "nova"),
    ] {
        pool.set(variable, value);
    }
    pool.bring_up(1);
    let server = &pool.servers()[0];
    // The daemon's own marks stand beside the pool's key.
    let mut metadata = server["metadata"].as_object().expect("metadata").clone();
    metadata.retain(|key, _| !key.starts_with("simplescalevm."));
    let own_name = word(&server["name"]);
    let part = own_name.strip_prefix(&format!("{name}-"));
    assert!(
        part.is_some_and(|part| !part.is_empty()),
        "a name of its own: {own_name}"
    );
    let seen = json!({
        "metadata": metadata, "key": server["key_name"],
        "flavor": server["flavor"]["original_name"], "image": server["image"]["id"],
        "zone": server["OS-EXT-AZ:availability_zone"],
        "user_data": server["OS-EXT-SRV-ATTR:user_data"],
    });
    let wanted = json!({
        "metadata": {"sipmediagw.group": name}, "key": "ops", "flavor": "s1-2",
        "image": context.cloud.id_of("image", "images", "Debian 11"),
        "zone": "nova", "user_data": ENCODED,
    });
    assert_eq!(seen, wanted);
    let networks: Vec<&String> = server["addresses"]
        .as_object()
        .expect("addresses")
        .keys()
        .collect();
    assert_eq!(networks, ["internal"]);
    let groups = server["security_groups"].as_array().into_iter().flatten();
    let mut groups: Vec<String> = groups.map(|group| word(&group["name"])).collect();
    groups.sort();
    assert_eq!(groups, ["default".to_owned(), name]);
    pool.kill();
    pool.clean_up();
    pool.user.must(
        "DELETE",
        "network",
        &format!("/security-groups/{group}"),
        &Value::Null,
    );
}

/// Ext-Net has both kinds of addresses. Nobody has the IPv6 ones, so only `plan` is asked.
pub(crate) fn ip_version(context: &Context) {
    let mut pool = Pool::new(context, 1);
    pool.foreign_server("one", &json!({"group": pool.name.clone()}), "Ext-Net");
    for (version, beginning, state) in [("4", "127.64.", "serving"), ("6", "fd00:64:", "starting")]
    {
        pool.set("OPENSTACK_IP_VERSION", version);
        let output = pool.run(&["plan", "--json"]);
        let plan: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let replica = &plan["replicas"][0];
        assert!(
            word(&replica["address"]).starts_with(beginning),
            "{replica}"
        );
        assert_eq!(replica["state"], state, "{replica}");
        assert_eq!(plan["plan"]["actions"], json!([]), "{}", plan["plan"]);
    }
    let server = &pool.servers()[0];
    assert!(
        pool.replicas.probes(super::pool::address_of(server)) > 0,
        "IPv4 was probed"
    );
    pool.set("OPENSTACK_NETWORK", "internal");
    pool.set("OPENSTACK_IP_VERSION", "4");
    let output = pool.run(&["plan", "--json"]);
    let plan: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        plan["replicas"][0]["state"], "creating",
        "no address on that network"
    );
}

/// Two fit, three are wanted.
pub(crate) fn quota(context: &Context) {
    let user = context.cloud.tenant(&context.name);
    let set = |instances: u64| {
        let path = format!("/os-quota-sets/{}", user.project_id());
        let quota = json!({"quota_set": {"instances": instances, "force": true}});
        context.cloud.admin.must("PUT", "compute", &path, &quota);
    };
    set(2);
    let mut pool = Pool::of(
        context,
        Session::new(&context.name, TENANT_PASSWORD, &context.name),
        3,
    );
    pool.start();
    pool.wait_active(2);
    wait("the refusal", 60, || {
        let status = pool.status();
        expect(status["backoff"]["cause"].clone(), &json!("quota"))
    });
    let asked = pool.creations();
    stays("the pool", 12, || expect(pool.ids().len(), &2));
    let again = pool.creations() - asked;
    assert!(again <= 1, "{again} more requests in 12 s");
    assert_eq!(pool.available(), Some(2));
    set(20);
    pool.wait_up(3);
    pool.assert_settled(3, 4);
    context.note(format!("{} POSTs in all", pool.creations()));
}

/// A flavor that asks for what no host has.
fn unobtainable(context: &Context, name: &str) -> String {
    let admin = &context.cloud.admin;
    let flavor = json!({"flavor": {"name": name, "vcpus": 1, "ram": 256, "disk": 1}});
    let flavor = admin.must("POST", "compute", "/flavors", &flavor);
    let flavor = word(&flavor["flavor"]["id"]);
    let wish = json!({"extra_specs": {"resources:CUSTOM_UNOBTAINIUM": "1"}});
    let specs = format!("/flavors/{flavor}/os-extra_specs");
    admin.must("POST", "compute", &specs, &wish);
    flavor
}

/// The flavor asks for what no host has. Each server that fails is deleted, and ever fewer are tried.
pub(crate) fn no_valid_host(context: &Context) {
    let mut pool = Pool::new(context, 2);
    let admin = &context.cloud.admin;
    let flavor = unobtainable(context, &pool.name);
    let specs = format!("/flavors/{flavor}/os-extra_specs");
    let name = pool.name.clone();
    pool.set("OPENSTACK_FLAVOR", &name);
    pool.start();
    wait("a failed creation", 60, || {
        expect(pool.creations() > 0, &true)
    });
    sleep(Duration::from_secs(25));
    let (asked, made) = (pool.creations(), pool.made());
    // After 0, 10 and 30 s.
    assert!(
        asked <= 3 && made <= 6,
        "{asked} requests, {made} servers in 25 s"
    );
    assert!(pool.log().contains("No valid host"), "the fault is told");
    let path = format!("{specs}/resources:CUSTOM_UNOBTAINIUM");
    admin.must("DELETE", "compute", &path, &Value::Null);
    pool.wait_up(2);
    wait("the end of the failed ones", 30, || {
        expect(pool.servers().len(), &2)
    });
    let all = pool.made();
    pool.assert_settled(all, 4);
    context.note(format!(
        "{made} servers made in the first 25 s, {all} in all"
    ));
    pool.kill();
    pool.clean_up();
    admin.must(
        "DELETE",
        "compute",
        &format!("/flavors/{flavor}"),
        &Value::Null,
    );
}

pub(crate) fn make_image(context: &Context, name: &str) -> String {
    let order = json!({"name": name, "disk_format": "raw", "container_format": "bare", "visibility": "public"});
    let admin = &context.cloud.admin;
    let image = word(&admin.must("POST", "image", "/images", &order)["id"]);
    let data = Value::String("\0".repeat(65_536));
    admin.must("PUT", "image", &format!("/images/{image}/file"), &data);
    image
}

/// The name that the configuration has stands for nothing, then for an image, then for another one.
pub(crate) fn image_renamed(context: &Context) {
    let mut pool = Pool::new(context, 1);
    let name = pool.name.clone();
    let image = make_image(context, &name);
    let admin = &context.cloud.admin;
    let rename = |name: &str| {
        let change = json!([{"op": "replace", "path": "/name", "value": name}]);
        admin.must("PATCH", "image", &format!("/images/{image}"), &change);
    };
    pool.set("OPENSTACK_IMAGE", &name);
    rename("elsewhere");
    pool.start();
    wait("the error", 30, || {
        let status = pool.status();
        let told = status["incidents"].to_string();
        expect(told.contains(&format!("OPENSTACK_IMAGE={name}")), &true)
    });
    stays("an empty pool", 5, || {
        expect((pool.ids().len(), pool.creations()), &(0, 0))
    });
    rename(&name);
    pool.wait_up(1);
    // The id that is kept is now nobody's: it is looked up again.
    let other = make_image(context, &name);
    admin.must("DELETE", "image", &format!("/images/{image}"), &Value::Null);
    let first = pool.ids().remove(0);
    pool.user.must(
        "DELETE",
        "compute",
        &format!("/servers/{first}"),
        &Value::Null,
    );
    pool.wait_replaced(&first, 1);
    assert_eq!(pool.servers()[0]["image"]["id"], other.as_str());
    pool.assert_settled(2, 4);
    pool.kill();
    pool.clean_up();
    admin.must("DELETE", "image", &format!("/images/{other}"), &Value::Null);
}

/// Nova makes the servers, and the client is told 500.
pub(crate) fn lost_answer(context: &Context) {
    let mut pool = Pool::new(context, 3);
    let name = pool.name.clone();
    let fault = |after: bool| {
        json!([{"method": "POST", "path": "/servers$", "body_has": name, "status": 500, "after": after}])
            .to_string()
    };
    let undo = Undo(&context.rig, &["fault", "nova", "off"]);
    context.rig.ctl(&["fault", "nova", &fault(true)]);
    pool.start();
    wait("the creation", 60, || expect(pool.creations(), &1));
    pool.wait_up(3);
    pool.assert_settled(3, 10);
    let entry = context
        .rig
        .requests("POST", "/servers", &pool.name)
        .remove(0);
    assert_eq!(entry.status(), 500, "what the daemon was told");
    assert_eq!(pool.creations(), 1, "one POST");
    // This time it made nothing: it is asked again, but not at once.
    context.rig.ctl(&["fault", "nova", &fault(false)]);
    let server = pool.servers().remove(0);
    // What answers is not gone because the cloud says so once.
    pool.replicas.set(address_of(&server), Behaviour::Closed);
    let first = word(&server["id"]);
    pool.user.must(
        "DELETE",
        "compute",
        &format!("/servers/{first}"),
        &Value::Null,
    );
    wait("the next creation", 60, || expect(pool.creations(), &2));
    drop(undo);
    pool.wait_replaced(&first, 3);
    let posts = context.rig.requests("POST", "/servers", &pool.name);
    let pause = posts[2].begin() - posts[1].end();
    assert!(
        posts.len() == 3 && pause > 28.0,
        "{} POSTs, {pause:.1} s between",
        posts.len()
    );
    pool.assert_settled(4, 4);
    context.note(format!(
        "after a 500 that made nothing: next POST after {pause:.1} s"
    ));
}

/// SIGKILL while the answer to the creation is under way, and again while the servers are being built.
pub(crate) fn killed(context: &Context) {
    let mut pool = Pool::new(context, 4);
    let rule =
        json!([{"method": "POST", "path": "/servers$", "body_has": pool.name, "delay_after": 1.5}]);
    // Not the file of nova's faults: another scenario uses that one at the same time.
    let undo = Undo(&context.rig, &["fault", "nova-2", "off"]);
    context.rig.ctl(&["fault", "nova-2", &rule.to_string()]);
    pool.start();
    wait("the first server", 60, || {
        expect(pool.ids().is_empty(), &false)
    });
    pool.kill();
    drop(undo);
    for _ in 0..2 {
        pool.start();
        sleep(Duration::from_millis(700));
        pool.kill();
    }
    pool.bring_up(4);
    let made = pool.made();
    pool.assert_settled(4, 8);
    assert_eq!(context.watch.most(&pool.name), 4);
    context.note(format!("killed 3 times, {made} servers made in all"));
}

/// The project's list has four pages, and the pool's servers lie on the last ones.
pub(crate) fn many_servers_in_pages(context: &Context) {
    const OTHERS: usize = 150;
    let user = context.cloud.tenant(&context.name);
    let mut pool = Pool::of(context, user, 3);
    pool.bring_up(3);
    // No host has what they want: they are made, and end in ERROR, much sooner than others. Their names keep them out of
    // the tester's own list.
    let flavor = unobtainable(context, &pool.name);
    let order = json!({"server": {
        "name": format!("others-{}", pool.name),
        "flavorRef": flavor,
        "imageRef": context.cloud.id_of("image", "images", "Debian 11"),
        "networks": "none", "metadata": {"group": "others"}, "min_count": 50, "max_count": 50,
    }});
    for _ in 0..OTHERS / 50 {
        pool.user.must("POST", "compute", "/servers", &order);
    }
    // The pool stays as it is while the others are being made: a list that lacked one of it would show here.
    let ids = pool.ids();
    wait("the others", 900, || {
        sleep(Duration::from_secs(2));
        assert_eq!(pool.ids(), ids, "the pool, while others are being made");
        let others = pool.user.list_servers("name=%5Eothers&status=ERROR")?;
        expect(others.len(), &OTHERS)
    });
    let log = pool.log();
    assert!(!log.contains("the list lacks"), "a list was not whole");
    let victim = pool.servers().remove(0);
    pool.replicas.set(
        super::pool::address_of(&victim),
        super::replicas::Behaviour::Done,
    );
    pool.wait_replaced(&word(&victim["id"]), 3);
    let pages = wait("the pages", PATIENCE_S, || {
        let pages = most_pages(context);
        expect(pages >= 4, &true).map(|()| pages)
    });
    pool.assert_settled(4, 6);
    wait("three replicas", 60, || {
        expect(pool.status()["summary"]["replicas"].clone(), &json!(3))
    });
    context.note(format!("{pages} pages a list"));
    pool.kill();
    let list = "limit=50&name=%5Eothers";
    wait("the end of the others", 400, || {
        let others = pool.user.list_servers(list)?;
        for server in others.iter().filter(|server| is_there(server)) {
            let path = format!("/servers/{}", word(&server["id"]));
            let _ = pool.user.call("DELETE", "compute", &path, &Value::Null);
        }
        expect(others.len(), &0)
    });
    let path = format!("/flavors/{flavor}");
    context
        .cloud
        .admin
        .must("DELETE", "compute", &path, &Value::Null);
}

/// How many requests the daemon's longest list took: they have one token, and all but the first a marker.
fn most_pages(context: &Context) -> usize {
    let mut lists = context.rig.requests("GET", "/servers/detail", "");
    lists.retain(super::rig::Entry::is_of_the_daemon);
    let posts = context.rig.requests("POST", "/servers", &context.name);
    let tokens: Vec<&str> = posts.iter().map(|post| post.text("token")).collect();
    lists.retain(|entry| tokens.contains(&entry.text("token")));
    let mut pages = 0;
    let mut most = 0;
    for entry in &lists {
        pages = if entry.text("path").contains("marker=") {
            pages + 1
        } else {
            1
        };
        most = pages.max(most);
    }
    most
}
