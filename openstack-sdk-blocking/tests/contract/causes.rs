//! Every connection error names where it was going and through what, and says why TLS failed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use openstack_sdk_blocking::{
    Auth, Cause, Cloud, CredentialRef, Error, ErrorKind, Proxies, Scope, TransportConfig,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::server::{
    Received, Reply, Server, config, over_each_transport, status, token, transport_makers,
};

fn data(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data/tls")
        .join(file)
}

/// A server that speaks TLS with that certificate; its port.
fn with_certificate(name: &str) -> u16 {
    let pem = |extension: &str| std::fs::read(data(&format!("{name}.{extension}"))).unwrap();
    let chain = CertificateDer::pem_slice_iter(&pem("pem"))
        .collect::<Result<_, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(&pem("key")).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
    let config = Arc::new(config);
    serve(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let mut byte = [0];
        let _ = stream.read(&mut byte);
    })
}

/// Talks at 127.0.0.1 and at 127.0.0.2, which a certificate does not name.
fn serve(talk: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listeners = || {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let second = TcpListener::bind(("127.0.0.2", port)).ok()?;
        Some((port, [first, second]))
    };
    let (port, listeners) = std::iter::repeat_with(listeners).flatten().next().unwrap();
    let talk = Arc::new(talk);
    for listener in listeners {
        let talk = Arc::clone(&talk);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let talk = Arc::clone(&talk);
                thread::spawn(move || talk(stream));
            }
        });
    }
    port
}

/// The error of a login at that URL, over each transport.
fn refused(url: &str, ca: Option<&str>, proxy: Option<u16>, check: impl Fn(&str, &Error)) {
    for make in transport_makers() {
        let proxies = Proxies::from_vars(&|name| {
            let port = proxy.filter(|_| name == "ALL_PROXY")?;
            Some(format!("http://me:hunter2@127.0.0.1:{port}"))
        });
        let transport = TransportConfig {
            ca_file: ca.map(data),
            proxies: proxies.clone().unwrap(),
            ..TransportConfig::default()
        };
        let (name, transport) = make(&transport);
        let server = Server::start(|_: &Received| None);
        let mut config = config(&server);
        url.clone_into(&mut config.auth_url);
        config.proxies = proxies.unwrap();
        let cloud = Cloud::with_transport(config, transport).unwrap();
        let error = cloud.authenticate().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{name}");
        check(name, &error);
    }
}

#[test]
fn why_tls_failed() {
    let check = |url: &str, ca: Option<&str>, cause: &Cause, expected: &str| {
        refused(url, ca, None, |name, error| {
            assert_eq!(error.cause(), Some(cause), "{name}: {error:?}");
            assert_eq!(error.to_string(), expected, "{name}");
            assert_eq!(error.kind(), ErrorKind::Connection, "{name}");
        });
    };
    let good = with_certificate("server");
    let failed = |port: u16, host: &str, why: &str| {
        format!("identity: POST /v3/auth/tokens failed: no TLS with {host}:{port}: {why}")
    };
    let unknown = "its certificate is from an authority that is not trusted here";
    let url = format!("https://127.0.0.1:{good}/v3");
    let expected = failed(good, "127.0.0.1", unknown);
    check(&url, None, &Cause::UnknownIssuer, &expected);
    check(
        &url,
        Some("expired-ca.pem"),
        &Cause::UnknownIssuer,
        &expected,
    );
    let url = format!("https://127.0.0.2:{good}/v3");
    let expected = failed(good, "127.0.0.2", "its certificate is for another name");
    check(&url, Some("ca.pem"), &Cause::NotValidForName, &expected);
    let old = with_certificate("expired");
    let url = format!("https://127.0.0.1:{old}/v3");
    let expected = failed(old, "127.0.0.1", "its certificate has expired");
    check(&url, Some("expired-ca.pem"), &Cause::Expired, &expected);
    let plain = Server::start(|_: &Received| None);
    let url = format!("https://127.0.0.1:{}/v3", plain.port);
    // The server reads lines and would wait for the end of the first.
    let port = serve(|mut stream| {
        let mut some = [0; 64];
        let _ = stream.read(&mut some);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let url = url.replace(&plain.port.to_string(), &port.to_string());
    let expected = failed(port, "127.0.0.1", "it answers in plain HTTP, not TLS");
    check(&url, None, &Cause::PlainHttp, &expected);
}

#[test]
fn plain_http_to_a_port_for_tls() {
    let good = with_certificate("server");
    refused(
        &format!("http://127.0.0.1:{good}/v3"),
        None,
        None,
        |name, error| {
            // The one library reads the alert, to the other the connection is lost.
            assert!(
                error.to_string().contains(&format!("127.0.0.1:{good}")),
                "{name}: {error}"
            );
        },
    );
    // nginx and Apache answer in plain HTTP.
    for text in [
        "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
        "Reason: You're speaking plain HTTP to an SSL-enabled server port.",
    ] {
        let script = || {
            |request: &Received| {
                let reply = Reply::Http(400, Vec::new(), text.to_owned());
                (request.method == "POST").then_some(reply)
            }
        };
        over_each_transport(
            script,
            |_| {},
            |name, _, cloud| {
                let error = cloud.authenticate().unwrap_err();
                assert_eq!(error.cause(), Some(&Cause::TlsPort), "{name}: {error}");
                assert_eq!(error.kind(), ErrorKind::WrongUrl, "{name}: {error}");
            },
        );
    }
}

#[test]
fn the_proxy_is_named_without_its_password() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let through = |target: &str| format!("{target} through the proxy 127.0.0.1:{free}");
    refused(
        "https://keystone.example/v3",
        None,
        Some(free),
        |name, error| {
            assert_eq!(error.kind(), ErrorKind::Connection, "{name}: {error:?}");
            let text = error.to_string();
            assert!(
                text.contains(&through("keystone.example:443")),
                "{name}: {text}"
            );
            let target = error.target().unwrap();
            assert_eq!(target.proxy.as_deref(), Some(&*format!("127.0.0.1:{free}")));
        },
    );
    // A proxy that refuses.
    let port = serve(|stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
            line.clear();
        }
        let mut stream = stream;
        let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    });
    refused(
        "https://keystone.example/v3",
        None,
        Some(port),
        |name, error| {
            let text = error.to_string();
            let expected = format!("keystone.example:443 through the proxy 127.0.0.1:{port}");
            assert!(text.contains(&expected), "{name}: {text}");
        },
    );
}

