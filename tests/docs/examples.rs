//! The examples of a status endpoint, asked by the daemon's own `plan`.

use crate::support::{free_port, program, quick_cloud, variables, wait};
use crate::{blocks, read, root};
use serde_json::json;
use simplescalevm_mock::LoopbackListener;
use std::fs;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PYTHON: &str = "docs/manual/examples/status.py";
/// The address of the first server of a mock cloud.
const FIRST_SERVER: &str = "127.64.0.2";
const SHELL: &str = "docs/manual/examples/status.sh";

#[test]
fn the_manual_shows_the_examples_that_are_tested() {
    let text = read("docs/manual/status-endpoint.md");
    for (file, language) in [(PYTHON, "python"), (SHELL, "shell")] {
        let shown = blocks()
            .into_iter()
            .find(|block| block.language == language);
        assert_eq!(shown.unwrap().text, read(file), "{file}");
        assert!(read(file).lines().count() <= 22, "{file} is to be short");
        assert!(text.contains(&format!("examples/{}", file.rsplit('/').next().unwrap())));
    }
}

/// The folder in which a service would say how it is.
struct State(PathBuf);

impl State {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn calls(&self, calls: &str) {
        fs::write(self.0.join("calls"), calls).unwrap();
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `check` and `plan` say about a replica whose status endpoint is on that port.
fn through_a_life(state: &State, port: u16) {
    let cloud = quick_cloud(|_| {});
    let order = json!({ "name": "gw", "metadata": { "group": "scaled" }, "booted": true });
    cloud.add_servers(&order).unwrap();
    assert_eq!(cloud.servers()[0]["addresses"][0], FIRST_SERVER);
    let port = port.to_string();
    let ask = |command: &str| {
        let more = [
            ("REPLICA_API_PORT", port.as_str()),
            ("REPLICA_STARTUP_GRACE", "0"),
            ("REPLICA_CAPACITY", "3"),
            ("REPLICA_MIN_AVAILABLE_RESOURCES", "1"),
            ("REPLICA_FAILURE_THRESHOLD", "1"),
            ("REPLICA_API_TIMEOUT", "10"),
        ];
        let output = program(&[command], &variables(&cloud, &more))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let expect = |command: &str, words: &str| {
        let told = ask(command);
        assert!(told.contains(words), "{words:?} is not in:\n{told}");
    };
    // Not up yet: a failed probe, and no deletion.
    expect("check", "status 503");
    expect("plan", "unreachable  counts 0");
    state.calls("1");
    expect("check", "1 of 1 that run answer");
    expect("plan", "serving      counts 2    gw");
    state.calls("7");
    expect("plan", "serving      counts 0    gw");
    state.calls("garbage");
    expect("plan", "unreachable  counts 0");
    state.calls("0\n");
    fs::write(state.0.join("done"), "").unwrap();
    expect(
        "plan",
        "delete gw (termination: it reported termination=true)",
    );
}

#[test]
fn the_example_in_python() {
    let state = State::new("docs-status-python");
    let port = free_port();
    // Here it is to be heard by this machine alone.
    let script = state.0.join("status.py");
    let text = read(PYTHON);
    assert_eq!(text.matches("\"0.0.0.0\"").count(), 1);
    fs::write(&script, text.replace("0.0.0.0", FIRST_SERVER)).unwrap();
    let mut command = Command::new("python3");
    command.arg(script).arg(&state.0).arg(port.to_string());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _running = Running(command.spawn().unwrap());
    assert!(wait(|| TcpStream::connect((FIRST_SERVER, port)).is_ok()));
    through_a_life(&state, port);
}

#[test]
fn the_example_in_shell() {
    let state = State::new("docs-status-shell");
    // As systemd with Accept=yes: each connection is the script's standard input and output.
    let listener = LoopbackListener::bind(0).unwrap();
    let port = listener.port().unwrap();
    let folder = state.0.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut command = Command::new("sh");
            command.arg(root().join(SHELL)).arg(&folder);
            command.stdin(OwnedFd::from(stream.try_clone().unwrap()));
            command.stdout(OwnedFd::from(stream)).stderr(Stdio::null());
            let _ = command.status();
        }
    });
    through_a_life(&state, port);
}
