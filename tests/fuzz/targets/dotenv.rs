//! `.env`, and the settings made of it.

use super::{PASSWORD, check_secrets};
use simplescalevm::config::{Environment, Settings};
use std::ffi::OsString;
use std::path::Path;

/// Any file is settings or a bounded list of problems; no value of a secret variable is shown.
pub fn check(data: &[u8]) {
    let process = [
        ("OS_AUTH_URL", "http://127.0.0.1:9/v3"),
        ("OS_USERNAME", "scaler"),
        ("OS_PASSWORD", PASSWORD),
        // Nothing of this machine's is read.
        ("HOME", "/nonexistent"),
        ("XDG_CONFIG_HOME", "/nonexistent"),
        ("OS_CLOUD", ""),
        ("OS_CACERT", ""),
        ("OS_CLIENT_CONFIG_FILE", "/nonexistent"),
        ("OPENSTACK_CLOUD_INIT_FILE", ""),
        ("REPLICA_API_CA_FILE", ""),
    ];
    let process = process.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let environment = Environment::from_parts(process, Some((Path::new(".env"), data)));
    // `${OS_PASSWORD}` may copy it to wherever the file wants it.
    let copied = data.windows(11).any(|word| word == b"OS_PASSWORD");
    let check_secrets = |text: &str| {
        if !copied {
            check_secrets(text);
        }
    };
    check_secrets(&format!("{environment:?}"));
    for name in environment.file_names() {
        let _ = environment.get(name);
    }
    match Settings::from_environment(&environment) {
        Ok(settings) => {
            assert!(std::str::from_utf8(data).is_ok());
            check_secrets(&format!("{settings:?}"));
        }
        Err(error) => {
            // The names are the file's own; everything else is bounded.
            for problem in &error.problems {
                let text = problem.to_string();
                let name = problem.variable.chars().count();
                let length = text.chars().count();
                assert!(length <= name + 1_500, "{length} characters: {text:.200}");
            }
            check_secrets(&error.to_string());
            check_secrets(&format!("{error:?}"));
        }
    }
}
