//! The loop: one thread, one listening socket, any number of connections.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::parse::{Parsed, parse};
use super::{Answer, End, Reply, Request, Step};

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
/// How often `Handler::tick` is called when nothing else happens.
const TICK: Duration = Duration::from_millis(50);
/// A filler is sent in pieces of this size.
static BLANKS: [u8; 65536] = [b' '; 65536];

/// What answers requests. It must not block.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Whether a connection to `local` is taken; otherwise it is reset at once.
    fn accepts(&self, _local: SocketAddr) -> bool {
        true
    }
    fn handle(&self, request: &mut Request) -> Reply;
    /// Called some twenty times a second.
    fn tick(&self) {}
}

/// A running loop; dropping it ends its thread and closes every connection.
#[derive(Debug)]
pub(crate) struct Engine {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    pub(crate) fn start(
        name: &str,
        listener: std::net::TcpListener,
        handler: Arc<dyn Handler>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut listener = TcpListener::from_std(listener);
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let now = Instant::now();
                let state = Loop {
                    poll,
                    listener,
                    handler,
                    connections: Vec::new(),
                    free: Vec::new(),
                    timers: BinaryHeap::new(),
                    births: 0,
                    ticked: now,
                };
                state.run(&flag);
            })?;
        Ok(Self {
            address,
            stop,
            waker,
            thread: Some(thread),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A listening socket with a long queue, not blocking.
pub(crate) fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    listen_at(address, |_| ())
}

/// The same with something to be done to the socket before it is bound.
pub(super) fn listen_at(
    address: SocketAddr,
    prepare: impl FnOnce(&Socket),
) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    prepare(&socket);
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    local: SocketAddr,
    /// Tells a timer that its connection has been replaced by another in the same place.
    birth: u64,
    input: Vec<u8>,
    request: Option<Box<Request>>,
    reply: Option<Reply>,
    /// Bytes of the step under way that are already sent.
    sent: u64,
    waiting: bool,
    ended: bool,
}

enum Next {
    Keep,
    Close,
    Reset,
}

struct Loop {
    poll: Poll,
    listener: TcpListener,
    handler: Arc<dyn Handler>,
    connections: Vec<Option<Box<Connection>>>,
    free: Vec<usize>,
    timers: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    births: u64,
    ticked: Instant,
}

