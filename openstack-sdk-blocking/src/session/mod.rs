//! The session: one token, the catalog, what discovery found, and the way of every request. It knows no service's calls.

mod call;
mod catalog;
mod discovery;
mod endpoints;
mod home;
mod http;
mod login;
mod odd;
mod refusal;
mod token;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::call::again;
use self::discovery::Endpoint;
use self::http::Http;
use self::login::Login;
use crate::clock::Clock;
use crate::config::CloudConfig;
use crate::error::{Asked, Error, ErrorKind};
use crate::service::Service;
use crate::transport::{Request, Response, Transport};
use crate::url::Url;

pub(crate) use self::call::{Answer, Call, Sink, check_path};
pub use self::discovery::Microversion;
pub(crate) use self::http::Observer;
pub use self::http::RequestRecord;
pub use self::token::TokenInfo;

/// A list has so many times the time of one request, all its pages together.
const LIST_TIMES: u32 = 10;
/// No list needs longer.
const MAX_LIST_TIME: Duration = Duration::from_secs(900);

/// Who is asked before each page of a list.
pub(crate) type Pacer = Box<dyn Fn() -> bool + Send + Sync>;

/// A login and what is sent with it. Threads share it.
pub(crate) struct Session {
    http: Http,
    pacer: Option<Pacer>,
    login: Mutex<Login>,
}

impl Session {
    pub(crate) fn new(config: CloudConfig, transport: Box<dyn Transport>) -> Result<Self, Error> {
        Ok(Self {
            http: Http::new(config, transport)?,
            pacer: None,
            login: Mutex::default(),
        })
    }

    pub(crate) fn on_request(&mut self, observer: Observer) {
        self.http.observer = Some(observer);
    }

    pub(crate) fn between_pages(&mut self, pacer: Pacer) {
        self.pacer = Some(pacer);
    }

    pub(crate) fn set_clock(&mut self, now: Arc<dyn Fn() -> Instant + Send + Sync>) {
        self.http.clock = Clock::of(now);
    }

    /// What the token is for, after a login if one is needed.
    pub(crate) fn authenticate(&self) -> Result<TokenInfo, Error> {
        Ok(self.lock().token(&self.http)?.info.clone())
    }

    pub(crate) fn why_refused(&self) -> Option<Error> {
        self.lock().why_refused(&self.http)
    }

    /// Sends a request with a token, renewed once if the service does not accept it. A request that got 401 was not
    /// carried out, so that even a POST may be sent again.
    pub(crate) fn call(&self, call: &Call<'_>) -> Result<Answer, Error> {
        self.exchange(call, None)
    }

    /// The same for an answer that is read while it comes in: the body of a good one goes to `sink`.
    pub(crate) fn read(&self, call: &Call<'_>, sink: &mut dyn Sink) -> Result<Answer, Error> {
        self.exchange(call, Some(sink))
    }

    /// The session's clock.
    pub(crate) fn now(&self) -> Instant {
        self.http.clock.now()
    }

    /// By when a list that begins now has to be complete.
    pub(crate) fn list_deadline(&self) -> Instant {
        self.now() + (self.http.config.timeout * LIST_TIMES).min(MAX_LIST_TIME)
    }

    /// Whether another page may be asked for.
    pub(crate) fn may_go_on(&self) -> bool {
        self.pacer.as_ref().is_none_or(|pacer| pacer())
    }

    /// Tells of an object that cannot be read as a whole, unless it was told of before.
    pub(crate) fn tell_odd(&self, service: Service, kind: &str, label: &str, what: &str) {
        self.http.odd.tell(service, kind, label, what);
    }

    /// The endpoint of a service, found once and kept for as long as the catalog says the same.
    pub(crate) fn endpoint(&self, service: Service) -> Result<Endpoint, Error> {
        let (catalog, place) = {
            let mut login = self.lock();
            if let Some(endpoint) = login.endpoints.get(service) {
                return Ok(endpoint.clone());
            }
            login.place(&self.http, service)?
        };
        let text = match &place.endpoint {
            Some(url) => url.as_str(),
            None => catalog.url(&place)?,
        };
        let catalog_url = Url::parse(text).map_err(|expected| {
            let text = format!("the catalog's URL of {service}: {expected}");
            Error::config(ErrorKind::Catalog, text)
        })?;
        let endpoint = endpoints::find(&self.http, service, &catalog_url, |request| {
            self.send_with_token(service, request, None)
        })?;
        log::debug!("{service}: endpoint {}", endpoint.url);
        self.lock().endpoints.put(service, text, endpoint.clone());
        Ok(endpoint)
    }

    fn exchange(&self, call: &Call<'_>, sink: Option<&mut dyn Sink>) -> Result<Answer, Error> {
        check_path(call.path)?;
        let endpoint = self.endpoint(call.service)?;
        let mut request = self.http.request(call.method, call.url(&endpoint.url));
        call.fill(&mut request);
        let response = self.send_with_token(call.service, &request, sink);
        request.wipe();
        let (response, http) = (response?, &self.http);
        let redactor = http.redactor(call.body);
        if (200..300).contains(&response.status) {
            return Ok(Answer {
                asked: Asked::of(call.service, &request),
                response,
                redactor,
            });
        }
        let error = http.refused(call.service, &request, &response, &redactor);
        self.doubt_endpoint(&error, call.service);
        Err(error)
    }

    /// A service that is not where it was, or that has not the microversion any more (406, "Microversions" of the
    /// Compute API guide), is looked for again with the next request.
    fn doubt_endpoint(&self, error: &Error, service: Service) {
        let is_elsewhere = error.kind() == ErrorKind::WrongUrl;
        if !is_elsewhere && error.status() != Some(406) {
            return;
        }
        let mut login = self.lock();
        login.endpoints.remove(service);
        if is_elsewhere {
            login.doubt_catalog();
        }
    }

    fn send_with_token(
        &self,
        service: Service,
        request: &Request,
        mut sink: Option<&mut dyn Sink>,
    ) -> Result<Response, Error> {
        let mut last = None;
        for _ in 0..2 {
            // The lock is held during a login on purpose: threads that need a token wait for the one login.
            let token = self.lock().token(&self.http)?.value.clone();
            let mut request = request.clone();
            request.set_token(&token);
            let response = self.http.send(service, &request, again(&mut sink));
            request.wipe();
            let response = response?;
            if response.status != 401 {
                return Ok(response);
            }
            self.lock().reject(&token);
            log::debug!("{} was answered with 401", Asked::of(service, &request));
            last = Some(response);
        }
        last.ok_or_else(|| Error::config(ErrorKind::Unauthorized, "no token was accepted"))
    }

    fn lock(&self) -> MutexGuard<'_, Login> {
        self.login.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("config", &self.http.config)
            .finish_non_exhaustive()
    }
}
