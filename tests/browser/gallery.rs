//! Pools to look at: a status server with a clock of its own, and hours of made-up life.

use simplescalevm::pool::{
    Action, Answer, BackoffCause, Became, Blocked, CloudTime, Counters, CreateBlock, CreateFailure,
    Creating, DeleteReason, Entry, Event, Events, ExternalAddress, ExternalAddressId, Failed,
    Failure, Holder, Incident, Listing, Lists, Memory, Moment, MoveReason, Numbers, Policy,
    ProbeFailure, ProbeResult, ReplicaId, ReplicaState, Server, ServerState, Snapshot, Subject,
    Supply, plan,
};
use simplescalevm::status::{Board, DaemonInfo, StatusServer, StatusSettings};
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

/// 2026-03-02T08:00:00Z.
const CLOUD_START: u64 = 1_772_438_400;
const HOURS: u64 = 7;
const CAPACITY: u64 = 8;

/// What kind of day it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Day {
    /// All is well.
    Quiet,
    /// Below the floor, with the quota used up, and a silent holder of an address.
    Bad,
    /// A thousand replicas.
    Large,
    /// Nine of twelve replicas are dead, 9 of 30 resources are ready, enough is on its way.
    Outage,
    /// As on a quiet day, but six lists in a row have failed.
    Unlisted,
}

fn id(number: u64) -> ReplicaId {
    let hash = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ReplicaId::new(&format!(
        "{:08x}-{:04x}-4{:03x}-9{:03x}-{:012x}",
        hash >> 32,
        (hash >> 16) & 0xffff,
        hash & 0xfff,
        (hash >> 20) & 0xfff,
        hash & 0xffff_ffff_ffff
    ))
}

fn name(number: u64) -> String {
    format!("gateway-{number}")
}

fn at(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

/// A number that looks like chance, from 0 to `below`.
fn chance(seed: u64, below: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d;
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x ^ (x >> 32)) % below.max(1)
}

/// Free resources of a replica, which change little by little.
fn load(number: u64, second: u64) -> u64 {
    let phase = (second as f64 / (500.0 + 37.0 * (number % 11) as f64)) + number as f64;
    let noise = chance(number + second / 120, 2) as f64;
    (3.2 + 2.6 * phase.sin() + noise).clamp(0.0, CAPACITY as f64) as u64
}

fn server(number: u64, second: u64, day: Day) -> Server {
    let is_new = match day {
        Day::Quiet | Day::Unlisted => number == 5,
        Day::Outage => number >= 12,
        Day::Bad | Day::Large => false,
    };
    let age = if is_new {
        40
    } else {
        60 + chance(number, 30_000)
    };
    let address = IpAddr::from([10, 20, (number / 250) as u8, (number % 250 + 4) as u8]);
    let running = ServerState::Running(address);
    let state = match (day, number) {
        (Day::Bad, 3) => ServerState::Failed(Failed::Error),
        (Day::Bad, 4) => ServerState::Held("rescued".to_owned()),
        (Day::Outage, 12..) | (Day::Quiet | Day::Unlisted, 5) => {
            ServerState::Creating(Creating::Building)
        }
        (Day::Large, n) if n % 130 == 11 => ServerState::Failed(Failed::Stopped),
        _ => running,
    };
    let created = CLOUD_START + second - age.min(CLOUD_START);
    Server {
        id: id(number),
        name: name(number),
        launched: matches!(state, ServerState::Running(_)).then_some(CloudTime(created + 25)),
        state,
        addresses: Vec::new(),
        locked: day == Day::Bad && number == 6,
        created: Some(CloudTime(created)),
        image: Some(
            if number % 4 == 3 {
                "image-old"
            } else {
                "image-new"
            }
            .into(),
        ),
        marks: simplescalevm::pool::Marks::default(),
    }
}

fn addresses(day: Day) -> Vec<ExternalAddress> {
    let count = if day == Day::Large { 12 } else { 4 };
    (0..count)
        .map(|n| ExternalAddress {
            id: ExternalAddressId::new(&format!("fip-{n}")),
            address: IpAddr::from([198, 51, 100, 20 + n as u8]),
            holder: match n {
                3 => Holder::Nobody,
                n => Holder::Server(id(n)),
            },
            revision: Some(1),
        })
        .collect()
}

