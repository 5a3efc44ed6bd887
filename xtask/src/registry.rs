//! A container registry, for the tests of distribution. Nothing of what Rowhouse runs on needs it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, bail};

/// Names under which a system has the CNCF's `distribution`: Debian's, and its own.
const NAMES: [&str; 2] = ["docker-registry", "registry"];

/// Debian's package of it: one binary that needs the C library and nothing else, 5 MB. Its signature is apt's to check.
const PACKAGE: &str = "docker-registry";

/// The server's binary: the system's, or one under `.tools/registry` of the repository at `root`. Nothing outside it is
/// touched, and no rights are needed.
///
/// # Errors
/// When there is neither a server nor a way to fetch one, or what was fetched does not run here.
pub fn ensure(root: &Path) -> Result<PathBuf> {
    // Two threads of one process must not unpack into one directory at once.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let own = root.join(".tools/registry");
    let unpacked = own.join("usr/bin").join(PACKAGE);
    for candidate in NAMES.map(PathBuf::from).into_iter().chain([unpacked.clone()]) {
        if runs(&candidate) {
            return Ok(candidate);
        }
    }
    fetch(&own)?;
    match runs(&unpacked) {
        true => Ok(unpacked),
        false => bail!("{} does not run on this machine: {}", unpacked.display(), by_hand()),
    }
}

fn by_hand() -> String {
    format!("install the registry of the CNCF's `distribution` (Debian: `apt-get install {PACKAGE}`)")
}

/// Whether this is that registry: other programs are called `registry`, too.
fn runs(server: &Path) -> bool {
    let output = Command::new(server).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
    output.is_ok_and(|output| is_distribution(&String::from_utf8_lossy(&output.stdout)))
}

/// `docker-registry github.com/docker/distribution 2.8.2+ds1`; the third line of versions says `distribution/v3`.
fn is_distribution(text: &str) -> bool {
    text.split_whitespace().any(|word| word.starts_with("github.com/") && word.contains("/distribution"))
}

/// Download the package into `own` and unpack it there.
fn fetch(own: &Path) -> Result<()> {
    fs::create_dir_all(own).with_context(|| format!("make {}", own.display()))?;
    let run = |program: &str, arguments: &[&str]| -> Result<bool> {
        let output = Command::new(program).args(arguments).current_dir(own).stdin(Stdio::null()).output();
        let output = output.with_context(|| {
            format!("the tests need a registry, and {program} cannot be run to fetch one: {}", by_hand())
        })?;
        Ok(output.status.success())
    };
    // The list of packages may be older than the packages, or not there at all. Without the right to renew it the second
    // try fails as the first did.
    if !run("apt-get", &["download", "--quiet", PACKAGE])? {
        run("apt-get", &["update", "--quiet"])?;
        if !run("apt-get", &["download", "--quiet", PACKAGE])? {
            bail!("apt-get could not download {PACKAGE}; its mirror must be reachable, or {}", by_hand());
        }
    }
    let archive = fs::read_dir(own)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|ending| ending == "deb"));
    let archive = archive.with_context(|| format!("apt-get left no {PACKAGE} in {}", own.display()))?;
    let name = archive.to_str().context("a path that is text")?;
    if !run("dpkg-deb", &["--extract", name, "."])? {
        bail!("{name} could not be unpacked: {}", by_hand());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_registry_is_taken_for_it() {
        for (text, expect) in [
            ("docker-registry github.com/docker/distribution 2.8.2+ds1\n", true),
            ("registry github.com/distribution/distribution/v3 v3.0.0\n", true),
            ("registry 1.0\n", false),
            ("", false),
        ] {
            assert_eq!(is_distribution(text), expect, "{text:?}");
        }
    }
}
