//! Bytes to the status server, over a socket.

use simplescalevm::pool::{CloudTime, Moment};
use simplescalevm::status::{Board, DaemonInfo, StatusServer, StatusSettings};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

thread_local! {
    static SERVER: RefCell<Option<StatusServer>> = const { RefCell::new(None) };
}

/// Whatever comes: either one well-formed answer or none, and the next client is served.
pub fn check(data: &[u8]) {
    SERVER.with_borrow_mut(|server| {
        let server = server.get_or_insert_with(start);
        let answer = exchange(server, data);
        if !answer.is_empty() {
            let status = status_of(&answer);
            let known = [200, 400, 404, 405, 408, 414, 421, 431, 503, 505];
            assert!(known.contains(&status), "{status}");
        }
        let health = exchange(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(status_of(&health), 200);
        assert!(!server.is_finished());
    });
}

fn start() -> StatusServer {
    let facts = DaemonInfo {
        version: "0",
        provider: "openstack",
        settings: Vec::new(),
        healthy_within: Duration::from_secs(1 << 40),
        server: StatusSettings {
            host: "127.0.0.1".to_owned(),
            ..StatusSettings::default()
        },
        max_connections: 32,
        pool: String::new(),
        wall_clock: || CloudTime(0),
        log_lines_dropped: || 0,
    };
    let start = Instant::now();
    let clock = Arc::new(move || Moment(start.elapsed()));
    StatusServer::start(Arc::new(Board::default()), facts, clock).unwrap()
}

fn exchange(server: &StatusServer, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.local_addr()).unwrap();
    let patience = Some(Duration::from_secs(60));
    stream.set_read_timeout(patience).unwrap();
    stream.set_write_timeout(patience).unwrap();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    // What comes after 64 KiB of a body is not read away: that may reset the connection.
    if let Err(error) = stream.read_to_end(&mut answer) {
        let timed_out = matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        );
        assert!(!timed_out, "no end");
    }
    answer
}

/// Reads an answer strictly.
fn status_of(answer: &[u8]) -> u16 {
    let text = std::str::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.strip_prefix("HTTP/1.1 ").unwrap()[..3]
        .parse()
        .unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.unwrap().parse().unwrap();
    if !body.is_empty() {
        assert_eq!(body.len(), length);
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }
    status
}
