//! Files of this machine that settings name.

use openstack_sdk_blocking::MAX_USER_DATA_BYTES;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// The largest cloud-init file: four characters of base64 hold three bytes.
pub(crate) const MAX_CLOUD_INIT_BYTES: u64 = MAX_USER_DATA_BYTES as u64 / 4 * 3;

/// A file as it is, if it is not larger than that. It may be a pipe, of which the other end is waited for.
///
/// # Errors
/// The system's; `FileTooLarge`.
pub(crate) fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(max_bytes + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {max_bytes} bytes"),
        ));
    }
    Ok(bytes)
}

/// A file that is read more than once, also while the daemon runs: reading it must not block, so it has to be an ordinary one.
///
/// # Errors
/// Those of [`read`]; `InvalidInput` for a directory, a pipe, a socket or a device.
pub(crate) fn read_ordinary(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a directory, a pipe or a device, and no ordinary file",
        ));
    }
    read(path, max_bytes)
}
