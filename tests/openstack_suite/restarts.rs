//! What a new daemon knows of the old one's servers, and lists that are not to be believed.

use super::cloud::word;
use super::making::make_image;
use super::pool::{Context, PATIENCE_S, Pool, address_of};
use super::replicas::Behaviour;
use super::rig::{Faults, expect, stays, wait};
use super::watch::is_there;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The key with which a server is marked when it has first had something free.
const SERVED: &str = "simplescalevm.served";

/// Of two servers one never came up, and the other went silent while no daemon ran. Only the first one goes.
pub(crate) fn never_came_up(context: &Context) {
    let mut pool = Pool::new(context, 2);
    pool.set("REPLICA_STARTUP_GRACE", "10");
    pool.set("REPLICA_STARTUP_TIMEOUT", "25");
    pool.replicas.all(Behaviour::Closed);
    pool.start();
    pool.wait_active(2);
    let servers = pool.servers();
    let [served, never] = [0, 1].map(|n| word(&servers[n]["id"]));
    pool.replicas
        .set(address_of(&servers[0]), Behaviour::Free(1));
    wait("the one that serves", 60, || expect(pool.serving(), &1));
    // A cloud that takes no mark is no reason to fail here: what counts is what becomes of the two.
    let begin = Instant::now();
    while pool.server(&served)["metadata"][SERVED].is_null() && begin.elapsed().as_secs() < 20 {
        sleep(Duration::from_millis(500));
    }
    let marks = [&served, &never].map(|id| pool.server(id)["metadata"].clone());
    pool.kill();
    for server in &servers {
        pool.replicas.set(address_of(server), Behaviour::Closed);
    }
    pool.replicas.all(Behaviour::Free(1));
    pool.start();
    wait("the end of the one that never came up", 120, || {
        expect(pool.ids().contains(&never), &false)
    });
    wait("the new ones", PATIENCE_S, || {
        expect(pool.serving() >= 2, &true)
    });
    stays("the one that has served", 12, || {
        expect(pool.ids().contains(&served), &true)
    });
    assert_eq!((pool.deletions(&never), pool.deletions(&served)), (1, 0));
    assert!(!marks[0][SERVED].is_null(), "it is marked: {}", marks[0]);
    assert!(marks[1][SERVED].is_null(), "it is not: {}", marks[1]);
}

/// The list shows a server only 75 s after it was made.
pub(crate) fn lagging_list(context: &Context) {
    let mut pool = Pool::new(context, 3);
    let lag = json!([{"method": "GET", "path": "/servers/detail$", "agent_lacks": "tester",
                      "hide": {"name_has": pool.name, "younger": 75}}]);
    let faults = Faults::new(&context.rig, "nova", &pool.name, &lag);
    pool.start();
    wait("the first servers", PATIENCE_S, || {
        expect(context.watch.most(&pool.name) >= 3, &true)
    });
    stays("the pool", 85, || {
        expect(context.watch.most(&pool.name), &3)
    });
    drop(faults);
    pool.wait_up(3);
    pool.assert_settled(3, 4);
    let posts = pool.creations();
    assert_eq!(posts, 1, "POSTs");
}

/// Every other list is empty, as with one broken API node of two.
pub(crate) fn half_empty_lists(context: &Context) {
    let mut pool = Pool::new(context, 3);
    pool.bring_up(3);
    let ids = pool.ids();
    let empty = json!([{"method": "GET", "path": "/servers/detail$", "agent_lacks": "tester",
                        "probability": 0.7, "hide": {"name_has": pool.name}}]);
    let faults = Faults::new(&context.rig, "nova", &pool.name, &empty);
    stays("the pool", 40, || expect(pool.ids(), &ids));
    drop(faults);
    pool.wait_up(3);
    assert_eq!(pool.made(), 3, "servers made in all");
    let doubted = pool.log().matches("the list lacks").count();
    context.note(format!("7 of 10 lists empty; {doubted} lines about it"));
}

/// SIGKILL while the creation is on its way to the cloud, which carries it out a little later, and a restart at once.
pub(crate) fn killed_before_it_is_made(context: &Context) {
    let mut pool = Pool::new(context, 3);
    pool.set("SCALING_INTERVAL", "5");
    let late = json!([{"method": "POST", "path": "/servers$", "body_has": pool.name,
                       "times": 1, "delay": 2}]);
    let faults = Faults::new(&context.rig, "nova", &pool.name, &late);
    pool.start();
    wait("the creation", 90, || {
        expect(context.rig.held(&pool.name) > 0, &true)
    });
    pool.kill();
    drop(faults);
    pool.bring_up(3);
    assert_eq!(pool.made(), 3, "servers made in all");
    assert!(pool.log().contains("has just started"), "{}", pool.log());
    pool.assert_settled(3, 3);
}

