//! The listening socket and the two threads: one that talks to all clients and never waits for any
//! of them, and one that renders large answers.

use super::bodies::{self, Bodies, Document, Source};
use super::connection::{Connection, Step, Worth};
use super::error::StatusError;
use super::hosts::Peer;
use super::http::{BadRequest, Body, Method, Request, Response};
use super::routes::{self, Answer};
use super::{Board, DaemonInfo};
use crate::pool::Moment;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

/// Tells the time since the process started.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// The running status server. Dropping it stops it.
pub struct StatusServer {
    local_address: SocketAddr,
    waker: Arc<Waker>,
    stop: Arc<AtomicBool>,
    rendered: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

/// What both threads need.
struct Context {
    shared: Arc<Board>,
    facts: DaemonInfo,
    clock: Clock,
}

const LISTENER: Token = Token(usize::MAX);
const BELL: Token = Token(usize::MAX - 1);

impl StatusServer {
    /// How many connections it has at most, where the process may have descriptors enough.
    pub const MAX_CONNECTIONS: usize = 1024;
    /// How many of them get a large answer, or wait for it, at most: all others are kept for health
    /// checks and metrics.
    pub const MAX_HEAVY: usize = 64;
    /// How long a client may take to send its request, and again to take the answer.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    const BACKLOG: i32 = 1024;
    /// What the kernel holds of an answer that is not taken.
    const SEND_BUFFER_BYTES: usize = 256 * 1024;
    const STACK_BYTES: usize = 512 * 1024;

    /// Listens on the first of the host's addresses that can be listened on (IPv4 first, `::`
    /// for both) and answers from then on.
    pub fn start(shared: Arc<Board>, facts: DaemonInfo, clock: Clock) -> Result<Self, StatusError> {
        let cannot = |source| StatusError::Thread { source };
        let (listener, local_address) = listen_on_host(&facts.server.host, facts.server.port)?;
        let mut listener = TcpListener::from_std(listener.into());
        let poll = Poll::new().map_err(cannot)?;
        let waker = Arc::new(Waker::new(poll.registry(), BELL).map_err(cannot)?);
        let registered = poll
            .registry()
            .register(&mut listener, LISTENER, Interest::READABLE);
        registered.map_err(cannot)?;
        let context = Arc::new(Context {
            shared,
            facts,
            clock,
        });
        let (jobs, to_render) = sync_channel(Loop::JOBS);
        let (done, finished) = sync_channel(Loop::JOBS);
        let worker = Renderer {
            context: Arc::clone(&context),
            jobs: to_render,
            done,
            waker: Arc::clone(&waker),
            rendered: Arc::default(),
        };
        let rendered = Arc::clone(&worker.rendered);
        let spawn = |name: &str| {
            let thread = thread::Builder::new().name(name.to_owned());
            thread.stack_size(Self::STACK_BYTES)
        };
        spawn("status-render")
            .spawn(move || worker.run())
            .map_err(cannot)?;
        let stop = Arc::new(AtomicBool::new(false));
        let serving = Loop {
            listener,
            stop: Arc::clone(&stop),
            talk: Talk {
                connections: BTreeMap::new(),
                limit: context.facts.max_connections.max(1),
                next: 0,
                bodies: Bodies::default(),
                queues: BTreeMap::new(),
                jobs,
            },
            context,
            finished,
        };
        let thread = spawn("status")
            .spawn(move || serving.run(poll))
            .map_err(cannot)?;
        Ok(Self {
            local_address,
            waker,
            stop,
            rendered,
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

    /// How many large answers have been rendered, however many clients got them.
    #[must_use]
    pub fn rendered(&self) -> u64 {
        self.rendered.load(Ordering::Relaxed)
    }

    /// Closes the socket and all connections and waits for the thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.stop.store(true, Ordering::Release);
        // Should this fail, the thread looks up by itself.
        let _ = self.waker.wake();
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
    // Accepted sockets inherit both.
    socket.set_nonblocking(true)?;
    socket.set_send_buffer_size(StatusServer::SEND_BUFFER_BYTES)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(StatusServer::BACKLOG)?;
    let local_address = socket.local_addr()?.as_socket();
    let local_address = local_address.ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok((socket, local_address))
}

/// A document to be rendered, and about how long it will be.
type Job = (Document, Source, usize);

/// The thread that renders, one document at a time.
struct Renderer {
    context: Arc<Context>,
    jobs: Receiver<Job>,
    done: SyncSender<(Document, Source, Body)>,
    waker: Arc<Waker>,
    rendered: Arc<AtomicU64>,
}

impl Renderer {
    fn run(&self) {
        while let Ok((document, source, size)) = self.jobs.recv() {
            let Context { shared, facts, .. } = &*self.context;
            let body = bodies::render(document, &source, shared, facts, size);
            self.rendered.fetch_add(1, Ordering::Relaxed);
            if self.done.send((document, source, body)).is_err() || self.waker.wake().is_err() {
                return;
            }
        }
    }
}

/// The thread that talks to the clients.
struct Loop {
    listener: TcpListener,
    stop: Arc<AtomicBool>,
    context: Arc<Context>,
    talk: Talk,
    finished: Receiver<(Document, Source, Body)>,
}

/// The connections, and what they wait for.
struct Talk {
    /// The oldest first.
    connections: BTreeMap<usize, Connection>,
    limit: usize,
    next: usize,
    bodies: Bodies,
    queues: BTreeMap<Document, Queue>,
    jobs: SyncSender<Job>,
}

/// Who waits for a document.
#[derive(Default)]
struct Queue {
    /// For the one that is being rendered.
    current: Vec<usize>,
    /// They came after that was begun, and may have to get a newer one.
    later: Vec<(usize, Source)>,
}

impl Loop {
    /// There are fewer documents than this, and each is rendered once at a time.
    const JOBS: usize = 8;
    /// The thread looks up so often, should nothing else wake it.
    const LOOK_UP: Duration = Duration::from_millis(200);
    /// Connections that are accepted before others have their turn.
    const ACCEPTED_AT_ONCE: usize = 64;
    const MAX_EVENTS: usize = 256;

    fn run(mut self, mut poll: Poll) {
        let mut events = Events::with_capacity(Self::MAX_EVENTS);
        let mut accepts = false;
        let mut was_failing = false;
        let mut looked = Moment::START;
        while !self.stop.load(Ordering::Acquire) {
            let wait = if accepts {
                Duration::ZERO
            } else {
                Self::LOOK_UP
            };
            match poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    log::error!("the status server cannot wait for its sockets: {error}");
                    return;
                }
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => accepts = true,
                    BELL => {}
                    Token(number) => self.go_on(number),
                }
            }
            if !self.take_bodies() {
                log::error!("the status server's rendering thread has died");
                return;
            }
            if accepts {
                match self.accept(poll.registry()) {
                    Ok(more) => {
                        accepts = more;
                        was_failing = false;
                    }
                    Err(error) => {
                        // Most often a want of file descriptors: a connection holds one.
                        if !was_failing {
                            log::warn!("the status server cannot accept a connection: {error}");
                        }
                        was_failing = true;
                        self.talk.give_one_up();
                        let _ = poll.poll(&mut events, Some(Self::LOOK_UP));
                        self.all_go_on(&events);
                    }
                }
            }
            let now = (self.context.clock)();
            if now.since(looked) >= Self::LOOK_UP {
                looked = now;
                self.look_after_all(now);
            }
        }
    }

