//! A connection: bytes in and out of a non-blocking socket, in the clear or through TLS.

use super::endpoint::Endpoint;
use super::failure::{is_lost, local, of_io, of_tls};
use super::tls::Tls;
use crate::pool::ProbeFailure;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind, Read, Write};
use std::net::IpAddr;

/// Holds most responses as a whole.
const INPUT_BYTES: usize = 16 * 1024;

/// Buffers that all connections of a thread use by turns.
#[derive(Debug)]
pub(super) struct Buffers {
    input: Box<[u8]>,
    plain: Vec<u8>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self {
            input: vec![0; INPUT_BYTES].into_boxed_slice(),
            plain: Vec::new(),
        }
    }
}

/// Why the connection is of no more use.
#[derive(Debug)]
pub(super) enum Broken {
    /// The peer has ended the connection.
    Lost,
    /// Any other failure.
    Failed(ProbeFailure),
}

/// What one read brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Received<'a> {
    /// Bytes of HTTP, as far as is known.
    pub(super) bytes: &'a [u8],
    pub(super) next: Next,
}

/// What to do after the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait until the socket is ready again.
    Wait,
    /// Read again, there may be more.
    Read,
    /// The peer has ended the connection.
    End,
}

/// What a socket is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watched {
    Not,
    Reading,
    Both,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    tls: Option<Box<Tls>>,
    /// Bytes for which the socket had no room, or was not yet open.
    unsent: Vec<u8>,
    /// Whether a byte has ever gone through.
    is_open: bool,
    is_blocked: bool,
    watched: Watched,
}

impl Link {
    /// Starts to connect.
    pub(super) fn open(endpoint: &Endpoint, address: IpAddr) -> io::Result<Self> {
        let tls = match &endpoint.tls {
            None => None,
            Some(config) => {
                let tls = Tls::new(config, address).map_err(io::Error::other)?;
                Some(Box::new(tls))
            }
        };
        Ok(Self {
            stream: TcpStream::connect(endpoint.socket(address))?,
            tls,
            unsent: Vec::new(),
            is_open: false,
            is_blocked: false,
            watched: Watched::Not,
        })
    }

    /// Sends, now or as soon as the socket takes it.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        if let Some(tls) = &mut self.tls {
            tls.send(bytes)
                .map_err(|error| Broken::Failed(local(&error)))?;
            return self.flush();
        }
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return self.flush();
        }
        let sent = self.write(bytes)?;
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    /// Sends the bytes that are left.
    pub(super) fn flush(&mut self) -> Result<(), Broken> {
        if let Some(tls) = &mut self.tls {
            match tls.flush(&mut self.stream) {
                Ok(()) => {
                    self.is_open = true;
                    self.is_blocked = false;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_blocked = true,
                Err(error) => return Err(self.broken(&error)),
            }
        } else if !self.unsent.is_empty() {
            let unsent = std::mem::take(&mut self.unsent);
            let sent = self.write(&unsent)?;
            self.unsent.extend_from_slice(&unsent[sent..]);
        }
        Ok(())
    }

    /// Reads once. `is_ending`: the kernel has seen the peer's end of the connection.
    pub(super) fn receive<'a>(
        &mut self,
        buffers: &'a mut Buffers,
        is_ending: bool,
    ) -> Result<Received<'a>, Broken> {
        let length = loop {
            match self.stream.read(&mut buffers.input) {
                Ok(length) => break length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let (bytes, next) = (&[][..], Next::Wait);
                    return Ok(Received { bytes, next });
                }
                Err(error) => return Err(self.broken(&error)),
            }
        };
        self.is_open = true;
        let mut next = match length {
            0 => Next::End,
            _ if is_ending || length == buffers.input.len() => Next::Read,
            _ => Next::Wait,
        };
        let input = &buffers.input[..length];
        let Some(tls) = &mut self.tls else {
            return Ok(Received { bytes: input, next });
        };
        if next == Next::End && tls.is_handshaking() {
            return Err(Broken::Failed(of_tls(&"the handshake was broken off")));
        }
        buffers.plain.clear();
        match tls.receive(input, &mut buffers.plain) {
            Ok(true) => next = Next::End,
            Ok(false) => {}
            Err(error) => {
                // Sends the peer the alert, if it still reads.
                let _ = tls.flush(&mut self.stream);
                return Err(Broken::Failed(of_tls(&error)));
            }
        }
        // What the peer has sent counts even if it does not read any more.
        if let Err(Broken::Failed(failure)) = self.flush() {
            return Err(Broken::Failed(failure));
        }
        let bytes = &buffers.plain[..];
        Ok(Received { bytes, next })
    }

    /// Registers the socket, edge-triggered: once for reading, and once more for writing if it has no room
    /// for a request.
    pub(super) fn watch(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match (self.watched, self.is_blocked) {
            (Watched::Not, false) => {
                registry.register(&mut self.stream, token, Interest::READABLE)?;
                self.watched = Watched::Reading;
            }
            (Watched::Not, true) => {
                registry.register(&mut self.stream, token, both)?;
                self.watched = Watched::Both;
            }
            (Watched::Reading, true) => {
                registry.reregister(&mut self.stream, token, both)?;
                self.watched = Watched::Both;
            }
            (Watched::Reading, false) | (Watched::Both, _) => {}
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let mut sent = 0;
        self.is_blocked = false;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(length) => {
                    sent += length;
                    self.is_open = true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    break;
                }
                Err(error) => return Err(self.broken(&error)),
            }
        }
        Ok(sent)
    }

    fn broken(&self, error: &io::Error) -> Broken {
        let is_handshaking = self.tls.as_ref().is_some_and(|tls| tls.is_handshaking());
        if self.is_open && is_handshaking && error.kind() != ErrorKind::TimedOut {
            Broken::Failed(of_tls(error))
        } else if is_lost(error.kind()) {
            Broken::Lost
        } else {
            Broken::Failed(of_io(error))
        }
    }
}
