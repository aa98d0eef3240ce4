//! What a new server is made of, and what the configured names stand for.

use super::error::failed;
use crate::provider::{ProviderError, ProviderErrorKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openstack_sdk_blocking::{
    Cloud, Flavor, ImageInfo, Keypair, MAX_USER_DATA_BYTES, NetworkInfo, SecurityGroup,
};
use std::cmp::Reverse;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// What new servers are like, in the words of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// The ids that the names stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) image: String,
    pub(super) flavor: String,
    pub(super) network: String,
}

impl ServerTemplate {
    pub(super) fn resolve(&self, cloud: &Cloud) -> Result<Resolved, ProviderError> {
        let resolved = Resolved {
            image: self.find_image(cloud)?.id,
            flavor: self.find_flavor(cloud)?.id,
            network: self.find_network(cloud)?.id,
        };
        self.find_keypair(cloud)?;
        Ok(resolved)
    }

    /// The image of that name or id; of several, the newest that is active.
    pub(super) fn find_image(&self, cloud: &Cloud) -> Result<ImageInfo, ProviderError> {
        let (image, others) = self.find_images(cloud)?;
        if !others.is_empty() {
            let others: Vec<&str> = others.iter().map(|image| image.id.as_str()).collect();
            log::warn!(
                "OPENSTACK_IMAGE: {} images are named {:?} ({}, {}); the newest is taken",
                others.len() + 1,
                self.image,
                image.id,
                others.join(", ")
            );
        }
        Ok(image)
    }

    /// That image, and the other active ones of the same name.
    pub(super) fn find_images(
        &self,
        cloud: &Cloud,
    ) -> Result<(ImageInfo, Vec<ImageInfo>), ProviderError> {
        let mut found = cloud
            .image()
            .find_images(&self.image)
            .map_err(failed("the image cannot be looked up"))?;
        let why = if found.is_empty() {
            "there is no image of that name or id"
        } else {
            "no image of that name is active"
        };
        found.retain(|image| image.status == "active");
        found.sort_by_key(|image| Reverse(image.created_at));
        let mut found = found.into_iter();
        match found.next() {
            Some(newest) => Ok((newest, found.collect())),
            None => Err(unknown("OPENSTACK_IMAGE", &self.image, why)),
        }
    }

    pub(super) fn find_flavor(&self, cloud: &Cloud) -> Result<Flavor, ProviderError> {
        let found = cloud
            .compute()
            .find_flavors(&self.flavor)
            .map_err(failed("the flavor cannot be looked up"))?;
        the_only_one("OPENSTACK_FLAVOR", &self.flavor, "flavor", found, |f| &f.id)
    }

    pub(super) fn find_network(&self, cloud: &Cloud) -> Result<NetworkInfo, ProviderError> {
        let found = cloud
            .network()
            .find_networks(&self.network)
            .map_err(failed("the network cannot be looked up"))?;
        the_only_one("OPENSTACK_NETWORK", &self.network, "network", found, |n| {
            &n.id
        })
    }

    pub(super) fn find_keypair(&self, cloud: &Cloud) -> Result<Option<Keypair>, ProviderError> {
        let Some(name) = &self.keypair else {
            return Ok(None);
        };
        match cloud.compute().keypair(name) {
            Ok(keypair) => Ok(Some(keypair)),
            Err(error) if error.kind() == openstack_sdk_blocking::ErrorKind::NotFound => Err(
                unknown("OPENSTACK_KEYPAIR", name, "the user has no such keypair"),
            ),
            Err(error) => Err(failed("the keypair cannot be looked up")(error)),
        }
    }

    pub(super) fn find_security_groups(
        &self,
        cloud: &Cloud,
    ) -> Result<Vec<SecurityGroup>, ProviderError> {
        const VARIABLE: &str = "OPENSTACK_SECURITY_GROUPS";
        let find = |name: &String| {
            let found = cloud
                .network()
                .find_security_groups(name)
                .map_err(failed("the security group cannot be looked up"))?;
            the_only_one(VARIABLE, name, "security group", found, |g| &g.id)
        };
        self.security_groups.iter().map(find).collect()
    }

    /// The name under which Nova shows addresses on the network. Only an id has to be looked up.
    pub(super) fn network_name(&self, cloud: &Cloud) -> Result<String, ProviderError> {
        let looks_like_id = self.network.len() >= 32
            && self
                .network
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if looks_like_id {
            Ok(self.find_network(cloud)?.name)
        } else {
            Ok(self.network.clone())
        }
    }

    /// The cloud-init file as Nova wants it, read anew each time.
    pub(super) fn user_data(&self) -> Result<Option<String>, ProviderError> {
        let content = self.cloud_init()?;
        Ok(content.map(|content| STANDARD.encode(content)))
    }

    /// The content of the cloud-init file, if it fits.
    pub(super) fn cloud_init(&self) -> Result<Option<Vec<u8>>, ProviderError> {
        let Some(path) = &self.cloud_init_file else {
            return Ok(None);
        };
        let unusable = |why: String| {
            let message = format!("OPENSTACK_CLOUD_INIT_FILE: {}: {why}", path.display());
            ProviderError::local(ProviderErrorKind::LocalFile, message)
        };
        let mut content = Vec::new();
        File::open(path)
            .and_then(|file| {
                file.take(MAX_USER_DATA_BYTES as u64)
                    .read_to_end(&mut content)
            })
            .map_err(|error| unusable(error.to_string()))?;
        if content.len().div_ceil(3) * 4 > MAX_USER_DATA_BYTES {
            return Err(unusable(format!(
                "it is larger than the {} bytes that fit into {MAX_USER_DATA_BYTES} after encoding",
                MAX_USER_DATA_BYTES / 4 * 3
            )));
        }
        Ok(Some(content))
    }
}

fn the_only_one<T>(
    variable: &str,
    name: &str,
    what: &str,
    found: Vec<T>,
    id: impl Fn(&T) -> &String,
) -> Result<T, ProviderError> {
    if found.len() > 1 {
        let ids: Vec<&str> = found.iter().map(|one| id(one).as_str()).collect();
        let why = format!(
            "{} {what}s have that name: set the id of one of them: {}",
            ids.len(),
            ids.join(", ")
        );
        return Err(unknown(variable, name, &why));
    }
    let why = format!("there is no {what} of that name or id");
    found
        .into_iter()
        .next()
        .ok_or_else(|| unknown(variable, name, &why))
}

fn unknown(variable: &str, name: &str, why: &str) -> ProviderError {
    ProviderError::local(
        ProviderErrorKind::Lookup,
        format!("{variable}={name}: {why}"),
    )
}
