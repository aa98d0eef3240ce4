//! A small made-up cloud: servers, external addresses, a clock and the scaler's memory, with
//! every plan told as one line of text.

#![expect(
    clippy::expect_used,
    reason = "a test that is written wrongly should stop"
)]

use simplescalevm_core::{
    Accepted, Action, Answer, BackoffCause, Blocked, CloudTime, CreateBlock, CreateFailure,
    Creating, CreationMark, DeleteBlock, DeleteReason, ExternalAddress, ExternalAddressId, Failed,
    Heard, Holder, Inquiry, Listing, Looked, Memory, Moment, MoveBlock, MoveFailure, MoveReason,
    Plan, Policy, ProbeFailure, ProbeResult, ReplicaId, ReplicaState, Server, ServerState, plan,
    violations,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU64;
use std::time::Duration;

/// The cloud's clock when the scaler's own shows zero.
const CLOUD_START: u64 = 1_000_000;

pub(crate) const OLD: u64 = 5_000;

pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) memory: Memory,
    pub(crate) now: Moment,
    pub(crate) servers: BTreeMap<String, Server>,
    pub(crate) addresses: Vec<ExternalAddress>,
    listing: Listing,
}

pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn id(name: &str) -> ReplicaId {
    ReplicaId::new(name)
}

