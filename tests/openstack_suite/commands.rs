//! `check` and `plan`, word for word. `OPENSTACK_BLESS=1` writes what they say now.

use super::cloud::word;
use super::pool::{Context, Pool, address_of};
use super::replicas::Behaviour;
use super::rig::{expect, wait};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Output;

/// The fields of a replica that `plan.json` holds; the status page has golden files of its own.
const KEPT: [&str; 9] = [
    "name", "id", "state", "detail", "counts", "address", "free", "locked", "reason",
];

/// Ids, addresses and what the run is called differ each time.
pub(crate) fn masked(text: &str, name: &str) -> String {
    let is_hex = |word: &str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_id = |word: &str| {
        let parts: Vec<&str> = word.split('-').collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        lengths == [8, 4, 4, 4, 12] && parts.iter().all(|part| is_hex(part))
    };
    // Keystone lists roles in any order.
    let text = text
        .replace(name, "<pool>")
        .replace("member, reader", "reader, member");
    let mut masked = String::new();
    for piece in text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || "-.".contains(c))) {
        let word =
            piece.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || "-.".contains(c)));
        let rest = &piece[word.len()..];
        masked.push_str(match word {
            word if is_id(word) => "<id>",
            word if word.starts_with("req-") => "<request>",
            word if word.starts_with("127.") && word != "127.0.0.1" => "<address>",
            word => word,
        });
        masked.push_str(rest);
    }
    masked
}

fn golden(file: &str, output: &Output, code: i32, pool: &Pool<'_>) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let port = format!("{} ", pool.replicas.port);
    compare(file, &masked(&text, &pool.name).replace(&port, "<port> "));
}

pub(crate) fn compare(file: &str, said: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/openstack")
        .join(file);
    if std::env::var("OPENSTACK_BLESS").as_deref() == Ok("1") {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(&path, said).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == said,
        "{file} should say:\n{golden}\nbut it says:\n{said}"
    );
}

pub(crate) fn check(context: &Context) {
    let user = context.cloud.tenant(&context.name);
    let mut pool = Pool::of(context, user, 1);
    let order = json!({"keypair": {"name": "ops"}});
    pool.user.must("POST", "compute", "/os-keypairs", &order);
    pool.set("OPENSTACK_KEYPAIR", "ops");
    std::fs::write(pool.directory.join("init.yml"), "#cloud-config\n").expect("a file");
    pool.set("OPENSTACK_CLOUD_INIT_FILE", "init.yml");
    pool.set("OPENSTACK_SECURITY_GROUPS", "default");
    pool.foreign_server("one", &json!({"group": pool.name.clone()}), "Ext-Net");
    pool.foreign_server("two", &json!({"group": "another"}), "Ext-Net");
    golden("check.txt", &pool.run(&["check"]), 0, &pool);
    for (variable, value) in [
        ("OPENSTACK_FLAVOR", "no such flavor"),
        ("OPENSTACK_IMAGE", "no such image"),
        ("OPENSTACK_NETWORK", "no such network"),
        ("OPENSTACK_KEYPAIR", "no such keypair"),
        ("OPENSTACK_SECURITY_GROUPS", "no such group"),
        ("EXTERNAL_ADDRESS_MANAGEMENT", "true"),
    ] {
        pool.set(variable, value);
    }
    golden("check-wrong.txt", &pool.run(&["check"]), 1, &pool);
    pool.set("OS_PASSWORD", "wrong");
    golden("check-login.txt", &pool.run(&["check"]), 1, &pool);
}

/// One serves, one is done, one is broken, one is paused, and the floor is 3. Nothing is done about it.
pub(crate) fn plan(context: &Context) {
    let mut pool = Pool::new(context, 3);
    let metadata = json!({"group": pool.name.clone()});
    let ids = ["a", "b", "c", "d"].map(|name| pool.foreign_server(name, &metadata, "Ext-Net"));
    context
        .cloud
        .act(&ids[2], &json!({"os-resetState": {"state": "error"}}));
    context.cloud.act(&ids[3], &json!({"pause": null}));
    let servers = wait("the states", 30, || {
        let mut servers = pool.servers();
        servers.sort_by_key(|server| word(&server["name"]));
        let states: Vec<String> = servers
            .iter()
            .map(|server| word(&server["status"]))
            .collect();
        expect(
            states,
            &["ACTIVE", "ACTIVE", "ERROR", "PAUSED"]
                .map(String::from)
                .to_vec(),
        )
        .map(|()| servers)
    });
    pool.replicas.set(address_of(&servers[1]), Behaviour::Done);
    pool.replicas
        .set(address_of(&servers[2]), Behaviour::Closed);
    // A termination flag counts only after the grace; here it is one from long ago.
    pool.set("REPLICA_STARTUP_GRACE", "0");
    let text = masked(
        &String::from_utf8_lossy(&pool.run(&["plan"]).stdout),
        &pool.name,
    );
    // The order within a step is that of the ids, which differ each time.
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..5].sort_unstable();
    let deletions = lines
        .iter()
        .filter(|line| line.starts_with("  delete"))
        .count();
    assert_eq!(deletions, 2, "{text}");
    lines[6..8].sort_unstable();
    compare("plan.txt", &(lines.join("\n") + "\n"));
    let output = pool.run(&["plan", "--json"]);
    let mut json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let actions = json["plan"]["actions"].as_array_mut().expect("actions");
    assert_eq!(actions[2]["action"], "create", "it comes last");
    actions[..2].sort_by_key(|action| word(&action["name"]));
    let mut replicas: Vec<Value> = json["replicas"].as_array().cloned().unwrap_or_default();
    replicas.sort_by_key(|replica| word(&replica["name"]));
    for replica in &mut replicas {
        let kept = KEPT.map(|key| (key.to_owned(), replica[key].take()));
        *replica = Value::Object(kept.into_iter().collect());
    }
    let told = json!({"summary": json["summary"], "replicas": replicas, "plan": json["plan"]});
    compare("plan.json", &masked(&format!("{told:#}\n"), &pool.name));
    assert_eq!(pool.ids().len(), 4, "nothing was done");
    assert_eq!(pool.creations(), 4, "only the tester's");
}
