//! What stays while the page is shown anew every few seconds.

use crate::assert_quiet;
use crate::driver::Browser;
use crate::gallery::{self, Day};
use serde_json::{Value, json};
use simplescalevm::status::StatusServer;

/// A page whose answers the test makes up: it asks nothing by itself any more.
fn still(day: Day) -> (StatusServer, Browser) {
    let server = gallery::serve(day);
    let browser = Browser::start();
    browser.look(1280, 900, "light");
    browser.open(&format!("http://{}/", server.local_addr()));
    browser.wait(
        "the chart",
        "return status !== null && !ask.busy && document.querySelector('#plot path.line') !== null",
    );
    // A daemon that has seen `window.seen` events, of which `/status` has the newest 100.
    browser.run(
        "clearTimeout(ask.timer); ask.busy = true; window.seen = 0; window.asked = 0; \
         const log = (most) => Array.from({ length: Math.min(most, seen) }, (_, i) => ({ ...status.events[0], \
           number: seen - i, event: 'delete', text: `delete gw-${seen - i}.`, error: null, times: 1 })); \
         window.first = { ...status }; \
         window.fetched = async (path) => { \
           if (path === 'events') { asked += 1; return { events: log(1000) }; } \
           return { ...first, events: log(100) }; }; \
         window.step = async (count) => { seen = count; ask.busy = false; await poll(); clearTimeout(ask.timer); ask.busy = true; };",
    );
    (server, browser)
}

fn numbers(browser: &Browser) -> Vec<u64> {
    let all = browser.run("return events.all.map((e) => e.number)");
    serde_json::from_value(all).unwrap()
}

#[test]
#[ignore = "wants chromium: make test-browser"]
fn the_log_has_no_gap_after_a_search() {
    let (_server, browser) = still(Day::Quiet);
    let steps = |seen: u64, asked: u64| {
        browser.run(&format!("step({seen})"));
        let script = format!(
            "return asked === {asked} && events.all !== null && events.all[0].number === {seen}"
        );
        browser.wait(&format!("{seen} events, {asked} requests"), &script);
        let expected: Vec<u64> = (1..=seen).rev().collect();
        assert_eq!(numbers(&browser), expected);
    };
    browser.run("step(150)");
    browser.enter("find-event", "gw-20.");
    browser.wait(
        "all of them",
        "return document.querySelectorAll('#log li').length === 1",
    );
    // Those that join are added; only a gap is a reason to ask again.
    steps(250, 1);
    steps(450, 2);
    browser.enter("find-event", "gw-300.");
    browser.wait(
        "the one in what was the gap",
        "return document.getElementById('log').textContent.includes('gw-300.')",
    );
    // A daemon that began anew, even while nobody looked: its events are others.
    browser.run("first.uptime_seconds -= 1");
    steps(20, 3);
    browser.run("ask.answered -= 600000");
    steps(320, 4);
    // What is kept has an end.
    for seen in (400..2_500).step_by(100) {
        browser.run(&format!("return step({seen})"));
    }
    assert_eq!(numbers(&browser).len(), 2_000);
    assert_quiet(&browser);
}

#[test]
#[ignore = "wants chromium: make test-browser"]
fn a_screen_reader_is_told_what_changes_and_keeps_its_place() {
    let (_server, browser) = still(Day::Bad);
    // What is spoken holds no time that runs on.
    let spoken = |ago: u64| {
        browser.run(&format!(
            "status.last_list_seconds_ago = {ago}; status.severity = 'critical'; status.severity_reasons = \
             [{{ reason: 'list-too-old', severity: 'critical', seconds: {ago}, text: 'The last list of the cloud is too old', advice: 'It hangs.' }}]; \
             showHealth(); return document.querySelector('.verdict [role=status]').textContent"
        ))
    };
    let first = spoken(200);
    assert!(
        first
            .as_str()
            .unwrap()
            .contains("list of the cloud is too old"),
        "{first}"
    );
    assert_eq!(spoken(202), first);
    // States come and go beside the chip that has the focus.
    let focused = browser.run(
        "const counts = status.summary.by_state; const at = () => document.activeElement.dataset.state; \
         const names = () => [...document.querySelectorAll('#states button')].map((b) => b.dataset.state); \
         document.querySelector('#states [data-state=serving]').focus(); const seen = []; \
         for (const change of [{ creating: 3, leaving: 2 }, { creating: 0, failed: 0 }, { serving: 0 }]) { \
           Object.assign(counts, change); showReplicas(); seen.push(at() === 'serving'); } \
         seen.push(names().includes('creating'), names().includes('failed'), names().includes('leaving')); return seen;",
    );
    assert_eq!(focused, json!([true, true, true, false, false, true]));
    let order = browser.run(
        "const at = [...document.querySelectorAll('#states button')].map((b) => STATES.indexOf(b.dataset.state)); \
         return at.every((n, i) => !i || at[i - 1] < n)",
    );
    assert_eq!(order, true);
    // The picked moment stays when the samples come anew.
    let place = |script: &str| -> [Value; 2] {
        let told = browser.run(&format!(
            "{script}; const c = document.getElementById('chart'); \
             return [c.getAttribute('aria-valuenow'), c.getAttribute('aria-valuetext')]"
        ));
        serde_json::from_value(told).unwrap()
    };
    let before = place(
        "const k = document.getElementById('chart'); k.focus(); for (let i = 0; i < 5; i += 1) \
         k.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft' }))",
    );
    assert_ne!(before[0], "0");
    assert_ne!(before[0], "100");
    let after = place("samples = samples.map((s) => ({ ...s })); draw()");
    assert_eq!(after, before);
    assert_quiet(&browser);
}
