//! A pool in which about everything that can happen has happened.

use simplescalevm::pool::{
    Action, Answer, BackoffCause, Became, CloudErrorKind, CloudTime, Counters, CreateFailure,
    Creating, DeleteReason, Doing, Entry, Event, Events, ExternalAddress, ExternalAddressId,
    Failed, Failure, Holder, Incident, Listing, Lists, Memory, Moment, Numbers, Policy,
    ProbeFailure, ProbeResult, ReplicaId, ReplicaState, Server, ServerState, Snapshot, Subject,
    Supply, Unprepared, plan,
};
use simplescalevm::status::{DaemonInfo, StatusSettings};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// 2026-03-01T12:00:00Z, at the start of the process.
const CLOUD_START: u64 = 1_772_366_400;

pub(crate) fn facts() -> DaemonInfo {
    DaemonInfo {
        version: "4.0.0-test",
        provider: "openstack",
        settings: vec![
            ("OS_PASSWORD".to_owned(), "(secret)".to_owned()),
            ("APP_PORT".to_owned(), "8000".to_owned()),
        ],
        server: StatusSettings {
            host: "127.0.0.1".to_owned(),
            ..StatusSettings::default()
        },
        max_connections: 64,
        healthy_within: Duration::from_secs(60),
        pool: "gateway".to_owned(),
        wall_clock: || CloudTime(CLOUD_START + 5_000),
        log_lines_dropped: || 0,
    }
}

