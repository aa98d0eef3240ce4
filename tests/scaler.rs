//! The scaler's loop, one promise at a time, over a scripted cloud, scripted probes and a clock
//! that is set by hand. Whole histories are in `simulation.rs`.

#[path = "scaler/addresses.rs"]
mod addresses;
#[path = "scaler/bench.rs"]
mod bench;
#[path = "scaler/lookout.rs"]
mod lookout;
#[path = "scaler/supply.rs"]
mod supply;

use bench::{Bench, failure, retry_after, s};
use simplescalevm::cloud::CloudErrorKind;
use simplescalevm::pool::{
    BackoffCause, CloudTime, Creating, CreationMark, Event, Failed, Instance, Recovery, ServerState,
};
use std::sync::Arc;

#[test]
fn a_list_precedes_every_plan_that_is_applied() {
    let mut bench = Bench::new(2);
    bench.turn();
    bench.did("list, create 2");
    // What was just done is not done again before a list shows what came of it.
    bench.wait(s(4));
    bench.turn();
    bench.did("");
}

#[test]
fn a_free_slot_that_vanishes_is_answered_from_a_new_list() {
    let mut bench = Bench::serving(&["a", "b"]);
    bench.answers("a", 0, false);
    bench.turn();
    bench.did("list, create 1");
}

#[test]
fn lists_on_demand_are_a_second_apart() {
    let mut bench = Bench::serving(&["a", "b"]);
    bench.fail_next("list", failure(CloudErrorKind::Server));
    bench.answers("a", 0, false);
    bench.wait(s(30));
    bench.turn();
    bench.did("list failed");
    bench.wait_ms(1_999);
    bench.turn();
    bench.did("");
    bench.wait_ms(1);
    bench.turn();
    bench.did("list, create 1");
    // That one was due anyway. So the next need not wait, and the one after it must.
    bench.answers("b", 0, false);
    bench.turn();
    bench.did("list, create 1");
    bench.answers("a", 0, true);
    bench.wait_ms(999);
    bench.turn();
    bench.did("");
    bench.wait_ms(1);
    bench.turn();
    bench.did("list, delete a");
}

#[test]
fn a_blocked_plan_is_no_reason_for_a_list() {
    let mut bench = Bench::new(1);
    bench.fail_next("create", failure(CloudErrorKind::Rejected));
    bench.turn();
    bench.did("list, create 1 failed");
    for _ in 0..9 {
        bench.wait(s(1));
        bench.turn();
        bench.did("");
    }
    // The backoff is over: that is one.
    bench.wait(s(1));
    bench.turn();
    bench.did("");
    bench.wait(s(20));
    bench.turn();
    bench.did("list, create 1");
}

#[test]
fn failed_lists_wait_longer_each_time_up_to_the_interval() {
    let mut bench = Bench::new(0);
    for wait in [2, 4, 8, 16, 30, 30] {
        bench.fail_next("list", failure(CloudErrorKind::Connection));
        bench.turn();
        bench.did("list failed");
        bench.wait_ms(wait * 1_000 - 1);
        bench.turn();
        bench.did("");
        bench.wait_ms(1);
    }
    bench.turn();
    bench.did("list");
    bench.wait(s(30));
    bench.fail_next("list", failure(CloudErrorKind::Connection));
    bench.turn();
    bench.did("list failed");
    bench.wait(s(2));
    bench.turn();
    bench.did("list");
}

#[test]
fn retry_after_of_a_list_is_obeyed() {
    let mut bench = Bench::new(0);
    bench.fail_next("list", retry_after(CloudErrorKind::RateLimited, 100));
    bench.turn();
    bench.did("list failed");
    bench.wait(s(99));
    bench.turn();
    bench.did("");
    bench.wait(s(1));
    bench.turn();
    bench.did("list");
}