fn probed(memory: &mut Memory, policy: &Policy, number: u64, second: u64, day: Day) {
    let outcome = match (day, number) {
        (Day::Bad, 1) | (Day::Outage, 3..) => Err(ProbeFailure::Timeout),
        (Day::Bad, 0 | 6) => Ok((0, true)),
        (Day::Bad, n) => Ok((n % 2, false)),
        (Day::Outage, _) => Ok((3, false)),
        (Day::Large, n) if n % 90 == 3 => Err(ProbeFailure::Refused),
        (Day::Large, n) if n % 60 == 5 => Ok((0, true)),
        (_, n) => Ok((load(n, second), false)),
    };
    let served = Ok(Answer {
        free: 4,
        termination: false,
    });
    let outcome = outcome.map(|(free, termination)| Answer { free, termination });
    let probe = |memory: &mut Memory, outcome, second| {
        let replica = id(number);
        let round = memory.probe_started(policy, &replica, at(second));
        let result = ProbeResult {
            replica,
            round,
            finished: at(second),
            latency: Duration::from_millis(2 + chance(number, 40)),
            outcome,
        };
        memory.probed(policy, &result);
    };
    probe(memory, served, second - 200);
    for failure in 0..4 {
        probe(memory, outcome.clone(), second - 30 + 9 * failure);
    }
}

fn policy(day: Day) -> Policy {
    Policy {
        capacity: NonZeroU64::new(CAPACITY).unwrap(),
        floor: match day {
            Day::Quiet | Day::Unlisted => 14,
            Day::Outage => 30,
            Day::Bad => 12,
            Day::Large => 2_000,
        },
        max_count: NonZeroU64::new(if day == Day::Large { 1_200 } else { 20 }),
        external_addresses: true,
        ..Policy::default()
    }
}

fn snapshot(day: Day, second: u64, count: u64) -> Snapshot {
    let policy = policy(day);
    let mut memory = Memory::default();
    let listing = |taken| Listing {
        taken: at(taken),
        cloud_time: Some(CloudTime(CLOUD_START + taken)),
        servers: {
            let mut servers: Vec<Server> = (0..count).map(|n| server(n, taken, day)).collect();
            servers.sort_by(|a, b| a.id.cmp(&b.id));
            servers
        },
        external_addresses: Some(addresses(day)),
        not_alone: std::collections::BTreeSet::new(),
    };
    memory.observe(&policy, &listing(second - 300));
    memory.observe(&policy, &listing(second - 4));
    let is_built = |number: &u64| day != Day::Outage || *number < 12;
    for number in (0..count).filter(is_built) {
        probed(&mut memory, &policy, number, second, day);
    }
    if day == Day::Bad {
        memory.fault_read(
            &id(3),
            "No valid host was found. There are not enough hosts available.",
        );
        memory.creation_sent(1, at(second - 8));
        let quota = CreateFailure {
            cause: BackoffCause::Quota,
            retry_after: Some(Duration::from_secs(95)),
            outcome_unknown: false,
        };
        memory.creation_answered(Err(quota), at(second - 8));
    }
    Snapshot {
        taken: at(second),
        cloud_clock: memory.cloud_clock(),
        last_list: memory.listed_at(),
        floor: policy.floor,
        capacity: CAPACITY,
        address_lists: Lists::default(),
        lists: Lists {
            interval: Duration::from_secs(30),
            ..Lists::default()
        },
        expected_boot: Duration::from_secs(150),
        image: Some("image-new".into()),
        max_count: policy.max_count.map(NonZeroU64::get),
        plan: plan(&policy, &memory, at(second)),
        records: memory.records().cloned().collect(),
        external_addresses: memory.external_addresses().to_vec(),
        backoff: memory.backoff(),
        incidents: Arc::new(incidents(day, second).into()),
        events: if second > 10_000 {
            Arc::new(events(day, second))
        } else {
            Arc::default()
        },
        counters: Counters {
            cycles: 840,
            created: 34,
            deleted: 29,
            ..Counters::default()
        },
        ..Snapshot::default()
    }
}