pub(crate) const fn running() -> ServerState {
    ServerState::Running(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Each server has an address of its own.
pub(crate) fn address_of(name: &str) -> IpAddr {
    let number = name
        .bytes()
        .fold(0_u32, |sum, byte| sum.wrapping_mul(131) ^ u32::from(byte));
    Ipv4Addr::from(0x7f00_0000 | (number & 0x00ff_ffff)).into()
}

fn placed(name: &str, state: ServerState) -> ServerState {
    match state {
        ServerState::Running(_) => ServerState::Running(address_of(name)),
        other => other,
    }
}

pub(crate) const BUILDING: ServerState = ServerState::Creating(Creating::Building);
pub(crate) const NO_ADDRESS: ServerState = ServerState::Creating(Creating::NoAddress);
pub(crate) const ERROR: ServerState = ServerState::Failed(Failed::Error);
pub(crate) const STOPPED: ServerState = ServerState::Failed(Failed::Stopped);

pub(crate) fn held() -> ServerState {
    ServerState::Held("paused".to_owned())
}

impl World {
    /// An empty cloud; the floor is zero, so that nothing is created unless a test asks for it.
    pub(crate) fn new() -> Self {
        Self {
            policy: Policy {
                floor: 0,
                external_addresses: true,
                ..Policy::default()
            },
            memory: Memory::default(),
            now: Moment::START,
            servers: BTreeMap::new(),
            addresses: Vec::new(),
            listing: Listing {
                taken: Moment::START,
                cloud_time: None,
                servers: Vec::new(),
                external_addresses: Some(Vec::new()),
                not_alone: std::collections::BTreeSet::new(),
            },
        }
    }

    pub(crate) fn floor(floor: u64) -> Self {
        let mut world = Self::new();
        world.policy.floor = floor;
        world
    }

    pub(crate) fn capacity(&mut self, capacity: u64) {
        self.policy.capacity = NonZeroU64::new(capacity).expect("not zero");
        self.policy.capacity_limit = Policy::capacity_limit_of(self.policy.capacity);
    }

    pub(crate) fn max_count(&mut self, max: u64) {
        self.policy.max_count = NonZeroU64::new(max);
    }

    pub(crate) fn cloud_now(&self) -> CloudTime {
        CloudTime(CLOUD_START + self.now.0.as_secs())
    }

    /// Puts a server of that age into the cloud; all but those being built or in error have
    /// been launched at their creation.
    pub(crate) fn add(&mut self, name: &str, state: ServerState, age: u64) {
        let created = CloudTime(self.cloud_now().0 - age);
        let launched = !matches!(state, BUILDING | ERROR);
        let has_address = launched && state != NO_ADDRESS;
        let server = Server {
            id: id(name),
            name: "server".to_owned(),
            state: placed(name, state),
            addresses: has_address.then(|| address_of(name)).into_iter().collect(),
            locked: false,
            created: Some(created),
            launched: launched.then_some(created),
            image: None,
            marks: simplescalevm_core::Marks::default(),
        };
        self.servers.insert(name.to_owned(), server);
    }

    /// Old running servers, listed, each of which has answered that it has one resource free.
    pub(crate) fn serving(&mut self, names: &[&str]) {
        for name in names {
            self.add(name, running(), OLD);
        }
        self.list();
        for name in names {
            self.free(name, 1);
        }
    }

    pub(crate) fn server(&mut self, name: &str) -> &mut Server {
        self.servers.get_mut(name).expect("a known server")
    }

    pub(crate) fn state(&mut self, name: &str, state: ServerState) {
        let server = self.server(name);
        server.state = placed(name, state);
        if matches!(server.state, ServerState::Running(_)) {
            server.addresses = vec![address_of(name)];
        } else if server.state == NO_ADDRESS {
            server.addresses.clear();
        }
    }

    pub(crate) fn lock(&mut self, name: &str) {
        self.server(name).locked = true;
    }

    pub(crate) fn gone(&mut self, name: &str) {
        self.servers.remove(name);
    }

    /// An external address, held by a server, by nobody (`""`) or by a stranger (`"?"`).
    pub(crate) fn address(&mut self, name: &str, holder: &str) {
        let holder = match holder {
            "" => Holder::Nobody,
            "?" => Holder::Stranger,
            server => Holder::Server(id(server)),
        };
        self.addresses.retain(|a| a.id.as_str() != name);
        self.addresses.push(ExternalAddress {
            id: ExternalAddressId::new(name),
            address: IpAddr::V4(Ipv4Addr::BROADCAST),
            holder,
            revision: Some(7),
        });
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now = self.now + s(seconds);
    }

    /// Lists everything. Returns whether the list is believed.
    pub(crate) fn list(&mut self) -> bool {
        let all: Vec<String> = self.servers.keys().cloned().collect();
        self.list_only(&all.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Lists everything, with another clock than the true one.
    pub(crate) fn list_at(&mut self, cloud_time: CloudTime) -> bool {
        let all: Vec<String> = self.servers.keys().cloned().collect();
        let names: Vec<&str> = all.iter().map(String::as_str).collect();
        self.list_some_at(&names, cloud_time)
    }

    /// Lists only some of the servers.
    pub(crate) fn list_only(&mut self, names: &[&str]) -> bool {
        self.list_some_at(names, self.cloud_now())
    }

    /// Lists everything, after the list was changed in this way.
    pub(crate) fn list_with(&mut self, change: impl FnOnce(&mut Listing, &Memory)) -> bool {
        let all: Vec<String> = self.servers.keys().cloned().collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        self.listing = self.listing_of(&all, self.cloud_now());
        change(&mut self.listing, &self.memory);
        self.memory.observe(&self.policy, &self.listing)
    }

    fn list_some_at(&mut self, names: &[&str], cloud_time: CloudTime) -> bool {
        self.listing = self.listing_of(names, cloud_time);
        self.memory.observe(&self.policy, &self.listing)
    }

    pub(crate) fn listing_of(&self, names: &[&str], cloud_time: CloudTime) -> Listing {
        Listing {
            taken: self.now,
            cloud_time: Some(cloud_time),
            servers: names.iter().map(|n| self.servers[*n].clone()).collect(),
            external_addresses: Some(self.addresses.clone()),
            not_alone: std::collections::BTreeSet::new(),
        }
    }

    pub(crate) fn probe(&mut self, name: &str, outcome: Result<Answer, ProbeFailure>) -> bool {
        let round = self.memory.probe_started(&self.policy, &id(name), self.now);
        self.result(name, round, outcome)
    }

    pub(crate) fn result(
        &mut self,
        name: &str,
        round: u64,
        outcome: Result<Answer, ProbeFailure>,
    ) -> bool {
        let result = ProbeResult {
            replica: id(name),
            round,
            finished: self.now,
            latency: s(0),
            outcome,
        };
        self.memory.probed(&self.policy, &result) != Heard::AsBefore
    }

    /// It answers that so many resources are free.
    pub(crate) fn free(&mut self, name: &str, free: u64) -> bool {
        let termination = false;
        self.probe(name, Ok(Answer { free, termination }))
    }

    /// It answers that it may be deleted, as often as it takes to be believed.
    pub(crate) fn done(&mut self, name: &str) -> bool {
        (0..self.policy.termination_confirmations).fold(false, |_, _| self.done_once(name))
    }

    /// It answers once that it may be deleted.
    pub(crate) fn done_once(&mut self, name: &str) -> bool {
        let termination = true;
        self.probe(
            name,
            Ok(Answer {
                free: 0,
                termination,
            }),
        )
    }

    /// So many probes of it fail.
    pub(crate) fn fails(&mut self, name: &str, times: u32) -> bool {
        (0..times).fold(false, |_, _| self.probe(name, Err(ProbeFailure::Refused)))
    }

    /// An address that a holder has (`""`: nobody) cannot be given to a replica.
    pub(crate) fn move_fails(&mut self, address: &str, from: &str, to: &str, error: &str) {
        let failure = MoveFailure {
            error: error.into(),
            changed: false,
            outcome_unknown: false,
        };
        self.move_ends(address, from, to, failure);
    }

    pub(crate) fn move_ends(&mut self, address: &str, from: &str, to: &str, failure: MoveFailure) {
        let address = ExternalAddressId::new(address);
        let from = (!from.is_empty()).then(|| id(from));
        let moves = self.memory.moves_mut();
        moves.failed(&address, from.as_ref(), &id(to), failure, self.now);
    }

    /// A creation that the cloud accepts.
    pub(crate) fn created(&mut self, count: u64) {
        self.memory.creation_sent(count, self.now);
        let unmarked = Accepted::default();
        self.memory.creation_answered(Ok(unmarked), self.now);
    }

    /// A creation that the cloud accepts, whose servers carry its mark, and of which it told the first one's id.
    pub(crate) fn ordered(&mut self, count: u64, first: &str) -> CreationMark {
        let mark = self.memory.creation_sent(count, self.now);
        let accepted = Accepted {
            first: Some(id(first)),
            marked: true,
        };
        self.memory.creation_answered(Ok(accepted), self.now);
        mark
    }

    pub(crate) fn marked(&mut self, name: &str, creation: CreationMark) {
        self.server(name).marks.creation = Some(creation);
    }

    /// Lists only some of the servers, and asks for what is missing; `silent`: that gets no answer.
    pub(crate) fn list_and_ask(&mut self, names: &[&str], silent: bool) -> bool {
        self.listing = self.listing_of(names, self.cloud_now());
        let ask = |id: ReplicaId| {
            let looked = match self.servers.get(id.as_str()) {
                _ if silent => Looked::NotKnown,
                Some(server) => Looked::There(Box::new(server.clone())),
                None => Looked::Gone,
            };
            (id, looked)
        };
        let questions = self.memory.questions(&self.listing);
        let inquiry = Inquiry(questions.into_iter().map(ask).collect());
        self.memory
            .observe_asked(&self.policy, &self.listing, &inquiry, self.now)
    }

    /// A creation that the cloud does not accept.
    pub(crate) fn refused(&mut self, cause: BackoffCause) {
        self.failed(cause, None, false);
    }

    pub(crate) fn failed(
        &mut self,
        cause: BackoffCause,
        retry_after: Option<Duration>,
        outcome_unknown: bool,
    ) {
        let failure = CreateFailure {
            cause,
            retry_after,
            outcome_unknown,
        };
        self.memory.creation_sent(2, self.now);
        self.memory.creation_answered(Err(failure), self.now);
    }

    pub(crate) fn deleted(&mut self, name: &str, reason: DeleteReason) {
        self.memory.deletion_accepted(&id(name), reason, self.now);
    }

    /// The seconds that creations still have to wait.
    pub(crate) fn backoff(&self) -> Option<u64> {
        let backoff = self.memory.backoff()?;
        Some(backoff.until.since(self.now).as_secs())
    }

    /// The plan, which has to be the same when made again and to keep every promise.
    pub(crate) fn plan(&self) -> Plan {
        let made = plan(&self.policy, &self.memory, self.now);
        let again = plan(&self.policy, &self.memory, self.now);
        assert_eq!(made, again, "a plan depends on nothing else");
        let broken = violations(&self.policy, &self.memory, &made, self.now);
        assert_eq!(broken, BTreeSet::new(), "{made:#?}");
        made
    }

    /// Checks what each replica is and counts: `"a serving 1, b held 0 = 1"`. Servers that are
    /// awaited stand before the sum: `"a serving 1, awaited 2 = 3"`.
    #[track_caller]
    pub(crate) fn is(&self, expected: &str) {
        let seen = self.plan().assessment;
        let mut parts: Vec<String> = seen
            .replicas
            .iter()
            .map(|r| format!("{} {} {}", r.id, state_word(&r.state), r.counts))
            .collect();
        if seen.awaited > 0 {
            parts.push(format!("awaited {}", seen.awaited));
        }
        assert_eq!(
            format!("{} = {}", parts.join(", "), seen.available),
            expected
        );
    }

    /// Checks the actions in their order, and then what is blocked.
    #[track_caller]
    pub(crate) fn does(&self, expected: &str) {
        let plan = self.plan();
        let told: Vec<String> = plan
            .actions
            .iter()
            .map(tell_action)
            .chain(plan.blocked.iter().map(tell_blocked))
            .collect();
        assert_eq!(told.join(" | "), expected);
    }
}

/// Checks one scenario: what each replica is, then what is done.
#[track_caller]
pub(crate) fn check(world: &World, pool: &str, actions: &str) {
    world.is(pool);
    world.does(actions);
}

fn state_word(state: &ReplicaState) -> String {
    state.name().to_owned()
}

fn tell_action(action: &Action) -> String {
    match action {
        Action::MoveAddress {
            address,
            from,
            to,
            reason,
        } => {
            let from = from.as_ref().map_or("nobody", ReplicaId::as_str);
            format!("move {} {from}->{to} {}", address.id, tell_move(*reason))
        }
        Action::Delete {
            replica,
            reason,
            after,
        } => {
            let after: Vec<&str> = after.iter().map(ExternalAddressId::as_str).collect();
            let after = if after.is_empty() {
                String::new()
            } else {
                format!(" after {}", after.join("+"))
            };
            format!("delete {replica} {}{after}", reason.name())
        }
        Action::Create { count } => format!("create {count}"),
    }
}

fn tell_move(reason: MoveReason) -> String {
    match reason {
        MoveReason::HolderGoes(why) => format!("{} {}", reason.name(), why.name()),
        other => other.name().to_owned(),
    }
}

fn tell_blocked(blocked: &Blocked) -> String {
    let until = blocked
        .until()
        .map_or_else(String::new, |u| format!(" until {}", u.0.as_secs()));
    let word = blocked.name();
    match blocked {
        Blocked::Create { count, why } => {
            let cause = match why {
                CreateBlock::Backoff { cause, .. } => format!(" {}", cause.name()),
                _ => String::new(),
            };
            format!("no create {count}: {word}{cause}{until}")
        }
        Blocked::Delete {
            replica,
            reason,
            why,
        } => {
            let missing = match why {
                DeleteBlock::ShrunkenList { missing } => format!(" {missing}"),
                _ => String::new(),
            };
            format!(
                "no delete {replica} {}: {word}{missing}{until}",
                reason.name()
            )
        }
        Blocked::MoveAddress {
            address,
            reason,
            why,
            ..
        } => {
            let by = match why {
                MoveBlock::Refused { by, error, .. } => format!(" by {by} ({error})"),
                _ => String::new(),
            };
            format!(
                "no move {address} {}: {word}{by}{until}",
                tell_move(*reason)
            )
        }
    }
}
