//! Keystone: who gets in, and for how long.

#![allow(clippy::unwrap_used)] // A test.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Session, password};

#[test]
fn a_wrong_password_is_refused_as_keystone_does() {
    let session = Session::quick();
    let answer = session.raw("POST", "/identity/v3/auth/tokens", &[], &password("wrong"));
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.json["error"]["message"],
        "The request you have made requires authentication."
    );
    let answer = session.raw("POST", "/identity/v3/auth/tokens", &[], &json!({}));
    assert_eq!(answer.status, 400);
}

#[test]
fn the_catalog_names_every_service() {
    let session = Session::quick();
    let answer = session.raw(
        "POST",
        "/identity/v3/auth/tokens",
        &[],
        &password("p@ss \"w$rd#1"),
    );
    let catalog = answer.json["token"]["catalog"].as_array().unwrap().clone();
    let kinds: Vec<&str> = catalog
        .iter()
        .map(|service| service["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["compute", "identity", "network", "image"]);
    let url = catalog[0]["endpoints"][0]["url"].as_str().unwrap();
    assert_eq!(url, format!("{}/compute/v2.1", session.cloud.url()));
}

#[test]
fn every_service_refuses_an_expired_token() {
    let mut session = Session::with(|config| config.token_lifetime = Duration::from_millis(80));
    let paths = [
        "/compute/v2.1/servers",
        "/network/v2.0/ports",
        "/image/v2/images",
        "/identity/v3/auth/projects",
    ];
    session.log_in();
    std::thread::sleep(Duration::from_millis(120));
    for path in paths {
        assert_eq!(session.get(path).status, 401, "{path}");
    }
    session.cloud.set(&json!({ "token_lifetime": 60 })).unwrap();
    session.log_in();
    for path in paths {
        assert_eq!(session.get(path).status, 200, "{path}");
    }
    session.cloud.revoke_tokens();
    assert_eq!(session.get(paths[0]).status, 401);
}

#[test]
fn an_application_credential_comes_without_scope() {
    let session = Session::quick();
    let env = session.cloud.credential_env();
    let of = |name: &str| env.iter().find(|(key, _)| *key == name).unwrap().1.clone();
    let credential = json!({ "id": of("OS_APPLICATION_CREDENTIAL_ID"), "secret": of("OS_APPLICATION_CREDENTIAL_SECRET") });
    let mut body = json!({ "auth": { "identity": { "methods": ["application_credential"], "application_credential": credential } } });
    let answer = session.raw("POST", "/identity/v3/auth/tokens", &[], &body);
    assert_eq!(
        (answer.status, &answer.json["token"]["project"]["name"]),
        (201, &json!("scaler"))
    );
    body["auth"]["scope"] = json!({ "project": { "name": "scaler" } });
    assert_eq!(
        session
            .raw("POST", "/identity/v3/auth/tokens", &[], &body)
            .status,
        400
    );
}

#[test]
fn an_unscoped_token_opens_no_service() {
    let mut session = Session::quick();
    let mut body = password("p@ss \"w$rd#1");
    body["auth"].as_object_mut().unwrap().remove("scope");
    let answer = session.raw("POST", "/identity/v3/auth/tokens", &[], &body);
    assert_eq!(answer.json["token"]["catalog"], Value::Null);
    answer
        .header("x-subject-token")
        .unwrap()
        .clone_into(&mut session.token);
    assert_eq!(session.get("/compute/v2.1/servers").status, 401);
    // But it may be exchanged for one that does.
    body = json!({ "auth": {
        "identity": { "methods": ["token"], "token": { "id": session.token } },
        "scope": { "project": { "id": session.cloud.state()["ids"]["project"] } },
    } });
    assert_eq!(
        session
            .raw("POST", "/identity/v3/auth/tokens", &[], &body)
            .status,
        201
    );
}

#[test]
fn every_answer_has_a_date_and_a_request_id() {
    let session = Session::with(|config| config.clock_offset = 86400 * 365);
    for path in [
        "/identity/v3",
        "/compute/v2.1/servers",
        "/network/v2.0/ports",
        "/image/v2/nope",
    ] {
        let answer = session.get(path);
        assert!(answer.header("date").unwrap().ends_with("GMT"), "{path}");
        assert!(
            answer
                .header("x-openstack-request-id")
                .unwrap()
                .starts_with("req-"),
            "{path}"
        );
    }
}

#[test]
fn head_has_no_body() {
    let session = Session::quick();
    let answer = session.call("HEAD", "/identity/v3", &Value::Null);
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_ne!(answer.header("content-length"), Some("0"));
}
