//! Nothing that may hold a session goes on one word: neither on the cloud's nor on one answer.

use crate::world::{
    BUILDING, ERROR, NO_ADDRESS, OLD, STOPPED, World, address_of, check, held, id, running, s,
};
use simplescalevm_core::{Answer, ProbeFailure, ServerState};

const GROUP: [&str; 4] = ["a", "b", "c", "d"];

fn asked(world: &World) -> Vec<String> {
    let due = world.memory.due_probes(world.now);
    due.iter()
        .map(|target| target.replica.to_string())
        .collect()
}

/// One that was created under the scaler's eyes and runs.
fn created_since_start(world: &mut World, name: &str) {
    world.list();
    world.wait(1);
    world.add(name, running(), 0);
    world.list();
}

#[test]
fn a_whole_pool_in_error_that_still_answers_loses_nothing_and_creates_nothing() {
    for state in [ERROR, STOPPED] {
        let reason = if state == ERROR { "error" } else { "stopped" };
        let mut world = World::floor(4);
        world.serving(&GROUP);
        world.free("d", 0);
        world.free("c", 2);
        for name in GROUP {
            world.state(name, state.clone());
        }
        let blocked: Vec<String> = GROUP
            .iter()
            .map(|name| format!("no delete {name} {reason}: still-answers"))
            .collect();
        for _ in 0..3 {
            world.wait(30);
            world.list();
            assert_eq!(asked(&world), GROUP, "they are asked on");
            for name in ["a", "b"] {
                world.free(name, 1);
            }
            world.free("c", 2);
            world.free("d", 0);
            check(
                &world,
                "a serving 1, b serving 1, c serving 2, d serving 0 = 4",
                &blocked.join(" | "),
            );
        }
    }
}

#[test]
fn a_failed_replica_that_answers_keeps_its_external_address_and_gets_none() {
    let mut world = World::new();
    world.serving(&["a", "b"]);
    world.address("f", "a");
    world.address("g", "");
    world.state("a", ERROR);
    world.state("b", ERROR);
    world.list();
    world.does(
        "no delete a error: still-answers | no delete b error: still-answers \
         | no move g free: no-standby",
    );
}

#[test]
fn a_failed_replica_goes_once_it_is_silent_and_not_before() {
    let mut world = World::new();
    world.serving(&["a", "z"]);
    world.state("a", ERROR);
    world.list();
    world.fails("a", 2);
    check(
        &world,
        "a serving 1, z serving 1 = 2",
        "no delete a error: still-answers",
    );
    world.fails("a", 1);
    check(&world, "a failed 0, z serving 1 = 1", "delete a error");
    world.free("a", 1);
    check(
        &world,
        "a serving 1, z serving 1 = 2",
        "no delete a error: still-answers",
    );
}

#[test]
fn one_failed_probe_is_not_enough_even_with_a_threshold_of_one() {
    let mut world = World::new();
    world.policy.failure_threshold = 1;
    world.serving(&["a", "z"]);
    world.state("a", ERROR);
    world.list();
    world.fails("a", 1);
    check(&world, "a unreachable 0, z serving 1 = 1", "");
    world.fails("a", 1);
    check(&world, "a failed 0, z serving 1 = 1", "delete a error");
}

#[test]
fn silence_from_before_the_error_state_is_borne_out_once_more() {
    // It has hung for a while and may hold sessions. A single list that shows an error is no end.
    let mut world = World::new();
    world.serving(&["a", "z"]);
    world.fails("a", 3);
    world.wait(600);
    world.state("a", ERROR);
    world.list();
    check(&world, "a unreachable 0, z serving 1 = 1", "");
    world.fails("a", 3);
    check(&world, "a failed 0, z serving 1 = 1", "delete a error");
}

#[test]
fn after_a_restart_a_failed_replica_is_asked_first() {
    for state in [ERROR, STOPPED] {
        let mut world = World::floor(1);
        world.add("a", running(), OLD);
        world.state("a", state);
        world.list();
        assert_eq!(asked(&world), ["a"]);
        check(&world, "a checking 1 = 1", "");
        let mut answering = World::floor(1);
        answering.servers = world.servers.clone();
        answering.list();
        answering.free("a", 0);
        assert!(answering.plan().actions.len() == 1, "one is missing");
        world.fails("a", 3);
        assert_eq!(world.plan().actions.len(), 2, "deleted and replaced");
    }
}

#[test]
fn what_was_never_launched_goes_at_once() {
    let mut world = World::new();
    created_since_start(&mut world, "z");
    world.add("a", BUILDING, 0);
    world.list();
    world.state("a", ERROR);
    world.list();
    world.does("delete a error");
    world.add("b", ERROR, OLD);
    world.list();
    world.does("delete a error | delete b error");
}

