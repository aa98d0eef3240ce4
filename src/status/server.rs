//! The listening socket and the threads.

use super::connections::{Connections, Place};
use super::error::StatusError;
use super::http::{Method, Timed};
use super::{Facts, Shared, routes};
use crate::pool::Moment;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

/// Tells the time since the process started.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// The running status server. Dropping it stops it.
pub struct StatusServer {
    local_address: SocketAddr,
    listener: Arc<Socket>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What every connection's thread needs.
struct Context {
    shared: Arc<Shared>,
    facts: Facts,
    clock: Clock,
}

impl StatusServer {
    /// How many connections, and so threads besides its own, it has at most.
    pub const MAX_CONNECTIONS: usize = 32;
    /// How long a client may take to send its request, and again to take the answer.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    const BACKLOG: i32 = 1024;
    /// The accepting thread looks up so often, should nothing else wake it.
    const LOOK_UP: Duration = Duration::from_secs(1);
    /// The wait after a failure to accept, which is most often a want of file descriptors.
    const WAIT_AFTER_FAILURE: Duration = Duration::from_millis(100);
    const STACK_BYTES: usize = 512 * 1024;

    /// Listens on the first of the host's addresses that can be listened on (IPv4 first, `::`
    /// for both) and answers from then on.
    pub fn start(
        host: &str,
        port: u16,
        shared: Arc<Shared>,
        facts: Facts,
        clock: Clock,
    ) -> Result<Self, StatusError> {
        let (listener, local_address) = listen_on_host(host, port)?;
        let listener = Arc::new(listener);
        let stop = Arc::new(AtomicBool::new(false));
        let acceptor = Acceptor {
            listener: Arc::clone(&listener),
            stop: Arc::clone(&stop),
            connections: Connections::new(Self::MAX_CONNECTIONS),
            context: Arc::new(Context {
                shared,
                facts,
                clock,
            }),
        };
        let thread = thread::Builder::new()
            .name("status".to_owned())
            .stack_size(Self::STACK_BYTES)
            .spawn(move || acceptor.run())
            .map_err(|source| StatusError::Thread { source })?;
        Ok(Self {
            local_address,
            listener,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens; with port 0 asked for, this has the port that was given.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_address
    }

    /// Whether it no longer listens, although nobody stopped it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Closes the socket and all connections and waits for the threads, a few seconds at most.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.stop.store(true, Ordering::Release);
        // On Linux this wakes the accepting thread at once; elsewhere it looks up by itself.
        let _ = self.listener.shutdown(Shutdown::Both);
        if thread.join().is_err() {
            log::error!("the status server's thread had panicked");
        }
    }
}

impl Drop for StatusServer {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for StatusServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusServer")
            .field("local_address", &self.local_address)
            .finish_non_exhaustive()
    }
}

fn listen_on_host(host: &str, port: u16) -> Result<(Socket, SocketAddr), StatusError> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let resolved = (bare.unwrap_or(host), port).to_socket_addrs();
    let mut addresses: Vec<SocketAddr> = match resolved {
        Ok(addresses) => addresses.collect(),
        Err(source) => {
            let host = host.to_owned();
            return Err(StatusError::Resolve { host, source });
        }
    };
    // `localhost` is both; health checks are more often written with 127.0.0.1.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut failure = StatusError::NoAddress {
        host: host.to_owned(),
    };
    for address in addresses {
        match listen(address) {
            Ok(listening) => return Ok(listening),
            Err(source) => failure = StatusError::Listen { address, source },
        }
    }
    Err(failure)
}

/// Returns the socket and the address that it has got.
fn listen(address: SocketAddr) -> io::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for the old connections to be forgotten.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_read_timeout(Some(StatusServer::LOOK_UP))?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(StatusServer::BACKLOG)?;
    let local_address = socket.local_addr()?.as_socket();
    let local_address = local_address.ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok((socket, local_address))
}

/// The thread that accepts connections.
struct Acceptor {
    listener: Arc<Socket>,
    stop: Arc<AtomicBool>,
    connections: Arc<Connections>,
    context: Arc<Context>,
}

impl Acceptor {
    const WAITS_AT_THE_END: u32 = 40;
    const WAIT_AT_THE_END: Duration = Duration::from_millis(50);

    fn run(&self) {
        let mut was_failing = false;
        while !self.stop.load(Ordering::Acquire) {
            match self.listener.accept() {
                Ok((socket, _)) => {
                    was_failing = false;
                    self.serve(socket.into());
                }
                Err(error) if is_passing(&error) => {}
                Err(_) if self.stop.load(Ordering::Acquire) => break,
                Err(error) => {
                    if !was_failing {
                        log::warn!("the status server cannot accept a connection: {error}");
                    }
                    was_failing = true;
                    self.connections.relieve(StatusServer::WAIT_AFTER_FAILURE);
                }
            }
        }
        let ended = self
            .connections
            .close(Self::WAITS_AT_THE_END, Self::WAIT_AT_THE_END);
        if !ended {
            log::warn!("connections of the status server are still open at its end");
        }
    }

    /// Hands a connection to a thread of its own; without room or a thread it is closed.
    fn serve(&self, stream: TcpStream) {
        let Some(place) = self.connections.admit(stream) else {
            return;
        };
        let context = Arc::clone(&self.context);
        let thread = thread::Builder::new()
            .name("status-client".to_owned())
            .stack_size(StatusServer::STACK_BYTES)
            .spawn(move || context.converse(&place));
        if let Err(error) = thread {
            log::warn!("the status server cannot start a thread: {error}");
        }
    }
}

/// Nothing came, or what came is gone already.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

impl Context {
    fn converse(&self, place: &Place) {
        let timed = Timed {
            stream: place.stream(),
            clock: &self.clock,
        };
        let request = timed.read_request(StatusServer::PATIENCE);
        place.set_answering(true);
        let (response, with_body) = match &request {
            Ok(request) => {
                let now = (self.clock)();
                let response = routes::answer(request, &self.shared, &self.facts, now);
                (response, request.method != Method::Head)
            }
            Err(bad) => match routes::answer_bad(bad) {
                Some(response) => (response, true),
                None => return,
            },
        };
        let head = response.head();
        let body = if with_body { response.body } else { Vec::new() };
        if let Err(error) = timed.write_last([&head, &body], StatusServer::PATIENCE, || {
            place.set_answering(false);
        }) {
            log::debug!("a client of the status server is gone: {error}");
        }
    }
}
