//! What concerns many replicas at once: terminations, deletions that never end, and answers that
//! count for more than they should.

use crate::world::{OLD, World, check, id, running, s};
use simplescalevm_core::{
    Answer, ClockOddity, CloudTime, DeleteReason, ProbeFailure, ProbeResult, ServerState,
};
use std::num::NonZeroU64;

const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];

fn waits(names: &[&str], until: u64) -> String {
    let until = if until == 0 {
        String::new()
    } else {
        format!(" until {until}")
    };
    let blocked: Vec<String> = names
        .iter()
        .map(|name| format!("no delete {name} termination: mass-termination{until}"))
        .collect();
    blocked.join(" | ")
}

/// Five that serve, of which so many turn to "done" at the same moment.
fn turned(count: usize) -> World {
    let mut world = World::new();
    world.serving(&FIVE);
    for name in &FIVE[..count] {
        world.done(name);
    }
    world
}

/// Six that serve, of which three turn to "done".
fn half_of_six() -> World {
    let mut world = World::new();
    world.serving(&["a", "b", "c", "x", "y", "z"]);
    for name in ["a", "b", "c"] {
        world.done(name);
    }
    world
}

#[test]
fn a_list_that_was_asked_for_before_they_turned_does_not_show_it() {
    let mut world = World::new();
    world.serving(&FIVE);
    // The list is slow: they turn while it is on its way.
    let list = world.listing_of(&FIVE, world.cloud_now());
    world.wait(1);
    for name in FIVE {
        world.done(name);
    }
    world.wait(1);
    let policy = world.policy.clone();
    world.memory.observe_late(&policy, &list, world.now);
    world.does(&waits(&FIVE, 0));
    assert!(world.memory.wants_a_list());
    world.wait(1);
    world.list();
    world.does(&waits(&FIVE, 8));
}

#[test]
fn most_that_turn_at_once_have_to_say_so_again_after_a_list() {
    let mut world = turned(5);
    world.does(&waits(&FIVE, 0));
    assert!(world.memory.wants_a_list(), "a blocked plan asks for none");
    assert_eq!(world.memory.mass_termination().map(|m| m.turned), Some(3));
    // They go on saying so: that is not a look after the list.
    for name in FIVE {
        world.done_once(name);
    }
    world.does(&waits(&FIVE, 0));
    world.wait(1);
    world.list();
    assert!(!world.memory.wants_a_list());
    world.does(&waits(&FIVE, 6));
    world.wait(4);
    world.done_once("a");
    world.does(&waits(&FIVE, 6));
    world.wait(1);
    world.done_once("a");
    world.does(&format!("delete a termination | {}", waits(&FIVE[1..], 6)));
    for name in &FIVE[1..] {
        world.done_once(name);
    }
    world.list();
    world.does(
        "delete a termination | delete b termination | delete c termination \
         | delete d termination | delete e termination",
    );
}

/// This thread stood still: what they said long ago nobody goes for, and it is no longer in a row with what they say now. Their
/// words are news, although each of them was finished before and is so again.
#[test]
fn those_that_turn_anew_while_they_are_being_deleted_are_news() {
    let mut world = World::new();
    world.policy.termination_confirmations = 1;
    world.serving(&FIVE);
    for (name, at) in FIVE.iter().zip(0..) {
        world.wait(at);
        world.done(name);
        world.wait(20);
        world.done(name);
        world.list();
    }
    world.wait(100);
    world.list();
    check(
        &world,
        "a finishing 0, b finishing 0, c finishing 0, d finishing 0, e finishing 0 = 0",
        "",
    );
    for name in FIVE {
        assert!(world.done_once(name), "{name}");
    }
    world.does(&waits(&FIVE, 0));
}

#[test]
fn however_often_they_are_asked_it_takes_seconds_to_confirm_a_mass() {
    let mut world = World::new();
    world.policy.probe_interval = s(1);
    world.serving(&FIVE);
    for name in FIVE {
        world.done(name);
    }
    world.list();
    for _ in 0..4 {
        world.wait(1);
        for name in FIVE {
            world.done_once(name);
        }
        world.does(&waits(&FIVE, 5));
    }
    world.wait(1);
    world.done_once("a");
    world.does(&format!("delete a termination | {}", waits(&FIVE[1..], 5)));
}

