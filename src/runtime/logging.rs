//! The log: one line per event on standard error, for people or as JSON, times in UTC.

use crate::config::LogFormat;
use crate::pool::{CloudTime, utc};
use log::{Level, LevelFilter, Log, Metadata, Record};
use simplelog::{ConfigBuilder, WriteLogger};
use std::fmt::Write as _;
use std::io::{Write, stderr};
use std::time::SystemTime;
use time::macros::format_description;

/// Sets the process's log up. Only the first call has an effect.
pub(super) fn start(level: LevelFilter, format: LogFormat) {
    let logger: Box<dyn Log> = match format {
        LogFormat::Text => {
            let config = ConfigBuilder::new()
                .set_time_format_custom(format_description!(
                    "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
                ))
                .set_thread_level(LevelFilter::Off)
                .set_target_level(LevelFilter::Off)
                .set_location_level(LevelFilter::Off)
                .build();
            Box::new(OneLine(*WriteLogger::new(level, config, stderr())))
        }
        LogFormat::Json => Box::new(Json { level }),
    };
    if log::set_boxed_logger(logger).is_ok() {
        log::set_max_level(level);
    }
}

/// Whether a message is fit for the log. Below warnings only this project speaks: libraries tell
/// every byte that goes over the wire there, passwords and tokens among them.
fn is_ours_or_grave(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    metadata.level() <= Level::Warn
        || target.starts_with("simplescalevm")
        || target.starts_with("openstack_sdk_blocking")
}

/// Keeps each message on one line: names and answers come from outside.
struct OneLine<L>(L);

impl<L: Log> Log for OneLine<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours_or_grave(metadata) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = printable(&record.args().to_string());
        self.0.log(
            &Record::builder()
                .metadata(record.metadata().clone())
                .args(format_args!("{line}"))
                .build(),
        );
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Control characters as escapes, so that a message can neither break a line nor move a cursor.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

struct Json {
    level: LevelFilter,
}

impl Log for Json {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours_or_grave(metadata) && metadata.level() <= self.level
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = serde_json::json!({
            "time": utc_now(),
            "level": record.level().as_str().to_lowercase(),
            "module": record.target(),
            "message": record.args().to_string(),
        })
        .to_string();
        let _ = line.write_char('\n');
        // There is nowhere to tell that the log cannot be written.
        let _ = stderr().lock().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// For people and log stores only: no decision looks at this machine's wall clock.
#[expect(clippy::disallowed_methods, reason = "a log line tells the time")]
fn utc_now() -> String {
    let since_1970 = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    utc(CloudTime(since_1970.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_message_stays_on_its_line() {
        assert_eq!(printable("a\nb\u{1b}[2J\té"), "a\\nb\\u{1b}[2J\\té");
    }
}
