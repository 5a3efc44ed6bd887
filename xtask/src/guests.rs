//! Guests: from Rust crates to WebAssembly components; those in other languages are [`polyglot`]'s.
//!
//! `cargo build` makes a core module and [`wit_component`] wraps it, so a guest imports what it uses of `wit/` and no
//! WASI at all. The one guest that is meant to import WASI is built for `wasm32-wasip2`, whose linker makes the
//! component itself.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, Result, bail};
use wit_component::ComponentEncoder;

use crate::polyglot;

/// A target without an operating system: what is not in `wit/` cannot be imported.
const BARE: &str = "wasm32-unknown-unknown";
/// The target of guests that import WASI.
const WASI: &str = "wasm32-wasip2";
/// The last lines of cargo's own words that go into an error: enough for one compiler message.
const KEPT_LINES: usize = 40;

/// Which guests to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The plugins that serve: `target/plugins/NAME.wasm`.
    Plugins,
    /// The guests of the test suite: `target/test-guests/NAME.wasm`.
    Tests,
}

impl Which {
    fn directory(self) -> &'static str {
        match self {
            Which::Plugins => "target/plugins",
            Which::Tests => "target/test-guests",
        }
    }

    /// The cargo runs that make them: a target, and what to build for it.
    fn runs(self) -> &'static [(&'static str, &'static [&'static str])] {
        match self {
            Which::Plugins => &[(BARE, &["-p", "sales", "-p", "search", "--lib"])],
            Which::Tests => &[
                (BARE, &["-p", "guests", "--examples"]),
                (WASI, &["-p", "guests", "--features", "wasi", "--example", "wasi_probe"]),
            ],
        }
    }
}

/// A component on disk.
#[derive(Clone, Debug)]
pub struct Built {
    /// The name of the crate or example: `sales`.
    pub name: String,
    /// Where it is, below `root`.
    pub path: PathBuf,
}

/// Build `which` guests of the workspace at `root`. `on` is given each line cargo writes.
///
/// A component whose bytes did not change is not written again, so a host that watches the directory sees changes
/// only.
///
/// # Errors
/// A guest that does not compile, a compiler without the WebAssembly targets, a module that is no component of
/// `wit/`, or a directory that cannot be written.
pub fn build(root: &Path, which: Which, on: &mut dyn FnMut(&str)) -> Result<Vec<Built>> {
    let directory = root.join(which.directory());
    fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
    let mut built = Vec::new();
    for (target, what) in which.runs() {
        for (name, module) in compile(root, target, what, on)? {
            let bytes = fs::read(&module).with_context(|| format!("read {}", module.display()))?;
            let component = if *target == WASI { bytes } else { wrap(&name, &bytes)? };
            let path = directory.join(format!("{name}.wasm"));
            write_if_changed(&path, &component)?;
            built.push(Built { name, path });
        }
    }
    built.extend(polyglot::build(root, which, &directory, on)?);
    built.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(built)
}

/// Run cargo, and give the name and the module of each cdylib it made.
fn compile(root: &Path, target: &str, what: &[&str], on: &mut dyn FnMut(&str)) -> Result<Vec<(String, PathBuf)>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root)
        .args(["build", "--message-format=json-render-diagnostics", "--profile", "guest", "--target", target])
        // Its own directory: a cargo that runs us holds the lock on the usual one.
        .args(["--target-dir", "target/guests"])
        .args(what)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // What a cargo, clippy or coverage run above us set is for the host's own code.
    for name in [
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_MAKEFLAGS",
        "CARGO_TARGET_DIR",
        "MAKEFLAGS",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTFLAGS",
        "__CARGO_DEFAULT_LIB_METADATA",
    ] {
        cargo.env_remove(name);
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", remap(root));

    let mut child = cargo.spawn().context("start cargo: is it on the PATH?")?;
    let mut stdout = child.stdout.take().expect("stdout is piped above");
    let stderr = child.stderr.take().expect("stderr is piped above");
    // Both pipes are read at once: cargo would stop writing to one while the other is full.
    let messages = thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let mut said: Vec<String> = Vec::new();
    for line in BufReader::new(stderr).lines() {
        let line = line.context("read what cargo says")?;
        on(line.trim());
        if said.len() == KEPT_LINES {
            said.remove(0);
        }
        said.push(line);
    }
    let messages =
        messages.join().expect("the reader of stdout has no reason to panic").context("read cargo's list")?;
    let status = child.wait().context("wait for cargo")?;
    if !status.success() {
        let said = said.join("\n");
        // rustc's own words for a standard library that is not there (E0463).
        if said.contains("target may not be installed") || said.contains("can't find crate for `core`") {
            bail!("the compiler lacks the target {target}: run `cargo xtask setup`");
        }
        bail!("cargo could not build the guests for {target} ({status}):\n{said}");
    }
    let modules = modules(&messages)?;
    if modules.is_empty() {
        bail!("cargo made no guest for {target}: is the crate's type still `cdylib`?");
    }
    Ok(modules)
}

