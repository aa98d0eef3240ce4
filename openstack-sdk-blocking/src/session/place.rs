//! Where a session is at home, and where its services are to be found.

use crate::config::{CloudConfig, Interface};
use crate::service::Service;

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
