//! Nova's objects, as much of them as is used.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;

use crate::wire::{non_empty, null_is_default, time};

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
}

/// A server. Of one in a cell that is down, only `id`, `status` (`UNKNOWN`) and `created_at` are known.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Server {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// `ACTIVE`, `BUILD`, `ERROR`, ..., `UNKNOWN`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub status: String,
    /// `active`, `building`, `error`, `stopped`, ...
    #[serde(rename = "OS-EXT-STS:vm_state", default)]
    pub vm_state: Option<String>,
    /// `deleting`, `spawning`, ..., or none.
    #[serde(rename = "OS-EXT-STS:task_state", default)]
    pub task_state: Option<String>,
    /// 1 running, 3 paused, 4 shut down, 6 crashed, 7 suspended, 0 none.
    #[serde(rename = "OS-EXT-STS:power_state", default)]
    pub power_state: Option<i64>,
    /// In seconds since 1970.
    #[serde(rename = "created", default, deserialize_with = "time")]
    pub created_at: Option<u64>,
    /// In seconds since 1970.
    #[serde(rename = "updated", default, deserialize_with = "time")]
    pub updated_at: Option<u64>,
    /// When it became active, in seconds since 1970.
    #[serde(rename = "OS-SRV-USG:launched_at", default, deserialize_with = "time")]
    pub launched_at: Option<u64>,
    /// Its metadata.
    #[serde(default, deserialize_with = "null_is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Its addresses, by name of the network.
    #[serde(default, deserialize_with = "null_is_default")]
    pub addresses: BTreeMap<String, Vec<Address>>,
    /// Whether it is locked; known from microversion 2.9 on.
    #[serde(default)]
    pub locked: Option<bool>,
    /// Why it is in `ERROR`. Lists may lack it.
    #[serde(default)]
    pub fault: Option<Fault>,
    /// The image's id; none if it boots from a volume.
    #[serde(rename = "image", default, deserialize_with = "image_id")]
    pub image_id: Option<String>,
    /// The flavor's name (from microversion 2.47 on) or id.
    #[serde(default, deserialize_with = "flavor_name")]
    pub flavor: Option<String>,
    /// Its keypair.
    #[serde(default)]
    pub key_name: Option<String>,
    /// Its availability zone.
    #[serde(
        rename = "OS-EXT-AZ:availability_zone",
        default,
        deserialize_with = "non_empty"
    )]
    pub availability_zone: Option<String>,
    /// Its host; administrators only.
    #[serde(rename = "OS-EXT-SRV-ATTR:host", default)]
    pub host: Option<String>,
    /// The host, hidden: equal for servers of a project on the same host.
    #[serde(rename = "hostId", default, deserialize_with = "non_empty")]
    pub host_id: Option<String>,
    /// The project that it belongs to.
    #[serde(rename = "tenant_id", default)]
    pub project_id: Option<String>,
}

/// An address of a server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Address {
    /// The address.
    pub addr: IpAddr,
    /// 4 or 6.
    pub version: u8,
    /// Fixed or floating.
    #[serde(
        rename = "OS-EXT-IPS:type",
        default,
        deserialize_with = "null_is_default"
    )]
    pub kind: AddressKind,
    /// The port's MAC address.
    #[serde(rename = "OS-EXT-IPS-MAC:mac_addr", default)]
    pub mac: Option<String>,
}

/// Where an address is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressKind {
    /// The port's own.
    #[default]
    Fixed,
    /// A floating IP.
    Floating,
    /// Something newer.
    #[serde(other)]
    Other,
}

/// Why a server is in `ERROR`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Fault {
    /// An HTTP status, mostly 500.
    #[serde(default)]
    pub code: Option<i64>,
    /// What happened.
    #[serde(default, deserialize_with = "null_is_default")]
    pub message: String,
    /// When, in seconds since 1970.
    #[serde(rename = "created", default, deserialize_with = "time")]
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
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Created {
    /// The server's id; the first one's, if several were asked for.
    pub id: String,
}

/// A flavor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Flavor {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Virtual CPUs.
    #[serde(default)]
    pub vcpus: Option<u64>,
    /// Memory in MiB.
    #[serde(rename = "ram", default)]
    pub ram_mib: Option<u64>,
    /// Root disk in GiB.
    #[serde(rename = "disk", default)]
    pub disk_gib: Option<u64>,
    /// Nothing can be created of it any more.
    #[serde(
        rename = "OS-FLV-DISABLED:disabled",
        default,
        deserialize_with = "null_is_default"
    )]
    pub disabled: bool,
}

/// A keypair.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Keypair {
    /// Its name.
    pub name: String,
    /// The fingerprint of its public key.
    #[serde(default)]
    pub fingerprint: Option<String>,
}

/// The project's limits; -1 means none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
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
    #[serde(rename = "maxTotalRAMSize")]
    pub max_total_ram_mib: Option<i64>,
    /// Memory in use, in MiB.
    #[serde(rename = "totalRAMUsed")]
    pub total_ram_used_mib: Option<i64>,
    /// Metadata items that a server may have.
    pub max_server_meta: Option<i64>,
}

fn image_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    Ok(value
        .as_ref()
        .and_then(|image| image.get("id")?.as_str())
        .map(str::to_owned))
}

fn flavor_name<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    let name = value.as_ref().and_then(|flavor| {
        flavor
            .get("original_name")
            .or_else(|| flavor.get("id"))?
            .as_str()
    });
    Ok(name.map(str::to_owned))
}
