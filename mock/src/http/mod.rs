//! A small HTTP server that does as it is told: every reply is a script of steps, so that a peer can be
//! slow, silent, broken or gone.

mod engine;
mod loopback;
mod parse;

pub(crate) use engine::{Engine, Handler, listen};
pub use loopback::LoopbackListener;
pub(crate) use loopback::{is_of_loopback, listen_on_loopback};

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::faults::Fault;
use crate::util::http_date;

/// A request as it came from the wire.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, as sent.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The address of this end: it says which replica is meant.
    pub(crate) local: SocketAddr,
    pub(crate) http10: bool,
    /// How often the handler asked to see this request again.
    pub(crate) stage: u32,
    /// The fault that was drawn for this request at stage 0.
    pub(crate) fault: Option<Fault>,
    /// Whether its `If-Match` fitted when it came, though it is carried out later.
    pub(crate) condition_held: bool,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split(['?', '#']).next().unwrap_or("/")
    }

    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let Some((_, query)) = self.target.split_once('?') else {
            return Vec::new();
        };
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (parse::decode(key, true), parse::decode(value, true))
            })
            .collect()
    }

    /// The path's segments, decoded, without empty ones.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.path()
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| parse::decode(part, false))
            .collect()
    }

    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// How many bytes of a body may be sent: none to a `HEAD`.
    pub(crate) fn body_limit(&self) -> Option<usize> {
        (self.method == "HEAD").then_some(0)
    }

    /// Whether the client wants the connection kept.
    pub(crate) fn keep_alive(&self) -> bool {
        match self.header("connection") {
            Some(value) if value.eq_ignore_ascii_case("close") => false,
            Some(value) if value.eq_ignore_ascii_case("keep-alive") => true,
            _ => !self.http10,
        }
    }
}

/// One step of a reply.
#[derive(Debug)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// So many blanks.
    Fill(u64),
}

/// What happens after the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    KeepAlive,
    Close,
    /// Close with a TCP reset.
    Reset,
    /// Keep the connection and never say anything more.
    Hang,
    /// Hand the request to the handler again, its stage one higher.
    Again,
}

/// A reply: steps, then an end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) steps: VecDeque<Step>,
    pub(crate) end: End,
}

impl Reply {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>, end: End) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            end,
        }
    }

    pub(crate) fn again(after: Duration) -> Self {
        Self::new([Step::Wait(after)], End::Again)
    }
}

/// A plain answer of the API.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: value.to_string().into_bytes(),
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// The HTML error page of webob, which Nova and Glance send for some errors.
    pub(crate) fn html(status: u16, detail: &str) -> Self {
        let title = format!("{status} {}", reason(status));
        let body = format!(
            "<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n  {detail}<br /><br />\n\n\n\n </body>\n</html>"
        );
        Self {
            status,
            headers: vec![("Content-Type".into(), "text/html; charset=UTF-8".into())],
            body: body.into_bytes(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The bytes of the answer; `truncate` cuts the body but leaves its announced length.
    pub(crate) fn into_bytes(
        self,
        now: SystemTime,
        keep: bool,
        truncate: Option<usize>,
    ) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if self.status != 204 {
            let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        let _ = write!(head, "Date: {}\r\n", http_date(now));
        head.push_str(if keep {
            "\r\n"
        } else {
            "Connection: close\r\n\r\n"
        });
        let mut bytes = head.into_bytes();
        let end = truncate.unwrap_or(usize::MAX).min(self.body.len());
        bytes.extend_from_slice(&self.body[..end]);
        bytes
    }
}

/// The reason phrase of a status.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Injected",
    }
}
