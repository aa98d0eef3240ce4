//! HTTP proxies: `http` is asked for as a whole URL, `https` through a tunnel.

use std::time::Duration;

use openstack_sdk_blocking::{
    Cloud, CreateServer, Method, Proxies, Request, ServerQuery, TransportConfig, TransportErrorKind,
};
use serde_json::json;

use crate::server::{
    Received, Reply, Server, config, nova_versions, ok, status, token, transport_makers,
};

fn through(proxy: &Server, user: &str) -> TransportConfig {
    let url = format!("http://{user}127.0.0.1:{}", proxy.port);
    let vars = move |name: &str| (name == "ALL_PROXY").then(|| url.clone());
    TransportConfig {
        proxies: Proxies::from_vars(&vars).unwrap(),
        ..TransportConfig::default()
    }
}

/// As Squid by default: no tunnel but to port 443. The cloud behind it has a name that only the proxy knows.
fn squid(request: &Received) -> Option<Reply> {
    if request.method == "CONNECT" {
        return Some(status(403, &json!({"squid": "no tunnel"})));
    }
    let path = request.path.strip_prefix("http://cloud.invalid:8080")?;
    Some(match (request.method.as_str(), path) {
        ("POST", "/v3/auth/tokens") => match token(1, 3600, "/compute/v2.1") {
            Reply::Http(code, headers, body) => {
                let body = body.replace("127.0.0.1:1/", "cloud.invalid:8080/");
                Reply::Http(code, headers, body)
            }
            other => other,
        },
        ("GET", "/compute/v2.1/") => nova_versions("2.90"),
        ("GET", "/compute/v2.1/servers/detail") => ok(&json!({"servers": [{"id": "m"}]})),
        ("POST", "/compute/v2.1/servers") => status(202, &json!({"server": {"id": "new"}})),
        _ => return None,
    })
}

#[test]
fn http_goes_through_a_proxy_that_refuses_tunnels() {
    for make in transport_makers() {
        for (user, expected) in [
            ("", None),
            ("us%3Aer:p%40ss@", Some("Basic dXM6ZXI6cEBzcw==")),
        ] {
            let proxy = Server::start(squid);
            let (name, transport) = make(&through(&proxy, user));
            let mut config = config(&proxy);
            config.auth_url = "http://cloud.invalid:8080/v3".to_owned();
            let cloud = Cloud::with_transport(config, transport).unwrap();
            // A user data of several buffers, and a second list on the kept connection.
            let order = CreateServer {
                user_data: Some("x".repeat(60_000)),
                ..CreateServer::default()
            };
            for _ in 0..2 {
                let list = cloud.compute().list_servers(&ServerQuery::default());
                assert_eq!(list.unwrap().servers[0].id, "m", "{name}");
                assert_eq!(cloud.compute().create_servers(&order).unwrap().id, "new");
            }
            let received = proxy.received();
            assert_eq!(received.len(), 6, "{name}: {:?}", proxy.lines());
            assert!(received.iter().any(|request| request.nth > 0), "{name}");
            for request in received {
                assert!(
                    request.path.starts_with("http://cloud.invalid:8080/"),
                    "{name}"
                );
                assert_eq!(request.header("host"), Some("cloud.invalid:8080"), "{name}");
                assert_eq!(request.header("proxy-authorization"), expected, "{name}");
                if request.path.ends_with("/servers") {
                    let data = request.body["server"]["user_data"].as_str();
                    assert_eq!(data.map(str::len), Some(60_000), "{name}");
                }
            }
        }
    }
}

#[test]
fn https_goes_through_a_tunnel() {
    for make in transport_makers() {
        let proxy = Server::start(|_| Some(Reply::Close));
        let (name, transport) = make(&through(&proxy, "user:pass@"));
        let request = Request {
            method: Method::Get,
            url: "https://cloud.invalid:5000/v3".to_owned(),
            headers: vec![("x-auth-token", "secret".to_owned())],
            body: None,
            timeout: Duration::from_secs(10),
            max_body_bytes: 100,
            fresh_connection: false,
        };
        let error = transport.send(&request).unwrap_err();
        assert_ne!(
            error.kind,
            TransportErrorKind::BadRequest,
            "{name}: {error:?}"
        );
        let asked = proxy.last();
        assert!(
            asked.is("CONNECT", "cloud.invalid:5000"),
            "{name}: {asked:?}"
        );
        let credentials = asked.header("proxy-authorization");
        assert_eq!(credentials, Some("Basic dXNlcjpwYXNz"), "{name}");
        assert_eq!(asked.header("x-auth-token"), None, "{name}");
    }
}

#[test]
fn hosts_without_a_proxy_are_asked_for_a_path() {
    let direct = Server::start(|_| Some(ok(&json!({}))));
    let proxy = Server::start(squid);
    for make in transport_makers() {
        let url = format!("http://user:pass@127.0.0.1:{}", proxy.port);
        let vars = move |name: &str| match name {
            "HTTP_PROXY" => Some(url.clone()),
            "NO_PROXY" => Some("127.0.0.0/8".to_owned()),
            _ => None,
        };
        let (name, transport) = make(&TransportConfig {
            proxies: Proxies::from_vars(&vars).unwrap(),
            ..TransportConfig::default()
        });
        let request = Request {
            method: Method::Get,
            url: direct.url("/v3"),
            headers: Vec::new(),
            body: None,
            timeout: Duration::from_secs(10),
            max_body_bytes: 100,
            fresh_connection: false,
        };
        transport.send(&request).unwrap();
        let asked = direct.last();
        assert!(asked.is("GET", "/v3"), "{name}: {asked:?}");
        assert_eq!(asked.header("proxy-authorization"), None, "{name}");
    }
    assert_eq!(proxy.lines(), [""; 0]);
}
