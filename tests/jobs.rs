//! The loop while requests are under way: a test answers them when and in what order it likes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use simplescalevm::cloud::{
    Calls, Catalogue, CloudError, CloudErrorKind, JobId, LookedUp, Reply, Request, Service,
    most_under_way,
};
use simplescalevm::pool::{
    Accepted, Answer, BackoffCause, Blocked, CloudTime, ExternalAddress, ExternalAddressId, Failed,
    Holder, Instance, Listing, Looked, Marks, Moment, Policy, ProbeFailure, ProbeResult,
    ProbeTarget, ReplicaId, Server, ServerState, Snapshot,
};
use simplescalevm::scaler::{Clock, Observer, Parts, Probes, Scaler};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

#[derive(Default)]
struct State {
    now: Moment,
    open: BTreeMap<JobId, Request>,
    ended: VecDeque<(JobId, Reply)>,
    results: VecDeque<ProbeResult>,
    /// What each replica answers.
    says: BTreeMap<ReplicaId, Answer>,
    servers: Vec<Server>,
    addresses: Vec<ExternalAddress>,
    /// Their list is there as soon as it is asked for.
    addresses_come_at_once: bool,
    snapshot: Option<Arc<Snapshot>>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Calls for Shared {
    fn places(&self) -> usize {
        4
    }

    fn begin(&mut self, job: JobId, request: Request) {
        let mut state = self.lock();
        if state.addresses_come_at_once && matches!(request, Request::ExternalAddresses(_)) {
            let reply = Reply::ExternalAddresses(Ok(state.addresses.clone()));
            return state.ended.push_back((job, reply));
        }
        drop(state);
        let before = self.lock().open.insert(job, request);
        assert!(before.is_none(), "a job has a number of its own");
        let of_service = |service| {
            let state = self.lock();
            let requests = state.open.values();
            requests
                .filter(|request| request.service() == service)
                .count()
        };
        for service in [Service::Compute, Service::Network] {
            assert!(of_service(service) <= 4, "there are four places for each");
        }
        assert!(self.lock().open.len() <= most_under_way(4));
    }

    fn ended(&mut self) -> Option<(JobId, Reply)> {
        self.lock().ended.pop_front()
    }
}

impl Probes for Shared {
    fn submit(&mut self, target: &ProbeTarget, round: u64) -> bool {
        let mut state = self.lock();
        let answer = state.says.get(&target.replica).copied();
        let result = ProbeResult {
            replica: target.replica.clone(),
            round,
            finished: state.now,
            latency: Duration::ZERO,
            outcome: answer.ok_or(ProbeFailure::Timeout),
        };
        state.results.push_back(result);
        true
    }

    fn finished(&mut self) -> Option<ProbeResult> {
        self.lock().results.pop_front()
    }

