//! Replicas that speak TLS.

use super::servers::{self, GOOD, Net, Talk, ok};
use super::{LONG, Pool, SHORT, clock, good, probe, settings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use simplescalevm::pool::{Answer, ProbeFailure};
use simplescalevm::probe::{Protocol, TlsSettings};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

const CA_PEM: &[u8] = include_bytes!("../data/tls/ca.pem");
const SERVER_PEM: &[u8] = include_bytes!("../data/tls/server.pem");
const SERVER_KEY: &[u8] = include_bytes!("../data/tls/server.key");

/// A replica with the certificate of `data/tls`, good for 127.0.0.1 and 127.66.0.1.
fn secured() -> impl Fn(Talk) + Clone + Send + Sync {
    secured_with(usize::MAX)
}

/// A socket that reads and writes only so many bytes at a time.
struct Narrow(TcpStream, usize);

impl Read for Narrow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(&mut buffer[..length])
    }
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(self.1)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn secured_with(width: usize) -> impl Fn(Talk) + Clone + Send + Sync {
    shown(SERVER_PEM, SERVER_KEY, width, GOOD)
}

/// A replica that answers with this body.
pub(super) fn secured_answering(body: &'static str) -> impl Fn(Talk) + Clone + Send + Sync {
    shown(SERVER_PEM, SERVER_KEY, usize::MAX, body)
}

/// A replica that shows this certificate.
fn shown(
    pem: &[u8],
    key: &[u8],
    width: usize,
    body: &'static str,
) -> impl Fn(Talk) + Clone + Send + Sync + use<> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    move |mut talk: Talk| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        talk.stream.set_nodelay(true).unwrap();
        let socket = Narrow(talk.stream.try_clone().unwrap(), width);
        let mut stream = StreamOwned::new(connection, socket);
        let mut request = [0; 1024];
        while let Ok(length @ 1..) = stream.read(&mut request) {
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            talk.seen.requests.lock().unwrap().push(request);
            if stream.write_all(ok(body).as_bytes()).is_err() {
                break;
            }
        }
        talk.hang();
    }
}

#[test]
fn https() {
    let mut net = Net::new(0);
    let secured = secured();
    let (named, seen) = net.serve(1, secured.clone());
    let (unnamed, _) = net.serve(2, secured);
    let (plain, _) = net.serve(3, |mut talk: Talk| {
        talk.say(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        talk.hang();
    });
    let (hanging, _) = net.serve(4, servers::silent);
    let (closing, _) = net.serve(5, |_| {});

    let start = |tls: TlsSettings, timeout| {
        let mut settings = settings(net.port, timeout);
        settings.protocol = Protocol::Https;
        settings.tls = tls;
        Pool::start(&settings, &clock())
    };
    let trusting = || TlsSettings {
        ca_file: Some(CA_PEM.into()),
        insecure: false,
    };
    let insecure = TlsSettings {
        ca_file: None,
        insecure: true,
    };
    let tls_failure = |outcome: Result<Answer, ProbeFailure>| match outcome {
        Err(ProbeFailure::Tls(text)) => text,
        other => panic!("{other:?}"),
    };

    let mut pool = start(trusting(), LONG);
    for _ in 0..3 {
        assert_eq!(probe(&mut pool, named), good());
    }
    assert_eq!((seen.connections(), seen.requests()), (1, 3));
    let text = tls_failure(probe(&mut pool, unnamed));
    assert!(text.contains("not valid for name"), "{text}");
    tls_failure(probe(&mut pool, plain));
    tls_failure(probe(&mut pool, closing));
    assert_eq!(probe(&mut pool, net.address(6)), Err(ProbeFailure::Refused));

    let text = tls_failure(probe(&mut start(TlsSettings::default(), LONG), named));
    assert!(text.contains("UnknownIssuer"), "{text}");
    assert_eq!(probe(&mut start(insecure, LONG), unnamed), good());
    let timed_out = probe(&mut start(trusting(), SHORT), hanging);
    assert_eq!(timed_out, Err(ProbeFailure::Timeout));
}

#[test]
fn https_byte_by_byte() {
    let mut net = Net::new(25);
    let mut settings = settings(net.port, LONG);
    settings.protocol = Protocol::Https;
    settings.tls.insecure = true;
    let mut pool = Pool::start(&settings, &clock());
    for (host, width) in [(1, 1), (2, 2), (3, 7)] {
        let (address, seen) = net.serve(host, secured_with(width));
        for _ in 0..3 {
            assert_eq!(probe(&mut pool, address), good());
        }
        assert_eq!((seen.connections(), seen.requests()), (1, 3));
    }
    pool.stop().unwrap();
}

/// A certificate that is its own authority, in the file as it is: as OpenSSL, and with it Python and curl, takes it.
#[test]
fn self_signed() {
    type Case<'a> = (&'a [u8], &'a [u8], bool, Option<&'a str>);
    const KEY: &[u8] = include_bytes!("../data/tls/self.key");
    const OWN: &[u8] = include_bytes!("../data/tls/self.pem");
    const PLAIN: &[u8] = include_bytes!("../data/tls/plain.pem");
    const EXPIRED: &[u8] = include_bytes!("../data/tls/self-expired.pem");
    // What the file has, what the replica shows, on which of the addresses 127.66.0.1 and 127.66.0.9.
    let both = [CA_PEM, b"# text\r\n", OWN].concat();
    let cases: &[Case<'_>] = &[
        (OWN, OWN, true, None),
        (&both, OWN, true, None),
        (PLAIN, PLAIN, true, None),
        (OWN, OWN, false, Some("not valid for name")),
        (PLAIN, PLAIN, false, Some("not valid for name")),
        (EXPIRED, EXPIRED, true, Some("expired")),
        (CA_PEM, OWN, true, Some("CaUsedAsEndEntity")),
        (EXPIRED, OWN, true, Some("CaUsedAsEndEntity")),
    ];
    for (trusted, shows, is_named, expected) in cases {
        let mut net = Net::new(0);
        let host = if *is_named { 1 } else { 9 };
        let (replica, _) = net.serve(host, shown(shows, KEY, usize::MAX, GOOD));
        let mut settings = settings(net.port, LONG);
        settings.protocol = Protocol::Https;
        settings.tls.ca_file = Some(trusted.to_vec());
        let mut pool = Pool::start(&settings, &clock());
        match (probe(&mut pool, replica), expected) {
            (Err(ProbeFailure::Tls(text)), Some(part)) => assert!(text.contains(part), "{text}"),
            (outcome, None) => assert_eq!(outcome, good()),
            (outcome, Some(part)) => panic!("{part}: {outcome:?}"),
        }
        pool.stop().unwrap();
    }
}
