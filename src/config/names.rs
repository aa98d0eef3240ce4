//! Misspelt names.

use std::collections::BTreeMap;

use super::environment::{Environment, Source};
use super::table;

/// Names that start so are meant for this program, except `OS_`, which all tools of the cloud share.
const FAMILIES: [&str; 9] = [
    "APP_",
    "REPLICA_",
    "OPENSTACK_",
    "MOCK_",
    "EXTERNAL_",
    "PROBE_",
    "SCALING_",
    "LOG_",
    "OS_",
];
/// Settings of the scaler of SimpleScaleVM 3 that scales itself.
const OF_THE_SCALED_SCALER: [&str; 3] = [
    "ENABLE_AUTOSCALING",
    "AUTOSCALING_",
    "OPENSTACK_AUTOSCALER_",
];
/// Nobody misspells a name to this length; it also bounds the work of comparing.
const MAX_NAME_CHARS: usize = 64;

/// One warning per name that is set but means nothing, where it is probably meant for this program.
pub(super) fn warnings(environment: &Environment) -> Vec<String> {
    // A name in both places is told once, as one of the file.
    let names: BTreeMap<&str, Source> = environment.names().collect();
    names
        .into_iter()
        .filter_map(|(name, source)| {
            let text = warning(name, source)?;
            Some(match source {
                Source::Process => text,
                Source::File => format!("{}: {text}", environment.place(name)),
            })
        })
        .collect()
}

fn warning(name: &str, source: Source) -> Option<String> {
    if is_known(name) {
        return None;
    }
    if OF_THE_SCALED_SCALER
        .iter()
        .any(|start| name.starts_with(start))
    {
        return Some(format!(
            "{name} is of SimpleScaleVM 3 and ignored: one daemon keeps a pool, and nothing scales the daemon; remove the line"
        ));
    }
    let without_family = || (source == Source::File).then(|| ending(name)).flatten();
    if let Some(nearest) = nearest(name).or_else(without_family) {
        return Some(format!(
            "{name} is unknown and ignored; did you mean {nearest}?"
        ));
    }
    // The mock cloud has many variables of its own, other tools have many of `OS_`.
    let own = family(name).is_some_and(|family| !matches!(family, "OS_" | "MOCK_"));
    (own && source == Source::File).then(|| format!("{name} is unknown and ignored"))
}

/// Whether it is the name of a setting.
pub(super) fn is_known(name: &str) -> bool {
    table::of_name(name).is_some()
}

/// All names of settings, aliases too.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    table::variables()
        .iter()
        .flat_map(|variable| [Some(variable.name), variable.alias])
        .flatten()
}

fn family(name: &str) -> Option<&'static str> {
    FAMILIES.into_iter().find(|family| name.starts_with(family))
}

/// The known name that `name` was most likely meant to be.
fn nearest(name: &str) -> Option<&'static str> {
    if name.chars().count() > MAX_NAME_CHARS {
        return None;
    }
    let upper = name.to_ascii_uppercase().replace('-', "_");
    let by_distance = known()
        .filter_map(|known| {
            let distance = strsim::osa_distance(&upper, known);
            (distance <= allowed(&upper, known)).then_some((distance, known))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known);
    by_distance.or_else(|| shortened(&upper))
}

/// How many slips still count as the same name: one in three letters of what follows the family,
/// where both are of the same one; else fewer, for the whole name may be somebody else's.
fn allowed(name: &str, known: &str) -> usize {
    match (family(name), family(known)) {
        (Some("OS_" | "MOCK_"), _) | (_, Some("OS_")) => 1,
        (Some(own), Some(other)) if own == other => {
            (known.len() - own.len()).div_euclid(3).clamp(1, 4)
        }
        _ if known.len() >= 12 => 2,
        _ => 1,
    }
}

/// The one known name that has all words of `name` in the same order, and others besides. One of `OS_`
/// has to begin with it.
fn shortened(name: &str) -> Option<&'static str> {
    let own = family(name)?;
    let words: Vec<&str> = name.split('_').collect();
    if own == "OS_" {
        return only(|known| begins(known, name) && words.len() > 1);
    }
    let holds_all = |known: &str| {
        let mut rest = known.split('_');
        known.starts_with(own) && words.iter().all(|word| rest.any(|other| other == *word))
    };
    only(holds_all).filter(|_| words.len() > 2)
}

