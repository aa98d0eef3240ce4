//! What Neutron speaks of, as far as this client needs it.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::row::{FromRow, Row};

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

    pub(super) fn body(&self) -> Value {
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
    /// Whose ports, such as `compute:nova`.
    pub device_owner: Option<String>,
    /// The network.
    pub network_id: Option<String>,
    /// The project.
    pub project_id: Option<String>,
    /// Those of these servers only, if there are any; asked for in requests of 100, since ids go into the URL.
    pub device_ids: Vec<String>,
    /// These ports only, if there are any; asked for in the same way.
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
