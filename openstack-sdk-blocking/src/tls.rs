//! Whom to trust over TLS, for every client of the program: this crate's transports, and others that speak `rustls`.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    ALL_VERSIONS, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

/// Why a CA file cannot be used; the text says what is in it, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file has no certificate that can be read.
    #[error("{0}")]
    CaFile(String),
    /// The TLS library refuses.
    #[error("the TLS client cannot be set up")]
    Rustls(#[source] Error),
}

/// A client that trusts the certificates of a CA file (its contents) in place of the public authorities, or, with
/// `insecure`, everybody.
///
/// A server's certificate that is itself in the file is trusted as long as it is valid and names the server, be it
/// marked as an authority or not: so do OpenSSL and what is built on it.
///
/// # Errors
/// A CA file without a certificate that can be read.
pub fn client_config(ca_file: Option<&[u8]>, insecure: bool) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(ALL_VERSIONS)
        .map_err(TrustError::Rustls)?;
    let own = ca_file.map(certificates).transpose()?;
    let verifier: Arc<dyn ServerCertVerifier> = if insecure {
        Arc::new(AnyCertificate(provider))
    } else if let Some(own) = own {
        Arc::new(Pinning::new(own, provider)?)
    } else {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    };
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// The certificates of a file: a PEM bundle with whatever text around them, or one certificate in DER.
///
/// # Errors
/// What the file has instead of a certificate.
pub fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let wrong = |text: String| Err(TrustError::CaFile(text));
    // Windows' editors put a byte order mark first, or write in 16 bits.
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    if file.starts_with(b"\xff\xfe") || file.starts_with(b"\xfe\xff") {
        return wrong("it is text in UTF-16: save it as UTF-8".to_owned());
    }
    if file.iter().all(u8::is_ascii_whitespace) {
        return wrong("it is empty".to_owned());
    }
    let der = CertificateDer::from(file.to_owned());
    if ParsedCertificate::try_from(&der).is_ok() {
        return Ok(vec![der]);
    }
    let text = String::from_utf8_lossy(file).replace("X509 CERTIFICATE", "CERTIFICATE");
    let mut found = Vec::new();
    let mut others = 0_usize;
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes()) {
        match section {
            Ok((SectionKind::Certificate, der)) => {
                let certificate = CertificateDer::from(der);
                if ParsedCertificate::try_from(&certificate).is_ok() {
                    found.push(certificate);
                } else {
                    others += 1;
                }
            }
            Ok(_) => {}
            Err(error) if found.is_empty() => {
                return wrong(format!("its PEM is damaged ({error:?}): copy it once more"));
            }
            Err(error) => {
                log::warn!(
                    "a CA file is damaged after {} certificates: {error:?}",
                    found.len()
                );
                break;
            }
        }
    }
    if found.is_empty() {
        return wrong(what_it_is(file, others));
    }
    if others > 0 {
        log::warn!("{others} certificates of a CA file cannot be read; the others are trusted");
    }
    Ok(found)
}

/// What a file without a readable certificate is, and how to make one of it.
fn what_it_is(file: &[u8], unreadable: usize) -> String {
    const PLAIN: &str = "openssl x509 -in FILE -out NEW.pem";
    let text = String::from_utf8_lossy(file);
    let has = |part: &str| text.contains(part);
    if has("TRUSTED CERTIFICATE") {
        format!("it has a TRUSTED CERTIFICATE, which only OpenSSL reads: {PLAIN}")
    } else if unreadable > 0 {
        "its certificates cannot be read (X.509 version 3 is needed): have them issued anew"
            .to_owned()
    } else if has("PRIVATE KEY") {
        "it has a private key and no certificate: name the authority's certificate, and keep the key to \
         yourself"
            .to_owned()
    } else if has("CERTIFICATE REQUEST") {
        "it has a request for a certificate: name the certificate that was issued for it".to_owned()
    } else if has("BEGIN PKCS7") {
        "it is PKCS#7: openssl pkcs7 -in FILE -print_certs -out NEW.pem".to_owned()
    } else if has("-----BEGIN ") {
        "its PEM has no certificate".to_owned()
    } else if file.starts_with(&[0x30]) {
        "it is binary and no certificate, perhaps PKCS#12 or PKCS#7: openssl pkcs12 -in FILE -nokeys -out \
         NEW.pem, or openssl pkcs7 -inform DER -in FILE -print_certs -out NEW.pem"
            .to_owned()
    } else if has("<html") || has("<HTML") {
        "it is a web page: download the certificate itself".to_owned()
    } else {
        format!(
            "it is no certificate: expected PEM (-----BEGIN CERTIFICATE-----) or DER, such as {PLAIN} makes"
        )
    }
}

