//! Counters and measures, for Prometheus. No label ever holds a name or an id: the number of
//! series is bounded.

use super::DaemonInfo;
use super::gauges::{Label, PREFIX, Real, gauges, real};
use crate::pool::{
    Action, BackoffCause, CloudErrorKind, DeleteReason, Event, Measure, Moment, MoveReason,
    ProbeFailure, Quota, Snapshot,
};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

type Histograms = Family<[Label; 1], Histogram, fn() -> Histogram>;
type Requests = Family<[(&'static str, Cow<'static, str>); 3], Counter>;

/// Errors of the loop itself, beside those of the cloud.
const ERRORS_OF_THE_LOOP: [&str; 2] = ["broken-promise", "list-incomplete"];

/// What has been counted and measured since the start.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    steps: Histograms,
    errors: Family<[Label; 1], Counter>,
    created: Counter,
    create_failures: Family<[Label; 1], Counter>,
    foreign: Counter,
    deleted: Family<[Label; 1], Counter>,
    mass_terminations: Counter,
    probes: Histogram,
    probe_failures: Family<[Label; 1], Counter>,
    ready: Histogram,
    lifetime: Histogram,
    moves: Family<[Label; 1], Counter>,
    failover: Histogram,
    requests: Requests,
    request_times: Histograms,
    quota_limit: Family<[Label; 1], Real>,
    quota_used: Family<[Label; 1], Real>,
}

fn short_times() -> Histogram {
    Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    ])
}

fn probe_times() -> Histogram {
    Histogram::new([
        0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0,
    ])
}

fn waits() -> Histogram {
    Histogram::new([
        10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0,
    ])
}

fn lives() -> Histogram {
    Histogram::new([
        60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 86_400.0, 604_800.0,
    ])
}

fn outages() -> Histogram {
    Histogram::new([0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0])
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix(PREFIX),
            steps: Family::new_with_constructor(short_times),
            errors: Family::default(),
            created: Counter::default(),
            create_failures: Family::default(),
            foreign: Counter::default(),
            deleted: Family::default(),
            mass_terminations: Counter::default(),
            probes: probe_times(),
            probe_failures: Family::default(),
            ready: waits(),
            lifetime: lives(),
            moves: Family::default(),
            failover: outages(),
            requests: Family::default(),
            request_times: Family::new_with_constructor(short_times),
            quota_limit: Family::default(),
            quota_used: Family::default(),
        };
        metrics.register();
        metrics.start_at_zero();
        metrics
    }
}

impl Metrics {
    /// What a number stands for, in the words of its `# HELP`.
    fn register(&mut self) {
        let r = &mut self.registry;
        let mut counter = |name, help, family: &Family<_, Counter>| {
            r.register(name, help, family.clone());
        };
        counter("errors", "What failed, by kind", &self.errors);
        counter(
            "create_failures",
            "Creations that came to nothing, by reason",
            &self.create_failures,
        );
        counter("deleted", "Accepted deletions, by reason", &self.deleted);
        counter(
            "probe_failures",
            "Failed probes, by reason",
            &self.probe_failures,
        );
        counter(
            "external_address_moves",
            "Moved external addresses, by reason",
            &self.moves,
        );
        let help = "Servers that were asked for and accepted";
        r.register("created", help, self.created.clone());
        let help = "Servers of the pool that were created since the start, and not by this daemon";
        r.register("foreign_creations", help, self.foreign.clone());
        let help = "Times that most of the replicas reported termination at once";
        r.register("mass_terminations", help, self.mass_terminations.clone());
        let help = "Requests to the cloud, by service, method and status";
        r.register("api_requests", help, self.requests.clone());
        let mut times = |name, help, family: &Histograms| r.register(name, help, family.clone());
        times(
            "cycle_duration_seconds",
            "How long the steps of a cycle took",
            &self.steps,
        );
        times(
            "api_request_duration_seconds",
            "How long requests to the cloud took",
            &self.request_times,
        );
        let mut times = |name, help, histogram: &Histogram| {
            r.register(name, help, histogram.clone());
        };
        times(
            "probe_duration_seconds",
            "How long probes of replicas took",
            &self.probes,
        );
        times(
            "replica_ready_seconds",
            "From a replica's creation to its first answer as serving",
            &self.ready,
        );
        times(
            "replica_lifetime_seconds",
            "Age of replicas when they were gone",
            &self.lifetime,
        );
        times(
            "external_address_failover_seconds",
            "From the verdict that a holder is unreachable to the move of its external address",
            &self.failover,
        );
        let mut quota = |name, help, family: &Family<_, Real>| {
            r.register(name, help, family.clone());
        };
        quota(
            "quota_limit",
            "What the cloud allows the project (RAM in MiB)",
            &self.quota_limit,
        );
        quota(
            "quota_used",
            "What the project uses of it (RAM in MiB)",
            &self.quota_used,
        );
    }

