//! What a list lacks is asked for one by one before it is believed gone.

use crate::world::{World, id, running, s};
use simplescalevm_core::{Action, Inquiry, Looked};

fn pool() -> World {
    let mut world = World::floor(4);
    world.serving(&["a", "b", "c", "d"]);
    world
}

#[test]
fn half_empty_lists_are_not_believed_however_often_they_come() {
    let mut world = pool();
    let halves: [&[&str]; 4] = [&[], &["a"], &["b", "c"], &["a", "b", "c", "d"]];
    for round in 0..64 {
        world.wait(1);
        assert!(world.list_and_ask(halves[round % halves.len()], false));
        world.is("a serving 1, b serving 1, c serving 1, d serving 1 = 4");
        world.does("");
    }
}

#[test]
fn what_is_gone_is_gone_at_once() {
    let mut world = pool();
    for name in ["a", "b", "c"] {
        world.fails(name, 1);
        world.gone(name);
    }
    assert!(world.list_and_ask(&["d"], false));
    world.is("d serving 1 = 1");
    world.does("create 3");
}

#[test]
fn what_answers_is_not_gone_because_the_cloud_says_so_once() {
    // A node of the API that knows nothing: an empty list, and 404 for each server.
    let mut world = pool();
    for name in ["a", "b", "c", "d"] {
        world.gone(name);
    }
    for waited in [0, 30, 29] {
        world.wait(waited);
        assert!(!world.list_and_ask(&[], false));
        world.is("a serving 1, b serving 1, c serving 1, d serving 1 = 4");
        world.does("");
    }
    // Whoever does not answer any more is gone; the others once it has been said for a minute.
    world.fails("a", 1);
    assert!(!world.list_and_ask(&[], false));
    world.is("b serving 1, c serving 1, d serving 1 = 3");
    world.wait(1);
    assert!(world.list_and_ask(&[], false));
    world.is(" = 0");
    // In between a list had it: that begins anew.
    let mut world = pool();
    let server = world.server("d").clone();
    for waited in [0, 40, 40, 40] {
        world.wait(waited);
        world.gone("d");
        assert!(world.list_and_ask(&["a", "b", "c"], false));
        world.is("a serving 1, b serving 1, c serving 1, d serving 1 = 4");
        world.servers.insert("d".to_owned(), server.clone());
        world.list();
    }
}

#[test]
fn what_has_left_the_pool_is_gone_although_it_answers() {
    let mut world = pool();
    let left = Inquiry([(id("a"), Looked::Left)].into_iter().collect());
    let listing = world.listing_of(&["b", "c", "d"], world.cloud_now());
    let policy = world.policy.clone();
    world
        .memory
        .observe_asked(&policy, &listing, &left, world.now);
    assert!(world.memory.record(&id("a")).is_none());
}

#[test]
fn what_is_not_known_stays_as_it_was() {
    let mut world = pool();
    for _ in 0..20 {
        world.wait(30);
        assert!(!world.list_and_ask(&[], true), "no list confirms that");
        world.is("a serving 1, b serving 1, c serving 1, d serving 1 = 4");
    }
    // One of four: the rest goes on, and nothing is done about that one.
    let mut world = pool();
    world.fails("a", 3);
    world.policy.unreachable_timeout = Some(std::time::Duration::from_secs(10));
    world.wait(20);
    world.fails("a", 1);
    assert!(world.list_and_ask(&["b", "c", "d"], true));
    world.does("create 1 | no delete a unreachable-timeout: shrunken-list 1");
}

#[test]
fn what_nobody_knows_for_long_and_does_not_answer_is_given_up() {
    let mut world = pool();
    world.fails("a", 3);
    world.fails("b", 3);
    world.list_and_ask(&["d"], true);
    world.wait(899);
    world.list_and_ask(&["d"], true);
    assert_eq!(world.memory.records().len(), 4);
    world.wait(1);
    world.list_and_ask(&["d"], true);
    // c still answers.
    world.is("c serving 1, d serving 1 = 2");
}

/// It served, and nobody could say so at the cloud: when it is listed again, it has not "never come up".
#[test]
fn what_was_given_up_and_is_listed_again_may_still_have_served() {
    let mut world = World::floor(1);
    world.policy.startup_timeout = Some(s(300));
    world.list();
    let mark = world.ordered(1, "a");
    world.add("a", running(), 0);
    world.marked("a", mark);
    world.list();
    world.free("a", 1);
    world.fails("a", 3);
    let server = world.servers["a"].clone();
    world.gone("a");
    world.list_and_ask(&[], true);
    world.wait(900);
    world.list_and_ask(&[], true);
    assert!(world.memory.record(&id("a")).is_none(), "it is given up");
    world.wait(3_600);
    world.servers.insert("a".to_owned(), server);
    world.list();
    for _ in 0..100 {
        world.fails("a", 1);
        world.wait(10);
        world.list();
    }
    let deletions = world.plan().actions;
    let is_deletion = |action: &Action| matches!(action, Action::Delete { .. });
    assert!(!deletions.iter().any(is_deletion), "{deletions:?}");
}

#[test]
fn nothing_is_asked_for_in_the_ordinary_case() {
    let mut world = pool();
    world.deleted("a", simplescalevm_core::DeleteReason::Termination);
    world.state("b", simplescalevm_core::ServerState::Leaving);
    world.list();
    for gone in ["a", "b"] {
        world.gone(gone);
    }
    world.list_and_ask(&["c", "d"], true);
    world.is("c serving 1, d serving 1 = 2");
}

#[test]
fn who_has_waited_longest_is_asked_for_first() {
    let mut world = pool();
    let all = [id("a"), id("b"), id("c"), id("d")];
    let empty = simplescalevm_core::Listing {
        not_alone: std::collections::BTreeSet::new(),
        taken: world.now,
        cloud_time: None,
        servers: Vec::new(),
        external_addresses: Some(Vec::new()),
    };
    assert_eq!(world.memory.questions(&empty), all);
    let asked = all[..2].iter().map(|id| (id.clone(), Looked::NotKnown));
    let others = all[2..].iter().map(|id| (id.clone(), Looked::NotAsked));
    let inquiry = Inquiry(asked.chain(others).collect());
    let policy = world.policy.clone();
    world
        .memory
        .observe_asked(&policy, &empty, &inquiry, world.now);
    let next = world.memory.questions(&empty);
    assert_eq!(next, [&all[2..], &all[..2]].concat());
}

/// A list that was asked for just after a server had gone, and still shows it, is looked at only after a stall of minutes: the
/// server is not taken for the one that was ordered meanwhile.
#[test]
fn what_had_gone_before_a_stall_is_not_what_was_ordered() {
    let mut world = World::floor(1);
    world.policy.settles_after_start = std::time::Duration::ZERO;
    world.add("a", running(), 10);
    world.list();
    world.deleted("a", simplescalevm_core::DeleteReason::Termination);
    let left = world.servers["a"].clone();
    world.gone("a");
    world.wait(2);
    world.list();
    world.created(1);
    world.servers.insert("a".to_owned(), left);
    world.state("a", simplescalevm_core::ServerState::Leaving);
    world.wait(1);
    let listing = world.listing_of(&["a"], world.cloud_now());
    let (policy, arrived) = (world.policy.clone(), world.now + s(700));
    world.memory.observe_late(&policy, &listing, arrived);
    world.is("a leaving 0, awaited 1 = 1");
}
