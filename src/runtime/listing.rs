//! The command `config`: every setting with its value, and where it is from.

use crate::config::{ConfigError, Environment, listing, remarks};
use crate::pool::{visible, visible_json};
use serde_json::json;

/// Settings with which a command cannot begin, for a program that reads its JSON.
#[must_use]
pub fn problems_in_json(error: &ConfigError) -> String {
    let problems: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
    let body = json!({ "ok": false, "problems": problems, "note": error.note });
    visible_json(format!("{body:#}\n"))
}

/// Where the second column begins, unless a line is longer.
const COLUMN: usize = 56;

/// The text, and whether the daemon would start with these settings.
#[must_use]
pub fn config(environment: &Environment, json: bool) -> (String, bool) {
    let all = listing(environment);
    let (problems, warnings) = remarks(environment);
    let is_well = problems.is_empty();
    if json {
        let settings: Vec<_> = all
            .iter()
            .map(|listed| {
                json!({
                    "name": listed.name, "value": listed.value, "scope": listed.scope.word(),
                    "source": listed.origin.word(), "origin": listed.origin.text(),
                })
            })
            .collect();
        let body = json!({
            "ok": is_well, "origin": environment.origin(), "settings": settings, "problems": problems,
            "warnings": warnings,
        });
        return (format!("{body:#}\n"), is_well);
    }
    let mut text = format!("{}\n", environment.origin());
    for listed in all {
        let pair = format!("{}={}", listed.name, visible(&listed.value));
        text.push_str(&format!(
            "{pair:<COLUMN$} {}\n",
            visible(&listed.origin.text())
        ));
    }
    for (word, lines) in [("ERROR", problems), ("WARNING", warnings)] {
        for line in lines {
            text.push_str(&format!("{word:<7} {}\n", visible(&line)));
        }
    }
    (text, is_well)
}
