//! What comes of one exchange.

use super::servers::{self, GOOD, Net, Talk, always, chunked, ok, once};
use super::{LONG, SHORT, good, pool, probe};
use simplescalevm::pool::{Answer, ProbeFailure};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

#[test]
fn responses() {
    use ProbeFailure::{ConnectionLost, NotAnObject, NotHttp, NotJson, Status, TooLarge};
    let mut net = Net::new(1);
    let mut pool = pool(&net, LONG);
    let mut host = 0;
    let mut check = |response: &str, expected: Result<Answer, ProbeFailure>| {
        host += 1;
        let (address, seen) = net.serve(host, once(response.into()));
        let mut got = probe(&mut pool, address);
        if let Err(NotHttp(text)) = &mut got {
            assert!(!text.is_empty() && text.len() < 500, "{text}");
            text.clear();
        }
        assert_eq!(got, expected, "{response:.200}");
        assert_eq!(seen.connections(), 1, "{response:.200}");
    };
    let not_http = || Err(NotHttp(String::new()));
    check(&chunked(GOOD), good());
    check(&ok(GOOD), good());
    check(&format!("HTTP/1.1 200 OK\r\n\r\n{GOOD}"), good());
    check(&format!("HTTP/1.0 200 OK\r\n\r\n{GOOD}"), good());
    check(
        &format!("HTTP/1.1 202 Sure\r\nConnection: close\r\n\r\n{GOOD}"),
        good(),
    );
    check(
        &format!("HTTP/1.1 100 Continue\r\n\r\n{}", ok(GOOD)),
        good(),
    );
    check(&ok(&(" ".repeat(64 * 1024 - GOOD.len()) + GOOD)), good());
    check(
        &ok(&(" ".repeat(64 * 1024 + 1 - GOOD.len()) + GOOD)),
        Err(TooLarge),
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n",
        Err(TooLarge),
    );
    check(&ok("[]"), Err(NotAnObject));
    check(&ok(""), Err(NotJson));
    check("HTTP/1.1 204 No Content\r\n\r\n", Err(NotJson));
    check(
        "HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\n<html>",
        Err(Status(500)),
    );
    check("HTTP/1.1 404 Not Found\r\n\r\nnot found", Err(Status(404)));
    check(
        "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
        Err(Status(302)),
    );
    check("HTTP/1.1 304 Not Modified\r\n\r\n", Err(Status(304)));
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"capa",
        Err(ConnectionLost),
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"ca",
        Err(ConnectionLost),
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        not_http(),
    );
    check("HTTP/1.1 200 OK\r\nContent-Le", Err(ConnectionLost));
    check("", Err(ConnectionLost));
    check("SSH-2.0-OpenSSH_9.2\r\n", not_http());
    check(
        &format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n{GOOD}", "y".repeat(5000)),
        not_http(),
    );
    check("HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n", not_http());
    check(
        &ok(r#"{"capacity": -1, "termination": false}"#),
        Err(ProbeFailure::BadValue {
            key: "capacity".to_owned(),
            value: "-1".to_owned(),
        }),
    );
    pool.stop().unwrap();
}

#[test]
fn the_request_names_address_and_port_and_asks_for_no_encoding() {
    let mut net = Net::new(2);
    let (address, seen) = net.serve(1, always(ok(GOOD)));
    let mut pool = pool(&net, LONG);
    assert_eq!(probe(&mut pool, address), good());
    let request = seen.requests.lock().unwrap()[0].to_lowercase();
    assert!(request.starts_with("get /status http/1.1\r\n"), "{request}");
    assert!(
        request.contains(&format!("\r\nhost: {address}:{}\r\n", net.port)),
        "{request}"
    );
    assert!(!request.contains("encoding"), "{request}");
}

#[test]
fn a_redirect_is_not_followed() {
    let mut net = Net::new(3);
    let (target, asked) = net.serve(1, always(ok(GOOD)));
    let location = format!("Location: http://{target}:{}/", net.port);
    let redirect = format!("HTTP/1.1 302 Found\r\n{location}\r\nContent-Length: 0\r\n\r\n");
    let (address, _) = net.serve(2, always(redirect));
    let mut pool = pool(&net, LONG);
    assert_eq!(probe(&mut pool, address), Err(ProbeFailure::Status(302)));
    pool.stop().unwrap();
    assert_eq!(asked.connections(), 0);
}

#[test]
fn sick_replicas() {
    let mut net = Net::new(4);
    let flooding = net.serve(1, servers::flooding);
    let hanging = net.serve(2, servers::silent);
    let dribbling = net.serve(3, servers::dribbling);
    let dribbling_header = net.serve(4, servers::dribbling_header);
    let resetting = net.serve(5, servers::resetting);
    let nobody = net.address(6);
    let mut pool = pool(&net, SHORT);
    let mut check = |address, expected: ProbeFailure| {
        assert_eq!(probe(&mut pool, address), Err(expected));
    };
    check(flooding.0, ProbeFailure::TooLarge);
    check(hanging.0, ProbeFailure::Timeout);
    check(dribbling.0, ProbeFailure::Timeout);
    check(dribbling_header.0, ProbeFailure::Timeout);
    check(resetting.0, ProbeFailure::ConnectionLost);
    check(nobody, ProbeFailure::Refused);
    pool.stop().unwrap();
    // What the kernel's buffers took in before the connection was closed.
    assert!(flooding.1.sent_bytes.load(Ordering::SeqCst) < 64 * 1024 * 1024);
}

#[test]
fn no_response_kills_a_thread() {
    let mut net = Net::new(18);
    let responses = mutations();
    let count = responses.len();
    let queue = Mutex::new(responses);
    let (address, _) = net.serve(1, move |mut talk: Talk| {
        talk.hear();
        let response = queue.lock().unwrap().pop();
        talk.say(&response.unwrap_or_default());
    });
    let mut pool = pool(&net, LONG);
    for _ in 0..count {
        // A stale connection may take two.
        let _ = probe(&mut pool, address);
    }
    pool.stop().unwrap();
}

/// Responses with a part cut out, doubled or replaced at every place.
fn mutations() -> Vec<Vec<u8>> {
    let bases = [
        chunked(GOOD),
        ok(GOOD),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n{}".to_owned(),
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}".to_owned(),
        "HTTP/1.1 302 Found\r\nLocation: \u{fffd}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}".to_owned(),
        "HTTP/1.1 204 No\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nabcde".to_owned(),
    ];
    let mut all = Vec::new();
    for base in bases {
        let base = base.into_bytes();
        for at in 0..=base.len() {
            let (head, tail) = base.split_at(at);
            all.push(head.to_vec());
            all.push([head, tail.get(1..).unwrap_or_default()].concat());
            for insert in [
                &b"\r\n"[..],
                b"\0",
                b"9",
                b"-",
                b"\xff",
                b"ffffffffffffffffff",
            ] {
                all.push([head, insert, tail.get(1..).unwrap_or_default()].concat());
            }
        }
    }
    all
}
