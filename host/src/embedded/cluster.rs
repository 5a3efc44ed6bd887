//! The directory of one cluster: who may enter, who holds it, and how it is made.
//!
//! ```text
//! STATE/CLUSTER/            the host's own, others may only pass through
//!   lock                    held by the one host that runs this cluster
//!   superuser.key           password of the superuser, readable by the host only
//!   postgres.log            and postgres.log.1, the run before
//!   data/                   PostgreSQL's, 0700
//!   run/                    the socket, 0700
//! ```
//! Nothing the host writes lies in a directory that the lent account can write, so that account cannot lead root
//! astray with a link.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rand::TryRngCore;
use rustix::fs::FlockOperation;
use secrecy::{ExposeSecret, SecretString};

use crate::worker;

use super::account::Account;
use super::binaries::Binaries;
use super::{Error, Event, Options, binaries};

/// Socket addresses end at 104 bytes on some systems (108 on Linux), the closing zero included.
const MAX_SOCKET_PATH: usize = 103;

/// How long a server whose host was killed may take to shut down before the start is refused. It was told when its
/// host died and normally needs a fraction of a second; a checkpoint on a slow disk is why this is not shorter.
const FAREWELL: Duration = Duration::from_secs(20);

/// A cluster that is ours, made, and ready to be served.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) binaries: Binaries,
    pub(super) data: PathBuf,
    pub(super) socket_dir: PathBuf,
    pub(super) log: PathBuf,
    pub(super) key_file: PathBuf,
    pub(super) key: SecretString,
    account: Option<Account>,
    /// Holds the kernel's lock for as long as it is open.
    _lock: Lock,
    /// Present when the state directory's own path is too long for a socket.
    _short: Option<tempfile::TempDir>,
}

impl Cluster {
    /// Takes the cluster directory, finds binaries and makes the data if there are none. Blocks.
    ///
    /// # Errors
    /// Any of [`Error`] but the ones about a running server.
    pub(super) fn prepare(options: &Options, on: &mut dyn FnMut(Event)) -> Result<Self, Error> {
        let state = options.state_dir()?;
        let dir = state.join(cluster_name(&options.cluster)?);
        let data = dir.join("data");
        let account = Account::choose(&data)?;
        make_dir(&state, 0o755)?;
        make_dir(&dir, 0o711)?;
        let lock = take(&dir)?;

        let existing = major_of(&data)?;
        let programs = options.programs.as_deref().map(std::path::absolute).transpose();
        let programs = programs.map_err(Error::state("use", &state))?.unwrap_or_else(|| state.clone());
        make_dir(&programs, 0o755)?;
        let binaries = match binaries::find(options, &programs, existing, on) {
            Err(Error::NoBinaries { tried, .. }) if existing.is_some() => {
                let found = existing.unwrap_or_default();
                return Err(Error::Major { data, found, offered: tried });
            }
            other => other?,
        };
        if let Some(found) = existing.filter(|found| *found != binaries.major) {
            return Err(Error::Major { data, found, offered: format!("PostgreSQL {}", binaries.version) });
        }
        if let Some(account) = &account {
            account.must_reach(&dir)?;
            account.must_reach(&binaries.bin)?;
        }
        let (socket_dir, short) = socket_dir(&dir)?;
        own(&socket_dir, account.as_ref())?;
        let mut cluster = Self {
            binaries,
            log: dir.join("postgres.log"),
            key_file: dir.join("superuser.key"),
            key: SecretString::default(),
            data,
            socket_dir,
            account,
            _lock: lock,
            _short: short,
        };
        if existing.is_some() {
            cluster.key = read_key(&cluster.key_file)?;
            cluster.wait_for_the_last_one(on)?;
        } else {
            on(Event::Step { name: "cluster", detail: format!("creating {}", cluster.data.display()) });
            cluster.key = write_key(&cluster.key_file)?;
            cluster.init(&dir, options.durable)?;
        }
        Ok(cluster)
    }

    /// A program of this installation, run as the right account with nothing of our environment.
    pub(super) fn program(&self, name: &str) -> Command {
        program(&self.binaries, self.account.as_ref(), name)
    }

