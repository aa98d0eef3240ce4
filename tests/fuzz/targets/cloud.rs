//! Answers of the cloud, through the client's `Transport`.
//!
//! The first line names what is asked for; `raw` behind it hands the scripted answers also to the login and to
//! discovery. Answers follow, each after a line of `%%`: a line with the status, header lines, an empty line, the body.
//! `{ECHO}` in a body is replaced by what was sent, password and token included; `{TOKEN}` is the token issued.

use super::{PASSWORD, TOKEN, check_error};
use openstack_sdk_blocking::{
    Auth, Cloud, CloudConfig, CreateServer, DomainRef, Error, FloatingIpQuery, FloatingIpUpdate,
    Method, PortQuery, ProjectRef, Request, Response, Scope, Secret, ServerQuery, Transport,
    TransportError, TransportErrorKind, UserRef,
};
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

const USER_DATA: &str = "I2Nsb3VkLWNvbmZpZwpwYXNzd29yZDogc2VjcmV0Cg==";

/// Any answer is a value or an error; a list is whole or an error; nothing secret is told.
pub fn check(data: &[u8]) {
    let is_in = |secret: &str| {
        data.windows(secret.len())
            .any(|part| part == secret.as_bytes())
    };
    if [PASSWORD, TOKEN, USER_DATA].into_iter().any(is_in) {
        // What the cloud says without having been told is no secret of ours.
        return;
    }
    let mut parts = split(data, b"\n%%\n").into_iter();
    let head = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let mut words = head.split_whitespace();
    let (operation, raw) = (
        words.next().unwrap_or_default(),
        words.next() == Some("raw"),
    );
    let script = Script {
        raw,
        began_raw: raw,
        answers: parts.map(answer).collect(),
        given: Vec::new(),
        requests: 0,
    };
    let script = Arc::new(Mutex::new(script));
    let cloud = Cloud::with_transport(config(), Box::new(Fake(Arc::clone(&script)))).unwrap();
    let outcome = run(&cloud, operation);
    let script = script.lock().unwrap();
    assert!(script.requests <= 1_100, "{} requests", script.requests);
    match outcome {
        Ok(items) => judge(&script, items),
        Err(error) => {
            check_error(&error);
            let text = format!("{error} {error:?}");
            assert!(!text.contains(USER_DATA), "user data is shown: {text}");
            assert!(!error.to_string().contains('\n'));
            if let Some(wait) = error.retry_after() {
                assert!(wait.as_secs() <= 24 * 3600);
            }
        }
    }
    assert!(!format!("{cloud:?}").contains(PASSWORD));
}

