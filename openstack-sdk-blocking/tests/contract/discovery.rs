use std::sync::atomic::{AtomicUsize, Ordering};

use openstack_sdk_blocking::{CreateServer, ErrorKind, Microversion, ServerQuery};
use serde_json::{Value, json};

use crate::server::{Received, Reply, nova_versions, ok, over_each_transport, status, token};

/// The catalog's path of compute, what a discovery path answers, the path that the list is then asked at.
fn compute_cases() -> Vec<(
    &'static str,
    &'static str,
    Reply,
    &'static str,
    Option<&'static str>,
)> {
    let list = json!({"versions": [
        {"id": "v2.0", "status": "SUPPORTED", "version": "", "min_version": "",
         "links": [{"rel": "self", "href": "http://internal.example:8774/v2/"}]},
        {"id": "v2.1", "status": "CURRENT", "version": "2.100", "min_version": "2.1",
         "links": [{"rel": "self", "href": "http://internal.example:8774/v2.1/"}]}]});
    let behind = json!({"versions": [{"id": "v2.1", "status": "CURRENT", "version": "2.60", "min_version": "2.1",
        "links": [{"rel": "self", "href": "https://other.example/compute/v2.1/"}]}]});
    let no_links: Value =
        json!({"versions": [{"id": "v2.1", "version": "2.60", "min_version": "2.1"}]});
    let html = Reply::Http(200, Vec::new(), "<html></html>".to_owned());
    vec![
        (
            "/v2.1",
            "/v2.1/",
            nova_versions("2.53"),
            "/v2.1/servers/detail",
            Some("compute 2.53"),
        ),
        (
            "/v2.1/p1",
            "/v2.1/",
            nova_versions("2.100"),
            "/v2.1/p1/servers/detail",
            Some("compute 2.79"),
        ),
        (
            "",
            "/",
            ok(&list),
            "/v2.1/servers/detail",
            Some("compute 2.79"),
        ),
        (
            "/compute",
            "/compute/",
            ok(&list),
            "/compute/v2.1/servers/detail",
            Some("compute 2.79"),
        ),
        (
            "/compute/",
            "/compute/",
            status(300, &behind),
            "/compute/v2.1/servers/detail",
            Some("compute 2.60"),
        ),
        (
            "/compute",
            "/compute/",
            ok(&no_links),
            "/compute/v2.1/servers/detail",
            Some("compute 2.60"),
        ),
        (
            "/v2/p1",
            "/",
            ok(&list),
            "/v2.1/servers/detail",
            Some("compute 2.79"),
        ),
        (
            "/v2.1",
            "/v2.1/",
            nova_versions(""),
            "/v2.1/servers/detail",
            None,
        ),
        (
            "/v2.1/p1",
            "/v2.1/",
            status(401, &json!({})),
            "/v2.1/p1/servers/detail",
            None,
        ),
        (
            "/v2.1",
            "/v2.1/",
            status(403, &json!({})),
            "/v2.1/servers/detail",
            None,
        ),
        (
            "/compute",
            "/compute/",
            status(404, &json!({})),
            "/compute/v2.1/servers/detail",
            None,
        ),
        (
            "/compute",
            "/compute/",
            html,
            "/compute/v2.1/servers/detail",
            None,
        ),
    ]
}

#[test]
fn compute_is_found_wherever_the_catalog_says() {
    for (catalog, asked, reply, expected, microversion) in compute_cases() {
        let script = || {
            let reply = reply.clone();
            move |request: &Received| {
                let port = request.header("host")?.rsplit(':').next()?.parse().ok()?;
                match request.path.as_str() {
                    "/v3/auth/tokens" => Some(token(port, 3600, catalog)),
                    path if path == asked => Some(reply.clone()),
                    path if path == expected => Some(ok(&json!({"servers": []}))),
                    _ => None,
                }
            }
        };
        over_each_transport(
            script,
            |_| {},
            |name, server, cloud| {
                let list = cloud.compute().list_servers(&ServerQuery::default());
                assert!(
                    list.is_ok(),
                    "{name}: {catalog}: {list:?} {:?}",
                    server.lines()
                );
                assert_eq!(
                    server.last().header("openstack-api-version"),
                    microversion,
                    "{name}: {catalog}"
                );
            },
        );
    }
}

