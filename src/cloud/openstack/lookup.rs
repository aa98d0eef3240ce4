//! What a new server is made of, and what the configured names stand for.

use super::error::failed;
use crate::cloud::{Catalogue, CloudError, CloudErrorKind, ServerTemplate};
use crate::local_file::{MAX_CLOUD_INIT_BYTES, read_ordinary};
use crate::pool::{NameChange, NamedThing};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openstack_sdk_blocking::{
    Cloud, Error, Flavor, ImageInfo, Keypair, MAX_USER_DATA_BYTES, NetworkInfo, SecurityGroup,
    nearest,
};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io::ErrorKind;

impl ServerTemplate {
    pub(super) fn resolve(&self, cloud: &Cloud) -> Result<Catalogue, CloudError> {
        let (image, others) = self.find_images(cloud)?;
        let catalogue = Catalogue {
            is_community_image: is_community(&image),
            image: image.id,
            other_images: others.into_iter().map(|image| image.id).collect(),
            flavor: self.find_flavor(cloud)?.id,
            network: self.find_network(cloud)?.id,
            // By id, since Nova looks for a name among the project's own groups alone.
            security_groups: self
                .find_security_groups(cloud)?
                .into_iter()
                .map(|group| group.id)
                .collect(),
        };
        self.find_keypair(cloud)?;
        Ok(catalogue)
    }

    /// What the names stand for now and did not before, with a word in the log about several images of one name.
    pub(super) fn changes(
        &self,
        before: Option<&Catalogue>,
        now: &Catalogue,
    ) -> Result<Vec<NameChange>, CloudError> {
        if now.is_community_image && before.is_some_and(|before| !before.is_community_image) {
            let why = format!(
                "only an image of the community ({}) has that name by now, and anybody can make one: set its id, if \
                 it is meant",
                now.image
            );
            return Err(unknown("OPENSTACK_IMAGE", &self.image, &why));
        }
        let is_new = before.is_none_or(|before| {
            (&before.image, &before.other_images) != (&now.image, &now.other_images)
        });
        if is_new && !now.other_images.is_empty() {
            log::warn!(
                "OPENSTACK_IMAGE: {} images are named {:?} ({}, {}); the newest is taken",
                now.other_images.len() + 1,
                self.image,
                now.image,
                now.other_images.join(", ")
            );
        }
        let Some(before) = before else {
            return Ok(Vec::new());
        };
        let groups = |catalogue: &Catalogue| catalogue.security_groups.join(", ");
        let rows = [
            (
                NamedThing::Image,
                format!("OPENSTACK_IMAGE={}", self.image),
                before.image.clone(),
                now.image.clone(),
            ),
            (
                NamedThing::Flavor,
                format!("OPENSTACK_FLAVOR={}", self.flavor),
                before.flavor.clone(),
                now.flavor.clone(),
            ),
            (
                NamedThing::Network,
                format!("OPENSTACK_NETWORK={}", self.network),
                before.network.clone(),
                now.network.clone(),
            ),
            (
                NamedThing::SecurityGroups,
                format!(
                    "OPENSTACK_SECURITY_GROUPS={}",
                    self.security_groups.join(",")
                ),
                groups(before),
                groups(now),
            ),
        ];
        Ok(rows
            .into_iter()
            .filter(|(_, _, old, new)| old != new)
            .map(|(thing, setting, old, new)| NameChange {
                thing,
                setting,
                old,
                new,
            })
            .collect())
    }

    /// That image, and the other active ones of the same name.
    pub(crate) fn find_images(
        &self,
        cloud: &Cloud,
    ) -> Result<(ImageInfo, Vec<ImageInfo>), CloudError> {
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
        let owners: BTreeSet<_> = found.iter().map(|image| &image.owner).collect();
        if owners.len() > 1 && found.iter().all(is_community) {
            let ids: Vec<&str> = found.iter().map(|image| image.id.as_str()).collect();
            let why = format!(
                "several projects have a community image of that name: set the id of one of them: {}",
                ids.join(", ")
            );
            return Err(unknown("OPENSTACK_IMAGE", &self.image, &why));
        }
        found.sort_by_key(|image| Reverse(image.created_at));
        let mut found = found.into_iter();
        if let Some(newest) = found.next() {
            return Ok((newest, found.collect()));
        }
        let names = cloud.image().images(None);
        let names = names.map(|all| all.into_iter().map(|image| image.name).collect());
        let error = unknown("OPENSTACK_IMAGE", &self.image, why);
        Err(hinted(error, &self.image, names, "openstack image list"))
    }

    pub(crate) fn find_flavor(&self, cloud: &Cloud) -> Result<Flavor, CloudError> {
        let found = cloud
            .compute()
            .find_flavors(&self.flavor)
            .map_err(failed("the flavor cannot be looked up"))?;
        the_only_one("OPENSTACK_FLAVOR", &self.flavor, "flavor", found, |f| &f.id).map_err(
            |error| {
                let names = cloud.compute().flavors();
                let names = names.map(|all| all.into_iter().map(|flavor| flavor.name).collect());
                hinted(error, &self.flavor, names, "openstack flavor list")
            },
        )
    }

