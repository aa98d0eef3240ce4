//! Neutron.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::cloud::{Call, Cloud};
use crate::error::{Error, ErrorKind, Service};
use crate::row::{FromRow, Row};
use crate::transport::Method;
use crate::url::{encode, query};
use crate::wire::{self, ListCall, fits};

const NEUTRON: Service = Service::Network;
/// Some 4 KB of URL: servers and proxies take 8 KB.
const IDS_PER_REQUEST: usize = 100;

/// The network API.
#[derive(Debug, Clone, Copy)]
pub struct Network<'a> {
    cloud: &'a Cloud,
}

impl<'a> Network<'a> {
    pub(crate) fn new(cloud: &'a Cloud) -> Self {
        Self { cloud }
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
            self.cloud,
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
        wire::object(self.cloud, &call, "floatingip")
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
        wire::object(self.cloud, &call, "floatingip")
    }

    /// Deletes a floating IP (Networking API v2, "Delete floating IP", `DELETE /v2.0/floatingips/{floatingip_id}`).
    pub fn delete_floating_ip(self, id: &str) -> Result<(), Error> {
        let path = format!("/floatingips/{}", encode(id));
        self.cloud
            .call(&Call::new(NEUTRON, Method::Delete, &path))
            .map(drop)
    }

    /// Ports (Networking API v2, "List ports", `GET /v2.0/ports`).
    pub fn ports(self, filter: &PortQuery) -> Result<Vec<Port>, Error> {
        let pairs = [
            ("device_id", filter.device_id.clone()),
            ("device_owner", filter.device_owner.clone()),
            ("network_id", filter.network_id.clone()),
            ("project_id", filter.project_id.clone()),
            ("limit", filter.page_size.map(|size| size.to_string())),
        ];
        let base = query(pairs);
        let fits_all = |port: &Port| {
            fits(filter.device_id.as_ref(), port.device_id.as_ref())
                && fits(filter.device_owner.as_ref(), port.device_owner.as_ref())
                && fits(filter.network_id.as_ref(), port.network_id.as_ref())
        };
        if filter.ids.is_empty() {
            return self.list("/ports", base, "ports", fits_all);
        }
        let mut ports = Vec::new();
        for asked in filter.ids.chunks(IDS_PER_REQUEST) {
            let ids = query(asked.iter().map(|id| ("id", Some(id.clone()))));
            let both = if base.is_empty() {
                ids
            } else {
                format!("{base}&{ids}")
            };
            let is_asked_for = |port: &Port| asked.contains(&port.id) && fits_all(port);
            ports.extend(self.list("/ports", both, "ports", is_asked_for)?);
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
        let of_id = self.of_id("/networks", name_or_id, "networks", has_id)?;
        if of_id.is_empty() {
            self.networks(Some(name_or_id))
        } else {
            Ok(of_id)
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
        let of_id = self.of_id("/security-groups", name_or_id, "security_groups", has_id)?;
        if of_id.is_empty() {
            self.security_groups(Some(name_or_id))
        } else {
            Ok(of_id)
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
            until: self.cloud.list_deadline(),
        };
        let mut found = wire::list(self.cloud, list)?.items;
        found.retain(matches);
        Ok(found)
    }
}

/// Which floating IPs to list. All pages are read in any case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FloatingIpQuery {
    /// The whole description.
    pub description: Option<String>,
    /// The project that they belong to.
    pub project_id: Option<String>,
    /// The port that they are on.
    pub port_id: Option<String>,
    /// The address itself.
    pub address: Option<IpAddr>,
    /// Items per page; the cloud's own choice if not set.
    pub page_size: Option<u32>,
}

/// A floating IP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatingIp {
    /// Its id.
    pub id: String,
    /// The address from outside.
    pub floating_ip_address: IpAddr,
    /// The address of the port that it stands for.
    pub fixed_ip_address: Option<IpAddr>,
    /// The port that it is on.
    pub port_id: Option<String>,
    /// Its description.
    pub description: String,
    /// `ACTIVE`, `DOWN` or `ERROR`.
    pub status: Option<String>,
    /// Grows with every change.
    pub revision_number: Option<u64>,
    /// The network that it is from.
    pub floating_network_id: Option<String>,
    /// The project that it belongs to.
    pub project_id: Option<String>,
    /// The router that it goes through.
    pub router_id: Option<String>,
    /// About its port, where the cloud has the extension `fip-port-details`.
    pub port_details: Option<PortDetails>,
}

