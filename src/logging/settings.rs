//! What is logged, and how it is written.

use log::LevelFilter;

/// What the log is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// `LOG_LEVEL`.
    pub level: LevelFilter,
    /// `LOG_FORMAT`.
    pub format: LogFormat,
}

impl LogSettings {
    /// The same with fewer messages.
    #[must_use]
    pub fn at_most(self, level: LevelFilter) -> Self {
        Self {
            level: self.level.min(level),
            ..self
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: LevelFilter::Info,
            format: LogFormat::Text,
        }
    }
}

/// `LOG_FORMAT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// An object per line.
    Json,
}
