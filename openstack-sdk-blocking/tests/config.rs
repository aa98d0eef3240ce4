//! From variables and `clouds.yaml` to a configuration: one table of what is given and what comes of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use openstack_sdk_blocking::{
    Auth, CloudConfig, ConfigProblem, CredentialRef, DomainRef, Interface, ProjectRef, Scope,
    UserRef, VARIABLES,
};

type Pairs<'a> = Vec<(&'a str, &'a str)>;
type Vars<'a> = &'a [(&'a str, &'a str)];

fn read(vars: &[(&str, &str)], files: &[(&str, &str)]) -> Result<CloudConfig, Vec<ConfigProblem>> {
    let vars: BTreeMap<_, _> = vars.iter().copied().collect();
    let files: BTreeMap<_, _> = files
        .iter()
        .map(|(path, text)| (PathBuf::from(path), *text))
        .collect();
    CloudConfig::from_vars(
        &|name| vars.get(name).map(|value| (*value).to_owned()),
        &|path: &Path| {
            let missing = || io::Error::new(io::ErrorKind::NotFound, "no such file");
            files
                .get(path)
                .map(|text| (*text).to_owned())
                .ok_or_else(missing)
        },
    )
}

fn problems(vars: &[(&str, &str)], files: &[(&str, &str)]) -> Vec<String> {
    let problems = read(vars, files).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

fn password(user: UserRef, password: &str) -> Auth {
    Auth::Password {
        user,
        password: password.into(),
    }
}

fn user(name: &str, domain: DomainRef) -> UserRef {
    UserRef::Name {
        name: name.to_owned(),
        domain,
    }
}

fn project(name: &str, domain: DomainRef) -> Scope {
    Scope::Project(ProjectRef::Name {
        name: name.to_owned(),
        domain,
    })
}

fn id(text: &str) -> DomainRef {
    DomainRef::Id(text.to_owned())
}

fn named(text: &str) -> DomainRef {
    DomainRef::Name(text.to_owned())
}

const RENATER: &[(&str, &str)] = &[
    ("OS_AUTH_URL", "https://auth.cloud.ovh.net/v3"),
    ("OS_IDENTITY_API_VERSION", "3"),
    ("OS_INTERFACE", "public"),
    ("OS_PASSWORD", "p@ss \"w$rd#1"),
    ("OS_PROJECT_DOMAIN_ID", "default"),
    ("OS_PROJECT_ID", "0123"),
    ("OS_PROJECT_NAME", "another"),
    ("OS_REGION_NAME", "GRA11"),
    ("OS_USERNAME", "user-x"),
    ("OS_USER_DOMAIN_NAME", "Default"),
    ("OS_USER_ID", ""),
];

#[test]
fn the_settings_of_an_openrc_file() {
    let config = read(RENATER, &[]).unwrap();
    assert_eq!(config.auth_url, "https://auth.cloud.ovh.net/v3");
    assert_eq!(
        config.auth,
        password(user("user-x", named("Default")), "p@ss \"w$rd#1")
    );
    assert_eq!(
        config.scope,
        Scope::Project(ProjectRef::Id("0123".to_owned()))
    );
    assert_eq!(config.region.as_deref(), Some("GRA11"));
    assert_eq!(config.interface, Interface::Public);
    assert_eq!((config.insecure, config.ca_file), (false, None));
}

#[test]
fn who_logs_in_and_for_what() {
    let base = [
        ("OS_AUTH_URL", "http://k"),
        ("OS_USERNAME", "u"),
        ("OS_PASSWORD", "p"),
    ];
    let credential = |credential| Auth::ApplicationCredential {
        credential,
        secret: "s".into(),
    };
    let cases: Vec<(Vars<'_>, Auth, Scope)> = vec![
        (
            &[],
            password(user("u", id("default")), "p"),
            Scope::Unscoped,
        ),
        (
            &[("OS_USER_ID", "1")],
            password(UserRef::Id("1".to_owned()), "p"),
            Scope::Unscoped,
        ),
        (
            &[
                ("OS_PROJECT_NAME", "pr"),
                ("OS_USER_DOMAIN_ID", "ud"),
                ("OS_PROJECT_DOMAIN_NAME", "pd"),
            ],
            password(user("u", id("ud")), "p"),
            project("pr", named("pd")),
        ),
        (
            &[("OS_TENANT_NAME", "pr")],
            password(user("u", id("default")), "p"),
            project("pr", id("default")),
        ),
        (
            &[("OS_PROJECT_NAME", "pr"), ("OS_DOMAIN_NAME", "d")],
            password(user("u", named("d")), "p"),
            project("pr", named("d")),
        ),
        (
            &[("OS_DOMAIN_ID", "d")],
            password(user("u", id("d")), "p"),
            Scope::Domain(id("d")),
        ),
        (
            &[("OS_DEFAULT_DOMAIN", "dd"), ("OS_PROJECT_NAME", "pr")],
            password(user("u", id("dd")), "p"),
            project("pr", id("dd")),
        ),
        (
            &[
                ("OS_APPLICATION_CREDENTIAL_ID", "c"),
                ("OS_APPLICATION_CREDENTIAL_SECRET", "s"),
                ("OS_PROJECT_ID", "x"),
            ],
            credential(CredentialRef::Id("c".to_owned())),
            Scope::Unscoped,
        ),
        (
            &[
                ("OS_AUTH_TYPE", "v3applicationcredential"),
                ("OS_APPLICATION_CREDENTIAL_NAME", "cn"),
                ("OS_APPLICATION_CREDENTIAL_SECRET", "s"),
            ],
            credential(CredentialRef::Name {
                name: "cn".to_owned(),
                user: user("u", id("default")),
            }),
            Scope::Unscoped,
        ),
        (
            &[
                ("OS_AUTH_TYPE", "token"),
                ("OS_TOKEN", "t"),
                ("OS_PROJECT_ID", "x"),
            ],
            Auth::Token("t".into()),
            Scope::Project(ProjectRef::Id("x".to_owned())),
        ),
        (
            &[("OS_PASSWORD", ""), ("OS_TOKEN", "t")],
            Auth::Token("t".into()),
            Scope::Unscoped,
        ),
    ];
    for (more, auth, scope) in cases {
        let all: Vec<_> = base.iter().chain(more).copied().collect();
        let config = read(&all, &[]).unwrap_or_else(|problems| panic!("{more:?}: {problems:?}"));
        assert_eq!((config.auth, config.scope), (auth, scope), "{more:?}");
    }
}

#[test]
fn all_problems_at_once_and_no_secret() {
    let cases: Vec<(Pairs<'_>, Vec<&str>)> = vec![
        (
            vec![],
            vec![
                "OS_AUTH_URL: is not set, expected the identity service's URL, such as https://auth.example.net/v3",
                "OS_USERNAME: is not set, expected the user's name (or OS_USER_ID)",
                "OS_PASSWORD: is not set, expected the user's password",
            ],
        ),
        (
            vec![
                ("OS_AUTH_URL", "auth.cloud"),
                ("OS_IDENTITY_API_VERSION", "2"),
                ("OS_AUTH_TYPE", "v2password"),
                ("OS_INTERFACE", "outside"),
                ("OS_INSECURE", "maybe"),
            ],
            vec![
                "OS_AUTH_URL: is \"auth.cloud\", expected a URL that begins with http:// or https://",
                "OS_IDENTITY_API_VERSION: is \"2\", expected 3",
                "OS_AUTH_TYPE: is \"v2password\", expected v3password, v3applicationcredential or v3token",
                "OS_INTERFACE: is \"outside\", expected public, internal or admin",
                "OS_INSECURE: is \"maybe\", expected true or false",
            ],
        ),
        (
            vec![
                ("OS_AUTH_URL", "https://u:hunter2@host/"),
                ("OS_AUTH_TYPE", "v3token"),
            ],
            vec![
                "OS_AUTH_URL: is \"***\", expected a URL without user name and password",
                "OS_TOKEN: is not set, expected a token",
            ],
        ),
        (
            vec![
                ("OS_AUTH_URL", "http://k"),
                ("OS_APPLICATION_CREDENTIAL_SECRET", "hunter2"),
            ],
            vec![
                "OS_APPLICATION_CREDENTIAL_ID: is not set, expected the application credential's id \
                 (or OS_APPLICATION_CREDENTIAL_NAME and the user)",
            ],
        ),
    ];
    for (vars, expected) in cases {
        assert_eq!(problems(&vars, &[]), expected);
    }
}

#[test]
fn interfaces_and_switches() {
    let base = [
        ("OS_AUTH_URL", "http://k/"),
        ("OS_USERNAME", "u"),
        ("OS_PASSWORD", "p"),
    ];
    let with = |more: &[(&'static str, &'static str)]| {
        let all: Vec<_> = base.iter().chain(more).copied().collect();
        read(&all, &[]).unwrap()
    };
    assert_eq!(
        with(&[("OS_ENDPOINT_TYPE", "internalURL")]).interface,
        Interface::Internal
    );
    assert_eq!(
        with(&[("OS_INTERFACE", "admin"), ("OS_ENDPOINT_TYPE", "public")]).interface,
        Interface::Admin
    );
    assert!(with(&[("OS_INSECURE", "True")]).insecure);
    let ca_file = |more: &[(&'static str, &'static str)]| with(more).ca_file.unwrap();
    assert_eq!(
        ca_file(&[("OS_CACERT", "/ca.pem"), ("SSL_CERT_FILE", "/s.pem")]),
        Path::new("/ca.pem")
    );
    assert_eq!(ca_file(&[("SSL_CERT_FILE", "/s.pem")]), Path::new("/s.pem"));
    assert_eq!(
        ca_file(&[HOME, ("OS_CACERT", "~/ca.pem")]),
        Path::new("/home/x/ca.pem")
    );
    assert_eq!(
        with(&[("OS_IDENTITY_API_VERSION", "v3")]).auth_url,
        "http://k"
    );
}

const CLOUDS: &str = "
clouds:
  pool:
    auth:
      auth_url: https://auth.example/v3
      username: scaler
      user_domain_name: Default
      project_id: 00123
      project_domain_id: default
    region_name: GRA11
    interface: internal
    identity_api_version: 3
    verify: false
    cacert:
  credential:
    auth_type: v3applicationcredential
    profile: ovh
    auth: {application_credential_id: c, application_credential_secret: \"s: #\"}
    regions: [{name: SBG5}, GRA11]
";
const SECURE: &str = "clouds:\n  pool:\n    auth:\n      password: 0042\n";
const PUBLIC: &str =
    "public-clouds:\n  ovh:\n    auth:\n      auth_url: https://auth.cloud.ovh.net/\n";
const HOME: (&str, &str) = ("HOME", "/home/x");

#[test]
fn clouds_yaml() {
    let files = [
        ("/home/x/.config/openstack/clouds.yaml", CLOUDS),
        ("/etc/openstack/secure.yaml", SECURE),
        ("./clouds-public.yaml", PUBLIC),
    ];
    let config = read(&[HOME, ("OS_CLOUD", "pool")], &files).unwrap();
    assert_eq!(
        config.auth,
        password(user("scaler", named("Default")), "0042"),
        "digits keep their zeros"
    );
    assert_eq!(
        config.scope,
        Scope::Project(ProjectRef::Id("00123".to_owned()))
    );
    assert_eq!(
        (config.region.as_deref(), config.interface, config.insecure),
        (Some("GRA11"), Interface::Internal, true)
    );
    let over = [
        HOME,
        ("OS_CLOUD", "pool"),
        ("OS_REGION_NAME", "SBG5"),
        ("OS_PROJECT_NAME", "other"),
    ];
    let config = read(&over, &files).unwrap();
    assert_eq!(config.region.as_deref(), Some("SBG5"));
    assert_eq!(
        config.scope,
        project("other", id("default")),
        "a variable hides the file's other name for it"
    );
    let config = read(&[HOME, ("OS_CLOUD", "credential")], &files).unwrap();
    assert_eq!(config.auth_url, "https://auth.cloud.ovh.net");
    assert_eq!(config.region.as_deref(), Some("SBG5"));
    let secret = Auth::ApplicationCredential {
        credential: CredentialRef::Id("c".to_owned()),
        secret: "s: #".into(),
    };
    assert_eq!(config.auth, secret);
    let named = [
        ("OS_CLOUD", "pool"),
        ("OS_CLIENT_CONFIG_FILE", "/my/c.yaml"),
        ("OS_PASSWORD", "p"),
    ];
    assert!(read(&named, &[("/my/c.yaml", CLOUDS)]).is_ok());
}

#[test]
fn a_hand_edited_file_gets_a_clear_answer() {
    let cases: &[(Vars<'_>, &str, &str)] = &[
        (
            &[],
            "clouds:\n  other: {}\n",
            "OS_CLOUD: is \"pool\", but ./clouds.yaml has no such entry below \"clouds\"",
        ),
        (
            &[],
            "",
            "OS_CLOUD: is \"pool\", but ./clouds.yaml has no such entry below \"clouds\"",
        ),
        (
            &[],
            "clouds:\n  pool:\n\tauth: x\n",
            "./clouds.yaml: is not valid YAML: line 3, column 2",
        ),
        (
            &[],
            "clouds:\n  pool:\n    auth:\n      password: \"hunter2\n",
            "./clouds.yaml: is not valid YAML: line ",
        ),
        (
            &[],
            "clouds: pool\n",
            "./clouds.yaml: clouds: expected a mapping (indented lines of key: value) below it",
        ),
        (
            &[],
            "clouds:\n  pool:\n    auth: secret\n",
            "./clouds.yaml: auth: expected a mapping",
        ),
        (
            &[],
            "clouds:\n  pool:\n    auth:\n      password: [hunter2]\n",
            "./clouds.yaml: clouds.pool.auth.password: expected one plain value",
        ),
        (
            &[
                ("OS_USERNAME", "u"),
                ("OS_PASSWORD", "p"),
                ("OS_AUTH_URL", "http://k"),
            ],
            "clouds:\n  pool:\n    interface: outside\n",
            "./clouds.yaml: clouds.pool.interface: is \"outside\", expected public, internal or admin",
        ),
        (
            &[("OS_CLIENT_CONFIG_FILE", "/none")],
            "",
            "OS_CLIENT_CONFIG_FILE: is \"/none\", which cannot be read: no such file",
        ),
    ];
    for (vars, text, expected) in cases {
        let vars: Vec<_> = vars.iter().copied().chain([("OS_CLOUD", "pool")]).collect();
        let got = problems(&vars, &[("./clouds.yaml", text)]);
        assert_eq!(got.len(), 1, "{got:?}");
        assert!(got[0].starts_with(expected), "{got:?}, not {expected}");
        assert!(!got[0].contains("hunter2"));
    }
    let none = problems(&[HOME, ("OS_CLOUD", "pool")], &[]);
    let expected = "OS_CLOUD: is \"pool\", but there is no clouds.yaml in ., /home/x/.config/openstack, /etc/openstack";
    assert_eq!(none, [expected]);
}

#[test]
fn keys_that_would_send_requests_elsewhere_are_refused_by_name() {
    let entry = |more: &str| {
        format!(
            "clouds:\n  pool:\n    auth: {{auth_url: http://k, username: u, password: p}}\n    {more}\n"
        )
    };
    let check = |vars: Vars<'_>, more: &str, expected: &[&str]| {
        let vars: Vec<_> = vars.iter().copied().chain([("OS_CLOUD", "pool")]).collect();
        let text = entry(more);
        let files = [
            ("./clouds.yaml", text.as_str()),
            ("./clouds-public.yaml", PUBLIC),
        ];
        let got = match read(&vars, &files) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(got.len(), expected.len(), "{more}: {got:?}");
        for (got, expected) in got.iter().zip(expected) {
            assert!(got.starts_with(expected), "{more}: {got}");
        }
    };
    check(&[], "profile: ovh", &[]);
    check(&[], "profile: vexxhost", &[]);
    let text = "clouds: {pool: {profile: vexxhost, auth: {username: u, password: p}}}";
    let files = [("./clouds.yaml", text), ("./clouds-public.yaml", PUBLIC)];
    let expected = "./clouds.yaml: clouds.pool.profile: is \"vexxhost\", which is not in ./clouds-public.yaml; put its \
                    auth_url below \"auth\", what else it sets into the entry, and remove this key";
    assert_eq!(problems(&[("OS_CLOUD", "pool")], &files), [expected]);
    let certificate = [
        "./clouds.yaml: clouds.pool.cert: client certificates are not supported",
        "./clouds.yaml: clouds.pool.key: client certificates are not supported",
    ];
    let system =
        ["./clouds.yaml: clouds.pool.system_scope: is not supported: servers belong to a project"];
    check(&[], "system_scope: all", &system);
    let trust = ["OS_TRUST_ID: trusts are not supported"];
    check(&[("OS_TRUST_ID", "t")], "", &trust);
    check(
        &[
            ("OS_CERT", "/c.pem"),
            ("OS_KEY", "/k.pem"),
            ("OS_SYSTEM_SCOPE", "all"),
        ],
        "",
        &[
            "OS_CERT: client certificates are not supported",
            "OS_KEY: client certificates are not supported",
            "OS_SYSTEM_SCOPE: is not supported",
        ],
    );
    check(&[], "cert: /c.pem\n    key: /k.pem", &certificate);
    let regions = "regions: [A, {name: B, values: {auth: {auth_url: http://b}}}]";
    let refused = ["./clouds.yaml: clouds.pool.regions: values of a region are not supported"];
    check(&[], regions, &[]);
    check(&[("OS_REGION_NAME", "B")], regions, &refused);
    check(&[], &format!("{regions}\n    region_name: B"), &refused);
    let none = problems(&[("OS_CLOUD", "pool")], &[("./clouds.yaml", text)]);
    assert!(
        none[0].contains("not in a clouds-public.yaml in ., /etc/openstack"),
        "{none:?}"
    );
}

/// As openstacksdk 4 makes of it.
#[test]
fn the_login_beside_auth_is_taken() {
    let check = |entry: &str, auth: Auth, scope: Scope, url: &str| {
        let text = format!("clouds:\n  pool:\n{entry}");
        let config = read(&[("OS_CLOUD", "pool")], &[("./clouds.yaml", &text)]);
        let config = config.unwrap_or_else(|problems| panic!("{entry}: {problems:?}"));
        assert_eq!((config.auth, config.scope), (auth, scope), "{entry}");
        assert_eq!(config.auth_url, url, "{entry}");
    };
    let me = || password(user("u", id("default")), "p");
    let by_id = |id: &str| Scope::Project(ProjectRef::Id(id.to_owned()));
    let auth = "    auth: {auth_url: http://k, username: u, password: p, project_id: inside}\n";
    let bare = "    auth: {auth_url: http://k, username: u, password: p}\n";
    check(
        &format!("{bare}    project_id: pp\n"),
        me(),
        by_id("pp"),
        "http://k",
    );
    check(
        &format!("{bare}    project-id: pp\n"),
        me(),
        by_id("pp"),
        "http://k",
    );
    check(
        &format!("{bare}    tenant_id: pp\n"),
        me(),
        by_id("pp"),
        "http://k",
    );
    // Of the scope the outer one wins, of the login the inner one.
    check(
        &format!("{auth}    project_id: outside\n"),
        me(),
        by_id("outside"),
        "http://k",
    );
    check(
        &format!("{auth}    username: x\n    password: x\n    auth_url: http://x\n"),
        me(),
        by_id("inside"),
        "http://k",
    );
    let entry = "    auth_url: http://k\n    username: u\n    password: p\n    tenant_name: t\n    \
                 user_domain_id: ud\n    auth-type: password\n";
    check(
        entry,
        password(user("u", id("ud")), "p"),
        project("t", id("ud")),
        "http://k",
    );
}

#[test]
fn single_services_have_their_own_region_interface_and_url() {
    use openstack_sdk_blocking::{Service, ServiceConfig};
    let own = |region: Option<&str>, interface, endpoint: Option<&str>| ServiceConfig {
        region: region.map(str::to_owned),
        interface,
        endpoint: endpoint.map(str::to_owned),
    };
    let expected: BTreeMap<Service, ServiceConfig> = [
        (
            Service::Compute,
            own(Some("R2"), Some(Interface::Internal), None),
        ),
        (Service::Network, own(None, None, Some("http://n:9696"))),
    ]
    .into();
    let login: Vars<'_> = &[
        ("OS_AUTH_URL", "http://k"),
        ("OS_USERNAME", "u"),
        ("OS_PASSWORD", "p"),
    ];
    let of_services: Vars<'_> = &[
        ("OS_COMPUTE_REGION_NAME", "R2"),
        ("OS_COMPUTE_INTERFACE", "internalURL"),
        ("OS_NETWORK_ENDPOINT_OVERRIDE", "http://n:9696"),
        ("OS_VOLUME_REGION_NAME", "R3"),
        ("OS_IDENTITY_ENDPOINT_OVERRIDE", "http://i"),
    ];
    let vars: Vec<_> = login.iter().chain(of_services).copied().collect();
    let config = read(&vars, &[]).unwrap();
    assert_eq!(config.services, expected);
    let notes = [
        "OS_IDENTITY_ENDPOINT_OVERRIDE has no effect: Keystone is asked for tokens alone, at OS_AUTH_URL",
        "OS_VOLUME_REGION_NAME has no effect: the service \"volume\" is never asked",
    ];
    assert_eq!(config.notes, notes);
    let text = "clouds:\n  pool:\n    auth: {auth_url: http://k, username: u, password: p}\n    \
                compute_region_name: R2\n    compute_endpoint_type: internal\n    \
                network-endpoint-override: http://n:9696\n    baremetal_interface: admin\n";
    let config = read(&[("OS_CLOUD", "pool")], &[("./clouds.yaml", text)]).unwrap();
    assert_eq!(config.services, expected);
    let note = "./clouds.yaml: clouds.pool.baremetal_interface has no effect: the service \"baremetal\" is never asked";
    assert_eq!(config.notes, [note]);
    // A variable wins over the file.
    let vars = [("OS_CLOUD", "pool"), ("OS_COMPUTE_REGION_NAME", "R9")];
    let config = read(&vars, &[("./clouds.yaml", text)]).unwrap();
    assert_eq!(
        config.services[&Service::Compute].region.as_deref(),
        Some("R9")
    );
    let vars: Vec<_> = login
        .iter()
        .chain(&[
            ("OS_IMAGE_INTERFACE", "outside"),
            ("OS_IMAGE_ENDPOINT_OVERRIDE", "glance"),
        ])
        .copied()
        .collect();
    let expected = [
        "OS_IMAGE_INTERFACE: is \"outside\", expected public, internal or admin",
        "OS_IMAGE_ENDPOINT_OVERRIDE: is \"glance\", expected a URL that begins with http:// or https://",
    ];
    assert_eq!(problems(&vars, &[]), expected);
}

