//! The end of a list: by its pages, by the time that it has, by the caller, and by a refusal of one page too many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use openstack_sdk_blocking::{ErrorKind, FloatingIpQuery, PortQuery, ServerQuery};
use serde_json::json;

use crate::server::{
    Received, Reply, Server, config, ok, over_each_transport, pause, status, transport_makers,
};

/// One server a page, without end.
fn page_after_page(request: &Received) -> Option<Reply> {
    let marker = request.query.strip_prefix("marker=").unwrap_or("0");
    let next = marker.parse::<u64>().unwrap_or_default() + 1;
    let href = format!("http://x/servers/detail?marker={next}");
    (request.path == "/compute/v2.1/servers/detail").then(|| {
        ok(
            &json!({"servers": [{"id": next.to_string(), "status": "ACTIVE"}],
            "servers_links": [{"rel": "next", "href": href}]}),
        )
    })
}

#[test]
fn a_list_ends_in_its_time_though_each_page_comes_in_its_own() {
    let script = || {
        |request: &Received| {
            if request.path == "/compute/v2.1/servers/detail" {
                pause(Duration::from_millis(30));
            }
            page_after_page(request)
        }
    };
    let short = |config: &mut openstack_sdk_blocking::CloudConfig| {
        config.timeout = Duration::from_millis(200);
    };
    over_each_transport(script, short, |name, server, cloud| {
        let query = ServerQuery::default();
        let error = cloud.compute().list_servers(&query).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{name}: {error}");
        // Ten times the time of a request, and no more pages than fit.
        let pages = server.count("GET", "/compute/v2.1/servers/detail");
        assert!((2..=70).contains(&pages), "{name}: {pages}: {error}");
    });
}

#[test]
fn a_list_is_broken_off_between_two_pages() {
    for make in transport_makers() {
        let (name, transport) = make(&openstack_sdk_blocking::TransportConfig::default());
        let server = Server::start(page_after_page);
        let mut cloud =
            openstack_sdk_blocking::Cloud::with_transport(config(&server), transport).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&asked);
        cloud.between_pages(Box::new(move || seen.fetch_add(1, Ordering::SeqCst) < 3));
        let query = ServerQuery::default();
        let error = cloud.compute().list_servers(&query).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped, "{name}");
        assert_eq!(server.count("GET", "/compute/v2.1/servers/detail"), 3);
        assert_eq!(asked.load(Ordering::SeqCst), 4, "{name}");
        // No other list is begun either, and what is no list is asked for as before.
        let before = server.received().len();
        let error = cloud.network().floating_ips(&FloatingIpQuery::default());
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Stopped);
        let error = cloud.network().ports(&PortQuery::default());
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Stopped);
        assert_eq!(server.received().len(), before, "{name}");
        cloud.compute().delete_server("x").unwrap();
    }
}

/// One that is being built may be read twice, by its request and by itself. Whatever else is listed twice differently, the caller
/// gets to see: which of the two is true, only he can find out.
#[test]
fn a_server_in_two_states_is_listed_twice() {
    let script = || {
        |request: &Received| {
            let shown = |id: &str, status: &str, vm_state: &str| json!({"id": id, "status": status, "OS-EXT-STS:vm_state": vm_state});
            let servers = json!([
                shown("a", "ERROR", "error"),
                shown("b", "ACTIVE", "active"),
                shown("c", "BUILD", "building"),
                shown("a", "ACTIVE", "active"),
                shown("b", "ACTIVE", "active"),
                shown("c", "ACTIVE", "active"),
                shown("a", "BUILD", "building"),
            ]);
            let last = json!([
                shown("a", "ACTIVE", "active"),
                shown("c", "ACTIVE", "active")
            ]);
            let is_list = request.path == "/compute/v2.1/servers/detail";
            let servers = if request.query.is_empty() {
                servers
            } else {
                last
            };
            is_list.then(|| ok(&json!({"servers": servers})))
        }
    };
    over_each_transport(
        script,
        |_| (),
        |name, server, cloud| {
            let list = cloud
                .compute()
                .list_servers(&ServerQuery::default())
                .unwrap();
            let shown = list
                .servers
                .iter()
                .map(|s| (s.id.as_str(), s.status.as_str()));
            let shown: Vec<_> = shown.collect();
            let expected = [
                ("a", "ERROR"),
                ("b", "ACTIVE"),
                ("c", "BUILD"),
                ("a", "ACTIVE"),
            ];
            assert_eq!(shown, expected, "{name}");
            // The page beyond the last one has nothing new, and ends the list.
            assert_eq!(
                server.count("GET", "/compute/v2.1/servers/detail"),
                2,
                "{name}"
            );
        },
    );
}

/// The page that is asked for beyond the last one, because a server is being built, may be refused in any way.
#[test]
fn a_refused_page_beyond_the_last_one_is_the_end_of_the_list() {
    let nova = |code: u16| {
        status(
            code,
            &json!({"badRequest": {"message": "marker not found"}}),
        )
    };
    let refusals = [
        nova(400),
        nova(403),
        nova(404),
        nova(409),
        nova(429),
        nova(500),
        nova(503),
        Reply::Http(404, Vec::new(), "<html>".to_owned()),
        Reply::Http(200, Vec::new(), "<html>".to_owned()),
        ok(&json!({"servers": null})),
        Reply::Close,
        Reply::Raw("HTTP/1.1 200 OK\r\n".to_owned()),
    ];
    for refusal in refusals {
        let script = || {
            let refusal = refusal.clone();
            move |request: &Received| {
                if request.path != "/compute/v2.1/servers/detail" {
                    return None;
                }
                let servers = json!([{"id": "b", "OS-EXT-STS:vm_state": "building"},
                    {"id": "a", "OS-EXT-STS:vm_state": "active"}]);
                Some(match request.query.as_str() {
                    "" => ok(&json!({"servers": servers})),
                    _ => refusal.clone(),
                })
            }
        };
        let short = |config: &mut openstack_sdk_blocking::CloudConfig| {
            config.timeout = Duration::from_millis(400);
        };
        over_each_transport(script, short, |name, _, cloud| {
            let list = cloud.compute().list_servers(&ServerQuery::default());
            let list = list.unwrap_or_else(|error| panic!("{name}: {refusal:?}: {error}"));
            let ids: Vec<_> = list.servers.iter().map(|server| &server.id).collect();
            assert_eq!(ids, ["b", "a"], "{name}: {refusal:?}");
        });
    }
}
