//! The long run: the daemon in front of the mock cloud, over real sockets, through storms of trouble drawn from a seed
//! and calm in between. `make soak` runs it for half an hour; `make test` for one storm and one calm.
//!
//! `SOAK_SECONDS`, `SOAK_SEED`, and `SOAK_DAEMON` (the program; the test build's if unset) change the run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test of real processes in real time, which fails by panicking"
)]

#[path = "soak/chaos.rs"]
mod chaos;
#[path = "soak/figures.rs"]
mod figures;
mod support;

use chaos::Chaos;
use figures::{Trend, Use};
use serde_json::{Value, json};
use simplescalevm_mock::{MockCloud, MockCloudConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use support::{Daemon, free_port, program, variables};

const FLOOR: u64 = 8;
const MAX_COUNT: u64 = 40;
const STORM: u64 = 15;
const CALM: u64 = 30;
/// What callers may just have taken, at a look: the cloud is listed for it at most once a second.
const JUST_TAKEN: u64 = 1;
/// So few looks tell little.
const FEW_LOOKS: u64 = 10;

const SETTINGS: [(&str, &str); 16] = [
    ("REPLICA_MIN_AVAILABLE_RESOURCES", "8"),
    ("REPLICA_MAX_COUNT", "40"),
    ("PROBE_INTERVAL", "0.5"),
    ("SCALING_INTERVAL", "2"),
    ("REPLICA_API_TIMEOUT", "1"),
    ("REPLICA_STARTUP_GRACE", "20"),
    ("REPLICA_STARTUP_TIMEOUT", "30"),
    ("OPENSTACK_TIMEOUT", "2"),
    ("EXTERNAL_ADDRESS_MANAGEMENT", "true"),
    ("OPENSTACK_NETWORK", "internal"),
    ("OPENSTACK_KEYPAIR", "ops"),
    ("OPENSTACK_NAME", "gateway"),
    ("PROBE_THREADS", "16"),
    ("LOG_LEVEL", "debug"),
    ("LOG_FORMAT", "json"),
    ("APP_HOST", "127.0.0.1"),
];

fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.map_or(default, |value| value.parse().unwrap())
}

/// What one calm between two storms showed.
#[derive(Debug, Default)]
struct Calm {
    /// Seconds until the floor was reached again.
    recovered_after: Option<u64>,
    /// Callers who found no slot after that.
    lost: u64,
    below_the_floor: u64,
    looks: u64,
    /// Looks at which a creation of the storm's held the next one up: a backoff, an outcome that
    /// is not known yet. What the design makes wait is no failure to keep the floor.
    waits: u64,
    /// Whether it was still so at the end.
    ended_waiting: bool,
}

struct Run {
    cloud: MockCloud,
    daemon: Daemon,
    chaos: Chaos,
    started: Instant,
    seconds: u64,
    uses: Vec<Use>,
    calms: Vec<Calm>,
    row_every: u64,
    healthy: u64,
    unhealthy: u64,
}

impl Run {
    fn start(seconds: u64, seed: u64) -> Self {
        let config = MockCloudConfig {
            build_time: Duration::from_millis(500),
            boot_time: Duration::from_millis(500),
            delete_time: Duration::from_millis(300),
            token_lifetime: Duration::from_secs(60),
            floating_ips: 3,
            call_time: 5.0,
            page_limit: 7,
            seed,
            ..MockCloudConfig::default()
        };
        let cloud = MockCloud::start(config).unwrap();
        let strangers = json!({
            "count": 3, "name": "stranger", "metadata": {"group": "other"}, "network": "internal", "booted": true,
        });
        cloud.add_servers(&strangers).unwrap();
        let address = json!({"description": "somebody else's"});
        let made = cloud.control("POST", "floatingips", &address).unwrap();
        let path = format!("floatingips/{}", made["id"].as_str().unwrap());
        let holder = json!({"server": "stranger-1"});
        cloud.control("PUT", &path, &holder).unwrap();
        let port = free_port();
        let mut variables = variables(&cloud, &SETTINGS);
        variables.push(("APP_PORT", port.to_string()));
        let daemon = Daemon::spawn(program(&[], &variables), port);
        daemon.wait_for_available(FLOOR);
        cloud.set(&json!({"callers": 0.5})).unwrap();
        Self {
            cloud,
            daemon,
            chaos: Chaos::new(seed),
            started: Instant::now(),
            seconds,
            uses: Vec::new(),
            calms: Vec::new(),
            row_every: (seconds / 40).max(5),
            healthy: 0,
            unhealthy: 0,
        }
    }

