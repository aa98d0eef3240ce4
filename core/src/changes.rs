//! What one assessment of the pool sees otherwise than the one before.

use super::{
    Assessed, Assessment, Became, Event, Memory, Record, ReplicaState, ServerState, short_text,
};
use std::cmp::Ordering;
use std::time::Duration;

/// More new replicas than this are told as one event at the start.
const MANY: usize = 10;

/// The changes, in the order of the replicas' ids, and how long those took to come up that did since then.
#[must_use]
pub fn changes(
    before: &Assessment,
    after: &Assessment,
    memory: &Memory,
) -> (Vec<Event>, Vec<Duration>) {
    let mut events = Vec::new();
    let mut came_up = Vec::new();
    // An empty pool that fills up later is news.
    let is_first = *before == Assessment::default();
    let is_found = is_first && after.replicas.len() > MANY;
    if is_found {
        events.push(Event::Found(after.by_state().into_iter().collect()));
    }
    let mut gone = Vec::new();
    let mut old = before.replicas.iter().peekable();
    for (now, record) in after.replicas.iter().zip(memory.records()) {
        while let Some(past) = old.next_if(|past| past.id < now.id) {
            gone.push(past);
        }
        let past = old.next_if(|past| past.id.cmp(&now.id) == Ordering::Equal);
        let had_served = past.is_some_and(|past| past.has_served);
        if now.has_served && !had_served && record.created_since_start {
            came_up.push(now.age);
        }
        let state = past.map(|past| past.state.name());
        if is_found || state == Some(now.state.name()) {
            continue;
        }
        let became = Became::of(now, record);
        let replica = now.subject();
        events.push(match state {
            Some(state) => Event::State(replica, state, became),
            None => Event::New(replica, became),
        });
    }
    gone.extend(old);
    let since = after.at.since(before.at);
    events.extend(gone.into_iter().map(|past| Event::Gone {
        replica: past.subject(),
        state: past.state.name(),
        deleted: memory.deleted_for(&past.id),
        age: past.age.saturating_add(since),
    }));
    (events, came_up)
}

/// What belongs to a state, in words, as the end of a sentence: why it failed, what its last probe came to. Empty:
/// nothing.
#[must_use]
pub fn state_detail(assessed: &Assessed, record: &Record) -> String {
    match (&assessed.state, &record.server.state) {
        (ReplicaState::Serving { free }, _) => format!(" ({free} free)"),
        (ReplicaState::Finishing { .. }, _) => {
            " (it reported termination=true, and is asked once more)".to_owned()
        }
        (ReplicaState::Finished, _) => " (it reported termination=true)".to_owned(),
        (ReplicaState::Unreachable { .. }, _) => match &record.last_failure {
            Some(failure) => format!(" ({} probes failed: {failure})", record.failures),
            None => String::new(),
        },
        (ReplicaState::Failed(how), _) => {
            let how = format!("{how:?}").to_lowercase();
            match record.fault.as_deref().filter(|fault| !fault.is_empty()) {
                Some(fault) => format!(" ({how}: {})", short_text(fault)),
                None => format!(" ({how})"),
            }
        }
        (ReplicaState::Held, ServerState::Held(state)) => format!(" ({state}): it is left alone"),
        _ => String::new(),
    }
}
