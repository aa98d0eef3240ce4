//! Floating IPs of the pool.

use super::cloud::word;
use super::pool::{Context, PATIENCE_S, Pool, address_of};
use super::replicas::Behaviour;
use super::rig::{expect, stays, wait};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A pool with so many floating IPs of its own.
pub(crate) struct External<'a> {
    pub(crate) pool: Pool<'a>,
    pub(crate) ips: Vec<String>,
}

impl<'a> External<'a> {
    pub(crate) fn new(context: &'a Context, floor: usize, ips: usize) -> Self {
        let mut pool = Pool::new(context, floor);
        pool.set("OPENSTACK_NETWORK", "internal");
        pool.set("EXTERNAL_ADDRESS_MANAGEMENT", "true");
        let network = context.cloud.id_of("network", "networks", "public");
        let order =
            json!({"floatingip": {"floating_network_id": network, "description": pool.name}});
        let make = |_| {
            let made = pool.user.must("POST", "network", "/floatingips", &order);
            word(&made["floatingip"]["id"])
        };
        let ips = (0..ips).map(make).collect();
        Self { pool, ips }
    }

    /// The server that has the floating IP, by its port; empty if nobody has.
    pub(crate) fn holder(&self, ip: &str) -> String {
        let ip = self.pool.user.get("network", &format!("/floatingips/{ip}"));
        let Some(port) = ip["floatingip"]["port_id"].as_str() else {
            return String::new();
        };
        match self
            .pool
            .user
            .call("GET", "network", &format!("/ports/{port}"), &Value::Null)
        {
            Ok((200, port)) => word(&port["port"]["device_id"]),
            _ => String::new(),
        }
    }

    pub(crate) fn holders(&self) -> Vec<String> {
        self.ips.iter().map(|ip| self.holder(ip)).collect()
    }

    /// Waits until every floating IP is on a server of its own.
    pub(crate) fn wait_assigned(&self) {
        wait("the floating IPs", PATIENCE_S, || {
            let holders = self.holders();
            let ids = self.pool.ids();
            let on_pool: BTreeSet<&String> = holders.iter().filter(|id| ids.contains(id)).collect();
            expect(on_pool.len(), &self.ips.len())
        });
    }

    pub(crate) fn changes(&self, ip: &str) -> Vec<super::rig::Entry> {
        self.pool
            .context
            .rig
            .requests("PUT", &format!("/floatingips/{ip}"), "")
    }
}

impl Drop for External<'_> {
    fn drop(&mut self) {
        self.pool.kill();
        for ip in &self.ips {
            let path = format!("/floatingips/{ip}");
            let _ = self
                .pool
                .user
                .call("DELETE", "network", &path, &Value::Null);
        }
    }
}

/// Three on three of four replicas. A terminating holder's goes to the fourth, in one step, before the holder is deleted.
pub(crate) fn assigned_and_moved(context: &Context) {
    let mut external = External::new(context, 4, 3);
    external.pool.bring_up(4);
    external.wait_assigned();
    for ip in &external.ips {
        assert_eq!(external.changes(ip).len(), 1, "one PUT to assign it");
    }
    stays("the floating IPs", 5, || {
        expect(
            external
                .ips
                .iter()
                .map(|ip| external.changes(ip).len())
                .sum::<usize>(),
            &3,
        )
    });
    let (ip, holder) = (external.ips[0].clone(), external.holder(&external.ips[0]));
    let servers = external.pool.servers();
    let holders = external.holders();
    let standby = servers
        .iter()
        .map(|server| word(&server["id"]))
        .find(|id| !holders.contains(id));
    let standby = standby.expect("a standby");
    let of_holder = servers
        .iter()
        .find(|server| server["id"] == holder.as_str());
    external
        .pool
        .replicas
        .set(address_of(of_holder.expect("the holder")), Behaviour::Done);
    external.pool.wait_replaced(&holder, 4);
    assert_eq!(external.holder(&ip), standby, "it is on the standby");
    let changes = external.changes(&ip);
    assert_eq!(changes.len(), 2, "one PUT to move it: {changes:?}");
    let body: Value = serde_json::from_str(changes[1].text("body")).expect("JSON");
    let port = word(&body["floatingip"]["port_id"]);
    let port = external.pool.user.get("network", &format!("/ports/{port}"));
    assert_eq!(
        word(&port["port"]["device_id"]),
        standby,
        "straight from port to port"
    );
    let deletions = context
        .rig
        .requests("DELETE", &format!("/servers/{holder}"), "");
    assert_eq!(deletions.len(), 1);
    let ahead = deletions[0].begin() - changes[1].end();
    assert!(ahead > 0.0, "moved before the holder was deleted: {ahead}");
    external.pool.assert_settled(5, 5);
    let total: usize = external
        .ips
        .iter()
        .map(|ip| external.changes(ip).len())
        .sum();
    assert_eq!(total, 4, "PUTs in all");
    let status = external.pool.status();
    assert_eq!(
        status["counters"]["failed_cycles"], 0,
        "{}",
        status["incidents"]
    );
    context.note(format!(
        "3 assigned by 3 PUTs; moved by 1 PUT, answered {:.0} ms before the DELETE",
        ahead * 1e3
    ));
}

