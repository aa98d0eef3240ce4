//! What is told of lists that are not what they should be, and of servers that this daemon has not ordered.

use super::{About, Journal, TOLD_ONE_BY_ONE, Watcher, When, still};
use crate::pool::{
    Event, EventKind, Inquiry, Memory, Note, Record, Server, short_name, short_text,
};
use std::sync::Arc;

/// What asking for servers beside a list came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::scaler) struct Asked {
    /// Replicas that are there.
    found: usize,
    /// Servers of a creation that no list has shown yet.
    new: usize,
    /// Those of which nothing is known.
    not_known: usize,
    /// Replicas that answer, and that the cloud says are not there.
    denied: usize,
}

impl Asked {
    pub(in crate::scaler) fn of(memory: &Memory, inquiry: &Inquiry) -> Self {
        let is_known = |server: &&Server| memory.record(&server.id).is_some();
        let found = inquiry.found().filter(is_known).count();
        Self {
            found,
            new: inquiry.found().count() - found,
            not_known: inquiry.not_known(),
            denied: memory.denied(inquiry),
        }
    }
}

impl Journal {
    /// What a list contradicts itself in is told when it begins, and now and then while it lasts.
    pub(in crate::scaler) fn contradicted(&mut self, when: When, contradictions: &[String]) {
        for text in contradictions {
            if let Some(lasts) = self.contradictions.is_so(text, when.0, true) {
                let text = format!("{}: nothing is done about it", short_text(text));
                let event = Event::new(EventKind::Contradiction, still(text, lasts));
                self.keep(when, event);
            }
        }
        self.contradictions
            .keep(|text| contradictions.iter().any(|other| other == text));
    }

    /// Tells that a list lacks what is there, or what is not known to be gone. One good list between two such is no
    /// end of that.
    pub(in crate::scaler) fn asked(&mut self, when: When, asked: Asked, watcher: &dyn Watcher) {
        const KIND: &str = "list-incomplete";
        if asked == Asked::default() {
            return;
        }
        let Asked {
            found,
            new,
            not_known,
            denied,
        } = asked;
        let event = Event {
            reason: Some(KIND),
            error: Some(format!(
                "asked for by their ids, {found} of the pool and {new} of the last creation are there, and of \
                 {not_known} nothing is known{}",
                match denied {
                    0 => String::new(),
                    denied => format!(
                        "; {denied} answer, although the cloud knows no such server: they stay until it has said so for a \
                         minute"
                    ),
                }
            )),
            ..Event::new(EventKind::Incomplete, "the list lacks servers".to_owned())
        };
        self.fold(when, About::Incomplete, event, KIND, watcher);
    }

    /// Servers of the pool were created that this daemon has not ordered.
    pub(super) fn tell_foreign(&mut self, when: When, memory: &Memory, watcher: &dyn Watcher) {
        let more = memory.foreign().saturating_sub(self.foreign);
        if more == 0 {
            return;
        }
        self.foreign = memory.foreign();
        watcher.note(&Note::Foreign(more));
        let is_new =
            |record: &&Arc<Record>| record.foreign && !self.known.contains_key(&record.server.id);
        let new: Vec<&Arc<Record>> = memory.records().filter(is_new).collect();
        let is_marked = |record: &&Arc<Record>| record.server.marks.creation.is_some();
        let (reason, cause) = if new.iter().any(is_marked) {
            ("another-daemon", "another daemon keeps this pool")
        } else {
            (
                "unmarked",
                "another daemon may keep this pool, or somebody has made them by hand",
            )
        };
        let names: Vec<String> = new
            .iter()
            .take(TOLD_ONE_BY_ONE)
            .map(|r| format!("{} [{}]", short_name(&r.server.name), r.server.id))
            .collect();
        let servers = match more {
            1 => "1 server of the pool was".to_owned(),
            more => format!("{more} servers of the pool were"),
        };
        let text = format!(
            "{servers} created and not by this daemon: {cause} ({})",
            names.join(", ")
        );
        let event = Event {
            reason: Some(reason),
            ..Event::new(EventKind::Foreign, text)
        };
        self.keep(when, event);
    }
}
