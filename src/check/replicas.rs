//! Whether the running replicas answer as they should.

use super::report::Report;
use crate::config::Settings;
use crate::pool::{
    Assessed, Creating, ProbeFailure, Record, ReplicaState, ServerState, Snapshot, Words, are,
    counted,
};
use crate::runtime::observe;
use crate::scaler::chain;
use std::sync::Arc;

const SUBJECT: &str = "replicas";
/// More replicas than this are not told one by one.
const TOLD_ONE_BY_ONE: usize = 5;

/// Asks each of them once.
pub(super) fn replicas(report: &mut Report, settings: &Settings) {
    // One probe each is a verdict here.
    let mut once = settings.clone();
    once.pool.policy.failure_threshold = 1;
    match observe(&once) {
        Ok(snapshot) => answers(report, &snapshot),
        Err(error) => report.error(SUBJECT, chain(error.as_ref()), ""),
    }
}

/// Which of the running replicas answer.
fn answers(report: &mut Report, snapshot: &Snapshot) {
    let words = Words::of(snapshot, snapshot.taken);
    let assessed = snapshot.plan.assessment.replicas.iter();
    let running: Vec<_> = snapshot
        .records
        .iter()
        .zip(assessed)
        .filter_map(|(record, assessed)| Some((record, assessed, assessed.address?)))
        .collect();
    let silent: Vec<_> = running
        .iter()
        .filter_map(|(record, assessed, address)| {
            let failure = record.last_failure.as_ref()?;
            Some((words.replica(&assessed.id), address, failure))
        })
        .collect();
    let text = match running.len() {
        0 => "none is running".to_owned(),
        n => format!(
            "{} of {n} that run answer; {} ready, the floor is {}",
            n - silent.len(),
            counted(snapshot.plan.assessment.ready, "resource"),
            snapshot.floor
        ),
    };
    let is_starting =
        |(_, assessed, _): &&(_, &Assessed, _)| assessed.state == ReplicaState::Starting;
    let all_are_silent = silent.len() == running.len() && !running.iter().all(|r| is_starting(&r));
    if silent.is_empty() {
        report.ok(SUBJECT, text);
    } else if all_are_silent {
        // One setting is more likely to be wrong than all of them are.
        report.error(SUBJECT, text, "");
    } else {
        report.warning(SUBJECT, text, "");
    }
    let without_address =
        |record: &&Arc<Record>| record.server.state == ServerState::Creating(Creating::NoAddress);
    let nowhere = snapshot.records.iter().filter(without_address).count();
    if nowhere > 0 {
        let (nowhere, verb) = (nowhere as u64, are(nowhere as u64));
        let text = format!(
            "{} {verb} active without an address of OPENSTACK_IP_VERSION on OPENSTACK_NETWORK",
            counted(nowhere, "server")
        );
        let remedy = "a new one has none for a moment; else set both to what they were made with, or delete them";
        report.warning(SUBJECT, text, remedy);
    }
    for (name, address, failure) in silent.iter().take(TOLD_ONE_BY_ONE) {
        let text = format!("{name} at {address}: {failure}");
        report.warning(SUBJECT, text, remedy(failure));
    }
    if let Some(more) = silent.len().checked_sub(TOLD_ONE_BY_ONE).filter(|n| *n > 0) {
        let text = format!("and {more} more do not answer");
        report.warning(SUBJECT, text, "");
    }
}

fn remedy(failure: &ProbeFailure) -> &'static str {
    match failure {
        ProbeFailure::Refused => {
            "nothing listens there, or not yet: look at its service and at REPLICA_API_PORT"
        }
        ProbeFailure::ConnectionLost => {
            "something listens there and hangs up: is it the status service (REPLICA_API_PORT), does it speak \
             REPLICA_API_PROTOCOL, and does it fall over? See its log"
        }
        ProbeFailure::Timeout | ProbeFailure::Unroutable(_) => {
            "can this machine reach it? Look at security groups, firewall and route; is \
             REPLICA_API_TIMEOUT long enough for its script?"
        }
        ProbeFailure::Tls(cause) if cause.contains("InvalidContentType") => {
            "it answers without TLS: is REPLICA_API_PROTOCOL=https right?"
        }
        ProbeFailure::Tls(_) => {
            "REPLICA_API_CA_FILE has to hold the authority of its certificate, which has to name its address"
        }
        ProbeFailure::NotHttp(_) => "is REPLICA_API_PROTOCOL (http or https) right?",
        ProbeFailure::Status(_) => "is REPLICA_API_PATH right? Then look at the log of its service",
        ProbeFailure::NotJson
        | ProbeFailure::Encoding(_)
        | ProbeFailure::NotAnObject
        | ProbeFailure::TooLarge => {
            "it has to answer with a JSON object: is REPLICA_API_PATH right?"
        }
        ProbeFailure::KeyMissing(_) | ProbeFailure::BadValue { .. } => {
            "compare its answer with REPLICA_API_CAPACITY_KEY and REPLICA_API_TERMINATION_KEY"
        }
        ProbeFailure::OverLimit { .. } => {
            "is it a count of free resources? Then raise REPLICA_CAPACITY, or REPLICA_CAPACITY_LIMIT"
        }
        ProbeFailure::Local(_) => "this machine cannot ask: look at its limits (ulimit -n)",
    }
}