#[test]
fn retry_after_ends_the_cycle_whatever_the_error_is() {
    let mut bench = Bench::new(0);
    bench.add("a", ServerState::Failed(Failed::Stopped));
    bench.add("b", ServerState::Failed(Failed::Stopped));
    bench.fail_next("delete", retry_after(CloudErrorKind::Server, 60));
    bench.turn();
    bench.did("list, delete a failed");
    bench.wait(s(59));
    bench.turn();
    bench.did("");
    bench.wait(s(1));
    bench.turn();
    bench.did("list, delete a, delete b");
}

#[test]
fn retry_after_of_a_fault_is_obeyed_and_the_fault_is_read_later() {
    let mut bench = Bench::new(0);
    bench.add("a", ServerState::Failed(Failed::Error));
    bench.fail_next("fault", retry_after(CloudErrorKind::RateLimited, 60));
    bench.turn();
    bench.did("list, fault a failed");
    bench.wait(s(60));
    bench.turn();
    bench.did("list, fault a, delete a");
}

#[test]
fn retry_after_of_what_is_looked_up_ahead_is_obeyed() {
    // The quota is another service's than ports.
    for (kind, then) in [("prepare move", ", quota failed"), ("prepare creation", "")] {
        let mut bench = Bench::serving(&["a", "b"]);
        bench.add_address("f");
        bench.wait(s(30));
        bench.turn();
        bench.did("list, move f to a");
        bench.fail_next(kind, retry_after(CloudErrorKind::Server, 60));
        bench.fail_next("quota", failure(CloudErrorKind::Server));
        bench.wait(s(600));
        bench.turn();
        bench.did(&format!("list, {kind} failed{then}"));
        bench.wait(s(59));
        bench.turn();
        bench.did("");
    }
}

#[test]
fn names_are_looked_up_every_five_minutes_and_a_failure_is_told_once() {
    let mut bench = Bench::serving(&["a", "b"]);
    let told = |bench: &Bench| -> Vec<&str> {
        let events = bench.snapshot().events;
        let of_names = events
            .newest_first()
            .filter(|e| e.text.contains("names in the settings"));
        of_names.map(|entry| entry.event.name()).collect()
    };
    let mut look = |seconds: &[u64]| {
        bench.fail_next("prepare creation", failure(CloudErrorKind::Lookup));
        for (index, seconds) in seconds.iter().enumerate() {
            bench.wait(s(*seconds));
            bench.turn();
            let looked = if index == 1 {
                ", prepare creation failed"
            } else {
                ""
            };
            bench.did(&format!("list{looked}"));
        }
        told(&bench)
    };
    // The first look was at the start.
    assert_eq!(look(&[240, 60]), ["error"]);
    assert_eq!(look(&[270, 30]), ["error"]);
    let lacks = |bench: &Bench| bench.snapshot().unprepared.map(|u| u.since);
    assert_eq!(lacks(&bench), Some(bench.now() - s(300)), "since the first");
    bench.wait(s(300));
    bench.turn();
    assert_eq!(told(&bench), ["recovered", "error"]);
    assert_eq!(lacks(&bench), None);
}

#[test]
fn retry_after_of_a_fault_holds_up_what_its_service_is_asked_ahead() {
    let mut bench = Bench::serving(&["a", "b"]);
    bench.add_address("f");
    bench.wait(s(30));
    bench.turn();
    bench.did("list, move f to a");
    bench.add("c", ServerState::Failed(Failed::Error));
    bench.lock("c");
    bench.fail_next("fault", retry_after(CloudErrorKind::Server, 60));
    bench.fail_next("prepare move", failure(CloudErrorKind::Server));
    bench.fail_next("quota", failure(CloudErrorKind::Server));
    bench.wait(s(600));
    bench.turn();
    bench.did("list, fault c failed, prepare move failed");
}

