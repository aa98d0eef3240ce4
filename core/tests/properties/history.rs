//! Arbitrary histories of a pool: what the cloud lists, what replicas answer, what was asked for.

use proptest::prelude::*;
use simplescalevm_core::{
    Accepted, Answer, BackoffCause, CloudTime, CreateFailure, Creating, DeleteReason,
    ExternalAddress, ExternalAddressId, Failed, Holder, Listing, Memory, Moment, Policy,
    ProbeFailure, ProbeResult, ReplicaId, Server, ServerState,
};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU64;
use std::time::Duration;

const FIRST_LIST: i64 = 1_000_000;

/// How many different servers a history knows.
pub(crate) const SERVERS: usize = 7;

#[derive(Debug, Clone)]
pub(crate) enum Event {
    Wait(Duration),
    List {
        servers: Vec<Option<Shown>>,
        holders: Vec<Holder>,
        with_time: bool,
    },
    Probed {
        server: usize,
        outcome: Result<Answer, ProbeFailure>,
        late: bool,
    },
    Created {
        count: u64,
        outcome: Result<(), CreateFailure>,
    },
    Deleted {
        server: usize,
        reason: DeleteReason,
    },
}

/// A server as a list shows it; times are seconds before and after the first list.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    state: ServerState,
    addressed: bool,
    locked: bool,
    created: Option<i32>,
    launched: Option<i32>,
}

pub(crate) fn id(server: usize) -> ReplicaId {
    ReplicaId::new(&format!("s{server}"))
}

fn address(server: usize) -> IpAddr {
    let last = u8::try_from(server + 1).unwrap_or(u8::MAX);
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

pub(crate) fn policies() -> impl Strategy<Value = Policy> {
    let seconds = |range: std::ops::Range<u64>| range.prop_map(Duration::from_secs);
    (
        (1..5_u64, 0..20_u64, 0..12_u64, 1..4_u32, 1..4_u32),
        (
            seconds(0..400),
            seconds(0..20),
            prop::option::of(seconds(1..1_000)),
            prop::option::of(seconds(1..1_000)),
        ),
        (any::<bool>(), 0..6_u64),
    )
        .prop_map(
            |((capacity, floor, max, threshold, confirmations), times, (addresses, creating))| {
                Policy {
                    capacity: NonZeroU64::MIN.saturating_add(capacity - 1),
                    capacity_limit: NonZeroU64::MAX,
                    floor,
                    max_count: NonZeroU64::new(max),
                    max_creating: NonZeroU64::new(creating),
                    failure_threshold: threshold,
                    termination_confirmations: confirmations,
                    startup_grace: times.0,
                    settles_after_start: times.1,
                    startup_timeout: times.2,
                    unreachable_timeout: times.3,
                    probe_interval: Duration::from_secs(5),
                    external_addresses: addresses,
                }
            },
        )
}

pub(crate) fn histories() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        2 => waits(),
        4 => lists(),
        8 => probes(),
        1 => creations(),
        1 => (0..SERVERS, reasons()).prop_map(|(server, reason)| Event::Deleted { server, reason }),
    ];
    prop::collection::vec(event, 1..60)
}

fn waits() -> impl Strategy<Value = Event> {
    prop_oneof![0..2_000_u64, 0..60_000_u64, 0..1_200_000_u64]
        .prop_map(|ms| Event::Wait(Duration::from_millis(ms)))
}

fn states() -> impl Strategy<Value = ServerState> {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    prop_oneof![
        10 => Just(ServerState::Running(address)),
        1 => Just(ServerState::Leaving),
        2 => Just(ServerState::Creating(Creating::Building)),
        1 => Just(ServerState::Creating(Creating::NoAddress)),
        1 => Just(ServerState::Failed(Failed::Error)),
        1 => Just(ServerState::Failed(Failed::Stopped)),
        1 => Just(ServerState::Held("shelved".to_owned())),
        1 => Just(ServerState::Unknown),
    ]
}

fn lists() -> impl Strategy<Value = Event> {
    let time = || prop::option::weighted(0.9, -2_000..3_000_i32);
    let (locked, addressed) = (prop::bool::weighted(0.1), prop::bool::weighted(0.7));
    let shown = (states(), addressed, locked, time(), time()).prop_map(
        |(state, addressed, locked, created, launched)| Shown {
            state,
            addressed,
            locked,
            created,
            launched,
        },
    );
    let holder = prop_oneof![
        2 => Just(Holder::Nobody),
        1 => Just(Holder::Stranger),
        6 => (0..SERVERS + 2).prop_map(|n| Holder::Server(id(n))),
    ];
    (
        prop::collection::vec(prop::option::weighted(0.8, shown), SERVERS),
        prop::collection::vec(holder, 0..5),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(servers, holders, with_time)| Event::List {
            servers,
            holders,
            with_time,
        })
}

