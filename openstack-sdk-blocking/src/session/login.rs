//! Logging in: one token at a time, renewed before its end, and what is known of logins that were refused.

use std::sync::Arc;

use serde_json::{Value, json};

use super::catalog::{Catalog, Home, Place};
use super::endpoints::{self, Endpoints};
use super::home::settle;
use super::http::Http;
use super::refusal::Refusals;
use super::token::{self, Token};
use crate::cause::Cause;
use crate::config::{Auth, CloudConfig, ProjectRef, Scope};
use crate::error::{Asked, Error, ErrorKind};
use crate::row::Row;
use crate::secret::Secret;
use crate::service::Service;
use crate::text::{listed, nearest};
use crate::transport::{Method, Request};

/// The largest answer to a login: a catalog of many regions is in it.
const MAX_LOGIN_BYTES: u64 = 4 * 1024 * 1024;

/// What logins have led to so far.
#[derive(Default)]
pub(super) struct Login {
    token: Option<Token>,
    catalog: Arc<Catalog>,
    pub(super) endpoints: Endpoints,
    /// Where the first login led: no later one may lead elsewhere.
    home: Option<Home>,
    /// How many logins in a row were refused.
    refusals: u32,
    /// How long no login is tried after a refused one.
    waits: Refusals,
    /// The names of the user's projects, where it was asked for them.
    projects: Option<Vec<String>>,
    /// This token was asked for only to see the catalog anew: the next wrong URL is not answered with a login again.
    catalog_is_new: bool,
}

impl Login {
    /// The token that is there, or another one.
    pub(super) fn token(&mut self, http: &Http) -> Result<&Token, Error> {
        let now = http.clock.now();
        // Taken out and put back: a borrow that is returned would last to the end.
        let fresh = self.token.take_if(|token| token.is_fresh(now));
        let token = match fresh {
            Some(token) => token,
            None => self.renewed(http)?,
        };
        Ok(self.token.insert(token))
    }

    fn renewed(&mut self, http: &Http) -> Result<Token, Error> {
        if self.token.is_some() {
            self.catalog_is_new = false;
        }
        if let Some(error) = self.waits.standing(http.clock.now()) {
            return Err(error);
        }
        let (token, catalog) = self.log_in(http)?;
        // INVARIANT: a token that leads elsewhere is not kept, so that no request goes out with it.
        settle(&http.config, &mut self.home, &token.info, &catalog)?;
        let home = self.home.as_ref();
        self.endpoints.keep_those(|service, url| {
            let place = Place::of(&http.config, home, service);
            let own = place.endpoint.as_deref();
            own.or_else(|| catalog.first_url(&place)) == Some(url)
        });
        self.catalog = Arc::new(catalog);
        Ok(token)
    }

    /// A service did not accept a token: another one is needed, unless another thread has got one meanwhile.
    pub(super) fn reject(&mut self, refused: &Secret) {
        self.token.take_if(|current| current.value == *refused);
    }

    /// Where a service is by the catalog, and that catalog.
    pub(super) fn place(
        &mut self,
        http: &Http,
        service: Service,
    ) -> Result<(Arc<Catalog>, Place), Error> {
        self.token(http)?;
        let place = Place::of(&http.config, self.home.as_ref(), service);
        Ok((Arc::clone(&self.catalog), place))
    }

    /// A service is not where the catalog has it: another login brings another catalog, but not twice in a row.
    pub(super) fn doubt_catalog(&mut self) {
        if !self.catalog_is_new {
            self.catalog_is_new = true;
            self.token = None;
        }
    }

    /// Finds out why a login was refused, if it was: at the price of another one.
    pub(super) fn why_refused(&mut self, http: &Http) -> Option<Error> {
        if self.refusals == 0 || project_wanted(&http.config).is_none() {
            return None;
        }
        self.refusals = 1;
        self.waits.let_one_pass();
        self.token(http).err()
    }

