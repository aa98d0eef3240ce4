//! The session: one token, the catalog, what discovery found, and the way of every request.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cause::Target;
use crate::clock::{Clock, monotonic_now};
use crate::compute::Compute;
use crate::config::{Auth, CloudConfig};
use crate::discovery::{self, Endpoint, Start};
use crate::endpoints::Endpoints;
use crate::error::{Error, ErrorKind, Service};
use crate::home::{Home, Place};
use crate::identity::{self, Catalog, Token, TokenInfo};
use crate::image::Image;
use crate::network::Network;
use crate::odd::Oddities;
use crate::redact::Redactor;
use crate::refusal::Refusals;
use crate::secret::Secret;
use crate::transport::{Method, Request, Response, Transport, TransportErrorKind};
use crate::url::Url;
use crate::wire::Sink;

/// The largest answer about one object.
const MAX_OBJECT_BYTES: u64 = 1024 * 1024;
/// The largest answer to a login: a catalog of many regions is in it.
const MAX_LOGIN_BYTES: u64 = 4 * 1024 * 1024;
/// A list has so many times the time of one request, all its pages together.
const LIST_TIMES: u32 = 10;
/// No list needs longer.
const MAX_LIST_TIME: Duration = Duration::from_secs(900);

/// One HTTP exchange, told to the observer after it: also logins, discovery and each page of a list.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// The service asked.
    pub service: Service,
    /// The method.
    pub method: Method,
    /// The URL's path, without query.
    pub path: String,
    /// The answer's status; none if there was no answer.
    pub status: Option<u16>,
    /// From the name lookup to the last byte of the answer.
    pub duration: Duration,
    /// What failed; also set for an error status.
    pub error: Option<ErrorKind>,
}

type Observer = Box<dyn Fn(&RequestRecord) + Send + Sync>;
type Pacer = Box<dyn Fn() -> bool + Send + Sync>;

/// A cloud that one is logged in to, or will be with the first request.
///
/// It can be shared between threads. The token is renewed before its end, and once when a service answers 401.
pub struct Cloud {
    pub(crate) config: CloudConfig,
    auth_url: Url,
    transport: Box<dyn Transport>,
    observer: Option<Observer>,
    pacer: Option<Pacer>,
    clock: Clock,
    state: Mutex<State>,
    pub(crate) odd: Oddities,
    /// The latest tokens, for hiding them in errors.
    issued: Mutex<VecDeque<Secret>>,
}

#[derive(Default)]
pub(crate) struct State {
    token: Option<Token>,
    catalog: Option<Arc<Catalog>>,
    endpoints: Endpoints,
    /// Where the first login led: no later one may lead elsewhere.
    pub(crate) home: Option<Home>,
    /// How many logins in a row were refused.
    pub(crate) refusals: u32,
    /// How long no login is tried after a refused one.
    pub(crate) waits: Refusals,
    /// The names of the user's projects, where it was asked for them.
    pub(crate) projects: Option<Vec<String>>,
    /// This token was asked for only to see the catalog anew: the next wrong URL is not answered with a login again.
    catalog_is_new: bool,
}

/// A request to a service, relative to its endpoint.
pub(crate) struct Call<'a> {
    pub(crate) service: Service,
    pub(crate) method: Method,
    /// Below the endpoint's URL, with a leading slash.
    pub(crate) path: &'a str,
    /// Without the question mark.
    pub(crate) query: &'a str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<&'a Value>,
    /// Less time than any request has.
    pub(crate) at_most: Option<Duration>,
    pub(crate) max_bytes: u64,
}

impl<'a> Call<'a> {
    pub(crate) fn new(service: Service, method: Method, path: &'a str) -> Self {
        Self {
            service,
            method,
            path,
            query: "",
            headers: Vec::new(),
            body: None,
            at_most: None,
            max_bytes: MAX_OBJECT_BYTES,
        }
    }
}

/// A good answer and the path it is from.
pub(crate) struct Answer {
    pub(crate) path: String,
    pub(crate) response: Response,
    /// Hides in an error what the request held.
    pub(crate) redactor: Redactor,
}

