//! Replicas: how they answer, and how they do not.

#![allow(clippy::unwrap_used)] // A test.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::Session;

fn behave(session: &Session, id: &str, behaviour: &Value) {
    session
        .cloud
        .set_server(id, &json!({ "behaviour": behaviour }))
        .unwrap();
}

#[test]
fn the_default_is_what_web_py_sends() {
    let session = Session::quick();
    let id = session.create("a", "Ext-Net");
    let answer = session.probe(&id);
    assert_eq!(
        (answer.status, answer.header("transfer-encoding")),
        (200, Some("chunked"))
    );
    assert_eq!(answer.header("content-type"), None);
    let text = String::from_utf8(answer.body).unwrap();
    assert!(
        text.ends_with("{\"capacity\":1,\"termination\":false}\r\n0\r\n\r\n"),
        "{text}"
    );
}

#[test]
fn capacity_and_termination_are_told() {
    let session = Session::with(|config| {
        config.capacity_key = "data.readyToCall".into();
        config.termination_key = "data.callsEnded".into();
    });
    let id = session.create("a", "Ext-Net");
    behave(&session, &id, &json!({ "chunked": false }));
    session.cloud.set_capacity(&id, 4).unwrap();
    session.cloud.set_termination("all", true).unwrap();
    assert_eq!(
        session.probe(&id).json,
        json!({ "data": { "readyToCall": 4, "callsEnded": true } })
    );
    session
        .cloud
        .set_server(&id, &json!({ "capacity": "many" }))
        .unwrap();
    assert_eq!(session.probe(&id).json["data"]["readyToCall"], "many");
}

#[test]
fn misbehaviour() {
    let session = Session::quick();
    let id = session.create("a", "Ext-Net");
    let answer = |behaviour: Value| {
        behave(&session, &id, &behaviour);
        session.probe(&id)
    };
    assert_eq!(answer(json!({ "status": 503 })).status, 503);
    assert_eq!(answer(json!("reset")).status, 0);
    assert_eq!(answer(json!("refuse")).status, 0);
    assert_eq!(
        answer(json!({ "body": "<html>", "chunked": false })).body,
        b"<html>"
    );
    assert_eq!(
        answer(json!({ "location": "http://127.0.0.1:1/" })).status,
        302
    );
    assert!(answer(json!("garbage")).head.starts_with('\0'));
    assert!(
        answer(json!({ "http10": true }))
            .head
            .starts_with("HTTP/1.0 200")
    );
    let cut = answer(json!("truncate"));
    assert!(cut.body.len() < cut.header("content-length").unwrap().parse().unwrap());
    assert_eq!(
        answer(json!({ "mode": "huge", "bytes": 5_000_000 }))
            .body
            .len(),
        5_000_000
    );
    let start = Instant::now();
    assert_eq!(answer(json!({ "delay": 0.2 })).status, 200);
    assert!(start.elapsed() >= Duration::from_millis(200));
    let start = Instant::now();
    assert_eq!(
        answer(json!({ "mode": "dribble", "interval": 0.002 })).status,
        200
    );
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[test]
fn silence_is_silence() {
    let session = Session::quick();
    let id = session.create("a", "Ext-Net");
    behave(&session, &id, &json!("silent"));
    let mut stream = TcpStream::connect(session.replica(&id)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let error = stream.read(&mut [0; 10]).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        ),
        "{error}"
    );
}

/// Reads one chunked answer.
fn one_answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"0\r\n\r\n") {
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "closed");
        bytes.extend_from_slice(&buffer[..count]);
    }
    bytes
}

#[test]
fn thousands_of_kept_connections() {
    let session = Session::quick();
    session
        .cloud
        .add_servers(&json!({ "count": 2000, "booted": true }))
        .unwrap();
    let port = session.cloud.replica_port();
    let mut streams: Vec<TcpStream> = session
        .cloud
        .servers()
        .iter()
        .map(|server| TcpStream::connect((server["addresses"][0].as_str().unwrap(), port)).unwrap())
        .collect();
    for _ in 0..3 {
        for stream in &mut streams {
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
        }
        for stream in &mut streams {
            assert!(one_answer(stream).starts_with(b"HTTP/1.1 200"));
        }
    }
    assert_eq!(session.cloud.counters()["probes"], 6000);
}

#[test]
fn a_path_may_be_wrong() {
    let session = Session::with(|config| config.replica_path = Some("/other".into()));
    let id = session.create("a", "Ext-Net");
    assert_eq!(session.probe(&id).status, 404);
}
