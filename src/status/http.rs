//! The little HTTP/1 that the status server speaks: one request without a body, one answer.
//! `httparse` reads the head, as it does for `ureq`; how long it may be is decided here.
//!
//! `tiny_http` is not used on purpose: it reads heads of any length, has a thread for every open
//! connection, and a single `Content-Length: 9000000000000000000` ends the whole process in it.

use super::host::Host;
use httparse::{Error, Header, Status};
use std::borrow::Cow;
use std::sync::Arc;

/// The longest head (request line and headers) that is read, in bytes.
pub(super) const MAX_HEAD: usize = 8 * 1024;

/// The most headers that are read.
const MAX_HEADERS: usize = 128;

/// A body that many connections may be sending at the same time.
pub(super) type Body = Arc<Vec<u8>>;

/// What proxies add to what they pass on.
const FORWARDED: [&str; 5] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
];

/// What a request wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The target's path, without its query.
    pub(super) path: String,
    /// The values of all `Accept` headers, with commas between them.
    pub(super) accept: Vec<u8>,
    /// The host that is asked; HTTP/1.0 need not name one.
    pub(super) host: Result<Option<Host>, BadHost>,
    /// A proxy passed it on: who the peer is says nothing of who asks.
    pub(super) forwarded: bool,
}

/// The method, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Other,
}

/// Why it is not known which host is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadHost {
    /// Since HTTP/1.1 each request has to name it.
    Missing,
    /// Who reads another one of them than the last proxy did answers for another host.
    Several,
    /// What stands there is no host.
    Unreadable,
}

/// Why there is no request to answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadRequest {
    /// It began and did not end in time.
    Slow,
    /// The request line alone is longer than [`MAX_HEAD`].
    LongTarget,
    /// The head is longer than [`MAX_HEAD`], or has more than [`MAX_HEADERS`].
    LongHead,
    /// It is no HTTP request.
    Malformed,
    /// It is HTTP of another version.
    Version,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    /// Further header lines, each with its end.
    pub(super) headers: Cow<'static, str>,
    pub(super) body: Body,
}

impl Response {
    pub(super) const JSON: &'static str = "application/json";

    /// The head on the wire. A `HEAD` gets the head that a `GET` would get.
    pub(super) fn head(&self) -> Vec<u8> {
        let allow = match self.status {
            405 => "Allow: GET, HEAD\r\n",
            _ => "",
        };
        let head = format!(
            "HTTP/1.1 {} {}\r\n\
             Content-Type: {}\r\n\
             Content-Length: {}\r\n\
             Cache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\n\
             {allow}{}\
             Connection: close\r\n\r\n",
            self.status,
            reason_phrase(self.status),
            self.content_type,
            self.body.len(),
            self.headers,
        );
        head.into_bytes()
    }
}

fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

/// What has come of a request so far; `None`: its head is not whole yet. Whatever follows the head is
/// ignored.
pub(super) fn request(bytes: &[u8]) -> Option<Result<Request, BadRequest>> {
    // What is sent in one piece is held to the same limit as what comes byte by byte.
    let bytes = bytes.get(..MAX_HEAD).unwrap_or(bytes);
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    Some(match head.parse(bytes) {
        Ok(Status::Complete(_)) => Ok(Request::new(&head)),
        Ok(Status::Partial) if bytes.len() < MAX_HEAD => return None,
        Ok(Status::Partial) if !bytes.contains(&b'\n') => Err(BadRequest::LongTarget),
        Ok(Status::Partial) | Err(Error::TooManyHeaders) => Err(BadRequest::LongHead),
        Err(Error::Version) if names_http(bytes) => Err(BadRequest::Version),
        Err(_) => Err(BadRequest::Malformed),
    })
}

/// Whether what stands in the place of the version is one of HTTP at all. Method and target hold no
/// space.
fn names_http(bytes: &[u8]) -> bool {
    let version = bytes.split(|b| *b == b' ').nth(2);
    version.is_some_and(|version| version.starts_with(b"HTTP/"))
}

impl Request {
    fn new(head: &httparse::Request<'_, '_>) -> Self {
        let values = |name: &'static str| {
            let named = move |header: &&Header<'_>| header.name.eq_ignore_ascii_case(name);
            head.headers.iter().filter(named).map(|header| header.value)
        };
        let (authority, path) = target(head.path.unwrap_or_default());
        let fields: Vec<&[u8]> = values("host").collect();
        Self {
            method: match head.method {
                Some("GET") => Method::Get,
                Some("HEAD") => Method::Head,
                _ => Method::Other,
            },
            path: path.to_owned(),
            accept: values("accept").collect::<Vec<_>>().join(&b','),
            host: host(head.version, &fields, authority),
            forwarded: FORWARDED.iter().any(|name| values(name).next().is_some()),
        }
    }
}

