//! Services that are away, hang or are slow. Each of these disturbs the whole cloud.

use super::cloud::{Session, word};
use super::pool::{Context, PATIENCE_S, Pool, address_of};
use super::replicas::Behaviour;
use super::rig::{Undo, expect, wait};
use serde_json::json;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A replica says that it is done while the cloud is away. Nothing is lost, nothing is done twice.
fn outlives(
    context: &Context,
    away: &[&str],
    back: &'static [&'static str],
    time_s: u64,
    retries: bool,
) {
    let mut pool = Pool::new(context, 2);
    pool.set("OPENSTACK_TIMEOUT", "5");
    pool.bring_up(2);
    let before = pool.servers();
    let victim = &before[0];
    let undo = Undo(&context.rig, back);
    context.rig.ctl(away);
    pool.replicas.set(address_of(victim), Behaviour::Done);
    let begin = Instant::now();
    sleep(Duration::from_secs(time_s));
    let status = pool.status();
    assert!(
        status["counters"]["failed_cycles"].as_u64() > Some(0),
        "{}",
        status["counters"]
    );
    assert_eq!(status["status"], 1, "the daemon is healthy");
    assert_eq!(status["summary"]["replicas"], 2, "it knows what it knew");
    drop(undo);
    let back_after = begin.elapsed();
    pool.wait_replaced(&word(&victim["id"]), 2);
    let healed = begin.elapsed().saturating_sub(back_after).as_secs_f64();
    pool.assert_settled(3, 6);
    assert!(
        pool.ids().contains(&word(&before[1]["id"])),
        "the other is untouched"
    );
    let deletions = pool.deletions(&word(&victim["id"]));
    assert!(
        deletions == 1 || retries && deletions <= 2,
        "{deletions} deletions"
    );
    assert_eq!(pool.creations(), 2);
    let failed = &status["counters"]["failed_cycles"];
    context.note(format!(
        "{failed} failed cycles, replaced {healed:.1} s after its return"
    ));
}

pub(crate) fn nova_stopped(context: &Context) {
    outlives(
        context,
        &["stop", "nova-api"],
        &["start", "nova-api"],
        30,
        false,
    );
}

pub(crate) fn nova_hung(context: &Context) {
    outlives(
        context,
        &["pause", "nova-api"],
        &["resume", "nova-api"],
        30,
        true,
    );
}

/// Slow, but it answers: the floor is reached, and nothing is done twice.
pub(crate) fn nova_slow(context: &Context) {
    let mut pool = Pool::new(context, 2);
    let undo = Undo(&context.rig, &["slow", "off"]);
    context.rig.ctl(&["slow", "3"]);
    pool.bring_up(2);
    let victim = pool.servers().remove(0);
    pool.replicas.set(address_of(&victim), Behaviour::Done);
    pool.wait_replaced(&word(&victim["id"]), 2);
    drop(undo);
    pool.assert_settled(3, 6);
    let status = pool.status();
    assert_eq!(
        status["counters"]["failed_cycles"], 0,
        "{}",
        status["incidents"]
    );
    assert_eq!(pool.creations(), 2);
}

/// Nova's list needs neutron (it asks it for the security groups, and answers 500): with and without external
/// addresses nothing is done until it is back.
pub(crate) fn neutron_stopped(context: &Context) {
    let name = |end: &str| format!("{}{end}", context.name);
    let mut pools = [
        Pool::named(context, name("a"), Session::scaler(), 2),
        Pool::named(context, name("b"), Session::scaler(), 2),
    ];
    pools[0].set("EXTERNAL_ADDRESS_MANAGEMENT", "true");
    for pool in &mut pools {
        pool.start();
    }
    for pool in &pools {
        pool.wait_up(2);
    }
    let undo = Undo(&context.rig, &["start", "neutron"]);
    let victims = pools.each_ref().map(|pool| pool.servers().remove(0));
    context.rig.ctl(&["stop", "neutron"]);
    for (pool, victim) in pools.iter().zip(&victims) {
        pool.replicas.set(address_of(victim), Behaviour::Done);
    }
    sleep(Duration::from_secs(20));
    for (pool, victim) in pools.iter().zip(&victims) {
        let status = pool.status();
        let failed = status["counters"]["failed_cycles"].as_u64();
        assert!(failed > Some(0), "{}", status["counters"]);
        assert_eq!(status["summary"]["replicas"], 2);
        let done = (pool.deletions(&word(&victim["id"])), pool.creations());
        assert_eq!(done, (0, 1), "deletions, creations");
    }
    drop(undo);
    for (pool, victim) in pools.iter().zip(&victims) {
        pool.wait_replaced(&word(&victim["id"]), 2);
        pool.assert_settled(3, 4);
    }
}

/// Past the end of its token it can neither use it nor get a new one.
pub(crate) fn keystone_stopped(context: &Context) {
    const TTL_S: u64 = 25;
    context.rig.ctl(&["token-ttl", &TTL_S.to_string()]);
    let mut pool = Pool::new(context, 2);
    pool.bring_up(2);
    let ids = pool.ids();
    let undo = Undo(&context.rig, &["start", "keystone"]);
    context.rig.ctl(&["stop", "keystone"]);
    sleep(Duration::from_secs(TTL_S + 15));
    let status = pool.status();
    assert!(
        status["counters"]["failed_cycles"].as_u64() > Some(0),
        "{}",
        status["counters"]
    );
    assert_eq!(
        (
            status["status"].clone(),
            status["summary"]["replicas"].clone()
        ),
        (json!(1), json!(2))
    );
    drop(undo);
    context.rig.ctl(&["token-ttl", "3600"]);
    wait("an end of the errors", PATIENCE_S, || {
        expect(pool.log().contains("the cloud can be listed again"), &true)
    });
    pool.wait_up(2);
    assert_eq!(pool.ids(), ids, "nothing was changed");
    let victim = pool.servers().remove(0);
    pool.replicas.set(address_of(&victim), Behaviour::Done);
    pool.wait_replaced(&word(&victim["id"]), 2);
    pool.assert_settled(3, 4);
}
