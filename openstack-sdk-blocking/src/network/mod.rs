//! Neutron.

mod model;

use serde_json::json;

use crate::error::{Error, ErrorKind};
use crate::row::FromRow;
use crate::service::Service;
use crate::session::{Call, Session};
use crate::transport::Method;
use crate::url::{encode, query};
use crate::wire::{self, ListCall, fits};

pub use self::model::{
    FixedIp, FloatingIp, FloatingIpQuery, FloatingIpUpdate, Gateway, NetworkInfo, Port,
    PortDetails, PortQuery, Router, SecurityGroup, SecurityGroupRule, Subnet,
};

const NEUTRON: Service = Service::Network;
/// Some 4 KB of URL: servers and proxies take 8 KB.
const IDS_PER_REQUEST: usize = 100;

/// The network API.
#[derive(Debug, Clone, Copy)]
pub struct Network<'a> {
    session: &'a Session,
}

impl<'a> Network<'a> {
    pub(crate) fn new(session: &'a Session) -> Self {
        Self { session }
    }

    /// Floating IPs (Networking API v2, "List floating IPs", `GET /v2.0/floatingips`).
    pub fn floating_ips(self, filter: &FloatingIpQuery) -> Result<Vec<FloatingIp>, Error> {
        let pairs = [
            ("description", filter.description.clone()),
            ("project_id", filter.project_id.clone()),
            ("port_id", filter.port_id.clone()),
            (
                "floating_ip_address",
                filter.address.map(|address| address.to_string()),
            ),
            ("limit", filter.page_size.map(|size| size.to_string())),
        ];
        let fits_all = |ip: &FloatingIp| {
            fits(filter.description.as_ref(), Some(&ip.description))
                && fits(filter.project_id.as_ref(), ip.project_id.as_ref())
                && fits(filter.port_id.as_ref(), ip.port_id.as_ref())
                && fits(filter.address.as_ref(), Some(&ip.floating_ip_address))
        };
        self.list("/floatingips", query(pairs), "floatingips", fits_all)
    }

    /// One floating IP (Networking API v2, "Show floating IP details", `GET /v2.0/floatingips/{floatingip_id}`).
    pub fn floating_ip(self, id: &str) -> Result<FloatingIp, Error> {
        let path = format!("/floatingips/{}", encode(id));
        wire::object(
            self.session,
            &Call::new(NEUTRON, Method::Get, &path),
            "floatingip",
        )
    }

    /// Changes a floating IP (Networking API v2, "Update floating IP", `PUT /v2.0/floatingips/{floatingip_id}`). Setting
    /// `port_id` moves the address in one step, from another port too.
    ///
    /// With `if_revision` the change is refused if the address had another revision when the request came ("Revisions",
    /// `If-Match`). That is no compare-and-swap: Neutron repeats an update that lost against another one in its database
    /// without the condition, so that both get 200. Only the writer whose answer has the next revision made that step.
    ///
    /// # Errors
    /// [`crate::ErrorKind::PreconditionFailed`] for another revision, [`crate::ErrorKind::Conflict`] if the port has an
    /// address already.
    pub fn update_floating_ip(
        self,
        id: &str,
        change: &FloatingIpUpdate,
        if_revision: Option<u64>,
    ) -> Result<FloatingIp, Error> {
        let path = format!("/floatingips/{}", encode(id));
        let body = json!({ "floatingip": change.body() });
        let mut call = Call::new(NEUTRON, Method::Put, &path);
        call.body = Some(&body);
        if let Some(revision) = if_revision {
            call.headers
                .push(("if-match", format!("revision_number={revision}")));
        }
        wire::object(self.session, &call, "floatingip")
    }

    /// Creates a floating IP (Networking API v2, "Create floating IP", `POST /v2.0/floatingips`).
    pub fn create_floating_ip(
        self,
        network_id: &str,
        description: &str,
    ) -> Result<FloatingIp, Error> {
        let body =
            json!({"floatingip": {"floating_network_id": network_id, "description": description}});
        let mut call = Call::new(NEUTRON, Method::Post, "/floatingips");
        call.body = Some(&body);
        wire::object(self.session, &call, "floatingip")
    }

    /// Deletes a floating IP (Networking API v2, "Delete floating IP", `DELETE /v2.0/floatingips/{floatingip_id}`).
    pub fn delete_floating_ip(self, id: &str) -> Result<(), Error> {
        let path = format!("/floatingips/{}", encode(id));
        self.session
            .call(&Call::new(NEUTRON, Method::Delete, &path))
            .map(drop)
    }

