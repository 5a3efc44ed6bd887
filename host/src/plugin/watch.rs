//! A change in the plugin directory or of the lock file is a reason to look again; so is a version that fails.

use super::registry::Registry;
use crate::error::BoxError;
use notify::{Event, EventKind, RecursiveMode, Watcher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long the directory must be quiet before it is looked at: a copy comes as many events.
const QUIET: Duration = Duration::from_millis(200);

/// How long to wait for quiet. A directory in which something else always happens must not keep a change out.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watch until told to stop. Returns once the watch stands.
///
/// # Errors
/// Where the operating system gives no watch on a directory.
pub(super) fn start(registry: Arc<Registry>, stop: CancellationToken) -> Result<(), BoxError> {
    let (events, mut heard) = mpsc::channel(1);
    // What changed between the first look and the watch is found by looking once more.
    let _ = events.try_send(());
    // One event waiting says all there is to say: look again.
    // Looking reads the files, and reading is an event, too: only what changes the directory counts.
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            let _ = events.try_send(());
        }
    })?;
    watcher.watch(registry.directory(), RecursiveMode::NonRecursive)?;
    // The lock is replaced by renaming: its directory is watched, not the file.
    if let Some(pins) = registry.pins() {
        watcher.watch(pins.directory(), RecursiveMode::NonRecursive)?;
    }
    tokio::spawn(async move {
        let _watcher = watcher;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                event = heard.recv() => if event.is_none() { return },
            }
            let end = Instant::now() + PATIENCE;
            while Instant::now() < end
                && let Ok(Some(())) = tokio::time::timeout(QUIET, heard.recv()).await
            {}
            if let Err(error) = registry.look().await {
                tracing::error!("{error}");
            }
        }
    });
    Ok(())
}

/// Take versions back that fail while they are on trial, until told to stop.
pub(super) fn judge(registry: Arc<Registry>, stop: CancellationToken) {
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        let alarm = registry.alarm();
        loop {
            alarm.notified().await;
            registry.take_back_failing().await;
        }
    }));
}