#[test]
fn what_gets_no_answer_again_and_again_does_not_hold_up_the_rest() {
    let mut bench = Bench::new(0);
    for name in ["a", "b"] {
        bench.add(name, ServerState::Failed(Failed::Stopped));
    }
    for _ in 0..4 {
        bench.fail_next("delete", failure(CloudErrorKind::Timeout));
    }
    for _ in 0..2 {
        bench.turn();
        bench.did("list, delete a failed");
        bench.wait(s(30));
    }
    // It is left out for 60 s, and for twice as long the next time.
    bench.turn();
    bench.did("list, delete b failed");
    bench.wait(s(30));
    bench.turn();
    bench.did("list, delete a failed");
    bench.wait(s(30));
    bench.turn();
    bench.did("list, delete b");
    bench.wait(s(60));
    bench.turn();
    bench.did("list");
    bench.wait(s(30));
    bench.turn();
    bench.did("list, delete a");
}

#[test]
fn a_creation_does_not_wait_for_deletions() {
    let mut bench = Bench::serving(&["a", "b"]);
    bench.answers("a", 0, true);
    bench.wait(s(5));
    bench.turn();
    bench.did("list, create 1, delete a");
}

#[test]
fn deletions_make_room_for_a_creation_where_the_quota_is_used_up() {
    let mut bench = Bench::serving(&["a", "b"]);
    bench.quota_is_used_up();
    bench.answers("a", 0, true);
    bench.wait(s(5));
    bench.turn();
    bench.did("list, delete a, create 1");
}

#[test]
fn a_creation_that_was_refused_for_the_quota_comes_after_deletions() {
    let mut bench = Bench::serving(&["a", "b"]);
    bench.answers("b", 0, false);
    bench.fail_next("create", failure(CloudErrorKind::Quota));
    bench.wait(s(5));
    bench.turn();
    bench.did("list, create 1 failed");
    bench.answers("a", 0, true);
    bench.wait(s(10));
    bench.turn();
    bench.did("list, delete a, create 2");
}

#[test]
fn a_creation_that_has_become_smaller_meanwhile_is_not_put_off() {
    let mut bench = Bench::serving(&["a", "b"]);
    bench.quota_is_used_up();
    bench.answers("a", 0, true);
    bench.answers("b", 0, false);
    bench.hears_during("delete", "b", 1, false);
    bench.wait(s(5));
    bench.turn();
    bench.did("list, delete a");
    bench.wait(s(1));
    bench.turn();
    bench.did("list, create 1");
}

#[test]
fn no_creation_follows_a_deletion_that_shows_that_creations_fail() {
    let mut bench = Bench::new(2);
    bench.add("a", bench::running());
    bench.add("x", ServerState::Creating(Creating::Building));
    bench.turn();
    bench.did("list");
    bench.wait(s(900));
    bench.turn();
    bench.did("list");
    bench.answers("a", 0, false);
    bench.wait(s(30));
    bench.turn();
    bench.did("list, delete x");
    bench.wait(s(10));
    bench.turn();
    bench.did("list, create 2");
}

#[test]
fn the_wait_of_a_creation_tells_what_was_refused_from_what_was_never_asked() {
    for (kind, cause) in [
        (CloudErrorKind::Rejected, BackoffCause::Rejected),
        (CloudErrorKind::Lookup, BackoffCause::NotPrepared),
        (CloudErrorKind::LocalFile, BackoffCause::NotPrepared),
    ] {
        assert_eq!(failure(kind).as_create_failure().cause, cause);
    }
}

#[test]
fn servers_that_are_overdue_are_looked_for_before_others_are_created() {
    let mut bench = Bench::new(2);
    bench.add("a", bench::running());
    bench.turn();
    bench.did("list, create 1");
    bench.answers("a", 1, false);
    bench.wait(s(5));
    bench.turn();
    bench.answers("a", 0, true);
    bench.wait_ms(24_500);
    // Asked for while the new server is still awaited, and answered when it should have shown.
    bench.takes("list", s(1));
    bench.turn();
    // The first one looks for the new server.
    bench.did("list, list, delete a");
    bench.turn();
    bench.did("list");
    bench.wait(s(10));
    bench.turn();
    bench.did("list, create 2");
}

