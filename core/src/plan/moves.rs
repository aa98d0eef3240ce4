//! Which external address goes where, and which deletion waits for that.

use super::{Action, Blocked, DeleteBlock, DeleteReason, MoveBlock, MoveReason, Step};
use crate::{
    Assessment, ExternalAddress, ExternalAddressId, Holder, Memory, Moment, ReplicaId,
    ReplicaState, ServerState,
};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// A move that is called for.
struct Wanted<'a> {
    reason: MoveReason,
    from: Option<ReplicaId>,
    address: &'a ExternalAddress,
}

pub(super) fn plan_moves(
    memory: &Memory,
    assessment: &Assessment,
    deletions: &Step<(ReplicaId, DeleteReason)>,
    now: Moment,
) -> Step<Action> {
    let going = going(deletions);
    let mut wanted: Vec<Wanted<'_>> = memory
        .external_addresses()
        .iter()
        .filter(|address| !memory.moves().is_under_way(&address.id))
        .filter_map(|address| {
            let (reason, from) = reason_to_move(memory, assessment, &address.holder, &going)?;
            Some(Wanted {
                reason,
                from,
                address,
            })
        })
        .collect();
    // INVARIANT: first what is about to go, then what is silent, then what is free: with few
    // standbys, an address that a caller may still be using matters more than an unused one.
    wanted.sort_by(|a, b| (a.reason, &a.address.id).cmp(&(b.reason, &b.address.id)));
    let refusing = memory.moves().refusing();
    let standbys = standbys(memory, assessment, wanted.len() + refusing);
    let may_go = |index: usize, standby: usize| {
        let (Some(wanted), Some(to)) = (wanted.get(index), standbys.get(standby)) else {
            return false;
        };
        let id = &wanted.address.id;
        memory.moves().open_to(id).is_none() && memory.moves().refusal(id, to, now).is_none()
    };
    let chosen = choose(wanted.len(), standbys.len(), &may_go);
    let mut step = Step::default();
    for (wanted, to) in wanted.into_iter().zip(chosen) {
        match to.and_then(|index| standbys.get(index)) {
            Some(to) => step.actions.push(Action::MoveAddress {
                address: wanted.address.clone(),
                from: wanted.from,
                to: to.clone(),
                reason: wanted.reason,
            }),
            None => step.blocked.push(Blocked::MoveAddress {
                address: wanted.address.id.clone(),
                from: wanted.from,
                reason: wanted.reason,
                why: why_not(memory, &wanted.address.id, &standbys, now),
            }),
        }
    }
    step
}

/// The replicas that are no place for an external address any more: those about to be deleted,
/// and those that only the operator's lock keeps.
fn going(deletions: &Step<(ReplicaId, DeleteReason)>) -> BTreeMap<ReplicaId, DeleteReason> {
    let kept = deletions
        .blocked
        .iter()
        .filter_map(|blocked| match blocked {
            Blocked::Delete {
                replica,
                reason,
                why: DeleteBlock::Locked,
            } => Some((replica.clone(), *reason)),
            _ => None,
        });
    deletions.actions.iter().cloned().chain(kept).collect()
}

/// A standby for each address, in their order, each the first one that may have it. Where all that
/// may are taken while others are free, those before it make room: no address is kept from a standby
/// by another one that could go elsewhere.
fn choose(
    addresses: usize,
    standbys: usize,
    may_go: &dyn Fn(usize, usize) -> bool,
) -> Vec<Option<usize>> {
    let mut taken_by: Vec<Option<usize>> = vec![None; standbys];
    let mut first_free = 0;
    let mut left = standbys;
    for address in 0..addresses {
        if left == 0 {
            break;
        }
        while taken_by.get(first_free).is_some_and(Option::is_some) {
            first_free += 1;
        }
        let free =
            (first_free..standbys).find(|s| taken_by.get(*s) == Some(&None) && may_go(address, *s));
        let found = match free {
            Some(standby) => {
                if let Some(place) = taken_by.get_mut(standby) {
                    *place = Some(address);
                }
                true
            }
            None => make_room(address, &mut taken_by, &mut vec![false; standbys], may_go),
        };
        left -= usize::from(found);
    }
    let mut chosen = vec![None; addresses];
    for (standby, address) in taken_by.into_iter().enumerate() {
        if let Some(place) = address.and_then(|address| chosen.get_mut(address)) {
            *place = Some(standby);
        }
    }
    chosen
}

fn make_room(
    address: usize,
    taken_by: &mut [Option<usize>],
    seen: &mut [bool],
    may_go: &dyn Fn(usize, usize) -> bool,
) -> bool {
    for standby in 0..taken_by.len() {
        if seen.get(standby) != Some(&false) || !may_go(address, standby) {
            continue;
        }
        if let Some(seen) = seen.get_mut(standby) {
            *seen = true;
        }
        let is_free = match taken_by.get(standby).copied().flatten() {
            None => true,
            Some(other) => make_room(other, taken_by, seen, may_go),
        };
        if is_free && let Some(place) = taken_by.get_mut(standby) {
            *place = Some(address);
            return true;
        }
    }
    false
}

fn why_not(
    memory: &Memory,
    address: &ExternalAddressId,
    standbys: &[ReplicaId],
    now: Moment,
) -> MoveBlock {
    if let Some(to) = memory.moves().open_to(address) {
        return MoveBlock::OutcomeUnknown { to: to.clone() };
    }
    let refusals = standbys
        .iter()
        .filter_map(|to| Some((to, memory.moves().refusal(address, to, now)?)));
    match refusals.min_by_key(|(to, (until, _))| (*until, *to)) {
        Some((to, (until, refusal))) => MoveBlock::Refused {
            by: to.clone(),
            error: refusal.error.clone(),
            until,
        },
        None => MoveBlock::NoStandby,
    }
}

