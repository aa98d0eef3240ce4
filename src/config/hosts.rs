//! The hosts by which the status server may be asked. Whoever compares with an entry reads it, so that
//! none is taken that no request can match.

use super::error::Problem;
use super::settings::DaemonSettings;
use super::variable::Given;
use crate::status::{AllowedHost, NeverMatches};

/// So many bad entries are told; a pasted file does not fill the log.
const TOLD: usize = 5;

/// Puts the entries of a list in their place.
pub(super) fn allowed(daemon: &mut DaemonSettings, given: &Given<'_>) -> Result<(), Problem> {
    let entries: Vec<String> = given.value()?;
    if let Some(text) = given.text().filter(|_| entries.is_empty()) {
        let expected =
            "has no entry, and without one every host is answered: remove the line, or write `*`";
        return Err(given.problem(expected).with_value(&given.shown(text)));
    }
    let mut bad: Vec<(&str, NeverMatches)> = Vec::new();
    daemon.status.allowed_hosts.clear();
    for entry in &entries {
        match entry.parse::<AllowedHost>() {
            Ok(host) => daemon.status.allowed_hosts.push(host),
            Err(never) => bad.push((entry, never)),
        }
    }
    if bad.is_empty() {
        return Ok(());
    }
    Err(problem(given, &bad))
}

fn problem(given: &Given<'_>, bad: &[(&str, NeverMatches)]) -> Problem {
    let text = given.text().unwrap_or_default();
    // A comma in a password makes entries of its parts.
    if text.contains('@') {
        let expected = "an entry has a login (`@`), and no Host has one: write its host alone";
        return given.problem(expected).with_value(&given.shown(text));
    }
    let entries: Vec<String> = bad.iter().map(|(entry, _)| given.shown(entry)).collect();
    let told = bad.iter().zip(&entries).take(TOLD);
    let mut told: Vec<String> = told
        .map(|((_, never), entry)| format!("{} {never}", Problem::quoted(entry)))
        .collect();
    if bad.len() > TOLD {
        told.push(format!("and {} more", bad.len() - TOLD));
    }
    given
        .problem(told.join("; "))
        .with_value(&entries.join(","))
}
