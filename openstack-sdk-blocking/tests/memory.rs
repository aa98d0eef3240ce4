//! The memory that an answer takes is bounded, whatever its size: the peak of this process is measured.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "ureq")]

use openstack_sdk_blocking::{
    Auth, Cloud, CloudConfig, ErrorKind, ProjectRef, Scope, ServerQuery, UserRef,
};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What is repeated between a beginning and an end.
#[derive(Clone, Copy)]
struct Body {
    status: u16,
    begin: &'static str,
    part: &'static str,
    end: &'static str,
}

/// Less than the 64 MiB at which a page is refused.
const BYTES: usize = 30_000_000;

impl Body {
    fn times(&self) -> usize {
        BYTES / self.part.len()
    }

    fn send(&self, to: &mut TcpStream) {
        let length = self.begin.len() + self.times() * self.part.len() + self.end.len();
        let head = format!(
            "HTTP/1.1 {} X\r\nContent-Length: {length}\r\n\r\n",
            self.status
        );
        let block = self.part.repeat(65_536 / self.part.len());
        let mut left = self.times() * self.part.len();
        let mut send = |bytes: &[u8]| to.write_all(bytes).is_ok();
        if !send(head.as_bytes()) || !send(self.begin.as_bytes()) {
            return;
        }
        while left > 0 {
            let now = left.min(block.len());
            if !send(&block.as_bytes()[..now]) {
                return;
            }
            left -= now;
        }
        send(self.end.as_bytes());
    }
}

/// The most memory that this process has had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

fn serve(mut stream: TcpStream, port: u16, body: Body) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or_default() == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = text.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        let small = if first.starts_with("POST") {
            format!(
                r#"{{"token": {{"catalog": [{{"type": "compute", "endpoints": [{{"interface": "public", "region": "R",
                "url": "http://127.0.0.1:{port}/compute/v2.1"}}]}}]}}}}"#
            )
        } else if first.starts_with("GET /compute/v2.1/ ") {
            r#"{"version": {"id": "v2.1", "version": "2.90", "min_version": "2.1"}}"#.to_owned()
        } else {
            body.send(&mut stream);
            continue;
        };
        let length = small.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nX-Subject-Token: t\r\nContent-Length: {length}\r\n\r\n");
        stream
            .write_all(format!("{head}{small}").as_bytes())
            .unwrap();
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of answers")]
fn an_answer_of_any_size_takes_little_memory() {
    const SERVER: &str = r#"{"id":"m","metadata":{"group":"scaled"}}"#;
    let body = |status, begin, part, end| Body {
        status,
        begin,
        part,
        end,
    };
    let list = |begin, part, end| body(200, begin, part, end);
    // What is read, and the ids that are found, or else the kind of error.
    let found: Result<&[&str], ErrorKind> = Ok(&["m"]);
    let cases = [
        (
            list(r#"{"junk":["#, "0,", r#"0],"servers":[{"id":"m"}]}"#),
            "list",
            found,
        ),
        (
            list(
                r#"{"junk":["#,
                r#"{"a":[]},"#,
                r#"0],"servers":[{"id":"m"}]}"#,
            ),
            "list",
            found,
        ),
        (
            list(r#"{"servers":[{"id":"m"}],"junk":""#, "x", r#""}"#),
            "list",
            found,
        ),
        (
            list(r#"{"servers":[{"id":"m"}],""#, "k", r#"":1}"#),
            "list",
            found,
        ),
        (
            list(r#"{"servers":[{"id":"m","x":["#, "0,", "0]}]}"),
            "list",
            found,
        ),
        (
            list(r#"{"servers":[{"id":"m","x":["#, r#"{"a":{}},"#, "0]}]}"),
            "list",
            found,
        ),
        (
            list(r#"{"servers":[{"id":"m","name":""#, "x", r#""}]}"#),
            "list",
            found,
        ),
        (
            list(r#"{"servers":[{"id":"m"},{"y":"z""#, r#","k":1"#, "}]}"),
            "list",
            found,
        ),
        (
            list(
                r#"{"servers":[{"id":"m"}"#,
                r#",["0123456789 0123456789 0123456789 0123456789"]"#,
                "]}",
            ),
            "list",
            found,
        ),
        (
            list(r#"{"servers":[{"id":"m"}],"servers_links":["#, "0,", "0]}"),
            "list",
            Err(ErrorKind::BadAnswer),
        ),
        (
            list(r#"{"servers":[{"id":"m"}],"x":"#, "[", ""),
            "list",
            Err(ErrorKind::BadAnswer),
        ),
        (
            list(r#"{"server":{"id":"m","x":["#, "0,", "0]}}"),
            "server",
            Err(ErrorKind::BadAnswer),
        ),
        (
            body(500, r#"{"x":["#, "0,", "0]}"),
            "list",
            Err(ErrorKind::Server),
        ),
        (body(404, "", "<p>", ""), "server", Err(ErrorKind::WrongUrl)),
        // A million and a half of servers, of which none is left out without a word. The last one, as more is kept.
        (
            list(r#"{"servers":[{"id":"m"}"#, r#",{"id":"abcdefgh"}"#, "]}"),
            "list",
            Err(ErrorKind::BadAnswer),
        ),
    ];
    let largest = cases.len() - 1;
    let current = Arc::new(Mutex::new(cases[0].0));
    let served = Arc::clone(&current);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let body = *served.lock().unwrap();
            thread::spawn(move || serve(stream.unwrap(), port, body));
        }
    });
    let cloud = || {
        let auth = Auth::Password {
            user: UserRef::Id("u".to_owned()),
            password: "secret".into(),
        };
        let scope = Scope::Project(ProjectRef::Id("p".to_owned()));
        let mut config = CloudConfig::new(format!("http://127.0.0.1:{port}/v3"), auth, scope);
        config.timeout = Duration::from_secs(120);
        Cloud::new(config).unwrap()
    };
    // What the program itself needs, the first time.
    *current.lock().unwrap() = Body {
        part: SERVER,
        ..body(200, r#"{"servers":["#, "", "]}")
    };
    let before = peak();
    for (number, (body, what, expected)) in cases.into_iter().enumerate() {
        *current.lock().unwrap() = body;
        let cloud = cloud();
        let got = match what {
            "list" => cloud
                .compute()
                .list_servers(&ServerQuery::default())
                .map(|list| list.servers.into_iter().map(|server| server.id).collect()),
            _ => cloud.compute().server("m").map(|server| vec![server.id]),
        };
        let got: Result<Vec<String>, ErrorKind> = got.map_err(|error| error.kind());
        match (&got, expected) {
            (Ok(ids), Ok(expected)) => assert_eq!(ids, expected, "case {number}"),
            (Err(kind), Err(expected)) => assert_eq!(*kind, expected, "case {number}"),
            _ => panic!("case {number}: {got:?}"),
        }
        let grown = (peak() - before) * 1024;
        let share = grown * 100 / BYTES as u64;
        assert!(
            share < if number == largest { 200 } else { 50 },
            "case {number}: {grown} bytes, {share} % of the answer"
        );
    }
}
