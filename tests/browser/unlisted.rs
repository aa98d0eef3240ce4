//! A daemon that has not listed its cloud yet: what it does not know is no zero.

use crate::driver::Browser;
use crate::support::{Daemon, quick_cloud};
use crate::{assert_quiet, page};
use serde_json::json;

#[test]
#[ignore = "wants chromium: make test-browser"]
fn what_is_not_known_is_not_shown_as_nothing() {
    let cloud = quick_cloud(|_| {});
    cloud
        .add_fault(&json!({ "service": "keystone", "status": 503 }))
        .unwrap();
    let daemon = Daemon::start(&cloud, &[]);
    let browser = Browser::start();
    browser.open(&page(&daemon));
    browser.wait(
        "the cause",
        "return document.getElementById('verdict').textContent.startsWith('The cloud cannot be listed')",
    );
    for (id, text) in [
        ("#f-ready", "–"),
        ("#f-coming", "resources"),
        ("#f-floor", "3"),
        ("#f-missing", ""),
        ("#f-replicas", "–"),
        ("#f-list", "never"),
        ("#no-rows", "Nothing is known yet."),
        ("#chart-summary", "The chart fills while the daemon runs."),
    ] {
        assert_eq!(browser.text(id), text, "{id}");
    }
    let title = browser.run("return document.title");
    assert!(title.as_str().unwrap().contains(" –/3 scaled"), "{title}");
    let low = browser.run("return document.getElementById('f-ready').classList.contains('low')");
    assert_eq!(low, false);
    assert_quiet(&browser);
    // A filter by state stays while another daemon begins anew.
    browser.run("view.states.add('serving'); showReplicas()");
    assert_eq!(browser.text("#states button b"), "–");
    cloud.clear_faults();
    browser.wait(
        "the pool",
        "return document.getElementById('f-ready').textContent === '3' && document.getElementById('f-missing').textContent === 'kept'",
    );
    assert_eq!(browser.text("#f-replicas"), "3");
    assert_eq!(browser.text("#states button b"), "3");
    assert_quiet(&browser);
}
