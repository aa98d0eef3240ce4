//! Finds files that import each other in a circle.

use super::module_of;
use super::source::{paths, tokens, without_tests};
use std::collections::{BTreeMap, BTreeSet};

/// The files of a crate that import each other in a circle, each with whom of the circle it imports. What a file takes
/// from the module that it is a part of, and that module from it, is no import between two files.
pub(crate) fn circles(sources: &[(String, String)]) -> Vec<String> {
    let files: BTreeMap<Vec<&str>, &str> = sources
        .iter()
        .map(|(file, _)| (module_of(file), file.as_str()))
        .collect();
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (file, code) in sources {
        let module = module_of(file);
        let (code, _) = without_tests(&tokens(code));
        for path in paths(&code, &module) {
            let words: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
            let is_own = path[0] == "crate";
            let target = (1..=words.len())
                .rev()
                .find(|n| is_own && files.contains_key(&words[..*n]));
            if let Some(n) = target
                && !module.starts_with(&words[..n])
            {
                let imported = imports.entry(file).or_default();
                imported.insert(files[&words[..n]]);
            }
        }
    }
    let reached = |from: &str| {
        let mut found = BTreeSet::new();
        let mut left: Vec<&str> = imports.get(from).into_iter().flatten().copied().collect();
        while let Some(file) = left.pop() {
            if found.insert(file) {
                left.extend(imports.get(file).into_iter().flatten());
            }
        }
        found
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        files.values().map(|file| (*file, reached(file))).collect();
    let in_circle = |a: &str, b: &str| reached[a].contains(b) && reached[b].contains(a);
    imports
        .iter()
        .flat_map(|(file, imported)| {
            let of_circle = imported.iter().filter(|other| in_circle(file, other));
            of_circle.map(move |other| format!("{file} -> {other}"))
        })
        .collect()
}

#[test]
fn a_circle_is_found() {
    let file = |name: &str, code: &str| (name.to_owned(), code.to_owned());
    let sources = [
        file("lib.rs", "mod a; mod b; mod c;"),
        file("a.rs", "use crate::b::B; pub struct A;"),
        file("b.rs", "use super::c::{C, D};"),
        file("c.rs", "fn f(a: crate::a::A) {}"),
        file("c/d.rs", "use super::C; use crate::b;"),
        file("e/mod.rs", "mod f; use f::F;"),
        file(
            "e/f.rs",
            "use super::E; #[cfg(test)] mod tests { use crate::a::A; }",
        ),
    ];
    assert_eq!(
        circles(&sources),
        ["a.rs -> b.rs", "b.rs -> c.rs", "c.rs -> a.rs"]
    );
}
