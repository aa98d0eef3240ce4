//! The loop of one thread: its replicas' sockets, what waits, and whose time is up.

use super::ProbeJob;
use super::failure::{is_out_of_descriptors, local, of_io};
use super::lanes::{Lanes, Open};
use super::link::Link;
use super::pool::{Clock, Report};
use super::recipe::Recipe;
use super::slot::{Exchange, Ready, Room, Slot, Step};
use crate::pool::{Answer, Moment, ProbeFailure, ProbeResult, ReplicaId};
use crossbeam_channel::{Receiver, Sender};
use mio::event::Event;
use mio::{Events, Poll, Token, Waker};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The token of the bell; slots have theirs from 0 on.
pub(super) const BELL: Token = Token(usize::MAX);

/// How many probes are begun before the sockets are looked at again: a round of thousands must not
/// let the first answers wait, nor connect to everybody in one instant.
const MAX_BEGUN: usize = 64;

/// How many sockets are dealt with before results are handed over.
const MAX_EVENTS: usize = 256;

/// How many exchanges that are over may be remembered, beside twice those under way.
const MAX_OVER: usize = 1024;

/// How long suspects wait for the living to answer.
const HOLDING: Duration = Duration::from_millis(50);

/// How long a kept connection may lie idle. Servers mostly close it earlier.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// What the scaler thread sends.
#[derive(Debug)]
pub(super) enum Command {
    /// Ask a replica.
    Probe(ProbeJob),
    /// Close a replica's connection; that of a probe under way once it has ended.
    Forget(ReplicaId),
}

/// By which a shard is woken or stopped.
#[derive(Debug)]
pub(super) struct Bell {
    waker: Waker,
    is_asleep: AtomicBool,
    is_over: AtomicBool,
}

impl Bell {
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            waker,
            is_asleep: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        }
    }

    /// Wakes the shard, if it sleeps, for what was sent to it.
    pub(super) fn ring(&self) -> io::Result<()> {
        // INVARIANT: the shard says that it sleeps before it looks whether something was sent, and
        // this is called after it was sent. So one of the two sees the other.
        if self.is_asleep.swap(false, Ordering::SeqCst) {
            return self.waker.wake();
        }
        Ok(())
    }

    /// Ends the shard.
    pub(super) fn stop(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        // It fails if a wake-up is on its way already.
        let _ = self.waker.wake();
    }
}

/// What a shard is made of.
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) recipe: Arc<Recipe>,
    pub(super) clock: Clock,
    pub(super) sockets: Poll,
    pub(super) bell: Arc<Bell>,
    pub(super) inbox: Receiver<Command>,
    pub(super) reports: Sender<Report>,
    /// How many sockets it may have at a time.
    pub(super) max_open: usize,
}

