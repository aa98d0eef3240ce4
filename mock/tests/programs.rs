//! The programs: settings, what they say, how they end.

#![allow(clippy::unwrap_used)] // A test.

mod support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use support::exchange;

fn line_of(child: &mut Child, starts: &str) -> String {
    let reader = BufReader::new(child.stdout.take().unwrap());
    reader
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with(starts))
        .unwrap()
}

fn terminate(mut child: Child) {
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_mock_replica_reads_its_file() {
    let file = std::env::temp_dir().join(format!("mock-{}.env", std::process::id()));
    std::fs::write(&file, "# a comment\nMOCK_HOST=127.0.0.1\nMOCK_PORT=1\nMOCK_CAPACITY_KEY=\"a.b\"\nMOCK_TERMINATION_VALUE=no\n").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mock-replica"))
        .arg("--env-file")
        .arg(&file)
        .envs([("MOCK_PORT", "0"), ("MOCK_CAPACITY_VALUE", "7")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = line_of(
        &mut child,
        "Mock server started listening on http://127.0.0.1:",
    );
    let port = line
        .trim_end_matches('.')
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let answer = exchange(
        SocketAddr::from(([127, 0, 0, 1], port)),
        "GET",
        "/any",
        &[],
        &Value::Null,
    );
    assert_eq!(
        (
            answer.json,
            answer.head.contains("Content-Type: application/json")
        ),
        (json!({ "a.b": 7, "termination": true }), true)
    );
    terminate(child);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn bad_values_are_all_told() {
    let output = Command::new(env!("CARGO_BIN_EXE_mock-replica"))
        .envs([
            ("MOCK_PORT", "x"),
            ("MOCK_CAPACITY_VALUE", "1.5"),
            ("MOCK_HOST", "nowhere"),
        ])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    for name in ["MOCK_PORT", "MOCK_CAPACITY_VALUE", "MOCK_HOST"] {
        assert!(told.contains(name), "{told}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_mock-cloud"))
        .args(["--build-time", "soon"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_mock_cloud_prints_how_to_log_in() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mock-cloud"))
        .args(["--port", "0", "--replica-port=0"])
        .env("MOCK_CLOUD_USERNAME", "me")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = line_of(&mut child, "export OS_AUTH_URL=");
    assert!(line.ends_with("/identity/v3'"), "{line}");
    terminate(child);
}
