//! The mock cloud as a value: start it, tell it what to do, drop it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::{Api, control};
use crate::behaviour::Behaviour;
use crate::config::MockCloudConfig;
use crate::http::{Engine, listen, listen_on_loopback};
use crate::replica::Replicas;
use crate::state::State;
use crate::util::lock;

/// A running mock cloud: Keystone, Nova, Neutron and Glance on one port, replicas on another.
#[derive(Debug)]
pub struct MockCloud {
    state: Arc<Mutex<State>>,
    api: Engine,
    replicas: Engine,
}

impl MockCloud {
    /// Starts a cloud.
    ///
    /// # Errors
    /// If a port cannot be listened on.
    pub fn start(config: MockCloudConfig) -> io::Result<Self> {
        let api = listen(SocketAddr::new(config.host, config.port))?;
        let replicas = listen_on_loopback(config.replica_port)?;
        let state = Arc::new(Mutex::new(State::new(config)));
        let api = Engine::start(
            "mock-api",
            api,
            Arc::new(Api {
                state: Arc::clone(&state),
            }),
        )?;
        let replicas = Engine::start(
            "mock-replicas",
            replicas,
            Arc::new(Replicas {
                state: Arc::clone(&state),
            }),
        )?;
        Ok(Self {
            state,
            api,
            replicas,
        })
    }

