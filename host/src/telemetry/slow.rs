//! Statements that took long: each told in the log, and a summary of the latest kept in memory.

use super::label::Item;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The longest that is told apart, in milliseconds: an hour, more than any statement may take.
const LONGEST: u64 = 3_600_000;

/// Digits of a duration that are kept: a quantile is right to a hundredth.
const DIGITS: u8 = 2;

/// A statement that was slow, as it is told.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// The call it was of.
    pub request: &'a str,
    /// Who ran it.
    pub of: &'a Item,
    /// What it is, its constants aside.
    pub fingerprint: &'a str,
    /// Its text, without its constants and comments; none where it cannot be had without them.
    pub text: Option<&'a str>,
    /// Rows it gave.
    pub rows: u64,
    /// How long it held a connection.
    pub took: Duration,
    /// How long it waited for one.
    pub waited: Duration,
}

/// What the slow runs of one statement came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slow {
    /// What it is, its constants aside.
    pub fingerprint: String,
    /// Its text, without its constants and comments.
    pub statement: Option<String>,
    /// The plugin that ran it last.
    pub plugin: String,
    /// The tool that ran it last.
    pub tool: String,
    /// How often it was slow.
    pub count: u64,
    /// Milliseconds, in the middle.
    pub mean_ms: f64,
    /// Milliseconds that 95 of 100 did not exceed.
    pub p95_ms: u64,
    /// The longest, in milliseconds.
    pub max_ms: u64,
    /// Milliseconds of all of them.
    pub total_ms: u64,
    /// Milliseconds of waiting for a connection, of all of them.
    pub waited_ms: u64,
    /// Rows of all of them.
    pub rows: u64,
    /// The call of the latest: where the log and the trail go on.
    pub last_request: String,
}

struct Kept {
    histogram: Histogram<u32>,
    slow: Slow,
    /// When it was slow last, in notes since the start.
    last: u64,
}

/// The latest, by fingerprint.
pub(super) struct Slows {
    most: usize,
    kept: Mutex<(u64, HashMap<String, Kept>)>,
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Slows {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), kept: Mutex::default() }
    }

    pub(super) fn note(&self, statement: &Statement<'_>) {
        let (took, waited) = (milliseconds(statement.took), milliseconds(statement.waited));
        tracing::warn!(
            target: "rowhouse::slow",
            {
                request.id = statement.request,
                plugin.name = statement.of.plugin.as_str(),
                tool.name = statement.of.tool.as_str(),
                db.fingerprint = statement.fingerprint,
                db.statement = statement.text.unwrap_or("?"),
                rows = statement.rows,
                ms = took,
                wait_ms = waited,
            },
            "a statement was slow"
        );
        let mut lock = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (notes, kept) = &mut *lock;
        *notes += 1;
        if !kept.contains_key(statement.fingerprint) && kept.len() >= self.most {
            let oldest = kept.iter().min_by_key(|(_, it)| it.last).map(|(name, _)| name.clone());
            oldest.and_then(|oldest| kept.remove(&oldest));
        }
        let it = match kept.entry(statement.fingerprint.to_owned()) {
            Entry::Occupied(it) => it.into_mut(),
            Entry::Vacant(place) => match Histogram::new_with_bounds(1, LONGEST, DIGITS) {
                Ok(histogram) => place.insert(Kept { histogram, slow: Slow::of(statement), last: 0 }),
                // Bounds that are constants and fit: a test would have met it.
                Err(_) => return,
            },
        };
        it.last = *notes;
        it.histogram.saturating_record(took.clamp(1, LONGEST));
        let slow = &mut it.slow;
        statement.of.plugin.as_str().clone_into(&mut slow.plugin);
        statement.of.tool.as_str().clone_into(&mut slow.tool);
        statement.request.clone_into(&mut slow.last_request);
        slow.count += 1;
        slow.rows += statement.rows;
        slow.total_ms += took;
        slow.waited_ms += waited;
        slow.max_ms = slow.max_ms.max(took);
        slow.mean_ms = it.histogram.mean();
        slow.p95_ms = it.histogram.value_at_quantile(0.95).min(slow.max_ms);
    }

    /// Those that took most in all first.
    pub(super) fn all(&self) -> Vec<Slow> {
        let lock = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Slow> = lock.1.values().map(|it| it.slow.clone()).collect();
        all.sort_by(|a, b| b.total_ms.cmp(&a.total_ms).then_with(|| a.fingerprint.cmp(&b.fingerprint)));
        all
    }
}

impl Slow {
    fn of(statement: &Statement<'_>) -> Self {
        Self {
            fingerprint: statement.fingerprint.to_owned(),
            statement: statement.text.map(str::to_owned),
            plugin: String::new(),
            tool: String::new(),
            count: 0,
            mean_ms: 0.0,
            p95_ms: 0,
            max_ms: 0,
            total_ms: 0,
            waited_ms: 0,
            rows: 0,
            last_request: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(slows: &Slows, fingerprint: &str, ms: u64, rows: u64) {
        let of = Item::other();
        let (took, waited) = (Duration::from_millis(ms), Duration::from_millis(ms / 10));
        slows.note(&Statement { request: "r", of: &of, fingerprint, text: Some("SELECT $1"), rows, took, waited });
    }

    #[test]
    fn runs_of_a_statement_are_summed_up() {
        let slows = Slows::new(10);
        for ms in 1..=100 {
            note(&slows, "a", 10 * ms, 2);
        }
        note(&slows, "b", 3_000, 1);
        let all = slows.all();
        let names: Vec<&str> = all.iter().map(|it| it.fingerprint.as_str()).collect();
        assert_eq!(names, ["a", "b"], "by what they took in all");
        let a = &all[0];
        assert_eq!((a.count, a.rows, a.max_ms, a.total_ms, a.waited_ms), (100, 200, 1_000, 50_500, 5_050));
        // To a hundredth, which is what is kept.
        assert!((945..=960).contains(&a.p95_ms) && (500.0..=510.0).contains(&a.mean_ms), "{a:?}");
        assert_eq!((all[1].count, all[1].p95_ms, all[1].max_ms), (1, 3_000, 3_000));
    }

    #[test]
    fn the_one_that_was_not_slow_for_longest_makes_room() {
        let slows = Slows::new(2);
        for name in ["a", "b", "a", "c"] {
            note(&slows, name, 5, 0);
        }
        let mut names: Vec<String> = slows.all().into_iter().map(|it| it.fingerprint).collect();
        names.sort();
        assert_eq!(names, ["a", "c"]);
    }
}
