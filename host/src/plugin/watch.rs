//! A change in the plugin directory is a reason to look at it again.

use super::registry::Registry;
use crate::error::BoxError;
use notify::{Event, EventKind, RecursiveMode, Watcher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long the directory must be quiet before it is looked at: a copy comes as many events.
const QUIET: Duration = Duration::from_millis(200);

/// Watch until told to stop. Returns once the watch stands.
///
/// # Errors
/// Where the operating system gives no watch on the directory.
pub(super) fn start(registry: Arc<Registry>, stop: CancellationToken) -> Result<(), BoxError> {
    let (events, mut heard) = mpsc::channel(1);
    // One event waiting says all there is to say: look again.
    // Looking reads the files, and reading is an event, too: only what changes the directory counts.
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            let _ = events.try_send(());
        }
    })?;
    watcher.watch(registry.directory(), RecursiveMode::NonRecursive)?;
    tokio::spawn(async move {
        let _watcher = watcher;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                event = heard.recv() => if event.is_none() { return },
            }
            while let Ok(Some(())) = tokio::time::timeout(QUIET, heard.recv()).await {}
            if let Err(error) = registry.look().await {
                tracing::error!("{error}");
            }
        }
    });
    Ok(())
}
