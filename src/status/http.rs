//! The little HTTP/1 that the status server speaks: one request without a body, one answer.
//!
//! `tiny_http` is not used on purpose: it reads heads of any length, has a thread for every open
//! connection, and a single `Content-Length: 9000000000000000000` ends the whole process in it.

use std::borrow::Cow;
use std::sync::Arc;

/// The longest head (request line and headers) that is read, in bytes.
pub(super) const MAX_HEAD: usize = 8 * 1024;

/// A body that many connections may be sending at the same time.
pub(super) type Body = Arc<Vec<u8>>;

/// What proxies add to what they pass on.
const FORWARDED: [&[u8]; 5] = [
    b"forwarded",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-real-ip",
];

/// What a request wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The target up to its query.
    pub(super) path: Vec<u8>,
    /// The values of all `Accept` headers.
    pub(super) accept: Vec<u8>,
    /// The values of all `Host` headers.
    pub(super) hosts: Vec<Vec<u8>>,
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

/// Why there is no request to answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadRequest {
    /// It began and did not end in time.
    Slow,
    /// The request line alone is longer than [`MAX_HEAD`].
    LongTarget,
    /// The head is longer than [`MAX_HEAD`].
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
    if let Some(end) = end_of_head(bytes) {
        return Some(parse(bytes.get(..end).unwrap_or_default()));
    }
    if bytes.len() < MAX_HEAD {
        return None;
    }
    Some(Err(if bytes.contains(&b'\n') {
        BadRequest::LongHead
    } else {
        BadRequest::LongTarget
    }))
}

/// Where a head ends, if it is there as a whole. Empty lines before it do not count.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let start = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n'))?;
    let mut line_is_empty = false;
    for (index, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'\n' if line_is_empty => return Some(index + 1),
            b'\n' => line_is_empty = true,
            b'\r' => {}
            _ => line_is_empty = false,
        }
    }
    None
}

