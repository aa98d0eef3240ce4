//! By what something blocked is known again from plan to plan, so that it is told once.

use crate::pool::{
    Action, Blocked, CreateBlock, DeleteBlock, ExternalAddressId, MoveBlock, MoveReason, Plan,
    ReplicaId,
};

fn move_key(address: &ExternalAddressId) -> String {
    format!("move {address}")
}

fn wait_key(replica: &ReplicaId) -> String {
    format!("wait {replica}")
}

/// The keys of what is tried again, or decided by the next list: it is still so if that fails.
pub(super) fn tried_again(plan: &Plan) -> impl Iterator<Item = String> {
    let actions = plan.actions.iter().filter_map(|action| match action {
        Action::MoveAddress { address, .. } => Some(move_key(&address.id)),
        Action::Delete { replica, .. } => Some(wait_key(replica)),
        Action::Create { .. } => None,
    });
    let open = plan.blocked.iter().filter_map(|blocked| match blocked {
        Blocked::MoveAddress {
            address,
            why: MoveBlock::OutcomeUnknown { .. },
            ..
        } => Some(move_key(address)),
        _ => None,
    });
    actions.chain(open)
}

/// The key of something blocked; `None`: it is not told. That there are more addresses than
/// replicas is no news, and a move of which the outcome is open was told as an error. What waits for
/// a standby has a key of its own: that the only one refuses it is news, and that there is none any more.
pub(super) fn key_of(blocked: &Blocked) -> Option<String> {
    match blocked {
        Blocked::MoveAddress {
            address,
            reason,
            why,
            ..
        } => match why {
            MoveBlock::Refused { .. } => Some(move_key(address)),
            MoveBlock::NoStandby if *reason != MoveReason::Free => {
                Some(format!("standby {address}"))
            }
            MoveBlock::NoStandby | MoveBlock::OutcomeUnknown { .. } => None,
        },
        Blocked::Delete {
            replica,
            why: DeleteBlock::AddressNotMoved { .. },
            ..
        } => Some(wait_key(replica)),
        // What is asked for is told when it is answered, and a mass of terminations has an event of its own.
        Blocked::Create {
            why: CreateBlock::UnderWay { .. },
            ..
        }
        | Blocked::Delete {
            why: DeleteBlock::MassTermination { .. },
            ..
        } => None,
        // How many are missing changes all the time where the pool is full.
        Blocked::Create {
            why: CreateBlock::Backoff { cause, until },
            ..
        } => Some(format!("create {} {until:?}", cause.name())),
        Blocked::Create { .. } => Some(format!("create {}", blocked.name())),
        Blocked::Delete {
            replica, reason, ..
        } => Some(format!(
            "delete {replica} {} {}",
            reason.name(),
            blocked.name()
        )),
    }
}
