//! The one table of commands and options: parsing, help, completions and the manual page come from it.

/// The shells that there are completions for.
pub(super) const SHELLS: &[&str] = &["bash", "zsh", "fish"];

/// A command.
pub(super) struct CommandRow {
    /// The word; empty: no command, which runs the daemon.
    pub(super) word: &'static str,
    /// The name of its argument, and the words that it can be.
    pub(super) argument: Option<(&'static str, &'static [&'static str])>,
    /// Whether `--json` goes with it.
    pub(super) json: bool,
    /// Whether it reads settings, and so `--env-file`.
    pub(super) settings: bool,
    /// What it does, in a line.
    pub(super) summary: &'static str,
    /// More of it, for the manual page.
    pub(super) more: &'static str,
}

/// All commands, in the order in which they are explained.
pub(super) const COMMANDS: &[CommandRow] = &[
    CommandRow {
        word: "",
        argument: None,
        json: false,
        settings: true,
        summary: "run the daemon until SIGTERM or SIGINT",
        more: "It logs to standard error. The first signal ends it after the request in flight, a \
               second one at once. It keeps nothing on disk: after a restart it learns the pool \
               from the cloud. Run one daemon per pool.",
    },
    CommandRow {
        word: "check",
        argument: None,
        json: true,
        settings: true,
        summary: "check the settings, log in and look at all that they need; changes nothing",
        more: "Each line begins with ok, hint or WRONG. What is wrong keeps the daemon from its \
               work; a hint does not, and is worth a look. A remedy follows where there is one.",
    },
    CommandRow {
        word: "config",
        argument: None,
        json: true,
        settings: true,
        summary: "print every setting, its value and where it is from; makes no request",
        more: "Secrets are hidden. What is wrong and what is odd follows; the exit code is 2 if \
               the daemon would not start with these settings.",
    },
    CommandRow {
        word: "plan",
        argument: None,
        json: true,
        settings: true,
        summary: "observe once and print what would be done and why; changes nothing",
        more: "It lists the pool, asks every replica until there is a verdict on it, and prints \
               the plan that the daemon would apply.",
    },
    CommandRow {
        word: "healthcheck",
        argument: None,
        json: false,
        settings: true,
        summary: "ask the daemon on this machine whether its loop turns; exit code 0 or 1",
        more: "It asks /healthz at APP_HOST and APP_PORT and needs no other setting. It is made \
               for the health check of a container, whose image holds no other program.",
    },
    CommandRow {
        word: "completions",
        argument: Some(("SHELL", SHELLS)),
        json: false,
        settings: false,
        summary: "print the completions for bash, zsh or fish",
        more: "",
    },
    CommandRow {
        word: "man",
        argument: None,
        json: false,
        settings: false,
        summary: "print the manual page",
        more: "",
    },
];

/// An option.
pub(super) struct OptionRow {
    /// The letter of its short form.
    pub(super) short: Option<char>,
    /// Its name, with the dashes.
    pub(super) long: &'static str,
    /// The name of its value.
    pub(super) value: Option<&'static str>,
    /// What it does.
    pub(super) summary: &'static str,
    /// Which commands it goes with.
    pub(super) goes_with: fn(&CommandRow) -> bool,
}

/// All options.
pub(super) const OPTIONS: &[OptionRow] = &[
    OptionRow {
        short: None,
        long: "--env-file",
        value: Some("FILE"),
        summary: "read FILE instead of .env (the environment wins over either)",
        goes_with: |command| command.settings,
    },
    OptionRow {
        short: None,
        long: "--json",
        value: None,
        summary: "with check, config and plan: print JSON",
        goes_with: |command| command.json,
    },
    OptionRow {
        short: Some('h'),
        long: "--help",
        value: None,
        summary: "print this help",
        goes_with: |_| true,
    },
    OptionRow {
        short: Some('V'),
        long: "--version",
        value: None,
        summary: "print the version",
        goes_with: |_| true,
    },
];

/// Exit codes and what they mean.
pub(super) const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "all went well"),
    (
        "1",
        "check found something wrong, healthcheck no health, or the daemon failed",
    ),
    (
        "2",
        "the command line or a setting is wrong; no request was made",
    ),
];

impl CommandRow {
    /// As it is written: `completions SHELL`.
    pub(super) fn usage(&self) -> String {
        match self.argument {
            Some((name, _)) => format!("{} {name}", self.word),
            None => self.word.to_owned(),
        }
    }
}

impl OptionRow {
    /// As it is written: `-h, --help`.
    pub(super) fn usage(&self) -> String {
        let short = self.short.map(|letter| format!("-{letter}, "));
        let value = self.value.map(|value| format!(" {value}"));
        format!(
            "{}{}{}",
            short.unwrap_or_default(),
            self.long,
            value.unwrap_or_default()
        )
    }
}
