//! What is known of a variable, and what is written for it, under whichever of its names.

use std::path::{Path, PathBuf};

use super::environment::{Environment, Source};
use super::error::Problem;
use super::kind::Kind;
use super::mask;
use super::settings::{CloudSettings, DaemonSettings, PoolSettings};
use super::value::Value;

/// What a group of variables is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// The container image.
    Image,
    /// The status page's server, and the log.
    Application,
    /// How many replicas there are.
    Pool,
    /// How replicas are asked.
    ReplicaApi,
    /// When replicas are given up.
    Replacement,
    /// The threads and the rhythm.
    Intervals,
    /// Floating IPs.
    ExternalAddresses,
    /// Which cloud.
    Provider,
    /// Which servers are created.
    OpenStack,
    /// How to log in.
    Credentials,
    /// The mock replica, a program for tests.
    Mock,
}

impl Section {
    pub(super) const ALL: [Self; 11] = [
        Self::Image,
        Self::Application,
        Self::Pool,
        Self::ReplicaApi,
        Self::Replacement,
        Self::Intervals,
        Self::ExternalAddresses,
        Self::Provider,
        Self::Credentials,
        Self::OpenStack,
        Self::Mock,
    ];

    /// A headline.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Image => "Container image",
            Self::Application => "Status server and log",
            Self::Pool => "Size of the pool",
            Self::ReplicaApi => "Status API of the replicas",
            Self::Replacement => "Replicas that do not answer",
            Self::Intervals => "Intervals",
            Self::ExternalAddresses => "Floating IPs",
            Self::Provider => "Cloud",
            Self::Credentials => "OpenStack: login",
            Self::OpenStack => "OpenStack: servers of the pool",
            Self::Mock => "Mock replica (tests only)",
        }
    }
}

/// What a setting holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The process.
    Daemon,
    /// All pools on one cloud.
    Cloud,
    /// One pool.
    Pool,
}

impl Scope {
    /// A short stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Cloud => "cloud",
            Self::Pool => "pool",
        }
    }
}

/// Reads a value and puts it in its place.
pub(super) type Put<S> = fn(&mut S, &Given<'_>) -> Result<(), Problem>;

/// Where a variable's value goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goes {
    Daemon(Put<DaemonSettings>),
    Cloud(Put<CloudSettings>),
    Pool(Put<PoolSettings>),
    /// The cloud's client reads all of its own at once.
    Client,
    /// The daemon does not read it.
    Elsewhere,
}

/// One variable: everything that is known about it.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name in the environment.
    pub name: &'static str,
    /// An older name that is understood too; `name` wins.
    pub alias: Option<&'static str>,
    /// Where it belongs.
    pub section: Section,
    /// What it accepts.
    pub kind: Kind,
    /// Its value when it is not set, as one would write it; `None`: there is none.
    pub default: Option<&'static str>,
    /// The value that `.env.example` sets; `None`: it is there as a comment.
    pub example: Option<&'static str>,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// One line that says what it is.
    pub doc: &'static str,
    pub(super) goes: Goes,
}

impl Variable {
    /// A variable of the reference, which its users have in their `.env`.
    pub(super) const fn old(
        section: Section,
        name: &'static str,
        default: &'static str,
        kind: Kind,
        doc: &'static str,
    ) -> Self {
        let variable = Self::new(section, name, default, kind, doc);
        Self {
            example: Some(default),
            ..variable
        }
    }

    pub(super) const fn new(
        section: Section,
        name: &'static str,
        default: &'static str,
        kind: Kind,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            alias: None,
            section,
            kind,
            default: if default.is_empty() {
                None
            } else {
                Some(default)
            },
            example: None,
            secret: false,
            doc,
            goes: match section {
                Section::Credentials => Goes::Client,
                _ => Goes::Elsewhere,
            },
        }
    }

    pub(super) const fn to(self, goes: Goes) -> Self {
        Self { goes, ..self }
    }

    pub(super) const fn alias(self, alias: &'static str) -> Self {
        Self {
            alias: Some(alias),
            ..self
        }
    }

    pub(super) const fn example(self, example: &'static str) -> Self {
        Self {
            example: Some(example),
            ..self
        }
    }

    pub(super) const fn secret(self) -> Self {
        Self {
            secret: true,
            ..self
        }
    }

    /// What it holds for; none: it is no setting of the daemon.
    #[must_use]
    pub const fn scope(&self) -> Option<Scope> {
        match self.goes {
            Goes::Daemon(_) => Some(Scope::Daemon),
            Goes::Cloud(_) | Goes::Client => Some(Scope::Cloud),
            Goes::Pool(_) => Some(Scope::Pool),
            Goes::Elsewhere => None,
        }
    }
}

/// A value as the user wrote it.
pub(super) struct Found<'a> {
    /// The variable's name, or its alias.
    pub(super) name: &'static str,
    /// Without the blanks around it, unless it is a secret.
    pub(super) text: &'a str,
    pub(super) source: Source,
}

/// The name before the alias; an empty value counts as unset.
pub(super) fn lookup<'a>(environment: &'a Environment, variable: &Variable) -> Option<Found<'a>> {
    let names = [Some(variable.name), variable.alias];
    names.into_iter().flatten().find_map(|name| {
        let (text, source) = environment.lookup(name)?;
        let text = if variable.secret { text } else { text.trim() };
        (!text.is_empty()).then_some(Found { name, text, source })
    })
}

/// What is written for a variable, or its default.
pub(super) struct Given<'a> {
    variable: &'static Variable,
    /// The variable's name, or its alias if the user wrote that.
    name: &'static str,
    text: Option<&'a str>,
}

impl<'a> Given<'a> {
    pub(super) fn of(environment: &'a Environment, variable: &'static Variable) -> Self {
        let found = lookup(environment, variable);
        Self {
            variable,
            name: found.as_ref().map_or(variable.name, |found| found.name),
            text: found.map(|found| found.text).or(variable.default),
        }
    }

    pub(super) fn value<T: Value>(&self) -> Result<T, Problem> {
        let Some(text) = self.text else {
            let missing = || self.problem("has neither a value nor a default");
            return T::unset().ok_or_else(missing);
        };
        let Variable { kind, secret, .. } = self.variable;
        T::read(*kind, text).ok_or_else(|| {
            let problem = self.problem(format!("expected {}", kind.expected()));
            if *secret {
                return problem;
            }
            problem.with_value(&mask::shown(*kind, *secret, text))
        })
    }

    /// Puts the value in its place.
    pub(super) fn put<T: Value>(&self, place: &mut T) -> Result<(), Problem> {
        *place = self.value()?;
        Ok(())
    }

    /// Puts what is wanted of a file in its place.
    pub(super) fn put_file<T>(
        &self,
        place: &mut Option<T>,
        read: fn(&str, &Path) -> Result<T, Problem>,
    ) -> Result<(), Problem> {
        let path: Option<PathBuf> = self.value()?;
        *place = path.map(|path| read(self.name, &path)).transpose()?;
        Ok(())
    }

    /// What is written, or the default.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.text
    }

    /// A part of it as it may be shown.
    pub(super) fn shown(&self, part: &str) -> String {
        mask::shown(self.variable.kind, self.variable.secret, part)
    }

    pub(super) fn problem(&self, expected: impl Into<String>) -> Problem {
        Problem::new(self.name, expected)
    }
}
