//! `clouds.yaml`, `secure.yaml` and `clouds-public.yaml`.

use std::io;
use std::path::{Path, PathBuf};

use saphyr::{ScalarStyle, Yaml, YamlLoader};
use saphyr_parser::Parser;

use super::ConfigProblem;
use super::vars::{Setting, Settings};

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;
type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;
type Problems = Vec<ConfigProblem>;

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The keys of an entry that mean something here; those of `auth` are taken as they are.
const ENTRY_KEYS: &[&str] = &[
    "auth_type",
    "region_name",
    "interface",
    "endpoint_type",
    "identity_api_version",
    "cacert",
    "verify",
    "insecure",
];

/// The settings of one cloud: its profile's, then its own, then those of `secure.yaml`.
pub(super) fn read(
    cloud: &str,
    vars: Lookup<'_>,
    files: ReadFile<'_>,
) -> Result<Settings, Problems> {
    let main = find(
        "clouds",
        vars("OS_CLIENT_CONFIG_FILE"),
        "OS_CLIENT_CONFIG_FILE",
        vars,
        files,
    )?;
    let Some((path, text)) = main else {
        let problem = format!(
            "is \"{cloud}\", but there is no clouds.yaml in {}",
            join(&directories(vars))
        );
        return Err(vec![ConfigProblem::new("OS_CLOUD", problem)]);
    };
    let (own, profile) = entry(&path, &text, "clouds", cloud)?.ok_or_else(|| {
        let problem = format!(
            "is \"{cloud}\", but {} has no such entry below \"clouds\"",
            path.display()
        );
        vec![ConfigProblem::new("OS_CLOUD", problem)]
    })?;
    let mut settings = match profile {
        Some(profile) => public(&profile, vars, files)?,
        None => Settings::new(),
    };
    settings.extend(own);
    let secure = find(
        "secure",
        vars("OS_CLIENT_SECURE_FILE"),
        "OS_CLIENT_SECURE_FILE",
        vars,
        files,
    )?;
    if let Some((path, text)) = secure
        && let Some((secret, _)) = entry(&path, &text, "clouds", cloud)?
    {
        settings.extend(secret);
    }
    Ok(settings)
}

fn public(profile: &str, vars: Lookup<'_>, files: ReadFile<'_>) -> Result<Settings, Problems> {
    let Some((path, text)) = find("clouds-public", None, "", vars, files)? else {
        log::debug!("profile {profile}: there is no clouds-public.yaml");
        return Ok(Settings::new());
    };
    Ok(entry(&path, &text, "public-clouds", profile)?
        .map_or_else(Settings::new, |(settings, _)| settings))
}

fn directories(vars: Lookup<'_>) -> Vec<PathBuf> {
    let user = vars("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| vars("HOME").map(|home| Path::new(&home).join(".config")));
    let mut all = vec![PathBuf::from(".")];
    all.extend(user.map(|config| config.join("openstack")));
    all.push(PathBuf::from("/etc/openstack"));
    all
}

/// The first file of that name, or the one that a variable names and that must then be there.
fn find(
    stem: &str,
    named: Option<String>,
    variable: &str,
    vars: Lookup<'_>,
    files: ReadFile<'_>,
) -> Result<Option<(PathBuf, String)>, Problems> {
    if let Some(name) = named {
        let path = PathBuf::from(&name);
        return match files(&path) {
            Ok(text) => Ok(Some((path, text))),
            Err(error) => {
                let problem = format!("is \"{name}\", which cannot be read: {error}");
                Err(vec![ConfigProblem::new(variable, problem)])
            }
        };
    }
    for directory in directories(vars) {
        for extension in EXTENSIONS {
            let path = directory.join(format!("{stem}.{extension}"));
            match files(&path) {
                Ok(text) => return Ok(Some((path, text))),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) => {}
                Err(error) => {
                    let problem = format!("cannot be read: {error}");
                    return Err(vec![ConfigProblem::new(
                        path.display().to_string(),
                        problem,
                    )]);
                }
            }
        }
    }
    Ok(None)
}

type Entry = (Settings, Option<String>);