    /// Ends the threads and closes every connection; dropping does the same.
    pub fn stop(&mut self) {
        self.api.stop();
        self.replicas.stop();
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.api.address())
    }

    /// The value for `OS_AUTH_URL`.
    pub fn auth_url(&self) -> String {
        self.url() + "/identity/v3"
    }

    /// Port of the API.
    pub fn port(&self) -> u16 {
        self.api.address().port()
    }

    /// Port on which replicas answer.
    pub fn replica_port(&self) -> u16 {
        self.replicas.address().port()
    }

    /// The variables with which an `OpenStack` client logs in.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        let state = lock(&self.state);
        vec![
            ("OS_AUTH_URL", self.auth_url()),
            ("OS_IDENTITY_API_VERSION", "3".into()),
            ("OS_USERNAME", state.config.username.clone()),
            ("OS_PASSWORD", state.config.password.clone()),
            ("OS_USER_DOMAIN_NAME", "Default".into()),
            ("OS_PROJECT_NAME", state.config.project.clone()),
            ("OS_PROJECT_DOMAIN_NAME", "Default".into()),
            ("OS_REGION_NAME", "RegionOne".into()),
            ("OS_INTERFACE", "public".into()),
        ]
    }

    /// The variables with which a client logs in by application credential.
    pub fn credential_env(&self) -> Vec<(&'static str, String)> {
        let state = lock(&self.state);
        vec![
            ("OS_AUTH_URL", self.auth_url()),
            ("OS_AUTH_TYPE", "v3applicationcredential".into()),
            (
                "OS_APPLICATION_CREDENTIAL_ID",
                state.ids.application_credential.clone(),
            ),
            (
                "OS_APPLICATION_CREDENTIAL_SECRET",
                state.ids.application_secret.clone(),
            ),
            ("OS_REGION_NAME", "RegionOne".into()),
        ]
    }

    /// Any call of the control API, without HTTP: `control("PUT", "servers/all", json!({"capacity": 0}))`.
    ///
    /// # Errors
    /// What the control API would answer with 400 or 404.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let pair = |pair: &str| {
            pair.split_once('=')
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
        };
        let query: Vec<(String, String)> = query.split('&').filter_map(pair).collect();
        let mut state = lock(&self.state);
        state.advance();
        control::run(&mut state, method, &parts, body, &query)
            .map_err(|message| message.replace('\0', "no such thing"))
    }

    fn get(&self, path: &str, key: &str) -> Vec<Value> {
        let found = self.control("GET", path, &Value::Null).unwrap_or_default();
        found[key].as_array().cloned().unwrap_or_default()
    }

    /// Every server there is, as `GET /mock/servers` shows it, oldest first.
    pub fn servers(&self) -> Vec<Value> {
        self.get("servers", "servers")
    }

    /// How many servers exist and are not being deleted.
    pub fn live(&self) -> usize {
        self.servers()
            .iter()
            .filter(|server| server["task_state"] != "deleting")
            .count()
    }

    /// The floating IPs and who holds them.
    pub fn floating_ips(&self) -> Vec<Value> {
        self.get("floatingips", "floatingips")
    }

    /// Everything, as `GET /mock/state`.
    pub fn state(&self) -> Value {
        self.control("GET", "state", &Value::Null)
            .unwrap_or_default()
    }

    /// Counters: created, deleted, failed, `max_servers`, `max_live`, requests by kind.
    pub fn counters(&self) -> Value {
        self.control("GET", "counters", &Value::Null)
            .unwrap_or_default()
    }

    /// The request log. `filter` is the query of `GET /mock/log`, such as `service=nova&method=POST`.
    pub fn log(&self, filter: &str) -> Vec<Value> {
        self.get(&format!("log?{filter}"), "log")
    }

    /// Empties the request log.
    pub fn clear_log(&self) {
        let _ = self.control("DELETE", "log", &Value::Null);
    }

    /// What happened to servers and floating IPs, oldest first.
    pub fn events(&self) -> Vec<Value> {
        self.get("events", "events")
    }

    /// Makes servers behind the client's back, see `POST /mock/servers`.
    ///
    /// # Errors
    /// If a field is wrong.
    pub fn add_servers(&self, body: &Value) -> Result<Vec<String>, String> {
        let made = self.control("POST", "servers", body)?;
        Ok(made["ids"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|id| id.as_str().map(str::to_owned))
            .collect())
    }

    /// Changes servers, see `PUT /mock/servers/SELECTOR`. A selector may hold slashes here.
    ///
    /// # Errors
    /// If there is no such server, or a field is wrong.
    pub fn set_server(&self, selector: &str, fields: &Value) -> Result<(), String> {
        let mut state = lock(&self.state);
        state.advance();
        control::run(&mut state, "PUT", &["servers", selector], fields, &[])
            .map(|_| ())
            .map_err(|message| message.replace('\0', "no such server"))
    }

    /// Sets the capacity that a replica reports.
    ///
    /// # Errors
    /// If there is no such server.
    pub fn set_capacity(&self, selector: &str, capacity: i64) -> Result<(), String> {
        self.set_server(selector, &json!({ "capacity": capacity }))
    }

    /// Sets the termination flag that a replica reports.
    ///
    /// # Errors
    /// If there is no such server.
    pub fn set_termination(&self, selector: &str, termination: bool) -> Result<(), String> {
        self.set_server(selector, &json!({ "termination": termination }))
    }

    /// Sets how a replica answers.
    ///
    /// # Errors
    /// If there is no such server.
    pub fn set_behaviour(&self, selector: &str, behaviour: &Behaviour) -> Result<(), String> {
        self.set_server(selector, &json!({ "behaviour": behaviour.to_json() }))
    }

    /// Takes servers away as if somebody else had deleted them.
    ///
    /// # Errors
    /// If there is no such server.
    pub fn vanish(&self, selector: &str) -> Result<(), String> {
        self.control("DELETE", &format!("servers/{selector}"), &Value::Null)
            .map(|_| ())
    }

    /// Adds a fault rule, or a list of them.
    ///
    /// # Errors
    /// If a rule is wrong.
    pub fn add_fault(&self, rule: &Value) -> Result<(), String> {
        self.control("POST", "faults", rule).map(|_| ())
    }

    /// Takes all fault rules away.
    pub fn clear_faults(&self) {
        let _ = self.control("DELETE", "faults", &Value::Null);
    }

    /// Changes settings, see `PUT /mock/settings`.
    ///
    /// # Errors
    /// If a setting is unknown or wrong.
    pub fn set(&self, settings: &Value) -> Result<(), String> {
        self.control("PUT", "settings", settings).map(|_| ())
    }

    /// Makes every token worthless.
    pub fn revoke_tokens(&self) {
        let _ = self.control("POST", "tokens/revoke", &Value::Null);
    }

    /// Callers arrived, served, lost, cut off and active.
    pub fn callers(&self) -> Value {
        self.control("GET", "callers", &Value::Null)
            .unwrap_or_default()
    }

    /// Waits until `condition` holds; `false` if it did not within `timeout`.
    pub fn wait(&self, timeout: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let start = Instant::now();
        loop {
            if condition(self) {
                return true;
            }
            if start.elapsed() >= timeout {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
