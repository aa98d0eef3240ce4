//! `.env.example` and the README's table, from the table of variables.

use std::fmt::Write as _;

use crate::text::sentence;

use super::kind::Kind;
use super::table::variables;
use super::variable::{Section, Variable};

const EXAMPLE_HEAD: &str = "\
# Settings of SimpleScaleVM. Copy this file to `.env` and fill in the login.
#
# SimpleScaleVM and `docker run --env-file` read it. Write values without quotes, so that both see
# the same; spaces need no quotes. Commented lines show the default.
";

/// The content of `.env.example`.
pub fn env_example() -> String {
    let mut text = EXAMPLE_HEAD.to_owned();
    for section in Section::ALL {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n### {} ###\n", section.title());
        for variable in of(section) {
            let _ = writeln!(text, "\n# {}", sentence(variable.doc));
            let _ = match variable.example {
                Some(value) => writeln!(text, "{}={value}", variable.name),
                None => writeln!(
                    text,
                    "#{}={}",
                    variable.name,
                    variable.default.unwrap_or_default()
                ),
            };
        }
    }
    text
}

/// The README's tables, one per section.
pub fn markdown_table() -> String {
    let mut text = String::new();
    for section in Section::ALL {
        let separator = if text.is_empty() { "" } else { "\n" };
        let _ = write!(
            text,
            "{separator}**{}**\n\n| variable | default | meaning |\n| --- | --- | --- |\n",
            section.title()
        );
        for variable in of(section) {
            let default = variable
                .default
                .map_or_else(String::new, |default| format!("`{default}`"));
            let _ = writeln!(
                text,
                "| `{}` | {default} | {} |",
                variable.name,
                meaning(variable)
            );
        }
    }
    text
}

fn of(section: Section) -> impl Iterator<Item = &'static Variable> {
    variables()
        .iter()
        .filter(move |variable| variable.section == section)
}

/// What it is, what it accepts where that is not plain, and its alias.
fn meaning(variable: &Variable) -> String {
    let mut text = variable.doc.to_owned();
    if let Kind::Whole { .. } | Kind::Seconds { .. } | Kind::Switch = variable.kind {
        let _ = write!(text, " ({})", variable.kind.expected());
    }
    if let Some(alias) = variable.alias {
        let _ = write!(text, "; also `{alias}`");
    }
    text
}
