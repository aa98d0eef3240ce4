//! TLS between a socket's bytes and those of HTTP, without any I/O but writing.

use super::settings::{StartError, TlsSettings};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ALL_VERSIONS, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::sync::Arc;

/// Whom to trust, and the sessions to resume: one for all connections.
pub(super) fn client_config(settings: &TlsSettings) -> Result<Arc<ClientConfig>, StartError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(ALL_VERSIONS)
        .map_err(StartError::Tls)?;
    let mut roots = RootCertStore::empty();
    if let Some(pem) = &settings.ca_pem {
        let mut certificates = Vec::new();
        for one in CertificateDer::pem_slice_iter(pem) {
            certificates.push(one.map_err(StartError::CaFileUnreadable)?);
        }
        if certificates.is_empty() {
            return Err(StartError::CaFileEmpty);
        }
        roots.add_parsable_certificates(certificates);
    } else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let builder = if settings.insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        builder.with_root_certificates(roots)
    };
    Ok(Arc::new(builder.with_no_client_auth()))
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

    /// Whether the peer has yet to prove who it is.
    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Takes what is to be sent; it goes out with [`Self::flush`], as soon as the handshake allows it.
    ///
    /// So the request travels in the same segment as the handshake's last message.
    pub(super) fn say(&mut self, plain: &[u8]) -> io::Result<()> {
        self.connection.writer().write_all(plain)
    }

    /// Writes what there is to write, until `to` would block.
    pub(super) fn flush(&mut self, to: &mut dyn Write) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(to)?;
        }
        Ok(())
    }

    /// Takes what was received; what it says is added to `plain`. True: the peer has said goodbye.
    pub(super) fn hear(&mut self, mut input: &[u8], plain: &mut Vec<u8>) -> Result<bool, Error> {
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

/// Takes any certificate, of a peer that has its key: `REPLICA_API_INSECURE`.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let _ = (message, certificate, signature);
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let _ = (message, certificate, signature);
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection};

    const CA_PEM: &[u8] = include_bytes!("../../tests/data/tls/ca.pem");
    const SERVER_PEM: &[u8] = include_bytes!("../../tests/data/tls/server.pem");
    const SERVER_KEY: &[u8] = include_bytes!("../../tests/data/tls/server.key");

    fn pair(insecure: bool, address: &str) -> (Tls, ServerConnection) {
        let settings = TlsSettings {
            ca_pem: Some(CA_PEM.into()),
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

    /// Takes what it is given until it is full, as a socket does.
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

    /// Sends bytes in pieces of `size` to and fro until both are silent; what the client has heard.
    fn talk(
        client: &mut Tls,
        server: &mut ServerConnection,
        size: usize,
    ) -> Result<(Vec<u8>, bool), Error> {
        let (mut heard, mut is_over) = (Vec::new(), false);
        loop {
            let mut wire = Narrow(Vec::new(), size);
            let _ = client.flush(&mut wire);
            let mut back = Narrow(Vec::new(), size);
            if server.wants_write() {
                let _ = server.write_tls(&mut back);
            }
            if wire.0.is_empty() && back.0.is_empty() {
                return Ok((heard, is_over));
            }
            server.read_tls(&mut &wire.0[..]).unwrap();
            server.process_new_packets().unwrap();
            is_over |= client.hear(&back.0, &mut heard)?;
        }
    }

    #[test]
    fn an_exchange_in_pieces_of_every_size() {
        for size in [1, 2, 5, 100, 100_000] {
            let (mut client, mut server) = pair(false, "127.66.0.1");
            client.say(b"question").unwrap();
            assert!(client.is_handshaking());
            talk(&mut client, &mut server, size).unwrap();
            assert!(!client.is_handshaking());
            let mut question = [0; 8];
            server.reader().read_exact(&mut question).unwrap();
            assert_eq!(&question, b"question");
            for _ in 0..2 {
                server.writer().write_all(b"answer").unwrap();
                let heard = talk(&mut client, &mut server, size).unwrap();
                assert_eq!(heard, (b"answer".to_vec(), false));
            }
            server.send_close_notify();
            let heard = talk(&mut client, &mut server, size).unwrap();
            assert_eq!(heard, (Vec::new(), true));
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