fn parse(head: &[u8]) -> Result<Request, BadRequest> {
    let mut lines = head
        .split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .skip_while(|line| line.is_empty());
    let words: Vec<&[u8]> = lines
        .next()
        .unwrap_or_default()
        .splitn(4, |b| *b == b' ')
        .collect();
    let [method, target, version] = words.as_slice() else {
        return Err(BadRequest::Malformed);
    };
    let is_word = |word: &[u8]| !word.is_empty() && word.iter().all(|b| *b > 0x20 && *b != 0x7f);
    if !method.iter().all(u8::is_ascii_alphanumeric) || !is_word(method) || !is_word(target) {
        return Err(BadRequest::Malformed);
    }
    match *version {
        b"HTTP/1.1" | b"HTTP/1.0" => {}
        other if other.starts_with(b"HTTP/") => return Err(BadRequest::Version),
        _ => return Err(BadRequest::Malformed),
    }
    let mut accept = Vec::new();
    let mut hosts = Vec::new();
    let mut forwarded = false;
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|b| *b == b':');
        let (name, value) = line.split_at(colon.ok_or(BadRequest::Malformed)?);
        let value = value.get(1..).unwrap_or_default();
        if name.eq_ignore_ascii_case(b"accept") {
            accept.extend_from_slice(value);
            accept.push(b',');
        } else if name.eq_ignore_ascii_case(b"host") {
            hosts.push(value.trim_ascii().to_vec());
        }
        forwarded |= FORWARDED.iter().any(|h| name.eq_ignore_ascii_case(h));
    }
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    Ok(Request {
        method: match *method {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            _ => Method::Other,
        },
        path: path.to_vec(),
        accept,
        hosts,
        forwarded,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &[u8], expected: Result<(Method, &[u8]), BadRequest>) {
        let parsed = parse(head).map(|request| (request.method, request.path));
        let expected = expected.map(|(method, path)| (method, path.to_vec()));
        assert_eq!(parsed, expected, "{}", head.escape_ascii());
    }

    #[test]
    fn requests_are_read_strictly() {
        use BadRequest::{Malformed, Version};
        use Method::{Get, Head, Other};
        check(b"GET / HTTP/1.1\r\n\r\n", Ok((Get, b"/")));
        check(b"\r\nHEAD /a?b=c HTTP/1.0\nHost: x\n\n", Ok((Head, b"/a")));
        check(b"get / HTTP/1.1\r\n\r\n", Ok((Other, b"/")));
        check(b"OPTIONS * HTTP/1.1\r\n\r\n", Ok((Other, b"*")));
        check(b"GET http://x/ HTTP/1.1\r\n\r\n", Ok((Get, b"http://x/")));
        check(b"GET /\xff\xfe HTTP/1.1\r\n\r\n", Ok((Get, b"/\xff\xfe")));
        check(b"PRI * HTTP/2.0\r\n\r\n", Err(Version));
        check(b"", Err(Malformed));
        check(b"GET /\r\n\r\n", Err(Malformed));
        check(b"GET  / HTTP/1.1\r\n\r\n", Err(Malformed));
        check(b"GET / x HTTP/1.1\r\n\r\n", Err(Malformed));
        check(b"GET /\0 HTTP/1.1\r\n\r\n", Err(Malformed));
        check(b"\x16\x03\x01\x02\x00 / HTTP/1.1\r\n\r\n", Err(Malformed));
        check(b"GET / HTTP/1.1\r\nno header\r\n\r\n", Err(Malformed));
    }

    #[test]
    fn what_is_accepted_is_read() {
        let head = b"GET / HTTP/1.1\r\nACCEPT: text/html\r\nX: y\r\naccept:*/*;q=0.1\r\n\r\n";
        let request = parse(head).unwrap();
        assert_eq!(request.accept, b" text/html,*/*;q=0.1,");
    }

    #[test]
    fn a_head_ends_with_an_empty_line() {
        let check = |bytes: &[u8], expected| assert_eq!(end_of_head(bytes), expected);
        check(b"", None);
        check(b"\r\n\r\n", None);
        check(b"GET / HTTP/1.1\r\n", None);
        check(b"GET / HTTP/1.1\r\n\r\nbody", Some(18));
        check(b"G\n\nbody", Some(3));
        check(b"\r\nG\r\n\r\n", Some(7));
    }

    #[test]
    fn hosts_and_proxies_are_seen() {
        let check = |head: &[u8], hosts: &[&[u8]], forwarded| {
            let request = parse(head).unwrap();
            assert_eq!(request.hosts, hosts, "{}", head.escape_ascii());
            assert_eq!(request.forwarded, forwarded, "{}", head.escape_ascii());
        };
        check(b"GET / HTTP/1.0\r\n\r\n", &[], false);
        check(b"GET / HTTP/1.1\r\nhost:\t a:1 \r\n\r\n", &[b"a:1"], false);
        let two = b"GET / HTTP/1.1\r\nHost: a\r\nHOST: b\r\nX-Forwarded-For: c\r\n\r\n";
        check(two, &[b"a", b"b"], true);
        check(b"GET / HTTP/1.1\r\nVia: 1.1 x\r\n\r\n", &[], true);
    }

    #[test]
    fn a_head_is_waited_for_up_to_a_length() {
        assert!(request(b"").is_none());
        assert!(request(b"GET / HT").is_none());
        assert!(request(&[b'a'; MAX_HEAD - 1]).is_none());
        let check = |bytes: &[u8], bad| assert_eq!(request(bytes), Some(Err(bad)));
        check(&[b'a'; MAX_HEAD], BadRequest::LongTarget);
        let mut long = b"GET / HTTP/1.1\r\nA: ".to_vec();
        long.resize(MAX_HEAD, b'a');
        check(&long, BadRequest::LongHead);
        assert!(matches!(request(b"GET / HTTP/1.1\r\n\r\n"), Some(Ok(_))));
    }
}
