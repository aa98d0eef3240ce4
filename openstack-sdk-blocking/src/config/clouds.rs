//! `clouds.yaml`, `secure.yaml` and `clouds-public.yaml`.

use std::io;
use std::path::{Path, PathBuf};

use super::problem::{ConfigProblem, shown};
use super::setting::{Setting, Settings, is_of_a_service};
use super::yaml::{self, Node};
use crate::text::{listed, nearest};

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;
type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;
type Problems = Vec<ConfigProblem>;

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The keys of an entry that mean something here, beside those of the login and of single services; those of `auth` are
/// taken as they are.
const ENTRY_KEYS: &[&str] = &[
    "auth_type",
    "region_name",
    "interface",
    "endpoint_type",
    "identity_api_version",
    "cacert",
    "verify",
    "insecure",
    "cert",
    "key",
];

/// The keys of the login that openstacksdk also takes from beside `auth`, where those of `auth` win.
const LOGIN_KEYS: &[&str] = &[
    "auth_url",
    "username",
    "user_id",
    "password",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
    "default_domain",
    "default_domain_id",
    "default_domain_name",
    "system_scope",
    "trust_id",
];

/// The same, but those beside `auth` win (openstacksdk, `_fix_backwards_project`).
const SCOPE_KEYS: &[&str] = &[
    "project_id",
    "project_name",
    "tenant_id",
    "tenant_name",
    "domain_id",
    "domain_name",
    "user_domain_id",
    "user_domain_name",
    "project_domain_id",
    "project_domain_name",
    "token",
];

/// Names that openstacksdk takes for others.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("auth_plugin", "auth_type"),
    ("auth_token", "token"),
    ("user_name", "username"),
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
            "is {}, but there is no clouds.yaml in {}",
            shown(cloud),
            join(&directories(vars))
        );
        return Err(vec![ConfigProblem::new("OS_CLOUD", problem)]);
    };
    let region = vars("OS_REGION_NAME");
    let wanted = Wanted {
        section: "clouds",
        name: cloud,
        region: region.as_deref(),
    };
    let (own, profile) = entry(&path, &text, wanted)?.ok_or_else(|| {
        let names = entries(&text);
        let hint = match nearest(cloud, names.iter().map(String::as_str)) {
            Some(name) => format!("; did you mean {}?", shown(name)),
            None if names.is_empty() => String::new(),
            None => format!("; it has {}", listed(names.iter().map(String::as_str))),
        };
        let problem = format!(
            "is {}, but {} has no such entry below \"clouds\"{hint}",
            shown(cloud),
            path.display()
        );
        vec![ConfigProblem::new("OS_CLOUD", problem)]
    })?;
    let mut settings = match profile {
        Some(profile) => {
            let is_needed = !own.contains_key("auth_url");
            public(&profile, is_needed, wanted.region, vars, files)?
        }
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
        && let Some((secret, _)) = entry(&path, &text, wanted)?
    {
        settings.extend(secret);
    }
    Ok(settings)
}

/// The names of the entries of a file.
fn entries(text: &str) -> Vec<String> {
    let root = yaml::parse(text).unwrap_or(Node::Null);
    match root.get("clouds") {
        Some(Node::Map(pairs)) => pairs.iter().map(|(name, _)| name.clone()).collect(),
        _ => Vec::new(),
    }
}

/// Whether `clouds.yaml` has an entry of that name, and where.
pub(super) fn place_of_entry(name: &str, vars: Lookup<'_>, files: ReadFile<'_>) -> Option<PathBuf> {
    const FILE: &str = "OS_CLIENT_CONFIG_FILE";
    let (path, text) = find("clouds", vars(FILE), FILE, vars, files).ok()??;
    entries(&text)
        .iter()
        .any(|other| other == name)
        .then_some(path)
}

/// The settings of a profile. openstacksdk has profiles built in; those are not known here, which is
/// no matter where the entry itself says where to log in.
fn public(
    profile: &Profile,
    is_needed: bool,
    region: Option<&str>,
    vars: Lookup<'_>,
    files: ReadFile<'_>,
) -> Result<Settings, Problems> {
    let wanted = Wanted {
        section: "public-clouds",
        name: &profile.name,
        region,
    };
    let (place, found) = match find("clouds-public", None, "", vars, files)? {
        Some((path, text)) => (path.display().to_string(), entry(&path, &text, wanted)?),
        None => (
            format!("a clouds-public.yaml in {}", join(&directories(vars))),
            None,
        ),
    };
    let settings = found.map(|(settings, _)| settings);
    if settings.is_none() && !is_needed {
        return Ok(Settings::new());
    }
    settings.ok_or_else(|| {
        let problem = format!(
            "is {}, which is not in {place}; put its auth_url below \"auth\", what else it sets into the entry, and \
             remove this key",
            shown(&profile.name)
        );
        vec![ConfigProblem::new(&profile.origin, problem)]
    })
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
                let problem = format!("is {}, which cannot be read: {error}", shown(&name));
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

/// Which entry of a file is read.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    section: &'a str,
    name: &'a str,
    /// The region that a variable sets.
    region: Option<&'a str>,
}

/// The entry of `clouds-public.yaml` that an entry builds on.
struct Profile {
    name: String,
    /// `FILE: key`.
    origin: String,
}

type Entry = (Settings, Option<Profile>);

