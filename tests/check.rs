//! `check` in front of the mock cloud: what it finds, what it calls wrong, and what it advises.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "check/login.rs"]
mod login;
mod support;

use serde_json::{Value, json};
use simplescalevm_mock::{Behaviour, MockCloud, Mode};
use std::path::Path;
use support::{counter, program, quick_cloud, variables};

/// The rest of the settings is calm: nothing to warn of.
const CALM: (&str, &str) = ("SCALING_INTERVAL", "30");

fn run(cloud: &MockCloud, more: &[(&'static str, &str)]) -> (Option<i32>, String) {
    let mut all = vec![CALM];
    all.extend(more);
    let output = program(&["check"], &variables(cloud, &all))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text)
}

/// Runs it, and wants each line (its verdict and subject, and a part of its text) and the last one.
#[track_caller]
fn check(
    cloud: &MockCloud,
    more: &[(&'static str, &str)],
    lines: &[(&str, &str)],
    last: &str,
) -> String {
    let (code, text) = run(cloud, more);
    let expected = i32::from(last.contains("wrong"));
    assert_eq!(code, Some(expected), "{text}");
    for (beginning, part) in lines {
        let words: Vec<&str> = beginning.splitn(2, ' ').collect();
        let found = text.lines().any(|line| {
            let rest = line.strip_prefix(words[0]).map(str::trim_start);
            rest.is_some_and(|rest| rest.starts_with(words[1]) && rest.contains(part))
        });
        let advice = *beginning == "->" && text.contains(&format!("-> {part}"));
        assert!(found || advice, "{beginning}: {part}\n{text}");
    }
    assert_eq!(text.lines().last(), Some(last), "{text}");
    text
}

/// The cloud's answer to that request from now on.
fn answer(cloud: &MockCloud, service: &str, path: &str, body: &Value) {
    let fault = json!({ "service": service, "method": "GET", "path": path, "status": 200, "body": body,
        "headers": { "Content-Type": "application/json" } });
    cloud.add_fault(&fault).unwrap();
}

fn replicas(cloud: &MockCloud, count: u64) {
    let order = json!({
        "count": count, "name": "old", "metadata": { "group": "scaled" }, "booted": true, "network": "Ext-Net",
    });
    cloud.add_servers(&order).unwrap();
}

#[test]
fn all_is_well() {
    let cloud = quick_cloud(|_| {});
    replicas(&cloud, 2);
    let more = [
        ("OPENSTACK_KEYPAIR", "ops"),
        ("OPENSTACK_SECURITY_GROUPS", "default"),
        ("OPENSTACK_AVAILABILITY_ZONE", "nova"),
        ("REPLICA_MAX_COUNT", "10"),
    ];
    let lines = [
        (
            "OK login",
            "user scaler, project scaler, roles: member, reader",
        ),
        ("OK pool", "2 of the project's 2 servers have group=scaled"),
        ("OK clock", "agree"),
        ("OK flavor", "d2-8 (1 vCPU, 512 MiB, disk 1 GiB)"),
        ("OK image", "Debian 11"),
        ("OK network", "Ext-Net, IPv4"),
        ("OK zone", "nova"),
        ("OK keypair", "ops"),
        ("OK security groups", "default"),
        (
            "OK quota",
            "room for 1998 more servers: 2 of 2000 instances used",
        ),
        ("OK floor", "3 free resources are 3 servers"),
        ("OK cap", "REPLICA_MAX_COUNT=10 fits"),
        ("OK cloud-init file", "none"),
        ("OK replicas", "2 of 2 that run answer"),
    ];
    check(&cloud, &more, &lines, "All is well.");
    // It changes nothing.
    let log = cloud.log("");
    let changes: Vec<_> = log
        .iter()
        .filter(|r| r["method"] != "GET" && r["service"] != "keystone")
        .collect();
    assert!(changes.is_empty(), "{changes:#?}");
}

#[test]
fn names_that_stand_for_nothing() {
    let cloud = quick_cloud(|_| {});
    // On a network that is not there no replica has an address: that says nothing of the replicas.
    replicas(&cloud, 1);
    let wrong = [
        ("OPENSTACK_KEYPAIR", "lost"),
        ("OPENSTACK_FLAVOR", "huge"),
        ("OPENSTACK_IMAGE", "Debian 1"),
        ("OPENSTACK_NETWORK", "nowhere"),
        ("OPENSTACK_SECURITY_GROUPS", "open"),
        ("OPENSTACK_AVAILABILITY_ZONE", "moon"),
    ];
    let text = check(&cloud, &wrong, &[], "6 things are wrong.");
    assert!(!text.contains("replicas  "), "{text}");
    for (name, value) in wrong {
        assert!(
            text.contains(&format!("{name}={value}: ")),
            "{name}\n{text}"
        );
    }
    assert_eq!(
        text.matches("-> ").count(),
        6,
        "each has its remedy\n{text}"
    );
    assert_eq!(counter(&cloud, "created"), 1, "the one that was there");
}

#[test]
fn a_reader_may_not_create() {
    let cloud = quick_cloud(|c| c.roles = "reader".to_owned());
    let lines = [
        ("ERROR permissions", "the roles (reader) allow reading only"),
        ("->", "give the user the role member"),
    ];
    check(&cloud, &[], &lines, "One thing is wrong.");
}

#[test]
fn floor_and_cap_have_to_fit_into_the_quota() {
    let cloud = quick_cloud(|c| c.quota_instances = 2);
    let lines = [
        ("OK quota", "room for 2 more servers: 0 of 2 instances used"),
        (
            "ERROR floor",
            "the quota has room for 2 more servers (instances)",
        ),
        (
            "OK cap",
            "no REPLICA_MAX_COUNT: the quota limits the pool to 2 servers",
        ),
    ];
    check(&cloud, &[], &lines, "One thing is wrong.");
    // The same floor with servers that hold more; and one that is there already needs no room.
    check(&cloud, &[("REPLICA_CAPACITY", "2")], &[], "All is well.");
    replicas(&cloud, 1);
    check(
        &cloud,
        &[],
        &[(
            "ERROR floor",
            "1 is there, and the quota has room for 1 more server",
        )],
        "One thing is wrong.",
    );
    let cloud = quick_cloud(|_| {});
    answer(
        &cloud,
        "nova",
        "/limits$",
        &json!({ "limits": { "absolute": {
            "maxTotalInstances": 100, "totalInstancesUsed": 0, "maxTotalCores": 8, "totalCoresUsed": 1,
            "maxTotalRAMSize": -1, "totalRAMUsed": 512 } } }),
    );
    let lines = [
        ("OK quota", "room for 7 more servers"),
        (
            "WARNING cap",
            "REPLICA_MAX_COUNT=50, but the quota limits the pool to 7",
        ),
    ];
    check(
        &cloud,
        &[("REPLICA_MAX_COUNT", "50")],
        &lines,
        "Nothing keeps the daemon from its work. One warning is worth a look.",
    );
    cloud.set(&json!({ "quota_instances": -1 })).unwrap();
    cloud.clear_faults();
    let lines = [("WARNING cap", "neither REPLICA_MAX_COUNT nor a quota")];
    let last = "Nothing keeps the daemon from its work. One warning is worth a look.";
    check(&cloud, &[], &lines, last);
    check(&cloud, &[("PROBE_THREADS", "64")], &lines, last);
    let more = [lines[0], ("WARNING settings", "PROBE_THREADS=128 starts 4")];
    check(
        &cloud,
        &[("PROBE_THREADS", "128")],
        &more,
        "Nothing keeps the daemon from its work. 2 warnings are worth a look.",
    );
}

#[test]
fn image_and_flavor_have_to_fit() {
    let cloud = quick_cloud(|_| {});
    let image = |id: &str, more: &Value| {
        let mut image = json!({ "id": id, "name": "Debian 11", "status": "active", "size": 65536,
            "created_at": "2026-01-01T00:00:00Z" });
        for (key, value) in more.as_object().unwrap() {
            image[key] = value.clone();
        }
        image
    };
    let large = image(
        "large",
        &json!({ "min_ram": 2048, "min_disk": 20, "size": 2_u64 << 30 }),
    );
    answer(&cloud, "glance", "/images$", &json!({ "images": [large] }));
    let lines = [
        (
            "ERROR flavor",
            "memory of 512 MiB, the image wants 2048 MiB",
        ),
        ("ERROR flavor", "disk of 1 GiB, the image wants 20 GiB"),
        (
            "ERROR flavor",
            "disk of 1 GiB, the image itself has 2048 MiB",
        ),
        ("->", "set OPENSTACK_FLAVOR to a larger one"),
    ];
    check(&cloud, &[], &lines, "3 things are wrong.");
    cloud.clear_faults();
    let newer = image("newer", &json!({ "created_at": "2026-02-01T00:00:00Z" }));
    let twice = json!({ "images": [image("older", &json!({})), newer] });
    answer(&cloud, "glance", "/images$", &twice);
    let lines = [
        ("OK image", "id newer"),
        (
            "WARNING image",
            "2 active images are named Debian 11; the newest is taken, not older",
        ),
        ("->", "set OPENSTACK_IMAGE to the id"),
    ];
    check(
        &cloud,
        &[],
        &lines,
        "Nothing keeps the daemon from its work. One warning is worth a look.",
    );
}

#[test]
fn network_clock_and_security_groups() {
    let cloud = quick_cloud(|c| c.clock_offset = -120);
    let lines = [
        ("WARNING clock", "ahead of the cloud"),
        ("->", "keep it by NTP"),
    ];
    check(
        &cloud,
        &[],
        &lines,
        "Nothing keeps the daemon from its work. One warning is worth a look.",
    );
    let cloud = quick_cloud(|_| {});
    let more = [
        ("OPENSTACK_NETWORK", "internal"),
        ("OPENSTACK_IP_VERSION", "6"),
    ];
    let lines = [(
        "ERROR network",
        "OPENSTACK_IP_VERSION=6: the network internal has no IPv6 subnet",
    )];
    check(&cloud, &more, &lines, "One thing is wrong.");
    let closed = json!({ "security_groups": [{ "id": "g1", "name": "default",
        "project_id": cloud.state()["ids"]["project"], "security_group_rules": [
        { "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22 }] }] });
    answer(&cloud, "neutron", "/security-groups$", &closed);
    let port = cloud.replica_port();
    let advice = format!("openstack security group rule create --protocol tcp --dst-port {port}");
    let lines = [
        (
            "WARNING security groups",
            "no rule of default lets this machine in",
        ),
        ("->", advice.as_str()),
    ];
    let more = [("OPENSTACK_SECURITY_GROUPS", "default")];
    check(
        &cloud,
        &more,
        &lines,
        "Nothing keeps the daemon from its work. One warning is worth a look.",
    );
}

#[test]
fn floating_ips_that_are_there_and_free() {
    let managed = [
        ("EXTERNAL_ADDRESS_MANAGEMENT", "true"),
        ("OPENSTACK_NETWORK", "internal"),
    ];
    let cloud = quick_cloud(|_| {});
    check(
        &cloud,
        &managed,
        &[("OK floating IPs", "5 found, 5 of them free")],
        "All is well.",
    );
    let cloud = quick_cloud(|c| c.floating_ips = 2);
    let stranger = json!({ "name": "stranger", "network": "internal", "booted": true });
    cloud.add_servers(&stranger).unwrap();
    let ip = cloud.floating_ips()[0]["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("floatingips/{ip}");
    cloud
        .control("PUT", &path, &json!({ "server": "stranger" }))
        .unwrap();
    let holder = cloud.servers()[0]["id"].as_str().unwrap().to_owned();
    let outside = format!("on a port outside the pool, and left there: {ip} (on {holder})");
    let lines = [
        ("OK floating IPs", "2 found, 1 of them free"),
        (
            "WARNING floating IPs",
            "the floor is 3 servers: not each of them gets one",
        ),
        ("WARNING floating IPs", outside.as_str()),
    ];
    check(
        &cloud,
        &managed,
        &lines,
        "Nothing keeps the daemon from its work. 2 warnings are worth a look.",
    );
    let more = [
        managed[0],
        managed[1],
        ("OPENSTACK_FLOATING_IP_DESCRIPTION", "gateway"),
    ];
    let lines = [(
        "ERROR floating IPs",
        "OPENSTACK_FLOATING_IP_DESCRIPTION=gateway: no floating IP of the project has that description (2 have another)",
    )];
    check(&cloud, &more, &lines, "One thing is wrong.");
}

#[test]
fn replicas_are_asked_once() {
    let cloud = quick_cloud(|_| {});
    replicas(&cloud, 3);
    cloud
        .set_behaviour("old-1", &Behaviour::of(Mode::Refuse))
        .unwrap();
    let wrong_path = Behaviour {
        status: 404,
        ..Behaviour::default()
    };
    cloud.set_behaviour("old-2", &wrong_path).unwrap();
    let lines = [
        ("WARNING replicas", "1 of 3 that run answer"),
        ("WARNING replicas", "old-1 at 127."),
        ("->", "something listens there and hangs up"),
        ("WARNING replicas", "old-2 at 127."),
        ("->", "is REPLICA_API_PATH right?"),
    ];
    check(
        &cloud,
        &[],
        &lines,
        "Nothing keeps the daemon from its work. 3 warnings are worth a look.",
    );
    let probes = counter(&cloud, "probes");
    assert!(probes <= 4, "{probes} probes");
}

#[test]
fn a_cloud_init_file_has_to_begin_as_one() {
    let cloud = quick_cloud(|_| {});
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check-cloud-init");
    let path = file.to_str().unwrap().to_owned();
    let more = [("OPENSTACK_CLOUD_INIT_FILE", path.as_str())];
    std::fs::write(&file, "#cloud-config\nruncmd: []\n").unwrap();
    check(
        &cloud,
        &more,
        &[("OK cloud-init file", "25 bytes")],
        "All is well.",
    );
    std::fs::write(&file, "runcmd: []\n").unwrap();
    let lines = [
        (
            "WARNING cloud-init file",
            "its first line is of no kind that cloud-init knows",
        ),
        ("->", "its first line has to be #cloud-config"),
    ];
    check(
        &cloud,
        &more,
        &lines,
        "Nothing keeps the daemon from its work. One warning is worth a look.",
    );
}

#[test]
fn what_only_the_check_wants_to_see_is_no_fault() {
    let cloud = quick_cloud(|_| {});
    let forbid = |service: &str, path: &str| {
        let body = json!({ "forbidden": { "code": 403, "message": "Policy doesn't allow it." } });
        let fault = json!({ "service": service, "method": "GET", "path": path, "status": 403, "body": body });
        cloud.add_fault(&fault).unwrap();
    };
    forbid("nova", "/limits$");
    forbid("neutron", "/security-groups$");
    forbid("neutron", "/subnets$");
    let lines = [
        ("WARNING quota", "the quota cannot be read"),
        ("WARNING network", "the network's subnets cannot be listed"),
        (
            "WARNING security groups",
            "the security groups cannot be listed",
        ),
        ("->", "the daemon does without"),
    ];
    check(
        &cloud,
        &[],
        &lines,
        "Nothing keeps the daemon from its work. 3 warnings are worth a look.",
    );
    // What it cannot do without.
    forbid("nova", "/servers/detail$");
    let lines = [
        ("ERROR pool", "the servers cannot be listed"),
        ("->", "the user's roles do not allow this"),
    ];
    check(
        &cloud,
        &[],
        &lines,
        "One thing is wrong. 3 warnings are worth a look.",
    );
}

#[test]
fn a_nova_that_does_not_tell_locks_is_a_hint() {
    let cloud = quick_cloud(|_| {});
    let hidden = json!({ "service": "nova", "method": "GET", "path": "v2.1/?$", "status": 403 });
    cloud.add_fault(&hidden).unwrap();
    check(
        &cloud,
        &[],
        &[
            ("WARNING locks", "a locked one may be deleted"),
            ("->", "let this machine read Nova's versions"),
        ],
        "Nothing keeps the daemon from its work. One warning is worth a look.",
    );
}

#[test]
fn as_json() {
    let cloud = quick_cloud(|c| c.quota_instances = 2);
    let output = program(&["check", "--json"], &variables(&cloud, &[CALM]))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["ok"], false);
    let list = found["findings"].as_array().unwrap();
    let of = |subject: &str| list.iter().find(|f| f["subject"] == subject).unwrap();
    assert_eq!(of("login")["verdict"], "ok");
    assert_eq!(of("login")["remedy"], Value::Null);
    assert_eq!(of("floor")["verdict"], "error");
    assert!(
        of("floor")["remedy"]
            .as_str()
            .unwrap()
            .contains("more instances")
    );
}

/// Makes something through the control interface and gives its id.
fn make(cloud: &MockCloud, kind: &str, body: &Value) -> String {
    let made = cloud.control("POST", kind, body).unwrap();
    made["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_flavor_without_a_disk() {
    let cloud = quick_cloud(|_| {});
    make(&cloud, "flavors", &json!({ "name": "thin", "disk": 0 }));
    let thin = ("OPENSTACK_FLAVOR", "thin");
    let lines = [
        (
            "ERROR flavor",
            "thin has no disk: Nova refuses a server of it (403)",
        ),
        ("->", "set OPENSTACK_FLAVOR to one with a disk"),
    ];
    check(&cloud, &[thin], &lines, "One thing is wrong.");
    cloud.set(&json!({ "roles": "admin,member" })).unwrap();
    let lines = [("WARNING flavor", "thin has no disk")];
    check(
        &cloud,
        &[thin],
        &lines,
        "Nothing keeps the daemon from its work. One warning is worth a look.",
    );
}

#[test]
fn networks_on_which_nova_makes_no_servers() {
    let cloud = quick_cloud(|_| {});
    make(
        &cloud,
        "networks",
        &json!({ "name": "bare", "subnets": false }),
    );
    make(
        &cloud,
        "networks",
        &json!({ "name": "open", "port_security": false }),
    );
    let on = |network| ("OPENSTACK_NETWORK", network);
    let lines = [
        ("ERROR network", "bare has no subnet"),
        ("->", "openstack subnet create --network bare"),
    ];
    check(&cloud, &[on("bare")], &lines, "One thing is wrong.");
    let lines = [
        (
            "ERROR network",
            "public is external and not shared: Nova refuses servers on it (403)",
        ),
        (
            "->",
            "set OPENSTACK_NETWORK to a network of the project, or to a shared one",
        ),
    ];
    check(&cloud, &[on("public")], &lines, "One thing is wrong.");
    check(
        &cloud,
        &[on("open")],
        &[("OK network", "open, IPv4")],
        "All is well.",
    );
    let lines = [
        ("ERROR network", "open has no port security"),
        ("->", "unset OPENSTACK_SECURITY_GROUPS"),
    ];
    let group = ("OPENSTACK_SECURITY_GROUPS", "default");
    check(&cloud, &[on("open"), group], &lines, "One thing is wrong.");
    // What can be seen of a shared network are its subnets' ids alone.
    let network =
        json!({ "networks": [{ "id": "n", "name": "theirs", "shared": true, "subnets": ["s"] }] });
    answer(&cloud, "neutron", "/networks$", &network);
    answer(&cloud, "neutron", "/subnets$", &json!({ "subnets": [] }));
    check(
        &cloud,
        &[on("theirs")],
        &[("OK network", "theirs, IPv4")],
        "All is well.",
    );
}

#[test]
fn floating_ips_that_no_router_leads_to() {
    let cloud = quick_cloud(|c| {
        c.no_gateway = true;
        c.floating_ips = 3;
    });
    let managed = [
        ("EXTERNAL_ADDRESS_MANAGEMENT", "true"),
        ("OPENSTACK_NETWORK", "internal"),
    ];
    let lines = [
        ("OK floating IPs", "3 found, 3 of them free"),
        (
            "ERROR floating IPs",
            "no router leads from internal to the external network of 127.65.",
        ),
        ("->", "openstack router set --external-gateway"),
    ];
    check(&cloud, &managed, &lines, "One thing is wrong.");
}

#[test]
fn images_that_a_list_leaves_out() {
    let cloud = quick_cloud(|_| {});
    let image = |name: &str, more: &Value| {
        let mut body = more.clone();
        body["name"] = json!(name);
        make(&cloud, "images", &body)
    };
    let with = |name| ("OPENSTACK_IMAGE", name);
    let hidden = image("Old", &json!({ "hidden": true }));
    check(
        &cloud,
        &[with("Old")],
        &[("OK image", hidden.as_str())],
        "All is well.",
    );
    let theirs = json!({ "visibility": "community", "owner": "p1" });
    let community = image("Theirs", &theirs);
    let lines = [
        ("OK image", community.as_str()),
        (
            "WARNING image",
            "Theirs is a community image of project p1: anybody can make one of any name",
        ),
    ];
    check(
        &cloud,
        &[with("Theirs")],
        &lines,
        "Nothing keeps the daemon from its work. One warning is worth a look.",
    );
    let other = image(
        "Theirs",
        &json!({ "visibility": "community", "owner": "p2" }),
    );
    let lines = [(
        "ERROR image",
        "several projects have a community image of that name",
    )];
    check(&cloud, &[with("Theirs")], &lines, "One thing is wrong.");
    let by_id: &'static str = Box::leak(other.into_boxed_str());
    check(
        &cloud,
        &[with(by_id)],
        &[("OK image", by_id)],
        "Nothing keeps the daemon from its work. One warning is worth a look.",
    );
    // One that is not active is none.
    image("Queued", &json!({ "status": "queued" }));
    let lines = [(
        "ERROR image",
        "OPENSTACK_IMAGE=Queued: no image of that name is active",
    )];
    check(&cloud, &[with("Queued")], &lines, "One thing is wrong.");
    // Visible ones go before all others.
    image("Debian 11", &theirs);
    check(&cloud, &[], &[("OK image", "Debian 11")], "All is well.");
}

#[test]
fn a_security_group_that_another_project_shares() {
    let cloud = quick_cloud(|_| {});
    let id = make(&cloud, "security-groups", &json!({ "name": "sip" }));
    let group = ("OPENSTACK_SECURITY_GROUPS", "sip");
    check(
        &cloud,
        &[group],
        &[("OK security groups", id.as_str())],
        "All is well.",
    );
    // The project's own goes before one of the same name that is shared.
    make(&cloud, "security-groups", &json!({ "name": "default" }));
    let own = ("OPENSTACK_SECURITY_GROUPS", "default");
    check(
        &cloud,
        &[own],
        &[("OK security groups", "default")],
        "All is well.",
    );
}

#[test]
fn what_was_meant() {
    let cloud = quick_cloud(|_| {});
    for (name, value, part) in [
        ("OPENSTACK_IMAGE", "debian-11", "did you mean Debian 11?"),
        ("OPENSTACK_FLAVOR", "d2_8", "did you mean d2-8?"),
        ("OPENSTACK_NETWORK", "ExtNet", "did you mean Ext-Net?"),
        ("OPENSTACK_KEYPAIR", "Ops", "did you mean ops?"),
        (
            "OPENSTACK_SECURITY_GROUPS",
            "defaults",
            "did you mean default?",
        ),
        ("OPENSTACK_AVAILABILITY_ZONE", "nowa", "did you mean nova?"),
    ] {
        let text = check(&cloud, &[(name, value)], &[], "One thing is wrong.");
        assert!(text.contains(&format!("{name}={value}: ")), "{text}");
        assert!(text.contains(part), "{text}");
    }
}
