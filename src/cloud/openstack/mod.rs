//! OpenStack as the cloud: Nova's servers, Neutron's floating IPs, Glance's images.

mod error;
mod lookup;
mod marks;
mod networks;
mod remedy;
mod state;

pub(crate) use error::failed;
pub(crate) use lookup::is_community;

use super::{
    Catalogue, Cloud, CloudError, CloudErrorKind, LookedUp, Order, Port, ServerTemplate, Sight,
    Standby,
};
use crate::pool::{
    Accepted, CloudTime, ExternalAddress, ExternalAddressId, Holder, Listing, Looked, Moment,
    Quota, ReplicaId, Server,
};
use openstack_sdk_blocking::{
    Cloud as Client, CreateServer, ErrorKind, FloatingIp, FloatingIpQuery, FloatingIpUpdate,
    PortQuery, ServerQuery,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An OpenStack cloud. Its clones share one session.
#[derive(Debug, Clone)]
pub struct OpenStack {
    client: Arc<Client>,
}

impl OpenStack {
    /// The cloud that this client talks to. Makes no request yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client: Arc::new(client),
        }
    }

    fn list_external_addresses(
        &self,
        description: &str,
    ) -> Result<Vec<ExternalAddress>, CloudError> {
        const DOING: &str = "the floating IPs cannot be listed";
        let token = self.client.authenticate().map_err(failed(DOING))?;
        let query = FloatingIpQuery {
            description: Some(description.to_owned()),
            // An administrator would be shown every project's.
            project_id: token.project_id,
            ..FloatingIpQuery::default()
        };
        let found = self
            .client
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
    fn devices_of_ports(&self, ips: &[FloatingIp]) -> Result<BTreeMap<String, String>, CloudError> {
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
            .client
            .network()
            .ports(&query)
            .map_err(failed("the ports of the floating IPs cannot be listed"))?;
        Ok(ports
            .into_iter()
            .filter_map(|port| Some((port.id, port.device_id?)))
            .collect())
    }

    /// Of each replica the port on the wanted network, which is the one with its address.
    fn ports_of(&self, to: &[Standby]) -> Result<BTreeMap<ReplicaId, Port>, CloudError> {
        let query = PortQuery {
            device_ids: to.iter().map(|to| to.replica.as_str().to_owned()).collect(),
            ..PortQuery::default()
        };
        if query.device_ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let listed = self.client.network().ports(&query);
        let listed = listed.map_err(failed("the replica's ports cannot be listed"))?;
        let mut ports = BTreeMap::new();
        for port in listed {
            let addresses: Vec<_> = port.fixed_ips.iter().map(|ip| ip.ip_address).collect();
            let is_its = |to: &&Standby| {
                port.device_id.as_deref() == Some(to.replica.as_str())
                    && to.address.is_some_and(|own| addresses.contains(&own))
            };
            if let Some(to) = to.iter().find(is_its) {
                let (replica, id) = (to.replica.clone(), port.id);
                ports.entry(replica).or_insert(Port { id, addresses });
            }
        }
        Ok(ports)
    }

    fn port_of(&self, to: &Standby) -> Result<Port, CloudError> {
        let found = self.ports_of(std::slice::from_ref(to))?.remove(&to.replica);
        found.ok_or_else(|| {
            let replica = &to.replica;
            CloudError::local(
                CloudErrorKind::NotFound,
                format!("server {replica} has no port on OPENSTACK_NETWORK"),
            )
        })
    }

    fn body(order: &Order) -> Result<CreateServer, CloudError> {
        let template = &order.template;
        let catalogue = order.catalogue.as_ref().clone();
        Ok(CreateServer {
            name: marks::name_of(template, &order.name_part),
            image: catalogue.image,
            flavor: catalogue.flavor,
            networks: vec![catalogue.network],
            key_name: template.keypair.clone(),
            metadata: marks::metadata_of(order),
            user_data: template.user_data()?,
            security_groups: catalogue.security_groups,
            availability_zone: template.availability_zone.clone(),
            min_count: Some(1),
            max_count: Some(u32::try_from(order.count.get()).unwrap_or(u32::MAX)),
        })
    }
}

