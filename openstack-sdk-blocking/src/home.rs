//! Where a session is at home: one project in one region, from the first login to the end of the process.

use serde_json::{Value, json};

use crate::cause::{Cause, nearest};
use crate::cloud::{Cloud, State};
use crate::config::{Auth, CloudConfig, Interface, ProjectRef, Scope};
use crate::error::{Error, ErrorKind, Service};
use crate::identity::{Catalog, TokenInfo, listed, read_token};
use crate::row::Row;
use crate::transport::{Method, Request};
use crate::url::Url;

/// The services that are looked up in the catalog.
const ASKED: [Service; 3] = [Service::Compute, Service::Network, Service::Image];

/// Where the first login led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home {
    project_id: String,
    project_name: String,
    /// The only region of the catalog; none where one is configured.
    region: Option<String>,
}

/// Where a service is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) service: Service,
    pub(crate) region: Option<String>,
    pub(crate) interface: Interface,
    /// A URL that takes the place of the catalog's.
    pub(crate) endpoint: Option<String>,
}

impl Place {
    pub(crate) fn of(config: &CloudConfig, home: Option<&Home>, service: Service) -> Self {
        let own = config.services.get(&service);
        let configured = own
            .and_then(|own| own.region.clone())
            .or_else(|| config.region.clone());
        Self {
            service,
            region: configured.or_else(|| home?.region.clone()),
            interface: own
                .and_then(|own| own.interface)
                .unwrap_or(config.interface),
            endpoint: own
                .and_then(|own| own.endpoint.as_ref())
                .map(|url| with_project(url, home)),
        }
    }
}

impl Cloud {
    /// Takes in where a login led: the first one says where this session is at home, a later one must not lead
    /// elsewhere. Whoever started it meant that project and that region.
    pub(crate) fn settle(
        &self,
        state: &mut State,
        info: &TokenInfo,
        catalog: &Catalog,
    ) -> Result<(), Error> {
        let unset = self.without_a_region();
        let Some(project_id) = info.project_id.clone() else {
            return match &state.home {
                Some(home) => Err(elsewhere("no project", home)),
                None => Ok(()),
            };
        };
        let project_name = info.project_name.clone().unwrap_or_default();
        if let Some(home) = &mut state.home {
            if home.project_id != project_id {
                let new = format!("project {project_name} ({project_id})");
                return Err(elsewhere(&new, home));
            }
            let is_gone = |service: &Service| {
                let place = Place::of(&self.config, Some(home), *service);
                let has = catalog.regions(&place);
                !has.is_empty() && !catalog.is_in_region(&place)
            };
            if home.region.is_some() && unset.iter().any(is_gone) {
                let new = format!("region {}", listed(regions(&self.config, catalog, &unset)));
                return Err(elsewhere(&new, home));
            }
            if home.region.is_some() || unset.is_empty() {
                return Ok(());
            }
        }
        let found = regions(&self.config, catalog, &unset);
        if found.len() > 1 {
            let text = format!(
                "no region is configured, and the cloud's catalog has several: {}",
                listed(found.iter().copied())
            );
            let cause = Cause::SeveralRegions(found.into_iter().map(str::to_owned).collect());
            return Err(Error::config(ErrorKind::Catalog, text).because(cause));
        }
        let region = found.first().map(|region| (*region).to_owned());
        let where_to = self.config.region.as_ref().or(region.as_ref());
        log::info!(
            "logged in as {}, for project {project_name} ({project_id}), region {}; this holds until the end of \
             this process",
            info.user_name.as_deref().unwrap_or("(unnamed user)"),
            where_to.map_or("(unnamed)", String::as_str)
        );
        state.home = Some(Home {
            project_id,
            project_name,
            region,
        });
        Ok(())
    }

    /// The services for which neither a region nor a URL is configured.
    fn without_a_region(&self) -> Vec<Service> {
        let is_unset = |service: &Service| {
            let place = Place::of(&self.config, None, *service);
            place.region.is_none() && place.endpoint.is_none()
        };
        ASKED.into_iter().filter(is_unset).collect()
    }

