//! What is wrong with a setting.

/// A setting that is missing or cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigProblem {
    /// The variable, or `FILE: key` for a YAML file.
    pub variable: String,
    /// What was given (never a secret) and what is expected.
    pub problem: String,
}

/// A value for a message: in quotes, without control characters, and cut if it is long.
pub(super) fn shown(value: &str) -> String {
    /// As much as a name or a URL needs.
    const MAX_CHARS: usize = 100;
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = value.chars().take(MAX_CHARS).map(clean).collect();
    let cut = if text.len() < value.len() { "..." } else { "" };
    format!("\"{text}{cut}\"")
}

/// The same of what should be a URL, and may hold a password or a token.
pub(super) fn shown_url(value: &str) -> String {
    if value.contains('@') {
        return shown("***");
    }
    match value.find(['?', '#']) {
        Some(at) => shown(&format!("{}***", &value[..=at])),
        None => shown(value),
    }
}

impl ConfigProblem {
    pub(super) fn new(variable: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            variable: variable.into(),
            problem: problem.into(),
        }
    }
}
