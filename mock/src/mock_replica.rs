//! The reference's mock replica: one answer, whatever is asked.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;

use crate::behaviour::Behaviour;
use crate::http::{Engine, Handler, Reply, Request, listen};
use crate::replica::{answer, body};

/// Its settings, by the reference's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MockReplicaConfig {
    /// `MOCK_HOST`
    pub host: String,
    /// `MOCK_PORT`
    pub port: u16,
    /// `MOCK_CAPACITY_KEY`
    pub capacity_key: String,
    /// `MOCK_TERMINATION_KEY`
    pub termination_key: String,
    /// `MOCK_CAPACITY_VALUE`
    pub capacity_value: i64,
    /// `MOCK_TERMINATION_VALUE`: anything but `false` is true.
    pub termination_value: bool,
}

impl MockReplicaConfig {
    /// Reads the settings; `get` gives a variable's value. An empty value means the default.
    ///
    /// # Errors
    /// One line for each bad value.
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let text = |name: &str, default: &str| {
            get(name)
                .filter(|value| !value.is_empty())
                .unwrap_or_else(|| default.to_owned())
        };
        let (port, capacity) = (text("MOCK_PORT", "5555"), text("MOCK_CAPACITY_VALUE", "0"));
        let host = text("MOCK_HOST", "0.0.0.0");
        let port_number = port.parse().unwrap_or_else(|_| {
            problems.push(format!(
                "MOCK_PORT={port:?}: a port from 0 to 65535 is expected"
            ));
            0
        });
        let capacity_value = capacity.parse().unwrap_or_else(|_| {
            problems.push(format!(
                "MOCK_CAPACITY_VALUE={capacity:?}: an integer is expected"
            ));
            0
        });
        if host != "localhost" && host.parse::<std::net::IpAddr>().is_err() {
            problems.push(format!("MOCK_HOST={host:?}: an IP address is expected"));
        }
        if problems.is_empty() {
            return Ok(Self {
                host,
                port: port_number,
                capacity_key: text("MOCK_CAPACITY_KEY", "capacity"),
                termination_key: text("MOCK_TERMINATION_KEY", "termination"),
                capacity_value,
                termination_value: text("MOCK_TERMINATION_VALUE", "false") != "false",
            });
        }
        Err(problems)
    }
}

/// A running mock replica; dropping it ends it.
#[derive(Debug)]
pub struct MockReplica {
    engine: Engine,
}

struct Fixed(String);

impl Handler for Fixed {
    fn handle(&self, request: &mut Request) -> Reply {
        let status = if request.method == "GET" { 200 } else { 405 };
        let behaviour = Behaviour {
            status,
            chunked: false,
            content_type: Some("application/json".into()),
            ..Behaviour::default()
        };
        answer(&behaviour, &self.0, request)
    }
}

impl MockReplica {
    /// Starts it.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start(config: &MockReplicaConfig) -> io::Result<Self> {
        let host = if config.host == "localhost" {
            "127.0.0.1"
        } else {
            &config.host
        };
        let ip = host
            .parse()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not an IP address"))?;
        let (capacity, termination) = (
            json!(config.capacity_value),
            json!(config.termination_value),
        );
        let text = body(
            false,
            &[
                (&config.capacity_key, &capacity),
                (&config.termination_key, &termination),
            ],
        );
        let engine = Engine::start(
            "mock-replica",
            listen(SocketAddr::new(ip, config.port))?,
            Arc::new(Fixed(text)),
        )?;
        Ok(Self { engine })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.engine.address()
    }
}
