//! From variables (and, below them, an entry of `clouds.yaml`) to a configuration.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::clouds;
use super::model::{
    Auth, CloudConfig, CredentialRef, DomainRef, Interface, ProjectRef, Scope, ServiceConfig,
    Source, UserRef,
};
use super::problem::{ConfigProblem, shown, shown_url};
use super::proxy::Proxies;
use super::setting::{OF_A_SERVICE, Setting, Settings, VARIABLES};
use crate::secret::Secret;
use crate::service::Service;
use crate::url::Url;

/// Settings that mean the same thing: a variable of such a group hides all of the file's.
const GROUPS: &[&[&str]] = &[
    &["project_id", "project_name", "tenant_id", "tenant_name"],
    &["user_id", "username"],
    &["project_domain_id", "project_domain_name"],
    &["user_domain_id", "user_domain_name"],
    &["domain_id", "domain_name"],
    &["application_credential_id", "application_credential_name"],
    &["interface", "endpoint_type"],
    &["insecure", "verify"],
];

const NO_SYSTEM: &str =
    "is not supported: servers belong to a project; unset it, and set OS_PROJECT_ID";
const NO_TRUST: &str = "trusts are not supported; unset it, and use an application credential, which acts for one \
                        project without the user's password as well";
const NO_CLIENT_CERTIFICATE: &str = "client certificates are not supported; unset it, and log in by password or \
                                     application credential";

/// The settings that decide who asks, but not here, and what is said of them.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("cert", NO_CLIENT_CERTIFICATE),
    ("key", NO_CLIENT_CERTIFICATE),
    ("system_scope", NO_SYSTEM),
    ("trust_id", NO_TRUST),
];

/// The settings whose values are not to be shown.
const SECRETS: &[&str] = &["password", "token", "application_credential_secret"];

impl CloudConfig {
    /// Reads the `OS_*` variables (see [`VARIABLES`]), the proxies' ([`Proxies::from_vars`]) and, with `OS_CLOUD`, `clouds.yaml` and `secure.yaml`.
    ///
    /// `vars` looks a variable up; an empty value counts as unset. `files` reads a file. The YAML files are searched
    /// in `.`, `$XDG_CONFIG_HOME/openstack` (`~/.config/openstack`) and `/etc/openstack`; `OS_CLIENT_CONFIG_FILE` and
    /// `OS_CLIENT_SECURE_FILE` name others. A variable that is set wins over the file.
    ///
    /// # Errors
    /// All problems at once, each with the variable (or file and key) it is about; never with a secret.
    pub fn from_vars(
        vars: &dyn Fn(&str) -> Option<String>,
        files: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let lookup = |name: &str| vars(name).filter(|value| !value.is_empty());
        let mut reader = Reader {
            settings: gather(&lookup, files)?,
            problems: Vec::new(),
        };
        let config = reader.config();
        let proxies = Proxies::from_vars(&lookup).unwrap_or_else(|problems| {
            reader.problems.extend(problems);
            Proxies::default()
        });
        let home = lookup("HOME");
        match config {
            Some(mut config) if reader.problems.is_empty() => {
                config.proxies = proxies;
                config.ca_file = config
                    .ca_file
                    .map(|path| expand_home(path, home.as_deref()));
                Ok(config)
            }
            _ => Err(reader.problems),
        }
    }

