//! What happened: the requests, the life of every server, and counters.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

/// More is forgotten, oldest first; the counters are not.
const MAX_ENTRIES: usize = 200_000;

/// A request to the API.
#[derive(Debug, Clone)]
pub(crate) struct LogEntry {
    pub(crate) at_ms: u64,
    pub(crate) service: String,
    pub(crate) method: String,
    /// Path within the service, without query.
    pub(crate) path: String,
    pub(crate) query: String,
    /// The status sent; 0 if the connection was dropped.
    pub(crate) status: u16,
    /// What the call really gave, if a fault hid it.
    pub(crate) effect: Option<u16>,
    pub(crate) body: Option<Value>,
    pub(crate) microversion: Option<String>,
}

impl LogEntry {
    pub(crate) fn to_json(&self, index: u64) -> Value {
        json!({
            "index": index, "at_ms": self.at_ms, "service": self.service, "method": self.method, "path": self.path,
            "query": self.query, "status": self.status, "effect": self.effect, "body": self.body,
            "microversion": self.microversion,
        })
    }
}

/// The record of a run.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) log: VecDeque<LogEntry>,
    /// Entries that are no longer in `log`.
    pub(crate) forgotten: u64,
    /// Requests by "service METHOD /path/ID".
    pub(crate) requests: BTreeMap<String, u64>,
    pub(crate) events: VecDeque<Value>,
    pub(crate) created: u64,
    pub(crate) deleted: u64,
    pub(crate) failed: u64,
    pub(crate) vanished: u64,
    /// Most servers that ever existed at a time.
    pub(crate) max_servers: usize,
    /// Most that existed and were not being deleted.
    pub(crate) max_live: usize,
    pub(crate) probes: u64,
}

impl Record {
    pub(crate) fn request(&mut self, entry: LogEntry) {
        let key = format!(
            "{} {} {}",
            entry.service,
            entry.method,
            template(&entry.path)
        );
        *self.requests.entry(key).or_default() += 1;
        self.log.push_back(entry);
        if self.log.len() > MAX_ENTRIES {
            self.log.pop_front();
            self.forgotten += 1;
        }
    }

    pub(crate) fn event(&mut self, at_ms: u64, kind: &str, subject: &str, detail: Value) {
        let mut event = json!({ "at_ms": at_ms, "kind": kind, "id": subject });
        if let (Some(event), Value::Object(detail)) = (event.as_object_mut(), detail) {
            event.extend(detail);
        }
        self.events.push_back(event);
        if self.events.len() > MAX_ENTRIES {
            self.events.pop_front();
        }
    }

    /// Forgets everything but the counters of servers.
    pub(crate) fn clear_log(&mut self) {
        self.log.clear();
        self.requests.clear();
        self.forgotten = 0;
    }

    pub(crate) fn counters(&self) -> Value {
        json!({
            "created": self.created, "deleted": self.deleted, "failed": self.failed, "vanished": self.vanished,
            "max_servers": self.max_servers, "max_live": self.max_live, "probes": self.probes,
            "requests": self.requests,
        })
    }
}

/// A path with its identifiers replaced by `ID`.
fn template(path: &str) -> String {
    let is_id = |part: &str| {
        let hex = part.chars().filter(char::is_ascii_hexdigit).count();
        part.len() >= 32 && hex + part.matches('-').count() == part.len()
    };
    path.split('/')
        .map(|part| if is_id(part) { "ID" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_replaced() {
        let path = "/v2.1/servers/0e7e9caf-bfd3-4d7d-89df-c495e1fb0c91/action";
        assert_eq!(template(path), "/v2.1/servers/ID/action");
    }
}
