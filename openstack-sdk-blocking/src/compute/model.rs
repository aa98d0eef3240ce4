//! Nova's objects, as much of them as is used.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use crate::row::{FromRow, Row};

/// Which servers to list, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerQuery {
    /// A regular expression for the name, as Nova understands it.
    pub name: Option<String>,
    /// A status, such as `ACTIVE`.
    pub status: Option<String>,
    /// Servers per page; the cloud's maximum (1000 by default) if not set. All pages are read in any case.
    pub page_size: Option<u32>,
}

/// A whole list of servers.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerList {
    /// The servers, in the cloud's order (the newest first).
    pub servers: Vec<Server>,
    /// When the first page was made, in seconds since 1970 on the cloud's clock (its `Date` header).
    pub date: Option<u64>,
    /// How many pages were read.
    pub pages: usize,
    /// How many elements had no id that could be read. Any of them may be a server that is not in the list.
    pub unnamed: usize,
}

/// A server. Of one in a cell that is down, only `id`, `status` (`UNKNOWN`) and `created_at` are known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Server {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `ACTIVE`, `BUILD`, `ERROR`, ..., `UNKNOWN`.
    pub status: String,
    /// `active`, `building`, `error`, `stopped`, ...
    pub vm_state: Option<String>,
    /// `deleting`, `spawning`, ..., or none.
    pub task_state: Option<String>,
    /// 1 running, 3 paused, 4 shut down, 6 crashed, 7 suspended, 0 none.
    pub power_state: Option<i64>,
    /// In seconds since 1970.
    pub created_at: Option<u64>,
    /// In seconds since 1970.
    pub updated_at: Option<u64>,
    /// When it became active, in seconds since 1970.
    pub launched_at: Option<u64>,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
    /// Its addresses, by name of the network.
    pub addresses: BTreeMap<String, Vec<Address>>,
    /// Whether it is locked; known from microversion 2.9 on.
    pub locked: Option<bool>,
    /// Why it is in `ERROR`. Lists may lack it.
    pub fault: Option<Fault>,
    /// The image's id; none if it boots from a volume.
    pub image_id: Option<String>,
    /// The flavor's name (from microversion 2.47 on) or id.
    pub flavor: Option<String>,
    /// Its keypair.
    pub key_name: Option<String>,
    /// Its availability zone.
    pub availability_zone: Option<String>,
    /// Its host; administrators only.
    pub host: Option<String>,
    /// The host, hidden: equal for servers of a project on the same host.
    pub host_id: Option<String>,
    /// The project that it belongs to.
    pub project_id: Option<String>,
    /// Whether the answer tells its metadata at all. It does not for a server in a cell that is down.
    pub tells_metadata: bool,
    /// The fields that could not be read, by their names in the API, and keys of the metadata as `metadata.KEY`.
    pub unread: Vec<String>,
}

impl Server {
    /// Whether a field is there and makes no sense.
    pub fn is_unread(&self, field: &str) -> bool {
        self.unread.iter().any(|name| name == field)
    }

    /// Whether so much of the answer makes no sense that any field may be missing.
    pub fn is_partial(&self) -> bool {
        self.unread.iter().any(|name| name.starts_with("what is "))
    }
}

/// An address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub addr: IpAddr,
    /// 4 or 6.
    pub version: u8,
    /// Fixed or floating.
    pub kind: AddressKind,
    /// The port's MAC address.
    pub mac: Option<String>,
}

/// Where an address is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddressKind {
    /// The port's own.
    #[default]
    Fixed,
    /// A floating IP.
    Floating,
    /// Something newer, or something that makes no sense.
    Other,
}

/// Why a server is in `ERROR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// An HTTP status, mostly 500.
    pub code: Option<i64>,
    /// What happened.
    pub message: String,
    /// When, in seconds since 1970.
    pub created_at: Option<u64>,
}

