//! Glance.

use serde::Deserialize;

use crate::cloud::{Call, Cloud};
use crate::error::{Error, ErrorKind, Service};
use crate::transport::Method;
use crate::url::{encode, query};
use crate::wire::{self, ListCall, null_is_default, time};

const GLANCE: Service = Service::Image;

/// The image API.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    cloud: &'a Cloud,
}

impl<'a> Image<'a> {
    pub(crate) fn new(cloud: &'a Cloud) -> Self {
        Self { cloud }
    }

    /// Images, all or those of a name (Image API v2, "List images", `GET /v2/images`).
    pub fn images(self, name: Option<&str>) -> Result<Vec<ImageInfo>, Error> {
        // Glance splits `in:` operators at commas and takes `name=` as it is.
        let list = ListCall {
            service: GLANCE,
            path: "/images",
            query: query([("name", name.map(str::to_owned))]),
            key: "images",
            headers: Vec::new(),
        };
        Ok(wire::list(self.cloud, list)?.items)
    }

    /// One image (Image API v2, "Show image", `GET /v2/images/{image_id}`).
    pub fn image(self, id: &str) -> Result<ImageInfo, Error> {
        let path = format!("/images/{}", encode(id));
        wire::object(self.cloud, &Call::new(GLANCE, Method::Get, &path), "")
    }

    /// The image with this id, or else those with this name.
    pub fn find_images(self, name_or_id: &str) -> Result<Vec<ImageInfo>, Error> {
        let of_name = self.images(Some(name_or_id))?;
        if !of_name.is_empty() || !looks_like_id(name_or_id) {
            return Ok(of_name);
        }
        match self.image(name_or_id) {
            Ok(image) => Ok(vec![image]),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// Image ids are UUIDs.
fn looks_like_id(text: &str) -> bool {
    text.len() == 36
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ImageInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// `active`, `queued`, `deactivated`, ...
    #[serde(default, deserialize_with = "null_is_default")]
    pub status: String,
    /// `public`, `private`, `shared` or `community`.
    #[serde(default)]
    pub visibility: Option<String>,
    /// In seconds since 1970.
    #[serde(default, deserialize_with = "time")]
    pub created_at: Option<u64>,
    /// In seconds since 1970.
    #[serde(default, deserialize_with = "time")]
    pub updated_at: Option<u64>,
    /// In bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// The least root disk, in GiB.
    #[serde(rename = "min_disk", default)]
    pub min_disk_gib: Option<u64>,
    /// The least memory, in MiB.
    #[serde(rename = "min_ram", default)]
    pub min_ram_mib: Option<u64>,
}
