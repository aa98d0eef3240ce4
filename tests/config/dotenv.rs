//! `.env` against python-dotenv.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use simplescalevm::config::{Environment, Settings};

use super::{LOGIN, PASSWORD, root, scratch};

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
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let bytes = fs::read(&path).unwrap();
            let nothing: [(&str, &str); 0] = [];
            let environment = Environment::from_parts(nothing, Some((&path, &bytes)));
            let settings = Settings::from_environment(&environment).unwrap();
            assert_eq!(environment.get("OS_PASSWORD"), Some(PASSWORD), "{quoting}");
            assert_eq!(environment.get("OS_USERNAME"), Some("me too"));
            assert_eq!(settings.pool.template.image, "Debian 11");
            assert_eq!(settings.pool.template.network, "Ext Net");
            assert_eq!(settings.pool.template.keypair, None);
            assert_eq!(settings.pool.policy.capacity.get(), 2);
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
    assert_eq!(settings.daemon.status.port, 2);
    assert_eq!(settings.pool.template.image, "file");
    assert_eq!(settings.pool.template.keypair, None);
    assert_eq!(settings.pool.template.name, "name");
}

#[test]
fn proxies_may_stand_in_the_file_and_the_environment_wins() {
    let proxy = |process: &[(&'static str, &'static str)], file: &str| {
        let process = LOGIN.iter().chain(process).copied();
        let file = Some((Path::new(".env"), file.as_bytes()));
        let environment = Environment::from_parts(process, file);
        let settings = Settings::from_environment(&environment).unwrap();
        assert!(!format!("{settings:?}").contains("hidden"), "{settings:?}");
        let is_told = |warning: &String| warning.contains("wins over .env, line 1");
        assert!(
            settings.warnings.iter().all(is_told),
            "{:?}",
            settings.warnings
        );
        let proxies = settings.cloud.client.proxies;
        let found = proxies.of("https://cloud.example/v3");
        found.map(|url| url.expose().to_owned())
    };
    let file = "HTTPS_PROXY=http://me:hidden@file:3128\nHTTP_PROXY=http://plain:3128\n";
    let of_file = Some("http://me:hidden@file:3128");
    assert_eq!(proxy(&[], file).as_deref(), of_file);
    let lower = "https_proxy=file:1\nNO_PROXY=other.example\n";
    assert_eq!(proxy(&[], lower).as_deref(), Some("http://file:1"));
    let process = [("HTTPS_PROXY", "process:1")];
    assert_eq!(proxy(&process, file).as_deref(), Some("http://process:1"));
    assert_eq!(proxy(&[("HTTPS_PROXY", "")], file), None);
    assert_eq!(proxy(&[("no_proxy", "example")], file), None);
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
    // What a bad line sets is not missing besides.
    let text = "OS_PASSWORD='s3cret\n";
    let environment = Environment::from_parts(
        LOGIN.into_iter().filter(|(name, _)| *name != "OS_PASSWORD"),
        Some((Path::new(".env"), text.as_bytes())),
    );
    let refused = Settings::from_environment(&environment).unwrap_err();
    assert_eq!(refused.problems.len(), 1, "{refused}");
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

#[test]
fn what_a_file_may_grow_to_is_bounded() {
    let doubled = |n: usize| format!("A{}=${{A{n}}}${{A{n}}}\n", n + 1);
    let bomb = "A0=0123456789\n".to_owned() + &(0..63).map(doubled).collect::<String>();
    let environment = Environment::from_parts(LOGIN, Some((Path::new(".env"), bomb.as_bytes())));
    let first = environment.problems()[0].to_string();
    let expected =
        ", line 19: the file's values are larger than 4194304 bytes with every ${...} replaced";
    assert!(first.ends_with(expected), "{first}");

    let rubbish = "=\n".repeat(1000);
    let environment = Environment::from_parts(LOGIN, Some((Path::new(".env"), rubbish.as_bytes())));
    assert_eq!(environment.problems().len(), 21);
    let last = environment.problems()[20].to_string();
    assert_eq!(
        last,
        ".env, line 21: 980 more lines from here on cannot be read"
    );
}
