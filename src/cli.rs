//! The command line: one table of commands and options, from which it is read and explained.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// What the program is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run the daemon.
    Run,
    /// Check the configuration against the cloud.
    Check,
    /// Observe once and print what would be done.
    Plan {
        /// As JSON.
        json: bool,
    },
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// The command line, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// What to do.
    pub command: Command,
    /// `--env-file`: read instead of `.env`.
    pub env_file: Option<PathBuf>,
}

/// A command line that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageError {
    /// No such command.
    UnknownCommand(String),
    /// No such option, or not with this command.
    UnknownOption(String),
    /// An option lacks its value.
    ValueMissing(&'static str),
    /// There is more than one command.
    TooMany(String),
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCommand(word) => write!(f, "there is no command {word:?}")?,
            Self::UnknownOption(word) => write!(f, "there is no option {word:?} here")?,
            Self::ValueMissing(option) => write!(f, "{option} needs a value")?,
            Self::TooMany(word) => write!(f, "{word:?} is one word too many")?,
        }
        f.write_str("; see simplescalevm --help")
    }
}

impl std::error::Error for UsageError {}

/// A row of the help: what is written, and what it means.
type Row = (&'static str, &'static str);

const COMMANDS: &[Row] = &[
    ("", "run the daemon until SIGTERM or SIGINT"),
    (
        "check",
        "check the settings, log in and look up all that they name; changes nothing",
    ),
    (
        "plan",
        "observe once and print what would be done and why; changes nothing",
    ),
];

const OPTIONS: &[Row] = &[
    (
        "--env-file FILE",
        "read FILE instead of .env (the environment wins over either)",
    ),
    ("--json", "with plan: print JSON"),
    ("-h, --help", "print this help"),
    ("-V, --version", "print the version"),
];

const EXIT_CODES: &[Row] = &[
    ("0", "all went well"),
    ("1", "check found something wrong, or the daemon failed"),
    (
        "2",
        "the command line or a setting is wrong; no request was made",
    ),
];

/// The help text.
#[must_use]
pub fn help() -> String {
    let mut text = format!(
        "simplescalevm {}\n\
         Keeps a pool of OpenStack VMs large enough that a set number of free slots is\n\
         available at all times.\n",
        env!("CARGO_PKG_VERSION")
    );
    let table = |text: &mut String, title: &str, rows: &[Row], prefix: &str| {
        text.push_str(&format!("\n{title}:\n"));
        for (word, meaning) in rows {
            let word = format!("{prefix}{word}");
            text.push_str(&format!("  {:<22} {meaning}\n", word.trim_end()));
        }
    };
    table(&mut text, "Usage", COMMANDS, "simplescalevm ");
    table(&mut text, "Options", OPTIONS, "");
    table(&mut text, "Exit codes", EXIT_CODES, "");
    text.push_str("\nAll settings are environment variables: see .env.example and the README.\n");
    text
}

impl CommandLine {
    /// Reads the arguments that follow the program's name.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let mut command = None;
        let mut env_file = None;
        let mut json = false;
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let word = argument.to_string_lossy().into_owned();
            match word.as_str() {
                "-h" | "--help" => command = Some(Command::Help),
                "-V" | "--version" => command = Some(Command::Version),
                "--json" => json = true,
                "--env-file" => {
                    let file = arguments.next().filter(|file| !file.is_empty());
                    env_file = Some(file.ok_or(UsageError::ValueMissing("--env-file"))?.into());
                }
                _ if word.starts_with("--env-file=") && word.len() > "--env-file=".len() => {
                    env_file = Some(PathBuf::from(&word["--env-file=".len()..]));
                }
                _ if word.starts_with('-') => return Err(UsageError::UnknownOption(word)),
                // Asking for help wins over whatever else is there.
                _ if matches!(command, Some(Command::Help | Command::Version)) => {}
                _ if command.is_some() => return Err(UsageError::TooMany(word)),
                "check" => command = Some(Command::Check),
                "plan" => command = Some(Command::Plan { json: false }),
                _ => return Err(UsageError::UnknownCommand(word)),
            }
        }
        let command = match command.unwrap_or(Command::Run) {
            Command::Plan { .. } => Command::Plan { json },
            Command::Run | Command::Check if json => {
                return Err(UsageError::UnknownOption("--json".to_owned()));
            }
            command => command,
        };
        Ok(Self { command, env_file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&str], expected: Result<(Command, Option<&str>), UsageError>) {
        let parsed = CommandLine::parse(arguments.iter().map(OsString::from));
        let expected = expected.map(|(command, file)| CommandLine {
            command,
            env_file: file.map(PathBuf::from),
        });
        assert_eq!(parsed, expected, "{arguments:?}");
    }

    #[test]
    fn command_lines() {
        check(&[], Ok((Command::Run, None)));
        check(&["check"], Ok((Command::Check, None)));
        check(&["plan"], Ok((Command::Plan { json: false }, None)));
        check(
            &["--json", "plan"],
            Ok((Command::Plan { json: true }, None)),
        );
        check(
            &["--env-file", "a b", "plan", "--json"],
            Ok((Command::Plan { json: true }, Some("a b"))),
        );
        check(&["--env-file=x"], Ok((Command::Run, Some("x"))));
        check(&["check", "-h"], Ok((Command::Help, None)));
        check(&["-h", "check"], Ok((Command::Help, None)));
        check(&["--version"], Ok((Command::Version, None)));
        check(&["--env-file"], Err(UsageError::ValueMissing("--env-file")));
        check(
            &["--env-file="],
            Err(UsageError::UnknownOption("--env-file=".into())),
        );
        check(&["--json"], Err(UsageError::UnknownOption("--json".into())));
        check(&["-x"], Err(UsageError::UnknownOption("-x".into())));
        check(&["run"], Err(UsageError::UnknownCommand("run".into())));
        check(&["check", "plan"], Err(UsageError::TooMany("plan".into())));
    }

    #[test]
    fn help_names_all_that_is_understood() {
        let help = help();
        for word in [
            "check",
            "plan",
            "--env-file",
            "--json",
            "--help",
            "--version",
        ] {
            assert!(help.contains(word), "{word}");
        }
        assert!(help.lines().all(|line| line.len() <= 100), "{help}");
    }
}