#[test]
fn the_cloud_of_the_variables() {
    let vars = |more: &[(&'static str, &'static str)]| -> Vec<(&'static str, &'static str)> {
        RENATER
            .iter()
            .copied()
            .chain(more.iter().copied())
            .collect()
    };
    let file = "clouds:\n  pool:\n    auth: {auth_url: http://file}\n";
    let files = [("./clouds.yaml", file)];
    let config = read(&vars(&[("OS_CLOUD", "envvars")]), &files).unwrap();
    assert_eq!(config.auth_url, "https://auth.cloud.ovh.net/v3");
    let config = read(
        &vars(&[("OS_CLOUD", "mine"), ("OS_CLOUD_NAME", "mine")]),
        &files,
    )
    .unwrap();
    assert_eq!(config.auth_url, "https://auth.cloud.ovh.net/v3");
    let file = "clouds:\n  envvars:\n    auth: {auth_url: http://file}\n";
    let twice = problems(
        &vars(&[("OS_CLOUD", "envvars")]),
        &[("./clouds.yaml", file)],
    );
    let expected = "OS_CLOUD: is \"envvars\", which stands for the variables, but ./clouds.yaml has an entry of that \
                    name too: rename that";
    assert_eq!(twice, [expected]);
    let misspelt = problems(&vars(&[("OS_CLOUD", "pol")]), &files);
    assert!(
        misspelt[0].ends_with("; did you mean \"pool\"?"),
        "{misspelt:?}"
    );
}

