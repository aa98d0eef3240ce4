//! Plans as JSON: actions, what is blocked, and why.

use super::value::{object, seconds_until};
use crate::pool::{
    Action, Blocked, CreateBlock, DeleteReason, Moment, MoveBlock, MoveReason, Plan, ReplicaId,
    Snapshot, Words,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A plan.
pub(super) fn plan_view(plan: &Plan, words: &Words<'_>, now: Moment) -> Value {
    let actions = plan.actions.iter().map(|action| {
        let mut view = object(action_view(action, words));
        view.insert("text".to_owned(), json!(words.action(action)));
        Value::Object(view)
    });
    let blocked = plan.blocked.iter().map(|b| blocked_view(b, words, now));
    json!({
        "actions": actions.collect::<Vec<_>>(),
        "blocked": blocked.collect::<Vec<_>>(),
    })
}

/// An action without its sentence.
pub(super) fn action_view(action: &Action, words: &Words<'_>) -> Value {
    match action {
        Action::MoveAddress {
            address,
            from,
            to,
            reason,
        } => json!({
            "action": "move-address",
            "external_address": address.address.to_string(),
            "external_address_id": address.id.as_str(),
            "from": from.as_ref().map(ReplicaId::as_str),
            "from_name": from.as_ref().and_then(|id| words.name(id)),
            "replica": to.as_str(),
            "name": words.name(to),
            "reason": reason.name(),
            "holder_goes": holder_goes(*reason),
        }),
        Action::Delete {
            replica, reason, ..
        } => json!({
            "action": "delete",
            "replica": replica.as_str(),
            "name": words.name(replica),
            "reason": reason.name(),
        }),
        Action::Create { count } => json!({
            "action": "create",
            "count": count.get(),
            "reason": "below-floor",
        }),
    }
}

/// Something that is not done, and why not.
pub(super) fn blocked_view(blocked: &Blocked, words: &Words<'_>, now: Moment) -> Value {
    let mut view = object(match blocked {
        Blocked::Create { count, why } => json!({
            "what": "create",
            "count": count,
            "reason": "below-floor",
            "cause": match why {
                CreateBlock::Backoff { cause, .. } => Some(cause.name()),
                _ => None,
            },
        }),
        Blocked::Delete {
            replica, reason, ..
        } => json!({
            "what": "delete",
            "replica": replica.as_str(),
            "name": words.name(replica),
            "reason": reason.name(),
        }),
        Blocked::MoveAddress {
            address,
            from,
            reason,
            why,
        } => json!({
            "what": "move-address",
            "external_address": words.external_address(address),
            "external_address_id": address.as_str(),
            "from": from.as_ref().map(ReplicaId::as_str),
            "from_name": from.as_ref().and_then(|id| words.name(id)),
            "replica": why.standby().map(ReplicaId::as_str),
            "name": why.standby().and_then(|id| words.name(id)),
            "reason": reason.name(),
            "holder_goes": holder_goes(*reason),
            "error": match why {
                MoveBlock::Refused { error, .. } => Some(&**error),
                MoveBlock::NoStandby | MoveBlock::OutcomeUnknown { .. } => None,
            },
        }),
    });
    let until = blocked.until();
    view.insert("why".to_owned(), json!(blocked.name()));
    let until_seconds = until.map(|until| seconds_until(until, now));
    view.insert("until_seconds".to_owned(), json!(until_seconds));
    view.insert("until".to_owned(), json!(until.and_then(|u| words.end(u))));
    view.insert("text".to_owned(), json!(words.blocked(blocked)));
    Value::Object(view)
}

/// Why each replica that is to go, or was told to, goes.
pub(super) fn going_because(snapshot: &Snapshot) -> BTreeMap<&ReplicaId, DeleteReason> {
    let leaving = snapshot.records.iter().filter_map(|record| {
        let reason = record.deleted_for()?;
        Some((&record.server.id, reason))
    });
    let planned = snapshot
        .plan
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Delete {
                replica, reason, ..
            } => Some((replica, *reason)),
            _ => None,
        });
    let mut going: BTreeMap<&ReplicaId, DeleteReason> = leaving.chain(planned).collect();
    for blocked in &snapshot.plan.blocked {
        if let Blocked::Delete {
            replica, reason, ..
        } = blocked
        {
            going.insert(replica, *reason);
        }
    }
    going
}

fn holder_goes(reason: MoveReason) -> Option<&'static str> {
    match reason {
        MoveReason::HolderGoes(reason) => Some(reason.name()),
        MoveReason::HolderUnreachable | MoveReason::Free => None,
    }
}
