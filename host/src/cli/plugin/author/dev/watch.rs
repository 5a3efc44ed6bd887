//! What was saved.

use super::super::build::Project;
use anyhow::{Context, Result, bail};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the sources must be quiet before they are built: an editor saves in several steps, and a formatter follows.
const QUIET: Duration = Duration::from_millis(200);

/// Files of a project that change.
pub(super) struct Saves {
    changed: mpsc::UnboundedReceiver<PathBuf>,
    _watcher: RecommendedWatcher,
}

impl Saves {
    /// Watch a project's directory, and all below it.
    ///
    /// # Errors
    /// Where the operating system gives no watch.
    pub(super) fn watch(project: &Project) -> Result<Self> {
        let directory = fs::canonicalize(&project.directory).context("find the directory of the sources")?;
        let watched = Project { directory: directory.clone(), ..project.clone() };
        let (events, changed) = mpsc::unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Building reads the sources, and reading is an event, too.
            let Ok(event) = event else { return };
            if matches!(event.kind, EventKind::Access(_)) {
                return;
            }
            for path in event.paths.into_iter().filter(|path| watched.is_source(path) && !path.is_dir()) {
                let _ = events.send(path);
            }
        })
        .context("watch the sources")?;
        watcher
            .watch(&directory, RecursiveMode::Recursive)
            .with_context(|| format!("watch {}", directory.display()))?;
        Ok(Self { changed, _watcher: watcher })
    }

    /// A file that was saved since the last time, once all is quiet. Of several the last one that is still there: editors
    /// write beside and rename.
    ///
    /// # Errors
    /// Where the watch is over.
    pub(super) async fn next(&mut self) -> Result<PathBuf> {
        let Some(mut saved) = self.changed.recv().await else { bail!("the watch on the sources is over") };
        while let Ok(Some(next)) = tokio::time::timeout(QUIET, self.changed.recv()).await {
            if next.exists() || !saved.exists() {
                saved = next;
            }
        }
        Ok(saved)
    }
}
