//! The settings from the outside: `.env` against python-dotenv, every kind of mistake, and the documents.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use simplescalevm::config::{
    Environment, IpVersion, LogFormat, Protocol, Section, Settings, env_example, markdown_table,
    variables,
};

const PASSWORD: &str = "p@ss \"w$rd#1";
const LOGIN: [(&str, &str); 4] = [
    ("OS_AUTH_URL", "https://cloud.example/v3"),
    ("OS_USERNAME", "me"),
    ("OS_PASSWORD", PASSWORD),
    ("OS_PROJECT_ID", "p1"),
];

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn scratch(name: &str, content: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

/// Settings from a login and whatever else is given.
fn settings(more: &[(&str, &str)]) -> Result<Settings, String> {
    let pairs = LOGIN.iter().chain(more).copied();
    let environment = Environment::from_pairs(pairs.collect::<BTreeMap<_, _>>());
    Settings::from_environment(&environment).map_err(|error| error.to_string())
}

fn problems(more: &[(&str, &str)]) -> Vec<String> {
    let message = settings(more).expect_err("must be refused");
    message
        .lines()
        .skip(1)
        .map(|line| line.trim().to_owned())
        .collect()
}

// ---- .env ----

#[test]
fn the_file_is_read_as_python_dotenv_reads_it() {
    // Made by tests/data/dotenv/generate.py; another corpus can be named to compare more.
    let corpus = option_env!("DOTENV_CORPUS")
        .map_or_else(|| root("tests/data/dotenv/corpus.json"), PathBuf::from);
    let corpus: Value = serde_json::from_slice(&fs::read(corpus).unwrap()).unwrap();
    let process: BTreeMap<String, String> =
        serde_json::from_value(corpus["process"].clone()).unwrap();
    let cases = corpus["cases"].as_array().unwrap();
    assert!(cases.len() > 500);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let file = Some((Path::new(".env"), text.as_bytes()));
        let environment = Environment::from_parts(process.clone(), file);
        for (name, expected) in case["values"].as_object().unwrap() {
            let expected = match process.get(name) {
                Some(wins) => wins.as_str(),
                None => expected.as_str().unwrap(),
            };
            // Empty counts as unset.
            let found = environment.get(name).unwrap_or_default();
            assert_eq!(found, expected, "{name} in {text:?}");
        }
        let names: Vec<&str> = environment.file_names().collect();
        let expected: Vec<&String> = case["values"].as_object().unwrap().keys().collect();
        assert_eq!(names, expected, "names in {text:?}");
        let bad = environment.problems().len() as u64;
        assert_eq!(
            Some(bad),
            case["bad_lines"].as_u64(),
            "bad lines in {text:?}"
        );
    }
}

