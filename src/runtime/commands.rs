//! The commands that look and do nothing.

use super::output::{complain, print_json, print_words};
use super::threads::{ProbesOfPool, RealClock};
use super::{endpoint, facts, open_stack, threads};
use crate::cloud::AtOnce;
use crate::config::Settings;
use crate::logging;
use crate::pool::{Moment, Policy, ReplicaState, Snapshot, Words, state_detail, surplus_in_words};
use crate::probe::ProbePool;
use crate::scaler::{Clock, Observer, Parts, Scaler, chain};
use crate::status::status_view;
use log::LevelFilter;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Observes once and prints what would be done and why.
#[must_use]
pub fn plan(settings: &Arc<Settings>, json: bool) -> ExitCode {
    let log = settings.daemon.log.at_most(LevelFilter::Warn);
    logging::start(log, settings.pool.label());
    let code = match observe(settings) {
        Ok(snapshot) => {
            let now = snapshot.taken;
            let is_printed = if json {
                let view = status_view(&snapshot, &facts(settings), true, now);
                print_json(format!("{view:#}\n"))
            } else {
                print_words(&in_words(&snapshot))
            };
            exit_code(is_printed)
        }
        Err(error) => {
            complain(&chain(error.as_ref()));
            ExitCode::FAILURE
        }
    };
    logging::flush();
    code
}

/// What such a plan is worth: a running daemon may have heard for days from a replica that is silent now.
const ONE_LOOK: &str = "This is what a daemon that starts now would do. One that runs knows more than one look shows: \
                        see /status.\n";

/// Lists once, and probes until there is a verdict on every replica.
pub(crate) fn observe(settings: &Settings) -> Result<Snapshot, Box<dyn Error>> {
    struct Nobody;
    impl Observer for Nobody {
        fn beat(&self, _: Moment) {}
        fn publish(&self, _: Arc<Snapshot>) {}
    }
    /// How much longer than the slowest verdict is waited.
    const MARGIN: Duration = Duration::from_secs(5);
    let policy = &settings.pool.policy;
    let clock = RealClock::start();
    let cloud = open_stack(settings, |_| ())?;
    let endpoint = endpoint(settings)?;
    let probes = ProbePool::start(settings.daemon.probe_threads, &clock.shared())?;
    let mut scaler = Scaler::new(Parts {
        calls: AtOnce::new(cloud),
        probes: ProbesOfPool::new(probes, endpoint),
        clock: clock.clone(),
        observer: Nobody,
        // What would be done is asked for, and not how soon after a start.
        policy: Policy {
            settles_after_start: Duration::ZERO,
            ..policy.clone()
        },
        template: Arc::new(settings.pool.template.clone()),
        instance: threads::instance(),
        scaling_interval: settings.pool.scaling_interval,
        requests_per_second: None,
        stop: Arc::new(AtomicBool::new(false)),
    });
    scaler.observe()?;
    let round = settings.pool.endpoint.timeout + policy.probe_interval;
    let patience = round * policy.failure_threshold + MARGIN;
    let deadline = clock.now() + patience;
    loop {
        let next = scaler.pump();
        scaler.replan();
        let now = clock.now();
        if !scaler.is_undecided() || now >= deadline {
            break;
        }
        let mut select = crossbeam_channel::Select::new();
        select.recv(scaler.probes().reports());
        // Whatever wakes it, the loop looks again.
        let _ = select.ready_timeout(next.min(deadline).since(now));
    }
    let snapshot = scaler.snapshot();
    scaler.into_probes().stop();
    Ok(snapshot)
}

fn in_words(snapshot: &Snapshot) -> String {
    let words = Words::of(snapshot, snapshot.taken);
    let assessment = &snapshot.plan.assessment;
    let mut text = format!(
        "Ready resources: {}; available with what is on its way: {}; the floor is {}.\n",
        assessment.ready, assessment.available, snapshot.floor
    );
    for (replica, record) in assessment.replicas.iter().zip(&snapshot.records) {
        let detail = match replica.state {
            ReplicaState::Unreachable { .. } | ReplicaState::Failed(_) | ReplicaState::Held => {
                state_detail(replica, record)
            }
            _ => String::new(),
        };
        text.push_str(&format!(
            "  {:<12} counts {:<4} {}{detail}\n",
            replica.state.name(),
            replica.counts,
            words.replica(&replica.id)
        ));
    }
    let mut list = |title: &str, sentences: Vec<String>| {
        if sentences.is_empty() {
            text.push_str(&format!("{title}: nothing.\n"));
        } else {
            text.push_str(&format!("{title}:\n"));
            for sentence in sentences {
                text.push_str(&format!("  {sentence}\n"));
            }
        }
    };
    let plan = &snapshot.plan;
    list(
        "Would do",
        plan.actions.iter().map(|a| words.action(a)).collect(),
    );
    list(
        "Would not do",
        plan.blocked.iter().map(|b| words.blocked(b)).collect(),
    );
    let surplus = surplus_in_words(snapshot);
    if !surplus.is_empty() {
        list("Stays as it is", surplus);
    }
    if let Some(unprepared) = &snapshot.unprepared {
        text.push_str(&format!("A creation would fail: {}\n", unprepared.error));
    }
    text.push_str(ONE_LOOK);
    text
}

pub(crate) fn exit_code(is_well: bool) -> ExitCode {
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