    /// Runs `initdb` beside the final place and renames, so that `data` is whole or absent.
    fn init(&self, dir: &Path, durable: bool) -> Result<(), Error> {
        let part = dir.join("data.part");
        if part.exists() {
            fs::remove_dir_all(&part).map_err(Error::state("remove", &part))?;
        }
        own(&part, self.account.as_ref())?;
        // `initdb` takes a password only from a file, and reads it as the lent account.
        let secret = dir.join("initdb.key");
        write_secret(&secret, &self.key)?;
        if let Some(account) = &self.account {
            account.give(&secret)?;
        }
        let mut command = self.program("initdb");
        command.arg("--pgdata").arg(&part).arg("--pwfile").arg(&secret);
        command.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums"]);
        command.arg("--no-instructions").args(locale(self.binaries.major));
        if !durable {
            command.arg("--no-sync");
        }
        worker::tie(&mut command);
        let out = command.output();
        fs::remove_file(&secret).map_err(Error::state("remove", &secret))?;
        let out = out.map_err(|source| Error::Spawn { program: self.binaries.bin.join("initdb"), source })?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr);
            let mut last: Vec<&str> = said.lines().rev().take(3).collect();
            last.reverse();
            return Err(Error::Initdb { data: self.data.clone(), said: last.join(" | ") });
        }
        fs::rename(&part, &self.data).map_err(Error::state("rename to", &self.data))
    }

    /// After a host was killed its server needs a moment to shut down; the lock is free before the data are.
    fn wait_for_the_last_one(&self, on: &mut dyn FnMut(Event)) -> Result<(), Error> {
        let file = self.data.join("postmaster.pid");
        let (since, mut told) = (Instant::now(), false);
        loop {
            let Ok(text) = fs::read_to_string(&file) else {
                return Ok(());
            };
            let number = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok());
            let Some(pid) = number.and_then(rustix::process::Pid::from_raw) else {
                return Ok(());
            };
            if !serves(pid, &self.data, &self.socket_dir) {
                return Ok(());
            }
            if !std::mem::replace(&mut told, true) {
                let detail = "waiting for the server of a host that was killed".to_owned();
                on(Event::Step { name: "cluster", detail });
            }
            // Where the kernel does not tell an orphan that its host died, we do.
            #[cfg(not(target_os = "linux"))]
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
            if since.elapsed() > FAREWELL {
                return Err(Error::Running { pid: pid.as_raw_nonzero().get(), data: self.data.clone() });
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A program of an installation, run as the right account with nothing of our environment.
pub(super) fn program(binaries: &Binaries, account: Option<&Account>, name: &str) -> Command {
    let mut command = Command::new(binaries.bin.join(name));
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").env("PATH", "/usr/bin:/bin");
    command.current_dir("/").stdin(Stdio::null());
    if let Some(account) = account {
        account.lend(&mut command);
    }
    command
}

/// Whether `pid` is a server on `data`, and not a stranger with a number used again.
fn serves(pid: rustix::process::Pid, data: &Path, socket_dir: &Path) -> bool {
    if cfg!(target_os = "linux") {
        // PostgreSQL lives in its data directory.
        let cwd = fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero()));
        cwd.is_ok_and(|cwd| fs::canonicalize(data).is_ok_and(|data| data == cwd))
    } else {
        std::os::unix::net::UnixStream::connect(socket_dir.join(".s.PGSQL.5432")).is_ok()
    }
}

/// A name that stays one path component.
pub(super) fn cluster_name(name: &str) -> Result<&str, Error> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    // 40 leaves room for the socket's path; longer names help nobody.
    if plain && (1..=40).contains(&name.len()) { Ok(name) } else { Err(Error::ClusterName(name.to_owned())) }
}

