//! The command line: one table of commands and options, from which it is read and explained.

mod completions;
mod man;
mod table;

pub use completions::completions;
pub use man::{ManSetting, man_page};

use self::table::{COMMANDS, EXIT_CODES, OPTIONS};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// What the program is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run the daemon.
    Run,
    /// Check the configuration against the cloud.
    Check {
        /// As JSON.
        json: bool,
    },
    /// Print every setting and where it is from.
    Config {
        /// As JSON.
        json: bool,
    },
    /// Observe once and print what would be done.
    Plan {
        /// As JSON.
        json: bool,
    },
    /// Ask the daemon on this machine whether it is well.
    Healthcheck,
    /// Print the completions for a shell.
    Completions(Shell),
    /// Print the manual page.
    Man,
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// A shell that there are completions for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
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
    /// A command lacks its argument, or it is none of these words.
    Argument(&'static str, String),
    /// There is more than one command.
    TooMany(String),
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCommand(word) => write!(f, "there is no command {word:?}")?,
            Self::UnknownOption(word) => write!(f, "there is no option {word:?} here")?,
            Self::ValueMissing(option) => write!(f, "{option} needs a value")?,
            Self::Argument(name, words) => write!(f, "{name} has to be one of: {words}")?,
            Self::TooMany(word) => write!(f, "{word:?} is one word too many")?,
        }
        f.write_str("; see simplescalevm --help")
    }
}

impl std::error::Error for UsageError {}

/// The help text.
#[must_use]
pub fn help() -> String {
    let mut text = format!(
        "simplescalevm {}\n\
         Keeps a pool of OpenStack VMs large enough that a set number of free slots is\n\
         available at all times.\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut table = |title: &str, rows: &[(String, &str)]| {
        text.push_str(&format!("\n{title}:\n"));
        for (word, meaning) in rows {
            text.push_str(&format!("  {:<25} {meaning}\n", word.trim_end()));
        }
    };
    let commands = COMMANDS
        .iter()
        .map(|c| (format!("simplescalevm {}", c.usage()), c.summary));
    table("Usage", &commands.collect::<Vec<_>>());
    let options = OPTIONS.iter().map(|o| (o.usage(), o.summary));
    table("Options", &options.collect::<Vec<_>>());
    let codes = EXIT_CODES.iter().map(|(c, m)| ((*c).to_owned(), *m));
    table("Exit codes", &codes.collect::<Vec<_>>());
    text.push_str("\nAll settings are environment variables: see .env.example and the README.\n");
    text
}

impl CommandLine {
    /// Reads the arguments that follow the program's name.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let mut command: Option<&str> = None;
        let mut argument = None;
        let mut asked = None;
        let mut env_file = None;
        let mut json = false;
        let mut arguments = arguments.into_iter();
        while let Some(given) = arguments.next() {
            let word = given.to_string_lossy().into_owned();
            match word.as_str() {
                "-h" | "--help" => asked = Some(Command::Help),
                "-V" | "--version" => asked = Some(Command::Version),
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
                _ if asked.is_some() => {}
                _ => match command.map(row) {
                    None => {
                        // So some say it.
                        match word.as_str() {
                            "help" => asked = Some(Command::Help),
                            "version" => asked = Some(Command::Version),
                            _ => {}
                        }
                        if asked.is_some() {
                            continue;
                        }
                        let found = COMMANDS.iter().find(|c| c.word == word && !word.is_empty());
                        command = Some(found.ok_or(UsageError::UnknownCommand(word))?.word);
                    }
                    Some(Some(row)) if row.argument.is_some() && argument.is_none() => {
                        argument = Some(word);
                    }
                    Some(_) => return Err(UsageError::TooMany(word)),
                },
            }
        }
        let command = match asked {
            Some(asked) => asked,
            None => read(command.unwrap_or_default(), argument.as_deref(), json)?,
        };
        Ok(Self { command, env_file })
    }
}

fn row(word: &str) -> Option<&'static table::CommandRow> {
    COMMANDS.iter().find(|command| command.word == word)
}

/// The command of that word with its argument.
fn read(word: &str, argument: Option<&str>, json: bool) -> Result<Command, UsageError> {
    if json && !row(word).is_some_and(|row| row.json) {
        return Err(UsageError::UnknownOption("--json".to_owned()));
    }
    Ok(match word {
        "check" => Command::Check { json },
        "config" => Command::Config { json },
        "plan" => Command::Plan { json },
        "healthcheck" => Command::Healthcheck,
        "man" => Command::Man,
        "completions" => Command::Completions(match argument {
            Some("bash") => Shell::Bash,
            Some("zsh") => Shell::Zsh,
            Some("fish") => Shell::Fish,
            _ => return Err(UsageError::Argument("SHELL", table::SHELLS.join(", "))),
        }),
        _ => Command::Run,
    })
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
        check(&["check"], Ok((Command::Check { json: false }, None)));
        check(
            &["check", "--json"],
            Ok((Command::Check { json: true }, None)),
        );
        check(&["healthcheck"], Ok((Command::Healthcheck, None)));
        check(&["man"], Ok((Command::Man, None)));
        check(
            &["completions", "zsh"],
            Ok((Command::Completions(Shell::Zsh), None)),
        );
        let shells = || UsageError::Argument("SHELL", "bash, zsh, fish".into());
        check(&["completions"], Err(shells()));
        check(&["completions", "csh"], Err(shells()));
        check(
            &["completions", "zsh", "bash"],
            Err(UsageError::TooMany("bash".into())),
        );
        check(
            &["healthcheck", "--json"],
            Err(UsageError::UnknownOption("--json".into())),
        );
        check(&[""], Err(UsageError::UnknownCommand(String::new())));
        check(&["config"], Ok((Command::Config { json: false }, None)));
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
        for command in COMMANDS {
            let word = command.word;
            assert!(help.contains(&format!("simplescalevm {word}")), "{word}");
            // Each word of the table is one that is understood.
            if !word.is_empty() && command.argument.is_none() {
                assert_ne!(read(word, None, false), Ok(Command::Run), "{word}");
            }
        }
        for option in OPTIONS {
            assert!(help.contains(option.long), "{}", option.long);
        }
        assert!(help.lines().all(|line| line.len() <= 110), "{help}");
    }
}
