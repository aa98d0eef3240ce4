//! The program: command line, configuration, runtime, exit code.

#![warn(clippy::print_stdout, clippy::print_stderr)]

use simplescalevm::check;
use simplescalevm::cli::{Command, CommandLine, ManSetting, NothingToDo, completions, man_page};
use simplescalevm::config::{self, ConfigError, Environment, Settings};
use simplescalevm::runtime;
use std::process::ExitCode;
use std::sync::Arc;

/// The command line or a setting is wrong.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // Before a password is read.
    runtime::keep_memory_private();
    let line = match CommandLine::read(std::env::args_os()) {
        Ok(line) => line,
        Err(NothingToDo::Asked(text)) => return print(&text),
        Err(NothingToDo::Wrong(text)) => {
            runtime::complain(&text);
            return ExitCode::from(USAGE);
        }
    };
    match line.command {
        None => with_settings(&line, false, runtime::run),
        Some(Command::Check(output)) => {
            with_settings(&line, output.json, |s| check::check(s, output.json))
        }
        Some(Command::Config(output)) => config(&line, output.json),
        Some(Command::Plan(output)) => {
            with_settings(&line, output.json, |s| runtime::plan(s, output.json))
        }
        Some(Command::Healthcheck) => healthcheck(&line),
        Some(Command::Completions { shell }) => print(&completions(shell)),
        Some(Command::Man) => print(&man_page(&man_settings())),
    }
}

fn with_settings(
    line: &CommandLine,
    json: bool,
    go_on: impl FnOnce(&Arc<Settings>) -> ExitCode,
) -> ExitCode {
    let settings = Environment::read(line.env_file.as_deref())
        .and_then(|environment| Settings::from_environment(&environment));
    match settings {
        Ok(settings) => go_on(&Arc::new(settings)),
        Err(error) => {
            tell(&error);
            if json {
                print(&runtime::problems_in_json(&error));
            }
            ExitCode::from(USAGE)
        }
    }
}

/// Reads the settings and nothing else; 2, if the daemon would not start with them.
fn config(line: &CommandLine, json: bool) -> ExitCode {
    match Environment::read(line.env_file.as_deref()) {
        Ok(environment) => {
            let (text, is_well) = runtime::config(&environment, json);
            print(&text);
            if is_well {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(USAGE)
            }
        }
        Err(error) => {
            tell(&error);
            ExitCode::from(USAGE)
        }
    }
}

/// Container engines take 1 for "unhealthy" and reserve 2.
fn healthcheck(line: &CommandLine) -> ExitCode {
    let address = Environment::read(line.env_file.as_deref())
        .and_then(|environment| Settings::status_address(&environment));
    match address {
        Ok(address) => runtime::healthcheck(address),
        Err(error) => {
            tell(&error);
            ExitCode::FAILURE
        }
    }
}

fn tell(error: &ConfigError) {
    runtime::complain(&error.to_string());
}

/// The settings of the daemon itself.
fn man_settings() -> Vec<ManSetting> {
    config::settings()
        .map(|variable| ManSetting {
            name: variable.name,
            default: variable.default,
            meaning: variable.doc,
        })
        .collect()
}

fn print(text: &str) -> ExitCode {
    if runtime::print(text) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
