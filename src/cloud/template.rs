//! What the settings say of a pool's servers.

use std::path::PathBuf;

/// What new servers are like, in the words of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerTemplate {
    /// The name; Nova adds a number to it where several are made at once.
    pub name: String,
    /// Whether every creation adds a part of its own to the name.
    pub unique_names: bool,
    /// Name or id of the image.
    pub image: String,
    /// Name or id of the flavor.
    pub flavor: String,
    /// Name or id of the network.
    pub network: String,
    /// Version of the addresses that replicas are reached at: 4 or 6.
    pub ip_version: u8,
    /// The metadata key that makes a server one of the pool.
    pub metadata_key: String,
    /// Its value.
    pub metadata_value: String,
    /// The description that makes a floating IP one of the pool.
    pub floating_ip_description: String,
    /// Name of the keypair.
    pub keypair: Option<String>,
    /// The file with the user data.
    pub cloud_init_file: Option<PathBuf>,
    /// Names or ids of the security groups; empty: the project's default.
    pub security_groups: Vec<String>,
    /// The availability zone; none: the cloud chooses.
    pub availability_zone: Option<String>,
}
