//! The catalog that comes with a token: which services there are, and where.

use std::collections::BTreeSet;

use crate::cause::Cause;
use crate::config::{CloudConfig, Interface};
use crate::error::{Error, ErrorKind};
use crate::row::Row;
use crate::service::Service;
use crate::text::{listed, nearest};

/// Where the first login led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) project_id: String,
    pub(super) project_name: String,
    /// The only region of the catalog; none where one is configured.
    pub(super) region: Option<String>,
}

/// Where a service is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) service: Service,
    pub(super) region: Option<String>,
    pub(super) interface: Interface,
    /// A URL that takes the place of the catalog's.
    pub(super) endpoint: Option<String>,
}

impl Place {
    pub(super) fn of(config: &CloudConfig, home: Option<&Home>, service: Service) -> Self {
        let own = config.services.get(&service);
        let configured = own
            .and_then(|own| own.region.clone())
            .or_else(|| config.region.clone());
        Self {
            service,
            region: configured.or_else(|| home?.region.clone()),
            interface: own
                .and_then(|own| own.interface)
                .unwrap_or(config.interface),
            endpoint: own
                .and_then(|own| own.endpoint.as_ref())
                .map(|url| with_project(url, home)),
        }
    }
}

/// openstacksdk puts the project's id into such a URL, too.
fn with_project(url: &str, home: Option<&Home>) -> String {
    let Some(home) = home else {
        return url.to_owned();
    };
    [
        "%(project_id)s",
        "$(project_id)s",
        "%(tenant_id)s",
        "$(tenant_id)s",
    ]
    .iter()
    .fold(url.to_owned(), |url, word| {
        url.replace(word, &home.project_id)
    })
}

/// The services of a cloud and where they are (Identity API v3, "Service catalog").
#[derive(Debug, Default)]
pub(super) struct Catalog {
    services: Vec<CatalogService>,
    /// Entries that could not be read: which, and what of them.
    pub(super) odd: Vec<(String, String)>,
}

impl Catalog {
    /// Reads the catalog below a token. To be called last: what else of the token could not be read is noted here.
    pub(super) fn read(token: &mut Row) -> Self {
        let mut odd = Vec::new();
        let services = token.rows("catalog");
        let services = services
            .into_iter()
            .filter_map(|row| CatalogService::read(row, &mut odd))
            .collect();
        if !token.unread().is_empty() {
            odd.push(("itself".to_owned(), token.unread().join(", ")));
        }
        Self { services, odd }
    }

    /// The URL of a service, or an error that names what the catalog has.
    pub(super) fn url(&self, place: &Place) -> Result<&str, Error> {
        let mut found = self.matching(place);
        let Some(first) = found.next() else {
            return Err(self.nothing(place));
        };
        if found.any(|other| other.url != first.url) {
            let taken: String = first.region().chars().take(100).collect();
            log::warn!(
                "{}: the catalog has several {} endpoints in region {taken}; taking the first",
                place.service,
                place.interface.as_str()
            );
        }
        Ok(&first.url)
    }

    /// The URL of a service, if there is one.
    pub(super) fn first_url(&self, place: &Place) -> Option<&str> {
        let first = self.matching(place).next()?;
        Some(&first.url)
    }

    /// The regions in which the catalog has a service on that interface, whatever region is wanted.
    pub(super) fn regions(&self, place: &Place) -> BTreeSet<&str> {
        self.endpoints(place.service)
            .filter(|endpoint| Interface::parse(&endpoint.interface) == Some(place.interface))
            .map(CatalogEndpoint::region)
            .collect()
    }

    /// Whether the catalog has a service in the region that is wanted, on whatever interface.
    pub(super) fn is_in_region(&self, place: &Place) -> bool {
        let region = place.region.as_deref();
        self.endpoints(place.service)
            .any(|endpoint| region.is_none_or(|region| endpoint.is_in(region)))
    }

    fn matching(&self, place: &Place) -> impl Iterator<Item = &CatalogEndpoint> {
        self.endpoints(place.service).filter(move |endpoint| {
            let region = place.region.as_deref();
            Interface::parse(&endpoint.interface) == Some(place.interface)
                && region.is_none_or(|region| endpoint.is_in(region))
        })
    }

