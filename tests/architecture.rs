//! Holds the rules of the house: who may import whom, and what no source file may have.

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/source.rs"]
mod source;

use source::{paths, tokens, without_tests};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const MOST_LINES: usize = 600;
/// Where the product's sources are.
const FOLDERS: [&str; 2] = ["core/src", "src"];

/// What a module of the crate may import of the crate, whole modules or single types of them; `None`:
/// everything.
fn may_import(module: &str) -> Option<&'static [&'static str]> {
    match module {
        // Besides what it is made of: the types of settings, which their consumers own.
        "config" => Some(&[
            "config",
            "local_file",
            "pool",
            "text",
            "cloud::ServerTemplate",
            "logging::LogFormat",
            "logging::LogSettings",
            "probe::EndpointSettings",
            "probe::Protocol",
            "status::AllowedHost",
            "status::NeverMatches",
            "status::StatusSettings",
        ]),
        "cloud" => Some(&["cloud", "local_file", "pool"]),
        "probe" => Some(&["probe", "pool"]),
        "logging" => Some(&["logging", "pool"]),
        "status" => Some(&["status", "pool"]),
        "scaler" => Some(&["scaler", "pool", "cloud"]),
        "cli" => Some(&["cli", "text"]),
        // It stands on the runtime, which knows nothing of it.
        "check" => Some(&[
            "check", "cloud", "config", "logging", "pool", "runtime", "scaler",
        ]),
        "runtime" => Some(&[
            "cloud", "config", "logging", "pool", "probe", "runtime", "scaler", "status",
        ]),
        "main" | "lib" => None,
        // A new module has no rights before somebody has written its rule down here.
        _ => Some(&[]),
    }
}

/// The modules of a file of `src`: `pool/plan.rs` is `["pool", "plan"]`.
fn module_of(file: &str) -> Vec<&str> {
    let file = file.trim_end_matches(".rs");
    let file = file.trim_end_matches("/mod");
    match file {
        "main" | "lib" => Vec::new(),
        other => other.split('/').collect(),
    }
}

/// What a source file names that it must not.
fn forbidden(file: &str, code: &str, concrete: &[String]) -> Vec<String> {
    let module = module_of(file);
    let top = module.first().copied().unwrap_or("main");
    let (code, _) = without_tests(&tokens(code));
    let mut found = BTreeSet::new();
    for path in paths(&code, &module) {
        let whole = path.join("::");
        let names = |n: usize, word: &str| path.get(n).is_some_and(|w| w == word);
        if path[0] == "crate" {
            let target = path.get(1).map_or("", String::as_str);
            let is_part_of = |allowed: &&str| {
                let mut words = path.iter().skip(1);
                allowed
                    .split("::")
                    .all(|word| words.next().is_some_and(|w| w == word))
            };
            if may_import(top).is_some_and(|allowed| !allowed.iter().any(is_part_of)) {
                found.insert(whole.clone());
            }
            let is_concrete = names(2, "openstack") || concrete.iter().any(|c| names(2, c));
            if top == "scaler" && target == "cloud" && (is_concrete || names(2, "*")) {
                found.insert(whole);
            }
        }
    }
    found.into_iter().collect()
}

/// The names that `cloud` passes on from `cloud::openstack`.
fn passed_on_by_cloud(code: &str) -> Vec<String> {
    let (code, _) = without_tests(&tokens(code));
    paths(&code, &["cloud"])
        .into_iter()
        .filter(|p| p.iter().any(|word| word == "openstack"))
        .filter_map(|p| p.last().cloned())
        .collect()
}

/// Calls that end the daemon where an error should be told.
fn careless_calls(code: &str) -> Vec<String> {
    let (code, _) = without_tests(&tokens(code));
    code.windows(3)
        .filter(|w| w[0] == "." && matches!(w[1].as_str(), "unwrap" | "expect") && w[2] == "(")
        .map(|w| w[1].clone())
        .collect()
}

/// The names of all dependencies in a manifest, as they stand in code.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut in_dependencies = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            in_dependencies = section.ends_with("dependencies");
            if let Some((_, name)) = section.split_once("dependencies.") {
                found.insert(name.replace('-', "_"));
            }
            continue;
        }
        let name: String = line
            .chars()
            .take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
            .collect();
        if in_dependencies && !name.is_empty() {
            found.insert(name.replace('-', "_"));
            if let Some((_, package)) = line.split_once("package = \"") {
                let package = package.split('"').next().unwrap_or_default();
                found.insert(package.replace('-', "_"));
            }
        }
    }
    found
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    let text = fs::read_to_string(path);
    assert!(text.is_ok(), "{} cannot be read", path.display());
    text.unwrap_or_default()
}

