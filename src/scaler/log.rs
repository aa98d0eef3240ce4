//! Events as log lines: a sentence, and the same as named fields for `LOG_FORMAT=json`.

use crate::pool::{Blocked, CreateBlock, Entry, Event, ReplicaState};
use log::kv::{self, Key, Value, VisitSource};
use log::{Level, Record};

const TARGET: &str = "simplescalevm::scaler";

/// Writes an event into the log.
pub(super) fn write(entry: &Entry) {
    let level = level(&entry.event);
    if level > log::max_level() {
        return;
    }
    let end = match (entry.event.failure(), entry.event.outcome()) {
        (Some(failure), _) if entry.times > 1 => {
            format!(": {} ({} times in a row)", failure.error, entry.times)
        }
        (Some(failure), _) => format!(": {}", failure.error),
        (None, Some(outcome)) => format!(": {outcome}"),
        (None, None) => String::new(),
    };
    log::logger().log(
        &Record::builder()
            .level(level)
            .target(TARGET)
            .module_path_static(Some(TARGET))
            .key_values(&Fields(entry))
            .args(format_args!("{}{end}", entry.text))
            .build(),
    );
}

fn level(event: &Event) -> Level {
    match event {
        Event::Skipped { .. } => Level::Debug,
        Event::Critical(_) => Level::Error,
        _ if event.failure().is_some() && !matches!(event, Event::Incomplete(_)) => Level::Error,
        _ if is_warning(event) => Level::Warn,
        _ => Level::Info,
    }
}

fn is_warning(event: &Event) -> bool {
    match event {
        // So it is at every first start.
        Event::Blocked(blocked, ..) => !matches!(
            blocked,
            Blocked::Create {
                why: CreateBlock::JustStarted { .. },
                ..
            }
        ),
        // A creation has come to nothing, or somebody has put a broken server into the pool.
        Event::New(_, became) => matches!(became.state, ReplicaState::Failed(_)),
        // What served is lost to callers, and nothing of this daemon's doing.
        Event::State(_, _, became) => matches!(
            became.state,
            ReplicaState::Unreachable { .. }
                | ReplicaState::Failed(_)
                | ReplicaState::Unknown { .. }
        ),
        Event::Gone { deleted, .. } => deleted.is_none(),
        Event::Incomplete(_)
        | Event::Contradiction(..)
        | Event::Foreign { .. }
        | Event::Doubted { .. }
        | Event::MassTermination { .. }
        | Event::StuckDeleting(..)
        | Event::OverCapacity { .. }
        | Event::ClockJump(_)
        | Event::CutShort { .. } => true,
        _ => false,
    }
}

/// The fields that an event has; docs/status-api.md describes them.
struct Fields<'a>(&'a Entry);

impl kv::Source for Fields<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        let Entry {
            event,
            times,
            numbers,
            ..
        } = self.0;
        let mut field = |name, value| visitor.visit_pair(Key::from_str(name), value);
        field("event", Value::from(event.name()))?;
        let replica = event.replica();
        let (from, to) = event.states();
        let texts = [
            ("replica", replica.map(|replica| replica.id.as_str())),
            ("name", replica.map(|replica| &*replica.name)),
            ("reason", event.reason()),
            ("from", from),
            ("to", to),
            ("outcome", event.outcome()),
            ("kind", event.failure().map(|f| f.kind)),
            ("error", event.failure().map(|f| f.error.as_str())),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                field(name, Value::from(text))?;
            }
        }
        if *times > 1 {
            field("times", Value::from(*times))?;
        }
        let Some(numbers) = numbers else {
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
