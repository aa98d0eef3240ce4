//! What a list says twice in different ways is nothing that is acted on.

use crate::world::{ERROR, World, id, running};
use simplescalevm_core::{
    ExternalAddress, ExternalAddressId, Holder, Listing, Server, ServerState, plan,
    take_out_contradictions, violations,
};
use std::net::{IpAddr, Ipv4Addr};

fn listing(
    servers: Vec<Server>,
    external_addresses: Vec<ExternalAddress>,
    world: &World,
) -> Listing {
    Listing {
        taken: world.now,
        cloud_time: None,
        servers,
        external_addresses: Some(external_addresses),
        not_alone: std::collections::BTreeSet::new(),
    }
}

fn at(world: &mut World, name: &str, last: u8) {
    let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    let server = world.server(name);
    server.state = ServerState::Running(address);
    server.addresses = vec![address];
}

fn floating_ip(id: &str, holder: Holder) -> ExternalAddress {
    ExternalAddress {
        id: ExternalAddressId::new(id),
        address: IpAddr::V4(Ipv4Addr::BROADCAST),
        holder,
        revision: Some(1),
    }
}

/// Takes in a list, and says what it contradicts itself in and what is done on it.
fn take_in(world: &mut World, mut list: Listing) -> (usize, String) {
    let memory = &world.memory;
    let told = take_out_contradictions(&mut list, |id| memory.address_of(id));
    assert!(told.iter().all(|text| !text.is_empty()));
    let policy = world.policy.clone();
    world.memory.observe(&policy, &list);
    let made = plan(&policy, &world.memory, world.now);
    let broken = violations(&policy, &world.memory, &made, world.now);
    assert!(broken.is_empty(), "{broken:?}");
    (told.len(), format!("{:?}", made.actions))
}

#[test]
fn an_id_that_is_listed_as_error_and_as_active_is_not_deleted() {
    for swapped in [false, true] {
        let mut world = World::floor(1);
        world.serving(&["a"]);
        let good = world.servers["a"].clone();
        let bad = Server {
            state: ERROR,
            ..good.clone()
        };
        let mut servers = vec![good, bad];
        if swapped {
            servers.reverse();
        }
        let list = listing(servers, Vec::new(), &world);
        assert_eq!(take_in(&mut world, list), (1, "[]".to_owned()));
        // Its own word still counts once.
        let record = world.memory.record(&id("a"));
        assert_eq!(record.map(|r| r.frozen_count), Some(1));
    }
}

#[test]
fn what_is_listed_twice_alike_is_listed_once() {
    let mut world = World::floor(1);
    world.serving(&["a"]);
    let a = world.servers["a"].clone();
    let free = floating_ip("f", Holder::Nobody);
    let list = listing(vec![a.clone(), a], vec![free.clone(), free], &world);
    let (told, actions) = take_in(&mut world, list);
    assert_eq!(told, 0);
    assert_eq!(actions.matches("MoveAddress").count(), 1, "{actions}");
}

#[test]
fn one_address_does_not_speak_for_two_servers() {
    let mut world = World::floor(2);
    world.add("a", running(), 100);
    at(&mut world, "a", 1);
    world.list();
    let a = world.servers["a"].clone();
    world.add("b", running(), 10);
    at(&mut world, "b", 1);
    let b = world.servers["b"].clone();
    let list = listing(vec![b, a], Vec::new(), &world);
    let (told, _) = take_in(&mut world, list);
    assert_eq!(told, 1);
    // The one that was there before stays what it counts, and the other is none that counts.
    assert!(world.memory.address_of(&id("a")).is_some());
    assert!(world.memory.record(&id("b")).is_none());
    // Where it is not known whose it is, it is nobody's.
    let mut world = World::floor(2);
    for name in ["a", "b"] {
        world.add(name, running(), 10);
        at(&mut world, name, 1);
    }
    let servers = world.servers.values().cloned().collect();
    let list = listing(servers, Vec::new(), &world);
    assert_eq!(take_in(&mut world, list).0, 1);
    assert_eq!(world.memory.records().len(), 0);
    // Apart, they are two.
    at(&mut world, "b", 9);
    let servers = world.servers.values().cloned().collect();
    let list = listing(servers, Vec::new(), &world);
    assert_eq!(take_in(&mut world, list).0, 0);
    assert_eq!(world.memory.records().len(), 2);
}

#[test]
fn an_empty_id_is_nothing() {
    let mut world = World::new();
    world.add("a", ERROR, 10);
    let mut nameless = world.servers["a"].clone();
    for empty in ["", " "] {
        nameless.id = id(empty);
        let servers = vec![nameless.clone()];
        let list = listing(servers, vec![floating_ip(empty, Holder::Nobody)], &world);
        assert_eq!(take_in(&mut world, list), (2, "[]".to_owned()));
    }
}

#[test]
fn an_external_address_that_is_listed_twice_differently_stays_and_its_holders_get_no_other() {
    let mut world = World::floor(2);
    world.serving(&["a", "b"]);
    let servers: Vec<Server> = world.servers.values().cloned().collect();
    for holders in [
        [Holder::Nobody, Holder::Server(id("a"))],
        [Holder::Server(id("a")), Holder::Nobody],
        [Holder::Server(id("a")), Holder::Server(id("b"))],
    ] {
        let unclear = holders.map(|holder| floating_ip("f", holder));
        let mut list = listing(servers.clone(), unclear.to_vec(), &world);
        let told = take_out_contradictions(&mut list, |_| None).len();
        assert_eq!(told, 1);
        let (told, actions) = take_in(&mut world, list);
        assert!(world.memory.holders().contains(&id("a")));
        assert_eq!((told, actions.as_str()), (0, "[]"));
    }
}