fn unauthorized() -> Reply {
    let words = "The request you have made requires authentication.";
    status(
        401,
        &json!({"error": {"code": 401, "message": words, "title": "Unauthorized"}}),
    )
}

fn is_unscoped(request: &Received) -> bool {
    request.body.pointer("/auth/scope") == Some(&json!("unscoped"))
}

/// Keystone's 401 says nothing: the second try, which would be made anyway, is one without the project.
#[test]
fn a_wrong_project_is_told_from_a_wrong_password() {
    let projects =
        json!({"projects": [{"id": "1", "name": "gateways"}, {"id": "2", "name": "lab"}]});
    let script = |password_is_right: bool| {
        let projects = projects.clone();
        move |request: &Received| match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/v3/auth/tokens") if is_unscoped(request) && password_is_right => {
                let body = json!({"token": {"user": {"id": "u", "name": "scaler"}}});
                let header = vec![("X-Subject-Token", "token-x".to_owned())];
                Some(Reply::Http(201, header, body.to_string()))
            }
            ("POST", "/v3/auth/tokens") => Some(unauthorized()),
            ("GET", "/v3/auth/projects") => Some(status(200, &projects)),
            _ => None,
        }
    };
    let wanted = |name: &'static str| {
        move |config: &mut openstack_sdk_blocking::CloudConfig| {
            config.scope = Scope::Project(openstack_sdk_blocking::ProjectRef::Name {
                name: name.to_owned(),
                domain: openstack_sdk_blocking::DomainRef::Id("default".to_owned()),
            });
        }
    };
    over_each_transport(
        || script(true),
        wanted("gateway"),
        |name, server, cloud| {
            let first = cloud.authenticate().unwrap_err();
            assert_eq!(
                (first.kind(), first.cause()),
                (ErrorKind::Unauthorized, None),
                "{name}"
            );
            assert_eq!(server.count("POST", "/v3/auth/tokens"), 1, "{name}");
            for _ in 0..2 {
                server.later(900);
                let error = cloud.authenticate().unwrap_err();
                let names = vec!["gateways".to_owned(), "lab".to_owned()];
                assert_eq!(error.kind(), ErrorKind::Unauthorized, "{name}");
                assert_eq!(error.cause(), Some(&Cause::WrongProject(names)), "{name}");
                let text = "user and password are right, but they have no project gateway; there are: gateways, lab; did \
                        you mean gateways?";
                assert!(error.message().starts_with(text), "{name}: {error}");
            }
        },
    );
    over_each_transport(
        || script(false),
        wanted("gateway"),
        |name, server, cloud| {
            for tries in 1..=4 {
                let error = cloud.authenticate().unwrap_err();
                // Before its time is over, it is not even asked.
                cloud.authenticate().unwrap_err();
                server.later(900);
                // Never more than one for each: an account may be locked by it.
                assert_eq!(server.count("POST", "/v3/auth/tokens"), tries, "{name}");
                let cause = (tries == 2).then_some(&Cause::WrongCredentials);
                assert_eq!(error.cause(), cause, "{name}");
            }
            assert!(
                server.received().iter().filter(|r| is_unscoped(r)).count() == 1,
                "{name}"
            );
        },
    );
    let credential = |config: &mut openstack_sdk_blocking::CloudConfig| {
        config.auth = Auth::ApplicationCredential {
            credential: CredentialRef::Id("c".to_owned()),
            secret: "s3cret".into(),
        };
    };
    over_each_transport(
        || script(true),
        credential,
        |name, _, cloud| {
            let error = cloud.authenticate().unwrap_err();
            assert_eq!(error.cause(), Some(&Cause::CredentialRefused), "{name}");
        },
    );
}

