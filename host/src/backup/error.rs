//! Why a backup was not made, or cannot be used, in words that name what is wrong.

use std::io;
use std::path::PathBuf;

/// What stood in the way. The text is for the operator; it holds no secret and no row.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting or an option that cannot be used, and what to do.
    #[error("{0}")]
    Setting(String),
    /// The place of the backups does not answer as it should, a full disk included.
    #[error("cannot {action} {object} in {place}")]
    Store {
        /// What was tried, as a verb.
        action: &'static str,
        /// What of.
        object: String,
        /// Where.
        place: String,
        /// What the place said.
        #[source]
        source: Box<object_store::Error>,
    },
    /// Nothing of this name.
    #[error("there is no backup {0}; `rowhouse db list` has those there are")]
    Unknown(String),
    /// No whole backup at all.
    #[error("there is no whole backup in {0}")]
    Nothing(String),
    /// A backup's manifest makes no sense.
    #[error("the manifest of backup {0} cannot be read: {1}")]
    Manifest(String, String),
    /// A backup this one stands on is gone.
    #[error("backup {id} stands on {parent}, which is not there: it cannot be restored; choose another one")]
    Hole {
        /// Which.
        id: String,
        /// What is missing.
        parent: String,
    },
    /// An object of a backup is gone.
    #[error("the object {0} is missing: the backup is not whole; choose another one")]
    Missing(String),
    /// An object of a backup is another one than was stored.
    #[error("the object {object} is not what was stored: its SHA-256 is {found}, and the manifest says {wanted}")]
    Damaged {
        /// Which.
        object: String,
        /// What it has.
        found: String,
        /// What it should have.
        wanted: String,
    },
    /// No private key fits.
    #[error("{object} is encrypted to {recipients}, and no private key given belongs to any of them")]
    WrongKey {
        /// Which.
        object: String,
        /// Whose public keys.
        recipients: String,
    },
    /// No private key at all.
    #[error(
        "{object} is encrypted to {recipients}: name the file with the private key (`--identity FILE`, or \
         backup.identity)"
    )]
    NoKey {
        /// Which.
        object: String,
        /// Whose public keys.
        recipients: String,
    },
    /// It would lie open.
    #[error(
        "no recipient is set, and a backup of this database must not lie open: make a key with `rowhouse db backup-key \
         FILE` and put what it prints into [backup] recipients, or say backup.encrypt = false"
    )]
    Open,
    /// Somebody else is at it.
    #[error("another host makes a backup of this database now")]
    Busy,
    /// There is no full one an incremental one could stand on.
    #[error("no incremental backup can be made: {0}; make a full one (`rowhouse db backup --full`)")]
    NoParent(String),
    /// A program ended badly.
    #[error("{program} failed ({status}): {said}")]
    Program {
        /// Which.
        program: String,
        /// How it ended.
        status: String,
        /// Its last lines.
        said: String,
    },
    /// A program that is needed is not there, or too old.
    #[error("{0}")]
    Tools(String),
    /// A file or a pipe of this machine.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is something where the backup should go.
    #[error("{0} is not empty, and nothing is ever restored over what is there")]
    Occupied(PathBuf),
    /// The embedded database.
    #[error(transparent)]
    Embedded(#[from] crate::embedded::Error),
    /// The database did not answer as it should.
    #[error("ask the database")]
    Database(#[from] tokio_postgres::Error),
    /// The database's shape.
    #[error(transparent)]
    Shape(#[from] rowhouse_migrations::Error),
    /// The work was abandoned because the program is ending.
    #[error("the work was abandoned")]
    Abandoned,
}

impl Error {
    /// For `map_err` on the system's errors; `what` is a clause ("read the identity file").
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
