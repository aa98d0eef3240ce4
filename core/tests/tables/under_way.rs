//! What counts, and what is not asked for again, while requests are under way.

use crate::world::{BUILDING, World, id};
use simplescalevm_core::{Accepted, BackoffCause, CreateFailure, DeleteReason, ExternalAddressId};

#[test]
fn a_creation_counts_while_it_waits_for_its_answer_and_no_other_is_sent() {
    let mut world = World::floor(3);
    world.list();
    world.memory.creation_sent(2, world.now);
    world.does("no create 1: creation-under-way");
    assert_eq!(world.plan().assessment.awaited, 2);
    // However long that takes.
    world.wait(300);
    world.list();
    world.does("no create 1: creation-under-way");
}

#[test]
fn servers_that_show_before_the_answer_are_counted_once() {
    let mut world = World::floor(3);
    world.list();
    let mark = world.memory.creation_sent(2, world.now);
    world.wait(1);
    world.add("a", BUILDING, 0);
    world.marked("a", mark);
    world.list();
    assert_eq!(world.plan().assessment.awaited, 1);
    let accepted = Accepted {
        first: Some(id("a")),
        marked: true,
    };
    world.memory.creation_answered(Ok(accepted), world.now);
    assert_eq!(world.plan().assessment.awaited, 1);
    world.does("create 1");
}

#[test]
fn a_creation_that_was_refused_is_missing_again() {
    let mut world = World::floor(2);
    world.list();
    world.memory.creation_sent(2, world.now);
    world.does("");
    let failure = CreateFailure {
        cause: BackoffCause::Quota,
        retry_after: None,
        outcome_unknown: false,
    };
    world.memory.creation_answered(Err(failure), world.now);
    world.does("no create 2: backoff quota until 10");
    assert_eq!(world.plan().assessment.awaited, 0);
}

#[test]
fn a_creation_that_is_withdrawn_leaves_nothing_behind() {
    let mut world = World::floor(2);
    world.list();
    world.memory.creation_sent(2, world.now);
    world.memory.creation_withdrawn();
    world.does("create 2");
    assert_eq!(world.backoff(), None);
}

#[test]
fn a_deletion_under_way_is_not_asked_for_again() {
    let mut world = World::new();
    world.serving(&["a", "b"]);
    world.done("a");
    world.does("delete a termination");
    world
        .memory
        .deletion_sent(&id("a"), DeleteReason::Termination);
    world.does("");
    world.memory.deletion_failed(&id("a"), false);
    world.does("delete a termination");
}

#[test]
fn a_list_that_lacks_what_is_being_deleted_lacks_nothing() {
    let mut world = World::new();
    world.serving(&["a", "b", "c"]);
    for name in ["a", "b"] {
        world.done(name);
        world
            .memory
            .deletion_sent(&id(name), DeleteReason::Termination);
    }
    world.wait(30);
    assert!(world.list_only(&["c"]), "the list is believed");
    // It stays until its deletion is answered.
    assert!(world.memory.record(&id("a")).is_some());
    for name in ["a", "b"] {
        let reason = DeleteReason::Termination;
        world.memory.deletion_accepted(&id(name), reason, world.now);
    }
    world.wait(30);
    world.list_only(&["c"]);
    assert!(world.memory.record(&id("a")).is_none());
}

#[test]
fn a_new_server_that_is_being_deleted_is_no_failed_creation_once_it_goes() {
    let mut world = World::floor(1);
    world.list();
    let mark = world.ordered(1, "a");
    world.wait(1);
    world.add("a", BUILDING, 0);
    world.marked("a", mark);
    world.list();
    world
        .memory
        .deletion_sent(&id("a"), DeleteReason::Termination);
    world.gone("a");
    world.wait(30);
    world.list();
    assert_eq!(world.backoff(), None);
}

#[test]
fn an_address_under_way_is_left_alone_and_its_target_gets_no_other() {
    let mut world = World::new();
    for (address, holder) in [("f", "a"), ("g", "")] {
        world.address(address, holder);
    }
    world.serving(&["a", "b"]);
    world.done("a");
    world.does(
        "move f a->b holder-goes termination | delete a termination after f | no move g free: no-standby",
    );
    let address = ExternalAddressId::new("f");
    world.memory.moves_mut().sent(&address, &id("b"));
    // Neither the holder's deletion nor another address for the target.
    world.does("no move g free: no-standby");
    let asked = world.now;
    world.wait(1);
    world.memory.moves_mut().succeeded(&address, world.now);
    assert!(world.memory.moves().is_moved_since(&address, asked));
    assert!(!world.memory.moves().is_moved_since(&address, world.now));
}
