//! The reference's mock replica: `mock-replica [--env-file FILE]`.

use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use simplescalevm_mock::{MockReplica, MockReplicaConfig};

const HELP: &str = "A replica that always gives the same answer.

Usage: mock-replica [--env-file FILE]

Settings, from the environment or else from FILE (lines KEY=VALUE):
  MOCK_HOST               address to listen on       (0.0.0.0)
  MOCK_PORT               port to listen on          (5555)
  MOCK_CAPACITY_KEY       key of the capacity        (capacity)
  MOCK_TERMINATION_KEY    key of the termination     (termination)
  MOCK_CAPACITY_VALUE     capacity, an integer       (0)
  MOCK_TERMINATION_VALUE  anything but \"false\": true (false)
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            for problem in problems {
                eprintln!("mock-replica: {problem}");
            }
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Vec<String>> {
    let mut file = HashMap::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(());
            }
            "--env-file" => {
                let path = arguments
                    .next()
                    .ok_or_else(|| vec!["--env-file: a file is expected".to_owned()])?;
                file = read(&path)?;
            }
            other => return Err(vec![format!("unknown argument {other:?}; see --help")]),
        }
    }
    // The signals first: one that comes early must still end this cleanly.
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(|error| vec![error.to_string()])?;
    let config = MockReplicaConfig::from_variables(|name| {
        std::env::var(name).ok().or_else(|| file.get(name).cloned())
    })?;
    let replica = MockReplica::start(&config).map_err(|error| {
        vec![format!(
            "cannot listen on {}:{}: {error}",
            config.host, config.port
        )]
    })?;
    let port = replica.address().port();
    let told = format!(
        "Mock server started listening on http://{}:{port}.
",
        config.host
    );
    // Whether anybody reads it is no concern of the replica's.
    let _ = std::io::stdout().write_all(told.as_bytes());
    signals.forever().next();
    Ok(())
}

/// Lines `KEY=VALUE`; comments, blank lines, `export` and quotes around a value are understood.
fn read(path: &str) -> Result<HashMap<String, String>, Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(|error| vec![format!("{path}: {error}")])?;
    let mut variables = HashMap::new();
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.strip_prefix("export ").unwrap_or(line).split_once('=')
        else {
            problems.push(format!("{path}:{}: KEY=VALUE is expected", number + 1));
            continue;
        };
        let value = value.trim();
        let unquoted = ['"', '\'']
            .iter()
            .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        variables.insert(key.trim().to_owned(), unquoted.unwrap_or(value).to_owned());
    }
    if problems.is_empty() {
        Ok(variables)
    } else {
        Err(problems)
    }
}
