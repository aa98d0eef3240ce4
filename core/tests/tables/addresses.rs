//! 2.5: external addresses are on serving replicas, one each.

use crate::world::{BUILDING, ERROR, OLD, STOPPED, World, held, id, running};
use simplescalevm_core::{ExternalAddressId, MoveFailure, ServerState};

/// Serving replicas, of which some hold addresses: `("f", "a")`.
fn pool(serving: &[&str], addresses: &[(&str, &str)]) -> World {
    let mut world = World::new();
    for (address, holder) in addresses {
        world.address(address, holder);
    }
    world.serving(serving);
    world
}

#[test]
fn free_address_goes_to_a_standby() {
    pool(&["a"], &[("f", "")]).does("move f nobody->a free");
}

#[test]
fn nothing_moves_without_external_address_management() {
    let mut world = pool(&["a", "b"], &[("f", ""), ("g", "b")]);
    world.policy.external_addresses = false;
    world.done("b");
    world.does("delete b termination");
}

#[test]
fn one_address_each() {
    pool(&["a", "b"], &[("f", ""), ("g", ""), ("h", "")])
        .does("move f nobody->a free | move g nobody->b free | no move h free: no-standby");
}

#[test]
fn holder_that_serves_keeps_its_address() {
    pool(&["a", "b"], &[("f", "a")]).does("");
}

#[test]
fn holder_gets_no_second_address() {
    pool(&["a"], &[("f", "a"), ("g", "")]).does("no move g free: no-standby");
}

#[test]
fn oldest_standby_first() {
    let mut world = World::new();
    world.address("f", "");
    world.address("g", "");
    for (name, age) in [("a", OLD), ("b", OLD + 1), ("c", OLD + 2)] {
        world.add(name, running(), age);
    }
    world.list();
    for name in ["a", "b", "c"] {
        world.free(name, 1);
    }
    world.does("move f nobody->c free | move g nobody->b free");
}

#[test]
fn standby_that_could_not_be_given_one_is_the_last() {
    let mut world = pool(&["a", "b"], &[("f", "")]);
    for next in ["b", "a", "b"] {
        let refused = if next == "a" { "b" } else { "a" };
        world.memory.address_refused(&id(refused), world.now);
        world.does(&format!("move f nobody->{next} free"));
        world.wait(30);
    }
}

#[test]
fn only_a_serving_replica_is_a_standby() {
    let mut world = pool(&["a", "b", "c", "d"], &[("f", "")]);
    world.add("g", running(), OLD);
    world.add("h", running(), 10);
    world.add("i", BUILDING, 10);
    world.state("c", held());
    world.state("d", ServerState::Unknown);
    world.list();
    world.done("a");
    world.fails("b", 3);
    world.done("h");
    world.does(
        "delete a termination | no delete h termination: still-starting until 290 | \
         no move f free: no-standby",
    );
}

#[test]
fn busy_replica_is_a_standby_too() {
    let mut world = pool(&["a"], &[("f", "")]);
    world.free("a", 0);
    world.does("move f nobody->a free");
}

#[test]
fn order_is_holders_that_go_then_unreachable_ones_then_free_ones() {
    let mut world = pool(
        &["a", "b", "x", "y", "z"],
        &[("f", ""), ("g", "a"), ("h", "b")],
    );
    world.fails("a", 3);
    world.done("b");
    world.does(
        "move h b->x holder-goes termination | move g a->y holder-unreachable | \
         move f nobody->z free | delete b termination after h",
    );
}

#[test]
fn with_one_standby_the_holder_that_goes_wins() {
    let mut world = pool(&["a", "b", "x"], &[("f", ""), ("g", "a"), ("h", "b")]);
    world.fails("a", 3);
    world.done("b");
    world.does(
        "move h b->x holder-goes termination | delete b termination after h | \
         no move g holder-unreachable: no-standby | no move f free: no-standby",
    );
}

#[test]
fn unreachable_holder_loses_its_address_and_is_kept() {
    let mut world = pool(&["a", "b"], &[("f", "a")]);
    world.fails("a", 2);
    world.does("");
    world.fails("a", 1);
    world.does("move f a->b holder-unreachable");
}

#[test]
fn both_addresses_of_one_holder_move_to_two_standbys() {
    let mut world = pool(&["a", "b", "c"], &[("f", "a"), ("g", "a")]);
    world.done("a");
    world.does(
        "move f a->b holder-goes termination | move g a->c holder-goes termination | \
         delete a termination after f+g",
    );
}

#[test]
fn termination_waits_for_its_move_but_not_without_a_standby() {
    let mut world = pool(&["a", "b"], &[("f", "a")]);
    world.done("a");
    world.does("move f a->b holder-goes termination | delete a termination after f");
    world.gone("b");
    world.list();
    world.does("delete a termination | no move f holder-goes termination: no-standby");
}

