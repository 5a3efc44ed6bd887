//! What one call asked of the database: for its account and for the record of it.

use super::fault::{SqlCode, SqlError};
use super::gate::Reason;
use super::rows::Rows;
use super::wording::Wording;
use crate::error::Code;
use crate::telemetry::trace;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::Span;
use tracing::field::Empty;

/// One statement that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What it was, its constants aside. `None`: the gate did not let it through.
    pub fingerprint: Option<String>,
    /// Rows that came back.
    pub rows: u64,
    /// Bytes in their cells.
    pub bytes: u64,
    /// How long it held connections, one after another where the first was lost: the database's work and the way there
    /// and back, waiting for a connection not.
    pub time: Duration,
    /// How long it waited for one.
    pub waited: Duration,
    /// Its text.
    pub wording: Wording,
    /// How it failed, where it did. One that is still under way, or was let go of, counts as cancelled.
    pub failed: Option<SqlCode>,
    /// The gate's rule it broke, where it broke one.
    pub rule: Option<Reason>,
    /// How old its rows were, where they had been read before it was asked. None: they were read for it.
    pub age: Option<Duration>,
}

/// The statements of one call, in the order they began. As many as a call may start.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<Mutex<Vec<Entry>>>);

#[derive(Debug)]
struct Entry {
    ran: Ran,
    began: Instant,
    /// Since when it holds a connection, while it does.
    since: Option<Instant>,
}

impl Tally {
    /// One that was not let through.
    pub(super) fn refused(&self, error: &SqlError) {
        self.push(None, Wording::default(), error.code, error.rule);
    }

    /// One that was let through. From here on it is in the tally, whether anybody waits for its end or not.
    pub(super) fn begin(&self, fingerprint: String, wording: Wording) -> Begun {
        let span = span(&fingerprint);
        let index = self.push(Some(fingerprint), wording, SqlCode::Cancelled, None);
        Begun { index, tally: self.clone(), span }
    }

    /// All of them, as far as they have come.
    pub(super) fn all(&self) -> Vec<Ran> {
        let until_now = |entry: &Entry| {
            let time = entry.ran.time + entry.since.map_or(Duration::ZERO, |since| since.elapsed());
            Ran { time, ..entry.ran.clone() }
        };
        self.lock().iter().map(until_now).collect()
    }

    /// How long statements have held connections until now, and how many do.
    pub(super) fn spent(&self) -> (Duration, u32) {
        self.lock().iter().fold((Duration::ZERO, 0), |(spent, running), entry| match entry.since {
            Some(since) => (spent + entry.ran.time + since.elapsed(), running + 1),
            None => (spent + entry.ran.time, running),
        })
    }

