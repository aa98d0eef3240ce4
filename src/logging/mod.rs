//! The log: one line per event on standard error, for people or as JSON, times in UTC.

mod queue;
mod settings;

pub(crate) use queue::dropped;
pub use settings::{LogFormat, LogSettings};

use self::queue::LogQueue;
use crate::pool::{
    CloudTime, LONGEST_NAME, LONGEST_TEXT, bounded, short_name, short_text, utc, visible,
    visible_json,
};
use log::kv::{self, Key, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};
use serde_json::{Map, Value};
use simplelog::{Config, ConfigBuilder, WriteLogger};
use std::fs::File;
use std::io::{self, IsTerminal, Write, stderr};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};
use time::macros::format_description;

/// How long the end waits for a log that is not read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Sets the process's log up; each line tells the pool. Only the first call has an effect.
pub(crate) fn start(settings: LogSettings, pool: &str) {
    let LogSettings { level, format } = settings;
    let journal = Journal::find();
    let pool = pool.to_owned();
    let told = pool.clone();
    let notice = move |count: u64| notice(count, format, journal, &told);
    // Without a thread for the log there will be none for the daemon either, and that is told directly.
    let sink = match LogQueue::start(stderr(), notice) {
        Ok(queue) => Sink::Queue(queue),
        Err(_) => Sink::Direct,
    };
    let logger: Box<dyn Log> = match format {
        LogFormat::Text => {
            let config = match journal {
                Journal::No => plain(),
                // Whatever else stands in the line comes after the priority.
                Journal::Perhaps | Journal::Yes => bare(),
            };
            let lines = Lines {
                sink: sink.clone(),
                line: Vec::new(),
            };
            let inner = *WriteLogger::new(level, config, lines);
            Box::new(OneLine {
                inner,
                pool,
                journal,
                sink,
            })
        }
        LogFormat::Json => Box::new(Json {
            level,
            pool,
            journal,
            sink,
        }),
    };
    if log::set_boxed_logger(logger).is_ok() {
        log::set_max_level(level);
    }
}

/// Waits for the last lines to be written, within a limit.
pub(crate) fn flush() {
    log::logger().flush();
}

/// Time, weight, sentence.
fn plain() -> Config {
    ConfigBuilder::new()
        .set_time_format_custom(format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        ))
        .set_thread_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .build()
}

/// The message alone.
fn bare() -> Config {
    ConfigBuilder::new()
        .set_time_level(LevelFilter::Off)
        .set_max_level(LevelFilter::Off)
        .set_thread_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .build()
}

/// Whether systemd's journal reads the log. It takes a number in front of a line for the line's priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Journal {
    /// No.
    No,
    /// The environment says so, but standard error leads elsewhere: a redirection within a service.
    Perhaps,
    /// Yes; it writes the time down by itself.
    Yes,
}

impl Journal {
    fn find() -> Self {
        #[expect(clippy::disallowed_methods, reason = "systemd sets it, nobody else")]
        let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
        if stream.is_empty() || stderr().is_terminal() {
            return Self::No;
        }
        let opened = stderr().as_fd().try_clone_to_owned().map(File::from);
        match opened.and_then(|file| file.metadata()) {
            Ok(found) if stream == format!("{}:{}", found.dev(), found.ino()) => Self::Yes,
            _ => Self::Perhaps,
        }
    }

    /// What a line for people begins with.
    fn head(self, level: Level) -> String {
        let priority = priority(level);
        match self {
            Self::No => String::new(),
            Self::Perhaps => format!("{priority}{} [{level}] ", utc_now()),
            Self::Yes => format!("{priority}[{level}] "),
        }
    }
}

/// syslog's numbers: error, warning, informational, debug.
fn priority(level: Level) -> &'static str {
    match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