#[test]
fn a_file_as_users_of_the_reference_have_it() {
    let quotings = [
        "p@ss \"w$rd#1",
        "'p@ss \"w$rd#1'",
        "\"p@ss \\\"w$rd#1\"",
        "p@ss \"w$rd#1   # comment",
        "'p@ss \"w$rd#1'# comment",
        "  'p@ss \"w$rd#1'  ",
    ];
    for (number, quoting) in quotings.iter().enumerate() {
        for (line_end, mark) in [("\n", ""), ("\r\n", ""), ("\r\n", "\u{feff}")] {
            let text = format!(
                "{mark}# SimpleScaleVM\nVERSION=2.0.0\n\nOPENSTACK_IMAGE=Debian 11\nOPENSTACK_KEYPAIR=\n  # indented\n\
                 export OS_AUTH_URL=https://cloud.example/v3\nOS_USERNAME=\"me too\" # comment\n\
                 OPENSTACK_NETWORK='Ext Net'\nREPLICA_CAPACITY=2 # two\nOS_PASSWORD={quoting}\nOS_PROJECT_ID=p1"
            );
            let path = scratch(
                &format!("reference-{number}.env"),
                text.replace('\n', line_end).as_bytes(),
            );
            let bytes = fs::read(&path).unwrap();
            let nothing: [(&str, &str); 0] = [];
            let environment = Environment::from_parts(nothing, Some((&path, &bytes)));
            let settings = Settings::from_environment(&environment).unwrap();
            assert_eq!(environment.get("OS_PASSWORD"), Some(PASSWORD), "{quoting}");
            assert_eq!(environment.get("OS_USERNAME"), Some("me too"));
            assert_eq!(settings.openstack.image, "Debian 11");
            assert_eq!(settings.openstack.network, "Ext Net");
            assert_eq!(settings.openstack.keypair, None);
            assert_eq!(settings.policy.capacity.get(), 2);
            assert_eq!(settings.warnings, Vec::<String>::new());
        }
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let file: &[u8] =
        b"APP_PORT=1\nOPENSTACK_IMAGE=file\nOPENSTACK_KEYPAIR=key\nOPENSTACK_NAME=name";
    let process = LOGIN
        .iter()
        .copied()
        .chain([("APP_PORT", "2"), ("OPENSTACK_KEYPAIR", "")]);
    let environment = Environment::from_parts(process, Some((Path::new(".env"), file)));
    let settings = Settings::from_environment(&environment).unwrap();
    assert_eq!(settings.app_port, 2);
    assert_eq!(settings.openstack.image, "file");
    assert_eq!(settings.openstack.keypair, None);
    assert_eq!(settings.openstack.name, "name");
}

#[test]
fn a_named_file_is_read_or_refused() {
    let path = scratch("named.env", b"SIMPLESCALEVM_TEST=from the file");
    let environment = Environment::read(Some(&path)).unwrap();
    assert_eq!(environment.get("SIMPLESCALEVM_TEST"), Some("from the file"));
    // The package's directory holds no `.env`, which is fine.
    assert!(Environment::read(None).is_ok());

    let refused = |path: &Path| Environment::read(Some(path)).unwrap_err().to_string();
    let absent = refused(Path::new("/nowhere/absent.env"));
    assert!(
        absent.contains("/nowhere/absent.env: cannot be read: No such file"),
        "{absent}"
    );
    let directory = refused(Path::new(env!("CARGO_TARGET_TMPDIR")));
    assert!(directory.contains("cannot be read"), "{directory}");
    let large = refused(&scratch("large.env", &vec![b'#'; (1 << 20) + 1]));
    assert!(large.contains("larger than 1048576 bytes"), "{large}");
}

#[test]
fn bad_lines_are_told_with_their_numbers_and_without_values() {
    let check = |file: &[u8], expected: &[&str]| {
        let environment = Environment::from_parts(LOGIN, Some((Path::new("dir/.env"), file)));
        let message = Settings::from_environment(&environment)
            .unwrap_err()
            .to_string();
        let lines: Vec<&str> = message.lines().skip(1).map(str::trim).collect();
        assert_eq!(lines.len(), expected.len(), "{message}");
        for (line, start) in lines.iter().zip(expected) {
            assert!(
                line.starts_with(start),
                "{line:?} should start with {start:?}"
            );
        }
        assert!(!message.contains("s3cret"), "{message}");
    };
    check(
        b"\n\nOS PASSWORD=s3cret\n",
        &["dir/.env, line 3: expected NAME=value"],
    );
    check(
        b"A=1\r\n=s3cret\r\n",
        &["dir/.env, line 2: expected NAME=value"],
    );
    check(
        b"A='x\ny'\nOS_PASSWORD=\"s3cret\nB=2",
        &["dir/.env, line 3: the quote is never closed"],
    );
    check(
        b"OS_PASSWORD='s3cret' s3cret",
        &["dir/.env, line 1: something follows the closing quote"],
    );
    check(
        b"A=1\n\nOS_PASSWORD=s3cret\xff",
        &["dir/.env, line 3: is not valid UTF-8"],
    );
    // A bad line does not hide what else is wrong.
    check(
        b"=s3cret\nAPP_PORT=x\nOS_PASSWORD='s3cret\n",
        &[
            "dir/.env, line 1: ",
            "dir/.env, line 3: ",
            "APP_PORT=\"x\": expected a whole number",
        ],
    );
}

// ---- values ----

#[test]
fn defaults() {
    let settings = settings(&[]).unwrap();
    assert_eq!(
        (settings.app_host.to_string(), settings.app_port),
        ("0.0.0.0".to_owned(), 8000)
    );
    assert_eq!(settings.policy, simplescalevm::pool::Policy::default());
    let api = &settings.replica_api;
    assert_eq!(
        (api.protocol, api.port.get(), api.path.as_str()),
        (Protocol::Http, 8080, "/")
    );
    assert_eq!(
        (api.capacity_key.as_str(), api.termination_key.as_str()),
        ("capacity", "termination")
    );
    assert_eq!(
        (api.timeout, api.insecure, &api.ca_file),
        (Duration::from_secs(5), false, &None)
    );
    assert_eq!(
        (settings.probe_threads.get(), settings.scaling_interval),
        (64, Duration::from_secs(30))
    );
    assert_eq!(
        (settings.log_level, settings.log_format),
        (log::LevelFilter::Info, LogFormat::Text)
    );
    let cloud = &settings.openstack;
    assert_eq!(
        (cloud.flavor.as_str(), cloud.image.as_str()),
        ("d2-8", "Debian 11")
    );
    assert_eq!(
        (cloud.network.as_str(), cloud.name.as_str()),
        ("Ext-Net", "server")
    );
    assert_eq!(
        (cloud.metadata_key.as_str(), cloud.metadata_value.as_str()),
        ("group", "scaled")
    );
    assert_eq!(
        (cloud.floating_ip_description.as_str(), cloud.ip_version),
        ("server", IpVersion::V4)
    );
    assert_eq!(
        (
            &cloud.keypair,
            &cloud.cloud_init_file,
            &cloud.availability_zone
        ),
        (&None, &None, &None)
    );
    assert_eq!(
        (cloud.timeout, cloud.cloud.timeout),
        (Duration::from_secs(30), Duration::from_secs(30))
    );
    assert!(cloud.security_groups.is_empty());
    assert_eq!(settings.warnings, Vec::<String>::new());
}

#[test]
fn values_become_types() {
    let ca = scratch("ca.pem", b"-----BEGIN CERTIFICATE-----\n");
    let cloud_init = scratch("cloud-init.sh", &vec![b'#'; 49_149]);
    let settings = settings(&[
        ("APP_HOST", "localhost"),
        ("APP_PORT", "0"),
        ("REPLICA_API_PROTOCOL", "HTTPS"),
        ("REPLICA_API_PATH", "status"),
        ("REPLICA_API_CA_FILE", ca.to_str().unwrap()),
        ("REPLICA_API_TIMEOUT", "2.5"),
        ("REPLICA_MIN_AVAILABLE_RESOURCES", "0"),
        ("REPLICA_MAX_COUNT", "7"),
        ("REPLICA_STARTUP_GRACE", "0"),
        ("REPLICA_STARTUP_TIMEOUT", "0"),
        ("REPLICA_UNREACHABLE_TIMEOUT", "600"),
        ("EXTERNAL_ADDRESS_MANAGEMENT", "True"),
        ("OPENSTACK_IP_VERSION", "6"),
        ("OPENSTACK_SECURITY_GROUPS", " web, ,default,"),
        ("OPENSTACK_CLOUD_INIT_FILE", cloud_init.to_str().unwrap()),
        ("OPENSTACK_METADATA_KEY", "sipmediagw.group"),
        ("LOG_LEVEL", "WARNING"),
        ("LOG_FORMAT", "json"),
    ])
    .unwrap();
    assert_eq!(settings.app_host.to_string(), "127.0.0.1");
    assert_eq!(settings.app_port, 0);
    assert_eq!(settings.replica_api.protocol, Protocol::Https);
    assert_eq!(settings.replica_api.path, "/status");
    assert_eq!(settings.replica_api.ca_file, Some(ca));
    assert_eq!(settings.replica_api.timeout, Duration::from_millis(2500));
    let policy = &settings.policy;
    assert_eq!(
        (
            policy.floor,
            policy.max_count.map(std::num::NonZeroU64::get)
        ),
        (0, Some(7))
    );
    assert_eq!(
        (policy.startup_grace, policy.startup_timeout),
        (Duration::ZERO, None)
    );
    assert_eq!(policy.unreachable_timeout, Some(Duration::from_mins(10)));
    assert!(policy.external_addresses);
    assert_eq!(settings.openstack.ip_version, IpVersion::V6);
    assert_eq!(settings.openstack.security_groups, ["web", "default"]);
    assert_eq!(settings.openstack.cloud_init_file, Some(cloud_init));
    assert_eq!(settings.log_level, log::LevelFilter::Warn);
    assert_eq!(settings.log_format, LogFormat::Json);
    assert_eq!(settings.warnings, Vec::<String>::new());
}

#[test]
fn aliases_give_way_to_the_name() {
    let check = |pairs: &[(&str, &str)], image: &str, warnings: usize| {
        let settings = settings(pairs).unwrap();
        assert_eq!(settings.openstack.image, image, "{pairs:?}");
        assert_eq!(settings.warnings.len(), warnings, "{:?}", settings.warnings);
    };
    let alias = ("OPENSTACK_SCALED_IMAGE", "new");
    check(&[alias], "new", 0);
    check(&[alias, ("OPENSTACK_IMAGE", "")], "new", 0);
    check(&[alias, ("OPENSTACK_IMAGE", "new")], "new", 0);
    check(&[alias, ("OPENSTACK_IMAGE", "old")], "old", 1);
    let value = settings(&[("OPENSTACK_METADATA_SCALED_VALUE", "v")]).unwrap();
    assert_eq!(value.openstack.metadata_value, "v");
}

// ---- mistakes ----

#[test]
fn every_setting_wrong_at_once() {
    let wrong = [
        ("APP_HOST", "nowhere"),
        ("APP_PORT", "65536"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("REPLICA_CAPACITY", "0"),
        ("REPLICA_MIN_AVAILABLE_RESOURCES", "-1"),
        ("REPLICA_MAX_COUNT", "many"),
        ("REPLICA_API_PROTOCOL", "ftp"),
        ("REPLICA_API_PORT", "0"),
        ("REPLICA_API_PATH", "http://host/status"),
        ("REPLICA_API_CAPACITY_KEY", "a\tb"),
        ("REPLICA_API_TERMINATION_KEY", "a\tb"),
        ("REPLICA_API_TIMEOUT", "0"),
        ("REPLICA_API_CA_FILE", "/nowhere/ca.pem"),
        ("REPLICA_API_INSECURE", "perhaps"),
        ("REPLICA_FAILURE_THRESHOLD", "0"),
        ("REPLICA_STARTUP_GRACE", "inf"),
        ("REPLICA_STARTUP_TIMEOUT", "NaN"),
        ("REPLICA_UNREACHABLE_TIMEOUT", "1e300"),
        ("SCALING_INTERVAL", "30s"),
        ("PROBE_INTERVAL", "0"),
        ("PROBE_THREADS", "1025"),
        ("EXTERNAL_ADDRESS_MANAGEMENT", "maybe"),
        ("PROVIDER", "aws"),
        ("OPENSTACK_FLAVOR", "a\tb"),
        ("OPENSTACK_IMAGE", "a\tb"),
        ("OPENSTACK_IP_VERSION", "5"),
        ("OPENSTACK_NETWORK", "a\tb"),
        ("OPENSTACK_METADATA_KEY", "a/b"),
        ("OPENSTACK_METADATA_VALUE", "a\tb"),
        ("OPENSTACK_FLOATING_IP_DESCRIPTION", "a\tb"),
        ("OPENSTACK_KEYPAIR", "a\tb"),
        ("OPENSTACK_CLOUD_INIT_FILE", "/nowhere/init"),
        ("OPENSTACK_NAME", "a\tb"),
        ("OPENSTACK_SECURITY_GROUPS", "a,b\tc"),
        ("OPENSTACK_AVAILABILITY_ZONE", "a\tb"),
        ("OPENSTACK_TIMEOUT", "-5"),
        ("OS_AUTH_URL", "cloud"),
        ("OS_USERNAME", ""),
        ("OS_INTERFACE", "secret"),
        ("OS_IDENTITY_API_VERSION", "2"),
        ("OS_INSECURE", "perhaps"),
    ];
    let message = settings(&wrong).unwrap_err();
    let told = |name: &str| {
        message.lines().any(|line| {
            line.strip_prefix("  ").is_some_and(|line| {
                line.starts_with(&format!("{name}:")) || line.starts_with(&format!("{name}="))
            })
        })
    };
    for (name, _) in wrong {
        assert!(told(name), "{name} is not told in:\n{message}");
    }
    assert_eq!(message.lines().count(), wrong.len() + 1, "{message}");
    assert!(!message.contains(PASSWORD), "{message}");
    let own = variables().iter().filter(|variable| {
        !matches!(
            variable.section,
            Section::Image | Section::Mock | Section::Credentials
        )
    });
    for variable in own {
        assert!(told(variable.name), "the test lacks {}", variable.name);
    }
}

#[test]
fn problems_name_the_value_and_what_was_expected() {
    let check = |name: &str, value: &str, expected: &str| {
        assert_eq!(
            problems(&[(name, value)]),
            [format!("{name}={value:?}: expected {expected}")]
        );
    };
    check("APP_PORT", "eighty", "a whole number from 0 to 65535");
    check("PROVIDER", "aws", "one of: openstack");
    check("EXTERNAL_ADDRESS_MANAGEMENT", "maybe", "true or false");
    check(
        "SCALING_INTERVAL",
        "0",
        "seconds such as 30 or 0.5, from 0.01 to 86400",
    );
    check(
        "REPLICA_STARTUP_TIMEOUT",
        "-1",
        "seconds such as 30 or 0.5, from 0.01 to 2592000, or 0 (never)",
    );
    // The name that the user wrote.
    check(
        "OPENSTACK_SCALED_NAME",
        "a\tb",
        "at most 255 characters on one line",
    );
}

#[test]
fn files_are_checked_at_start() {
    let check = |name: &str, path: &Path, expected: &str| {
        let found = problems(&[(name, path.to_str().unwrap())]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with(name) && found[0].contains(path.to_str().unwrap()),
            "{found:?}"
        );
        assert!(found[0].contains(expected), "{found:?}");
    };
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let large = scratch("large-init.sh", &vec![b'#'; 49_150]);
    let text = scratch("no-ca.pem", b"hello");
    check(
        "OPENSTACK_CLOUD_INIT_FILE",
        Path::new("/nowhere/init.sh"),
        "No such file",
    );
    check(
        "OPENSTACK_SCALED_CLOUD_INIT_FILE",
        Path::new("/nowhere/init.sh"),
        "No such file",
    );
    check(
        "OPENSTACK_CLOUD_INIT_FILE",
        directory,
        "expected a readable file",
    );
    check(
        "OPENSTACK_CLOUD_INIT_FILE",
        &large,
        "larger than 49149 bytes",
    );
    for name in ["REPLICA_API_CA_FILE", "OS_CACERT"] {
        check(name, Path::new("/nowhere/ca.pem"), "No such file");
        check(name, &text, "PEM");
    }
}

#[cfg(unix)]
#[test]
fn values_that_are_not_utf8() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let pair =
        |name: &str, value: &[u8]| (OsString::from(name), OsString::from_vec(value.to_vec()));
    let bad = [
        pair("OS_PASSWORD", b"s3cret\xff"),
        pair("APP_PORT", b"80\xff"),
        pair("OPENSTACK_SCALED_NAME", b"\xff"),
        pair("SOMEBODY_ELSES", b"\xff"),
        (OsString::from_vec(b"\xff".to_vec()), OsString::from("x")),
    ];
    let good = LOGIN.iter().filter(|(name, _)| *name != "OS_PASSWORD");
    let good = good.map(|(name, value)| pair(name, value.as_bytes()));
    let file: &[u8] = b"A=1\nOPENSTACK_IMAGE=${SOMEBODY_ELSES}";
    let environment = Environment::from_parts(good.chain(bad), Some((Path::new(".env"), file)));
    let message = Settings::from_environment(&environment)
        .unwrap_err()
        .to_string();
    for told in [
        ".env, line 2: uses ${SOMEBODY_ELSES}, whose value is not valid UTF-8",
        "\n  OS_PASSWORD: the value in the environment is not valid UTF-8",
        "\n  APP_PORT: the value in the environment is not valid UTF-8",
        "\n  OPENSTACK_SCALED_NAME: the value in the environment is not valid UTF-8",
    ] {
        assert!(
            message.contains(told),
            "{told:?} is not told in:\n{message}"
        );
    }
    assert!(!message.contains("s3cret"));
}

#[test]
fn warnings() {
    let ca = scratch("warned-ca.pem", b"-----BEGIN CERTIFICATE-----\n");
    let check = |pairs: &[(&str, &str)], start: &str| {
        let warnings = settings(pairs).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{pairs:?}: {warnings:?}");
        assert!(warnings[0].starts_with(start), "{warnings:?}");
    };
    check(
        &[("REPLICA_STARTUP_TIMEOUT", "60")],
        "REPLICA_STARTUP_TIMEOUT is shorter",
    );
    check(
        &[("REPLICA_UNREACHABLE_TIMEOUT", "5")],
        "REPLICA_UNREACHABLE_TIMEOUT is below 60 s",
    );
    check(
        &[("REPLICA_MAX_COUNT", "2")],
        "REPLICA_MAX_COUNT allows 2 resources, REPLICA_MIN_AVAILABLE_RESOURCES asks for 3",
    );
    check(
        &[("SCALING_INTERVAL", "0.5")],
        "SCALING_INTERVAL is below 1 s",
    );
    check(
        &[("REPLICA_API_CA_FILE", ca.to_str().unwrap())],
        "REPLICA_API_CA_FILE and",
    );
    check(
        &[
            ("REPLICA_API_INSECURE", "yes"),
            ("REPLICA_API_PROTOCOL", "https"),
        ],
        "REPLICA_API_INSECURE",
    );
    check(&[("OS_INSECURE", "true")], "OS_INSECURE");
    check(
        &[("OPENSTACK_IMAGE", "\"Debian 11\"")],
        "OPENSTACK_IMAGE: the quotes around",
    );
    check(
        &[("OS_PASSWORD", "'s3cret'")],
        "OS_PASSWORD: the quotes around the value are part of it",
    );
    check(
        &[("APP_PROT", "80")],
        "APP_PROT is unknown and ignored; did you mean APP_PORT?",
    );
    assert!(
        settings(&[("APP_ENV", "production"), ("PATH", "/bin")])
            .unwrap()
            .warnings
            .is_empty()
    );
}

// ---- secrets ----

#[test]
fn secrets_are_never_shown() {
    let secret = "s3cret-\u{2603}";
    let environment = Environment::from_pairs([
        (
            "OS_AUTH_URL",
            "https://user:s3cret-\u{2603}@cloud.example/v3",
        ),
        ("OS_USERNAME", "me"),
        ("OS_PASSWORD", secret),
        ("OS_TOKEN", secret),
        ("OS_APPLICATION_CREDENTIAL_SECRET", ""),
    ]);
    assert!(!format!("{environment:?}").contains("s3cret"));
    match Settings::from_environment(&environment) {
        Ok(settings) => {
            assert!(!format!("{:?}", settings.warnings).contains("s3cret"));
            assert!(!format!("{:?}", settings.shown()).contains("s3cret"));
        }
        Err(error) => assert!(!error.to_string().contains("s3cret"), "{error}"),
    }
    let settings = settings(&[("OS_PASSWORD", secret), ("OS_TOKEN", secret)]).unwrap();
    assert!(!format!("{settings:?}").contains("s3cret"));
    let shown: BTreeMap<&str, &str> = settings
        .shown()
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(shown["OS_PASSWORD"], "***");
    assert_eq!(shown["OS_APPLICATION_CREDENTIAL_SECRET"], "");
    assert_eq!(shown["OS_USERNAME"], "me");
    assert_eq!(shown["APP_PORT"], "8000");
    assert_eq!(shown["OPENSTACK_KEYPAIR"], "");
    assert!(!shown.contains_key("MOCK_PORT"));
}

// ---- documents ----

/// Compares a file with what it is made from; `UPDATE_GOLDEN=1` writes it instead.
fn golden(path: &Path, expected: &str) {
    let found = fs::read_to_string(path).unwrap_or_default();
    if found == expected {
        return;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch of the test, not a setting"
    )]
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    assert!(
        update,
        "{} is not up to date: run the test with UPDATE_GOLDEN=1",
        path.display()
    );
    fs::write(path, expected).unwrap();
}

