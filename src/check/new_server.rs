//! What a new server is made of, and whether it fits together.

use super::report::Report;
use crate::cloud::ServerTemplate;
use crate::cloud::openstack::{failed, is_community};
use crate::pool::Policy;
use openstack_sdk_blocking::{Cloud, Flavor, ImageInfo, NetworkInfo, SecurityGroup, nearest};
use std::fmt::Write as _;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

pub(super) fn flavor(
    report: &mut Report,
    cloud: &Cloud,
    template: &ServerTemplate,
    is_admin: bool,
) -> Option<Flavor> {
    const SUBJECT: &str = "flavor";
    let flavor = match template.find_flavor(cloud) {
        Ok(flavor) => flavor,
        Err(error) => {
            report.failed(SUBJECT, &error, "openstack flavor list shows what there is");
            return None;
        }
    };
    let number = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let text = format!(
        "{} ({} vCPU, {} MiB, disk {} GiB), id {}",
        flavor.name,
        number(flavor.vcpus),
        number(flavor.ram_mib),
        number(flavor.disk_gib),
        flavor.id
    );
    if flavor.disabled {
        let text = format!("{text}: it is disabled, nothing can be created of it");
        report.error(SUBJECT, text, "set OPENSTACK_FLAVOR to another one");
    } else {
        report.ok(SUBJECT, text);
    }
    if flavor.disk_gib == Some(0) {
        report.hindered(
            is_admin,
            SUBJECT,
            format!(
                "{} has no disk: Nova refuses a server of it (403) that does not boot from a volume, and the daemon \
                 boots from the image",
                flavor.name
            ),
            "set OPENSTACK_FLAVOR to one with a disk",
        );
    }
    Some(flavor)
}

pub(super) fn image(
    report: &mut Report,
    cloud: &Cloud,
    template: &ServerTemplate,
    flavor: Option<&Flavor>,
) {
    const SUBJECT: &str = "image";
    let (image, others) = match template.find_images(cloud) {
        Ok(found) => found,
        Err(error) => {
            report.failed(SUBJECT, &error, "openstack image list shows what there is");
            return;
        }
    };
    let size = image
        .size
        .map(|size| format!(" ({} MiB)", size.div_ceil(MIB)));
    let size = size.unwrap_or_default();
    report.ok(SUBJECT, format!("{}{size}, id {}", image.name, image.id));
    if is_community(&image) {
        report.warning(
            SUBJECT,
            format!(
                "{} is a community image of project {}: anybody can make one of any name",
                image.name,
                image.owner.as_deref().unwrap_or("(unknown)")
            ),
            format!(
                "set OPENSTACK_IMAGE={}, if that is the one that is meant",
                image.id
            ),
        );
    }
    if !others.is_empty() {
        let others: Vec<&str> = others.iter().map(|image| image.id.as_str()).collect();
        report.warning(
            SUBJECT,
            format!(
                "{} active images are named {}; the newest is taken, not {}",
                others.len() + 1,
                image.name,
                others.join(", ")
            ),
            "set OPENSTACK_IMAGE to the id that is meant, or delete the others",
        );
    }
    if let Some(flavor) = flavor {
        for problem in too_small(flavor, &image) {
            report.error(
                "flavor",
                format!("{}: too small for {}: {problem}", flavor.name, image.name),
                "set OPENSTACK_FLAVOR to a larger one",
            );
        }
    }
}

/// Why Nova would refuse the image on that flavor. A root disk of 0 is as large as the image.
fn too_small(flavor: &Flavor, image: &ImageInfo) -> Vec<String> {
    let mut problems = Vec::new();
    if let (Some(has), Some(needs)) = (flavor.ram_mib, image.min_ram_mib)
        && has < needs
    {
        problems.push(format!("memory of {has} MiB, the image wants {needs} MiB"));
    }
    if let Some(disk) = flavor.disk_gib.filter(|disk| *disk > 0) {
        if let Some(needs) = image.min_disk_gib.filter(|needs| disk < *needs) {
            problems.push(format!("disk of {disk} GiB, the image wants {needs} GiB"));
        }
        if let Some(size) = image.size.filter(|size| disk.saturating_mul(GIB) < *size) {
            let size = size.div_ceil(MIB);
            problems.push(format!(
                "disk of {disk} GiB, the image itself has {size} MiB"
            ));
        }
    }
    problems
}