/// The settings below `section: name:`, and the profile that it builds on.
fn entry(path: &Path, text: &str, wanted: Wanted<'_>) -> Result<Option<Entry>, Problems> {
    let Wanted { section, name, .. } = wanted;
    let root = yaml::parse(text)
        .map_err(|problem| vec![ConfigProblem::new(path.display().to_string(), problem)])?;
    let place = Place {
        path,
        section,
        name,
    };
    let Some(clouds) = place.mapping(&root, section)? else {
        return Ok(None);
    };
    let Some(cloud) = place.mapping(clouds, name)? else {
        return Ok(None);
    };
    let mut settings = Settings::new();
    let mut problems = Problems::new();
    let mut add = |key: &str, value: &Node, shown: &str| {
        place.add(&mut settings, &mut problems, &known(key), value, shown);
    };
    let auth = place.mapping(cloud, "auth")?;
    let beside =
        |wanted: fn(&str) -> bool| pairs(cloud).filter(move |(key, _)| wanted(&known(key)));
    for (key, value) in beside(|key| LOGIN_KEYS.contains(&key)) {
        add(key, value, key);
    }
    for (key, value) in auth.into_iter().flat_map(pairs) {
        let key_shown = shown(key);
        add(key, value, &format!("auth.{}", key_shown.trim_matches('"')));
    }
    let is_plain =
        |key: &str| SCOPE_KEYS.contains(&key) || ENTRY_KEYS.contains(&key) || is_of_a_service(key);
    for (key, value) in beside(is_plain) {
        add(key, value, key);
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
    let own_region = settings.get("region_name").map(|region| &*region.value);
    place.refuse(&mut problems, cloud, wanted.region.or(own_region));
    if problems.is_empty() {
        let profile = ["profile", "cloud"].into_iter().find_map(|key| {
            let name = scalar(cloud.get(key)?).filter(|name| !name.is_empty())?;
            let origin = place.origin(key);
            Some(Profile { name, origin })
        });
        Ok(Some((settings, profile)))
    } else {
        Err(problems)
    }
}

/// A mapping's keys and values.
fn pairs(node: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let pairs = match node {
        Node::Map(pairs) => pairs.as_slice(),
        _ => &[],
    };
    pairs.iter().map(|(key, value)| (key.as_str(), value))
}

/// A key as it is known here: openstacksdk takes dashes for underscores, and some keys for others.
fn known(key: &str) -> String {
    let key = key.replace('-', "_");
    if let Some(service) = key.strip_suffix("_endpoint_type") {
        return format!("{service}_interface");
    }
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == key);
    other.map_or(key, |(_, name)| (*name).to_owned())
}

struct Place<'a> {
    path: &'a Path,
    section: &'a str,
    name: &'a str,
}

impl Place<'_> {
    /// The mapping below a key; an empty value is none.
    fn mapping<'n>(&self, node: &'n Node, key: &str) -> Result<Option<&'n Node>, Problems> {
        match node.get(key) {
            Some(value @ Node::Map(_)) => Ok(Some(value)),
            Some(Node::Scalar(_) | Node::List(_)) => Err(vec![ConfigProblem::new(
                format!("{}: {key}", self.path.display()),
                "expected a mapping (indented lines of key: value) below it",
            )]),
            _ => Ok(None),
        }
    }

    /// `FILE: key`.
    fn origin(&self, key: &str) -> String {
        format!(
            "{}: {}.{}.{key}",
            self.path.display(),
            self.section,
            self.name
        )
    }

    /// Values of a region decide where requests go: to pass over them in silence would be to ask somewhere else.
    fn refuse(&self, problems: &mut Problems, cloud: &Node, region: Option<&str>) {
        if region_values(cloud, region).is_some_and(is_something) {
            let problem = "values of a region are not supported: put them into the entry itself, one entry per region";
            problems.push(ConfigProblem::new(self.origin("regions"), problem));
        }
    }

    fn add(
        &self,
        settings: &mut Settings,
        problems: &mut Problems,
        key: &str,
        value: &Node,
        shown: &str,
    ) {
        let origin = self.origin(shown);
        match scalar(value) {
            Some(value) if value.is_empty() => {}
            Some(value) => {
                settings.insert(key.to_owned(), Setting { value, origin });
            }
            None if *value == Node::Null => {}
            None => problems.push(ConfigProblem::new(origin, "expected one plain value")),
        }
    }
}

fn is_something(node: &Node) -> bool {
    match node {
        Node::Null => false,
        Node::Scalar(text) => !text.is_empty(),
        Node::List(list) => !list.is_empty(),
        Node::Map(pairs) => !pairs.is_empty(),
    }
}

/// What `regions` sets for the region that is used: that one, or else the first.
fn region_values<'n>(cloud: &'n Node, region: Option<&str>) -> Option<&'n Node> {
    let Node::List(regions) = cloud.get("regions")? else {
        return None;
    };
    let is_used = |entry: &&Node| {
        let name = entry.get("name").and_then(scalar);
        region.is_none() || name.as_deref() == region
    };
    regions.iter().find(is_used)?.get("values")
}

fn scalar(node: &Node) -> Option<String> {
    match node {
        Node::Scalar(text) => Some(text.clone()),
        _ => None,
    }
}

/// `regions: [A, B]` or `regions: [{name: A}]`: the first is the default.
fn first_region(cloud: &Node) -> Option<&Node> {
    match cloud.get("regions")? {
        Node::List(regions) => regions
            .first()
            .map(|first| first.get("name").unwrap_or(first)),
        other => Some(other),
    }
}

fn join(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(", ")
}
