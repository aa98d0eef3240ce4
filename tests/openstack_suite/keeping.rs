//! The pool is held at its floor, and nothing else is touched.

use super::cloud::word;
use super::pool::{Context, PATIENCE_S, Pool, address_of};
use super::replicas::Behaviour;
use super::rig::{expect, stays, wait};
use serde_json::{Value, json};

/// From nothing, with replicas that take their time to boot.
pub(crate) fn floor_reached_and_kept(context: &Context) {
    let mut pool = Pool::new(context, 3);
    pool.replicas.all(Behaviour::Closed);
    pool.start();
    pool.wait_active(3);
    wait("three that are starting", 20, || {
        expect(pool.available(), &Some(3))
    });
    stays("the pool while it boots", 6, || {
        expect(pool.ids().len(), &3)
    });
    pool.replicas.all(Behaviour::Free(1));
    pool.wait_up(3);
    stays("available", 8, || expect(pool.available(), &Some(3)));
    assert_eq!(pool.made(), 3, "servers made in all");
    assert_eq!(pool.creations(), 1, "one request for all three");
    // One vanishes behind the scaler's back.
    let lost = pool.ids().remove(0);
    pool.user.must(
        "DELETE",
        "compute",
        &format!("/servers/{lost}"),
        &Value::Null,
    );
    pool.wait_replaced(&lost, 3);
    pool.assert_settled(4, 6);
    let most = context.watch.most(&pool.name);
    assert_eq!(most, 3, "never a fourth");
    let status = pool.status();
    assert_eq!(
        status["counters"]["failed_cycles"], 0,
        "{}",
        status["incidents"]
    );
    assert!(pool.stop().success());
    context.note(format!(
        "3 made by 1 POST, at most {most} at a time; 1 more for a lost one"
    ));
}

