//! One pool: the daemon as a process, its replicas, and what the cloud says of its servers.

use super::cloud::{Cloud, Session, word};
use super::replicas::{Behaviour, Replicas};
use super::rig::{Rig, expect, stays, wait};
use super::watch::{Watch, is_there};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a scenario has to hand.
pub(crate) struct Context {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) rig: Arc<Rig>,
    pub(crate) watch: Arc<Watch>,
    /// Unique to this run and scenario: the metadata value, and the beginning of all names.
    pub(crate) name: String,
    pub(crate) notes: Mutex<Vec<String>>,
}

impl Context {
    /// A figure for the table.
    pub(crate) fn note(&self, text: String) {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text);
    }
}

/// How long a pool may take to come up, in seconds: the machine is small and busy.
pub(crate) const PATIENCE_S: u64 = 300;

pub(crate) struct Pool<'a> {
    pub(crate) context: &'a Context,
    pub(crate) name: String,
    pub(crate) replicas: Replicas,
    pub(crate) user: Session,
    pub(crate) directory: PathBuf,
    variables: BTreeMap<String, String>,
    status_port: u16,
    daemon: Option<Child>,
    agent: ureq::Agent,
}

impl<'a> Pool<'a> {
    /// A pool of the project `scaler` with that floor. Replicas answer as soon as they run.
    pub(crate) fn new(context: &'a Context, floor: usize) -> Self {
        Self::of(context, Session::scaler(), floor)
    }

    /// A pool of another user.
    pub(crate) fn of(context: &'a Context, user: Session, floor: usize) -> Self {
        Self::named(context, context.name.clone(), user, floor)
    }

