//! Where a session is at home: one project in one region, from the first login to the end of the process.

use std::collections::BTreeSet;

use super::catalog::{Catalog, Home, Place};
use super::token::TokenInfo;
use crate::cause::Cause;
use crate::config::CloudConfig;
use crate::error::{Error, ErrorKind};
use crate::service::Service;
use crate::text::listed;

/// The services that are looked up in the catalog.
const ASKED: [Service; 3] = [Service::Compute, Service::Network, Service::Image];

/// Takes in where a login led: the first one says where this session is at home, a later one must not lead
/// elsewhere. Whoever started it meant that project and that region.
pub(super) fn settle(
    config: &CloudConfig,
    settled: &mut Option<Home>,
    info: &TokenInfo,
    catalog: &Catalog,
) -> Result<(), Error> {
    let unset = without_a_region(config);
    let Some(project_id) = info.project_id.clone() else {
        return match settled {
            Some(home) => Err(elsewhere("no project", home)),
            None => Ok(()),
        };
    };
    let project_name = info.project_name.clone().unwrap_or_default();
    if let Some(home) = settled {
        if home.project_id != project_id {
            let new = format!("project {project_name} ({project_id})");
            return Err(elsewhere(&new, home));
        }
        let is_gone = |service: &Service| {
            let place = Place::of(config, Some(home), *service);
            let has = catalog.regions(&place);
            !has.is_empty() && !catalog.is_in_region(&place)
        };
        if home.region.is_some() && unset.iter().any(is_gone) {
            let new = format!("region {}", listed(regions(config, catalog, &unset)));
            return Err(elsewhere(&new, home));
        }
        if home.region.is_some() || unset.is_empty() {
            return Ok(());
        }
    }
    let found = regions(config, catalog, &unset);
    if found.len() > 1 {
        let text = format!(
            "no region is configured, and the cloud's catalog has several: {}",
            listed(found.iter().copied())
        );
        let cause = Cause::SeveralRegions(found.into_iter().map(str::to_owned).collect());
        return Err(Error::config(ErrorKind::Catalog, text).because(cause));
    }
    let region = found.first().map(|region| (*region).to_owned());
    let where_to = config.region.as_ref().or(region.as_ref());
    log::info!(
        "logged in as {}, for project {project_name} ({project_id}), region {}; this holds until the end of \
         this process",
        info.user_name.as_deref().unwrap_or("(unnamed user)"),
        where_to.map_or("(unnamed)", String::as_str)
    );
    *settled = Some(Home {
        project_id,
        project_name,
        region,
    });
    Ok(())
}

/// The services for which neither a region nor a URL is configured.
fn without_a_region(config: &CloudConfig) -> Vec<Service> {
    let is_unset = |service: &Service| {
        let place = Place::of(config, None, *service);
        place.region.is_none() && place.endpoint.is_none()
    };
    ASKED.into_iter().filter(is_unset).collect()
}

/// The regions in which the catalog has these services.
fn regions<'c>(
    config: &CloudConfig,
    catalog: &'c Catalog,
    services: &[Service],
) -> BTreeSet<&'c str> {
    services
        .iter()
        .flat_map(|service| catalog.regions(&Place::of(config, None, *service)))
        .collect()
}

fn elsewhere(new: &str, home: &Home) -> Error {
    let region = home
        .region
        .as_ref()
        .map_or_else(String::new, |region| format!(", region {region}"));
    let text = format!(
        "the login leads to {new} now, and this process was started for project {} ({}){region}",
        home.project_name, home.project_id
    );
    Error::config(ErrorKind::Catalog, text).because(Cause::Elsewhere)
}
