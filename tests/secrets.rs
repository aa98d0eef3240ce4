//! Nothing that is secret is ever told: the program at `LOG_LEVEL=trace`, through good and failing paths, against a cloud that
//! repeats in its errors what it was sent.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use base64::Engine as _;
use serde_json::{Value, json};
use simplescalevm::config::{Environment, Settings};
use simplescalevm_mock::MockCloud;
use std::collections::BTreeSet;
use std::path::PathBuf;
use support::{Daemon, free_port, program, quick_cloud, variables};

const PASSWORD: &str = "Sup3r \"S\\ecret#é$x";
const CLOUD_INIT: &str = "#cloud-config\nwrite_files:\n- content: cloud-init-marker-7781\n";
/// Looked for wherever the program speaks. The first two are parts of the password: no escaping hides those.
const PARTS: [&str; 4] = ["Sup3r", "ecret#", "cloud-init-marker", "wrong-pass"];

/// What must not be found, and what was said so far.
struct Ear {
    secrets: BTreeSet<String>,
    heard: usize,
}

impl Ear {
    fn new(cloud: &MockCloud) -> Self {
        let encoded = base64::engine::general_purpose::STANDARD.encode(CLOUD_INIT);
        let mut secrets: BTreeSet<String> = PARTS.map(str::to_owned).into();
        // Also a part of it, as an echo that is cut off has it.
        secrets.insert(encoded[..32].to_owned());
        for (name, value) in cloud.credential_env() {
            if name == "OS_APPLICATION_CREDENTIAL_SECRET" {
                secrets.insert(value);
            }
        }
        Self { secrets, heard: 0 }
    }

    /// Learns the tokens that are good now.
    fn learn(&mut self, cloud: &MockCloud) {
        let tokens = cloud.control("GET", "tokens", &Value::Null).unwrap();
        for token in tokens["tokens"].as_array().unwrap() {
            self.secrets.insert(token.as_str().unwrap().to_owned());
        }
    }

    #[track_caller]
    fn hear(&mut self, what: &str, text: &str) {
        for secret in &self.secrets {
            assert!(!text.contains(secret), "{what} tells {secret:?}:\n{text}");
        }
        self.heard += text.len();
    }
}

fn cloud() -> MockCloud {
    quick_cloud(|c| {
        PASSWORD.clone_into(&mut c.password);
        c.floating_ips = 1;
    })
}

fn cloud_init(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.cloud-init"));
    std::fs::write(&path, CLOUD_INIT).unwrap();
    path
}

fn echo(service: &str, method: &str, path: &str, status: u16) -> Value {
    json!({
        "service": service, "method": method, "path": path, "status": status,
        "body": "{\"badRequest\": {\"code\": 400, \"message\": \"You sent: {ECHO}\"}}",
    })
}

/// The same as a page in HTML, and of an answer that is good but for its content.
fn echo_in_html(service: &str, status: u16) -> Value {
    json!({ "service": service, "status": status, "body": "<html><h1>Oops</h1>{ECHO}</html>", "headers": {"Content-Type": "text/html"} })
}

fn ask_every_route(daemon: &Daemon, ear: &mut Ear) {
    for path in [
        "/", "/status", "/healthz", "/readyz", "/metrics", "/nothing",
    ] {
        let url = format!("http://127.0.0.1:{}{path}", daemon.port);
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        if let Ok(mut answer) = agent.get(&url).call() {
            ear.hear(path, &answer.body_mut().read_to_string().unwrap());
        }
    }
}

fn incidents(daemon: &Daemon) -> usize {
    let status = daemon.status();
    status["incidents"].as_array().map_or(0, Vec::len)
}