/// A newer image of the same name is used for the next server, without a refusal.
pub(crate) fn newer_image(context: &Context) {
    let mut pool = Pool::new(context, 1);
    let name = pool.name.clone();
    let old = make_image(context, &name);
    pool.set("OPENSTACK_IMAGE", &name);
    pool.bring_up(1);
    let first = pool.servers().remove(0);
    assert_eq!(first["image"]["id"], old.as_str());
    // The cloud's clock counts whole seconds.
    sleep(Duration::from_secs(2));
    let new = make_image(context, &name);
    let begin = Instant::now();
    // Names are looked up every five minutes.
    wait("the new image in the log", 400, || {
        expect(pool.log().contains(&new), &true)
    });
    let took = begin.elapsed().as_secs();
    stays("the server of the old image", 4, || {
        expect(pool.ids(), &vec![word(&first["id"])])
    });
    pool.replicas.set(address_of(&first), Behaviour::Done);
    pool.wait_replaced(&word(&first["id"]), 1);
    assert_eq!(pool.servers()[0]["image"]["id"], new.as_str());
    pool.assert_settled(2, 4);
    context.note(format!("found after {took} s"));
    pool.kill();
    pool.clean_up();
    for image in [&old, &new] {
        let path = format!("/images/{image}");
        let admin = &context.cloud.admin;
        admin.must("DELETE", "image", &path, &Value::Null);
    }
}

/// Two outages with half a minute between: the second one is told as the first one was.
pub(crate) fn two_outages(context: &Context) {
    let user = context.cloud.tenant(&context.name);
    let mut pool = Pool::of(context, user, 1);
    pool.bring_up(1);
    let ids = pool.ids();
    let rule = json!([{"method": "GET", "path": "/servers/detail$", "agent_lacks": "tester",
                       "answer_has": ids[0], "status": 500}]);
    let mut told = Vec::new();
    let again = "the cloud can be listed again";
    for _ in 1..=2 {
        let before = pool.log().len();
        let failed = pool.status()["counters"]["failed_cycles"].as_u64();
        let faults = Faults::new(&context.rig, "nova", &pool.name, &rule);
        sleep(Duration::from_secs(20));
        drop(faults);
        wait("the end of the outage", 90, || {
            // Between two lists of an outage one may come through.
            let is_over = pool.log()[before..].contains(again);
            let fails = pool.status()["severity_reasons"].to_string();
            expect(is_over && !fails.contains("cannot-list"), &true)
        });
        let now = pool.status()["counters"]["failed_cycles"].as_u64();
        let failed = now.unwrap_or_default() - failed.unwrap_or_default();
        let log = pool.log()[before..].to_owned();
        let warnings: Vec<String> = log
            .lines()
            .filter(|line| line.contains("WARN") || line.contains("ERROR"))
            .map(str::to_owned)
            .collect();
        told.push((failed, warnings));
        sleep(Duration::from_secs(4));
    }
    let [(_, first), (failed, second)] = &told[..] else {
        panic!("two outages: {told:?}");
    };
    context.note(format!(
        "{} and {} warnings, {failed} failed lists in the second",
        first.len(),
        second.len()
    ));
    assert!(!second.is_empty(), "the second outage is told: {told:#?}");
    assert!(second[0].contains("500"), "with its cause: {second:#?}");
    assert!(
        !second[0].contains("in a row"),
        "from the first one on: {second:#?}"
    );
    // Counts in a row are of this outage, not of both.
    let count = |line: &String| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words
            .windows(2)
            .position(|pair| pair[1].starts_with("times"));
        at.and_then(|at| words[at].trim_matches('(').parse::<u64>().ok())
    };
    let most = second.iter().filter_map(count).max().unwrap_or(1);
    assert!(most <= *failed, "{most} times of {failed}: {second:#?}");
    assert_eq!(pool.ids(), ids);
    let left = pool.servers();
    assert!(left.iter().all(is_there) && pool.made() == 1);
}
