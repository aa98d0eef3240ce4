//! Every setting with its value and where it is from: the command `config`.

use openstack_sdk_blocking::CloudConfig;

use super::environment::{Environment, Source};
use super::read::{of_the_cloud, read_yaml, shown};
use super::settings::Settings;
use super::table;
use super::variable::{Scope, Variable, lookup};
use super::warnings;

/// A setting, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its value; secrets are hidden, and empty is unset.
    pub value: String,
    /// What it holds for.
    pub scope: Scope,
    /// Where it is from.
    pub origin: Origin,
}

/// Where a value is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A variable of the environment; its name, if that is another one.
    Environment(Option<&'static str>),
    /// The file and its line; the name there, if that is another one.
    File(String, Option<&'static str>),
    /// A file of the cloud's, and the key in it.
    Cloud(String),
    /// Nobody has set it.
    Default,
    /// Nobody has set it, and it has no default.
    Unset,
}

impl Origin {
    /// A short stable word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Environment(_) => "environment",
            Self::File(..) => "file",
            Self::Cloud(_) => "clouds.yaml",
            Self::Default => "default",
            Self::Unset => "unset",
        }
    }

    /// In words.
    #[must_use]
    pub fn text(&self) -> String {
        let as_name =
            |name: Option<&str>| name.map_or_else(String::new, |name| format!(" (as {name})"));
        match self {
            Self::Environment(name) => format!("environment{}", as_name(*name)),
            Self::File(place, name) => format!("{place}{}", as_name(*name)),
            Self::Cloud(place) => place.clone(),
            Self::Default => "default".to_owned(),
            Self::Unset => "unset".to_owned(),
        }
    }
}

/// All settings of the daemon, in the order of the table.
#[must_use]
pub fn listing(environment: &Environment) -> Vec<Listed> {
    let mut all: Vec<Listed> = table::variables()
        .iter()
        .filter_map(|variable| {
            Some(Listed {
                name: variable.name.to_owned(),
                value: shown(variable, environment),
                scope: variable.scope()?,
                origin: origin(variable, environment),
            })
        })
        .collect();
    let vars = |name: &str| of_the_cloud(environment, name);
    // What is wrong with the files is told with everything else that is wrong.
    let of_cloud = CloudConfig::sources(&vars, &read_yaml).unwrap_or_default();
    for source in of_cloud
        .into_iter()
        .filter(|source| source.origin.contains(": "))
    {
        let new = Listed {
            name: source.variable,
            value: source.value.unwrap_or_else(|| "***".to_owned()),
            scope: Scope::Cloud,
            origin: Origin::Cloud(source.origin),
        };
        match all.iter_mut().find(|listed| listed.name == new.name) {
            Some(listed) if matches!(listed.origin, Origin::Default | Origin::Unset) => {
                *listed = new;
            }
            Some(_) => {}
            None => all.push(new),
        }
    }
    all
}

fn origin(variable: &Variable, environment: &Environment) -> Origin {
    let Some(found) = lookup(environment, variable) else {
        return match variable.default {
            Some(_) => Origin::Default,
            None => Origin::Unset,
        };
    };
    let alias = Some(found.name).filter(|name| *name != variable.name);
    match found.source {
        Source::Process => Origin::Environment(alias),
        Source::File => Origin::File(environment.place(found.name), alias),
    }
}

/// What is wrong, and what is odd.
#[must_use]
pub fn remarks(environment: &Environment) -> (Vec<String>, Vec<String>) {
    match Settings::from_environment(environment) {
        Ok(settings) => (Vec::new(), settings.warnings),
        Err(error) => {
            let problems = error.problems.iter().map(ToString::to_string).collect();
            (problems, warnings::of_environment(environment))
        }
    }
}
