//! The bytes of versions that served, kept under their digest, so that one can serve again whatever became of its file.
//!
//! Nothing here is believed: a kept version is proved like any other when it is taken down, and its bytes must be those
//! of its name.

use super::compile;
use super::loader::Candidate;
use super::trust::BESIDE;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A directory of kept components.
#[derive(Clone)]
pub(super) struct Shelf(PathBuf);

impl Shelf {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// Where the component of this digest is, if it is kept.
    pub(super) fn path(&self, digest: &str) -> PathBuf {
        self.0.join(format!("{digest}.wasm"))
    }

    fn beside(&self, digest: &str) -> PathBuf {
        self.path(digest).with_added_extension(BESIDE)
    }

    /// Whether the component of this digest is kept.
    pub(super) fn has(&self, digest: &str) -> bool {
        self.path(digest).is_file()
    }

    /// Whether what is kept under this digest has it. Reads all of it.
    pub(super) fn holds(&self, digest: &str) -> bool {
        fs::read(self.path(digest)).is_ok_and(|bytes| compile::digest(&bytes) == digest)
    }

    /// Keep a component, and the signature that lay beside it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn keep(&self, candidate: &Candidate) -> io::Result<()> {
        let digest = compile::digest(&candidate.bytes);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let put = |path: PathBuf, bytes: &[u8]| match fs::read(&path) {
            Ok(there) if there == bytes => Ok(()),
            _ => write(&path, bytes),
        };
        if let Some(signature) = &candidate.beside {
            put(self.beside(&digest), signature)?;
        }
        // Last: what is there has all that belongs to it.
        put(self.path(&digest), &candidate.bytes)
    }

    /// Keep it no longer. What cannot be removed costs its space and nothing else.
    pub(super) fn drop(&self, digest: &str) {
        for path in [self.path(digest), self.beside(digest)] {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != ErrorKind::NotFound
            {
                tracing::warn!(%error, "{} could not be removed", path.display());
            }
        }
    }
}

/// Write a file in one step, for this user alone: whoever reads finds all of it or what was there before, after a loss of
/// power as well.
///
/// # Errors
/// Where the directory cannot be written.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut fresh = tempfile::NamedTempFile::new_in(directory)?;
    fresh.write_all(bytes)?;
    fs::set_permissions(fresh.path(), fs::Permissions::from_mode(0o600))?;
    fresh.as_file().sync_all()?;
    fresh.persist(path).map_err(|failed| failed.error)?;
    fs::File::open(directory)?.sync_all()
}
