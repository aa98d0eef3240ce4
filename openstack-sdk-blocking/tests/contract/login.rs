use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use openstack_sdk_blocking::{
    Auth, Cloud, CloudConfig, CreateServer, CredentialRef, DomainRef, ErrorKind, ProjectRef, Scope,
    ServerQuery, UserRef,
};
use serde_json::{Value, json};

use crate::server::{
    PASSWORD, Received, Reply, Server, config, nova_versions, ok, over_each_transport,
    password_auth, pause, status, token, transports,
};

fn name(name: &str, domain: DomainRef) -> UserRef {
    UserRef::Name {
        name: name.to_owned(),
        domain,
    }
}

fn auth_cases() -> Vec<(&'static str, Auth, Scope, Value)> {
    let domain_id = || DomainRef::Id("d1".to_owned());
    let project = Scope::Project(ProjectRef::Id("p1".to_owned()));
    let project_by_name = Scope::Project(ProjectRef::Name {
        name: "pool".to_owned(),
        domain: DomainRef::Name("Default".to_owned()),
    });
    let by_id = Auth::Password {
        user: UserRef::Id("u1".to_owned()),
        password: "secret".into(),
    };
    let credential = |credential| Auth::ApplicationCredential {
        credential,
        secret: "cs".into(),
    };
    vec![
        (
            "user and domain by name, project by id",
            password_auth(),
            project.clone(),
            json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user":
                {"name": "scaler", "domain": {"name": "Default"}, "password": PASSWORD}}},
            "scope": {"project": {"id": "p1"}}}}),
        ),
        (
            "user by id, project by name",
            by_id.clone(),
            project_by_name,
            json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {"id": "u1", "password": "secret"}}},
            "scope": {"project": {"name": "pool", "domain": {"name": "Default"}}}}}),
        ),
        (
            "domain scope",
            by_id.clone(),
            Scope::Domain(domain_id()),
            json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {"id": "u1", "password": "secret"}}},
            "scope": {"domain": {"id": "d1"}}}}),
        ),
        (
            "unscoped",
            by_id,
            Scope::Unscoped,
            json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {"id": "u1", "password": "secret"}}}}}),
        ),
        (
            "credential by id, never a scope",
            credential(CredentialRef::Id("c1".to_owned())),
            project.clone(),
            json!({"auth": {"identity": {"methods": ["application_credential"],
                "application_credential": {"id": "c1", "secret": "cs"}}}}),
        ),
        (
            "credential by name",
            credential(CredentialRef::Name {
                name: "cn".to_owned(),
                user: name("scaler", domain_id()),
            }),
            Scope::Unscoped,
            json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential":
                {"name": "cn", "user": {"name": "scaler", "domain": {"id": "d1"}}, "secret": "cs"}}}}),
        ),
        (
            "token",
            Auth::Token("old".into()),
            project,
            json!({"auth": {
            "identity": {"methods": ["token"], "token": {"id": "old"}}, "scope": {"project": {"id": "p1"}}}}),
        ),
    ]
}

#[test]
fn login_bodies() {
    for (what, auth, scope, expected) in auth_cases() {
        let change = |config: &mut CloudConfig| {
            config.auth = auth.clone();
            config.scope = scope.clone();
        };
        over_each_transport(
            || |_: &Received| None,
            change,
            |_, server, cloud| {
                let info = cloud.authenticate().unwrap();
                assert_eq!(server.lines(), ["POST /v3/auth/tokens"], "{what}");
                assert_eq!(server.last().body, expected, "{what}");
                assert_eq!(info.project_name.as_deref(), Some("pool"));
                assert_eq!(info.user_name.as_deref(), Some("scaler"));
                assert_eq!(info.roles, ["member"]);
                assert_eq!(info.lifetime, Duration::from_secs(3600));
            },
        );
    }
}

#[test]
fn the_identity_url_may_lack_its_version() {
    let cases = [
        (
            "",
            json!({"versions": {"values": [{"id": "v3.14", "status": "stable",
            "links": [{"rel": "self", "href": "http://internal.example:5000/v3/"}]}]}}),
            300,
            "/v3/auth/tokens",
        ),
        (
            "/identity",
            json!({"versions": {"values": [{"id": "v3.14", "status": "stable",
            "links": [{"rel": "self", "href": "http://internal.example/identity/v3/"}]}]}}),
            300,
            "/identity/v3/auth/tokens",
        ),
        ("/identity/", json!({}), 404, "/identity/v3/auth/tokens"),
        ("/identity", json!({}), 403, "/identity/v3/auth/tokens"),
    ];
    for (path, document, code, expected) in cases {
        let script = || {
            let document = document.clone();
            move |request: &Received| match request.method.as_str() {
                "GET" => {
                    let location =
                        vec![("Location", "http://internal.example:5000/v3/".to_owned())];
                    Some(Reply::Http(code, location, document.to_string()))
                }
                _ => Some(token(1, 60, "/x")),
            }
        };
        over_each_transport(
            script,
            |config| config.auth_url = config.auth_url.replace("/v3", path),
            |name, server, cloud| {
                cloud.authenticate().unwrap();
                assert_eq!(server.last().path, expected, "{name}");
            },
        );
    }
}