#[test]
fn those_that_remain_when_others_have_left_are_most_of_it() {
    let mut world = half_of_six();
    for name in ["x", "y", "z"] {
        world.state(name, ServerState::Leaving);
    }
    world.list();
    world.does(&waits(&["a", "b", "c"], 5));
}

#[test]
fn those_that_take_it_back_stay() {
    let mut world = turned(5);
    world.list();
    for name in FIVE {
        world.free(name, 1);
    }
    check(
        &world,
        "a serving 1, b serving 1, c serving 1, d serving 1, e serving 1 = 5",
        "",
    );
    // That is over: one that ends now is nothing out of the ordinary.
    world.wait(60);
    world.list();
    world.done("a");
    world.does("delete a termination");
}

#[test]
fn it_is_noticed_when_they_say_so_for_the_first_time() {
    // With the first answers of most of them, none goes for its second one.
    let mut world = World::new();
    world.serving(&FIVE);
    for name in ["a", "b", "c"] {
        world.done_once(name);
    }
    world.done_once("a");
    world.does(&waits(&["a"], 0));
}

#[test]
fn three_of_five_are_most_and_two_are_not() {
    turned(2).does("delete a termination | delete b termination");
    turned(3).does(&waits(&FIVE[..3], 0));
    let mut world = World::new();
    world.serving(&["a", "b"]);
    world.done("a");
    world.done("b");
    world.does("delete a termination | delete b termination");
}

#[test]
fn half_of_the_pool_is_not_most_of_it() {
    half_of_six().does("delete a termination | delete b termination | delete c termination");
}

#[test]
fn those_that_went_already_count_among_them() {
    let mut world = turned(2);
    world.list();
    world.deleted("a", DeleteReason::Termination);
    world.deleted("b", DeleteReason::Termination);
    world.wait(1);
    world.done("c");
    world.does(&waits(&["c"], 0));
    // They may be gone from the lists by then.
    let mut world = turned(2);
    world.list();
    world.deleted("a", DeleteReason::Termination);
    world.deleted("b", DeleteReason::Termination);
    world.gone("a");
    world.gone("b");
    world.wait(1);
    world.list();
    world.done("c");
    world.does(&waits(&["c"], 0));
}

#[test]
fn those_that_turn_long_after_each_other_are_no_mass() {
    let mut world = World::new();
    world.serving(&FIVE);
    for count in 1..=FIVE.len() {
        world.done(FIVE[count - 1]);
        world.wait(20);
        for name in &FIVE[..count] {
            world.done_once(name);
        }
        world.list();
    }
    world.does(
        "delete a termination | delete b termination | delete c termination \
         | delete d termination | delete e termination",
    );
}

#[test]
fn those_that_turned_between_two_lists_are_one_mass_however_long_that_took() {
    // The cloud could not be listed, so that nobody could be deleted.
    let mut world = World::new();
    world.serving(&FIVE);
    world.done_once("a");
    world.done_once("b");
    world.wait(100);
    world.done_once("c");
    world.done("a");
    world.done_once("c");
    world.does(&waits(&["a", "c"], 0));
}

#[test]
fn others_that_turn_meanwhile_join_them() {
    let mut world = turned(3);
    world.list();
    world.wait(3);
    world.done("d");
    world.does(&format!("{} | {}", waits(&FIVE[..3], 5), waits(&["d"], 0)));
    assert!(world.memory.wants_a_list());
    assert_eq!(world.memory.mass_termination().map(|m| m.number), Some(1));
    world.list();
    world.does(&format!("{} | {}", waits(&FIVE[..3], 5), waits(&["d"], 8)));
}

#[test]
fn they_are_asked_exactly_when_their_word_counts_again() {
    let mut world = turned(5);
    world.wait(1);
    world.list();
    assert_eq!(world.memory.next_probe(), Some(world.now + s(5)));
    // One that was under way at that moment is not the one that counts.
    let mut world = turned(5);
    let round = world
        .memory
        .probe_started(&world.policy, &id("a"), world.now);
    world.wait(1);
    world.list();
    let done = Ok(Answer {
        free: 0,
        termination: true,
    });
    world.result("a", round, done);
    assert_eq!(world.memory.next_probe(), Some(world.now + s(5)));
    world.does(&waits(&FIVE, 6));
}

