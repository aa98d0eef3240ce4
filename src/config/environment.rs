//! Where a variable's value comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::dotenv::{self, Binding};
use super::error::{ConfigError, Problem};
use crate::local_file;

/// Read if it is there; `--env-file` names another one.
const DEFAULT_FILE: &str = ".env";
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Lines that double a value with `${...}` would need any amount.
const MAX_VALUES_BYTES: usize = 4 << 20;
/// A file that is no `.env` at all does not fill the log.
const MAX_BAD_LINES: usize = 20;
const MAX_WARNINGS: usize = 20;
const MAX_NAME_CHARS: usize = 80;

/// The process's environment and `.env` below it.
pub struct Environment {
    /// `None`: not valid UTF-8.
    process: BTreeMap<String, Option<String>>,
    /// `None`: the name stands without `=`, which sets nothing.
    file: BTreeMap<String, Option<String>>,
    /// The line that each name of the file is from.
    lines: BTreeMap<String, usize>,
    /// The file, as it is told; none if there is none.
    path: Option<PathBuf>,
    /// Where `.env` was looked for and not found.
    looked_for: Option<PathBuf>,
    /// Lines of the file that cannot be read. They are told together with everything else that is wrong.
    problems: Vec<Problem>,
    /// The names that those lines would set.
    unread: BTreeSet<String>,
    warnings: Vec<String>,
}

/// Where a value is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Process,
    File,
}

