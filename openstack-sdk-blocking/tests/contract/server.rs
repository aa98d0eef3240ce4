//! A scripted HTTP server on a real socket, and the cloud that it plays unless a test says otherwise.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use openstack_sdk_blocking::{
    Auth, Cloud, CloudConfig, DomainRef, ProjectRef, ReqwestTransport, Scope, Transport,
    TransportConfig, UreqTransport, UserRef,
};
use serde_json::{Value, json};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// The how manyth of its connection, from 0.
    pub nth: usize,
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Value,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Status, further headers, body.
    Http(u16, Vec<(&'static str, String)>, String),
    /// An answer that does not announce that the connection is closed after it.
    ThenClose(Box<Reply>),
    /// Exactly these bytes, then nothing more, with the connection open.
    Raw(String),
    /// Exactly these bytes, then the end.
    Cut(String),
    /// These bytes, and then one blank every 20 ms.
    Dribble(String),
    /// The connection is closed without an answer.
    Close,
}

pub fn ok(body: &Value) -> Reply {
    Reply::Http(200, Vec::new(), body.to_string())
}

pub fn status(status: u16, body: &Value) -> Reply {
    Reply::Http(status, Vec::new(), body.to_string())
}

pub type Script = Box<dyn Fn(&Received) -> Option<Reply> + Send + Sync>;

pub struct Server {
    pub port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    /// How far the client's clock is ahead, in seconds.
    ahead: Arc<AtomicU64>,
}

impl Server {
    /// So much time passes for the client.
    pub fn later(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Starts a server that asks `script` first and plays the default cloud otherwise.
    pub fn start(script: impl Fn(&Received) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Script> = Arc::new(Box::new(script));
        let log = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                thread::spawn(move || serve(stream.unwrap(), port, &script, &log));
            }
        });
        Self {
            port,
            received,
            ahead: Arc::default(),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// `METHOD /path?query` of every request so far.
    pub fn lines(&self) -> Vec<String> {
        let line = |request: &Received| {
            let query = if request.query.is_empty() {
                String::new()
            } else {
                format!("?{}", request.query)
            };
            format!("{} {}{query}", request.method, request.path)
        };
        self.received().iter().map(line).collect()
    }

    pub fn count(&self, method: &str, path: &str) -> usize {
        self.received()
            .iter()
            .filter(|request| request.is(method, path))
            .count()
    }

    pub fn last(&self) -> Received {
        self.received().last().unwrap().clone()
    }
}

fn serve(stream: TcpStream, port: u16, script: &Script, log: &Mutex<Vec<Received>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    for nth in 0.. {
        let Some(request) = read_request(&mut reader, nth) else {
            return;
        };
        log.lock().unwrap().push(request.clone());
        let reply = script(&request).unwrap_or_else(|| default_cloud(&request, port));
        if !answer(&mut stream, &reply) {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>, nth: usize) -> Option<Received> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|length| *length > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Received {
        nth,
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}

/// False: the connection is to be closed.
fn answer(stream: &mut TcpStream, reply: &Reply) -> bool {
    match reply {
        Reply::Http(status, headers, body) => {
            let mut text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
            for (name, value) in headers {
                text = format!("{text}{name}: {value}\r\n");
            }
            stream
                .write_all(format!("{text}\r\n{body}").as_bytes())
                .is_ok()
        }
        Reply::ThenClose(reply) => {
            answer(stream, reply);
            false
        }
        Reply::Raw(text) => {
            let _ = stream.write_all(text.as_bytes());
            pause(Duration::from_secs(5));
            false
        }
        Reply::Cut(text) => {
            let _ = stream.write_all(text.as_bytes());
            false
        }
        Reply::Dribble(text) => {
            let _ = stream.write_all(text.as_bytes());
            for _ in 0..500 {
                if stream.write_all(b" ").is_err() {
                    break;
                }
                pause(Duration::from_millis(20));
            }
            false
        }
        Reply::Close => false,
    }
}

pub fn pause(duration: Duration) {
    thread::park_timeout(duration);
}

/// A token answer; `hours` may be fractional.
pub fn token(port: u16, seconds: u64, compute_path: &str) -> Reply {
    let endpoint = |path: &str, region: &str, interface: &str| {
        json!({"id": "e", "interface": interface, "region": region, "region_id": region,
               "url": format!("http://127.0.0.1:{port}{path}")})
    };
    let body = json!({"token": {
    "methods": ["password"], "audit_ids": ["a"], "is_domain": false,
    "issued_at": "2001-01-01T00:00:00.000000Z",
    "expires_at": format!("2001-01-01T{:02}:{:02}:{:02}.000000Z", seconds / 3600, seconds / 60 % 60, seconds % 60),
    "user": {"id": "u1", "name": "scaler", "domain": {"id": "default", "name": "Default"}},
    "project": {"id": "p1", "name": "pool", "domain": {"id": "default", "name": "Default"}},
    "roles": [{"id": "r", "name": "member"}],
    "catalog": [
        {"type": "compute", "name": "nova", "id": "1", "endpoints": [
            endpoint(compute_path, "R1", "public"), endpoint("/elsewhere", "R2", "public")]},
        {"type": "network", "name": "neutron", "id": "2", "endpoints": [
            endpoint("/wrong", "R1", "internal"), endpoint("/network", "R1", "public")]},
        {"type": "image", "name": "glance", "id": "3", "endpoints": [endpoint("/image", "R1", "public")]},
    ]}});
    Reply::Http(
        201,
        vec![("X-Subject-Token", format!("token-{seconds}"))],
        body.to_string(),
    )
}

pub fn nova_versions(highest: &str) -> Reply {
    ok(
        &json!({"version": {"id": "v2.1", "status": "CURRENT", "version": highest, "min_version": "2.1",
        "links": [{"rel": "self", "href": "http://internal.example:8774/v2.1/"}]}}),
    )
}

fn default_cloud(request: &Received, port: u16) -> Reply {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v3/auth/tokens") => token(port, 3600, "/compute/v2.1"),
        ("GET", "/compute/v2.1/") => nova_versions("2.90"),
        ("GET", "/network/") => ok(&json!({"versions": [{"id": "v2.0", "status": "CURRENT",
            "links": [{"rel": "self", "href": "http://internal.example:9696/v2.0/"}]}]})),
        ("GET", "/image/") => status(
            300,
            &json!({"versions": [
            {"id": "v2.9", "status": "CURRENT", "links": [{"rel": "self", "href": "http://internal.example/v2/"}]},
            {"id": "v1.0", "status": "DEPRECATED", "links": [{"rel": "self", "href": "http://internal.example/v1/"}]}]}),
        ),
        ("GET", "/compute/v2.1/servers/detail") => ok(&json!({"servers": []})),
        ("POST", "/compute/v2.1/servers") => {
            status(202, &json!({"server": {"id": "new", "adminPass": "x"}}))
        }
        ("DELETE", _) => Reply::Http(204, Vec::new(), String::new()),
        ("GET", "/network/v2.0/floatingips") => ok(&json!({"floatingips": []})),
        ("GET", "/image/v2/images") => ok(&json!({"images": []})),
        _ => Reply::Http(
            404,
            Vec::new(),
            "<html><h1>404 Not Found</h1></html>".to_owned(),
        ),
    }
}

pub const PASSWORD: &str = "p@ss \"w$rd#1";

pub fn password_auth() -> Auth {
    Auth::Password {
        user: UserRef::Name {
            name: "scaler".to_owned(),
            domain: DomainRef::Name("Default".to_owned()),
        },
        password: PASSWORD.into(),
    }
}

pub fn config(server: &Server) -> CloudConfig {
    let scope = Scope::Project(ProjectRef::Id("p1".to_owned()));
    let mut config = CloudConfig::new(server.url("/v3"), password_auth(), scope);
    config.region = Some("R1".to_owned());
    config.timeout = Duration::from_secs(10);
    config
}

type Named = (&'static str, Box<dyn Transport>);

pub fn transport_makers() -> [fn(&TransportConfig) -> Named; 2] {
    [
        |config| ("ureq", Box::new(UreqTransport::new(config).unwrap())),
        |config| ("reqwest", Box::new(ReqwestTransport::new(config).unwrap())),
    ]
}

pub fn transports() -> Vec<Named> {
    let config = TransportConfig::default();
    transport_makers().map(|make| make(&config)).into()
}

/// Runs a test over each transport, each with a server of its own.
pub fn over_each_transport<S>(
    script: impl Fn() -> S,
    change: impl Fn(&mut CloudConfig),
    test: impl Fn(&str, &Server, &Cloud),
) where
    S: Fn(&Received) -> Option<Reply> + Send + Sync + 'static,
{
    for (name, transport) in transports() {
        let server = Server::start(script());
        let mut config = config(&server);
        change(&mut config);
        let mut cloud = Cloud::with_transport(config, transport).unwrap();
        let ahead = Arc::clone(&server.ahead);
        cloud.set_clock(Arc::new(move || {
            Instant::now() + Duration::from_secs(ahead.load(Ordering::SeqCst))
        }));
        test(name, &server, &cloud);
    }
}