#[test]
fn network_and_image_get_their_version() {
    over_each_transport(
        || |_: &Received| None,
        |_| {},
        |name, server, cloud| {
            cloud
                .network()
                .floating_ips(&openstack_sdk_blocking::FloatingIpQuery::default())
                .unwrap();
            assert_eq!(server.last().path, "/network/v2.0/floatingips", "{name}");
            cloud.image().images(Some("Debian 11")).unwrap();
            assert_eq!(server.last().path, "/image/v2/images", "{name}");
            assert_eq!(server.last().query, "name=Debian%2011", "{name}");
            assert_eq!(server.received().len(), 5, "{name}");
        },
    );
}

#[test]
fn a_service_that_is_down_is_not_taken_for_one_without_discovery() {
    let script =
        || |request: &Received| (request.path == "/network/").then(|| status(503, &json!({})));
    over_each_transport(
        script,
        |_| {},
        |name, server, cloud| {
            let query = openstack_sdk_blocking::FloatingIpQuery::default();
            let error = cloud.network().floating_ips(&query).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Server, "{name}");
            assert_eq!(
                cloud.network().floating_ips(&query).unwrap_err().status(),
                Some(503)
            );
            assert_eq!(
                server.count("GET", "/network/"),
                2,
                "{name}: asked again the next time"
            );
        },
    );
}