/// What to create.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateServer {
    /// The name; Nova appends `-1`, `-2`, ... if several are asked for.
    pub name: String,
    /// The image's id.
    pub image: String,
    /// The flavor's id.
    pub flavor: String,
    /// The networks' ids; empty means `auto`.
    pub networks: Vec<String>,
    /// The keypair's name.
    pub key_name: Option<String>,
    /// The metadata.
    pub metadata: BTreeMap<String, String>,
    /// User data in base64, at most 65,535 bytes.
    pub user_data: Option<String>,
    /// Names of security groups (or ids); empty means the default one.
    pub security_groups: Vec<String>,
    /// The availability zone.
    pub availability_zone: Option<String>,
    /// Create at least so many, or none.
    pub min_count: Option<u32>,
    /// Create at most so many.
    pub max_count: Option<u32>,
}

/// What the cloud says at once about what it creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The server's id; the first one's, if several were asked for.
    pub id: String,
}

/// A flavor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flavor {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: Option<u64>,
    /// Memory in MiB.
    pub ram_mib: Option<u64>,
    /// Root disk in GiB.
    pub disk_gib: Option<u64>,
    /// Nothing can be created of it any more.
    pub disabled: bool,
}

/// A keypair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keypair {
    /// Its name.
    pub name: String,
    /// The fingerprint of its public key.
    pub fingerprint: Option<String>,
}

/// The project's limits; -1 means none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Servers allowed.
    pub max_total_instances: Option<i64>,
    /// Servers there are.
    pub total_instances_used: Option<i64>,
    /// Virtual CPUs allowed.
    pub max_total_cores: Option<i64>,
    /// Virtual CPUs in use.
    pub total_cores_used: Option<i64>,
    /// Memory allowed, in MiB.
    pub max_total_ram_mib: Option<i64>,
    /// Memory in use, in MiB.
    pub total_ram_used_mib: Option<i64>,
    /// Metadata items that a server may have.
    pub max_server_meta: Option<i64>,
}

impl FromRow for Server {
    const KIND: &'static str = "server";

    /// Whatever it is like, it is a server as long as it has an id.
    fn from_row(row: &mut Row) -> Option<Self> {
        let id = row.id("id")?;
        let status = row.text("status").unwrap_or_default();
        let metadata = metadata(row);
        let fault = row.row("fault");
        let addresses = addresses(row, status == "UNKNOWN");
        let server = Self {
            id,
            name: row.text("name").unwrap_or_default(),
            status,
            vm_state: row.text("OS-EXT-STS:vm_state"),
            task_state: row.text("OS-EXT-STS:task_state"),
            power_state: row.number("OS-EXT-STS:power_state"),
            created_at: row.time("created"),
            updated_at: row.time("updated"),
            launched_at: row.time("OS-SRV-USG:launched_at"),
            tells_metadata: metadata.is_some(),
            metadata: metadata.unwrap_or_default(),
            addresses,
            locked: row.flag("locked"),
            fault: fault.map(|mut fault| Fault {
                code: fault.number("code"),
                message: fault.text("message").unwrap_or_default(),
                created_at: fault.time("created"),
            }),
            image_id: image_id(row),
            flavor: flavor_name(row),
            key_name: row.text("key_name"),
            availability_zone: row.word("OS-EXT-AZ:availability_zone"),
            host: row.text("OS-EXT-SRV-ATTR:host"),
            host_id: row.word("hostId"),
            project_id: row.text("tenant_id"),
            unread: Vec::new(),
        };
        Some(Self {
            unread: row.unread().to_vec(),
            ..server
        })
    }
}

/// None: it is not told.
fn metadata(row: &mut Row) -> Option<BTreeMap<String, String>> {
    let Value::Object(items) = row.take("metadata")? else {
        row.skip("metadata");
        return None;
    };
    let mut metadata = BTreeMap::new();
    for (key, value) in items {
        match value {
            Value::String(value) => {
                metadata.insert(key, value);
            }
            _ => row.skip(&format!("metadata.{key}")),
        }
    }
    Some(metadata)
}