/// A token's answer with another project, or with other regions.
fn moved(reply: Reply, project: &str, regions: &[&str]) -> Reply {
    let Reply::Http(status, headers, body) = reply else {
        panic!("not an answer")
    };
    let mut body: Value = serde_json::from_str(&body).unwrap();
    body["token"]["project"]["id"] = json!(project);
    for service in body["token"]["catalog"].as_array_mut().unwrap() {
        let one = service["endpoints"][0].clone();
        let all = regions.iter().map(|region| {
            let mut one = one.clone();
            one["interface"] = json!("public");
            one["region"] = json!(region);
            one["region_id"] = json!(region);
            one
        });
        service["endpoints"] = all.collect();
    }
    Reply::Http(status, headers, body.to_string())
}

#[test]
fn a_session_stays_in_its_project_and_region() {
    // Each login answers with the next; tokens of a second are asked for anew with each request.
    let check =
        |logins: &'static [(&str, &[&str])], region: Option<&str>, expected: &[Option<&str>]| {
            let script = || {
                let count = std::sync::atomic::AtomicUsize::new(0);
                move |request: &Received| {
                    let port = request.header("host")?.rsplit(':').next()?.parse().ok()?;
                    match (request.method.as_str(), request.path.as_str()) {
                        ("POST", "/v3/auth/tokens") => {
                            let n = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                            let (project, regions) = logins[n.min(logins.len() - 1)];
                            let reply = token(port, 0, "/compute/v2.1");
                            Some(moved(reply, project, regions))
                        }
                        _ => None,
                    }
                }
            };
            let change = |config: &mut openstack_sdk_blocking::CloudConfig| {
                config.region = region.map(str::to_owned);
                config.scope = Scope::Unscoped;
            };
            over_each_transport(script, change, |name, server, cloud| {
                for expected in expected {
                    let before = server.received().len();
                    let got = cloud.authenticate();
                    match (expected, got) {
                        (None, got) => assert!(got.is_ok(), "{name}: {logins:?}: {got:?}"),
                        (Some(part), got) => {
                            let text = got.unwrap_err().to_string();
                            assert!(text.contains(part), "{name}: {text}");
                            // Nothing but the login was sent, and nothing else is.
                            let error = cloud.compute().delete_server("x").unwrap_err();
                            assert!(!error.outcome_unknown(), "{name}");
                            let sent = server.received().len() - before;
                            assert_eq!(sent, 2, "{name}: two logins");
                            assert_eq!(
                                server.count("DELETE", "/compute/v2.1/servers/x"),
                                0,
                                "{name}"
                            );
                        }
                    }
                }
            });
        };
    let other = "the login leads to project pool (p2) now, and this process was started for project pool (p1)";
    check(
        &[("p1", &["R1"]), ("p2", &["R1"])],
        None,
        &[None, Some(other)],
    );
    check(
        &[("p1", &["R1"]), ("p2", &["R1"])],
        Some("R1"),
        &[None, Some(other)],
    );
    let region = "the login leads to region R2 now, and this process was started for project pool (p1), region R1";
    check(
        &[("p1", &["R1"]), ("p1", &["R2"])],
        None,
        &[None, Some(region)],
    );
    // A second region changes nothing for one that is at home in the first.
    check(
        &[("p1", &["R1"]), ("p1", &["R2", "R1"])],
        None,
        &[None, None],
    );
    let several = "no region is configured, and the cloud's catalog has several: R1, R2";
    check(&[("p1", &["R1", "R2"])], None, &[Some(several)]);
    check(&[("p1", &["R1", "R2"])], Some("R2"), &[None]);
}
