//! What to do about an error of the cloud: for the log and for `check` alike.

use openstack_sdk_blocking::{Cause, Error, ErrorKind, Method, Service, Target};

/// Parts of what a service answers, in lower case, and what to do about it.
const BY_WORDS: &[(&str, &str)] = &[
    (
        "zero disk",
        "set OPENSTACK_FLAVOR to a flavor with a disk; booting from a volume is not supported",
    ),
    (
        "external network",
        "set OPENSTACK_NETWORK to a network of the project, or to a shared one",
    ),
    (
        "port_security",
        "unset OPENSTACK_SECURITY_GROUPS, or name a network that has port security and a subnet",
    ),
    (
        "requires a subnet",
        "give the network of OPENSTACK_NETWORK a subnet (openstack subnet create)",
    ),
    (
        "key_name",
        "look at OPENSTACK_KEYPAIR; each user has key pairs of their own",
    ),
    (
        "security group",
        "look at OPENSTACK_SECURITY_GROUPS (openstack security group list)",
    ),
    (
        "availability zone",
        "look at OPENSTACK_AVAILABILITY_ZONE (openstack availability zone list)",
    ),
    ("too small for", "set OPENSTACK_FLAVOR to a larger one"),
    (
        "smaller than the minimum",
        "set OPENSTACK_FLAVOR to a larger one",
    ),
    ("image", "look at OPENSTACK_IMAGE (openstack image list)"),
    ("flavor", "look at OPENSTACK_FLAVOR (openstack flavor list)"),
    (
        "network",
        "look at OPENSTACK_NETWORK (openstack network list)",
    ),
];

/// What to do about an error, if there is anything.
pub(super) fn of(error: &Error) -> Option<String> {
    let service = error.service().unwrap_or(Service::Identity);
    if let Some(text) = error
        .cause()
        .and_then(|cause| of_cause(error, service, cause))
    {
        return Some(text);
    }
    match error.kind() {
        ErrorKind::Connection | ErrorKind::Timeout => Some(of_connection(error, service)),
        ErrorKind::WrongUrl => of_url(error, service),
        ErrorKind::Unauthorized => Some(of_refusal(error, service)),
        ErrorKind::Forbidden => Some(by_words(error).unwrap_or_else(|| {
            "the user's roles do not allow this: ask for the role member in the project".to_owned()
        })),
        ErrorKind::BadRequest if error.status() == Some(407) => {
            Some("the proxy wants a login: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT".to_owned())
        }
        ErrorKind::BadRequest if service == Service::Identity => {
            Some("look at the OS_* settings".to_owned())
        }
        ErrorKind::BadRequest | ErrorKind::NotFound => by_words(error),
        ErrorKind::Quota => {
            Some("ask the cloud's operator for more, or delete what is not needed".to_owned())
        }
        ErrorKind::RateLimited => Some("too many requests: try again in a minute".to_owned()),
        ErrorKind::Server | ErrorKind::BadAnswer if service == Service::Identity => {
            Some("the cloud has a fault, or OS_AUTH_URL leads to something else".to_owned())
        }
        ErrorKind::Server | ErrorKind::BadAnswer => Some(match error.request_id() {
            Some(_) => "the cloud has a fault: its operator finds the request by its id".to_owned(),
            None => "the cloud has a fault, or something before it answers in its place".to_owned(),
        }),
        _ => None,
    }
}

/// For what Nova says of a creation, which names no setting.
fn by_words(error: &Error) -> Option<String> {
    let is_creation = error.service() == Some(Service::Compute)
        && error.method() == Some(Method::Post)
        && error.path().is_some_and(|path| path.ends_with("/servers"));
    if !is_creation {
        return None;
    }
    let text = error.message().to_lowercase();
    let found = BY_WORDS.iter().find(|(part, _)| text.contains(part));
    found.map(|(_, remedy)| (*remedy).to_owned())
}

