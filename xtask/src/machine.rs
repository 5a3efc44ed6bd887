//! This machine: where things are, and how cargo is called on it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

/// The repository's root.
pub fn root() -> PathBuf {
    // This crate stands in `xtask/` below it.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).expect("xtask/ has a parent")
}

/// What set-up found out that later steps need.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Environment for builds: where libclang is, where it is not found by itself.
    pub environment: Vec<(&'static str, String)>,
}

impl Machine {
    /// A cargo that builds here.
    pub fn cargo(&self, root: &Path) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root).envs(self.environment.iter().map(|(name, value)| (name, value)));
        cargo
    }
}

/// The host, as built by [`crate::setup::host`].
pub fn host_binary(root: &Path) -> Command {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let mut command = Command::new(target.join("debug/rowhouse"));
    command.current_dir(root);
    command
}

/// The exit code of a child as our own. Ended by a signal: 128 and the signal, as shells say it.
pub fn exit_code(status: ExitStatus) -> ExitCode {
    let code =
        status.code().unwrap_or_else(|| 128 + std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