fn incidents(day: Day, second: u64) -> Vec<Incident> {
    if day != Day::Bad {
        return Vec::new();
    }
    vec![Incident {
        last: at(second - 8),
        times: 3,
        doing: "create 2 replicas (9 resources available, the floor is 12)".to_owned(),
        kind: "quota",
        error: "the servers cannot be created: POST /servers: 403 Quota exceeded for instances: \
                Requested 2, but already used 10 of 10 instances"
            .to_owned(),
    }]
}

#[expect(clippy::too_many_lines, reason = "it is a list")]
fn events(day: Day, second: u64) -> Events {
    const QUOTA: &str = "the servers cannot be created: POST /servers: 403 Quota exceeded for instances: Requested 2, but already used 10 of 10 instances";
    let mut events = Events::default();
    let subject = |number: u64| Subject {
        id: id(number),
        name: name(number).into(),
    };
    let mut keep = |ago: u64, available: (u64, u64), event: Event, text: &str| {
        let moment = second - ago;
        events.keep(Entry {
            number: 0,
            at: at(moment),
            time: Some(CloudTime(CLOUD_START + moment)),
            times: if ago == 120 { 2 } else { 1 },
            numbers: Some(Numbers {
                ready: available.0,
                available: available.0,
                available_after: available.1,
                replicas: 6,
                replicas_after: 6,
                floor: 16,
            }),
            event,
            text: text.to_owned(),
        });
    };
    let acted = |action, replica: Option<u64>, result| Event::Acted {
        action,
        sentence: String::new(),
        replica: replica.map(subject),
        outage: None,
        result,
    };
    let create = |count| Action::Create {
        count: NonZeroU64::new(count).unwrap(),
    };
    let delete = |number| {
        let action = Action::Delete {
            replica: id(number),
            reason: DeleteReason::Termination,
            after: Vec::new(),
        };
        acted(action, Some(number), Ok(()))
    };
    let became = |state| Became {
        state,
        detail: String::new(),
    };
    let created = "the floor is 16)";
    keep(
        9_200,
        (14, 22),
        acted(create(1), None, Ok(())),
        &format!("create 1 replica (14 resources available, {created}"),
    );
    keep(
        9_198,
        (22, 22),
        Event::New(
            subject(5),
            became(ReplicaState::Creating(Creating::Building)),
        ),
        "replica gateway-5: new, creating",
    );
    keep(
        9_150,
        (22, 22),
        Event::State(
            subject(5),
            "starting",
            became(ReplicaState::Serving { free: 8 }),
        ),
        "replica gateway-5: starting -> serving (8 free)",
    );
    let done_itself = "(termination: it reported termination=true)";
    keep(
        4_020,
        (25, 25),
        delete(31),
        &format!("delete gateway-31 {done_itself}"),
    );
    let moved = Action::MoveAddress {
        address: addresses(day)[0].clone(),
        from: Some(id(31)),
        to: id(2),
        reason: MoveReason::HolderGoes(DeleteReason::Termination),
    };
    keep(
        2_411,
        (25, 25),
        acted(moved, Some(2), Ok(())),
        "move 198.51.100.22 from gateway-31 to gateway-2 (its holder is to be deleted, termination: it reported termination=true)",
    );
    keep(
        2_410,
        (25, 25),
        delete(30),
        &format!("delete gateway-30 {done_itself}"),
    );
    keep(
        1_310,
        (15, 23),
        acted(create(1), None, Ok(())),
        &format!("create 1 replica (15 resources available, {created}"),
    );
    if day == Day::Bad {
        let silent = ReplicaState::Unreachable {
            since: at(second - 300),
        };
        keep(
            300,
            (18, 10),
            Event::State(subject(1), "serving", became(silent)),
            "replica gateway-1: serving -> unreachable (3 probes failed: no whole answer within REPLICA_API_TIMEOUT)",
        );
        let failure = Failure {
            kind: "quota",
            error: QUOTA.to_owned(),
        };
        keep(
            120,
            (9, 9),
            acted(create(2), None, Err(failure)),
            "create 2 replicas (9 resources available, the floor is 12)",
        );
        let why = CreateBlock::Backoff {
            cause: BackoffCause::Quota,
            until: at(second + 95),
        };
        keep(
            118,
            (9, 9),
            Event::Blocked(Blocked::Create { count: 2, why }, None, Duration::ZERO),
            "creation of 2 replicas on hold until 14:59:48Z: the project's quota is used up (failure 2 in a row)",
        );
    }
    events
}

