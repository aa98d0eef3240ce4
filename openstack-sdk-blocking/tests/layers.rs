//! Holds the order of the modules: each imports only what stands before it in the list, so that there is no circle, and
//! nothing of the session knows a service's calls.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The files and folders of `src`, from the lowest up. The files of a folder are in an order of their own.
const ORDER: &[&str] = &[
    "secret",
    "service",
    "text",
    "clock",
    "scan",
    "url",
    "tls",
    "row",
    "cause",
    "redact",
    "config",
    "transport",
    "error",
    "session",
    "wire",
    "compute",
    "network",
    "image",
    "cloud",
    "lib",
];

const IN_SESSION: &[&str] = &[
    "odd",
    "call",
    "http",
    "discovery",
    "endpoints",
    "catalog",
    "token",
    "home",
    "refusal",
    "login",
    "mod",
];

/// The first words of all paths in the product's code of a file that begin with `start`.
fn named(file: &Path, start: &str) -> BTreeSet<String> {
    let code = fs::read_to_string(file).unwrap();
    let code = code.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim().starts_with("//"));
    let words = lines.flat_map(|line| line.split(start).skip(1));
    let word = |rest: &str| -> String {
        let is_part = |c: &char| c.is_alphanumeric() || *c == '_';
        rest.chars().take_while(is_part).collect()
    };
    words.map(word).collect()
}

fn rust_files(place: &Path) -> Vec<std::path::PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let entries = fs::read_dir(place).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| rust_files(&path)).collect()
}

/// What stands in a folder, by the names of its modules.
fn modules(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    entries.map(|entry| stem(&entry.unwrap().path())).collect()
}

#[track_caller]
fn check(folder: &Path, order: &[&str], start: &str) {
    let known: BTreeSet<String> = order.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(modules(folder), known, "a module without a place");
    for (at, module) in order.iter().enumerate() {
        let whole = folder.join(module);
        let place = if whole.is_dir() {
            whole
        } else {
            whole.with_extension("rs")
        };
        for file in rust_files(&place) {
            let seen = named(&file, start);
            assert!(!seen.contains(""), "{}: no single names", file.display());
            for name in seen {
                let is_below = order[..at].contains(&name.as_str());
                let is_other = !known.contains(&name) || name == *module;
                assert!(is_below || is_other, "{} imports {name}", file.display());
            }
        }
    }
}

#[test]
fn no_module_imports_one_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    check(&src, ORDER, "crate::");
    for start in ["super::", "crate::session::"] {
        check(&src.join("session"), IN_SESSION, start);
    }
}

#[test]
fn what_is_named_is_found() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found = named(&src.join("cloud.rs"), "crate::");
    for name in ["session", "compute", "image", "transport"] {
        assert!(found.contains(name), "{name}: {found:?}");
    }
    assert!(named(&src.join("session/login.rs"), "super::").contains("catalog"));
}
