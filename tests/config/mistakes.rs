//! Everything that can be wrong or odd, and how it is told.

use std::fs;
use std::path::Path;

use simplescalevm::config::{self, Environment, Section, Settings};
use simplescalevm::probe::MAX_THREADS;

use super::{LOGIN, PASSWORD, scratch, settings};

fn problems(more: &[(&str, &str)]) -> Vec<String> {
    let message = settings(more).expect_err("must be refused");
    message
        .lines()
        .skip(1)
        .map(|line| line.trim().to_owned())
        .collect()
}

#[test]
fn every_setting_wrong_at_once() {
    let wrong = [
        ("APP_HOST", "nowhere"),
        ("APP_PORT", "65536"),
        ("APP_ALLOWED_HOSTS", "a,b\tc"),
        ("APP_SHOW_SETTINGS", "perhaps"),
        ("REPLICA_CAPACITY_LIMIT", "0"),
        ("REPLICA_TERMINATION_CONFIRMATIONS", "0"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("REPLICA_CAPACITY", "0"),
        ("REPLICA_MIN_AVAILABLE_RESOURCES", "-1"),
        ("REPLICA_MAX_COUNT", "many"),
        ("REPLICA_MAX_CREATING", "few"),
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
        ("OPENSTACK_UNIQUE_NAMES", "maybe"),
        ("OPENSTACK_SECURITY_GROUPS", "a,b\tc"),
        ("OPENSTACK_AVAILABILITY_ZONE", "a\tb"),
        ("OPENSTACK_CONCURRENCY", "0"),
        ("OPENSTACK_REQUESTS_PER_SECOND", "0"),
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
    let own = || config::settings().filter(|variable| variable.section != Section::Credentials);
    for variable in own() {
        assert!(told(variable.name), "the test lacks {}", variable.name);
    }
    let names = message
        .lines()
        .filter_map(|line| Some(line.trim().split_once('=')?.0));
    let in_order = own().map(|variable| variable.name);
    assert!(names.eq(in_order), "not in the table's order:\n{message}");
}

#[test]
fn one_key_is_not_read_as_capacity_and_as_termination() {
    let same = [("REPLICA_API_TERMINATION_KEY", "capacity")];
    let expected =
        "REPLICA_API_TERMINATION_KEY=\"capacity\": must not be REPLICA_API_CAPACITY_KEY, too";
    assert_eq!(problems(&same), [expected]);
    let both = [("REPLICA_API_CAPACITY_KEY", "termination")];
    assert_eq!(problems(&both).len(), 1);
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
fn hosts_that_no_request_can_name_are_refused() {
    let check = |value: &str, expected: &str| {
        assert_eq!(
            problems(&[("APP_ALLOWED_HOSTS", value)]),
            [format!("APP_ALLOWED_HOSTS={expected}")]
        );
    };
    check(
        "https://x.org/",
        "\"https://x.org/\": \"https://x.org/\" is a URL, and a Host is a name or an address alone: write x.org",
    );
    // Each is told, and no other.
    check(
        "a.org, *.example.org,x.org:http , b.org\tc",
        "\"*.example.org,x.org:http,b.org\\tc\": \
         \"*.example.org\" has a `*`, which means something only alone: write .example.org; \
         \"x.org:http\" has a port that is no number from 1 to 65535: write x.org; \
         \"b.org\\tc\" is more than one host, and commas separate them: write b.org,c",
    );
    check(
        "x.org/status",
        "\"x.org/status\": \"x.org/status\" has a path, and no Host has one: write x.org",
    );
    check(
        "$HOST",
        "\"$HOST\": \"$HOST\" is no name and no address of a host: write a name or an address, such as \
         status.example.org, .example.org (each host of that domain), 192.0.2.10 or [2001:db8::1]:8000",
    );
    // It would let everybody in, which is not what somebody who sets it wants.
    check(
        ", ,",
        "\", ,\": has no entry, and without one every host is answered: remove the line, or write `*`",
    );
    for login in [
        "https://me:s3cret@x.org/",
        "https://me:s3,cret@x.org",
        "s3cret@x.org, *.y",
    ] {
        check(
            login,
            "\"***\": an entry has a login (`@`), and no Host has one: write its host alone",
        );
    }
    let many = problems(&[("APP_ALLOWED_HOSTS", &"a/b,".repeat(50))]);
    assert!(
        many[0].ends_with("; and 45 more") && many[0].len() < 600,
        "{many:?}"
    );
    let long = "a/".repeat(1_000);
    let long = problems(&[("APP_ALLOWED_HOSTS", &long)]);
    assert!(long[0].len() < 600, "{long:?}");
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
    let damaged = scratch("damaged-ca.pem", b"-----BEGIN CERTIFICATE-----\n");
    for name in ["REPLICA_API_CA_FILE", "OS_CACERT", "SSL_CERT_FILE"] {
        check(name, Path::new("/nowhere/ca.pem"), "No such file");
        check(name, &text, "PEM");
        check(name, &damaged, "its PEM is damaged");
    }
    // Nobody waits for the other end of a pipe.
    let pipe = directory.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success() || pipe.exists());
    for name in [
        "OPENSTACK_CLOUD_INIT_FILE",
        "REPLICA_API_CA_FILE",
        "OS_CACERT",
    ] {
        check(name, &pipe, "no ordinary file");
        check(name, Path::new("/dev/zero"), "no ordinary file");
    }
}

#[test]
fn a_certificate_may_be_in_pem_or_der() {
    let pem = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls/ca.pem");
    let own = openstack_sdk_blocking::tls::certificates(&fs::read(&pem).unwrap()).unwrap();
    let der = scratch("ca.der", &own[0]);
    for file in [pem, der] {
        let file = file.to_str().unwrap();
        settings(&[("REPLICA_API_CA_FILE", file), ("OS_CACERT", file)]).unwrap();
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
    let ca = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls/ca.pem");
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
        &[("PROBE_THREADS", "65")],
        &format!("PROBE_THREADS=65 starts {MAX_THREADS} threads at most"),
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
        &[("OS_PROJECT_ID", "")],
        "neither OS_PROJECT_ID nor OS_PROJECT_NAME is set",
    );
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
    for name in [
        "ENABLE_AUTOSCALING",
        "AUTOSCALING_MIN_REPLICA",
        "OPENSTACK_AUTOSCALER_NAME",
    ] {
        let told = format!("{name} is of SimpleScaleVM 3 and ignored");
        check(&[(name, "true")], &told);
    }
    let silent: [&[(&str, &str)]; 3] = [
        &[("APP_ENV", "production"), ("PATH", "/bin")],
        // The earlier default, as in many an `.env`, and less.
        &[("PROBE_THREADS", "64")],
        &[("PROBE_THREADS", "1")],
    ];
    for pairs in silent {
        let warnings = settings(pairs).unwrap().warnings;
        assert!(warnings.is_empty(), "{pairs:?}: {warnings:?}");
    }
}
