//! Files that settings name, checked at start.

use std::path::Path;

use openstack_sdk_blocking::MAX_USER_DATA_BYTES;

use super::environment::read_bounded;
use super::error::Problem;

/// Four characters of base64 hold three bytes.
const MAX_CLOUD_INIT_BYTES: u64 = MAX_USER_DATA_BYTES as u64 / 4 * 3;
const MAX_CA_BYTES: u64 = 16 << 20;

pub(super) fn cloud_init(variable: &str, path: &Path) -> Result<(), Problem> {
    match read_bounded(path, MAX_CLOUD_INIT_BYTES) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Err(problem(
            variable,
            path,
            &format!(
                "the file is larger than {MAX_CLOUD_INIT_BYTES} bytes, \
                 which are Nova's {MAX_USER_DATA_BYTES} after base64"
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