#[test]
fn a_token_is_kept_as_long_as_it_lives() {
    // Lifetime in seconds, pause between two lists in ms, logins. A fifth of the lifetime is the margin.
    for (lifetime, pause_ms, logins) in [(3600, 0, 1), (0, 0, 5), (1, 0, 1), (1, 900, 2)] {
        let script = || {
            move |request: &Received| {
                let port = request.header("host")?.rsplit(':').next()?.parse().ok()?;
                request
                    .is("POST", "/v3/auth/tokens")
                    .then(|| token(port, lifetime, "/compute/v2.1"))
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
                pause(Duration::from_millis(pause_ms));
                cloud
                    .compute()
                    .list_servers(&ServerQuery::default())
                    .unwrap();
                let got = server.count("POST", "/v3/auth/tokens");
                if lifetime == 0 {
                    assert!(got >= 3, "{name}: {got}");
                } else {
                    assert_eq!(got, logins, "{name}: lifetime {lifetime}");
                }
                assert_eq!(
                    server.count("GET", "/compute/v2.1/"),
                    1,
                    "{name}: discovery survives a login"
                );
            },
        );
    }
}

#[test]
fn a_401_is_answered_with_one_login_and_the_request_again() {
    let script = || {
        let seen = AtomicUsize::new(0);
        move |request: &Received| {
            let first = request.is("POST", "/compute/v2.1/servers")
                && seen.fetch_add(1, Ordering::SeqCst) == 0;
            first.then(|| {
                status(
                    401,
                    &json!({"error": {"code": 401, "title": "Unauthorized", "message": "expired"}}),
                )
            })
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, server, cloud| {
            let created = cloud
                .compute()
                .create_servers(&CreateServer::default())
                .unwrap();
            assert_eq!(created.id, "new");
            let expected = [
                "POST /v3/auth/tokens",
                "GET /compute/v2.1/",
                "POST /compute/v2.1/servers",
                "POST /v3/auth/tokens",
                "POST /compute/v2.1/servers",
            ];
            assert_eq!(server.lines(), expected, "{name}");
        },
    );
}

#[test]
fn a_401_that_stays_is_an_error_after_one_login() {
    let script = || {
        |request: &Received| {
            (request.path == "/compute/v2.1/servers/detail")
                .then(|| status(401, &json!({"error": {"message": "no"}})))
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, server, cloud| {
            let error = cloud
                .compute()
                .list_servers(&ServerQuery::default())
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthorized, "{name}");
            assert_eq!(server.count("GET", "/compute/v2.1/servers/detail"), 2);
            assert_eq!(server.count("POST", "/v3/auth/tokens"), 2);
        },
    );
}

#[test]
fn a_wrong_password_is_told_without_the_password() {
    let script = || {
        |request: &Received| {
            request.is("POST", "/v3/auth/tokens").then(|| {
                status(401, &json!({"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}}))
            })
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, server, cloud| {
            let error = cloud.authenticate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthorized, "{name}");
            assert_eq!(
                server.received().len(),
                1,
                "{name}: a login is not repeated"
            );
            let expected = "identity: POST /v3/auth/tokens was answered with 401: The request you have made requires \
                authentication: the login was refused; next try in 5 s";
            assert_eq!(error.to_string(), expected);
            for text in [
                format!("{error:?}"),
                format!("{cloud:?}"),
                format!("{:?}", config(server)),
            ] {
                assert!(!text.contains(PASSWORD) && !text.contains("w$rd"), "{text}");
            }
        },
    );
}

/// A caller that asks every second for an hour, on a clock of its own, from whatever thread.
#[test]
fn refused_logins_are_few_and_an_expired_token_is_none() {
    for code in [401, 403] {
        let refusing = Arc::new(AtomicBool::new(true));
        let refuses = Arc::clone(&refusing);
        let server = Server::start(move |request: &Received| {
            let is_login = request.is("POST", "/v3/auth/tokens");
            (is_login && refuses.load(Ordering::SeqCst))
                .then(|| status(code, &json!({"error": {"message": "no"}})))
        });
        let mut cloud = Cloud::with_transport(config(&server), transports().remove(0).1).unwrap();
        let second = Arc::new(AtomicUsize::new(0));
        let seconds = Arc::clone(&second);
        let began = std::time::Instant::now();
        cloud.set_clock(Arc::new(move || {
            began + Duration::from_secs(seconds.load(Ordering::SeqCst) as u64)
        }));
        let ask = || {
            let nova = cloud.compute();
            nova.list_servers(&ServerQuery::default())
        };
        let mut tried_at = Vec::new();
        for now in 0..3600 {
            second.store(now, Ordering::SeqCst);
            let error = ask().unwrap_err();
            let left = error.retry_after().unwrap();
            assert!(left > Duration::ZERO && left <= Duration::from_secs(900));
            let text = error.to_string();
            assert!(
                text.contains("the login was refused; next try in "),
                "{text}"
            );
            assert_eq!(error.status(), Some(code));
            let logins = server.count("POST", "/v3/auth/tokens");
            if logins > tried_at.len() {
                tried_at.push(now);
            }
            assert_eq!(logins, tried_at.len());
        }
        let expected = [0, 5, 15, 35, 75, 155, 315, 635, 1275, 2175, 3075];
        assert_eq!(tried_at, expected, "{code}");
        // The password is put right, and the next try is the one that was told.
        refusing.store(false, Ordering::SeqCst);
        ask().unwrap_err();
        second.store(3975, Ordering::SeqCst);
        ask().unwrap();
        // What follows is no refusal: tokens end, and each end is followed by a login at once.
        for hours in 2..5_usize {
            second.store(hours * 3600 + 3975, Ordering::SeqCst);
            ask().unwrap();
            assert_eq!(server.count("POST", "/v3/auth/tokens"), 11 + hours);
        }
        // A new session, as after a restart, tries at once.
        refusing.store(true, Ordering::SeqCst);
        let anew = Cloud::with_transport(config(&server), transports().remove(0).1).unwrap();
        anew.authenticate().unwrap_err();
        assert_eq!(server.count("POST", "/v3/auth/tokens"), 16);
    }
}

#[test]
fn a_login_without_a_token_is_a_bad_answer() {
    for reply in [
        Reply::Http(201, Vec::new(), json!({"token": {}}).to_string()),
        Reply::Http(
            201,
            vec![("X-Subject-Token", "t".to_owned())],
            "{\"token\": \"w$rd".to_owned(),
        ),
        Reply::Http(200, Vec::new(), "<html>".to_owned()),
    ] {
        let script = || {
            let reply = reply.clone();
            move |_: &Received| Some(reply.clone())
        };
        over_each_transport(
            script,
            |_| {},
            |name, _, cloud| {
                let error = cloud.authenticate().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::BadAnswer, "{name}");
                assert!(!format!("{error:?}").contains("w$rd"), "{error:?}");
            },
        );
    }
}

#[test]
fn threads_share_one_login() {
    let script =
        || |request: &Received| (request.path == "/compute/v2.1/").then(|| nova_versions("2.90"));
    over_each_transport(
        script,
        |_| {},
        |name, server, cloud: &Cloud| {
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        cloud
                            .compute()
                            .list_servers(&ServerQuery::default())
                            .unwrap()
                    });
                }
            });
            assert_eq!(server.count("POST", "/v3/auth/tokens"), 1, "{name}");
        },
    );
}

