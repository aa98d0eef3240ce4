//! What was found, and how it is told, to people and to programs.

use crate::cloud::{CloudError, CloudErrorKind};
use openstack_sdk_blocking::{Cause, ErrorKind, Service};
use serde_json::json;
use std::error::Error;

/// What a finding means for the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// As it should be.
    Ok,
    /// The daemon can work, but it is worth a look.
    Warning,
    /// The daemon cannot do its work.
    Error,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// What was looked at.
    subject: &'static str,
    /// Whether it is as it should be.
    verdict: Verdict,
    /// What was found.
    text: String,
    /// What to do about it.
    remedy: Option<String>,
}

/// What keeps more than one thing from being looked at. It is told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    /// The catalog is searched in the wrong region.
    Region,
    /// A service cannot be used at all.
    Down(Service),
}

impl Obstacle {
    fn of(error: &CloudError) -> Option<Self> {
        let source = error.source.as_ref()?;
        let error = source.downcast_ref::<openstack_sdk_blocking::Error>()?;
        if matches!(error.cause(), Some(Cause::WrongRegion(_))) {
            return Some(Self::Region);
        }
        let is_down = matches!(
            error.kind(),
            ErrorKind::Connection
                | ErrorKind::Timeout
                | ErrorKind::Server
                | ErrorKind::WrongUrl
                | ErrorKind::Unauthorized
        );
        is_down.then(|| error.service().map(Self::Down)).flatten()
    }
}

/// An obstacle, the finding that tells it, and what else met it.
#[derive(Debug)]
struct Met {
    obstacle: Obstacle,
    finding: usize,
    also: Vec<&'static str>,
}

/// The findings so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
    met: Vec<Met>,
}

impl Report {
    fn add(&mut self, subject: &'static str, verdict: Verdict, text: String, remedy: String) {
        let remedy = Some(remedy).filter(|remedy| !remedy.is_empty());
        self.findings.push(Finding {
            subject,
            verdict,
            text,
            remedy,
        });
    }

    pub(super) fn ok(&mut self, subject: &'static str, text: impl Into<String>) {
        self.add(subject, Verdict::Ok, text.into(), String::new());
    }

    pub(super) fn warning(
        &mut self,
        subject: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(subject, Verdict::Warning, text.into(), remedy.into());
    }

    pub(super) fn error(
        &mut self,
        subject: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(subject, Verdict::Error, text.into(), remedy.into());
    }

    /// Something that Nova refuses everybody but administrators.
    pub(super) fn hindered(
        &mut self,
        is_admin: bool,
        subject: &'static str,
        text: String,
        remedy: &'static str,
    ) {
        if is_admin {
            self.warning(subject, text, remedy);
        } else {
            self.error(subject, text, remedy);
        }
    }

    /// Something that only this check wants to see, and not the daemon.
    pub(super) fn unseen(&mut self, subject: &'static str, error: &CloudError) {
        let remedy = if error.kind == CloudErrorKind::Forbidden {
            "the daemon does without: compare it by hand, or give the user a role that may see it"
        } else {
            error
                .remedy
                .as_deref()
                .unwrap_or("the daemon does without: compare it by hand")
        };
        self.tell(subject, Verdict::Warning, error, remedy);
    }

    /// Something that the daemon needs could not be seen: with the remedy that the error has, or else that one.
    pub(super) fn failed(
        &mut self,
        subject: &'static str,
        error: &CloudError,
        lookup_remedy: &str,
    ) {
        let remedy = error.remedy.as_deref().unwrap_or(lookup_remedy);
        self.tell(subject, Verdict::Error, error, remedy);
    }

    /// An error of the cloud; once, if it is an obstacle to several things.
    fn tell(&mut self, subject: &'static str, verdict: Verdict, error: &CloudError, remedy: &str) {
        if let Some(obstacle) = Obstacle::of(error) {
            if let Some(met) = self.met.iter_mut().find(|met| met.obstacle == obstacle) {
                if self.findings[met.finding].subject != subject && !met.also.contains(&subject) {
                    met.also.push(subject);
                }
                let told = &mut self.findings[met.finding].verdict;
                *told = verdict.max(*told);
                return;
            }
            self.met.push(Met {
                obstacle,
                finding: self.findings.len(),
                also: Vec::new(),
            });
        }
        self.add(subject, verdict, chain(error), remedy.to_owned());
    }

    /// The findings, each obstacle with all that it hides.
    pub(super) fn close(mut self) -> Vec<Finding> {
        for met in self.met.iter().filter(|met| !met.also.is_empty()) {
            let text = &mut self.findings[met.finding].text;
            text.push_str("; for the same reason unknown: ");
            text.push_str(&met.also.join(", "));
        }
        self.findings
    }
}

/// An error and all its causes, in one line. The remedy, which `scaler::chain` adds, stands in the finding by itself.
fn chain(error: &CloudError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Whether something keeps the daemon from its work.
pub(super) fn has_error(findings: &[Finding]) -> bool {
    count(findings, Verdict::Error) > 0
}

fn count(findings: &[Finding], verdict: Verdict) -> usize {
    findings.iter().filter(|f| f.verdict == verdict).count()
}

/// A line for each finding, its remedy below it, and what all of them come to.
pub(super) fn in_words(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let verdict = finding.verdict.word();
        text.push_str(&format!("{verdict:<7} {:<16} ", finding.subject));
        text.push_str(&format!("{}\n", finding.text));
        if let Some(remedy) = &finding.remedy {
            text.push_str(&format!("{:<24} -> {remedy}\n", ""));
        }
    }
    let warnings = match count(findings, Verdict::Warning) {
        0 => String::new(),
        1 => " One warning is worth a look.".to_owned(),
        n => format!(" {n} warnings are worth a look."),
    };
    text.push_str(&match count(findings, Verdict::Error) {
        0 if warnings.is_empty() => "All is well.\n".to_owned(),
        0 => format!("Nothing keeps the daemon from its work.{warnings}\n"),
        1 => format!("One thing is wrong.{warnings}\n"),
        n => format!("{n} things are wrong.{warnings}\n"),
    });
    text
}

/// The same for programs.
pub(super) fn in_json(findings: &[Finding]) -> String {
    let list: Vec<_> = findings
        .iter()
        .map(|finding| {
            let verdict = finding.verdict.word().to_ascii_lowercase();
            json!({
                "verdict": verdict, "subject": finding.subject, "text": finding.text, "remedy": finding.remedy,
            })
        })
        .collect();
    let is_well = !has_error(findings);
    format!("{:#}\n", json!({ "ok": is_well, "findings": list }))
}
