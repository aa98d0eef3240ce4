//! Floating IPs that cannot be moved, and two writers of one floating IP.

use super::addresses::External;
use super::cloud::{Session, word};
use super::pool::{Context, address_of};
use super::replicas::Behaviour;
use super::rig::{expect, stays, wait};
use serde_json::{Value, json};
use std::sync::Barrier;

/// Rounds of two writers.
const ROUNDS: u64 = 12;

/// A thing of the tester in Neutron, until it goes.
struct Thing<'a> {
    user: &'a Session,
    path: String,
}

impl<'a> Thing<'a> {
    fn new(user: &'a Session, kind: &str, order: &Value) -> Self {
        let path = format!("/{kind}s");
        let made = user.must("POST", "network", &path, &json!({kind: order}));
        let id = word(&made[kind]["id"]);
        let path = format!("{path}/{id}");
        Self { user, path }
    }

    fn id(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

impl Drop for Thing<'_> {
    fn drop(&mut self) {
        let _ = self
            .user
            .call("DELETE", "network", &self.path, &Value::Null);
    }
}

/// What README and ARCHITECTURE say of Neutron: of two writers with the same `If-Match` both may be answered 200, but
/// exactly one of them gets the next revision.
pub(crate) fn two_writers(context: &Context) {
    let cloud = &context.cloud;
    let users = [(); 2].map(|()| Session::scaler());
    let internal = cloud.id_of("network", "networks", "internal");
    let public = cloud.id_of("network", "networks", "public");
    let port = json!({"network_id": internal, "name": context.name});
    let ports = [(); 2].map(|()| Thing::new(&users[0], "port", &port));
    let order = json!({"floating_network_id": public, "description": context.name});
    let ip = Thing::new(&users[0], "floatingip", &order);
    let barrier = Barrier::new(2);
    let (mut both, mut steps) = (0, Vec::new());
    for _ in 0..ROUNDS {
        let free = json!({"floatingip": {"port_id": null}});
        users[0].must("PUT", "network", &ip.path, &free);
        let now = users[0].get("network", &ip.path);
        let revision = now["floatingip"]["revision_number"].as_u64();
        let revision = revision.expect("a revision");
        let write = |writer: usize| {
            let wish = json!({"floatingip": {"port_id": ports[writer].id()}});
            barrier.wait();
            users[writer].put_if_revision(&ip.path, revision, &wish)
        };
        let answers = std::thread::scope(|scope| {
            let other = scope.spawn(|| write(1));
            [write(0), other.join().expect("a writer")]
        });
        let answers = answers.map(|answer| answer.expect("an answer"));
        both += u64::from(answers.iter().all(|(status, _)| *status == 200));
        let won = answers.iter().filter(|(status, answer)| {
            *status == 200 && answer["floatingip"]["revision_number"] == revision + 1
        });
        steps.push(won.count());
    }
    context.note(format!(
        "both were answered 200 in {both} of {ROUNDS} rounds"
    ));
    assert!(
        steps.iter().all(|step| *step == 1),
        "who got 200 and the next revision: {steps:?}"
    );
}

/// Two servers of the tester that the pool takes for its own; the first floating IP is on one of them. Returns the
/// holder and the other.
fn adopted(external: &mut External<'_>) -> [Value; 2] {
    let metadata = json!({"group": external.pool.name});
    for name in ["a", "b"] {
        external.pool.foreign_server(name, &metadata, "internal");
    }
    external.pool.start();
    external.pool.wait_up(2);
    external.wait_assigned();
    holder_first(external)
}

fn holder_first(external: &External<'_>) -> [Value; 2] {
    let holder = external.holder(&external.ips[0]);
    let mut servers = external.pool.servers();
    servers.sort_by_key(|server| server["id"] != holder.as_str());
    servers.try_into().expect("two servers")
}

/// The operator gave a floating IP of another purpose to a server of the pool.
fn operators_ip<'a>(external: &External<'_>, user: &'a Session, server: &Value) -> Thing<'a> {
    let public = external
        .pool
        .context
        .cloud
        .id_of("network", "networks", "public");
    let port = external.pool.port_of(&word(&server["id"]));
    let order = json!({"floating_network_id": public, "port_id": port["id"],
                       "description": format!("operator-{}", external.pool.name)});
    Thing::new(user, "floatingip", &order)
}

/// The only replica that the address could go to is refused by Neutron (409), the floor is met, the holder is done.
pub(crate) fn no_way_out(context: &Context) {
    let mut external = External::new(context, 1, 1);
    let [holder, other] = adopted(&mut external);
    let user = Session::scaler();
    let operators = operators_ip(&external, &user, &other);
    let (ip, id) = (external.ips[0].clone(), word(&holder["id"]));
    external
        .pool
        .replicas
        .set(address_of(&holder), Behaviour::Done);
    let mut told = String::new();
    let begin = std::time::Instant::now();
    wait("the end of the holder", 150, || {
        let blocked = external.pool.blocked().to_string();
        if blocked.len() > told.len() {
            told = blocked;
        }
        expect(external.pool.ids().contains(&id), &false)
    });
    let took = begin.elapsed().as_secs_f64();
    let puts = external.changes(&ip).len() - 1;
    assert!(puts <= 12, "{puts} tries to move it");
    assert!(told.len() > 2, "it was said why it does not go: {told}");
    let log = external.pool.log();
    assert!(log.contains("409"), "with what Neutron answered");
    let status = external.pool.status();
    assert!(status["summary"]["available"].as_u64() >= Some(1));
    let still = user.get("network", &operators.path);
    let port = external.pool.port_of(&word(&other["id"]));
    assert_eq!(still["floatingip"]["port_id"], port["id"], "the operator's");
    context.note(format!(
        "{puts} tries, the holder deleted after {took:.0} s; blocked: {told}"
    ));
    drop(operators);
}

/// The same, but a third replica can take it: it gets the address before the holder goes.
pub(crate) fn another_way_out(context: &Context) {
    let mut external = External::new(context, 2, 1);
    let [holder, other] = adopted(&mut external);
    let user = Session::scaler();
    let operators = operators_ip(&external, &user, &other);
    let (ip, id) = (external.ips[0].clone(), word(&holder["id"]));
    external
        .pool
        .replicas
        .set(address_of(&holder), Behaviour::Done);
    external.pool.wait_replaced(&id, 2);
    let third = external.holder(&ip);
    assert!(external.pool.ids().contains(&third), "it is on a replica");
    assert_ne!(third, word(&other["id"]), "not on the operator's");
    let changes = external.changes(&ip);
    let moved = changes.iter().rfind(|change| change.status() == 200);
    let moved = moved.expect("the move");
    let deletions = context
        .rig
        .requests("DELETE", &format!("/servers/{id}"), "");
    assert_eq!(deletions.len(), 1);
    let ahead = deletions[0].begin() - moved.begin();
    assert!(ahead > 0.0, "moved before the holder was deleted: {ahead}");
    // The proxy notes the end of a request after its answer has left, and so at times after what that has led to.
    let log = external.pool.log();
    let line = |beginning: &str| {
        log.lines()
            .position(|line| line.contains(beginning) && line.contains(": done"))
    };
    let (done, gone) = (line("] move "), line("] delete "));
    assert!(
        done.is_some() && done < gone,
        "line {done:?} tells of the move, {gone:?} of the deletion"
    );
    let tries = changes.len() - 1;
    assert!(tries <= 6, "{tries} tries to move it");
    context.note(format!(
        "{tries} tries, moved {ahead:.1} s before the DELETE"
    ));
    drop(operators);
}

/// Five free addresses of a network that no router leads to, and a good one: the good one is given.
pub(crate) fn unroutable_ones(context: &Context) {
    let mut external = External::new(context, 1, 1);
    let user = Session::scaler();
    let away = context.cloud.id_of("network", "networks", "Ext-Net");
    let order = json!({"floating_network_id": away, "description": external.pool.name});
    let unroutable = [(); 5].map(|()| Thing::new(&user, "floatingip", &order));
    external.pool.start();
    external.wait_assigned();
    external.pool.wait_up(1);
    let tries = |thing: &Thing<'_>| external.changes(thing.id()).len();
    let begin: usize = unroutable.iter().map(tries).sum();
    stays("the good one", 10, || {
        let holder = external.holder(&external.ips[0]);
        expect(external.pool.ids().contains(&holder), &true)
    });
    let end: usize = unroutable.iter().map(tries).sum();
    assert!(end - begin <= 3, "{} more tries in 10 s", end - begin);
    let output = external.pool.run(&["check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for thing in &unroutable {
        let ip = user.get("network", &thing.path);
        let address = word(&ip["floatingip"]["floating_ip_address"]);
        assert!(
            said.contains(&address),
            "{address} is told by check:\n{said}"
        );
    }
    context.note(format!("{end} tries with the five"));
}
