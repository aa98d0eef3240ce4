//! A file with a secret in it that others may read.

use std::os::unix::fs::PermissionsExt;

use super::environment::Environment;
use super::table;

/// The right of everybody to read.
const OTHERS_READ: u32 = 0o004;

/// What is said of a file that every user of this machine may read, and that has a secret in it.
pub(super) fn warning(environment: &Environment) -> Option<String> {
    let path = environment.path()?;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let is_secret = |name: &&str| table::of_name(name).is_some_and(|variable| variable.secret);
    let secret = environment.file_names().find(is_secret)?;
    let path = path.display();
    (mode & OTHERS_READ != 0).then(|| {
        format!("{path} can be read by every user of this machine (mode {mode:o}), and {secret} is in it: chmod 600 {path}")
    })
}
