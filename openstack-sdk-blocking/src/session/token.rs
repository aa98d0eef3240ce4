//! Keystone: the body of a login, and the token and catalog that it answers with.

use std::time::{Duration, Instant};
use zeroize::Zeroize;

use serde_json::{Value, json};

use super::catalog::Catalog;
use crate::clock;
use crate::config::{Auth, CloudConfig, CredentialRef, DomainRef, ProjectRef, Scope, UserRef};
use crate::row::{MAX_LOGIN_VALUES, Row};
use crate::secret::Secret;
use crate::transport::Response;

/// What is assumed of a token whose answer says nothing about its end.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(600);
const MAX_MARGIN: Duration = Duration::from_secs(300);

/// What Keystone says about a token; the token itself is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenInfo {
    /// The project's id, if the token is for a project.
    pub project_id: Option<String>,
    /// The project's name.
    pub project_name: Option<String>,
    /// The user's id.
    pub user_id: Option<String>,
    /// The user's name.
    pub user_name: Option<String>,
    /// The names of the user's roles.
    pub roles: Vec<String>,
    /// The end of the token, in seconds since 1970 on the cloud's clock.
    pub expires_at: Option<u64>,
    /// From issue to end.
    pub lifetime: Duration,
}

pub(super) struct Token {
    pub(super) value: Secret,
    pub(super) info: TokenInfo,
    obtained_at: Instant,
}

impl Token {
    /// A token is renewed when a fifth of its lifetime, at most five minutes, is left.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        let margin = (self.info.lifetime / 5).min(MAX_MARGIN);
        now.saturating_duration_since(self.obtained_at) < self.info.lifetime.saturating_sub(margin)
    }
}

/// The body of `POST /v3/auth/tokens` (Identity API v3, "Password authentication with scoped authorization",
/// "Authenticating with an Application Credential", "Token authentication with scoped authorization").
pub(super) fn login_body(config: &CloudConfig) -> Value {
    let identity = match &config.auth {
        Auth::Password { user, password } => {
            let mut user = user_json(user);
            user["password"] = json!(password.expose());
            json!({"methods": ["password"], "password": {"user": user}})
        }
        Auth::ApplicationCredential { credential, secret } => {
            let mut body = match credential {
                CredentialRef::Id(id) => json!({"id": id}),
                CredentialRef::Name { name, user } => {
                    json!({"name": name, "user": user_json(user)})
                }
            };
            body["secret"] = json!(secret.expose());
            json!({"methods": ["application_credential"], "application_credential": body})
        }
        Auth::Token(token) => json!({"methods": ["token"], "token": {"id": token.expose()}}),
    };
    let mut auth = json!({ "identity": identity });
    if !matches!(config.auth, Auth::ApplicationCredential { .. }) {
        match &config.scope {
            Scope::Unscoped => {}
            Scope::Project(ProjectRef::Id(id)) => auth["scope"] = json!({"project": {"id": id}}),
            Scope::Project(ProjectRef::Name { name, domain }) => {
                auth["scope"] = json!({"project": {"name": name, "domain": domain_json(domain)}});
            }
            Scope::Domain(domain) => auth["scope"] = json!({"domain": domain_json(domain)}),
        }
    }
    json!({ "auth": auth })
}

/// Overwrites every text of a body that has been sent.
pub(super) fn wipe(body: &mut Value) {
    match body {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn user_json(user: &UserRef) -> Value {
    match user {
        UserRef::Id(id) => json!({"id": id}),
        UserRef::Name { name, domain } => json!({"name": name, "domain": domain_json(domain)}),
    }
}

fn domain_json(domain: &DomainRef) -> Value {
    match domain {
        DomainRef::Id(id) => json!({"id": id}),
        DomainRef::Name(name) => json!({"name": name}),
    }
}

/// Reads the answer; `sent_at` is when the request left, so that the token is not taken for younger than it is.
pub(super) fn read(answer: &Response, sent_at: Instant) -> Result<(Token, Catalog), String> {
    let value = answer
        .header("x-subject-token")
        .filter(|token| !token.is_empty())
        .ok_or("no X-Subject-Token in the answer")?;
    let mut token = Row::parse_values(&answer.body, false, MAX_LOGIN_VALUES)
        .and_then(|mut body| body.row("token"))
        .ok_or("no token in the body")?;
    let expires_at = token.time("expires_at");
    let issued_at = token
        .time("issued_at")
        .or_else(|| answer.header("date").and_then(clock::parse_http_date));
    let lifetime = match (issued_at, expires_at) {
        (Some(issued), Some(expires)) => Duration::from_secs(expires.saturating_sub(issued)),
        _ => UNKNOWN_LIFETIME,
    };
    let mut named = |of: &str| {
        let row = token.row(of);
        row.map_or((None, None), |mut row| (row.id("id"), row.text("name")))
    };
    let (project_id, project_name) = named("project");
    let (user_id, user_name) = named("user");
    let info = TokenInfo {
        project_id,
        project_name,
        user_id,
        user_name,
        roles: token.list("roles", |role| role.text("name")),
        expires_at,
        lifetime,
    };
    let value = Token {
        value: Secret::new(value),
        info,
        obtained_at: sent_at,
    };
    let catalog = Catalog::read(&mut token);
    Ok((value, catalog))
}
