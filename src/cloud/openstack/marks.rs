//! What the daemon writes into the metadata and the names of its servers.

use super::state;
use crate::cloud::{Order, ServerTemplate, Sight};
use crate::pool::{
    Accepted, CREATION_KEY, CloudTime, CreationMark, Marks, ReplicaId, SERVED_KEY, Server,
    ServerState,
};
use openstack_sdk_blocking::{CreateServer, Created, Error, Server as NovaServer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What fits into a hostname, which Nova makes of the name, and cuts.
const LONGEST_HOSTNAME: usize = 63;
/// `-1`, `-2`, ... which Nova appends where several are made at once.
const NUMBER: usize = "-9999".len();

/// The name of new servers: one that no others have, unless the settings want them all alike.
pub(super) fn name_of(template: &ServerTemplate, part: &str) -> String {
    if !template.unique_names {
        return template.name.clone();
    }
    let room = LONGEST_HOSTNAME.saturating_sub(NUMBER + 1 + part.len());
    let base: String = template.name.chars().take(room).collect();
    let base = base.trim_end_matches(['-', '.', '_', ' ']);
    format!("{base}-{part}")
}

pub(super) fn is_of_the_pool(server: &NovaServer, template: &ServerTemplate) -> bool {
    let value = server.metadata.get(&template.metadata_key);
    value == Some(&template.metadata_value)
}

/// A server as the pool sees it, if it is of the pool, or if Nova cannot tell.
pub(super) fn member(server: &NovaServer, sight: &Sight) -> Option<Server> {
    let template = &sight.template;
    let (networks, ip_version) = (&sight.names.ours[..], template.ip_version);
    let key = &template.metadata_key;
    let state = state::read(server, networks, ip_version);
    let is_untold = !server.tells_metadata
        || server.is_unread(&format!("metadata.{key}"))
        || (state == Some(ServerState::Unknown) && server.metadata.is_empty());
    let id = ReplicaId::new(&server.id);
    let state = match state {
        _ if is_untold => ServerState::Unknown,
        Some(state) => state,
        None if sight.known.contains(&id) => ServerState::Unknown,
        // One that is seen for the first time is of the pool all the same.
        None => ServerState::Held("unreadable".to_owned()),
    };
    (is_of_the_pool(server, template) || is_untold).then(|| Server {
        id,
        name: server.name.clone(),
        state,
        addresses: state::fixed_addresses(server, networks, ip_version).collect(),
        // A lock that cannot be read may be one.
        locked: server.locked.unwrap_or(server.is_unread("locked")),
        created: server.created_at.map(CloudTime),
        launched: server.launched_at.map(CloudTime),
        image: server.image_id.as_deref().map(Arc::from),
        marks: marks_of(server, template),
    })
}

fn marks_of(server: &NovaServer, template: &ServerTemplate) -> Marks {
    let mark = |key: &str| {
        let is_the_pools = template.metadata_key == key;
        server.metadata.get(key).filter(|_| !is_the_pools)
    };
    Marks {
        creation: mark(CREATION_KEY).and_then(|text| CreationMark::read(text)),
        served: mark(SERVED_KEY).is_some(),
    }
}

pub(super) fn metadata_of(order: &Order) -> BTreeMap<String, String> {
    let template = &order.template;
    let mut metadata = BTreeMap::new();
    if order.is_marked {
        metadata.insert(CREATION_KEY.to_owned(), order.mark.to_string());
    }
    metadata.insert(
        template.metadata_key.clone(),
        template.metadata_value.clone(),
    );
    metadata
}

pub(super) fn accepted(order: &Order, created: &Created, body: &CreateServer) -> Accepted {
    let is_mark = order.template.metadata_key != CREATION_KEY;
    Accepted {
        first: (!created.id.is_empty()).then(|| ReplicaId::new(&created.id)),
        marked: is_mark && body.metadata.contains_key(CREATION_KEY),
    }
}

/// Whether Nova refuses a creation for its mark: whoever ordered it learns that from what was accepted instead.
pub(super) fn are_refused(error: &Error) -> bool {
    let is_about_metadata = error.message().to_lowercase().contains("metadata");
    let is_refusal = matches!(error.status(), Some(400 | 403 | 413)) && is_about_metadata;
    if is_refusal {
        log::warn!(
            "{CREATION_KEY} in the metadata of new servers is refused, they are created without it: {error}"
        );
    }
    is_refusal
}