/// About the port of a floating IP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortDetails {
    /// The server, if the owner is `compute:...`.
    pub device_id: Option<String>,
    /// Whose port it is.
    pub device_owner: Option<String>,
    /// The port's network.
    pub network_id: Option<String>,
    /// The port's status.
    pub status: Option<String>,
}

/// A change to a floating IP; what is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FloatingIpUpdate {
    /// The port to put it on, or `Some(None)` to take it off.
    pub port_id: Option<Option<String>>,
    /// Which of the port's addresses it stands for, if the port has several.
    pub fixed_ip_address: Option<IpAddr>,
    /// The description.
    pub description: Option<String>,
}

impl FloatingIpUpdate {
    /// Puts it on a port.
    pub fn to_port(port_id: impl Into<String>) -> Self {
        Self {
            port_id: Some(Some(port_id.into())),
            ..Self::default()
        }
    }

    /// Takes it off its port.
    pub fn detach() -> Self {
        Self {
            port_id: Some(None),
            ..Self::default()
        }
    }

    fn body(&self) -> Value {
        let mut body = Map::new();
        if let Some(port_id) = &self.port_id {
            body.insert("port_id".to_owned(), json!(port_id));
        }
        if let Some(address) = &self.fixed_ip_address {
            body.insert("fixed_ip_address".to_owned(), json!(address));
        }
        if let Some(description) = &self.description {
            body.insert("description".to_owned(), json!(description));
        }
        Value::Object(body)
    }
}

/// Which ports to list. All pages are read in any case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortQuery {
    /// The server.
    pub device_id: Option<String>,
    /// Whose ports, such as `compute:nova`.
    pub device_owner: Option<String>,
    /// The network.
    pub network_id: Option<String>,
    /// The project.
    pub project_id: Option<String>,
    /// These ports only, if there are any; asked for in requests of 100, since ids go into the URL.
    pub ids: Vec<String>,
    /// Items per page; the cloud's own choice if not set.
    pub page_size: Option<u32>,
}

/// A port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its id.
    pub id: String,
    /// The server, if the owner is `compute:...`.
    pub device_id: Option<String>,
    /// Whose port it is.
    pub device_owner: Option<String>,
    /// Its network.
    pub network_id: Option<String>,
    /// Its addresses.
    pub fixed_ips: Vec<FixedIp>,
    /// `ACTIVE`, `DOWN`, `BUILD` or `ERROR`.
    pub status: Option<String>,
}

/// An address of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedIp {
    /// The address.
    pub ip_address: IpAddr,
    /// Its subnet.
    pub subnet_id: Option<String>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `ACTIVE` and so on.
    pub status: Option<String>,
    /// Other projects may use it.
    pub shared: bool,
    /// Floating IPs come from it.
    pub external: bool,
    /// The project that it belongs to.
    pub project_id: Option<String>,
    /// Whether its ports have security groups, where the cloud tells.
    pub port_security_enabled: Option<bool>,
    /// Its subnets' ids.
    pub subnets: Vec<String>,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// 4 or 6.
    pub ip_version: u8,
    /// Its range, such as `10.0.0.0/24`.
    pub cidr: Option<String>,
    /// Its network.
    pub network_id: Option<String>,
}

/// A router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it leads to.
    pub gateway: Option<Gateway>,
}

/// A router's way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The external network.
    pub network_id: Option<String>,
}

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroup {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The project that it belongs to.
    pub project_id: Option<String>,
    /// Its rules.
    pub rules: Vec<SecurityGroupRule>,
}

/// A rule of a security group: what it lets through. What is `None` does not matter to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecurityGroupRule {
    /// `ingress` or `egress`.
    pub direction: String,
    /// `IPv4` or `IPv6`.
    pub ethertype: String,
    /// `tcp`, `udp`, ..., or a number.
    pub protocol: Option<String>,
    /// The first port.
    pub port_range_min: Option<u32>,
    /// The last port.
    pub port_range_max: Option<u32>,
    /// The addresses of the other side, such as `192.0.2.0/24`.
    pub remote_ip_prefix: Option<String>,
    /// The security group that the other side has to be in.
    pub remote_group_id: Option<String>,
    /// The address group that the other side has to be in.
    pub remote_address_group_id: Option<String>,
}

impl SecurityGroupRule {
    /// Whether it lets a TCP connection in to that port over that IP version, from somewhere outside its own groups.
    pub fn admits_tcp(&self, port: u16, ip_version: u8) -> bool {
        let protocol = self.protocol.as_deref().map(str::to_ascii_lowercase);
        let is_tcp = matches!(
            protocol.as_deref(),
            None | Some("any" | "tcp" | "6" | "0" | "-1")
        );
        let port = u32::from(port);
        self.direction == "ingress"
            && self
                .ethertype
                .eq_ignore_ascii_case(&format!("IPv{ip_version}"))
            && is_tcp
            && self.port_range_min.is_none_or(|first| first <= port)
            && self.port_range_max.is_none_or(|last| port <= last)
            && self.remote_group_id.is_none()
    }
}

