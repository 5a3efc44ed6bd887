//! Keys as files: 32 bytes, of this user and nobody else. A previous key has 8 more: when it ends, in seconds since
//! 1970, the highest byte first.

use super::{Error, Key, Name};
use crate::disk;
use secrecy::{ExposeSecret, SecretBox};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The directory of keys.
pub(super) struct Dir(PathBuf);

impl Dir {
    /// Make it, if need be.
    pub(super) fn open(state: &Path) -> Result<Self, Error> {
        let dir = state.join("keys");
        let unusable = |source| Error::Directory { dir: dir.clone(), source };
        // The state directory itself stays open to others: PostgreSQL runs as another user when the host is root.
        std::fs::create_dir_all(state).map_err(unusable)?;
        disk::private_directory(&dir).map_err(unusable)?;
        let found = std::fs::metadata(&dir).map_err(unusable)?;
        // Who may write here may put a key of his own in place of one of ours.
        ours(&dir, &found)?;
        if found.mode() & 0o022 != 0 {
            return Err(Error::OpenDirectory(dir));
        }
        Ok(Self(dir))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn file(&self, name: Name) -> PathBuf {
        self.0.join(format!("{}.key", name.as_str()))
    }

    pub(super) fn previous_file(&self, name: Name) -> PathBuf {
        self.0.join(format!("{}.previous.key", name.as_str()))
    }

    /// The key; where there is none yet, what `first` makes of it.
    pub(super) fn current(&self, name: Name, first: Option<&dyn Fn() -> Key>) -> Result<Key, Error> {
        let path = self.file(name);
        if let Some(bytes) = read::<32>(&path)? {
            return Ok(SecretBox::new(Box::new(bytes)));
        }
        let missing = || Error::File { path: path.clone(), source: ErrorKind::NotFound.into() };
        let key = first.ok_or_else(missing)?();
        let fresh = self.beside(&path, key.expose_secret())?;
        // Linked into place: two hosts that start at once agree on the first one's key.
        let linked = std::fs::hard_link(&fresh, &path);
        remove(&fresh)?;
        match linked {
            Ok(()) => Ok(key),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => self.current(name, first),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    /// The key before this one, and when it ends.
    pub(super) fn previous(&self, name: Name) -> Result<Option<(Key, SystemTime)>, Error> {
        let Some(bytes) = read::<40>(&self.previous_file(name))? else { return Ok(None) };
        let (mut key, mut end) = (Box::new([0; 32]), [0; 8]);
        key.copy_from_slice(&bytes[..32]);
        end.copy_from_slice(&bytes[32..]);
        // A time no clock can tell has not come: then the file is not ours.
        let end = UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(end)));
        let end = end.ok_or(Error::Length { path: self.previous_file(name), want: 40 })?;
        Ok(Some((SecretBox::new(key), end)))
    }

    pub(super) fn write(&self, name: Name, key: &Key) -> Result<(), Error> {
        self.put(&self.file(name), key.expose_secret())
    }

    pub(super) fn write_previous(&self, name: Name, key: &Key, end: SystemTime) -> Result<(), Error> {
        let seconds = end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let bytes = [&key.expose_secret()[..], &seconds.to_be_bytes()].concat();
        self.put(&self.previous_file(name), &bytes)
    }

    pub(super) fn forget_previous(&self, name: Name) -> Result<(), Error> {
        remove(&self.previous_file(name))
    }

    /// In one step: who reads meanwhile sees the old or the new, whole.
    fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let about = |source| Error::File { path: path.to_owned(), source };
        let fresh = self.beside(path, bytes)?;
        std::fs::rename(&fresh, path).map_err(about)?;
        // The new name must outlast a power cut, too: the database may know the new key by now.
        File::open(&self.0).and_then(|dir| dir.sync_all()).map_err(about)
    }

    fn beside(&self, path: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
        // A name of its own: one process may be at it several times over.
        let fresh = path.with_extension(format!("{}.part", uuid::Uuid::new_v4().simple()));
        let about = |source| Error::File { path: path.to_owned(), source };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(about)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if let Err(source) = written {
            let _ = std::fs::remove_file(&fresh);
            return Err(about(source));
        }
        Ok(fresh)
    }
}

/// The bytes of a file, if there is one, and if it has exactly so many and nobody else may look.
fn read<const N: usize>(path: &Path) -> Result<Option<[u8; N]>, Error> {
    let about = |source| Error::File { path: path.to_owned(), source };
    let length = || Error::Length { path: path.to_owned(), want: N };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(about(source)),
    };
    let found = file.metadata().map_err(about)?;
    ours(path, &found)?;
    if found.mode() & 0o077 != 0 {
        return Err(Error::Open(path.to_owned()));
    }
    if found.len() != N as u64 {
        return Err(length());
    }
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).map_err(|_| length())?;
    Ok(Some(bytes))
}

/// Whether nobody but root and this user owns it: an owner may do anything, whatever the mode says.
fn ours(path: &Path, found: &std::fs::Metadata) -> Result<(), Error> {
    let owner = found.uid();
    match owner == 0 || owner == rustix::process::geteuid().as_raw() {
        true => Ok(()),
        false => Err(Error::Foreign { path: path.to_owned(), owner }),
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::File { path: path.to_owned(), source: e }),
        _ => Ok(()),
    }
}
