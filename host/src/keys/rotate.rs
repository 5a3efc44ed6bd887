//! A new key in place of the old one, which stays valid for a while.

use super::file::Dir;
use super::{Error, Key, LONGEST_GRACE, Name, Settings};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What is kept of a key: where, since when, and until when the one before it is good. For `keys list` and `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which key.
    pub name: Name,
    /// The file, or where the settings fetch it from.
    pub place: String,
    /// When the file was written. None for a key of the settings, or one that is not there yet.
    pub since: Option<SystemTime>,
    /// The file of the key before it, and when that one ends: it may have ended already.
    pub previous: Option<(PathBuf, SystemTime)>,
}

/// Put `new` in the place of a key of the state directory. The old one stays valid for `grace`, at most a month; for
/// no time at all where that is zero.
///
/// # Errors
/// [`Error::Elsewhere`] for a key of the settings; what cannot be read or written.
pub fn replace(state: &Path, settings: &Settings, name: Name, new: &Key, grace: Duration) -> Result<(), Error> {
    ours(settings, name)?;
    let dir = Dir::open(state)?;
    let old = dir.current(name, None)?;
    if grace.is_zero() {
        dir.forget_previous(name)?;
        return dir.write(name, new);
    }
    // The old one first: whoever stops here has it twice, and loses nothing.
    dir.write_previous(name, &old, SystemTime::now() + grace.min(LONGEST_GRACE))?;
    dir.write(name, new)
}

/// End the grace of the key before this one, as far as this host goes.
///
/// # Errors
/// What cannot be removed.
pub fn forget_previous(state: &Path, name: Name) -> Result<(), Error> {
    Dir::open(state)?.forget_previous(name)
}

/// Whether a key is the state directory's, and so can be replaced here.
///
/// # Errors
/// [`Error::Elsewhere`].
pub fn ours(settings: &Settings, name: Name) -> Result<(), Error> {
    match name.setting(settings) {
        Some(secret) => Err(Error::Elsewhere { name: name.as_str(), place: secret.place() }),
        None => Ok(()),
    }
}

/// What is kept of every key. Reads no key.
///
/// # Errors
/// Where the directory cannot be used, or a previous key's file is not one.
pub fn kept(state: &Path, settings: &Settings) -> Result<Vec<Kept>, Error> {
    let dir = Dir::open(state)?;
    let one = |name: Name| -> Result<Kept, Error> {
        if let Some(secret) = name.setting(settings) {
            return Ok(Kept { name, place: secret.place(), since: None, previous: None });
        }
        let file = dir.file(name);
        let since = std::fs::metadata(&file).and_then(|found| found.modified()).ok();
        let previous = dir.previous(name)?.map(|(_, end)| (dir.previous_file(name), end));
        Ok(Kept { name, place: file.display().to_string(), since, previous })
    };
    Name::ALL.into_iter().map(one).collect()
}