#[test]
fn error_and_stopped_do_not_wait_for_their_move() {
    for (state, reason) in [(ERROR, "error"), (STOPPED, "stopped")] {
        let mut world = pool(&["a", "b"], &[("f", "a")]);
        world.state("a", state);
        world.list();
        world.fails("a", 3);
        world.does(&format!(
            "move f a->b holder-goes {reason} | delete a {reason}"
        ));
    }
}

#[test]
fn deletion_waits_only_for_its_own_address() {
    let mut world = pool(&["a", "b", "x", "y"], &[("f", "a"), ("g", "b")]);
    world.done("a");
    world.done("b");
    world.does(
        "move f a->x holder-goes termination | move g b->y holder-goes termination | \
         delete a termination after f | delete b termination after g",
    );
}

#[test]
fn port_of_a_stranger_is_never_touched() {
    pool(&["a"], &[("f", "?")]).does("");
}

#[test]
fn server_that_is_not_of_the_pool_is_never_touched() {
    pool(&["a"], &[("f", "elsewhere")]).does("");
}

#[test]
fn locked_finished_holder_is_kept_and_its_address_moves() {
    let mut world = pool(&["a", "b"], &[("f", "a")]);
    world.done("a");
    world.lock("a");
    world.list();
    world.does("move f a->b holder-goes termination | no delete a termination: locked");
}

#[test]
fn locked_starting_holder_keeps_its_address() {
    let mut world = pool(&["b"], &[("f", "a")]);
    world.add("a", running(), 10);
    world.lock("a");
    world.list();
    world.done("a");
    world.does("no delete a termination: still-starting until 290");
}

#[test]
fn standby_must_be_in_the_last_list() {
    let mut world = pool(&["a", "b", "c"], &[("f", "")]);
    assert!(!world.list_only(&["c"]));
    world.does("move f nobody->c free");
}

#[test]
fn shrunken_list_keeps_the_address_of_a_finished_holder() {
    let mut world = pool(&["a", "b", "c", "d"], &[("f", "a")]);
    world.done("a");
    assert!(!world.list_only(&["d"]));
    world.does("no delete a termination: shrunken-list 3");
}

#[test]
fn address_comes_back_to_one_that_serves_again() {
    let mut world = pool(&["a"], &[("f", "")]);
    world.fails("a", 3);
    world.does("no move f free: no-standby");
    world.free("a", 0);
    world.does("move f nobody->a free");
}

#[test]
fn refused_address_is_offered_to_every_other_standby_and_then_blocked_with_its_reason() {
    let mut world = pool(&["a", "b", "c"], &[("f", "")]);
    world.does("move f nobody->a free");
    world.move_fails("f", "", "a", "409 has one");
    world.does("move f nobody->b free");
    world.move_fails("f", "", "b", "409 has one");
    world.wait(1);
    world.move_fails("f", "", "c", "404 no router");
    world.does("no move f free: move-refused by a (409 has one) until 5");
    world.wait(4);
    world.does("move f nobody->a free");
}

#[test]
fn each_pair_waits_longer_from_time_to_time_and_a_move_ends_that() {
    let mut world = pool(&["a"], &[("f", "")]);
    for wait in [5, 10, 20, 40, 80, 160, 300, 300] {
        world.does("move f nobody->a free");
        world.move_fails("f", "", "a", "no");
        let until = world.now.0.as_secs() + wait;
        world.does(&format!(
            "no move f free: move-refused by a (no) until {until}"
        ));
        world.wait(wait);
        world.list();
        world.free("a", 1);
    }
    let address = simplescalevm_core::ExternalAddressId::new("f");
    world.memory.moves_mut().succeeded(&address, world.now);
    world.move_fails("f", "", "a", "no");
    let until = world.now.0.as_secs() + 5;
    world.does(&format!(
        "no move f free: move-refused by a (no) until {until}"
    ));
}

#[test]
fn address_that_cannot_be_moved_keeps_none_from_a_good_one() {
    let mut world = pool(&["a"], &[("f", ""), ("g", "")]);
    world.does("move f nobody->a free | no move g free: no-standby");
    world.move_fails("f", "", "a", "404 no router");
    world.does("move g nobody->a free | no move f free: move-refused by a (404 no router) until 5");
    // Each standby refuses one of the two: both are given.
    let mut world = pool(&["a", "b"], &[("f", ""), ("g", "")]);
    world.move_fails("g", "", "b", "409");
    world.does("move f nobody->b free | move g nobody->a free");
}

