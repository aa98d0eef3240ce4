//! The daemon as a process, in front of a mock cloud.

#![allow(dead_code, reason = "each test crate uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use simplescalevm_mock::{MockCloud, MockCloudConfig};
use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Long enough for anything that should happen, on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A cloud that is quick in everything.
pub(crate) fn quick_cloud(change: impl FnOnce(&mut MockCloudConfig)) -> MockCloud {
    let mut config = MockCloudConfig {
        port: 0,
        replica_port: 0,
        build_time: Duration::from_millis(50),
        boot_time: Duration::from_millis(50),
        delete_time: Duration::from_millis(50),
        ..MockCloudConfig::default()
    };
    change(&mut config);
    MockCloud::start(config).unwrap()
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The test build's, unless `SOAK_DAEMON` names another one.
#[expect(
    clippy::disallowed_methods,
    reason = "a switch of the tests, not a setting"
)]
fn program_path() -> std::ffi::OsString {
    std::env::var_os("SOAK_DAEMON")
        .filter(|path| !path.is_empty())
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_simplescalevm").into())
}

/// The program with nothing but these variables in its environment.
pub(crate) fn program(arguments: &[&str], variables: &[(&str, String)]) -> Command {
    let mut command = Command::new(program_path());
    command
        .args(arguments)
        .env_clear()
        .envs(
            variables
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        )
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::null());
    command
}

/// The variables for a pool on that cloud with quick intervals.
pub(crate) fn variables(
    cloud: &MockCloud,
    more: &[(&'static str, &str)],
) -> Vec<(&'static str, String)> {
    let quick = [
        ("APP_HOST", "127.0.0.1"),
        ("SCALING_INTERVAL", "0.5"),
        ("PROBE_INTERVAL", "0.2"),
        ("REPLICA_API_TIMEOUT", "1"),
        ("LOG_LEVEL", "info"),
        // Tests name the servers of the first creation.
        ("OPENSTACK_UNIQUE_NAMES", "false"),
    ];
    let mut all: Vec<(&str, String)> = cloud.env();
    all.push(("REPLICA_API_PORT", cloud.replica_port().to_string()));
    all.extend(quick.map(|(name, value)| (name, value.to_owned())));
    for (name, value) in more {
        all.retain(|(other, _)| other != name);
        all.push((name, (*value).to_owned()));
    }
    all
}

/// The running daemon. Dropping it kills it.
pub(crate) struct Daemon {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    pub(crate) port: u16,
}

impl Daemon {
    pub(crate) fn start(cloud: &MockCloud, more: &[(&'static str, &str)]) -> Self {
        let port = free_port();
        let mut variables = variables(cloud, more);
        variables.push(("APP_PORT", port.to_string()));
        Self::spawn(program(&[], &variables), port)
    }

    /// Runs a command that becomes the daemon, with its status page on that port.
    pub(crate) fn spawn(mut command: Command, port: u16) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&log);
        let reader = thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = stderr.read(&mut chunk) {
                sink.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&chunk[..n]));
            }
        });
        Self {
            child,
            log,
            reader: Some(reader),
            port,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let mut answer = ureq::get(&url).call().ok()?;
        serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
    }

    /// `/status`, once the daemon serves it.
    pub(crate) fn status(&self) -> Value {
        let mut status = None;
        self.wait("a status", || {
            status = self.get("/status");
            status.is_some()
        });
        status.unwrap()
    }

    /// Waits until it holds; otherwise fails with the daemon's log.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, mut holds: impl FnMut() -> bool) {
        assert!(wait(&mut holds), "{what} never came\n{}", self.log());
    }

    /// Waits until the status page says so.
    #[track_caller]
    pub(crate) fn wait_for_status(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        self.wait(what, || self.get("/status").is_some_and(|s| holds(&s)));
    }

    #[track_caller]
    pub(crate) fn wait_for_available(&self, available: u64) {
        let what = format!("available {available}");
        self.wait_for_status(&what, |s| {
            let replicas = s["replicas"].as_array().map_or(&[][..], Vec::as_slice);
            s["summary"]["available"] == available
                && s["summary"]["awaited"] == 0
                && replicas.iter().all(is_settled)
        });
    }

    /// Waits for the end and returns it with the whole log.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (status, self.log())
    }
}

/// Not on its way in or out.
fn is_settled(replica: &Value) -> bool {
    !matches!(
        replica["state"].as_str(),
        Some("creating" | "starting" | "checking" | "leaving")
    )
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it holds; `false` if it never did.
#[expect(
    clippy::disallowed_methods,
    reason = "a test waits for another process"
)]
pub(crate) fn wait(mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if holds() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

/// The requests of that method and path pattern, oldest first.
pub(crate) fn requests(cloud: &MockCloud, filter: &str) -> Vec<Value> {
    cloud.log(filter)
}

/// A counter of the cloud.
pub(crate) fn counter(cloud: &MockCloud, name: &str) -> u64 {
    cloud.counters()[name].as_u64().unwrap()
}
