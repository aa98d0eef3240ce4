//! Tokens and users.

use super::pool::{Context, PATIENCE_S, Pool, address_of};
use super::replicas::Behaviour;
use super::rig::{Undo, expect, stays, wait};
use serde_json::json;

/// Life of a token in seconds.
const TOKEN_TTL_S: u64 = 60;

/// Runs on past the end of several tokens. `OPENSTACK_TOKEN_SECONDS` sets how long.
pub(crate) fn short_tokens(context: &Context) {
    let given = std::env::var("OPENSTACK_TOKEN_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let time_s = given.unwrap_or(TOKEN_TTL_S * 2);
    let _undo = Undo(&context.rig, &["token-ttl", "3600"]);
    context.rig.ctl(&["token-ttl", &TOKEN_TTL_S.to_string()]);
    let mut pool = Pool::new(context, 2);
    pool.bring_up(2);
    let ids = pool.ids();
    stays("the pool", time_s, || {
        let counters = &pool.status()["counters"];
        expect(
            (pool.ids(), counters["failed_cycles"].as_u64()),
            &(ids.clone(), Some(0)),
        )
    });
    let status = pool.status();
    assert_eq!(status["incidents"], json!([]));
    let log = pool.log();
    for word in ["WARN", "ERROR", " 401"] {
        assert!(!log.contains(word), "the log has {word}");
    }
    let logins = log.matches("logged in for").count();
    assert!(logins as u64 > time_s / TOKEN_TTL_S, "{logins} logins");
    context.note(format!(
        "{time_s} s, {logins} logins, {} cycles, no error",
        status["counters"]["cycles"]
    ));
}

/// Nobody is told why; the pool stays as it is and goes on when the user may log in again.
pub(crate) fn user_disabled(context: &Context) {
    let user = context.cloud.tenant(&context.name);
    let path = format!("/users/{}", user.user_id());
    let set = |enabled: bool| {
        let change = json!({"user": {"enabled": enabled}});
        context
            .cloud
            .admin
            .must("PATCH", "identity", &path, &change);
    };
    let mut pool = Pool::of(context, user, 2);
    pool.bring_up(2);
    let victim = pool.servers().remove(0);
    set(false);
    wait("a failed cycle", 40, || {
        expect(
            pool.status()["counters"]["failed_cycles"].as_u64() > Some(0),
            &true,
        )
    });
    pool.replicas.set(address_of(&victim), Behaviour::Done);
    stays("the pool", 8, || expect(pool.ids().len(), &2));
    let status = pool.status();
    assert!(
        status["incidents"].to_string().contains("401"),
        "{}",
        status["incidents"]
    );
    set(true);
    pool.wait_replaced(victim["id"].as_str().unwrap_or_default(), 2);
    wait("an end of the errors", PATIENCE_S, || {
        expect(pool.log().contains("the cloud can be listed again"), &true)
    });
    pool.assert_settled(3, 4);
}

/// The token is worth nothing, a new one is there for the asking: no cycle fails.
pub(crate) fn tokens_revoked(context: &Context) {
    let user = context.cloud.tenant(&context.name);
    let path = format!("/users/{}", user.user_id());
    let mut pool = Pool::of(context, user, 2);
    pool.bring_up(2);
    let logins = pool.log().matches("logged in for").count();
    let same = json!({"user": {"password": super::cloud::TENANT_PASSWORD}});
    context.cloud.admin.must("PATCH", "identity", &path, &same);
    wait("a new login", 30, || {
        expect(pool.log().matches("logged in for").count() > logins, &true)
    });
    let victim = pool.servers().remove(0);
    pool.replicas.set(address_of(&victim), Behaviour::Done);
    pool.wait_replaced(victim["id"].as_str().unwrap_or_default(), 2);
    pool.assert_settled(3, 4);
    let status = pool.status();
    assert_eq!(
        status["counters"]["failed_cycles"], 0,
        "{}",
        status["incidents"]
    );
}
