//! Every command of the documents is run here, or stands in a table with the reason why not.

use crate::support::{Daemon, program, quick_cloud, variables};
use crate::{blocks, root};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// How commands begin that are not run here, and why not.
const NOT_HERE: &[(&str, &str)] = &[
    (
        "curl --proto '=https'",
        "fetches Rust from the network: whatever runs this test has it",
    ),
    (". \"$HOME/.cargo/env\"", "puts that Rust into the PATH"),
    ("make demo", "mock/tests/programs.rs runs the demo"),
    ("make test", "it would begin itself anew"),
    (
        "make install",
        "an optimised build; `make static` of the gate makes the same",
    ),
    ("make static", "the gate runs it (make chroot-test)"),
    ("make deb", "the gate runs it (make test-deb)"),
    (
        "make build",
        "`make test-image` runs it, with buildah in Docker's place; too slow for each test run",
    ),
    (
        "make start-docker",
        "wants Docker; tests/config reads the same files, `make test-image` runs the image",
    ),
    ("make release", "pushes to a registry"),
    ("docker ", "wants Docker; `make test-image` runs the image"),
    (
        "cp .env.example .env",
        "tests/config/documents.rs reads what would be copied",
    ),
    (
        "sudo dpkg -i ",
        "tests/package.sh does it in a root of its own",
    ),
    ("sudoedit ", "asks a person"),
    (
        "sudo cp --preserve=mode,ownership /etc/simplescalevm",
        "changes this machine",
    ),
    (
        "sudo systemctl ",
        "wants systemd as process 1; tests/package.sh runs ExecStart of the unit as its user",
    ),
    ("journalctl ", "wants systemd's journal"),
    (
        "target/static/simplescalevm --version",
        "tests/chroot.sh and tests/package.sh do it, in the gate",
    ),
    (
        "docs/manual/examples/status.py ",
        "examples.rs runs it, on a port of its own",
    ),
    (
        "socat ",
        "wants socat; examples.rs runs the script in the same way",
    ),
    (
        "curl --include http://127.0.0.1:8080/",
        "asks a replica; examples.rs lets the daemon ask it",
    ),
    (
        "openstack ",
        "changes or wants a cloud; mock/tests/openstack_client.sh runs the official client",
    ),
    (
        "cargo run -p simplescalevm-mock --bin mock-cloud",
        "mock/tests/programs.rs starts the program",
    ),
    (
        ". ./openrc",
        "mock/tests/programs.rs reads what the cloud prints",
    ),
];

/// How commands begin that are run here.
const HERE: &[&str] = &[
    "simplescalevm ",
    "sudo simplescalevm ",
    "target/release/simplescalevm ",
    "curl http://127.0.0.1:8000/",
    "curl --fail http://127.0.0.1:8000/",
    "curl $C/",
    "curl \"$C/",
];

/// All commands: where they stand, and what they are.
fn commands() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for block in blocks().into_iter().filter(|block| block.language == "sh") {
        let place = format!("{}, line {}", block.file, block.line);
        for line in block.text.replace("\\\n", " ").lines() {
            if !line.trim().is_empty() && !line.starts_with('#') {
                found.push((place.clone(), line.to_owned()));
            }
        }
    }
    found
}

#[test]
fn every_command_is_run_or_says_why_not() {
    let commands = commands();
    assert!(commands.len() > 40, "{}", commands.len());
    for (place, command) in &commands {
        let here = HERE.iter().any(|beginning| command.starts_with(beginning));
        let elsewhere = NOT_HERE
            .iter()
            .any(|(beginning, _)| command.starts_with(beginning));
        assert!(
            here != elsewhere,
            "{place}: {command}\nin {} tables",
            u8::from(here) * 2
        );
    }
    // The tables hold nothing that is not there.
    let beginnings = NOT_HERE.iter().map(|(beginning, _)| beginning).chain(HERE);
    for beginning in beginnings {
        let used = commands
            .iter()
            .any(|(_, command)| command.starts_with(beginning));
        assert!(used, "no document has {beginning:?}");
    }
}

