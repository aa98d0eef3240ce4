//! Servers and floating IPs that come, move and go.

use openstack_sdk_blocking::{
    AddressKind, Cloud, ErrorKind, FloatingIp, FloatingIpQuery, FloatingIpUpdate, Microversion,
    Port, PortQuery, ServerQuery,
};

use crate::{Cleanup, DESCRIPTION, cloud, named, order, setting, wait_for};

#[test]
fn more_than_the_quota_allows() {
    let Some((cloud, _turn)) = cloud("more_than_the_quota_allows") else {
        return;
    };
    let name = "quota";
    let cleanup = Cleanup {
        cloud: &cloud,
        name,
    };
    let limit = cloud
        .compute()
        .limits()
        .unwrap()
        .max_total_instances
        .unwrap();
    let Ok(limit) = u32::try_from(limit) else {
        eprintln!("more_than_the_quota_allows: skipped, the cloud sets no limit");
        return;
    };
    let mut many = order(&cloud, name);
    (many.min_count, many.max_count) = (Some(limit + 1), Some(limit + 1));
    let error = cloud.compute().create_servers(&many).unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Quota, Some(403)),
        "{error}"
    );
    assert!(!error.outcome_unknown());
    drop(cleanup);
}

#[test]
fn servers_come_and_go() {
    let Some((cloud, _turn)) = cloud("servers_come_and_go") else {
        return;
    };
    let name = "servers";
    let cleanup = Cleanup {
        cloud: &cloud,
        name,
    };
    let compute = cloud.compute();
    let mut several = order(&cloud, name);
    (several.min_count, several.max_count) = (Some(1), Some(3));
    let created = compute.create_servers(&several).unwrap();
    let servers = wait_for("the servers", || {
        let servers = named(&cloud, name);
        assert!(
            servers.iter().all(|server| server.status != "ERROR"),
            "{servers:?}"
        );
        (servers.len() == 3 && servers.iter().all(|server| server.status == "ACTIVE"))
            .then_some(servers)
    });
    assert!(servers.iter().any(|server| server.id == created.id));
    for server in &servers {
        assert_eq!(server.metadata, several.metadata, "{server:?}");
        assert_eq!(server.vm_state.as_deref(), Some("active"), "{server:?}");
        assert_eq!(server.locked, Some(false), "{server:?}");
        assert!(
            server.launched_at >= server.created_at && server.created_at.is_some(),
            "{server:?}"
        );
        assert!(
            server.addresses.values().flatten().count() > 0,
            "{server:?}"
        );
        assert_eq!(server.image_id.as_deref(), Some(several.image.as_str()));
    }
    let one_a_page = ServerQuery {
        page_size: Some(1),
        ..ServerQuery::default()
    };
    let paged = compute.list_servers(&one_a_page).unwrap();
    let whole = compute.list_servers(&ServerQuery::default()).unwrap();
    assert!(paged.pages >= 3, "{} pages", paged.pages);
    assert_eq!(paged.servers, whole.servers);
    assert!(whole.date >= servers[0].created_at, "the answer has a date");
    let old = compute
        .with_microversion(Microversion(2, 1))
        .server(&created.id)
        .unwrap();
    assert_eq!(old.locked, None, "locked needs 2.9");
    compute.delete_server(&created.id).unwrap();
    wait_for("the end of a server", || {
        (named(&cloud, name).len() == 2).then_some(())
    });
    let again = compute.delete_server(&created.id).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound, "{again}");
    drop(cleanup);
}

/// Two servers and their ports.
fn two_ports(cloud: &Cloud, name: &str) -> Vec<Port> {
    let mut two = order(cloud, name);
    (two.min_count, two.max_count) = (Some(2), Some(2));
    cloud.compute().create_servers(&two).unwrap();
    wait_for("the ports", || {
        let servers = named(cloud, name);
        let active = servers.iter().filter(|server| server.status == "ACTIVE");
        let ports: Vec<_> = active
            .flat_map(|server| {
                let query = PortQuery {
                    device_ids: vec![server.id.clone()],
                    ..PortQuery::default()
                };
                cloud.network().ports(&query).unwrap()
            })
            .collect();
        (ports.len() == 2).then_some(ports)
    })
}

