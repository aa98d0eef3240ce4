//! The invariants. Each has a name and a bound, and is checked at the moment at which it could be
//! broken, against what is true in the world and what the scaler had been told.

use super::knowledge::{Arriving, Creation, Life, Listed};
use super::scenario::{Fault, Scenario};
use simplescalevm::pool::{
    Action, Blocked, Event, ExternalAddress, Health, Instance, Listing, Looked, Policy,
    ProbeFailure, ProbeResult, ProbeTarget, ReplicaId, Server, Snapshot,
};
use std::time::Duration;

/// What must never happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Invariant {
    /// A server or address that is not the pool's is touched.
    StrangerTouched,
    /// A locked, held, unknown, leaving, unlisted or serving replica is deleted, or one that no
    /// row of the tables of deletions fits.
    ProtectedDeleted,
    /// Most of the replicas go at once for what they have said for no longer than a moment.
    MassDeleted,
    /// A replica is deleted for a silence that no failed probe bears out to its end.
    SilenceAssumed,
    /// A running session is cut although its replica never said that it was done.
    SessionCut,
    /// More is created than the floor calls for, or while the last outcome is open.
    Storm,
    /// A creation follows failed ones sooner than 10 s, 20 s, ... 15 min.
    BackoffIgnored,
    /// A broken image is tried more often than the waits of 10 s, 20 s, ... 15 min let it.
    Bill,
    /// A replica goes for never having come up although it is marked as one that has served.
    ServedDeleted,
    /// The pool exceeds `REPLICA_MAX_COUNT`.
    MaxCountExceeded,
    /// An address is taken from a replica that serves.
    AddressTaken,
    /// An address goes to a replica that has one, or does not serve.
    AddressMisplaced,
    /// A finished replica is deleted with an address that may still be moved: the outcome of a move is
    /// open, or it was not tried often and long enough, though there is a standby.
    AddressLost,
    /// An address is offered to a replica sooner than 5 s after that was refused.
    MovesTooOften,
    /// Something is done without a list in the same turn, or long after it.
    StaleList,
    /// Something is created or deleted on a list that has to be confirmed.
    ShrunkenListBelieved,
    /// An action is repeated before a newer list.
    Repeated,
    /// An action, or something not done, has no reason; or what is told is not what happened.
    Unreasoned,
    /// A request is made before a `Retry-After` is over.
    RetryAfterIgnored,
    /// Lists follow each other within a second, or failed ones without a wait.
    ListsTooOften,
    /// A replica is asked twice at a time.
    ProbedTwice,
    /// The loop turns without anything to do.
    Spins,
    /// The floor is not reached in time after the last fault.
    FloorMissed,
    /// More is created after the last fault than lost knowledge explains.
    Surplus,
    /// The severity is `ok` while too little is ready, or not critical long after nothing was.
    OutageHidden,
    /// What is remembered is more than what is there.
    MemoryGrows,
    /// A plan broke the product's own promises and was refused.
    PromiseBroken,
    /// The scaler panicked.
    Panicked,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) invariant: Invariant,
    pub(crate) life: usize,
    pub(crate) at_ms: u64,
    pub(crate) text: String,
}

#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) policy: Policy,
    pub(crate) probe_timeout_ms: u64,
    pub(crate) api_timeout_ms: u64,
    scaling_interval_ms: u64,
    addresses_change: bool,
    pub(crate) lives: Vec<Life>,
    pub(crate) found: Option<Found>,
    pub(crate) ignored: Option<Invariant>,
}

/// What the marks call the process of a life.
pub(crate) fn instance_of(life: usize) -> Instance {
    Instance(u32::try_from(life + 1).unwrap())
}

pub(crate) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The longest wait that a `Retry-After` can ask for.
const LONGEST_WISH: Duration = Duration::from_secs(900);

