//! Networks, ports, floating IPs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::json;

use super::State;

#[derive(Debug, Clone)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) cidr: String,
    pub(crate) gateway: IpAddr,
    /// The address given last; the next one is tried first, so that an address is not used again at once.
    pub(crate) last: IpAddr,
}

impl Subnet {
    pub(crate) fn version(&self) -> u8 {
        if self.gateway.is_ipv4() { 4 } else { 6 }
    }

    fn next(&self) -> IpAddr {
        match (self.last, self.gateway) {
            (IpAddr::V4(last), IpAddr::V4(gateway)) => {
                let base = u32::from(gateway) & 0xffff_0000;
                // Of a /16, without network, gateway and broadcast.
                let host = u32::from(last) & 0xffff;
                IpAddr::V4(Ipv4Addr::from(
                    base | if host >= 0xfffd { 2 } else { host + 1 },
                ))
            }
            (IpAddr::V6(last), _) => IpAddr::V6(Ipv6Addr::from(u128::from(last) + 1)),
            (last, _) => last,
        }
    }
}

#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // Each is a property of its own.
pub(crate) struct Network {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) external: bool,
    pub(crate) shared: bool,
    pub(crate) mine: bool,
    pub(crate) port_security: bool,
    pub(crate) subnets: Vec<Subnet>,
    pub(crate) created_ms: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Port {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) network_id: String,
    pub(crate) device_id: String,
    pub(crate) device_owner: String,
    pub(crate) mac: String,
    /// Subnet and address.
    pub(crate) fixed_ips: Vec<(String, IpAddr)>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) active: bool,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
    pub(crate) revision: u64,
}