    /// Ports (Networking API v2, "List ports", `GET /v2.0/ports`).
    pub fn ports(self, filter: &PortQuery) -> Result<Vec<Port>, Error> {
        let pairs = [
            ("device_owner", filter.device_owner.clone()),
            ("network_id", filter.network_id.clone()),
            ("project_id", filter.project_id.clone()),
            ("limit", filter.page_size.map(|size| size.to_string())),
        ];
        let base = query(pairs);
        let is_one_of = |ids: &[String], id: Option<&String>| {
            ids.is_empty() || id.is_some_and(|id| ids.contains(id))
        };
        let fits_all = |port: &Port| {
            is_one_of(&filter.device_ids, port.device_id.as_ref())
                && is_one_of(&filter.ids, Some(&port.id))
                && fits(filter.device_owner.as_ref(), port.device_owner.as_ref())
                && fits(filter.network_id.as_ref(), port.network_id.as_ref())
        };
        // Of several ids of one kind Neutron shows what has one of them.
        let (name, ids) = match (filter.ids.as_slice(), filter.device_ids.as_slice()) {
            ([], []) => return self.list("/ports", base, "ports", fits_all),
            ([], devices) => ("device_id", devices),
            (ids, _) => ("id", ids),
        };
        let mut ports = Vec::new();
        for asked in ids.chunks(IDS_PER_REQUEST) {
            let ids = query(asked.iter().map(|id| (name, Some(id.clone()))));
            let both = if base.is_empty() {
                ids
            } else {
                format!("{base}&{ids}")
            };
            ports.extend(self.list("/ports", both, "ports", fits_all)?);
        }
        Ok(ports)
    }

    /// Networks, all or those of a name (Networking API v2, "List networks", `GET /v2.0/networks`).
    pub fn networks(self, name: Option<&str>) -> Result<Vec<NetworkInfo>, Error> {
        let of_name = query([("name", name.map(str::to_owned))]);
        let is_named = |network: &NetworkInfo| fits(name, Some(network.name.as_str()));
        self.list("/networks", of_name, "networks", is_named)
    }

    /// The networks with this id, or else those with this name.
    pub fn find_networks(self, name_or_id: &str) -> Result<Vec<NetworkInfo>, Error> {
        let has_id = |network: &NetworkInfo| network.id == name_or_id;
        match self.of_id("/networks", name_or_id, "networks", has_id)? {
            none if none.is_empty() => self.networks(Some(name_or_id)),
            found => Ok(found),
        }
    }

    /// The subnets of a network (Networking API v2, "List subnets", `GET /v2.0/subnets`).
    pub fn subnets(self, network_id: &str) -> Result<Vec<Subnet>, Error> {
        let of_network = query([("network_id", Some(network_id.to_owned()))]);
        let is_of_it = |subnet: &Subnet| fits(Some(network_id), subnet.network_id.as_deref());
        self.list("/subnets", of_network, "subnets", is_of_it)
    }

    /// Security groups, all or those of a name (Networking API v2, "List security groups",
    /// `GET /v2.0/security-groups`).
    pub fn security_groups(self, name: Option<&str>) -> Result<Vec<SecurityGroup>, Error> {
        let of_name = query([("name", name.map(str::to_owned))]);
        let is_named = |group: &SecurityGroup| fits(name, Some(group.name.as_str()));
        self.list("/security-groups", of_name, "security_groups", is_named)
    }

    /// The security groups with this id, or else those with this name.
    pub fn find_security_groups(self, name_or_id: &str) -> Result<Vec<SecurityGroup>, Error> {
        let has_id = |group: &SecurityGroup| group.id == name_or_id;
        match self.of_id("/security-groups", name_or_id, "security_groups", has_id)? {
            none if none.is_empty() => self.security_groups(Some(name_or_id)),
            found => Ok(found),
        }
    }

    /// Routers (Networking API v2, "List routers", `GET /v2.0/routers`).
    pub fn routers(self) -> Result<Vec<Router>, Error> {
        self.list("/routers", String::new(), "routers", |_| true)
    }

    /// The objects of that id. An id that the service refuses as one stands for nothing.
    fn of_id<T: FromRow>(
        self,
        path: &str,
        id: &str,
        key: &str,
        has_id: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>, Error> {
        match self.list(path, query([("id", Some(id.to_owned()))]), key, has_id) {
            Err(error) if matches!(error.kind(), ErrorKind::BadRequest | ErrorKind::NotFound) => {
                Ok(Vec::new())
            }
            other => other,
        }
    }

    /// A whole list, without what does not match the query.
    fn list<T: FromRow>(
        self,
        path: &str,
        query: String,
        key: &str,
        matches: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>, Error> {
        let list = ListCall {
            service: NEUTRON,
            path,
            query,
            key,
            headers: Vec::new(),
            until: self.session.list_deadline(),
        };
        let mut found = wire::list(self.session, &list)?.items;
        found.retain(matches);
        Ok(found)
    }
}