#[test]
fn a_discovery_that_failed_is_tried_again_after_the_next_login() {
    let script = || {
        let asked = AtomicUsize::new(0);
        move |request: &Received| {
            let port = request.header("host")?.rsplit(':').next()?.parse().ok()?;
            match request.path.as_str() {
                "/v3/auth/tokens" => Some(token(port, 0, "/compute/v2.1")),
                "/compute/v2.1/" if asked.fetch_add(1, Ordering::SeqCst) == 0 => {
                    Some(status(404, &json!({})))
                }
                _ => None,
            }
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, server, cloud| {
            cloud
                .compute()
                .list_servers(&ServerQuery::default())
                .unwrap();
            cloud
                .compute()
                .list_servers(&ServerQuery::default())
                .unwrap();
            assert_eq!(
                server.last().header("openstack-api-version"),
                Some("compute 2.79"),
                "{name}"
            );
            assert_eq!(
                server.count("GET", "/compute/v2.1/"),
                2,
                "{name}: and no more once it is found"
            );
        },
    );
}

#[test]
fn a_service_that_moves_is_found_at_its_new_url() {
    // The old URL does not answer as Nova any more; or it does, and the catalog has another one after a login.
    for (lifetime, old_answers) in [(3600, false), (0, true)] {
        let script = || {
            let logins = AtomicUsize::new(0);
            let lists = AtomicUsize::new(0);
            move |request: &Received| {
                let port = request.header("host")?.rsplit(':').next()?.parse().ok()?;
                match request.path.as_str() {
                    "/v3/auth/tokens" => {
                        let path = match logins.fetch_add(1, Ordering::SeqCst) {
                            0 => "/compute/v2.1",
                            _ => "/nova/v2.1",
                        };
                        Some(token(port, lifetime, path))
                    }
                    "/compute/v2.1/servers/detail" if !old_answers => {
                        let is_first = lists.fetch_add(1, Ordering::SeqCst) == 0;
                        (!is_first).then(|| Reply::Http(404, Vec::new(), String::new()))
                    }
                    "/nova/v2.1/" => Some(nova_versions("2.90")),
                    "/nova/v2.1/servers/detail" => Some(ok(&json!({"servers": []}))),
                    _ => None,
                }
            }
        };
        over_each_transport(
            script,
            |_| {},
            |name, server, cloud| {
                for _ in 0..3 {
                    let _ = cloud.compute().list_servers(&ServerQuery::default());
                }
                let last = server.last();
                assert_eq!(last.path, "/nova/v2.1/servers/detail", "{name}");
                assert_eq!(
                    last.header("openstack-api-version"),
                    Some("compute 2.79"),
                    "{name}"
                );
            },
        );
    }
}

#[test]
fn a_url_that_stays_wrong_is_one_more_login_and_not_one_per_request() {
    let script = || {
        |request: &Received| {
            let gone = request.path == "/compute/v2.1/servers/detail";
            gone.then(|| Reply::Http(404, Vec::new(), String::new()))
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, server, cloud| {
            for _ in 0..5 {
                let list = cloud.compute().list_servers(&ServerQuery::default());
                assert_eq!(list.unwrap_err().kind(), ErrorKind::WrongUrl, "{name}");
            }
            assert_eq!(server.count("POST", "/v3/auth/tokens"), 2, "{name}");
        },
    );
}

#[test]
fn a_microversion_that_is_refused_is_negotiated_anew() {
    let script = || {
        let asked = AtomicUsize::new(0);
        move |request: &Received| match request.path.as_str() {
            "/compute/v2.1/" if asked.fetch_add(1, Ordering::SeqCst) > 0 => {
                Some(nova_versions("2.60"))
            }
            "/compute/v2.1/servers/detail"
                if request.header("openstack-api-version") == Some("compute 2.79") =>
            {
                let body = json!({"computeFault": {"code": 406, "message": "Version 2.79 is not supported"}});
                Some(status(406, &body))
            }
            _ => None,
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, server, cloud| {
            let list = || cloud.compute().list_servers(&ServerQuery::default());
            assert_eq!(list().unwrap_err().status(), Some(406), "{name}");
            assert!(list().is_ok(), "{name}");
            assert_eq!(
                server.last().header("openstack-api-version"),
                Some("compute 2.60"),
                "{name}"
            );
            assert_eq!(server.count("POST", "/v3/auth/tokens"), 1, "{name}");
        },
    );
}

#[test]
fn a_failed_discovery_leaves_no_doubt_about_a_creation() {
    let script =
        || |request: &Received| (request.path == "/compute/v2.1/").then(|| status(503, &json!({})));
    over_each_transport(
        script,
        |_| {},
        |name, _, cloud| {
            let error = cloud
                .compute()
                .create_servers(&CreateServer::default())
                .unwrap_err();
            assert!(!error.outcome_unknown(), "{name}");
        },
    );
}

#[test]
fn the_caller_picks_the_microversion() {
    over_each_transport(
        || |_: &Received| None,
        |_| {},
        |name, server, cloud| {
            let compute = cloud.compute().with_microversion(Microversion(2, 9));
            assert_eq!(compute.negotiated().unwrap(), Some(Microversion(2, 9)));
            compute.list_servers(&ServerQuery::default()).unwrap();
            assert_eq!(
                server.last().header("openstack-api-version"),
                Some("compute 2.9"),
                "{name}"
            );
            assert_eq!(
                server.last().header("x-openstack-nova-api-version"),
                Some("2.9"),
                "{name}"
            );
            assert_eq!(
                server.last().header("x-auth-token"),
                Some("token-3600"),
                "{name}"
            );
        },
    );
}

#[test]
fn what_the_catalog_lacks_is_named() {
    let cases: [(&str, openstack_sdk_blocking::Interface, &str); 2] = [
        (
            "R9",
            openstack_sdk_blocking::Interface::Public,
            "the cloud's catalog has no public endpoint of network in region R9; its endpoints: internal in R1, public in R1",
        ),
        (
            "R1",
            openstack_sdk_blocking::Interface::Admin,
            "the cloud's catalog has no admin endpoint of network in region R1; its endpoints: internal in R1, public in R1",
        ),
    ];
    for (region, interface, expected) in cases {
        over_each_transport(
            || |_: &Received| None,
            |config| {
                config.region = Some(region.to_owned());
                config.interface = interface;
            },
            |name, _, cloud| {
                let error = cloud.network().networks(None).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Catalog, "{name}");
                assert_eq!(error.to_string(), expected, "{name}");
            },
        );
    }
}

#[test]
fn a_service_may_be_elsewhere_than_the_others() {
    use openstack_sdk_blocking::{Interface, Service, ServiceConfig};
    let script = || {
        |request: &Received| {
            let networks = request.path.ends_with("/v2.0/networks");
            networks.then(|| ok(&json!({"networks": []})))
        }
    };
    let check = |own: ServiceConfig, expected: &str| {
        over_each_transport(
            script,
            |config| {
                let mut own = own.clone();
                let host = config.auth_url.trim_end_matches("/v3").to_owned();
                own.endpoint = own.endpoint.map(|path| format!("{host}{path}"));
                config.services = [(Service::Network, own)].into();
            },
            |name, server, cloud| {
                cloud.network().networks(None).unwrap();
                assert_eq!(server.last().path, expected, "{name}");
            },
        );
    };
    let internal = ServiceConfig {
        interface: Some(Interface::Internal),
        ..ServiceConfig::default()
    };
    check(internal, "/wrong/v2.0/networks");
    let url = |path: &str| ServiceConfig {
        endpoint: Some(path.to_owned()),
        region: Some("nowhere".to_owned()),
        ..ServiceConfig::default()
    };
    check(url("/mine/v2.0"), "/mine/v2.0/networks");
    check(url("/of/$(project_id)s/v2.0"), "/of/p1/v2.0/networks");
}
