//! Events as log lines: a sentence, and the same as named fields for `LOG_FORMAT=json`.

use crate::pool::{Event, EventKind, ReplicaId};
use log::kv::{self, Key, Value, VisitSource};
use log::{Level, Record};

const TARGET: &str = "simplescalevm::scaler";

/// Writes an event into the log.
pub(super) fn tell(event: &Event) {
    let level = level(event);
    if level > log::max_level() {
        return;
    }
    let end = match (&event.error, event.outcome) {
        (Some(error), _) if event.times > 1 => {
            format!(": {error} ({} times in a row)", event.times)
        }
        (Some(error), _) => format!(": {error}"),
        (None, Some(outcome)) => format!(": {outcome}"),
        (None, None) => String::new(),
    };
    log::logger().log(
        &Record::builder()
            .level(level)
            .target(TARGET)
            .module_path_static(Some(TARGET))
            .key_values(&Fields(event))
            .args(format_args!("{}{end}", event.text))
            .build(),
    );
}

fn level(event: &Event) -> Level {
    match event.kind {
        EventKind::Incomplete | EventKind::Contradiction | EventKind::Foreign => Level::Warn,
        _ if event.error.is_some() => Level::Error,
        EventKind::Error => Level::Error,
        // So it is at every first start.
        EventKind::Blocked if event.reason == Some("just-started") => Level::Info,
        EventKind::Blocked
        | EventKind::Doubted
        | EventKind::MassTermination
        | EventKind::StuckDeleting
        | EventKind::OverCapacity
        | EventKind::ClockJump
        | EventKind::CutShort => Level::Warn,
        // A creation has come to nothing, or somebody has put a broken server into the pool.
        EventKind::New if event.states.1 == Some("failed") => Level::Warn,
        // What served is lost to callers, and nothing of this daemon's doing.
        EventKind::State
            if matches!(event.states.1, Some("unreachable" | "failed" | "unknown")) =>
        {
            Level::Warn
        }
        EventKind::Gone if event.reason.is_none() => Level::Warn,
        _ => Level::Info,
    }
}

/// The fields that an event has; docs/status-api.md describes them.
struct Fields<'a>(&'a Event);

impl kv::Source for Fields<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        let event = self.0;
        let mut field = |name, value| visitor.visit_pair(Key::from_str(name), value);
        field("event", Value::from(event.kind.name()))?;
        let texts = [
            ("replica", event.replica.as_ref().map(ReplicaId::as_str)),
            ("name", event.name.as_deref()),
            ("reason", event.reason),
            ("from", event.states.0),
            ("to", event.states.1),
            ("outcome", event.outcome),
            ("error", event.error.as_deref()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                field(name, Value::from(text))?;
            }
        }
        if event.times > 1 {
            field("times", Value::from(event.times))?;
        }
        let Some(numbers) = event.numbers else {
            return Ok(());
        };
        field("ready", Value::from(numbers.ready))?;
        field("available", Value::from(numbers.available))?;
        field("available_after", Value::from(numbers.available_after))?;
        field("replicas", Value::from(numbers.replicas))?;
        field("replicas_after", Value::from(numbers.replicas_after))?;
        field("floor", Value::from(numbers.floor))
    }
}
