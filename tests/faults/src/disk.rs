//! A small disk that can be filled: a file system in memory, mounted for one fault.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Its size: room for a cluster, its log of 64 MiB, and little more to fill.
const SIZE: &str = "size=320m,mode=0711";

/// Bytes written at once while filling, and the last ones one by one, so that no corner is left.
const PIECES: [usize; 3] = [1 << 20, 4 << 10, 64];

/// The disk. It is unmounted when this is dropped.
pub(crate) struct Disk {
    place: TempDir,
}

impl Disk {
    /// Mount one.
    ///
    /// # Errors
    /// When this account may not mount here.
    pub(crate) fn mount() -> Result<Self> {
        let place = crate::place::scratch("disk")?;
        let mut mount = Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(place.path()).output().context("run mount")?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            bail!("a small disk cannot be mounted here ({}); run as root, or say --skip disk", said.trim());
        }
        Ok(Self { place })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Fill it to the last byte.
    ///
    /// # Errors
    /// When something else than its being full stops the writing.
    pub(crate) fn fill(&self) -> Result<()> {
        let mut file = File::options().append(true).create(true).open(self.filler()).context("the filler")?;
        for piece in PIECES {
            let piece = vec![0x5a; piece];
            loop {
                match file.write_all(&piece) {
                    Ok(()) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("fill the disk"),
                }
            }
        }
        Ok(())
    }

    /// Take away what fills it.
    ///
    /// # Errors
    /// When that cannot be removed.
    pub(crate) fn clear(&self) -> Result<()> {
        std::fs::remove_file(self.filler()).context("clear the disk")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what still ends in it keeps it for that moment.
        let done = Command::new("umount").arg("--lazy").arg(self.path()).status();
        if !done.is_ok_and(|status| status.success()) {
            eprintln!("  {} is still mounted", self.path().display());
        }
    }
}