impl Port {
    pub(crate) fn address(&self, version: u8) -> Option<IpAddr> {
        self.fixed_ips
            .iter()
            .map(|(_, address)| *address)
            .find(|address| address.is_ipv4() == (version == 4))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct FloatingIp {
    pub(crate) id: String,
    pub(crate) address: IpAddr,
    pub(crate) description: String,
    pub(crate) port_id: Option<String>,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
    pub(crate) revision: u64,
    /// No router leads from any port's subnet to the network that it is from.
    pub(crate) unroutable: bool,
}

impl State {
    pub(crate) fn network(&self, id: &str) -> Option<&Network> {
        self.networks.iter().find(|network| network.id == id)
    }

    /// A free address of a subnet.
    pub(crate) fn allocate(&mut self, subnet_id: &str) -> Option<IpAddr> {
        let subnet = self
            .networks
            .iter_mut()
            .flat_map(|network| &mut network.subnets)
            .find(|subnet| subnet.id == subnet_id)?;
        for _ in 0..0x10000 {
            subnet.last = subnet.next();
            if !self.by_address.contains_key(&subnet.last) && subnet.last != subnet.gateway {
                return Some(subnet.last);
            }
        }
        None
    }

    /// Makes a port with one address of each subnet of the network.
    pub(crate) fn make_port(
        &mut self,
        network_id: &str,
        device_id: &str,
        device_owner: &str,
    ) -> String {
        let id = self.rng.uuid();
        let subnets: Vec<String> = self
            .network(network_id)
            .into_iter()
            .flat_map(|network| &network.subnets)
            .map(|subnet| subnet.id.clone())
            .collect();
        let mut fixed_ips = Vec::new();
        for subnet in subnets {
            if let Some(address) = self.allocate(&subnet) {
                self.by_address.insert(address, id.clone());
                fixed_ips.push((subnet, address));
            }
        }
        let bits = self.rng.next();
        let port = Port {
            id: id.clone(),
            name: String::new(),
            network_id: network_id.to_owned(),
            device_id: device_id.to_owned(),
            device_owner: device_owner.to_owned(),
            mac: format!(
                "fa:16:3e:{:02x}:{:02x}:{:02x}",
                bits & 0xff,
                bits >> 8 & 0xff,
                bits >> 16 & 0xff
            ),
            fixed_ips,
            security_groups: if device_owner.starts_with("network:") {
                Vec::new()
            } else {
                vec![self.ids.security_group.clone()]
            },
            active: false,
            created_ms: self.now_ms,
            updated_ms: self.now_ms,
            revision: 1,
        };
        self.ports.insert(id.clone(), port);
        id
    }

    /// Gives a server's first port these addresses in this order, or takes its port away.
    pub(crate) fn set_addresses(&mut self, server: &str, addresses: &[IpAddr]) {
        let Some(port) = self.server(server).and_then(|s| s.ports.first().cloned()) else {
            return;
        };
        if addresses.is_empty() {
            self.delete_port(&port);
            if let Some(server) = self.server_mut(server) {
                server.ports.retain(|id| *id != port);
            }
            return;
        }
        let Some(own) = self.ports.get_mut(&port) else {
            return;
        };
        let subnet = own.fixed_ips.first().map(|(subnet, _)| subnet.clone());
        let with_subnet = |address: &IpAddr| (subnet.clone().unwrap_or_default(), *address);
        let new = addresses.iter().map(with_subnet).collect();
        let old = std::mem::replace(&mut own.fixed_ips, new);
        own.revision += 1;
        for (_, address) in old {
            if self.by_address.get(&address) == Some(&port) {
                self.by_address.remove(&address);
            }
        }
        for address in addresses {
            self.by_address.insert(*address, port.clone());
        }
    }

    /// Renames a network. Nova goes on showing the old name for the servers that are there.
    pub(crate) fn rename_network(&mut self, which: &str, name: &str) -> bool {
        let found = |network: &&mut Network| network.name == which || network.id == which;
        let Some(network) = self.networks.iter_mut().find(found) else {
            return false;
        };
        let id = network.id.clone();
        let old = std::mem::replace(&mut network.name, name.to_owned());
        for server in self.servers.values_mut() {
            let known = server.old_network_names.entry(id.clone());
            known.or_insert_with(|| old.clone());
        }
        true
    }

    pub(crate) fn delete_port(&mut self, id: &str) {
        let holders: Vec<String> = self
            .floating_ips
            .values()
            .filter(|ip| ip.port_id.as_deref() == Some(id))
            .map(|ip| ip.id.clone())
            .collect();
        for ip in holders {
            self.associate(&ip, None);
        }
        if let Some(port) = self.ports.remove(id) {
            for (_, address) in &port.fixed_ips {
                self.by_address.remove(address);
            }
            if self.config.freeze || !self.config.stale.is_zero() {
                self.old_ports.insert(port.id.clone(), port);
            }
        }
    }

    /// Moves a floating IP to a port, or parks it. The caller has checked that this is allowed.
    pub(crate) fn associate(&mut self, id: &str, port: Option<&str>) {
        let now = self.now_ms;
        let Some(ip) = self.floating_ips.get_mut(id) else {
            return;
        };
        let from = std::mem::replace(&mut ip.port_id, port.map(str::to_owned));
        ip.revision += 1;
        ip.updated_ms = now;
        let address = ip.address;
        self.by_address
            .insert(address, port.unwrap_or_default().to_owned());
        let device = |port: Option<&str>| {
            let port = port.and_then(|port| self.ports.get(port));
            port.map(|port| port.device_id.clone())
        };
        let detail = json!({
            "address": address.to_string(), "from_port": from, "to_port": port,
            "from_server": device(from.as_deref()), "to_server": device(port),
        });
        self.record.event(now, "floating-ip", id, detail);
    }

    /// The floating IPs on a port.
    pub(crate) fn floating_of_port<'a>(
        &'a self,
        port: &'a str,
    ) -> impl Iterator<Item = &'a FloatingIp> {
        self.floating_ips
            .values()
            .filter(move |ip| ip.port_id.as_deref() == Some(port))
    }
}