#[test]
fn a_failed_replica_that_is_shown_without_its_address_is_asked_where_it_was() {
    let mut world = World::new();
    world.serving(&["a", "z"]);
    world.state("a", ERROR);
    world.server("a").addresses.clear();
    world.list();
    world.free("a", 1);
    check(
        &world,
        "a serving 1, z serving 1 = 2",
        "no delete a error: still-answers",
    );
    // Another server has that address by now: what answers there is not this one.
    world.add("n", running(), 0);
    world.server("n").state = ServerState::Running(address_of("a"));
    world.server("n").addresses = vec![address_of("a")];
    world.list();
    check(
        &world,
        "a failed 0, n starting 1, z serving 1 = 2",
        "delete a error",
    );
}

#[test]
fn one_list_without_an_address_is_not_enough_to_delete_what_was_launched() {
    let mut world = World::new();
    world.add("a", ERROR, OLD);
    world.server("a").launched = Some(world.cloud_now());
    world.list();
    check(&world, "a checking 1 = 1", "");
    world.list();
    check(&world, "a failed 0 = 0", "delete a error");
}

#[test]
fn a_failed_replica_that_says_that_it_is_done_goes_for_that() {
    let mut world = World::new();
    world.serving(&["a", "z"]);
    world.state("a", ERROR);
    world.list();
    world.done_once("a");
    check(
        &world,
        "a finishing 1, z serving 1 = 2",
        "no delete a error: still-answers",
    );
    world.done_once("a");
    check(
        &world,
        "a finished 0, z serving 1 = 1",
        "delete a termination",
    );
}

#[test]
fn a_replica_that_the_cloud_shows_running_again_goes_on_as_before() {
    let mut world = World::new();
    world.serving(&["a"]);
    world.free("a", 0);
    world.state("a", ERROR);
    world.list();
    world.state("a", running());
    world.list();
    world.is("a serving 0 = 0");
    world.state("a", ERROR);
    world.list();
    world.state("a", NO_ADDRESS);
    world.list();
    world.is("a serving 0 = 0");
}

#[test]
fn startup_timeout_spares_one_that_is_shown_being_built_and_answers() {
    let mut world = World::new();
    world.add("a", BUILDING, OLD);
    world.server("a").addresses = vec![address_of("a")];
    world.list();
    assert_eq!(asked(&world), [""; 0], "most builds are short");
    for _ in 0..3 {
        world.wait(30);
        world.list();
    }
    assert_eq!(asked(&world), ["a"]);
    // Not asked often enough.
    world.does("");
    world.fails("a", 2);
    world.does("");
    world.free("a", 1);
    check(
        &world,
        "a creating 1 = 1",
        "no delete a startup-timeout: still-answers",
    );
    world.fails("a", 3);
    // It may hold what it took meanwhile.
    world.does("no delete a startup-timeout: may-have-run");
    // What answered there says nothing of it once it is finished.
    world.state("a", running());
    world.list();
    world.is("a starting 1 = 1");
}

#[test]
fn startup_timeout_of_one_that_is_shown_being_built_and_does_not_answer() {
    let mut world = World::new();
    world.add("a", BUILDING, OLD);
    world.server("a").addresses = vec![address_of("a")];
    for _ in 0..4 {
        world.list();
        world.wait(30);
    }
    world.fails("a", 3);
    world.does("delete a startup-timeout");
}

#[test]
fn one_answer_that_says_done_is_not_believed() {
    let mut world = World::new();
    world.serving(&["a", "b"]);
    world.address("f", "a");
    world.address("g", "");
    world.list();
    world.free("a", 3);
    world.done_once("a");
    // It counts what it had, keeps its address, and gets none.
    check(
        &world,
        "a finishing 3, b serving 1 = 4",
        "move g nobody->b free",
    );
    world.free("a", 3);
    world.is("a serving 3, b serving 1 = 4");
    world.done_once("a");
    world.is("a finishing 3, b serving 1 = 4");
    world.done_once("a");
    world.is("a finished 0, b serving 1 = 1");
}

#[test]
fn the_answer_that_has_to_confirm_it_is_asked_for_a_second_later() {
    for (interval, after) in [(5_000, 1_000), (200, 200)] {
        let mut world = World::new();
        world.policy.probe_interval = std::time::Duration::from_millis(interval);
        world.serving(&["a"]);
        world.done_once("a");
        let soon = world.now + std::time::Duration::from_millis(after);
        assert_eq!(world.memory.next_probe(), Some(soon));
        world.now = soon;
        world.done_once("a");
        let later = soon + world.policy.probe_interval;
        assert_eq!(world.memory.next_probe(), Some(later), "it is confirmed");
    }
}