pub(super) fn network(
    report: &mut Report,
    cloud: &Cloud,
    template: &ServerTemplate,
    policy: &Policy,
    is_admin: bool,
) -> Option<NetworkInfo> {
    const SUBJECT: &str = "network";
    let network = match template.find_network(cloud) {
        Ok(network) => network,
        Err(error) => {
            report.failed(
                SUBJECT,
                &error,
                "openstack network list shows what there is",
            );
            return None;
        }
    };
    let subnets = match cloud.network().subnets(&network.id) {
        Ok(subnets) => subnets,
        Err(error) => {
            let error = failed("the network's subnets cannot be listed")(error);
            report.unseen(SUBJECT, &error);
            return Some(network);
        }
    };
    let version = template.ip_version;
    // Subnets of a network that others share may be hidden: then there are none to see, but their ids.
    let are_hidden = subnets.is_empty() && !network.subnets.is_empty();
    let has = |version| are_hidden || subnets.iter().any(|s| s.ip_version == version);
    let name = &network.name;
    usable(report, &network, template, is_admin);
    if subnets.is_empty() && !are_hidden {
        report.error(
            SUBJECT,
            format!("{name} has no subnet: servers on it get no address, and Nova refuses them"),
            format!("openstack subnet create --network {name} ..., or set OPENSTACK_NETWORK to another one"),
        );
        return Some(network);
    }
    if has(version) {
        let text = format!("{}, IPv{version}, id {}", network.name, network.id);
        report.ok(SUBJECT, text);
    } else {
        report.error(
            SUBJECT,
            format!("OPENSTACK_IP_VERSION={version}: the network {name} has no IPv{version} subnet"),
            "set OPENSTACK_IP_VERSION to the version that it has, or OPENSTACK_NETWORK to another one",
        );
    }
    if policy.external_addresses && !has(4) {
        report.error(
            SUBJECT,
            format!(
                "{} has no IPv4 subnet, which a floating IP leads to",
                network.name
            ),
            "set OPENSTACK_NETWORK to one with IPv4, or EXTERNAL_ADDRESS_MANAGEMENT=false",
        );
    }
    Some(network)
}

/// Whether Nova makes ports on that network as they are wanted.
fn usable(report: &mut Report, network: &NetworkInfo, template: &ServerTemplate, is_admin: bool) {
    const SUBJECT: &str = "network";
    let name = &network.name;
    if network.external && !network.shared {
        report.hindered(
            is_admin,
            SUBJECT,
            format!("{name} is external and not shared: Nova refuses servers on it (403)"),
            "set OPENSTACK_NETWORK to a network of the project, or to a shared one",
        );
    }
    if network.port_security_enabled == Some(false) && !template.security_groups.is_empty() {
        report.error(
            SUBJECT,
            format!("{name} has no port security: Nova refuses servers with OPENSTACK_SECURITY_GROUPS on it (400)"),
            "unset OPENSTACK_SECURITY_GROUPS, or set OPENSTACK_NETWORK to one with port security",
        );
    }
}

pub(super) fn zone(report: &mut Report, cloud: &Cloud, template: &ServerTemplate) {
    const SUBJECT: &str = "zone";
    let Some(wanted) = &template.availability_zone else {
        return;
    };
    match cloud.compute().availability_zones() {
        Ok(zones) if zones.contains(wanted) => report.ok(SUBJECT, wanted.as_str()),
        Ok(zones) => report.error(
            SUBJECT,
            match nearest(wanted, zones.iter().map(String::as_str)) {
                Some(name) => format!(
                    "OPENSTACK_AVAILABILITY_ZONE={wanted}: there is no such zone; did you mean {name}?"
                ),
                None => format!("OPENSTACK_AVAILABILITY_ZONE={wanted}: there is no such zone"),
            },
            format!("set it to one of: {}", zones.join(", ")),
        ),
        Err(error) => {
            let error = failed("the availability zones cannot be listed")(error);
            report.unseen(SUBJECT, &error);
        }
    }
}

pub(super) fn keypair(report: &mut Report, cloud: &Cloud, template: &ServerTemplate) {
    const SUBJECT: &str = "keypair";
    match template.find_keypair(cloud) {
        Ok(Some(keypair)) => report.ok(SUBJECT, keypair.name),
        Ok(None) => report.ok(SUBJECT, "none"),
        Err(error) => report.failed(
            SUBJECT,
            &error,
            "openstack keypair list shows those of this user; each user has their own",
        ),
    }
}

/// The groups that new servers get: those that are named, or else the project's `default`.
pub(super) fn security_groups(
    report: &mut Report,
    cloud: &Cloud,
    template: &ServerTemplate,
    port: u16,
    project: Option<&str>,
) {
    const SUBJECT: &str = "security groups";
    let is_default = template.security_groups.is_empty();
    let found = if is_default {
        let listed = cloud.network().security_groups(Some("default"));
        listed.map_err(failed("the security groups cannot be listed"))
    } else {
        template.find_security_groups(cloud)
    };
    let mut groups = match found {
        Ok(groups) => groups,
        Err(error) => {
            // Without a name there is none to look up for the daemon.
            if is_default {
                report.unseen(SUBJECT, &error);
            } else {
                let remedy = "openstack security group list shows what there is";
                report.failed(SUBJECT, &error, remedy);
            }
            return;
        }
    };
    if is_default {
        // An administrator is shown every project's.
        groups.retain(|group| group.project_id.as_deref() == project);
        report.ok(SUBJECT, "none named: the project's default");
    } else {
        let told: Vec<String> = groups
            .iter()
            .map(|group| format!("{}, id {}", group.name, group.id))
            .collect();
        report.ok(SUBJECT, told.join("; "));
    }
    let version = template.ip_version;
    let admits = |group: &SecurityGroup| group.rules.iter().any(|r| r.admits_tcp(port, version));
    if groups.is_empty() || groups.iter().any(admits) {
        return;
    }
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    let mut remedy =
        format!("openstack security group rule create --protocol tcp --dst-port {port}");
    if version == 6 {
        remedy.push_str(" --ethertype IPv6");
    }
    // Writing to a string cannot fail.
    let _ = write!(remedy, " --remote-ip ADDRESS-OF-THIS-MACHINE {}", names[0]);
    report.warning(
        SUBJECT,
        format!(
            "no rule of {} lets this machine in to port {port} (REPLICA_API_PORT) over IPv{version}",
            names.join(", ")
        ),
        remedy,
    );
}

