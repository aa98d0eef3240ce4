//! How long the pure core takes, and how much memory a replica takes, by the size of the pool.
//!
//! `cargo run --release --example core_speed`; `make bench` runs it. The least of several trials,
//! since other work on the machine can only add.

#![allow(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use simplescalevm::pool::{
    Answer, CloudTime, ExternalAddress, ExternalAddressId, Holder, Listing, Memory, Moment, Policy,
    ProbeResult, ReplicaId, Server, ServerState, plan, violations,
};
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

const SIZES: [u32; 3] = [1_000, 10_000, 100_000];
const TRIALS: usize = 15;

fn main() {
    println!(
        "replicas  plan_ms  check_ms  list_ms  round_us_per_probe  idle_turn_us  bytes_per_replica"
    );
    for size in SIZES {
        measure(size);
    }
}

/// A pool in which everything occurs: a tenth is silent, a hundredth done; twenty addresses.
fn listing(size: u32, now: Moment) -> Listing {
    let id = |n: u32| ReplicaId::new(&format!("{n:08x}-7e35-4c1d-9a55-{n:012x}"));
    let servers = (0..size).map(|n| Server {
        id: id(n.reverse_bits()),
        name: format!("server-{n}"),
        state: ServerState::Running(Ipv4Addr::from(0x7f00_0001 + n).into()),
        addresses: vec![Ipv4Addr::from(0x7f00_0001 + n).into()],
        locked: n % 1_000 == 0,
        created: Some(CloudTime(1_000)),
        launched: Some(CloudTime(1_010)),
        image: None,
        marks: simplescalevm::pool::Marks::default(),
    });
    Listing {
        not_alone: std::collections::BTreeSet::new(),
        taken: now,
        cloud_time: Some(CloudTime(100_000)),
        servers: servers.collect(),
        external_addresses: Some(
            (0..20)
                .map(|n| ExternalAddress {
                    id: ExternalAddressId::new(&format!("address-{n}")),
                    address: Ipv4Addr::new(192, 0, 2, n).into(),
                    holder: Holder::Server(id((u32::from(n) * 10).reverse_bits())),
                    revision: Some(1),
                })
                .collect(),
        ),
    }
}

/// One round of probes: all that are due are handed over, and all answer.
fn round(memory: &mut Memory, policy: &Policy, now: Moment) -> u32 {
    let mut rounds = Vec::new();
    loop {
        let due = memory.due_probes(now);
        if due.is_empty() {
            break;
        }
        for target in due {
            let round = memory.probe_started(policy, &target.replica, now);
            rounds.push((target, round));
        }
    }
    let mut probes = 0;
    for (index, (target, round)) in rounds.into_iter().enumerate() {
        let failed = Err(simplescalevm::pool::ProbeFailure::Timeout);
        let answer = Answer {
            free: 1,
            termination: index % 100 == 1,
        };
        let result = ProbeResult {
            replica: target.replica,
            round,
            finished: now,
            latency: Duration::ZERO,
            outcome: if index % 10 == 0 { failed } else { Ok(answer) },
        };
        black_box(memory.probed(policy, &result));
        black_box(memory.next_probe());
        probes += 1;
    }
    probes
}

fn measure(size: u32) {
    let policy = Policy {
        floor: u64::from(size),
        capacity: NonZeroU64::MIN,
        external_addresses: true,
        ..Policy::default()
    };
    let at = |seconds: u64| Moment(Duration::from_secs(seconds));
    let list = listing(size, at(1));
    let resident = resident_bytes();
    let mut memory = Memory::default();
    memory.observe(&policy, &list);
    let bytes = resident_bytes().saturating_sub(resident) / u64::from(size);
    // Until the silent have been silent for long enough, nothing is to be done.
    for second in (10..100).step_by(10) {
        round(&mut memory, &policy, at(second));
        memory.observe(&policy, &listing(size, at(second)));
    }
    let mut probes = 0;
    let (mut rounds, mut lists, mut turns) = (vec![], vec![], vec![]);
    let (mut plans, mut checks) = (vec![], vec![]);
    for trial in 0..TRIALS {
        let now = at(100 + 10 * trial as u64);
        rounds.push(timed(|| {
            probes = round(&mut memory, &policy, now);
        }));
        let list = listing(size, now);
        lists.push(timed(|| memory.observe(&policy, &list)));
        let repeat = (400_000 / size).max(1);
        plans.push(busy(repeat, || {
            let plan = plan(&policy, &memory, now);
            assert!(!plan.actions.is_empty());
        }));
        let plan = plan(&policy, &memory, now);
        checks.push(busy(repeat, || {
            let broken = violations(&policy, &memory, &plan, now);
            assert!(broken.is_empty(), "{broken:?}");
        }));
        turns.push(timed(|| {
            for _ in 0..1_000 {
                black_box(memory.due_probes(now));
                black_box(memory.next_probe());
            }
        }));
    }
    let per_probe = least(rounds) * 1e6 / f64::from(probes);
    println!(
        "{size:>8}  {:>7.2}  {:>8.2}  {:>7.2}  {per_probe:>18.2}  {:>12.3}  {bytes:>17}",
        least(plans) * 1e3,
        least(checks) * 1e3,
        least(lists) * 1e3,
        least(turns) * 1e3,
    );
}

fn least(values: Vec<f64>) -> f64 {
    values.into_iter().fold(f64::INFINITY, f64::min)
}

/// How long it took, in seconds.
#[expect(clippy::disallowed_methods, reason = "this is a stopwatch")]
fn timed<T>(what: impl FnOnce() -> T) -> f64 {
    let began = Instant::now();
    black_box(what());
    began.elapsed().as_secs_f64()
}

/// The CPU time of one of so many repetitions, in seconds: the kernel counts it in steps.
fn busy(repeat: u32, what: impl Fn()) -> f64 {
    let cpu_ns = || -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let before = cpu_ns();
    for _ in 0..repeat {
        what();
    }
    Duration::from_nanos(cpu_ns() - before).as_secs_f64() / f64::from(repeat)
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}
