//! `.env.example` and the README's table.

use std::fs;
use std::path::Path;

use simplescalevm::config::{Environment, Settings, env_example, markdown_table};

use super::root;

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
        assert!(!value.contains("://"), "{line}: the cloud is the user's");
        assert_eq!(environment.get(name).unwrap_or_default(), value, "{line}");
        assert!(
            !value.contains(['"', '\'', '#', '$', '\\']) && value.trim() == value,
            "{line}"
        );
    }
    // As it stands it lacks only the login; with the comments removed too, nothing but the defaults is set.
    let filled = |line: &str| match line {
        "OS_AUTH_URL=" => "OS_AUTH_URL=https://cloud.example/v3".to_owned(),
        "OS_USERNAME=" => "OS_USERNAME=me".to_owned(),
        "OS_PASSWORD=" => "OS_PASSWORD=x".to_owned(),
        "OS_PROJECT_ID=" => "OS_PROJECT_ID=p1".to_owned(),
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

#[test]
fn make_start_without_settings_makes_them_and_stops() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("make-start");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(dir.join("out/release")).unwrap();
    for name in [
        ".env.example",
        "Cargo.toml",
        "Makefile",
        "deploy",
        "tests",
        "tools",
    ] {
        symlink(root(name), dir.join(name)).unwrap();
    }
    let program = dir.join("out/release/simplescalevm");
    fs::write(&program, "#!/bin/sh\necho started\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let run = || {
        let output = std::process::Command::new("make")
            .args(["start", "CARGO=true", "TARGET_DIR=out"])
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .current_dir(&dir)
            .output()
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success() && !text.contains("***"), "{text}");
        text
    };
    let text = run();
    for part in [
        "OS_AUTH_URL",
        "OS_PROJECT_ID (or OS_PROJECT_NAME)",
        "make start",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("started"), "{text}");
    let mode = fs::metadata(dir.join(".env")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    assert_eq!(run(), "started\n");
}