#[test]
fn commands_run() {
    let cloud = quick_cloud(|c| c.boot_time = std::time::Duration::ZERO);
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs-commands");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(dir.join("bin")).unwrap();
    symlink(
        env!("CARGO_BIN_EXE_simplescalevm"),
        dir.join("bin/simplescalevm"),
    )
    .unwrap();
    let mut settings = String::new();
    for (name, value) in variables(&cloud, &[]) {
        settings.push_str(&format!("{name}={value}\n"));
    }
    settings.push_str(&format!("APP_PORT={}\n", daemon.port));
    fs::write(dir.join(".env"), &settings).unwrap();
    let file = dir.join("simplescalevm.env");
    fs::write(&file, &settings).unwrap();
    let own = |command: &str| {
        command
            .trim_start_matches("sudo ")
            .replace("target/release/", "")
            .replace(
                "/etc/simplescalevm/simplescalevm.env",
                file.to_str().unwrap(),
            )
            .replace(
                "http://127.0.0.1:8000",
                &format!("http://127.0.0.1:{}", daemon.port),
            )
    };
    let mut ran = 0;
    for (place, command) in commands() {
        if !HERE.iter().any(|beginning| command.starts_with(beginning)) {
            continue;
        }
        // What the commands of the mock's document speak of. It is made anew for each: some break it.
        let other = quick_cloud(|_| {});
        let server =
            json!({ "name": "server-1", "metadata": { "group": "scaled" }, "booted": true });
        other.add_servers(&server).unwrap();
        let script = own(&command);
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(&dir)
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", dir.join("bin").display()),
            )
            .env("C", format!("{}/mock", other.url()))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{place}: {script}\n{text}{errors}");
        // curl without --fail is content with an error too.
        assert!(
            !text.contains("\"error\": \"") && !text.contains("{\"error\":"),
            "{place}: {script}\n{text}"
        );
        ran += 1;
    }
    assert!(ran > 25, "only {ran} commands ran");
}

#[test]
fn scripts_of_the_documents_are_well_formed() {
    for block in blocks().into_iter().filter(|block| block.language == "sh") {
        let checked = Command::new("bash")
            .args(["-n", "-c", &block.text])
            .output()
            .unwrap();
        assert!(
            checked.status.success(),
            "{}, line {}: {checked:?}",
            block.file,
            block.line
        );
    }
}

#[test]
fn settings_of_the_manual_are_right() {
    let cloud_init = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs-cloud-init.sh");
    fs::write(&cloud_init, "#!/bin/sh\n").unwrap();
    let mut seen = 0;
    for block in blocks().into_iter().filter(|block| block.language == "ini") {
        let text = block.text.replace(
            "/etc/simplescalevm/cloud-init.sh",
            cloud_init.to_str().unwrap(),
        );
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("docs-{}.env", block.line));
        // The login is not tried: nobody listens there.
        let lines = text.lines().map(|line| {
            let is_url = line.starts_with("OS_AUTH_URL=");
            let nowhere = "OS_AUTH_URL=http://127.0.0.1:9/v3";
            if is_url { nowhere } else { line }
        });
        fs::write(&file, lines.collect::<Vec<_>>().join("\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let nowhere = [("OPENSTACK_TIMEOUT", "2".to_owned())];
        let arguments = ["--env-file", file.to_str().unwrap(), "check"];
        let output = program(&arguments, &nowhere).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let place = format!("{}, line {}: {told}", block.file, block.line);
        // 2 would be a wrong setting, and a warning an odd one.
        assert_eq!(output.status.code(), Some(1), "{place}");
        assert!(
            told.contains("ERROR   login") && !told.contains("WARNING settings"),
            "{place}"
        );
        seen += 1;
    }
    assert!(seen >= 2, "{seen}");
    assert!(root().join(".env.example").exists());
}
