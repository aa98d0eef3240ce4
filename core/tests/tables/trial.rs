//! Every way in which an image can be broken counts as a failed creation, and none of a pool that works.

use crate::world::{BUILDING, ERROR, STOPPED, World, running, s};
use simplescalevm_core::{Action, BackoffCause, Policy};
use std::collections::BTreeMap;

/// How the machines of an image turn out, by the seconds since each came up.
type Turn = fn(&mut World, &str, u64);

/// Runs a pool of floor 3 whose lists come every other second, as they do when something is called for, and whose
/// probes come every second, for so long. Machines come up after `boot` seconds. Returns how many were made.
fn machines_in(seconds: u64, boot: u64, turn_out: Turn) -> u64 {
    machines_of(World::floor(3), seconds, boot, turn_out)
}

fn machines_of(mut world: World, seconds: u64, boot: u64, turn_out: Turn) -> u64 {
    let mut births: BTreeMap<String, u64> = BTreeMap::new();
    let mut made = 0;
    world.list();
    while world.now.0 < s(seconds) {
        let alive: Vec<(String, u64)> = births
            .iter()
            .filter(|(name, _)| world.servers.contains_key(*name))
            .map(|(name, born)| (name.clone(), world.now.0.as_secs() - born))
            .collect();
        for (name, age) in alive.iter().filter(|(_, age)| *age >= boot) {
            turn_out(&mut world, name, age - boot);
        }
        if world.now.0.as_secs().is_multiple_of(2) {
            made += cycle(&mut world, &mut births, made);
        }
        world.wait(1);
    }
    made
}

fn cycle(world: &mut World, births: &mut BTreeMap<String, u64>, before: u64) -> u64 {
    world.list();
    let mut made = 0;
    for action in world.plan().actions {
        match action {
            Action::Delete {
                replica, reason, ..
            } => {
                world.deleted(replica.as_str(), reason);
                world.gone(replica.as_str());
            }
            Action::Create { count } => {
                let names: Vec<String> = (0..count.get())
                    .map(|n| format!("m{:06}", before + made + n))
                    .collect();
                let mark = world.ordered(count.get(), &names[0]);
                for name in names {
                    world.add(&name, running(), 0);
                    world.marked(&name, mark);
                    births.insert(name, world.now.0.as_secs());
                    made += 1;
                }
            }
            Action::MoveAddress { .. } => {}
        }
    }
    made
}

/// The waits add up to 21 min after seven failures; then it is one creation every 15 min. What is free and then
/// busy looks as if it had been taken, so that another batch is made before it ends.
const IN_AN_HOUR: u64 = 3 * 12;
const AS_IF_TAKEN: u64 = 2 * IN_AN_HOUR;

const BROKEN: [(&str, Turn); 12] = [
    ("never free", |w, name, _| _ = w.free(name, 0)),
    ("free once, then done", |w, name, up| {
        _ = if up == 0 {
            w.free(name, 1)
        } else {
            w.done(name)
        }
    }),
    ("free for five seconds, then done", |w, name, up| {
        _ = if up < 5 {
            w.free(name, 1)
        } else {
            w.done(name)
        }
    }),
    ("busy for five seconds, then done", |w, name, up| {
        _ = if up < 5 {
            w.free(name, 0)
        } else {
            w.done(name)
        }
    }),
    ("free, busy for a moment, then done", |w, name, up| {
        _ = match up {
            0..2 => w.free(name, 1),
            2..5 => w.free(name, 0),
            _ => w.done(name),
        }
    }),
    ("busy, free for a moment, then done", |w, name, up| {
        _ = match up {
            0..4 => w.free(name, 0),
            4..6 => w.free(name, 1),
            _ => w.done(name),
        }
    }),
    ("free once, then silent", |w, name, up| {
        _ = if up == 0 {
            w.free(name, 1)
        } else {
            w.fails(name, 3)
        }
    }),
    ("free once, then off", |w, name, up| {
        if up == 0 {
            w.free(name, 1);
        } else {
            w.state(name, STOPPED);
        }
    }),
    ("free once, then an error", |w, name, up| {
        if up == 0 {
            w.free(name, 1);
        } else {
            w.state(name, ERROR);
        }
    }),
    ("free once, then gone", |w, name, up| {
        if up == 0 {
            w.free(name, 1);
        } else {
            w.gone(name);
        }
    }),
    ("gone while it starts", |w, name, _| w.gone(name)),
    ("off as soon as it is up", |w, name, _| {
        w.state(name, STOPPED);
    }),
];

#[test]
fn a_broken_image_does_not_turn_into_a_bill_however_it_is_broken() {
    for (what, turn_out) in BROKEN {
        for boot in [1, 30] {
            let (minute, hour) = (
                machines_in(40 + boot, boot, turn_out),
                machines_in(3_600, boot, turn_out),
            );
            assert!(minute <= 9, "{what}, boot {boot}: {minute} in 40 s");
            let most = if what.contains("busy for a moment") {
                AS_IF_TAKEN
            } else {
                IN_AN_HOUR
            };
            assert!(hour <= most, "{what}, boot {boot}: {hour} in an hour");
        }
    }
}