impl FromRow for FloatingIp {
    const KIND: &'static str = "floating IP";

    /// One of which it is not known where it is, whose it is or what revision it has is none to do anything with.
    fn from_row(row: &mut Row) -> Option<Self> {
        let ip = Self {
            id: row.id("id")?,
            floating_ip_address: row.address("floating_ip_address")?,
            fixed_ip_address: row.address("fixed_ip_address"),
            port_id: row.word("port_id"),
            description: row.text("description").unwrap_or_default(),
            status: row.text("status"),
            revision_number: row.number("revision_number"),
            floating_network_id: row.text("floating_network_id"),
            project_id: row.text("project_id"),
            router_id: row.text("router_id"),
            port_details: port_details(row),
        };
        let is_needed = |name: &String| {
            matches!(
                name.as_str(),
                "port_id" | "description" | "revision_number" | "port_details"
            )
        };
        (!row.is_partial() && !row.unread().iter().any(is_needed)).then_some(ip)
    }
}

fn port_details(row: &mut Row) -> Option<PortDetails> {
    let mut details = row.row("port_details")?;
    let read = PortDetails {
        device_id: details.text("device_id"),
        device_owner: details.text("device_owner"),
        network_id: details.text("network_id"),
        status: details.text("status"),
    };
    if details.unread().iter().any(|name| name == "device_id") {
        row.skip("port_details");
    }
    Some(read)
}

impl FromRow for Port {
    const KIND: &'static str = "port";

    fn from_row(row: &mut Row) -> Option<Self> {
        Some(Self {
            id: row.id("id")?,
            device_id: row.word("device_id"),
            device_owner: row.word("device_owner"),
            network_id: row.text("network_id"),
            fixed_ips: row.list("fixed_ips", |ip| {
                Some(FixedIp {
                    ip_address: ip.address("ip_address")?,
                    subnet_id: ip.text("subnet_id"),
                })
            }),
            status: row.text("status"),
        })
    }
}

impl FromRow for NetworkInfo {
    const KIND: &'static str = "network";

    fn from_row(row: &mut Row) -> Option<Self> {
        Some(Self {
            id: row.id("id")?,
            name: row.text("name").unwrap_or_default(),
            status: row.text("status"),
            shared: row.flag("shared").unwrap_or(false),
            external: row.flag("router:external").unwrap_or(false),
            project_id: row.text("project_id"),
            port_security_enabled: row.flag("port_security_enabled"),
            subnets: row.texts("subnets"),
        })
    }
}

impl FromRow for Subnet {
    const KIND: &'static str = "subnet";

    fn from_row(row: &mut Row) -> Option<Self> {
        Some(Self {
            id: row.id("id")?,
            name: row.text("name").unwrap_or_default(),
            ip_version: row.number("ip_version")?,
            cidr: row.text("cidr"),
            network_id: row.text("network_id"),
        })
    }
}

impl FromRow for SecurityGroup {
    const KIND: &'static str = "security group";

    fn from_row(row: &mut Row) -> Option<Self> {
        Some(Self {
            id: row.id("id")?,
            name: row.text("name").unwrap_or_default(),
            project_id: row.text("project_id"),
            rules: row.list("security_group_rules", |rule| {
                let read = SecurityGroupRule {
                    direction: rule.text("direction").unwrap_or_default(),
                    ethertype: rule.text("ethertype").unwrap_or_default(),
                    protocol: rule.text_or_number("protocol"),
                    port_range_min: rule.number("port_range_min"),
                    port_range_max: rule.number("port_range_max"),
                    remote_ip_prefix: rule.text("remote_ip_prefix"),
                    remote_group_id: rule.text("remote_group_id"),
                    remote_address_group_id: rule.text("remote_address_group_id"),
                };
                // What limits a rule and cannot be read would make it look wider than it is.
                rule.unread().is_empty().then_some(read)
            }),
        })
    }
}

impl FromRow for Router {
    const KIND: &'static str = "router";

    fn from_row(row: &mut Row) -> Option<Self> {
        let gateway = row.row("external_gateway_info");
        Some(Self {
            id: row.id("id")?,
            name: row.text("name").unwrap_or_default(),
            gateway: gateway.map(|mut gateway| Gateway {
                network_id: gateway.text("network_id"),
            }),
        })
    }
}
