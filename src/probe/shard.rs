//! The loop of one thread: its replicas' sockets, jobs and deadlines.

use super::ProbeJob;
use super::deadlines::{Deadline, Deadlines};
use super::endpoint::Endpoint;
use super::failure::{is_out_of_descriptors, local, of_io};
use super::link::Link;
use super::queue::{Open, Queue};
use super::report::{Clock, Report};
use super::slot::{Exchange, Ready, Room, Slot, Step};
use super::wakeup::{WAKEUP, Wakeup};
use crate::pool::{Answer, Moment, ProbeFailure, ProbeResult, ReplicaId};
use crossbeam_channel::{Receiver, Sender};
use mio::event::Event;
use mio::{Events, Poll, Token};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How many probes start before the sockets are read again: a round of thousands must not let the first
/// answers wait, nor connect to all replicas in one instant.
const MAX_STARTS: usize = 64;

/// How many sockets are dealt with before results are handed over.
const MAX_EVENTS: usize = 256;

/// How long suspects wait for the living replicas to answer.
const HOLDING: Duration = Duration::from_millis(50);

/// How long a kept connection may lie idle. Servers mostly close it earlier.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// A command of the scaler thread.
#[derive(Debug)]
pub(super) enum Command {
    /// Ask a replica.
    Probe(ProbeJob),
    /// Close a replica's connection; the connection of a probe under way is closed once the probe is over.
    Forget(ReplicaId),
}

/// What a shard is made of.
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) clock: Clock,
    pub(super) sockets: Poll,
    pub(super) wakeup: Arc<Wakeup>,
    pub(super) inbox: Receiver<Command>,
    pub(super) reports: Sender<Report>,
    /// How many sockets it may have at a time.
    pub(super) max_open: usize,
}

/// The loop of one thread.
pub(super) struct Shard {
    parts: Parts,
    room: Room,
    queue: Queue,
    slots: Vec<Option<Box<Slot>>>,
    free: Vec<usize>,
    slot_of: HashMap<ReplicaId, usize>,
    deadlines: Deadlines,
    busy: usize,
    busy_suspects: usize,
    /// Since when suspects wait.
    suspects_since: Option<Moment>,
    /// The slot after which the next idle connection to evict is looked for.
    evict_cursor: usize,
    serial: u64,
    /// Slots whose sockets may have more to read.
    unread: Vec<usize>,
    results: Vec<ProbeResult>,
    /// How many of the results are of suspects.
    results_of_suspects: usize,
    now: Moment,
}

