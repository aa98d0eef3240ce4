//! Connections, time and size.

use std::error::Error as _;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openstack_sdk_blocking::{
    Cloud, CreateServer, ErrorKind, FloatingIpUpdate, Method, Proxies, Request, RequestRecord,
    Server, ServerQuery, TransportConfig, TransportErrorKind,
};
use serde_json::json;

use crate::server::{
    Received, Reply, Server as Scripted, config, ok, over_each_transport, pause, status,
    transport_makers, transports,
};

fn get(url: String) -> Request {
    Request {
        method: Method::Get,
        url,
        headers: vec![("x-auth-token", "tok-secret".to_owned())],
        body: None,
        timeout: Duration::from_millis(500),
        max_body_bytes: 1000,
        fresh_connection: false,
    }
}

#[test]
fn transports_agree_on_how_an_exchange_fails() {
    use TransportErrorKind as Kind;
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let big = Reply::Http(200, Vec::new(), "x".repeat(1001));
    let big_chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n{}\r\n",
        "x".repeat(2048)
    );
    let cases: Vec<(&str, Reply, Kind)> = vec![
        ("silence", Reply::Raw(String::new()), Kind::Timeout),
        (
            "half a head",
            Reply::Raw("HTTP/1.1 200 OK\r\nContent-".to_owned()),
            Kind::Timeout,
        ),
        (
            "half a body",
            Reply::Raw(format!("{head}abc")),
            Kind::Timeout,
        ),
        (
            "a body in drops",
            Reply::Dribble(head.to_owned()),
            Kind::Timeout,
        ),
        ("no answer", Reply::Close, Kind::Lost),
        (
            "a body cut off",
            Reply::Cut(format!("{head}abc")),
            Kind::Lost,
        ),
        (
            "chunks cut off",
            Reply::Cut(format!("{chunked}3\r\nabc\r\n")),
            Kind::Lost,
        ),
        (
            "a head cut off",
            Reply::Cut("HTTP/1.1 200 OK\r\nConte".to_owned()),
            Kind::Lost,
        ),
        (
            "not HTTP",
            Reply::Cut("SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n".to_owned()),
            Kind::BadAnswer,
        ),
        ("too large", big, Kind::TooLarge),
        (
            "too large, without saying so",
            Reply::Raw(big_chunked),
            Kind::TooLarge,
        ),
    ];
    for (name, transport) in transports() {
        for (what, reply, kind) in &cases {
            let reply = reply.clone();
            let server = Scripted::start(move |_: &Received| Some(reply.clone()));
            let error = transport.send(&get(server.url("/x"))).unwrap_err();
            assert_eq!(error.kind, *kind, "{name}: {what}: {error:?}");
            assert!(!format!("{error:?}").contains("tok-secret"), "{error:?}");
        }
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let refused = transport.send(&get(format!("http://{free}/"))).unwrap_err();
        assert_eq!(refused.kind, Kind::Connect, "{name}");
        let mut bad = get(format!("http://{free}/"));
        bad.headers = vec![("x-auth-token", "a\r\nb".to_owned())];
        assert_eq!(
            transport.send(&bad).unwrap_err().kind,
            Kind::BadRequest,
            "{name}"
        );
        assert!(!format!("{bad:?}").contains("a\r") && !format!("{bad:?}").contains("a\\r"));
    }
}

#[test]
fn transports_return_every_status_with_its_body_and_follow_nothing() {
    for (name, transport) in transports() {
        for code in [200, 201, 300, 301, 302, 307, 401, 404, 500] {
            let script = move |request: &Received| {
                let location = format!("http://{}/elsewhere", request.header("host").unwrap());
                Some(Reply::Http(
                    code,
                    vec![("Location", location), ("X-Two", "b".to_owned())],
                    "body".to_owned(),
                ))
            };
            let server = Scripted::start(script);
            let response = transport.send(&get(server.url("/x?y=1"))).unwrap();
            assert_eq!(
                (response.status, response.header("x-two")),
                (code, Some("b")),
                "{name}"
            );
            assert_eq!(response.body, b"body", "{name}: {code}");
            let post = Request {
                method: Method::Post,
                body: Some(b"{}".to_vec()),
                fresh_connection: true,
                ..get(server.url("/x"))
            };
            let response = transport.send(&post).unwrap();
            assert_eq!(
                (response.status, response.body.as_slice()),
                (code, b"body".as_slice()),
                "{name}"
            );
            assert_eq!(server.lines(), ["GET /x?y=1", "POST /x"], "{name}: {code}");
        }
    }
}

#[test]
fn only_reading_uses_a_kept_connection() {
    over_each_transport(
        || |_: &Received| None,
        |_| {},
        |name, server, cloud| {
            let compute = cloud.compute();
            compute.list_servers(&ServerQuery::default()).unwrap();
            compute.list_servers(&ServerQuery::default()).unwrap();
            compute.create_servers(&CreateServer::default()).unwrap();
            compute.delete_server("a").unwrap();
            for request in server.received() {
                if request.method != "GET" {
                    assert_eq!(request.nth, 0, "{name}: {request:?}");
                }
            }
            let kept = server
                .received()
                .iter()
                .filter(|request| request.nth > 0)
                .count();
            assert!(kept >= 1, "{name}: reading keeps its connection");
        },
    );
}