    pub(crate) fn find_network(&self, cloud: &Cloud) -> Result<NetworkInfo, CloudError> {
        let found = cloud
            .network()
            .find_networks(&self.network)
            .map_err(failed("the network cannot be looked up"))?;
        the_only_one("OPENSTACK_NETWORK", &self.network, "network", found, |n| {
            &n.id
        })
        .map_err(|error| {
            let names = cloud.network().networks(None);
            let names = names.map(|all| all.into_iter().map(|network| network.name).collect());
            hinted(error, &self.network, names, "openstack network list")
        })
    }

    pub(crate) fn find_keypair(&self, cloud: &Cloud) -> Result<Option<Keypair>, CloudError> {
        let Some(name) = &self.keypair else {
            return Ok(None);
        };
        match cloud.compute().keypair(name) {
            Ok(keypair) => Ok(Some(keypair)),
            Err(error) if error.kind() == openstack_sdk_blocking::ErrorKind::NotFound => {
                let error = unknown("OPENSTACK_KEYPAIR", name, "the user has no such keypair");
                let names = cloud.compute().keypairs();
                let names = names.map(|all| all.into_iter().map(|pair| pair.name).collect());
                Err(hinted(error, name, names, "openstack keypair list"))
            }
            Err(error) => Err(failed("the keypair cannot be looked up")(error)),
        }
    }

    pub(crate) fn find_security_groups(
        &self,
        cloud: &Cloud,
    ) -> Result<Vec<SecurityGroup>, CloudError> {
        const VARIABLE: &str = "OPENSTACK_SECURITY_GROUPS";
        if self.security_groups.is_empty() {
            return Ok(Vec::new());
        }
        let token = cloud
            .authenticate()
            .map_err(failed("the security groups cannot be looked up"))?;
        let find = |name: &String| {
            let mut found = cloud
                .network()
                .find_security_groups(name)
                .map_err(failed("the security group cannot be looked up"))?;
            // An administrator is shown every project's, and others may share theirs: the project's own come first.
            let is_own = |group: &SecurityGroup| group.project_id == token.project_id;
            if found.iter().any(is_own) {
                found.retain(is_own);
            }
            the_only_one(VARIABLE, name, "security group", found, |g| &g.id).map_err(|error| {
                let names = cloud.network().security_groups(None);
                let names = names.map(|all| all.into_iter().map(|group| group.name).collect());
                hinted(error, name, names, "openstack security group list")
            })
        };
        self.security_groups.iter().map(find).collect()
    }

    /// The name under which Nova shows addresses on the network. Only an id has to be looked up.
    pub(super) fn network_name(&self, cloud: &Cloud) -> Result<String, CloudError> {
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
    pub(super) fn user_data(&self) -> Result<Option<String>, CloudError> {
        let content = self.cloud_init()?;
        Ok(content.map(|content| STANDARD.encode(content)))
    }

    /// The content of the cloud-init file, if it fits.
    pub(crate) fn cloud_init(&self) -> Result<Option<Vec<u8>>, CloudError> {
        let Some(path) = &self.cloud_init_file else {
            return Ok(None);
        };
        let unusable = |why: String| {
            let message = format!("OPENSTACK_CLOUD_INIT_FILE: {}: {why}", path.display());
            CloudError::local(CloudErrorKind::LocalFile, message)
        };
        let content = read_ordinary(path, MAX_CLOUD_INIT_BYTES).map_err(|error| {
            unusable(match error.kind() {
                ErrorKind::FileTooLarge => format!(
                    "it is larger than the {MAX_CLOUD_INIT_BYTES} bytes that fit into {MAX_USER_DATA_BYTES} after encoding"
                ),
                _ => error.to_string(),
            })
        })?;
        Ok(Some(content))
    }
}

pub(crate) fn is_community(image: &ImageInfo) -> bool {
    image.visibility.as_deref() == Some("community")
}

/// The error with the name that was most likely meant, and the command that shows all.
fn hinted(
    mut error: CloudError,
    wanted: &str,
    names: Result<Vec<String>, Error>,
    command: &str,
) -> CloudError {
    let names = names.unwrap_or_default();
    if let Some(name) = nearest(wanted, names.iter().map(String::as_str)).filter(|n| *n != wanted) {
        error.message.push_str(&format!("; did you mean {name}?"));
    }
    error.with_remedy(format!("{command} shows what there is"))
}

fn the_only_one<T>(
    variable: &str,
    name: &str,
    what: &str,
    found: Vec<T>,
    id: impl Fn(&T) -> &String,
) -> Result<T, CloudError> {
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

fn unknown(variable: &str, name: &str, why: &str) -> CloudError {
    CloudError::local(CloudErrorKind::Lookup, format!("{variable}={name}: {why}"))
}