/// Compiler flags that keep this machine's directories out of a guest: the same source gives the same bytes, and so
/// the same digest, wherever it is built.
fn remap(root: &Path) -> OsString {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let mut flags = OsString::new();
    for (from, to) in home.iter().map(PathBuf::as_path).zip(["cargo"]).chain([(root, "rowhouse")]) {
        if !flags.is_empty() {
            flags.push("\u{1f}"); // what cargo splits the variable at
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=/");
        flags.push(to);
    }
    flags
}

/// The WebAssembly files in cargo's list of what it made (one JSON message a line).
fn modules(messages: &str) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: serde_json::Value = serde_json::from_str(line).context("read a message of cargo")?;
        if message["reason"] != "compiler-artifact" {
            continue;
        }
        let name = message["target"]["name"].as_str().unwrap_or_default();
        for file in message["filenames"].as_array().into_iter().flatten() {
            if let Some(file) = file.as_str().filter(|file| file.ends_with(".wasm")) {
                found.push((name.to_owned(), PathBuf::from(file)));
            }
        }
    }
    Ok(found)
}

/// Core module to component. The module carries the world it was built against; the encoder checks it against that.
fn wrap(name: &str, module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .with_context(|| format!("make `{name}` a component: does it export `tools` with `export!`?"))
}

/// A reader never sees half a file: written beside it, then renamed over it.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|before| before == bytes) {
        return Ok(());
    }
    let beside = path.with_extension(format!("{}.part", std::process::id()));
    fs::write(&beside, bytes).with_context(|| format!("write {}", beside.display()))?;
    fs::rename(&beside, path).with_context(|| format!("rename {} to {}", beside.display(), path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wit_component::DecodedWasm;

    /// Interfaces without package and version, in order.
    fn bare(names: impl Iterator<Item = String>) -> Vec<String> {
        let bare = |name: String| {
            let inner = name.strip_prefix("rowhouse:plugin/").and_then(|rest| rest.strip_suffix("@0.1.0"));
            inner.map(str::to_owned).unwrap_or(name)
        };
        let mut names: Vec<_> = names.map(bare).collect();
        names.sort();
        names
    }

    #[test]
    fn plugins_export_what_they_use() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
        let built = build(root, Which::Plugins, &mut |_| {}).expect("the plugins build");
        for (name, imports, exports) in [
            ("sales", &["call-context", "schema", "sql", "types"][..], &["prompts", "resources", "tools", "views"][..]),
            ("search", &["embedding", "sql", "types"], &["tools"]),
        ] {
            let plugin = built.iter().find(|one| one.name == name).expect(name);
            let bytes = fs::read(&plugin.path).expect("its bytes");
            let decoded = wit_component::decode(&bytes).expect("a component");
            let DecodedWasm::Component(resolve, world) = decoded else { panic!("{name} is no component") };
            let (world, name_of) = (&resolve.worlds[world], |key| resolve.name_world_key(key));
            assert_eq!(bare(world.imports.keys().map(name_of)), imports, "what {name} imports");
            assert_eq!(bare(world.exports.keys().map(name_of)), exports, "what {name} exports");
        }
    }

    #[test]
    fn only_wasm_files_are_modules() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"serde"},"filenames":["/t/libserde.rlib"]}"#,
            "\nnot a message\n",
            r#"{"reason":"compiler-artifact","target":{"name":"sales"},"filenames":["/t/libsales.rlib","/t/sales.wasm"]}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#
        );
        let found = modules(messages).expect("two messages of cargo");
        assert_eq!(found, [("sales".to_owned(), PathBuf::from("/t/sales.wasm"))]);
    }

    #[test]
    fn the_same_bytes_are_not_written_twice() {
        let directory = std::env::temp_dir().join(format!("rowhouse-guests-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a temporary directory");
        let path = directory.join("a.wasm");
        write_if_changed(&path, b"one").expect("written");
        let first = fs::metadata(&path).and_then(|m| m.modified()).expect("its time");
        write_if_changed(&path, b"one").expect("left alone");
        assert_eq!(fs::metadata(&path).and_then(|m| m.modified()).expect("its time"), first);
        write_if_changed(&path, b"two").expect("written again");
        assert_eq!(fs::read(&path).expect("its bytes"), b"two");
        assert_eq!(fs::read_dir(&directory).expect("the directory").count(), 1, "nothing is left beside it");
        fs::remove_dir_all(&directory).expect("removed");
    }

    #[test]
    fn a_module_that_is_no_guest_is_refused_by_name() {
        let error = wrap("sales", b"\0asm\x01\0\0\0").map(|bytes| bytes.len());
        // An empty module is a component without `tools`; the loader refuses it. Garbage is refused here.
        assert!(error.is_ok());
        assert!(format!("{:#}", wrap("sales", b"garbage").expect_err("no module")).contains("`sales`"));
    }
}