#[test]
fn a_failed_deletion_is_tried_again_from_the_next_regular_list() {
    let mut bench = Bench::new(0);
    bench.add("a", ServerState::Failed(Failed::Stopped));
    bench.fail_next("delete", failure(CloudErrorKind::Conflict));
    bench.turn();
    bench.did("list, delete a failed");
    for _ in 0..29 {
        bench.wait(s(1));
        bench.turn();
        bench.did("");
    }
    bench.wait(s(1));
    bench.turn();
    bench.did("list, delete a");
}

#[test]
fn an_error_of_the_cloud_as_a_whole_ends_the_cycle() {
    for (kind, expected) in [
        (CloudErrorKind::Timeout, "list, delete a failed"),
        (CloudErrorKind::Connection, "list, delete a failed"),
        (CloudErrorKind::Unauthorized, "list, delete a failed"),
        (CloudErrorKind::RateLimited, "list, delete a failed"),
        (CloudErrorKind::Conflict, "list, delete a failed, delete b"),
        (CloudErrorKind::Server, "list, delete a failed, delete b"),
    ] {
        let mut bench = Bench::new(0);
        bench.add("a", ServerState::Failed(Failed::Stopped));
        bench.add("b", ServerState::Failed(Failed::Stopped));
        bench.fail_next("delete", failure(kind));
        bench.turn();
        bench.did(expected);
    }
}

#[test]
fn no_action_is_begun_after_the_stop() {
    let mut bench = Bench::new(3);
    bench.stop_after("list");
    bench.add("a", ServerState::Failed(Failed::Error));
    bench.turn();
    bench.did("list");
    bench.wait(s(60));
    bench.turn();
    bench.did("");
}

#[test]
fn nothing_is_done_on_a_list_that_has_grown_old_meanwhile() {
    let mut bench = Bench::new(0);
    bench.add("a", ServerState::Failed(Failed::Stopped));
    bench.add("b", ServerState::Failed(Failed::Stopped));
    bench.takes("delete", s(121));
    bench.turn();
    bench.did("list, delete a");
    bench.turn();
    bench.did("list, delete b");
}

#[test]
fn a_replica_that_says_otherwise_during_the_cycle_is_not_deleted() {
    let mut bench = Bench::serving(&["a", "b", "c", "d"]);
    bench.answers("a", 0, true);
    bench.answers("b", 0, true);
    bench.hears_during("delete", "b", 1, false);
    bench.wait(s(5));
    bench.turn();
    bench.did("list, delete a");
}

#[test]
fn what_was_said_long_ago_by_now_is_not_acted_on() {
    let mut bench = Bench::serving(&["a", "b", "c", "d", "e"]);
    bench.answers("a", 0, true);
    bench.answers("b", 0, true);
    bench.takes("delete", s(60));
    bench.wait(s(5));
    bench.turn();
    bench.did("list, delete a");
}

#[test]
fn an_address_does_not_go_to_a_replica_that_is_done_by_now() {
    let mut bench = Bench::serving(&["a", "b", "c", "d"]);
    bench.add_address("f1");
    bench.add_address("f2");
    bench.hears_during("move", "b", 0, true);
    bench.wait(s(30));
    bench.turn();
    bench.did("list, move f1 to a");
}

#[test]
fn faults_are_read_once_and_five_in_a_cycle() {
    let mut bench = Bench::new(0);
    for name in ["a", "b", "c", "d", "e", "f"] {
        bench.add(name, ServerState::Failed(Failed::Error));
        bench.lock(name);
    }
    bench.turn();
    bench.did("list, fault a, fault b, fault c, fault d, fault e");
    bench.wait(s(30));
    bench.turn();
    bench.did("list, fault f");
    bench.wait(s(30));
    bench.turn();
    bench.did("list");
}