    fn forget(&mut self, _: &dyn Fn(&ReplicaId) -> bool) {}
}

impl Clock for Shared {
    fn now(&self) -> Moment {
        self.lock().now
    }
}

impl Observer for Shared {
    fn beat(&self, _: Moment) {}
    fn publish(&self, snapshot: Arc<Snapshot>) {
        self.lock().snapshot = Some(snapshot);
    }
}

struct Bench {
    shared: Shared,
    scaler: Scaler<Shared, Shared, Shared, Shared>,
    stop: Arc<AtomicBool>,
}

const FREE: Answer = Answer {
    free: 1,
    termination: false,
};
const DONE: Answer = Answer {
    free: 0,
    termination: true,
};

fn name(request: &Request) -> String {
    match request {
        Request::List(..) => "list".to_owned(),
        Request::ExternalAddresses(_) => "addresses".to_owned(),
        Request::Create(order) => format!("create {}", order.count),
        Request::Show(id, _) => format!("show {id}"),
        Request::Delete(id) => format!("delete {id}"),
        Request::Move(address, to) => format!("move {} to {}", address.id, to.replica),
        Request::LookUp(..) => "names".to_owned(),
        Request::Mark(id, ..) => format!("mark {id}"),
        Request::Fault(id) => format!("fault {id}"),
        Request::FindPorts(_) => "ports".to_owned(),
        Request::Quota => "quota".to_owned(),
    }
}

impl Bench {
    /// Serving replicas that have been listed, and with them what may wait.
    fn new(
        names: &[&str],
        change: impl FnOnce(&mut Parts<Shared, Shared, Shared, Shared>),
    ) -> Self {
        let shared = Shared::default();
        let stop = Arc::new(AtomicBool::new(false));
        let mut parts = Parts {
            calls: shared.clone(),
            probes: shared.clone(),
            clock: shared.clone(),
            observer: shared.clone(),
            policy: Policy {
                floor: 0,
                external_addresses: true,
                termination_confirmations: 1,
                probe_interval: Duration::from_secs(1),
                ..Policy::default()
            },
            template: Arc::default(),
            instance: Instance(7),
            scaling_interval: Duration::from_secs(600),
            requests_per_second: None,
            stop: Arc::clone(&stop),
        };
        change(&mut parts);
        let mut bench = Self {
            shared,
            scaler: Scaler::new(parts),
            stop,
        };
        for (number, name) in names.iter().enumerate() {
            bench.add(name, u8::try_from(number).unwrap());
        }
        bench.turn();
        bench.answer_all();
        bench
    }

    fn add(&mut self, name: &str, number: u8) {
        let address = std::net::IpAddr::from([127, 0, 1, number]);
        let mut state = self.shared.lock();
        state.says.insert(ReplicaId::new(name), FREE);
        state.servers.push(Server {
            id: ReplicaId::new(name),
            name: name.to_owned(),
            state: ServerState::Running(address),
            addresses: vec![address],
            locked: false,
            created: Some(CloudTime(1)),
            launched: Some(CloudTime(1)),
            image: None,
            marks: Marks::default(),
        });
    }

    /// Two turns: the first hands probes over, the second takes in what they have come to.
    fn turn(&mut self) {
        self.scaler.turn();
        self.scaler.turn();
    }

    fn wait(&mut self, seconds: u64) {
        let now = self.shared.lock().now;
        self.shared.lock().now = now + Duration::from_secs(seconds);
        self.turn();
    }

    /// What is under way.
    #[track_caller]
    fn under_way(&self, expected: &[&str]) {
        let open: BTreeSet<String> = self.shared.lock().open.values().map(name).collect();
        let expected: BTreeSet<String> = expected.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(open, expected);
    }

    /// Answers a request well, and has the scaler take that in.
    #[track_caller]
    fn answer(&mut self, wanted: &str) {
        self.end(wanted, None);
    }

    #[track_caller]
    fn fail(&mut self, wanted: &str, kind: CloudErrorKind) {
        self.end(wanted, Some(kind));
    }

    #[track_caller]
    fn end(&mut self, wanted: &str, failure: Option<CloudErrorKind>) {
        self.reply(wanted, failure);
        self.turn();
    }

