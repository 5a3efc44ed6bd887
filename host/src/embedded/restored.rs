//! A cluster that comes out of a backup: the programs that unpack it, run as the account that will own it, and the last
//! step that makes it one of ours.
//!
//! The superuser's password is no part of a backup. A restored cluster gets a new one, set by the server itself without
//! a door to the outside (single-user mode), which also replays the log the backup brought along.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use secrecy::ExposeSecret;

use crate::worker;

use super::account::Account;
use super::binaries::{self, Binaries};
use super::{Error, Event, Options, cluster};

/// Lines of a failed recovery that are told.
const LAST_LINES: usize = 3;

/// The programs of a PostgreSQL that will do, `pg_basebackup`, `pg_dump` and the like among them in most sources.
#[derive(Clone, Debug)]
pub struct Programs {
    binaries: Binaries,
}

impl Programs {
    /// Find them as [`super::Server::start`] would, of one major version where `major` says so. Blocks.
    ///
    /// # Errors
    /// [`Error::NoBinaries`] with every reason.
    pub fn find(options: &Options, major: Option<u32>, on: &mut dyn FnMut(Event)) -> Result<Self, Error> {
        let programs = match &options.programs {
            Some(dir) => std::path::absolute(dir).map_err(Error::state("use", dir))?,
            None => options.state_dir()?,
        };
        cluster::make_dir(&programs, 0o755)?;
        Ok(Self { binaries: binaries::find(options, &programs, major, on)? })
    }

    /// Directory of the programs.
    pub fn bin_dir(&self) -> &Path {
        &self.binaries.bin
    }

    /// Their version, such as "18.6".
    pub fn version(&self) -> &str {
        &self.binaries.version
    }

    /// Its major part.
    pub fn major(&self) -> u32 {
        self.binaries.major
    }
}

/// A state directory with a cluster that is not whole yet. What is not finished is removed again.
#[derive(Debug)]
pub struct Restoring {
    programs: Programs,
    account: Option<Account>,
    state: PathBuf,
    dir: PathBuf,
    /// Whether the state directory itself was made for this.
    made: bool,
    durable: bool,
    whole: bool,
    lock: Option<cluster::Lock>,
}

impl Restoring {
    /// Take an empty or absent state directory for a cluster of `programs`' major version. Blocks.
    ///
    /// # Errors
    /// [`Error::Occupied`] where there is anything, and what else is wrong with the place.
    pub fn begin(options: &Options, programs: Programs) -> Result<Self, Error> {
        let state = options.state_dir()?;
        let made = !state.exists();
        let empty = || fs::read_dir(&state).map(|mut entries| entries.next().is_none());
        if !made && !empty().map_err(Error::state("read", &state))? {
            return Err(Error::Occupied(state));
        }
        let dir = state.join(cluster::cluster_name(&options.cluster)?);
        let account = Account::choose(&dir.join("data"))?;
        cluster::make_dir(&state, 0o755)?;
        let durable = options.durable;
        let mut this = Self { programs, account, state, dir, made, durable, whole: false, lock: None };
        cluster::make_dir(&this.dir, 0o711)?;
        this.lock = Some(cluster::take(&this.dir)?);
        if let Some(account) = &this.account {
            account.must_reach(&this.dir)?;
            account.must_reach(this.programs.bin_dir())?;
        }
        cluster::own(&this.work(), this.account.as_ref())?;
        Ok(this)
    }

    /// A directory to work in that belongs to the account PostgreSQL runs as; gone when this ends.
    pub fn work(&self) -> PathBuf {
        self.dir.join("restore.part")
    }

    /// The state directory the cluster comes to lie in.
    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// A new directory in [`Restoring::work`].
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn make(&self, name: &str) -> Result<PathBuf, Error> {
        let dir = self.work().join(name);
        cluster::own(&dir, self.account.as_ref())?;
        Ok(dir)
    }