fn at(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

fn id(id: &str) -> ReplicaId {
    ReplicaId::new(id)
}

fn address(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

fn server(name: &str, state: ServerState, created: u64) -> Server {
    Server {
        id: id(&format!("id-{name}")),
        name: name.to_owned(),
        launched: matches!(state, ServerState::Running(_)).then(|| CloudTime(created + 20)),
        addresses: match state {
            ServerState::Running(address) => vec![address],
            _ => Vec::new(),
        },
        state,
        locked: name == "locked",
        created: Some(CloudTime(created)),
        image: Some(
            if name == "full" {
                "image-old"
            } else {
                "image-new"
            }
            .into(),
        ),
        marks: simplescalevm::pool::Marks::default(),
    }
}

fn floating_ip(number: u8, holder: Holder) -> ExternalAddress {
    ExternalAddress {
        id: ExternalAddressId::new(&format!("fip-{number}")),
        address: IpAddr::from([203, 0, 113, number]),
        holder,
        revision: Some(7),
    }
}

fn listing(taken: u64) -> Listing {
    let old = CLOUD_START - 86_400;
    let running = |number| ServerState::Running(address(number));
    Listing {
        not_alone: std::collections::BTreeSet::new(),
        taken: at(taken),
        cloud_time: Some(CloudTime(CLOUD_START + taken)),
        servers: vec![
            server(
                "building",
                ServerState::Creating(Creating::Building),
                CLOUD_START + taken,
            ),
            server(
                "crashed",
                ServerState::Failed(Failed::Error),
                CLOUD_START + 100,
            ),
            server("done", running(1), old),
            server("full", running(7), old),
            server("held", ServerState::Held("rescued".to_owned()), old),
            server("leaving", ServerState::Leaving, old),
            server("locked", running(2), old),
            server("serving", running(3), old),
            server("silent", running(4), old),
            server("starting", running(5), CLOUD_START + taken - 60),
            server("<b>\"\n\u{202e}&\\", running(6), old),
        ],
        external_addresses: Some(vec![
            floating_ip(1, Holder::Server(id("id-done"))),
            floating_ip(2, Holder::Server(id("id-silent"))),
            floating_ip(3, Holder::Nobody),
            floating_ip(4, Holder::Stranger),
            floating_ip(5, Holder::Server(id("id-of-another-pool"))),
            floating_ip(6, Holder::Server(id("id-full"))),
        ]),
    }
}

fn probe(
    memory: &mut Memory,
    policy: &Policy,
    name: &str,
    outcome: Result<Answer, ProbeFailure>,
    end: u64,
) {
    let replica = id(&format!("id-{name}"));
    let round = memory.probe_started(policy, &replica, at(end - 1));
    memory.probed(
        policy,
        &ProbeResult {
            replica,
            round,
            finished: at(end),
            latency: Duration::from_micros(12_345),
            outcome,
        },
    );
}

#[expect(clippy::unnecessary_wraps, reason = "it stands beside failures")]
fn answer(free: u64, termination: bool) -> Result<Answer, ProbeFailure> {
    Ok(Answer { free, termination })
}

fn bad_value() -> ProbeFailure {
    ProbeFailure::BadValue {
        key: "capacity".to_owned(),
        value: "\"<script>\u{7}\"".to_owned(),
    }
}

pub(crate) fn rich() -> Snapshot {
    let policy = Policy {
        floor: 10,
        external_addresses: true,
        ..Policy::default()
    };
    let mut memory = Memory::default();
    memory.observe(&policy, &listing(0));
    memory.observe(&policy, &listing(1_300));
    probe(&mut memory, &policy, "done", answer(1, false), 1_302);
    for second in [1_389, 1_390] {
        probe(&mut memory, &policy, "done", answer(0, true), second);
    }
    probe(&mut memory, &policy, "full", answer(0, false), 1_302);
    probe(&mut memory, &policy, "full", answer(0, false), 1_391);
    probe(&mut memory, &policy, "locked", answer(1, false), 1_302);
    for second in [1_389, 1_390] {
        probe(&mut memory, &policy, "locked", answer(0, true), second);
    }
    probe(&mut memory, &policy, "serving", answer(1, false), 1_391);
    probe(
        &mut memory,
        &policy,
        "<b>\"\n\u{202e}&\\",
        Err(bad_value()),
        1_392,
    );
    probe(&mut memory, &policy, "starting", answer(0, true), 1_393);
    probe(&mut memory, &policy, "silent", answer(0, false), 1_301);
    for second in 1_380..1_384 {
        probe(
            &mut memory,
            &policy,
            "silent",
            Err(ProbeFailure::Timeout),
            second,
        );
    }
    memory.fault_read(&id("id-crashed"), "No valid host was found.");
    memory.creation_sent(1, at(1_394));
    let quota = CreateFailure {
        cause: BackoffCause::Quota,
        retry_after: None,
        outcome_unknown: false,
    };
    memory.creation_answered(Err(quota), at(1_394));
    memory.deletion_accepted(&id("id-leaving"), DeleteReason::Stopped, at(1_310));
    snapshot(&policy, &memory)
}

/// So many replicas that answer.
pub(crate) fn large(count: usize) -> Snapshot {
    let policy = Policy::default();
    let mut memory = Memory::default();
    let old = CLOUD_START - 86_400;
    let servers = (0..count).map(|n| {
        let state = ServerState::Running(address(u8::try_from(n % 250).unwrap()));
        server(&format!("{n:06}"), state, old)
    });
    let listing = Listing {
        servers: servers.collect(),
        external_addresses: Some(Vec::new()),
        ..listing(1)
    };
    memory.observe(&policy, &listing);
    let mut supply = Supply::default();
    let plan = plan(&policy, &memory, at(1));
    supply.take(&plan.assessment, 0, true, at(1));
    Snapshot {
        taken: at(1),
        last_list: Some(at(0)),
        cloud_clock: memory.cloud_clock(),
        capacity: policy.capacity.get(),
        supply,
        plan,
        records: memory.records().cloned().collect(),
        ..Snapshot::default()
    }
}

fn snapshot(policy: &Policy, memory: &Memory) -> Snapshot {
    let now = at(1_395);
    let plan = plan(policy, memory, now);
    let mut supply = Supply::default();
    for second in [1_000, 1_395] {
        supply.take(&plan.assessment, policy.floor, true, at(second));
    }
    Snapshot {
        foreign: 0,
        taken: now,
        cloud_clock: memory.cloud_clock(),
        last_list: Some(at(1_390)),
        floor: policy.floor,
        capacity: policy.capacity.get(),
        max_count: Some(20),
        supply,
        address_lists: Lists::default(),
        lists: Lists {
            interval: Duration::from_secs(30),
            failures: 2,
            failing_since: Some(at(1_392)),
        },
        expected_boot: Duration::from_secs(90),
        image: Some("image-new".into()),
        plan,
        records: memory.records().cloned().collect(),
        external_addresses: memory.external_addresses().to_vec(),
        backoff: memory.backoff(),
        last_fault: memory.last_fault().cloned(),
        unprepared: Some(Unprepared {
            since: at(1_300),
            kind: CloudErrorKind::Lookup,
            error: "OPENSTACK_IMAGE=Debian 11: there is no image of that name or id".into(),
        }),
        shrunken_list: None,
        incidents: Arc::new(
            [Incident {
                last: at(1_200),
                times: 3,
                doing: "list the pool".to_owned(),
                kind: "server",
                error: "GET /servers/detail: 503".to_owned(),
            }]
            .into(),
        ),
        events: Arc::new(events()),
        counters: Counters {
            cycles: 40,
            failed_cycles: 3,
            created: 12,
            deleted: 5,
            moved: 2,
        },
    }
}

fn events() -> Events {
    let mut events = Events::default();
    let numbers = Numbers {
        ready: 1,
        available: 2,
        available_after: 1,
        replicas: 11,
        replicas_after: 10,
        floor: 10,
    };
    let subject = |id_of: &str, name: &str| Subject {
        id: id(id_of),
        name: name.into(),
    };
    let entry = |second: u64, event: Event, text: &str| Entry {
        number: 0,
        at: at(second),
        time: Some(CloudTime(CLOUD_START + second)),
        event,
        text: text.to_owned(),
        times: 1,
        numbers: Some(numbers),
    };
    let deleted = Event::Acted {
        action: Action::Delete {
            replica: id("id-gone"),
            reason: DeleteReason::Termination,
            after: Vec::new(),
        },
        sentence: "delete gone".to_owned(),
        replica: Some(subject("id-gone", "<img src=x onerror=alert(1)>")),
        outage: None,
        result: Ok(()),
    };
    events.keep(entry(1_310, deleted, "delete gone"));
    let failure = Failure {
        kind: "server",
        error: "GET /servers/detail: 503".to_owned(),
    };
    events.keep(Entry {
        time: None,
        times: 4,
        numbers: None,
        ..entry(1_200, Event::Failed(Doing::List, failure), "list the pool")
    });
    let became = Became {
        state: ReplicaState::Unreachable { since: at(1_394) },
        detail: String::new(),
    };
    events.keep(entry(
        1_394,
        Event::State(subject("id-silent", "silent"), "serving", became),
        "replica silent: serving -> unreachable",
    ));
    events
}