/// Trusts what the given authorities issued, and the given certificates themselves.
#[derive(Debug)]
struct Pinning {
    own: Vec<CertificateDer<'static>>,
    issued: Arc<WebPkiServerVerifier>,
}

impl Pinning {
    fn new(
        own: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(own.iter().cloned());
        let issued = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| TrustError::CaFile(error.to_string()))?;
        Ok(Self { own, issued })
    }

    /// Whether the refusal is only about who issued it: its validity has been looked at by then (RFC 5280, 6.1.3, in
    /// the order of `webpki`).
    fn is_about_the_issuer(error: &Error) -> bool {
        match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
            Error::InvalidCertificate(CertificateError::Other(other)) => {
                other.to_string().contains("CaUsedAsEndEntity")
            }
            _ => false,
        }
    }
}

impl ServerCertVerifier for Pinning {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self
            .issued
            .verify_server_cert(end_entity, intermediates, name, ocsp, now);
        match verified {
            Err(error)
                if Self::is_about_the_issuer(&error)
                    && self.own.iter().any(|own| own == end_entity) =>
            {
                let certificate = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&certificate, name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issued.supported_verify_schemes()
    }
}

/// Takes any certificate.
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::certificates;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    const CA: &str = include_str!("../../tests/data/tls/ca.pem");
    const KEY: &str = include_str!("../../tests/data/tls/self.key");

    fn in_utf_16(text: &str) -> Vec<u8> {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        b"\xff\xfe".iter().copied().chain(units).collect()
    }

    #[test]
    fn ca_files_come_in_several_forms() {
        let der = CertificateDer::from_pem_slice(CA.as_bytes()).expect("PEM");
        let of = |text: String| text.into_bytes();
        let good: [(Vec<u8>, usize); 11] = [
            (of(CA.to_owned()), 1),
            (der.to_vec(), 1),
            (of(format!("{CA}{CA}")), 2),
            (
                of(format!(
                    "# authorities\n\nsubject=CN = x\n{CA}\n  # more\n{CA}trailer"
                )),
                2,
            ),
            (of(CA.replace('\n', "\r\n")), 1),
            (of(format!("\u{feff}{CA}")), 1),
            (of(CA.replace("CERTIFICATE", "X509 CERTIFICATE")), 1),
            (of(format!("{KEY}{CA}")), 1),
            (of(CA.trim_end().to_owned()), 1),
            ([b"caf\xe9\n".as_slice(), CA.as_bytes()].concat(), 1),
            (
                of(format!(
                    "{CA}-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n"
                )),
                1,
            ),
        ];
        for (number, (file, count)) in good.iter().enumerate() {
            let found = certificates(file).map_err(|error| error.to_string());
            assert_eq!(found.map(|found| found.len()), Ok(*count), "{number}");
        }
        let bad: [(Vec<u8>, &str); 12] = [
            (Vec::new(), "empty"),
            (of(" \n".to_owned()), "empty"),
            (of("no certificate".to_owned()), "expected PEM"),
            (of("<html><body>login</body></html>".to_owned()), "web page"),
            (of(KEY.to_owned()), "private key"),
            (
                of(CA.replace("CERTIFICATE", "TRUSTED CERTIFICATE")),
                "openssl x509 -in FILE -out NEW.pem",
            ),
            (
                of(CA.replace("CERTIFICATE", "CERTIFICATE REQUEST")),
                "request",
            ),
            (of(CA.replace("CERTIFICATE", "PKCS7")), "openssl pkcs7"),
            (
                of("-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n".to_owned()),
                "damaged",
            ),
            (
                of("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_owned()),
                "issued anew",
            ),
            (vec![0x30, 0x82, 1, 1, 2, 1, 3], "openssl pkcs12"),
            (in_utf_16(CA), "UTF-8"),
        ];
        for (file, part) in bad {
            let error = certificates(&file).expect_err(part).to_string();
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