impl Judge {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            policy: scenario.policy.clone(),
            probe_timeout_ms: scenario.probe_timeout_ms,
            api_timeout_ms: scenario.api_timeout_ms,
            scaling_interval_ms: ms(scenario.scaling_interval),
            addresses_change: scenario.faults.has(Fault::AddressChangesServer),
            lives: Vec::new(),
            found: None,
            ignored: None,
        }
    }

    /// Only the first violation is kept: what follows may follow from it.
    pub(crate) fn violated(&mut self, life: usize, at_ms: u64, invariant: Invariant, text: String) {
        if self.ignored == Some(invariant) {
            return;
        }
        self.found.get_or_insert(Found {
            invariant,
            life,
            at_ms,
            text,
        });
    }

    pub(crate) fn life(&mut self, life: usize) -> &mut Life {
        while self.lives.len() <= life {
            self.lives.push(Life {
                threshold: self.policy.failure_threshold,
                instance: instance_of(self.lives.len()),
                ..Life::default()
            });
        }
        &mut self.lives[life]
    }

    pub(crate) fn turn_begins(&mut self, life: usize, now: u64) {
        let life = self.life(life);
        life.turn += 1;
        life.turn_began = now;
    }

    /// Every request: a `Retry-After` is obeyed by all that go to the service that has asked for it.
    pub(crate) fn request(&mut self, life: usize, now: u64, what: &str) {
        let known = self.life(life);
        let (of_servers, of_addresses) = (known.quiet_until, known.addresses_quiet_until);
        let until = match what {
            "addresses" | "move" | "look up ports" => of_addresses,
            "look up names" => of_servers.max(of_addresses),
            _ => of_servers,
        };
        if now < until {
            let text = format!("{what}, {} ms before the time is over", until - now);
            self.violated(life, now, Invariant::RetryAfterIgnored, text);
        }
    }

    pub(crate) fn failed(
        &mut self,
        number: usize,
        now: u64,
        what: &str,
        retry_after: Option<Duration>,
    ) {
        let life = self.life(number);
        let wish = ms(retry_after.unwrap_or_default().min(LONGEST_WISH));
        let is_of_addresses = matches!(what, "addresses" | "move" | "look up ports");
        if !is_of_addresses {
            life.quiet_until = life.quiet_until.max(now + wish);
        }
        if is_of_addresses || what == "look up names" {
            life.addresses_quiet_until = life.addresses_quiet_until.max(now + wish);
        }
        if what == "list" {
            life.list_failures += 1;
            life.listing_failed_at = now;
        }
    }

    /// Bound: 1 s between the beginnings of two lists on demand. One of them may follow a list that
    /// was due at once, so of two gaps in a row one is 1 s (scenarios draw no shorter
    /// `SCALING_INTERVAL`). After failed ones 2 s, 4 s, ... up to `SCALING_INTERVAL`.
    pub(crate) fn list_begins(&mut self, number: usize, now: u64) {
        let interval = self.scaling_interval_ms;
        let life = self.life(number);
        let failures = life.list_failures.min(10);
        let wait = (1_000 << failures).min(interval);
        let follows_at_once = life.list_began.is_some_and(|at| now - at < 1_000);
        let too_soon = (follows_at_once && life.list_followed_at_once)
            || (failures > 0 && now - life.listing_failed_at < wait);
        life.list_began = Some(now);
        life.list_followed_at_once = follows_at_once;
        if too_soon {
            let text = format!("after {failures} failed ones");
            self.violated(number, now, Invariant::ListsTooOften, text);
        }
    }

    /// A list is there. It is known once it is taken in, with all that is asked beside it.
    /// Its external addresses are those of before, until they are there, too.
    pub(crate) fn list_answered(
        &mut self,
        number: usize,
        now: u64,
        (list, mut listing): (u64, Listing),
    ) {
        let life = self.life(number);
        life.list_failures = 0;
        listing.external_addresses = None;
        life.arriving = Some(Arriving {
            list,
            asked: life.list_began.unwrap_or(now),
            arrived: now,
            ended: now,
            looked: false,
            listing,
            with_addresses: None,
            went_on: false,
            shown: Vec::new(),
        });
    }

    /// The scaler tells that a list is there, with its external addresses or without: what belongs to it is of this moment.
    pub(crate) fn list_goes_on(&mut self, number: usize, now: u64) {
        if let Some(arriving) = &mut self.life(number).arriving {
            arriving.goes_on(now);
        }
    }

    /// The scaler takes a list in.
    pub(crate) fn taken_in(&mut self, number: usize) {
        let policy = self.policy.clone();
        let life = self.life(number);
        let Some(mut arriving) = life.arriving.take() else {
            return;
        };
        // A scaler that has not told when it went on has done so in time.
        arriving.goes_on(if policy.external_addresses {
            arriving.latest()
        } else {
            arriving.arrived
        });
        let newest = life.addresses_asked;
        if arriving.with_addresses.is_none_or(|asked| asked < newest) {
            let known = life.listed.as_ref().map(|listed| listed.addresses.clone());
            arriving.listing.external_addresses = known;
            arriving.with_addresses = None;
        }
        life.list(&policy, arriving.arrived, &arriving.listing);
        if let Some(listed) = &mut life.listed {
            (listed.asked, listed.ended) = (arriving.asked, arriving.ended);
        }
        life.answered.retain(|_, at| *at > arriving.asked);
        if let Some(asked) = arriving.with_addresses {
            life.addresses_asked = asked;
            let addresses = arriving.listing.external_addresses.as_deref();
            life.settle_moves(addresses.unwrap_or_default());
        }
        for (now, id, shown) in arriving.shown {
            life.shown_one(&policy, now, &id, shown.as_ref());
        }
        life.settle_list();
    }

    /// The external addresses were listed: with the servers, or by themselves. Those that belong to a list are by themselves
    /// once that has gone on without them.
    pub(crate) fn addresses_answered(
        &mut self,
        number: usize,
        (asked, now): (u64, u64),
        addresses: Vec<ExternalAddress>,
        of_list: Option<u64>,
    ) {
        let arriving = self.life(number).arriving.as_mut();
        let waits = |arriving: &&mut Arriving| Some(arriving.list) == of_list && !arriving.went_on;
        if let Some(arriving) = arriving.filter(waits) {
            arriving.listing.external_addresses = Some(addresses);
            arriving.with_addresses = Some(asked);
            return;
        }
        // One that was asked for later has come before it.
        if asked < self.life(number).addresses_asked {
            return;
        }
        self.life(number).addresses_asked = asked;
        let life = self.life(number);
        let turn = life.turn;
        life.done.retain(|deed| !deed.starts_with("move"));
        life.forget_given();
        life.settle_moves(&addresses);
        life.addresses_turn = Some((turn, now));
        let addresses = life.with_own_moves(addresses);
        if let Some(listed) = &mut life.listed {
            listed.addresses = addresses;
        }
    }

    pub(crate) fn probe_begins(
        &mut self,
        number: usize,
        now: u64,
        target: &ProbeTarget,
        round: u64,
    ) {
        let life = self.life(number);
        // What asking beside this turn's list has told is taken in when all has been asked.
        let of_turn = |l: &Listed| l.turn == life.turn || life.is_late;
        let is_asking = life.listed.as_ref().is_some_and(of_turn);
        let is_free = match life.heard.get_mut(&target.replica) {
            // Where an address may be another's by now, nobody waits for what was asked there.
            Some(heard) => {
                let shared = heard.shared_address.is_some_and(|at| now - at < 60_000);
                heard.round.replace(round).is_none() || shared
            }
            None => is_asking && life.gone.contains_key(&target.replica),
        };
        if !is_free && !self.addresses_change {
            let text = target.replica.to_string();
            self.violated(number, now, Invariant::ProbedTwice, text);
        }
    }

    /// Returns whether the creation of a replica may have come to something by that.
    pub(crate) fn probe_ended(&mut self, number: usize, ended: u64, result: &ProbeResult) -> bool {
        let policy = self.policy.clone();
        let result = believed(&policy, result);
        let life = self.life(number);
        let is_good = life.probed(&policy, ended, &result);
        life.note_ready(&policy);
        is_good
    }

    /// A replica of this creation serves: the backoff may end.
    pub(crate) fn came_up(&mut self, number: usize) {
        self.life(number).failures = 0;
    }

    /// Takes in the answer to a creation: accepted, refused, or open.
    pub(crate) fn created(
        &mut self,
        number: usize,
        request: u64,
        outcome: Option<bool>,
        for_want_of_quota: bool,
        now: u64,
    ) {
        let life = self.life(number);
        if let Some(creation) = life.creations.iter_mut().find(|c| c.number == request) {
            creation.answered = Some(now);
            creation.outcome = outcome;
            life.accepted.0 += if outcome == Some(true) {
                creation.count
            } else {
                0
            };
        }
        if outcome != Some(true) {
            life.failures += 1;
            life.failed_at = now;
            life.was_quota = for_want_of_quota;
        }
    }

    pub(crate) fn deleted(&mut self, number: usize, replica: &ReplicaId, now: u64) {
        let life = self.life(number);
        life.deleted.insert(replica.clone(), now);
        if let Some(heard) = life.heard.get_mut(replica) {
            heard.leaving_since.get_or_insert(now);
        }
        // Nobody can be asked for the rest of its creation any more.
        let first = |c: &&mut Creation| c.first.as_ref() == Some(replica);
        if let Some(creation) = life.creations.iter_mut().find(first) {
            creation.gone = true;
        }
        life.accepted.1 += 1;
    }

    pub(crate) fn creation_sent(&mut self, number: usize, count: u64, request: u64) {
        let life = self.life(number);
        life.creations_sent = request;
        let number = request;
        // What is over is looked at by nobody, and a year has many of them.
        life.creations
            .retain(|c| c.answered.is_none() || c.is_open());
        life.creations.push(Creation {
            number,
            count,
            answered: None,
            outcome: None,
            shown: 0,
            settled: false,
            marked: false,
            first: None,
            listed: false,
            gone: false,
        });
    }

    /// The answer to a creation named its first server.
    pub(crate) fn first_of_creation(
        &mut self,
        number: usize,
        request: u64,
        id: Option<&ReplicaId>,
        marked: bool,
    ) {
        let creations = self.life(number).creations.iter_mut();
        for creation in creations.filter(|c| c.number == request) {
            creation.first = id.cloned();
            creation.marked = marked;
        }
    }

    /// A deed has been answered, whatever it came to.
    pub(crate) fn answered(&mut self, number: usize, deed: &str, now: u64) {
        let life = self.life(number);
        life.under_way.remove(deed);
        life.answered.insert(deed.to_owned(), now);
    }

    /// A server was asked for by its id.
    pub(crate) fn shown_one(
        &mut self,
        number: usize,
        now: u64,
        id: ReplicaId,
        shown: Option<Looked>,
    ) {
        if let Some(arriving) = &mut self.life(number).arriving {
            arriving.shown.push((now, id, shown));
        }
    }

    /// The scaler looked at the clock.
    pub(crate) fn clock_was_read(&mut self, number: usize) {
        if let Some(arriving) = &mut self.life(number).arriving {
            arriving.looked = true;
        }
    }

    /// The thread stood still: what came before it looked at the clock came afterwards to the scaler.
    pub(crate) fn stalled(&mut self, before: u64, after: u64) {
        for life in &mut self.lives {
            if let Some(arriving) = &mut life.arriving {
                arriving.stalled(before, after);
            }
            life.knew_nothing(before, after);
        }
    }

    /// Bound: a connection is kept for at most each replica that is remembered.
    pub(crate) fn connections_kept(&mut self, number: usize, now: u64, kept: usize) {
        let life = self.life(number);
        let known = life.heard.len();
        if kept > known {
            let text = format!("{kept} connections for {known} replicas");
            self.violated(number, now, Invariant::MemoryGrows, text);
        }
    }

    /// What is shown is complete, has its reasons, and is what happened.
    pub(crate) fn shown(&mut self, number: usize, now: u64, snapshot: &Snapshot, health: &Health) {
        let policy = self.policy.clone();
        let changes = self.addresses_change;
        let life = self.life(number);
        if let Some(text) = life.hidden_outage(&policy, now, health) {
            self.violated(number, now, Invariant::OutageHidden, text);
        }
        let life = self.life(number);
        // A record outlives a list only while that waits to be confirmed, or while its address, which may
        // be another's, answers: that is looked at for a minute, and here for as long as it is known.
        let most = life.heard.len() + if changes { life.gone.len() } else { 0 };
        let told = (snapshot.counters.created, snapshot.counters.deleted);
        let happened = life.accepted;
        if snapshot.records.len() > most || snapshot.incidents.len() > 50 {
            let text = format!("{} records, {most} replicas", snapshot.records.len());
            self.violated(number, now, Invariant::MemoryGrows, text);
        }
        if told != happened {
            let text = format!("told {told:?}, happened {happened:?}");
            self.violated(number, now, Invariant::Unreasoned, text);
        }
        if let Some(text) = unreasoned(snapshot) {
            self.violated(number, now, Invariant::Unreasoned, text);
        }
        let broken = snapshot
            .incidents
            .iter()
            .find(|i| i.kind == "broken-promise");
        if let Some(incident) = broken {
            let text = incident.error.clone();
            self.violated(number, now, Invariant::PromiseBroken, text);
        }
    }
}