impl Cloud {
    /// A cloud over the default transport. Reads the CA file, if one is set, and does nothing else yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the identity URL or the CA file cannot be used.
    #[cfg(any(feature = "ureq", feature = "reqwest"))]
    pub fn new(config: CloudConfig) -> Result<Self, Error> {
        let transport_config = crate::transport::TransportConfig {
            ca_file: config.ca_file.clone(),
            insecure: config.insecure,
            proxies: config.proxies.clone(),
        };
        #[cfg(feature = "ureq")]
        let made = crate::transport::UreqTransport::new(&transport_config);
        #[cfg(not(feature = "ureq"))]
        let made = crate::transport::ReqwestTransport::new(&transport_config);
        let transport = made.map_err(|error| {
            let file = config
                .ca_file
                .as_deref()
                .map_or_else(String::new, |path| format!(" (CA file {})", path.display()));
            Error::config(ErrorKind::Config, format!("HTTPS cannot be set up{file}"))
                .with_source(error)
        })?;
        Self::with_transport(config, Box::new(transport))
    }

    /// A cloud over a transport of one's own.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the identity URL cannot be used.
    pub fn with_transport(
        config: CloudConfig,
        transport: Box<dyn Transport>,
    ) -> Result<Self, Error> {
        let auth_url = Url::parse(&config.auth_url).map_err(|expected| {
            Error::config(ErrorKind::Config, format!("identity URL: {expected}"))
        })?;
        Ok(Self {
            config,
            auth_url,
            transport,
            observer: None,
            pacer: None,
            clock: Clock::default(),
            state: Mutex::default(),
            odd: Oddities::default(),
            issued: Mutex::default(),
        })
    }

    /// Sets who is told of every HTTP exchange, for counting.
    pub fn on_request(&mut self, observer: Box<dyn Fn(&RequestRecord) + Send + Sync>) {
        self.observer = Some(observer);
    }

    /// Sets what is called before each page of a list: `false` breaks the list off ([`ErrorKind::Stopped`]). A long
    /// list is no sign of a program that hangs, which this is the place to say, too.
    pub fn between_pages(&mut self, pacer: Box<dyn Fn() -> bool + Send + Sync>) {
        self.pacer = Some(pacer);
    }

    /// Sets another clock for the lives of tokens and for waits, which is for tests.
    pub fn set_clock(&mut self, now: Arc<dyn Fn() -> Instant + Send + Sync>) {
        self.clock = Clock::of(now);
    }

    /// Logs in unless a token is there that is good for a while, and says what it is for.
    ///
    /// A refused login is not tried again before a time that doubles with each refusal, up to 15 minutes; until then
    /// the error says so without asking ([`Error::retry_after`]).
    ///
    /// # Errors
    /// [`ErrorKind::Unauthorized`] for wrong credentials, and whatever else can happen to a request.
    pub fn authenticate(&self) -> Result<TokenInfo, Error> {
        let mut state = self.lock();
        self.ensure_token(&mut state)?;
        Ok(state
            .token
            .as_ref()
            .map(|token| token.info.clone())
            .unwrap_or_default())
    }

    /// Finds out why a login was refused, if it was: at the price of another one. The error that it ends in says more.
    pub fn why_refused(&self) -> Option<Error> {
        let mut state = self.lock();
        if state.refusals == 0 || self.project_wanted().is_none() {
            return None;
        }
        state.refusals = 1;
        state.waits.let_one_pass();
        self.ensure_token(&mut state).err()
    }

