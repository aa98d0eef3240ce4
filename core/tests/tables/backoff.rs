//! 2.6: a broken image, a full quota and a failing cloud must not turn into a bill.

use crate::world::{BUILDING, ERROR, STOPPED, World, running, s};
use simplescalevm_core::{Action, Backoff, BackoffCause, DeleteReason, ServerState};

/// A creation is accepted and its servers are listed ten seconds later.
fn create(world: &mut World, names: &[&str], state: &ServerState) {
    world.created(names.len() as u64);
    world.wait(10);
    for name in names {
        world.add(name, state.clone(), 5);
    }
    world.list();
}

#[test]
fn each_cause_of_an_answer_delays_the_next_creation() {
    use BackoffCause::{CloudFailure, Quota, RateLimited, Rejected};
    for cause in [Quota, Rejected, CloudFailure, RateLimited] {
        let mut world = World::floor(1);
        world.list();
        world.refused(cause);
        world.does(&format!("no create 1: backoff {} until 10", cause.name()));
        world.wait(10);
        world.does("create 1");
    }
}

#[test]
fn delay_doubles_from_ten_seconds_to_fifteen_minutes() {
    let mut world = World::floor(1);
    world.list();
    for delay in [10, 20, 40, 80, 160, 320, 640, 900, 900, 900] {
        world.refused(BackoffCause::Rejected);
        assert_eq!(world.backoff(), Some(delay));
        world.wait(delay);
        assert_eq!(world.backoff(), Some(0));
    }
    assert_eq!(Backoff::delay(u32::MAX), Backoff::LONGEST);
}

#[test]
fn retry_after_is_obeyed_where_it_is_longer() {
    for (wish, delay) in [(5, 10), (10, 10), (77, 77), (3_000, 3_000)] {
        let mut world = World::floor(1);
        world.list();
        world.failed(BackoffCause::RateLimited, Some(s(wish)), false);
        assert_eq!(world.backoff(), Some(delay));
        world.does(&format!("no create 1: backoff rate-limited until {delay}"));
    }
}

#[test]
fn absurd_retry_after_is_bounded() {
    let mut world = World::floor(1);
    world.failed(BackoffCause::RateLimited, Some(s(u64::MAX)), false);
    assert_eq!(world.backoff(), Some(3600));
}

#[test]
fn reset_by_the_first_replica_of_a_later_creation_that_serves() {
    let mut world = World::floor(1);
    world.list();
    world.refused(BackoffCause::Rejected);
    world.wait(10);
    world.refused(BackoffCause::Rejected);
    world.wait(20);
    create(&mut world, &["a"], &running());
    assert_eq!(world.memory.backoff().map(|b| b.failures), Some(2));
    world.free("a", 1);
    assert_eq!(world.memory.backoff(), None);
    world.refused(BackoffCause::Rejected);
    assert_eq!(world.backoff(), Some(10));
}

#[test]
fn not_reset_by_a_replica_of_an_earlier_creation() {
    let mut world = World::floor(3);
    world.list();
    create(&mut world, &["a"], &running());
    world.refused(BackoffCause::Quota);
    world.free("a", 1);
    assert_eq!(world.backoff(), Some(10));
}

#[test]
fn not_reset_by_old_replicas_that_serve() {
    let mut world = World::floor(3);
    world.serving(&["a"]);
    world.refused(BackoffCause::Quota);
    world.fails("a", 3);
    world.free("a", 1);
    assert_eq!(world.backoff(), Some(10));
}

#[test]
fn not_reset_by_a_replica_that_only_says_that_it_is_done() {
    let mut world = World::floor(1);
    world.list();
    world.refused(BackoffCause::Rejected);
    world.wait(10);
    create(&mut world, &["a"], &running());
    world.wait(300);
    world.done("a");
    assert!(world.memory.backoff().is_some());
}

#[test]
fn reset_by_servers_of_a_creation_of_unknown_outcome_that_serve() {
    let mut world = World::floor(1);
    world.list();
    world.failed(BackoffCause::CloudFailure, None, true);
    world.wait(10);
    world.add("a", running(), 5);
    world.list();
    world.free("a", 1);
    assert_eq!(world.memory.backoff(), None);
}