/// Through a day of everything that may go wrong with the cloud.
fn live_through(format: &str, more: &[(&'static str, &str)]) {
    let cloud = cloud();
    let mut ear = Ear::new(&cloud);
    let file = cloud_init(&format!("secrets-{format}-{}", more.len()));
    let file = file.to_str().unwrap();
    let mut settings = vec![
        ("LOG_LEVEL", "trace"),
        ("LOG_FORMAT", format),
        ("OPENSTACK_CLOUD_INIT_FILE", file),
        ("EXTERNAL_ADDRESS_MANAGEMENT", "true"),
        ("OPENSTACK_NETWORK", "internal"),
        ("OPENSTACK_TIMEOUT", "1"),
    ];
    settings.extend_from_slice(more);
    let port = free_port();
    let mut variables = variables(&cloud, &settings);
    if more.iter().any(|(name, _)| *name == "OS_AUTH_TYPE") {
        variables
            .retain(|(name, _)| !matches!(*name, "OS_USERNAME" | "OS_PASSWORD" | "OS_AUTH_TYPE"));
        variables.extend(cloud.credential_env());
    }
    variables.push(("APP_PORT", port.to_string()));
    let daemon = Daemon::spawn(program(&[], &variables), port);
    daemon.wait_for_available(3);
    ear.learn(&cloud);
    let troubles = [
        vec![echo("nova", "GET", "/servers/detail", 500)],
        vec![echo_in_html("nova", 502)],
        vec![echo("nova", "GET", "/servers/detail", 200)],
        vec![echo("keystone", "POST", "/auth/tokens", 401)],
        vec![echo_in_html("keystone", 500)],
        vec![echo("keystone", "POST", "/auth/tokens", 200)],
        vec![json!({ "service": "nova", "hang": true })],
        vec![json!({ "service": "nova", "drop": "after" })],
        vec![json!({ "service": "nova", "truncate": 90 })],
    ];
    for rules in troubles {
        let before = cloud.log("").len();
        cloud.add_fault(&json!(rules)).unwrap();
        // So that the login is tried, too.
        ear.learn(&cloud);
        cloud.revoke_tokens();
        daemon.wait("requests", || cloud.log("").len() > before + 2);
        ask_every_route(&daemon, &mut ear);
        cloud.clear_faults();
        let lists = daemon.status()["counters"]["cycles"].as_u64();
        daemon.wait_for_status("a list", |s| s["counters"]["cycles"].as_u64() > lists);
    }
    // A creation that is refused, with the user data in the refusal.
    cloud
        .add_fault(&echo("nova", "POST", "/servers$", 400))
        .unwrap();
    cloud.set_capacity("server-1", 0).unwrap();
    daemon.wait_for_status("the refusal", |s| !s["backoff"].is_null());
    ask_every_route(&daemon, &mut ear);
    ear.learn(&cloud);
    assert!(incidents(&daemon) > 3, "{}", daemon.log());
    daemon.signal("TERM");
    let (status, log) = daemon.end();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(
        log.contains("You sent"),
        "the echoes were not told at all:\n{log}"
    );
    ear.hear("the log", &log);
    assert!(ear.heard > 10_000, "{}", ear.heard);
}

#[test]
fn a_day_of_trouble_in_text() {
    live_through("text", &[]);
}

#[test]
fn a_day_of_trouble_in_json() {
    live_through("json", &[]);
}

#[test]
fn a_day_of_trouble_with_an_application_credential() {
    live_through("text", &[("OS_AUTH_TYPE", "v3applicationcredential")]);
}

/// Runs a command to its end and listens to all that it says.
fn run(
    cloud: &MockCloud,
    arguments: &[&str],
    more: &[(&'static str, &str)],
    ear: &mut Ear,
) -> String {
    let output = program(arguments, &variables(cloud, more))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    ear.learn(cloud);
    let text = text.concat();
    ear.hear(&format!("{arguments:?} {more:?}"), &text);
    text
}

#[test]
fn commands_and_wrong_settings() {
    let file = cloud_init("commands");
    let file = file.to_str().unwrap();
    for format in ["text", "json"] {
        for command in [&["check"][..], &["plan"], &["plan", "--json"]] {
            let base = [
                ("LOG_LEVEL", "trace"),
                ("LOG_FORMAT", format),
                ("OPENSTACK_CLOUD_INIT_FILE", file),
                ("OPENSTACK_TIMEOUT", "1"),
            ];
            let cloud = cloud();
            let mut ear = Ear::new(&cloud);
            let mut go = |more: &[(&'static str, &str)], rule: Option<Value>| {
                cloud.clear_faults();
                if let Some(rule) = rule {
                    cloud.add_fault(&rule).unwrap();
                }
                run(&cloud, command, &[&base[..], more].concat(), &mut ear)
            };
            let well = go(&[], None);
            assert!(!well.is_empty());
            let wrong = go(&[("OS_PASSWORD", "wrong-password")], None);
            assert!(wrong.contains("401"), "{wrong}");
            let echoed = go(&[], Some(echo("keystone", "POST", "/auth/tokens", 500)));
            assert!(echoed.contains("You sent"), "{echoed}");
            go(&[], Some(echo_in_html("nova", 500)));
            go(&[], Some(echo("nova", "GET", "", 200)));
            go(&[], Some(json!({ "hang": true })));
            // The password in the wrong place of a URL, and settings that are wrong beside it.
            go(
                &[("OS_AUTH_URL", "http://scaler:wrong-pass@127.0.0.1/v3")],
                None,
            );
            go(&[("APP_PORT", "x"), ("OS_AUTH_TYPE", "x")], None);
            go(
                &[
                    ("OS_TOKEN", "wrong-pass-token"),
                    ("OS_AUTH_TYPE", "v3token"),
                ],
                None,
            );
        }
    }
}

/// A directory with files for the program to find.
fn room(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let room = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&room).unwrap();
    for (file, text) in files {
        std::fs::write(room.join(file), text).unwrap();
    }
    room
}

#[test]
fn files_with_passwords() {
    let cloud = cloud();
    let mut ear = Ear::new(&cloud);
    let url = cloud.auth_url();
    let quoted = serde_json::to_string(PASSWORD).unwrap();
    let entry = format!(
        "clouds:\n  c:\n    region_name: RegionOne\n    auth:\n      auth_url: {url}\n      username: scaler\n      \
         user_domain_name: Default\n      project_name: scaler\n      project_domain_name: Default\n      password: {quoted}\n"
    );
    let broken = format!("{entry}      password: {quoted}\n   x: [\n");
    let port = cloud.replica_port();
    let dotenv =
        format!("OS_CLOUD=c\nREPLICA_API_PORT={port}\nLOG_LEVEL=trace\nOPENSTACK_TIMEOUT=5\n");
    let bad_dotenv = format!(
        "{dotenv}OS_PASSWORD {PASSWORD}\nOS_PASSWORD=\"{PASSWORD}\nOS_TOKEN='{PASSWORD}' x\n"
    );
    let rows = [
        (
            "secrets-files",
            [("clouds.yaml", entry.as_str()), (".env", &dotenv)],
            Some(0),
        ),
        (
            "secrets-broken-yaml",
            [("clouds.yaml", &broken), (".env", &dotenv)],
            Some(2),
        ),
        (
            "secrets-broken-env",
            [("clouds.yaml", &entry), (".env", &bad_dotenv)],
            Some(2),
        ),
    ];
    for (name, files, code) in rows {
        for command in ["check", "plan"] {
            let mut command = program(&[command], &[]);
            let output = command.current_dir(room(name, &files)).output().unwrap();
            let text = [output.stdout, output.stderr]
                .map(|bytes| String::from_utf8(bytes).unwrap())
                .concat();
            assert_eq!(output.status.code(), code, "{name}: {text}");
            ear.learn(&cloud);
            ear.hear(name, &text);
        }
    }
}

#[test]
fn types_do_not_show_what_they_hold() {
    let cloud = cloud();
    let mut ear = Ear::new(&cloud);
    for env in [cloud.env(), cloud.credential_env()] {
        let dotenv = format!("OS_TOKEN={PASSWORD}\nOPENSTACK_NAME=x\n");
        let path = std::path::Path::new(".env");
        let environment = Environment::from_parts(env, Some((path, dotenv.as_bytes())));
        ear.hear("Environment", &format!("{environment:?}"));
        let settings = Settings::from_environment(&environment).unwrap();
        ear.hear("Settings", &format!("{settings:?} {:#?}", settings.cloud));
        ear.hear("the settings shown", &format!("{:?}", settings.shown()));
        let config = settings.cloud.client.clone();
        ear.hear("CloudConfig", &format!("{config:?} {:?}", config.auth));
        let client = openstack_sdk_blocking::Cloud::new(config).unwrap();
        let info = client.authenticate().unwrap();
        ear.learn(&cloud);
        ear.hear(
            "Cloud",
            &format!("{client:?} {info:?} {:?}", client.compute()),
        );
        cloud.add_fault(&echo("nova", "GET", "", 500)).unwrap();
        let error = client.compute().limits().unwrap_err();
        ear.hear(
            "an error",
            &format!("{error} {error:?} {}", error.message()),
        );
        cloud.clear_faults();
    }
}
