//! How `ureq` connects: TLS with this crate's trust, and HTTP proxies that are asked for a whole URL.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::Error;
use ureq::http::Uri;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
    TransportAdapter,
};

/// Speaks TLS with servers whose URL asks for it.
#[derive(Debug)]
pub(super) struct TlsConnector(pub(super) Arc<ClientConfig>);

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else {
            return Ok(None);
        };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| Error::Tls("the host is no name that a certificate can have"))?;
        let mut connection = ClientConnection::new(Arc::clone(&self.0), name)?;
        let boxed: Box<dyn Transport> = Box::new(transport);
        let mut socket = TransportAdapter::new(boxed, Arc::clone(&details.current_time));
        socket.set_timeout(details.timeout);
        connection.complete_io(&mut socket)?;
        let config = details.config;
        Ok(Some(Either::B(TlsTransport {
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
            stream: StreamOwned::new(connection, socket),
        })))
    }
}

/// A connection over TLS.
pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream.write_all(output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.get_mut().set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.stream.read(input)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

/// Connects to the proxy of an `http` URL, and asks it for the whole URL: proxies refuse CONNECT to other ports than
/// 443 (Squid's default). It is what RFC 9112, section 3.2.2, has clients do.
#[derive(Debug)]
pub(super) struct PlainProxyConnector;

impl<In: Transport> Connector<In> for PlainProxyConnector {
    type Out = Either<In, WholeUrls>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(transport) = chained {
            return Ok(Some(Either::A(transport)));
        }
        let Some(proxy) = details.config.proxy().filter(|_| !details.needs_tls()) else {
            return Ok(None);
        };
        // The way to the proxy itself has no proxy: its addresses are known, and this connector is not asked again.
        let direct = ureq::Agent::config_builder()
            .proxy(None)
            .input_buffer_size(details.config.input_buffer_size())
            .output_buffer_size(details.config.output_buffer_size())
            .build();
        let addrs = details
            .resolver
            .resolve(proxy.uri(), &direct, details.timeout)?;
        let to_proxy = ConnectionDetails {
            uri: proxy.uri(),
            addrs,
            resolver: details.resolver,
            config: &direct,
            request_level: true,
            now: details.now,
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::clone(&details.register_shutdown),
        };
        let inner = (details.run_connector)(&to_proxy)?;
        Ok(Some(Either::B(WholeUrls {
            inner,
            origin: origin(details.uri),
            begins: true,
        })))
    }
}

/// Scheme and authority of a URL.
fn origin(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}", uri.scheme_str().unwrap_or("http"))
}

/// A connection to a proxy, on which each request's path becomes a URL.
#[derive(Debug)]
pub(super) struct WholeUrls {
    inner: Box<dyn Transport>,
    origin: String,
    /// The next bytes to go out begin a request.
    begins: bool,
}

impl WholeUrls {
    /// `GET /v3/ HTTP/1.1 ...` with the origin before the path.
    fn with_origin(&self, head: &[u8]) -> Vec<u8> {
        let path = head.iter().position(|byte| *byte == b' ');
        let (method, rest) = head.split_at(path.map_or(0, |at| at + 1));
        [method, self.origin.as_bytes(), rest].concat()
    }
}

impl Transport for WholeUrls {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if !std::mem::replace(&mut self.begins, false) {
            return self.inner.transmit_output(amount, timeout);
        }
        let output = self.inner.buffers().output();
        let head = output.get(..amount).unwrap_or_default().to_owned();
        let whole = self.with_origin(&head);
        let mut rest = whole.as_slice();
        // It is longer than what the buffer had, which may have been full.
        while !rest.is_empty() {
            let output = self.inner.buffers().output();
            let length = rest.len().min(output.len());
            let (now, later) = rest.split_at(length);
            let Some(room) = output.get_mut(..length).filter(|room| !room.is_empty()) else {
                return Err(Error::ConnectionFailed);
            };
            room.copy_from_slice(now);
            self.inner.transmit_output(length, timeout)?;
            rest = later;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        // An answer comes in: what goes out next is another request.
        self.begins = true;
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    /// TLS may lead to the proxy, and never to the server.
    fn is_tls(&self) -> bool {
        false
    }
}
