//! What is written for a variable, under whichever of its names.

use std::path::{Path, PathBuf};

use super::environment::{Environment, Source};
use super::error::Problem;
use super::mask;
use super::table::Variable;
use super::value::Value;

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
            problem.with_value(&mask::shown(self.variable, text))
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

    pub(super) fn problem(&self, expected: impl Into<String>) -> Problem {
        Problem::new(self.name, expected)
    }
}