/// An end by the clock, and one that only the service knows of (401): however many threads find it out, one logs in.
#[test]
fn threads_share_the_login_after_a_tokens_end() {
    let refused = Arc::new(AtomicUsize::new(0));
    let script = || {
        let (logins, refused) = (AtomicUsize::new(0), Arc::clone(&refused));
        move |request: &Received| {
            let refused = format!("token-{}", refused.load(Ordering::SeqCst));
            if request.is("POST", "/v3/auth/tokens") {
                // Long enough that the others stand in line.
                pause(Duration::from_millis(100));
                let host = request.header("host").unwrap();
                let port = host.rsplit(':').next().unwrap().parse().unwrap();
                let lifetime = 3600 + logins.fetch_add(1, Ordering::SeqCst) as u64;
                Some(token(port, lifetime, "/compute/v2.1"))
            } else if request.header("x-auth-token") == Some(refused.as_str()) {
                // Long enough that all of them are under way.
                pause(Duration::from_millis(50));
                Some(status(401, &json!({"error": {"message": "no"}})))
            } else {
                (request.path == "/compute/v2.1/").then(|| nova_versions("2.90"))
            }
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, server, cloud: &Cloud| {
            let ask = || {
                let nova = cloud.compute();
                nova.list_servers(&ServerQuery::default()).unwrap();
            };
            let logins_of_all = || {
                std::thread::scope(|scope| {
                    for _ in 0..8 {
                        scope.spawn(ask);
                    }
                });
                server.count("POST", "/v3/auth/tokens")
            };
            refused.store(0, Ordering::SeqCst);
            ask();
            server.later(24 * 3600);
            assert_eq!(logins_of_all(), 2, "{name}: an end by the clock");
            refused.store(3601, Ordering::SeqCst);
            assert_eq!(logins_of_all(), 3, "{name}: 401");
        },
    );
}

#[test]
fn an_expired_token_never_turns_into_an_answer_of_another_service() {
    // A 401 of discovery falls back to the catalog's URL after one login.
    let script = || {
        |request: &Received| match request.path.as_str() {
            "/network/" => Some(status(401, &json!({"error": {"message": "no"}}))),
            "/network/v2.0/floatingips" => Some(ok(&json!({"floatingips": []}))),
            _ => None,
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, server, cloud| {
            let found = cloud
                .network()
                .floating_ips(&openstack_sdk_blocking::FloatingIpQuery::default());
            assert_eq!(found.unwrap(), [], "{name}");
            assert_eq!(server.count("GET", "/network/"), 2);
            assert_eq!(server.last().path, "/network/v2.0/floatingips");
        },
    );
}
