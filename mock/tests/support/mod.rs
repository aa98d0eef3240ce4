//! A client of some lines, so that the tests judge what is on the wire.

// Shared by several tests, none of which needs all of it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::must_use_candidate
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use simplescalevm_mock::{MockCloud, MockCloudConfig};

/// An answer as received.
#[derive(Debug)]
pub struct Answer {
    /// 0 if the connection broke off before an answer.
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    pub json: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// One request on a connection of its own.
pub fn exchange(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let mut text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text = text + name + ": " + value + "\r\n";
    }
    let _ = stream.write_all(format!("{text}\r\n{body}").as_bytes());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    split(&bytes)
}

pub fn split(bytes: &[u8]) -> Answer {
    let at = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
    let body = bytes.get(at + 4..).unwrap_or_default().to_vec();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    Answer {
        status,
        head,
        json: serde_json::from_slice(&body).unwrap_or_default(),
        body,
    }
}

/// A cloud and a token for it.
pub struct Session {
    pub cloud: MockCloud,
    pub token: String,
}

impl Session {
    /// A cloud in which nothing takes time.
    pub fn quick() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut MockCloudConfig)) -> Self {
        let none = Duration::ZERO;
        let mut config = MockCloudConfig {
            build_time: none,
            boot_time: none,
            delete_time: none,
            ..MockCloudConfig::default()
        };
        change(&mut config);
        let cloud = MockCloud::start(config).unwrap();
        let mut session = Self {
            cloud,
            token: String::new(),
        };
        session.log_in();
        session
    }

    pub fn log_in(&mut self) {
        let answer = self.raw(
            "POST",
            "/identity/v3/auth/tokens",
            &[],
            &password("p@ss \"w$rd#1"),
        );
        assert_eq!(answer.status, 201, "{}", answer.json);
        answer
            .header("x-subject-token")
            .unwrap()
            .clone_into(&mut self.token);
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.cloud.port()))
    }

    pub fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        exchange(self.address(), method, path, headers, body)
    }

    /// With the token, at a microversion.
    pub fn at(&self, version: &str, method: &str, path: &str, body: &Value) -> Answer {
        let version = format!("compute {version}");
        self.raw(
            method,
            path,
            &[
                ("X-Auth-Token", &self.token),
                ("OpenStack-API-Version", &version),
            ],
            body,
        )
    }

    pub fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.at("2.96", method, path, body)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &Value::Null)
    }

    /// The identifier of a `flavor`, `image` or `network` by name.
    pub fn id(&self, kind: &str, name: &str) -> String {
        let state = self.cloud.state();
        let all = state["ids"][kind].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The body of a creation.
    pub fn order(&self, name: &str, network: &str) -> Value {
        json!({ "server": {
            "name": name, "imageRef": self.id("images", "Debian 11"), "flavorRef": self.id("flavors", "d2-8"),
            "networks": [{ "uuid": self.id("networks", network) }], "metadata": { "group": "scaled" },
        } })
    }

    /// Creates a server and gives its id.
    pub fn create(&self, name: &str, network: &str) -> String {
        let answer = self.call("POST", "/compute/v2.1/servers", &self.order(name, network));
        assert_eq!(answer.status, 202, "{}", answer.json);
        answer.json["server"]["id"].as_str().unwrap().to_owned()
    }

    /// The IPv4 address of a server, as a replica.
    pub fn replica(&self, id: &str) -> SocketAddr {
        let servers = self.cloud.servers();
        let server = servers.iter().find(|server| server["id"] == id).unwrap();
        let address = server["addresses"][0].as_str().unwrap();
        SocketAddr::new(address.parse().unwrap(), self.cloud.replica_port())
    }

    pub fn probe(&self, id: &str) -> Answer {
        exchange(self.replica(id), "GET", "/status", &[], &Value::Null)
    }
}

pub fn password(password: &str) -> Value {
    json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": { "name": "scaler", "domain": { "id": "default" }, "password": password } } },
        "scope": { "project": { "name": "scaler", "domain": { "name": "Default" } } },
    } })
}
