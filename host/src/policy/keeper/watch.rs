//! A change beside the policy file is a reason to look at it again; so is time that went by.

use super::Keeper;
use crate::disk;
use crate::error::BoxError;
use notify::{Event, EventKind, RecursiveMode, Watcher};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long the directory must be quiet before the file is read: an editor's save comes as many events.
const QUIET: Duration = Duration::from_millis(200);

/// How long to wait for quiet. A directory in which something else always happens must not keep a change out.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the file is read unasked. It may be a link to one that is edited in place, in a directory that nobody
/// watches, or lie on a file system that sends no word. Reading some kilobytes costs microseconds, and a right that was
/// taken away should not be had for longer.
pub(super) const ROUND: Duration = Duration::from_secs(10);

/// Watch the directory, not the file: editors and mounted settings replace a file by renaming another, or by turning
/// a link, and a watch on the file would stay with the old one.
pub(super) fn start(
    keeper: Arc<Keeper>,
    file: &Path,
    round: Duration,
    stop: CancellationToken,
) -> Result<(), BoxError> {
    let (events, mut heard) = mpsc::channel(1);
    // What changed between the first reading and the watch is found by looking once more.
    let _ = events.try_send(());
    // One event waiting says all there is to say: look again. Reading is an event, too, and changes nothing.
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            let _ = events.try_send(());
        }
    })?;
    watcher.watch(disk::above(file), RecursiveMode::NonRecursive)?;
    tokio::spawn(async move {
        let _watcher = watcher;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                event = heard.recv() => if event.is_none() { return },
                () = tokio::time::sleep(round) => {}
            }
            let end = Instant::now() + PATIENCE;
            while Instant::now() < end
                && let Ok(Some(())) = tokio::time::timeout(QUIET, heard.recv()).await
            {}
            let keeper = Arc::clone(&keeper);
            // What is refused is said by the keeper, once.
            if let Err(error) = tokio::task::spawn_blocking(move || keeper.reload()).await {
                tracing::error!("the policy file was not looked at: {error}");
            }
        }
    });
    Ok(())
}
