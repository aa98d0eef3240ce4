//! Files that settings name, checked at start.

use super::error::Problem;
use crate::local_file::{MAX_CLOUD_INIT_BYTES, read_ordinary};
use openstack_sdk_blocking::MAX_USER_DATA_BYTES;
use openstack_sdk_blocking::tls::certificates;
use std::io;
use std::path::{Path, PathBuf};

const MAX_CA_BYTES: u64 = 16 << 20;

/// It is read anew at each creation.
pub(super) fn cloud_init(variable: &str, path: &Path) -> Result<PathBuf, Problem> {
    match read_ordinary(path, MAX_CLOUD_INIT_BYTES) {
        Ok(_) => Ok(path.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(problem(
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

pub(super) fn authorities(variable: &str, path: &Path) -> Result<Vec<u8>, Problem> {
    let bytes =
        read_ordinary(path, MAX_CA_BYTES).map_err(|error| unreadable(variable, path, &error))?;
    match certificates(&bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(problem(
            variable,
            path,
            &format!("expected a file with certificates, in PEM or DER ({error})"),
        )),
    }
}

fn unreadable(variable: &str, path: &Path, error: &io::Error) -> Problem {
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
