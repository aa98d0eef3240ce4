//! What callers found: counted second by second, from the first verdict on.

use crate::bench::{Bench, failure, s};
use simplescalevm::cloud::CloudErrorKind;
use simplescalevm::pool::{Health, Moment, Supply};

/// Milliseconds watched, below the floor, and with nothing ready.
fn counted(bench: &Bench) -> [u128; 3] {
    let Supply {
        watched,
        below,
        none,
        ..
    } = bench.snapshot().supply;
    [watched, below, none].map(|time| time.as_millis())
}

fn reasons(bench: &Bench, now: Moment) -> Vec<&'static str> {
    let health = Health::of(&bench.snapshot(), true, now);
    health.findings.iter().map(|f| f.reason.name()).collect()
}

/// Turns every half second until the snapshot has to have been made anew.
fn pass(bench: &mut Bench, half_seconds: u64) {
    for _ in 0..half_seconds {
        bench.wait_ms(500);
        bench.turn();
    }
}

#[test]
fn what_was_not_asked_yet_is_not_counted_as_having_nothing() {
    let mut bench = Bench::new(2);
    bench.add("a", crate::bench::running());
    bench.add("b", crate::bench::running());
    bench.turn();
    pass(&mut bench, 6);
    assert_eq!(counted(&bench), [0; 3]);
    assert_eq!(reasons(&bench, bench.now()), ["first-look"]);
    bench.answers("a", 1, false);
    bench.answers("b", 1, false);
    pass(&mut bench, 1);
    assert_eq!(reasons(&bench, bench.now()), Vec::<&str>::new());
    let before = counted(&bench)[0];
    pass(&mut bench, 10);
    assert_eq!(counted(&bench), [before + 5_000, 0, 0]);
}

#[test]
fn the_first_look_ends_after_its_minute_even_if_nothing_could_be_looked_at() {
    let mut bench = Bench::new(1);
    bench.add("a", crate::bench::running());
    bench.turn();
    bench.wait(s(600));
    bench.turn();
    let [watched, below, none] = counted(&bench);
    assert_eq!([below, none], [watched, watched]);
    assert!((539_000..=540_000).contains(&watched), "{watched}");
    let health = Health::of(&bench.snapshot(), true, bench.now());
    assert_eq!(health.severity.name(), "critical", "{health:?}");
}

#[test]
fn seconds_are_counted_as_they_pass() {
    let mut bench = Bench::serving(&["a", "b"]);
    pass(&mut bench, 4);
    let [start, ..] = counted(&bench);
    // One is taken, then the other; what is ordered instead does not count.
    bench.answers("a", 0, false);
    pass(&mut bench, 6);
    bench.answers("b", 0, false);
    pass(&mut bench, 8);
    bench.answers("a", 1, false);
    bench.answers("b", 1, false);
    pass(&mut bench, 10);
    let [watched, below, none] = counted(&bench);
    assert_eq!(watched - start, 12_000);
    // What was heard within a turn is known from that turn on.
    assert_eq!([below, none], [7_000, 4_000]);
}

#[test]
fn failed_lists_are_told_until_one_succeeds() {
    let mut bench = Bench::serving(&["a", "b"]);
    bench.wait(s(30));
    for _ in 0..3 {
        bench.fail_next("list", failure(CloudErrorKind::Server));
        bench.turn();
        bench.wait(s(16));
    }
    assert_eq!(bench.snapshot().lists.failures, 3);
    assert_eq!(reasons(&bench, bench.now()), ["cannot-list"]);
    let health = Health::of(&bench.snapshot(), true, bench.now());
    assert!(health.not_ready().is_none(), "{health:?}");
    let health = Health::of(&bench.snapshot(), true, bench.now() + s(15));
    assert!(health.not_ready().is_some(), "{health:?}");
    bench.turn();
    assert_eq!(bench.snapshot().lists.failures, 0);
    assert_eq!(reasons(&bench, bench.now()), Vec::<&str>::new());
}
