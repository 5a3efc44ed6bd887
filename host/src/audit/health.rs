//! How the trail is doing: for the log, the doctor and tests.

use super::books::Kept;
use super::{Error, spool};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use uuid::Uuid;

/// How often an outage that lasts is said again.
const AGAIN: Duration = Duration::from_secs(60);

/// Something that stopped working: said when it begins and once a minute while it lasts, not at every try.
#[derive(Default)]
pub(super) struct Outage(Mutex<Option<Instant>>);

impl Outage {
    /// It does not work; `lost` records were lost for good until now.
    pub(super) fn began(&self, what: &str, error: &Error, lost: u64) {
        if self.is_due(Instant::now()) {
            tracing::error!(error = error as &dyn std::error::Error, lost, "cannot {what}");
        }
    }

    /// It works again.
    pub(super) fn ended(&self, what: &str) {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::info!("{what}");
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = said.is_none_or(|said| now.saturating_duration_since(said) >= AGAIN);
        if due {
            *said = Some(now);
        }
        due
    }
}

/// What lies in a spool, as the doctor sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Records the database does not have yet.
    pub records: u64,
    /// When the oldest of them was made; none where none waits.
    pub oldest: Option<SystemTime>,
    /// Records the database has otherwise: somebody wrote rows under this host's numbers.
    pub conflicts: u64,
}

/// What waits in the spools below this directory, those of processes that died included. Nothing where there is none.
///
/// # Errors
/// A spool that cannot be read.
pub fn backlog(spool: &Path) -> Result<Backlog, Error> {
    if !spool.exists() {
        return Ok(Backlog::default());
    }
    let waiting = spool::waiting(spool).map_err(|e| Error::spool(spool, e))?;
    let oldest = waiting.first.into_iter().map(|link| Kept::labelled(link).at).min();
    Ok(Backlog { records: waiting.records, oldest, conflicts: waiting.conflicts })
}

/// How the trail is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// This process's own chain.
    pub node: Uuid,
    /// Records on disk that the database does not have yet, those left by processes that died included.
    pub spooled: u64,
    /// Bytes of this process's spool; shipped records stay until their segment is full.
    pub spool_bytes: u64,
    /// Records the database got from this process.
    pub shipped: u64,
    /// Records that could be written nowhere.
    pub lost: u64,
    /// Records whose number the database has for another record; they are kept in the spool, in the file `conflict`.
    pub conflicts: u64,
    /// Whether nothing can be written anywhere right now.
    pub stuck: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_said_once_a_minute() {
        let (outage, start) = (Outage::default(), Instant::now());
        let said = |seconds: &[u64]| -> Vec<bool> {
            seconds.iter().map(|after| outage.is_due(start + Duration::from_secs(*after))).collect()
        };
        assert_eq!(said(&[0, 1, 59, 60, 61, 119, 120]), [true, false, false, true, false, false, true]);
        outage.ended("it works again");
        assert_eq!(said(&[121, 122]), [true, false]);
    }
}
