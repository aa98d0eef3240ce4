//! Replays one history (`SEED=7`), or runs many (`HISTORIES=200000`, from `FIRST` on).
//! `make simulate` builds and runs it.

#![allow(clippy::expect_used, reason = "a tool for people, which may stop")]

#[path = "../tests/simulation/mod.rs"]
mod simulation;

use simulation::{Figures, Invariant, Options, Report, churn, minimise, run};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

#[expect(
    clippy::disallowed_methods,
    reason = "a tool for people, who set it so"
)]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn replay(seed: u64) -> ExitCode {
    let options = Options {
        trace: true,
        ..Options::default()
    };
    let report = run(seed, options);
    print!("{}", report.tell(usize::MAX));
    if report.found.is_none() {
        return ExitCode::SUCCESS;
    }
    let least = minimise(seed, options);
    println!("\nreduced to the faults {}", least.scenario.faults.names());
    println!("{}", least.tell(80));
    ExitCode::FAILURE
}

#[derive(Default)]
struct Sum {
    histories: u64,
    figures: Figures,
    simulated_ms: u64,
    longest_recovery_ms: u64,
    failed: BTreeMap<String, Vec<u64>>,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        let (all, one) = (&mut self.figures, report.figures);
        self.histories += 1;
        self.simulated_ms += report.simulated_ms;
        self.longest_recovery_ms = self.longest_recovery_ms.max(report.recovered_ms);
        all.add(&one);
        if let Some(found) = &report.found {
            let seeds = self
                .failed
                .entry(format!("{:?}", found.invariant))
                .or_default();
            seeds.push(report.seed);
        }
    }
}

fn many(first: u64, histories: u64, threads: u64) -> ExitCode {
    let next = AtomicU64::new(first);
    #[expect(
        clippy::disallowed_methods,
        reason = "how long it took is for people only"
    )]
    let begun = Instant::now();
    // Only to show that `Surplus` notices by itself what `Storm` notices sooner.
    let without_storm = setting("WITHOUT_STORM").is_some();
    let worker = || {
        let mut sum = Sum::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + histories {
                return sum;
            }
            let options = Options {
                ignore: without_storm.then_some(Invariant::Storm),
                ..Options::default()
            };
            sum.add(&run(seed, options));
        }
    };
    let mut all = Sum::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            let sum = worker.join().expect("a history panicked");
            all.histories += sum.histories;
            all.simulated_ms += sum.simulated_ms;
            all.longest_recovery_ms = all.longest_recovery_ms.max(sum.longest_recovery_ms);
            all.figures.add(&sum.figures);
            for (invariant, seeds) in sum.failed {
                all.failed.entry(invariant).or_default().extend(seeds);
            }
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    let days = all.simulated_ms / 86_400_000;
    let longest = all.longest_recovery_ms / 1_000;
    println!(
        "{} histories, {days} simulated days, {seconds:.1} s",
        all.histories
    );
    println!("longest recovery after the last fault: {longest} s");
    println!("{:?}", all.figures);
    for (invariant, seeds) in &mut all.failed {
        seeds.sort_unstable();
        let shown = &seeds[..seeds.len().min(12)];
        println!("VIOLATED {invariant}: {} seeds, {shown:?}", seeds.len());
    }
    ExitCode::from(u8::from(!all.failed.is_empty()))
}

/// A long history: what is remembered at its end must not be more than early on.
fn long(days: u64) -> ExitCode {
    let report = churn(1, days);
    let three_quarters = report.sizes.len() * 3 / 4;
    let most = |sizes: &[usize]| sizes.iter().copied().max().unwrap_or_default();
    let (early, late) = report.sizes.split_at(three_quarters);
    let (early, late) = (most(early), most(late));
    println!("{}", report.tell(0));
    println!("size of all that is remembered: {early} early on, {late} later");
    let grows = late > early + early / 4;
    ExitCode::from(u8::from(report.found.is_some() || grows))
}

fn main() -> ExitCode {
    if let Some(days) = setting("DAYS") {
        return long(days);
    }
    if let Some(seed) = setting("SEED") {
        return replay(seed);
    }
    let histories = setting("HISTORIES").unwrap_or(2_000);
    many(
        setting("FIRST").unwrap_or(0),
        histories,
        setting("THREADS").unwrap_or(2),
    )
}
