//! Looks at everything that the configuration names, and changes nothing.

use super::error::failed;
use super::lookup::ServerTemplate;
use crate::provider::ProviderError;
use openstack_sdk_blocking::{Cloud, FloatingIpQuery, Limits, NetworkInfo, ServerQuery};

/// One thing that was looked at.
#[derive(Debug)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// What was found, or what is wrong with it.
    pub result: Result<String, ProviderError>,
}

/// Logs in and looks up all that is needed, as far as it gets. After a failed login nothing else
/// is tried.
#[must_use]
pub fn check(cloud: &Cloud, template: &ServerTemplate, external_addresses: bool) -> Vec<Finding> {
    let login = log_in(cloud);
    let is_logged_in = login.is_ok();
    let mut findings = vec![Finding {
        subject: "login",
        result: login,
    }];
    if !is_logged_in {
        findings.push(Finding {
            subject: "cloud-init file",
            result: cloud_init(template),
        });
        return findings;
    }
    let mut add = |subject, result| findings.push(Finding { subject, result });
    add("pool", pool(cloud, template));
    add("flavor", flavor(cloud, template));
    add("image", image(cloud, template));
    add("network", network(cloud, template));
    add("keypair", keypair(cloud, template));
    add("security groups", security_groups(cloud, template));
    add("cloud-init file", cloud_init(template));
    add("instances quota", quota(cloud));
    if external_addresses {
        add("floating IPs", floating_ips(cloud, template));
    }
    findings
}

type Found = Result<String, ProviderError>;

fn log_in(cloud: &Cloud) -> Found {
    let token = cloud
        .authenticate()
        .map_err(failed("the login is not accepted"))?;
    let who = token.user_name.as_deref().unwrap_or("(unnamed user)");
    let project = token.project_name.as_deref().unwrap_or("(no project)");
    let roles = token.roles.join(", ");
    Ok(format!("user {who}, project {project}, roles: {roles}"))
}

fn pool(cloud: &Cloud, template: &ServerTemplate) -> Found {
    let list = cloud
        .compute()
        .list_servers(&ServerQuery::default())
        .map_err(failed("the servers cannot be listed"))?;
    let of_pool = list
        .servers
        .iter()
        .filter(|s| s.metadata.get(&template.metadata_key) == Some(&template.metadata_value))
        .count();
    Ok(format!(
        "{of_pool} of the project's {} servers have {}={}",
        list.servers.len(),
        template.metadata_key,
        template.metadata_value
    ))
}

fn flavor(cloud: &Cloud, template: &ServerTemplate) -> Found {
    let flavor = template.find_flavor(cloud)?;
    let number = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
    Ok(format!(
        "{} ({} vCPU, {} MiB), id {}",
        flavor.name,
        number(flavor.vcpus),
        number(flavor.ram_mib),
        flavor.id
    ))
}

fn image(cloud: &Cloud, template: &ServerTemplate) -> Found {
    let image = template.find_image(cloud)?;
    Ok(format!("{}, id {}", image.name, image.id))
}

fn network(cloud: &Cloud, template: &ServerTemplate) -> Found {
    let network = template.find_network(cloud)?;
    let version = template.ip_version;
    let versions = subnet_versions(cloud, &network)?;
    if !versions.is_empty() && !versions.contains(&version) {
        let message = format!(
            "OPENSTACK_IP_VERSION={version}: the network {} has no IPv{version} subnet",
            network.name
        );
        return Err(super::local(super::ProviderErrorKind::Lookup, message));
    }
    Ok(format!("{}, IPv{version}, id {}", network.name, network.id))
}

/// Subnets of a network that others share may be hidden: then there are none to see.
fn subnet_versions(cloud: &Cloud, network: &NetworkInfo) -> Result<Vec<u8>, ProviderError> {
    let subnets = cloud
        .network()
        .subnets(&network.id)
        .map_err(failed("the network's subnets cannot be listed"))?;
    Ok(subnets.iter().map(|subnet| subnet.ip_version).collect())
}

fn keypair(cloud: &Cloud, template: &ServerTemplate) -> Found {
    Ok(match template.find_keypair(cloud)? {
        Some(keypair) => keypair.name,
        None => "none".to_owned(),
    })
}

fn security_groups(cloud: &Cloud, template: &ServerTemplate) -> Found {
    if template.security_groups.is_empty() {
        return Ok("none named: the project's default".to_owned());
    }
    let groups = template.find_security_groups(cloud)?;
    let told: Vec<String> = groups
        .iter()
        .map(|group| format!("{}, id {}", group.name, group.id))
        .collect();
    Ok(told.join("; "))
}

fn cloud_init(template: &ServerTemplate) -> Found {
    Ok(match (&template.cloud_init_file, template.user_data()?) {
        (Some(path), Some(data)) => {
            format!("{}, {} bytes after encoding", path.display(), data.len())
        }
        _ => "none".to_owned(),
    })
}

fn quota(cloud: &Cloud) -> Found {
    let limits = cloud
        .compute()
        .limits()
        .map_err(failed("the quota cannot be read"))?;
    Ok(match limits {
        Limits {
            max_total_instances: Some(max),
            total_instances_used: Some(used),
            ..
        } if max >= 0 => format!("{used} of {max} used"),
        _ => "no limit".to_owned(),
    })
}

fn floating_ips(cloud: &Cloud, template: &ServerTemplate) -> Found {
    let token = cloud
        .authenticate()
        .map_err(failed("the login is not accepted"))?;
    let query = FloatingIpQuery {
        description: Some(template.floating_ip_description.clone()),
        project_id: token.project_id,
        ..FloatingIpQuery::default()
    };
    let mut found = cloud
        .network()
        .floating_ips(&query)
        .map_err(failed("the floating IPs cannot be listed"))?;
    found.retain(|ip| ip.description == template.floating_ip_description);
    if found.is_empty() {
        let message = format!(
            "OPENSTACK_FLOATING_IP_DESCRIPTION={}: no floating IP of the project has that \
             description",
            template.floating_ip_description
        );
        return Err(super::local(super::ProviderErrorKind::Lookup, message));
    }
    let free = found.iter().filter(|ip| ip.port_id.is_none()).count();
    Ok(format!("{} found, {free} of them free", found.len()))
}
