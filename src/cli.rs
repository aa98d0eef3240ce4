//! The command line. Help, completions and the manual page are made from it.

mod man;

pub use man::{ManSetting, man_page};

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use std::ffi::OsString;
use std::path::PathBuf;

const NAME: &str = "simplescalevm";

/// Keeps a pool of OpenStack VMs large enough that a set number of free slots is available at all times.
///
/// Without a command it runs the daemon until SIGTERM or SIGINT. It logs to standard error. The
/// first signal ends it after the request in flight, a second one at once. It keeps nothing on disk:
/// after a restart it learns the pool from the cloud. Run one daemon per pool.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(
    name = NAME,
    version,
    verbatim_doc_comment,
    after_help = after_help()
)]
pub struct CommandLine {
    /// Read FILE instead of .env (the environment wins over either)
    #[arg(long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath)]
    pub env_file: Option<PathBuf>,
    /// What to do; none: run the daemon.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Exit codes and what they mean.
const EXIT_CODES: [(&str, &str); 3] = [
    ("0", "all went well"),
    (
        "1",
        "check found an error, healthcheck found the daemon unhealthy, or the daemon failed",
    ),
    (
        "2",
        "the command line or a setting is wrong; no request was made",
    ),
];

fn after_help() -> String {
    let codes = EXIT_CODES.map(|(code, meaning)| format!("  {code}  {meaning}\n"));
    format!(
        "Exit codes:\n{}\nAll settings are environment variables: see .env.example and the README.",
        codes.concat()
    )
}

/// What the program is asked to do.
#[expect(clippy::doc_markdown, reason = "it is the text of the help")]
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Check the settings, log in and look at all that they need; changes nothing
    ///
    /// Each line begins with OK, WARNING or ERROR. An error keeps the daemon from its work; a warning
    /// does not, and is worth a look. A remedy follows where there is one.
    #[command(verbatim_doc_comment)]
    Check(Output),
    /// Print every setting, its value and where it is from; makes no request
    ///
    /// Secrets are hidden. What is wrong and what is odd follows; the exit code is 2 if the daemon
    /// would not start with these settings.
    #[command(verbatim_doc_comment)]
    Config(Output),
    /// Observe once and print what would be done and why; changes nothing
    ///
    /// It lists the pool, asks every replica until there is a verdict on it, and prints the plan of a
    /// daemon that starts now. One that is running knows more: its own plan is in /status.
    #[command(verbatim_doc_comment)]
    Plan(Output),
    /// Ask the daemon on this machine whether its control loop is running; exit code 0 or 1
    ///
    /// It asks /healthz at APP_HOST and APP_PORT and needs no other setting. It is made for the
    /// health check of a container, whose image holds no other program.
    #[command(verbatim_doc_comment)]
    Healthcheck,
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// How a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Output {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A shell that there are completions for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

/// Why there is nothing to do: help was asked for, or the command line cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NothingToDo {
    /// What was asked for: the help or the version.
    Asked(String),
    /// What is wrong, in lines.
    Wrong(String),
}

impl CommandLine {
    /// Reads the arguments, the program's name first.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, NothingToDo> {
        Self::try_parse_from(arguments).map_err(|error| {
            let text = error.render().to_string();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => NothingToDo::Asked(text),
                _ => NothingToDo::Wrong(text.trim_end().to_owned()),
            }
        })
    }
}

/// The file to install for a shell.
#[must_use]
pub fn completions(shell: Shell) -> String {
    let mut file = Vec::new();
    let mut command = CommandLine::command();
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    clap_complete::generate(shell, &mut command, NAME, &mut file);
    String::from_utf8_lossy(&file).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<CommandLine, NothingToDo> {
        let name = std::iter::once(&NAME);
        CommandLine::read(name.chain(arguments).map(OsString::from))
    }

    #[test]
    fn command_lines() {
        let check = |arguments: &[&str], command: Option<Command>, file: Option<&str>| {
            let expected = CommandLine {
                command,
                env_file: file.map(PathBuf::from),
            };
            assert_eq!(read(arguments), Ok(expected), "{arguments:?}");
        };
        let text = Output { json: false };
        let json = Output { json: true };
        check(&[], None, None);
        check(&["check"], Some(Command::Check(text)), None);
        check(&["check", "--json"], Some(Command::Check(json)), None);
        check(&["config"], Some(Command::Config(text)), None);
        check(&["healthcheck"], Some(Command::Healthcheck), None);
        check(&["man"], Some(Command::Man), None);
        let zsh = Command::Completions { shell: Shell::Zsh };
        check(&["completions", "zsh"], Some(zsh), None);
        let plan = Some(Command::Plan(json));
        check(
            &["--env-file", "a b", "plan", "--json"],
            plan.clone(),
            Some("a b"),
        );
        check(&["plan", "--json", "--env-file=x"], plan, Some("x"));
        check(&["--env-file=x"], None, Some("x"));
    }

    #[test]
    fn what_cannot_be_understood_says_why() {
        let check = |arguments: &[&str], part: &str| match read(arguments) {
            Err(NothingToDo::Wrong(text)) => assert!(text.contains(part), "{arguments:?}: {text}"),
            other => unreachable!("{arguments:?}: {other:?}"),
        };
        check(&["completions"], "<SHELL>");
        check(&["completions", "csh"], "bash, zsh, fish");
        check(&["completions", "zsh", "bash"], "bash");
        check(&["healthcheck", "--json"], "--json");
        check(&["chek"], "'check'");
        check(&[""], "''");
        check(&["--env-file"], "--env-file");
        check(&["--env-file="], "--env-file");
        check(&["-x"], "-x");
        check(&["check", "plan"], "plan");
        check(&["--json"], "--json");
    }

    #[test]
    fn help_and_version_are_answers() {
        for arguments in [
            &["-h"][..],
            &["--help"],
            &["check", "-h"],
            &["help"],
            &["help", "plan"],
        ] {
            let text = match read(arguments) {
                Err(NothingToDo::Asked(text)) => text,
                other => unreachable!("{arguments:?}: {other:?}"),
            };
            assert!(text.contains("Usage: simplescalevm"), "{text}");
            assert!(
                text.lines().all(|line| line.chars().count() <= 110),
                "{text}"
            );
        }
        let version = NothingToDo::Asked(format!("simplescalevm {}\n", env!("CARGO_PKG_VERSION")));
        assert_eq!(read(&["-V"]), Err(version));
    }

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }
}
