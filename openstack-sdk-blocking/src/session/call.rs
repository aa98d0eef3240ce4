//! A request to a service as the facade makes it, and the answer to it.

use std::io::Read;
use std::time::Duration;

use serde_json::Value;

use crate::error::{Asked, Error, ErrorKind};
use crate::redact::Redactor;
use crate::service::Service;
use crate::transport::{Method, Request, Response};

/// The largest answer about one object.
pub(super) const MAX_OBJECT_BYTES: u64 = 1024 * 1024;

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

    /// Where it goes, with the endpoint's URL before it.
    pub(super) fn url(&self, endpoint: &impl std::fmt::Display) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{endpoint}{}{mark}{}", self.path, self.query)
    }

    /// Puts into a request what this call has of its own.
    pub(super) fn fill(&self, request: &mut Request) {
        request.max_body_bytes = self.max_bytes;
        if let Some(at_most) = self.at_most {
            request.timeout = request.timeout.min(at_most);
        }
        request.headers.extend(self.headers.iter().cloned());
        if let Some(body) = self.body {
            request.set_json(body);
        }
    }
}

/// A good answer and what it is the answer to.
pub(crate) struct Answer {
    pub(super) asked: Asked,
    pub(crate) response: Response,
    /// Hides in an error what the request held.
    pub(super) redactor: Redactor,
}

impl Answer {
    /// It cannot be used after all.
    pub(crate) fn bad(&self, message: &str) -> Error {
        Error::bad_answer(&self.asked, &self.response, message, &self.redactor)
    }
}

/// Takes the body of a good answer as it comes. It may be called again, with another answer to the same request.
pub(crate) trait Sink {
    fn take(&mut self, body: &mut dyn Read);
}

/// The same once more: a request may be sent again, and its answer goes to the same place.
pub(super) fn again<'a>(sink: &'a mut Option<&mut dyn Sink>) -> Option<&'a mut dyn Sink> {
    sink.as_mut().map(|sink| &mut **sink as &mut dyn Sink)
}

/// What is meant for one object must never go to all of them.
pub(crate) fn check_path(path: &str) -> Result<(), Error> {
    if path.ends_with('/') {
        let text = format!("{path}: the id is empty, and nothing was asked");
        return Err(Error::config(ErrorKind::Config, text));
    }
    Ok(())
}