/// The settings below `section: name:`, and the profile that it builds on.
fn entry(path: &Path, text: &str, section: &str, name: &str) -> Result<Option<Entry>, Problems> {
    let documents = parse(text)
        .map_err(|problem| vec![ConfigProblem::new(path.display().to_string(), problem)])?;
    let Some(root) = documents.first() else {
        return Ok(None);
    };
    let place = Place {
        path,
        section,
        name,
    };
    let Some(clouds) = place.mapping(root, section)? else {
        return Ok(None);
    };
    let Some(cloud) = place.mapping(clouds, name)? else {
        return Ok(None);
    };
    let mut settings = Settings::new();
    let mut problems = Problems::new();
    if let Some(auth) = place.mapping(cloud, "auth")?
        && let Some(pairs) = auth.as_mapping()
    {
        for (key, value) in pairs {
            if let Some(key) = scalar(key) {
                place.add(
                    &mut settings,
                    &mut problems,
                    &key,
                    value,
                    &format!("auth.{key}"),
                );
            }
        }
    }
    for key in ENTRY_KEYS {
        if let Some(value) = get(cloud, key) {
            place.add(&mut settings, &mut problems, key, value, key);
        }
    }
    if !settings.contains_key("region_name")
        && let Some(region) = first_region(cloud)
    {
        place.add(
            &mut settings,
            &mut problems,
            "region_name",
            region,
            "regions",
        );
    }
    if problems.is_empty() {
        let profile = get(cloud, "profile")
            .or_else(|| get(cloud, "cloud"))
            .and_then(scalar);
        Ok(Some((settings, profile)))
    } else {
        Err(problems)
    }
}

struct Place<'a> {
    path: &'a Path,
    section: &'a str,
    name: &'a str,
}

impl Place<'_> {
    /// The mapping below a key; an empty value is none.
    fn mapping<'y>(&self, node: &'y Yaml<'y>, key: &str) -> Result<Option<&'y Yaml<'y>>, Problems> {
        match get(node, key) {
            Some(value) if value.as_mapping().is_some() => Ok(Some(value)),
            Some(value) if !is_null(value) => Err(vec![ConfigProblem::new(
                format!("{}: {key}", self.path.display()),
                "expected a mapping (indented lines of key: value) below it",
            )]),
            _ => Ok(None),
        }
    }

    fn add(
        &self,
        settings: &mut Settings,
        problems: &mut Problems,
        key: &str,
        value: &Yaml<'_>,
        shown: &str,
    ) {
        let origin = format!(
            "{}: {}.{}.{shown}",
            self.path.display(),
            self.section,
            self.name
        );
        match scalar(value) {
            Some(value) if value.is_empty() => {}
            Some(value) => {
                settings.insert(key.to_owned(), Setting { value, origin });
            }
            None if is_null(value) => {}
            None => problems.push(ConfigProblem::new(origin, "expected one plain value")),
        }
    }
}

/// Scalars stay as they are written, so that a password of digits keeps its zeros.
fn parse(text: &str) -> Result<Vec<Yaml<'_>>, String> {
    let mut parser = Parser::new_from_str(text);
    let mut loader = YamlLoader::<Yaml<'_>>::default();
    loader.early_parse(false);
    let scanned = parser.load(&mut loader, true);
    let error = scanned.err().or_else(|| loader.error().cloned());
    match error {
        // The scanner's own words may quote the text, and the text may be a password.
        Some(error) => Err(format!(
            "is not valid YAML: line {}, column {}",
            error.marker().line(),
            error.marker().col() + 1
        )),
        None => Ok(loader.into_documents()),
    }
}

fn get<'y>(node: &'y Yaml<'y>, key: &str) -> Option<&'y Yaml<'y>> {
    node.as_mapping()?
        .iter()
        .find(|(name, _)| scalar(name).as_deref() == Some(key))
        .map(|(_, value)| value)
}

fn scalar(node: &Yaml<'_>) -> Option<String> {
    match node {
        Yaml::Representation(text, ..) if !is_null(node) => Some(text.to_string()),
        _ => None,
    }
}

fn is_null(node: &Yaml<'_>) -> bool {
    match node {
        Yaml::Representation(text, ScalarStyle::Plain, _) => {
            matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL")
        }
        Yaml::Value(value) => matches!(value, saphyr::Scalar::Null),
        _ => false,
    }
}

/// `regions: [A, B]` or `regions: [{name: A}]`: the first is the default.
fn first_region<'y>(cloud: &'y Yaml<'y>) -> Option<&'y Yaml<'y>> {
    let first = get(cloud, "regions")?.as_sequence()?.first()?;
    Some(get(first, "name").unwrap_or(first))
}

fn join(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(", ")
}
