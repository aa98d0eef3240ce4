//! OpenStack as the provider: Nova's servers, Neutron's floating IPs, Glance's images.

mod check;
mod error;
mod lookup;
mod marks;
mod networks;
mod remedy;
mod state;

pub use check::{Demands, Finding, Verdict, check};
pub use lookup::ServerTemplate;

use self::error::failed;
use self::lookup::Resolved;
use self::networks::NetworkNames;
use super::{NameChange, Order, Provider, ProviderError, ProviderErrorKind, Standby};
use crate::pool::{
    Accepted, CloudTime, ExternalAddress, ExternalAddressId, Holder, Listing, Looked, Moment,
    Quota, ReplicaId, Server, ServerState,
};
use openstack_sdk_blocking::{
    Cloud, CreateServer, ErrorKind, FloatingIp, FloatingIpQuery, FloatingIpUpdate, Port, PortQuery,
    ServerQuery,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The pool on an OpenStack cloud.
#[derive(Debug)]
pub struct OpenStack {
    cloud: Arc<Cloud>,
    template: ServerTemplate,
    external_addresses: bool,
    resolved: Option<Resolved>,
    /// The names that stand for something else than before.
    changes: Vec<NameChange>,
    network_names: NetworkNames,
    /// Those of the pool, as last listed.
    known: BTreeSet<ReplicaId>,
    /// The port of each replica that an external address was moved to or may be moved to.
    ports: BTreeMap<ReplicaId, Port>,
    /// Those whose port was asked for ahead of a move.
    ports_asked: BTreeSet<ReplicaId>,
    /// Nova has refused the marks in a new server's metadata.
    marks_refused: bool,
}

impl OpenStack {
    /// A pool of servers like `template`. Makes no request yet.
    #[must_use]
    pub fn new(cloud: Cloud, template: ServerTemplate, external_addresses: bool) -> Self {
        Self::on(Arc::new(cloud), template, external_addresses)
    }

    /// Another one on the same session, for requests at the same time. It has looked up nothing.
    #[must_use]
    pub fn sibling(&self) -> Self {
        let template = self.template.clone();
        Self::on(Arc::clone(&self.cloud), template, self.external_addresses)
    }

    fn on(cloud: Arc<Cloud>, template: ServerTemplate, external_addresses: bool) -> Self {
        Self {
            cloud,
            template,
            external_addresses,
            resolved: None,
            changes: Vec::new(),
            network_names: NetworkNames::default(),
            known: BTreeSet::new(),
            ports: BTreeMap::new(),
            ports_asked: BTreeSet::new(),
            marks_refused: false,
        }
    }

    fn list_external_addresses(&self) -> Result<Vec<ExternalAddress>, ProviderError> {
        const DOING: &str = "the floating IPs cannot be listed";
        let token = self.cloud.authenticate().map_err(failed(DOING))?;
        let query = FloatingIpQuery {
            description: Some(self.template.floating_ip_description.clone()),
            // An administrator would be shown every project's.
            project_id: token.project_id,
            ..FloatingIpQuery::default()
        };
        let found = self
            .cloud
            .network()
            .floating_ips(&query)
            .map_err(failed(DOING))?;
        let devices = self.devices_of_ports(&found)?;
        Ok(found
            .into_iter()
            .map(|ip| ExternalAddress {
                id: ExternalAddressId::new(&ip.id),
                address: ip.floating_ip_address,
                holder: holder(&ip, &devices),
                revision: ip.revision_number,
            })
            .collect())
    }

    /// The devices of those ports of which the floating IPs do not tell them (a Neutron without
    /// the extension `fip-port-details`).
    fn devices_of_ports(
        &self,
        ips: &[FloatingIp],
    ) -> Result<BTreeMap<String, String>, ProviderError> {
        let untold: Vec<String> = ips
            .iter()
            .filter(|ip| ip.port_details.is_none())
            .filter_map(|ip| ip.port_id.clone())
            .collect();
        if untold.is_empty() {
            return Ok(BTreeMap::new());
        }
        let query = PortQuery {
            ids: untold,
            ..PortQuery::default()
        };
        let ports = self
            .cloud
            .network()
            .ports(&query)
            .map_err(failed("the ports of the floating IPs cannot be listed"))?;
        Ok(ports
            .into_iter()
            .filter_map(|port| Some((port.id, port.device_id?)))
            .collect())
    }

    /// The replica's port on the wanted network, which is the one with its address.
    fn port_of(&mut self, to: &Standby) -> Result<Port, ProviderError> {
        let Standby { replica, address } = to;
        let is_its_port = |port: &Port| {
            let mut addresses = port.fixed_ips.iter().map(|ip| ip.ip_address);
            address.is_some_and(|wanted| addresses.any(|own| own == wanted))
        };
        if let Some(port) = self.ports.get(replica).filter(|port| is_its_port(port)) {
            return Ok(port.clone());
        }
        let query = PortQuery {
            device_id: Some(replica.as_str().to_owned()),
            ..PortQuery::default()
        };
        let ports = self
            .cloud
            .network()
            .ports(&query)
            .map_err(failed("the replica's ports cannot be listed"))?;
        let port = ports.into_iter().find(is_its_port).ok_or_else(|| {
            ProviderError::local(
                ProviderErrorKind::NotFound,
                format!("server {replica} has no port on {}", self.template.network),
            )
        })?;
        self.ports.insert(replica.clone(), port.clone());
        Ok(port)
    }

    fn resolved(&mut self) -> Result<Resolved, ProviderError> {
        match &self.resolved {
            Some(resolved) => Ok(resolved.clone()),
            None => self.look_up(),
        }
    }

    /// Looks all names up. What was known stays, if that fails.
    fn look_up(&mut self) -> Result<Resolved, ProviderError> {
        let anew = self.template.resolve(&self.cloud)?;
        self.changes
            .extend(self.template.changes(self.resolved.as_ref(), &anew)?);
        Ok(self.resolved.insert(anew).clone())
    }

    fn order(&mut self, order: &Order) -> Result<CreateServer, ProviderError> {
        let resolved = self.resolved()?;
        let template = &self.template;
        Ok(CreateServer {
            name: marks::name_of(template, &order.name_part),
            image: resolved.image,
            flavor: resolved.flavor,
            networks: vec![resolved.network],
            key_name: template.keypair.clone(),
            metadata: self.metadata_of(order),
            user_data: template.user_data()?,
            security_groups: resolved.security_groups,
            availability_zone: template.availability_zone.clone(),
            min_count: Some(1),
            max_count: Some(u32::try_from(order.count.get()).unwrap_or(u32::MAX)),
        })
    }
}

impl Provider for OpenStack {
    fn list(&mut self, now: Moment) -> Result<Listing, ProviderError> {
        self.know_a_network_name()?;
        let list = self
            .cloud
            .compute()
            .list_servers(&ServerQuery::default())
            .map_err(failed("the servers cannot be listed"))?;
        self.learn_network_names(&list.servers, now);
        let servers: Vec<Server> = list
            .servers
            .iter()
            .filter_map(|server| self.member(server))
            .collect();
        let strangers = list.servers.iter();
        let strangers = strangers.filter(|server| self.member(server).is_none());
        let not_alone = strangers
            .flat_map(|server| self.addresses_of(server))
            .collect();
        let listed: BTreeSet<&ReplicaId> = servers.iter().map(|server| &server.id).collect();
        self.ports.retain(|id, _| listed.contains(id));
        self.ports_asked.retain(|id| listed.contains(id));
        let is_known = |server: &&Server| {
            server.state != ServerState::Unknown || self.known.contains(&server.id)
        };
        let known = servers.iter().filter(is_known);
        self.known = known.map(|server| server.id.clone()).collect();
        Ok(Listing {
            taken: now,
            cloud_time: list.date.map(CloudTime),
            servers,
            external_addresses: Vec::new(),
            not_alone,
            image: self.image(),
        })
    }

    fn external_addresses(&mut self) -> Result<Vec<ExternalAddress>, ProviderError> {
        if self.external_addresses {
            self.list_external_addresses()
        } else {
            Ok(Vec::new())
        }
    }

    fn create(&mut self, order: &Order) -> Result<Accepted, ProviderError> {
        const DOING: &str = "the servers cannot be created";
        let was_cached = self.resolved.is_some();
        let mut body = self.order(order)?;
        let mut made = self.cloud.compute().create_servers(&body);
        if let Err(error) = &made
            && self.are_marks_refused(error)
        {
            body = self.order(order)?;
            made = self.cloud.compute().create_servers(&body);
        }
        let error = match made {
            Ok(created) => return Ok(self.accepted(&created, &body)),
            Err(error) => error,
        };
        if !matches!(error.kind(), ErrorKind::BadRequest | ErrorKind::NotFound) {
            return Err(failed(DOING)(error));
        }
        // A name may stand for another object by now. The request was not carried out, so that
        // one with other ids may follow at once.
        self.network_names.forget();
        if was_cached {
            self.look_up()?;
            let anew = self.order(order)?;
            if anew != body {
                let made = self.cloud.compute().create_servers(&anew);
                return made
                    .map(|created| self.accepted(&created, &anew))
                    .map_err(failed(DOING));
            }
        }
        Err(failed(DOING)(error))
    }

    fn show(&mut self, replica: &ReplicaId) -> Result<Looked, ProviderError> {
        self.know_a_network_name()?;
        let server = match self.cloud.compute().server(replica.as_str()) {
            Ok(server) => server,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Looked::Gone),
            Err(error) => return Err(failed("the server cannot be read")(error)),
        };
        if server.id != replica.as_str() {
            let message = format!("asked for server {replica}, the cloud answers with another one");
            return Err(ProviderError::local(ProviderErrorKind::BadAnswer, message));
        }
        let Some(server) = self.member(&server) else {
            return Ok(Looked::Left);
        };
        if server.state != ServerState::Unknown {
            self.known.insert(server.id.clone());
        }
        Ok(Looked::There(Box::new(server)))
    }

    fn mark(&mut self, replica: &ReplicaId, key: &str, value: &str) -> Result<(), ProviderError> {
        self.write_mark(replica, key, value)
    }

    fn delete(&mut self, replica: &ReplicaId) -> Result<(), ProviderError> {
        match self.cloud.compute().delete_server(replica.as_str()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed("the server cannot be deleted")(error))
            }
            _ => Ok(()),
        }
    }

    fn move_address(
        &mut self,
        address: &ExternalAddress,
        to: &Standby,
    ) -> Result<(), ProviderError> {
        let port = self.port_of(to)?;
        let mut change = FloatingIpUpdate::to_port(&port.id);
        let mut v4 = port.fixed_ips.iter().filter(|ip| ip.ip_address.is_ipv4());
        // Neutron takes the port's only IPv4 address by itself, and refuses to choose.
        if let (Some(first), Some(_)) = (v4.next(), v4.next()) {
            change.fixed_ip_address = Some(match to.address {
                Some(wanted) if wanted.is_ipv4() => wanted,
                _ => first.ip_address,
            });
        }
        let moved =
            self.cloud
                .network()
                .update_floating_ip(address.id.as_str(), &change, address.revision);
        match moved {
            Ok(answer) => decided(address, &port.id, &answer),
            Err(error) => {
                self.ports.remove(&to.replica);
                Err(failed("the floating IP cannot be moved")(error))
            }
        }
    }

    fn fault(&mut self, replica: &ReplicaId) -> Result<Option<String>, ProviderError> {
        let server = self
            .cloud
            .compute()
            .server(replica.as_str())
            .map_err(failed("the server cannot be read"))?;
        Ok(server.fault.map(|fault| fault.message))
    }

    fn prepare_creation(&mut self) -> Result<(), ProviderError> {
        self.look_up().map(drop)
    }

    fn name_changes(&mut self) -> Vec<NameChange> {
        std::mem::take(&mut self.changes)
    }

    fn image(&self) -> Option<Arc<str>> {
        let resolved = self.resolved.as_ref();
        resolved.map(|resolved| resolved.image.as_str().into())
    }

    /// Asks once: a replica without a port on the wanted network is not asked for in each cycle.
    fn prepare_move(&mut self, to: &Standby) -> Result<(), ProviderError> {
        let id = &to.replica;
        if self.ports.contains_key(id) || !self.ports_asked.insert(id.clone()) {
            return Ok(());
        }
        self.port_of(to).map(drop)
    }

    fn forget_moves(&mut self) {
        self.ports.clear();
    }

    fn quota(&mut self) -> Result<Option<Quota>, ProviderError> {
        let limits = self.cloud.compute().limits();
        let limits = limits.map_err(failed("the project's limits cannot be read"))?;
        // -1 stands for no limit.
        let pair = |limit: Option<i64>, used: Option<i64>| {
            let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
            (number(limit), number(used))
        };
        Ok(Some(Quota {
            instances: pair(limits.max_total_instances, limits.total_instances_used),
            cores: pair(limits.max_total_cores, limits.total_cores_used),
            ram_mib: pair(limits.max_total_ram_mib, limits.total_ram_used_mib),
        }))
    }
}