#[test]
fn servers_that_end_in_error_count_once_for_each_creation() {
    let mut world = World::floor(3);
    world.list();
    create(&mut world, &["a", "b", "c"], &BUILDING);
    assert_eq!(world.backoff(), None);
    world.state("a", ERROR);
    world.list();
    world.does("delete a error | no create 1: backoff server-error until 20");
    world.wait(10);
    world.state("b", ERROR);
    world.state("c", ERROR);
    world.list();
    world.does("delete a error | delete b error | delete c error | create 3");
    world.deleted("a", DeleteReason::Error);
    world.deleted("b", DeleteReason::Error);
    assert_eq!(world.memory.backoff().map(|b| b.failures), Some(1));
    create(&mut world, &["d"], &ERROR);
    assert_eq!(world.backoff(), Some(20));
}

#[test]
fn server_that_served_and_then_failed_is_no_failed_creation() {
    let mut world = World::floor(2);
    world.list();
    create(&mut world, &["a", "b"], &running());
    for _ in 0..2 {
        world.free("a", 1);
        world.free("b", 1);
        world.wait(60);
    }
    world.state("a", ERROR);
    world.state("b", STOPPED);
    world.list();
    world.fails("a", 3);
    world.fails("b", 3);
    world.does("delete a error | delete b stopped | create 2");
}

#[test]
fn creation_that_failed_at_once_is_not_counted_again_for_its_servers() {
    let mut world = World::floor(2);
    world.list();
    world.failed(BackoffCause::CloudFailure, None, true);
    world.add("a", ERROR, 0);
    world.list();
    assert_eq!(world.memory.backoff().map(|b| b.failures), Some(1));
}

#[test]
fn replica_that_never_came_up_delays_the_next_creation() {
    let mut world = World::new();
    world.list();
    create(&mut world, &["a"], &BUILDING);
    world.wait(900);
    world.list();
    world.wait(1);
    world.list();
    world.does("delete a startup-timeout");
    world.deleted("a", DeleteReason::StartupTimeout);
    assert_eq!(
        world.memory.backoff().map(|b| b.cause),
        Some(BackoffCause::NeverCameUp)
    );
    assert_eq!(world.backoff(), Some(10));
}

#[test]
fn creation_of_which_only_a_part_shows_was_cut_short_by_the_quota() {
    for (shown, expected) in [(0, BackoffCause::NeverCameUp), (1, BackoffCause::Quota)] {
        let mut world = World::floor(3);
        world.list();
        world.created(3);
        for _ in 0..shown {
            world.add("a", BUILDING, 0);
        }
        world.wait(29);
        world.list();
        assert_eq!(world.memory.backoff(), None);
        world.wait(1);
        world.list();
        assert_eq!(world.memory.backoff().map(|b| b.cause), Some(expected));
    }
}

#[test]
fn replica_that_is_silent_after_its_grace_delays_the_next_creation() {
    let mut world = World::floor(1);
    world.list();
    create(&mut world, &["a"], &running());
    world.wait(300);
    world.fails("a", 3);
    world.list();
    world.does("no create 1: backoff never-came-up until 320");
    world.free("a", 0);
    world.does("no create 1: backoff never-came-up until 320");
    world.free("a", 1);
    assert_eq!(world.memory.backoff(), None);
}

#[test]
fn quota_backoff_ends_early_when_a_replica_has_gone() {
    let mut world = World::floor(9);
    world.serving(&["a", "b"]);
    world.refused(BackoffCause::Quota);
    world.wait(1);
    world.list();
    world.does("no create 7: backoff quota until 10");
    world.gone("a");
    world.list();
    world.does("create 8");
    world.refused(BackoffCause::Quota);
    assert_eq!(world.backoff(), Some(20), "the doubling goes on");
}

#[test]
fn other_backoffs_do_not_end_early() {
    use BackoffCause::{CloudFailure, RateLimited, Rejected};
    for cause in [CloudFailure, RateLimited, Rejected] {
        let mut world = World::floor(9);
        world.serving(&["a", "b"]);
        world.refused(cause);
        world.gone("a");
        world.list();
        assert_eq!(world.backoff(), Some(10));
    }
}

