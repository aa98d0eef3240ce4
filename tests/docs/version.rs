//! One version everywhere: what a document tells people to type is what `make` builds.

use crate::{documents, read};

/// What stands before the version in the name of the image and of the package, and before its default.
const BEFORE: [&str; 4] = [
    "renater/simplescalevm:openstack-",
    "simplescalevm_",
    "VERSION:-",
    "#VERSION=",
];

#[test]
fn every_version_that_is_written_down_is_the_programs() {
    let version = env!("CARGO_PKG_VERSION");
    let mut files = documents();
    files.extend(["Dockerfile", "docker-compose.yml", ".env.example"].map(str::to_owned));
    let mut found = [0; BEFORE.len()];
    for file in &files {
        let text = read(file);
        for (before, count) in BEFORE.iter().zip(&mut found) {
            for after in text.split(before).skip(1) {
                // A word such as VERSION or a name of a metric may stand there as well.
                if after.starts_with(|c: char| c.is_ascii_digit()) {
                    let end = after.find(|c: char| !c.is_ascii_digit() && c != '.');
                    assert_eq!(
                        after[..end.unwrap_or(after.len())].trim_end_matches('.'),
                        version,
                        "{file}: {before}"
                    );
                    *count += 1;
                }
            }
        }
    }
    assert!(found.iter().all(|count| *count > 0), "{found:?}");
}

#[test]
fn the_change_log_begins_with_this_version() {
    let text = read("CHANGELOG.md");
    let newest = text.lines().find_map(|line| line.strip_prefix("## "));
    assert!(
        newest.is_some_and(|line| line.starts_with(env!("CARGO_PKG_VERSION"))),
        "{newest:?}"
    );
    assert!(read("docs/manual/upgrading.md").contains(concat!(
        "**Why ",
        env!("CARGO_PKG_VERSION"),
        "**"
    )));
}