#[test]
fn a_fault_that_times_out_holds_up_a_cycle_once() {
    let mut bench = Bench::new(0);
    for name in ["a", "b"] {
        bench.add(name, ServerState::Failed(Failed::Error));
        bench.lock(name);
    }
    bench.fail_next("fault", failure(CloudErrorKind::Timeout));
    bench.turn();
    bench.did("list, fault a failed");
}

#[test]
fn results_of_other_rounds_and_of_strangers_are_ignored() {
    let mut bench = Bench::serving(&["a", "b"]);
    bench.answers_late("a", 0, true);
    bench.answers("stranger", 0, true);
    bench.turn();
    bench.did("");
}

#[test]
fn a_full_queue_of_probes_neither_stops_the_loop_nor_makes_it_spin() {
    let mut bench = Bench::new(0);
    bench.add("a", bench::running());
    bench.queue_is_full(true);
    for _ in 0..5 {
        let next = bench.turn();
        assert!(next > bench.now(), "a turn without a pause");
        bench.wait_ms(500);
    }
    assert_eq!(bench.probes_under_way(), 0);
    bench.queue_is_full(false);
    bench.turn();
    assert_eq!(bench.probes_under_way(), 1);
}

#[test]
fn an_answer_lost_after_the_effect_makes_no_second_batch() {
    let mut bench = Bench::new(2);
    let mut lost = failure(CloudErrorKind::Timeout);
    lost.outcome_unknown = true;
    bench.fail_next("create", lost);
    bench.turn();
    bench.did("list, create 2 failed");
    // Servers may have been made, and are looked for.
    bench.wait(s(29));
    bench.turn();
    bench.did("list");
    bench.add("n1", ServerState::Creating(Creating::Building));
    bench.add("n2", ServerState::Creating(Creating::Building));
    for _ in 0..20 {
        bench.wait(s(30));
        bench.turn();
        bench.did("list");
    }
}

#[test]
fn a_list_that_takes_long_makes_nobody_older() {
    // Found by the simulation, seed 10505: the cloud's clock in a list is that of its answer. Carried
    // on from when the list was asked for, it ran ahead, and every grace was over too soon.
    let mut bench = Bench::new(1);
    bench.add("a", bench::running());
    bench.turn();
    for _ in 0..3 {
        bench.fails("a");
        bench.wait(s(5));
        bench.turn();
    }
    bench.wait(s(180));
    bench.takes("list", s(100));
    bench.turn();
    bench.did("list, list");
}

#[test]
fn a_jump_of_the_clouds_clock_changes_nothing_for_what_was_born_here() {
    let mut bench = Bench::new(1);
    bench.turn();
    bench.did("list, create 1");
    bench.wait(s(10));
    bench.add("n", ServerState::Creating(Creating::Building));
    bench.wait(s(20));
    bench.turn();
    bench.did("list");
    bench.cloud_time = CloudTime(bench.cloud_time.0 + 86_400);
    bench.wait(s(30));
    bench.turn();
    bench.did("list");
}

#[test]
fn what_has_not_changed_is_not_copied_for_a_snapshot() {
    let mut bench = Bench::serving(&["a", "b"]);
    bench.fail_next("list", failure(CloudErrorKind::Server));
    bench.wait(s(30));
    bench.turn();
    let (before, again) = (bench.snapshot(), bench.snapshot());
    assert!(Arc::ptr_eq(&before.events, &again.events));
    assert!(Arc::ptr_eq(&before.incidents, &again.incidents));
    let told = before.events.newest_first().count();
    assert_eq!(before.incidents.len(), 1);
    bench.fail_next("list", failure(CloudErrorKind::Connection));
    bench.wait(s(30));
    bench.turn();
    // What was shown stays as it was.
    assert_eq!(before.events.newest_first().count(), told);
    assert_eq!(before.incidents.len(), 1);
    let after = bench.snapshot();
    assert_eq!(after.events.newest_first().count(), told + 1);
    assert_eq!(after.incidents.len(), 2);
}