/// The host that is asked, by RFC 9112, 3.2: whatever the target is, there is at most one `Host`, and
/// that can be read; a target that is a URL takes its place.
fn host(
    version: Option<u8>,
    fields: &[&[u8]],
    authority: Option<&str>,
) -> Result<Option<Host>, BadHost> {
    let read = |text| Host::read(text).ok_or(BadHost::Unreadable);
    let field = match fields {
        [] if version == Some(0) => None,
        [] => return Err(BadHost::Missing),
        [field] => Some(read(field)?),
        _ => return Err(BadHost::Several),
    };
    match authority {
        Some(authority) => read(authority.as_bytes()).map(Some),
        None => Ok(field),
    }
}

/// The path of a target, without its query, and before it the host and port if the target is a URL, as
/// proxies are sent it and every server has to take it. No TLS is spoken here: an `https` URL is nothing
/// that can be found here, and stays a path.
fn target(target: &str) -> (Option<&str>, &str) {
    const SCHEME: &str = "http://";
    let path = |rest: &str| rest.find('?').unwrap_or(rest.len());
    match target.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => {
            let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            let (path, _) = rest.split_at(path(rest));
            (Some(authority), if path.is_empty() { "/" } else { path })
        }
        _ => (None, target.split_at(path(target)).0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BadRequest::{LongHead, LongTarget, Malformed, Version};
    use Method::{Get, Head, Other};

    fn read(bytes: &[u8]) -> Request {
        request(bytes).unwrap().unwrap()
    }

    fn check(bytes: &[u8], method: Method, path: &str) {
        let Request {
            method: m, path: p, ..
        } = read(bytes);
        assert_eq!((m, p.as_str()), (method, path), "{}", bytes.escape_ascii());
    }

    fn check_bad(bytes: &[u8], bad: BadRequest) {
        assert_eq!(request(bytes), Some(Err(bad)), "{}", bytes.escape_ascii());
    }

    #[test]
    fn requests_are_read_strictly() {
        check(b"GET / HTTP/1.1\r\n\r\n", Get, "/");
        check(b"\r\nHEAD /a?b=c HTTP/1.0\nHost: x\n\n", Head, "/a");
        check(b"get / HTTP/1.1\r\n\r\n", Other, "/");
        check(b"M-SEARCH * HTTP/1.1\r\n\r\n", Other, "*");
        check("GET /\u{e9} HTTP/1.1\r\n\r\n".as_bytes(), Get, "/\u{e9}");
        check(b"GET / HTTP/1.1\r\nA: \xff\r\n\r\nGET /b", Get, "/");
        for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/2", "HTTP/"] {
            check_bad(format!("PRI * {version}\r\n\r\n").as_bytes(), Version);
        }
        for line in [
            &b"GET /"[..],
            b"GET  / HTTP/1.1",
            b" GET / HTTP/1.1",
            b"GET / x HTTP/1.1",
            b"GET / HTTP/1.1 x",
            b"GET / HTTP/1.10",
            b"GET / http/1.1",
            b"GET /\0 HTTP/1.1",
            b"GET /\xff HTTP/1.1",
            b"G\xe9T / HTTP/1.1",
            b"G(T / HTTP/1.1",
            b"\x16\x03\x01\x02\x00 / HTTP/1.1",
            b"GET / HTTP/1.1\r\nno header",
            b"GET / HTTP/1.1\r\nHost : x",
            b"GET / HTTP/1.1\r\nHost: x\r\n folded: y",
            b"GET / HTTP/1.1\r\nA: b\0",
            b"GET / HTTP/1.1\r\nA: b\rc",
        ] {
            check_bad(&[line, b"\r\n\r\n"].concat(), Malformed);
        }
    }

    #[test]
    fn what_is_accepted_is_read() {
        let head = b"GET / HTTP/1.1\r\nACCEPT: text/html\r\nX: y\r\naccept:*/*;q=0.1\r\n\r\n";
        assert_eq!(read(head).accept, b"text/html,*/*;q=0.1");
    }

    #[test]
    fn each_request_names_one_host() {
        use BadHost::{Missing, Several, Unreadable};
        for (line, fields, path, expected) in [
            ("GET / HTTP/1.0", "", "/", Ok(None)),
            ("GET / HTTP/1.1", "", "/", Err(Missing)),
            ("POST /a HTTP/1.1", "", "/a", Err(Missing)),
            ("GET / HTTP/1.1", "hOSt:\t a:1 \r\n", "/", Ok(Some("a:1"))),
            ("GET / HTTP/1.0", "Host: [::1]\r\n", "/", Ok(Some("[::1]"))),
            (
                "GET / HTTP/1.1",
                "Host: a\r\nHOST: a\r\n",
                "/",
                Err(Several),
            ),
            (
                "GET / HTTP/1.0",
                "Host: a\r\nHost: b\r\n",
                "/",
                Err(Several),
            ),
            ("GET / HTTP/1.1", "Host:\r\n", "/", Err(Unreadable)),
            ("GET / HTTP/1.0", "Host: \r\n", "/", Err(Unreadable)),
            ("GET / HTTP/1.1", "Host: a, b\r\n", "/", Err(Unreadable)),
            ("GET / HTTP/1.1", "Host: http://a\r\n", "/", Err(Unreadable)),
            ("GET / HTTP/1.1", "Host: b\u{fc}\r\n", "/", Err(Unreadable)),
            // A URL as the target takes the place of the header, which has to be right all the same.
            (
                "GET http://b:2/c?d HTTP/1.1",
                "Host: a\r\n",
                "/c",
                Ok(Some("b:2")),
            ),
            ("GET HTTP://b HTTP/1.1", "Host: a\r\n", "/", Ok(Some("b"))),
            (
                "GET http://b?/d HTTP/1.1",
                "Host: a\r\n",
                "/",
                Ok(Some("b")),
            ),
            ("GET http://b//c HTTP/1.0", "", "//c", Ok(Some("b"))),
            ("GET http://b/c HTTP/1.1", "", "/c", Err(Missing)),
            (
                "GET http://b/c HTTP/1.1",
                "Host: a\r\nHost: b\r\n",
                "/c",
                Err(Several),
            ),
            (
                "GET http://b/c HTTP/1.1",
                "Host:\r\n",
                "/c",
                Err(Unreadable),
            ),
            (
                "GET http:///c HTTP/1.1",
                "Host: a\r\n",
                "/c",
                Err(Unreadable),
            ),
            (
                "GET http://u@b/c HTTP/1.1",
                "Host: a\r\n",
                "/c",
                Err(Unreadable),
            ),
            (
                "GET http://b#c HTTP/1.1",
                "Host: a\r\n",
                "/",
                Err(Unreadable),
            ),
            // All others are paths that nothing is at.
            (
                "GET https://b/c HTTP/1.1",
                "Host: a\r\n",
                "https://b/c",
                Ok(Some("a")),
            ),
            (
                "CONNECT b:443 HTTP/1.1",
                "Host: b:443\r\n",
                "b:443",
                Ok(Some("b:443")),
            ),
            ("OPTIONS * HTTP/1.1", "Host: a\r\n", "*", Ok(Some("a"))),
        ] {
            let request = read(format!("{line}\r\n{fields}\r\n").as_bytes());
            let expected =
                expected.map(|host| host.map(|host| Host::read(host.as_bytes()).unwrap()));
            assert_eq!(
                (request.path.as_str(), request.host),
                (path, expected),
                "{line} {fields}"
            );
        }
    }

    #[test]
    fn proxies_are_seen() {
        let forwarded =
            |line: &str| read(format!("GET / HTTP/1.1\r\n{line}\r\n\r\n").as_bytes()).forwarded;
        assert!(forwarded("X-Forwarded-For: c"));
        assert!(forwarded("via: 1.1 x"));
        assert!(!forwarded("Host: a"));
    }

    #[test]
    fn a_head_is_waited_for_up_to_a_length() {
        for begun in [&b""[..], b"\r\n\r\n", b"GET / HT", b"GET / HTTP/1.1\r\n"] {
            assert_eq!(request(begun), None, "{}", begun.escape_ascii());
        }
        assert_eq!(request(&[b'a'; MAX_HEAD - 1]), None);
        check_bad(&[b'a'; MAX_HEAD], LongTarget);
        let long = |more: &str, length: usize| {
            let (begin, end) = (format!("GET / HTTP/1.1\r\nA: {more}"), b"\r\n\r\n");
            let filler = vec![b'a'; length - begin.len() - end.len()];
            [begin.as_bytes(), &filler, end].concat()
        };
        check(&long("", MAX_HEAD), Get, "/");
        check_bad(&long("", MAX_HEAD + 1), LongHead);
        check(&long(&"b\r\nA: ".repeat(MAX_HEADERS - 1), 2_000), Get, "/");
        check_bad(&long(&"b\r\nA: ".repeat(MAX_HEADERS), 2_000), LongHead);
    }
}
