//! 2.1: what each of the cloud's answers means, and the list that lacks too much.

use crate::world::{BUILDING, ERROR, NO_ADDRESS, OLD, STOPPED, World, check, held, running};
use simplescalevm_core::{DeleteReason, ServerState};

/// One server in a state, aged 100 s, in a pool of capacity 4 without a floor.
#[track_caller]
fn row(state: ServerState, pool: &str, actions: &str) {
    let mut world = World::new();
    world.capacity(4);
    world.add("a", state, 100);
    assert!(world.list());
    check(&world, pool, actions);
}

#[test]
fn leaving_is_not_counted_and_not_touched() {
    row(ServerState::Leaving, "a leaving 0 = 0", "");
}

#[test]
fn leaving_holder_of_an_address_is_not_touched() {
    let mut world = World::new();
    world.serving(&["a", "b"]);
    world.state("a", ServerState::Leaving);
    world.address("f", "a");
    world.list();
    check(&world, "a leaving 0, b serving 1 = 1", "");
}

#[test]
fn building_counts_the_capacity() {
    row(BUILDING, "a creating 4 = 4", "");
}

#[test]
fn active_without_an_address_yet_counts_the_capacity() {
    row(NO_ADDRESS, "a creating 4 = 4", "");
}

#[test]
fn active_is_running_and_probed() {
    let mut world = World::new();
    for (name, state) in [
        ("a", running()),
        ("b", BUILDING),
        ("c", NO_ADDRESS),
        ("d", ERROR),
        ("e", STOPPED),
        ("f", held()),
        ("g", ServerState::Leaving),
    ] {
        world.add(name, state, OLD);
    }
    world.list();
    let due = world.memory.due_probes(world.now);
    let due: Vec<&str> = due.iter().map(|t| t.replica.as_str()).collect();
    // One that is off by the cloud's word, and has an address, is asked all the same.
    assert_eq!(due, ["a", "e"]);
}

#[test]
fn error_is_deleted_with_reason_error() {
    row(ERROR, "a failed 0 = 0", "delete a error");
}

#[test]
fn stopped_is_deleted_with_reason_stopped() {
    // It has been launched: it may serve, whatever the cloud says.
    row(STOPPED, "a checking 4 = 4", "");
    let mut world = World::new();
    world.add("a", STOPPED, OLD);
    world.list();
    world.fails("a", 3);
    check(&world, "a failed 0 = 0", "delete a stopped");
}

#[test]
fn held_is_not_counted_and_never_deleted() {
    row(held(), "a held 0 = 0", "");
    let mut world = World::new();
    world.policy.unreachable_timeout = Some(crate::world::s(1));
    world.serving(&["a", "b"]);
    world.done("a");
    world.state("a", held());
    world.wait(OLD);
    world.list();
    check(&world, "a held 0, b serving 1 = 1", "");
}

#[test]
fn back_from_hold_old_answers_are_void() {
    let mut world = World::new();
    world.capacity(4);
    world.serving(&["a"]);
    world.done("a");
    world.state("a", held());
    world.list();
    world.state("a", running());
    world.list();
    check(&world, "a checking 4 = 4", "");
    world.free("a", 2);
    check(&world, "a serving 2 = 2", "");
}

#[test]
fn back_from_hold_old_answers_are_void_whatever_came_between() {
    for between in [ServerState::Unknown, ServerState::Leaving, BUILDING] {
        for out in [held(), STOPPED, ERROR] {
            if between == ServerState::Unknown && out != held() {
                // It is asked all the time, and nothing is void.
                continue;
            }
            let mut world = World::new();
            world.serving(&["a"]);
            world.done("a");
            for state in [out, between.clone(), running()] {
                world.state("a", state);
                world.list();
            }
            check(&world, "a checking 1 = 1", "");
        }
    }
}

