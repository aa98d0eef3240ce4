//! HTTPS with certificates of one's own, with each transport.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use openstack_sdk_blocking::{
    Method, Request, TransportConfig, TransportError, TransportErrorKind,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::server::transport_makers;

fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/tls")).join(name)
}

/// A server that shows this certificate and answers with `ok`.
fn server(pem: &str, key: &str) -> u16 {
    let chain = CertificateDer::pem_file_iter(file(pem)).unwrap();
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(file(key)).unwrap())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            let mut request = [0; 4096];
            if matches!(stream.read(&mut request), Ok(1..)) {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                let _ = stream.write_all(answer);
                let _ = stream.flush();
            }
        }
    });
    port
}

fn ask(
    config: &TransportConfig,
    index: usize,
    port: u16,
    host: &str,
) -> Result<Vec<u8>, TransportError> {
    let (_, transport) = transport_makers()[index](config);
    let request = Request {
        method: Method::Get,
        url: format!("https://{host}:{port}/"),
        headers: Vec::new(),
        body: None,
        timeout: Duration::from_secs(20),
        max_body_bytes: 100,
        fresh_connection: false,
    };
    transport.send(&request).map(|response| response.body)
}

#[test]
fn a_certificate_that_is_its_own_authority_is_pinned() {
    // What is trusted, what is shown and its key, by which name, and what comes of it.
    let cases = [
        ("self.pem", "self.pem", "self.key", "127.0.0.1", true),
        ("plain.pem", "plain.pem", "self.key", "127.0.0.1", true),
        ("ca.pem", "server.pem", "server.key", "127.0.0.1", true),
        ("server.pem", "server.pem", "server.key", "127.0.0.1", true),
        ("self.pem", "self.pem", "self.key", "localhost", false),
        ("server.pem", "server.pem", "server.key", "localhost", false),
        (
            "self-expired.pem",
            "self-expired.pem",
            "self.key",
            "127.0.0.1",
            false,
        ),
        ("ca.pem", "self.pem", "self.key", "127.0.0.1", false),
        (
            "self-expired.pem",
            "self.pem",
            "self.key",
            "127.0.0.1",
            false,
        ),
        ("self.pem", "server.pem", "server.key", "127.0.0.1", false),
    ];
    for (trusted, pem, key, host, is_good) in cases {
        let port = server(pem, key);
        for index in 0..transport_makers().len() {
            let mut config = TransportConfig {
                ca_file: Some(file(trusted)),
                ..TransportConfig::default()
            };
            let case = format!("transport {index}: {trusted} {pem} {host}");
            match ask(&config, index, port, host) {
                Ok(body) => assert!(is_good && body == b"ok", "{case}"),
                Err(error) => {
                    assert!(!is_good, "{case}: {error:?}");
                    assert_eq!(error.kind, TransportErrorKind::Tls, "{case}: {error:?}");
                }
            }
            config.insecure = true;
            assert_eq!(ask(&config, index, port, host).unwrap(), b"ok", "{case}");
        }
    }
}

#[test]
fn a_file_that_is_no_ca_file_is_told_of() {
    let config = TransportConfig {
        ca_file: Some(file("self.key")),
        ..TransportConfig::default()
    };
    let ureq = openstack_sdk_blocking::UreqTransport::new(&config).unwrap_err();
    let reqwest = openstack_sdk_blocking::ReqwestTransport::new(&config).unwrap_err();
    for error in [ureq, reqwest] {
        assert!(error.to_string().contains("private key"), "{error}");
    }
}