/// The line that says how many lines are missing here.
fn notice(count: u64, format: LogFormat, journal: Journal, pool: &str) -> Vec<u8> {
    let text = format!(
        "{count} lines of the log are missing here: they could not be written as fast as they came"
    );
    let level = Level::Warn;
    let line = match format {
        LogFormat::Text => match journal {
            Journal::No => format!("{} [{level}] {text}", utc_now()),
            Journal::Perhaps | Journal::Yes => format!("{}{text}", journal.head(level)),
        },
        LogFormat::Json => {
            let mut record = Record::builder();
            record.level(level).target(module_path!());
            json_line(
                &record.args(format_args!("{text}")).build(),
                pool,
                &utc_now(),
            )
        }
    };
    format!("{line}\n").into_bytes()
}

/// Where whole lines go.
#[derive(Debug, Clone)]
enum Sink {
    Queue(LogQueue),
    Direct,
}

impl Sink {
    fn offer(&self, line: Vec<u8>) {
        match self {
            Self::Queue(queue) => queue.offer(line),
            // There is nowhere to tell that it cannot be written.
            Self::Direct => drop(stderr().write_all(&line)),
        }
    }

    fn flush(&self) {
        if let Self::Queue(queue) = self {
            queue.flush(LAST_LINES);
        }
    }
}

/// Makes whole lines of what is written piece by piece.
#[derive(Debug)]
struct Lines {
    sink: Sink,
    line: Vec<u8>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if self.line.ends_with(b"\n") {
            self.sink.offer(std::mem::take(&mut self.line));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
    journal: Journal,
    sink: Sink,
}

impl<L: Log> Log for OneLine<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours_or_grave(metadata) && self.inner.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = self.journal.head(record.level());
        line.push_str(&short_text(&record.args().to_string()));
        line.push_str(&logfmt(&fields(record), &self.pool));
        self.inner.log(
            &Record::builder()
                .metadata(record.metadata().clone())
                .args(format_args!("{line}"))
                .build(),
        );
    }

    fn flush(&self) {
        self.sink.flush();
    }
}

/// The named values of an event.
fn fields(record: &Record<'_>) -> Map<String, Value> {
    struct Collected(Map<String, Value>);
    impl<'kvs> VisitSource<'kvs> for Collected {
        fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
            let value = match (value.to_u64(), value.to_borrowed_str()) {
                (Some(number), _) => Value::from(number),
                (_, Some(text)) => {
                    let is_name = matches!(key.as_str(), "name" | "replica");
                    let longest = if is_name { LONGEST_NAME } else { LONGEST_TEXT };
                    Value::from(bounded(text, longest))
                }
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
    text.push_str(&format!(" pool={}", word(&visible(pool))));
    for name in ["replica", "name", "reason", "kind"] {
        if let Some(value) = fields.get(name).and_then(Value::as_str) {
            text.push_str(&format!(" {name}={}", word(&short_name(value))));
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
    Value::from(value).to_string()
}

struct Json {
    level: LevelFilter,
    pool: String,
    journal: Journal,
    sink: Sink,
}

impl Log for Json {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours_or_grave(metadata) && metadata.level() <= self.level
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = json_line(record, &self.pool, &utc_now());
        // The journal takes the priority off; nothing else would.
        let head = match self.journal {
            Journal::Yes => priority(record.level()),
            Journal::No | Journal::Perhaps => "",
        };
        self.sink.offer(format!("{head}{line}\n").into_bytes());
    }

    fn flush(&self) {
        self.sink.flush();
    }
}

/// The fields that every line has come last, so that no event can stand in for one.
fn json_line(record: &Record<'_>, pool: &str, time: &str) -> String {
    let mut line = fields(record);
    line.insert("time".to_owned(), Value::from(time));
    let level = record.level().as_str().to_lowercase();
    line.insert("level".to_owned(), Value::from(level));
    line.insert("module".to_owned(), Value::from(record.target()));
    line.insert("pool".to_owned(), Value::from(pool));
    let message = bounded(&record.args().to_string(), LONGEST_TEXT);
    line.insert("message".to_owned(), Value::from(message));
    visible_json(Value::Object(line).to_string())
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
pub(crate) fn wall_clock() -> CloudTime {
    CloudTime(since_1970().as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

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