#[test]
fn a_creation_that_no_list_shows_is_asked_for_before_another_is_sent() {
    let mut bench = Bench::new(3);
    bench.accepts("a");
    bench.turn();
    bench.did("list, create 3");
    let mark = bench.last_mark();
    for name in ["a", "b", "c"] {
        bench.add(name, ServerState::Creating(Creating::Building));
        bench.with_mark(name, mark);
        bench.hide(name, true);
    }
    bench.wait(s(30));
    bench.turn();
    bench.did("list, show a");
    bench.wait(s(15));
    for name in ["a", "b", "c"] {
        bench.hide(name, false);
    }
    bench.wait(s(15));
    bench.turn();
    bench.did("list");
    assert_eq!(bench.snapshot().records.len(), 3);
}

#[test]
fn a_creation_that_the_cloud_does_not_know_is_written_off() {
    let mut bench = Bench::new(3);
    bench.accepts("a");
    bench.turn();
    bench.did("list, create 3");
    bench.wait(s(30));
    bench.turn();
    bench.did("list, show a");
    let backoff = bench.snapshot().backoff.map(|b| b.cause);
    assert_eq!(backoff, Some(BackoffCause::NeverCameUp));
}

#[test]
fn half_empty_lists_create_nothing_however_often_they_come() {
    let mut bench = Bench::serving(&["a", "b"]);
    for round in 0..32 {
        bench.wait(s(30));
        let (one, other) = (round % 3 != 1, round % 3 != 2);
        if one {
            bench.hide("a", true);
        }
        if other {
            bench.hide("b", true);
        }
        bench.answers("a", 1, false);
        bench.answers("b", 1, false);
        bench.turn();
        let asked = usize::from(one) + usize::from(other);
        assert_eq!(bench.asked(), 1 + asked, "a list, and what it lacks");
        if one {
            bench.hide("a", false);
        }
        if other {
            bench.hide("b", false);
        }
    }
    let snapshot = bench.snapshot();
    let told = snapshot.events.newest_first();
    let told = told.filter(|e| e.event.name() == "list-incomplete").count();
    assert_eq!(told, 6, "at 1, 2, 4, ... 32 times");
    let incident = snapshot
        .incidents
        .iter()
        .find(|i| i.kind == "list-incomplete");
    assert_eq!(incident.map(|i| i.times), Some(32));
}

#[test]
fn what_is_not_answered_is_not_gone() {
    let mut bench = Bench::serving(&["a", "b"]);
    for name in ["a", "b"] {
        bench.hide(name, true);
    }
    for _ in 0..3 {
        bench.wait(s(30));
        bench.fail_next("show", failure(CloudErrorKind::Timeout));
        bench.answers("a", 1, false);
        bench.answers("b", 1, false);
        bench.turn();
        assert_eq!(bench.snapshot().records.len(), 2);
    }
    // Once it is known, it is done.
    bench.remove("a");
    bench.remove("b");
    bench.wait(s(30));
    bench.fails("a");
    bench.fails("b");
    bench.turn();
    assert_eq!(bench.snapshot().records.len(), 0);
}

