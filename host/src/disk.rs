//! Files that are there whole or not at all, and the directories they lie in.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Write a file in one step, unless it is there with these bytes: whoever reads finds all of it or what was there before,
/// after a loss of power as well. Whether it was written.
///
/// # Errors
/// Where the directory cannot be written.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<bool> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(false);
    }
    let directory = above(path);
    let mut fresh = tempfile::NamedTempFile::new_in(directory)?;
    fresh.write_all(bytes)?;
    fs::set_permissions(fresh.path(), fs::Permissions::from_mode(mode))?;
    fresh.as_file().sync_all()?;
    fresh.persist(path)?;
    fs::File::open(directory)?.sync_all()?;
    Ok(true)
}

/// The directory a path lies in, that of a bare name included.
pub fn above(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Make a directory, and what is missing above it, that nobody but this user may enter. One that is there stays as it is.
///
/// # Errors
/// Where it cannot be made.
pub fn private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
