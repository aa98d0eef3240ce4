//! Whether the pool has the floating IPs that it needs, and a way from them to the replicas.

use super::report::Report;
use crate::cloud::ServerTemplate;
use crate::cloud::openstack::failed;
use crate::pool::{Policy, counted};
use openstack_sdk_blocking::{
    Cloud, FloatingIp, FloatingIpQuery, NetworkInfo, Port, PortQuery, Server,
};
use std::collections::BTreeSet;

pub(super) fn floating_ips(
    report: &mut Report,
    cloud: &Cloud,
    template: &ServerTemplate,
    policy: &Policy,
    pool: Option<&[Server]>,
    network: Option<&NetworkInfo>,
) {
    const SUBJECT: &str = "floating IPs";
    let description = &template.floating_ip_description;
    let found = cloud.authenticate().and_then(|token| {
        cloud.network().floating_ips(&FloatingIpQuery {
            project_id: token.project_id,
            ..FloatingIpQuery::default()
        })
    });
    let all = match found {
        Ok(found) => found,
        Err(error) => {
            let error = failed("the floating IPs cannot be listed")(error);
            report.failed(SUBJECT, &error, "");
            return;
        }
    };
    let (of_pool, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|ip| ip.description == *description);
    if of_pool.is_empty() {
        report.error(
            SUBJECT,
            format!(
                "OPENSTACK_FLOATING_IP_DESCRIPTION={description}: no floating IP of the project has that \
                 description ({} have another)",
                others.len()
            ),
            format!(
                "openstack floating ip set --description {description:?} ADDRESS, or floating ip create"
            ),
        );
        return;
    }
    let free = of_pool.iter().filter(|ip| ip.port_id.is_none()).count();
    let outside = outside(&of_pool, pool);
    let count = of_pool.len();
    report.ok(SUBJECT, format!("{count} found, {free} of them free"));
    if let Some(network) = network {
        routes(report, cloud, network, &of_pool);
    }
    let needed = policy.floor.div_ceil(policy.capacity.get());
    if u64::try_from(count - outside.len()).is_ok_and(|usable| usable < needed) {
        report.warning(
            SUBJECT,
            format!("the floor is {}: not each of them gets one", counted(needed, "server")),
            format!("openstack floating ip create --description {description:?} NETWORK, if each should have one"),
        );
    }
    if !outside.is_empty() {
        report.warning(
            SUBJECT,
            format!(
                "on a port outside the pool, and left there: {}",
                outside.join(", ")
            ),
            "openstack floating ip unset --port, if the pool is to have it",
        );
    }
}

/// Those that are on a port of a server that is known not to be the pool's, each with that server.
fn outside(ips: &[FloatingIp], pool: Option<&[Server]>) -> Vec<String> {
    let is_outside =
        |device: &str| pool.is_some_and(|pool| pool.iter().all(|server| server.id != device));
    ips.iter()
        .filter_map(|ip| {
            let device = ip.port_details.as_ref()?.device_id.as_deref()?;
            let address = ip.floating_ip_address;
            (ip.port_id.is_some() && is_outside(device)).then(|| format!("{address} (on {device})"))
        })
        .collect()
}

/// Whether a router leads from the replicas' network to the networks of the floating IPs.
fn routes(report: &mut Report, cloud: &Cloud, network: &NetworkInfo, ips: &[FloatingIp]) {
    const SUBJECT: &str = "floating IPs";
    let query = PortQuery {
        network_id: Some(network.id.clone()),
        ..PortQuery::default()
    };
    let seen = cloud
        .network()
        .routers()
        .and_then(|routers| Ok((routers, cloud.network().ports(&query)?)));
    let (routers, ports) = match seen {
        Ok(seen) => seen,
        Err(error) => {
            let error = failed("the routers cannot be listed")(error);
            report.unseen(SUBJECT, &error);
            return;
        }
    };
    let is_interface = |port: &&Port| {
        let owner = port.device_owner.as_deref().unwrap_or_default();
        owner.starts_with("network:router_interface") || owner.starts_with("network:ha_router")
    };
    let joined: BTreeSet<&str> = ports
        .iter()
        .filter(is_interface)
        .filter_map(|port| port.device_id.as_deref())
        .collect();
    let reached: BTreeSet<&str> = routers
        .iter()
        .filter(|router| joined.contains(router.id.as_str()))
        .filter_map(|router| router.gateway.as_ref()?.network_id.as_deref())
        .collect();
    let unreached: Vec<String> = ips
        .iter()
        .filter(|ip| {
            let from = ip.floating_network_id.as_deref();
            from.is_some_and(|from| !reached.contains(from))
        })
        .map(|ip| ip.floating_ip_address.to_string())
        .collect();
    if unreached.is_empty() {
        return;
    }
    let text = format!(
        "no router leads from {} to the external network of {}: it cannot be put on a replica",
        network.name,
        unreached.join(", ")
    );
    let remedy = "openstack router set --external-gateway and openstack router add subnet, or a floating IP of a \
                  network that a router leads to";
    // Routers of others are hidden, and may lead there from a network that is shared.
    if network.shared {
        report.warning(SUBJECT, text, remedy);
    } else {
        report.error(SUBJECT, text, remedy);
    }
}