    fn all_go_on(&mut self, events: &Events) {
        for event in events {
            if let Token(number) = event.token()
                && ![LISTENER, BELL].contains(&event.token())
            {
                self.go_on(number);
            }
        }
    }

    /// Accepts what waits; `true`: there may be more.
    fn accept(&mut self, registry: &Registry) -> io::Result<bool> {
        for _ in 0..Self::ACCEPTED_AT_ONCE {
            let (mut stream, peer) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if is_passing(&error) => continue,
                Err(error) => return Err(error),
            };
            let both = Interest::READABLE | Interest::WRITABLE;
            let number = self.talk.next;
            registry.register(&mut stream, Token(number), both)?;
            self.talk.next = (number + 1) % BELL.0;
            if self.talk.connections.len() >= self.talk.limit {
                self.talk.give_one_up();
            }
            let deadline = (self.context.clock)() + StatusServer::PATIENCE;
            let own = stream.local_addr().ok();
            let peer = Peer::of(peer.ip(), own.map(|address| address.ip()));
            let connection = Connection::new(stream, peer, deadline);
            self.talk.connections.insert(number, connection);
            // What it has sent already is a reason for an event, too; a head that is whole is
            // answered before its connection could be given up for another.
            self.go_on(number);
        }
        Ok(true)
    }

    fn go_on(&mut self, number: usize) {
        let now = (self.context.clock)();
        if let Some(connection) = self.talk.connections.get_mut(&number) {
            let step = connection.go_on(now);
            self.talk.take(number, step, &self.context, now);
        }
    }