/// What a server that turned unknown counts, from each previous state.
#[test]
fn unknown_keeps_its_last_count() {
    type Before = fn(&mut World);
    let rows: [(&str, Before, &str); 9] = [
        (
            "serving",
            |w| _ = w.free("a", 3),
            "a unknown 3, z serving 1 = 4",
        ),
        (
            "busy",
            |w| _ = w.free("a", 0),
            "a unknown 0, z serving 1 = 1",
        ),
        (
            "finished",
            |w| _ = w.done("a"),
            "a unknown 0, z serving 1 = 1",
        ),
        (
            "unreachable",
            |w| _ = w.fails("a", 3),
            "a unknown 0, z serving 1 = 1",
        ),
        ("checking", |_| (), "a unknown 4, z serving 1 = 5"),
        (
            "creating",
            |w| w.state("a", BUILDING),
            "a unknown 4, z serving 1 = 5",
        ),
        (
            "held",
            |w| w.state("a", held()),
            "a unknown 0, z serving 1 = 1",
        ),
        (
            "failed",
            |w| {
                w.state("a", ERROR);
                w.list();
                w.fails("a", 3);
            },
            "a unknown 0, z serving 1 = 1",
        ),
        (
            "leaving",
            |w| w.state("a", ServerState::Leaving),
            "a unknown 0, z serving 1 = 1",
        ),
    ];
    for (name, before, pool) in rows {
        let mut world = World::new();
        world.capacity(4);
        world.serving(&["z"]);
        world.add("a", running(), OLD);
        world.list();
        before(&mut world);
        world.list();
        world.is(&pool.replace(
            "unknown",
            match name {
                "busy" => "serving",
                other => other,
            },
        ));
        world.state("a", ServerState::Unknown);
        for _ in 0..3 {
            world.wait(OLD);
            world.list();
            check(&world, pool, "");
        }
    }
}

#[test]
fn unknown_starting_keeps_the_capacity() {
    let mut world = World::new();
    world.add("a", running(), 10);
    world.list();
    world.is("a starting 1 = 1");
    world.state("a", ServerState::Unknown);
    world.list();
    world.wait(OLD);
    world.list();
    check(&world, "a unknown 1 = 1", "");
}

#[test]
fn unknown_keeps_its_deletion_in_mind() {
    let mut world = World::new();
    world.serving(&["a"]);
    world.done("a");
    world.deleted("a", DeleteReason::Termination);
    world.state("a", ServerState::Unknown);
    world.list();
    check(&world, "a leaving 0 = 0", "");
}

#[test]
fn unknown_and_back_goes_on_as_before() {
    let mut world = World::new();
    world.serving(&["a"]);
    world.state("a", ServerState::Unknown);
    world.list();
    world.state("a", running());
    world.list();
    check(&world, "a serving 1 = 1", "");
}

#[test]
fn unknown_that_was_never_in_the_pool_is_ignored() {
    let mut world = World::new();
    world.add("a", ServerState::Unknown, OLD);
    assert!(world.list());
    check(&world, " = 0", "");
    assert_eq!(world.memory.records().count(), 0);
}

#[test]
fn locked_is_never_deleted() {
    let rows = [
        (ERROR, "no delete a error: locked"),
        (STOPPED, "no delete a stopped: locked"),
        (BUILDING, "no delete a startup-timeout: locked"),
    ];
    for (state, blocked) in rows {
        let mut world = World::new();
        world.add("a", state, OLD);
        world.lock("a");
        world.list();
        world.wait(60);
        world.list();
        world.wait(1);
        world.list();
        world.fails("a", 3);
        world.does(blocked);
    }
    let mut world = World::new();
    world.serving(&["a"]);
    world.done("a");
    world.lock("a");
    world.list();
    check(
        &world,
        "a finished 0 = 0",
        "no delete a termination: locked",
    );
}

#[test]
fn locked_serving_replica_counts_as_any_other() {
    let mut world = World::new();
    world.serving(&["a"]);
    world.lock("a");
    world.list();
    check(&world, "a serving 1 = 1", "");
}

#[test]
fn age_is_on_the_clouds_clock() {
    let mut world = World::new();
    world.add("a", running(), 200);
    world.list();
    world.is("a starting 1 = 1");
    world.wait(99);
    world.is("a starting 1 = 1");
    world.wait(1);
    world.is("a checking 1 = 1");
}