/// What becomes of one of three servers when something is done to it: it is deleted and replaced, once.
/// There are `at_most` so many at a time.
fn replaced_once(context: &Context, at_most: usize, mut harm: impl FnMut(&Pool<'_>, &Value)) {
    let mut pool = Pool::new(context, 3);
    pool.bring_up(3);
    let before = pool.servers();
    let victim = word(&before[0]["id"]);
    harm(&pool, &before[0]);
    pool.wait_replaced(&victim, 3);
    pool.assert_settled(4, 8);
    let ids = pool.ids();
    for other in &before[1..] {
        assert!(
            ids.contains(&word(&other["id"])),
            "only the one is replaced"
        );
    }
    let (deletions, most) = (pool.deletions(&victim), context.watch.most(&pool.name));
    assert_eq!(
        (deletions, pool.creations()),
        (1, 2),
        "deletions of it, creations"
    );
    assert!(most <= at_most, "{most} at a time");
    context.note(format!("1 DELETE, 4 made in all, at most {most} at a time"));
}

pub(crate) fn termination_is_deleted_and_replaced_once(context: &Context) {
    replaced_once(context, 3, |pool, victim| {
        pool.replicas.set(address_of(victim), Behaviour::Done);
    });
}

pub(crate) fn error_is_deleted_and_replaced_once(context: &Context) {
    // One that falls silent is replaced as such, and may be shown as failed only after that.
    replaced_once(context, 4, |pool, victim| {
        pool.replicas.set(address_of(victim), Behaviour::Closed);
        let error = json!({"os-resetState": {"state": "error"}});
        context.cloud.act(&word(&victim["id"]), &error);
    });
}

pub(crate) fn stopped_is_deleted_and_replaced_once(context: &Context) {
    replaced_once(context, 4, |pool, victim| {
        pool.replicas.set(address_of(victim), Behaviour::Closed);
        context
            .cloud
            .act(&word(&victim["id"]), &json!({"os-stop": null}));
    });
}

/// Somebody paused it on purpose: it is replaced, but never deleted.
pub(crate) fn paused_is_kept(context: &Context) {
    let mut pool = Pool::new(context, 2);
    pool.bring_up(2);
    let paused = pool.ids().remove(0);
    context.cloud.act(&paused, &json!({"pause": null}));
    wait("a third server", PATIENCE_S, || {
        expect(pool.ids().len(), &3)
    });
    wait("its state", 30, || {
        expect(
            pool.status()["summary"]["by_state"]["held"].clone(),
            &json!(1),
        )
    });
    stays("the paused server", 6, || {
        expect(pool.ids().contains(&paused), &true)
    });
    context.cloud.act(&paused, &json!({"unpause": null}));
    pool.wait_up(3);
    pool.assert_settled(3, 5);
    assert_eq!(pool.deletions(&paused), 0);
}

/// The operator's way to keep one for a look.
pub(crate) fn locked_is_kept(context: &Context) {
    let mut pool = Pool::new(context, 2);
    pool.bring_up(2);
    let servers = pool.servers();
    let (done, broken) = (word(&servers[0]["id"]), word(&servers[1]["id"]));
    for id in [&done, &broken] {
        context.cloud.act(id, &json!({"lock": null}));
    }
    wait("the locks", 20, || {
        let status = pool.status();
        let replicas = status["replicas"].as_array().into_iter().flatten();
        expect(
            replicas.filter(|replica| replica["locked"] == true).count(),
            &2,
        )
    });
    pool.replicas.set(address_of(&servers[0]), Behaviour::Done);
    context
        .cloud
        .act(&broken, &json!({"os-resetState": {"state": "error"}}));
    // One that answers is not replaced for what the cloud says of it.
    pool.replicas
        .set(address_of(&servers[1]), Behaviour::Closed);
    wait("two more servers", PATIENCE_S, || {
        expect(pool.ids().len(), &4)
    });
    stays("the locked servers", 8, || {
        let ids = pool.ids();
        expect(ids.contains(&done) && ids.contains(&broken), &true)
    });
    assert_eq!(pool.deletions(&done) + pool.deletions(&broken), 0);
    context.cloud.act(&done, &json!({"unlock": null}));
    wait("the end of the unlocked one", PATIENCE_S, || {
        expect(pool.ids().contains(&done), &false)
    });
    stays("the locked one", 4, || {
        expect(pool.ids().contains(&broken), &true)
    });
    assert_eq!(pool.made(), 4, "servers made in all");
}

/// Servers of another group and without metadata, broken, stopped, or with a replica that says it is done.
pub(crate) fn foreign_servers_are_untouched(context: &Context) {
    let mut pool = Pool::new(context, 2);
    let key_of_others = json!({"role": pool.name.clone()});
    let foreign = [
        pool.foreign_server("other", &json!({"group": "another"}), "Ext-Net"),
        pool.foreign_server("bare", &json!({}), "Ext-Net"),
        pool.foreign_server("key", &key_of_others, "Ext-Net"),
    ];
    pool.replicas.all(Behaviour::Done);
    context
        .cloud
        .act(&foreign[0], &json!({"os-resetState": {"state": "error"}}));
    context.cloud.act(&foreign[1], &json!({"os-stop": null}));
    let look = |id: &String| {
        let server = context
            .cloud
            .admin
            .get("compute", &format!("/servers/{id}"));
        word(&server["server"]["status"])
    };
    wait("their states", 30, || {
        let states: Vec<String> = foreign.iter().map(look).collect();
        expect(
            states,
            &["ERROR", "SHUTOFF", "ACTIVE"].map(String::from).to_vec(),
        )
    });
    pool.replicas.all(Behaviour::Free(1));
    pool.start();
    wait("two servers of the pool", PATIENCE_S, || {
        expect(pool.serving(), &2)
    });
    let of_pool: Vec<Value> = pool.servers();
    let own = of_pool
        .iter()
        .find(|server| server["metadata"]["group"] == pool.name.as_str());
    pool.replicas.set(
        address_of(own.expect("a server of the pool")),
        Behaviour::Done,
    );
    wait("a replacement", PATIENCE_S, || expect(pool.made(), &6));
    stays("the foreign servers", 8, || {
        let states: Vec<String> = foreign.iter().map(look).collect();
        expect(
            states,
            &["ERROR", "SHUTOFF", "ACTIVE"].map(String::from).to_vec(),
        )
    });
    for id in &foreign {
        assert_eq!(pool.deletions(id), 0);
    }
    wait("two replicas", 60, || {
        expect(pool.status()["summary"]["replicas"].clone(), &json!(2))
    });
}