    fn push(&self, fingerprint: Option<String>, wording: Wording, failed: SqlCode, rule: Option<Reason>) -> usize {
        let (time, waited) = (Duration::ZERO, Duration::ZERO);
        let failed = Some(failed);
        let ran = Ran { fingerprint, rows: 0, bytes: 0, time, waited, wording, failed, rule, age: None };
        let mut entries = self.lock();
        entries.push(Entry { ran, began: Instant::now(), since: None });
        entries.len() - 1
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut Entry)) {
        // Entries are never taken out, so the place is there.
        if let Some(entry) = self.lock().get_mut(index) {
            change(entry);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A statement that was let through, however often it is tried.
pub(super) struct Begun {
    tally: Tally,
    index: usize,
    span: Span,
}

/// A statement on the way of its call. Its fingerprint, and neither its text nor its parameters.
fn span(fingerprint: &str) -> Span {
    tracing::info_span!(
        target: trace::TARGET,
        "statement",
        otel.kind = "client",
        db.system.name = "postgresql",
        db.fingerprint = fingerprint,
        wait_ms = Empty,
        rows = Empty,
        error.code = Empty,
    )
}

impl Begun {
    /// It has a connection.
    pub(super) fn depart(&self) -> Leg {
        let mut waited = Duration::ZERO;
        self.tally.change(self.index, |entry| {
            // All its waits; between two of them it held a connection.
            waited = entry.began.elapsed().saturating_sub(entry.ran.time);
            (entry.ran.waited, entry.since) = (waited, Some(Instant::now()));
        });
        self.span.record("wait_ms", u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
        Leg(Self { tally: self.tally.clone(), index: self.index, span: self.span.clone() })
    }

    /// It ended like this.
    pub(super) fn end(&self, outcome: &Result<Rows, SqlError>) {
        match outcome {
            Ok(rows) => drop(self.span.record("rows", rows.len() as u64)),
            Err(error) => trace::failed(&self.span, Code::from(error.code).as_str()),
        }
        self.tally.change(self.index, |entry| {
            if entry.since.is_none() && entry.ran.time.is_zero() {
                // It never had a connection.
                entry.ran.waited = entry.began.elapsed();
            }
            match outcome {
                Ok(rows) => {
                    let (rows, bytes) = (rows.len() as u64, rows.bytes() as u64);
                    (entry.ran.rows, entry.ran.bytes, entry.ran.failed) = (rows, bytes, None);
                }
                Err(error) => (entry.ran.failed, entry.ran.rule) = (Some(error.code), error.rule),
            }
        });
    }

    /// It was answered with rows that were there already.
    pub(super) fn found(self, rows: &Rows, age: Duration) {
        self.tally.change(self.index, |entry| {
            (entry.ran.rows, entry.ran.bytes, entry.ran.failed) = (rows.len() as u64, rows.bytes() as u64, None);
            entry.ran.age = Some(age);
        });
    }
}

/// One try of it, which holds a connection until this is dropped. Goes with it into its task, which ends it also where the
/// caller let go.
pub(super) struct Leg(Begun);

impl Leg {
    /// It ended like this. If it is tried again, how that ends counts.
    pub(super) fn end(self, outcome: &Result<Rows, SqlError>) {
        self.0.end(outcome);
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        self.0.tally.change(self.0.index, |entry| {
            if let Some(since) = entry.since.take() {
                entry.ran.time += since.elapsed();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_let_go_of_counts_as_cancelled() {
        let tally = Tally::default();
        let of = |n: usize| tally.all().remove(n);
        tally.refused(&SqlError::new(SqlCode::Rejected, "no"));
        // Dropped before it has a connection, after, and never.
        drop(tally.begin("waited".into(), Wording::default()));
        let departed = tally.begin("departed".into(), Wording::default()).depart();
        assert_eq!(of(2).failed, Some(SqlCode::Cancelled), "under way");
        drop(departed);
        let _running = tally.begin("running".into(), Wording::default()).depart();
        tally.begin("failed".into(), Wording::default()).end(&Err(SqlError::new(SqlCode::Timeout, "late")));
        for (n, fingerprint, failed, held) in [
            (0, None, SqlCode::Rejected, false),
            (1, Some("waited"), SqlCode::Cancelled, false),
            (2, Some("departed"), SqlCode::Cancelled, true),
            (3, Some("running"), SqlCode::Cancelled, true),
            (4, Some("failed"), SqlCode::Timeout, false),
        ] {
            let ran = of(n);
            assert_eq!((ran.fingerprint.as_deref(), ran.failed), (fingerprint, Some(failed)), "{n}");
            assert_eq!(!ran.time.is_zero(), held, "{n}: {ran:?}");
        }
        // Over is over: its time stands still.
        assert_eq!(of(2), of(2));
    }

    #[test]
    fn one_that_is_tried_again_is_one_statement_with_the_time_of_all_its_tries() {
        let tally = Tally::default();
        let begun = tally.begin("lost".into(), Wording::default());
        let lost = || Err(SqlError::new(SqlCode::Unavailable, "lost"));
        let mut before = Duration::ZERO;
        for _ in 0..3 {
            let leg = begun.depart();
            std::thread::sleep(Duration::from_millis(2));
            assert_eq!(tally.spent().1, 1, "one connection at a time");
            leg.end(&lost());
            let [ran] = &tally.all()[..] else { panic!("one statement: {:?}", tally.all()) };
            assert!(ran.time >= before + Duration::from_millis(2), "{ran:?} after {before:?}");
            assert_eq!((ran.failed, tally.spent()), (Some(SqlCode::Unavailable), (ran.time, 0)));
            before = ran.time;
        }
        // Between two tries its time stands still, and the last end counts.
        begun.end(&Err(SqlError::new(SqlCode::Timeout, "late")));
        assert_eq!((tally.all()[0].time, tally.all()[0].failed), (before, Some(SqlCode::Timeout)));
    }
}