/// Counts on to a snapshot; while the daemon was off, nothing was counted.
fn counted(supply: &mut Supply, snapshot: &Snapshot) -> Supply {
    if snapshot.taken == at(8_400) {
        *supply = Supply::default();
    }
    let (assessment, floor) = (&snapshot.plan.assessment, snapshot.floor);
    supply.take(assessment, floor, true, snapshot.taken);
    *supply
}

/// Starts a server that shows such a day; it ends with the guard.
pub(crate) fn serve(day: Day) -> StatusServer {
    let end = HOURS * 3_600;
    let shared = Arc::new(Board::default());
    let step = if day == Day::Large { 180 } else { 10 };
    let mut supply = Supply::default();
    for second in (600..end).step_by(step) {
        let wave = (second as f64 / 3_000.0).sin() * 2.5;
        let count = match day {
            Day::Large => (920.0 + wave * 30.0) as u64,
            Day::Bad if second + 1_500 > end => 3,
            Day::Outage if second + 120 > end => 15,
            Day::Outage => 12,
            _ => (8.0 + wave).round() as u64,
        };
        // Two hours in, the daemon was off for a while.
        if !(7_200..8_400).contains(&second) {
            let was = match day {
                Day::Outage if second + 120 > end => day,
                Day::Bad | Day::Outage => Day::Quiet,
                Day::Quiet | Day::Large | Day::Unlisted => day,
            };
            let mut past = snapshot(was, second, count);
            past.floor = policy(day).floor;
            past.supply = counted(&mut supply, &past);
            shared.publish(Arc::new(past));
        }
    }
    let count = match day {
        Day::Quiet | Day::Unlisted => 7,
        Day::Outage => 15,
        Day::Bad => 9,
        Day::Large => 1_000,
    };
    let mut last = snapshot(day, end, count);
    last.supply = counted(&mut supply, &last);
    if day == Day::Unlisted {
        last.lists.failures = 6;
        last.lists.failing_since = Some(at(end - 58));
        last.last_list = Some(at(end - 62));
    }
    shared.publish(Arc::new(last));
    shared.heartbeat(at(end));
    let settings = [
        ("APP_PORT", "8000"),
        ("REPLICA_CAPACITY", "8"),
        ("REPLICA_MIN_AVAILABLE_RESOURCES", "16"),
        ("SCALING_INTERVAL", "30"),
        ("PROBE_INTERVAL", "5"),
        ("OPENSTACK_IMAGE", "gateway-2026-02"),
        ("OPENSTACK_FLAVOR", "d2-8"),
        ("OPENSTACK_NETWORK", "internal"),
        ("OS_AUTH_URL", "https://auth.cloud.ovh.net/v3"),
        ("OS_PASSWORD", "(secret)"),
        ("EXTERNAL_ADDRESS_MANAGEMENT", "true"),
        ("OPENSTACK_KEYPAIR", ""),
    ];
    let facts = DaemonInfo {
        version: "4.0.0",
        provider: "openstack",
        settings: settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        server: StatusSettings {
            host: "127.0.0.1".to_owned(),
            ..StatusSettings::default()
        },
        max_connections: 64,
        healthy_within: Duration::from_secs(150),
        pool: "gateway".to_owned(),
        wall_clock: || CloudTime(CLOUD_START),
        log_lines_dropped: || 0,
    };
    let clock = Arc::new(move || at(end + 3));
    StatusServer::start(shared, facts, clock).unwrap()
}
