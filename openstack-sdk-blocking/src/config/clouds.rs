//! `clouds.yaml`, `secure.yaml` and `clouds-public.yaml`.

use std::io;
use std::path::{Path, PathBuf};

use super::vars::{Setting, Settings};
use super::yaml::{self, Node};
use super::{ConfigProblem, shown};

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

const OVERRIDE: &str = "is not supported: the cloud's catalog says where its services are; remove the key, and have \
                        the catalog mended if its URL is wrong (openstack endpoint set)";
const CLIENT_CERTIFICATE: &str = "client certificates are not supported; remove the key, and log in by password or application credential";

/// The keys of an entry that decide where requests go or who sends them, but not here, and what is said of them.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("identity_endpoint_override", OVERRIDE),
    ("compute_endpoint_override", OVERRIDE),
    ("network_endpoint_override", OVERRIDE),
    ("image_endpoint_override", OVERRIDE),
    ("cert", CLIENT_CERTIFICATE),
    ("key", CLIENT_CERTIFICATE),
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
        let problem = format!(
            "is {}, but {} has no such entry below \"clouds\"",
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
    if let Some(auth) = place.mapping(cloud, "auth")?
        && let Node::Map(pairs) = auth
    {
        for (key, value) in pairs {
            let key_shown = shown(key);
            place.add(
                &mut settings,
                &mut problems,
                key,
                value,
                &format!("auth.{}", key_shown.trim_matches('"')),
            );
        }
    }
    for key in ENTRY_KEYS {
        if let Some(value) = cloud.get(key) {
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

    /// Keys that other tools know and that decide where requests go, or who sends them: to pass over them in silence
    /// would be to ask somewhere else.
    fn refuse(&self, problems: &mut Problems, cloud: &Node, region: Option<&str>) {
        for (key, problem) in UNSUPPORTED {
            if cloud.get(key).is_some_and(is_something) {
                problems.push(ConfigProblem::new(self.origin(key), *problem));
            }
        }
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
