//! The control API and the faults, over HTTP.

#![allow(clippy::unwrap_used)] // A test.

mod support;

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::Session;

const SERVERS: &str = "/compute/v2.1/servers";

fn mock(session: &Session, method: &str, path: &str, body: &Value) -> Value {
    let answer = session.raw(method, &format!("/mock/{path}"), &[], body);
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json
}

#[test]
fn an_answer_is_lost_but_its_effect_is_not() {
    let session = Session::quick();
    let rule = json!({ "service": "nova", "method": "POST", "path": "/servers$", "drop": "after", "times": 1 });
    mock(&session, "POST", "faults", &rule);
    let order = session.order("a", "Ext-Net");
    assert_eq!(session.call("POST", SERVERS, &order).status, 0);
    assert_eq!(session.cloud.servers().len(), 1);
    let log = mock(
        &session,
        "GET",
        "log?service=compute&method=POST",
        &Value::Null,
    );
    assert_eq!(
        (&log["log"][0]["status"], &log["log"][0]["effect"]),
        (&json!(0), &json!(202))
    );
    assert_eq!(log["log"][0]["body"]["server"]["name"], "a");
    assert_eq!(session.call("POST", SERVERS, &order).status, 202);
}

#[test]
fn a_client_that_gives_up_does_not_undo_its_request() {
    let session = Session::quick();
    mock(
        &session,
        "PUT",
        "faults",
        &json!({ "method": "POST", "delay": 0.2 }),
    );
    let body = session.order("a", "Ext-Net").to_string();
    let mut stream = std::net::TcpStream::connect(session.address()).unwrap();
    let head = format!(
        "POST {SERVERS} HTTP/1.1\r\nX-Auth-Token: {}\r\nContent-Length: {}\r\n\r\n",
        session.token,
        body.len()
    );
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .unwrap();
    std::thread::sleep(Duration::from_millis(50));
    drop(stream);
    assert_eq!(session.cloud.servers().len(), 0);
    assert!(
        session
            .cloud
            .wait(Duration::from_secs(2), |cloud| cloud.servers().len() == 1)
    );
}

#[test]
fn faults_of_every_kind() {
    let session = Session::quick();
    let list = |rule: Value| {
        mock(&session, "PUT", "faults", &rule);
        session.get(SERVERS)
    };
    let busy =
        list(json!({ "status": 429, "headers": { "Retry-After": "3" }, "body": "slow down" }));
    assert_eq!(
        (
            busy.status,
            busy.header("retry-after"),
            busy.body.as_slice()
        ),
        (429, Some("3"), &b"slow down"[..])
    );
    assert_eq!(list(json!({ "drop": "before" })).status, 0);
    assert_eq!(list(json!({ "truncate": 5 })).body.len(), 5);
    assert_eq!(
        list(json!({ "path": "/nothing", "status": 500 })).status,
        200
    );
    assert_eq!(
        list(json!({ "service": "neutron", "status": 500 })).status,
        200
    );
    assert_eq!(
        list(json!({ "probability": 0.0, "status": 500 })).status,
        200
    );
    for key in ["delay", "delay_after"] {
        let start = Instant::now();
        assert_eq!(list(json!({ key: 0.15 })).status, 200);
        assert!(start.elapsed() >= Duration::from_millis(150), "{key}");
    }
    mock(
        &session,
        "PUT",
        "faults",
        &json!({ "status": 500, "after": true }),
    );
    assert_eq!(
        session
            .call("POST", SERVERS, &session.order("a", "Ext-Net"))
            .status,
        500
    );
    assert_eq!(session.cloud.servers().len(), 1);
    mock(&session, "PUT", "faults", &json!({ "status": 500 }));
    assert_eq!(
        session
            .call("POST", SERVERS, &session.order("a", "Ext-Net"))
            .status,
        500
    );
    assert_eq!(session.cloud.servers().len(), 1);
    mock(&session, "DELETE", "faults", &Value::Null);
    assert_eq!(session.get(SERVERS).status, 200);
}