/// The files of a folder of sources with their names in it; those that only hold tests are left out.
fn sources(folder: &str) -> Vec<(String, String)> {
    let src = Path::new(ROOT).join(folder);
    let files: Vec<(PathBuf, String)> = rust_files(&src)
        .into_iter()
        .map(|path| (path.clone(), read(&path)))
        .collect();
    assert!(files.len() > 20, "the sources are not where they should be");
    let tests: BTreeSet<PathBuf> = files
        .iter()
        .flat_map(|(path, code)| {
            let folder = match path.file_name().and_then(|n| n.to_str()) {
                Some("mod.rs" | "lib.rs" | "main.rs") => path.with_file_name(""),
                _ => path.with_extension(""),
            };
            let (_, names) = without_tests(&tokens(code));
            names.into_iter().map(move |n| folder.join(n + ".rs"))
        })
        .collect();
    files
        .into_iter()
        .filter(|(path, _)| !tests.contains(path))
        .map(|(path, code)| {
            let name = path.strip_prefix(&src).unwrap_or(&path);
            (name.to_string_lossy().into_owned(), code)
        })
        .collect()
}

#[test]
fn modules_import_only_what_they_may() {
    let concrete = passed_on_by_cloud(&read(&Path::new(ROOT).join("src/cloud/mod.rs")));
    let mut bad = Vec::new();
    for (file, code) in sources("src") {
        for path in forbidden(&file, &code, &concrete) {
            bad.push(format!("{file} names {path}"));
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

/// The compiler holds the rest: what is not a dependency cannot be named.
#[test]
fn the_core_depends_on_nothing() {
    let manifest = read(&Path::new(ROOT).join("core/Cargo.toml"));
    let (_, after) = manifest.split_once("[dependencies]").unwrap_or_default();
    let own = after.split("\n[").next().unwrap_or_default();
    assert!(own.lines().all(|line| line.trim().is_empty()), "{own}");
    assert!(manifest.contains("[dependencies]"));
}

#[test]
fn mock_does_not_depend_on_the_product_or_the_sdk() {
    const PRODUCT: [&str; 2] = ["simplescalevm", "openstack_sdk_blocking"];
    let mock = Path::new(ROOT).join("mock");
    let crates = dependencies(&read(&mock.join("Cargo.toml")));
    assert!(crates.contains("serde_json"));
    assert!(PRODUCT.iter().all(|name| !crates.contains(*name)));
    let files = rust_files(&mock);
    assert!(!files.is_empty());
    for file in files {
        let code = tokens(&read(&file));
        for path in paths(&code, &["mock"]) {
            // A path of the product was made one of `crate`; the mock's own have other names.
            assert!(
                !PRODUCT.contains(&path[0].as_str()),
                "{}: {path:?}",
                file.display()
            );
        }
        let of_product = code
            .windows(2)
            .any(|w| PRODUCT.contains(&w[0].as_str()) && w[1] == "::");
        assert!(!of_product, "{}", file.display());
        assert!(!borrows_files(&code), "{}", file.display());
    }
}

/// Whether code is taken from another place than the module tree says.
fn borrows_files(code: &[String]) -> bool {
    code.windows(4).any(|w| {
        let words: Vec<&str> = w.iter().map(String::as_str).collect();
        matches!(words[..], ["#", "[", "path", _] | ["include", "!", "(", _])
    })
}

/// The mock's services are left out: one file of each serves its requests, and has the errors and views of all of them.
#[test]
fn no_files_import_each_other_in_a_circle() {
    for folder in ["core/src", "src", "openstack-sdk-blocking/src"] {
        let found = circles::circles(&sources(folder));
        assert!(found.is_empty(), "{folder}: {found:#?}");
    }
}

#[test]
fn no_source_file_is_too_long() {
    let long: Vec<String> = FOLDERS
        .into_iter()
        .flat_map(|folder| rust_files(&Path::new(ROOT).join(folder)))
        .map(|path| (path.display().to_string(), read(&path).lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("{path}: {lines}"))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn no_source_file_may_panic_leave_work_undone_or_borrow_code() {
    let mut bad = Vec::new();
    for (file, code) in FOLDERS.into_iter().flat_map(sources) {
        for call in careless_calls(&code) {
            bad.push(format!("{file} calls {call}"));
        }
        for mark in ["TODO", "FIXME"].into_iter().filter(|m| code.contains(m)) {
            bad.push(format!("{file} has a {mark}"));
        }
        if borrows_files(&tokens(&code)) {
            bad.push(format!("{file} borrows code from another place"));
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

/// The orders that must not be changed are marked in the sources, and ARCHITECTURE.md lists them: a row for each, by file.
#[test]
fn every_invariant_is_listed() {
    let text = read(&Path::new(ROOT).join("docs/ARCHITECTURE.md"));
    let (_, after) = text.split_once("\n## Invariants").unwrap_or_default();
    let section = after.split("\n## ").next().unwrap_or_default();
    let mut listed: Vec<String> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    let folders = FOLDERS.into_iter().chain(["openstack-sdk-blocking/src"]);
    let mut marked: Vec<String> = folders
        .flat_map(|folder| {
            sources(folder).into_iter().flat_map(move |(file, code)| {
                let count = code.matches(" INVARIANT:").count();
                std::iter::repeat_n(format!("{folder}/{file}"), count)
            })
        })
        .collect();
    listed.sort();
    marked.sort();
    assert_eq!(listed, marked);
}

/// The checker itself: each of these must be found.
#[test]
fn checker_finds_bad_imports() {
    let rows = [
        (
            "config/mod.rs",
            "use crate::{pool::Policy, probe::Pool};",
            "crate::probe::Pool",
        ),
        (
            "config/mod.rs",
            "use crate::cloud::{ServerTemplate, openstack::OpenStack};",
            "crate::cloud::openstack::OpenStack",
        ),
        ("config/mod.rs", "use crate::probe;", "crate::probe"),
        (
            "probe/pool.rs",
            "type A = crate::config::Probe;",
            "crate::config::Probe",
        ),
        (
            "probe/a.rs",
            "mod b { use super::super::super::status; }",
            "crate::status",
        ),
        (
            "status/http.rs",
            "pub(crate) use crate::scaler as s;",
            "crate::scaler",
        ),
        ("cloud/mod.rs", "use crate::*;", "crate::*"),
        (
            "cloud/x.rs",
            "use simplescalevm::status::A;",
            "crate::status::A",
        ),
        (
            "scaler.rs",
            "use crate::cloud::openstack::Cloud;",
            "crate::cloud::openstack::Cloud",
        ),
        (
            "scaler.rs",
            "use crate::cloud::{Provider, Cloud};",
            "crate::cloud::Cloud",
        ),
        ("scaler.rs", "use crate::cloud::*;", "crate::cloud::*"),
        (
            "scaler/a.rs",
            "use crate::config::Config;",
            "crate::config::Config",
        ),
        (
            "runtime/mod.rs",
            "use crate::check::check;",
            "crate::check::check",
        ),
        (
            "check/mod.rs",
            "use crate::status::Facts;",
            "crate::status::Facts",
        ),
        ("new.rs", "use crate::pool::Plan;", "crate::pool::Plan"),
    ];
    let concrete = passed_on_by_cloud("mod openstack; pub use openstack::{Cloud, self as o};");
    for (file, code, path) in rows {
        assert_eq!(forbidden(file, code, &concrete), [path], "{code}");
    }
}

#[test]
fn checker_leaves_good_code_alone() {
    let rows = [
        (
            "config/table.rs",
            "use super::{Policy, assess}; use std::fmt;",
        ),
        (
            "config/table.rs",
            "// use crate::probe::A;\n/* crate::probe::A */",
        ),
        (
            "config/table.rs",
            "const A: &str = \"crate::probe::A\"; const B: char = '\"';",
        ),
        (
            "config/table.rs",
            "const A: &str = r#\"use \"crate::probe::A;\"#;",
        ),
        (
            "config/table.rs",
            "#[cfg(test)]\nmod tests { use crate::probe::A; }",
        ),
        ("config/table.rs", "mod inner { use super::super::Policy; }"),
        (
            "config/table.rs",
            "use crate::probe::Protocol; type A = crate::status::StatusSettings;",
        ),
        (
            "scaler.rs",
            "use crate::cloud::{Provider, CloudError}; use crate::pool::Plan;",
        ),
        (
            "runtime/mod.rs",
            "use crate::{config, cloud::openstack::Cloud};",
        ),
        ("main.rs", "use simplescalevm::{config, runtime};"),
    ];
    for (file, code) in rows {
        let found = forbidden(file, code, &["Cloud".to_owned()]);
        assert_eq!(found, Vec::<String>::new(), "{code}");
    }
}

#[test]
fn checker_finds_careless_calls_and_borrowed_code() {
    let bad = "fn f() { a.unwrap(); b\n.expect(\"\"); } #[cfg(test)] fn g() { c.unwrap() }";
    assert_eq!(careless_calls(bad), ["unwrap", "expect"]);
    let good = "#[expect(x)] fn f() { a.unwrap_or(1) } // a.unwrap()";
    assert_eq!(careless_calls(good), Vec::<String>::new());
    assert!(borrows_files(&tokens(
        "#[path = \"../../src/a.rs\"] mod a;"
    )));
    assert!(borrows_files(&tokens("include!(\"a.rs\");")));
    assert!(!borrows_files(&tokens("let path = [path];")));
}

#[test]
fn checker_reads_manifests() {
    let manifest = "[package]\nname = \"a\"\n[dependencies]\nserde_json.workspace = true\n\
                    sdk = { package = \"openstack-sdk-blocking\", path = \"..\" }\n\
                    [dev-dependencies.simplescalevm]\npath = \"..\"\n";
    let found = dependencies(manifest);
    let expected = [
        "openstack_sdk_blocking",
        "sdk",
        "serde_json",
        "simplescalevm",
    ];
    assert!(found.iter().eq(expected), "{found:?}");
}