fn of_cause(error: &Error, service: Service, cause: &Cause) -> Option<String> {
    let url = setting_of(service);
    let text = match cause {
        Cause::UnknownIssuer => {
            "set OS_CACERT to a PEM file with the authority of that certificate".to_owned()
        }
        Cause::NotValidForName => {
            format!("{url} has to have a name that the certificate is for")
        }
        Cause::Expired => {
            "the cloud's operator has to renew it; is this machine's clock right?".to_owned()
        }
        Cause::NotValidYet => "is this machine's clock right?".to_owned(),
        Cause::PlainHttp => {
            format!("{url} has to begin with http://, or to name the port that speaks TLS")
        }
        Cause::TlsPort => {
            format!("{url} has to begin with https:// if that port speaks TLS")
        }
        Cause::WrongCredentials => {
            "look at user, password and domains (OS_USERNAME, OS_PASSWORD, OS_USER_DOMAIN_NAME)"
                .to_owned()
        }
        Cause::CredentialRefused => {
            "the application credential is wrong, was deleted, or has expired: openstack application credential \
             list; make a new one, and set OS_APPLICATION_CREDENTIAL_ID and OS_APPLICATION_CREDENTIAL_SECRET"
                .to_owned()
        }
        Cause::TokenRefused => {
            "OS_TOKEN is wrong or has expired; a daemon wants an application credential".to_owned()
        }
        Cause::WrongProject(_) => {
            "set OS_PROJECT_ID, or OS_PROJECT_NAME with OS_PROJECT_DOMAIN_NAME, to one of those".to_owned()
        }
        Cause::NoProject => {
            "set OS_PROJECT_ID, or OS_PROJECT_NAME with OS_PROJECT_DOMAIN_NAME".to_owned()
        }
        Cause::WrongRegion(regions) | Cause::SeveralRegions(regions) => {
            format!("set OS_REGION_NAME to one of: {}", regions.join(", "))
        }
        Cause::WrongInterface(words) => {
            format!("set OS_INTERFACE to one of: {}", words.join(", "))
        }
        Cause::Elsewhere => "set OS_PROJECT_ID and OS_REGION_NAME to where the pool is, or restart the daemon if it \
                             is to be elsewhere from now on"
            .to_owned(),
        _ => return None,
    };
    // The proxy's certificate or port, not the cloud's.
    let via = error.target().and_then(|target| target.proxy.as_ref());
    match (cause, via) {
        (Cause::PlainHttp | Cause::TlsPort, Some(_)) => {
            Some(format!("{text}; or HTTPS_PROXY or HTTP_PROXY is wrong"))
        }
        _ => Some(text),
    }
}

/// The setting that says where a service is.
fn setting_of(service: Service) -> String {
    match service {
        Service::Identity => "OS_AUTH_URL".to_owned(),
        other => format!(
            "the catalog's URL of {other}, or OS_{}_ENDPOINT_OVERRIDE,",
            other.as_str().to_uppercase()
        ),
    }
}

fn of_connection(error: &Error, service: Service) -> String {
    if let Some(Target { proxy: Some(_), .. }) = error.target() {
        return "are HTTPS_PROXY and HTTP_PROXY right? NO_PROXY names the hosts that are reached without them; \
                OPENSTACK_TIMEOUT is the time for one request"
            .to_owned();
    }
    match service {
        Service::Identity => "is OS_AUTH_URL right, and does a firewall or proxy stand between? OPENSTACK_TIMEOUT is \
                              the time for one request"
            .to_owned(),
        other => format!(
            "the catalog names that host for {other}: does a firewall or proxy stand between, or has OS_INTERFACE or \
             OS_REGION_NAME to be another? OPENSTACK_TIMEOUT is the time for one request"
        ),
    }
}

fn of_url(error: &Error, service: Service) -> Option<String> {
    // A redirect says where it leads.
    if error.status().is_some_and(|status| status < 400) {
        return None;
    }
    if service != Service::Identity {
        let url = setting_of(service);
        return Some(format!(
            "{url} has to lead to {service}: ask the cloud's operator"
        ));
    }
    let has_path = error.path() != Some("/v3/auth/tokens");
    let why = if has_path {
        "it does not lead to Keystone"
    } else {
        "it has no path before /v3, and Keystone is not there"
    };
    Some(format!(
        "look at OS_AUTH_URL: {why}; most clouds have it at https://HOST:5000/v3 or https://HOST/identity/v3"
    ))
}

fn of_refusal(error: &Error, service: Service) -> String {
    match (service, error.path()) {
        (Service::Identity, Some(path)) if path.ends_with("/auth/tokens") => {
            "look at user, password and domains (OS_USERNAME, OS_PASSWORD, OS_USER_DOMAIN_NAME), and at the project \
             (OS_PROJECT_ID, or OS_PROJECT_NAME with OS_PROJECT_DOMAIN_NAME)"
                .to_owned()
        }
        _ => format!(
            "{service} does not accept the token that Keystone has just issued: do OS_AUTH_URL and the catalog's URL \
             of {service} belong to the same cloud?"
        ),
    }
}
