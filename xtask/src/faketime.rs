//! libfaketime, for the fault of a clock that steps. Nothing of what Rowhouse runs on needs it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::pip;

/// Its name wherever it lies.
const NAME: &str = "libfaketime.so.1";

/// Where distributions put it: Debian below the machine's name, Fedora in `lib64`, others in `lib`.
const PLACES: [&str; 2] = ["/usr/lib64/faketime", "/usr/lib/faketime"];

/// What is fetched where there is none: a Python wheel that holds the library (GPL-2.0; it is loaded into a process of the
/// fault suite's, and shipped with nothing). No Python of it runs.
const PACKAGE: &str = "libfaketime==3.0.1";

/// SHA-256 of the wheel. It is for x86-64 whatever its name says.
const WHEEL: &str = "5eed7c17f3d4ba0f6f828de4975f69a622b06b1e792674e6c1b069c0689fab79";

/// The library: the system's, or one under `.tools/faketime` of the repository at `root`. Nothing outside it is touched.
///
/// # Errors
/// When there is neither a library nor a way to fetch one, or it moves no clock here.
pub fn ensure(root: &Path) -> Result<PathBuf> {
    let own = root.join(".tools/faketime");
    let fetched = own.join("libfaketime/vendor/libfaketime/src").join(NAME);
    if let Some(found) = system().into_iter().chain([fetched.clone()]).find(|library| moves(library)) {
        return Ok(found);
    }
    let by_hand = "install libfaketime (Debian: `apt-get install libfaketime`)";
    pip::pinned(&own, PACKAGE, &[WHEEL], "3.8", by_hand).context("a step of the clock needs libfaketime")?;
    match moves(&fetched) {
        true => Ok(fetched),
        false => bail!("{} moves no clock on this machine: {by_hand}", fetched.display()),
    }
}

/// Where the system may have it.
fn system() -> Vec<PathBuf> {
    let machines = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path().join("faketime"));
    PLACES.iter().map(PathBuf::from).chain(machines).map(|place| place.join(NAME)).filter(|it| it.is_file()).collect()
}

/// Whether a program that is run with it sees the year it is told.
fn moves(library: &Path) -> bool {
    let mut date = Command::new("date");
    date.arg("+%Y").env_clear().env("LD_PRELOAD", library).env("FAKETIME", "@2001-02-03 04:05:06");
    library.is_file() && date.output().is_ok_and(|told| told.stdout == b"2001\n")
}
