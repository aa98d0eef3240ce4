//! Where settings are from: what is listed, what shadows what, and what is said where there is no file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use simplescalevm::config::{Environment, Listed, Settings, listing};

use super::{LOGIN, scratch};

fn warnings(process: &[(&'static str, &'static str)], file: &str) -> Vec<String> {
    let process = LOGIN.iter().chain(process).copied();
    let file = Some((Path::new(".env"), file.as_bytes()));
    let environment = Environment::from_parts(process, file);
    Settings::from_environment(&environment).unwrap().warnings
}

#[test]
fn duplicate_and_shadowed_lines_are_told_with_their_numbers() {
    let check = |process: &[(&'static str, &'static str)], file: &str, expected: &[&str]| {
        assert_eq!(warnings(process, file), expected, "{file}");
    };
    let twice = ".env, line 3: APP_PORT is set again: line 1 is ignored";
    check(&[], "APP_PORT=1\n\nAPP_PORT=2\n", &[twice]);
    check(&[], "APP_PORT=1\n\nAPP_PORT=1\n", &[twice]);
    check(
        &[],
        "OPENSTACK_NAME=a\nOPENSTACK_NAME=${OPENSTACK_NAME}b\n",
        &[],
    );
    let wins = "APP_PORT: the environment wins over .env, line 2";
    check(&[("APP_PORT", "1")], "# the port\nAPP_PORT=2\n", &[wins]);
    check(&[("APP_PORT", "2")], "APP_PORT=2\n", &[]);
    let nothing = "APP_PORT: the environment sets it to nothing, which wins over .env, line 1";
    check(&[("APP_PORT", "")], "APP_PORT=2\n", &[nothing]);
    // Names of others are none of this program's business.
    check(&[("PATH", "/bin")], "PATH=/usr/bin\n", &[]);
}

#[test]
fn every_setting_is_listed_with_its_origin() {
    let clouds = scratch(
        "origins-clouds.yaml",
        b"clouds:\n  pool:\n    auth: {auth_url: 'http://k', username: u, password: s3cret-yaml}\n    verify: true\n",
    );
    let file = format!(
        "OS_CLOUD=pool\nOS_CLIENT_CONFIG_FILE={}\nREPLICA_API_PATH=/status?token=s3cret-path&s3cret-bare\n\
         OPENSTACK_SCALED_IMAGE=Debian 12\nOS_APPLICATION_CREDENTIAL_SECRET=s3cret-file\n",
        clouds.display()
    );
    let process = [
        ("APP_PORT", "9000"),
        ("HTTPS_PROXY", "http://me:s3cret-proxy@p:1"),
    ];
    let environment = Environment::from_parts(process, Some((Path::new(".env"), file.as_bytes())));
    let all = listing(&environment);
    assert!(!format!("{all:?}").contains("s3cret"), "{all:?}");
    let check = |name: &str, value: &str, word: &str, origin: &str| {
        let found: Vec<&Listed> = all.iter().filter(|listed| listed.name == name).collect();
        let [listed] = found.as_slice() else {
            panic!("{name}: {found:?}")
        };
        assert_eq!(listed.value, value, "{name}");
        assert_eq!(listed.origin.word(), word, "{name}");
        assert!(listed.origin.text().contains(origin), "{:?}", listed.origin);
    };
    check("APP_PORT", "9000", "environment", "environment");
    check("APP_HOST", "0.0.0.0", "default", "default");
    check("OPENSTACK_KEYPAIR", "", "unset", "unset");
    check(
        "OPENSTACK_IMAGE",
        "Debian 12",
        "file",
        ".env, line 4 (as OPENSTACK_SCALED_IMAGE)",
    );
    check(
        "REPLICA_API_PATH",
        "/status?token=***&***",
        "file",
        ".env, line 3",
    );
    check("HTTPS_PROXY", "***", "environment", "environment");
    check(
        "OS_APPLICATION_CREDENTIAL_SECRET",
        "***",
        "file",
        ".env, line 5",
    );
    check(
        "OS_AUTH_URL",
        "http://k",
        "clouds.yaml",
        "origins-clouds.yaml: clouds.pool.auth.auth_url",
    );
    check(
        "OS_PASSWORD",
        "***",
        "clouds.yaml",
        "clouds.pool.auth.password",
    );
    check("OS_VERIFY", "true", "clouds.yaml", "clouds.pool.verify");
}

fn run(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_simplescalevm"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(directory)
        .output()
        .unwrap();
    let text = String::from_utf8([stdout, stderr].concat()).unwrap();
    (status.code(), text)
}

/// An empty directory.
fn place(name: &str) -> std::path::PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
fn no_file_is_told_with_the_place_where_it_was_looked_for() {
    let directory = place("origins-none");
    let looked_for = format!("no file at {}", directory.join(".env").display());
    let (code, text) = run(&directory, &["check"], &[]);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains(&looked_for) && text.contains("OS_AUTH_URL: is not set"),
        "{text}"
    );
    let (code, text) = run(&directory, &["config"], &[]);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains(&looked_for) && text.contains("ERROR   OS_AUTH_URL: is not set"),
        "{text}"
    );
    // A login without a cloud behind it: what the log begins with.
    let mut variables: Vec<(&str, &str)> = LOGIN.to_vec();
    variables.push(("APP_HOST", "no address"));
    let (code, text) = run(&directory, &[], &variables);
    assert_eq!(code, Some(2), "{text}");
    assert!(!text.contains("no file at"), "nothing is missing: {text}");
}

#[test]
fn the_command_config() {
    let directory = place("origins-config");
    let file = directory.join(".env");
    fs::write(
        &file,
        "APP_PORT=1\nAPP_PORT=9001\nREPLICA_CAPACTIY=2\nOS_PASSWORD=s3cret\n",
    )
    .unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let variables = [
        ("OS_AUTH_URL", "http://127.0.0.1:9/v3"),
        ("OS_USERNAME", "me"),
        ("OS_PROJECT_ID", "p1"),
    ];
    let (code, text) = run(&directory, &["config"], &variables);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "APP_PORT=9001",
        " .env, line 2\n",
        "OS_PASSWORD=***",
        "WARNING .env, line 2: APP_PORT is set again: line 1 is ignored",
        "WARNING .env, line 3: REPLICA_CAPACTIY is unknown and ignored; did you mean REPLICA_CAPACITY?",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(
        !text.contains("s3cret") && !text.contains("can be read by every user"),
        "{text}"
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (_, text) = run(&directory, &["config", "--json"], &variables);
    let body: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["ok"], true);
    let port = body["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "APP_PORT");
    assert_eq!(port.unwrap()["source"], "file");
    assert_eq!(port.unwrap()["scope"], "daemon");
    let exposed = "can be read by every user of this machine (mode 644), and OS_PASSWORD is in it: chmod 600 .env";
    assert!(body["warnings"].to_string().contains(exposed), "{text}");
}