    /// Every setting that [`CloudConfig::from_vars`] would read, and where it is from.
    ///
    /// # Errors
    /// As there, as far as the files are concerned.
    pub fn sources(
        vars: &dyn Fn(&str) -> Option<String>,
        files: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Result<Vec<Source>, Vec<ConfigProblem>> {
        let lookup = |name: &str| vars(name).filter(|value| !value.is_empty());
        let source = |(key, setting): (String, Setting)| {
            let is_url = setting.value.contains("://");
            let may_tell =
                setting.value.contains('@') || is_url && setting.value.contains(['?', '#']);
            let is_shown = !SECRETS.contains(&key.as_str()) && !may_tell;
            Source {
                variable: variable(&key),
                value: is_shown.then_some(setting.value),
                origin: setting.origin,
            }
        };
        Ok(gather(&lookup, files)?.into_iter().map(source).collect())
    }
}

fn gather(
    lookup: &dyn Fn(&str) -> Option<String>,
    files: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Settings, Vec<ConfigProblem>> {
    let from_env: Settings = VARIABLES
        .iter()
        .filter_map(|name| {
            let setting = Setting {
                value: lookup(name)?,
                origin: (*name).to_owned(),
            };
            let key = name
                .strip_prefix("OS_")
                .unwrap_or(name)
                .to_ascii_lowercase();
            Some((key, setting))
        })
        .collect();
    let of_variables = lookup("OS_CLOUD_NAME").unwrap_or_else(|| "envvars".to_owned());
    let mut settings = match lookup("OS_CLOUD") {
        // The name under which openstacksdk knows what the variables say.
        Some(cloud) if cloud == of_variables => {
            if let Some(path) = clouds::place_of_entry(&cloud, lookup, files) {
                let problem = format!(
                    "is {}, which stands for the variables, but {} has an entry of that name too: rename that",
                    shown(&cloud),
                    path.display()
                );
                return Err(vec![ConfigProblem::new("OS_CLOUD", problem)]);
            }
            Settings::new()
        }
        Some(cloud) => clouds::read(&cloud, lookup, files)?,
        None => Settings::new(),
    };
    for group in GROUPS {
        if group.iter().any(|key| from_env.contains_key(*key)) {
            settings.retain(|key, _| !group.contains(&key.as_str()));
        }
    }
    settings.extend(from_env);
    Ok(settings)
}

struct Reader {
    settings: Settings,
    problems: Vec<ConfigProblem>,
}

impl Reader {
    fn config(&mut self) -> Option<CloudConfig> {
        let auth_url = self.auth_url();
        self.identity_version();
        let auth = self.auth();
        let scope = if matches!(auth, Some(Auth::ApplicationCredential { .. })) {
            Scope::Unscoped
        } else {
            self.scope()
        };
        let interface = self.interface();
        let services = self.services();
        let insecure = self.insecure();
        self.unsupported();
        let notes = self.notes();
        let mut config = CloudConfig::new(auth_url?, auth?, scope);
        config.region = self.get("region_name");
        config.interface = interface;
        config.services = services;
        config.notes = notes;
        config.insecure = insecure;
        let authorities = ["cacert", "ssl_cert_file"];
        if let Some(file) = authorities.iter().find_map(|key| self.settings.get(*key)) {
            config.ca_file = Some(PathBuf::from(&file.value));
            config.ca_file_origin = Some(file.origin.clone());
        }
        Some(config)
    }

    fn get(&self, key: &str) -> Option<String> {
        self.settings.get(key).map(|setting| setting.value.clone())
    }

    fn first(&self, keys: &[&str]) -> Option<String> {
        keys.iter().find_map(|key| self.get(key))
    }

    /// A problem with a setting that is there, named by where it is from.
    fn wrong(&mut self, key: &str, problem: impl Into<String>) {
        let origin = self
            .settings
            .get(key)
            .map_or_else(|| variable(key), |setting| setting.origin.clone());
        self.problems.push(ConfigProblem::new(origin, problem));
    }

    fn missing(&mut self, key: &str, expected: &str) {
        let problem = format!("is not set, expected {expected}");
        self.problems
            .push(ConfigProblem::new(variable(key), problem));
    }

    fn auth_url(&mut self) -> Option<String> {
        if !self.settings.contains_key("auth_url") {
            let expected = "the identity service's URL, such as https://auth.example.net/v3";
            self.missing("auth_url", expected);
        }
        Some(self.url("auth_url")?.to_string())
    }

    /// A setting that has to be a URL, if it is there.
    fn url(&mut self, key: &str) -> Option<Url> {
        let text = self.get(key)?;
        Url::parse(&text)
            .map_err(|expected| self.wrong(key, format!("is {}, {expected}", shown_url(&text))))
            .ok()
    }

    fn identity_version(&mut self) {
        if let Some(version) = self.get("identity_api_version")
            && !matches!(version.trim_start_matches('v'), "3" | "3.0")
        {
            self.wrong(
                "identity_api_version",
                format!("is {}, expected 3", shown(&version)),
            );
        }
    }

    fn auth(&mut self) -> Option<Auth> {
        let kind = match self.get("auth_type") {
            Some(kind) => kind,
            None if self.settings.contains_key("application_credential_secret") => {
                "v3applicationcredential".to_owned()
            }
            None if self.settings.contains_key("token")
                && !self.settings.contains_key("password") =>
            {
                "v3token".to_owned()
            }
            None => "v3password".to_owned(),
        };
        match kind.as_str() {
            "password" | "v3password" => {
                let user = self.user();
                let password = self.secret("password", "the user's password");
                Some(Auth::Password {
                    user: user?,
                    password: password?,
                })
            }
            "v3applicationcredential" => {
                let credential = self.credential();
                let secret = self.secret(
                    "application_credential_secret",
                    "the application credential's secret",
                );
                Some(Auth::ApplicationCredential {
                    credential: credential?,
                    secret: secret?,
                })
            }
            "token" | "v3token" => self.secret("token", "a token").map(Auth::Token),
            other => {
                let expected = "expected v3password, v3applicationcredential or v3token";
                self.wrong("auth_type", format!("is {}, {expected}", shown(other)));
                None
            }
        }
    }

    fn secret(&mut self, key: &str, expected: &str) -> Option<Secret> {
        let value = self.get(key);
        if value.is_none() {
            self.missing(key, expected);
        }
        value.map(Secret::new)
    }

    fn user(&mut self) -> Option<UserRef> {
        if let Some(id) = self.get("user_id") {
            return Some(UserRef::Id(id));
        }
        let Some(name) = self.get("username") else {
            self.missing("username", "the user's name (or OS_USER_ID)");
            return None;
        };
        Some(UserRef::Name {
            name,
            domain: self.domain(&["user_domain", "domain"]),
        })
    }

    fn credential(&mut self) -> Option<CredentialRef> {
        if let Some(id) = self.get("application_credential_id") {
            return Some(CredentialRef::Id(id));
        }
        let Some(name) = self.get("application_credential_name") else {
            let expected =
                "the application credential's id (or OS_APPLICATION_CREDENTIAL_NAME and the user)";
            self.missing("application_credential_id", expected);
            return None;
        };
        Some(CredentialRef::Name {
            name,
            user: self.user()?,
        })
    }

    fn scope(&self) -> Scope {
        if let Some(id) = self.first(&["project_id", "tenant_id"]) {
            return Scope::Project(ProjectRef::Id(id));
        }
        if let Some(name) = self.first(&["project_name", "tenant_name"]) {
            return Scope::Project(ProjectRef::Name {
                name,
                domain: self.domain(&["project_domain", "domain", "user_domain"]),
            });
        }
        match (self.get("domain_id"), self.get("domain_name")) {
            (Some(id), _) => Scope::Domain(DomainRef::Id(id)),
            (None, Some(name)) => Scope::Domain(DomainRef::Name(name)),
            (None, None) => Scope::Unscoped,
        }
    }

    /// The first domain among the families, the id before the name; else the default domain.
    fn domain(&self, families: &[&str]) -> DomainRef {
        families
            .iter()
            .chain(&["default_domain"])
            .find_map(|family| {
                self.get(&format!("{family}_id"))
                    .map(DomainRef::Id)
                    .or_else(|| self.get(&format!("{family}_name")).map(DomainRef::Name))
            })
            .unwrap_or_else(|| {
                let own = self.get("default_domain");
                DomainRef::Id(own.unwrap_or_else(|| "default".to_owned()))
            })
    }

    fn interface(&mut self) -> Interface {
        let keys = ["interface", "endpoint_type"];
        let key = keys
            .into_iter()
            .find(|key| self.settings.contains_key(*key));
        key.and_then(|key| self.interface_of(key))
            .unwrap_or_default()
    }

    fn interface_of(&mut self, key: &str) -> Option<Interface> {
        let text = self.get(key)?;
        let interface = Interface::parse(&text);
        if interface.is_none() {
            let problem = format!("is {}, expected public, internal or admin", shown(&text));
            self.wrong(key, problem);
        }
        interface
    }

    /// What is otherwise for the services that are asked.
    fn services(&mut self) -> BTreeMap<Service, ServiceConfig> {
        let mut all = BTreeMap::new();
        for service in [Service::Compute, Service::Network, Service::Image] {
            let endpoint = format!("{service}_endpoint_override");
            let own = ServiceConfig {
                region: self.get(&format!("{service}_region_name")),
                interface: self.interface_of(&format!("{service}_interface")),
                endpoint: self.url(&endpoint).and_then(|_| self.get(&endpoint)),
            };
            if own != ServiceConfig::default() {
                all.insert(service, own);
            }
        }
        all
    }

    /// What decides who asks, and is not understood here: to pass over it in silence would be to ask as somebody else.
    fn unsupported(&mut self) {
        for (key, problem) in UNSUPPORTED {
            if self.settings.contains_key(*key) {
                self.wrong(key, *problem);
            }
        }
    }

    /// What is set for services that are not asked.
    fn notes(&self) -> Vec<String> {
        let note = |(key, setting): (&String, &Setting)| {
            let end = OF_A_SERVICE.iter().find(|end| key.ends_with(*end))?;
            let why = match key.strip_suffix(end)? {
                "compute" | "network" | "image" | "" => return None,
                "identity" => "Keystone is asked for tokens alone, at OS_AUTH_URL".to_owned(),
                other => format!("the service {} is never asked", shown(other)),
            };
            Some(format!("{} has no effect: {why}", setting.origin))
        };
        self.settings.iter().filter_map(note).collect()
    }

    fn insecure(&mut self) -> bool {
        let insecure = self.boolean("insecure").unwrap_or(false);
        insecure || self.boolean("verify") == Some(false)
    }

    fn boolean(&mut self, key: &str) -> Option<bool> {
        let text = self.get(key)?;
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" => Some(false),
            _ => {
                self.wrong(key, format!("is {}, expected true or false", shown(&text)));
                None
            }
        }
    }
}

/// A shell expands `~`; nobody does so for `clouds.yaml` and `.env`.
fn expand_home(path: PathBuf, home: Option<&str>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => Path::new(home).join(rest),
        _ => path,
    }
}

fn variable(key: &str) -> String {
    let name = key.to_ascii_uppercase();
    match name.as_str() {
        "SSL_CERT_FILE" | "ALL_PROXY" | "HTTPS_PROXY" | "HTTP_PROXY" | "NO_PROXY" => name,
        _ => format!("OS_{name}"),
    }
}
