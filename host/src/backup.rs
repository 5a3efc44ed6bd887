//! Copies of the database, elsewhere: taken while it serves, encrypted, and tried before they are needed.
//!
//! The embedded database is copied as it lies on disk, in full or by the blocks that changed (PostgreSQL 17 and later);
//! an operator's own is dumped, since its files are not ours. Either way bytes flow from PostgreSQL's own program through
//! encryption to their place, and nowhere is there a second whole copy. A backup is one when its manifest is there, which
//! is written last.

mod catalog; // Which there are, which stand on which.
mod error; // What can go wrong.
mod facts; // What is in the tables.
mod local; // What this host keeps of backups.
mod manifest; // What a backup says of itself.
mod pipe; // PostgreSQL's programs.
mod restore; // Back again.
mod seal; // Who can read them.
mod shelf; // Where they lie.
mod standing; // How they stand.
mod take; // Making one.
mod tar; // One file out of an archive.
mod verify; // Is it any good?

pub use catalog::{Catalog, Entry};
pub use error::Error;
pub use manifest::{Kind, Manifest, Object, Role, Table};
pub use restore::{Restored, restore};
pub use seal::make_key;
pub use shelf::Shelf;
pub use standing::{Known, Standing};
pub use take::{Taken, Want, Wanted, prune, take};
pub use verify::{Report, verify};

use crate::config::{self, Secret, Settings};
use crate::embedded;
use seal::Opener;
use secrecy::ExposeSecret;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_postgres::{Client, Config, NoTls};

/// The database backups are of.
#[derive(Clone)]
pub struct Origin {
    /// How its administrator reaches it.
    pub admin: Config,
    /// Present where it is the embedded one, whose files are ours to copy.
    pub embedded: Option<embedded::Options>,
}

/// How far it is, for whoever looks while it goes on.
#[derive(Debug, Default)]
pub struct Meter {
    done: AtomicU64,
    total: AtomicU64,
}

impl Meter {
    /// Bytes that came through, and bytes expected in all (0: nobody knows).
    pub fn read(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    fn add(&self, bytes: usize) {
        self.done.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn expect(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }
}

/// The place that is meant: the one named, or that of the settings.
///
/// # Errors
/// Where there is none, or it cannot be used.
pub fn shelf(settings: &config::Backup, named: Option<&str>, make: bool) -> Result<Shelf, Error> {
    let place = named.or(settings.to.as_deref()).ok_or_else(|| {
        let what = "say where backups lie: `--to` or `--from` with a directory or file:///, s3://, az:// or gs://, or \
                    backup.to in the settings";
        Error::Setting(what.to_owned())
    })?;
    Shelf::open(place, &settings.options, make)
}

/// The private keys that are meant: those of the file named, or of the settings; none where there are none.
///
/// # Errors
/// What cannot be read.
fn opener(settings: &config::Backup, file: Option<&Path>) -> Result<Opener, Error> {
    let named = file.map(|path| Secret::File(path.to_owned()));
    let Some(secret) = named.as_ref().or(settings.identity.as_ref()) else { return Ok(Opener::default()) };
    let text = secret.resolve().map_err(|error| Error::Setting(format!("the identity file: {error}")))?;
    Opener::of(&text)
}

/// How an operator's database is reached for backups: `backup.url`, or as the administrator does.
///
/// # Errors
/// A URL that is none.
pub fn operators(settings: &Settings) -> Result<Option<Config>, Error> {
    let url = settings.database.url.as_ref().and(settings.backup.url.as_ref().or(settings.database.url.as_ref()));
    let Some(url) = url else { return Ok(None) };
    let url = url.resolve().map_err(|error| Error::Setting(format!("backup.url: {error}")))?;
    // It may hold a password, and the parser would quote it.
    let wrong = |_| Error::Setting("backup.url is not a PostgreSQL URL".to_owned());
    url.expose_secret().parse().map(Some).map_err(wrong)
}

/// Where programs for an operator's database are looked for.
fn clients(settings: &Settings) -> embedded::Options {
    embedded::Options {
        state_dir: Some(settings.state_dir()),
        programs: settings.database.postgres_programs.clone(),
        archive: settings.database.postgres_archive.clone(),
        bin_dir: std::env::var_os("ROWHOUSE_PG_BIN_DIR").map(PathBuf::from),
        ..embedded::Options::default()
    }
}

/// A connection that ends with its client.
async fn connect(config: &Config) -> Result<Client, Error> {
    let (client, connection) = config.connect(NoTls).await?;
    drop(tokio::spawn(connection));
    Ok(client)
}

/// Work that blocks, on a thread for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Abandoned)?
}

/// A meter to share.
pub fn meter() -> Arc<Meter> {
    Arc::new(Meter::default())
}
