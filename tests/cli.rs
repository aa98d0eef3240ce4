//! The commands: `plan`, `healthcheck`, and the completions and the manual page, as they are installed, made from the
//! same table, and understood by their readers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use support::{Daemon, free_port, program, quick_cloud, variables};

/// Arguments, and the file under `deploy/` that holds what they print.
const MADE: [(&[&str], &str); 4] = [
    (&["completions", "bash"], "completions/simplescalevm.bash"),
    (&["completions", "zsh"], "completions/_simplescalevm"),
    (&["completions", "fish"], "completions/simplescalevm.fish"),
    (&["man"], "simplescalevm.8"),
];

fn deployed(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file)
}

fn printed(arguments: &[&str]) -> String {
    let output = program(arguments, &[]).output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether a program is there; where it is not, what needs it is left out.
fn has(tool: &str) -> bool {
    let asked = Command::new(tool).arg("--version").output();
    asked.is_ok_and(|output| output.status.success())
}

#[test]
fn what_is_installed_is_what_the_program_prints() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch of the test, not a setting"
    )]
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for (arguments, file) in MADE {
        let path = deployed(file);
        let expected = printed(arguments);
        if std::fs::read_to_string(&path).unwrap_or_default() == expected {
            continue;
        }
        assert!(
            update,
            "{} is not up to date: run the test with UPDATE_GOLDEN=1",
            path.display()
        );
        std::fs::write(&path, expected).unwrap();
    }
}

/// What bash offers for a line; the cursor is at its end.
fn bash_offers(line: &str) -> Vec<String> {
    let script = format!(
        ". '{}'; COMP_WORDS=({line}); [[ '{line}' == *' ' ]] && COMP_WORDS+=(''); \
         COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); compopt() {{ :; }}; \
         _simplescalevm simplescalevm \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        deployed("completions/simplescalevm.bash").display()
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes() {
    let check = |line: &str, expected: &[&str]| assert_eq!(bash_offers(line), expected, "{line:?}");
    check("simplescalevm ch", &["check"]);
    check(
        "simplescalevm completions ",
        &["-h", "--env-file", "--help", "bash", "zsh", "fish"],
    );
    check("simplescalevm plan --j", &["--json"]);
    check("simplescalevm healthcheck --j", &[]);
    // A file of the working directory, which is the package's.
    check("simplescalevm --env-file Cargo.to", &["Cargo.toml"]);
    assert!(bash_offers("simplescalevm ").contains(&"healthcheck".to_owned()));
}

#[test]
fn zsh_and_fish_accept_theirs() {
    let read = |shell: &str, arguments: &[&str], file: &str| {
        if has(shell) {
            let output = Command::new(shell)
                .args(arguments)
                .arg(deployed(file))
                .output();
            let output = output.unwrap();
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{output:?}"
            );
        }
    };
    read("zsh", &["-n"], "completions/_simplescalevm");
    read("fish", &["--no-execute"], "completions/simplescalevm.fish");
    if has("fish") {
        let script = format!(
            "source '{}'; complete -C 'simplescalevm ch'; complete -C 'simplescalevm completions f'",
            deployed("completions/simplescalevm.fish").display()
        );
        let output = Command::new("fish").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let words: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split('\t').next())
            .collect();
        assert_eq!(words, ["check", "fish"], "{text}");
    }
}

#[test]
fn the_manual_page_has_no_mistakes() {
    let page = deployed("simplescalevm.8");
    if Command::new("mandoc").arg("-V").output().is_ok() {
        let mut mandoc = Command::new("mandoc");
        let output = mandoc
            .args(["-T", "lint", "-W", "warning"])
            .arg(&page)
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        // The page carries no date, so that it is the same whenever it is made.
        let lines: Vec<&str> = told
            .lines()
            .filter(|l| !l.contains("missing date"))
            .collect();
        assert!(lines.is_empty(), "{lines:#?}");
    }
    let text = std::fs::read_to_string(page).unwrap();
    for word in [
        "check",
        "plan",
        "healthcheck",
        "OS_AUTH_URL",
        "REPLICA_API_PORT",
    ] {
        assert!(text.contains(word), "{word}");
    }
}

#[test]
fn healthcheck_asks_the_daemon_and_needs_no_other_setting() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    let check = |host: &str, port: &str, expected: i32, words: &str| {
        let set = [("APP_HOST", host.to_owned()), ("APP_PORT", port.to_owned())];
        let output = program(&["healthcheck"], &set).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8(told).unwrap();
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{host}:{port}: {told}"
        );
        assert!(told.contains(words), "{host}:{port}: {told}");
    };
    let port = daemon.port.to_string();
    check("127.0.0.1", &port, 0, "\"status\"");
    check("0.0.0.0", &port, 0, "\"status\"");
    check("", &port, 0, "\"status\"");
    check("127.0.0.1", &free_port().to_string(), 1, "/healthz: ");
    check("127.0.0.1", "0", 1, "APP_PORT");
    check("127.0.0.1", "http", 1, "APP_PORT");
    // A loop that stands still.
    daemon.signal("STOP");
    let set = [("APP_PORT", port)];
    let output = program(&["healthcheck"], &set).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    daemon.signal("CONT");
    // From the file that the daemon would read.
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("healthcheck.env");
    std::fs::write(&file, format!("APP_PORT={}\n", daemon.port)).unwrap();
    let output = program(&["healthcheck", "--env-file", file.to_str().unwrap()], &[]).output();
    assert!(output.unwrap().status.success());
}

#[test]
fn plan_tells_and_does_nothing() {
    let cloud = quick_cloud(|_| {});
    let of_the_pool = json!({ "metadata": { "group": "scaled" }, "booted": true });
    for (name, fields) in [
        ("done", json!({ "termination": true })),
        ("serving", json!({})),
        ("kept", json!({ "locked": true, "termination": true })),
        ("silent", json!({ "behaviour": "reset" })),
    ] {
        let mut order = of_the_pool.clone();
        order["name"] = name.into();
        cloud.add_servers(&order).unwrap();
        cloud.set_server(name, &fields).unwrap();
    }
    let run = |command: &[&str]| {
        let more = [("REPLICA_STARTUP_GRACE", "0")];
        let output = program(command, &variables(&cloud, &more))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        // What is printed is not logged as well.
        let logged = String::from_utf8(output.stderr).unwrap();
        assert_eq!(logged, "", "{command:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = run(&["plan"]);
    assert!(
        text.contains("delete done (termination: it reported termination=true)"),
        "{text}"
    );
    assert!(
        text.contains("create 2 replicas (1 resource available, the floor is 3)"),
        "{text}"
    );
    for words in [
        "silent (3 probes failed: ",
        "not deleting kept (termination: it reported termination=true): locked in Nova",
    ] {
        assert_eq!(text.matches(words).count(), 1, "{words}: {text}");
    }
    let json: Value = serde_json::from_str(&run(&["plan", "--json"])).unwrap();
    assert_eq!(
        json["plan"]["actions"].as_array().unwrap().len(),
        2,
        "{json}"
    );
    for changes in ["method=DELETE", "service=nova&method=POST"] {
        assert_eq!(cloud.log(changes), [] as [Value; 0]);
    }
}

#[test]
fn plan_beside_a_daemon_tells_what_one_would_do_that_starts_now() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    let more = [("REPLICA_MIN_AVAILABLE_RESOURCES", "5")];
    let output = program(&["plan"], &variables(&cloud, &more))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // It does not know what the other one has ordered.
    for words in [
        "creation of 2 replicas on hold until ",
        "a daemon that has just started waits for servers",
        "This is what a daemon that starts now would do.",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