/// Locale for new data. From 17 on PostgreSQL brings its own, which no update of the system can re-sort.
fn locale(major: u32) -> &'static [&'static str] {
    match major {
        17.. => &["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
        _ if cfg!(target_os = "linux") => &["--locale=C.UTF-8"],
        _ => &["--locale=C"],
    }
}

/// Makes a directory of the host's; an existing one keeps its mode.
pub(super) fn make_dir(dir: &Path, mode: u32) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).map_err(Error::state("create", dir))?;
    // Said again because the umask had its part in the creation.
    fs::set_permissions(dir, Permissions::from_mode(mode)).map_err(Error::state("set the mode of", dir))
}

/// Makes a directory that belongs to the account PostgreSQL runs as, and to nobody else.
pub(super) fn own(dir: &Path, account: Option<&Account>) -> Result<(), Error> {
    if !dir.is_dir() {
        DirBuilder::new().mode(0o700).create(dir).map_err(Error::state("create", dir))?;
    }
    account.map_or(Ok(()), |account| account.give(dir))
}

/// The lock of a cluster. The kernel gives it back when this process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    /// Closing is not enough: a child that is just being started holds copies of all files until it becomes its program.
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

/// Takes the lock of the cluster.
pub(super) fn take(dir: &Path) -> Result<Lock, Error> {
    let path = dir.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(Error::state("write", &path))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Locked(dir.to_owned())),
        Err(errno) => Err(Error::state("lock", &path)(errno.into())),
    }
}

/// Major version that wrote the data; `None` when there are none yet.
fn major_of(data: &Path) -> Result<Option<u32>, Error> {
    let path = data.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => {
            let parsed = text.trim().parse().map_err(std::io::Error::other);
            parsed.map(Some).map_err(Error::state("make sense of", &path))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !data.exists() => Ok(None),
        Err(error) => Err(Error::state("read", &path)(error)),
    }
}

/// The directory for the socket: in the cluster, or a short one where the path would not fit.
fn socket_dir(dir: &Path) -> Result<(PathBuf, Option<tempfile::TempDir>), Error> {
    let run = dir.join("run");
    if run.join(".s.PGSQL.5432").as_os_str().len() <= MAX_SOCKET_PATH {
        return Ok((run, None));
    }
    let temporary = std::env::temp_dir();
    // The default would leave it to the umask.
    let private = Permissions::from_mode(0o700);
    let short = tempfile::Builder::new().prefix("rowhouse-").permissions(private).tempdir_in(&temporary);
    let short = short.map_err(Error::state("create a directory in", &temporary))?;
    Ok((short.path().to_owned(), Some(short)))
}

/// The socket's directory and the superuser's password of a cluster that another host runs.
pub(super) fn of_another_host(options: &Options) -> Result<(PathBuf, SecretString), Error> {
    let dir = options.state_dir()?.join(cluster_name(&options.cluster)?);
    let socket = dir.join("run");
    if !socket.join(".s.PGSQL.5432").exists() {
        // Its path was too long, and only that host knows where the socket went.
        return Err(Error::Locked(dir));
    }
    Ok((socket, read_key(&dir.join("superuser.key"))?))
}

/// Makes the superuser's password: 32 bytes from the system, out of reach of guessing.
pub(super) fn write_key(path: &Path) -> Result<SecretString, Error> {
    let mut bytes = [0; 32];
    let filled = rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(std::io::Error::other);
    filled.map_err(Error::state("make a key for", path))?;
    let key = SecretString::from(hex::encode(bytes));
    write_secret(path, &key)?;
    Ok(key)
}

/// Writes a file only its owner can read, in place of an older one.
fn write_secret(path: &Path, key: &SecretString) -> Result<(), Error> {
    if path.exists() {
        fs::remove_file(path).map_err(Error::state("remove", path))?;
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(Error::state("write", path))?;
    let written = writeln!(file, "{}", key.expose_secret()).and_then(|()| file.sync_all());
    written.map_err(Error::state("write", path))
}

/// Reads the superuser's password of an existing cluster.
fn read_key(path: &Path) -> Result<SecretString, Error> {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => Ok(SecretString::from(text.trim())),
        Ok(_) => Err(Error::Key(path.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::Key(path.to_owned())),
        Err(error) => Err(Error::state("read", path)(error)),
    }
}

#[cfg(test)]
mod tests;
