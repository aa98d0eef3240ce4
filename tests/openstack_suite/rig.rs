//! The handles of the rig: `ctl.sh`, its journal of requests, its fault files.

use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Asks until there is an answer. Says what did not come, and how it looked at the end.
pub(crate) fn wait<T>(
    what: &str,
    patience_s: u64,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let begin = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(state) if begin.elapsed() > Duration::from_secs(patience_s) => {
                panic!("{what} did not come within {patience_s} s: {state}");
            }
            Err(_) => sleep(Duration::from_millis(200)),
        }
    }
}

/// What must stay so for a while.
pub(crate) fn stays(what: &str, time_s: u64, mut look: impl FnMut() -> Result<(), String>) {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(time_s) {
        if let Err(state) = look() {
            panic!("{what} did not stay so: {state}");
        }
        sleep(Duration::from_millis(300));
    }
}

/// The wanted state or, as an error, the state.
#[expect(
    clippy::needless_pass_by_value,
    reason = "what is seen is made for this call"
)]
pub(crate) fn expect<T: std::fmt::Debug + PartialEq>(
    actual: T,
    expected: &T,
) -> Result<(), String> {
    if actual == *expected {
        Ok(())
    } else {
        Err(format!("{actual:?} instead of {expected:?}"))
    }
}

/// The rig of this machine.
pub(crate) struct Rig {
    scripts: PathBuf,
    base: PathBuf,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let base = std::env::var_os("OSRIG_BASE").unwrap_or_else(|| "/var/tmp/osrig".into());
        Self {
            scripts: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/openstack"),
            base: base.into(),
        }
    }

    /// Where keystone answers.
    pub(crate) fn auth_url() -> String {
        let port = std::env::var("OSRIG_KEYSTONE_PORT").unwrap_or_else(|_| "5000".to_owned());
        format!("http://127.0.0.1:{port}/v3")
    }

    /// Turns one handle.
    pub(crate) fn ctl(&self, words: &[&str]) {
        let output = Command::new(self.scripts.join("ctl.sh"))
            .args(words)
            .output()
            .expect("ctl.sh can be run");
        assert!(
            output.status.success(),
            "ctl.sh {words:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// All requests since the journal was switched on.
    pub(crate) fn journal(&self) -> Vec<Entry> {
        self.entries("journal")
    }

    /// The requests that a fault has held back, or still holds back, whose bodies hold that word.
    pub(crate) fn held(&self, body: &str) -> usize {
        let held = self.entries("held");
        let with = held
            .iter()
            .filter(|entry| entry.text("body").contains(body));
        with.count()
    }

    fn entries(&self, file: &str) -> Vec<Entry> {
        let path = self.base.join("fault").join(file);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let read = |line| serde_json::from_str(line).ok().map(Entry);
        text.lines().filter_map(read).collect()
    }

    /// The answered requests with that method, whose path and body hold those words.
    pub(crate) fn requests(&self, method: &str, path: &str, body: &str) -> Vec<Entry> {
        let mut found = self.journal();
        found.retain(|entry| {
            entry.text("method") == method
                && entry.text("path").contains(path)
                && entry.text("body").contains(body)
        });
        found
    }
}

/// Faults of one service until it goes.
pub(crate) struct Faults<'a> {
    rig: &'a Rig,
    set: String,
}

impl<'a> Faults<'a> {
    /// A set of rules of its own, which other scenarios' sets do not disturb.
    pub(crate) fn new(rig: &'a Rig, service: &str, name: &str, rules: &Value) -> Self {
        let set = format!("{service}-{name}");
        rig.ctl(&["fault", &set, &rules.to_string()]);
        Self { rig, set }
    }
}

impl Drop for Faults<'_> {
    fn drop(&mut self) {
        self.rig.ctl(&["fault", &self.set, "off"]);
    }
}

/// Takes a handle back when it goes, also after a failure.
pub(crate) struct Undo<'a>(pub(crate) &'a Rig, pub(crate) &'static [&'static str]);

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        self.0.ctl(self.1);
    }
}

/// One request, as the cloud saw it.
#[derive(Debug, Clone)]
pub(crate) struct Entry(Value);

impl Entry {
    pub(crate) fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }

    /// Seconds since 1970.
    pub(crate) fn begin(&self) -> f64 {
        self.0["begin"].as_f64().unwrap_or_default()
    }

    pub(crate) fn end(&self) -> f64 {
        self.0["end"].as_f64().unwrap_or_default()
    }

    pub(crate) fn status(&self) -> u64 {
        self.0["status"].as_u64().unwrap_or_default()
    }

    /// Whether the daemon sent it.
    pub(crate) fn is_of_the_daemon(&self) -> bool {
        !self.text("agent").starts_with("tester") && !self.text("agent").contains("keystoneauth")
    }
}