/// Each looks failed at first and only slow then, and ends before it has come to anything.
#[test]
fn nor_where_the_grace_is_shorter_than_a_boot() {
    let mut world = World::floor(3);
    world.policy.startup_grace = s(10);
    let made = machines_of(world, 3_600, 2, |w, name, up| {
        let boot = 15 + 5 * u64::from(name.as_bytes()[name.len() - 1] % 4);
        match up {
            up if up < boot => _ = w.free(name, 0),
            up if up < boot + 4 => _ = w.free(name, 1),
            _ => w.gone(name),
        }
    });
    assert!(made <= IN_AN_HOUR, "{made} in an hour");
    // A pool that works is not slowed down by it.
    let mut world = World::floor(3);
    world.policy.startup_grace = s(10);
    let made = machines_of(world, 3_600, 2, |w, name, up| {
        _ = match up {
            15..20 => w.free(name, 1),
            0..80 => w.free(name, 0),
            _ => w.done(name),
        }
    });
    assert!(made >= 300, "{made} in an hour");
}

/// Pools that work, however hard they are used, and how many machines an hour of it takes.
const GOOD: [(&str, Turn, u64); 4] = [
    (
        "calls of a minute, one after the other",
        |w, name, up| {
            _ = match up {
                0..10 => w.free(name, 1),
                10..70 => w.free(name, 0),
                _ => w.done(name),
            }
        },
        3 * 3_600 / 40,
    ),
    (
        "taken before anybody has seen it free, for two minutes",
        |w, name, up| {
            _ = if up < 120 {
                w.free(name, 0)
            } else {
                w.done(name)
            }
        },
        300,
    ),
    (
        "calls of twelve seconds",
        |w, name, up| {
            _ = match up {
                0..2 => w.free(name, 1),
                2..14 => w.free(name, 0),
                _ => w.done(name),
            }
        },
        3 * 3_600 / 40,
    ),
    (
        "a service that is busy starting for some seconds",
        |w, name, up| {
            _ = match up {
                8..100 => w.free(name, 1),
                0..160 => w.free(name, 0),
                _ => w.done(name),
            }
        },
        3 * 3_600 / 140,
    ),
];

#[test]
fn a_pool_that_works_is_not_slowed_down() {
    for (what, turn_out, least) in GOOD {
        let made = machines_in(3_600, 20, turn_out);
        assert!(made >= least, "{what}: {made} of {least}");
    }
}

#[test]
fn the_cause_says_in_which_way_it_came_to_nothing() {
    for (free, cause) in [(0, BackoffCause::NeverFree), (1, BackoffCause::EndedEarly)] {
        let mut world = World::floor(1);
        world.list();
        let mark = world.ordered(1, "a");
        world.add("a", running(), 0);
        world.marked("a", mark);
        world.list();
        world.free("a", free);
        world.wait(2);
        if free > 0 {
            world.wait(300);
            world.done("a");
        }
        world.list();
        assert_eq!(world.memory.backoff().map(|b| b.cause), Some(cause));
    }
}

#[test]
fn a_first_good_answer_ends_the_wait_and_not_the_count() {
    let mut world = World::floor(1);
    world.list();
    for delay in [10, 20, 40, 80] {
        let name = format!("a{delay}");
        let mark = world.ordered(1, &name);
        world.add(&name, running(), 0);
        world.marked(&name, mark);
        world.list();
        world.free(&name, 1);
        assert_eq!(world.memory.backoff(), None);
        world.done(&name);
        world.list();
        assert_eq!(world.backoff(), Some(delay));
        world.gone(&name);
        world.list();
        world.wait(delay);
    }
    // One that works wipes the count.
    let mark = world.ordered(1, "b");
    world.add("b", running(), 0);
    world.marked("b", mark);
    world.list();
    world.free("b", 1);
    world.wait(60);
    world.free("b", 1);
    world.state("b", STOPPED);
    for _ in 0..4 {
        // What worked has some credit with those after it.
        let name = format!("c{}", world.now.0.as_secs());
        world.wait(1);
        let mark = world.ordered(1, &name);
        world.add(&name, running(), 0);
        world.marked(&name, mark);
        world.list();
        world.free(&name, 1);
        world.done(&name);
        world.list();
    }
    assert_eq!(world.backoff(), Some(10));
}

#[test]
fn one_of_a_batch_that_ends_early_does_not_condemn_the_others() {
    let mut world = World::floor(3);
    world.list();
    let mark = world.ordered(3, "a");
    for name in ["a", "b", "c"] {
        world.add(name, running(), 0);
        world.marked(name, mark);
    }
    world.list();
    for name in ["a", "b", "c"] {
        world.free(name, 1);
    }
    world.done("a");
    world.list();
    world.does("delete a termination | create 1");
}

#[test]
fn no_more_are_creating_at_a_time_than_the_setting_allows() {
    let mut world = World::floor(5);
    world.policy = Policy {
        max_creating: std::num::NonZeroU64::new(2),
        ..world.policy
    };
    world.list();
    world.does("create 2 | no create 3: max-creating");
    let mark = world.ordered(2, "a");
    world.does("no create 3: max-creating");
    for name in ["a", "b"] {
        world.add(name, BUILDING, 0);
        world.marked(name, mark);
    }
    world.list();
    world.does("no create 3: max-creating");
    world.state("a", running());
    world.list();
    world.does("create 1 | no create 2: max-creating");
    world.max_count(2);
    world.does("no create 3: max-count");
}
