//! What does not mean "end now" ends nothing: signals within a creation, a log that is not read, output that cannot be
//! written.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::json;
use simplescalevm_mock::MockCloud;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus, Stdio};
use support::{Daemon, counter, free_port, program, quick_cloud, variables, wait};

/// Those whose default is to end a process at once, but for those that only a fault of the process itself brings.
const IGNORED: [&str; 18] = [
    "HUP", "USR1", "USR2", "ALRM", "PIPE", "VTALRM", "PROF", "IO", "XFSZ", "TRAP", "SYS", "PWR",
    "STKFLT", "34", "35", "36", "50", "64",
];

fn send(signal: &str, id: &str) {
    let sent = Command::new("kill").args(["-s", signal, id]).status();
    assert!(sent.unwrap().success(), "{signal}");
}

/// A daemon with a creation on the wire, made and not answered yet.
fn within_a_creation(cloud: &MockCloud) -> Daemon {
    let late =
        json!({ "service": "nova", "method": "POST", "path": "/servers$", "delay_after": 2.5 });
    cloud.add_fault(&late).unwrap();
    let daemon = Daemon::start(cloud, &[]);
    daemon.wait("the creation", || counter(cloud, "created") == 3);
    assert!(!daemon.log().contains("create 3 replicas"));
    daemon
}

#[test]
fn signals_that_mean_something_else_do_nothing() {
    let cloud = quick_cloud(|_| {});
    let daemon = within_a_creation(&cloud);
    let process = daemon.pid().to_string();
    for signal in IGNORED {
        send(signal, &process);
    }
    // A signal may also be sent to one thread: that of the creation, say.
    for thread in fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let thread = thread.unwrap().file_name().into_string().unwrap();
        for signal in ["HUP", "USR1", "64"] {
            send(signal, &thread);
        }
    }
    assert!(
        !daemon.log().contains("create 3 replicas"),
        "all of it came within the creation"
    );
    daemon.wait("its outcome", || {
        daemon.log().contains("the floor is 3): done")
    });
    daemon.wait_for_available(3);
    assert_eq!(counter(&cloud, "created"), 3, "{}", daemon.log());
    assert_eq!(daemon.status()["counters"]["failed_cycles"], 0);
    assert!(
        daemon
            .log()
            .contains("[WARN] SIGHUP: ignored, settings cannot be reloaded yet")
    );
    daemon.signal("TERM");
    let (status, log) = daemon.end();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.ends_with("stopped\n"), "{log}");
}

#[test]
fn signals_that_mean_the_end_wait_for_the_outcome() {
    for signal in ["QUIT", "INT", "XCPU"] {
        let cloud = quick_cloud(|_| {});
        let daemon = within_a_creation(&cloud);
        daemon.signal(signal);
        // One that is ignored is no second signal.
        daemon.wait("its line", || {
            daemon
                .log()
                .contains(&format!("SIG{signal}: no new action"))
        });
        daemon.signal("HUP");
        daemon.signal("USR1");
        let (status, log) = daemon.end();
        assert_eq!(status.code(), Some(0), "{signal}: {log}");
        assert!(log.contains("the floor is 3): done"), "{signal}: {log}");
    }
}