    fn log_in(&mut self, http: &Http) -> Result<(Token, Catalog), Error> {
        let service = Service::Identity;
        let endpoint = match self.endpoints.get(service) {
            Some(endpoint) => endpoint.clone(),
            None => endpoints::find(http, service, &http.auth_url, |request| {
                http.send(service, request, None)
            })?,
        };
        let mut request = http.request(Method::Post, format!("{}/auth/tokens", endpoint.url));
        self.endpoints.put(service, &http.config.auth_url, endpoint);
        let mut body = token::login_body(&http.config);
        request.set_json(&body);
        token::wipe(&mut body);
        request.max_body_bytes = MAX_LOGIN_BYTES;
        if let Err(refused) = self.try_without_project(http, &request) {
            request.wipe();
            return Err(self.waits.add(refused, http.clock.now()));
        }
        let sent_at = http.clock.now();
        let response = http.send(service, &request, None);
        request.wipe();
        let response = response?;
        let redactor = http.redactor(None);
        if !(200..300).contains(&response.status) {
            let refused = http.refused(service, &request, &response, &redactor);
            if refused.kind() == ErrorKind::Unauthorized {
                self.refusals = self.refusals.saturating_add(1);
            }
            let error = self.explained(&http.config, refused);
            return Err(self.waits.add(error, http.clock.now()));
        }
        (self.refusals, self.projects) = (0, None);
        self.waits.clear();
        let read = token::read(&response, sent_at).map_err(|problem| {
            let asked = Asked::of(service, &request);
            Error::bad_answer(&asked, &response, &problem, &redactor)
                .sent_to(http.target(&request.url))
        })?;
        http.note_issued(&read.0.value);
        for (entry, what) in &read.1.odd {
            http.odd.tell(service, "catalog entry", entry, what);
        }
        log::debug!("logged in for {} s", read.0.info.lifetime.as_secs());
        Ok(read)
    }

    /// A refused login with what is known about it.
    fn explained(&self, config: &CloudConfig, error: Error) -> Error {
        let is_refused = matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::NotFound);
        match config.auth {
            Auth::ApplicationCredential { .. } if is_refused => {
                return error.because(Cause::CredentialRefused);
            }
            Auth::Token(_) if is_refused => return error.because(Cause::TokenRefused),
            _ => {}
        }
        let (Some(wanted), Some(names)) = (project_wanted(config), &self.projects) else {
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
    fn try_without_project(&mut self, http: &Http, login: &Request) -> Result<(), Error> {
        if project_wanted(&http.config).is_none() || self.refusals != 1 {
            return Ok(());
        }
        match projects(http, login) {
            Ok(Some(names)) => self.projects = Some(names),
            Ok(None) => {}
            Err(refused) => {
                self.refusals += 1;
                return Err(refused.because(Cause::WrongCredentials));
            }
        }
        Ok(())
    }
}

/// The project that is logged in for, with a user and a password.
fn project_wanted(config: &CloudConfig) -> Option<&str> {
    let is_password = matches!(config.auth, Auth::Password { .. });
    match &config.scope {
        Scope::Project(ProjectRef::Id(text) | ProjectRef::Name { name: text, .. })
            if is_password =>
        {
            Some(text)
        }
        _ => None,
    }
}

/// The names of the user's projects, by a login that is for none; `None`: no telling.
fn projects(http: &Http, login: &Request) -> Result<Option<Vec<String>>, Error> {
    let service = Service::Identity;
    let body = login.body.as_deref().unwrap_or_default();
    let Ok(mut body) = serde_json::from_slice::<Value>(body) else {
        return Ok(None);
    };
    body["auth"]["scope"] = json!("unscoped");
    let mut request = login.clone();
    request.body = Some(body.to_string().into_bytes());
    token::wipe(&mut body);
    let answer = http.send(service, &request, None);
    request.wipe();
    let Ok(answer) = answer else {
        return Ok(None);
    };
    if answer.status == 401 {
        return Err(http.refused(service, &request, &answer, &http.redactor(None)));
    }
    let token = token::read(&answer, http.clock.now());
    let base = request.url.strip_suffix("/tokens");
    let (Ok((token, _)), Some(base), 200..=299) = (token, base, answer.status) else {
        return Ok(None);
    };
    http.note_issued(&token.value);
    let mut ask = http.request(Method::Get, format!("{base}/projects"));
    ask.set_token(&token.value);
    let list = http.send(service, &ask, None).ok();
    ask.wipe();
    let body = list.and_then(|answer| Row::parse(&answer.body, false));
    let name = |project: &mut Row| project.id("name").or_else(|| project.id("id"));
    Ok(body.map(|mut body| body.list("projects", name)))
}
