//! The login: who, for which project, and what that allows.

use super::report::Report;
use crate::cloud::openstack::failed;
use openstack_sdk_blocking::{Cloud, ErrorKind, TokenInfo};

const SUBJECT: &str = "login";

/// Logs in. Without a token for a project there is nothing more to look at.
pub(super) fn login(report: &mut Report, cloud: &Cloud) -> Option<TokenInfo> {
    let token = match cloud.authenticate() {
        Ok(token) => token,
        Err(error) => {
            // Which of user and project it was that is refused.
            let error = cloud.why_refused().unwrap_or(error);
            let doing = match error.kind() {
                ErrorKind::Connection | ErrorKind::Timeout => "Keystone cannot be reached",
                ErrorKind::Server | ErrorKind::BadAnswer | ErrorKind::WrongUrl => {
                    "Keystone does not answer as it should"
                }
                ErrorKind::Config | ErrorKind::Catalog => "the login leads nowhere",
                _ => "the login is not accepted",
            };
            let error = failed(doing)(error.of_one_try());
            report.failed(SUBJECT, &error, "look at the OS_* settings");
            return None;
        }
    };
    let who = token.user_name.as_deref().unwrap_or("(unnamed user)");
    if token.project_id.is_none() {
        report.error(
            SUBJECT,
            format!("user {who}, but no project"),
            "set OS_PROJECT_ID, or OS_PROJECT_NAME with OS_PROJECT_DOMAIN_NAME",
        );
        return None;
    }
    let project = token.project_name.as_deref().unwrap_or("(unnamed project)");
    let roles = token.roles.join(", ");
    report.ok(
        SUBJECT,
        format!("user {who}, project {project}, roles: {roles}"),
    );
    if may_only_read(&token.roles) {
        report.error(
            "permissions",
            format!("the roles ({roles}) allow reading only, not creating or deleting"),
            "give the user the role member in the project (openstack role add), or make an \
             application credential that has it",
        );
    }
    Some(token)
}

/// Roles are named as a cloud likes. Those that are known to change nothing are few: `reader` of
/// Keystone's own set, and what some clouds call an auditor or observer.
fn may_only_read(roles: &[String]) -> bool {
    let reads = |role: &String| {
        let role = role.to_ascii_lowercase();
        matches!(role.as_str(), "reader" | "auditor" | "observer" | "viewer")
            || role.ends_with("_reader")
            || role.ends_with("_viewer")
    };
    !roles.is_empty() && roles.iter().all(reads)
}

#[cfg(test)]
mod tests {
    use super::may_only_read;

    #[test]
    fn only_readers_may_only_read() {
        let check = |roles: &[&str], expected| {
            let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
            assert_eq!(may_only_read(&roles), expected, "{roles:?}");
        };
        check(&["reader"], true);
        check(&["Reader", "image_reader"], true);
        check(&["reader", "member"], false);
        check(&["compute_operator", "network_operator"], false);
        check(&["_member_"], false);
        // It is not known what they may.
        check(&[], false);
    }
}
