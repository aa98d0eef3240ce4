//! Where the services are: what discovery found, and how long it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::discovery::{self, Endpoint, Start};
use super::http::Http;
use crate::clock::monotonic_now;
use crate::error::Error;
use crate::service::Service;
use crate::transport::{Method, Request, Response};
use crate::url::Url;

/// How long an endpoint without discovery holds before discovery is tried again.
const PROVISIONAL_FOR: Duration = Duration::from_secs(60);

/// The endpoints of the services.
#[derive(Default)]
pub(super) struct Endpoints {
    found: BTreeMap<Service, Found>,
    /// Those of which it was told that they do not list their versions.
    told: BTreeSet<Service>,
}

struct Found {
    endpoint: Endpoint,
    /// The URL, as the catalog has it, that discovery began at.
    catalog_url: String,
    since: Instant,
}

impl Endpoints {
    /// A service's endpoint, if there is one that still holds.
    pub(super) fn get(&self, service: Service) -> Option<&Endpoint> {
        let found = self.found.get(&service)?;
        holds(&found.endpoint, found.since.elapsed()).then_some(&found.endpoint)
    }

    /// Keeps an endpoint, and tells once what it means if discovery failed.
    pub(super) fn put(&mut self, service: Service, catalog_url: &str, endpoint: Endpoint) {
        match shortcoming(service, &endpoint) {
            None => {
                self.told.remove(&service);
            }
            Some(text) if self.told.insert(service) => {
                log::warn!("{service}: {}: {text}", endpoint.url);
            }
            Some(_) => {}
        }
        let found = Found {
            endpoint,
            catalog_url: catalog_url.to_owned(),
            since: monotonic_now(),
        };
        self.found.insert(service, found);
    }

    /// Forgets where a service is.
    pub(super) fn remove(&mut self, service: Service) {
        self.found.remove(&service);
    }

    /// After a login: forgets the endpoints that the catalog shows elsewhere now, and those to try again.
    pub(super) fn keep_those(&mut self, is_still_there: impl Fn(Service, &str) -> bool) {
        self.found.retain(|service, found| {
            *service == Service::Identity
                || (!found.endpoint.provisional && is_still_there(*service, &found.catalog_url))
        });
    }
}

/// Finds where a service's API begins: its URL shows it, or `send` asks there.
pub(super) fn find(
    http: &Http,
    service: Service,
    catalog_url: &Url,
    send: impl FnOnce(&Request) -> Result<Response, Error>,
) -> Result<Endpoint, Error> {
    let asked = match discovery::start(service, catalog_url) {
        Start::Known(url) => return Ok(Endpoint::known(url)),
        Start::Ask(url) => url,
    };
    let request = http.request(Method::Get, format!("{asked}/"));
    let response = send(&request)?;
    let found = match response.status {
        200..=300 => discovery::read(service, catalog_url, &asked, &response),
        301..=499 if !matches!(response.status, 408 | 413 | 429) => {
            log::debug!("{service}: {asked}/ answered with {}", response.status);
            None
        }
        _ => return Err(http.refused(service, &request, &response, &http.redactor(None))),
    };
    Ok(found.unwrap_or_else(|| discovery::fallback(service, catalog_url)))
}

fn holds(endpoint: &Endpoint, age: Duration) -> bool {
    !endpoint.provisional || age < PROVISIONAL_FOR
}

/// What is missing from an endpoint, with what follows from that and the remedy.
fn shortcoming(service: Service, endpoint: &Endpoint) -> Option<&'static str> {
    match service {
        Service::Compute if !endpoint.tells_locks() => Some(
            "no microversion was found there, so that Nova does not show whether servers are locked, and a locked \
             one may be deleted; let this client read Nova's versions (GET) there",
        ),
        _ if endpoint.provisional => Some("it did not list its versions; going on without"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::discovery::{Endpoint, Microversion, fallback};
    use super::{PROVISIONAL_FOR, holds, shortcoming};
    use crate::service::Service;
    use crate::url::Url;
    use std::time::Duration;

    #[test]
    fn a_discovery_that_failed_is_tried_again_within_a_minute() {
        let url = Url::parse("http://nova/v2.1").expect("a URL");
        let provisional = fallback(Service::Compute, &url);
        assert!(holds(&provisional, PROVISIONAL_FOR / 2));
        assert!(!holds(&provisional, PROVISIONAL_FOR));
        assert!(PROVISIONAL_FOR <= Duration::from_secs(60));
        assert!(holds(&Endpoint::known(url), PROVISIONAL_FOR * 100));
    }

    #[test]
    fn an_endpoint_that_cannot_tell_locks_is_told_of() {
        use Service::{Compute, Network};
        let url = Url::parse("http://nova/v2.1").expect("a URL");
        let with = |highest| Endpoint {
            microversions: Some((Microversion(2, 1), highest)),
            ..Endpoint::known(url.clone())
        };
        let check = |service, endpoint: &Endpoint, expected: Option<&str>| {
            let told = shortcoming(service, endpoint);
            let as_expected = match (told, expected) {
                (Some(told), Some(part)) => told.contains(part),
                (told, expected) => told.is_none() && expected.is_none(),
            };
            assert!(as_expected, "{service}: {told:?}");
        };
        check(Compute, &with(Microversion(2, 9)), None);
        check(Compute, &with(Microversion(2, 8)), Some("locked"));
        check(Compute, &Endpoint::known(url.clone()), Some("locked"));
        check(Compute, &fallback(Compute, &url), Some("locked"));
        check(Network, &fallback(Network, &url), Some("versions"));
        check(Network, &Endpoint::known(url.clone()), None);
    }
}