    pub(crate) fn named(context: &'a Context, name: String, user: Session, floor: usize) -> Self {
        let replicas = Replicas::start(Behaviour::Free(1));
        let directory = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&directory).expect("a directory for the daemon");
        let status_port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let mut pool = Self {
            context,
            replicas,
            user,
            directory,
            variables: BTreeMap::new(),
            status_port,
            daemon: None,
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(Duration::from_secs(5)))
                .build()
                .into(),
            name,
        };
        for (variable, value) in pool.user.variables() {
            pool.set(variable, &value);
        }
        let (port, name) = (pool.replicas.port.to_string(), pool.name.clone());
        for (variable, value) in [
            ("APP_HOST", "127.0.0.1"),
            ("APP_PORT", &status_port.to_string()),
            ("REPLICA_API_PORT", &port),
            ("REPLICA_MIN_AVAILABLE_RESOURCES", &floor.to_string()),
            ("REPLICA_API_TIMEOUT", "1"),
            ("REPLICA_STARTUP_GRACE", "120"),
            ("SCALING_INTERVAL", "3"),
            ("PROBE_INTERVAL", "0.5"),
            ("PROBE_THREADS", "8"),
            ("OPENSTACK_METADATA_VALUE", &name),
            ("OPENSTACK_NAME", &name),
            ("OPENSTACK_FLOATING_IP_DESCRIPTION", &name),
            // The machine may be busy: a creation that was not answered in time is a case of its own.
            ("OPENSTACK_TIMEOUT", "90"),
            ("LOG_LEVEL", "debug"),
        ] {
            pool.set(variable, value);
        }
        pool
    }

    pub(crate) fn set(&mut self, variable: &str, value: &str) {
        self.variables.insert(variable.to_owned(), value.to_owned());
    }

    pub(crate) fn unset(&mut self, variable: &str) {
        self.variables.remove(variable);
    }

    fn command(&self) -> Command {
        let program = std::env::var_os("OPENSTACK_PROGRAM")
            .unwrap_or_else(|| env!("CARGO_BIN_EXE_simplescalevm").into());
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(&self.variables)
            .current_dir(&self.directory);
        command
    }

    /// Runs a command that looks and ends.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command()
            .args(words)
            .output()
            .expect("the program can be run")
    }

    pub(crate) fn start(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.directory.join("log"))
            .expect("a log file");
        let child = self
            .command()
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("the daemon can be started");
        self.daemon = Some(child);
    }

    /// Ends the daemon at once, as the kernel does when memory is short.
    pub(crate) fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Asks the daemon to end, and waits.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let mut daemon = self.daemon.take().expect("the daemon runs");
        let kill = Command::new("kill").arg(daemon.id().to_string()).status();
        assert!(kill.is_ok_and(|status| status.success()));
        wait("the daemon's end", 40, || {
            daemon
                .try_wait()
                .ok()
                .flatten()
                .ok_or_else(|| "it runs on".to_owned())
        })
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// The daemon's own view; `Null` while it does not answer.
    pub(crate) fn status(&self) -> Value {
        let url = format!("http://127.0.0.1:{}/status", self.status_port);
        let answer = self.agent.get(url).call();
        let text = answer
            .ok()
            .and_then(|mut answer| answer.body_mut().read_to_string().ok());
        text.and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or(Value::Null)
    }

    pub(crate) fn available(&self) -> Option<u64> {
        self.status()["summary"]["available"].as_u64()
    }

    pub(crate) fn serving(&self) -> u64 {
        self.status()["summary"]["by_state"]["serving"]
            .as_u64()
            .unwrap_or_default()
    }

    /// What the daemon says of one of its replicas.
    pub(crate) fn probes_say(&self, id: &str, key: &str) -> Value {
        let status = self.status();
        let mut replicas = status["replicas"].as_array().into_iter().flatten();
        let replica = replicas.find(|replica| replica["id"] == id);
        replica.map_or(Value::Null, |replica| replica[key].clone())
    }

    /// The reasons for which the daemon does not do what it would.
    pub(crate) fn blocked(&self) -> Value {
        self.status()["plan"]["blocked"].take()
    }

    /// The pool's servers that nobody is deleting, as the cloud lists them now.
    pub(crate) fn servers(&self) -> Vec<Value> {
        let mut servers = self.context.watch.servers(&self.name);
        servers.retain(is_there);
        servers
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self
            .servers()
            .iter()
            .map(|server| word(&server["id"]))
            .collect();
        ids.sort();
        ids
    }

    /// The pool's servers that ever were.
    pub(crate) fn made(&self) -> usize {
        self.context.cloud.ever_made(&self.name).len()
    }

    /// Waits until so many servers are ACTIVE and none is anything else.
    pub(crate) fn wait_active(&self, count: usize) {
        wait("the servers", PATIENCE_S, || {
            let servers = self.servers();
            let states: Vec<String> = servers
                .iter()
                .map(|server| word(&server["status"]))
                .collect();
            expect(states, &vec!["ACTIVE".to_owned(); count])
        });
    }

    /// Waits until so many servers are ACTIVE, and the daemon knows that they serve.
    pub(crate) fn wait_up(&self, count: usize) {
        self.wait_active(count);
        wait("the serving replicas", 90, || {
            expect(self.serving(), &(count as u64))
        });
    }

    /// Starts the daemon and waits for its first servers.
    pub(crate) fn bring_up(&mut self, count: usize) {
        self.start();
        self.wait_up(count);
    }

    /// Waits until the server is gone, and as many serve as before.
    pub(crate) fn wait_replaced(&self, id: &str, count: usize) {
        wait("the end of a server", PATIENCE_S, || {
            expect(self.ids().contains(&id.to_owned()), &false)
        });
        self.wait_up(count);
    }

    /// The pool stays as it is, and so many servers were made in all.
    pub(crate) fn assert_settled(&self, made: usize, time_s: u64) {
        let ids = self.ids();
        stays("the pool", time_s, || expect(self.ids(), &ids));
        assert_eq!(self.made(), made, "servers made in all");
    }

    /// How often the cloud was asked to create servers of this pool.
    pub(crate) fn creations(&self) -> usize {
        self.context
            .rig
            .requests("POST", "/servers", &self.name)
            .len()
    }

    /// How often the cloud was asked by the daemon to delete that server.
    pub(crate) fn deletions(&self, id: &str) -> usize {
        let path = format!("/servers/{id}");
        let asked = self.context.rig.requests("DELETE", &path, "");
        // Not those of its ports.
        let of_it = asked
            .iter()
            .filter(|entry| entry.is_of_the_daemon() && entry.text("path").ends_with(&path));
        of_it.count()
    }

    /// A server of the tester, which the pool may or may not take for its own.
    pub(crate) fn foreign_server(&self, name: &str, metadata: &Value, network: &str) -> String {
        let network = self.context.cloud.id_of("network", "networks", network);
        self.server_on(name, metadata, &json!({"uuid": network}))
    }

    /// The same, with what Nova is told of its only network.
    pub(crate) fn server_on(&self, name: &str, metadata: &Value, network: &Value) -> String {
        let cloud = &self.context.cloud;
        let order = json!({"server": {
            "name": format!("{}-{name}", self.name),
            "flavorRef": self.flavor_id("d2-8"),
            "imageRef": cloud.id_of("image", "images", "Debian 11"),
            "networks": [network],
            "metadata": metadata,
        }});
        let made = self.user.must("POST", "compute", "/servers", &order);
        let id = word(&made["server"]["id"]);
        wait("the tester's server", PATIENCE_S, || {
            let server = self.user.get("compute", &format!("/servers/{id}"));
            expect(word(&server["server"]["status"]), &"ACTIVE".to_owned())
        });
        id
    }

    /// A server as the cloud shows it now.
    pub(crate) fn server(&self, id: &str) -> Value {
        self.user.get("compute", &format!("/servers/{id}"))["server"].take()
    }

    /// The only port of a server.
    pub(crate) fn port_of(&self, server: &str) -> Value {
        let path = format!("/ports?device_id={server}");
        self.user.get("network", &path)["ports"][0].take()
    }

    pub(crate) fn flavor_id(&self, name: &str) -> String {
        let flavors = self.user.get("compute", "/flavors");
        let named = flavors["flavors"].as_array().into_iter().flatten();
        let mut named = named.filter(|flavor| flavor["name"] == name);
        word(&named.next().expect("the flavor")["id"])
    }

    /// Deletes all servers with the pool's name, and waits for their end.
    pub(crate) fn clean_up(&self) {
        let query = format!("name=%5E{}&limit=1000", self.name);
        wait("the end of the pool", PATIENCE_S, || {
            let servers = self.user.list_servers(&query)?;
            for server in servers.iter().filter(|server| is_there(server)) {
                let id = word(&server["id"]);
                if server["locked"] == true {
                    self.context.cloud.act(&id, &json!({"unlock": null}));
                }
                let path = format!("/servers/{id}");
                let _ = self.user.call("DELETE", "compute", &path, &Value::Null);
            }
            expect(servers.len(), &0)
        });
    }
}

/// A server's fixed IPv4 address.
pub(crate) fn address_of(server: &Value) -> IpAddr {
    let networks = server["addresses"].as_object().into_iter().flatten();
    let mut addresses = networks.flat_map(|(_, list)| list.as_array().into_iter().flatten());
    let fixed = addresses.find(|a| a["version"] == 4 && a["OS-EXT-IPS:type"] == "fixed");
    let text = word(&fixed.expect("a fixed IPv4 address")["addr"]);
    text.parse().expect("an address")
}

impl Drop for Pool<'_> {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().filter(|line| !line.contains("DEBUG")).collect();
            let tail = &lines[lines.len().saturating_sub(40)..];
            eprintln!(
                "--- the daemon of {}, kept in {}:",
                self.name,
                self.directory.display()
            );
            eprintln!("{}\n---", tail.join("\n"));
        } else {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
        let cleaned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.clean_up();
            self.context.cloud.forget_tenant(&self.name);
        }));
        if cleaned.is_err() {
            eprintln!("{}: not all its servers could be deleted", self.name);
        }
    }
}
