//! Scripted replicas on 127.0.0.0/8.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What was seen of a scripted replica's callers.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) connections: AtomicUsize,
    pub(crate) sent_bytes: AtomicUsize,
    pub(crate) requests: Mutex<Vec<String>>,
}

impl Seen {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// One connection of a scripted replica.
pub(crate) struct Talk {
    pub(crate) stream: TcpStream,
    /// How many connections came before this one.
    pub(crate) number: usize,
    pub(crate) seen: Arc<Seen>,
}

impl Talk {
    /// Reads one request; false at the end of the connection.
    pub(crate) fn hear(&mut self) -> bool {
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => request.push(byte[0]),
                _ => return false,
            }
        }
        let request = String::from_utf8_lossy(&request).into_owned();
        self.seen.requests.lock().unwrap().push(request);
        true
    }

    /// Sends; false if the other side is gone.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> bool {
        let sent = self.stream.write_all(bytes).is_ok();
        if sent {
            self.seen
                .sent_bytes
                .fetch_add(bytes.len(), Ordering::SeqCst);
        }
        sent
    }

    /// Keeps the connection open until the other side closes it.
    pub(crate) fn hang(&mut self) {
        while matches!(self.stream.read(&mut [0; 1024]), Ok(1..)) {}
    }
}

/// A part of 127.0.0.0/8 with one port, for one test.
pub(crate) struct Net {
    number: u8,
    pub(crate) port: u16,
    first: Option<TcpListener>,
}

impl Net {
    /// The port is chosen at 127.66.`number`.1, which is therefore to be served first.
    pub(crate) fn new(number: u8) -> Self {
        let first = TcpListener::bind((Ipv4Addr::new(127, 66, number, 1), 0)).unwrap();
        Self {
            number,
            port: first.local_addr().unwrap().port(),
            first: Some(first),
        }
    }

    pub(crate) fn address(&self, host: u8) -> IpAddr {
        Ipv4Addr::new(127, 66, self.number, host).into()
    }

    /// Lets 127.66.`number`.`host` follow a script, each connection in a thread of its own.
    pub(crate) fn serve(
        &mut self,
        host: u8,
        script: impl Fn(Talk) + Send + Sync + 'static,
    ) -> (IpAddr, Arc<Seen>) {
        let listener = match self.first.take() {
            Some(listener) if host == 1 => listener,
            first => {
                self.first = first;
                let socket = SocketAddr::new(self.address(host), self.port);
                TcpListener::bind(socket).unwrap()
            }
        };
        let seen = Arc::new(Seen::default());
        let script = Arc::new(script);
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                let seen = Arc::clone(&shared);
                let talk = Talk {
                    stream,
                    number,
                    seen,
                };
                let script = Arc::clone(&script);
                thread::spawn(move || script(talk));
            }
        });
        (self.address(host), seen)
    }
}

pub(crate) const GOOD: &str = r#"{"capacity": 3, "termination": false}"#;

/// A response with a body, kept alive.
pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// As web.py answers: chunked, without a type.
pub(crate) fn chunked(body: &str) -> String {
    let (a, b) = body.split_at(body.len() / 2);
    format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{a}\r\n{:X}\r\n{b}\r\n0\r\n\r\n",
        a.len(),
        b.len()
    )
}

/// Answers every request of a connection alike.
pub(crate) fn always(response: String) -> impl Fn(Talk) + Send + Sync {
    move |mut talk| while talk.hear() && talk.say(response.as_bytes()) {}
}

/// Answers one request and closes.
pub(crate) fn once(response: Vec<u8>) -> impl Fn(Talk) + Send + Sync {
    move |mut talk| {
        if talk.hear() {
            talk.say(&response);
        }
    }
}

/// Accepts and never answers.
pub(crate) fn silent(mut talk: Talk) {
    talk.hang();
}

/// Sends a header and then a byte every 20 ms for ever.
pub(crate) fn dribbling(mut talk: Talk) {
    talk.hear();
    talk.say(b"HTTP/1.1 200 OK\r\n\r\n");
    while talk.say(b" ") {
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a byte of a header every 20 ms for ever.
pub(crate) fn dribbling_header(mut talk: Talk) {
    talk.hear();
    talk.say(b"HTTP/1.1 200 OK\r\nx: ");
    while talk.say(b"y") {
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a gigabyte.
pub(crate) fn flooding(mut talk: Talk) {
    talk.hear();
    talk.say(b"HTTP/1.1 200 OK\r\n\r\n");
    let megabyte = vec![b' '; 1024 * 1024];
    for _ in 0..1024 {
        if !talk.say(&megabyte) {
            return;
        }
    }
}

/// Breaks off in the middle of a body.
pub(crate) fn resetting(mut talk: Talk) {
    talk.hear();
    talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"capa");
}