    /// Sends what was rendered; `false`: the renderer is gone.
    fn take_bodies(&mut self) -> bool {
        loop {
            match self.finished.try_recv() {
                Ok((document, source, body)) => {
                    let now = (self.context.clock)();
                    self.talk.bodies.keep(document, source, &body);
                    self.talk.rendered(document, &body, now);
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Ends what takes too long.
    fn look_after_all(&mut self, now: Moment) {
        self.talk.bodies.tidy(now);
        let late = self.talk.connections.iter();
        let late: Vec<usize> = late
            .filter(|(_, connection)| connection.deadline <= now)
            .map(|(number, _)| *number)
            .collect();
        for number in late {
            if let Some(connection) = self.talk.connections.get(&number) {
                let step = connection.time_is_up();
                self.talk.take(number, step, &self.context, now);
            }
        }
    }
}

impl Talk {
    fn take(&mut self, number: usize, step: Step, context: &Context, now: Moment) {
        match step {
            Step::Wait => {}
            Step::Over => {
                self.connections.remove(&number);
            }
            Step::Asked(request) => self.asked(number, &request, context, now),
        }
    }

    fn asked(
        &mut self,
        number: usize,
        request: &Result<Request, BadRequest>,
        context: &Context,
        now: Moment,
    ) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        connection.deadline = now + StatusServer::PATIENCE;
        let answer = match request {
            Ok(request) => {
                connection.with_body = request.method != Method::Head;
                let Context { shared, facts, .. } = context;
                routes::answer(request, connection.peer, shared, facts, now)
            }
            Err(bad) => Answer::Ready(routes::answer_bad(bad)),
        };
        match answer {
            Answer::Ready(response) => self.send(number, &response, now),
            Answer::Board(document, source) => self.share(number, document, source, now),
        }
    }

    fn send(&mut self, number: usize, response: &Response, now: Moment) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        connection.deadline = now + StatusServer::PATIENCE;
        let step = connection.answer(response.head(), Arc::clone(&response.body), now);
        if let Step::Over = step {
            self.connections.remove(&number);
        }
    }

    /// Sends a document, or has it rendered first.
    fn share(&mut self, number: usize, document: Document, source: Source, now: Moment) {
        self.make_room_for_heavy();
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.heavy = true;
            connection.wait();
        }
        if let Some(body) = self.bodies.find(document, &source) {
            return self.send(number, &routes::document(document, body), now);
        }
        match self.queues.get_mut(&document) {
            Some(queue) => queue.later.push((number, source)),
            None => self.render(document, source, vec![number]),
        }
    }

    fn render(&mut self, document: Document, source: Source, current: Vec<usize>) {
        let job = (document, source, self.bodies.size(document));
        // There is room for a job of each document; where the renderer is gone, this thread ends.
        if self.jobs.try_send(job).is_ok() {
            let later = Vec::new();
            self.queues.insert(document, Queue { current, later });
        }
    }

    /// A document is there: who waits gets it. Who came while it was being made gets it if it is
    /// still right, and the next one otherwise.
    fn rendered(&mut self, document: Document, body: &Body, now: Moment) {
        let queue = self.queues.remove(&document).unwrap_or_default();
        let response = routes::document(document, Arc::clone(body));
        for number in queue.current {
            self.send(number, &response, now);
        }
        let mut later = Vec::new();
        let mut newest = None;
        for (number, source) in queue.later {
            if let Some(body) = self.bodies.find(document, &source) {
                self.send(number, &routes::document(document, body), now);
            } else {
                later.push(number);
                newest = Some(source);
            }
        }
        if let Some(source) = newest {
            self.render(document, source, later);
        }
    }

    fn make_room_for_heavy(&mut self) {
        let most = StatusServer::MAX_HEAVY.min(self.limit / 4 * 3).max(1);
        let heavy = self.connections.values();
        if heavy.filter(|c| c.worth() == Worth::Heavy).count() >= most {
            let oldest = |(_, c): &(&usize, &Connection)| c.worth() == Worth::Heavy;
            let oldest = self.connections.iter().find(oldest);
            let oldest = oldest.map(|(number, _)| *number);
            oldest.and_then(|number| self.connections.remove(&number));
        }
    }

    /// Closes the connection that is worth least, of several the oldest: the newest client always
    /// gets in. Of those that have not asked yet, the more numerous give one up, the silent or the
    /// begun: neither flood turns away who is about to ask in the other way.
    fn give_one_up(&mut self) {
        let count = |worth| {
            let all = self.connections.values();
            all.filter(|c| c.worth() == worth).count()
        };
        let spared = if count(Worth::Silent) < count(Worth::Begun) {
            Worth::Silent
        } else {
            Worth::Begun
        };
        let all = self.connections.iter();
        let least = all.map(|(number, c)| (c.worth() == spared, c.worth(), *number));
        let least = least.min().map(|(_, _, number)| number);
        least.and_then(|number| self.connections.remove(&number));
    }
}

/// Nothing came, or what came is gone already.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
