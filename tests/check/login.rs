//! Logins that fail, and services that cannot be used at all.

use super::check;
use serde_json::json;

use super::support::quick_cloud;

#[test]
fn a_login_that_fails_ends_it() {
    let cloud = quick_cloud(|_| {});
    let password = ("OS_PASSWORD", "s3cr3t-and-wrong");
    let lines = [
        ("ERROR login", "the login is not accepted: "),
        ("->", "look at user, password and domains"),
    ];
    let text = check(&cloud, &[password], &lines, "One thing is wrong.");
    assert!(
        !text.contains("s3cr3t") && !text.contains("flavor") && !text.contains("next try"),
        "{text}"
    );
    let nowhere = ("OS_AUTH_URL", "http://127.0.0.1:9/v3");
    check(
        &cloud,
        &[nowhere],
        &[
            ("ERROR login", "Keystone cannot be reached: "),
            ("->", "is OS_AUTH_URL right"),
        ],
        "One thing is wrong.",
    );
}

#[test]
fn logins_that_lead_nowhere() {
    let cloud = quick_cloud(|_| {});
    let wrong = |more: &[(&'static str, &str)], lines: &[(&str, &str)]| {
        check(&cloud, more, lines, "One thing is wrong.");
    };
    wrong(
        &[("OS_PASSWORD", "wr0ng")],
        &[
            ("ERROR login", "was answered with 401"),
            (
                "->",
                "look at user, password and domains (OS_USERNAME, OS_PASSWORD, OS_USER_DOMAIN_NAME)\n",
            ),
        ],
    );
    wrong(
        &[("OS_PROJECT_NAME", "scalers")],
        &[
            (
                "ERROR login",
                "they have no project scalers; there are: scaler; did you mean scaler?",
            ),
            (
                "->",
                "set OS_PROJECT_ID, or OS_PROJECT_NAME with OS_PROJECT_DOMAIN_NAME, to one of those",
            ),
        ],
    );
    let port = cloud
        .auth_url()
        .split(':')
        .nth(2)
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let host = format!("http://127.0.0.1:{port}");
    wrong(
        &[("OS_AUTH_URL", &host)],
        &[
            ("ERROR login", &format!("by 127.0.0.1:{port}")),
            ("->", "look at OS_AUTH_URL: it has no path before /v3"),
        ],
    );
    wrong(
        &[("OS_AUTH_URL", &host.replace("http", "https"))],
        &[
            (
                "ERROR login",
                &format!("no TLS with 127.0.0.1:{port}: it answers in plain HTTP, not TLS"),
            ),
            ("->", "OS_AUTH_URL has to begin with http://"),
        ],
    );
    let credential = [
        ("OS_AUTH_TYPE", "v3applicationcredential"),
        ("OS_APPLICATION_CREDENTIAL_ID", "gone"),
        ("OS_APPLICATION_CREDENTIAL_SECRET", "x"),
    ];
    wrong(
        &credential,
        &[(
            "->",
            "the application credential is wrong, was deleted, or has expired",
        )],
    );
    wrong(
        &[("OS_REGION_NAME", "RegionTow")],
        &[
            ("ERROR pool", "in region RegionTow"),
            (
                "ERROR pool",
                "for the same reason unknown: flavor, image, network, security groups, quota",
            ),
            ("->", "set OS_REGION_NAME to one of: RegionOne"),
        ],
    );
    cloud
        .set(&json!({ "regions": "RegionOne,RegionTwo" }))
        .unwrap();
    wrong(
        &[("OS_REGION_NAME", "")],
        &[
            (
                "ERROR login",
                "no region is configured, and the cloud's catalog has several: RegionOne, RegionTwo",
            ),
            ("->", "set OS_REGION_NAME to one of: RegionOne, RegionTwo"),
        ],
    );
}

#[test]
fn a_service_that_is_down_is_told_once() {
    let cloud = quick_cloud(|_| {});
    let fault = |service: &str, status: u64| json!({ "service": service, "method": "GET", "path": ".", "status": status });
    cloud.add_fault(&fault("nova", 503)).unwrap();
    check(
        &cloud,
        &[("OPENSTACK_KEYPAIR", "ops")],
        &[
            ("ERROR pool", "the servers cannot be listed: compute: GET "),
            (
                "ERROR pool",
                "for the same reason unknown: flavor, keypair, quota",
            ),
            ("->", "the cloud has a fault"),
        ],
        "One thing is wrong.",
    );
    cloud.clear_faults();
    // What only the check wants to see is no matter of roles if the service is down.
    let limits = json!({ "service": "nova", "method": "GET", "path": "/limits$", "status": 503 });
    cloud.add_fault(&limits).unwrap();
    let text = check(
        &cloud,
        &[],
        &[
            ("WARNING quota", "the quota cannot be read"),
            ("->", "the cloud has a fault"),
        ],
        "Nothing keeps the daemon from its work. One warning is worth a look.",
    );
    assert!(!text.contains("role that may see it"), "{text}");
}