/// A list that was taken for whole: its pages are good, the last one has no next link, and what can be read of them is
/// there.
fn judge(script: &Script, items: Option<(&'static str, usize)>) {
    let (Some((key, count)), false) = (items, script.began_raw) else {
        return;
    };
    let is_servers = key == "servers";
    let good = |given: &&Response| given.status != 401;
    let (mut sum, mut ids, mut of_chain) = (0, BTreeSet::new(), BTreeSet::new());
    let (mut is_whole, mut chain_is_whole) = (false, true);
    for page in script.given.iter().filter(good) {
        let is_good = (200..300).contains(&page.status);
        let body = serde_json::from_slice::<Value>(&page.body).ok();
        if is_good && body.is_none() && String::from_utf8_lossy(&page.body).contains(key) {
            // Its elements are told apart although one of them is no JSON.
            return;
        }
        let list = body.as_ref().and_then(|body| body[key].as_array());
        let Some((body, list)) = body.as_ref().zip(list).filter(|_| is_good) else {
            // After servers that are building, the list is asked to go on without a link, which may be refused.
            assert!(is_servers && is_whole, "{} {body:?}", page.status);
            chain_is_whole = false;
            of_chain.clear();
            continue;
        };
        sum += list.len();
        of_chain.extend(list.iter().filter_map(id));
        let links = body[format!("{key}_links")]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let more = !body["next"].is_null() || links.iter().any(|link| link["rel"] == "next");
        chain_is_whole = !more;
        if chain_is_whole {
            is_whole = true;
            ids.append(&mut of_chain);
        }
    }
    assert!(is_whole, "the list broke off");
    assert!(chain_is_whole || is_servers, "the list broke off");
    assert!(count <= sum, "{count} of {sum}");
    // A server that is listed in two states stays in the list twice: which of them holds is not known.
    assert!(
        !is_servers || count >= ids.len(),
        "{count} of {}",
        ids.len()
    );
}

/// An id as it can be read: a text that is not empty, not too long, and printable.
fn id(item: &Value) -> Option<String> {
    let id = item.get("id")?.as_str()?;
    let is_plain = !id.trim().is_empty() && id.chars().count() <= 255;
    (is_plain && !id.chars().any(char::is_control)).then(|| id.to_owned())
}

type Outcome = Result<Option<(&'static str, usize)>, Error>;

fn run(cloud: &Cloud, operation: &str) -> Outcome {
    let (nova, neutron, glance) = (cloud.compute(), cloud.network(), cloud.image());
    let of = |key: &'static str| move |count: usize| Some((key, count));
    let nothing = |_| None;
    match operation {
        "login" => cloud.authenticate().map(|_| None),
        "server" => nova.server("x/../y").map(|_| None),
        "create" => nova.create_servers(&order()).map(|_| None),
        "delete" => nova.delete_server("id").map(|()| None),
        "flavors" => nova.flavors().map(|l| l.len()).map(of("flavors")),
        "keypairs" => nova.keypairs().map(|l| l.len()).map(of("keypairs")),
        "keypair" => nova.keypair("ops").map(|_| None),
        "limits" => nova.limits().map(|_| None),
        "zones" => nova
            .availability_zones()
            .map(|l| l.len())
            .map(of("availabilityZoneInfo")),
        "subnets" => neutron.subnets("n").map(|l| l.len()).map(of("subnets")),
        "groups" => neutron
            .security_groups(None)
            .map(|l| l.len())
            .map(of("security_groups")),
        "images" => glance
            .images(Some("Debian 11"))
            .map(|l| l.len())
            .map(of("images")),
        "image" => glance
            .find_images("0e7e9caf-bfd3-4d7d-89df-c495e1fb0c91")
            .map(|_| None),
        "networks" => neutron.networks(None).map(|l| l.len()).map(of("networks")),
        "find-networks" => neutron
            .find_networks("Ext-Net")
            .map(|l| l.len())
            .map(nothing),
        "ports" => {
            let query = PortQuery {
                ids: vec!["a".to_owned()],
                ..PortQuery::default()
            };
            neutron.ports(&query).map(|l| l.len()).map(of("ports"))
        }
        "floating-ips" => {
            let list = neutron.floating_ips(&FloatingIpQuery::default());
            list.map(|l| l.len()).map(of("floatingips"))
        }
        "floating-ip" => neutron.floating_ip("id").map(|_| None),
        "move" => {
            let change = FloatingIpUpdate::default();
            neutron
                .update_floating_ip("id", &change, Some(3))
                .map(|_| None)
        }
        _ => {
            let list = nova.list_servers(&ServerQuery::default())?;
            Ok(Some(("servers", list.servers.len())))
        }
    }
}

fn order() -> CreateServer {
    CreateServer {
        name: "server".to_owned(),
        user_data: Some(USER_DATA.to_owned()),
        ..CreateServer::default()
    }
}

fn config() -> CloudConfig {
    let domain = DomainRef::Id("default".to_owned());
    let user = UserRef::Name {
        name: "scaler".to_owned(),
        domain: domain.clone(),
    };
    let auth = Auth::Password {
        user,
        password: Secret::new(PASSWORD),
    };
    let project = ProjectRef::Name {
        name: "scaler".to_owned(),
        domain,
    };
    CloudConfig::new("http://cloud/identity", auth, Scope::Project(project))
}

struct Script {
    /// Whether the login and discovery are scripted, too.
    raw: bool,
    /// As it was at first.
    began_raw: bool,
    answers: VecDeque<Response>,
    /// Those that were given to anything but the login and discovery.
    given: Vec<Response>,
    requests: usize,
}

struct Fake(Arc<Mutex<Script>>);

impl Transport for Fake {
    fn send(&self, request: &Request) -> Result<Response, TransportError> {
        let mut script = self.0.lock().unwrap();
        script.requests += 1;
        if let Some(standard) = standard(request).filter(|_| !script.raw) {
            return Ok(standard);
        }
        let lost = || TransportError::new(TransportErrorKind::Lost, "the script has ended");
        let mut response = script.answers.pop_front().ok_or_else(lost)?;
        echo(&mut response, request);
        if script.answers.is_empty() && script.raw {
            // So that what comes after a good login is reached, too.
            script.raw = false;
        } else {
            script.given.push(response.clone());
        }
        Ok(response)
    }
}

fn echo(response: &mut Response, request: &Request) {
    let text = String::from_utf8_lossy(&response.body);
    if !text.contains("{ECHO}") {
        return;
    }
    let sent = String::from_utf8_lossy(request.body.as_deref().unwrap_or_default());
    let quoted = Value::from(format!("{:?} {sent}", request.headers)).to_string();
    response.body = text
        .replace("{ECHO}", quoted.trim_matches('"'))
        .into_bytes();
}

/// The login and discovery of a cloud that is well.
fn standard(request: &Request) -> Option<Response> {
    let body = match request.url.strip_prefix("http://cloud")? {
        "/identity/" => json!({"versions": {"values": [{"id": "v3.14", "status": "stable"}]}}),
        "/identity/v3/auth/tokens" if request.method == Method::Post => {
            let service = |kind: &str, path: &str| json!({"type": kind, "endpoints": [{"interface": "public", "region": "R", "url": format!("http://cloud{path}")}]});
            json!({"token": {"catalog": [
                service("compute", "/compute/v2.1"), service("network", "/network/v2.0"), service("image", "/image/v2"),
            ]}})
        }
        "/compute/v2.1/" => {
            json!({"version": {"id": "v2.1", "status": "CURRENT", "version": "2.96", "min_version": "2.1"}})
        }
        _ => return None,
    };
    Some(Response {
        status: 200,
        headers: vec![("x-subject-token".to_owned(), TOKEN.to_owned())],
        body: body.to_string().into_bytes(),
    })
}

fn answer(bytes: &[u8]) -> Response {
    let (head, body) = match bytes.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&bytes[..at], &bytes[at + 2..]),
        None => (bytes, &b""[..]),
    };
    let head = String::from_utf8_lossy(head).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.trim().parse().ok());
    Response {
        status: status.unwrap_or(200),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .map(|(name, value)| match name.as_str() {
                "x-subject-token" => (name, value.replace("{TOKEN}", TOKEN)),
                _ => (name, value),
            })
            .collect(),
        body: body.to_vec(),
    }
}

fn split<'a>(data: &'a [u8], mark: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(mark.len()).position(|part| part == mark) {
        parts.push(&rest[..at]);
        rest = &rest[at + mark.len()..];
    }
    parts.push(rest);
    parts
}