#[test]
fn env_example_is_up_to_date() {
    golden(&root(".env.example"), &env_example());
}

#[test]
fn readme_is_up_to_date() {
    const BEGIN: &str = "<!-- settings:begin -->\n";
    const END: &str = "<!-- settings:end -->";
    let path = root("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme
        .split_once(BEGIN)
        .expect("README.md lacks the first marker");
    let (_, after) = rest
        .split_once(END)
        .expect("README.md lacks the second marker");
    golden(
        &path,
        &format!("{before}{BEGIN}\n{}\n{END}{after}", markdown_table()),
    );
}

#[test]
fn env_example_means_the_same_to_every_reader() {
    let text = env_example();
    let nothing: [(&str, &str); 0] = [];
    let environment =
        Environment::from_parts(nothing, Some((Path::new(".env.example"), text.as_bytes())));
    assert!(environment.problems().is_empty());
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        // `docker run --env-file` and `make` take the rest of the line as it is, but for `#` and `$` in `make`.
        let (name, value) = line.split_once('=').unwrap();
        assert_eq!(environment.get(name).unwrap_or_default(), value, "{line}");
        assert!(
            !value.contains(['"', '\'', '#', '$', '\\']) && value.trim() == value,
            "{line}"
        );
    }
    // As it stands it lacks only the login; with the comments removed too, nothing but the defaults is set.
    let filled = |line: &str| match line {
        "OS_USERNAME=" => "OS_USERNAME=me".to_owned(),
        "OS_PASSWORD=" => "OS_PASSWORD=x".to_owned(),
        _ => line.to_owned(),
    };
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with([' ', '#']) => rest.to_owned(),
        _ => line.to_owned(),
    };
    let shown = |text: String| {
        let file = Some((Path::new(".env"), text.as_bytes()));
        let settings = Settings::from_environment(&Environment::from_parts(nothing, file)).unwrap();
        assert_eq!(settings.warnings, Vec::<String>::new());
        settings.shown().to_vec()
    };
    let lines = text.lines().map(filled);
    let plain = shown(lines.clone().collect::<Vec<_>>().join("\n"));
    let complete = shown(
        lines
            .map(|line| uncommented(&line))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    assert_eq!(plain, complete);
}

// ---- anything ----

proptest! {
    #[test]
    fn no_file_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let environment = Environment::from_parts(LOGIN, Some((Path::new(".env"), &bytes)));
        let _ = Settings::from_environment(&environment);
    }

    #[test]
    fn no_text_makes_it_panic(text in "([A-C]|=|'|\"|\\\\|#|\\$|\\{|\\}|:-|\n|\r| |é|export |.){0,60}") {
        let environment = Environment::from_parts(LOGIN, Some((Path::new(".env"), text.as_bytes())));
        let _ = Settings::from_environment(&environment);
    }

    #[test]
    fn no_value_makes_it_panic(at in 0..variables().len(), value in "\\PC{0,40}|[-+0-9.e]{1,400}") {
        let name = variables()[at].name;
        let _ = settings(&[(name, &value)]);
    }

    #[test]
    fn no_name_makes_it_panic(name in "(APP|REPLICA|OS|_|-|\\PC){0,30}") {
        prop_assume!(!name.is_empty());
        let _ = settings(&[(&name, "x")]);
    }
}