#[test]
fn servers_are_changed_behind_the_clients_back() {
    let session = Session::quick();
    let made = mock(
        &session,
        "POST",
        "servers",
        &json!({ "name": "n", "count": 3, "metadata": { "group": "scaled" }, "booted": true }),
    );
    let id = made["ids"][0].as_str().unwrap();
    mock(
        &session,
        "PUT",
        "servers/n-1",
        &json!({ "vm_state": "paused", "locked": true }),
    );
    let server = session.get(&format!("{SERVERS}/{id}")).json["server"].clone();
    assert_eq!(
        (&server["status"], &server["locked"]),
        (&json!("PAUSED"), &json!(true))
    );
    mock(
        &session,
        "PUT",
        "servers/metadata:group=scaled",
        &json!({ "hidden": true }),
    );
    assert_eq!(session.get(SERVERS).json["servers"], json!([]));
    mock(&session, "DELETE", "servers/n-2", &Value::Null);
    assert_eq!(session.cloud.counters()["vanished"], 1);
    mock(
        &session,
        "PUT",
        "servers/n-3",
        &json!({ "fault": "no disk" }),
    );
    let shown = session
        .get(&format!("{SERVERS}/{}", made["ids"][2].as_str().unwrap()))
        .json;
    assert_eq!(shown["server"]["fault"]["message"], "no disk");
    let wrong = session.raw("PUT", "/mock/servers/n-3", &[], &json!({ "colour": 1 }));
    assert_eq!(
        (
            wrong.status,
            wrong.json["error"].as_str().unwrap().contains("colour")
        ),
        (400, true)
    );
    assert_eq!(
        session
            .raw("GET", "/mock/servers/nobody", &[], &Value::Null)
            .status,
        404
    );
}

#[test]
fn a_list_can_be_stale_or_frozen() {
    let session = Session::quick();
    let count = || {
        session.get(&format!("{SERVERS}/detail")).json["servers"]
            .as_array()
            .unwrap()
            .len()
    };
    let id = session.create("a", "Ext-Net");
    mock(&session, "PUT", "settings", &json!({ "freeze": true }));
    session.create("b", "Ext-Net");
    session.call("DELETE", &format!("{SERVERS}/{id}"), &Value::Null);
    let frozen = session.get(&format!("{SERVERS}/detail")).json["servers"].clone();
    assert_eq!(
        (
            &frozen[0]["name"],
            frozen[0]["addresses"]["Ext-Net"][0]["version"].as_u64()
        ),
        (&json!("a"), Some(4))
    );
    mock(
        &session,
        "PUT",
        "settings",
        &json!({ "freeze": false, "stale": 0.3 }),
    );
    session.create("c", "Ext-Net");
    assert_eq!(count(), 1);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(count(), 2);
}

#[test]
fn the_record_tells_everything() {
    let session = Session::quick();
    session.cloud.clear_log();
    let id = session.create("a", "Ext-Net");
    session.call("DELETE", &format!("{SERVERS}/{id}"), &Value::Null);
    let kinds: Vec<Value> = session
        .cloud
        .events()
        .iter()
        .filter(|event| event["id"] == id.as_str())
        .map(|event| event["kind"].clone())
        .collect();
    assert_eq!(kinds, ["created", "active", "deleting", "deleted"]);
    let counters = session.cloud.counters();
    assert_eq!(
        (
            &counters["created"],
            &counters["deleted"],
            &counters["max_live"]
        ),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(counters["requests"]["nova DELETE /v2.1/servers/ID"], 1);
    assert_eq!(session.cloud.log("service=nova").len(), 2);
}

#[test]
fn callers_take_slots_and_are_lost() {
    let session = Session::with(|config| {
        config.callers = 200.0;
        config.call_time = 0.05;
    });
    session
        .cloud
        .add_servers(&json!({ "count": 3, "booted": true }))
        .unwrap();
    assert!(
        session
            .cloud
            .wait(Duration::from_secs(5), |cloud| cloud.callers()["served"]
                == 3
                && cloud.callers()["active"] == 0)
    );
    let servers = session.cloud.servers();
    assert!(
        servers
            .iter()
            .all(|server| server["termination"] == true && server["capacity"] == 0),
        "{servers:?}"
    );
    assert!(session.cloud.wait(
        Duration::from_secs(5),
        |cloud| cloud.callers()["lost"].as_u64() > Some(10)
    ));
    assert_eq!(session.cloud.callers()["cut"], 0);
}

#[test]
fn two_images_of_a_name() {
    let session = Session::quick();
    mock(&session, "POST", "images", &json!({ "name": "Debian 11" }));
    let found = session
        .get("/image/v2/images?name=Debian%2011&limit=1")
        .json;
    let next = found["next"].as_str().unwrap();
    assert_eq!(
        session.get(&format!("/image{next}")).json["images"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    mock(&session, "DELETE", "images/Debian%2011", &Value::Null);
    assert_eq!(session.get("/image/v2/images").json["images"], json!([]));
}

#[test]
fn an_answer_may_repeat_its_request() {
    let session = Session::quick();
    let rule =
        json!({ "service": "nova", "status": 500, "body": "{\"message\": \"sent: {ECHO}\"}" });
    mock(&session, "POST", "faults", &rule);
    let answer = session.call("POST", SERVERS, &session.order("a \"b\"", "Ext-Net"));
    let message = answer.json["message"].as_str().unwrap();
    assert!(message.contains(&session.token), "{message}");
    assert!(message.contains(r#""a \"b\"""#), "{message}");
    let tokens = mock(&session, "GET", "tokens", &Value::Null);
    assert_eq!(tokens["tokens"], json!([session.token]));
}
