//! Moves of external addresses that are refused, or of which the outcome is open.

use super::bench::{Bench, failure, running, s};
use simplescalevm::cloud::CloudErrorKind;
use simplescalevm::pool::Snapshot;

/// Lets time pass, second by second, while each of these answers so; returns what was asked of the
/// cloud but lists, each with its second.
fn pass(bench: &mut Bench, seconds: u64, answers: &[(&str, u64, bool)]) -> Vec<(u64, String)> {
    let mut done = Vec::new();
    for second in 0..seconds {
        bench.all_answer(answers);
        bench.turn();
        let log = bench.log().into_iter().filter(|entry| entry != "list");
        done.extend(log.map(|entry| (second, entry)));
        bench.wait(s(1));
    }
    done
}

fn texts(snapshot: &Snapshot, kind: &str) -> Vec<String> {
    let events: Vec<_> = snapshot.events.newest_first().collect();
    let of_kind = events
        .iter()
        .rev()
        .filter(|event| event.event.name() == kind);
    of_kind.map(|event| event.text.clone()).collect()
}

/// `a` holds `f`, `b` is a standby.
fn holder() -> Bench {
    let mut bench = Bench::new(1);
    bench.add("a", running());
    bench.add_address("f");
    bench.turn();
    bench.answers("a", 1, false);
    bench.wait(s(5));
    bench.turn();
    bench.add("b", running());
    bench.wait(s(30));
    bench.turn();
    bench.answers("a", 1, false);
    bench.answers("b", 1, false);
    bench.turn();
    assert!(bench.log().contains(&"move f to a".to_owned()));
    bench
}

#[test]
fn finished_holder_whose_address_cannot_be_moved_is_deleted_in_the_end_and_told() {
    let mut bench = holder();
    bench.refuse_move("f", "");
    let done = pass(&mut bench, 100, &[("a", 0, true), ("b", 1, false)]);
    let deletions = |done: &[(u64, String)]| done.iter().filter(|d| d.1.contains("delete")).count();
    assert_eq!(deletions(&done), 0, "{done:?}");
    let tries = done.iter().filter(|d| d.1 == "move f to b failed").count();
    assert!((4..=6).contains(&tries), "{done:?}");
    let done = pass(&mut bench, 60, &[("a", 0, true), ("b", 1, false)]);
    assert_eq!(deletions(&done), 1, "{done:?}");
    let told = texts(&bench.snapshot(), "delete");
    assert!(
        told[0].contains("could not be moved and becomes free"),
        "{told:?}"
    );
    let blocked = texts(&bench.snapshot(), "blocked");
    let of = |word: &str| blocked.iter().filter(|text| text.contains(word)).count();
    assert_eq!(
        (of("is not given to b"), of("not deleting a")),
        (1, 1),
        "{blocked:?}"
    );
}

#[test]
fn a_move_that_is_refused_for_ever_is_tried_some_dozen_times_an_hour() {
    for kind in [
        CloudErrorKind::NotFound,
        CloudErrorKind::Server,
        CloudErrorKind::RateLimited,
    ] {
        let mut bench = Bench::serving(&["a", "b"]);
        bench.add_address("f");
        for _ in 0..4_000 {
            bench.fail_next("move", failure(kind));
        }
        let done = pass(&mut bench, 3_600, &[("a", 1, false), ("b", 1, false)]);
        let tries = done.iter().filter(|d| d.1.starts_with("move f")).count();
        assert!((20..=50).contains(&tries), "{kind:?}: {tries}");
    }
}

#[test]
fn every_other_standby_is_tried_within_seconds() {
    let mut bench = Bench::serving(&["a", "b", "c"]);
    bench.refuse_move("", "a");
    bench.refuse_move("", "b");
    bench.add_address("f");
    bench.wait(s(30));
    let all = [("a", 1, false), ("b", 1, false), ("c", 1, false)];
    let done = pass(&mut bench, 5, &all);
    let done: Vec<&str> = done.iter().map(|d| d.1.as_str()).collect();
    assert_eq!(
        done,
        ["move f to a failed", "move f to b failed", "move f to c"]
    );
}