    /// The compute API.
    pub fn compute(&self) -> Compute<'_> {
        Compute::new(self)
    }

    /// The network API.
    pub fn network(&self) -> Network<'_> {
        Network::new(self)
    }

    /// The image API.
    pub fn image(&self) -> Image<'_> {
        Image::new(self)
    }

    /// Sends a request with a token, renewed once if the service does not accept it. A request that got 401 was not
    /// carried out, so that even a POST may be sent again.
    pub(crate) fn call(&self, call: &Call<'_>) -> Result<Answer, Error> {
        self.exchange_with_token(call, None)
    }

    /// The same for an answer that is read while it comes in: the body of a good one goes to `sink`.
    pub(crate) fn read(&self, call: &Call<'_>, sink: &mut dyn Sink) -> Result<Answer, Error> {
        self.exchange_with_token(call, Some(sink))
    }

    /// The crate's clock.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// By when a list that begins now has to be complete.
    pub(crate) fn list_deadline(&self) -> Instant {
        self.now() + (self.config.timeout * LIST_TIMES).min(MAX_LIST_TIME)
    }

    /// Whether another page may be asked for.
    pub(crate) fn may_go_on(&self) -> bool {
        self.pacer.as_ref().is_none_or(|pacer| pacer())
    }

    fn exchange_with_token(
        &self,
        call: &Call<'_>,
        sink: Option<&mut dyn Sink>,
    ) -> Result<Answer, Error> {
        check_path(call.path)?;
        let endpoint = self.endpoint(call.service)?;
        let path = format!("{}{}", endpoint.url.path(), call.path);
        let mut url = format!("{}{}", endpoint.url, call.path);
        if !call.query.is_empty() {
            url.push('?');
            url.push_str(call.query);
        }
        let make = || {
            let mut request = self.request(call.method, url.clone());
            request.max_body_bytes = call.max_bytes;
            if let Some(at_most) = call.at_most {
                request.timeout = request.timeout.min(at_most);
            }
            request.headers.extend(call.headers.iter().cloned());
            if let Some(body) = call.body {
                request
                    .headers
                    .push(("content-type", "application/json".to_owned()));
                request.body = Some(body.to_string().into_bytes());
            }
            request
        };
        let response = self.with_token(call.service, call.method, &path, make, sink)?;
        let redactor = self.redactor(call.body);
        if (200..300).contains(&response.status) {
            return Ok(Answer {
                path,
                response,
                redactor,
            });
        }
        let error = Error::from_status(call.service, call.method, &path, &response, &redactor)
            .sent_to(self.target(&url));
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
        let mut state = self.lock();
        state.endpoints.remove(service);
        if is_elsewhere && !state.catalog_is_new {
            state.catalog_is_new = true;
            state.token = None;
        }
    }

    /// The endpoint of a service, found once and kept for as long as the catalog says the same.
    pub(crate) fn endpoint(&self, service: Service) -> Result<Endpoint, Error> {
        let (catalog, place) = {
            let mut state = self.lock();
            if let Some(endpoint) = state.endpoints.get(service) {
                return Ok(endpoint.clone());
            }
            self.ensure_token(&mut state)?;
            let place = Place::of(&self.config, state.home.as_ref(), service);
            (state.catalog.clone().unwrap_or_default(), place)
        };
        let text = match &place.endpoint {
            Some(url) => url.as_str(),
            None => catalog.url(&place)?,
        };
        let catalog_url = Url::parse(text).map_err(|expected| {
            Error::config(
                ErrorKind::Catalog,
                format!("the catalog's URL of {service}: {expected}"),
            )
        })?;
        let endpoint = match discovery::start(service, &catalog_url) {
            Start::Known(url) => Endpoint::known(url),
            Start::Ask(url) => self.discover(service, &catalog_url, &url)?,
        };
        log::debug!("{service}: endpoint {}", endpoint.url);
        let mut state = self.lock();
        state.endpoints.put(service, text, endpoint.clone());
        Ok(endpoint)
    }

    fn discover(
        &self,
        service: Service,
        catalog_url: &Url,
        asked: &Url,
    ) -> Result<Endpoint, Error> {
        let path = format!("{}/", asked.path());
        let url = format!("{asked}/");
        let make = || self.request(Method::Get, url.clone());
        let response = if service == Service::Identity {
            self.send(service, &path, &make(), None)?
        } else {
            self.with_token(service, Method::Get, &path, make, None)?
        };
        match response.status {
            200..=300 => Ok(discovery::read(service, catalog_url, asked, &response)
                .unwrap_or_else(|| discovery::fallback(service, catalog_url))),
            301..=499 if !matches!(response.status, 408 | 413 | 429) => {
                log::debug!("{service}: {asked}/ answered with {}", response.status);
                Ok(discovery::fallback(service, catalog_url))
            }
            _ => Err(Error::from_status(
                service,
                Method::Get,
                &path,
                &response,
                &self.redactor(None),
            )
            .sent_to(self.target(&url))),
        }
    }

    /// Where a request to that URL goes.
    pub(crate) fn target(&self, url: &str) -> Target {
        Target::of(url, self.config.proxies.of(url))
    }

    fn with_token(
        &self,
        service: Service,
        method: Method,
        path: &str,
        make: impl Fn() -> Request,
        mut sink: Option<&mut dyn Sink>,
    ) -> Result<Response, Error> {
        let mut last = None;
        for _ in 0..2 {
            let token = {
                let mut state = self.lock();
                self.ensure_token(&mut state)?
            };
            let mut request = make();
            request
                .headers
                .push(("x-auth-token", token.expose().to_owned()));
            let response = self.send(service, path, &request, again(&mut sink));
            request.wipe();
            let response = response?;
            if response.status != 401 {
                return Ok(response);
            }
            let mut state = self.lock();
            // Another thread may have logged in meanwhile.
            if state
                .token
                .as_ref()
                .is_some_and(|current| current.value == token)
            {
                state.token = None;
            }
            drop(state);
            log::debug!("{service}: {method} {path} was answered with 401");
            last = Some(response);
        }
        last.ok_or_else(|| Error::config(ErrorKind::Unauthorized, "no token was accepted"))
    }

    /// Logs in if need be. The lock is held on purpose: threads that need a token wait for the one login.
    fn ensure_token(&self, state: &mut State) -> Result<Secret, Error> {
        let now = self.now();
        if let Some(token) = state.token.as_ref().filter(|token| token.is_fresh(now)) {
            return Ok(token.value.clone());
        }
        if state.token.is_some() {
            state.catalog_is_new = false;
        }
        if let Some(error) = state.waits.standing(now) {
            return Err(error);
        }
        let (token, catalog) = self.log_in(state)?;
        // INVARIANT: a token that leads elsewhere is not kept, so that no request goes out with it.
        self.settle(state, &token.info, &catalog)?;
        let value = token.value.clone();
        state.token = Some(token);
        let (config, home) = (&self.config, state.home.as_ref());
        state.endpoints.keep_those(|service, url| {
            let place = Place::of(config, home, service);
            let own = place.endpoint.as_deref();
            own.or_else(|| catalog.first_url(&place)) == Some(url)
        });
        state.catalog = Some(Arc::new(catalog));
        Ok(value)
    }

    fn log_in(&self, state: &mut State) -> Result<(Token, Catalog), Error> {
        let service = Service::Identity;
        let endpoint = match state.endpoints.get(service) {
            Some(endpoint) => endpoint.clone(),
            None => match discovery::start(service, &self.auth_url) {
                Start::Known(url) => Endpoint::known(url),
                Start::Ask(url) => self.discover(service, &self.auth_url, &url)?,
            },
        };
        let path = format!("{}/auth/tokens", endpoint.url.path());
        let mut request = self.request(Method::Post, format!("{}/auth/tokens", endpoint.url));
        let asked = &self.config.auth_url;
        state.endpoints.put(service, asked, endpoint);
        request
            .headers
            .push(("content-type", "application/json".to_owned()));
        let mut login = identity::login_body(&self.config);
        request.body = Some(login.to_string().into_bytes());
        identity::wipe(&mut login);
        request.max_body_bytes = MAX_LOGIN_BYTES;
        if let Err(refused) = self.try_without_project(state, &request) {
            request.wipe();
            return Err(state.waits.add(refused, self.now()));
        }
        let sent_at = self.now();
        let response = self.send(service, &path, &request, None);
        request.wipe();
        let response = response?;
        if !(200..300).contains(&response.status) {
            let redactor = self.redactor(None);
            let target = self.target(&request.url);
            let refused = Error::from_status(service, Method::Post, &path, &response, &redactor);
            if refused.kind() == ErrorKind::Unauthorized {
                state.refusals = state.refusals.saturating_add(1);
            }
            let error = self.explained(state, refused.sent_to(target));
            return Err(state.waits.add(error, self.now()));
        }
        (state.refusals, state.projects) = (0, None);
        state.waits.clear();
        let read = identity::read_token(&response, sent_at).map_err(|problem| {
            let redactor = self.redactor(None);
            Error::bad_answer(service, Method::Post, &path, &response, &problem, &redactor)
                .sent_to(self.target(&request.url))
        })?;
        self.note_issued(&read.0.value);
        for (entry, what) in &read.1.odd {
            self.odd.tell(service, "catalog entry", entry, what);
        }
        log::debug!("logged in for {} s", read.0.info.lifetime.as_secs());
        Ok(read)
    }

    pub(crate) fn request(&self, method: Method, url: String) -> Request {
        Request {
            method,
            url,
            headers: vec![
                ("accept", "application/json".to_owned()),
                ("user-agent", self.config.user_agent.clone()),
            ],
            body: None,
            timeout: self.config.timeout,
            max_body_bytes: MAX_OBJECT_BYTES,
            fresh_connection: method != Method::Get,
        }
    }

    /// One exchange; a GET whose connection broke is sent once more, on a new connection and within the same time.
    pub(crate) fn send(
        &self,
        service: Service,
        path: &str,
        request: &Request,
        mut sink: Option<&mut dyn Sink>,
    ) -> Result<Response, Error> {
        let started_at = monotonic_now();
        let lost = match self.exchange(service, path, request, again(&mut sink)) {
            Err((TransportErrorKind::Lost, error)) => error,
            other => return other.map_err(|(_, error)| error),
        };
        let left = request.timeout.saturating_sub(started_at.elapsed());
        if request.method != Method::Get || left.is_zero() {
            return Err(lost);
        }
        let mut anew = Request {
            timeout: left,
            fresh_connection: true,
            ..request.clone()
        };
        let outcome = self.exchange(service, path, &anew, sink);
        anew.wipe();
        outcome.map_err(|(_, error)| error)
    }

    fn exchange(
        &self,
        service: Service,
        path: &str,
        request: &Request,
        sink: Option<&mut dyn Sink>,
    ) -> Result<Response, (TransportErrorKind, Error)> {
        let method = request.method;
        let started_at = monotonic_now();
        let sent = match sink {
            Some(sink) => self.transport.stream(request, &mut |body| sink.take(body)),
            None => self.transport.send(request),
        };
        match sent {
            Ok(response) => {
                let error = (response.status >= 400).then(|| {
                    let nothing = Redactor::default();
                    Error::from_status(service, method, path, &response, &nothing).kind()
                });
                self.tell(
                    service,
                    method,
                    path,
                    Some(response.status),
                    started_at,
                    error,
                );
                Ok(response)
            }
            Err(failed) => {
                let kind = failed.kind;
                let target = self.target(&request.url);
                let error = Error::from_transport(service, method, path, target, failed);
                self.tell(service, method, path, None, started_at, Some(error.kind()));
                Err((kind, error))
            }
        }
    }

    fn tell(
        &self,
        service: Service,
        method: Method,
        path: &str,
        status: Option<u16>,
        started_at: Instant,
        error: Option<ErrorKind>,
    ) {
        let record = RequestRecord {
            service,
            method,
            path: path.to_owned(),
            status,
            duration: started_at.elapsed(),
            error,
        };
        let millis = record.duration.as_millis();
        match status {
            Some(status) => log::debug!("{service}: {method} {path}: {status} after {millis} ms"),
            None => log::debug!("{service}: {method} {path}: no answer after {millis} ms"),
        }
        if let Some(observer) = &self.observer {
            observer(&record);
        }
    }

    /// Hides the credentials, the latest tokens, and the user data of a request's body.
    pub(crate) fn redactor(&self, body: Option<&Value>) -> Redactor {
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let own = match &self.config.auth {
            Auth::Password { password, .. } => password,
            Auth::ApplicationCredential { secret, .. } => secret,
            Auth::Token(token) => token,
        };
        Redactor::new(issued.iter().chain([own]), body)
    }

    pub(crate) fn note_issued(&self, token: &Secret) {
        /// A request whose token was replaced meanwhile may still be under way.
        const KEPT: usize = 4;
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.push_back(token.clone());
        if issued.len() > KEPT {
            issued.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is meant for one object must never go to all of them.
pub(crate) fn check_path(path: &str) -> Result<(), Error> {
    if path.ends_with('/') {
        let text = format!("{path}: the id is empty, and nothing was asked");
        return Err(Error::config(ErrorKind::Config, text));
    }
    Ok(())
}

/// The same once more: a request may be sent again, and its answer goes to the same place.
fn again<'a>(sink: &'a mut Option<&mut dyn Sink>) -> Option<&'a mut dyn Sink> {
    match sink {
        Some(sink) => Some(&mut **sink),
        None => None,
    }
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
