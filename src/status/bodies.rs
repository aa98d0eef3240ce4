//! Large answers: each is rendered once and shared by all who want it.

use super::board::Board;
use super::view::{EventsBody, StatusBody, summary_view};
use super::{DaemonInfo, http::Body};
use crate::pool::{Moment, Snapshot};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Bodies that are still being sent may take so many bytes together; until they are gone, the newest
/// that there is goes out once more instead of a new one.
const MAX_BYTES_OUT: usize = 16 << 20;
/// A body that is not asked for any more is not kept for longer.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// What is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Document {
    /// `/`, as JSON.
    Summary,
    /// `/status`.
    Status {
        /// Whether its settings are shown.
        with_settings: bool,
    },
    /// `/events`.
    Events,
    /// `/history`.
    History,
}

/// Of what a body was made: as long as it is the same, so is the body.
#[derive(Debug, Clone)]
pub(super) struct Source {
    snapshot: Arc<Snapshot>,
    healthy: bool,
    /// Times in it are whole seconds.
    second: u64,
    now: Moment,
}

impl Source {
    pub(super) fn new(shared: &Board, healthy: bool, now: Moment) -> Self {
        Self {
            snapshot: shared.latest(),
            healthy,
            second: now.0.as_secs(),
            now,
        }
    }

    fn is_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.snapshot, &other.snapshot)
            && (self.healthy, self.second) == (other.healthy, other.second)
    }
}

/// Makes a body; the caller sees to it that only one is being made at a time.
pub(super) fn render(
    document: Document,
    source: &Source,
    shared: &Board,
    facts: &DaemonInfo,
    size: usize,
) -> Body {
    let (snapshot, now) = (&*source.snapshot, source.now);
    let mut body = Vec::with_capacity(size + size / 16 + 1_024);
    let written = match document {
        Document::Summary => write(
            &mut body,
            &summary_view(snapshot, facts, source.healthy, now),
        ),
        // People read it in a terminal.
        Document::Status { with_settings } => {
            let status = StatusBody {
                snapshot,
                facts,
                healthy: source.healthy,
                now,
                with_settings,
            };
            serde_json::to_writer_pretty(&mut body, &status)
        }
        Document::Events => write(&mut body, &EventsBody(snapshot, now)),
        Document::History => write(&mut body, &shared.history(now)),
    };
    if let Err(error) = written {
        // Nothing in it can fail to become JSON.
        log::error!("an answer of the status server cannot be written: {error}");
    }
    body.push(b'\n');
    Arc::new(body)
}

fn write(body: &mut Vec<u8>, view: &impl Serialize) -> serde_json::Result<()> {
    serde_json::to_writer(io::Write::by_ref(body), view)
}

/// The newest body of each document, and those that are still being sent.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    newest: BTreeMap<Document, (Source, Body)>,
    out: Vec<Weak<Vec<u8>>>,
    /// How long the last one of each document was.
    sizes: BTreeMap<Document, usize>,
}

impl Bodies {
    /// A body that may be sent now; `None`: one has to be rendered.
    pub(super) fn find(&mut self, document: Document, source: &Source) -> Option<Body> {
        let is_new = |(of, _): &&(Source, Body)| of.is_as(source);
        if let Some((_, body)) = self.newest.get(&document).filter(is_new) {
            return Some(Arc::clone(body));
        }
        self.out.retain(|body| body.strong_count() > 0);
        let newest = self.newest.get(&document);
        let bytes_out = || -> usize {
            let is_newest = |body: &Body| newest.is_some_and(|(_, b)| Arc::ptr_eq(b, body));
            let out = self.out.iter().filter_map(Weak::upgrade);
            out.filter(|body| !is_newest(body)).map(|b| b.len()).sum()
        };
        let (_, body) = newest?;
        (bytes_out() + body.len() > MAX_BYTES_OUT).then(|| Arc::clone(body))
    }

    /// About how long the next body will be.
    pub(super) fn size(&self, document: Document) -> usize {
        self.sizes.get(&document).copied().unwrap_or_default()
    }

    /// Keeps a body that was rendered.
    pub(super) fn keep(&mut self, document: Document, source: Source, body: &Body) {
        self.sizes.insert(document, body.len());
        self.out.push(Arc::downgrade(body));
        self.newest.insert(document, (source, Arc::clone(body)));
    }

    /// Lets go of what nobody has asked for lately.
    pub(super) fn tidy(&mut self, now: Moment) {
        self.newest
            .retain(|_, (of, _)| now.since(of.now) < KEPT_FOR);
    }
}
