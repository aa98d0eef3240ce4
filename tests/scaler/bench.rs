//! A scaler whose cloud, probes and clock do what a test says, and keep a log of what was asked.

#![allow(
    clippy::unwrap_used,
    reason = "a test that is written wrongly should stop"
)]

use simplescalevm::cloud::{
    AtOnce, Catalogue, Cloud, CloudError, CloudErrorKind, LookedUp, Order, Port, ServerTemplate,
    Sight, Standby,
};
use simplescalevm::pool::{
    Accepted, Answer, CloudTime, CreationMark, ExternalAddress, ExternalAddressId, Holder,
    Instance, Listing, Looked, Moment, Policy, ProbeFailure, ProbeResult, ProbeTarget, Quota,
    ReplicaId, Server, ServerState, Snapshot,
};
use simplescalevm::scaler::{Clock, Observer, Parts, Probes, Scaler};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What the scaler's parts share.
#[derive(Default)]
struct State {
    quota: Option<Quota>,
    now: Moment,
    cloud_time: u64,
    servers: BTreeMap<String, Server>,
    addresses: Vec<ExternalAddress>,
    log: Vec<String>,
    failures: BTreeMap<&'static str, VecDeque<CloudError>>,
    durations: BTreeMap<&'static str, Duration>,
    /// Every list of the servers fails so, and asks to wait for so long.
    servers_fail: Option<(CloudErrorKind, Option<Duration>)>,
    address_lists: u64,
    /// Address and replica (`""`: any) that cannot be given to each other.
    refused_moves: Vec<(&'static str, &'static str)>,
    /// The next move is made, and the answer leaves that open.
    open_move: Option<&'static str>,
    stop_after: Option<&'static str>,
    heard_during: BTreeMap<&'static str, (String, Answer)>,
    results: VecDeque<ProbeResult>,
    rounds: BTreeMap<ReplicaId, u64>,
    full: bool,
    /// Servers that are there and that no list shows.
    hidden: BTreeMap<String, Server>,
    accepted: Accepted,
    last_order: Option<Order>,
    marks: Vec<String>,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<State>>, Arc<AtomicBool>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn request(&self, kind: &'static str, text: &str) -> Result<(), CloudError> {
        let mut state = self.lock();
        let takes = state.durations.remove(kind).unwrap_or_default();
        state.now = state.now + takes;
        state.cloud_time += takes.as_secs();
        if state.stop_after == Some(kind) {
            self.1.store(true, Ordering::Relaxed);
        }
        if let Some((name, answer)) = state.heard_during.remove(kind) {
            state.hear(&name, answer, 0);
        }
        let failure = state.failures.get_mut(kind).and_then(VecDeque::pop_front);
        let end = if failure.is_some() { " failed" } else { "" };
        state.log.push(format!("{text}{end}"));
        failure.map_or(Ok(()), Err)
    }

    /// A request that is only told if a test has let it fail.
    fn ahead(&self, kind: &'static str) -> Result<(), CloudError> {
        let fails = self
            .lock()
            .failures
            .get(kind)
            .is_some_and(|f| !f.is_empty());
        if fails {
            self.request(kind, kind)
        } else {
            Ok(())
        }
    }
}

impl State {
    fn hear(&mut self, name: &str, answer: Answer, rounds_ago: u64) {
        let replica = ReplicaId::new(name);
        let round = self.rounds.remove(&replica).unwrap_or_default();
        self.results.push_back(ProbeResult {
            replica,
            round: round.wrapping_sub(rounds_ago),
            finished: self.now,
            latency: Duration::ZERO,
            outcome: Ok(answer),
        });
    }
}

impl Cloud for Shared {
    fn list(&mut self, now: Moment, _: &mut Sight) -> Result<Listing, CloudError> {
        let fails = self.lock().servers_fail;
        if let Some((kind, wish)) = fails {
            let mut failures = self.lock();
            let list = failures.failures.entry("list").or_default();
            list.push_back(CloudError {
                retry_after: wish,
                ..failure(kind)
            });
        }
        self.request("list", "list")?;
        let state = self.lock();
        Ok(Listing {
            taken: now,
            cloud_time: Some(CloudTime(state.cloud_time)),
            servers: state.servers.values().cloned().collect(),
            external_addresses: None,
            not_alone: std::collections::BTreeSet::new(),
        })
    }

    fn external_addresses(&mut self, _: &str) -> Result<Vec<ExternalAddress>, CloudError> {
        self.ahead("addresses")?;
        let mut state = self.lock();
        state.address_lists += 1;
        Ok(state.addresses.clone())
    }

