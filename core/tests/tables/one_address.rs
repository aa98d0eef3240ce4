//! One address never speaks for two servers, and a further address on a port changes nothing.

use crate::world::{ERROR, NO_ADDRESS, OLD, World, id, running};
use simplescalevm_core::{Answer, ProbeFailure, ServerState, take_out_contradictions};
use std::net::{IpAddr, Ipv4Addr};

fn ip(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 9, last))
}

const DONE: Result<Answer, ProbeFailure> = Ok(Answer {
    free: 0,
    termination: true,
});

/// Puts a server at these addresses, the first of which Nova shows first.
fn at(world: &mut World, name: &str, addresses: &[u8]) {
    let server = world.server(name);
    server.addresses = addresses.iter().map(|last| ip(*last)).collect();
    if !matches!(server.state, ServerState::Failed(_)) {
        let first = server.addresses.first().copied();
        server.state = first.map_or(NO_ADDRESS, ServerState::Running);
    }
}

/// Old servers at .1, .2, ..., serving.
fn pool(names: &[&str]) -> World {
    let mut world = World::new();
    world.policy.termination_confirmations = 1;
    for (name, last) in names.iter().zip(1..) {
        world.add(name, crate::world::running(), crate::world::OLD);
        at(&mut world, name, &[last]);
    }
    list(&mut world, &[]);
    for name in names {
        world.free(name, 1);
    }
    world
}

/// Lists all servers, and strangers at these addresses, as the scaler takes a list in.
fn list(world: &mut World, strangers: &[u8]) {
    world.list_with(|listing, memory| {
        listing.not_alone = strangers.iter().map(|last| ip(*last)).collect();
        take_out_contradictions(listing, |id| memory.address_of(id));
    });
}

fn asked_at(world: &World, name: &str) -> Option<IpAddr> {
    world
        .memory
        .record(&id(name))
        .and_then(simplescalevm_core::Record::probe_address)
}

/// Its old address is another's, and it is asked where it is now: what it says there stands from list to list. Once it was taken
/// back with each list, and the replica counted as one that starts for ever.
#[test]
fn a_failed_server_is_heard_at_its_new_address_though_another_has_its_old_one() {
    let mut world = pool(&["a", "b"]);
    world.state("a", ERROR);
    at(&mut world, "a", &[7]);
    at(&mut world, "b", &[1]);
    list(&mut world, &[]);
    assert_eq!(asked_at(&world, "a"), Some(ip(7)));
    world.is("a checking 1, b checking 1 = 2");
    world.free("a", 0);
    world.free("b", 1);
    for _ in 0..3 {
        world.wait(1);
        list(&mut world, &[]);
        world.is("a serving 0, b serving 1 = 1");
    }
}

#[test]
fn a_replica_is_not_deleted_on_the_word_of_the_server_that_has_its_address_now() {
    // Its port was taken away and its address given to another replica, between two lists.
    let mut world = pool(&["a", "b"]);
    world.probe("a", DONE);
    at(&mut world, "a", &[]);
    at(&mut world, "b", &[1]);
    list(&mut world, &[]);
    world.does("");
    assert_eq!(asked_at(&world, "a"), None);
    world.is("a held 0, b checking 1 = 1");
    // What the other one says is its own.
    world.probe("b", DONE);
    world.does("delete b termination");
    // It stays so, and it is asked again once it has an address of its own.
    list(&mut world, &[]);
    world.is("a held 0, b finished 0 = 0");
    at(&mut world, "a", &[7]);
    list(&mut world, &[]);
    assert_eq!(asked_at(&world, "a"), Some(ip(7)));
    world.free("a", 1);
    world.is("a serving 1, b finished 0 = 1");
}

#[test]
fn nor_once_that_server_is_gone() {
    // Whatever answers at the address then: a further server that no list shows yet, for one.
    let mut world = pool(&["a", "b"]);
    at(&mut world, "a", &[]);
    at(&mut world, "b", &[1]);
    list(&mut world, &[]);
    world.probe("b", DONE);
    world.state("b", ServerState::Leaving);
    list(&mut world, &[]);
    assert_eq!(asked_at(&world, "a"), None);
    world.gone("b");
    for _ in 0..3 {
        world.wait(60);
        list(&mut world, &[]);
        assert_eq!(asked_at(&world, "a"), None);
        world.is("a held 0 = 0");
        world.does("");
    }
    at(&mut world, "a", &[1]);
    list(&mut world, &[]);
    assert_eq!(asked_at(&world, "a"), Some(ip(1)));
}

#[test]
fn nor_on_that_of_a_server_of_another_pool() {
    let mut world = pool(&["a"]);
    world.probe("a", DONE);
    at(&mut world, "a", &[]);
    list(&mut world, &[1]);
    world.does("");
    world.is("a held 0 = 0");
}

#[test]
fn where_nova_still_shows_the_address_on_both_neither_is_asked() {
    for strangers in [&[][..], &[1][..]] {
        let mut world = pool(&["a", "b"]);
        world.probe("a", DONE);
        if strangers.is_empty() {
            at(&mut world, "b", &[1]);
        }
        list(&mut world, strangers);
        world.does("");
        assert_eq!(asked_at(&world, "a"), None);
        // An answer that was under way comes too late.
        world.result("a", 1, DONE);
        at(&mut world, "b", &[2]);
        list(&mut world, &[]);
        world.does("");
    }
}