    /// A rate needs a first value, also of what has never happened.
    fn start_at_zero(&self) {
        for kind in CloudErrorKind::NAMES.into_iter().chain(ERRORS_OF_THE_LOOP) {
            self.errors.get_or_create(&[("kind", kind)]).inc_by(0);
        }
        let families = [
            (&self.probe_failures, ProbeFailure::NAMES.as_slice()),
            (&self.create_failures, BackoffCause::NAMES.as_slice()),
            (&self.deleted, DeleteReason::NAMES.as_slice()),
            (&self.moves, MoveReason::NAMES.as_slice()),
        ];
        for (family, names) in families {
            for name in names {
                reason(family, name, 0);
            }
        }
    }

    /// Counts what happened.
    pub fn happened(&self, event: &Event) {
        if let Some(failure) = event.failure() {
            self.errors.get_or_create(&[("kind", failure.kind)]).inc();
        }
        match event {
            Event::Acted {
                action,
                outage,
                result: Ok(()),
                ..
            } => match action {
                Action::Create { count } => {
                    self.created.inc_by(count.get());
                }
                Action::Delete { reason: why, .. } => reason(&self.deleted, why.name(), 1),
                Action::MoveAddress { reason: why, .. } => {
                    reason(&self.moves, why.name(), 1);
                    if let Some(outage) = outage {
                        self.failover.observe(outage.as_secs_f64());
                    }
                }
            },
            Event::Gone { age, .. } => self.lifetime.observe(age.as_secs_f64()),
            Event::Foreign { count, .. } => {
                self.foreign.inc_by(*count);
            }
            Event::MassTermination { .. } => {
                self.mass_terminations.inc();
            }
            _ => {}
        }
    }

    /// Takes in what was measured.
    pub fn measured(&self, measure: &Measure) {
        match measure {
            Measure::Step(step, took) => {
                let times = self.steps.get_or_create(&[("step", step.name())]);
                times.observe(took.as_secs_f64());
            }
            Measure::Probe(took, failure) => {
                self.probes.observe(took.as_secs_f64());
                if let Some(kind) = failure {
                    reason(&self.probe_failures, kind, 1);
                }
            }
            Measure::CameUp(after) => self.ready.observe(after.as_secs_f64()),
            Measure::CreationFailed(cause) => reason(&self.create_failures, cause.name(), 1),
            Measure::Quota(quota) => self.note_quota(*quota),
        }
    }

    fn note_quota(&self, quota: Quota) {
        let of = [
            ("instances", quota.instances),
            ("cores", quota.cores),
            ("ram", quota.ram_mib),
        ];
        for (resource, (limit, used)) in of {
            let label = [("resource", resource)];
            if let Some(used) = used {
                self.quota_used.get_or_create(&label).set(real(used));
                let limit = limit.map_or(f64::INFINITY, real);
                self.quota_limit.get_or_create(&label).set(limit);
            }
        }
    }

    /// Counts a request to the cloud; no status: there was no answer.
    pub fn api_request(
        &self,
        service: &'static str,
        method: &'static str,
        status: Option<u16>,
        took: Duration,
    ) {
        let code = match status {
            Some(status @ 100..=599) => Cow::Owned(status.to_string()),
            Some(_) => "other".into(),
            None => "none".into(),
        };
        let labels = [
            ("service", service.into()),
            ("method", method.into()),
            ("code", code),
        ];
        self.requests.get_or_create(&labels).inc();
        let times = self.request_times.get_or_create(&[("service", service)]);
        times.observe(took.as_secs_f64());
    }

    /// All of it and the pool as it is now, as OpenMetrics text.
    pub(super) fn open_metrics(
        &self,
        snapshot: &Snapshot,
        facts: &DaemonInfo,
        loop_turns: bool,
        now: Moment,
    ) -> String {
        let mut text = String::with_capacity(16 * 1024);
        let gauges = gauges(snapshot, facts, loop_turns, now);
        let written = encode_registry(&mut text, &gauges)
            .and_then(|()| encode_registry(&mut text, &self.registry))
            .and_then(|()| encode_eof(&mut text));
        if let Err(fmt::Error) = written {
            log::error!("the metrics cannot be written");
        }
        text
    }
}

/// The same in Prometheus' older text format: there a counter's family has the name of its
/// samples, and there are neither units nor an end.
pub(super) fn as_prometheus_text(open_metrics: &str) -> String {
    let is_counter = |family: &str| open_metrics.contains(&format!("# TYPE {family} counter\n"));
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what @ ("HELP" | "TYPE")), Some(family), Some(rest)) => {
                let end = if is_counter(family) { "_total" } else { "" };
                text.push_str(&format!("# {what} {family}{end} {rest}\n"));
            }
            (Some("#"), ..) => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

fn reason(family: &Family<[Label; 1], Counter>, name: &'static str, by: u64) {
    family.get_or_create(&[("reason", name)]).inc_by(by);
}
