//! Looks at everything that the daemon needs of the cloud, says what is wrong and how to mend it,
//! and changes nothing.

mod login;
mod room;
mod servers;

use super::error::failed;
use super::lookup::ServerTemplate;
use crate::cloud::{CloudError, CloudErrorKind};
use crate::pool::Policy;
use openstack_sdk_blocking::{Cause, Cloud, ErrorKind, Server, ServerQuery, Service};
use std::error::Error;

/// What a finding means for the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// The daemon can work, but it is worth a look.
    Hint,
    /// The daemon cannot do its work.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// Whether it is as it should be.
    pub verdict: Verdict,
    /// What was found.
    pub text: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// What the cloud has to be good for.
#[derive(Debug, Clone, Copy)]
pub struct Demands<'a> {
    /// How large the pool has to be and may become.
    pub policy: &'a Policy,
    /// The port that replicas are asked on.
    pub replica_port: u16,
    /// This machine's clock, in seconds since 1970.
    pub wall_clock: u64,
    /// The user may do what Nova refuses others; found at the login.
    pub is_admin: bool,
}

/// Logs in and looks at all that is needed, as far as it gets. After a failed login nothing else
/// of the cloud is tried.
#[must_use]
pub fn check(cloud: &Cloud, template: &ServerTemplate, demands: &Demands<'_>) -> Vec<Finding> {
    let mut report = Report::default();
    if let Some(token) = login::login(&mut report, cloud) {
        let pool = pool(&mut report, cloud, template, demands.wall_clock);
        locks(&mut report, cloud);
        let demands = &Demands {
            is_admin: token.roles.iter().any(|role| role == "admin"),
            ..*demands
        };
        let flavor = servers::flavor(&mut report, cloud, template, demands.is_admin);
        servers::image(&mut report, cloud, template, flavor.as_ref());
        let network = servers::network(&mut report, cloud, template, demands);
        servers::zone(&mut report, cloud, template);
        servers::keypair(&mut report, cloud, template);
        let port = demands.replica_port;
        servers::security_groups(
            &mut report,
            cloud,
            template,
            port,
            token.project_id.as_deref(),
        );
        room::quota(
            &mut report,
            cloud,
            demands.policy,
            flavor.as_ref(),
            pool.as_deref(),
        );
        if demands.policy.external_addresses {
            room::floating_ips(
                &mut report,
                cloud,
                template,
                demands.policy,
                pool.as_deref(),
                network.as_ref(),
            );
        }
    }
    servers::cloud_init(&mut report, template);
    report.close()
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
struct Report {
    findings: Vec<Finding>,
    met: Vec<Met>,
}

impl Report {
    fn add(
        &mut self,
        subject: &'static str,
        verdict: Verdict,
        text: String,
        remedy: Option<String>,
    ) {
        self.findings.push(Finding {
            subject,
            verdict,
            text,
            remedy,
        });
    }

    fn ok(&mut self, subject: &'static str, text: impl Into<String>) {
        self.add(subject, Verdict::Ok, text.into(), None);
    }

    fn hint(&mut self, subject: &'static str, text: impl Into<String>, remedy: impl Into<String>) {
        self.add(subject, Verdict::Hint, text.into(), Some(remedy.into()));
    }

    fn wrong(&mut self, subject: &'static str, text: impl Into<String>, remedy: impl Into<String>) {
        self.add(subject, Verdict::Wrong, text.into(), Some(remedy.into()));
    }

    /// Something that Nova refuses everybody but administrators.
    fn hindered(
        &mut self,
        is_admin: bool,
        subject: &'static str,
        text: String,
        remedy: &'static str,
    ) {
        if is_admin {
            self.hint(subject, text, remedy);
        } else {
            self.wrong(subject, text, remedy);
        }
    }

    /// Something that only this check wants to see, and not the daemon.
    fn unseen(&mut self, subject: &'static str, error: &CloudError) {
        let remedy = if error.kind == CloudErrorKind::Forbidden {
            "the daemon does without: compare it by hand, or give the user a role that may see it"
        } else {
            error
                .remedy
                .as_deref()
                .unwrap_or("the daemon does without: compare it by hand")
        };
        self.error(subject, Verdict::Hint, error, remedy);
    }

    /// An error, with the remedy that it has, or else that one.
    fn failed(&mut self, subject: &'static str, error: &CloudError, lookup_remedy: &str) {
        let remedy = error.remedy.as_deref().unwrap_or(lookup_remedy);
        self.error(subject, Verdict::Wrong, error, remedy);
    }

    fn error(&mut self, subject: &'static str, verdict: Verdict, error: &CloudError, remedy: &str) {
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
        let remedy = Some(remedy.to_owned()).filter(|remedy| !remedy.is_empty());
        self.add(subject, verdict, chain(error), remedy);
    }

    /// The findings, each obstacle with all that it hides.
    fn close(mut self) -> Vec<Finding> {
        for met in self.met.iter().filter(|met| !met.also.is_empty()) {
            let text = &mut self.findings[met.finding].text;
            text.push_str("; for the same reason unknown: ");
            text.push_str(&met.also.join(", "));
        }
        self.findings
    }
}

/// An error and all its causes, in one line.
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

/// The servers of the pool. Their list also tells the cloud's clock.
fn pool(
    report: &mut Report,
    cloud: &Cloud,
    template: &ServerTemplate,
    wall_clock: u64,
) -> Option<Vec<Server>> {
    let list = match cloud.compute().list_servers(&ServerQuery::default()) {
        Ok(list) => list,
        Err(error) => {
            let error = failed("the servers cannot be listed")(error);
            report.failed("pool", &error, "");
            return None;
        }
    };
    let all = list.servers.len();
    let mut servers = list.servers;
    servers.retain(|s| s.metadata.get(&template.metadata_key) == Some(&template.metadata_value));
    report.ok(
        "pool",
        format!(
            "{} of the project's {all} servers have {}={}",
            servers.len(),
            template.metadata_key,
            template.metadata_value
        ),
    );
    if let Some(date) = list.date {
        clock(report, date, wall_clock);
    }
    Some(servers)
}

/// Whether the daemon will see that a server is locked. That compute cannot be reached at all is told with the pool.
fn locks(report: &mut Report, cloud: &Cloud) {
    if matches!(cloud.compute().tells_locks(), Ok(false)) {
        report.hint(
            "locks",
            "Nova offers no microversion from 2.9 on: servers do not tell whether they are locked, \
             and a locked one may be deleted",
            "let this machine read Nova's versions: GET on the compute endpoint of the catalog, without the \
             project's id, has to be answered with them",
        );
    }
}

fn clock(report: &mut Report, cloud: u64, here: u64) {
    /// A list may take so long that this is no difference between the clocks.
    const TOLERATED_SECONDS: u64 = 30;
    let difference = cloud.abs_diff(here);
    if difference <= TOLERATED_SECONDS {
        report.ok("clock", "this machine's and the cloud's agree");
        return;
    }
    let how = if cloud > here { "behind" } else { "ahead of" };
    report.hint(
        "clock",
        format!("this machine is {difference} s {how} the cloud"),
        "keep it by NTP: certificates and the times in the log depend on it, decisions do not",
    );
}
