//! Reads variables as the table says and collects everything that is wrong.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use super::environment::{Environment, Source};
use super::error::Problem;
use super::kind::Kind;
use super::table::{self, Variable};

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

/// A reader never stops at a problem: it gives a stand-in, which nobody sees because the problem is
/// told instead.
pub(super) struct Reader<'a> {
    environment: &'a Environment,
    pub(super) problems: Vec<Problem>,
    #[cfg(test)]
    pub(super) seen: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        Self {
            environment,
            problems: Vec::new(),
            #[cfg(test)]
            seen: Vec::new(),
        }
    }

    /// Reports values of the table's variables that are not valid UTF-8.
    pub(super) fn check_utf8(&mut self) {
        for variable in table::variables() {
            for name in [Some(variable.name), variable.alias].into_iter().flatten() {
                if self.environment.is_not_utf8(name) {
                    let expected = "the value in the environment is not valid UTF-8";
                    self.problems.push(Problem::new(name, expected));
                }
            }
        }
    }

    pub(super) fn text(&mut self, name: &str) -> String {
        self.required(name, Kind::text).unwrap_or_default()
    }

    pub(super) fn optional_text(&mut self, name: &str) -> Option<String> {
        self.value(name, Kind::text)
    }

    pub(super) fn file(&mut self, name: &str) -> Option<PathBuf> {
        self.optional_text(name).map(PathBuf::from)
    }

    /// A file that must pass a check.
    pub(super) fn checked_file(
        &mut self,
        name: &str,
        check: fn(&str, &std::path::Path) -> Result<(), Problem>,
    ) -> Option<PathBuf> {
        let path = self.file(name)?;
        let written = self.written_name(name);
        self.problems.extend(check(written, &path).err());
        Some(path)
    }

    pub(super) fn list(&mut self, name: &str) -> Vec<String> {
        self.value(name, Kind::list).unwrap_or_default()
    }

    pub(super) fn whole(&mut self, name: &str) -> u64 {
        self.required(name, Kind::whole).unwrap_or_default()
    }

    pub(super) fn optional_whole(&mut self, name: &str) -> Option<u64> {
        self.value(name, Kind::whole)
    }

    /// A whole number that the table bounds from below.
    pub(super) fn count(&mut self, name: &str) -> NonZeroU64 {
        NonZeroU64::new(self.whole(name)).unwrap_or(NonZeroU64::MIN)
    }

    pub(super) fn size(&mut self, name: &str) -> NonZeroUsize {
        let size = usize::try_from(self.whole(name)).unwrap_or_default();
        NonZeroUsize::new(size).unwrap_or(NonZeroUsize::MIN)
    }

    /// So many a second; the table bounds it.
    pub(super) fn rate(&mut self, name: &str) -> NonZeroU32 {
        let rate = u32::try_from(self.whole(name)).unwrap_or_default();
        NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN)
    }

    pub(super) fn seconds(&mut self, name: &str) -> Duration {
        self.required(name, Kind::seconds).unwrap_or_default()
    }

    /// Seconds of which zero means "never".
    pub(super) fn seconds_or_never(&mut self, name: &str) -> Option<Duration> {
        Some(self.seconds(name)).filter(|duration| !duration.is_zero())
    }

    pub(super) fn switch(&mut self, name: &str) -> bool {
        self.required(name, Kind::switch).unwrap_or_default()
    }

    pub(super) fn choice(&mut self, name: &str) -> &'static str {
        self.required(name, Kind::choice).unwrap_or_default()
    }

    pub(super) fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(Kind, &str) -> Option<T>,
    ) -> Option<T> {
        let before = self.problems.len();
        let value = self.value(name, parse);
        if value.is_none() && self.problems.len() == before {
            self.problems
                .push(Problem::new(name, "has neither a value nor a default"));
        }
        value
    }

    fn value<T>(&mut self, name: &str, parse: impl FnOnce(Kind, &str) -> Option<T>) -> Option<T> {
        let Some(variable) = table::find(name) else {
            self.problems
                .push(Problem::new(name, "is not in the table of variables"));
            return None;
        };
        #[cfg(test)]
        self.seen.push(variable.name);
        let found = lookup(self.environment, variable);
        let written = found.as_ref().map_or(variable.name, |found| found.name);
        let text = found.map(|found| found.text).or(variable.default)?;
        let value = parse(variable.kind, text);
        if value.is_none() {
            let expected = format!("expected {}", variable.kind.expected());
            let mut problem = Problem::new(written, expected);
            if !variable.secret {
                problem = problem.with_value(&super::mask::shown(variable, text));
            }
            self.problems.push(problem);
        }
        value
    }

    /// The name that the user wrote: the variable's or its alias.
    fn written_name<'n>(&self, name: &'n str) -> &'n str {
        let found = table::find(name).and_then(|variable| lookup(self.environment, variable));
        found.map_or(name, |found| found.name)
    }
}
