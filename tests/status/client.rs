//! A status server with a clock of its own, and a client that shows what is on the wire.

use serde_json::Value;
use simplescalevm::pool::Moment;
use simplescalevm::status::{Board, DaemonInfo, StatusError, StatusServer};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// As many servers as the tests of one process run at the same time, at most.
pub(crate) const SERVERS_AT_MOST: usize = 24;

#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) server: StatusServer,
    pub(crate) shared: Arc<Board>,
    seconds: Arc<AtomicU64>,
}

impl Daemon {
    pub(crate) fn start() -> Self {
        Self::start_on("127.0.0.1", 0).unwrap()
    }

    pub(crate) fn start_on(host: &str, port: u16) -> Result<Self, StatusError> {
        let mut facts = crate::pool::facts();
        host.clone_into(&mut facts.server.host);
        facts.server.port = port;
        Self::start_as(facts)
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut DaemonInfo)) -> Self {
        let mut facts = crate::pool::facts();
        change(&mut facts);
        Self::start_as(facts).unwrap()
    }

    fn start_as(facts: DaemonInfo) -> Result<Self, StatusError> {
        let shared = Arc::new(Board::default());
        let seconds = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&seconds);
        let server = StatusServer::start(
            Arc::clone(&shared),
            facts,
            Arc::new(move || Moment(Duration::from_secs(told.load(Ordering::Relaxed)))),
        )?;
        Ok(Self {
            server,
            shared,
            seconds,
        })
    }

    pub(crate) fn set_clock(&self, seconds: u64) {
        self.seconds.store(seconds, Ordering::Relaxed);
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.server.local_addr())
    }

    pub(crate) fn ask(&self, method: &str, target: &str) -> Reply {
        Self::ask_at(self.server.local_addr(), method, target)
    }

    pub(crate) fn ask_at(address: SocketAddr, method: &str, target: &str) -> Reply {
        let mut stream = connect(address);
        let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        Reply::read(stream)
    }

    /// Sends bytes as they are. The server may answer and close before it has read them all.
    pub(crate) fn send(&self, bytes: &[u8]) -> Reply {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes);
        Reply::read(stream)
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10)).unwrap();
    // Long enough for a debug build on a busy machine: nothing is measured by it.
    let patience = Some(Duration::from_secs(60));
    stream.set_read_timeout(patience).unwrap();
    stream.set_write_timeout(patience).unwrap();
    stream
}

/// An answer as received.
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer ({read:?}): {}", bytes.escape_ascii()));
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap();
        let status = status_line.strip_prefix("HTTP/1.1 ").unwrap()[..3]
            .parse()
            .unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            status,
            headers,
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is there twice");
        value
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The real time, for bounds on how long something may take.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a test's bound on real time")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// How many threads of this process belong to a status server.
pub(crate) fn threads_of_the_server() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|comm| comm.starts_with("status"))
        .count()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch of the tests, not a setting"
)]
pub(crate) fn is_update_wanted() -> bool {
    std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1")
}