    fn elapsed(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// One second: a look at everything; every so often a row of the table.
    fn second(&mut self, weather: &str) -> Option<u64> {
        std::thread::sleep(Duration::from_secs(1));
        let used = Use::of(self.daemon.pid());
        self.uses.push(used);
        let health = self.daemon.get("/healthz");
        match health {
            Some(health) if health["status"] == 1 => self.healthy += 1,
            _ => self.unhealthy += 1,
        }
        let available = self.daemon.get("/")?["available"].as_u64();
        if (self.uses.len() as u64).is_multiple_of(self.row_every) {
            let (counters, callers) = (self.cloud.counters(), self.cloud.callers());
            println!(
                "{:>5} s  {weather:<5}  {:>6} KiB {:>3} threads {:>3} fds {:>6.1} s CPU   available {:>2}   {:>3} live  \
                 {:>4} created {:>4} deleted   {:>4} served {:>2} lost {:>2} cut   {:>4} troubles",
                self.elapsed(),
                used.rss_kib,
                used.threads,
                used.descriptors,
                Duration::from_millis(used.cpu_ms).as_secs_f64(),
                available.unwrap_or_default(),
                self.cloud.live(),
                counters["created"],
                counters["deleted"],
                callers["served"],
                callers["lost"],
                callers["cut"],
                self.chaos.count,
            );
        }
        available
    }

    fn storm(&mut self) {
        for _ in 0..STORM {
            self.chaos.strike(&self.cloud);
            self.second("storm");
        }
        Chaos::end(&self.cloud);
    }

    fn calm(&mut self) {
        let mut calm = Calm::default();
        let mut lost = 0;
        let counted = |cloud: &MockCloud| cloud.callers()["lost"].as_u64().unwrap();
        for second in 1..=CALM {
            let available = self.second("calm").unwrap_or_default();
            calm.ended_waiting = self.is_waiting();
            calm.waits += u64::from(calm.ended_waiting);
            if calm.ended_waiting {
                // Whatever was lost until now was lost for want of the creation that waits.
                lost = counted(&self.cloud);
                continue;
            }
            match calm.recovered_after {
                // What is on its way counts for the daemon, and takes no caller yet.
                None if available + JUST_TAKEN >= FLOOR && ready(&self.cloud) >= FLOOR / 2 => {
                    calm.recovered_after = Some(second);
                    lost = counted(&self.cloud);
                }
                None => {}
                Some(_) => {
                    calm.looks += 1;
                    calm.below_the_floor += u64::from(available + JUST_TAKEN < FLOOR);
                }
            }
        }
        if calm.recovered_after.is_some() {
            calm.lost = counted(&self.cloud) - lost;
        }
        self.calms.push(calm);
    }

    /// Whether the daemon says that creations have to wait.
    fn is_waiting(&self) -> bool {
        let Some(status) = self.daemon.get("/status") else {
            return false;
        };
        // Of a creation that the quota cut short, the rest is awaited for 30 s.
        let listed = status["replicas"].as_array().cloned().unwrap_or_default();
        let listed: Vec<&Value> = listed.iter().map(|r| &r["id"]).collect();
        let servers = self.cloud.servers();
        let unlisted = servers
            .iter()
            .filter(|s| s["metadata"]["group"] == "scaled" && !listed.contains(&&s["id"]))
            .count();
        if status["summary"]["awaited"].as_u64() > Some(unlisted as u64) {
            return true;
        }
        let blocked = status["plan"]["blocked"].as_array();
        let is_creation = |b: &Value| b["what"] == "create" && b["why"] != "max-count";
        status["backoff"]["until_seconds"].as_u64() > Some(0)
            || blocked.is_some_and(|all| all.iter().any(is_creation))
    }

    fn go(&mut self) {
        while self.elapsed() < self.seconds {
            self.storm();
            self.calm();
        }
    }
}

/// Slots that a caller who comes now finds.
fn ready(cloud: &MockCloud) -> u64 {
    let takes = |s: &&Value| {
        s["booted"] == true
            && s["behaviour"]["mode"] == "normal"
            && s["termination"] == false
            && s["metadata"]["group"] == "scaled"
            && s["task_state"].is_null()
    };
    let servers = cloud.servers();
    let slots = servers.iter().filter(takes).map(|s| s["capacity"].as_u64());
    slots.map(Option::unwrap_or_default).sum()
}

/// Deletions by the daemon of servers that had calls and had not failed, and touches of strangers.
fn harm(events: &[Value]) -> Vec<String> {
    let mut strangers = BTreeSet::new();
    let mut failed = BTreeSet::new();
    let mut harm = Vec::new();
    for event in events {
        let id = event["id"].as_str().unwrap_or_default();
        match event["kind"].as_str() {
            Some("created") if event["metadata"]["group"] != "scaled" => {
                strangers.insert(id);
            }
            Some("error") => {
                failed.insert(id);
            }
            Some("state") if event["vm_state"] == "stopped" => {
                failed.insert(id);
            }
            Some("deleting") if event["calls"] != 0 && !failed.contains(id) => {
                harm.push(format!("a busy replica was deleted: {event}"));
            }
            Some("deleting" | "deleted") if strangers.contains(id) => {
                harm.push(format!("a stranger was deleted: {event}"));
            }
            Some("floating-ip") => {
                let ends = [&event["from_server"], &event["to_server"]];
                // The first of them is this test's own.
                let touched = ends
                    .iter()
                    .filter_map(|end| end.as_str())
                    .any(|end| strangers.contains(end) || end.starts_with("stranger"));
                if touched && event["from_server"] != Value::Null {
                    harm.push(format!("a stranger's address was touched: {event}"));
                }
            }
            _ => {}
        }
    }
    harm
}

/// What went wrong, in sentences; also prints the figures.
fn judge(run: &Run) -> Vec<String> {
    let mut wrong = harm(&run.cloud.events());
    let column = |of: fn(&Use) -> u64| run.uses.iter().map(of).collect::<Vec<_>>();
    let trends = [
        Trend::of("RSS in KiB", &column(|u| u.rss_kib), |first| {
            first / 10 + 2048
        }),
        Trend::of("threads", &column(|u| u.threads), |_| 2),
        // One is kept per replica, and the pool breathes.
        Trend::of("descriptors", &column(|u| u.descriptors), |_| 16),
    ];
    println!("\n{:<14} first quarter  last quarter  most", "");
    for trend in trends {
        println!(
            "{:<14} {:>13} {:>13} {:>5}",
            trend.name, trend.first, trend.last, trend.most
        );
        if !trend.is_level() {
            wrong.push(format!("it grows: {trend:?}"));
        }
    }
    let cpu_ms = run.uses.last().map_or(0, |used| used.cpu_ms);
    let per_second = Duration::from_millis(cpu_ms) / u32::try_from(run.uses.len()).unwrap().max(1);
    println!("CPU            {per_second:.1?} a second");
    let mut times: Vec<u64> = Vec::new();
    for (number, calm) in run.calms.iter().enumerate() {
        match calm.recovered_after {
            Some(seconds) => times.push(seconds),
            None if calm.ended_waiting => {}
            None => wrong.push(format!("calm {number}: the floor never came back")),
        }
        if calm.lost > 0 {
            wrong.push(format!("calm {number}: callers were lost: {calm:?}"));
        }
        if calm.below_the_floor * 2 > calm.looks.max(FEW_LOOKS) {
            wrong.push(format!("calm {number}: below the floor: {calm:?}"));
        }
    }
    let looks: u64 = run.calms.iter().map(|c| c.looks).sum();
    let below: u64 = run.calms.iter().map(|c| c.below_the_floor).sum();
    let waits: u64 = run.calms.iter().map(|c| c.waits).sum();
    println!("waits          creations had to wait at {waits} looks of calms");
    times.sort_unstable();
    println!(
        "floor          back after {} s (median), {} s (worst) of {} storms; then below it in {below} of {looks} looks",
        times.get(times.len() / 2).copied().unwrap_or_default(),
        times.last().copied().unwrap_or_default(),
        run.calms.len(),
    );
    println!(
        "health         {} good, {} bad or none",
        run.healthy, run.unhealthy
    );
    if run.unhealthy > 0 {
        wrong.push(format!("unhealthy at {} looks", run.unhealthy));
    }
    let counters = run.cloud.counters();
    if counters["max_live"].as_u64() > Some(MAX_COUNT + 3) {
        wrong.push(format!("more than REPLICA_MAX_COUNT: {counters}"));
    }
    wrong
}

/// How often each kind of line stands in the log, by its first words.
fn told(log: &str) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        *count
            .entry(line["level"].as_str().unwrap_or("none").to_owned())
            .or_default() += 1;
    }
    count
}

