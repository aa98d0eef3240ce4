//! A headless Chromium, driven over `WebDriver`: plain JSON to `chromedriver`.

use base64::Engine;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Without these Chromium asks the network for things of its own.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// `chromedriver` and one window. Dropping it ends both.
pub(crate) struct Browser {
    child: Child,
    session: String,
    profile: PathBuf,
    agent: ureq::Agent,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let port = crate::support::free_port();
        let child = Command::new("chromedriver")
            .args([
                format!("--port={port}"),
                "--allowed-ips=127.0.0.1".to_owned(),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("chromedriver (Debian: chromium-driver): {e}"));
        let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chromium-{port}"));
        std::fs::create_dir_all(&profile).unwrap();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(120)))
            .build()
            .into();
        let mut browser = Self {
            child,
            session: format!("http://127.0.0.1:{port}"),
            profile,
            agent,
        };
        let ready = crate::support::wait(|| browser.try_call("GET", "/status", None).is_some());
        assert!(ready, "chromedriver does not answer");
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", browser.profile.display()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments, "binary": "/usr/bin/chromium" },
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let session = browser.call("POST", "/session", &wanted);
        let id = session["sessionId"].as_str().unwrap().to_owned();
        browser.session = format!("{}/session/{id}", browser.session);
        browser
    }

    fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Value> {
        let url = format!("{}{path}", self.session);
        let answer = match (method, body) {
            ("DELETE", _) => self.agent.delete(&url).call(),
            (_, Some(body)) => self
                .agent
                .post(&url)
                .content_type("application/json")
                .send(body.to_string()),
            _ => self.agent.get(&url).call(),
        };
        let mut answer = answer.ok()?;
        let text = answer
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_string();
        let value: Value = serde_json::from_str(&text.ok()?).ok()?;
        Some(value["value"].clone())
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let value = self.try_call(method, path, Some(body));
        let value = value.unwrap_or_else(|| panic!("{method} {path}: no answer"));
        assert!(value["error"].is_null(), "{method} {path}: {value:#}");
        value
    }

    pub(crate) fn open(&self, url: &str) {
        self.call("POST", "/url", &json!({ "url": url }));
    }

    /// What a script returns.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        self.call(
            "POST",
            "/execute/sync",
            &json!({ "script": script, "args": [] }),
        )
    }

    /// The text of an element.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({selector:?}).textContent");
        self.run(&script).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a script returns true.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, script: &str) {
        let came = crate::support::wait(|| self.run(script) == true);
        assert!(came, "{what} never came: {}", self.text("main"));
    }

    /// Types into a search field, as if in place of what is there.
    pub(crate) fn enter(&self, id: &str, text: &str) {
        self.run(&format!(
            "const f = document.getElementById({id:?}); f.value = {text:?}; \
             f.dispatchEvent(new Event('input'));"
        ));
    }

    pub(crate) fn click(&self, selector: &str) {
        self.run(&format!("document.querySelector({selector:?}).click()"));
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.call("POST", "/goog/cdp/execute", &body)
    }

    /// A window of that size, in light or dark.
    pub(crate) fn look(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        self.devtools("Emulation.setScrollbarsHidden", &json!({ "hidden": true }));
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        let media = json!({ "features": features });
        self.devtools("Emulation.setEmulatedMedia", &media);
    }

    /// The whole page as a picture.
    pub(crate) fn picture(&self, file: &Path) {
        let whole = json!({ "captureBeyondViewport": true });
        let shot = self.devtools("Page.captureScreenshot", &whole);
        let data = shot["data"].as_str().unwrap();
        let data = base64::engine::general_purpose::STANDARD.decode(data);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, data.unwrap()).unwrap();
    }

    /// What the accessibility tree says of an element: role and name.
    pub(crate) fn accessible(&self) -> Vec<(String, String)> {
        let tree = self.devtools("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().unwrap();
        let text = |node: &Value, key: &str| {
            let value = node[key]["value"].as_str();
            value.unwrap_or_default().to_owned()
        };
        let seen = nodes.iter().filter(|node| node["ignored"] != true);
        seen.map(|node| (text(node, "role"), text(node, "name")))
            .collect()
    }

    /// Complaints in the console since the last call: errors, and breaches of the policy.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.call("POST", "/se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().unwrap();
        let bad = |e: &&Value| e["level"] == "SEVERE" || e["level"] == "WARNING";
        entries
            .iter()
            .filter(bad)
            .map(|e| e["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.try_call("DELETE", "", None);
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