/// A conditional change. The revision is read first, since it may grow after the answer of the last change: the cloud
/// sets the status afterwards.
fn change(cloud: &Cloud, id: &str, change: &FloatingIpUpdate) -> FloatingIp {
    wait_for("a change", || {
        let now = cloud.network().floating_ip(id).unwrap();
        match cloud
            .network()
            .update_floating_ip(id, change, now.revision_number)
        {
            Ok(changed) => Some(changed),
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => None,
            Err(error) => panic!("{error}"),
        }
    })
}

#[test]
fn a_floating_ip_moves() {
    let Some((cloud, _turn)) = cloud("a_floating_ip_moves") else {
        return;
    };
    let name = "fip";
    let cleanup = Cleanup {
        cloud: &cloud,
        name,
    };
    let ports = two_ports(&cloud, name);
    let network = cloud.network();
    let by_ids = PortQuery {
        ids: ports.iter().map(|port| port.id.clone()).collect(),
        page_size: Some(1),
        ..PortQuery::default()
    };
    let by_servers = PortQuery {
        device_ids: ports
            .iter()
            .filter_map(|port| port.device_id.clone())
            .collect(),
        page_size: Some(1),
        ..PortQuery::default()
    };
    assert_eq!(
        network.ports(&by_servers).unwrap().len(),
        2,
        "so are servers"
    );
    assert_eq!(
        network.ports(&by_ids).unwrap().len(),
        2,
        "ids are one of, and pages are read"
    );
    let pool = network
        .find_networks(&setting("FLOATING_NETWORK", "public"))
        .unwrap();
    let created = network
        .create_floating_ip(&pool[0].id, DESCRIPTION)
        .unwrap();
    assert_eq!(
        (created.description.as_str(), created.port_id.as_deref()),
        (DESCRIPTION, None)
    );
    for port in &ports {
        let moved = change(&cloud, &created.id, &FloatingIpUpdate::to_port(&port.id));
        assert_eq!(moved.port_id.as_deref(), Some(port.id.as_str()));
        assert_eq!(moved.fixed_ip_address, Some(port.fixed_ips[0].ip_address));
    }
    let stale = network.update_floating_ip(
        &created.id,
        &FloatingIpUpdate::detach(),
        created.revision_number,
    );
    assert_eq!(stale.unwrap_err().kind(), ErrorKind::PreconditionFailed);
    let other = network
        .create_floating_ip(&pool[0].id, DESCRIPTION)
        .unwrap();
    let taken = network
        .update_floating_ip(&other.id, &FloatingIpUpdate::to_port(&ports[1].id), None)
        .unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Conflict, "{taken}");
    check_holder(&cloud, &created, &ports[1]);
    let free = change(&cloud, &created.id, &FloatingIpUpdate::detach());
    assert_eq!((free.port_id, free.fixed_ip_address), (None, None));
    drop(cleanup);
}

/// The list of addresses and the server itself name the holder.
fn check_holder(cloud: &Cloud, address: &FloatingIp, port: &Port) {
    let query = FloatingIpQuery {
        description: Some(DESCRIPTION.to_owned()),
        page_size: Some(1),
        ..FloatingIpQuery::default()
    };
    let listed = cloud.network().floating_ips(&query).unwrap();
    assert_eq!(listed.len(), 2, "{listed:?}");
    let held = listed
        .iter()
        .find(|listed| listed.id == address.id)
        .unwrap();
    let device = held
        .port_details
        .as_ref()
        .and_then(|details| details.device_id.clone());
    assert_eq!(device, port.device_id, "{held:?}");
    let seen = wait_for("the address in the server", || {
        let server = cloud.compute().server(port.device_id.as_deref()?).unwrap();
        let mut all = server.addresses.into_values().flatten();
        all.find(|seen| seen.addr == address.floating_ip_address)
    });
    assert_eq!(seen.kind, AddressKind::Floating);
}