impl Shard {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            room: Room::new(),
            queue: Queue::default(),
            slots: Vec::new(),
            free: Vec::new(),
            slot_of: HashMap::new(),
            deadlines: Deadlines::default(),
            busy: 0,
            busy_suspects: 0,
            suspects_since: None,
            evict_cursor: 0,
            serial: 0,
            unread: Vec::new(),
            results: Vec::new(),
            results_of_suspects: 0,
            now: Moment::START,
        }
    }

    /// Works until the pool stops.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(MAX_EVENTS);
        loop {
            match self.sleep(&mut events) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    log::error!("{}: sockets cannot be waited for: {error}", self.parts.name);
                    self.report_death();
                    return;
                }
                _ => {}
            }
            if self.parts.wakeup.is_stopped() {
                return;
            }
            self.now = (self.parts.clock)();
            self.turn(&events);
            if !self.results.is_empty() {
                let results = std::mem::take(&mut self.results);
                let of_suspects = std::mem::take(&mut self.results_of_suspects);
                let report = Report::done(results, of_suspects);
                if self.parts.reports.send(report).is_err() {
                    return;
                }
            }
        }
    }

    fn turn(&mut self, events: &Events) {
        for command in self.parts.inbox.try_iter() {
            match command {
                Command::Probe(job) => self.queue.push(job),
                Command::Forget(replica) => {
                    if let Some(number) = self.slot_of.remove(&replica) {
                        close_or_orphan(&mut self.slots, &mut self.free, number);
                    }
                }
            }
        }
        for number in std::mem::take(&mut self.unread) {
            // Whether the peer's end was seen is not kept: it is assumed, at the price of one more read.
            self.go_on(number, Ready::Ending);
        }
        for event in events {
            if event.token() != WAKEUP {
                self.go_on(event.token().0, ready(event));
            }
        }
        // INVARIANT: only after everything that has arrived was read. An answer that came in time counts,
        // however late this thread had its turn.
        self.time_out_overdue();
        self.start_queued();
    }

    /// Waits for sockets, for the next deadline, or for a wakeup.
    fn sleep(&mut self, events: &mut Events) -> io::Result<()> {
        let is_idle = self.unread.is_empty() && !self.can_start();
        let wakeup = &self.parts.wakeup;
        if is_idle {
            wakeup.mark_asleep(true);
        }
        let is_called = !self.parts.inbox.is_empty() || wakeup.is_stopped();
        let timeout = if is_idle && !is_called {
            self.time_to_wait()
        } else {
            Some(Duration::ZERO)
        };
        let outcome = self.parts.sockets.poll(events, timeout);
        self.parts.wakeup.mark_asleep(false);
        outcome
    }

    fn time_to_wait(&mut self) -> Option<Duration> {
        let deadline = self.next_deadline().map(|deadline| deadline.end);
        let ends = [deadline, self.end_of_holding()].into_iter().flatten();
        Some(ends.min()?.since(self.now))
    }

    /// The earliest deadline of an exchange under way.
    fn next_deadline(&mut self) -> Option<Deadline> {
        let slots = &self.slots;
        self.deadlines
            .next(|deadline| is_under_way(slots, deadline))
    }

    fn time_out_overdue(&mut self) {
        while let Some(deadline) = self.next_deadline()
            && deadline.end <= self.now
        {
            if let Some(slot) = self.slots[deadline.slot].take() {
                self.finish(deadline.slot, slot, Err(ProbeFailure::Timeout), false);
            }
        }
    }

    /// The kinds of jobs that may start.
    fn open_kinds(&self) -> Open {
        let has_room = self.busy_suspects < self.parts.max_open / 2;
        [
            true,
            has_room,
            true,
            has_room && self.end_of_holding().is_none(),
        ]
    }

    /// Until when suspects wait so that living replicas answer undisturbed: a suspect mostly wants a new
    /// connection, which costs as much as five exchanges. Holders of external addresses never wait.
    fn end_of_holding(&self) -> Option<Moment> {
        let are_the_living_done = self.busy == self.busy_suspects;
        let end = self.suspects_since? + HOLDING;
        (!are_the_living_done && self.now < end).then_some(end)
    }

    /// Whether a job waits that may start: there is a free socket, or one whose connection is idle.
    fn can_start(&self) -> bool {
        self.busy < self.parts.max_open && !self.queue.is_empty(self.open_kinds())
    }

    fn start_queued(&mut self) {
        if self.queue.has_suspects() {
            self.suspects_since.get_or_insert(self.now);
        }
        for _ in 0..MAX_STARTS {
            if !self.can_start() {
                break;
            }
            let Some(job) = self.queue.pop(self.open_kinds()) else {
                break;
            };
            self.start(job);
        }
        if !self.queue.has_suspects() {
            self.suspects_since = None;
        }
    }

    fn start(&mut self, job: ProbeJob) {
        self.serial += 1;
        let (now, serial, is_suspect) = (self.now, self.serial, job.suspect);
        let end = now + job.endpoint.timeout;
        let (number, slot) = if let Some((number, mut slot)) = self.take_kept(&job) {
            slot.exchange = Some(Exchange::new(job, now, serial, true));
            (number, slot)
        } else {
            match self.connect(&job) {
                Ok(link) => {
                    let number = self.alloc_slot();
                    self.slot_of.insert(job.replica.clone(), number);
                    (number, Box::new(Slot::new(link, job, now, serial)))
                }
                Err(error) => {
                    self.results_of_suspects += usize::from(is_suspect);
                    self.results.push(ProbeResult {
                        replica: job.replica,
                        round: job.round,
                        finished: now,
                        latency: Duration::ZERO,
                        outcome: Err(of_io(&error)),
                    });
                    return;
                }
            }
        };
        self.busy += 1;
        self.busy_suspects += usize::from(is_suspect);
        let deadline = Deadline {
            end,
            serial,
            slot: number,
        };
        let slots = &self.slots;
        self.deadlines
            .push(deadline, self.busy, |other| is_under_way(slots, other));
        self.ask(number, slot);
    }

    /// The replica's kept connection, if the job can use it.
    fn take_kept(&mut self, job: &ProbeJob) -> Option<(usize, Box<Slot>)> {
        let number = *self.slot_of.get(&job.replica)?;
        let slot = self.slots[number].as_ref()?;
        let is_fit = slot.exchange.is_none()
            && slot.is_for(job)
            && self.now.since(slot.idle_since) < MAX_IDLE;
        if is_fit {
            return Some((number, self.slots[number].take()?));
        }
        self.slot_of.remove(&job.replica);
        close_or_orphan(&mut self.slots, &mut self.free, number);
        None
    }

    fn connect(&mut self, job: &ProbeJob) -> io::Result<Link> {
        if self.open() >= self.parts.max_open {
            self.evict_idle();
        }
        self.open_link(&job.endpoint, job.address)
    }

    fn open_link(&mut self, endpoint: &Endpoint, address: IpAddr) -> io::Result<Link> {
        match Link::open(endpoint, address) {
            Err(error) if is_out_of_descriptors(&error) && self.evict_idle() => {
                Link::open(endpoint, address)
            }
            other => other,
        }
    }

    /// The number of a new slot.
    fn alloc_slot(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        })
    }

    /// How many connections there are.
    fn open(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Closes one idle connection. False: there is none.
    fn evict_idle(&mut self) -> bool {
        for _ in 0..self.slots.len() {
            self.evict_cursor = (self.evict_cursor + 1) % self.slots.len();
            let slot = self.slots[self.evict_cursor].as_ref();
            if slot.is_some_and(|slot| slot.exchange.is_none())
                && let Some(slot) = self.slots[self.evict_cursor].take()
            {
                self.close(self.evict_cursor, &slot);
                return true;
            }
        }
        false
    }

    fn ask(&mut self, number: usize, mut slot: Box<Slot>) {
        let step = slot.ask(&mut self.room);
        self.follow(number, slot, step);
    }

    fn go_on(&mut self, number: usize, ready: Ready) {
        // An event of a socket that was closed in the meantime finds an empty slot, or another connection,
        // which reads in vain.
        if let Some(mut slot) = self.slots.get_mut(number).and_then(Option::take) {
            let step = slot.go_on(&mut self.room, ready);
            self.follow(number, slot, step);
        }
    }

    fn follow(&mut self, number: usize, mut slot: Box<Slot>, step: Step) {
        match step {
            Step::Wait | Step::Unread => {
                let registry = self.parts.sockets.registry();
                if let Err(error) = slot.link.watch(registry, Token(number)) {
                    self.finish(number, slot, Err(local(&error)), false);
                    return;
                }
                self.slots[number] = Some(slot);
                if step == Step::Unread {
                    self.unread.push(number);
                }
            }
            Step::Close => self.close(number, &slot),
            Step::Stale => self.ask_anew(number, slot),
            Step::Done { outcome, reusable } => self.finish(number, slot, outcome, reusable),
        }
    }

    /// A replica may close a kept connection at the very moment at which it is used again. That is no failure
    /// of the replica, so it is asked once more, over a new connection, in the time that is left.
    fn ask_anew(&mut self, number: usize, mut slot: Box<Slot>) {
        let Some(exchange) = &mut slot.exchange else {
            return self.close(number, &slot);
        };
        exchange.reused = false;
        let endpoint = Arc::clone(&exchange.endpoint);
        match self.open_link(&endpoint, slot.address) {
            Ok(link) => {
                slot.link = link;
                self.ask(number, slot);
            }
            Err(error) => self.finish(number, slot, Err(of_io(&error)), false),
        }
    }

    fn finish(
        &mut self,
        number: usize,
        mut slot: Box<Slot>,
        outcome: Result<Answer, ProbeFailure>,
        is_reusable: bool,
    ) {
        if let Some(exchange) = slot.exchange.take() {
            self.busy -= 1;
            self.busy_suspects -= usize::from(exchange.suspect);
            self.results_of_suspects += usize::from(exchange.suspect);
            self.results.push(ProbeResult {
                replica: slot.replica.clone(),
                round: exchange.round,
                finished: self.now,
                latency: self.now.since(exchange.started),
                outcome,
            });
        }
        if is_reusable && slot.is_owned {
            slot.idle_since = self.now;
            slot.idle_reads = 0;
            self.slots[number] = Some(slot);
        } else {
            self.close(number, &slot);
        }
    }

    /// Frees a slot; its connection is closed with it.
    fn close(&mut self, number: usize, slot: &Slot) {
        if slot.is_owned {
            self.slot_of.remove(&slot.replica);
        }
        self.free.push(number);
    }

    fn report_death(&self) {
        // The channel has room for one of these per thread. It fails only if the pool is gone.
        let _ = self
            .parts
            .reports
            .send(Report::died(self.parts.name.clone()));
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.report_death();
        }
    }
}

fn is_under_way(slots: &[Option<Box<Slot>>], deadline: &Deadline) -> bool {
    let slot = slots[deadline.slot].as_ref();
    let exchange = slot.and_then(|slot| slot.exchange.as_ref());
    exchange.is_some_and(|exchange| exchange.serial == deadline.serial)
}

/// Parts a connection from its replica: closes it, at once or when its exchange is over.
fn close_or_orphan(slots: &mut [Option<Box<Slot>>], free: &mut Vec<usize>, number: usize) {
    let Some(slot) = &mut slots[number] else {
        return;
    };
    slot.is_owned = false;
    if slot.exchange.is_none() {
        slots[number] = None;
        free.push(number);
    }
}

fn ready(event: &Event) -> Ready {
    if event.is_read_closed() || event.is_error() {
        Ready::Ending
    } else if event.is_readable() {
        Ready::ToRead
    } else {
        Ready::ToWrite
    }
}
