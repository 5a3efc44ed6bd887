//! Programs out of Debian's packages, for tests. Nothing of what Rowhouse runs on needs them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, bail};

/// A program that needs the C library and nothing else. A package's signature is apt's to check.
pub(crate) struct Program {
    /// What tests need, for people.
    pub(crate) what: &'static str,
    /// The package.
    pub(crate) package: &'static str,
    /// The directory under `.tools` it is unpacked into.
    pub(crate) dir: &'static str,
    /// Names under which a system has it; the first is the package's own.
    pub(crate) names: &'static [&'static str],
    /// Whether it is what it is taken for, by what `--version` says.
    pub(crate) is: fn(&str) -> bool,
}

impl Program {
    /// The system's, or one under `.tools` of the repository at `root`. Nothing outside it is touched, and no rights are
    /// needed.
    ///
    /// # Errors
    /// When there is neither the program nor a way to fetch it, or what was fetched does not run here.
    pub(crate) fn ensure(&self, root: &Path) -> Result<PathBuf> {
        // Two threads of one process must not unpack into one directory at once.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let own = root.join(".tools").join(self.dir);
        let unpacked = own.join("usr/bin").join(self.names[0]);
        for candidate in self.names.iter().map(PathBuf::from).chain([unpacked.clone()]) {
            if self.runs(&candidate) {
                return Ok(candidate);
            }
        }
        self.fetch(&own)?;
        match self.runs(&unpacked) {
            true => Ok(unpacked),
            false => bail!("{} does not run on this machine: {}", unpacked.display(), self.by_hand()),
        }
    }

    fn by_hand(&self) -> String {
        format!("install {} (Debian: `apt-get install {}`)", self.what, self.package)
    }

    /// Whether this is the program: others may be called the same.
    fn runs(&self, program: &Path) -> bool {
        let output = Command::new(program).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
        output.is_ok_and(|output| (self.is)(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Download the package into `own` and unpack it there.
    fn fetch(&self, own: &Path) -> Result<()> {
        fs::create_dir_all(own).with_context(|| format!("make {}", own.display()))?;
        let run = |program: &str, arguments: &[&str]| -> Result<bool> {
            let output = Command::new(program).args(arguments).current_dir(own).stdin(Stdio::null()).output();
            let output = output.with_context(|| {
                format!("the tests need {}, and {program} cannot be run to fetch it: {}", self.what, self.by_hand())
            })?;
            Ok(output.status.success())
        };
        // The list of packages may be older than the packages, or not there at all. Without the right to renew it the
        // second try fails as the first did.
        if !run("apt-get", &["download", "--quiet", self.package])? {
            run("apt-get", &["update", "--quiet"])?;
            if !run("apt-get", &["download", "--quiet", self.package])? {
                bail!(
                    "apt-get could not download {}; its mirror must be reachable, or {}",
                    self.package,
                    self.by_hand()
                );
            }
        }
        let archive = fs::read_dir(own)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|ending| ending == "deb"));
        let archive = archive.with_context(|| format!("apt-get left no {} in {}", self.package, own.display()))?;
        let name = archive.to_str().context("a path that is text")?;
        if !run("dpkg-deb", &["--extract", name, "."])? {
            bail!("{name} could not be unpacked: {}", self.by_hand());
        }
        Ok(())
    }
}
