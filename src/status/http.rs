//! The little HTTP/1 that the status server speaks: one request without a body, one answer.
//!
//! `tiny_http` is not used on purpose: it reads heads of any length, has a thread for every open
//! connection, and a single `Content-Length: 9000000000000000000` ends the whole process in it.

use super::server::Clock;
use crate::pool::Moment;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// The longest head (request line and headers) that is read, in bytes.
pub(super) const MAX_HEAD: usize = 8 * 1024;
/// How much of an unwanted body is read away after the answer, in bytes.
const MAX_DRAINED: usize = 64 * 1024;
const DRAIN_FOR: Duration = Duration::from_secs(1);
const CHUNK: usize = 4 * 1024;

/// What a request wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The target up to its query.
    pub(super) path: Vec<u8>,
    /// The values of all `Accept` headers.
    pub(super) accept: Vec<u8>,
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
    /// The client went away, or sent nothing in time.
    Silent,
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
    pub(super) headers: String,
    pub(super) body: Vec<u8>,
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
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

/// A connection of which every read and write ends by a deadline.
pub(super) struct Timed<'a> {
    pub(super) stream: &'a TcpStream,
    pub(super) clock: &'a Clock,
}

impl Timed<'_> {
    /// Reads a request's head within `limit`; whatever follows it is ignored.
    pub(super) fn read_request(&self, limit: Duration) -> Result<Request, BadRequest> {
        let deadline = (self.clock)() + limit;
        let mut head = Vec::with_capacity(512);
        let mut chunk = [0; 1024];
        loop {
            if let Some(end) = end_of_head(&head) {
                return parse(head.get(..end).unwrap_or_default());
            }
            if head.len() >= MAX_HEAD {
                let line_is_whole = head.contains(&b'\n');
                return Err(if line_is_whole {
                    BadRequest::LongHead
                } else {
                    BadRequest::LongTarget
                });
            }
            match self.read(&mut chunk, deadline) {
                Ok(0) => return Err(BadRequest::Silent),
                Ok(length) => head.extend_from_slice(chunk.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) && !head.is_empty() => {
                    return Err(BadRequest::Slow);
                }
                Err(_) => return Err(BadRequest::Silent),
            }
        }
    }

    /// Writes all parts of an answer within `limit`, then closes the connection in such a way that
    /// the client gets the answer even if it is still sending. `written` is called in between.
    pub(super) fn write_last(
        &self,
        parts: [&[u8]; 2],
        limit: Duration,
        written: impl FnOnce(),
    ) -> io::Result<()> {
        let deadline = (self.clock)() + limit;
        for mut rest in parts {
            while !rest.is_empty() {
                self.stream.set_write_timeout(Some(self.left(deadline)?))?;
                match (&mut &*self.stream).write(rest) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(length) => rest = rest.get(length..).unwrap_or_default(),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        written();
        self.stream.shutdown(Shutdown::Write)?;
        self.drain()
    }

    /// A socket that is closed with unread bytes resets the connection, and a reset overtakes
    /// an answer that is still on its way.
    fn drain(&self) -> io::Result<()> {
        let deadline = (self.clock)() + DRAIN_FOR;
        let mut chunk = [0; CHUNK];
        for _ in 0..MAX_DRAINED / CHUNK {
            if self.read(&mut chunk, deadline)? == 0 {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, into: &mut [u8], deadline: Moment) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left(deadline)?))?;
        (&mut &*self.stream).read(into)
    }

    fn left(&self, deadline: Moment) -> io::Result<Duration> {
        let left = deadline.since((self.clock)());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
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
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|b| *b == b':');
        let (name, value) = line.split_at(colon.ok_or(BadRequest::Malformed)?);
        if name.eq_ignore_ascii_case(b"accept") {
            accept.extend_from_slice(value.get(1..).unwrap_or_default());
            accept.push(b',');
        }
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
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &[u8], expected: Result<(Method, &[u8]), BadRequest>) {
        let expected = expected.map(|(method, path)| Request {
            method,
            path: path.to_vec(),
            accept: Vec::new(),
        });
        assert_eq!(parse(head), expected, "{}", head.escape_ascii());
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

    #[expect(clippy::disallowed_methods, reason = "real sockets need the real time")]
    fn on_a_pair<T>(client_sends: &[u8], serve: impl FnOnce(Timed<'_>) -> T) -> T {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(client_sends).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let start = std::time::Instant::now();
        let clock: Clock = std::sync::Arc::new(move || Moment(start.elapsed()));
        serve(Timed {
            stream: &stream,
            clock: &clock,
        })
    }

    #[test]
    fn a_client_that_does_not_send_is_not_waited_for() {
        let limit = Duration::from_millis(50);
        let check = |sent: &[u8], expected| {
            let request = on_a_pair(sent, |timed| timed.read_request(limit));
            assert_eq!(request, Err(expected));
        };
        check(b"", BadRequest::Silent);
        check(b"GET / HT", BadRequest::Slow);
    }

    #[test]
    fn a_client_that_does_not_read_is_not_waited_for() {
        let limit = Duration::from_millis(200);
        let answer = vec![b'x'; 64 << 20];
        let written = on_a_pair(b"", |timed| timed.write_last([b"", &answer], limit, || ()));
        assert!(is_timeout(&written.unwrap_err()));
    }
}
