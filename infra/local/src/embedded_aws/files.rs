//! Files that are either the old ones or the new ones, never half of each, and only the owner's.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::LocalError;

/// Replaces a file whole: a reader, or the next start after a kill, sees all of it or none.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), LocalError> {
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&beside)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(LocalError::file("writing", path))
}

/// The bytes of a file, or nothing when there is none.
pub(crate) fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>, LocalError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LocalError::file("reading", path)(error)),
    }
}

/// Keys and customers' data lie here: nobody else on this machine may look.
pub(crate) fn only_for_owner(folder: &Path) -> Result<(), LocalError> {
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))
        .map_err(LocalError::file("protecting", folder))
}
