//! Hostile input: every place that reads bytes from outside, with mutations of a kept corpus.
//!
//! `FUZZ_SECONDS` per target (2 unless set), `FUZZ_SEED` (1). `make fuzz` takes a minute and a new seed. An input that breaks
//! a promise is made smaller, written to a file and named; put it in `tests/fuzz/corpus/TARGET` with the fix.
//! `fuzz/` has the same targets for libFuzzer, which found most of the corpus.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test fails by panicking, runs for a time, and shares its targets with another crate"
)]

#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/targets/mod.rs"]
mod targets;

use mutate::{Rng, mutate};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

type Check = fn(&[u8]);

/// So much of a core may one input cost, in a debug build. Far from what any of them needs, near to what a loop without end would.
const MAX_CPU: Duration = Duration::from_secs(20);

fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.map_or(default, |value| value.parse().unwrap())
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let files = std::fs::read_dir(directory.join(target)).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// The CPU time of this thread.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// Whether an input breaks a promise.
fn breaks(check: Check, input: &[u8]) -> bool {
    let before = cpu();
    let held = catch_unwind(AssertUnwindSafe(|| check(input))).is_ok();
    !held || cpu().saturating_sub(before) > MAX_CPU
}

/// Takes parts away for as long as it still breaks.
fn smaller(check: Check, input: &[u8]) -> Vec<u8> {
    let mut input = input.to_vec();
    let mut part = input.len() / 2;
    let end = Instant::now() + Duration::from_secs(20);
    while part > 0 && Instant::now() < end {
        let mut at = 0;
        while at < input.len() && Instant::now() < end {
            let mut less = input.clone();
            less.drain(at..(at + part).min(input.len()));
            if breaks(check, &less) {
                input = less;
            } else {
                at += part;
            }
        }
        part /= 2;
    }
    input
}

fn fuzz(target: &str, check: Check) {
    let (seconds, seed) = (setting("FUZZ_SECONDS", 2), setting("FUZZ_SEED", 1));
    let corpus = corpus(target);
    let mut rng = Rng::new(seed);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut executions = 0_u64;
    let mut kept = corpus.iter().cloned();
    loop {
        // The corpus itself is always tried as a whole.
        let input = match kept.next() {
            Some(input) => input,
            None if Instant::now() >= end => break,
            None => mutate(&mut rng, &corpus),
        };
        executions += 1;
        if breaks(check, &input) {
            let small = smaller(check, &input);
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{target}.input"));
            std::fs::write(&file, &small).unwrap();
            let text: String = small
                .escape_ascii()
                .to_string()
                .chars()
                .take(2_000)
                .collect();
            panic!(
                "{target}, seed {seed}, execution {executions}: {} bytes in {}:\n{text}",
                small.len(),
                file.display()
            );
        }
    }
    println!(
        "{target}: {executions} executions in {seconds} s, seed {seed}, corpus {}",
        corpus.len()
    );
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test] fn $name() { fuzz(stringify!($name), targets::$name::check); })*

        #[test]
        fn the_corpus_has_no_other_targets() {
            let known = [$(stringify!($name)),*];
            let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
            for entry in std::fs::read_dir(directory).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(known.contains(&name.as_str()), "{name}");
            }
        }
    };
}

targets! { answer probe cloud dotenv clouds_yaml status }
