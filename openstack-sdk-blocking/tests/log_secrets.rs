//! No log line of any level holds a secret, but for the raw bytes of `ureq_proto` (see the README).

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![cfg(feature = "ureq")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};
use openstack_sdk_blocking::{Auth, Cloud, CloudConfig, Proxies, Scope, ServerQuery, UserRef};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Capture;

impl Log for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if !record.target().starts_with("ureq_proto") {
            let line = format!("{} {}", record.target(), record.args());
            LINES.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

#[test]
fn no_secret_is_logged() {
    log::set_logger(&Capture).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let length = stream.read(&mut [0; 4096]).unwrap();
            assert!(length > 0);
            let body = format!(
                r#"{{"token": {{"issued_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-01T01:00:00Z", "catalog":
                [{{"type": "compute", "endpoints": [{{"interface": "public", "url": "http://{address}/v2.1"}}]}}]}},
                "servers": []}}"#
            );
            let head = format!(
                "HTTP/1.1 200 OK\r\nX-Subject-Token: tok-secret\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream
                .write_all(format!("{head}{body}").as_bytes())
                .unwrap();
        }
    });
    let auth = Auth::Password {
        user: UserRef::Id("u".to_owned()),
        password: "hunter2".into(),
    };
    let mut config = CloudConfig::new(format!("http://{address}/v3"), auth, Scope::Unscoped);
    config.timeout = Duration::from_secs(5);
    let cloud = Cloud::new(config.clone()).unwrap();
    cloud
        .compute()
        .list_servers(&ServerQuery::default())
        .unwrap();
    let proxy =
        |name: &str| (name == "HTTP_PROXY").then(|| format!("http://me:proxy-secret@{address}"));
    config.proxies = Proxies::from_vars(&proxy).unwrap();
    let through_proxy = Cloud::new(config).unwrap().authenticate();
    assert!(!format!("{through_proxy:?}").contains("proxy-secret"));
    let lines = LINES.lock().unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("GET /v2.1/servers/detail: 200")),
        "{lines:#?}"
    );
    for line in lines.iter() {
        assert!(
            !["hunter2", "tok-secret", "proxy-secret"]
                .iter()
                .any(|secret| line.contains(secret)),
            "{line}"
        );
    }
}
