//! Glance.

use crate::error::{Error, ErrorKind};
use crate::row::{FromRow, Row};
use crate::service::Service;
use crate::session::{Call, Session};
use crate::transport::Method;
use crate::url::{encode, query};
use crate::wire::{self, ListCall};

const GLANCE: Service = Service::Image;

/// The image API.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    session: &'a Session,
}

impl<'a> Image<'a> {
    pub(crate) fn new(session: &'a Session) -> Self {
        Self { session }
    }

    /// Images, all or those of a name (Image API v2, "List images", `GET /v2/images`), without hidden ones and without
    /// those of other projects' communities.
    pub fn images(self, name: Option<&str>) -> Result<Vec<ImageInfo>, Error> {
        self.listed(name, &[])
    }

    fn listed(self, name: Option<&str>, more: &[(&str, &str)]) -> Result<Vec<ImageInfo>, Error> {
        /// Glance pages at 25 by default: a list of all would be many requests.
        const PAGE: &str = "1000";
        let limit = name.is_none().then(|| PAGE.to_owned());
        // Glance splits `in:` operators at commas and takes `name=` as it is.
        let own = [("name", name.map(str::to_owned)), ("limit", limit)];
        let more = more
            .iter()
            .map(|(key, value)| (*key, Some((*value).to_owned())));
        let list = ListCall {
            service: GLANCE,
            path: "/images",
            query: query(own.into_iter().chain(more)),
            key: "images",
            headers: Vec::new(),
            until: self.session.list_deadline(),
        };
        let mut found: Vec<ImageInfo> = wire::list(self.session, &list)?.items;
        found.retain(|image| wire::fits(name, Some(image.name.as_str())));
        Ok(found)
    }

    /// One image (Image API v2, "Show image", `GET /v2/images/{image_id}`).
    pub fn image(self, id: &str) -> Result<ImageInfo, Error> {
        let path = format!("/images/{}", encode(id));
        wire::object(self.session, &Call::new(GLANCE, Method::Get, &path), "")
    }

    /// The images with this name, or else the one with this id. If none of that name is active, hidden images are looked
    /// through too, and those of the community, which a list leaves out.
    pub fn find_images(self, name_or_id: &str) -> Result<Vec<ImageInfo>, Error> {
        const HIDDEN: (&str, &str) = ("os_hidden", "true");
        const COMMUNITY: (&str, &str) = ("visibility", "community");
        let is_active = |image: &ImageInfo| image.status == "active";
        let mut found = self.images(Some(name_or_id))?;
        if found.iter().any(is_active) {
            return Ok(found);
        }
        if looks_like_id(name_or_id) {
            match self.image(name_or_id) {
                Ok(image) => return Ok(vec![image]),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        for more in [&[HIDDEN][..], &[COMMUNITY], &[COMMUNITY, HIDDEN]] {
            match self.listed(Some(name_or_id), more) {
                Ok(others) => {
                    for image in others {
                        if found.iter().all(|known| known.id != image.id) {
                            found.push(image);
                        }
                    }
                    if found.iter().any(is_active) {
                        break;
                    }
                }
                // An older Glance knows no such filter: then there is nothing to be found by it.
                Err(error)
                    if matches!(error.kind(), ErrorKind::BadRequest | ErrorKind::Forbidden) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `active`, `queued`, `deactivated`, ...
    pub status: String,
    /// `public`, `private`, `shared` or `community`.
    pub visibility: Option<String>,
    /// The project that it belongs to.
    pub owner: Option<String>,
    /// In seconds since 1970.
    pub created_at: Option<u64>,
    /// In seconds since 1970.
    pub updated_at: Option<u64>,
    /// In bytes.
    pub size: Option<u64>,
    /// The least root disk, in GiB.
    pub min_disk_gib: Option<u64>,
    /// The least memory, in MiB.
    pub min_ram_mib: Option<u64>,
}

impl FromRow for ImageInfo {
    const KIND: &'static str = "image";

    fn from_row(row: &mut Row) -> Option<Self> {
        Some(Self {
            id: row.id("id")?,
            name: row.text("name").unwrap_or_default(),
            status: row.text("status").unwrap_or_default(),
            visibility: row.text("visibility"),
            owner: row.text("owner"),
            created_at: row.time("created_at"),
            updated_at: row.time("updated_at"),
            size: row.number("size"),
            min_disk_gib: row.number("min_disk"),
            min_ram_mib: row.number("min_ram"),
        })
    }
}