/// Whether the first words of a known name are these.
fn begins(known: &str, name: &str) -> bool {
    let rest = known.strip_prefix(name);
    rest.is_some_and(|rest| rest.starts_with('_'))
}

/// The one known name of which it is the end, without the family.
fn ending(name: &str) -> Option<&'static str> {
    let is_end = |known: &str| family(known).and_then(|own| known.strip_prefix(own)) == Some(name);
    only(is_end).filter(|_| name.contains('_'))
}

/// The one known name that is such.
fn only(is_such: impl Fn(&str) -> bool) -> Option<&'static str> {
    let mut matching = known().filter(|known| is_such(known));
    let found = matching.next()?;
    matching.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names() {
        let check = |name: &str, source, expected: Option<&str>| {
            let expected = expected.map(|known| match known {
                "" => format!("{name} is unknown and ignored"),
                _ => format!("{name} is unknown and ignored; did you mean {known}?"),
            });
            assert_eq!(warning(name, source), expected, "{name}");
        };
        for (name, known) in [
            ("APP_PROT", "APP_PORT"),
            (
                "REPLICA_MIN_AVAILABLE_RESOURCE",
                "REPLICA_MIN_AVAILABLE_RESOURCES",
            ),
            ("REPLICA_MIN_RESOURCES", "REPLICA_MIN_AVAILABLE_RESOURCES"),
            ("REPLICA_MAX_COUNTS", "REPLICA_MAX_COUNT"),
            ("OPENSTACK_IMAGES", "OPENSTACK_IMAGE"),
            ("OPENSTACK_KEY_PAIR", "OPENSTACK_KEYPAIR"),
            ("OPENSTACK_SECURITY_GROUP", "OPENSTACK_SECURITY_GROUPS"),
            ("OPENSTACK_SCALED_IMGE", "OPENSTACK_SCALED_IMAGE"),
            ("EXTERNAL_ADRESS_MANAGEMENT", "EXTERNAL_ADDRESS_MANAGEMENT"),
            ("PROBE_INTERVALL", "PROBE_INTERVAL"),
            ("SCALING_INTERVALS", "SCALING_INTERVAL"),
            ("LOG_LEVELS", "LOG_LEVEL"),
            ("OS_USER_NAME", "OS_USERNAME"),
            ("OS_PASWORD", "OS_PASSWORD"),
            ("RELPICA_CAPACITY", "REPLICA_CAPACITY"),
            ("app_port", "APP_PORT"),
            ("APP-PORT", "APP_PORT"),
            ("PROVIDR", "PROVIDER"),
            ("OS_REGION", "OS_REGION_NAME"),
        ] {
            check(name, Source::Process, Some(known));
            check(name, Source::File, Some(known));
        }
        for name in [
            "APP_ENV",
            "APP_NAME",
            "APP_VERSION",
            "LOG_FILE",
            "REPLICA_COLOUR",
            "OPENSTACK_EXPORTER_PORT",
        ] {
            check(name, Source::Process, None);
            check(name, Source::File, Some(""));
        }
        for (name, known) in [
            ("MAX_COUNT", "REPLICA_MAX_COUNT"),
            ("MIN_AVAILABLE_RESOURCES", "REPLICA_MIN_AVAILABLE_RESOURCES"),
        ] {
            // In the environment it is some other program's.
            check(name, Source::Process, None);
            check(name, Source::File, Some(known));
        }
        for name in [
            "PATH",
            "HOME",
            "PORT",
            "OS_USER",
            "HOSTNAME",
            "VERSION",
            "COMPOSE_PROJECT_NAME",
            "OS_VOLUME_API_VERSION",
            "OS_IMAGE_API_VERSION",
            "OS_TENANT_NAME",
            "MOCK_BUILD_TIME",
            "MOCK_PORT",
            "",
        ] {
            check(name, Source::Process, None);
            check(name, Source::File, None);
        }
        check(&"APP_PORT".repeat(1000), Source::Process, None);
    }
}
