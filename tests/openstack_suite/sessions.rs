//! Nothing that may hold a session is deleted on a single word.

use super::cloud::word;
use super::pool::{Context, PATIENCE_S, Pool, address_of};
use super::replicas::Behaviour;
use super::rig::{expect, stays, wait};
use serde_json::{Value, json};
use std::net::IpAddr;

/// A live migration that fails leaves a server in ERROR, and it runs on. Two of four hold calls.
pub(crate) fn error_while_it_answers(context: &Context) {
    let mut pool = Pool::new(context, 2);
    pool.bring_up(2);
    for server in pool.servers() {
        pool.replicas.set(address_of(&server), Behaviour::Free(0));
    }
    pool.wait_up(4);
    let servers = pool.servers();
    let ids: Vec<String> = servers.iter().map(|server| word(&server["id"])).collect();
    let error = json!({"os-resetState": {"state": "error"}});
    for id in &ids {
        context.cloud.act(id, &error);
    }
    stays("the four in ERROR", 12, || {
        let now = pool.ids();
        expect(ids.iter().filter(|id| now.contains(id)).count(), &4)
    });
    // One is done, one dies: these go. The others answer on, and stay.
    let (done, dead) = (&servers[0], &servers[1]);
    pool.replicas.set(address_of(done), Behaviour::Done);
    pool.replicas.set(address_of(dead), Behaviour::Closed);
    wait("the end of two", PATIENCE_S, || {
        let now = pool.ids();
        expect(ids[..2].iter().filter(|id| now.contains(id)).count(), &0)
    });
    stays("the two that answer", 8, || {
        let now = pool.ids();
        expect(ids[2..].iter().filter(|id| now.contains(id)).count(), &2)
    });
    let deletions: Vec<usize> = ids.iter().map(|id| pool.deletions(id)).collect();
    assert_eq!(deletions, [1, 1, 0, 0]);
    context.note("4 in ERROR: the one that was done and the one that died went".to_owned());
}

/// Two say once that they are done, as a status script does while its service restarts; then one is.
pub(crate) fn done_once(context: &Context) {
    let mut pool = Pool::new(context, 2);
    pool.bring_up(2);
    let servers = pool.servers();
    let ids: Vec<String> = servers.iter().map(|server| word(&server["id"])).collect();
    for server in &servers {
        pool.replicas.set(address_of(server), Behaviour::DoneOnce);
    }
    stays("the two", 10, || {
        let now = pool.ids();
        expect(ids.iter().filter(|id| now.contains(id)).count(), &2)
    });
    // They are busy now, so that there are two more.
    pool.wait_up(4);
    pool.replicas.set(address_of(&servers[0]), Behaviour::Done);
    let begin = std::time::Instant::now();
    wait("the deletion", PATIENCE_S, || {
        expect(pool.deletions(&ids[0]), &1)
    });
    let took = begin.elapsed().as_secs_f64();
    pool.wait_replaced(&ids[0], 3);
    assert!(pool.ids().contains(&ids[1]), "the other is untouched");
    assert_eq!(pool.made(), 4, "servers made in all");
    context.note(format!(
        "DELETE seen {took:.1} s after it was done (probes every 0.5 s)"
    ));
}

/// The address of one replica is given to another server of the pool, whose replica is done.
pub(crate) fn address_given_away(context: &Context) {
    let mut pool = Pool::new(context, 2);
    pool.set("OPENSTACK_NETWORK", "internal");
    pool.bring_up(2);
    let first = pool.servers().remove(0);
    let (id, address) = (word(&first["id"]), address_of(&first));
    let port = word(&pool.port_of(&id)["id"]);
    pool.replicas.set(address, Behaviour::Free(0));
    wait("the busy one", 30, || {
        expect(pool.probes_say(&id, "free"), &json!(0))
    });
    // From here on nothing answers there, until the other server does.
    pool.replicas.set(address, Behaviour::Closed);
    let path = format!("/servers/{id}/os-interface/{port}");
    pool.user.must("DELETE", "compute", &path, &Value::Null);
    wait("the end of the port", 60, || {
        let path = format!("/ports/{port}");
        let answer = pool.user.call("GET", "network", &path, &Value::Null)?;
        expect(answer.0, &404)
    });
    let network = context.cloud.id_of("network", "networks", "internal");
    let network = json!({"uuid": network, "fixed_ip": address.to_string()});
    let metadata = json!({"group": pool.name});
    let other = pool.server_on("other", &metadata, &network);
    pool.replicas.set(address, Behaviour::Free(1));
    wait("the other server", 90, || {
        expect(pool.probes_say(&other, "state"), &json!("serving"))
    });
    pool.replicas.set(address, Behaviour::Done);
    wait("the end of the other server", 60, || {
        expect(pool.ids().contains(&other), &false)
    });
    stays("the server without a port", 12, || {
        expect(pool.ids().contains(&id), &true)
    });
    assert_eq!((pool.deletions(&other), pool.deletions(&id)), (1, 0));
}

/// A second, lower address on the port of a replica that holds calls. Nobody answers on it.
pub(crate) fn second_address(context: &Context) {
    let mut external = super::addresses::External::new(context, 2, 1);
    let pool = &mut external.pool;
    pool.set("REPLICA_UNREACHABLE_TIMEOUT", "6");
    let name = pool.name.clone();
    let last: u8 = name
        .bytes()
        .fold(7, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte));
    let [high, low] = [200, 100].map(|third| format!("127.66.{third}.{}", last.max(2)));
    let network = context.cloud.id_of("network", "networks", "internal");
    let network = json!({"uuid": network, "fixed_ip": high});
    let id = pool.server_on("two", &json!({"group": name}), &network);
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    pool.replicas.set(address(&low), Behaviour::Closed);
    external.pool.start();
    external.pool.wait_up(2);
    external.wait_assigned();
    let holder = external.holder(&external.ips[0]);
    let port = external.pool.port_of(&id);
    let mut fixed = port["fixed_ips"].as_array().cloned().unwrap_or_default();
    let subnet = fixed[0]["subnet_id"].clone();
    fixed.push(json!({"subnet_id": subnet, "ip_address": low}));
    let path = format!("/ports/{}", word(&port["id"]));
    let change = json!({"port": {"fixed_ips": fixed}});
    external.pool.user.must("PUT", "network", &path, &change);
    wait("the second address in the list", 60, || {
        let listed = external.pool.server(&id)["addresses"].to_string();
        expect(listed.contains(&low), &true)
    });
    let before = external.pool.replicas.probes(address(&high));
    stays("the replica with two addresses", 20, || {
        expect(external.pool.ids().contains(&id), &true)?;
        expect(external.holder(&external.ips[0]), &holder)?;
        expect(external.pool.serving(), &2)
    });
    let asked = external.pool.replicas.probes(address(&high)) - before;
    assert!(asked > 3, "{asked} probes of the address that has answered");
    assert_eq!(external.pool.deletions(&id), 0);
}
