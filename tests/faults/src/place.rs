//! Where things are on this machine.

use crate::Cli;
use anyhow::{Context, Result, bail};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The plugins that are served: SQL of the caller's own, and search. The others would only cost time to compile.
const PLUGINS: [&str; 2] = ["sales", "search"];

/// What is there already.
pub(crate) struct Place {
    /// The repository.
    pub(crate) root: PathBuf,
    /// The host.
    pub(crate) rowhouse: PathBuf,
    /// Its plugins, copied: what is built meanwhile does not change what is measured.
    pub(crate) plugins: TempDir,
    /// Where PostgreSQL's programs are unpacked, to stay.
    pub(crate) programs: PathBuf,
}

impl Place {
    /// Find the host and its plugins, which `cargo xtask faults` builds.
    ///
    /// # Errors
    /// When one is not there.
    pub(crate) fn find(cli: &Cli) -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.ancestors().nth(2).map(Path::to_owned).context("tests/faults/ is two below the root")?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
        let rowhouse = cli.rowhouse.clone().unwrap_or_else(|| target.join("debug/rowhouse"));
        let built = cli.plugins.clone().unwrap_or_else(|| root.join("target/plugins"));
        let plugins = scratch("plugins")?;
        for name in PLUGINS {
            let (from, to) = (built.join(format!("{name}.wasm")), plugins.path().join(format!("{name}.wasm")));
            if !from.exists() || !rowhouse.exists() {
                bail!("{} or {} is not there: run `cargo xtask faults`", rowhouse.display(), from.display());
            }
            std::fs::copy(&from, &to).with_context(|| format!("copy {}", from.display()))?;
        }
        // The suite's own: unpacking them takes half a minute, and once is enough.
        let user = rustix::process::geteuid().as_raw();
        let programs = std::env::temp_dir().join(format!("rowhouse-suite-{user}"));
        Ok(Self { root, rowhouse: std::path::absolute(rowhouse)?, plugins, programs })
    }
}

/// A scratch directory, removed when it is dropped.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn scratch(what: &str) -> Result<TempDir> {
    // Root's database runs as another user, who must be able to pass through.
    let open = std::fs::Permissions::from_mode(0o711);
    let made = tempfile::Builder::new().prefix(&format!("rowhouse-faults-{what}-")).permissions(open).tempdir();
    made.context("make a scratch directory")
}
