//! A host of the author's own: an embedded database with the demo's data, small and the same everywhere, and no plugin but
//! the author's.

use crate::call::Request;
use crate::config::{Approval, Plugins, Settings, Signatures};
use crate::disk;
use crate::error::CallError;
use crate::house::{Ground, House, Watcher};
use crate::identity::Principal;
use crate::keys::Keys;
use crate::plugin::{Answer, Loaded};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The demo's data in small: 1,000 customers, 4,000 orders, seeded in a second. Snapshots were taken of just these, so a
/// change of it is a change of every author's tests.
const SCALE: f64 = 0.02;

/// Below the state directory: keys, trail and database of the workshop are not those of a host that serves.
const STATE: &str = "author";

/// An open house, and the directory its plugins lie in.
pub(super) struct Workshop {
    /// Answers calls.
    pub(super) house: House,
    /// How it was opened.
    pub(super) settings: Settings,
    directory: TempDir,
}

/// The settings of a workshop. Of the author's own only what a plugin meets counts: grants and limits. The rest would make
/// answers differ from one machine to the next, and `DATABASE_URL` may be somebody's real one.
fn settings(base: &Settings, directory: &Path) -> Settings {
    let mut settings = Settings { state: Some(base.state_dir().join(STATE)), ..Settings::default() };
    settings.database.postgres_archive.clone_from(&base.database.postgres_archive);
    // The programs are the same: they are unpacked once.
    settings.database.postgres_programs =
        Some(base.database.postgres_programs.clone().unwrap_or_else(|| base.state_dir()));
    settings.plugins = Plugins {
        directory: directory.to_owned(),
        watch: false,
        // Nobody signs what was built a second ago.
        signatures: Some(Signatures::Optional),
        // And who saves a file has approved it.
        approval: Approval::None,
        default_grant: base.plugins.default_grant.clone(),
        grants: base.plugins.grants.clone(),
        limits: base.plugins.limits.clone(),
        ..Plugins::default()
    };
    // An author knocks as fast as they like.
    (settings.traffic.principal, settings.traffic.tenant) = (None, None);
    settings.http.listen = base.http.listen;
    // A model some machines have and others have not would make answers differ, too.
    settings.embedding.model = "none".to_owned();
    settings
}

impl Workshop {
    /// Open it on these components, by the name of each.
    ///
    /// # Errors
    /// What the database cannot be started or filled for.
    pub(super) async fn open(
        base: &Settings,
        compiler: PathBuf,
        components: &[(&str, &[u8])],
        listen: Option<std::net::SocketAddr>,
        watch: &mut dyn Watcher,
    ) -> Result<Self> {
        let directory = tempfile::tempdir().context("make a directory for the plugin")?;
        let mut settings = settings(base, directory.path());
        settings.http.listen = listen.unwrap_or(settings.http.listen);
        for (name, bytes) in components {
            fs::write(directory.path().join(format!("{name}.wasm")), bytes)?;
        }
        let keys = Keys::with(&settings.state_dir(), &settings.keys).map_err(|e| anyhow!(e))?;
        // One that `plugin dev` runs will do.
        let ground = Ground::find(&settings, true, watch).await?;
        ground.prepare(&settings, &keys, watch).await?;
        ground.seed(SCALE, watch).await?;
        let house = House::open(&settings, &keys, ground, compiler, watch).await?;
        Ok(Self { house, settings, directory })
    }

    /// Put a component in place of the one that serves, and look. Where it is refused the one before serves on.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) async fn swap(&self, name: &str, bytes: &[u8]) -> Result<Arc<Loaded>> {
        let place = self.directory.path().join(format!("{name}.wasm"));
        disk::write(&place, bytes, 0o600).with_context(|| format!("write {}", place.display()))?;
        self.house.host.plugins.look().await.map_err(|e| anyhow!(e))?;
        self.plugin(name)
    }

    /// The plugin, if its last version serves.
    ///
    /// # Errors
    /// Why it was refused.
    pub(super) fn plugin(&self, name: &str) -> Result<Arc<Loaded>> {
        let published = self.house.host.plugins.published();
        if let Some(why) = published.refused.get(name) {
            bail!("{why}");
        }
        published.plugins.get(name).cloned().with_context(|| format!("`{name}` is not served"))
    }

    /// Somebody who asks.
    ///
    /// # Errors
    /// Nobody of this name, and who there is.
    pub(super) fn principal(&self, name: &str) -> Result<Arc<Principal>> {
        let identity = self.house.host.identity();
        let known = identity.local(name).map(Arc::new);
        known.map_err(|_| anyhow!("nobody is called {name:?}; there are {}", identity.names().join(", ")))
    }

    /// One call, the whole street down.
    pub(super) async fn call(
        &self,
        who: &Arc<Principal>,
        tool: &str,
        arguments: Map<String, Value>,
    ) -> Result<Answer, CallError> {
        let request = Request {
            id: Uuid::new_v4().to_string(),
            tool: tool.to_owned(),
            arguments,
            tenants: None,
            listener: None,
            cancelled: CancellationToken::new(),
        };
        self.house.host.call(who, request).await
    }

    /// Close it, database included where it is its own.
    ///
    /// # Errors
    /// Where the server does not stop.
    pub(super) async fn close(self) -> Result<()> {
        self.house.close().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_settings_only_what_a_plugin_meets_counts() {
        let mut base = Settings { state: Some("/s".into()), ..Settings::default() };
        base.database.url = Some("postgres://a:b@c/d".to_owned().into());
        base.plugins.signatures = Some(Signatures::Required);
        base.plugins.limits.rows = 7;
        let made = settings(&base, Path::new("/p"));
        assert!(made.database.url.is_none(), "somebody's real database");
        assert_eq!(made.state_dir(), Path::new("/s/author"));
        assert_eq!(made.database.postgres_programs.as_deref(), Some(Path::new("/s")));
        assert_eq!((made.plugins.limits.rows, made.requires_signatures()), (7, false));
    }
}
