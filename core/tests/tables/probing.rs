//! 2.2: what an answer, a failure and a late result do to a replica, and when it is asked.

use crate::world::{BUILDING, OLD, World, check, held, id, running, s};
use simplescalevm_core::{Answer, ProbeFailure};

const ONE_FREE: Result<Answer, ProbeFailure> = Ok(Answer {
    free: 1,
    termination: false,
});

#[test]
fn below_the_threshold_the_last_good_answer_stands() {
    let mut world = World::new();
    world.serving(&["a"]);
    assert!(!world.fails("a", 2));
    check(&world, "a serving 1 = 1", "");
}

#[test]
fn at_the_threshold_it_is_unreachable_counts_zero_and_is_not_deleted() {
    let mut world = World::floor(1);
    world.serving(&["a"]);
    world.fails("a", 2);
    assert!(world.fails("a", 1), "a decision depends on it");
    check(&world, "a unreachable 0 = 0", "create 1");
    world.wait(100 * OLD);
    world.list();
    check(&world, "a unreachable 0 = 0", "create 1");
}

#[test]
fn probe_that_this_machine_could_not_make_says_nothing_of_the_replica() {
    let mut world = World::floor(1);
    world.serving(&["a"]);
    for _ in 0..50 {
        let local = ProbeFailure::Local("too many open files".to_owned());
        assert!(!world.probe("a", Err(local)));
    }
    check(&world, "a serving 1 = 1", "");
}

#[test]
fn threshold_of_one_means_the_first_failure() {
    let mut world = World::new();
    world.policy.failure_threshold = 1;
    world.serving(&["a"]);
    assert!(world.fails("a", 1));
    world.is("a unreachable 0 = 0");
}

#[test]
fn one_good_answer_makes_it_serving_again() {
    let mut world = World::new();
    world.serving(&["a"]);
    world.fails("a", 50);
    assert!(world.free("a", 1));
    check(&world, "a serving 1 = 1", "");
    world.fails("a", 2);
    check(&world, "a serving 1 = 1", "");
}

#[test]
fn done_stands_below_the_threshold_too() {
    let mut world = World::new();
    world.serving(&["a"]);
    world.done("a");
    world.fails("a", 2);
    check(&world, "a finished 0 = 0", "delete a termination");
    world.fails("a", 1);
    check(&world, "a unreachable 0 = 0", "");
}

#[test]
fn it_may_take_back_that_it_is_done() {
    let mut world = World::new();
    world.serving(&["a"]);
    world.done("a");
    world.free("a", 1);
    check(&world, "a serving 1 = 1", "");
}

#[test]
fn it_is_full_since_the_first_of_the_answers_that_say_so() {
    let mut world = World::new();
    world.serving(&["a"]);
    let full_since = |world: &World| world.memory.record(&id("a")).unwrap().full_since;
    assert_eq!(full_since(&world), None);
    world.free("a", 0);
    let first = full_since(&world);
    assert!(first.is_some());
    world.wait(60);
    world.free("a", 0);
    world.fails("a", 50);
    assert_eq!(full_since(&world), first, "a silence says nothing");
    world.free("a", 1);
    assert_eq!(full_since(&world), None);
    world.wait(60);
    world.free("a", 0);
    assert!(full_since(&world) > first);
    world.done("a");
    assert_eq!(full_since(&world), None, "it is done and not full");
    world.free("a", 0);
    world.state("a", held());
    world.list();
    assert_eq!(full_since(&world), None);
}

#[test]
fn result_of_another_round_is_ignored() {
    let mut world = World::new();
    world.serving(&["a"]);
    let old = world
        .memory
        .probe_started(&world.policy, &id("a"), world.now);
    let new = world
        .memory
        .probe_started(&world.policy, &id("a"), world.now);
    let done = Ok(Answer {
        free: 0,
        termination: true,
    });
    assert!(!world.result("a", old, done.clone()));
    world.is("a serving 1 = 1");
    assert!(world.result("a", new, done.clone()));
    world.is("a finishing 1 = 1");
    assert!(!world.result("a", new, ONE_FREE), "once only");
    assert!(!world.result("a", new, done.clone()), "once only");
    world.is("a finishing 1 = 1");
}