    /// Answers a request, which the scaler takes in with whatever else is answered before its next turn.
    #[track_caller]
    fn reply(&mut self, wanted: &str, failure: Option<CloudErrorKind>) {
        let mut state = self.shared.lock();
        let found = state
            .open
            .iter()
            .find(|(_, request)| name(request) == wanted);
        let job = *found
            .unwrap_or_else(|| panic!("{wanted} is not under way"))
            .0;
        let request = state.open.remove(&job).unwrap();
        let error = || CloudError {
            outcome_unknown: failure == Some(CloudErrorKind::Timeout),
            ..CloudError::local(failure.unwrap(), "as the test wants it".to_owned())
        };
        let done = || {
            if failure.is_some() {
                Err(error())
            } else {
                Ok(())
            }
        };
        let reply = match request {
            Request::List(taken, sight) => {
                let listing = Listing {
                    taken,
                    cloud_time: Some(CloudTime(1_000 + state.now.0.as_secs())),
                    servers: state.servers.clone(),
                    external_addresses: None,
                    not_alone: BTreeSet::new(),
                };
                Reply::Listing(done().map(|()| listing), sight)
            }
            Request::ExternalAddresses(_) => {
                Reply::ExternalAddresses(done().map(|()| state.addresses.clone()))
            }
            Request::Create(_) => Reply::Created(done().map(|()| Accepted::default())),
            Request::Delete(id) => {
                if failure.is_none() {
                    state.servers.retain(|server| server.id != id);
                }
                Reply::Done(done())
            }
            Request::Move(address, to) => {
                let moved = state.addresses.iter_mut().find(|a| a.id == address.id);
                if let Some(moved) = moved.filter(|_| failure.is_none()) {
                    moved.holder = Holder::Server(to.replica);
                    moved.revision = moved.revision.map(|revision| revision + 1);
                }
                Reply::Done(done())
            }
            Request::Show(id, _) => {
                let server = state.servers.iter().find(|server| server.id == id);
                let looked = server.map_or(Looked::Gone, |server| {
                    Looked::There(Box::new(server.clone()))
                });
                Reply::Shown(done().map(|()| looked))
            }
            Request::Mark(..) => Reply::Done(done()),
            Request::LookUp(..) => Reply::LookedUp(done().map(|()| LookedUp {
                catalogue: Catalogue::default(),
                changes: Vec::new(),
            })),
            Request::FindPorts(_) => Reply::Ports(done().map(|()| BTreeMap::new())),
            Request::Quota => Reply::Quota(done().map(|()| None)),
            Request::Fault(_) => Reply::Fault(Ok(Some("No valid host was found".to_owned()))),
        };
        state.ended.push_back((job, reply));
    }

    /// Answers whatever is under way until nothing is.
    fn answer_all(&mut self) {
        for _ in 0..100 {
            let next = self.shared.lock().open.values().map(name).next();
            match next {
                Some(next) => self.answer(&next),
                None => return,
            }
        }
        panic!("it does not end");
    }

    fn says(&mut self, replica: &str, answer: Answer) {
        self.shared
            .lock()
            .says
            .insert(ReplicaId::new(replica), answer);
    }

    /// The first replica has the address `f` and reports termination, and a list shows it.
    fn whose_holder_ends(names: &[&str]) -> Self {
        let mut bench = Self::new(names, |_| ());
        bench.address("f", "a");
        bench.wait(600);
        bench.answer_all();
        bench.says("a", DONE);
        bench.wait(2);
        bench.answer("list");
        bench.answer("addresses");
        bench
    }