/// The loop of one thread.
pub(super) struct Shard {
    parts: Parts,
    room: Room,
    lanes: Lanes,
    slots: Vec<Option<Box<Slot>>>,
    free: Vec<usize>,
    slot_of: HashMap<ReplicaId, usize>,
    /// The exchanges in the order in which they were begun, which is that of their ends as well, with
    /// their slots. Those that are over go with time.
    begun: VecDeque<(Moment, usize, u64)>,
    busy: usize,
    busy_suspects: usize,
    /// Since when suspects wait.
    suspects_since: Option<Moment>,
    /// Where the next idle connection to give up is looked for.
    hand: usize,
    serial: u64,
    again: Vec<usize>,
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
            lanes: Lanes::default(),
            slots: Vec::new(),
            free: Vec::new(),
            slot_of: HashMap::new(),
            begun: VecDeque::new(),
            busy: 0,
            busy_suspects: 0,
            suspects_since: None,
            hand: 0,
            serial: 0,
            again: Vec::new(),
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
                    self.tell_death();
                    return;
                }
                _ => {}
            }
            if self.parts.bell.is_over.load(Ordering::SeqCst) {
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
                Command::Probe(job) => self.lanes.push(job),
                Command::Forget(replica) => {
                    if let Some(number) = self.slot_of.remove(&replica) {
                        disown(&mut self.slots, &mut self.free, number);
                    }
                }
            }
        }
        for number in std::mem::take(&mut self.again) {
            // Whether the end was seen is forgotten: it is taken for granted, at the price of a look.
            self.go_on(number, Ready::Ending);
        }
        for event in events {
            if event.token() != BELL {
                self.go_on(event.token().0, ready(event));
            }
        }
        // INVARIANT: only after what has arrived was read. An answer that came in time counts, however
        // late this thread had its turn.
        self.give_up_overdue();
        self.begin_waiting();
    }

    /// Waits for sockets, for the next end of an exchange's time, or for the bell.
    fn sleep(&mut self, events: &mut Events) -> io::Result<()> {
        let is_idle = self.again.is_empty() && !self.can_begin();
        let bell = &self.parts.bell;
        if is_idle {
            bell.is_asleep.store(true, Ordering::SeqCst);
        }
        let is_called = !self.parts.inbox.is_empty() || bell.is_over.load(Ordering::SeqCst);
        let timeout = if is_idle && !is_called {
            self.time_to_wait()
        } else {
            Some(Duration::ZERO)
        };
        let outcome = self.parts.sockets.poll(events, timeout);
        self.parts.bell.is_asleep.store(false, Ordering::SeqCst);
        outcome
    }

    fn time_to_wait(&mut self) -> Option<Duration> {
        let holding = self.end_of_holding().map(|end| end.since(self.now));
        match (self.time_to_next_end(), holding) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn time_to_next_end(&mut self) -> Option<Duration> {
        while let Some(&(started, number, serial)) = self.begun.front() {
            if self.is_under_way(number, serial) {
                let end = started + self.parts.recipe.settings.timeout;
                return Some(end.since(self.now));
            }
            self.begun.pop_front();
        }
        None
    }

    fn is_under_way(&self, number: usize, serial: u64) -> bool {
        is_under_way(&self.slots, number, serial)
    }

    fn give_up_overdue(&mut self) {
        let timeout = self.parts.recipe.settings.timeout;
        while let Some(&(started, number, serial)) = self.begun.front() {
            let is_under_way = self.is_under_way(number, serial);
            if is_under_way && self.now < started + timeout {
                break;
            }
            self.begun.pop_front();
            if is_under_way && let Some(slot) = self.slots[number].take() {
                self.finish(number, slot, Err(ProbeFailure::Timeout), false);
            }
        }
    }

    /// The lanes whose jobs may begin.
    fn open_lanes(&self) -> Open {
        let has_room = self.busy_suspects < self.parts.max_open / 2;
        [
            true,
            has_room,
            true,
            has_room && self.end_of_holding().is_none(),
        ]
    }

    /// Until when suspects wait so that those who live can be asked and answer undisturbed: a suspect
    /// mostly wants a new connection, which costs as much as five exchanges. Holders of addresses never wait.
    fn end_of_holding(&self) -> Option<Moment> {
        let are_the_living_done = self.busy == self.busy_suspects;
        let end = self.suspects_since? + HOLDING;
        (!are_the_living_done && self.now < end).then_some(end)
    }

    /// Whether something waits that can be begun: a free socket, or one whose connection is idle.
    fn can_begin(&self) -> bool {
        self.busy < self.parts.max_open && !self.lanes.is_empty(self.open_lanes())
    }

    fn begin_waiting(&mut self) {
        if self.lanes.has_suspects() {
            self.suspects_since.get_or_insert(self.now);
        }
        for _ in 0..MAX_BEGUN {
            if !self.can_begin() {
                break;
            }
            let Some(job) = self.lanes.pop(self.open_lanes()) else {
                break;
            };
            self.begin(job);
        }
        if !self.lanes.has_suspects() {
            self.suspects_since = None;
        }
    }

    fn begin(&mut self, job: ProbeJob) {
        self.serial += 1;
        let (number, slot) = if let Some((number, mut slot)) = self.take_kept(&job) {
            slot.exchange = Some(Exchange::new(&job, self.now, self.serial, true));
            (number, slot)
        } else {
            match self.connect(&job) {
                Ok(slot) => {
                    let number = self.place();
                    self.slot_of.insert(job.replica, number);
                    (number, slot)
                }
                Err(error) => {
                    self.results_of_suspects += usize::from(job.suspect);
                    self.results.push(ProbeResult {
                        replica: job.replica,
                        round: job.round,
                        finished: self.now,
                        latency: Duration::ZERO,
                        outcome: Err(of_io(&error)),
                    });
                    return;
                }
            }
        };
        self.busy += 1;
        self.busy_suspects += usize::from(job.suspect);
        // INVARIANT: every exchange under way is in `begun`, or its time would never be up. So this
        // one, whose slot is not in its place yet, is added after those that are over are dropped.
        if self.begun.len() > 2 * self.busy + MAX_OVER {
            let slots = &self.slots;
            self.begun
                .retain(|&(_, number, serial)| is_under_way(slots, number, serial));
        }
        self.begun.push_back((self.now, number, self.serial));
        self.ask(number, slot);
    }

    /// The replica's kept connection, if it can be used.
    fn take_kept(&mut self, job: &ProbeJob) -> Option<(usize, Box<Slot>)> {
        let number = *self.slot_of.get(&job.replica)?;
        let slot = self.slots[number].as_ref()?;
        let is_fit = slot.exchange.is_none()
            && slot.address == job.address
            && self.now.since(slot.idle_since) < MAX_IDLE;
        if is_fit {
            return Some((number, self.slots[number].take()?));
        }
        self.slot_of.remove(&job.replica);
        disown(&mut self.slots, &mut self.free, number);
        None
    }

    fn connect(&mut self, job: &ProbeJob) -> io::Result<Box<Slot>> {
        if self.open() >= self.parts.max_open {
            self.give_up_an_idle_one();
        }
        let link = self.open_link(job.address)?;
        Ok(Box::new(Slot {
            replica: job.replica.clone(),
            address: job.address,
            link,
            is_owned: true,
            idle_since: self.now,
            idle_looks: 0,
            exchange: Some(Exchange::new(job, self.now, self.serial, false)),
        }))
    }

    fn open_link(&mut self, address: IpAddr) -> io::Result<Link> {
        match Link::open(&self.parts.recipe, address) {
            Err(error) if is_out_of_descriptors(&error) && self.give_up_an_idle_one() => {
                Link::open(&self.parts.recipe, address)
            }
            other => other,
        }
    }

    /// A number for a new slot.
    fn place(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        })
    }

    /// How many connections there are.
    fn open(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn give_up_an_idle_one(&mut self) -> bool {
        for _ in 0..self.slots.len() {
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = self.slots[self.hand].as_ref();
            if slot.is_some_and(|slot| slot.exchange.is_none())
                && let Some(slot) = self.slots[self.hand].take()
            {
                self.close(self.hand, &slot);
                return true;
            }
        }
        false
    }

    fn ask(&mut self, number: usize, mut slot: Box<Slot>) {
        let step = slot.ask(&self.parts.recipe, &mut self.room);
        self.follow(number, slot, step);
    }

    fn go_on(&mut self, number: usize, ready: Ready) {
        // The news of a socket that was closed in the meantime finds nobody, or another that looks in vain.
        if let Some(mut slot) = self.slots.get_mut(number).and_then(Option::take) {
            let step = slot.go_on(&self.parts.recipe, &mut self.room, ready);
            self.follow(number, slot, step);
        }
    }

    fn follow(&mut self, number: usize, mut slot: Box<Slot>, step: Step) {
        match step {
            Step::Wait | Step::Again => {
                let registry = self.parts.sockets.registry();
                if let Err(error) = slot.link.watch(registry, Token(number)) {
                    self.finish(number, slot, Err(local(&error)), false);
                    return;
                }
                self.slots[number] = Some(slot);
                if step == Step::Again {
                    self.again.push(number);
                }
            }
            Step::Close => self.close(number, &slot),
            Step::Stale => self.ask_anew(number, slot),
            Step::Done { outcome, reusable } => self.finish(number, slot, outcome, reusable),
        }
    }

    /// A replica may close a kept connection at the very moment at which it is used again. That says
    /// nothing of the replica, so it is asked once more, over a new connection, in the time that is left.
    fn ask_anew(&mut self, number: usize, mut slot: Box<Slot>) {
        match self.open_link(slot.address) {
            Ok(link) => {
                slot.link = link;
                if let Some(exchange) = &mut slot.exchange {
                    exchange.reused = false;
                }
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
            slot.idle_looks = 0;
            self.slots[number] = Some(slot);
        } else {
            self.close(number, &slot);
        }
    }

    /// Strikes a slot out; with it goes its connection.
    fn close(&mut self, number: usize, slot: &Slot) {
        if slot.is_owned {
            self.slot_of.remove(&slot.replica);
        }
        self.free.push(number);
    }

    fn tell_death(&self) {
        // The channel has room for one of these per thread. If nobody listens any more, the pool is
        // gone and so is the need to tell it.
        let _ = self
            .parts
            .reports
            .send(Report::died(self.parts.name.clone()));
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell_death();
        }
    }
}

fn is_under_way(slots: &[Option<Box<Slot>>], number: usize, serial: u64) -> bool {
    let slot = slots[number].as_ref();
    let exchange = slot.and_then(|slot| slot.exchange.as_ref());
    exchange.is_some_and(|exchange| exchange.serial == serial)
}

/// Closes a connection that has no replica any more: now, or once its exchange is over.
fn disown(slots: &mut [Option<Box<Slot>>], free: &mut Vec<usize>, number: usize) {
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
