//! 2.3: what is on its way counts, so that a boot does not create another batch each cycle.

use crate::world::{BUILDING, NO_ADDRESS, OLD, World, check, held, running};

#[test]
fn available_is_what_serving_replicas_report_and_what_is_on_its_way() {
    let mut world = World::floor(20);
    world.capacity(5);
    world.add("a", running(), OLD);
    world.add("b", running(), OLD);
    world.add("c", BUILDING, 1);
    world.add("d", NO_ADDRESS, 1);
    world.add("e", running(), 1);
    world.list();
    world.free("a", 3);
    world.free("b", 0);
    check(
        &world,
        "a serving 3, b serving 0, c creating 5, d creating 5, e starting 5 = 18",
        "create 1",
    );
}

#[test]
fn ready_is_what_replicas_that_answer_have_free_and_no_promise() {
    let mut world = World::floor(20);
    world.capacity(5);
    let ready = |world: &World| world.plan().assessment.ready;
    world.add("a", running(), OLD);
    world.add("b", running(), OLD);
    world.add("c", BUILDING, 1);
    world.add("d", NO_ADDRESS, 1);
    world.add("e", running(), 1);
    world.add("f", running(), OLD);
    world.add("g", running(), OLD);
    world.list();
    world.created(2);
    assert_eq!(ready(&world), 0, "not asked yet");
    world.free("a", 3);
    world.free("b", 4);
    world.free("f", 0);
    world.free("g", 7);
    assert_eq!(ready(&world), 14);
    world.fails("b", 2);
    assert_eq!(ready(&world), 14, "below the threshold its answer stands");
    world.fails("b", 1);
    world.done("g");
    assert_eq!(ready(&world), 3, "one is silent, one is done");
    world.state("a", held());
    world.list();
    assert_eq!(ready(&world), 0);
}

#[test]
fn starting_counts_until_the_grace_is_over() {
    let mut world = World::floor(1);
    world.add("a", running(), 299);
    world.list();
    world.fails("a", 9);
    check(&world, "a starting 1 = 1", "");
    world.wait(1);
    check(&world, "a unreachable 0 = 0", "create 1");
}

#[test]
fn grace_starts_with_the_launch_and_not_with_the_creation() {
    let mut world = World::new();
    world.add("a", running(), OLD);
    world.server("a").launched = Some(world.cloud_now());
    world.list();
    world.fails("a", 9);
    world.wait(299);
    world.is("a starting 1 = 1");
    world.wait(1);
    world.is("a unreachable 0 = 0");
}

#[test]
fn grace_without_a_launch_starts_when_it_was_first_seen_running() {
    let mut world = World::new();
    world.add("a", BUILDING, OLD);
    world.list();
    world.wait(100);
    world.state("a", running());
    world.list();
    world.fails("a", 9);
    world.wait(299);
    world.list();
    world.is("a starting 1 = 1");
    world.wait(1);
    world.list();
    world.is("a unreachable 0 = 0");
}

#[test]
fn grace_of_a_server_never_seen_running_falls_back_to_its_creation() {
    let mut world = World::new();
    world.add("a", BUILDING, 250);
    world.list();
    let record = world.memory.record(&crate::world::id("a")).expect("seen");
    let active = world.memory.active_for(record, world.now);
    assert_eq!(active, crate::world::s(250));
}

#[test]
fn replica_that_has_answered_gets_no_second_grace() {
    let mut world = World::new();
    world.add("a", running(), 10);
    world.list();
    world.free("a", 1);
    world.fails("a", 3);
    check(&world, "a unreachable 0 = 0", "");
}

#[test]
fn early_termination_flag_counts_as_starting() {
    let mut world = World::floor(1);
    world.add("a", running(), 10);
    world.list();
    world.done("a");
    check(
        &world,
        "a starting 1 = 1",
        "no delete a termination: still-starting until 290",
    );
}

#[test]
fn boot_with_an_early_termination_flag_creates_one_batch_only() {
    let mut world = World::floor(3);
    world.list();
    world.does("create 3");
    world.created(3);
    for n in 0..29 {
        world.wait(10);
        if n == 0 {
            for name in ["a", "b", "c"] {
                world.add(name, running(), 0);
            }
        }
        world.list();
        for name in ["a", "b", "c"] {
            match n % 3 {
                0 => world.done(name),
                _ => world.fails(name, 1),
            };
        }
        assert_eq!(world.plan().missing, 0, "at {:?}", world.now);
    }
    for name in ["a", "b", "c"] {
        world.free(name, 1);
    }
    check(&world, "a serving 1, b serving 1, c serving 1 = 3", "");
}

#[test]
fn silence_after_an_early_termination_flag_is_starting_until_the_grace_is_over() {
    let mut world = World::new();
    world.add("a", running(), 10);
    world.list();
    world.done("a");
    world.fails("a", 3);
    world.is("a starting 1 = 1");
    world.wait(290);
    world.is("a unreachable 0 = 0");
}

#[test]
fn huge_reports_do_not_overflow() {
    let mut world = World::floor(u64::MAX);
    world.policy.capacity_limit = std::num::NonZeroU64::MAX;
    world.serving(&["a", "b"]);
    world.free("a", u64::MAX);
    world.free("b", u64::MAX);
    world.does("");
}
