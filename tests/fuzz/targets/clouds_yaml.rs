//! `clouds.yaml`, and below a line of `%%` `secure.yaml`.

use super::{MAX_TEXT_CHARS, PASSWORD, TOKEN};
use openstack_sdk_blocking::CloudConfig;
use std::io;
use std::path::Path;

/// Any text is a configuration or a list of problems; neither shows a password.
pub fn check(data: &[u8]) {
    // The reader of the files takes UTF-8 only.
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let fixed = format!("clouds: {{c: {{auth: {{password: '{PASSWORD}', token: '{TOKEN}'}}}}}}");
    let (clouds, secure) = text.split_once("\n%%\n").unwrap_or((text, &fixed));
    // A secret under another key is the file's own fault.
    let secrets: Vec<&str> = [PASSWORD, TOKEN]
        .into_iter()
        .filter(|s| !text.contains(s))
        .collect();
    let check = |text: &str| {
        for secret in &secrets {
            assert!(!text.contains(secret), "a secret is shown: {text}");
        }
    };
    let vars = |name: &str| match name {
        "OS_CLOUD" => Some("c".to_owned()),
        "HOME" => Some("/home/u".to_owned()),
        _ => None,
    };
    let files = |path: &Path| match path.to_str() {
        Some("./clouds.yaml") => Ok(clouds.to_owned()),
        Some("./secure.yaml") => Ok(secure.to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    match CloudConfig::from_vars(&vars, &files) {
        Ok(config) => {
            check(&format!("{config:?}"));
            assert!(config.auth_url.starts_with("http"), "{}", config.auth_url);
        }
        Err(problems) => {
            assert!(!problems.is_empty() && problems.len() < 1_000);
            for problem in &problems {
                let text = problem.to_string();
                check(&text);
                let length = text.chars().count();
                assert!(length <= MAX_TEXT_CHARS, "{length} characters");
            }
        }
    }
}