#[test]
fn quota_backoff_does_not_end_with_a_list_that_is_not_believed() {
    let mut world = World::floor(9);
    world.serving(&["a", "b", "c"]);
    world.refused(BackoffCause::Quota);
    assert!(!world.list_only(&[]));
    assert_eq!(world.backoff(), Some(10));
}

/// Runs a pool whose new machines all turn out alike, for a day. Returns how many were made.
fn machines_in_a_day(mut world: World, turn_out: impl Fn(&mut World, &str, u64)) -> u64 {
    let mut made = 0;
    let mut births: Vec<(String, u64)> = Vec::new();
    while world.now.0 < s(86_400) {
        world.list();
        for (name, born) in &births {
            if world.servers.contains_key(name) {
                let age = world.now.0.as_secs() - born;
                turn_out(&mut world, name, age);
            }
        }
        world.list();
        for action in world.plan().actions {
            match action {
                Action::Delete {
                    replica, reason, ..
                } => {
                    world.deleted(replica.as_str(), reason);
                    world.gone(replica.as_str());
                }
                Action::Create { count } => {
                    world.created(count.get());
                    for _ in 0..count.get() {
                        let name = format!("m{made:06}");
                        world.add(&name, running(), 0);
                        births.push((name, world.now.0.as_secs()));
                        made += 1;
                    }
                }
                Action::MoveAddress { .. } => {}
            }
        }
        births.retain(|(name, _)| world.servers.contains_key(name));
        world.wait(30);
    }
    made
}

// A machine that comes to nothing after its grace of 300 s, and at most one creation of three
// per 300 s + 900 s once the delay has grown: not more than some 80 creations in a day.
const BILL: u64 = 3 * 85;

#[test]
fn image_that_never_answers_does_not_turn_into_a_bill() {
    let made = machines_in_a_day(World::floor(3), |w, name, _| _ = w.fails(name, 3));
    assert!(made <= BILL, "{made}");
}

#[test]
fn image_that_never_answers_does_not_turn_into_a_bill_without_a_startup_timeout() {
    let mut world = World::floor(3);
    world.policy.startup_timeout = None;
    let made = machines_in_a_day(world, |w, name, _| _ = w.fails(name, 3));
    assert!(made <= BILL, "{made}");
}

#[test]
fn image_that_always_says_delete_me_does_not_turn_into_a_bill() {
    let made = machines_in_a_day(World::floor(3), |w, name, _| _ = w.done(name));
    assert!(made <= BILL, "{made}");
}

#[test]
fn image_that_powers_itself_off_does_not_turn_into_a_bill() {
    let made = machines_in_a_day(World::floor(3), |w, name, age| {
        if age >= 60 {
            w.state(name, STOPPED);
        }
    });
    assert!(made <= 3 * 110, "{made}");
}

#[test]
fn servers_that_no_list_ever_shows_do_not_turn_into_a_bill() {
    let mut world = World::floor(3);
    let mut made = 0;
    while world.now.0 < s(86_400) {
        world.list();
        for action in world.plan().actions {
            if let Action::Create { count } = action {
                world.created(count.get());
                made += count.get();
            }
        }
        world.wait(10);
    }
    assert!(made <= 3 * 110, "{made}");
}

#[test]
fn image_that_boots_slowly_is_not_punished_for_ever() {
    // It answers after 400 s, longer than the grace: what serves in the end resets the backoff.
    let mut world = World::floor(1);
    world.list();
    for n in 0..5 {
        let name = format!("m{n}");
        create(&mut world, &[&name], &running());
        world.wait(300);
        world.fails(&name, 3);
        world.list();
        assert_eq!(world.backoff(), Some(10));
        world.wait(100);
        world.free(&name, 1);
        assert_eq!(world.memory.backoff(), None);
        world.wait(301);
        world.free(&name, 0);
    }
}

#[test]
fn gateways_that_take_one_call_and_end_are_no_failures() {
    let made = machines_in_a_day(World::floor(3), |w, name, age| match age {
        0..40 => _ = w.fails(name, 1),
        40..100 => _ = w.free(name, 1),
        100..200 => _ = w.free(name, 0),
        _ => _ = w.done(name),
    });
    assert!(made > 1_000, "they are replaced at once: {made}");
}
