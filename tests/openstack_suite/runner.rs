//! Runs the scenarios, several at a time where they do not disturb each other, and prints a table.

pub(crate) use self::Manner::{Alone, Patient, Shared};
use super::SCENARIOS;
use super::cloud::Cloud;
use super::pool::Context;
use super::rig::Rig;
use super::watch::Watch;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

/// Whether others may run beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It disturbs nobody.
    Shared,
    /// The same, and it does nothing but wait for most of the time: it has a thread of its own.
    Patient,
    /// It disturbs the whole cloud.
    Alone,
}

pub(crate) type Scenario = (&'static str, Manner, fn(&Context));

/// Life of a token in seconds while the shared scenarios run. The services themselves log in for every single request
/// with tokens that live less than 120 s (keystoneauth, `MIN_TOKEN_LIFE_SECONDS`).
const TOKEN_TTL_S: u64 = 150;
/// How many scenarios run beside each other.
const AT_A_TIME: usize = 3;
/// So many scenarios that failed are tried once more, alone: on a busy machine one may miss its time. More than that is
/// no accident.
const SECOND_TRIES: usize = 3;
/// The longest page of nova's lists.
const PAGE: &str = "50";

struct Outcome {
    name: &'static str,
    seconds: f64,
    error: Option<String>,
    notes: Vec<String>,
}

/// Runs the scenarios that the words name; all, if there are none.
#[expect(clippy::too_many_lines, reason = "the list of scenarios")]
pub(crate) fn run(words: &[String]) -> ExitCode {
    let begin = Instant::now();
    let (cloud, rig) = (Arc::new(Cloud::new()), Arc::new(Rig::new()));
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let run = format!("t{:x}", seconds.map_or(0, |time| time.as_secs()) & 0xf_ffff);
    rig.ctl(&["journal", "on"]);
    rig.ctl(&["token-ttl", &TOKEN_TTL_S.to_string()]);
    rig.ctl(&["max-limit", PAGE]);
    let watch = Arc::new(Watch::start(Arc::clone(&cloud), &run));
    let wanted: Vec<(usize, &Scenario)> = SCENARIOS.iter().enumerate().collect();
    let is_wanted =
        |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let of = |manner| {
        let all = wanted
            .iter()
            .filter(move |(_, scenario)| scenario.1 == manner);
        all.filter(|(_, scenario)| is_wanted(scenario.0))
            .collect::<Vec<_>>()
    };
    let outcomes = Mutex::new(Vec::new());
    let play_as = |name: String, scenario: &Scenario| {
        let context = Context {
            cloud: Arc::clone(&cloud),
            rig: Arc::clone(&rig),
            watch: Arc::clone(&watch),
            name,
            notes: Mutex::default(),
        };
        let outcome = play(scenario, &context);
        print(&outcome);
        outcome
    };
    let play = |(number, scenario): &(usize, &Scenario)| {
        let outcome = play_as(format!("{run}-{number:02}"), scenario);
        outcomes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((*number, outcome));
    };
    let shared = of(Shared);
    let next = AtomicUsize::new(0);
    let patient = of(Patient);
    std::thread::scope(|scope| {
        for scenario in &patient {
            scope.spawn(|| play(scenario));
        }
        for _ in 0..AT_A_TIME.min(shared.len()) {
            scope.spawn(|| {
                while let Some(scenario) = shared.get(next.fetch_add(1, Ordering::Relaxed)) {
                    play(scenario);
                }
            });
        }
    });
    rig.ctl(&["token-ttl", "3600"]);
    for scenario in of(Alone) {
        play(scenario);
    }
    let mut outcomes = outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let failed = outcomes.iter_mut().filter(|(_, o)| o.error.is_some());
    let failed: Vec<_> = failed.collect();
    if failed.len() <= SECOND_TRIES {
        for (number, outcome) in failed {
            rig.ctl(&["reset"]);
            let mut again = play_as(format!("{run}-{number:02}-again"), &SCENARIOS[*number]);
            let first = outcome.error.take().unwrap_or_default();
            again.notes.push(format!("second try; first: {first}"));
            *outcome = again;
        }
    }
    drop(watch);
    rig.ctl(&["reset"]);
    outcomes.sort_by_key(|(number, _)| *number);
    println!("\n{:<46} {:<6} {:>7}", "scenario", "", "seconds");
    for (_, outcome) in &outcomes {
        let word = if outcome.error.is_none() {
            "pass"
        } else {
            "FAIL"
        };
        let notes = outcome.notes.join("; ");
        println!(
            "{:<46} {word:<6} {:>7.1}  {notes}",
            outcome.name, outcome.seconds
        );
    }
    let failed = outcomes
        .iter()
        .filter(|(_, outcome)| outcome.error.is_some())
        .count();
    println!(
        "{} scenarios, {failed} failed, {:.0} s in all",
        outcomes.len(),
        begin.elapsed().as_secs_f64()
    );
    if failed == 0 && !outcomes.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn play(scenario: &Scenario, context: &Context) -> Outcome {
    let begin = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| (scenario.2)(context)));
    let error = result.err().map(|cause| said(cause.as_ref()));
    Outcome {
        name: scenario.0,
        seconds: begin.elapsed().as_secs_f64(),
        error,
        notes: std::mem::take(&mut context.notes.lock().unwrap_or_else(PoisonError::into_inner)),
    }
}

fn print(outcome: &Outcome) {
    match &outcome.error {
        None => println!("pass {} ({:.1} s)", outcome.name, outcome.seconds),
        Some(error) => println!("FAIL {} ({:.1} s): {error}", outcome.name, outcome.seconds),
    }
}

fn said(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("a panic")
        .to_owned()
}
