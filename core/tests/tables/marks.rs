//! Who created a server, and whether it has served, is known from its marks: after a restart, with lists that lag, and
//! beside another daemon.

use crate::world::{BUILDING, World, id, running, s};
use simplescalevm_core::{BackoffCause, CreationMark, Instance, Memory};

const HERE: Instance = Instance(7);
const BEFORE: Instance = Instance(3);

fn mark(instance: Instance, number: u64, count: u64) -> CreationMark {
    CreationMark {
        instance,
        number,
        count,
        served_is_marked: true,
    }
}

/// A pool of one server that another process created so many seconds before this one began.
fn restarted(age: u64) -> World {
    let mut world = World::new();
    world.memory = Memory::of(HERE);
    world.now = world.now + s(10_000);
    world.add("a", running(), age);
    world.marked("a", mark(BEFORE, 1, 1));
    world.list();
    world
}

/// So many seconds of failed probes.
fn silence(world: &mut World, seconds: u64) {
    world.fails("a", 3);
    world.wait(seconds);
    world.fails("a", 3);
    world.list();
}

#[test]
fn what_never_came_up_goes_after_a_restart() {
    let mut world = restarted(1_000);
    silence(&mut world, 299);
    world.does("");
    silence(&mut world, 1);
    world.does("delete a startup-timeout");
}

#[test]
fn it_has_its_whole_time() {
    let mut world = restarted(10);
    silence(&mut world, 800);
    world.does("");
    silence(&mut world, 90);
    world.does("delete a startup-timeout");
}

#[test]
fn a_shorter_startup_timeout_is_a_shorter_silence() {
    let mut world = restarted(1_000);
    world.policy.startup_timeout = Some(s(100));
    silence(&mut world, 99);
    world.does("");
    silence(&mut world, 1);
    world.does("delete a startup-timeout");
}

#[test]
fn nothing_that_may_have_served_goes_for_its_silence() {
    type Change = fn(&mut World);
    let cases: [(&str, Change); 6] = [
        ("the mark of having served", |w| {
            w.server("a").marks.served = true;
        }),
        ("no mark", |w| w.server("a").marks.creation = None),
        ("a process that could not mark what serves", |w| {
            let unserved = CreationMark {
                served_is_marked: false,
                ..mark(BEFORE, 1, 1)
            };
            w.marked("a", unserved);
        }),
        ("marks that are refused", |w| w.memory.marks_are_refused()),
        ("it answers", |w| _ = w.free("a", 0)),
        ("it is locked", |w| w.lock("a")),
    ];
    for (what, change) in cases {
        let mut world = World::new();
        world.memory = Memory::of(HERE);
        world.now = world.now + s(10_000);
        world.add("a", running(), 1_000);
        world.marked("a", mark(BEFORE, 1, 1));
        let early = matches!(
            what,
            "no mark" | "a process that could not mark what serves"
        );
        if early {
            change(&mut world);
        }
        world.list();
        if !early {
            change(&mut world);
            world.list();
        }
        for _ in 0..5 {
            silence(&mut world, 1_000);
            let plan = world.plan();
            assert!(plan.actions.is_empty(), "{what}: {:?}", plan.actions);
        }
    }
}

#[test]
fn a_mark_that_was_read_once_outlasts_a_list_without_it() {
    let mut world = restarted(1_000);
    world.server("a").marks.served = true;
    world.list();
    world.server("a").marks = simplescalevm_core::Marks::default();
    silence(&mut world, 2_000);
    world.does("");
}

#[test]
fn what_became_active_after_the_start_is_as_good_as_created_here() {
    let mut world = World::new();
    world.memory = Memory::of(HERE);
    world.now = world.now + s(10_000);
    world.add("a", BUILDING, 30);
    world.list();
    world.wait(10);
    world.state("a", running());
    let launched = Some(world.cloud_now());
    world.server("a").launched = launched;
    world.list();
    silence(&mut world, 850);
    world.does("");
    silence(&mut world, 50);
    world.does("delete a startup-timeout");
}

#[test]
fn what_serves_is_to_be_marked_once() {
    let mut world = World::new();
    world.memory = Memory::of(HERE);
    world.list();
    let ours = world.ordered(2, "a");
    for name in ["a", "b"] {
        world.add(name, running(), 0);
        world.marked(name, ours);
    }
    world.add("c", running(), 0);
    world.list();
    for name in ["a", "c"] {
        world.free(name, 0);
    }
    world.done("b");
    world.wait(20);
    let wanted = world.memory.unmarked(world.now);
    let at = simplescalevm_core::CloudTime(world.cloud_now().0 - 20);
    assert_eq!(wanted, [(id("a"), Some(at))]);
    world.memory.marked(&id("a"));
    assert_eq!(world.memory.unmarked(world.now), []);
    world.list();
    assert_eq!(world.memory.unmarked(world.now), []);
}

#[test]
fn a_server_is_matched_to_its_own_creation() {
    let mut world = World::floor(4);
    world.memory = Memory::of(HERE);
    world.list();
    world.ordered(2, "a");
    let second = world.ordered(2, "c");
    // Somebody's own, of the pool: it is none of those that are waited for.
    world.add("x", BUILDING, 0);
    world.add("c", BUILDING, 0);
    world.marked("c", second);
    world.list();
    assert_eq!(world.memory.awaited(world.now), 3);
    assert_eq!(world.memory.foreign(), 1);
    // The cloud's clock, set back, makes no difference to that.
    world.server("c").created = None;
    world.add("d", BUILDING, 9_000);
    world.marked("d", second);
    world.list();
    assert_eq!(world.memory.awaited(world.now), 2);
}

