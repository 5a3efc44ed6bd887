//! The bytes of versions that served, kept under their digest, so that one can serve again whatever became of its file.
//!
//! Nothing here is believed: a kept version is proved like any other when it is taken down, and its bytes must be those
//! of its name.

use super::compile;
use super::loader::Candidate;
use super::trust::BESIDE;
use crate::disk;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

/// The mode of what is kept, and of the lock: this user's alone.
pub(super) const OURS: u32 = 0o600;

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
        disk::private_directory(&self.0)?;
        if let Some(signature) = &candidate.beside {
            disk::write(&self.beside(&candidate.digest), signature, OURS)?;
        }
        // Last: what is there has all that belongs to it.
        disk::write(&self.path(&candidate.digest), &candidate.bytes, OURS)?;
        Ok(())
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
