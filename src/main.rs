//! The program: command line, configuration, runtime, exit code.

use simplescalevm::cli::{Command, CommandLine, help};
use simplescalevm::config::{Environment, Settings};
use simplescalevm::runtime;
use std::process::ExitCode;

/// The command line or a setting is wrong.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let line = match CommandLine::parse(std::env::args_os().skip(1)) {
        Ok(line) => line,
        Err(error) => {
            eprintln!("simplescalevm: {error}");
            return ExitCode::from(USAGE);
        }
    };
    match line.command {
        Command::Help => {
            print!("{}", help());
            return ExitCode::SUCCESS;
        }
        Command::Version => {
            println!("simplescalevm {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Command::Run | Command::Check | Command::Plan { .. } => {}
    }
    let settings = Environment::read(line.env_file.as_deref())
        .and_then(|environment| Settings::from_environment(&environment));
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("simplescalevm: {error}");
            return ExitCode::from(USAGE);
        }
    };
    match line.command {
        Command::Check => runtime::check(&settings),
        Command::Plan { json } => runtime::plan(&settings, json),
        Command::Run | Command::Help | Command::Version => runtime::run(&settings),
    }
}
