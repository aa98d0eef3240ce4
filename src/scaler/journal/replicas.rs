//! The events of replicas and actions.

use crate::pool::{
    Action, Assessed, Event, EventKind, Numbers, Phase, Record, ServerState, short_text,
};
use crate::scaler::act::Begun;
use std::sync::Arc;

/// What became of a replica, and why.
pub(super) fn changed(
    before: Option<&'static str>,
    name: &str,
    record: &Record,
    assessed: &Assessed,
    numbers: Numbers,
) -> Event {
    let phase = assessed.phase.name();
    let detail = detail(assessed, record);
    let (kind, text) = match before {
        Some(before) => (
            EventKind::State,
            format!("replica {name}: {before} -> {phase}{detail}"),
        ),
        None => (
            EventKind::New,
            format!("replica {name}: new, {phase}{detail}"),
        ),
    };
    Event {
        replica: Some(assessed.id.clone()),
        name: Some(Arc::clone(&assessed.name)),
        states: (before, Some(phase)),
        numbers: Some(numbers),
        ..Event::new(kind, text)
    }
}

/// What was done to what, and why.
pub(super) fn acted(begun: &Begun) -> Event {
    let (kind, replica, reason) = match &begun.action {
        Action::MoveAddress { to, reason, .. } => (EventKind::Move, Some(to), reason.name()),
        Action::Delete {
            replica, reason, ..
        } => (EventKind::Delete, Some(replica), reason.name()),
        Action::Create { .. } => (EventKind::Create, None, "below-floor"),
    };
    Event {
        replica: replica.cloned(),
        name: begun.assessed.as_ref().map(|r| Arc::clone(&r.name)),
        reason: Some(reason),
        ..Event::new(kind, begun.sentence.clone())
    }
}

/// What belongs to a state, in words.
fn detail(assessed: &Assessed, record: &Record) -> String {
    match (&assessed.phase, &record.server.state) {
        (Phase::Serving { free }, _) => format!(" ({free} free)"),
        (Phase::Finishing { .. }, _) => {
            " (it says that it is done, and is asked once more)".to_owned()
        }
        (Phase::Finished, _) => " (it says itself that it is done)".to_owned(),
        (Phase::Unreachable { .. }, _) => match &record.last_failure {
            Some(failure) => format!(" ({} probes failed: {failure})", record.failures),
            None => String::new(),
        },
        (Phase::Failed(how), _) => {
            let how = format!("{how:?}").to_lowercase();
            match record.fault.as_deref().filter(|fault| !fault.is_empty()) {
                Some(fault) => format!(" ({how}: {})", short_text(fault)),
                None => format!(" ({how})"),
            }
        }
        (Phase::Held, ServerState::Held(state)) => format!(" ({state}): it is left alone"),
        _ => String::new(),
    }
}