#[test]
fn so_many_answers_as_the_setting_says() {
    for confirmations in [1, 2, 5] {
        let mut world = World::new();
        world.policy.termination_confirmations = confirmations;
        world.serving(&["a"]);
        for _ in 1..confirmations {
            world.done_once("a");
            check(&world, "a finishing 1 = 1", "");
        }
        world.done_once("a");
        check(&world, "a finished 0 = 0", "delete a termination");
    }
}

#[test]
fn a_failed_probe_neither_confirms_nor_resets() {
    let mut world = World::new();
    world.serving(&["a"]);
    world.done_once("a");
    world.fails("a", 2);
    check(&world, "a finishing 1 = 1", "");
    world.probe("a", Err(ProbeFailure::Local("no descriptors".to_owned())));
    check(&world, "a finishing 1 = 1", "");
    world.done_once("a");
    check(&world, "a finished 0 = 0", "delete a termination");
    world.free("a", 1);
    world.done_once("a");
    world.fails("a", 3);
    check(&world, "a unreachable 0 = 0", "");
}

#[test]
fn after_a_restart_the_first_that_is_heard_is_no_end_either() {
    let mut world = World::floor(1);
    world.add("a", running(), OLD);
    world.list();
    world.done_once("a");
    check(&world, "a finishing 1 = 1", "");
    world.done_once("a");
    check(
        &world,
        "a finished 0 = 0",
        "delete a termination | create 1",
    );
}

#[test]
fn what_was_said_before_a_time_out_of_service_confirms_nothing() {
    let mut world = World::new();
    world.serving(&["a"]);
    world.done_once("a");
    world.state("a", held());
    world.list();
    world.state("a", running());
    world.list();
    world.done_once("a");
    world.is("a finishing 1 = 1");
}

#[test]
fn what_is_said_within_the_grace_does_not_count() {
    let mut world = World::new();
    created_since_start(&mut world, "a");
    world.done_once("a");
    world.done_once("a");
    world.wait(300);
    world.done_once("a");
    world.is("a finishing 1 = 1");
    world.done_once("a");
    world.is("a finished 0 = 0");
}

#[test]
fn startup_timeout_needs_more_than_one_failed_probe() {
    let mut world = World::new();
    world.policy.failure_threshold = 1;
    world.policy.startup_timeout = Some(s(100));
    created_since_start(&mut world, "a");
    world.wait(100);
    world.fails("a", 1);
    world.does("");
    world.fails("a", 1);
    world.does("delete a startup-timeout");
}

#[test]
fn an_answer_to_a_probe_from_before_the_error_state_counts() {
    let mut world = World::new();
    world.serving(&["a"]);
    let round = world
        .memory
        .probe_started(&world.policy, &id("a"), world.now);
    world.state("a", ERROR);
    world.list();
    let answer = Answer {
        free: 5,
        termination: false,
    };
    assert!(world.result("a", round, Ok(answer)));
    world.is("a serving 5 = 5");
}

#[test]
fn two_answers_that_lie_far_apart_confirm_nothing() {
    // Found by the simulation: nobody was asked for minutes in between.
    let mut world = World::new();
    world.serving(&["a"]);
    world.done_once("a");
    world.wait(40);
    world.done_once("a");
    world.is("a finished 0 = 0");
    world.free("a", 1);
    world.done_once("a");
    world.wait(41);
    world.done_once("a");
    world.is("a finishing 1 = 1");
    world.done_once("a");
    world.is("a finished 0 = 0");
}

#[test]
fn one_failed_probe_after_a_time_in_which_nobody_asked_is_not_enough() {
    // It boots, this thread stands still while it comes up, and the first probe is lost.
    let mut world = World::new();
    world.policy.startup_timeout = Some(s(600));
    created_since_start(&mut world, "a");
    world.fails("a", 3);
    world.wait(700);
    world.fails("a", 1);
    world.does("");
    world.fails("a", 2);
    world.does("delete a startup-timeout");
    // The same for those that are deleted for their silence alone.
    let mut world = World::new();
    world.policy.unreachable_timeout = Some(s(600));
    world.serving(&["a", "z"]);
    world.fails("a", 3);
    world.wait(250);
    world.free("z", 1);
    world.wait(250);
    world.free("z", 1);
    world.wait(250);
    world.free("z", 1);
    world.fails("a", 1);
    world.does("");
    world.fails("a", 2);
    world.does("delete a unreachable-timeout");
}