/// The holder accepts and says nothing: it keeps its sessions, and loses the address.
pub(crate) fn moved_from_a_hung_holder(context: &Context) {
    let mut external = External::new(context, 2, 1);
    external.pool.bring_up(2);
    external.wait_assigned();
    let ip = external.ips[0].clone();
    let holder = external.holder(&ip);
    let servers = external.pool.servers();
    let of_holder = servers
        .iter()
        .find(|server| server["id"] == holder.as_str());
    external.pool.replicas.set(
        address_of(of_holder.expect("the holder")),
        Behaviour::Silent,
    );
    let begin = std::time::Instant::now();
    wait("the move", 30, || {
        let now = external.holder(&ip);
        expect(!now.is_empty() && now != holder, &true)
    });
    let took = begin.elapsed().as_secs_f64();
    wait("a replacement", PATIENCE_S, || {
        expect(external.pool.serving(), &2)
    });
    stays("the hung holder", 6, || {
        expect(external.pool.ids().contains(&holder), &true)
    });
    assert_eq!(
        external.changes(&ip).len(),
        2,
        "one PUT to assign it, one to move it"
    );
    assert_eq!(external.pool.deletions(&holder), 0);
    context.note(format!(
        "moved {took:.1} s after the holder went silent (timeout 1 s, 3 failures)"
    ));
}

/// One of the pool's floating IPs was given to a server of somebody else, which is even broken.
pub(crate) fn never_from_a_foreign_port(context: &Context) {
    let mut external = External::new(context, 2, 2);
    let pool = &mut external.pool;
    let stranger = pool.foreign_server("stranger", &json!({"group": "another"}), "internal");
    let ports = pool
        .user
        .get("network", &format!("/ports?device_id={stranger}"));
    let change = json!({"floatingip": {"port_id": ports["ports"][0]["id"]}});
    let taken = external.ips[0].clone();
    external
        .pool
        .user
        .must("PUT", "network", &format!("/floatingips/{taken}"), &change);
    let error = json!({"os-resetState": {"state": "error"}});
    context.cloud.act(&stranger, &error);
    external.pool.bring_up(2);
    wait("the free one", PATIENCE_S, || {
        let holder = external.holder(&external.ips[1]);
        expect(external.pool.ids().contains(&holder), &true)
    });
    // The pool's own holder goes: its address must move, the stranger's must not.
    let holder = external.holder(&external.ips[1]);
    let servers = external.pool.servers();
    let of_holder = servers
        .iter()
        .find(|server| server["id"] == holder.as_str());
    external
        .pool
        .replicas
        .set(address_of(of_holder.expect("the holder")), Behaviour::Done);
    external.pool.wait_replaced(&holder, 2);
    stays("the stranger's", 6, || {
        expect(external.holder(&taken), &stranger)
    });
    let changes = external.changes(&taken);
    assert!(
        changes.len() == 1 && !changes[0].is_of_the_daemon(),
        "{changes:?}"
    );
    assert_eq!(external.changes(&external.ips[1]).len(), 2);
    assert_eq!(external.pool.deletions(&stranger), 0);
}
