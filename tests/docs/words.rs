//! The manual's tables against the words of the code.

use crate::{read, root};
use simplescalevm::config::variables;
use simplescalevm::pool::{
    BackoffCause, Blocked, CloudErrorKind, DeleteReason, Event, ProbeFailure, ReplicaState,
    SkipReason,
};
use std::fs;
use std::path::{Path, PathBuf};

const OPERATING: &str = "docs/manual/operating.md";

/// The part of a document below a headline, up to the next one of the same rank.
fn section(text: &str, headline: &str) -> String {
    let rank = headline.split(' ').next().unwrap();
    let mut lines = text.lines().skip_while(|line| *line != headline);
    assert!(lines.next().is_some(), "there is no {headline:?}");
    let part: Vec<&str> = lines
        .take_while(|line| {
            !line.starts_with('#') || line.split(' ').next().unwrap().len() > rank.len()
        })
        .collect();
    part.join("\n")
}

/// The words of `` ### `word` `` in a section.
fn headlines(section: &str) -> Vec<String> {
    let lines = section
        .lines()
        .filter_map(|line| line.strip_prefix("### `"));
    lines
        .map(|line| line.trim_end_matches('`').to_owned())
        .collect()
}

/// The words that begin the rows of a table in a section.
fn rows(section: &str) -> Vec<String> {
    let lines = section.lines().filter_map(|line| line.strip_prefix("| `"));
    lines
        .map(|line| line.split('`').next().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn same(what: &str, mut found: Vec<String>, mut expected: Vec<String>) {
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{what}");
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn every_reason_has_its_section() {
    let text = read(OPERATING);
    let blocked = section(&text, "## Blocked: the reasons");
    same("blocked", headlines(&blocked), owned(&Blocked::NAMES));
    let deleted = section(&text, "## Deleted: the reasons");
    same("deleted", headlines(&deleted), owned(&DeleteReason::NAMES));
    for part in [blocked, deleted] {
        for piece in part.split("### `").skip(1) {
            let (word, rest) = piece.split_once('\n').unwrap();
            assert!(rest.trim().len() > 80, "{word} says next to nothing");
        }
    }
}

#[test]
fn every_kind_has_its_row() {
    let text = read(OPERATING);
    let check = |headline: &str, words: &[&str]| {
        same(headline, rows(&section(&text, headline)), owned(words));
    };
    check("## Creations that wait: the causes", &BackoffCause::NAMES);
    let mut kinds = CloudErrorKind::NAMES.to_vec();
    kinds.extend(["broken-promise", "list-incomplete"]);
    check("## Errors of the cloud: the kinds", &kinds);
    check("## Failed probes: the kinds", &ProbeFailure::NAMES);
    check("### States of a replica", &ReplicaState::NAMES);
    check("### Not begun: the reasons", &SkipReason::NAMES);
    let lines = section(&text, "## Lines of the pool");
    let lines = lines.split("### ").next().unwrap().to_owned();
    same("events", rows(&lines), owned(&Event::NAMES));
}

#[test]
fn the_status_api_has_every_why() {
    let text = read("docs/status-api.md");
    let blocked = section(&text, "### Something blocked");
    let row = blocked.lines().find(|line| line.starts_with("| `why`"));
    let cell = row.unwrap().rsplit('|').nth(1).unwrap();
    // What stands in brackets is a remark.
    let without_remark: Vec<&str> = cell
        .split('(')
        .map(|part| part.split_once(')').map_or(part, |(_, rest)| rest))
        .collect();
    let words = without_remark.concat();
    let words: Vec<String> = words
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    same("why", words, owned(&Blocked::NAMES));
}

/// The settings that are passed to a container as they are must mean the same to every way to start one.
#[test]
fn containers_get_the_address_and_the_files_of_the_settings() {
    let compose = read("docker-compose.yml");
    assert!(
        compose.contains("- \"${APP_HOST:-0.0.0.0}:${APP_PORT:-8000}:"),
        "{compose}"
    );
    let script = read("tools/start-docker.sh");
    let (_, rest) = script.split_once("\nfor name in ").unwrap();
    let (mounted, _) = rest.split_once("; do").unwrap();
    let mounted: Vec<String> = mounted
        .split([' ', '\\', '\n'])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let is_file = |name: &&str| name.ends_with("_FILE") || *name == "OS_CACERT";
    let files = variables()
        .iter()
        .flat_map(|variable| [Some(variable.name), variable.alias])
        .flatten()
        .filter(is_file)
        .map(str::to_owned);
    same("files in the container", mounted, files.collect());
}

#[test]
fn every_alert_has_its_row() {
    let rules = read("deploy/prometheus/simplescalevm.rules.yml");
    let alerts: Vec<String> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .map(str::to_owned)
        .collect();
    assert!(alerts.len() > 5, "{alerts:?}");
    same(
        "alerts",
        rows(&section(&read(OPERATING), "## Alerts")),
        alerts,
    );
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// The longest part of a message that is the same whatever its values are.
fn constant_part(template: &str) -> String {
    let joined: Vec<&str> = template.split("\\\n").map(str::trim_start).collect();
    let text = joined.concat();
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                parts.push(String::new());
            }
            c if depth == 0 => parts.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    let longest = parts.into_iter().max_by_key(String::len).unwrap();
    longest
        .trim_matches([' ', ':', ';', ',', '(', ')'])
        .to_owned()
}

#[test]
fn every_message_of_the_log_is_explained() {
    let text = read(OPERATING);
    let mut seen = 0;
    let mut missing = Vec::new();
    let folders = ["src", "openstack-sdk-blocking/src"];
    for path in folders
        .iter()
        .flat_map(|folder| rust_files(&root().join(folder)))
    {
        let code = fs::read_to_string(&path).unwrap();
        let code = code.split("#[cfg(test)]").next().unwrap();
        for call in ["log::info!(", "log::warn!(", "log::error!("] {
            for rest in code.split(call).skip(1) {
                let Some(template) = rest.trim_start().strip_prefix('"') else {
                    continue;
                };
                let part = constant_part(
                    template
                        .split("\",")
                        .next()
                        .unwrap()
                        .split("\")")
                        .next()
                        .unwrap()
                        .split("\"\n")
                        .next()
                        .unwrap(),
                );
                seen += 1;
                // What is all values comes from elsewhere, and is looked at there.
                if part.len() >= 5 && !text.contains(&part) {
                    missing.push(format!("{}: {part:?}", path.display()));
                }
            }
        }
    }
    assert!(seen > 12, "{seen}");
    assert!(missing.is_empty(), "{OPERATING} lacks {missing:#?}");
}
