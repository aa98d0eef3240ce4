//! In which order the actions of several pools are begun.

use crate::world::id;
use simplescalevm_core::{
    Action, DeleteReason, ExternalAddress, ExternalAddressId, Holder, MoveReason, merge,
};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU64;

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
fn check(pools: &[&str], quota_is_used_up: bool, merged: &str) {
    let pools = pools.iter().map(|words| {
        let words = words.split_whitespace();
        words.map(|word| (word, action(word))).collect::<Vec<_>>()
    });
    let order = merge(pools.collect(), |(_, action)| action, quota_is_used_up);
    let words: Vec<&str> = order.into_iter().map(|(word, _)| word).collect();
    assert_eq!(words.join(" "), merged);
}

#[test]
fn callers_wait_for_moves_and_creations_and_for_no_deletion() {
    check(&[], false, "");
    check(&["m1 m2 d3 d4 c"], false, "m1 m2 c d3 d4");
}

#[test]
fn deletions_make_room_where_the_quota_is_used_up() {
    check(&["m1 m2 d3 d4 c"], true, "m1 m2 d3 d4 c");
    check(&["d1", "d2 c"], true, "d1 d2 c");
}

#[test]
fn pools_take_turns_within_a_class() {
    check(
        &["m1 m2 d3 c", "m4 d5 d6 c"],
        false,
        "m1 m4 m2 c c d3 d5 d6",
    );
    check(&["d1 d2 d3", "", "m4 d5"], false, "m4 d1 d5 d2 d3");
}
