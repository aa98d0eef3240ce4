//! A scaler with a fresh memory deletes nothing that it would not have deleted without the
//! restart, and creates nothing for replicas that it has not asked yet.

use crate::world::{BUILDING, World, check, held, running, s};
use simplescalevm_core::{Memory, ServerState};

fn restart(world: &mut World) {
    world.memory = Memory::default();
    assert!(world.list());
}

#[test]
fn no_surplus_before_running_replicas_have_been_probed() {
    let mut world = World::floor(3);
    world.serving(&["a", "b", "c"]);
    restart(&mut world);
    check(&world, "a checking 1, b checking 1, c checking 1 = 3", "");
    world.fails("a", 1);
    world.free("b", 0);
    check(
        &world,
        "a checking 1, b serving 0, c checking 1 = 2",
        "create 1",
    );
}

#[test]
fn busy_pool_is_known_as_busy_after_one_answer_each() {
    let mut world = World::floor(1);
    world.serving(&["a", "b"]);
    restart(&mut world);
    world.free("a", 0);
    world.does("");
    world.free("b", 0);
    world.does("create 1");
}

#[test]
fn unreachable_replicas_are_not_deleted() {
    let mut world = World::new();
    world.policy.unreachable_timeout = Some(s(600));
    world.serving(&["a", "b"]);
    world.fails("a", 3);
    world.wait(599);
    restart(&mut world);
    world.free("b", 1);
    world.fails("a", 3);
    world.wait(599);
    check(&world, "a unreachable 0, b serving 1 = 1", "");
}

#[test]
fn replica_that_was_born_before_the_restart_is_not_deleted_for_silence() {
    let mut world = World::new();
    world.list();
    world.wait(1);
    world.add("a", running(), 0);
    world.list();
    world.free("a", 0);
    world.fails("a", 3);
    world.wait(60);
    restart(&mut world);
    for _ in 0..10 {
        world.fails("a", 3);
        world.wait(600);
        world.list();
        world.does("");
    }
}

#[test]
fn one_that_is_marked_as_having_served_gets_no_second_grace() {
    let mut world = World::floor(1);
    world.list();
    world.add("a", running(), 10);
    world.server("a").marks.served = true;
    restart(&mut world);
    check(&world, "a checking 1 = 1", "");
    world.fails("a", 3);
    check(&world, "a unreachable 0 = 0", "create 1");
    // What it says counts from the first time on.
    let mut world = World::floor(0);
    world.add("a", running(), 10);
    world.server("a").marks.served = true;
    restart(&mut world);
    world.done("a");
    world.done("a");
    world.does("delete a termination");
}

#[test]
fn early_termination_flag_is_not_believed_sooner() {
    let mut world = World::new();
    world.add("a", running(), 100);
    world.list();
    world.done("a");
    restart(&mut world);
    world.done("a");
    check(
        &world,
        "a starting 1 = 1",
        "no delete a termination: still-starting until 200",
    );
}

#[test]
fn finished_replica_is_deleted_after_its_first_answer() {
    let mut world = World::new();
    world.serving(&["a"]);
    restart(&mut world);
    world.does("");
    world.done("a");
    world.does("delete a termination");
}

#[test]
fn held_unknown_and_building_servers() {
    let mut world = World::new();
    world.add("a", held(), 9_000);
    world.add("b", ServerState::Unknown, 9_000);
    world.add("c", BUILDING, 100);
    restart(&mut world);
    check(&world, "a held 0, c creating 1 = 1", "");
}

#[test]
fn server_without_any_time_is_never_deleted_for_silence() {
    let mut world = World::new();
    world.list();
    world.wait(10);
    world.add("a", running(), 0);
    world.server("a").created = None;
    world.server("a").launched = None;
    world.list();
    world.fails("a", 3);
    world.wait(100_000);
    world.list();
    check(&world, "a unreachable 0 = 0", "");
}
