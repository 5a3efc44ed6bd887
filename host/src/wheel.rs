//! Archives from a package index: asking the machine's own Python package client for a pinned wheel, a plain zip file.
//!
//! The client brings the operator's index, mirror, proxy and certificates with it, so this crate names no server and
//! holds no network code. What arrives is only believed after its digest is checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::worker;

/// One archive.
#[derive(Clone, Copy, Debug)]
pub struct Wheel<'a> {
    /// Package name, as the client knows it.
    pub package: &'a str,
    /// Exact version of the package.
    pub version: &'a str,
    /// Platform tag asked for. `None`: the wheel is for any.
    pub platform: Option<&'a str>,
    /// Python version asked for, where the wheel is for one; what is inside does not depend on it.
    pub python: Option<&'a str>,
    /// Size of the file, to count against.
    pub bytes: u64,
}

/// Ways the client is installed, most specific first.
const CLIENTS: [&[&str]; 4] = [&["python3", "-m", "pip"], &["pip3"], &["pip"], &["python", "-m", "pip"]];

/// How long the download may stand still. The client itself gives up on a silent server after 15 s and tries five
/// times more, so this only ends a client that hangs.
const STALLED: Duration = Duration::from_secs(180);

/// Ten looks a second move a bar smoothly and cost nothing.
const LOOK: Duration = Duration::from_millis(100);

/// Download a wheel into `dir`, which must exist and be empty, and return the file. `on` is told the bytes so far. The
/// first client that is installed decides: the others share its configuration, and each would wait as long again for an
/// index that does not answer. Blocks the thread meanwhile.
///
/// # Errors
/// A clause saying why; without URLs, which may carry a mirror's password.
pub fn fetch(wheel: &Wheel<'_>, dir: &Path, on: &mut dyn FnMut(u64)) -> Result<PathBuf, String> {
    for client in CLIENTS {
        match run(client, wheel, dir, on) {
            Ok(Some(file)) => return Ok(file),
            Ok(None) => {}
            Err(reason) => return Err(format!("{}: {reason}", client.join(" "))),
        }
    }
    Err("no Python package client (pip) on PATH".to_owned())
}

/// One client; `None` when it is not installed.
fn run(client: &[&str], wanted: &Wheel<'_>, dir: &Path, on: &mut dyn FnMut(u64)) -> Result<Option<PathBuf>, String> {
    let mut command = Command::new(client[0]);
    command.args(&client[1..]).args(["download", "--quiet", "--no-input", "--disable-pip-version-check"]);
    // Only finished wheels: nothing of the package is ever executed.
    command.args(["--no-deps", "--only-binary=:all:"]);
    if let Some(platform) = wanted.platform {
        command.args(["--platform", platform]);
    }
    if let Some(python) = wanted.python {
        command.args(["--implementation", "cp", "--python-version", python]);
    }
    command.arg("--dest").arg(dir).arg(format!("{}=={}", wanted.package, wanted.version));
    // The client downloads into its temporary directory: ours, so that its size can be watched.
    command.env("TMPDIR", dir).stdin(Stdio::null()).stdout(Stdio::null());
    let log = dir.join("client.log");
    command.stderr(fs::File::create(&log).map_err(|error| error.to_string())?);
    worker::tie(&mut command);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let ended = watch(&mut child, wanted.bytes, dir, on);
    let said = fs::read_to_string(&log).unwrap_or_default();
    let wheel = fs::read_dir(dir).ok().into_iter().flatten().flatten().map(|entry| entry.path());
    let wheel = wheel.into_iter().find(|path| path.extension().is_some_and(|end| end == "whl"));
    match (ended?, wheel) {
        (true, Some(file)) => Ok(Some(file)),
        (true, None) => Err("it reported success and left no wheel".to_owned()),
        (false, _) if said.contains("No module named pip") => Ok(None),
        (false, _) => Err(reason(&said)),
    }
}

/// Follows the download by the size of `dir`; true when the client ended well.
fn watch(child: &mut Child, bytes: u64, dir: &Path, on: &mut dyn FnMut(u64)) -> Result<bool, String> {
    let (mut seen, mut moved) = (0, Instant::now());
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(status.success());
        }
        let now = size(dir).min(bytes);
        if now != seen {
            (seen, moved) = (now, Instant::now());
            on(now);
        }
        if moved.elapsed() > STALLED {
            // It may have ended this instant; then there is nothing to kill and the wait below reaps it.
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("no progress for {} s", STALLED.as_secs()));
        }
        thread::sleep(LOOK);
    }
}

/// Bytes in all files under `dir`; files that vanish meanwhile count as nothing.
fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

/// The last line that says ERROR, or the last line, without URLs and not longer than a sentence.
fn reason(said: &str) -> String {
    let lines = || said.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find(|line| line.starts_with("ERROR")).or_else(|| lines().next()).unwrap_or("it said nothing");
    let words = line.split_whitespace().map(|word| if word.contains("://") { "(address)" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, want: &str) {
        assert_eq!(reason(said), want);
    }

    #[test]
    fn reason_is_one_line_without_addresses() {
        check("", "it said nothing");
        check("WARNING: a\nERROR: No matching distribution\nnotice\n", "ERROR: No matching distribution");
        check("ERROR: 403 for https://user:secret@mirror/x gone", "ERROR: 403 for (address) gone");
        check("Traceback\n  oops: --index=https://u:p@m", "oops: (address)");
        check(&"x".repeat(999), &"x".repeat(200));
    }

    #[test]
    fn size_counts_nested_files() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("in")).expect("a directory");
        fs::write(dir.path().join("in/a"), [0; 10]).expect("a file");
        fs::write(dir.path().join("b"), [0; 5]).expect("a file");
        assert_eq!(size(dir.path()), 15);
        assert_eq!(size(&dir.path().join("absent")), 0);
    }
}
