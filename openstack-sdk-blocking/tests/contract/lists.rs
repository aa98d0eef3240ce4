use std::collections::BTreeMap;

use openstack_sdk_blocking::{
    AddressKind, CreateServer, ErrorKind, FloatingIpQuery, FloatingIpUpdate, Server, ServerQuery,
};
use serde_json::{Value, json};

use crate::server::{Received, Reply, ok, over_each_transport, status};

/// Three pages of Nova; the links name a host that cannot be reached.
fn pages(request: &Received, third: Reply) -> Option<Reply> {
    if request.path != "/compute/v2.1/servers/detail" {
        return None;
    }
    let page = |id: &str, next: &str| {
        let href = format!("http://internal.example:8774/v2.1/servers/detail?{next}");
        let body =
            json!({"servers": [{"id": id}], "servers_links": [{"rel": "next", "href": href}]});
        Some(Reply::Http(
            200,
            vec![("Date", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned())],
            body.to_string(),
        ))
    };
    match request.query.as_str() {
        "limit=1" => page("a", "limit=1&marker=a"),
        "limit=1&marker=a" => page("b", "limit=1&marker=b"),
        "limit=1&marker=b" => Some(third),
        _ => None,
    }
}

/// A page that Nova made short while servers were being built has no next link, and is not the last.
#[test]
fn a_short_page_is_not_the_end_while_servers_are_built() {
    let script = || {
        |request: &Received| {
            if request.path != "/compute/v2.1/servers/detail" {
                return None;
            }
            let of = |servers: &[(&str, &str)]| {
                let server =
                    |(id, state): &(&str, &str)| json!({"id": id, "OS-EXT-STS:vm_state": state});
                Some(ok(
                    &json!({"servers": servers.iter().map(server).collect::<Vec<_>>()}),
                ))
            };
            match request.query.as_str() {
                "" => of(&[("a", "building"), ("b", "active")]),
                "marker=b" => of(&[("a", "active"), ("c", "active")]),
                "marker=c" => of(&[]),
                _ => None,
            }
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, _, cloud| {
            let query = ServerQuery::default();
            let list = cloud.compute().list_servers(&query).unwrap();
            let ids: Vec<_> = list.servers.iter().map(|server| &server.id).collect();
            assert_eq!(ids, ["a", "b", "c"], "{name}");
            assert_eq!(list.pages, 3);
        },
    );
}

/// A cloud that makes up a server that is being built for every page asked for.
#[test]
fn servers_without_end_are_an_error() {
    let script = || {
        |request: &Received| {
            let marker = request.query.strip_prefix("marker=").unwrap_or("0");
            let next = marker.parse::<u64>().unwrap_or_default() + 1;
            let server = json!({"id": next.to_string(), "OS-EXT-STS:vm_state": "building"});
            (request.path == "/compute/v2.1/servers/detail")
                .then(|| ok(&json!({"servers": [server]})))
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, server, cloud| {
            let query = ServerQuery::default();
            let error = cloud.compute().list_servers(&query).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadAnswer, "{name}: {error}");
            assert!(server.received().len() < 1_100, "{name}");
        },
    );
}

fn one_a_page() -> ServerQuery {
    ServerQuery {
        page_size: Some(1),
        ..ServerQuery::default()
    }
}

#[test]
fn every_page_is_read() {
    let script = || {
        |request: &Received| {
            pages(
                request,
                ok(&json!({"servers": [{"id": "c"}], "servers_links": []})),
            )
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, _, cloud| {
            let list = cloud.compute().list_servers(&one_a_page()).unwrap();
            let ids: Vec<_> = list
                .servers
                .iter()
                .map(|server| server.id.as_str())
                .collect();
            assert_eq!(ids, ["a", "b", "c"], "{name}");
            assert_eq!(list.pages, 3);
            assert_eq!(list.date, Some(784_111_777));
        },
    );
}

#[test]
fn a_list_that_breaks_off_is_an_error() {
    let link = |href: &str| json!({"servers": [{"id": "c"}], "servers_links": [{"rel": "next", "href": href}]});
    let cases: [(Reply, ErrorKind); 12] = [
        (
            status(500, &json!({"computeFault": {"message": "oops"}})),
            ErrorKind::Server,
        ),
        (status(503, &json!({})), ErrorKind::Server),
        (
            Reply::Http(200, Vec::new(), "{\"servers\": [{\"id\"".to_owned()),
            ErrorKind::BadAnswer,
        ),
        (ok(&json!({"itemNotFound": {}})), ErrorKind::BadAnswer),
        (ok(&json!({"servers": null})), ErrorKind::BadAnswer),
        (ok(&json!({"servers": {"id": "c"}})), ErrorKind::BadAnswer),
        (
            Reply::Http(200, Vec::new(), "{\"servers\": []}, {}".to_owned()),
            ErrorKind::BadAnswer,
        ),
        (
            ok(&link("http://x/servers/detail?limit=1&marker=a")),
            ErrorKind::BadAnswer,
        ),
        (ok(&link("http://x/servers/detail")), ErrorKind::BadAnswer),
        (Reply::Close, ErrorKind::Connection),
        (
            Reply::Cut("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"servers\": []}".to_owned()),
            ErrorKind::Connection,
        ),
        (
            Reply::Raw("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"servers\": []}".to_owned()),
            ErrorKind::Timeout,
        ),
    ];
    for (third, kind) in cases {
        let script = || {
            let third = third.clone();
            move |request: &Received| pages(request, third.clone())
        };
        let short = |config: &mut openstack_sdk_blocking::CloudConfig| {
            config.timeout = std::time::Duration::from_millis(700);
        };
        over_each_transport(script, short, |name, _, cloud| {
            let error = cloud.compute().list_servers(&one_a_page()).unwrap_err();
            assert_eq!(error.kind(), kind, "{name}: {third:?}: {error:?}");
        });
    }
}

#[test]
fn neutron_and_glance_page_in_their_own_ways() {
    let fip =
        |id: &str| json!({"id": id, "floating_ip_address": "192.0.2.1", "description": "my ip"});
    let script = || {
        move |request: &Received| {
            let reply = match (request.path.as_str(), request.query.as_str()) {
                ("/network/v2.0/floatingips", "description=my%20ip&limit=1") => {
                    json!({"floatingips": [fip("a")],
                    "floatingips_links": [{"rel": "previous", "href": "http://x/?marker=z"},
                        {"rel": "next", "href": "http://x/v2.0/floatingips?limit=1&marker=a"}]})
                }
                ("/network/v2.0/floatingips", "limit=1&marker=a") => {
                    json!({"floatingips": [fip("b")],
                    "floatingips_links": [{"rel": "previous", "href": "http://x/?marker=b&page_reverse=True"}]})
                }
                ("/image/v2/images", "limit=1000") => {
                    json!({"images": [{"id": "i"}], "next": "/v2/images?marker=i"})
                }
                ("/image/v2/images", "marker=i") => {
                    json!({"images": [{"id": "j"}], "first": "/v2/images"})
                }
                _ => return None,
            };
            Some(ok(&reply))
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, _, cloud| {
            let query = FloatingIpQuery {
                description: Some("my ip".to_owned()),
                page_size: Some(1),
                ..FloatingIpQuery::default()
            };
            assert_eq!(
                cloud.network().floating_ips(&query).unwrap().len(),
                2,
                "{name}"
            );
            assert_eq!(cloud.image().images(None).unwrap().len(), 2, "{name}");
        },
    );
}

fn nova_server() -> Value {
    json!({"id": "s1", "name": "server", "status": "ERROR", "OS-EXT-STS:vm_state": "error",
        "OS-EXT-STS:task_state": null, "OS-EXT-STS:power_state": 0, "created": "2026-01-01T00:00:00Z",
        "updated": "2026-01-01T00:00:01Z", "OS-SRV-USG:launched_at": "2026-01-01T00:00:02.000000",
        "metadata": {"group": "scaled"}, "locked": true, "image": "", "flavor": {"original_name": "d2-8", "vcpus": 1},
        "addresses": {"Ext-Net": [
            {"version": 4, "addr": "192.0.2.7", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:0:0:1"},
            {"version": 6, "addr": "2001:db8::7"},
            {"version": 4, "addr": "198.51.100.7", "OS-EXT-IPS:type": "floating"}]},
        "fault": {"code": 500, "created": "2026-01-01T00:00:03Z", "message": "No valid host was found."},
        "key_name": null, "OS-EXT-AZ:availability_zone": "", "brand_new": {"x": 1}})
}

#[test]
fn servers_are_read_as_nova_writes_them() {
    let down = json!({"id": "s2", "status": "UNKNOWN", "tenant_id": "p1", "created": "2026-01-01T00:00:00Z", "links": []});
    let nulls = json!({"id": "s3", "name": null, "status": "BUILD", "metadata": null, "addresses": null, "fault": null,
        "OS-SRV-USG:launched_at": null, "image": null, "flavor": null, "locked": null});
    let script = || {
        let body = json!({"servers": [nova_server(), down.clone(), nulls.clone()]});
        move |request: &Received| request.path.ends_with("/servers/detail").then(|| ok(&body))
    };
    over_each_transport(
        script,
        |_| {},
        |_, _, cloud| {
            let servers = cloud
                .compute()
                .list_servers(&ServerQuery::default())
                .unwrap()
                .servers;
            let [full, down, nulls] = servers.as_slice() else {
                panic!("{servers:?}");
            };
            assert_eq!(full.launched_at, Some(1_767_225_602));
            assert_eq!(
                full.metadata,
                BTreeMap::from([("group".to_owned(), "scaled".to_owned())])
            );
            assert_eq!(
                (
                    full.locked,
                    full.image_id.as_deref(),
                    full.flavor.as_deref()
                ),
                (Some(true), None, Some("d2-8"))
            );
            let kinds: Vec<_> = full.addresses["Ext-Net"]
                .iter()
                .map(|address| (address.version, address.kind))
                .collect();
            assert_eq!(
                kinds,
                [
                    (4, AddressKind::Fixed),
                    (6, AddressKind::Fixed),
                    (4, AddressKind::Floating)
                ]
            );
            assert_eq!(
                full.fault.as_ref().unwrap().message,
                "No valid host was found."
            );
            let known = Server {
                id: "s2".to_owned(),
                status: "UNKNOWN".to_owned(),
                created_at: Some(1_767_225_600),
                project_id: Some("p1".to_owned()),
                ..Server::default()
            };
            assert_eq!(*down, known);
            assert_eq!(nulls.locked, None);
        },
    );
}

#[test]
fn creation_says_what_was_asked() {
    let order = CreateServer {
        name: "sdk-x".to_owned(),
        image: "i1".to_owned(),
        flavor: "f1".to_owned(),
        networks: vec!["n1".to_owned()],
        key_name: Some("ops".to_owned()),
        metadata: BTreeMap::from([("group".to_owned(), "scaled".to_owned())]),
        user_data: Some("aGk=".to_owned()),
        security_groups: vec!["default".to_owned()],
        availability_zone: Some("nova".to_owned()),
        min_count: Some(1),
        max_count: Some(3),
    };
    over_each_transport(
        || |_: &Received| None,
        |_| {},
        |name, server, cloud| {
            assert_eq!(cloud.compute().create_servers(&order).unwrap().id, "new");
            let expected = json!({"server": {"name": "sdk-x", "imageRef": "i1", "flavorRef": "f1", "networks": [{"uuid": "n1"}],
            "key_name": "ops", "metadata": {"group": "scaled"}, "user_data": "aGk=", "security_groups": [{"name": "default"}],
            "availability_zone": "nova", "min_count": 1, "max_count": 3}});
            assert_eq!(server.last().body, expected, "{name}");
            let bare = CreateServer::default();
            cloud.compute().create_servers(&bare).unwrap();
            let expected = json!({"server": {"name": "", "imageRef": "", "flavorRef": "", "networks": "auto"}});
            assert_eq!(server.last().body, expected, "{name}");
        },
    );
}

#[test]
fn a_move_is_one_conditional_put() {
    let script = || {
        |request: &Received| {
            (request.method == "PUT").then(|| {
                if request.header("if-match") == Some("revision_number=4") {
                    status(412, &json!({"NeutronError": {"type": "RevisionNumberConstraintFailed", "message": "Constrained to 4, but current revision is 5", "detail": ""}}))
                } else {
                    ok(&json!({"floatingip": {"id": "f1", "floating_ip_address": "192.0.2.1", "port_id": "new", "revision_number": 6}}))
                }
            })
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, server, cloud| {
            let network = cloud.network();
            let moved = network
                .update_floating_ip("f1", &FloatingIpUpdate::to_port("new"), Some(5))
                .unwrap();
            assert_eq!(
                (moved.port_id.as_deref(), moved.revision_number),
                (Some("new"), Some(6)),
                "{name}"
            );
            let sent = server.last();
            assert!(sent.is("PUT", "/network/v2.0/floatingips/f1"));
            assert_eq!(sent.body, json!({"floatingip": {"port_id": "new"}}));
            assert_eq!(sent.header("if-match"), Some("revision_number=5"));
            let stale = network
                .update_floating_ip("f1", &FloatingIpUpdate::to_port("new"), Some(4))
                .unwrap_err();
            assert_eq!(stale.kind(), ErrorKind::PreconditionFailed);
            assert!(!stale.outcome_unknown());
            network
                .update_floating_ip("../x", &FloatingIpUpdate::detach(), None)
                .unwrap();
            let sent = server.last();
            assert_eq!(sent.path, "/network/v2.0/floatingips/..%2Fx");
            assert_eq!(sent.body, json!({"floatingip": {"port_id": null}}));
            assert_eq!(sent.header("if-match"), None);
        },
    );
}
