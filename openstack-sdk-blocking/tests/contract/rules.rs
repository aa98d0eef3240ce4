//! Security groups with their rules, and availability zones.

use openstack_sdk_blocking::Cloud;
use serde_json::{Value, json};

use crate::server::{Received, Server, config, ok, over_each_transport, transports};

/// As Neutron writes it.
fn rule(change: &Value) -> Value {
    let mut rule = json!({"id": "r1", "security_group_id": "g1", "direction": "ingress", "ethertype": "IPv4",
        "protocol": "tcp", "port_range_min": 8080, "port_range_max": 8090, "remote_ip_prefix": "0.0.0.0/0",
        "remote_group_id": null, "remote_address_group_id": null, "normalized_cidr": "0.0.0.0/0"});
    for (key, value) in change.as_object().unwrap() {
        rule[key] = value.clone();
    }
    rule
}

#[test]
fn a_rule_admits_what_it_says() {
    let check = |change: Value, port: u16, version: u8, expected: bool| {
        let body =
            json!({"security_groups": [{"id": "g1", "security_group_rules": [rule(&change)]}]});
        let server = Server::start(move |request| {
            let is_list = request.path == "/network/v2.0/security-groups";
            is_list.then(|| ok(&body))
        });
        let transport = transports().remove(0).1;
        let cloud = Cloud::with_transport(config(&server), transport).unwrap();
        let mut groups = cloud.network().security_groups(None).unwrap();
        let rule = groups.remove(0).rules.remove(0);
        assert_eq!(
            rule.admits_tcp(port, version),
            expected,
            "{change}, port {port}"
        );
    };
    check(json!({}), 8080, 4, true);
    check(json!({}), 8090, 4, true);
    check(json!({}), 8091, 4, false);
    check(json!({}), 8079, 4, false);
    check(json!({}), 8080, 6, false);
    check(json!({"ethertype": "IPv6"}), 8080, 6, true);
    check(json!({"direction": "egress"}), 8080, 4, false);
    check(json!({"protocol": "udp"}), 8080, 4, false);
    check(json!({"protocol": "6"}), 8080, 4, true);
    check(json!({"remote_group_id": "g1"}), 8080, 4, false);
    let everything = json!({"protocol": null, "port_range_min": null, "port_range_max": null, "remote_ip_prefix": null});
    check(everything, 1, 4, true);
}

#[test]
fn groups_come_with_their_rules_and_zones_by_name() {
    let script = || {
        |request: &Received| {
            let reply = match request.path.as_str() {
                "/network/v2.0/security-groups" => json!({"security_groups": [
                    {"id": "g1", "name": "web", "project_id": "p1", "security_group_rules": [rule(&json!({}))]},
                    {"id": "g2", "name": "web", "security_group_rules": null}]}),
                "/compute/v2.1/os-availability-zone" => json!({"availabilityZoneInfo": [
                    {"zoneName": "nova", "zoneState": {"available": true}, "hosts": null},
                    {"zoneName": "old", "zoneState": {"available": false}},
                    {"zoneName": "bare"}]}),
                _ => return None,
            };
            Some(ok(&reply))
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, _, cloud| {
            let groups = cloud.network().security_groups(None).unwrap();
            let rules: Vec<usize> = groups.iter().map(|group| group.rules.len()).collect();
            assert_eq!(rules, [1, 0], "{name}");
            let zones = cloud.compute().availability_zones().unwrap();
            assert_eq!(zones, ["nova", "bare"], "{name}");
        },
    );
}
