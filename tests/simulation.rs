//! Histories of a pool under faults, each drawn from a seed. See `docs/SIMULATION.md`.

#[path = "simulation/mod.rs"]
mod simulation;

use simulation::{Options, churn, minimise, run};

/// How many histories are run without optimisation; `make test` runs 2,000 with it.
const HISTORIES: u64 = 100;

#[test]
fn the_same_seed_is_the_same_history_byte_for_byte() {
    let options = Options {
        trace: true,
        ..Options::default()
    };
    let (first, second) = (run(3, options), run(3, options));
    assert!(first.trace.len() > 1_000);
    assert_eq!(first.trace, second.trace);
    let silent = run(3, Options::default());
    assert_eq!(
        (first.digest, first.figures),
        (silent.digest, silent.figures)
    );
}

#[test]
fn what_is_remembered_does_not_grow_as_replicas_come_and_go() {
    let report = churn(1, 1);
    assert!(report.found.is_none(), "{}", report.tell(0));
    assert!(report.figures.created > 500, "{:?}", report.figures);
    let (early, late) = report.sizes.split_at(report.sizes.len() * 3 / 4);
    let (early, late) = (early.iter().max(), late.iter().max());
    assert!(
        late < early.map(|size| size * 5 / 4).as_ref(),
        "{early:?} {late:?}"
    );
}

#[test]
fn every_invariant_holds_in_every_history() {
    let failed: Vec<u64> = std::thread::scope(|scope| {
        let half = |first: u64| {
            move || {
                let seeds = (first..HISTORIES).step_by(2);
                let fails = |seed: &u64| run(*seed, Options::default()).found.is_some();
                seeds.filter(fails).take(3).collect::<Vec<u64>>()
            }
        };
        let other = scope.spawn(half(1));
        let mut failed = half(0)();
        failed.extend(other.join().expect("a history panicked"));
        failed
    });
    if let Some(seed) = failed.first() {
        let options = Options {
            trace: true,
            ..Options::default()
        };
        panic!(
            "seeds {failed:?} fail\n{}",
            minimise(*seed, options).tell(60)
        );
    }
}
