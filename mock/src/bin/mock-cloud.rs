//! The mock cloud as a program.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use simplescalevm_mock::{MockCloud, MockCloudConfig, SETTINGS};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("mock-cloud: {problem}");
            ExitCode::from(2)
        }
    }
}

fn help() {
    println!(
        "A mock OpenStack cloud on loopback: Keystone, Nova, Neutron, Glance, and servers that answer as replicas.\n"
    );
    println!(
        "Usage: mock-cloud [--SETTING VALUE]...\n\nEach setting may also be given as MOCK_CLOUD_SETTING in the environment:"
    );
    for (name, changeable, text) in SETTINGS {
        println!(
            "  --{name:<24} {text}{}",
            if *changeable { " *" } else { "" }
        );
    }
    println!(
        "\n* may be changed while it runs: PUT /mock/settings. The control API is described in mock/README.md."
    );
}

fn variable(name: &str) -> String {
    format!("MOCK_CLOUD_{}", name.to_uppercase().replace('-', "_"))
}

fn run() -> Result<(), String> {
    let mut config = MockCloudConfig {
        port: 5000,
        replica_port: 8080,
        ..MockCloudConfig::default()
    };
    for (name, ..) in SETTINGS {
        if let Ok(value) = std::env::var(variable(name)) {
            config
                .set(name, &value)
                .map_err(|error| format!("{}: {error}", variable(name)))?;
        }
    }
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if matches!(argument.as_str(), "--help" | "-h") {
            help();
            return Ok(());
        }
        let flag = argument
            .strip_prefix("--")
            .ok_or_else(|| format!("unknown argument {argument:?}; see --help"))?;
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (
                flag.to_owned(),
                arguments
                    .next()
                    .ok_or_else(|| format!("{argument}: a value is expected"))?,
            ),
        };
        config.set(&name, &value)?;
    }
    // The signals first: one that comes early must still end this cleanly.
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(|error| error.to_string())?;
    let ports = (config.port, config.replica_port);
    let mut cloud = MockCloud::start(config).map_err(|error| {
        format!(
            "cannot listen on ports {} and {}: {error}",
            ports.0, ports.1
        )
    })?;
    let mut told = String::new();
    for (name, value) in cloud.env() {
        let _ = writeln!(told, "export {name}='{}'", value.replace('\'', r"'\''"));
    }
    let _ = writeln!(told, "export REPLICA_API_PORT={}", cloud.replica_port());
    let _ = writeln!(told, "# control API: {}/mock", cloud.url());
    // Whether anybody reads it is no concern of the cloud's.
    let _ = std::io::stdout().write_all(told.as_bytes());
    signals.forever().next();
    cloud.stop();
    Ok(())
}
