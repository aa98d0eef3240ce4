//! The command `check`: settings, cloud and replicas, with what to do about whatever is wrong.

use super::commands::{exit_code, observe};
use super::output::{print_json, print_words};
use super::{Failure, cloud, endpoint, logging, template};
use crate::cloud::openstack::{self, Demands, Finding, Verdict};
use crate::config::Settings;
use crate::pool::{ProbeFailure, Snapshot, Words, counted};
use crate::scaler::chain;
use log::LevelFilter;
use serde_json::json;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// More replicas than this are not told one by one.
const TOLD_ONE_BY_ONE: usize = 5;

/// Checks the settings against the cloud and prints what was found.
#[must_use]
pub fn check(settings: &Settings, json: bool) -> ExitCode {
    logging::start(
        settings.log_level.min(LevelFilter::Error),
        settings.log_format,
        &settings.openstack.metadata_value,
    );
    let warnings = settings.warnings.iter().cloned();
    let mut findings = vec![finding(
        "settings",
        Verdict::Ok,
        settings.origin.clone(),
        "",
    )];
    let warnings: Vec<Finding> = warnings
        .map(|text| finding("settings", Verdict::Hint, text, ""))
        .collect();
    findings.extend(warnings);
    match look(settings) {
        Ok(found) => findings.extend(found),
        Err(failure) => findings.push(finding("settings", Verdict::Wrong, chain(&failure), "")),
    }
    let is_well = count(&findings, Verdict::Wrong) == 0;
    let is_printed = if json {
        print_json(as_json(&findings))
    } else {
        print_words(&in_words(&findings))
    };
    logging::flush();
    exit_code(is_well && is_printed)
}

fn look(settings: &Settings) -> Result<Vec<Finding>, Failure> {
    endpoint(settings)?;
    let demands = Demands {
        policy: &settings.policy,
        replica_port: settings.replica_api.port.get(),
        wall_clock: wall_clock(),
        is_admin: false,
    };
    let mut findings = openstack::check(&cloud(settings)?, &template(settings), &demands);
    let is_listed = |f: &Finding| f.subject == "pool" && f.verdict == Verdict::Ok;
    if findings.iter().any(is_listed) {
        // One probe each is a verdict here.
        let mut once = settings.clone();
        once.policy.failure_threshold = 1;
        match observe(&once) {
            Ok(snapshot) => findings.extend(replicas(&snapshot)),
            Err(error) => {
                let text = chain(error.as_ref());
                findings.push(finding("replicas", Verdict::Wrong, text, ""));
            }
        }
    }
    Ok(findings)
}

/// Compared with the cloud's clock, and for nothing else.
#[expect(clippy::disallowed_methods, reason = "nothing is decided by it")]
fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Which of the running replicas answer.
fn replicas(snapshot: &Snapshot) -> Vec<Finding> {
    const SUBJECT: &str = "replicas";
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
    let verdict = if silent.is_empty() {
        Verdict::Ok
    } else {
        Verdict::Hint
    };
    let mut findings = vec![finding(SUBJECT, verdict, text, "")];
    for (name, address, failure) in silent.iter().take(TOLD_ONE_BY_ONE) {
        let text = format!("{name} at {address}: {failure}");
        findings.push(finding(SUBJECT, Verdict::Hint, text, remedy(failure)));
    }
    if let Some(more) = silent.len().checked_sub(TOLD_ONE_BY_ONE).filter(|n| *n > 0) {
        let text = format!("and {more} more do not answer");
        findings.push(finding(SUBJECT, Verdict::Hint, text, ""));
    }
    findings
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

fn finding(subject: &'static str, verdict: Verdict, text: String, remedy: &str) -> Finding {
    Finding {
        subject,
        verdict,
        text,
        remedy: Some(remedy.to_owned()).filter(|remedy| !remedy.is_empty()),
    }
}

fn count(findings: &[Finding], verdict: Verdict) -> usize {
    findings.iter().filter(|f| f.verdict == verdict).count()
}

fn in_words(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Ok => "ok",
            Verdict::Hint => "hint",
            Verdict::Wrong => "WRONG",
        };
        text.push_str(&format!("{verdict:<6} {:<16} ", finding.subject));
        text.push_str(&format!("{}\n", finding.text));
        if let Some(remedy) = &finding.remedy {
            text.push_str(&format!("{:<23} -> {remedy}\n", ""));
        }
    }
    let hints = match count(findings, Verdict::Hint) {
        0 => String::new(),
        1 => " One hint is worth a look.".to_owned(),
        n => format!(" {n} hints are worth a look."),
    };
    text.push_str(&match count(findings, Verdict::Wrong) {
        0 if hints.is_empty() => "All is well.\n".to_owned(),
        0 => format!("Nothing keeps the daemon from its work.{hints}\n"),
        1 => format!("One thing is wrong.{hints}\n"),
        n => format!("{n} things are wrong.{hints}\n"),
    });
    text
}

fn as_json(findings: &[Finding]) -> String {
    let list: Vec<_> = findings
        .iter()
        .map(|finding| {
            let verdict = match finding.verdict {
                Verdict::Ok => "ok",
                Verdict::Hint => "hint",
                Verdict::Wrong => "wrong",
            };
            json!({
                "verdict": verdict, "subject": finding.subject, "text": finding.text, "remedy": finding.remedy,
            })
        })
        .collect();
    let is_well = count(findings, Verdict::Wrong) == 0;
    format!("{:#}\n", json!({ "ok": is_well, "findings": list }))
}