/// Whether Neutron's 200 says that this request, and no other one at the same time, has moved the
/// address. Neutron repeats an update that lost in its database without the condition, so that
/// several writers get 200; but each step of the revision is one writer's.
fn decided(
    address: &ExternalAddress,
    port: &str,
    answer: &FloatingIp,
) -> Result<(), ProviderError> {
    let wanted = address
        .revision
        .and_then(|revision| revision.checked_add(1));
    let is_on_port = answer.port_id.as_deref() == Some(port);
    if is_on_port && wanted.is_some() && answer.revision_number == wanted {
        return Ok(());
    }
    let why = match (is_on_port, wanted.zip(answer.revision_number)) {
        (true, None) => "Neutron gives no revision by which the move could be told".to_owned(),
        (true, Some((wanted, told))) => format!(
            "another writer changed it at the same time (revision {told} instead of {wanted})"
        ),
        (false, _) => "another writer changed it at the same time".to_owned(),
    };
    let message = format!("the floating IP may or may not have been moved: {why}");
    let error = ProviderError::local(ProviderErrorKind::Changed, message);
    Err(ProviderError {
        outcome_unknown: true,
        ..error
    })
}

fn holder(ip: &FloatingIp, devices: &BTreeMap<String, String>) -> Holder {
    let Some(port) = &ip.port_id else {
        return Holder::Nobody;
    };
    let told = ip
        .port_details
        .as_ref()
        .and_then(|port| port.device_id.as_ref());
    match told.or_else(|| devices.get(port)) {
        Some(device) if !device.is_empty() => Holder::Server(ReplicaId::new(device)),
        _ => Holder::Stranger,
    }
}