#[test]
fn result_that_comes_after_a_hold_is_ignored() {
    let mut world = World::new();
    world.serving(&["a"]);
    let round = world
        .memory
        .probe_started(&world.policy, &id("a"), world.now);
    world.state("a", held());
    world.list();
    world.state("a", running());
    world.list();
    assert!(!world.result("a", round, ONE_FREE));
    world.is("a checking 1 = 1");
}

#[test]
fn result_for_a_replica_that_is_gone_is_ignored() {
    let mut world = World::new();
    world.serving(&["a"]);
    let round = world
        .memory
        .probe_started(&world.policy, &id("a"), world.now);
    world.gone("a");
    world.list();
    assert!(!world.result("a", round, ONE_FREE));
    world.is(" = 0");
}

#[test]
fn answer_that_changes_nothing_calls_for_no_decision() {
    let mut world = World::new();
    world.serving(&["a"]);
    assert!(!world.free("a", 1));
    assert!(world.free("a", 0));
    assert!(world.done("a"));
    assert!(!world.done("a"));
}

#[test]
fn at_most_one_probe_is_under_way() {
    let mut world = World::new();
    world.serving(&["a"]);
    world.wait(100);
    let round = world
        .memory
        .probe_started(&world.policy, &id("a"), world.now);
    world.wait(100);
    assert_eq!(world.memory.due_probes(world.now), []);
    world.result("a", round, ONE_FREE);
    assert_eq!(world.memory.due_probes(world.now).len(), 1);
}

#[test]
fn probe_that_was_put_off_is_due_at_once() {
    let mut world = World::new();
    world.serving(&["a"]);
    world
        .memory
        .probe_started(&world.policy, &id("a"), world.now);
    world.memory.probe_put_off(&id("a"), world.now);
    assert_eq!(world.memory.next_probe(), Some(world.now));
}

#[test]
fn good_answer_is_repeated_after_the_probe_interval() {
    let mut world = World::new();
    world.wait(1);
    world.serving(&["a"]);
    assert_eq!(world.memory.next_probe(), Some(world.now + s(5)));
}

#[test]
fn failed_probe_is_repeated_after_one_second_until_there_is_a_verdict() {
    let mut world = World::new();
    world.serving(&["a"]);
    for _ in 0..2 {
        world.fails("a", 1);
        assert_eq!(world.memory.next_probe(), Some(world.now + s(1)));
    }
    world.fails("a", 1);
    assert_eq!(world.memory.next_probe(), Some(world.now + s(5)));
}

#[test]
fn failed_probe_is_repeated_after_a_shorter_probe_interval() {
    let mut world = World::new();
    world.policy.probe_interval = std::time::Duration::from_millis(200);
    world.serving(&["a"]);
    world.fails("a", 1);
    let soon = world.now + world.policy.probe_interval;
    assert_eq!(world.memory.next_probe(), Some(soon));
}

#[test]
fn holders_go_first_and_suspects_last() {
    let mut world = World::new();
    world.address("c", "c");
    world.address("d", "d");
    world.serving(&["a", "b", "c", "d"]);
    world.fails("a", 1);
    world.fails("c", 1);
    world.wait(10);
    let due = world.memory.due_probes(world.now);
    let order: Vec<&str> = due.iter().map(|t| t.replica.as_str()).collect();
    assert_eq!(order, ["d", "c", "b", "a"]);
}

#[test]
fn however_many_suspects_wait_the_living_come_before_them() {
    let mut world = World::new();
    let names: Vec<String> = (0..600).map(|number| format!("a{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).chain(["z"]).collect();
    world.serving(&names);
    for name in &names[..600] {
        world.fails(name, 1);
    }
    world.wait(10);
    let due = world.memory.due_probes(world.now);
    let order: Vec<&str> = due.iter().map(|t| t.replica.as_str()).collect();
    assert_eq!(order.first(), Some(&"z"));
    assert!(order.len() > 1);
}

#[test]
fn new_replica_is_probed_as_soon_as_it_runs() {
    let mut world = World::new();
    world.add("a", BUILDING, 0);
    world.list();
    assert_eq!(world.memory.next_probe(), None);
    world.wait(20);
    world.state("a", running());
    world.list();
    assert_eq!(world.memory.next_probe(), Some(world.now));
}

#[test]
fn one_sick_replica_does_not_disturb_the_others() {
    let mut world = World::new();
    world.serving(&["a", "b", "c"]);
    world.fails("b", 9);
    check(&world, "a serving 1, b unreachable 0, c serving 1 = 2", "");
}