impl Environment {
    /// Reads the process's environment, which nothing else in the daemon touches, and the file.
    /// `.env` may be absent, a file that is named may not.
    pub fn read(env_file: Option<&Path>) -> Result<Self, ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "this is the place made for it")]
        let process = std::env::vars_os();
        let path = env_file.unwrap_or(Path::new(DEFAULT_FILE));
        let not_there = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            )
        };
        match local_file::read(path, MAX_FILE_BYTES) {
            Ok(bytes) => Ok(Self::from_parts(process, Some((path, &bytes)))),
            Err(error) if env_file.is_none() && not_there(&error) => {
                let mut environment = Self::from_parts(process, None);
                environment.looked_for = Some(whole(path));
                Ok(environment)
            }
            // Docker makes a directory where a mounted file is absent.
            Err(_) if env_file.is_none() && path.is_dir() => {
                let mut environment = Self::from_parts(process, None);
                environment.looked_for = Some(whole(path));
                let warning = format!("{} is a directory and not read", path.display());
                environment.warnings.push(warning);
                Ok(environment)
            }
            Err(error) => Err(Problem::new(
                path.display().to_string(),
                format!("cannot be read: {error}"),
            )
            .into()),
        }
    }

    /// A process environment without a file, for tests.
    pub fn from_pairs<K, V>(process: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        Self::from_parts(process, None)
    }

    /// A process environment and the content of a file.
    pub fn from_parts<K, V>(
        process: impl IntoIterator<Item = (K, V)>,
        file: Option<(&Path, &[u8])>,
    ) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let process = process.into_iter().filter_map(|(name, value)| {
            Some((
                name.into().into_string().ok()?,
                value.into().into_string().ok(),
            ))
        });
        let mut environment = Self {
            process: process.collect(),
            file: BTreeMap::new(),
            lines: BTreeMap::new(),
            path: None,
            looked_for: None,
            problems: Vec::new(),
            unread: BTreeSet::new(),
            warnings: Vec::new(),
        };
        if let Some((path, bytes)) = file {
            environment.add_file(path, bytes);
        }
        environment
    }

    /// The value of a variable; an empty one counts as unset.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.lookup(name).map(|(value, _)| value)
    }

    /// The environment wins, also with an empty value: that is how to unset what the file sets.
    pub(super) fn lookup(&self, name: &str) -> Option<(&str, Source)> {
        let found = match self.process.get(name) {
            Some(value) => (value.as_deref()?, Source::Process),
            None => (self.file.get(name)?.as_deref()?, Source::File),
        };
        Some(found).filter(|(value, _)| !value.is_empty())
    }

    /// Where a name is set, in words.
    pub(super) fn place(&self, name: &str) -> String {
        match (
            self.process.contains_key(name),
            &self.path,
            self.lines.get(name),
        ) {
            (false, Some(path), Some(line)) => format!("{}, line {line}", path.display()),
            _ => "the environment".to_owned(),
        }
    }

    /// Where the settings are from, in words.
    pub fn origin(&self) -> String {
        match (&self.path, &self.looked_for) {
            (Some(path), _) => {
                let path = whole(path);
                format!(
                    "the settings are from the environment and {}",
                    path.display()
                )
            }
            (None, Some(path)) => format!(
                "no file at {}: the settings are from the environment alone (--env-file names another file)",
                path.display()
            ),
            (None, None) => "the settings are from the environment".to_owned(),
        }
    }

    /// Whether there is no `.env`.
    pub(super) fn lacks_file(&self) -> bool {
        self.looked_for.is_some()
    }

    pub(super) fn is_not_utf8(&self, name: &str) -> bool {
        self.process.get(name).is_some_and(Option::is_none)
    }

    /// Whether it is set, but what to cannot be read. That is told as a problem of its own.
    pub(super) fn is_unreadable(&self, name: &str) -> bool {
        let is_bad_line = || self.unread.contains(name) && self.lookup(name).is_none();
        self.is_not_utf8(name) || is_bad_line()
    }

    /// Every name that is set, and where.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, Source)> {
        let process = self
            .process
            .keys()
            .map(|name| (name.as_str(), Source::Process));
        let file = self.file_names().map(|name| (name, Source::File));
        process.chain(file)
    }

    /// The names that the file sets.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        let set = self.file.iter().filter(|(_, value)| value.is_some());
        set.map(|(name, _)| name.as_str())
    }

    /// What is wrong with the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The file, if there is one.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The lines of the file that the environment wins over, of the names that mean something.
    pub(super) fn shadowed(&self, is_known: fn(&str) -> bool) -> Vec<String> {
        let shadowed = |(name, line): (&String, &usize)| {
            let file = self.file.get(name)?.as_deref()?;
            let (path, process) = (self.path.as_ref()?, self.process.get(name)?.as_deref()?);
            if process == file || !is_known(name) {
                return None;
            }
            let how = if process.is_empty() {
                "the environment sets it to nothing, which"
            } else {
                "the environment"
            };
            Some(format!(
                "{name}: {how} wins over {}, line {line}",
                path.display()
            ))
        };
        self.lines
            .iter()
            .filter_map(shadowed)
            .take(MAX_WARNINGS)
            .collect()
    }

    fn add_file(&mut self, path: &Path, bytes: &[u8]) {
        let at = |line: usize| format!("{}, line {line}", path.display());
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let valid = &bytes[..error.valid_up_to()];
                let line = valid.split(|byte| *byte == b'\n').count();
                let remedy = "is not valid UTF-8; save the file as UTF-8";
                self.problems.push(Problem::new(at(line), remedy));
                return;
            }
        };
        let (bindings, bad_lines) = dotenv::parse(text);
        self.unread = bad_lines
            .iter()
            .filter_map(|bad| bad.name.clone())
            .collect();
        for bad in bad_lines.iter().take(MAX_BAD_LINES) {
            self.problems.push(Problem::new(at(bad.line), bad.remedy));
        }
        if let Some(bad) = bad_lines.get(MAX_BAD_LINES) {
            let more = bad_lines.len() - MAX_BAD_LINES;
            let text = format!("{more} more lines from here on cannot be read");
            self.problems.push(Problem::new(at(bad.line), text));
        }
        self.path = Some(path.to_owned());
        let mut room = MAX_VALUES_BYTES;
        for Binding { line, name, value } in bindings {
            // `A=${A} more` takes the first value up.
            let builds_on = value.as_ref().is_some_and(|value| value.contains("${"));
            if let Some(first) = self.lines.insert(name.clone(), line).filter(|_| !builds_on)
                && self.warnings.len() < MAX_WARNINGS
            {
                let name: String = name.chars().take(MAX_NAME_CHARS).collect();
                let text = format!("{}: {name} is set again: line {first} is ignored", at(line));
                self.warnings.push(text);
            }
            match value
                .map(|value| self.interpolate(&value, room))
                .transpose()
            {
                Ok(value) => {
                    room -= value.as_ref().map_or(0, String::len);
                    self.file.insert(name, value);
                }
                Err(remedy) => self.problems.push(Problem::new(at(line), remedy)),
            }
        }
    }

    /// Replaces `${NAME}` and `${NAME:-default}` as python-dotenv does: in every kind of quote, once,
    /// the environment before the file's earlier lines, and the default only for a name that is not
    /// set at all. Says what is wrong if the result needs more than `room` bytes.
    fn interpolate(&self, value: &str, room: usize) -> Result<String, String> {
        let mut result = String::new();
        let mut rest = value;
        while let Some(at) = rest.find("${") {
            let (before, reference) = rest.split_at(at);
            result.push_str(before);
            let Some((name, default, len)) = reference_at(reference) else {
                result.push_str("${");
                rest = &reference[2..];
                continue;
            };
            match self.process.get(name).or_else(|| self.file.get(name)) {
                Some(Some(value)) => result.push_str(value),
                Some(None) if self.is_not_utf8(name) => {
                    return Err(format!("uses ${{{name}}}, whose value is not valid UTF-8"));
                }
                Some(None) => {}
                None => result.push_str(default),
            }
            rest = &reference[len..];
            if result.len() > room {
                break;
            }
        }
        result.push_str(rest);
        if result.len() > room {
            let text = "the file's values are larger than";
            return Err(format!(
                "{text} {MAX_VALUES_BYTES} bytes with every ${{...}} replaced"
            ));
        }
        Ok(result)
    }
}

/// The name, the default and the length of the `${...}` that `text` starts with.
fn reference_at(text: &str) -> Option<(&str, &str, usize)> {
    let inner = text.strip_prefix("${")?;
    let name_end = inner.find(['}', ':'])?;
    let (name, rest) = inner.split_at(name_end);
    let default = match rest.strip_prefix(":-") {
        Some(after) => &after[..after.find('}')?],
        None if rest.starts_with('}') => "",
        None => return None,
    };
    let mark = if rest.starts_with(':') { 2 } else { 0 };
    Some((name, default, 2 + name.len() + mark + default.len() + 1))
}

/// The names only: a value may be a secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("process", &self.process.keys())
            .field("file", &self.file.keys())
            .field("lines", &self.lines)
            .field("path", &self.path)
            .field("looked_for", &self.looked_for)
            .field("problems", &self.problems)
            .field("unread", &self.unread)
            .field("warnings", &self.warnings)
            .finish()
    }
}

/// A path as it is whatever the working directory.
fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