#[test]
fn a_good_address_is_given_although_another_comes_first_that_cannot_be() {
    let mut bench = Bench::serving(&["a", "b"]);
    bench.refuse_move("f", "");
    bench.add_address("f");
    bench.add_address("g");
    bench.refuse_move("", "b");
    bench.wait(s(30));
    let done = pass(&mut bench, 5, &[("a", 1, false), ("b", 1, false)]);
    let done: Vec<&str> = done.iter().map(|d| d.1.as_str()).collect();
    assert!(done.contains(&"move g to a"), "{done:?}");
}

#[test]
fn what_is_refused_is_shown_while_the_floor_is_met() {
    let mut bench = Bench::serving(&["a", "b"]);
    bench.refuse_move("f", "");
    bench.add_address("f");
    bench.wait(s(30));
    pass(&mut bench, 3, &[("a", 1, false), ("b", 1, false)]);
    let blocked = bench.snapshot().plan.blocked;
    let words: Vec<&str> = blocked
        .iter()
        .map(simplescalevm::pool::Blocked::name)
        .collect();
    assert_eq!(words, ["move-refused"]);
    bench.refuse_no_move();
    let done = pass(&mut bench, 10, &[("a", 1, false), ("b", 1, false)]);
    assert_eq!(done.len(), 1, "{done:?}");
    assert!(bench.snapshot().plan.blocked.is_empty());
}

#[test]
fn an_address_that_no_standby_can_take_is_told_when_that_begins() {
    let mut bench = Bench::new(1);
    bench.add("a", running());
    bench.add_address("f");
    bench.add_address("spare");
    bench.turn();
    bench.answers("a", 1, false);
    bench.wait(s(5));
    bench.turn();
    let none_answers = |bench: &mut Bench, names: &[&str]| {
        for _ in 0..60 {
            for name in names {
                bench.fails(name);
            }
            bench.turn();
            bench.wait(s(5));
        }
    };
    none_answers(&mut bench, &["a"]);
    let sentence = |holder: &str| {
        format!(
            "255.255.255.255 stays on {holder} (its holder does not answer): no serving replica is free to take it"
        )
    };
    let told = |bench: &Bench| {
        let blocked = texts(&bench.snapshot(), "blocked").into_iter();
        blocked
            .filter(|text| text.contains("stays on"))
            .collect::<Vec<_>>()
    };
    // The page has it in the same words; that an address is to spare is no news.
    assert_eq!(told(&bench), [sentence("a")]);
    bench.add("b", running());
    bench.wait(s(30));
    pass(&mut bench, 10, &[("b", 1, false)]);
    let moved = texts(&bench.snapshot(), "move-address");
    assert!(
        moved.iter().any(|text| text.contains("from a to b")),
        "{moved:?}"
    );
    none_answers(&mut bench, &["a", "b"]);
    assert_eq!(told(&bench), [sentence("a"), sentence("b")]);
}

#[test]
fn a_move_of_unknown_outcome_is_decided_by_a_list_that_is_asked_for_soon() {
    // In truth it was made.
    let mut bench = holder();
    bench.leave_next_move_open("");
    bench.answers("a", 0, true);
    bench.turn();
    bench.did("list, move f to b");
    bench.wait(s(1));
    bench.turn();
    bench.did("list, delete a");
    let told = texts(&bench.snapshot(), "move-address");
    assert!(
        told.last().unwrap().contains("of unknown outcome was made"),
        "{told:?}"
    );
    assert_eq!(bench.snapshot().counters.moved, 2);
    // In truth the other writer was the last.
    let mut bench = holder();
    bench.leave_next_move_open("a");
    bench.answers("a", 0, true);
    bench.turn();
    bench.did("list, move f to b");
    bench.wait(s(1));
    bench.turn();
    bench.did("list, move f to b, delete a");
}

/// `f` is on `a`, which has gone silent; `b` is a standby.
fn silent_holder() -> Bench {
    let mut bench = holder();
    bench.log();
    for _ in 0..3 {
        bench.wait(s(5));
        bench.turn();
        bench.fails("a");
        bench.answers("b", 1, false);
    }
    bench
}

