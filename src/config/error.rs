//! What is wrong with the settings, as one message.

use std::fmt;

/// A quoted value is cut after so many characters, so that a pasted file does not fill the log.
const SHOWN_CHARS: usize = 80;

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable, or the file and line, that is wrong.
    pub variable: String,
    /// The value as it was found; `None` for a secret, and where there is none.
    pub value: Option<String>,
    /// What was expected instead, with the remedy.
    pub expected: String,
}

impl Problem {
    pub(super) fn new(variable: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            variable: variable.into(),
            value: None,
            expected: expected.into(),
        }
    }

    /// A value between quotes, cut off where it is long.
    pub(super) fn quoted(value: &str) -> String {
        let shown: String = value.chars().take(SHOWN_CHARS).collect();
        let cut = if shown.len() < value.len() { "..." } else { "" };
        format!("{shown:?}{cut}")
    }

    pub(super) fn with_value(mut self, value: &str) -> Self {
        self.value = Some(value.to_owned());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.variable)?;
        if let Some(value) = &self.value {
            write!(f, "={}", Self::quoted(value))?;
        }
        write!(f, ": {}", self.expected)
    }
}

/// Everything that is wrong with the settings, never only the first thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one, in the order of the table.
    pub problems: Vec<Problem>,
    /// Where the settings were looked for, if that may be the reason.
    pub note: Option<String>,
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
            note: None,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => write!(f, "1 problem with the settings:")?,
            n => write!(f, "{n} problems with the settings:")?,
        }
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        if let Some(note) = &self.note {
            write!(f, "\n({note})")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_lists_every_problem() {
        let error = ConfigError {
            problems: vec![
                Problem::new("APP_PORT", "expected a port").with_value("a\nb"),
                Problem::new("OS_PASSWORD", "is not valid UTF-8"),
                Problem::new("X", "short").with_value(&"é".repeat(100)),
            ],
            note: None,
        };
        let expected = format!(
            "3 problems with the settings:\n  APP_PORT=\"a\\nb\": expected a port\n  OS_PASSWORD: is not valid UTF-8\n  X=\"{}\"...: short",
            "é".repeat(80)
        );
        assert_eq!(error.to_string(), expected);
    }
}