    /// The programs it is made with.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// A program of this installation, or one of the system by its whole path, run as the account that owns the data.
    pub fn program(&self, name: impl AsRef<Path>) -> Command {
        cluster::program(&self.programs.binaries, self.account.as_ref(), &name.as_ref().to_string_lossy())
    }

    /// Make the data directory `data`, which lies in [`Restoring::work`], the cluster's: replay its log, set a new
    /// superuser's password, put it in its place. Blocks.
    ///
    /// # Errors
    /// [`Error::Recovery`] where the server does not come up on it.
    pub fn finish(mut self, data: &Path) -> Result<(), Error> {
        let key = cluster::write_key(&self.dir.join("superuser.key"))?;
        let mut command = self.program("postgres");
        command.arg("--single").arg("-D").arg(data);
        // A statement that fails is not written down: this one holds the password.
        for setting in ["log_min_error_statement=panic", "log_statement=none", "jit=off", "shared_buffers=128MB"] {
            command.arg("-c").arg(setting);
        }
        if !self.durable {
            command.args(["-c", "fsync=off"]);
        }
        command.arg("postgres").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        worker::tie(&mut command);
        let failed = |source| Error::Spawn { program: self.programs.binaries.bin.join("postgres"), source };
        let mut child = command.spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // Where it is gone already, its end says why. The key is hexadecimal.
            let _ = writeln!(stdin, "ALTER ROLE postgres PASSWORD '{}'", key.expose_secret());
        }
        let out = child.wait_with_output().map_err(failed)?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr);
            let mut last: Vec<&str> = said.lines().rev().take(LAST_LINES).collect();
            last.reverse();
            return Err(Error::Recovery { data: data.to_owned(), said: last.join(" | ") });
        }
        let place = self.dir.join("data");
        fs::rename(data, &place).map_err(Error::state("rename to", &place))?;
        let work = self.work();
        fs::remove_dir_all(&work).map_err(Error::state("remove", &work))?;
        self.whole = true;
        Ok(())
    }
}

impl Drop for Restoring {
    fn drop(&mut self) {
        if self.whole {
            return;
        }
        // It was empty or not there: whatever is in it is ours. A leftover is told apart by the missing `data`.
        let _ = fs::remove_dir_all(&self.dir);
        if self.made {
            let _ = fs::remove_dir_all(&self.state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(dir: &Path) -> Programs {
        Programs { binaries: Binaries { bin: dir.to_owned(), version: "18.6".to_owned(), major: 18 } }
    }

    fn options(state: &Path) -> Options {
        Options { state_dir: Some(state.to_owned()), ..Options::default() }
    }

    #[test]
    fn nothing_is_laid_over_what_is_there_and_nothing_half_is_left() {
        use std::os::unix::fs::PermissionsExt;
        let top = tempfile::tempdir().expect("a temporary directory");
        fs::set_permissions(top.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let bin = top.path().join("bin");
        fs::create_dir(&bin).expect("a directory");
        let (taken, absent, empty) = (top.path().join("taken"), top.path().join("absent"), top.path().join("empty"));
        fs::create_dir(&taken).expect("a directory");
        fs::create_dir(&empty).expect("a directory");
        fs::write(taken.join("file"), "mine").expect("a file");
        let refused = Restoring::begin(&options(&taken), programs(&bin)).map(|_| ());
        assert!(matches!(&refused, Err(Error::Occupied(path)) if *path == taken), "{refused:?}");
        assert_eq!(fs::read_to_string(taken.join("file")).expect("it is there"), "mine");
        for (place, stays) in [(&absent, false), (&empty, true)] {
            let begun = Restoring::begin(&options(place), programs(&bin)).expect("a place");
            assert!(begun.make("0").expect("a directory").is_dir());
            // There is no `postgres` in that directory.
            let work = begun.work().join("0");
            assert!(matches!(begun.finish(&work), Err(Error::Spawn { .. })));
            assert_eq!(place.exists(), stays, "{}", place.display());
            assert!(!stays || fs::read_dir(place).expect("a directory").next().is_none());
        }
    }
}
