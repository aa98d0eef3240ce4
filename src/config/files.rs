//! Files that settings name, checked at start.

use std::path::Path;

use super::environment::read_bounded;
use super::error::{ConfigError, Problem};
use super::settings::Settings;

/// Nova's bound for user data, after base64.
pub const MAX_CLOUD_INIT_BASE64_BYTES: u64 = 65_535;
/// Four characters hold three bytes.
const MAX_CLOUD_INIT_BYTES: u64 = MAX_CLOUD_INIT_BASE64_BYTES / 4 * 3;
const MAX_CA_BYTES: u64 = 16 << 20;

/// Whether the cloud-init file is there, readable and small enough; also when there is none.
pub fn check_cloud_init(settings: &Settings) -> Result<(), ConfigError> {
    match &settings.openstack.cloud_init_file {
        Some(path) => cloud_init("OPENSTACK_CLOUD_INIT_FILE", path).map_err(ConfigError::from),
        None => Ok(()),
    }
}

pub(super) fn cloud_init(variable: &str, path: &Path) -> Result<(), Problem> {
    match read_bounded(path, MAX_CLOUD_INIT_BYTES) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Err(problem(
            variable,
            path,
            &format!(
                "the file is larger than {MAX_CLOUD_INIT_BYTES} bytes, \
                 which are Nova's {MAX_CLOUD_INIT_BASE64_BYTES} after base64"
            ),
        )),
        Err(error) => Err(unreadable(variable, path, &error)),
    }
}

pub(super) fn authorities(variable: &str, path: &Path) -> Result<(), Problem> {
    const MARK: &[u8] = b"-----BEGIN ";
    let bytes =
        read_bounded(path, MAX_CA_BYTES).map_err(|error| unreadable(variable, path, &error))?;
    if bytes.windows(MARK.len()).any(|window| window == MARK) {
        Ok(())
    } else {
        Err(problem(
            variable,
            path,
            "expected a file with certificates in PEM form",
        ))
    }
}

fn unreadable(variable: &str, path: &Path, error: &std::io::Error) -> Problem {
    problem(
        variable,
        path,
        &format!(
            "expected a readable file ({error}); a relative path starts at the working directory"
        ),
    )
}

fn problem(variable: &str, path: &Path, expected: &str) -> Problem {
    Problem::new(variable, expected).with_value(&path.to_string_lossy())
}
