//! Settings as they are found: which there are, and where each is from.

use std::collections::BTreeMap;

/// Every variable that [`crate::CloudConfig::from_vars`] understands; those of proxies also in lower case.
pub const VARIABLES: &[&str] = &[
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "OS_APPLICATION_CREDENTIAL_ID",
    "OS_APPLICATION_CREDENTIAL_NAME",
    "OS_APPLICATION_CREDENTIAL_SECRET",
    "OS_AUTH_TYPE",
    "OS_AUTH_URL",
    "OS_CACERT",
    "OS_CERT",
    "OS_CLIENT_CONFIG_FILE",
    "OS_CLIENT_SECURE_FILE",
    "OS_CLOUD",
    "OS_CLOUD_NAME",
    "OS_COMPUTE_ENDPOINT_OVERRIDE",
    "OS_COMPUTE_INTERFACE",
    "OS_COMPUTE_REGION_NAME",
    "OS_DEFAULT_DOMAIN",
    "OS_DEFAULT_DOMAIN_ID",
    "OS_DEFAULT_DOMAIN_NAME",
    "OS_DOMAIN_ID",
    "OS_DOMAIN_NAME",
    "OS_ENDPOINT_TYPE",
    "OS_IDENTITY_API_VERSION",
    "OS_IDENTITY_ENDPOINT_OVERRIDE",
    "OS_IDENTITY_INTERFACE",
    "OS_IDENTITY_REGION_NAME",
    "OS_IMAGE_ENDPOINT_OVERRIDE",
    "OS_IMAGE_INTERFACE",
    "OS_IMAGE_REGION_NAME",
    "OS_INSECURE",
    "OS_INTERFACE",
    "OS_KEY",
    "OS_NETWORK_ENDPOINT_OVERRIDE",
    "OS_NETWORK_INTERFACE",
    "OS_NETWORK_REGION_NAME",
    "OS_PASSWORD",
    "OS_PROJECT_DOMAIN_ID",
    "OS_PROJECT_DOMAIN_NAME",
    "OS_PROJECT_ID",
    "OS_PROJECT_NAME",
    "OS_REGION_NAME",
    "OS_SYSTEM_SCOPE",
    "OS_TENANT_ID",
    "OS_TENANT_NAME",
    "OS_TOKEN",
    "OS_TRUST_ID",
    "OS_USERNAME",
    "OS_USER_DOMAIN_ID",
    "OS_USER_DOMAIN_NAME",
    "OS_USER_ID",
    "OS_VOLUME_ENDPOINT_OVERRIDE",
    "OS_VOLUME_INTERFACE",
    "OS_VOLUME_REGION_NAME",
    "SSL_CERT_FILE",
];

/// What a key of a single service ends in.
pub(super) const OF_A_SERVICE: [&str; 3] = ["_region_name", "_interface", "_endpoint_override"];

/// A value and where it is from: a variable, or `FILE: key`.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) value: String,
    pub(super) origin: String,
}

pub(super) type Settings = BTreeMap<String, Setting>;

/// Whether a key is `SERVICE_region_name` or the like.
pub(super) fn is_of_a_service(key: &str) -> bool {
    OF_A_SERVICE
        .iter()
        .any(|end| key.len() > end.len() && key.ends_with(end))
}
