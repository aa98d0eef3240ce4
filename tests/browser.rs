//! The page in a real browser, in front of the real daemon and the mock cloud.
//!
//! Wants Debian's chromium and chromium-driver, so these tests are run by `make test-browser` only.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "helpers of tests fail as tests do"
)]

#[path = "browser/driver.rs"]
mod driver;
#[path = "browser/gallery.rs"]
mod gallery;
#[path = "browser/keeping.rs"]
mod keeping;
mod support;
#[path = "browser/unlisted.rs"]
mod unlisted;

use driver::Browser;
use gallery::Day;
use serde_json::{Value, json};
use simplescalevm_mock::{Behaviour, Mode};
use std::path::Path;
use support::{Daemon, quick_cloud};

fn page(daemon: &Daemon) -> String {
    format!("http://127.0.0.1:{}/", daemon.port)
}

#[track_caller]
fn assert_quiet(browser: &Browser) {
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

fn cells(browser: &Browser, column: &str) -> Vec<String> {
    let script = format!(
        "return [...document.querySelectorAll('#rows td.c-{column}')].map((c) => c.textContent)"
    );
    serde_json::from_value(browser.run(&script)).unwrap()
}

#[test]
#[ignore = "wants chromium: make test-browser"]
fn the_values_are_those_of_the_pool_and_stay_so() {
    let cloud = quick_cloud(|c| c.floating_ips = 2);
    let more = [
        ("EXTERNAL_ADDRESS_MANAGEMENT", "true"),
        ("OPENSTACK_NETWORK", "internal"),
        ("REPLICA_API_TIMEOUT", "0.3"),
    ];
    let daemon = Daemon::start(&cloud, &more);
    daemon.wait_for_available(3);
    let browser = Browser::start();
    browser.open(&page(&daemon));
    browser.wait(
        "health",
        "return document.getElementById('verdict').textContent === 'All is well'",
    );
    assert_eq!(browser.text("#f-ready"), "3");
    assert_eq!(browser.text("#f-floor"), "3");
    assert_eq!(browser.text("#pool"), "scaled");
    browser.wait(
        "three rows",
        "return document.querySelectorAll('#rows tr').length === 3",
    );
    browser.wait(
        "both addresses",
        "return document.getElementById('addresses-count').textContent === '2 of 2 on a replica'",
    );
    let status = daemon.status();
    for replica in status["replicas"].as_array().unwrap() {
        let row = format!(
            "return [...document.querySelectorAll('#rows tr')].map((r) => r.textContent)\
             .find((t) => t.includes({}))",
            replica["id"]
        );
        let row = browser.run(&row);
        let row = row.as_str().unwrap_or_default();
        for part in [&replica["name"], &replica["address"], &replica["state"]] {
            assert!(row.contains(part.as_str().unwrap()), "{row}: {part}");
        }
    }
    browser.wait(
        "the chart",
        "return document.querySelector('#plot path.line') !== null \
         && /ready; never below|below the floor/.test(document.getElementById('chart-summary').textContent)",
    );
    assert!(
        browser.text("#settings").contains("OS_PASSWORD***"),
        "{}",
        browser.text("#settings")
    );
    assert!(!browser.text("body").contains("p@ss"));
    // It lives: one replica falls silent, another is done.
    cloud
        .set_behaviour("server-2", &Behaviour::of(Mode::Silent))
        .unwrap();
    browser.wait(
        "an unreachable one",
        "return document.querySelector('#rows').textContent.includes('unreachable')",
    );
    cloud.set_capacity("server-3", 0).unwrap();
    browser.wait(
        "a full one",
        "return document.querySelector('#rows').textContent.includes('full for ')",
    );
    cloud.set_termination("server-1", true).unwrap();
    browser.wait(
        "the deletion in the log",
        "return document.getElementById('log').textContent.includes('Delete server-1')",
    );
    daemon.wait_for_status("it to be gone", |s| {
        s["replicas"]
            .as_array()
            .is_some_and(|r| r.iter().all(|r| r["state"] != "leaving"))
    });
    let gone = browser.text("#log");
    assert!(gone.contains("it reported termination=true"), "{gone}");
    // Why was it deleted? By its id, when it is gone.
    let event = daemon.get("/events").unwrap();
    let event = event["events"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["event"] == "delete")
        .cloned();
    let id = event.unwrap()["replica"].as_str().unwrap().to_owned();
    browser.enter("find-event", &id);
    browser.wait(
        "its story",
        "const t = document.getElementById('log').textContent; return t.includes('deleted, termination') || t.includes('(termination: it says')",
    );
    assert_quiet(&browser);
    // The daemon goes away, and the page says so.
    daemon.signal("KILL");
    browser.wait(
        "the loss",
        "return document.getElementById('verdict').textContent === 'The daemon does not answer'",
    );
    browser.wait(
        "a next try",
        "return /No answer.*next try/.test(document.getElementById('live-text').textContent)",
    );
}

#[test]
#[ignore = "wants chromium: make test-browser"]
fn a_thousand_replicas_are_sorted_and_found() {
    let cloud = quick_cloud(|_| {});
    let pool = json!({
        "count": 1000, "name": "gw", "metadata": { "group": "scaled" }, "booted": true,
    });
    cloud.add_servers(&pool).unwrap();
    cloud
        .set_behaviour("gw-700", &Behaviour::of(Mode::Refuse))
        .unwrap();
    cloud.set_capacity("gw-42", 0).unwrap();
    let more = [
        ("REPLICA_API_TIMEOUT", "5"),
        ("PROBE_INTERVAL", "2"),
        ("SCALING_INTERVAL", "5"),
    ];
    let daemon = Daemon::start(&cloud, &more);
    daemon.wait_for_status("all known", |s| s["summary"]["by_state"]["serving"] == 999);
    let browser = Browser::start();
    browser.open(&page(&daemon));
    browser.wait(
        "rows",
        "return document.querySelectorAll('#rows tr').length === 100",
    );
    assert_eq!(browser.text("#f-replicas"), "1000");
    browser.wait(
        "the sick one first",
        "return document.querySelector('#rows tr').textContent.includes('gw-700')",
    );
    browser.enter("find", "gw-99");
    browser.wait(
        "eleven found",
        "return document.getElementById('shown').textContent === '11 of 1000'",
    );
    assert_eq!(cells(&browser, "name").len(), 11);
    browser.enter("find", "");
    browser.click("#states button[data-state=unreachable], #states button[data-state=starting]");
    browser.wait(
        "one by state",
        "return document.getElementById('shown').textContent === '1 of 1000'",
    );
    browser.click("#states button[aria-pressed=true]");
    browser.click("th[data-name=free] button");
    browser.wait(
        "the full one first",
        "return document.querySelector('th[data-name=free]').getAttribute('aria-sort') === 'ascending' \
         && [...document.querySelectorAll('#rows tr')].slice(0, 2).some((r) => r.textContent.includes('gw-42'))",
    );
    browser.click("th[data-name=name] button");
    browser.click("th[data-name=name] button");
    browser.wait(
        "by name, backwards",
        "return document.querySelector('#rows tr').textContent.includes('gw-999')",
    );
    browser.click("#more-all");
    browser.wait(
        "all of them",
        "return document.querySelectorAll('#rows tr').length === 1000",
    );
    // A row that stays is the same element, and an update takes no time to speak of.
    browser.run("document.querySelector('#rows tr').dataset.mark = 'kept'");
    let slow = browser.run("const a = performance.now(); showReplicas(); document.body.offsetHeight; return performance.now() - a");
    assert!(slow.as_f64().unwrap() < 500.0, "{slow} ms");
    println!("an update of 1,000 rows takes {slow} ms");
    cloud.set_capacity("gw-999", 0).unwrap();
    browser.wait(
        "the change in place",
        "const r = document.querySelector('#rows tr'); return r.dataset.mark === 'kept' && r.querySelector('.c-free').textContent.startsWith('0')",
    );
    assert_quiet(&browser);
}

const ATTACKS: [&str; 6] = [
    "<script>window.hit=1</script>",
    "<img src=x onerror=\"window.hit=1\">",
    "\"><svg onload=window.hit=1>",
    "javascript:window.hit=1",
    "</td></tr></table><iframe srcdoc='<script>top.hit=1</script>'>",
    "\u{202e}gnp.<b>x</b>\n{{constructor.constructor('window.hit=1')()}}",
];

#[test]
#[ignore = "wants chromium: make test-browser"]
fn foreign_text_stays_text() {
    let cloud = quick_cloud(|_| {});
    for attack in ATTACKS {
        let server = json!({ "name": attack, "metadata": { "group": "scaled" }, "booted": true });
        cloud.add_servers(&server).unwrap();
    }
    let servers = cloud.servers();
    for (server, attack) in servers.iter().zip(ATTACKS) {
        let body = json!({ "capacity": attack, "termination": false }).to_string();
        let behaviour = Behaviour {
            body: Some(body),
            ..Behaviour::default()
        };
        cloud
            .set_behaviour(server["id"].as_str().unwrap(), &behaviour)
            .unwrap();
    }
    let fault =
        json!({ "vm_state": "error", "fault": "<img src=x onerror=window.hit=1>", "locked": true });
    let last = servers.last().unwrap()["id"].as_str().unwrap();
    cloud
        .control("PUT", &format!("servers/{last}"), &fault)
        .unwrap();
    let more = [
        ("REPLICA_STARTUP_GRACE", "0"),
        ("REPLICA_STARTUP_TIMEOUT", "0"),
    ];
    let daemon = Daemon::start(&cloud, &more);
    daemon.wait_for_status("bad answers", |s| {
        let replicas = s["replicas"].as_array().map_or(&[][..], Vec::as_slice);
        replicas
            .iter()
            .filter(|r| r["last_failure_kind"] == "bad-value")
            .count()
            >= 5
    });
    let browser = Browser::start();
    browser.open(&page(&daemon));
    browser.wait(
        "the names",
        "return document.querySelector('#rows').textContent.includes('<script>window.hit=1')",
    );
    browser.click("input[name=kind][value=all]");
    browser.enter("find-event", "hit");
    browser.wait(
        "the log",
        "return document.querySelectorAll('#log li').length > 3",
    );
    assert_eq!(browser.run("return window.hit || document.querySelectorAll('iframe, img, #rows script, #log script, #rows b').length"), 0);
    assert_eq!(browser.run("return document.scripts.length"), 1);
    let turned = browser.run("return document.body.textContent.includes('\\u202e')");
    assert_eq!(turned, false, "nothing turns the line around");
    assert_quiet(&browser);
    // What is not of the page is stopped by the policy, however it got in.
    browser.run(
        "const s = document.createElement('script'); s.textContent = 'window.hit = 1'; document.body.append(s); \
         const i = document.createElement('img'); i.src = 'http://127.0.0.1:9/x'; document.body.append(i); \
         document.body.insertAdjacentHTML('beforeend', '<b onclick=\"window.hit=1\" id=bait>x</b>'); document.getElementById('bait').click();",
    );
    assert_eq!(browser.run("return window.hit || 0"), 0);
    let complaints = browser.complaints();
    let stopped = complaints
        .iter()
        .filter(|c| c.contains("Content Security Policy"))
        .count();
    assert!(stopped >= 3, "{complaints:#?}");
}

#[test]
#[ignore = "wants chromium: make test-browser"]
fn programs_get_json_and_browsers_the_page() {
    let cloud = quick_cloud(|_| {});
    let daemon = Daemon::start(&cloud, &[]);
    daemon.wait_for_available(3);
    let get = |accept: Option<&str>| {
        let mut request = ureq::get(page(&daemon));
        if let Some(accept) = accept {
            request = request.header("Accept", accept);
        }
        let mut answer = request.call().unwrap();
        let header = |name: &str| {
            let value = answer.headers().get(name);
            value.map_or(String::new(), |v| v.to_str().unwrap().to_owned())
        };
        let (kind, vary, policy) = (
            header("Content-Type"),
            header("Vary"),
            header("Content-Security-Policy"),
        );
        assert_eq!(vary, "Accept");
        (kind, policy, answer.body_mut().read_to_string().unwrap())
    };
    for accept in [None, Some("*/*"), Some("application/json")] {
        let (kind, policy, body) = get(accept);
        assert_eq!(
            (kind.as_str(), policy.as_str()),
            ("application/json", ""),
            "{accept:?}"
        );
        let summary: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(summary["available"], 3);
    }
    let (kind, policy, body) = get(Some("text/html,application/xhtml+xml,*/*;q=0.8"));
    assert_eq!(kind, "text/html; charset=utf-8");
    assert!(body.starts_with("<!doctype html>"));
    for part in [
        "default-src 'none'",
        "script-src 'sha256-",
        "style-src 'sha256-",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[test]
#[ignore = "wants chromium: make test-browser"]
fn it_can_be_used_without_a_mouse_or_eyes() {
    let server = gallery::serve(Day::Bad);
    let browser = Browser::start();
    browser.open(&format!("http://{}/", server.local_addr()));
    browser.wait(
        "rows",
        "return document.querySelectorAll('#rows tr').length > 5",
    );
    browser.wait(
        "the chart",
        "return document.querySelector('#plot path.line') !== null",
    );
    let check = || {
        let seen = browser.accessible();
        let has = |role: &str, name: &str| seen.iter().any(|(r, n)| r == role && n.contains(name));
        for (role, name) in [
            ("main", ""),
            ("banner", ""),
            ("contentinfo", ""),
            ("status", ""),
            ("table", "Replicas"),
            ("columnheader", "State"),
            ("cell", "gateway-1"),
            ("row", ""),
            ("slider", "Moment"),
            ("searchbox", "Find replicas"),
            ("heading", "Replicas"),
            ("region", "What it did"),
        ] {
            assert!(has(role, name), "{role} {name:?}: {seen:#?}");
        }
        for (role, name) in &seen {
            let wants_a_name = [
                "button",
                "link",
                "searchbox",
                "radio",
                "combobox",
                "slider",
                "region",
                "heading",
            ];
            assert!(
                !wants_a_name.contains(&role.as_str()) || !name.is_empty(),
                "a {role} without a name"
            );
        }
    };
    browser.look(1280, 900, "light");
    check();
    browser.look(360, 740, "dark");
    check();
    let wide = browser.run("return document.documentElement.scrollWidth");
    assert!(wide.as_u64().unwrap() <= 360, "{wide} px wide");
    // The chart is read with the keys of the arrows.
    browser.run("const c = document.getElementById('chart'); c.focus(); c.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft' }));");
    let told =
        browser.run("return document.getElementById('chart').getAttribute('aria-valuetext')");
    assert!(
        told.as_str().unwrap().contains("on the way, floor 12"),
        "{told}"
    );
    let ids = browser.run("const ids = [...document.querySelectorAll('[id]')].map((e) => e.id); return ids.length === new Set(ids).size");
    assert_eq!(ids, true, "an id is there twice");
    for scheme in ["light", "dark"] {
        browser.look(1280, 900, scheme);
        let poor = browser.run(include_str!("browser/contrast.js"));
        assert_eq!(poor, json!([]), "{scheme}");
    }
    // The check itself sees what is too pale.
    browser.run("document.getElementById('verdict-more').style.color = '#999'");
    browser.look(1280, 900, "light");
    let poor = browser.run(include_str!("browser/contrast.js"));
    assert_eq!(poor.as_array().map(Vec::len), Some(1), "{poor}");
    // A page that nobody sees asks for nothing.
    browser.run(
        "window.asked = 0; const real = fetch; window.fetch = (...a) => { asked += 1; return real(...a); }; \
         Object.defineProperty(document, 'hidden', { configurable: true, get: () => window.away });",
    );
    let asked = || browser.run("return asked").as_u64().unwrap();
    browser.wait("it asks", "return asked > 1");
    browser.run("window.away = true");
    browser.wait("the last answer", "return !ask.busy");
    let before = asked();
    std::thread::park_timeout(std::time::Duration::from_secs(5));
    assert_eq!(asked(), before);
    browser.run("window.away = false; document.dispatchEvent(new Event('visibilitychange'))");
    browser.wait("it asks again", &format!("return asked > {before}"));
    assert_quiet(&browser);
}

/// No green tick while callers find less than they should, whatever is on its way.
#[test]
#[ignore = "wants chromium: make test-browser"]
fn the_headline_is_what_the_daemon_judges() {
    let browser = Browser::start();
    let check = |day, level: &str, parts: &[&str]| {
        let server = gallery::serve(day);
        let url = format!("http://{}/", server.local_addr());
        browser.open(&url);
        browser.wait("the verdict", "return status !== null");
        let shown = browser.run("return document.getElementById('health').dataset.level");
        assert_eq!(shown, level, "{day:?}");
        let sign = match level {
            "ok" => "✓",
            "warn" => "!",
            _ => "✕",
        };
        let title = browser.run("return document.title");
        assert!(
            title.as_str().unwrap().starts_with(sign),
            "{day:?}: {title}"
        );
        let health = browser.text("#health");
        for part in parts {
            assert!(
                health.contains(part),
                "{day:?}: {part:?} is not in {health}"
            );
        }
        // It is the same for programs.
        let mut answer = ureq::get(&url).call().unwrap();
        let summary = answer.body_mut().read_to_string().unwrap();
        let summary: Value = serde_json::from_str(&summary).unwrap();
        let expected = match level {
            "ok" => "ok",
            "warn" => "warning",
            _ => "critical",
        };
        assert_eq!(summary["severity"], expected, "{day:?}");
        browser.open("about:blank");
    };
    check(Day::Quiet, "ok", &["All is well"]);
    check(
        Day::Outage,
        "bad",
        &[
            "9 of 12 replicas do not answer or have failed",
            "Only 9 resources are ready; the floor is 30",
            "24 more are on the way",
        ],
    );
    check(
        Day::Unlisted,
        "bad",
        &["The cloud cannot be listed (6 failures in a row)"],
    );
    check(
        Day::Bad,
        "bad",
        &["missing and not created yet", "quota is used up"],
    );
    assert_quiet(&browser);
}

/// Pictures for people: `BROWSER_PICTURES=DIR` is where they go.
#[test]
#[ignore = "wants chromium: make test-browser"]
#[expect(
    clippy::disallowed_methods,
    reason = "a switch of the tests, not a setting"
)]
fn pictures() {
    let Some(into) = std::env::var_os("BROWSER_PICTURES") else {
        return;
    };
    let browser = Browser::start();
    for day in [Day::Quiet, Day::Bad, Day::Large, Day::Outage, Day::Unlisted] {
        let server = gallery::serve(day);
        for (width, height) in [(1280, 900), (360, 740)] {
            for scheme in ["light", "dark"] {
                browser.look(width, height, scheme);
                browser.open(&format!("http://{}/", server.local_addr()));
                browser.wait(
                    "rows",
                    "return document.querySelectorAll('#rows tr').length > 5",
                );
                browser.wait(
                    "the chart",
                    "return document.querySelector('#plot path.line') !== null",
                );
                if day == Day::Quiet {
                    browser.run(
                        "const b = document.getElementById('chart').getBoundingClientRect(); \
                         document.getElementById('chart').dispatchEvent(new PointerEvent('pointermove', \
                         { clientX: b.left + b.width * 0.6 }));",
                    );
                }
                let file = format!("{day:?}-{width}-{scheme}.png").to_lowercase();
                browser.picture(&Path::new(&into).join(file));
                browser.open("about:blank");
            }
        }
    }
    assert_quiet(&browser);
    let server = gallery::serve(Day::Quiet);
    browser.look(1280, 900, "light");
    browser.open(&format!("http://{}/", server.local_addr()));
    browser.wait(
        "rows",
        "return document.querySelectorAll('#rows tr').length > 5",
    );
    server.stop();
    let lost = "return document.getElementById('verdict').textContent.includes('does not answer')";
    browser.wait("the loss", lost);
    browser.picture(&Path::new(&into).join("lost.png"));
}