impl Cloud for OpenStack {
    fn list(&mut self, now: Moment, sight: &mut Sight) -> Result<Listing, CloudError> {
        self.know_a_network_name(sight)?;
        let list = self
            .client
            .compute()
            .list_servers(&ServerQuery::default())
            .map_err(failed("the servers cannot be listed"))?;
        self.learn_network_names(&list.servers, sight, now);
        let servers: Vec<Server> = list
            .servers
            .iter()
            .filter_map(|server| marks::member(server, sight))
            .collect();
        let strangers = list.servers.iter();
        let strangers = strangers.filter(|server| marks::member(server, sight).is_none());
        let not_alone = strangers
            .flat_map(|server| networks::addresses_of(server, sight))
            .collect();
        Ok(Listing {
            taken: now,
            cloud_time: list.date.map(CloudTime),
            servers,
            external_addresses: None,
            not_alone,
        })
    }

    fn external_addresses(
        &mut self,
        description: &str,
    ) -> Result<Vec<ExternalAddress>, CloudError> {
        self.list_external_addresses(description)
    }

    fn create(&mut self, order: &Order) -> Result<Accepted, CloudError> {
        let body = Self::body(order)?;
        let mut made = self.client.compute().create_servers(&body);
        let mut sent = body;
        if let Err(error) = &made
            && order.is_marked
            && marks::are_refused(error)
        {
            let unmarked = Order {
                is_marked: false,
                ..order.clone()
            };
            sent = Self::body(&unmarked)?;
            made = self.client.compute().create_servers(&sent);
        }
        made.map(|created| marks::accepted(order, &created, &sent))
            .map_err(failed("the servers cannot be created"))
    }

    fn show(&mut self, replica: &ReplicaId, sight: &Sight) -> Result<Looked, CloudError> {
        let mut sight = sight.clone();
        self.know_a_network_name(&mut sight)?;
        let server = match self.client.compute().server(replica.as_str()) {
            Ok(server) => server,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Looked::Gone),
            Err(error) => return Err(failed("the server cannot be read")(error)),
        };
        if server.id != replica.as_str() {
            let message = format!("asked for server {replica}, the cloud answers with another one");
            return Err(CloudError::local(CloudErrorKind::BadAnswer, message));
        }
        Ok(match marks::member(&server, &sight) {
            Some(server) => Looked::There(Box::new(server)),
            None => Looked::Left,
        })
    }

    fn mark(&mut self, replica: &ReplicaId, key: &str, value: &str) -> Result<(), CloudError> {
        self.client
            .compute()
            .set_server_metadata(replica.as_str(), &[(key, value)])
            .map_err(failed("the server cannot be marked"))
    }

    fn delete(&mut self, replica: &ReplicaId) -> Result<(), CloudError> {
        match self.client.compute().delete_server(replica.as_str()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed("the server cannot be deleted")(error))
            }
            _ => Ok(()),
        }
    }

    fn move_address(&mut self, address: &ExternalAddress, to: &Standby) -> Result<(), CloudError> {
        let port = match &to.port {
            Some(port) => port.clone(),
            None => self.port_of(to)?,
        };
        let mut change = FloatingIpUpdate::to_port(&port.id);
        let mut v4 = port.addresses.iter().filter(|ip| ip.is_ipv4());
        // Neutron takes the port's only IPv4 address by itself, and refuses to choose.
        if let (Some(first), Some(_)) = (v4.next(), v4.next()) {
            change.fixed_ip_address = Some(match to.address {
                Some(wanted) if wanted.is_ipv4() => wanted,
                _ => *first,
            });
        }
        let moved = self.client.network().update_floating_ip(
            address.id.as_str(),
            &change,
            address.revision,
        );
        match moved {
            Ok(answer) => decided(address, &port.id, &answer),
            Err(error) => Err(failed("the floating IP cannot be moved")(error)),
        }
    }

    fn fault(&mut self, replica: &ReplicaId) -> Result<Option<String>, CloudError> {
        let server = self
            .client
            .compute()
            .server(replica.as_str())
            .map_err(failed("the server cannot be read"))?;
        Ok(server.fault.map(|fault| fault.message))
    }

    fn look_up(
        &mut self,
        template: &ServerTemplate,
        before: Option<&Catalogue>,
    ) -> Result<LookedUp, CloudError> {
        let catalogue = template.resolve(&self.client)?;
        let changes = template.changes(before, &catalogue)?;
        Ok(LookedUp { catalogue, changes })
    }

    fn find_ports(&mut self, to: &[Standby]) -> Result<BTreeMap<ReplicaId, Port>, CloudError> {
        self.ports_of(to)
    }

    fn quota(&mut self) -> Result<Option<Quota>, CloudError> {
        let limits = self.client.compute().limits();
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
fn decided(address: &ExternalAddress, port: &str, answer: &FloatingIp) -> Result<(), CloudError> {
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
    let error = CloudError::local(CloudErrorKind::Changed, message);
    Err(CloudError {
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