pub(super) fn cloud_init(report: &mut Report, template: &ServerTemplate) {
    const SUBJECT: &str = "cloud-init file";
    let content = match (&template.cloud_init_file, template.cloud_init()) {
        (Some(path), Ok(Some(content))) => {
            let bytes = content.len();
            report.ok(SUBJECT, format!("{}, {bytes} bytes", path.display()));
            content
        }
        (_, Err(error)) => {
            report.failed(
                SUBJECT,
                &error,
                "OPENSTACK_CLOUD_INIT_FILE has to name a readable file",
            );
            return;
        }
        _ => {
            report.ok(SUBJECT, "none");
            return;
        }
    };
    if let Some(problem) = ignored_by_cloud_init(&content) {
        report.warning(
            SUBJECT,
            format!("cloud-init will not run it: {problem}"),
            "its first line has to be #cloud-config, or #! and the path of an interpreter",
        );
    }
}

/// Why cloud-init does not know what the file is, by its beginning (cloud-init's documentation,
/// "User-data formats").
fn ignored_by_cloud_init(content: &[u8]) -> Option<&'static str> {
    const KNOWN: [&[u8]; 9] = [
        b"#cloud-config",
        b"#cloud-boothook",
        b"#include",
        b"#part-handler",
        b"#upstart-job",
        b"## template: jinja",
        b"Content-Type:",
        b"MIME-Version:",
        b"\x1f\x8b",
    ];
    let first_line = content
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    if content.is_empty() {
        return Some("it is empty");
    }
    if content.starts_with(b"\xef\xbb\xbf") {
        return Some("it begins with a byte order mark");
    }
    if first_line.starts_with(b"#!") {
        return first_line
            .ends_with(b"\r")
            .then_some("its first line ends like one of Windows (CR LF)");
    }
    let is_known = KNOWN.iter().any(|beginning| content.starts_with(beginning));
    (!is_known).then_some("its first line is of no kind that cloud-init knows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flavor_that_is_too_small_is_told() {
        let check = |ram, disk, min_ram, min_disk, size: u64, expected: &[&str]| {
            let flavor = Flavor {
                id: String::new(),
                name: String::new(),
                vcpus: None,
                ram_mib: Some(ram),
                disk_gib: Some(disk),
                disabled: false,
            };
            let image = ImageInfo {
                id: String::new(),
                name: String::new(),
                status: String::new(),
                visibility: None,
                owner: None,
                created_at: None,
                updated_at: None,
                size: Some(size),
                min_disk_gib: Some(min_disk),
                min_ram_mib: Some(min_ram),
            };
            assert_eq!(too_small(&flavor, &image), expected);
        };
        check(512, 1, 0, 0, GIB, &[]);
        check(
            512,
            1,
            513,
            0,
            1,
            &["memory of 512 MiB, the image wants 513 MiB"],
        );
        check(512, 1, 0, 2, 1, &["disk of 1 GiB, the image wants 2 GiB"]);
        check(
            512,
            1,
            0,
            0,
            GIB + 1,
            &["disk of 1 GiB, the image itself has 1025 MiB"],
        );
        check(512, 0, 512, 20, 20 * GIB, &[]);
    }

    #[test]
    fn cloud_init_knows_files_by_their_beginning() {
        let check = |content: &[u8], is_known: bool| {
            assert_eq!(
                ignored_by_cloud_init(content).is_none(),
                is_known,
                "{content:?}"
            );
        };
        check(b"#cloud-config\nruncmd: []\n", true);
        check(b"#!/bin/sh\necho\n", true);
        check(b"#!/bin/sh\r\necho\r\n", false);
        check(b"\x1f\x8b\x08", true);
        check(b"Content-Type: multipart/mixed; boundary=x\n", true);
        check(b"## template: jinja\n#cloud-config\n", true);
        check(b"#include\nhttps://example.org/x\n", true);
        check(b"runcmd: []\n", false);
        check(b"# cloud-config\n", false);
        check(b"\xef\xbb\xbf#cloud-config\n", false);
        check(b"\n#cloud-config\n", false);
        check(b"", false);
    }
}