    /// A refused login with what is known about it.
    pub(crate) fn explained(&self, state: &State, error: Error) -> Error {
        let is_refused = matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::NotFound);
        match self.config.auth {
            Auth::ApplicationCredential { .. } if is_refused => {
                return error.because(Cause::CredentialRefused);
            }
            Auth::Token(_) if is_refused => return error.because(Cause::TokenRefused),
            _ => {}
        }
        let (Some(wanted), Some(names)) = (self.project_wanted(), &state.projects) else {
            return error;
        };
        let mut text = format!(
            "user and password are right, but they have no project {wanted}; there are: {}",
            listed(names.iter().map(String::as_str))
        );
        if let Some(name) = nearest(wanted, names.iter().map(String::as_str)) {
            text.push_str(&format!("; did you mean {name}?"));
        }
        error
            .with_message(&text)
            .because(Cause::WrongProject(names.clone()))
    }

    /// Before a login that was refused once is sent again: the same without the project. Keystone answers 401 to a wrong
    /// password and to a wrong project alike, and an account gets locked by what is tried too often; so this takes the
    /// place of one try. An error: it is refused too.
    pub(crate) fn try_without_project(
        &self,
        state: &mut State,
        login: &Request,
    ) -> Result<(), Error> {
        if self.project_wanted().is_none() || state.refusals != 1 {
            return Ok(());
        }
        match self.projects(login) {
            Ok(Some(names)) => state.projects = Some(names),
            Ok(None) => {}
            Err(refused) => {
                state.refusals += 1;
                return Err(refused.because(Cause::WrongCredentials));
            }
        }
        Ok(())
    }

    /// The project that is logged in for, with a user and a password.
    pub(crate) fn project_wanted(&self) -> Option<&str> {
        let is_password = matches!(self.config.auth, Auth::Password { .. });
        match &self.config.scope {
            Scope::Project(ProjectRef::Id(text) | ProjectRef::Name { name: text, .. })
                if is_password =>
            {
                Some(text)
            }
            _ => None,
        }
    }

    /// The names of the user's projects, by a login that is for none; `None`: no telling.
    fn projects(&self, login: &Request) -> Result<Option<Vec<String>>, Error> {
        let service = Service::Identity;
        let path =
            |url: &str| Url::parse(url).map_or_else(|_| String::new(), |url| url.path().to_owned());
        let body = login.body.as_deref().unwrap_or_default();
        let Ok(mut body) = serde_json::from_slice::<Value>(body) else {
            return Ok(None);
        };
        body["auth"]["scope"] = json!("unscoped");
        let mut request = login.clone();
        request.body = Some(body.to_string().into_bytes());
        let place = path(&request.url);
        let Ok(answer) = self.send(service, &place, &request, None) else {
            return Ok(None);
        };
        if answer.status == 401 {
            let redactor = self.redactor(None);
            let refused = Error::from_status(service, Method::Post, &place, &answer, &redactor);
            return Err(refused.sent_to(self.target(&request.url)));
        }
        let token = read_token(&answer, self.now());
        let base = request.url.strip_suffix("/tokens");
        let (Ok((token, _)), Some(base), 200..=299) = (token, base, answer.status) else {
            return Ok(None);
        };
        self.note_issued(&token.value);
        let url = format!("{base}/projects");
        let place = path(&url);
        let mut ask = self.request(Method::Get, url);
        let value = token.value.expose().to_owned();
        ask.headers.push(("x-auth-token", value));
        let list = self.send(service, &place, &ask, None).ok();
        let body = list.and_then(|answer| Row::parse(&answer.body, false));
        let name = |project: &mut Row| project.id("name").or_else(|| project.id("id"));
        Ok(body.map(|mut body| body.list("projects", name)))
    }
}

/// openstacksdk puts the project's id into such a URL, too.
fn with_project(url: &str, home: Option<&Home>) -> String {
    let Some(home) = home else {
        return url.to_owned();
    };
    [
        "%(project_id)s",
        "$(project_id)s",
        "%(tenant_id)s",
        "$(tenant_id)s",
    ]
    .iter()
    .fold(url.to_owned(), |url, word| {
        url.replace(word, &home.project_id)
    })
}

/// The regions in which the catalog has these services.
fn regions<'c>(config: &CloudConfig, catalog: &'c Catalog, services: &[Service]) -> Vec<&'c str> {
    let mut found: Vec<&str> = services
        .iter()
        .flat_map(|service| catalog.regions(&Place::of(config, None, *service)))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn elsewhere(new: &str, home: &Home) -> Error {
    let region = home
        .region
        .as_ref()
        .map_or_else(String::new, |region| format!(", region {region}"));
    let text = format!(
        "the login leads to {new} now, and this process was started for project {} ({}){region}",
        home.project_name, home.project_id
    );
    Error::config(ErrorKind::Catalog, text).because(Cause::Elsewhere)
}
