//! Backups: both ways of making them, back again, and everything that can be wrong with one.

mod dump; // A database of somebody else's.
mod files; // The embedded one: full, incremental, restored, served.
mod place; // Where they lie: a full disk, an object store.
mod refusals; // Keys, holes, flipped bits.
mod watch; // A host that makes them by itself.

use crate::harness::{SCALE, Silent, settings, shared};
use rowhouse::backup::{self, Catalog, Manifest, Want, Wanted, meter};
use rowhouse::config::{Secret, Settings};
use rowhouse::house::Ground;
use rowhouse::keys::Keys;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Tests that copy the one shared database take turns: a second backup of it at the same time is refused.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A host with an embedded database of its own, and a place for its backups.
struct Site {
    dir: tempfile::TempDir,
    settings: Settings,
}

impl Site {
    async fn new() -> Self {
        let shared = shared().await;
        let dir = tempfile::tempdir().expect("a directory");
        // Root's database runs as another user, who must be able to pass through.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).expect("a directory of ours");
        let mut settings = settings(shared);
        settings.state = Some(dir.path().join("state"));
        settings.database.url = None;
        settings.database.harden = None;
        settings.database.durable = false;
        // What the shared server runs on: a second copy would take half a minute to unpack.
        settings.database.postgres_programs = Some(shared.state.clone());
        let key = dir.path().join("backup.key");
        settings.backup.recipients = vec![backup::make_key(&key).expect("a key")];
        settings.backup.identity = Some(Secret::File(key));
        settings.backup.to = Some(format!("file://{}", dir.path().join("place").display()));
        Self { dir, settings }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The database, with its shape and its walls; with the demo's data where `seed` says so.
    async fn open(&self, seed: bool) -> Ground {
        let keys = Keys::open(&self.settings.state_dir()).expect("keys");
        let ground = Ground::find(&self.settings, false, &mut Silent).await.expect("an embedded database");
        ground.prepare(&self.settings, &keys, &mut Silent).await.expect("a migrated database");
        if seed {
            ground.seed(SCALE, &mut Silent).await.expect("a seeded database");
        }
        ground
    }

    async fn take(&self, ground: &Ground, kind: Want) -> Result<backup::Taken, backup::Error> {
        take(&self.settings, ground, &Wanted { kind, ..Wanted::default() }).await
    }

    async fn catalog(&self) -> Catalog {
        catalog(&self.settings).await
    }
}

async fn take(settings: &Settings, ground: &Ground, wanted: &Wanted) -> Result<backup::Taken, backup::Error> {
    backup::take(&ground.origin(settings)?, settings, wanted, &meter()).await
}

async fn catalog(settings: &Settings) -> Catalog {
    let shelf = backup::shelf(&settings.backup, None, true).expect("a place");
    shelf.catalog().await.expect("a list")
}

async fn restore(settings: &Settings, name: &str, to: &Path) -> Result<backup::Restored, backup::Error> {
    backup::restore(settings, name, None, to.to_str(), None, &meter()).await
}

/// The error and its causes, as a person reads them.
fn words(error: backup::Error) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

fn names<'a>(all: impl IntoIterator<Item = &'a Manifest>) -> Vec<&'a str> {
    all.into_iter().map(|manifest| manifest.id.as_str()).collect()
}

/// Every file below a directory.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