#[test]
fn through_storms_and_calm() {
    let (seconds, seed) = (setting("SOAK_SECONDS", 40), setting("SOAK_SEED", 1));
    println!("{seconds} s, seed {seed}: storms of {STORM} s, calms of {CALM} s, floor {FLOOR}");
    let mut run = Run::start(seconds, seed);
    run.go();
    let mut wrong = judge(&run);
    let strangers = run.cloud.servers();
    let strangers = strangers
        .iter()
        .filter(|s| s["metadata"]["group"] == "other");
    if strangers.count() != 3 {
        wrong.push("a stranger is gone".to_owned());
    }
    let Run { daemon, cloud, .. } = run;
    println!("callers        {}", cloud.callers());
    daemon.signal("TERM");
    let (status, log) = daemon.end();
    println!("log lines      {:?}", told(&log));
    if status.code() != Some(0) || !log.contains("\"stopped\"") {
        wrong.push(format!("the end: {status}"));
    }
    if log.contains("panicked") {
        wrong.push("a thread panicked".to_owned());
    }
    if wrong.is_empty() {
        println!("PASS");
        return;
    }
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("soak.log");
    std::fs::write(&file, &log).unwrap();
    println!("FAIL (the daemon's log: {})", file.display());
    panic!("{wrong:#?}");
}
