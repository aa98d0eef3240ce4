//! Keystone: the body of a login, and the token and catalog that it answers with.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use zeroize::Zeroize;

use serde_json::{Value, json};

use crate::cause::{Cause, nearest};
use crate::clock;
use crate::config::{
    Auth, CloudConfig, CredentialRef, DomainRef, Interface, ProjectRef, Scope, UserRef,
};
use crate::error::{Error, ErrorKind, Service};
use crate::home::Place;
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

pub(crate) struct Token {
    pub(crate) value: Secret,
    pub(crate) info: TokenInfo,
    obtained_at: Instant,
}

impl Token {
    /// A token is renewed when a fifth of its lifetime, at most five minutes, is left.
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        let margin = (self.info.lifetime / 5).min(MAX_MARGIN);
        now.saturating_duration_since(self.obtained_at) < self.info.lifetime.saturating_sub(margin)
    }
}

/// The body of `POST /v3/auth/tokens` (Identity API v3, "Password authentication with scoped authorization",
/// "Authenticating with an Application Credential", "Token authentication with scoped authorization").
pub(crate) fn login_body(config: &CloudConfig) -> Value {
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
pub(crate) fn wipe(body: &mut Value) {
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
pub(crate) fn read_token(answer: &Response, sent_at: Instant) -> Result<(Token, Catalog), String> {
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
    let token_value = Token {
        value: Secret::new(value),
        info,
        obtained_at: sent_at,
    };
    let mut odd = Vec::new();
    let services = token.rows("catalog");
    let services = services
        .into_iter()
        .filter_map(|row| CatalogService::read(row, &mut odd))
        .collect();
    if !token.unread().is_empty() {
        odd.push(("itself".to_owned(), token.unread().join(", ")));
    }
    let catalog = Catalog { services, odd };
    Ok((token_value, catalog))
}

/// The services of a cloud and where they are (Identity API v3, "Service catalog").
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    services: Vec<CatalogService>,
    /// Entries that could not be read: which, and what of them.
    pub(crate) odd: Vec<(String, String)>,
}

impl Catalog {
    /// The URL of a service, or an error that names what the catalog has.
    pub(crate) fn url(&self, place: &Place) -> Result<&str, Error> {
        let mut found = self.matching(place);
        let Some(first) = found.next() else {
            return Err(self.nothing(place));
        };
        if found.any(|other| other.url != first.url) {
            let taken: String = first.region().chars().take(100).collect();
            log::warn!(
                "{}: the catalog has several {} endpoints in region {taken}; taking the first",
                place.service,
                place.interface.as_str()
            );
        }
        Ok(&first.url)
    }

    /// The URL of a service, if there is one.
    pub(crate) fn first_url(&self, place: &Place) -> Option<&str> {
        let first = self.matching(place).next()?;
        Some(&first.url)
    }

    /// The regions in which the catalog has a service on that interface, whatever region is wanted.
    pub(crate) fn regions(&self, place: &Place) -> BTreeSet<&str> {
        self.endpoints(place.service)
            .filter(|endpoint| Interface::parse(&endpoint.interface) == Some(place.interface))
            .map(CatalogEndpoint::region)
            .collect()
    }

    /// Whether the catalog has a service in the region that is wanted, on whatever interface.
    pub(crate) fn is_in_region(&self, place: &Place) -> bool {
        let region = place.region.as_deref();
        self.endpoints(place.service)
            .any(|endpoint| region.is_none_or(|region| endpoint.is_in(region)))
    }

    fn matching(&self, place: &Place) -> impl Iterator<Item = &CatalogEndpoint> {
        self.endpoints(place.service).filter(move |endpoint| {
            let region = place.region.as_deref();
            Interface::parse(&endpoint.interface) == Some(place.interface)
                && region.is_none_or(|region| endpoint.is_in(region))
        })
    }

    fn endpoints(&self, service: Service) -> impl Iterator<Item = &CatalogEndpoint> {
        self.services
            .iter()
            .filter(move |entry| entry.kind == service.as_str())
            .flat_map(|entry| &entry.endpoints)
    }

    fn nothing(&self, place: &Place) -> Error {
        let (service, interface) = (place.service, place.interface.as_str());
        let error = |text: String| Error::config(ErrorKind::Catalog, text);
        if self.services.is_empty() {
            let text = format!("the token came with no catalog, so that {service} cannot be found");
            return error(text).because(Cause::NoProject);
        }
        let has: BTreeSet<&CatalogEndpoint> = self.endpoints(service).collect();
        if has.is_empty() {
            let kinds: BTreeSet<&str> = self
                .services
                .iter()
                .map(|entry| entry.kind.as_str())
                .collect();
            let kinds = listed(kinds);
            return error(format!(
                "the cloud's catalog has no {interface} endpoint of {service}; its services: {kinds}"
            ));
        }
        let region = place.region.as_deref().unwrap_or_default();
        let in_words = if region.is_empty() {
            String::new()
        } else {
            format!(" in region {region}")
        };
        let names = has
            .iter()
            .map(|endpoint| format!("{} in {}", endpoint.interface, endpoint.region()));
        let names = names.collect::<BTreeSet<String>>();
        let mut text = format!(
            "the cloud's catalog has no {interface} endpoint of {service}{in_words}; its endpoints: {}",
            listed(names.iter().map(String::as_str))
        );
        let cause = if self.is_in_region(place) {
            let words = has.iter().map(|endpoint| endpoint.interface.clone());
            Cause::WrongInterface(words.collect::<BTreeSet<_>>().into_iter().collect())
        } else {
            let regions: BTreeSet<&str> = has.iter().map(|endpoint| endpoint.region()).collect();
            if let Some(name) = nearest(region, regions.iter().copied()) {
                text.push_str(&format!("; did you mean {name}?"));
            }
            Cause::WrongRegion(regions.into_iter().map(str::to_owned).collect())
        };
        error(text).because(cause)
    }
}

/// Names in a row, not too many and none of them too long: they may come from a file or a catalog.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 40;
    const MOST_CHARS: usize = 64;
    let short = |name: &str| match name.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}...", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    };
    let names: Vec<String> = names.into_iter().take(MOST).map(short).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