#[test]
fn proxies_and_the_ca_file_are_named_by_where_they_are_from() {
    let with = |more: &[(&'static str, &'static str)]| {
        let vars: Vec<_> = RENATER
            .iter()
            .copied()
            .chain(more.iter().copied())
            .collect();
        let yaml = "clouds:\n  pool:\n    cacert: /y.pem\n";
        read(&vars, &[("./clouds.yaml", yaml)])
    };
    let origin = |more| with(more).unwrap().ca_file_origin;
    assert_eq!(origin(&[]), None);
    assert_eq!(
        origin(&[("SSL_CERT_FILE", "/s.pem")]).as_deref(),
        Some("SSL_CERT_FILE")
    );
    let both = [("SSL_CERT_FILE", "/s.pem"), ("OS_CACERT", "/c.pem")];
    assert_eq!(origin(&both).as_deref(), Some("OS_CACERT"));
    let yaml = origin(&[("OS_CLOUD", "pool")]);
    assert_eq!(yaml.as_deref(), Some("./clouds.yaml: clouds.pool.cacert"));

    let proxies = with(&[("https_proxy", "p:1")]).unwrap().proxies;
    assert_eq!(proxies.of("https://x").unwrap().expose(), "http://p:1");
    let refused = with(&[("HTTPS_PROXY", "socks5://p:1")]).unwrap_err();
    assert_eq!(refused[0].variable, "HTTPS_PROXY");
}

#[test]
fn a_pasted_file_does_not_fill_the_message() {
    let long = "x".repeat(100_000);
    let yaml = format!("clouds: {{pool: {{auth: {{{long}: []}}, interface: \"{long}\"}}}}");
    let with = |name: &'static str| problems(&[(name, &long), ("OS_CLOUD", "pool")], &[]);
    let mut all = problems(&[("OS_CLOUD", "pool")], &[("./clouds.yaml", &yaml)]);
    all.extend(problems(
        &[("OS_AUTH_URL", &long), ("OS_AUTH_TYPE", &long)],
        &[],
    ));
    all.extend(with("OS_CLIENT_CONFIG_FILE"));
    assert_eq!(all.len(), 4, "{} problems", all.len());
    for problem in all {
        assert!(problem.chars().count() < 400, "{problem:.500}");
    }
}

#[test]
fn the_list_of_variables_is_sorted() {
    assert!(VARIABLES.is_sorted());
}
