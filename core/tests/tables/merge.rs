//! In which order the actions of several pools are begun.

use crate::world::id;
use simplescalevm_core::{
    Action, DeleteReason, ExternalAddress, ExternalAddressId, Holder, MoveReason, Room, merge,
};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU64;

const WIDE: Room = Room {
    places: 4,
    is_rated: false,
};
const RATED: Room = Room {
    places: 2,
    is_rated: true,
};

fn action(word: &str) -> Action {
    let (kind, name) = word.split_at(1);
    match kind {
        "m" => Action::MoveAddress {
            address: ExternalAddress {
                id: ExternalAddressId::new(name),
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                holder: Holder::Nobody,
                revision: None,
            },
            from: None,
            to: id(name),
            reason: MoveReason::Free,
        },
        "d" => Action::Delete {
            replica: id(name),
            reason: DeleteReason::Termination,
            after: Vec::new(),
        },
        _ => Action::Create {
            count: NonZeroU64::MIN,
        },
    }
}

#[track_caller]
fn check(pools: &[&str], room: Room, merged: &str) {
    let pools = pools.iter().map(|words| {
        let words = words.split_whitespace();
        words.map(|word| (word, action(word))).collect::<Vec<_>>()
    });
    let order = merge(pools.collect(), |(_, action)| action, room);
    let words: Vec<&str> = order.into_iter().map(|(word, _)| word).collect();
    assert_eq!(words.join(" "), merged);
}

#[test]
fn the_plan_of_one_pool_keeps_its_order() {
    check(&[], WIDE, "");
    check(&["m1 m2 d3 d4 c"], WIDE, "m1 m2 d3 d4 c");
    check(&["m1 d3 d4 c"], RATED, "m1 d3 d4 c");
}

#[test]
fn a_creation_goes_before_deletions_that_take_all_that_a_second_lets_through() {
    check(&["m1 d3 d4 d5 c"], RATED, "m1 c d3 d4 d5");
    check(&["m1 d3 d4 d5 d6 d7 c"], WIDE, "m1 d3 d4 d5 d6 d7 c");
    // However many of them are of another pool.
    check(&["d1 d2 d3", "d4 c"], RATED, "c d1 d4 d2 d3");
}

#[test]
fn pools_take_turns_within_a_class() {
    check(&["m1 m2 d3 c", "m4 d5 d6 c"], WIDE, "m1 m4 m2 d3 d5 d6 c c");
    check(&["d1 d2 d3", "", "m4 d5"], WIDE, "m4 d1 d5 d2 d3");
}