    fn address(&mut self, id: &str, holder: &str) {
        self.shared.lock().addresses.push(ExternalAddress {
            id: ExternalAddressId::new(id),
            address: std::net::IpAddr::from([127, 0, 2, 1]),
            holder: Holder::Server(ReplicaId::new(holder)),
            revision: Some(1),
        });
    }
}

#[test]
fn a_deletion_that_hangs_holds_up_no_other_and_none_is_sent_twice() {
    let mut bench = Bench::new(&["a", "b", "c", "d", "e", "f"], |_| ());
    for replica in ["a", "b", "c", "d", "e"] {
        bench.says(replica, DONE);
    }
    bench.wait(2);
    bench.under_way(&["list"]);
    bench.answer("list");
    bench.under_way(&["addresses"]);
    bench.answer("addresses");
    // Most of them at once: they are asked once more, after a list.
    for _ in 0..6 {
        bench.wait(2);
        let listed = bench.shared.lock().open.values().any(|r| name(r) == "list");
        if listed {
            bench.answer("list");
            bench.answer("addresses");
        }
    }
    // As many as one service has places.
    bench.under_way(&["delete a", "delete b", "delete c", "delete d"]);
    bench.answer("delete b");
    bench.under_way(&["delete a", "delete c", "delete d", "delete e"]);
    bench.answer("delete d");
    bench.answer("delete e");
    bench.answer("delete c");
    for _ in 0..40 {
        bench.wait(1);
        bench.under_way(&["delete a"]);
    }
    bench.fail("delete a", CloudErrorKind::Timeout);
    bench.under_way(&[]);
}

#[test]
fn a_creation_that_hangs_holds_up_neither_deletions_nor_moves() {
    let mut bench = Bench::new(&["a", "b", "c", "d"], |parts| parts.policy.floor = 4);
    bench.address("f", "a");
    bench.says("d", Answer { free: 0, ..FREE });
    bench.wait(2);
    bench.answer("list");
    bench.answer("addresses");
    bench.under_way(&["create 1"]);
    bench.says("a", DONE);
    bench.wait(2);
    bench.under_way(&["create 1", "list"]);
    bench.answer("list");
    bench.answer("addresses");
    bench.under_way(&["create 1", "move f to b"]);
    // The deletion waits for the address, and for nothing else.
    bench.answer("move f to b");
    bench.under_way(&["create 1", "delete a"]);
    bench.answer("delete a");
    // There is one creation at a time.
    bench.wait(5);
    let blocked = bench.scaler.replan().blocked.clone();
    let words: Vec<&str> = blocked.iter().map(Blocked::name).collect();
    assert_eq!(words, ["creation-under-way"]);
}

#[test]
fn what_a_list_lacks_is_not_gone_because_its_deletion_was_under_way_and_failed() {
    let mut bench = Bench::new(&["a", "b", "c"], |_| ());
    bench.says("a", DONE);
    bench.wait(2);
    bench.answer("list");
    bench.answer("addresses");
    bench.under_way(&["delete a"]);
    bench.wait(600);
    let all = bench.shared.lock().servers.clone();
    bench.shared.lock().servers.truncate(0);
    bench.shared.lock().servers.extend(all.last().cloned());
    bench.answer("list");
    bench.answer("addresses");
    bench.under_way(&["delete a", "show b"]);
    bench.shared.lock().servers = all[1..].to_vec();
    bench.fail("delete a", CloudErrorKind::Conflict);
    bench.answer("show b");
    let is_known = |bench: &Bench| {
        let records = bench.scaler.snapshot().records;
        records
            .iter()
            .any(|record| record.server.id == ReplicaId::new("a"))
    };
    assert!(is_known(&bench), "nobody has said that it is gone");
    bench.wait(2);
    bench.answer("list");
    bench.answer("addresses");
    bench.answer("show a");
}

#[test]
fn a_creation_that_was_refused_fails_by_that_and_not_by_the_names_that_cannot_be_looked_up() {
    let mut bench = Bench::new(&["a", "b"], |parts| parts.policy.floor = 2);
    bench.says("a", DONE);
    bench.wait(60);
    bench.answer("list");
    bench.answer("addresses");
    bench.fail("create 1", CloudErrorKind::NotFound);
    bench.fail("names", CloudErrorKind::Timeout);
    let backoff = bench.scaler.snapshot().backoff.unwrap();
    assert_eq!(backoff.cause, BackoffCause::Rejected);
}

#[test]
fn why_a_server_failed_is_told_also_when_it_comes_late() {
    let mut bench = Bench::new(&["a", "b"], |_| ());
    bench.shared.lock().says.remove(&ReplicaId::new("a"));
    bench.wait(600);
    bench.answer_all();
    bench.shared.lock().servers[0].state = ServerState::Failed(Failed::Error);
    bench.wait(600);
    bench.answer("list");
    bench.answer("addresses");
    bench.under_way(&["fault a"]);
    let told = |bench: &Bench| {
        let snapshot = bench.scaler.snapshot();
        let mut events = snapshot.events.newest_first();
        events.any(|entry| entry.text.contains("No valid host"))
    };
    // The plan does not wait for it for long.
    bench.wait(4);
    assert!(!told(&bench));
    bench.answer("fault a");
    assert!(told(&bench));
}

#[test]
fn servers_go_and_come_while_the_addresses_cannot_be_listed() {
    let mut bench = Bench::new(&["a", "b", "c", "d"], |parts| parts.policy.floor = 4);
    bench.address("f", "a");
    bench.wait(600);
    bench.answer_all();
    for replica in ["a", "b"] {
        bench.says(replica, DONE);
    }
    bench.wait(2);
    bench.answer("list");
    // Neutron hangs.
    bench.under_way(&["addresses"]);
    bench.wait(1);
    bench.under_way(&["addresses"]);
    bench.wait(1);
    // The holder waits for its address.
    bench.under_way(&["addresses", "create 2", "delete b"]);
    bench.fail("addresses", CloudErrorKind::Timeout);
    bench.answer("create 2");
    bench.answer("delete b");
    bench.under_way(&[]);
}

#[test]
fn an_address_leaves_its_dead_holder_while_the_list_of_the_servers_hangs() {
    let mut bench = Bench::new(&["a", "b"], |parts| parts.policy.failure_threshold = 1);
    bench.address("f", "a");
    bench.wait(600);
    bench.answer_all();
    bench.wait(600);
    bench.under_way(&["list"]);
    bench.shared.lock().says.remove(&ReplicaId::new("a"));
    bench.wait(2);
    bench.under_way(&["addresses", "list"]);
    bench.answer("addresses");
    bench.under_way(&["list", "move f to b"]);
    bench.answer("move f to b");
    bench.under_way(&["list"]);
}

#[test]
fn a_move_of_unknown_outcome_waits_for_the_addresses_and_calls_for_no_lists_of_the_servers() {
    let mut bench = Bench::whose_holder_ends(&["a", "b"]);
    bench.fail("move f to b", CloudErrorKind::Timeout);
    bench.wait(1);
    bench.answer("list");
    bench.fail("addresses", CloudErrorKind::Timeout);
    // Neither is it deleted nor is anything asked for again at once.
    bench.under_way(&[]);
    bench.wait(1);
    bench.under_way(&[]);
    bench.wait(1);
    bench.under_way(&["addresses"]);
}

#[test]
fn an_address_is_moved_as_the_newest_list_shows_it() {
    let mut bench = Bench::new(&["a", "b"], |parts| parts.policy.failure_threshold = 1);
    bench.address("f", "a");
    bench.wait(600);
    bench.answer_all();
    bench.wait(600);
    bench.shared.lock().says.remove(&ReplicaId::new("a"));
    bench.wait(2);
    bench.under_way(&["addresses", "list"]);
    // The list of the addresses calls for a move; before that is begun, a newer one has come.
    bench.reply("addresses", None);
    bench.reply("list", None);
    let mut state = bench.shared.lock();
    state.addresses_come_at_once = true;
    state.addresses[0].holder = Holder::Nobody;
    state.addresses[0].revision = Some(2);
    drop(state);
    bench.turn();
    bench.under_way(&["move f to b"]);
    let state = bench.shared.lock();
    let is_newest = |request: &Request| matches!(request, Request::Move(address, _) if address.revision == Some(2));
    assert!(state.open.values().any(is_newest), "{:?}", state.open);
}

#[test]
fn a_list_that_is_older_than_a_move_does_not_take_it_back() {
    let mut bench = Bench::whose_holder_ends(&["a", "b", "c"]);
    bench.under_way(&["move f to b"]);
    bench.answer("move f to b");
    bench.answer("delete a");
    // A list as it was before.
    bench.shared.lock().addresses[0].holder = Holder::Server(ReplicaId::new("a"));
    bench.shared.lock().addresses[0].revision = Some(1);
    bench.wait(600);
    bench.answer_all();
    let snapshot = bench.scaler.snapshot();
    let holder = &snapshot.external_addresses[0].holder;
    assert_eq!(*holder, Holder::Server(ReplicaId::new("b")));
}

#[test]
fn however_slow_a_list_is_there_is_a_pause_after_it() {
    let mut bench = Bench::new(&["a"], |parts| {
        parts.scaling_interval = Duration::from_secs(2);
    });
    bench.wait(2);
    bench.under_way(&["list"]);
    bench.wait(4);
    bench.answer("list");
    bench.answer("addresses");
    bench.under_way(&[]);
    bench.wait(1);
    bench.under_way(&["list"]);
}

#[test]
fn a_list_that_shows_a_move_before_its_answer_comes_has_its_revision() {
    let mut bench = Bench::whose_holder_ends(&["a", "b"]);
    bench.under_way(&["move f to b"]);
    // Its effect is there, and the answer is not.
    bench.shared.lock().addresses[0].holder = Holder::Server(ReplicaId::new("b"));
    bench.shared.lock().addresses[0].revision = Some(2);
    bench.wait(600);
    bench.answer("list");
    bench.answer("addresses");
    bench.answer("move f to b");
    let address = bench.scaler.snapshot().external_addresses[0].clone();
    assert_eq!(address.holder, Holder::Server(ReplicaId::new("b")));
    assert_eq!(
        address.revision,
        Some(2),
        "the next one is another writer's"
    );
}

#[test]
fn no_more_is_asked_than_the_rate_lets_through() {
    let names: Vec<String> = (0..30).map(|number| format!("r{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut bench = Bench::new(&names, |parts| {
        parts.requests_per_second = NonZeroU32::new(5);
        parts.policy.startup_timeout = Some(Duration::from_secs(1));
    });
    let (mut deletions, mut seconds) = (0, 0);
    for name in names.iter().take(10) {
        bench.says(name, DONE);
    }
    while deletions < 10 && seconds < 100 {
        bench.wait(1);
        seconds += 1;
        let mut of_this_second = 0;
        loop {
            let next = bench.shared.lock().open.values().map(name).next();
            let Some(next) = next else { break };
            of_this_second += usize::from(next.starts_with("delete") || next == "list");
            deletions += usize::from(next.starts_with("delete"));
            bench.answer(&next);
        }
        assert!(of_this_second <= 5, "{of_this_second} to Nova in a second");
    }
    assert_eq!(deletions, 10, "after {seconds} s");
    assert!(seconds > 2);
}

#[test]
fn a_creation_does_not_wait_for_its_turn_behind_many_deletions() {
    let names: Vec<String> = (0..12).map(|number| format!("r{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut bench = Bench::new(&names, |parts| {
        parts.requests_per_second = NonZeroU32::new(5);
        parts.policy.floor = 12;
    });
    bench.wait(60);
    bench.answer_all();
    for name in names.iter().take(5) {
        bench.says(name, DONE);
    }
    bench.wait(2);
    bench.answer("list");
    bench.answer("addresses");
    let open: Vec<String> = bench.shared.lock().open.values().map(name).collect();
    assert_eq!(
        open.first().map(String::as_str),
        Some("create 5"),
        "{open:?}"
    );
}

#[test]
fn at_the_end_nothing_is_begun_and_what_is_under_way_is_taken_in() {
    let mut bench = Bench::new(&["a", "b"], |parts| parts.policy.floor = 2);
    bench.says("a", Answer { free: 0, ..FREE });
    bench.wait(2);
    bench.answer("list");
    bench.answer("addresses");
    bench.under_way(&["create 1"]);
    bench.stop.store(true, Ordering::Relaxed);
    bench.wait(30);
    bench.under_way(&["create 1"]);
    assert!(!bench.scaler.is_idle());
    bench.answer("create 1");
    assert!(bench.scaler.is_idle());
    assert_eq!(bench.scaler.snapshot().counters.created, 1);
    bench.wait(1_200);
    bench.under_way(&[]);
}