    fn endpoints(&self, service: Service) -> impl Iterator<Item = &CatalogEndpoint> {
        self.services
            .iter()
            .filter(move |entry| entry.kind == service.as_str())
            .flat_map(|entry| &entry.endpoints)
    }

    fn nothing(&self, place: &Place) -> Error {
        let (service, interface) = (place.service, place.interface.as_str());
        let error = |text: String| Error::config(ErrorKind::Catalog, text);
        if self.services.is_empty() {
            let text = format!("the token came with no catalog, so that {service} cannot be found");
            return error(text).because(Cause::NoProject);
        }
        let has: BTreeSet<&CatalogEndpoint> = self.endpoints(service).collect();
        if has.is_empty() {
            let kinds = self.services.iter().map(|entry| entry.kind.as_str());
            let kinds = listed(kinds.collect::<BTreeSet<_>>());
            return error(format!(
                "the cloud's catalog has no {interface} endpoint of {service}; its services: {kinds}"
            ));
        }
        let region = place.region.as_deref().unwrap_or_default();
        let in_words = match region {
            "" => String::new(),
            _ => format!(" in region {region}"),
        };
        let names = has
            .iter()
            .map(|endpoint| format!("{} in {}", endpoint.interface, endpoint.region()));
        let names = names.collect::<BTreeSet<String>>();
        let mut text = format!(
            "the cloud's catalog has no {interface} endpoint of {service}{in_words}; its endpoints: {}",
            listed(names.iter().map(String::as_str))
        );
        let cause = if self.is_in_region(place) {
            let words = has.iter().map(|endpoint| endpoint.interface.clone());
            Cause::WrongInterface(words.collect::<BTreeSet<_>>().into_iter().collect())
        } else {
            let regions: BTreeSet<&str> = has.iter().map(|endpoint| endpoint.region()).collect();
            if let Some(name) = nearest(region, regions.iter().copied()) {
                text.push_str(&format!("; did you mean {name}?"));
            }
            Cause::WrongRegion(regions.into_iter().map(str::to_owned).collect())
        };
        error(text).because(cause)
    }
}

#[derive(Debug)]
struct CatalogService {
    kind: String,
    endpoints: Vec<CatalogEndpoint>,
}

impl CatalogService {
    /// An entry without a type, and an endpoint without interface or URL, are of no use to anybody.
    fn read(mut row: Row, odd: &mut Vec<(String, String)>) -> Option<Self> {
        let id = row.shown("id");
        let name = row.shown("type").or_else(|| row.shown("name")).or(id);
        let name = name.unwrap_or_else(|| "without a type".to_owned());
        let kind = row.id("type");
        let endpoints = row.rows("endpoints");
        if kind.is_none() || !row.unread().is_empty() {
            let what = kind.as_ref().map_or("type", |_| "a part of it");
            odd.push((name.clone(), what.to_owned()));
        }
        let mut read = |mut endpoint: Row| {
            let id = endpoint
                .shown("id")
                .unwrap_or_else(|| "without an id".to_owned());
            let found = CatalogEndpoint::read(&mut endpoint);
            if found.is_none() {
                let what = "interface or URL".to_owned();
                odd.push((format!("{name}, endpoint {id}"), what));
            }
            found
        };
        let endpoints = endpoints.into_iter().filter_map(&mut read).collect();
        Some(Self {
            kind: kind?,
            endpoints,
        })
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CatalogEndpoint {
    interface: String,
    region: Option<String>,
    region_id: Option<String>,
    url: String,
}

impl CatalogEndpoint {
    fn read(row: &mut Row) -> Option<Self> {
        Some(Self {
            interface: row.word("interface")?,
            region: row.text("region"),
            region_id: row.text("region_id"),
            url: row.word("url")?,
        })
    }

    fn is_in(&self, region: &str) -> bool {
        self.region.as_deref() == Some(region) || self.region_id.as_deref() == Some(region)
    }

    fn region(&self) -> &str {
        self.region_id
            .as_deref()
            .or(self.region.as_deref())
            .unwrap_or("no region")
    }
}