#[test]
fn one_that_falls_silent_holds_up_none_of_the_others_for_ever() {
    let mut world = turned(5);
    world.list();
    world.wait(5);
    for name in &FIVE[1..] {
        world.done_once(name);
        world.deleted(name, DeleteReason::Termination);
        world.gone(name);
    }
    world.fails("a", 3);
    world.wait(60);
    world.serving(&["v", "w", "x", "y", "z"]);
    world.list();
    world.done("v");
    world.does("delete v termination");
    // It is still one that has to say so once more.
    world.done("a");
    world.does("delete a termination | delete v termination");
}

#[test]
fn a_list_that_is_not_believed_shows_nothing() {
    let mut world = turned(5);
    assert!(!world.list_only(&["a"]));
    assert!(!world.memory.wants_a_list(), "one list, not one a second");
    world.wait(1);
    world.list();
    world.does(&waits(&FIVE, 6));
}

#[test]
fn replicas_that_never_served_are_no_mass() {
    let mut world = World::new();
    world.list();
    world.wait(1);
    for name in FIVE {
        world.add(name, running(), 0);
    }
    world.list();
    world.wait(300);
    for name in FIVE {
        world.done(name);
    }
    assert_eq!(world.memory.mass_termination(), None);
}

#[test]
fn after_a_restart_a_pool_that_says_done_is_looked_at_twice() {
    let mut world = World::new();
    for name in FIVE {
        world.add(name, running(), OLD);
    }
    world.list();
    for name in FIVE {
        world.done(name);
    }
    world.does(&waits(&FIVE, 0));
}

#[test]
fn servers_that_leave_count_towards_the_limit_for_ten_minutes() {
    let mut world = World::floor(3);
    world.max_count(3);
    for name in ["a", "b", "c"] {
        world.add(name, ServerState::Leaving, OLD);
    }
    world.list();
    world.does("no create 3: max-count");
    world.wait(599);
    world.list();
    world.does("no create 3: max-count");
    world.wait(1);
    world.does("create 3");
    let is_stuck = |world: &World, name| {
        let record = world.memory.record(&id(name)).unwrap();
        record.is_stuck_leaving(world.now)
    };
    assert!(is_stuck(&world, "a"));
    // What is not leaving counts.
    world.add("d", running(), OLD);
    world.list();
    world.free("d", 0);
    world.does("create 2 | no create 1: max-count");
}

#[test]
fn a_deletion_that_is_accepted_again_and_again_does_not_start_anew() {
    let mut world = World::floor(1);
    world.max_count(1);
    world.serving(&["a"]);
    world.done("a");
    world.deleted("a", DeleteReason::Termination);
    for _ in 0..9 {
        world.wait(65);
        world.list();
        world.done("a");
        world.does("delete a termination | no create 1: max-count");
        world.deleted("a", DeleteReason::Termination);
    }
    world.wait(15);
    world.list();
    world.does("create 1");
    // One that comes back to life is a replica like any other.
    world.wait(60);
    world.list();
    world.free("a", 0);
    world.does("no create 1: max-count");
    world.done("a");
    world.deleted("a", DeleteReason::Termination);
    world.does("no create 1: max-count");
}

fn answers(world: &mut World, name: &str, free: u64) {
    world.free(name, free);
}

#[test]
fn one_liar_does_not_make_the_pool_well() {
    for free in [101, u64::from(u32::MAX), u64::MAX] {
        let mut world = World::floor(3);
        world.serving(&["a"]);
        for _ in 0..3 {
            answers(&mut world, "a", free);
        }
        check(&world, "a unreachable 0 = 0", "create 3");
        let record = world.memory.record(&id("a")).unwrap();
        let limit = 100;
        assert_eq!(
            record.last_failure,
            Some(ProbeFailure::OverLimit { free, limit })
        );
    }
}

