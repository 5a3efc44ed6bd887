//! pip, for tools that come as wheels. Into directories of their own: the machine's Python stays as it is.

use std::{
    io::ErrorKind,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// Install a package, as `name==version`, into a directory of its own.
///
/// # Errors
/// When Python or pip is missing, or its index has no such wheel for this machine or cannot be reached.
pub fn install(directory: &Path, package: &str) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--target"]);
    let done = match pip.arg(directory).arg(package).stdin(Stdio::null()).output() {
        Ok(done) => done,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{package} needs Python 3 with pip (Debian: `apt-get install python3-pip`)")
        }
        Err(error) => return Err(error).context("start python3"),
    };
    if !done.status.success() {
        bail!(
            "pip could not install {package}; it needs Python 3.9 or newer with pip (Debian: `apt-get install \
             python3-pip`), and its index must be reachable:\n{}",
            String::from_utf8_lossy(&done.stderr).trim()
        );
    }
    Ok(())
}
