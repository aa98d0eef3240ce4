//! A list that contradicts itself: nothing is done about what it says twice in different ways.

use super::{ExternalAddress, ExternalAddressId, Holder, Listing, ReplicaId, Server, ServerState};
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
    one_server_for_each_address(&mut listing.servers, known_at, &mut told);
    let addresses = std::mem::take(&mut listing.external_addresses);
    listing.external_addresses = one_of_each_address(addresses, &mut told);
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

/// The answer of one address never speaks for two. The replica that was there before keeps it.
fn one_server_for_each_address(
    servers: &mut [Server],
    known_at: impl Fn(&ReplicaId) -> Option<IpAddr>,
    told: &mut Vec<String>,
) {
    let mut at: BTreeMap<IpAddr, Vec<usize>> = BTreeMap::new();
    for (index, server) in servers.iter().enumerate() {
        if let ServerState::Running(address) = server.state {
            at.entry(address).or_default().push(index);
        }
    }
    for (address, indices) in at.into_iter().filter(|(_, all)| all.len() > 1) {
        let was_there = |index: &&usize| {
            let server = servers.get(**index);
            server.is_some_and(|server| known_at(&server.id) == Some(address))
        };
        let mut before = indices.iter().filter(was_there);
        let keeps = match (before.next(), before.next()) {
            (Some(only), None) => Some(*only),
            _ => None,
        };
        let ids: Vec<&str> = indices
            .iter()
            .filter_map(|index| servers.get(*index))
            .map(|server| server.id.as_str())
            .collect();
        told.push(format!(
            "{address} is the address of {} servers: {}",
            ids.len(),
            ids.join(", ")
        ));
        for index in indices.into_iter().filter(|index| Some(*index) != keeps) {
            if let Some(server) = servers.get_mut(index) {
                server.state = ServerState::Unknown;
            }
        }
    }
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
