//! TLS between a socket's bytes and those of HTTP, without any I/O but writing.

use super::settings::{EndpointError, TlsSettings};
use openstack_sdk_blocking::tls::{self as trust, TrustError};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Error};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::sync::Arc;

/// The trusted roots, and the sessions to resume: one for all connections of an endpoint.
pub(super) fn client_config(settings: &TlsSettings) -> Result<Arc<ClientConfig>, EndpointError> {
    let config = trust::client_config(settings.ca_file.as_deref(), settings.insecure);
    config.map(Arc::new).map_err(|error| match error {
        TrustError::CaFile(_) => EndpointError::CaFile(error),
        TrustError::Rustls(_) => EndpointError::Tls(error),
    })
}

/// The client's end of one connection.
#[derive(Debug)]
pub(super) struct Tls {
    connection: ClientConnection,
}

impl Tls {
    pub(super) fn new(config: &Arc<ClientConfig>, address: IpAddr) -> Result<Self, Error> {
        let name = ServerName::IpAddress(address.into());
        Ok(Self {
            connection: ClientConnection::new(Arc::clone(config), name)?,
        })
    }

    /// Whether the handshake is under way.
    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Takes bytes to send; they go out with [`Self::flush`], as soon as the handshake allows it.
    ///
    /// So the request travels in the same segment as the handshake's last message.
    pub(super) fn send(&mut self, plain: &[u8]) -> io::Result<()> {
        self.connection.writer().write_all(plain)
    }

    /// Writes all records, until `to` would block.
    pub(super) fn flush(&mut self, to: &mut dyn Write) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(to)?;
        }
        Ok(())
    }

    /// Takes received bytes; those decrypted are added to `plain`. True: the peer has closed the connection.
    pub(super) fn receive(&mut self, mut input: &[u8], plain: &mut Vec<u8>) -> Result<bool, Error> {
        while !input.is_empty() {
            let taken = self.connection.read_tls(&mut input);
            if !matches!(taken, Ok(1..)) {
                return Err(Error::General("a record without end".to_owned()));
            }
            let state = self.connection.process_new_packets()?;
            let more = state.plaintext_bytes_to_read();
            if more > 0 {
                let filled = plain.len();
                plain.resize(filled + more, 0);
                let read = self.connection.reader().read(&mut plain[filled..]);
                plain.truncate(filled + read.unwrap_or_default());
            }
            if state.peer_has_closed() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ALL_VERSIONS, ServerConfig, ServerConnection};

    const CA_PEM: &[u8] = include_bytes!("../../tests/data/tls/ca.pem");
    const SERVER_PEM: &[u8] = include_bytes!("../../tests/data/tls/server.pem");
    const SERVER_KEY: &[u8] = include_bytes!("../../tests/data/tls/server.key");

    fn pair(insecure: bool, address: &str) -> (Tls, ServerConnection) {
        let settings = TlsSettings {
            ca_file: Some(CA_PEM.into()),
            insecure,
        };
        let client = Tls::new(&client_config(&settings).unwrap(), address.parse().unwrap());
        let chain = CertificateDer::pem_slice_iter(SERVER_PEM).collect::<Result<_, _>>();
        let key = PrivateKeyDer::from_pem_slice(SERVER_KEY).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(ALL_VERSIONS)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.unwrap(), key)
            .unwrap();
        let server = ServerConnection::new(Arc::new(config)).unwrap();
        (client.unwrap(), server)
    }

    /// Takes bytes until it is full, as a socket does.
    struct Narrow(Vec<u8>, usize);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let length = bytes.len().min(self.1 - self.0.len());
            if length == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.0.extend_from_slice(&bytes[..length]);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Sends bytes in pieces of `size` to and fro until both are silent; returns what the client received.
    fn talk(
        client: &mut Tls,
        server: &mut ServerConnection,
        size: usize,
    ) -> Result<(Vec<u8>, bool), Error> {
        let (mut received, mut is_over) = (Vec::new(), false);
        loop {
            let mut wire = Narrow(Vec::new(), size);
            let _ = client.flush(&mut wire);
            let mut back = Narrow(Vec::new(), size);
            if server.wants_write() {
                let _ = server.write_tls(&mut back);
            }
            if wire.0.is_empty() && back.0.is_empty() {
                return Ok((received, is_over));
            }
            server.read_tls(&mut &wire.0[..]).unwrap();
            server.process_new_packets().unwrap();
            is_over |= client.receive(&back.0, &mut received)?;
        }
    }

    #[test]
    fn an_exchange_in_pieces_of_every_size() {
        for size in [1, 2, 5, 100, 100_000] {
            let (mut client, mut server) = pair(false, "127.66.0.1");
            client.send(b"question").unwrap();
            assert!(client.is_handshaking());
            talk(&mut client, &mut server, size).unwrap();
            assert!(!client.is_handshaking());
            let mut question = [0; 8];
            server.reader().read_exact(&mut question).unwrap();
            assert_eq!(&question, b"question");
            for _ in 0..2 {
                server.writer().write_all(b"answer").unwrap();
                let received = talk(&mut client, &mut server, size).unwrap();
                assert_eq!(received, (b"answer".to_vec(), false));
            }
            server.send_close_notify();
            let received = talk(&mut client, &mut server, size).unwrap();
            assert_eq!(received, (Vec::new(), true));
        }
    }

    #[test]
    fn whom_to_trust() {
        let (mut client, mut server) = pair(false, "127.66.0.9");
        let error = talk(&mut client, &mut server, 1000).unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{error}");
        let (mut client, mut server) = pair(true, "127.66.0.9");
        talk(&mut client, &mut server, 1000).unwrap();
        assert!(!client.is_handshaking());
    }
}