#[test]
fn list_that_lacks_exactly_half_is_believed() {
    let mut world = World::floor(4);
    world.serving(&["a", "b", "c", "d"]);
    assert!(world.list_only(&["a", "b"]));
    check(&world, "a serving 1, b serving 1 = 2", "create 2");
}

#[test]
fn list_that_lacks_the_only_one_is_believed() {
    let mut world = World::floor(1);
    world.serving(&["a"]);
    assert!(world.list_only(&[]));
    check(&world, " = 0", "create 1");
}

#[test]
fn list_that_lacks_more_than_half_blocks_until_a_second_confirms_it() {
    let mut world = World::floor(9);
    world.serving(&["a", "b", "c"]);
    world.done("a");
    assert!(!world.list_only(&["a"]));
    check(
        &world,
        "a finished 0, b serving 1, c serving 1 = 2",
        "no delete a termination: shrunken-list 2 | no create 7: shrunken-list",
    );
    assert!(world.list_only(&["a"]));
    check(
        &world,
        "a finished 0 = 0",
        "delete a termination | create 9",
    );
}

#[test]
fn list_that_lacks_two_of_two_blocks() {
    let mut world = World::floor(2);
    world.serving(&["a", "b"]);
    assert!(!world.list_only(&[]));
    check(&world, "a serving 1, b serving 1 = 2", "");
    assert!(world.list_only(&[]));
    check(&world, " = 0", "create 2");
}

#[test]
fn shrunken_list_is_cleared_when_the_pool_comes_back() {
    let mut world = World::floor(4);
    world.serving(&["a", "b", "c"]);
    assert!(!world.list_only(&["a"]));
    assert!(world.list());
    check(
        &world,
        "a serving 1, b serving 1, c serving 1 = 3",
        "create 1",
    );
    assert!(!world.list_only(&["a"]), "it has to be confirmed anew");
}

#[test]
fn shrunken_list_is_not_confirmed_by_one_that_lacks_others() {
    let mut world = World::floor(5);
    world.serving(&["a", "b", "c", "d", "e"]);
    assert!(!world.list_only(&["a", "b"]));
    assert!(!world.list_only(&["d", "e"]));
    world.does("");
    assert!(world.list_only(&["d", "e"]));
    world.does("create 3");
}

#[test]
fn our_own_deletions_do_not_make_a_list_shrunken() {
    let mut world = World::floor(1);
    world.serving(&["a", "b", "c"]);
    for name in ["a", "b"] {
        world.done(name);
        world.deleted(name, DeleteReason::Termination);
    }
    assert!(world.list_only(&["c"]));
    check(&world, "c serving 1 = 1", "");
}

#[test]
fn servers_that_were_leaving_do_not_make_a_list_shrunken() {
    let mut world = World::new();
    world.serving(&["a", "b", "c"]);
    world.state("a", ServerState::Leaving);
    world.state("b", ServerState::Leaving);
    world.list();
    assert!(world.list_only(&["c"]));
}

#[test]
fn deletions_are_not_hidden_for_ever() {
    let mut world = World::new();
    world.serving(&["a"]);
    world.done("a");
    world.deleted("a", DeleteReason::Termination);
    world.wait(59);
    world.list();
    check(&world, "a leaving 0 = 0", "");
    world.wait(1);
    world.list();
    check(&world, "a finishing 0 = 0", "");
    world.done("a");
    check(&world, "a finished 0 = 0", "delete a termination");
}

#[test]
fn replica_that_loses_its_address_is_not_taken_for_new() {
    // Nova's cache of addresses is known to be empty at times. A busy replica must neither count
    // as a whole new one nor be deleted for "still building".
    let mut world = World::new();
    world.serving(&["a", "b"]);
    world.free("a", 0);
    world.state("a", NO_ADDRESS);
    world.wait(2 * OLD);
    world.list();
    check(&world, "a serving 0, b serving 1 = 1", "");
    assert_eq!(world.memory.due_probes(world.now).len(), 2);
}
