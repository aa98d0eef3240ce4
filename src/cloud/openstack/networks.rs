//! Under which names Nova shows the addresses on the wanted network.
//!
//! Nova's answer has the addresses by the network's name, as it was when Nova last looked: old for
//! one server and new for another, where somebody has renamed the network. Neutron's ports have its
//! id. So a name that is not known yet is told by a port.

use super::error::failed;
use super::marks::is_of_the_pool;
use super::{OpenStack, state};
use crate::cloud::{CloudError, NetworkNames, Sight};
use crate::pool::{Creating, Moment, ServerState};
use openstack_sdk_blocking::{PortQuery, Server as NovaServer};
use std::net::IpAddr;
use std::time::Duration;

/// For so many servers of a list, at most, ports are asked for.
const ASKED_IN_A_LIST: usize = 3;
/// A name may stand for another network by then.
const NAMES_ARE_GOOD_FOR: Duration = Duration::from_secs(300);

impl NetworkNames {
    fn learn(&mut self, name: &str) {
        self.ours.retain(|known| known != name);
        self.ours.insert(0, name.to_owned());
    }

    /// Whether a server may be on the wanted network under a name that is not known yet.
    fn is_unclear(&self, server: &NovaServer, ip_version: u8) -> bool {
        let state = state::read(server, &self.ours, ip_version);
        let mut names = server.addresses.keys();
        state == Some(ServerState::Creating(Creating::NoAddress))
            && names.any(|name| !self.ours.contains(name) && !self.others.contains(name))
    }
}

/// A server's addresses on the wanted network. One that is being deleted may have given them back.
pub(super) fn addresses_of(server: &NovaServer, sight: &Sight) -> Vec<IpAddr> {
    let (names, ip_version) = (&sight.names.ours[..], sight.template.ip_version);
    if state::read(server, names, ip_version) == Some(ServerState::Leaving) {
        return Vec::new();
    }
    state::fixed_addresses(server, names, ip_version).collect()
}

impl OpenStack {
    /// The name by which the addresses are to be found, as the settings have it.
    pub(super) fn know_a_network_name(&self, sight: &mut Sight) -> Result<(), CloudError> {
        if sight.names.ours.is_empty() {
            let name = sight.template.network_name(&self.client)?;
            sight.names.learn(&name);
        }
        Ok(())
    }

    /// Asks Neutron where Nova's answer leaves open whether a server of the pool is on the wanted
    /// network. If that fails, the next list asks again.
    pub(super) fn learn_network_names(
        &self,
        servers: &[NovaServer],
        sight: &mut Sight,
        now: Moment,
    ) {
        if now.since(sight.names.since) >= NAMES_ARE_GOOD_FOR {
            sight.names.others.clear();
            sight.names.since = now;
        }
        for _ in 0..ASKED_IN_A_LIST {
            let is_asked = |server: &&NovaServer| {
                let template = &sight.template;
                is_of_the_pool(server, template)
                    && sight.names.is_unclear(server, template.ip_version)
            };
            let Some(server) = servers.iter().find(is_asked) else {
                return;
            };
            if let Err(error) = self.learn_from(server, sight) {
                let id = &server.id;
                log::debug!("the network of server {id} cannot be told: {error}");
                return;
            }
        }
    }

    fn learn_from(&self, server: &NovaServer, sight: &mut Sight) -> Result<(), CloudError> {
        let network = match &sight.network {
            Some(network) => network.clone(),
            None => sight.template.find_network(&self.client)?.id,
        };
        let query = PortQuery {
            device_ids: vec![server.id.clone()],
            ..PortQuery::default()
        };
        let ports = self.client.network().ports(&query);
        let ports = ports.map_err(failed("the server's ports cannot be listed"))?;
        for (name, addresses) in &server.addresses {
            let is_at = |port: &openstack_sdk_blocking::Port| {
                let mut own = port.fixed_ips.iter().map(|ip| ip.ip_address);
                own.any(|own| addresses.iter().any(|shown| shown.addr == own))
            };
            let is_ours = ports
                .iter()
                .any(|port| port.network_id.as_ref() == Some(&network) && is_at(port));
            if is_ours && !sight.names.ours.contains(name) {
                log::info!(
                    "Nova shows the addresses on OPENSTACK_NETWORK under another name: {name:?}"
                );
                sight.names.learn(name);
            } else if !is_ours {
                sight.names.others.insert(name.clone());
            }
        }
        Ok(())
    }
}
