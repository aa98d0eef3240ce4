//! `make demo`: a mock cloud with callers, and the real daemon beside it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use simplescalevm_mock::{MockCloud, MockCloudConfig};

const HELP: &str = "Runs the daemon against a mock cloud with simulated callers.

Usage: demo [DAEMON]

DAEMON is the program to run: the argument, or DEMO_DAEMON, or `simplescalevm` beside this program.
  DEMO_SECONDS     end after so many seconds (until Ctrl-C)
  DEMO_PORT        port of the status page (8000; 0: any, the daemon's log names it)
  DEMO_CALLERS     callers per second (0.2)
  DEMO_CALL_TIME   mean length of a call in seconds (8)
  DEMO_FLOOR       free slots to keep (5)
  DEMO_BUILD_TIME  seconds that a server builds (2)
  DEMO_BOOT_TIME   seconds that a server boots (2)
  DEMO_SEED        seed of the callers (1)
Any setting of the daemon in the environment, such as PROBE_INTERVAL or LOG_LEVEL, is handed on to it.
";

/// Like `println!`, but whether anybody reads it does not matter.
macro_rules! say {
    ($($part:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($part)*);
    }};
}

/// Prefixes of the daemon's settings that are handed on; the cloud's own are set here.
const HANDED_ON: [&str; 6] = [
    "REPLICA_",
    "PROBE_",
    "SCALING_",
    "LOG_",
    "EXTERNAL_",
    "APP_",
];

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--help" || argument == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("demo: {problem}");
            ExitCode::from(2)
        }
    }
}

fn setting<T: std::str::FromStr>(name: &str, default: &str) -> Result<T, String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    let value = value.unwrap_or_else(|| default.to_owned());
    value
        .parse()
        .map_err(|_| format!("{name}: {value:?} is not understood; see --help"))
}

fn seconds(name: &str, default: &str) -> Result<Duration, String> {
    let value: f64 = setting(name, default)?;
    Duration::try_from_secs_f64(value).map_err(|_| format!("{name}: {value} is no time"))
}

fn daemon_path() -> Result<PathBuf, String> {
    let named = std::env::args()
        .nth(1)
        .or_else(|| std::env::var("DEMO_DAEMON").ok());
    let path = match named {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()
            .map_err(|error| error.to_string())?
            .with_file_name("simplescalevm"),
    };
    path.canonicalize()
        .map_err(|error| format!("{}: {error}; build it first, or name it", path.display()))
}

/// Runs until the end; `false` if the daemon ended by itself or badly.
fn run() -> Result<bool, String> {
    let daemon = daemon_path()?;
    let end = match setting::<f64>("DEMO_SECONDS", "0")? {
        0.0 => None,
        _ => Some(Instant::now() + seconds("DEMO_SECONDS", "0")?),
    };
    // The signals first: one that comes early must still end the daemon.
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(|error| error.to_string())?;
    let config = MockCloudConfig {
        build_time: seconds("DEMO_BUILD_TIME", "2")?,
        boot_time: seconds("DEMO_BOOT_TIME", "2")?,
        call_time: setting("DEMO_CALL_TIME", "8")?,
        seed: setting("DEMO_SEED", "1")?,
        floating_ips: 2,
        ..MockCloudConfig::default()
    };
    let callers: f64 = setting("DEMO_CALLERS", "0.2")?;
    let mut cloud = MockCloud::start(config).map_err(|error| error.to_string())?;
    let room = std::env::temp_dir().join(format!("simplescalevm-demo-{}", std::process::id()));
    std::fs::create_dir_all(&room).map_err(|error| error.to_string())?;
    let port: u16 = setting("DEMO_PORT", "8000")?;
    let (mut child, readers) = start(&daemon, &cloud, port, &room)?;
    say!(
        "demo   | status page http://127.0.0.1:{port}/   control API {}/mock",
        cloud.url()
    );
    let mut told = Instant::now();
    let mut ended = None;
    let mut opened = false;
    while ended.is_none()
        && end.is_none_or(|end| Instant::now() < end)
        && signals.pending().next().is_none()
    {
        std::thread::sleep(Duration::from_millis(50));
        ended = child.0.try_wait().map_err(|error| error.to_string())?;
        // Nobody calls before the first gateway is up.
        if !opened
            && cloud
                .servers()
                .iter()
                .any(|server| server["booted"] == true)
        {
            opened = true;
            cloud.set(&json!({ "callers": callers }))?;
        }
        if told.elapsed() >= Duration::from_secs(5) {
            told = Instant::now();
            say!("cloud  | {}", line(&cloud));
        }
    }
    let by_itself = ended.is_some();
    let status = match ended {
        Some(status) => status,
        None => stop(&mut child.0)?,
    };
    for reader in readers {
        let _ = reader.join();
    }
    let _ = std::fs::remove_dir_all(&room);
    summary(&cloud, &status.to_string());
    cloud.stop();
    Ok(status.success() && !by_itself)
}

