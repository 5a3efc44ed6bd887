//! Rust: cargo makes a core module, wit-component a component of it. It imports what it uses of the contract and no WASI.

use super::Project;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use wit_component::ComponentEncoder;

/// A target without an operating system: what is not in the contract cannot be imported.
const TARGET: &str = "wasm32-unknown-unknown";

pub(super) async fn build(project: &Project, output: &Path) -> Result<()> {
    let module = fs::read(compile(project).await?).context("read the module cargo made")?;
    let encoded = ComponentEncoder::default().validate(true).module(&module).and_then(|mut it| it.encode());
    let component = encoded.context("make the module a component: does it have a `plugin!`?")?;
    fs::write(output, component).with_context(|| format!("write {}", output.display()))
}

/// Run cargo, its words passed on as they come, and give the module it made.
async fn compile(project: &Project) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--lib", "--target", TARGET, "--message-format=json-render-diagnostics"]);
    cargo.current_dir(&project.directory).kill_on_drop(true);
    cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // What a cargo above us set is for its own package.
    for name in ["CARGO_ENCODED_RUSTFLAGS", "CARGO_MAKEFLAGS", "MAKEFLAGS", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(name);
    }
    let mut child = match cargo.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("cargo is not on the PATH. Install Rust 1.95 or newer:\n\n  https://rustup.rs\n")
        }
        started => started.context("start cargo")?,
    };
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (mut stdout, stderr) = (stdout.context("stdout is piped above")?, stderr.context("stderr is piped above")?);
    // Both at once: cargo stops writing to one while the other is full.
    let listen = async {
        let (mut lines, mut said) = (BufReader::new(stderr).lines(), String::new());
        while let Some(line) = lines.next_line().await? {
            eprintln!("{line}");
            said.push_str(&line);
        }
        std::io::Result::Ok(said)
    };
    let mut messages = String::new();
    let (said, read, status) = tokio::join!(listen, stdout.read_to_string(&mut messages), child.wait());
    let (said, _, status) = (said?, read?, status?);
    if !status.success() {
        // rustc's own words for a standard library that is not there (E0463).
        if said.contains("target may not be installed") || said.contains("can't find crate for `core`") {
            bail!("the compiler lacks the target {TARGET}. Install it:\n\n  rustup target add {TARGET}\n");
        }
        bail!("`{}` did not compile ({status}); cargo's words are above", project.name);
    }
    module(&messages, &fs::canonicalize(project.directory.join("Cargo.toml"))?)
        .context("cargo made no module: does Cargo.toml say crate-type = [\"cdylib\", \"rlib\"] under [lib]?")
}

/// The module of the package with this manifest, in cargo's list of what it made (one JSON message a line).
fn module(messages: &str, manifest: &Path) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = messages
        .filter(|it| it["reason"] == "compiler-artifact")
        .filter(|it| it["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest));
    let files = ours.flat_map(|it| it["filenames"].as_array().cloned().unwrap_or_default());
    files
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .find(|file| file.extension().is_some_and(|it| it == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_that_of_the_package_itself() {
        let message = |manifest: &str, files: &str| {
            format!("{{\"reason\":\"compiler-artifact\",\"manifest_path\":\"{manifest}\",\"filenames\":[{files}]}}\n")
        };
        let other = message("/p/sdk/Cargo.toml", "\"/t/sdk.wasm\"");
        let ours = message("/p/Cargo.toml", "\"/t/libstock.rlib\",\"/t/stock.wasm\"");
        let manifest = Path::new("/p/Cargo.toml");
        for (messages, want) in [
            (format!("{other}{ours}"), Some("/t/stock.wasm")),
            (format!("not JSON\n{other}"), None),
            (message("/p/Cargo.toml", "\"/t/libstock.rlib\""), None),
        ] {
            assert_eq!(module(&messages, manifest), want.map(PathBuf::from), "{messages}");
        }
    }
}
