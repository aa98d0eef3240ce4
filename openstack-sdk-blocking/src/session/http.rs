//! One HTTP call, with what every request has: time limit, observer, a second try on a broken connection, and what to
//! keep out of errors. Knows nothing of logins.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::call::{MAX_OBJECT_BYTES, Sink, again};
use super::odd::Oddities;
use crate::cause::Target;
use crate::clock::{Clock, monotonic_now};
use crate::config::{Auth, CloudConfig};
use crate::error::{Asked, Error, ErrorKind};
use crate::redact::Redactor;
use crate::secret::Secret;
use crate::service::Service;
use crate::transport::{Method, Request, Response, Transport, TransportErrorKind};
use crate::url::Url;

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

/// Who is told of every exchange.
pub(crate) type Observer = Box<dyn Fn(&RequestRecord) + Send + Sync>;

/// Sends requests, each with its service and path for errors and the observer.
pub(super) struct Http {
    pub(super) config: CloudConfig,
    /// Where to log in, as configured.
    pub(super) auth_url: Url,
    transport: Box<dyn Transport>,
    pub(super) observer: Option<Observer>,
    pub(super) clock: Clock,
    pub(super) odd: Oddities,
    /// The latest tokens, for hiding them in errors.
    issued: Mutex<VecDeque<Secret>>,
}

impl Http {
    pub(super) fn new(config: CloudConfig, transport: Box<dyn Transport>) -> Result<Self, Error> {
        let auth_url = Url::parse(&config.auth_url).map_err(|expected| {
            Error::config(ErrorKind::Config, format!("identity URL: {expected}"))
        })?;
        Ok(Self {
            config,
            auth_url,
            transport,
            observer: None,
            clock: Clock::default(),
            odd: Oddities::default(),
            issued: Mutex::default(),
        })
    }

    pub(super) fn request(&self, method: Method, url: String) -> Request {
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
    pub(super) fn send(
        &self,
        service: Service,
        request: &Request,
        mut sink: Option<&mut dyn Sink>,
    ) -> Result<Response, Error> {
        let started_at = monotonic_now();
        let lost = match self.exchange(service, request, again(&mut sink)) {
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
        let outcome = self.exchange(service, &anew, sink);
        anew.wipe();
        outcome.map_err(|(_, error)| error)
    }

    fn exchange(
        &self,
        service: Service,
        request: &Request,
        sink: Option<&mut dyn Sink>,
    ) -> Result<Response, (TransportErrorKind, Error)> {
        let asked = Asked::of(service, request);
        let started_at = monotonic_now();
        let sent = match sink {
            Some(sink) => self.transport.stream(request, &mut |body| sink.take(body)),
            None => self.transport.send(request),
        };
        let duration = started_at.elapsed();
        match sent {
            Ok(response) => {
                let error = (response.status >= 400).then(|| {
                    let nothing = Redactor::default();
                    Error::from_status(&asked, &response, &nothing).kind()
                });
                self.tell(asked, duration, Some(response.status), error);
                Ok(response)
            }
            Err(failed) => {
                let kind = failed.kind;
                let target = self.target(&request.url);
                let error = Error::from_transport(&asked, target, failed);
                self.tell(asked, duration, None, Some(error.kind()));
                Err((kind, error))
            }
        }
    }

    fn tell(
        &self,
        asked: Asked,
        duration: Duration,
        status: Option<u16>,
        error: Option<ErrorKind>,
    ) {
        let millis = duration.as_millis();
        match status {
            Some(status) => log::debug!("{asked}: {status} after {millis} ms"),
            None => log::debug!("{asked}: no answer after {millis} ms"),
        }
        if let Some(observer) = &self.observer {
            observer(&RequestRecord {
                service: asked.service,
                method: asked.method,
                path: asked.path,
                status,
                duration,
                error,
            });
        }
    }

    /// Hides the credentials, the latest tokens, and the user data of a request's body.
    pub(super) fn redactor(&self, body: Option<&Value>) -> Redactor {
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let own = match &self.config.auth {
            Auth::Password { password, .. } => password,
            Auth::ApplicationCredential { secret, .. } => secret,
            Auth::Token(token) => token,
        };
        Redactor::new(issued.iter().chain([own]), body)
    }

    pub(super) fn note_issued(&self, token: &Secret) {
        /// A request whose token was replaced meanwhile may still be under way.
        const KEPT: usize = 4;
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.push_back(token.clone());
        if issued.len() > KEPT {
            issued.pop_front();
        }
    }

    /// What an answer means that is no good one.
    pub(super) fn refused(
        &self,
        service: Service,
        request: &Request,
        response: &Response,
        redactor: &Redactor,
    ) -> Error {
        Error::from_status(&Asked::of(service, request), response, redactor)
            .sent_to(self.target(&request.url))
    }

    /// Where a request to that URL goes.
    pub(super) fn target(&self, url: &str) -> Target {
        Target::of(url, self.config.proxies.of(url))
    }
}