#[test]
fn no_more_than_twenty_are_asked_for_beside_one_list() {
    let names: Vec<String> = (10..60).map(|n| format!("r{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut bench = Bench::serving(&names);
    for name in &names {
        bench.remove(name);
    }
    bench.wait(s(30));
    for name in &names {
        bench.fails(name);
    }
    bench.turn();
    let shows = |range: std::ops::Range<u32>| {
        let shows: Vec<String> = range.map(|n| format!("show r{n}")).collect();
        format!("list, {}", shows.join(", "))
    };
    bench.did(&shows(10..30));
    // There is more to ask for: the next list comes soon.
    bench.wait(s(2));
    bench.turn();
    bench.did(&shows(30..50));
    // What is not there is gone, and nothing is created before the rest is known.
    assert_eq!(bench.snapshot().records.len(), 10);
    bench.wait(s(2));
    bench.turn();
    bench.did(&format!("{}, create 2", shows(50..60)));
}

#[test]
fn what_serves_is_marked_once_and_never_again_after_a_refusal() {
    let mut bench = Bench::new(2);
    bench.accepts("a");
    bench.turn();
    let mark = bench.last_mark();
    for name in ["a", "b"] {
        bench.add(name, bench::running());
        bench.with_mark(name, mark);
    }
    bench.wait(s(30));
    bench.turn();
    bench.answers("a", 1, false);
    bench.wait(s(30));
    bench.turn();
    let written = bench.marks();
    assert!(
        written.starts_with("a simplescalevm.served=1970-01-12T"),
        "{written}"
    );
    bench.answers("b", 1, false);
    bench.fail_next("mark", failure(CloudErrorKind::Conflict));
    bench.wait(s(30));
    bench.turn();
    bench.did("list, create 2, list, list, list, mark failed");
    bench.fail_next("mark", failure(CloudErrorKind::Forbidden));
    bench.wait(s(30));
    bench.turn();
    bench.did("list, mark failed");
    bench.wait(s(30));
    bench.turn();
    bench.did("list");
    assert_eq!(bench.marks(), "");
    // What is created from now on promises nothing.
    bench.answers("a", 0, false);
    bench.turn();
    bench.did("list, create 1");
    assert_eq!(
        bench.last_mark().map(|mark| mark.served_is_marked),
        Some(false)
    );
}

#[test]
fn servers_that_another_daemon_creates_are_told() {
    let mut bench = Bench::serving(&["a", "b"]);
    let other = CreationMark {
        instance: Instance(1),
        number: 1,
        count: 2,
        served_is_marked: true,
    };
    for name in ["x", "y"] {
        bench.add(name, ServerState::Creating(Creating::Building));
        bench.with_mark(name, Some(other));
    }
    bench.wait(s(30));
    bench.turn();
    let snapshot = bench.snapshot();
    assert_eq!(snapshot.foreign, 2);
    let told = snapshot.events.newest_first();
    let told: Vec<_> = told
        .filter(|e| e.event.name() == "foreign-creation")
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].event.reason(), Some("another-daemon"));
    assert!(told[0].text.contains("x [x]"), "{}", told[0].text);
}

#[test]
fn every_creation_has_a_name_of_its_own() {
    let mut bench = Bench::new(1);
    let mut parts = std::collections::BTreeSet::new();
    for _ in 0..3 {
        bench.fail_next("create", failure(CloudErrorKind::Rejected));
    }
    for _ in 0..40 {
        bench.wait(s(5));
        bench.turn();
        parts.extend(bench.last_name_part());
    }
    assert_eq!(parts.len(), 4, "{parts:?}");
}

#[test]
fn that_callers_find_nothing_is_logged_once_and_so_is_its_end() {
    let mut bench = Bench::serving(&["a", "b"]);
    bench.answers("a", 0, false);
    bench.answers("b", 0, false);
    bench.fail_next("create", failure(CloudErrorKind::Quota));
    let told = |bench: &Bench| {
        let events = bench.snapshot().events;
        let mut words: Vec<String> = events
            .newest_first()
            .filter(|entry| {
                matches!(
                    entry.event,
                    Event::Critical(_) | Event::Recovered(Recovery::Pool(_))
                )
            })
            .map(|entry| entry.text.clone())
            .collect();
        words.reverse();
        words
    };
    for _ in 0..200 {
        bench.wait(s(1));
        bench.answers("a", 0, false);
        bench.answers("b", 0, false);
        bench.turn();
    }
    let once = told(&bench);
    assert!(
        once[0].starts_with("critical: No resource is ready"),
        "{once:?}"
    );
    assert_eq!(once.iter().filter(|text| **text == once[0]).count(), 1);
    bench.answers("a", 5, false);
    for _ in 0..3 {
        bench.wait(s(1));
        bench.turn();
    }
    let last = told(&bench).pop().unwrap();
    assert!(
        last.starts_with("the pool is not critical any more, after "),
        "{last}"
    );
}