fn addresses(row: &mut Row, is_unknown: bool) -> BTreeMap<String, Vec<Address>> {
    let mut addresses = BTreeMap::new();
    let networks = match row.take("addresses") {
        Some(Value::Object(networks)) => networks,
        None if is_unknown => return addresses,
        _ => {
            row.skip("addresses");
            return addresses;
        }
    };
    let mut of_network = Row::of(networks);
    for network in of_network.names() {
        let list = of_network.list(&network, address);
        addresses.insert(network, list);
    }
    if !of_network.unread().is_empty() {
        row.skip("addresses");
    }
    addresses
}

fn address(row: &mut Row) -> Option<Address> {
    let addr = row.address("addr")?;
    let kind = match row.text("OS-EXT-IPS:type").as_deref() {
        Some("floating") => AddressKind::Floating,
        Some("fixed") => AddressKind::Fixed,
        None if row.unread().is_empty() => AddressKind::Fixed,
        _ => AddressKind::Other,
    };
    Some(Address {
        addr,
        version: if addr.is_ipv4() { 4 } else { 6 },
        kind,
        mac: row.text("OS-EXT-IPS-MAC:mac_addr"),
    })
}

/// A server that boots from a volume has an empty text here.
fn image_id(row: &mut Row) -> Option<String> {
    match row.take("image")? {
        Value::Object(image) => Row::of(image).id("id"),
        Value::String(text) if text.is_empty() => None,
        _ => {
            row.skip("image");
            None
        }
    }
}

fn flavor_name(row: &mut Row) -> Option<String> {
    let mut flavor = row.row("flavor")?;
    flavor
        .word("original_name")
        .or_else(|| flavor.text_or_number("id"))
}

impl FromRow for Created {
    const KIND: &'static str = "new server";

    fn from_row(row: &mut Row) -> Option<Self> {
        Some(Self { id: row.id("id")? })
    }
}

impl FromRow for Flavor {
    const KIND: &'static str = "flavor";

    fn from_row(row: &mut Row) -> Option<Self> {
        Some(Self {
            id: row.id("id")?,
            name: row.text("name").unwrap_or_default(),
            vcpus: row.number("vcpus"),
            ram_mib: row.number("ram"),
            disk_gib: row.number("disk"),
            disabled: row.flag("OS-FLV-DISABLED:disabled").unwrap_or(false),
        })
    }
}

impl FromRow for Keypair {
    const KIND: &'static str = "keypair";

    /// In a list, each is wrapped once more.
    fn from_row(row: &mut Row) -> Option<Self> {
        let mut inner = row.row("keypair");
        let of = inner.as_mut().unwrap_or(row);
        Some(Self {
            name: of.id("name")?,
            fingerprint: of.text("fingerprint"),
        })
    }
}

impl FromRow for Limits {
    const KIND: &'static str = "limits";

    fn from_row(row: &mut Row) -> Option<Self> {
        let mut of = row.row("absolute")?;
        let limits = Self {
            max_total_instances: of.number("maxTotalInstances"),
            total_instances_used: of.number("totalInstancesUsed"),
            max_total_cores: of.number("maxTotalCores"),
            total_cores_used: of.number("totalCoresUsed"),
            max_total_ram_mib: of.number("maxTotalRAMSize"),
            total_ram_used_mib: of.number("totalRAMUsed"),
            max_server_meta: of.number("maxServerMeta"),
        };
        for name in of.unread() {
            row.skip(name);
        }
        Some(limits)
    }
}

/// An availability zone.
pub(super) struct Zone {
    pub(super) name: String,
    pub(super) is_there: bool,
}

impl FromRow for Zone {
    const KIND: &'static str = "availability zone";

    fn from_row(row: &mut Row) -> Option<Self> {
        let state = row.row("zoneState");
        let is_there = state.and_then(|mut state| state.flag("available"));
        Some(Self {
            name: row.id("zoneName")?,
            is_there: is_there.unwrap_or(true),
        })
    }
}