#[test]
fn a_connection_that_the_server_closes_is_no_error() {
    // The server closes after each answer without saying so, or when a second request comes on a connection.
    for on_second in [false, true] {
        let script = || {
            move |request: &Received| {
                if on_second {
                    return (request.nth > 0).then_some(Reply::Close);
                }
                match request.path.as_str() {
                    "/compute/v2.1/servers/detail" => {
                        Some(Reply::ThenClose(Box::new(ok(&json!({"servers": []})))))
                    }
                    _ => None,
                }
            }
        };
        over_each_transport(
            script,
            |_| {},
            |name, _, cloud| {
                for _ in 0..3 {
                    let list = cloud.compute().list_servers(&ServerQuery::default());
                    assert!(list.is_ok(), "{name}: {list:?}");
                    pause(Duration::from_millis(30));
                    cloud
                        .compute()
                        .create_servers(&CreateServer::default())
                        .unwrap();
                    cloud.compute().delete_server("x").unwrap();
                }
            },
        );
    }
}

#[test]
fn a_creation_is_never_sent_twice_and_its_outcome_is_told() {
    let cases: [(Reply, ErrorKind); 4] = [
        (Reply::Close, ErrorKind::Connection),
        (Reply::Raw(String::new()), ErrorKind::Timeout),
        (
            Reply::Http(202, Vec::new(), "{".to_owned()),
            ErrorKind::BadAnswer,
        ),
        (status(500, &json!({})), ErrorKind::Server),
    ];
    for (reply, kind) in cases {
        let script = || {
            let reply = reply.clone();
            move |request: &Received| {
                request
                    .is("POST", "/compute/v2.1/servers")
                    .then(|| reply.clone())
            }
        };
        over_each_transport(
            script,
            |config| config.timeout = Duration::from_millis(600),
            |name, server, cloud| {
                let error = cloud
                    .compute()
                    .create_servers(&CreateServer::default())
                    .unwrap_err();
                assert_eq!(error.kind(), kind, "{name}");
                assert!(error.outcome_unknown(), "{name}: {error:?}");
                assert_eq!(server.count("POST", "/compute/v2.1/servers"), 1, "{name}");
                assert!(!error.to_string().contains("token-3600"));
            },
        );
    }
}

#[test]
fn a_refused_connection_leaves_no_doubt() {
    for (name, transport) in transports() {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let server = Scripted::start(|_: &Received| None);
        let mut config = config(&server);
        config.auth_url = format!("http://{free}/v3");
        let cloud = Cloud::with_transport(config, transport).unwrap();
        let error = cloud
            .compute()
            .create_servers(&CreateServer::default())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connection, "{name}");
        assert!(!error.outcome_unknown(), "{name}");
        assert_eq!(
            error.to_string(),
            format!("identity: POST /v3/auth/tokens failed: no connection to {free}"),
            "{name}"
        );
        assert!(error.source().is_some(), "{name}");
    }
}

#[test]
fn every_exchange_is_told() {
    for (name, transport) in transports() {
        let server = Scripted::start(|request: &Received| {
            (request.method == "PUT").then(|| {
                status(
                    409,
                    &json!({"NeutronError": {"type": "X", "message": "no"}}),
                )
            })
        });
        let mut cloud = Cloud::with_transport(config(&server), transport).unwrap();
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&told);
        cloud.on_request(Box::new(move |record: &RequestRecord| {
            let line = format!(
                "{} {} {:?} {:?}",
                record.method, record.path, record.status, record.error
            );
            log.lock().unwrap().push(line);
        }));
        cloud
            .network()
            .update_floating_ip("x", &FloatingIpUpdate::detach(), None)
            .unwrap_err();
        let expected = [
            "POST /v3/auth/tokens Some(201) None",
            "GET /network/ Some(200) None",
            "PUT /network/v2.0/floatingips/x Some(409) Some(Conflict)",
        ];
        assert_eq!(*told.lock().unwrap(), expected, "{name}");
    }
}

#[test]
fn the_proxy_of_the_scheme_is_used_and_no_other() {
    let proxies = |no_proxy: &'static str, port: u16| {
        let vars = move |name: &str| match name {
            "HTTP_PROXY" => Some(format!("u:p@127.0.0.1:{port}")),
            "HTTPS_PROXY" => Some("http://127.0.0.1:1".to_owned()),
            "NO_PROXY" => Some(no_proxy.to_owned()),
            _ => None,
        };
        Proxies::from_vars(&vars).unwrap()
    };
    for no_proxy in ["", "10.0.0.0/8,127.0.0.0/8"] {
        for make in transport_makers() {
            let proxy = Scripted::start(|_: &Received| Some(status(502, &json!({}))));
            let server = Scripted::start(|_: &Received| Some(ok(&json!({}))));
            let config = TransportConfig {
                proxies: proxies(no_proxy, proxy.port),
                ..TransportConfig::default()
            };
            let (name, transport) = make(&config);
            let _ = transport.send(&get(server.url("/x")));
            let asked = (proxy.received().len(), server.received().len());
            let expected = if no_proxy.is_empty() { (1, 0) } else { (0, 1) };
            assert_eq!(asked, expected, "{name}: {no_proxy}");
            if let Some(request) = proxy.received().first() {
                // "u:p"
                assert_eq!(
                    request.header("proxy-authorization"),
                    Some("Basic dTpw"),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn types_are_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Cloud>();
    check::<Server>();
    check::<openstack_sdk_blocking::Error>();
}
