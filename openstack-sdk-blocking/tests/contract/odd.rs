//! Elements that make no sense: they are passed over, and hide neither the others nor what can be read of them.

use openstack_sdk_blocking::{
    Cloud, ErrorKind, FloatingIpQuery, FloatingIpUpdate, PortQuery, Server, ServerQuery,
};
use serde_json::{Value, json};

use crate::server::{Received, Reply, config, ok, over_each_transport, status, token, transports};

/// A session with a cloud that gives this answer to one path, and to all others what a cloud does.
fn cloud(path: &'static str, body: &str) -> (crate::server::Server, Cloud) {
    let body = body.to_owned();
    let server = crate::server::Server::start(move |request: &Received| {
        let reply = Reply::Http(200, Vec::new(), body.clone());
        (request.path == path).then_some(reply)
    });
    let transport = transports().remove(0).1;
    let cloud = Cloud::with_transport(config(&server), transport).unwrap();
    (server, cloud)
}

fn member() -> Value {
    json!({"id": "m", "name": "gateway", "status": "ACTIVE", "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:task_state": null, "created": "2026-01-01T00:00:00Z", "metadata": {"group": "scaled"},
        "addresses": {"net": [{"addr": "127.0.0.7", "version": 4, "OS-EXT-IPS:type": "fixed"}]}, "locked": false})
}

fn with(change: &Value) -> Value {
    let mut server = member();
    for (key, value) in change.as_object().unwrap() {
        server[key] = value.clone();
    }
    server
}

fn servers(list: &str) -> (Vec<Server>, usize) {
    let body = format!("{{\"servers\": [{list}]}}");
    let (_server, cloud) = cloud("/compute/v2.1/servers/detail", &body);
    let list = cloud
        .compute()
        .list_servers(&ServerQuery::default())
        .unwrap();
    (list.servers, list.unnamed)
}

