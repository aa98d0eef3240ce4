use std::time::Duration;

use openstack_sdk_blocking::{
    Cloud, CreateServer, Error, ErrorKind, FloatingIpQuery, FloatingIpUpdate, Service,
};
use serde_json::json;

use crate::server::{Received, Reply, over_each_transport};

struct Case {
    service: Service,
    reply: Reply,
    kind: ErrorKind,
    message: &'static str,
    retry_after: Option<u64>,
    unknown: bool,
}

fn case(service: Service, status: u16, body: &str, kind: ErrorKind, message: &'static str) -> Case {
    Case {
        service,
        reply: Reply::Http(
            status,
            vec![("X-Openstack-Request-Id", "req-1".to_owned())],
            body.to_owned(),
        ),
        kind,
        message,
        retry_after: None,
        unknown: kind == ErrorKind::Server,
    }
}

fn with(mut case: Case, headers: &[(&'static str, &str)], retry_after: u64) -> Case {
    if let Reply::Http(_, all, _) = &mut case.reply {
        all.extend(
            headers
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
    }
    case.retry_after = Some(retry_after);
    case
}

const GENERIC_404: &str = "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n  The resource could not be found.<br /><br />\n </body>\n</html>";

/// Of Nova's own quotas, of Neutron's as Nova tells it, and of Keystone's unified limits.
fn nova_quota_cases() -> impl Iterator<Item = Case> {
    let messages = [
        "Quota exceeded for instances: Requested 1, but already used 2 of 2 instances",
        "Maximum number of ports exceeded",
        "Project p1 is over a limit for [Resource servers is over limit of 2 due to current usage 2 and delta 1]",
    ];
    messages.into_iter().map(|message| {
        let body = json!({"forbidden": {"code": 403, "message": message}}).to_string();
        case(Service::Compute, 403, &body, ErrorKind::Quota, message)
    })
}

fn nova_cases() -> Vec<Case> {
    use ErrorKind as Kind;
    use Service::Compute;
    let over_limit =
        json!({"overLimit": {"code": 413, "message": "slow down", "retryAfter": "7"}}).to_string();
    vec![
        case(
            Compute,
            400,
            r#"{"badRequest": {"code": 400, "message": "Invalid key_name provided."}}"#,
            Kind::BadRequest,
            "Invalid key_name provided.",
        ),
        case(
            Compute,
            403,
            r#"{"forbidden": {"code": 403, "message": "Policy doesn't allow"}}"#,
            Kind::Forbidden,
            "Policy doesn't allow",
        ),
        case(
            Compute,
            404,
            r#"{"itemNotFound": {"code": 404, "message": "Instance x could not be found."}}"#,
            Kind::NotFound,
            "Instance x could not be found.",
        ),
        case(
            Compute,
            404,
            GENERIC_404,
            Kind::WrongUrl,
            "404 Not Found 404 Not Found The resource could not be found.",
        ),
        case(Compute, 300, r#"{"choices": []}"#, Kind::WrongUrl, ""),
        case(Compute, 302, "", Kind::WrongUrl, ""),
        case(
            Compute,
            406,
            r#"{"computeFault": {"code": 406, "message": "Version 2.999 is not supported"}}"#,
            Kind::BadRequest,
            "Version 2.999 is not supported",
        ),
        case(
            Compute,
            409,
            r#"{"conflictingRequest": {"code": 409, "message": "locked"}}"#,
            Kind::Conflict,
            "locked",
        ),
        case(
            Compute,
            413,
            r#"{"overLimit": {"code": 413, "message": "too many"}}"#,
            Kind::Quota,
            "too many",
        ),
        with(
            case(Compute, 413, &over_limit, Kind::RateLimited, "slow down"),
            &[],
            7,
        ),
        with(
            case(Compute, 429, "", Kind::RateLimited, ""),
            &[("Retry-After", "3")],
            3,
        ),
        with(
            case(Compute, 429, "", Kind::RateLimited, ""),
            &[
                ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                ("Retry-After", "Sun, 06 Nov 1994 08:50:00 GMT"),
            ],
            23,
        ),
        with(
            case(Compute, 503, "", Kind::Server, ""),
            &[("Retry-After", "99999999999")],
            86_400,
        ),
        case(
            Compute,
            500,
            r#"{"computeFault": {"code": 500, "message": "Unexpected API Error."}}"#,
            Kind::Server,
            "Unexpected API Error.",
        ),
        case(
            Compute,
            502,
            "<html><body><h1>502 Bad Gateway</h1></body></html>",
            Kind::Server,
            "502 Bad Gateway",
        ),
    ]
}

fn neutron_cases() -> Vec<Case> {
    use ErrorKind as Kind;
    use Service::Network;
    let neutron = |kind: &str, message: &str| {
        json!({"NeutronError": {"type": kind, "message": message, "detail": ""}}).to_string()
    };
    vec![
        case(
            Network,
            404,
            &neutron("FloatingIPNotFound", "Floating IP x could not be found"),
            Kind::NotFound,
            "Floating IP x could not be found",
        ),
        case(
            Network,
            404,
            &neutron("HTTPNotFound", "The resource could not be found."),
            Kind::WrongUrl,
            "The resource could not be found.",
        ),
        case(Network, 404, "", Kind::WrongUrl, ""),
        case(
            Network,
            409,
            &neutron("OverQuota", "Quota exceeded for resources: ['floatingip']."),
            Kind::Quota,
            "Quota exceeded for resources: ['floatingip'].",
        ),
        case(
            Network,
            409,
            &neutron("FloatingIPPortAlreadyAssociated", "Cannot associate"),
            Kind::Conflict,
            "Cannot associate",
        ),
        case(
            Network,
            503,
            r#"{"NeutronError": "down"}"#,
            Kind::Server,
            "down",
        ),
    ]
}

#[test]
fn every_status_has_its_meaning() {
    let cases = nova_cases().into_iter().chain(neutron_cases());
    for case in cases.chain(nova_quota_cases()) {
        let script = || {
            let reply = case.reply.clone();
            move |request: &Received| {
                (request.is("POST", "/compute/v2.1/servers") || request.method == "PUT")
                    .then(|| reply.clone())
            }
        };
        over_each_transport(
            script,
            |_| {},
            |name, _, cloud| {
                let error: Error = match case.service {
                    Service::Compute => cloud
                        .compute()
                        .create_servers(&CreateServer::default())
                        .unwrap_err(),
                    _ => cloud
                        .network()
                        .update_floating_ip("x", &FloatingIpUpdate::detach(), None)
                        .unwrap_err(),
                };
                let what = format!("{name}: {:?}: {error:?}", case.reply);
                assert_eq!(error.kind(), case.kind, "{what}");
                assert_eq!(error.message(), case.message, "{what}");
                assert_eq!(
                    error.retry_after(),
                    case.retry_after.map(Duration::from_secs),
                    "{what}"
                );
                assert_eq!(error.outcome_unknown(), case.unknown, "{what}");
                assert_eq!(error.service(), Some(case.service), "{what}");
                assert_eq!(error.request_id(), Some("req-1"), "{what}");
            },
        );
    }
}

#[test]
fn a_redirect_is_told_with_its_target_and_without_its_secrets() {
    let script = || {
        |request: &Received| {
            let target = match request.path.as_str() {
                "/v3/auth/tokens" if request.header("user-agent") == Some("redirect me") => {
                    "https://u:hidden@cloud/identity/v3/auth/tokens?hidden=1"
                }
                "/network/v2.0/floatingips/x" => "/neutron/v2.0/floatingips/x",
                _ => return None,
            };
            let headers = vec![("Location", target.to_owned())];
            Some(Reply::Http(301, headers, "<html>Moved</html>".to_owned()))
        }
    };
    let check = |agent: &str, act: fn(&Cloud) -> Error, expected: &str| {
        over_each_transport(
            script,
            |config| agent.clone_into(&mut config.user_agent),
            |name, _, cloud| {
                let error = act(cloud);
                assert_eq!(error.kind(), ErrorKind::WrongUrl, "{name}");
                let by = format!(" by {}", error.target().unwrap());
                assert_eq!(error.to_string().replace(&by, ""), expected, "{name}");
            },
        );
    };
    check(
        "redirect me",
        |cloud| cloud.authenticate().unwrap_err(),
        "identity: POST /v3/auth/tokens was answered with 301, which is not this API's answer (is the URL wrong?): \
         redirected to https://cloud/identity/v3/auth/tokens: set OS_AUTH_URL to https://cloud/identity/v3",
    );
    check(
        "a test",
        |cloud| {
            let change = FloatingIpUpdate::detach();
            let changed = cloud.network().update_floating_ip("x", &change, None);
            changed.unwrap_err()
        },
        "network: PUT /network/v2.0/floatingips/x was answered with 301, which is not this API's answer (is the URL \
         wrong?): redirected to /neutron/v2.0/floatingips/x: the catalog's URL of network has to lead there \
         (openstack endpoint set)",
    );
}

#[test]
fn glance_says_not_found_in_html() {
    let missing = "<html><head><title>404 Not Found</title></head><body>No image found with ID x<br /></body></html>";
    for (body, kind) in [
        (missing, ErrorKind::NotFound),
        (GENERIC_404, ErrorKind::WrongUrl),
    ] {
        let script = || {
            let reply = Reply::Http(
                404,
                vec![("X-Openstack-Request-Id", "req-1".to_owned())],
                body.to_owned(),
            );
            move |request: &Received| {
                request
                    .path
                    .starts_with("/image/v2/images/")
                    .then(|| reply.clone())
            }
        };
        over_each_transport(
            script,
            |_| {},
            |name, _, cloud| {
                let error = cloud.image().image("x").unwrap_err();
                assert_eq!(error.kind(), kind, "{name}: {error:?}");
            },
        );
    }
}

#[test]
fn display_is_one_short_sentence() {
    let long = format!("line one\n\u{1b}[31mline two {}", "x".repeat(5000));
    let script = || {
        let body = json!({"badRequest": {"message": long.clone()}}).to_string();
        move |request: &Received| {
            (request.path == "/network/v2.0/floatingips").then(|| {
                Reply::Http(
                    400,
                    vec![("X-Openstack-Request-Id", "req-7".to_owned())],
                    body.clone(),
                )
            })
        }
    };
    over_each_transport(
        script,
        |_| {},
        |name, _, cloud| {
            let query = FloatingIpQuery {
                description: Some("hidden".to_owned()),
                ..FloatingIpQuery::default()
            };
            let text = cloud
                .network()
                .floating_ips(&query)
                .unwrap_err()
                .to_string();
            let begin = "network: GET /network/v2.0/floatingips was answered with 400: line one [31mline two xxx";
            assert!(text.starts_with(begin), "{name}: {text}");
            assert!(
                text.ends_with("xxx... (request req-7)") && text.len() < 600,
                "{name}: {text}"
            );
        },
    );
}
