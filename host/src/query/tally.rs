//! What one call asked of the database: for its account and for the record of it.

use super::fault::{SqlCode, SqlError};
use super::gate::Reason;
use super::rows::Rows;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One statement that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What it was, its constants aside. `None`: the gate did not let it through.
    pub fingerprint: Option<String>,
    /// Rows that came back.
    pub rows: u64,
    /// Bytes in their cells.
    pub bytes: u64,
    /// How long the database was at it, the way there and back included.
    pub time: Duration,
    /// How it failed, where it did.
    pub failed: Option<SqlCode>,
    /// The gate's rule it broke, where it broke one.
    pub rule: Option<Reason>,
}

/// The statements of one call, in the order they ended. As many as a call may start.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Vec<Ran>>);

impl Tally {
    /// One more, which ended like this.
    pub(super) fn add(&self, fingerprint: Option<String>, time: Duration, outcome: &Result<Rows, SqlError>) {
        let rows = outcome.as_ref().ok();
        let ran = Ran {
            fingerprint,
            rows: rows.map_or(0, |rows| rows.len() as u64),
            bytes: rows.map_or(0, |rows| rows.bytes() as u64),
            time,
            failed: outcome.as_ref().err().map(|error| error.code),
            rule: outcome.as_ref().err().and_then(|error| error.rule),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(ran);
    }

    /// All of them, until now.
    pub(super) fn all(&self) -> Vec<Ran> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