#[test]
fn many_standbys_do_not_make_many_tries() {
    let names: Vec<String> = (0..40).map(|n| format!("r{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = pool(&names, &[("f", "")]);
    let mut tries = 0;
    for second in 0..3_600 {
        if second % 30 == 0 {
            world.list();
            for name in &names {
                world.free(name, 1);
            }
        }
        let plan = world.plan();
        if let Some(simplescalevm_core::Action::MoveAddress { to, .. }) = plan.actions.first() {
            tries += 1;
            let to = to.to_string();
            world.move_fails("f", "", &to, "404 no router");
        }
        world.wait(1);
    }
    assert!((60..=140).contains(&tries), "{tries}");
}

#[test]
fn finished_holder_whose_address_is_refused_goes_after_five_tries_and_two_minutes() {
    let mut world = pool(&["a", "b"], &[("f", "a")]);
    world.done("a");
    let start = world.now.0.as_secs();
    for wait in [5, 10, 20, 40] {
        world.does("move f a->b holder-goes termination | delete a termination after f");
        world.move_fails("f", "a", "b", "404 no router");
        let until = world.now.0.as_secs() + wait;
        world.does(&format!(
            "no move f holder-goes termination: move-refused by b (404 no router) until {until} | \
             no delete a termination: address-not-moved until {until}"
        ));
        world.wait(wait);
        world.done("a");
    }
    // The fifth try fails after 75 s; the deletion waits for the two minutes to be over.
    world.move_fails("f", "a", "b", "404 no router");
    let until = world.now.0.as_secs() + 80;
    let blocked = format!(
        "no move f holder-goes termination: move-refused by b (404 no router) until {until}"
    );
    world.does(&format!(
        "{blocked} | no delete a termination: address-not-moved until {until}"
    ));
    world.wait(start + 119 - world.now.0.as_secs());
    world.done("a");
    world.does(&format!(
        "{blocked} | no delete a termination: address-not-moved until {until}"
    ));
    world.wait(1);
    world.does(&format!("delete a termination | {blocked}"));
    // A try that is due is made, and the deletion does not wait for it.
    world.wait(35);
    world.does("move f a->b holder-goes termination | delete a termination");
}

#[test]
fn tries_of_another_day_do_not_hurry_a_deletion() {
    let mut world = pool(&["a", "b"], &[("f", "a")]);
    world.fails("a", 3);
    for _ in 0..5 {
        world.move_fails("f", "a", "b", "404 no router");
        world.wait(300);
    }
    world.free("a", 1);
    world.wait(3_600);
    world.list();
    world.free("b", 1);
    world.done("a");
    world.does("move f a->b holder-goes termination | delete a termination after f");
}

#[test]
fn holder_waits_for_the_next_list_where_the_outcome_of_its_move_is_open() {
    let mut world = pool(&["a", "b"], &[("f", "a")]);
    world.done("a");
    let open = simplescalevm_core::MoveFailure {
        error: "another writer".into(),
        changed: true,
        outcome_unknown: true,
    };
    world.move_ends("f", "a", "b", open);
    world.wait(1);
    world.does(
        "no move f holder-goes termination: outcome-unknown | \
         no delete a termination: address-not-moved",
    );
    // One of the servers alone does not show it.
    world.list_with(|listing, _| listing.external_addresses = None);
    world.does(
        "no move f holder-goes termination: outcome-unknown | \
         no delete a termination: address-not-moved",
    );
    world.address("f", "b");
    world.list();
    world.does("delete a termination");
    world.address("f", "a");
    world.list();
    world.does("move f a->b holder-goes termination | delete a termination after f");
}

/// The address as it was when its revision was this.
fn at_revision(world: &mut World, revision: Option<u64>, holder: &str) {
    world.address("f", holder);
    world.addresses[0].revision = revision;
    world.list();
}

#[test]
fn an_older_revision_is_true_once_it_has_been_listed_for_two_minutes() {
    let mut world = World::floor(2);
    world.serving(&["a", "b"]);
    at_revision(&mut world, Some(7), "a");
    // The cloud's database was restored: it is free, at a lower revision.
    at_revision(&mut world, Some(0), "");
    world.does("");
    world.wait(120);
    for name in ["a", "b"] {
        world.free(name, 1);
    }
    at_revision(&mut world, Some(0), "");
    world.does("");
    world.wait(1);
    at_revision(&mut world, Some(0), "");
    world.does("move f nobody->a free");
}

#[test]
fn a_move_that_a_list_confirms_is_not_taken_back_by_it() {
    let mut world = World::floor(2);
    world.serving(&["a", "b"]);
    at_revision(&mut world, None, "");
    let (f, a) = (ExternalAddressId::new("f"), id("a"));
    world.memory.moves_mut().sent(&f, &a);
    let failure = MoveFailure {
        error: "no answer".into(),
        changed: false,
        outcome_unknown: true,
    };
    world
        .memory
        .moves_mut()
        .failed(&f, None, &a, failure, world.now);
    world.wait(1);
    at_revision(&mut world, None, "a");
    assert!(world.memory.holders().contains(&a));
    world.does("");
}