#[test]
fn servers_that_this_daemon_did_not_order_are_counted() {
    let mut world = World::new();
    world.memory = Memory::of(HERE);
    world.now = world.now + s(100);
    world.add("before", running(), 50);
    world.marked("before", mark(BEFORE, 1, 1));
    world.list();
    world.wait(60);
    let ours = world.ordered(1, "ours");
    world.add("ours", BUILDING, 0);
    world.marked("ours", ours);
    world.list();
    assert_eq!(world.memory.foreign(), 0);
    for (name, number) in [("x", 4), ("y", 4), ("z", 5)] {
        world.add(name, BUILDING, 0);
        world.marked(name, mark(BEFORE, number, 2));
    }
    world.list();
    world.list();
    assert_eq!(world.memory.foreign(), 3);
    // One that a list left out and that shows again is no new one.
    world.list_only(&["before", "ours", "x", "y"]);
    world.list();
    assert_eq!(world.memory.foreign(), 3);
}

#[test]
fn the_rest_of_a_batch_of_a_process_that_was_killed_is_waited_for() {
    let mut world = World::floor(3);
    world.memory = Memory::of(HERE);
    world.now = world.now + s(100);
    world.add("a", BUILDING, 10);
    world.marked("a", mark(BEFORE, 1, 3));
    world.list();
    world.is("a creating 1, awaited 2 = 3");
    world.does("");
    world.wait(5);
    world.add("b", BUILDING, 15);
    world.marked("b", mark(BEFORE, 1, 3));
    world.list();
    world.is("a creating 1, b creating 1, awaited 1 = 3");
    assert_eq!(world.memory.foreign(), 0);
    // 30 s after its creation it is waited for no longer.
    world.wait(14);
    world.does("");
    world.wait(1);
    world.list();
    world.does("create 1");
    assert_eq!(world.memory.backoff(), None);
}

#[test]
fn a_process_that_follows_another_at_once_holds_its_first_creation() {
    let mut world = World::floor(3);
    world.memory = Memory::of(HERE);
    world.now = world.now + s(100);
    world.add("a", BUILDING, 10);
    world.marked("a", mark(BEFORE, 8, 1));
    world.list();
    world.does("no create 2: just-started until 120");
    world.wait(20);
    world.does("create 2");
    // An old one is no sign of that, and neither is an empty pool.
    for age in [30, 5_000] {
        let mut world = World::floor(3);
        world.memory = Memory::of(HERE);
        world.now = world.now + s(100);
        world.add("a", BUILDING, age);
        world.marked("a", mark(BEFORE, 8, 3));
        world.list();
        world.does("create 2");
    }
}

/// SIGKILL while a creation is on its way to the cloud: nothing of it is listed at the restart.
#[test]
fn a_process_that_has_just_started_looks_twice_before_it_creates() {
    let mut world = World::floor(3);
    world.policy.settles_after_start = s(5);
    world.memory = Memory::of(HERE);
    world.list();
    world.does("no create 3: just-started until 5");
    world.wait(3);
    for id in ["a", "b", "c"] {
        world.add(id, BUILDING, 1);
        world.marked(id, mark(BEFORE, 1, 3));
    }
    world.list();
    world.does("");
    // What is missing then is created, and only the first list holds that up.
    world.wait(2);
    world.list();
    world.does("");
    world.gone("c");
    world.list();
    world.does("create 1");
}

#[test]
fn a_creation_that_no_list_shows_is_asked_for_before_it_is_written_off() {
    let mut world = World::floor(3);
    world.memory = Memory::of(HERE);
    world.list();
    let ours = world.ordered(3, "a");
    for name in ["a", "b", "c"] {
        world.add(name, BUILDING, 0);
        world.marked(name, ours);
    }
    world.wait(30);
    world.list_and_ask(&[], false);
    world.is("a creating 1, awaited 2 = 3");
    for _ in 0..10 {
        world.wait(30);
        world.list_and_ask(&[], false);
        world.does("");
    }
    world.list_and_ask(&["a", "b", "c"], false);
    world.is("a creating 1, b creating 1, c creating 1 = 3");
    assert_eq!(world.memory.backoff(), None);
}

#[test]
fn what_the_cloud_does_not_know_is_written_off() {
    let mut world = World::floor(3);
    world.memory = Memory::of(HERE);
    world.list();
    world.ordered(3, "a");
    world.wait(30);
    world.list_and_ask(&[], false);
    world.does("no create 3: backoff never-came-up until 40");
}

#[test]
fn no_answer_is_waited_for_and_not_for_ever() {
    let mut world = World::floor(3);
    world.memory = Memory::of(HERE);
    world.list();
    world.ordered(3, "a");
    let mut waited = 0;
    while world.memory.awaited(world.now) > 0 {
        world.wait(30);
        waited += 30;
        world.list_and_ask(&[], true);
    }
    assert_eq!(waited, 900);
    let cause = world.memory.backoff().map(|b| b.cause);
    assert_eq!(cause, Some(BackoffCause::NeverCameUp));
}

#[test]
fn a_batch_that_a_list_has_begun_to_show_is_cut_short_by_the_quota() {
    let mut world = World::floor(3);
    world.memory = Memory::of(HERE);
    world.list();
    let ours = world.ordered(3, "a");
    world.add("a", BUILDING, 0);
    world.marked("a", ours);
    world.list_and_ask(&["a"], false);
    world.wait(30);
    world.list_and_ask(&["a"], false);
    world.does("no create 2: backoff quota until 40");
}