#[test]
fn an_address_leaves_its_dead_holder_while_only_the_servers_cannot_be_listed() {
    let wishes = [None, Some(s(600))];
    for wish in wishes {
        let mut bench = silent_holder();
        bench.fail_servers(Some((CloudErrorKind::Server, wish)));
        bench.turn();
        bench.did("list failed, move f to b");
        let lists = bench.address_lists();
        let done = pass(&mut bench, 120, &[("b", 1, false)]);
        let others: Vec<&(u64, String)> = done.iter().filter(|d| d.1 != "list failed").collect();
        assert!(others.is_empty(), "{others:?}");
        assert_eq!(
            bench.address_lists(),
            lists,
            "nothing is asked for that nothing calls for"
        );
    }
}

#[test]
fn nothing_else_is_done_while_the_servers_cannot_be_listed() {
    let mut bench = holder();
    bench.log();
    bench.add_address("g");
    bench.fail_servers(Some((CloudErrorKind::Timeout, None)));
    let done = pass(&mut bench, 300, &[("a", 0, false), ("b", 0, true)]);
    let others: Vec<&(u64, String)> = done.iter().filter(|d| d.1 != "list failed").collect();
    assert!(others.is_empty(), "{others:?}");
    // A finished holder's address leaves it, and the holder stays.
    let mut bench = holder();
    bench.log();
    bench.fail_servers(Some((CloudErrorKind::Server, None)));
    let done = pass(&mut bench, 300, &[("a", 0, true), ("b", 1, false)]);
    let others: Vec<&str> = done
        .iter()
        .map(|d| d.1.as_str())
        .filter(|d| *d != "list failed")
        .collect();
    assert_eq!(others, ["move f to b"]);
}

#[test]
fn an_address_that_has_left_its_dead_holder_meanwhile_is_left_alone() {
    let mut bench = silent_holder();
    bench.fail_servers(Some((CloudErrorKind::Server, None)));
    bench.point("f", "elsewhere");
    bench.turn();
    bench.did("list failed");
}

#[test]
fn addresses_that_cannot_be_listed_either_are_asked_for_with_a_backoff() {
    let mut bench = silent_holder();
    bench.fail_servers(Some((CloudErrorKind::Server, None)));
    for _ in 0..4_000 {
        bench.fail_next("addresses", failure(CloudErrorKind::Server));
    }
    let done = pass(&mut bench, 600, &[("b", 1, false)]);
    let tries = done.iter().filter(|d| d.1 == "addresses failed").count();
    assert!((15..=30).contains(&tries), "{tries}");
    // Its wish to be left alone is obeyed.
    let mut bench = silent_holder();
    bench.fail_servers(Some((CloudErrorKind::Server, None)));
    bench.fail_next(
        "addresses",
        super::bench::retry_after(CloudErrorKind::RateLimited, 60),
    );
    let done = pass(&mut bench, 90, &[("b", 1, false)]);
    let done: Vec<&(u64, String)> = done.iter().filter(|d| d.1 != "list failed").collect();
    assert_eq!(
        (done[0].1.as_str(), done[1].1.as_str()),
        ("addresses failed", "move f to b")
    );
    assert!(done[1].0 - done[0].0 >= 60, "{done:?}");
}

#[test]
fn what_was_known_an_hour_ago_moves_nothing() {
    let mut bench = holder();
    bench.log();
    bench.fail_servers(Some((CloudErrorKind::Server, None)));
    pass(&mut bench, 3_700, &[("a", 1, false), ("b", 1, false)]);
    for _ in 0..3 {
        bench.wait(s(5));
        bench.turn();
        bench.fails("a");
        bench.answers("b", 1, false);
    }
    let done = pass(&mut bench, 60, &[("b", 1, false)]);
    assert!(done.iter().all(|d| d.1 == "list failed"), "{done:?}");
    bench.fail_servers(None);
    let done = pass(&mut bench, 60, &[("b", 1, false)]);
    assert_eq!(
        done.iter().filter(|d| d.1 == "move f to b").count(),
        1,
        "{done:?}"
    );
}
