//! Programs that are there or not.

use anyhow::{Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A program that makes components.
pub(super) struct Tool<'a> {
    /// What it is called.
    pub(super) name: &'a str,
    /// Where a plugin's directory has its own, which is the version it asks for.
    pub(super) own: PathBuf,
    /// What installs it there.
    pub(super) install: &'a str,
}

impl Tool<'_> {
    /// The plugin's own, or the one on the PATH.
    ///
    /// # Errors
    /// Where there is neither, with what to run.
    pub(super) fn find(&self, directory: &Path) -> Result<PathBuf> {
        self.find_in(directory, &std::env::var_os("PATH").unwrap_or_default())
    }

    pub(super) fn find_in(&self, directory: &Path, path: &OsStr) -> Result<PathBuf> {
        let places = std::iter::once(self.own.clone()).chain(std::env::split_paths(path));
        match places.map(|place| place.join(self.name)).find(|program| program.is_file()) {
            // Absolute: it is started in the plugin's directory.
            Some(program) => Ok(std::path::absolute(program)?),
            None => bail!(
                "{} is neither in {} nor on the PATH. Install it:\n\n  cd {} && {}\n",
                self.name,
                self.own.display(),
                directory.display(),
                self.install
            ),
        }
    }
}