#[test]
fn what_is_over_the_capacity_and_not_over_the_limit_is_counted_as_reported() {
    let mut world = World::floor(3);
    world.serving(&["a"]);
    answers(&mut world, "a", 100);
    check(&world, "a serving 100 = 100", "");
    world.policy.capacity_limit = NonZeroU64::MAX;
    answers(&mut world, "a", u64::MAX);
    world.is(&format!("a serving {0} = {0}", u64::MAX));
}

#[test]
fn a_liar_that_says_that_it_is_done_is_not_believed_either() {
    let mut world = World::new();
    world.policy.termination_confirmations = 1;
    world.serving(&["a"]);
    let lie = Answer {
        free: 1_000_000,
        termination: true,
    };
    world.probe("a", Ok(lie));
    world.is("a serving 1 = 1");
    let result = ProbeResult {
        replica: id("a"),
        round: 1,
        finished: world.now,
        latency: s(0),
        outcome: Ok(lie),
    };
    assert!(result.believed(&world.policy).outcome.is_err());
}

/// A cloud whose clock is off by so many seconds, in lists only.
fn list_with_clock(world: &mut World, off: i64) {
    let time = world.cloud_now().0.saturating_add_signed(off);
    world.list_at(CloudTime(time));
}

#[test]
fn a_clock_that_is_ahead_makes_nobody_count_twice_and_nobody_old() {
    for off in [600, 86_400] {
        let mut world = World::floor(3);
        world.add("z", running(), OLD);
        list_with_clock(&mut world, off);
        world.free("z", 0);
        world.does("create 3");
        world.created(3);
        world.wait(20);
        for name in ["a", "b", "c"] {
            world.add(name, running(), 10);
        }
        list_with_clock(&mut world, off);
        // They are the ones that were ordered, and they are still starting.
        check(
            &world,
            "a starting 1, b starting 1, c starting 1, z serving 0 = 3",
            "",
        );
        for name in ["a", "b", "c"] {
            world.fails(name, 3);
        }
        world.wait(60);
        list_with_clock(&mut world, off);
        world.is("a starting 1, b starting 1, c starting 1, z serving 0 = 3");
        assert_eq!(world.backoff(), None, "none of them has failed to come up");
        let odd = world.memory.odd_clock().expect("it is told");
        assert_eq!(odd.how, ClockOddity::Disagrees);
        assert!((odd.seconds - off).abs() <= 330, "{odd:?}");
    }
}

#[test]
fn a_jump_of_the_clock_changes_no_age_and_is_told() {
    for jump in [600_i64, 86_400, -600] {
        let mut world = World::new();
        world.list();
        world.wait(1);
        world.add("a", running(), 0);
        world.list();
        world.fails("a", 3);
        world.wait(30);
        list_with_clock(&mut world, jump);
        world.is("a starting 1 = 1");
        let odd = world.memory.odd_clock().expect("it is told");
        assert_eq!((odd.how, odd.seconds), (ClockOddity::Jumped, jump));
        assert_eq!(odd.number, 1);
        // What is new since then is no older either.
        world.wait(30);
        world.add("b", running(), 5);
        list_with_clock(&mut world, jump);
        world.is("a starting 1, b starting 1 = 2");
        assert_eq!(world.memory.odd_clock().map(|odd| odd.number), Some(1));
    }
}

#[test]
fn one_list_with_a_wrong_clock_is_forgotten() {
    let mut world = World::new();
    world.list();
    world.wait(30);
    list_with_clock(&mut world, 3_600);
    world.wait(30);
    world.list();
    world.add("a", running(), 20);
    world.list();
    let record = world.memory.record(&id("a")).unwrap();
    assert!(world.memory.age(record, world.now) <= s(30));
}

#[test]
fn a_clock_that_is_behind_what_it_shows_is_told() {
    let mut world = World::new();
    world.add("a", running(), 0);
    list_with_clock(&mut world, -300);
    let odd = world.memory.odd_clock().expect("it is told");
    assert_eq!((odd.how, odd.seconds), (ClockOddity::Disagrees, -300));
    world.is("a starting 1 = 1");
}