fn probes() -> impl Strategy<Value = Event> {
    let free = prop_oneof![8 => 0..4_u64, 1 => Just(u64::MAX)];
    let outcome = prop_oneof![
        3 => (free, prop::bool::weighted(0.3))
            .prop_map(|(free, termination)| Ok(Answer { free, termination })),
        3 => Just(Err(ProbeFailure::Timeout)),
    ];
    (0..SERVERS, outcome, prop::bool::weighted(0.1)).prop_map(|(server, outcome, late)| {
        Event::Probed {
            server,
            outcome,
            late,
        }
    })
}

fn creations() -> impl Strategy<Value = Event> {
    let cause = prop::sample::select(vec![
        BackoffCause::Quota,
        BackoffCause::Rejected,
        BackoffCause::CloudFailure,
        BackoffCause::RateLimited,
    ]);
    let wish = prop::option::of(any::<u64>().prop_map(Duration::from_secs));
    let failure = (cause, wish, any::<bool>()).prop_map(|(cause, retry_after, outcome_unknown)| {
        CreateFailure {
            cause,
            retry_after,
            outcome_unknown,
        }
    });
    let count = prop_oneof![4 => 1..5_u64, 1 => Just(u64::MAX)];
    (count, prop_oneof![Just(Ok(())), failure.prop_map(Err)])
        .prop_map(|(count, outcome)| Event::Created { count, outcome })
}

fn reasons() -> impl Strategy<Value = DeleteReason> {
    prop::sample::select(vec![
        DeleteReason::Error,
        DeleteReason::Stopped,
        DeleteReason::Termination,
        DeleteReason::StartupTimeout,
        DeleteReason::UnreachableTimeout,
    ])
}

/// The cloud's clock.
pub(crate) fn cloud_time(now: Moment) -> CloudTime {
    CloudTime(FIRST_LIST.unsigned_abs() + now.0.as_secs())
}

/// A list as the scaler gets it.
pub(crate) fn listing(event: &Event, now: Moment) -> Option<Listing> {
    let Event::List {
        servers,
        holders,
        with_time,
    } = event
    else {
        return None;
    };
    let time = |seconds: i32| {
        CloudTime(u64::try_from(FIRST_LIST + i64::from(seconds)).unwrap_or_default())
    };
    let servers = servers
        .iter()
        .enumerate()
        .filter_map(|(n, shown)| {
            let shown = shown.as_ref()?;
            Some(Server {
                id: id(n),
                name: "server".to_owned(),
                state: match shown.state {
                    ServerState::Running(_) => ServerState::Running(address(n)),
                    ref other => other.clone(),
                },
                addresses: shown.addressed.then(|| address(n)).into_iter().collect(),
                locked: shown.locked,
                created: shown.created.map(time),
                launched: shown.launched.map(time),
                image: None,
                marks: simplescalevm_core::Marks::default(),
            })
        })
        .collect();
    let external = |(n, holder): (usize, &Holder)| ExternalAddress {
        id: ExternalAddressId::new(&format!("f{n}")),
        address: IpAddr::V4(Ipv4Addr::BROADCAST),
        holder: holder.clone(),
        revision: None,
    };
    Some(Listing {
        taken: now,
        cloud_time: with_time.then(|| cloud_time(now)),
        servers,
        external_addresses: Some(holders.iter().enumerate().map(external).collect()),
        not_alone: std::collections::BTreeSet::new(),
    })
}

/// Tells a memory of an event that is no list. Returns whether it took place: a replica that the
/// memory would not ask is not asked.
pub(crate) fn tell(memory: &mut Memory, policy: &Policy, event: &Event, now: Moment) -> bool {
    match event {
        Event::Probed {
            server,
            outcome,
            late,
        } => {
            let is_asked = memory
                .record(&id(*server))
                .is_some_and(|r| r.probe_address().is_some() && r.delete_accepted.is_none());
            if !is_asked {
                return false;
            }
            let round = memory.probe_started(policy, &id(*server), now);
            let result = ProbeResult {
                replica: id(*server),
                round: if *late { round - 1 } else { round },
                finished: now,
                latency: Duration::ZERO,
                outcome: outcome.clone(),
            };
            memory.probed(policy, &result);
        }
        Event::Created { count, outcome } => {
            memory.creation_sent(*count, now);
            let outcome = (*outcome).map(|()| Accepted::default());
            memory.creation_answered(outcome, now);
        }
        Event::Deleted { server, reason } => {
            memory.deletion_accepted(&id(*server), *reason, now);
        }
        Event::Wait(_) | Event::List { .. } => {}
    }
    true
}