impl Loop {
    fn run(mut self, stop: &AtomicBool) {
        let mut events = Events::with_capacity(1024);
        while !stop.load(Ordering::SeqCst) {
            let wait = self.timers.peek().map_or(TICK, |Reverse((at, ..))| {
                at.saturating_duration_since(Instant::now()).min(TICK)
            });
            // A millisecond is the poll's grain: rounding up keeps a short wait from spinning.
            let wait =
                Duration::from_millis(u64::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(50));
            if let Err(error) = self.poll.poll(&mut events, Some(wait))
                && error.kind() != ErrorKind::Interrupted
            {
                return;
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => {}
                    Token(index) => self.drive(index),
                }
            }
            let now = Instant::now();
            while let Some(&Reverse((at, index, birth))) = self.timers.peek() {
                if at > now {
                    break;
                }
                self.timers.pop();
                self.woken(index, birth);
            }
            if now.duration_since(self.ticked) >= TICK {
                self.ticked = now;
                self.handler.tick();
            }
        }
    }

    fn accept(&mut self) {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(_) => {
                    // Out of descriptors: the readiness would be lost, so it is asked for again.
                    std::thread::sleep(Duration::from_millis(5));
                    let _ = self.poll.registry().reregister(
                        &mut self.listener,
                        LISTENER,
                        Interest::READABLE,
                    );
                    return;
                }
            };
            let Ok(local) = stream.local_addr() else {
                continue;
            };
            if !self.handler.accepts(local) {
                reset(&stream);
                continue;
            }
            self.adopt(stream, local);
        }
    }

    fn adopt(&mut self, mut stream: TcpStream, local: SocketAddr) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let _ = stream.set_nodelay(true);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self
            .poll
            .registry()
            .register(&mut stream, Token(index), interest)
            .is_err()
        {
            self.free.push(index);
            return;
        }
        self.births += 1;
        self.connections[index] = Some(Box::new(Connection {
            stream,
            local,
            birth: self.births,
            input: Vec::new(),
            request: None,
            reply: None,
            sent: 0,
            waiting: false,
            ended: false,
        }));
        self.drive(index);
    }

    fn woken(&mut self, index: usize, birth: u64) {
        if let Some(Some(connection)) = self.connections.get_mut(index)
            && connection.birth == birth
        {
            connection.waiting = false;
            self.drive(index);
        }
    }

    fn drive(&mut self, index: usize) {
        let Some(mut connection) = self.connections.get_mut(index).and_then(Option::take) else {
            return;
        };
        match self.step(index, &mut connection) {
            Next::Keep => self.connections[index] = Some(connection),
            next => {
                let _ = self.poll.registry().deregister(&mut connection.stream);
                if matches!(next, Next::Reset) {
                    reset(&connection.stream);
                } else {
                    let _ = connection.stream.shutdown(std::net::Shutdown::Write);
                }
                self.free.push(index);
            }
        }
    }

    fn step(&mut self, index: usize, connection: &mut Connection) -> Next {
        connection.read();
        loop {
            if connection.waiting {
                // A client that gives up does not undo its request: what is still to be carried out is.
                let again = connection
                    .reply
                    .as_ref()
                    .is_some_and(|reply| reply.end == End::Again);
                return if connection.ended && !again {
                    Next::Close
                } else {
                    Next::Keep
                };
            }
            if connection.reply.is_none() {
                match parse(&connection.input, connection.local) {
                    Parsed::Whole(mut request, used) => {
                        connection.input.drain(..used);
                        connection.reply = Some(self.ask(&mut request));
                        connection.request = Some(request);
                    }
                    Parsed::Partial => {
                        return if connection.ended {
                            Next::Close
                        } else {
                            Next::Keep
                        };
                    }
                    Parsed::Bad(status) => {
                        let bytes =
                            Answer::empty(status).into_bytes(SystemTime::now(), false, None);
                        connection.reply = Some(Reply::new([Step::Send(bytes)], End::Close));
                    }
                }
            }
            if let Some(next) = self.play(index, connection) {
                return next;
            }
        }
    }

    /// Plays the reply; `None` when it is over, or waits for its timer.
    fn play(&mut self, index: usize, connection: &mut Connection) -> Option<Next> {
        let mut burst = 0;
        while let Some(reply) = connection.reply.as_mut() {
            let from = usize::try_from(connection.sent).unwrap_or(usize::MAX);
            let (piece, total) = match reply.steps.front() {
                None => {
                    if let Some(next) = self.finish(connection) {
                        return Some(next);
                    }
                    continue;
                }
                Some(Step::Wait(time)) => {
                    self.timers
                        .push(Reverse((Instant::now() + *time, index, connection.birth)));
                    connection.waiting = true;
                    reply.steps.pop_front();
                    return None;
                }
                Some(Step::Send(bytes)) => (&bytes[from..], bytes.len() as u64),
                Some(Step::Fill(total)) => {
                    let left = usize::try_from(total.saturating_sub(connection.sent))
                        .unwrap_or(usize::MAX);
                    (&BLANKS[..left.min(BLANKS.len())], *total)
                }
            };
            if !piece.is_empty() {
                match connection.stream.write(piece) {
                    Ok(count) => connection.sent += count as u64,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(Next::Keep),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return Some(Next::Close),
                }
            }
            if connection.sent >= total {
                reply.steps.pop_front();
                connection.sent = 0;
            }
            burst += 1;
            if burst > 32 {
                // A reader as fast as this writer must not keep the others waiting.
                self.timers
                    .push(Reverse((Instant::now(), index, connection.birth)));
                connection.waiting = true;
                return None;
            }
        }
        None
    }

    /// Asks the handler; a fault of its own is told and answered with 500, so that the loop goes on.
    fn ask(&self, request: &mut Request) -> Reply {
        let handler = AssertUnwindSafe(&self.handler);
        let target = request.target.clone();
        catch_unwind(AssertUnwindSafe(|| handler.handle(request))).unwrap_or_else(|_| {
            eprintln!("mock: the handler of {target} panicked");
            let bytes = Answer::empty(500).into_bytes(SystemTime::now(), false, None);
            Reply::new([Step::Send(bytes)], End::Close)
        })
    }

    fn finish(&self, connection: &mut Connection) -> Option<Next> {
        let end = connection
            .reply
            .as_ref()
            .map_or(End::Close, |reply| reply.end);
        match (end, connection.request.as_mut()) {
            (End::KeepAlive, _) => {
                connection.reply = None;
                connection.request = None;
                None
            }
            (End::Hang, _) if !connection.ended => Some(Next::Keep),
            (End::Reset, _) => Some(Next::Reset),
            (End::Again, Some(request)) => {
                request.stage += 1;
                connection.reply = Some(self.ask(request));
                None
            }
            _ => Some(Next::Close),
        }
    }
}

impl Connection {
    fn read(&mut self) {
        let mut buffer = [0; 16384];
        while !self.ended {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.ended = true,
            }
        }
    }
}

/// Makes the coming close a reset.
fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