#[test]
fn an_answer_that_was_under_way_at_the_list_is_void() {
    let mut world = pool(&["a", "b"]);
    let round = world
        .memory
        .probe_started(&world.policy, &id("a"), world.now);
    at(&mut world, "a", &[]);
    at(&mut world, "b", &[1]);
    list(&mut world, &[]);
    world.result("a", round, DONE);
    at(&mut world, "a", &[1]);
    at(&mut world, "b", &[2]);
    list(&mut world, &[]);
    world.does("");
}

#[test]
fn two_that_have_changed_places_have_said_nothing_yet() {
    let mut world = pool(&["a", "b"]);
    world.probe("a", DONE);
    at(&mut world, "a", &[2]);
    at(&mut world, "b", &[1]);
    list(&mut world, &[]);
    world.does("");
    world.is("a checking 1, b checking 1 = 2");
}

/// The one that took its address says that it is done, during an outage in which the cloud knows neither.
#[test]
fn nor_on_that_of_another_when_it_is_shown_elsewhere_after_an_outage() {
    let mut world = pool(&["a", "b", "c"]);
    world.wait(5);
    world.probe("a", DONE);
    world.state("a", ServerState::Unknown);
    list(&mut world, &[]);
    world.does("");
    at(&mut world, "a", &[8]);
    list(&mut world, &[]);
    assert_eq!(asked_at(&world, "a"), Some(ip(8)));
    world.is("a checking 1, b serving 1, c serving 1 = 3");
    world.does("");
    // What it says there itself counts.
    world.probe("a", DONE);
    world.does("delete a termination");
}

#[test]
fn a_failed_one_is_not_kept_by_the_answers_of_another() {
    let mut world = pool(&["a", "b"]);
    world.state("a", ERROR);
    at(&mut world, "a", &[]);
    at(&mut world, "b", &[1]);
    list(&mut world, &[]);
    assert_eq!(asked_at(&world, "a"), None);
}

/// One that lists have never shown running is asked at the address that is shown on it.
#[test]
fn nor_one_that_was_failed_from_the_start() {
    let mut world = pool(&["a", "b"]);
    world.add("c", ERROR, OLD);
    at(&mut world, "c", &[3]);
    list(&mut world, &[]);
    world.free("c", 1);
    assert_eq!(asked_at(&world, "c"), Some(ip(3)));
    at(&mut world, "b", &[3]);
    world.wait(1);
    world.list_and_ask(&["a", "b"], true);
    assert_eq!(asked_at(&world, "c"), None, "it is what b answers");
    world.is("a serving 1, b checking 1, c unknown 1 = 3");
}

/// Its port is detached and its address goes to a server of another project, which no list shows: it is asked there on,
/// as Nova forgets addresses at times, and does not go on that server's word.
#[test]
fn nor_on_that_of_a_server_that_no_list_shows() {
    let mut world = World::new();
    world.serving(&["a", "b"]);
    world.state("a", NO_ADDRESS);
    for _ in 0..10 {
        world.list();
        world.done("a");
        world.wait(5);
    }
    world.does("no delete a termination: address-not-shown");
    world.state("a", running());
    world.list();
    world.done("a");
    world.does("delete a termination");
}

#[test]
fn a_further_address_does_not_move_the_probe() {
    let mut world = pool(&["a"]);
    at(&mut world, "a", &[0, 1]);
    list(&mut world, &[]);
    assert_eq!(asked_at(&world, "a"), Some(ip(1)));
    world.is("a serving 1 = 1");
    // Only once the address is gone is it asked at another one.
    at(&mut world, "a", &[0]);
    list(&mut world, &[]);
    assert_eq!(asked_at(&world, "a"), Some(ip(0)));
    world.is("a checking 1 = 1");
}

#[test]
fn of_several_that_have_not_answered_all_are_asked() {
    let mut world = World::new();
    world.add("a", crate::world::running(), crate::world::OLD);
    at(&mut world, "a", &[5, 6]);
    list(&mut world, &[]);
    let mut asked = Vec::new();
    for _ in 0..6 {
        asked.push(asked_at(&world, "a"));
        world.is("a checking 1 = 1");
        world.probe("a", Err(ProbeFailure::Refused));
        list(&mut world, &[]);
    }
    let (first, second) = (Some(ip(5)), Some(ip(6)));
    assert_eq!(asked, [first, second, first, second, first, second]);
    world.is("a unreachable 0 = 0");
    world.probe("a", Err(ProbeFailure::Refused));
    assert_eq!(asked_at(&world, "a"), second);
    world.free("a", 1);
    list(&mut world, &[]);
    assert_eq!(asked_at(&world, "a"), second, "where it has answered");
}

#[test]
fn one_of_several_that_another_server_has_too_is_left_out() {
    let mut world = pool(&["a"]);
    at(&mut world, "a", &[1, 8]);
    list(&mut world, &[1]);
    assert_eq!(asked_at(&world, "a"), Some(ip(8)));
    world.is("a checking 1 = 1");
}