/// Why an address should leave its holder, and which replica that is. An address on a port that
/// belongs to no replica of the pool is left alone.
fn reason_to_move(
    memory: &Memory,
    assessment: &Assessment,
    holder: &Holder,
    going: &BTreeMap<ReplicaId, DeleteReason>,
) -> Option<(MoveReason, Option<ReplicaId>)> {
    let id = match holder {
        Holder::Nobody => return Some((MoveReason::Free, None)),
        Holder::Stranger | Holder::Unclear(_) => return None,
        Holder::Server(id) => id,
    };
    let reason = match going.get(id) {
        Some(reason) => MoveReason::HolderGoes(*reason),
        None => match assessment.state(id)? {
            ReplicaState::Unreachable { .. } => MoveReason::HolderUnreachable,
            _ => return None,
        },
    };
    memory
        .record(id)
        .map(|r| (reason, Some(r.server.id.clone())))
}

/// So many serving replicas without an external address, the oldest first so that the choice is
/// stable; but last of all those that could not be given one, the latest of them last.
#[must_use]
pub fn standbys(memory: &Memory, assessment: &Assessment, count: usize) -> Vec<ReplicaId> {
    if count == 0 {
        return Vec::new();
    }
    let holders = memory.holders();
    let targets = memory.moves().targets();
    let mut standbys: Vec<(Option<Moment>, Reverse<Duration>, &ReplicaId)> = memory
        .records()
        .zip(assessment.replicas.iter())
        .filter(|(record, assessed)| {
            matches!(assessed.state, ReplicaState::Serving { .. })
                // What the cloud shows as failed may serve, and gets no address all the same.
                && matches!(record.server.state, ServerState::Running(_))
                && memory.is_listed(record)
                && !record.delete_under_way
        })
        .map(|(r, assessed)| (r.refused_address, Reverse(assessed.age), &assessed.id))
        .filter(|(_, _, id)| !holders.contains(*id) && !targets.contains(id))
        .collect();
    if count < standbys.len() {
        standbys.select_nth_unstable(count);
        standbys.truncate(count);
    }
    standbys.sort_unstable();
    standbys.into_iter().map(|(_, _, id)| id.clone()).collect()
}

/// What a replica's deletion waits for.
pub(super) enum Wait {
    /// Moves of this plan that must succeed before; none: it waits for nothing.
    Moves(Vec<ExternalAddressId>),
    /// An address that cannot be moved now, and when it is tried again, if that is known.
    Blocked(DeleteBlock),
    /// A move that is under way.
    UnderWay,
}

/// What the deletion of a replica waits for. An address on a replica that is broken anyway holds
/// nothing up: its deletion frees the address. So does that of a finished one whose address has
/// been refused for long enough.
pub(super) fn waits_for(
    memory: &Memory,
    moves: &Step<Action>,
    (replica, reason): (&ReplicaId, DeleteReason),
    now: Moment,
) -> Wait {
    if reason != DeleteReason::Termination {
        return Wait::Moves(Vec::new());
    }
    let is_given_up =
        |address: &ExternalAddressId| memory.moves().is_given_up(address, replica, now);
    let held = memory
        .external_addresses()
        .iter()
        .filter(|address| matches!(&address.holder, Holder::Server(holder) if holder == replica));
    for address in held {
        if memory.moves().is_under_way(&address.id) {
            return Wait::UnderWay;
        }
        let why = moves.blocked.iter().find_map(|blocked| match blocked {
            Blocked::MoveAddress {
                address: id, why, ..
            } if *id == address.id => Some(why),
            _ => None,
        });
        match why {
            Some(MoveBlock::OutcomeUnknown { .. }) => {
                return Wait::Blocked(DeleteBlock::AddressNotMoved { until: None });
            }
            Some(MoveBlock::Refused { until, .. }) if !is_given_up(&address.id) => {
                let until = Some(*until);
                return Wait::Blocked(DeleteBlock::AddressNotMoved { until });
            }
            _ => {}
        }
    }
    let after = moves.actions.iter().filter_map(|action| match action {
        Action::MoveAddress {
            address,
            from: Some(from),
            ..
        } if from == replica && !is_given_up(&address.id) => Some(address.id.clone()),
        _ => None,
    });
    Wait::Moves(after.collect())
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn no_address_is_kept_from_a_standby_by_another_that_could_go_elsewhere() {
        let check =
            |refused: &[(usize, usize)], addresses, standbys, expected: &[Option<usize>]| {
                let may_go = |address, standby| !refused.contains(&(address, standby));
                assert_eq!(
                    choose(addresses, standbys, &may_go),
                    expected,
                    "{refused:?}"
                );
            };
        check(&[], 3, 2, &[Some(0), Some(1), None]);
        check(&[], 1, 3, &[Some(0)]);
        check(&[], 2, 0, &[None, None]);
        check(&[(0, 0)], 2, 2, &[Some(1), Some(0)]);
        check(&[(1, 1)], 2, 2, &[Some(1), Some(0)]);
        check(&[(0, 0), (0, 1)], 2, 2, &[None, Some(0)]);
        check(&[(2, 2), (1, 2)], 3, 3, &[Some(2), Some(1), Some(0)]);
        check(
            &[(2, 1), (2, 2), (1, 2), (0, 2)],
            3,
            3,
            &[Some(0), Some(1), None],
        );
    }
}
