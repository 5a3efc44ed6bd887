//! What a fresh machine lacks, one line a step.

use crate::guests;
use crate::machine::Machine;
use crate::polyglot;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest compiler that builds this workspace; `rust-version` in `Cargo.toml` says the same.
const RUST: (u32, u32) = (1, 95);

/// Targets of the guests: ours need no WASI at all; one test guest shows what those get that do.
const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];

/// Check and install what is needed to build, and with `tests` what the suite runs.
///
/// # Errors
/// The first thing that is missing and cannot be installed here, with the ways to get it.
pub fn run(root: &Path, tests: bool) -> Result<Machine> {
    step("toolchain", || toolchain().map(|version| (version, ())))?;
    step("wasm targets", || targets().map(|how| (how, ())))?;
    let environment = step("libclang", || libclang(root))?;
    step("componentize", || {
        polyglot::Tools::ensure(root)?;
        Ok((format!("ready ({})", polyglot::Tools::versions()), ()))
    })?;
    if tests {
        step("node", || {
            crate::node::ensure(root)?;
            Ok(("ready".to_owned(), ()))
        })?;
    }
    Ok(Machine { environment })
}

/// Build guests.
///
/// # Errors
/// What the compiler or the encoder said.
pub fn plugins(root: &Path, which: guests::Which) -> Result<()> {
    step("plugins", || {
        let built = guests::build(root, which, &mut |line| eprintln!("    {line}"))?;
        let names: Vec<_> = built.iter().map(|guest| guest.name.as_str()).collect();
        Ok((format!("{} built: {}", names.len(), shorten(&names)), ()))
    })
}

/// Build the host. Cargo shows its own progress.
///
/// # Errors
/// What the compiler said.
pub fn host(root: &Path, machine: &Machine) -> Result<()> {
    eprintln!("  host          building (the first time takes several minutes)");
    let status = machine.cargo(root).args(["build", "--package", "rowhouse"]).status().context("run cargo")?;
    if !status.success() {
        bail!("the host did not build; the compiler's own words are above");
    }
    step("host", || Ok(("ready".to_owned(), ())))
}

/// One line a step: its name, dots, and how it went.
fn step<T>(name: &str, work: impl FnOnce() -> Result<(String, T)>) -> Result<T> {
    let (said, value) = work().with_context(|| format!("set-up stopped at `{name}`"))?;
    eprintln!("  {name:<13} {:.<40} {said}", "");
    Ok(value)
}

fn shorten(names: &[&str]) -> String {
    match names {
        [first, second, third, _, rest @ ..] => format!("{first}, {second}, {third} and {} more", rest.len() + 1),
        few => few.join(", "),
    }
}

fn toolchain() -> Result<String> {
    let said = output(Command::new("rustc").arg("--version")).context("run rustc; install Rust with rustup")?;
    let mut numbers =
        said.split_whitespace().nth(1).unwrap_or_default().split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < RUST {
        bail!("{} is too old: Rust {}.{} or newer is needed; run `rustup update stable`", said.trim(), RUST.0, RUST.1);
    }
    Ok(said.trim().to_owned())
}

fn targets() -> Result<String> {
    let sysroot = PathBuf::from(output(Command::new("rustc").args(["--print", "sysroot"]))?.trim());
    let missing: Vec<_> =
        TARGETS.into_iter().filter(|target| !sysroot.join("lib/rustlib").join(target).join("lib").is_dir()).collect();
    if missing.is_empty() {
        return Ok("ready".to_owned());
    }
    let added = Command::new("rustup").args(["target", "add"]).args(&missing).output();
    match added {
        Ok(done) if done.status.success() => Ok(format!("added {}", missing.join(", "))),
        Ok(done) => bail!(
            "`rustup target add {}` failed: {}\nWhere rustup cannot download, install your distribution's standard library \
             for these targets into {} and run this again.",
            missing.join(" "),
            String::from_utf8_lossy(&done.stderr).trim(),
            sysroot.display()
        ),
        Err(error) => bail!(
            "{} are missing and rustup cannot be run ({error}); add the targets with the tool that installed Rust",
            missing.join(" and ")
        ),
    }
}

/// The statement gate is built from PostgreSQL's own grammar, whose bindings are made with libclang.
fn libclang(root: &Path) -> Result<(String, Vec<(&'static str, String)>)> {
    if let Some(dir) = std::env::var_os("LIBCLANG_PATH") {
        return Ok((format!("ready ({})", Path::new(&dir).display()), Vec::new()));
    }
    if let Some(found) = system_libclang() {
        return Ok((format!("ready ({})", found.display()), Vec::new()));
    }
    let root_user = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if root_user && Command::new("apt-get").arg("--version").output().is_ok() {
        // The list of packages may be older than the packages.
        let _ = Command::new("apt-get").arg("update").output();
        let install = ["install", "-y", "--no-install-recommends", "libclang-dev"];
        let _ = Command::new("apt-get").args(install).env("DEBIAN_FRONTEND", "noninteractive").output();
        if let Some(found) = system_libclang() {
            return Ok((format!("installed ({})", found.display()), Vec::new()));
        }
    }
    let home = root.join(".tools/libclang");
    let native = home.join("clang/native");
    if !native.is_dir() {
        let pip = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--only-binary=:all:", "--target"])
            .arg(&home)
            .arg("libclang")
            .output();
        let said = match pip {
            Ok(done) if done.status.success() => String::new(),
            Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        if !native.is_dir() {
            bail!(
                "libclang is needed to build the SQL parser. Ways to get it: `apt-get install libclang-dev` (or your \
                 system's package), `pip install libclang`, or set LIBCLANG_PATH to the directory of libclang.so. \
                 pip said: {said}"
            );
        }
    }
    // The package holds the library without the compiler's own headers; the C compiler has them.
    let include = output(Command::new("gcc").arg("-print-file-name=include")).unwrap_or_default();
    let environment = vec![
        ("LIBCLANG_PATH", native.display().to_string()),
        ("BINDGEN_EXTRA_CLANG_ARGS", format!("-I{}", include.trim())),
    ];
    Ok((format!("installed ({})", native.display()), environment))
}

/// Where distributions put it.
fn system_libclang() -> Option<PathBuf> {
    let holds = |dir: &Path| {
        let names = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let library =
            |name: &str| name.starts_with("libclang.so") || name.starts_with("libclang-") || name == "libclang.dylib";
        names.filter_map(|name| name.into_string().ok()).any(|name| library(&name) && !name.contains("cpp"))
    };
    let versions = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut dirs: Vec<PathBuf> = versions
        .filter(|dir| dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with("llvm")))
        .map(|dir| dir.join("lib"))
        .collect();
    dirs.sort();
    dirs.reverse();
    dirs.extend(
        ["/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/local/lib"].map(PathBuf::from),
    );
    dirs.into_iter().find(|dir| holds(dir))
}

fn output(command: &mut Command) -> Result<String> {
    let done = command.output().with_context(|| format!("run {}", command.get_program().display()))?;
    if !done.status.success() {
        bail!("{} failed: {}", command.get_program().display(), String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8(done.stdout)?)
}