#[derive(Debug)]
struct CatalogService {
    kind: String,
    endpoints: Vec<CatalogEndpoint>,
}

impl CatalogService {
    /// An entry without a type, and an endpoint without interface or URL, are of no use to anybody.
    fn read(mut row: Row, odd: &mut Vec<(String, String)>) -> Option<Self> {
        let id = row.shown("id");
        let name = row.shown("type").or_else(|| row.shown("name")).or(id);
        let name = name.unwrap_or_else(|| "without a type".to_owned());
        let kind = row.id("type");
        let endpoints = row.rows("endpoints");
        if kind.is_none() || !row.unread().is_empty() {
            let what = kind.as_ref().map_or("type", |_| "a part of it");
            odd.push((name.clone(), what.to_owned()));
        }
        let mut read = |mut endpoint: Row| {
            let id = endpoint
                .shown("id")
                .unwrap_or_else(|| "without an id".to_owned());
            let found = CatalogEndpoint::read(&mut endpoint);
            if found.is_none() {
                let what = "interface or URL".to_owned();
                odd.push((format!("{name}, endpoint {id}"), what));
            }
            found
        };
        let endpoints = endpoints.into_iter().filter_map(&mut read).collect();
        Some(Self {
            kind: kind?,
            endpoints,
        })
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CatalogEndpoint {
    interface: String,
    region: Option<String>,
    region_id: Option<String>,
    url: String,
}

impl CatalogEndpoint {
    fn read(row: &mut Row) -> Option<Self> {
        Some(Self {
            interface: row.word("interface")?,
            region: row.text("region"),
            region_id: row.text("region_id"),
            url: row.word("url")?,
        })
    }
}

impl CatalogEndpoint {
    fn is_in(&self, region: &str) -> bool {
        self.region.as_deref() == Some(region) || self.region_id.as_deref() == Some(region)
    }

    fn region(&self) -> &str {
        self.region_id
            .as_deref()
            .or(self.region.as_deref())
            .unwrap_or("no region")
    }
}
