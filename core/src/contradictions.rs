//! A list that contradicts itself: nothing is done about what it says twice in different ways.

use super::record::NO_ADDRESS;
use super::{
    Creating, ExternalAddress, ExternalAddressId, Holder, Listing, ReplicaId, Server, ServerState,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Makes a list one that says everything once, before anything is concluded from it, and returns what it contradicted
/// itself in. A server about which it does is unknown, an external address is nobody's to move. `known_at`: where a
/// replica was until now.
pub fn take_out_contradictions(
    listing: &mut Listing,
    known_at: impl Fn(&ReplicaId) -> Option<IpAddr>,
) -> Vec<String> {
    let mut told = Vec::new();
    listing.servers = one_of_each_server(std::mem::take(&mut listing.servers), &mut told);
    one_server_for_each_address(listing, known_at, &mut told);
    let addresses = listing.external_addresses.take();
    listing.external_addresses = addresses.map(|all| one_of_each_address(all, &mut told));
    told
}

fn one_of_each_server(servers: Vec<Server>, told: &mut Vec<String>) -> Vec<Server> {
    let mut first: BTreeMap<ReplicaId, usize> = BTreeMap::new();
    let mut kept: Vec<Server> = Vec::with_capacity(servers.len());
    let mut unclear: BTreeSet<ReplicaId> = BTreeSet::new();
    for server in servers {
        if server.id.as_str().trim().is_empty() {
            told.push(format!("a server named {:?} has no id", server.name));
            continue;
        }
        let Some(before) = first.get(&server.id).and_then(|index| kept.get_mut(*index)) else {
            first.insert(server.id.clone(), kept.len());
            kept.push(server);
            continue;
        };
        if *before == server {
            continue;
        }
        if unclear.insert(server.id.clone()) {
            let (one, other) = (&before.state, &server.state);
            told.push(format!(
                "server {} is listed twice, as {one:?} and as {other:?}",
                server.id
            ));
        }
        before.state = ServerState::Unknown;
        before.locked |= server.locked;
        before.marks.served |= server.marks.served;
    }
    kept
}

/// The answer of one address never speaks for two: an address that another server has too, of the
/// pool or not, is no place to ask a replica at.
fn one_server_for_each_address(
    listing: &mut Listing,
    known_at: impl Fn(&ReplicaId) -> Option<IpAddr>,
    told: &mut Vec<String>,
) {
    let strangers = std::mem::take(&mut listing.not_alone);
    let mut at: BTreeMap<IpAddr, Vec<ReplicaId>> = BTreeMap::new();
    for server in &listing.servers {
        for address in addresses_of(server) {
            at.entry(address).or_default().push(server.id.clone());
        }
    }
    let not_alone = |address: &IpAddr, own: &ReplicaId| {
        let mut ids = at.get(address).into_iter().flatten();
        strangers.contains(address) || ids.any(|id| id != own)
    };
    for (address, ids) in &at {
        let is_strangers = strangers.contains(address);
        if ids.len() < 2 && !is_strangers {
            continue;
        }
        let others = if is_strangers {
            ", and of one that is not of the pool"
        } else {
            ""
        };
        let count = ids.len();
        let plural = if count == 1 { "" } else { "s" };
        let ids: Vec<&str> = ids.iter().map(ReplicaId::as_str).collect();
        let ids = ids.join(", ");
        told.push(format!(
            "{address} is the address of {count} server{plural}: {ids}{others}"
        ));
    }
    for server in &mut listing.servers {
        let own = server.id.clone();
        let before = server.addresses.len();
        server.addresses.retain(|address| !not_alone(address, &own));
        match server.state {
            ServerState::Running(address) if not_alone(&address, &own) => {
                // Nothing is known of it, unless it has an address of its own besides.
                let other = server.addresses.first().copied();
                server.state = other.map_or(ServerState::Unknown, ServerState::Running);
            }
            ServerState::Failed(_) if server.addresses.is_empty() && before > 0 => {
                server.state = ServerState::Unknown;
            }
            // It has no address any more, and what it had is another server's.
            ServerState::Creating(Creating::NoAddress)
                if known_at(&own).is_some_and(|address| not_alone(&address, &own)) =>
            {
                server.state = ServerState::Held(NO_ADDRESS.to_owned());
            }
            _ => {}
        }
    }
    listing.not_alone = strangers;
    let shared = at.into_iter().filter(|(_, ids)| ids.len() > 1);
    listing.not_alone.extend(shared.map(|(address, _)| address));
}

/// Where a server is, as the list shows it. One that is being deleted may have given its address back.
fn addresses_of(server: &Server) -> BTreeSet<IpAddr> {
    if server.state == ServerState::Leaving {
        return BTreeSet::new();
    }
    let running = match server.state {
        ServerState::Running(address) => Some(address),
        _ => None,
    };
    server.addresses.iter().copied().chain(running).collect()
}

fn one_of_each_address(
    addresses: Vec<ExternalAddress>,
    told: &mut Vec<String>,
) -> Vec<ExternalAddress> {
    let mut first: BTreeMap<ExternalAddressId, usize> = BTreeMap::new();
    let mut kept: Vec<ExternalAddress> = Vec::with_capacity(addresses.len());
    for address in addresses {
        if address.id.as_str().trim().is_empty() {
            told.push(format!("external address {} has no id", address.address));
            continue;
        }
        let Some(before) = first.get(&address.id).and_then(|i| kept.get_mut(*i)) else {
            first.insert(address.id.clone(), kept.len());
            kept.push(address);
            continue;
        };
        if *before == address {
            continue;
        }
        let mut holders: Vec<ReplicaId> = before.holder.servers().cloned().collect();
        for id in address.holder.servers() {
            if !holders.contains(id) {
                holders.push(id.clone());
            }
        }
        if !matches!(before.holder, Holder::Unclear(_)) {
            told.push(format!(
                "external address {} is listed twice, differently",
                address.id
            ));
        }
        before.holder = Holder::Unclear(holders);
    }
    kept
}