    fn create(&mut self, order: &Order) -> Result<Accepted, CloudError> {
        self.lock().last_order = Some(order.clone());
        self.request("create", &format!("create {}", order.count))?;
        Ok(self.lock().accepted.clone())
    }

    fn show(&mut self, replica: &ReplicaId, _: &Sight) -> Result<Looked, CloudError> {
        self.request("show", &format!("show {replica}"))?;
        let state = self.lock();
        let hidden = state.hidden.get(replica.as_str());
        let server = hidden.or_else(|| state.servers.get(replica.as_str()));
        Ok(server.map_or(Looked::Gone, |server| {
            Looked::There(Box::new(server.clone()))
        }))
    }

    fn mark(&mut self, replica: &ReplicaId, key: &str, value: &str) -> Result<(), CloudError> {
        self.ahead("mark")?;
        let mut state = self.lock();
        state.marks.push(format!("{replica} {key}={value}"));
        if let Some(server) = state.servers.get_mut(replica.as_str()) {
            server.marks.served = true;
        }
        Ok(())
    }

    fn delete(&mut self, replica: &ReplicaId) -> Result<(), CloudError> {
        self.request("delete", &format!("delete {replica}"))?;
        self.lock().servers.remove(replica.as_str());
        Ok(())
    }

    fn move_address(&mut self, address: &ExternalAddress, to: &Standby) -> Result<(), CloudError> {
        let to = &to.replica;
        let refused = |(of, by): &(&str, &str)| {
            let is = |word: &str, id: &str| word.is_empty() || word == id;
            is(of, address.id.as_str()) && is(by, to.as_str())
        };
        if self.lock().refused_moves.iter().any(refused) {
            let error = failure(CloudErrorKind::NotFound);
            let failures = &mut self.lock().failures;
            failures.entry("move").or_default().push_back(error);
        }
        self.request("move", &format!("move {} to {to}", address.id))?;
        let mut state = self.lock();
        let open = state.open_move.take();
        let winner = open.filter(|winner| !winner.is_empty());
        let to = winner.map_or_else(|| to.clone(), ReplicaId::new);
        let moved = state.addresses.iter_mut().find(|a| a.id == address.id);
        moved.unwrap().holder = Holder::Server(to);
        match open {
            None => Ok(()),
            Some(_) => Err(CloudError {
                outcome_unknown: true,
                ..failure(CloudErrorKind::Changed)
            }),
        }
    }

    fn fault(&mut self, replica: &ReplicaId) -> Result<Option<String>, CloudError> {
        self.request("fault", &format!("fault {replica}"))?;
        Ok(Some("no valid host".to_owned()))
    }

    fn find_ports(&mut self, _: &[Standby]) -> Result<BTreeMap<ReplicaId, Port>, CloudError> {
        self.ahead("prepare move").map(|()| BTreeMap::new())
    }

    fn look_up(
        &mut self,
        _: &ServerTemplate,
        _: Option<&Catalogue>,
    ) -> Result<LookedUp, CloudError> {
        self.ahead("prepare creation").map(|()| LookedUp::default())
    }

    fn quota(&mut self) -> Result<Option<Quota>, CloudError> {
        self.ahead("quota")?;
        Ok(self.lock().quota)
    }
}

impl Probes for Shared {
    fn submit(&mut self, target: &ProbeTarget, round: u64) -> bool {
        let mut state = self.lock();
        if !state.full {
            state.rounds.insert(target.replica.clone(), round);
        }
        !state.full
    }

    fn finished(&mut self) -> Option<ProbeResult> {
        self.lock().results.pop_front()
    }

    fn forget(&mut self, is_gone: &dyn Fn(&ReplicaId) -> bool) {
        self.lock().rounds.retain(|id, _| !is_gone(id));
    }
}

impl Clock for Shared {
    fn now(&self) -> Moment {
        self.lock().now
    }
}

impl Observer for Shared {
    fn beat(&self, _: Moment) {}
    fn publish(&self, _: Arc<Snapshot>) {}
}

pub(crate) struct Bench {
    shared: Shared,
    scaler: Scaler<AtOnce<Shared>, Shared, Shared, Shared>,
    /// The cloud's clock; a test may set it.
    pub(crate) cloud_time: CloudTime,
}

const START: u64 = 1_000_000;
const HERE: u32 = 0xbe_0c00;

pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn running() -> ServerState {
    ServerState::Running(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

pub(crate) fn failure(kind: CloudErrorKind) -> CloudError {
    CloudError::local(kind, "as the test wants it".to_owned())
}

pub(crate) fn retry_after(kind: CloudErrorKind, seconds: u64) -> CloudError {
    CloudError {
        retry_after: Some(s(seconds)),
        ..failure(kind)
    }
}

impl Bench {
    /// An empty pool with this floor, capacity 1, and nothing listed yet.
    pub(crate) fn new(floor: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let state = State {
            cloud_time: START,
            ..State::default()
        };
        let shared = Shared(Arc::new(Mutex::new(state)), Arc::clone(&stop));
        let scaler = Scaler::new(Parts {
            calls: AtOnce::new(shared.clone()),
            probes: shared.clone(),
            clock: shared.clone(),
            observer: shared.clone(),
            policy: Policy {
                floor,
                external_addresses: true,
                termination_confirmations: 1,
                ..Policy::default()
            },
            template: Arc::default(),
            instance: Instance(HERE),
            scaling_interval: s(30),
            requests_per_second: None,
            stop,
        });
        Self {
            shared,
            scaler,
            cloud_time: CloudTime(START),
        }
    }

    /// A pool that is at its floor of 2: each of these has one resource free.
    pub(crate) fn serving(names: &[&str]) -> Self {
        let mut bench = Self::new(2);
        for name in names {
            bench.add(name, running());
        }
        bench.turn();
        for name in names {
            bench.answers(name, 1, false);
        }
        bench.wait(s(5));
        bench.turn();
        bench.shared.lock().log.clear();
        bench
    }

    /// All servers that the project may have are there, and the scaler has read that.
    pub(crate) fn quota_is_used_up(&mut self) {
        let used = self.shared.lock().servers.len() as u64;
        self.shared.lock().quota = Some(Quota {
            instances: (Some(used), Some(used)),
            ..Quota::default()
        });
        self.wait(Duration::from_secs(630));
        self.turn();
        self.shared.lock().log.clear();
    }

    pub(crate) fn turn(&mut self) -> Moment {
        self.shared.lock().cloud_time = self.cloud_time.0;
        let before = self.now();
        let next = self.scaler.turn();
        self.cloud_time = CloudTime(self.cloud_time.0 + self.now().since(before).as_secs());
        next
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.scaler.snapshot()
    }

    pub(crate) fn now(&self) -> Moment {
        self.shared.lock().now
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        let mut state = self.shared.lock();
        state.now = state.now + time;
        self.cloud_time = CloudTime(self.cloud_time.0 + time.as_secs());
    }

    pub(crate) fn wait_ms(&mut self, ms: u64) {
        self.wait(Duration::from_millis(ms));
    }

    pub(crate) fn add(&mut self, name: &str, state: ServerState) {
        let runs = matches!(state, ServerState::Running(_));
        // Each server has an address of its own; those that never ran have none.
        let number = name.bytes().fold(1_u16, |sum, byte| {
            sum.wrapping_mul(131).wrapping_add(u16::from(byte))
        });
        let [high, low] = number.to_be_bytes();
        let address = IpAddr::V4(Ipv4Addr::new(127, 1, high, low));
        let server = Server {
            id: ReplicaId::new(name),
            name: name.to_owned(),
            state: if runs {
                ServerState::Running(address)
            } else {
                state
            },
            addresses: runs.then_some(address).into_iter().collect(),
            locked: false,
            created: Some(self.cloud_time),
            launched: runs.then_some(self.cloud_time),
            image: None,
            marks: simplescalevm::pool::Marks::default(),
        };
        self.shared.lock().servers.insert(name.to_owned(), server);
    }

    /// The next creations are answered with the id of their first server, and carry their mark.
    pub(crate) fn accepts(&mut self, first: &str) {
        self.shared.lock().accepted = Accepted {
            first: Some(ReplicaId::new(first)),
            marked: true,
        };
    }

    /// The mark of the last creation.
    pub(crate) fn last_mark(&self) -> Option<CreationMark> {
        self.shared.lock().last_order.as_ref().map(|o| o.mark)
    }

    /// What made the name of the last creation one of its own.
    pub(crate) fn last_name_part(&self) -> Option<String> {
        let state = self.shared.lock();
        state.last_order.as_ref().map(|o| o.name_part.clone())
    }

    pub(crate) fn with_mark(&mut self, name: &str, mark: Option<CreationMark>) {
        let mut state = self.shared.lock();
        state.servers.get_mut(name).unwrap().marks.creation = mark;
    }

    /// No list shows it, though it is there; or lists do again.
    pub(crate) fn hide(&mut self, name: &str, hidden: bool) {
        let state = &mut *self.shared.lock();
        let (from, to) = if hidden {
            (&mut state.servers, &mut state.hidden)
        } else {
            (&mut state.hidden, &mut state.servers)
        };
        let server = from.remove(name).unwrap();
        to.insert(name.to_owned(), server);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        let state = &mut *self.shared.lock();
        state.servers.remove(name);
        state.hidden.remove(name);
    }

    /// The marks that were written since the last look.
    pub(crate) fn marks(&mut self) -> String {
        std::mem::take(&mut self.shared.lock().marks).join(", ")
    }

    pub(crate) fn lock(&mut self, name: &str) {
        self.shared.lock().servers.get_mut(name).unwrap().locked = true;
    }

    pub(crate) fn add_address(&mut self, id: &str) {
        self.shared.lock().addresses.push(ExternalAddress {
            id: ExternalAddressId::new(id),
            address: IpAddr::V4(Ipv4Addr::BROADCAST),
            holder: Holder::Nobody,
            revision: None,
        });
    }

    /// The probe that is under way is answered.
    pub(crate) fn answers(&mut self, name: &str, free: u64, termination: bool) {
        self.shared
            .lock()
            .hear(name, Answer { free, termination }, 0);
    }

    /// The probe that is under way fails.
    pub(crate) fn fails(&mut self, name: &str) {
        self.answers(name, 0, false);
        let mut state = self.shared.lock();
        state.results.back_mut().unwrap().outcome = Err(ProbeFailure::Timeout);
    }

    /// An answer to an earlier probe than the one that is under way.
    pub(crate) fn answers_late(&mut self, name: &str, free: u64, termination: bool) {
        self.shared
            .lock()
            .hear(name, Answer { free, termination }, 1);
    }

    /// The answer arrives while the next request of this kind is made.
    pub(crate) fn hears_during(
        &mut self,
        kind: &'static str,
        name: &str,
        free: u64,
        termination: bool,
    ) {
        let answer = Answer { free, termination };
        let mut state = self.shared.lock();
        state.heard_during.insert(kind, (name.to_owned(), answer));
    }

    pub(crate) fn fail_next(&mut self, kind: &'static str, error: CloudError) {
        let mut state = self.shared.lock();
        state.failures.entry(kind).or_default().push_back(error);
    }

    /// From now on, the servers cannot be listed (`None`: they can).
    pub(crate) fn fail_servers(&mut self, how: Option<(CloudErrorKind, Option<Duration>)>) {
        self.shared.lock().servers_fail = how;
    }

    /// Somebody else points an address elsewhere.
    pub(crate) fn point(&mut self, id: &str, to: &str) {
        let mut state = self.shared.lock();
        let address = state.addresses.iter_mut().find(|a| a.id.as_str() == id);
        address.unwrap().holder = Holder::Server(ReplicaId::new(to));
    }

    /// How often the external addresses were listed.
    pub(crate) fn address_lists(&self) -> u64 {
        self.shared.lock().address_lists
    }

    /// An address cannot be given to a replica; `""` stands for any.
    pub(crate) fn refuse_move(&mut self, address: &'static str, to: &'static str) {
        self.shared.lock().refused_moves.push((address, to));
    }

    /// Whatever was refused before.
    pub(crate) fn refuse_no_move(&mut self) {
        self.shared.lock().refused_moves.clear();
    }

    /// Another writer interferes with the next move: what came of it is not known. In truth the
    /// address is on `winner` (`""`: where it was to go).
    pub(crate) fn leave_next_move_open(&mut self, winner: &'static str) {
        self.shared.lock().open_move = Some(winner);
    }

    /// All replicas that are being asked answer, each as before.
    pub(crate) fn all_answer(&mut self, names: &[(&str, u64, bool)]) {
        for (name, free, termination) in names {
            self.answers(name, *free, *termination);
        }
    }

    /// Everything that was asked of the cloud since the last look.
    pub(crate) fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().log)
    }

    /// How long the next request of this kind takes.
    pub(crate) fn takes(&mut self, kind: &'static str, time: Duration) {
        self.shared.lock().durations.insert(kind, time);
    }

    pub(crate) fn stop_after(&mut self, kind: &'static str) {
        self.shared.lock().stop_after = Some(kind);
    }

    pub(crate) fn queue_is_full(&mut self, full: bool) {
        self.shared.lock().full = full;
    }

    pub(crate) fn probes_under_way(&self) -> usize {
        self.shared.lock().rounds.len()
    }

    /// How much was asked of the cloud since the last look.
    pub(crate) fn asked(&mut self) -> usize {
        std::mem::take(&mut self.shared.lock().log).len()
    }

    /// What was asked of the cloud since the last look.
    #[track_caller]
    pub(crate) fn did(&mut self, expected: &str) {
        let log = std::mem::take(&mut self.shared.lock().log);
        assert_eq!(log.join(", "), expected);
    }
}
