//! Word of new keys for a host that runs.

use super::file::Dir;
use super::{Error, Given, Keys, Settings};
use notify::{Event, EventKind, RecursiveMode, Watcher};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// How long the directory must be quiet before it is read: a rotation writes two files.
const QUIET: Duration = Duration::from_millis(200);

/// A clock that was set, or a word that was lost, is made up for this often.
const ROUND: Duration = Duration::from_secs(60);

/// Read the keys, and read them again when their directory changes or when the grace of a previous key ends, until
/// told to stop. What cannot be read is logged, and the keys that were read last stay. Keys of the settings are fetched
/// once: a new one needs a new start.
///
/// Blocks while programs of the settings run. Must be called inside a tokio runtime.
///
/// # Errors
/// As [`Keys::with`], and where the operating system gives no watch on the directory.
pub fn watch(state: &Path, settings: &Settings, stop: CancellationToken) -> Result<watch::Receiver<Arc<Keys>>, Error> {
    let given = Given::fetch(settings)?;
    let dir = Dir::open(state)?;
    let (events, mut heard) = mpsc::channel(1);
    let about = |source| Error::Watch { dir: dir.path().to_owned(), source };
    // One event waiting says all there is to say. Reading is an event, too: only what changes the directory counts.
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            let _ = events.try_send(());
        }
    })
    .map_err(about)?;
    watcher.watch(dir.path(), RecursiveMode::NonRecursive).map_err(about)?;
    // Read once the watch stands: what changes in between is not missed.
    let (tell, told) = watch::channel(Arc::new(given.complete(&dir, true)?));
    tokio::spawn(async move {
        let _watcher = watcher;
        loop {
            let ends = tell.borrow().ends.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
            // A second late rather than early: what has not ended yet would be read again and again.
            let rest = ends.map_or(ROUND, |left| ROUND.min(left + Duration::from_secs(1)));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tell.closed() => return,
                event = heard.recv() => if event.is_none() { return },
                () = tokio::time::sleep(rest) => {}
            }
            while let Ok(Some(())) = tokio::time::timeout(QUIET, heard.recv()).await {}
            // A file that is gone is not made again here: the database would not know the new key.
            match given.complete(&dir, false) {
                Ok(keys) => {
                    let keys = Arc::new(keys);
                    tell.send_if_modified(|now| {
                        let differs = !now.agrees(&keys);
                        if differs {
                            *now = keys;
                        }
                        differs
                    });
                }
                Err(error) => tracing::error!("the new keys are not used: {:#}", chain(&error)),
            }
        }
    });
    Ok(told)
}

fn chain(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

impl Keys {
    /// Whether all keys are the same.
    fn agrees(&self, other: &Self) -> bool {
        let all = |keys: &Self| {
            [
                Some(&keys.ticket),
                keys.ticket_previous.as_ref(),
                Some(&keys.issuer),
                keys.issuer_previous.as_ref(),
                Some(&keys.audit),
                Some(&keys.login),
                keys.login_previous.as_ref(),
            ]
            .map(|key| key.map(super::copy))
        };
        let (mine, theirs) = (all(self), all(other));
        mine.iter().zip(&theirs).all(|(a, b)| match (a, b) {
            (Some(a), Some(b)) => super::same(a, b),
            (None, None) => true,
            _ => false,
        })
    }
}