/// An answer that reports more than the limit is a failed probe.
fn believed(policy: &Policy, result: &ProbeResult) -> ProbeResult {
    let limit = policy.capacity_limit.get();
    let mut result = result.clone();
    if let Ok(answer) = result.outcome
        && answer.free > limit
    {
        result.outcome = Err(ProbeFailure::OverLimit {
            free: answer.free,
            limit,
        });
    }
    result
}

/// What is told without its reason.
fn unreasoned(snapshot: &Snapshot) -> Option<String> {
    let plan = &snapshot.plan;
    let create = |action: &Action| match action {
        Action::Create { count } => count.get(),
        _ => 0,
    };
    let kept_back = |blocked: &Blocked| match blocked {
        Blocked::Create { count, .. } => *count,
        _ => 0,
    };
    let created: u64 = plan.actions.iter().map(create).sum();
    let blocked: u64 = plan.blocked.iter().map(kept_back).sum();
    if created + blocked != plan.missing {
        let missing = plan.missing;
        return Some(format!(
            "{missing} missing, {created} created, {blocked} blocked"
        ));
    }
    let mut newest = snapshot.events.newest_first().take(20);
    newest.find_map(|entry| {
        let (Event::Acted { action, .. } | Event::Skipped { action, .. }) = &entry.event else {
            return None;
        };
        let reason = match action {
            Action::Delete { reason, .. } => reason.name(),
            Action::Create { .. } => "the floor is",
            Action::MoveAddress { .. } => "(",
        };
        (!entry.text.contains(reason)).then(|| format!("{action:?}: {}", entry.text))
    })
}
