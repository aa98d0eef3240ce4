//! Where a service's API begins, and which microversions it has.

use std::fmt;

use serde_json::{Map, Value};

use crate::row::Row;
use crate::service::Service;
use crate::transport::Response;
use crate::url::Url;

/// A microversion, such as 2.79 ("Microversions" in the Compute API guide).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Microversion(pub u16, pub u16);

impl Microversion {
    /// Reads `2.79`.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// A service's API as discovery found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(super) url: Url,
    /// The lowest and the highest microversion, if the service has any.
    pub(crate) microversions: Option<(Microversion, Microversion)>,
    /// Discovery failed: worth another try soon.
    pub(super) provisional: bool,
}

impl Endpoint {
    /// An endpoint that needs no discovery.
    pub(super) fn known(url: Url) -> Self {
        Self {
            url,
            microversions: None,
            provisional: false,
        }
    }

    /// Whether servers can tell here that they are locked.
    pub(crate) fn tells_locks(&self) -> bool {
        self.microversions
            .is_some_and(|(_, highest)| highest >= LOCKED_MICROVERSION)
    }
}

/// From this one on, servers tell whether they are locked (Compute API, "REST API Version History", 2.9).
const LOCKED_MICROVERSION: Microversion = Microversion(2, 9);

/// How to go on from a service's URL in the catalog.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// The URL says it all.
    Known(Url),
    /// Ask this URL for its versions.
    Ask(Url),
}

/// The last part of a versioned URL.
const fn version_segment(service: Service) -> &'static str {
    match service {
        Service::Identity => "v3",
        Service::Compute => "v2.1",
        Service::Network => "v2.0",
        Service::Image => "v2",
    }
}

/// Only Nova's microversions make it worthwhile to ask a URL that has the wanted version already.
pub(super) fn start(service: Service, catalog_url: &Url) -> Start {
    match split(catalog_url) {
        Some((base, version)) if version == version_segment(service) => {
            if service == Service::Compute {
                Start::Ask(catalog_url.with_path(&format!("{base}/{version}")))
            } else {
                Start::Known(catalog_url.clone())
            }
        }
        // An old version, such as Nova's /v2/PROJECT: what else is there?
        Some((base, _)) => Start::Ask(catalog_url.with_path(&base)),
        None => Start::Ask(catalog_url.clone()),
    }
}

/// The endpoint without discovery: the catalog's URL, with the version unless it has one.
pub(super) fn fallback(service: Service, catalog_url: &Url) -> Endpoint {
    let url = if split(catalog_url).is_some() {
        catalog_url.clone()
    } else {
        catalog_url.with_path(&format!(
            "{}/{}",
            catalog_url.path(),
            version_segment(service)
        ))
    };
    Endpoint {
        provisional: true,
        ..Endpoint::known(url)
    }
}

/// Reads what the asked URL answered; `None` if it is no discovery document or lacks the version.
pub(super) fn read(
    service: Service,
    catalog_url: &Url,
    asked: &Url,
    answer: &Response,
) -> Option<Endpoint> {
    let mut document = Row::parse(&answer.body, false)?;
    let versions = if let Some(one) = document.row("version") {
        vec![one]
    } else {
        let list = match document.take("versions")? {
            Value::Object(mut nested) => nested.remove("values")?,
            list => list,
        };
        Row::of(Map::from_iter([("values".to_owned(), list)])).rows("values")
    };
    let version = versions
        .into_iter()
        .filter_map(Version::read)
        .filter(|version| is_wanted(service, &version.id))
        .max_by_key(|version| version.status.as_deref() == Some("CURRENT"))?;
    let number = |text: &Option<String>| text.as_deref().and_then(Microversion::parse);
    Some(Endpoint {
        url: endpoint_url(service, catalog_url, asked, &version),
        microversions: number(&version.lowest).zip(number(&version.highest)),
        provisional: false,
    })
}

/// The catalog's scheme and host stay: behind a proxy, links often name `http://` or an inner host.
fn endpoint_url(service: Service, catalog_url: &Url, asked: &Url, version: &Version) -> Url {
    if let Some((_, segment)) = split(catalog_url)
        && segment == version_segment(service)
    {
        // The catalog's URL may go on with a project id.
        return catalog_url.clone();
    }
    let link = version.link.as_deref().and_then(|href| {
        let href = href.split(['?', '#']).next().unwrap_or_default();
        let whole = if href.starts_with('/') {
            asked.with_path(href).to_string()
        } else {
            href.to_owned()
        };
        Url::parse(&whole).ok()
    });
    let path = match link {
        Some(link) if link.path().starts_with(asked.path()) && link.path() != asked.path() => {
            link.path().to_owned()
        }
        Some(link) => {
            let segments = link.segments();
            let last = segments.last().copied().unwrap_or(version_segment(service));
            format!("{}/{last}", asked.path())
        }
        None => format!("{}/{}", asked.path(), version_segment(service)),
    };
    asked.with_path(&path)
}

fn is_wanted(service: Service, id: &str) -> bool {
    match service {
        Service::Identity => id == "v3" || id.starts_with("v3."),
        Service::Compute => id == "v2.1",
        Service::Network => id == "v2.0" || id == "v2",
        Service::Image => id == "v2" || id.starts_with("v2."),
    }
}

/// The path before the version, and the version. A project id may follow.
fn split(url: &Url) -> Option<(String, String)> {
    let segments = url.segments();
    let at = segments.iter().rposition(|segment| is_version(segment))?;
    let before = segments.get(..at)?.iter();
    let base = before.fold(String::new(), |path, part| path + "/" + part);
    Some((base, (*segments.get(at)?).to_owned()))
}

fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|number| {
        number.starts_with(|c: char| c.is_ascii_digit())
            && number.chars().all(|c| c.is_ascii_digit() || c == '.')
    })
}

struct Version {
    id: String,
    status: Option<String>,
    highest: Option<String>,
    lowest: Option<String>,
    /// Where it is, by its own account.
    link: Option<String>,
}

impl Version {
    fn read(mut row: Row) -> Option<Self> {
        let links = row.list("links", |link| {
            Some((link.text("rel")?, link.text("href")?))
        });
        Some(Self {
            id: row.id("id")?,
            status: row.text("status"),
            highest: row
                .text_or_number("version")
                .or_else(|| row.text_or_number("max_version")),
            lowest: row.text_or_number("min_version"),
            link: links
                .into_iter()
                .find_map(|(rel, href)| (rel == "self").then_some(href)),
        })
    }
}