/// The daemon; it does not outlive this program's own errors.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Starts the daemon in a group of its own, so that Ctrl-C reaches it once, from here.
fn start(
    daemon: &Path,
    cloud: &MockCloud,
    port: u16,
    room: &Path,
) -> Result<(Daemon, [JoinHandle<()>; 2]), String> {
    let mut command = Command::new(daemon);
    command
        .env_clear()
        .envs(cloud.env())
        .envs([
            ("APP_HOST", "127.0.0.1"),
            ("APP_PORT", &port.to_string()),
            ("REPLICA_API_PORT", &cloud.replica_port().to_string()),
            ("REPLICA_CAPACITY", "1"),
            (
                "REPLICA_MIN_AVAILABLE_RESOURCES",
                &setting::<u32>("DEMO_FLOOR", "5")?.to_string(),
            ),
            ("REPLICA_MAX_COUNT", "30"),
            ("REPLICA_API_TIMEOUT", "2"),
            ("REPLICA_STARTUP_GRACE", "30"),
            ("EXTERNAL_ADDRESS_MANAGEMENT", "true"),
            ("PROBE_INTERVAL", "0.5"),
            ("SCALING_INTERVAL", "5"),
            ("OPENSTACK_NETWORK", "internal"),
            ("OPENSTACK_NAME", "gateway"),
            ("OPENSTACK_KEYPAIR", "ops"),
        ])
        .envs(
            std::env::vars()
                .filter(|(name, _)| HANDED_ON.iter().any(|prefix| name.starts_with(prefix))),
        )
        // A directory of its own: no `.env` of the user's is read.
        .current_dir(room)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| format!("{}: {error}", daemon.display()))?;
    let readers = [pass_on(child.stdout.take()), pass_on(child.stderr.take())];
    Ok((Daemon(child), readers))
}

fn pass_on(stream: Option<impl Read + Send + 'static>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let lines = stream
            .into_iter()
            .flat_map(|stream| BufReader::new(stream).lines());
        for line in lines.map_while(Result::ok) {
            say!("daemon | {line}");
        }
    })
}

/// Asks the daemon to end and waits; after ten seconds it is killed.
fn stop(child: &mut Child) -> Result<std::process::ExitStatus, String> {
    let asked = Command::new("kill")
        .arg("-TERM")
        .arg(child.id().to_string())
        .status();
    let patience = if asked.is_ok_and(|status| status.success()) {
        10
    } else {
        0
    };
    let end = Instant::now() + Duration::from_secs(patience);
    while Instant::now() < end {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    say!("demo   | the daemon does not end; it is killed");
    let _ = child.kill();
    child.wait().map_err(|error| error.to_string())
}

fn line(cloud: &MockCloud) -> String {
    let servers = cloud.servers();
    let count =
        |wanted: &dyn Fn(&Value) -> bool| servers.iter().filter(|server| wanted(server)).count();
    let free = count(&|server| server["booted"] == true && server["capacity"] == 1);
    let busy = count(&|server| server["calls"].as_u64() > Some(0));
    let done = count(&|server| server["termination"] == true);
    let coming = count(&|server| server["booted"] == false && server["task_state"] != "deleting");
    let callers = cloud.callers();
    format!(
        "{} servers: {free} free, {busy} in a call, {done} done, {coming} coming   callers: {} served, {} lost",
        servers.len(),
        callers["served"],
        callers["lost"]
    )
}

fn summary(cloud: &MockCloud, status: &str) {
    let (callers, counters) = (cloud.callers(), cloud.counters());
    say!("demo   | the daemon ended: {status}");
    say!(
        "demo   | callers: {} came, {} served, {} lost (no free slot), {} cut off (their server was deleted)",
        callers["arrived"],
        callers["served"],
        callers["lost"],
        callers["cut"]
    );
    say!(
        "demo   | servers: {} created, {} deleted, {} left, at most {} at a time",
        counters["created"],
        counters["deleted"],
        counters["servers"],
        counters["max_servers"]
    );
    let requests: u64 = counters["requests"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, count)| count.as_u64())
        .sum();
    say!(
        "demo   | {requests} requests to the cloud, {} probes of replicas",
        counters["probes"]
    );
}
