//! Lists after a creation, and what is told of it.

use super::bench::{self, Bench, s};

#[test]
fn after_a_creation_the_list_is_made_when_something_can_be_expected() {
    let mut bench = Bench::new(1);
    bench.turn();
    bench.did("list, create 1");
    for (wait, did) in [(4, ""), (1, "list"), (4, ""), (1, "list"), (9, "")] {
        bench.wait(s(wait));
        bench.turn();
        bench.did(did);
    }
    bench.add("n", bench::running());
    bench.wait(s(1));
    bench.turn();
    bench.did("list");
    // It shows and runs: there is nothing to look for any more.
    bench.answers("n", 1, false);
    for _ in 0..29 {
        bench.wait(s(1));
        bench.turn();
        bench.did("");
    }
    bench.wait(s(1));
    bench.turn();
    bench.did("list");
    // That one was running within the second it was asked for: the next one is looked for as early as lists may come.
    bench.wait(s(5));
    bench.answers("n", 0, false);
    bench.turn();
    bench.did("list, create 1");
    for (wait, did) in [(1, ""), (1, "list"), (1, ""), (1, ""), (5, ""), (10, "")] {
        bench.wait(s(wait));
        bench.turn();
        bench.did(did);
    }
}

#[test]
fn a_creation_of_which_the_quota_lets_a_part_through_tells_the_part() {
    let mut bench = Bench::new(3);
    bench.turn();
    bench.did("list, create 3");
    bench.add("n", bench::running());
    for _ in 0..40 {
        bench.wait(s(1));
        bench.turn();
    }
    let told = bench.snapshot().events;
    let parts = told
        .newest_first()
        .filter(|e| e.event.name() == "create-partial");
    let texts: Vec<&str> = parts.map(|event| event.text.as_str()).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(
        texts[0].starts_with("1 of 3 replicas that were asked for"),
        "{texts:?}"
    );
}
