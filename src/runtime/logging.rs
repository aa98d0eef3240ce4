//! The log: one line per event on standard error, for people or as JSON, times in UTC.

use crate::config::LogFormat;
use crate::pool::{CloudTime, utc};
use log::kv::{self, Key, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};
use serde_json::{Map, Value};
use simplelog::{ConfigBuilder, WriteLogger};
use std::fmt::Write as _;
use std::io::{Write, stderr};
use std::time::{Duration, SystemTime};
use time::macros::format_description;

/// Sets the process's log up; each line tells the pool. Only the first call has an effect.
pub(super) fn start(level: LevelFilter, format: LogFormat, pool: &str) {
    let pool = pool.to_owned();
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
            let inner = *WriteLogger::new(level, config, stderr());
            Box::new(OneLine { inner, pool })
        }
        LogFormat::Json => Box::new(Json { level, pool }),
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

/// Keeps each message on one line: names and answers come from outside. An event's numbers and
/// names follow the sentence.
struct OneLine<L> {
    inner: L,
    pool: String,
}

impl<L: Log> Log for OneLine<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours_or_grave(metadata) && self.inner.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = printable(&record.args().to_string());
        line.push_str(&logfmt(&fields(record), &self.pool));
        self.inner.log(
            &Record::builder()
                .metadata(record.metadata().clone())
                .args(format_args!("{line}"))
                .build(),
        );
    }

    fn flush(&self) {
        self.inner.flush();
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

/// The named values of an event.
fn fields(record: &Record<'_>) -> Map<String, Value> {
    struct Collected(Map<String, Value>);
    impl<'kvs> VisitSource<'kvs> for Collected {
        fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
            let value = match (value.to_u64(), value.to_borrowed_str()) {
                (Some(number), _) => Value::from(number),
                (_, Some(text)) => Value::from(text),
                _ => Value::from(value.to_string()),
            };
            self.0.insert(key.to_string(), value);
            Ok(())
        }
    }
    let mut collected = Collected(Map::new());
    // Collecting cannot fail.
    let _ = record.key_values().visit(&mut collected);
    collected.0
}

/// What a sentence does not say: ` | pool=scaled replica=... available=2->3 replicas=2->3 floor=3`.
fn logfmt(fields: &Map<String, Value>, pool: &str) -> String {
    let mut text = String::new();
    if fields.is_empty() {
        return text;
    }
    let pool = Value::from(pool);
    let named = ["replica", "name", "reason"].map(|name| (name, fields.get(name)));
    for (name, value) in [("pool", Some(&pool))].into_iter().chain(named) {
        if let Some(value) = value.and_then(Value::as_str) {
            text.push_str(&format!(" {name}={}", word(value)));
        }
    }
    for name in ["available", "replicas"] {
        if let (Some(before), Some(after)) =
            (fields.get(name), fields.get(&format!("{name}_after")))
        {
            text.push_str(&format!(" {name}={before}->{after}"));
        }
    }
    if let Some(floor) = fields.get("floor") {
        text.push_str(&format!(" floor={floor}"));
    }
    format!(" |{text}")
}

/// A value that cannot be taken for anything but one value.
fn word(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    Value::from(printable(value)).to_string()
}

struct Json {
    level: LevelFilter,
    pool: String,
}

impl Log for Json {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours_or_grave(metadata) && metadata.level() <= self.level
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = json_line(record, &self.pool, &utc_now());
        let _ = line.write_char('\n');
        // There is nowhere to tell that the log cannot be written.
        let _ = stderr().lock().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// The fields that every line has come last, so that no event can stand in for one.
fn json_line(record: &Record<'_>, pool: &str, time: &str) -> String {
    let mut line = fields(record);
    line.insert("time".to_owned(), Value::from(time));
    let level = record.level().as_str().to_lowercase();
    line.insert("level".to_owned(), Value::from(level));
    line.insert("module".to_owned(), Value::from(record.target()));
    line.insert("pool".to_owned(), Value::from(pool));
    let message = record.args().to_string();
    line.insert("message".to_owned(), Value::from(message));
    Value::Object(line).to_string()
}

/// For people and log stores only: no decision looks at this machine's wall clock.
#[expect(clippy::disallowed_methods, reason = "a log line tells the time")]
fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// `2026-01-02T03:04:05.678Z`
fn utc_now() -> String {
    let now = since_1970();
    let seconds = utc(CloudTime(now.as_secs()));
    format!(
        "{}.{:03}Z",
        seconds.trim_end_matches('Z'),
        now.subsec_millis()
    )
}

/// This machine's wall clock, for whoever compares times with other machines'.
pub(super) fn wall_clock() -> CloudTime {
    CloudTime(since_1970().as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_on_its_line() {
        assert_eq!(printable("a\nb\u{1b}[2J\té"), "a\\nb\\u{1b}[2J\\té");
    }

    fn with_record<T>(name: &str, look: impl FnOnce(&Record<'_>) -> T) -> T {
        let fields = [
            ("event", kv::Value::from("delete")),
            ("replica", kv::Value::from("id-1")),
            ("name", kv::Value::from(name)),
            ("message", kv::Value::from("forged")),
            ("available", kv::Value::from(3_u64)),
            ("available_after", kv::Value::from(2_u64)),
            ("floor", kv::Value::from(3_u64)),
        ];
        let mut record = Record::builder();
        record.level(Level::Info).target("simplescalevm");
        record.key_values(&fields);
        look(&record.args(format_args!("delete {name}: done")).build())
    }

    #[test]
    fn an_event_is_a_sentence_and_fields() {
        let name = "a b\" floor=9\n";
        with_record(name, |record| {
            assert_eq!(
                logfmt(&fields(record), "my pool"),
                " | pool=\"my pool\" replica=id-1 name=\"a b\\\" floor=9\\\\n\" available=3->2 floor=3"
            );
            let line = json_line(record, "p", "2026-01-02T03:04:05.678Z");
            let line: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(line["name"], name);
            assert_eq!(line["available_after"], 2);
            assert_eq!(line["pool"], "p");
            assert_eq!(line["level"], "info");
            assert_eq!(line["message"], format!("delete {name}: done"));
        });
    }

    #[test]
    fn a_line_without_an_event_has_nothing_added() {
        let record = Record::builder().args(format_args!("stopped")).build();
        assert_eq!(logfmt(&fields(&record), "p"), "");
    }
}