/// Killed at the end of a test that fails.
struct Guard(std::process::Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The daemon with its log in a pipe of which only the other end is known.
fn into_a_pipe(cloud: &MockCloud, port: u16) -> (Guard, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let more = [("LOG_LEVEL", "trace"), ("PROBE_INTERVAL", "0.05")];
    let mut variables = variables(cloud, &more);
    variables.push(("APP_PORT", port.to_string()));
    let child = program(&[], &variables)
        .stdout(Stdio::null())
        .stderr(writer)
        .spawn()
        .unwrap();
    (Guard(child), reader)
}

fn lists(cloud: &MockCloud) -> u64 {
    let counters = cloud.counters();
    counters["requests"]["nova GET /v2.1/servers/detail"]
        .as_u64()
        .unwrap_or_default()
}

fn metric(port: u16, name: &str) -> Option<u64> {
    let url = format!("http://127.0.0.1:{port}/metrics");
    let text = ureq::get(&url)
        .call()
        .ok()?
        .body_mut()
        .read_to_string()
        .ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let cloud = quick_cloud(|_| {});
    // Each probe is a line.
    let old = json!({"count": 60, "name": "old", "metadata": {"group": "scaled"}, "booted": true});
    cloud.add_servers(&old).unwrap();
    let port = free_port();
    let (mut daemon, mut reader) = into_a_pipe(&cloud, port);
    // The pipe is full long before that, and so is the queue.
    let dropped = || metric(port, "simplescalevm_log_lines_dropped_total ");
    assert!(wait(|| dropped() > Some(100)), "{:?}", dropped());
    let before = lists(&cloud);
    assert!(
        wait(|| lists(&cloud) >= before + 5),
        "the loop stands still"
    );
    cloud.set_termination("old-1", true).unwrap();
    let is_gone = || cloud.servers().iter().all(|s| s["name"] != "old-1");
    assert!(wait(is_gone), "nothing is done");
    // Once it is read again, it says what is missing.
    let mut text = Vec::new();
    let mut chunk = vec![0; 65_536];
    while !String::from_utf8_lossy(&text).contains("lines of the log are missing here") {
        let n = reader.read(&mut chunk).unwrap();
        assert!(n > 0);
        text.extend_from_slice(&chunk[..n]);
    }
    // Then it is full again, and the end comes all the same.
    let lost = dropped().unwrap();
    assert!(wait(|| dropped() > Some(lost)));
    send("TERM", &daemon.0.id().to_string());
    let mut status: Option<ExitStatus> = None;
    let ended = wait(|| {
        status = daemon.0.try_wait().unwrap();
        status.is_some()
    });
    assert!(ended, "SIGTERM is not obeyed");
    assert_eq!(status.unwrap().code(), Some(0));
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    for gone in [true, false] {
        let cloud = quick_cloud(|_| {});
        let port = free_port();
        let mut daemon = if gone {
            let (daemon, reader) = into_a_pipe(&cloud, port);
            drop(reader);
            daemon
        } else {
            let mut variables = variables(&cloud, &[]);
            variables.push(("APP_PORT", port.to_string()));
            Guard(program(&[], &variables).stderr(full()).spawn().unwrap())
        };
        assert!(wait(|| counter(&cloud, "created") == 3));
        let dropped = || metric(port, "simplescalevm_log_lines_dropped_total ");
        assert!(wait(|| dropped() > Some(0)), "{gone}");
        let before = lists(&cloud);
        assert!(wait(|| lists(&cloud) >= before + 5), "{gone}");
        send("TERM", &daemon.0.id().to_string());
        assert_eq!(daemon.0.wait().unwrap().code(), Some(0), "{gone}");
    }
}

/// A disk without room.
fn full() -> Stdio {
    OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A pipe that nobody reads any more.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    OwnedFd::from(writer).into()
}

#[test]
fn a_command_that_cannot_print_says_so_and_does_not_panic() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    let mut variables = variables(&cloud, &[]);
    variables.push(("APP_PORT", daemon.port.to_string()));
    let run = |words: &[&str], out: Stdio, err: Stdio| {
        let mut command = program(words, &variables);
        let output = command.stdout(out).stderr(err).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let commands: [&[&str]; 9] = [
        &["check"],
        &["check", "--json"],
        &["plan"],
        &["plan", "--json"],
        &["man"],
        &["completions", "bash"],
        &["--help"],
        &["--version"],
        &["healthcheck"],
    ];
    for words in commands {
        let (well, text) = run(words, Stdio::null(), Stdio::piped());
        let (code, told) = run(words, full(), Stdio::piped());
        assert!(!told.contains("panicked"), "{words:?}: {told}");
        if words == ["healthcheck"] {
            // Its exit code says how the daemon is, and nothing else.
            assert_eq!(code, Some(0), "{told}");
        } else {
            assert_eq!(code, Some(1), "{words:?}: {told}");
        }
        assert!(
            told.contains("No space left on device"),
            "{words:?}: {told}"
        );
        // `| head` has read enough.
        let (code, told) = run(words, closed(), Stdio::piped());
        assert_eq!((code, told), (well, text), "{words:?}");
        // Neither of both.
        let (code, _) = run(words, full(), full());
        assert!(matches!(code, Some(0 | 1)), "{words:?}: {code:?}");
    }
    for words in [&["check"][..], &["--no-such-option"], &["healthcheck"]] {
        let wrong = [("APP_PORT", "http".to_owned())];
        let status = |err: Stdio| program(words, &wrong).stderr(err).status().unwrap().code();
        let expected = status(Stdio::null());
        assert!(matches!(expected, Some(1 | 2)), "{words:?}: {expected:?}");
        assert_eq!(status(full()), expected, "{words:?}");
        assert_eq!(status(closed()), expected, "{words:?}");
    }
}

#[test]
fn no_memory_is_written_to_disk() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    let mut limits = String::new();
    let opened = File::open(format!("/proc/{}/limits", daemon.pid()));
    match opened.and_then(|mut file| file.read_to_string(&mut limits)) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
        read => drop(read.unwrap()),
    }
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{words:?}");
}