#[test]
fn a_strangers_odd_server_hides_no_other() {
    let huge = format!("{{\"x\": [{}0], \"id\": \"s\"}}", "0,".repeat(600_000));
    let deep = format!(
        "{{\"id\": \"s\", \"x\": {}1{}}}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    // The element, and whether it has an id that can be read.
    let cases: &[(&str, bool)] = &[
        ("5", false),
        ("null", false),
        ("\"server\"", false),
        ("[]", false),
        ("{}", false),
        (r#"{"id": 5}"#, false),
        (r#"{"id": null}"#, false),
        (r#"{"id": ""}"#, false),
        (r#"{"id": " "}"#, false),
        (r#"{"id": ["s"]}"#, false),
        (r#"{"name": "no id"}"#, false),
        (r#"{"id": "s", "name": "\ud800"}"#, true),
        (
            r#"{"id": "s", "x": 1e999, "OS-EXT-STS:power_state": 1e999}"#,
            true,
        ),
        (r#"{"id": "s", "metadata": }"#, true),
        (r#"{"id": "s", 5: 6}"#, true),
        (&huge, false),
        (&deep, true),
        (r#"{"id": "s", "metadata": "text"}"#, true),
        (r#"{"id": "s", "metadata": ["group"]}"#, true),
        (
            r#"{"id": "s", "metadata": {"group": 5, "x": null, "y": {"z": 1}}}"#,
            true,
        ),
        (r#"{"id": "s", "addresses": null}"#, true),
        (r#"{"id": "s", "addresses": []}"#, true),
        (r#"{"id": "s", "addresses": "none"}"#, true),
        (r#"{"id": "s", "addresses": {"net": null}}"#, true),
        (r#"{"id": "s", "addresses": {"net": {}}}"#, true),
        (r#"{"id": "s", "addresses": {"net": [5, null, {}]}}"#, true),
        (
            r#"{"id": "s", "addresses": {"net": [{"addr": "", "version": 4}]}}"#,
            true,
        ),
        (
            r#"{"id": "s", "addresses": {"net": [{"addr": null, "version": 4}]}}"#,
            true,
        ),
        (
            r#"{"id": "s", "addresses": {"net": [{"addr": "10.0.0.300", "version": 4}]}}"#,
            true,
        ),
        (
            r#"{"id": "s", "addresses": {"net": [{"addr": "10.0.0.3", "version": "four"}]}}"#,
            true,
        ),
        (
            r#"{"id": "s", "name": 5, "status": 5, "OS-EXT-STS:vm_state": {}, "OS-EXT-STS:task_state": []}"#,
            true,
        ),
        (
            r#"{"id": "s", "created": "yesterday", "updated": 5, "OS-SRV-USG:launched_at": "2026-13-45"}"#,
            true,
        ),
        (
            r#"{"id": "s", "locked": "yes", "fault": "text", "image": 5, "flavor": "m1"}"#,
            true,
        ),
        (
            r#"{"id": "s", "fault": {"code": "x", "message": null, "created": 1}, "image": {"id": 5}}"#,
            true,
        ),
        (
            r#"{"id": "s", "tenant_id": 5, "hostId": {}, "key_name": [], "OS-EXT-AZ:availability_zone": 1}"#,
            true,
        ),
    ];
    for (element, has_id) in cases {
        let member = member().to_string();
        for list in [
            format!("{element}, {member}"),
            format!("{member}, {element}"),
        ] {
            let (servers, unnamed) = servers(&list);
            let shown: String = element.chars().take(100).collect();
            let found = servers.iter().find(|server| server.id == "m");
            let found = found.unwrap_or_else(|| panic!("{shown}: {servers:?}"));
            assert!(found.unread.is_empty() && found.tells_metadata, "{shown}");
            assert_eq!(found.metadata["group"], "scaled", "{shown}");
            assert_eq!(servers.len() == 2, *has_id, "{shown}: {servers:?}");
            assert_eq!(unnamed, usize::from(!has_id), "{shown}");
        }
    }
}

#[test]
fn what_can_be_read_of_an_odd_server_is() {
    let address = |addr: Value| json!({"addr": addr, "version": 4, "OS-EXT-IPS:type": "fixed"});
    let cases: &[(Value, &[&str])] = &[
        (json!({}), &[]),
        (json!({"brand_new": {"x": [1, "2"]}}), &[]),
        (json!({"locked": "true"}), &[]),
        (json!({"locked": "yes"}), &["locked"]),
        (
            json!({"metadata": {"group": "scaled", "x": 5}}),
            &["metadata.x"],
        ),
        (json!({"created": "yesterday"}), &["created"]),
        (json!({"OS-EXT-STS:vm_state": 7}), &["OS-EXT-STS:vm_state"]),
        (json!({"addresses": null}), &["addresses"]),
        (
            json!({"addresses": {"net": [address("127.0.0.7".into()), address(Value::Null)]}}),
            &["addresses"],
        ),
        (
            json!({"addresses": {"net": [address("".into()), address("127.0.0.7".into())], "b": 5}}),
            &["addresses"],
        ),
    ];
    for (change, unread) in cases {
        let (servers, _) = servers(&with(change).to_string());
        let [server] = servers.as_slice() else {
            panic!("{change}: {servers:?}");
        };
        assert_eq!(server.unread, *unread, "{change}");
        assert_eq!(server.metadata["group"], "scaled", "{change}");
        assert!(!server.is_partial(), "{change}");
        let is_there = server.addresses.get("net").map_or(0, Vec::len);
        assert_eq!(
            is_there,
            usize::from(!change["addresses"].is_null() || change.get("addresses").is_none()),
            "{change}"
        );
    }
    let (servers, _) = servers(r#"{"id": "m", "metadata": {"group": "scaled"}, "x": }"#);
    assert!(servers[0].is_partial() && servers[0].tells_metadata);
}

type Count = fn(&Cloud) -> usize;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of lists")]
fn odd_elements_of_every_list_are_passed_over() {
    let networks: Count = |cloud| cloud.network().networks(None).unwrap().len();
    let groups: Count = |cloud| cloud.network().security_groups(None).unwrap().len();
    let subnets: Count = |cloud| cloud.network().subnets("n").unwrap().len();
    let flavors: Count = |cloud| cloud.compute().flavors().unwrap().len();
    let keypairs: Count = |cloud| cloud.compute().keypairs().unwrap().len();
    let zones: Count = |cloud| cloud.compute().availability_zones().unwrap().len();
    let images: Count = |cloud| cloud.image().images(None).unwrap().len();
    let ips: Count = |cloud| {
        let query = FloatingIpQuery::default();
        cloud.network().floating_ips(&query).unwrap().len()
    };
    let ports: Count = |cloud| cloud.network().ports(&PortQuery::default()).unwrap().len();
    // Path, key, a good element, odd ones that are still there, odd ones that are not, how they are counted.
    let cases: &[(&str, &str, Value, Value, Value, Count)] = &[
        (
            "/compute/v2.1/flavors/detail",
            "flavors",
            json!({"id": "f", "name": "small", "vcpus": 1}),
            json!([{"id": "o", "name": "odd", "vcpus": "64", "ram": "many", "disk": null, "OS-FLV-DISABLED:disabled": 7},
                {"id": "o"}, {"id": "o", "name": 5}]),
            json!([5, {}, {"id": 7, "name": "x"}, {"name": "x"}]),
            flavors,
        ),
        (
            "/compute/v2.1/os-keypairs",
            "keypairs",
            json!({"keypair": {"name": "ops"}}),
            json!([{"keypair": {"name": "x", "fingerprint": 5}}]),
            json!([5, {}, {"keypair": null}, {"keypair": {"name": 5}}, {"keypair": []}]),
            keypairs,
        ),
        (
            "/compute/v2.1/os-availability-zone",
            "availabilityZoneInfo",
            json!({"zoneName": "nova", "zoneState": {"available": true}}),
            json!([{"zoneName": "x", "zoneState": "up"}, {"zoneName": "y", "zoneState": {"available": "true"}}]),
            json!([5, {"zoneState": {"available": true}}, {"zoneName": 5}]),
            zones,
        ),
        (
            "/image/v2/images",
            "images",
            json!({"id": "i", "name": "Debian 11", "status": "active"}),
            json!([{"id": "x", "name": null, "size": "big", "min_ram": -1, "created_at": "x", "visibility": 5}]),
            json!([5, {"name": "x"}, {"id": {}}]),
            images,
        ),
        (
            "/network/v2.0/networks",
            "networks",
            json!({"id": "n", "name": "net"}),
            json!([{"id": "x", "name": 5, "shared": "maybe", "router:external": null, "subnets": [5, "s"]},
                {"id": "y", "subnets": "s"}]),
            json!([5, {}, {"id": false}]),
            networks,
        ),
        (
            "/network/v2.0/subnets",
            "subnets",
            json!({"id": "s", "ip_version": 4}),
            json!([{"id": "x", "ip_version": "6", "cidr": 5}]),
            json!([5, {"id": "x"}, {"id": "x", "ip_version": "six"}]),
            subnets,
        ),
        (
            "/network/v2.0/security-groups",
            "security_groups",
            json!({"id": "g", "name": "web"}),
            json!([{"id": "x", "name": null, "security_group_rules": [5, {"port_range_min": "x"}]},
                {"id": "y", "security_group_rules": "none"}]),
            json!([5, {"name": "x"}]),
            groups,
        ),
        (
            "/network/v2.0/ports",
            "ports",
            json!({"id": "p", "device_id": "s"}),
            json!([{"id": "x", "device_id": 5, "fixed_ips": [5, {"ip_address": ""}, {"subnet_id": "s"}]},
                {"id": "y", "fixed_ips": {}}]),
            json!([5, {"device_id": "s"}]),
            ports,
        ),
        (
            "/network/v2.0/floatingips",
            "floatingips",
            json!({"id": "a", "floating_ip_address": "192.0.2.1", "port_id": null}),
            json!([{"id": "x", "floating_ip_address": "192.0.2.2", "fixed_ip_address": "", "status": 5, "router_id": {}}]),
            // Nothing may be done with those of which it is not known where they are.
            json!([5, {"id": "x"}, {"id": "x", "floating_ip_address": ""}, {"floating_ip_address": "192.0.2.1"},
                {"id": "x", "floating_ip_address": "192.0.2.2", "port_id": 5},
                {"id": "x", "floating_ip_address": "192.0.2.2", "description": {}},
                {"id": "x", "floating_ip_address": "192.0.2.2", "port_id": "p", "port_details": "none"},
                {"id": "x", "floating_ip_address": "192.0.2.2", "port_id": "p", "port_details": {"device_id": 5}},
                {"id": "x", "floating_ip_address": "192.0.2.2", "revision_number": "five"}]),
            ips,
        ),
    ];
    for (path, key, good, kept, skipped, count) in cases {
        let mut all = vec![good.clone()];
        all.extend(kept.as_array().unwrap().iter().cloned());
        let expected = all.len();
        all.extend(skipped.as_array().unwrap().iter().cloned());
        all.reverse();
        let mut body = json!({});
        body[*key] = json!(all);
        let (_server, cloud) = cloud(path, &body.to_string());
        assert_eq!(count(&cloud), expected, "{path}");
    }
}

#[test]
fn odd_single_objects_are_read_as_far_as_it_goes() {
    let limits = json!({"limits": {"rate": 5, "absolute": {"maxTotalInstances": "10", "totalInstancesUsed": 3,
        "maxTotalCores": "many", "totalCoresUsed": null, "maxServerMeta": {}}}});
    let (_server, session) = cloud("/compute/v2.1/limits", &limits.to_string());
    let limits = session.compute().limits().unwrap();
    assert_eq!(limits.max_total_instances, Some(10));
    assert_eq!(limits.total_instances_used, Some(3));
    assert_eq!(
        (limits.max_total_cores, limits.max_server_meta),
        (None, None)
    );
    let odd = r#"{"server": {"id": "s", "addresses": 5, "locked": []}}"#;
    let (_server, session) = cloud("/compute/v2.1/servers/s", odd);
    let server = session.compute().server("s").unwrap();
    assert_eq!(server.unread, ["addresses", "locked"]);
    for body in [
        "[]",
        "5",
        "{}",
        r#"{"server": null}"#,
        r#"{"server": {}}"#,
        r#"{"server": {"id": ""}}"#,
        r#"{"server": {"id": "s"}"#,
        r#"{"server": {"id": "s"}} x"#,
    ] {
        let (_server, session) = cloud("/compute/v2.1/servers/s", body);
        let error = session.compute().server("s").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadAnswer, "{body}");
    }
}

#[test]
fn odd_entries_of_the_catalog_are_passed_over() {
    let entries = json!([5, null, {}, {"type": null, "endpoints": []}, {"type": 5, "name": "x"}, {"type": "compute"},
        {"type": "compute", "endpoints": null}, {"type": "compute", "endpoints": "none"},
        {"type": "network", "endpoints": [5, {}, {"interface": "public"}, {"url": "http://127.0.0.1:1/"},
            {"interface": null, "url": "http://127.0.0.1:1/", "region": "R1"},
            {"interface": "public", "url": null, "region": "R1"},
            {"interface": "public", "url": 5, "region": "R1"},
            {"interface": 5, "url": "http://127.0.0.1:1/", "region": "R1"},
            {"interface": "public", "url": "http://127.0.0.1:1/", "region": {"id": "R1"}}]}]);
    let script = || {
        let entries = entries.clone();
        move |request: &Received| {
            let port = request.header("host")?.rsplit(':').next()?.parse().ok()?;
            if !request.is("POST", "/v3/auth/tokens") {
                return None;
            }
            let Reply::Http(code, headers, body) = token(port, 3600, "/compute/v2.1") else {
                return None;
            };
            let mut body: Value = serde_json::from_str(&body).ok()?;
            let mut all = entries.as_array()?.clone();
            all.extend(body["token"]["catalog"].as_array()?.iter().cloned());
            body["token"]["catalog"] = json!(all);
            body["token"]["roles"] = json!([5, {"name": "member"}, {"name": null}]);
            body["token"]["user"] = json!("scaler");
            body["token"]["methods"] = json!(5);
            Some(Reply::Http(code, headers, body.to_string()))
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, _, cloud| {
            assert_eq!(cloud.authenticate().unwrap().roles, ["member"], "{name}");
            let query = ServerQuery::default();
            cloud.compute().list_servers(&query).unwrap();
            let query = FloatingIpQuery::default();
            cloud.network().floating_ips(&query).unwrap();
            cloud.image().images(None).unwrap();
        },
    );
}

#[test]
fn odd_versions_are_passed_over() {
    for body in [
        json!({"versions": [5, {}, {"id": null}, {"id": "v2.0", "links": "none", "status": 5}]}),
        json!({"versions": [{"id": "v2.0", "status": "CURRENT", "links": [5, {"rel": 5}, {"rel": "self"}]}]}),
        json!({"versions": "none"}),
        json!({"version": 5, "versions": {"values": [5, {"id": "v2.0"}]}}),
        json!([]),
        json!(5),
    ] {
        let script = || {
            let body = body.clone();
            move |request: &Received| (request.path == "/network/").then(|| ok(&body))
        };
        over_each_transport(
            script,
            |_| {},
            |name, server, cloud| {
                let query = FloatingIpQuery::default();
                assert!(
                    cloud.network().floating_ips(&query).is_ok(),
                    "{name}: {body}"
                );
                assert_eq!(server.last().path, "/network/v2.0/floatingips");
            },
        );
    }
}

/// An id that Neutron refuses as one stands for nothing; the name is asked for all the same.
#[test]
fn a_refused_look_up_by_id_is_followed_by_the_one_by_name() {
    let script = || {
        |request: &Received| {
            let refused = || {
                status(
                    400,
                    &json!({"NeutronError": {"type": "InvalidInput", "message": "not a UUID"}}),
                )
            };
            let (key, found) = match request.path.as_str() {
                "/network/v2.0/networks" => ("networks", json!([{"id": "n", "name": "net"}])),
                "/network/v2.0/security-groups" => {
                    ("security_groups", json!([{"id": "g", "name": "net"}]))
                }
                _ => return None,
            };
            let mut body = json!({});
            body[key] = found;
            Some(if request.query.starts_with("id=") {
                refused()
            } else {
                ok(&body)
            })
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, _, cloud| {
            let networks = cloud.network().find_networks("net").unwrap();
            assert_eq!(networks[0].id, "n", "{name}");
            let groups = cloud.network().find_security_groups("net").unwrap();
            assert_eq!(groups[0].id, "g", "{name}");
        },
    );
}

/// A service, or a proxy before it, that passes over what it does not know shows everything.
fn everything(request: &Received) -> Option<Reply> {
    let named = |id: &str, name: &str| json!({"id": id, "name": name, "status": "active"});
    let two = json!([named("1", "other"), named("2", "net")]);
    let (key, found) = match request.path.as_str() {
        "/network/v2.0/networks" => ("networks", two),
        "/network/v2.0/security-groups" => ("security_groups", two),
        "/image/v2/images" => ("images", two),
        "/network/v2.0/subnets" => (
            "subnets",
            json!([
                {"id": "1", "network_id": "m", "ip_version": 4},
                {"id": "2", "network_id": "n", "ip_version": 4}
            ]),
        ),
        "/network/v2.0/ports" => (
            "ports",
            json!([
                {"id": "1", "device_id": "x", "fixed_ips": []},
                {"id": "2", "device_id": "y", "fixed_ips": []}
            ]),
        ),
        "/network/v2.0/floatingips" => (
            "floatingips",
            json!([
                {"id": "1", "floating_ip_address": "127.0.0.1", "description": "mine", "project_id": "q"},
                {"id": "2", "floating_ip_address": "127.0.0.2", "description": "mine", "project_id": "p"},
                {"id": "3", "floating_ip_address": "127.0.0.3", "description": "", "project_id": "p"}
            ]),
        ),
        _ => return None,
    };
    let mut body = json!({});
    body[key] = found;
    Some(ok(&body))
}

#[test]
fn what_was_not_asked_for_is_passed_over() {
    over_each_transport(
        || everything,
        |_| {},
        |name, _, cloud| {
            let (network, text) = (cloud.network(), |text: &str| Some(text.to_owned()));
            let device = PortQuery {
                device_ids: vec!["y".to_owned()],
                ..PortQuery::default()
            };
            let ids = PortQuery {
                ids: vec!["2".to_owned()],
                ..PortQuery::default()
            };
            let mine = FloatingIpQuery {
                description: text("mine"),
                project_id: text("p"),
                ..FloatingIpQuery::default()
            };
            let found: [Vec<String>; 7] = [
                network
                    .find_networks("net")
                    .unwrap()
                    .into_iter()
                    .map(|n| n.id)
                    .collect(),
                network
                    .find_security_groups("net")
                    .unwrap()
                    .into_iter()
                    .map(|g| g.id)
                    .collect(),
                cloud
                    .image()
                    .find_images("net")
                    .unwrap()
                    .into_iter()
                    .map(|i| i.id)
                    .collect(),
                network
                    .subnets("n")
                    .unwrap()
                    .into_iter()
                    .map(|s| s.id)
                    .collect(),
                network
                    .ports(&device)
                    .unwrap()
                    .into_iter()
                    .map(|p| p.id)
                    .collect(),
                network
                    .ports(&ids)
                    .unwrap()
                    .into_iter()
                    .map(|p| p.id)
                    .collect(),
                network
                    .floating_ips(&mine)
                    .unwrap()
                    .into_iter()
                    .map(|ip| ip.id)
                    .collect(),
            ];
            assert!(found.iter().all(|ids| ids == &["2"]), "{name}: {found:?}");
            assert!(network.find_networks("none").unwrap().is_empty(), "{name}");
        },
    );
}

#[test]
fn an_empty_id_is_never_asked_for() {
    over_each_transport(
        || |_: &Received| None,
        |_| {},
        |name, server, cloud| {
            let (nova, neutron) = (cloud.compute(), cloud.network());
            let change = FloatingIpUpdate::detach();
            let errors = [
                nova.delete_server("").unwrap_err(),
                nova.server("").unwrap_err(),
                neutron.delete_floating_ip("").unwrap_err(),
                neutron.update_floating_ip("", &change, None).unwrap_err(),
            ];
            assert!(errors.iter().all(|error| error.kind() == ErrorKind::Config));
            assert_eq!(server.lines(), [""; 0], "{name}");
        },
    );
}
