//! Files that are there whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
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
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut fresh = tempfile::NamedTempFile::new_in(directory)?;
    fresh.write_all(bytes)?;
    fs::set_permissions(fresh.path(), fs::Permissions::from_mode(mode))?;
    fresh.as_file().sync_all()?;
    fresh.persist(path)?;
    fs::File::open(directory)?.sync_all()?;
    Ok(true)
}
