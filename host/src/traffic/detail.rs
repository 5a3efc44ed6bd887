//! What each account used of each plugin: for reports and bills, as the ledger is for quotas.
//!
//! Counted in memory and written down in batches by the same round as the ledger. Nothing here stops a call: where there is
//! no room to count, calls go on, and it is said how many were not counted.

use super::account::Account;
use super::pass::Usage;
use crate::clerk::Clerk;
use crate::error::BoxError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Lines kept until they are written. Some 20 MiB; a line is an account with a plugin on a day, so that an outage of days
/// fits for tens of thousands of accounts.
const LINES: usize = 100_000;

/// Lines in one statement: some 200 KB of parameters.
const BATCH: usize = 1_000;

/// How long one write may take.
const WRITING: Duration = Duration::from_secs(10);

/// Rows deleted in one statement: some tens of milliseconds.
const CLEARED: u32 = 10_000;

/// Counts a batch once, however often it is sent: an earlier one of this host that did arrive has its number there. Ordered,
/// so that two hosts lock rows in the same order. Days are counted from 1970.
const WRITE: &str = "\
WITH fresh AS (
  INSERT INTO rowhouse.usage_writers AS w (host, batch) VALUES ($1, $2)
  ON CONFLICT (host) DO UPDATE SET batch = excluded.batch, at = now() WHERE w.batch < excluded.batch
  RETURNING 1)
INSERT INTO rowhouse.usage_by_plugin AS u
  (day, account, plugin, calls, errors, rows, bytes_out, database_us, cpu_us, fuel, embedding_tokens)
SELECT DATE '1970-01-01' + n.day, n.account, n.plugin, n.calls, n.errors, n.rows, n.bytes_out, n.database_us, n.cpu_us,
       n.fuel, n.embedding_tokens
  FROM unnest($3::int4[], $4::text[], $5::text[], $6::int8[], $7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::int8[],
              $12::int8[], $13::int8[])
       AS n (day, account, plugin, calls, errors, rows, bytes_out, database_us, cpu_us, fuel, embedding_tokens)
 WHERE EXISTS (SELECT FROM fresh)
 ORDER BY 1, 2, 3
ON CONFLICT (day, account, plugin) DO UPDATE SET
  calls = u.calls + excluded.calls, errors = u.errors + excluded.errors, rows = u.rows + excluded.rows,
  bytes_out = u.bytes_out + excluded.bytes_out, database_us = u.database_us + excluded.database_us,
  cpu_us = u.cpu_us + excluded.cpu_us, fuel = u.fuel + excluded.fuel,
  embedding_tokens = u.embedding_tokens + excluded.embedding_tokens";

const CLEAR: &str = "\
DELETE FROM rowhouse.usage_by_plugin WHERE (day, account, plugin) IN
  (SELECT day, account, plugin FROM rowhouse.usage_by_plugin WHERE day < DATE '1970-01-01' + $1::int4
    ORDER BY 1, 2, 3 LIMIT $2)";

/// A process that wrote nothing for as long as usage is kept has ended.
const CLEAR_WRITERS: &str = "DELETE FROM rowhouse.usage_writers WHERE at < DATE '1970-01-01' + $1::int4";

/// A day (counted from 1970) of one account with one plugin.
pub(super) type Line = (i32, Account, Arc<str>);

/// An amount of each thing, in the order of the table's columns: calls, errors, rows, bytes, microseconds of the database
/// and of the processor, fuel, tokens. Signed: a call that was counted and does not run is taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums([i64; 8]);

impl Sums {
    pub(super) const ONE_CALL: Sums = Sums([1, 0, 0, 0, 0, 0, 0, 0]);
    pub(super) const CALL_BACK: Sums = Sums([-1, 0, 0, 0, 0, 0, 0, 0]);

    fn add(&mut self, more: &Self) {
        self.0.iter_mut().zip(more.0).for_each(|(sum, more)| *sum = sum.saturating_add(more));
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl From<Usage> for Sums {
    fn from(used: Usage) -> Self {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        Self([
            0,
            i64::from(used.failed),
            signed(used.rows),
            signed(used.bytes_out),
            micros(used.database),
            micros(used.cpu),
            signed(used.fuel),
            signed(used.embedding_tokens),
        ])
    }
}

/// What is counted and not yet written.
pub(super) struct Detail {
    /// Whether it is written down at all.
    kept: bool,
    /// Names this process's batches.
    host: Uuid,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lines: HashMap<Line, Sums>,
    /// On its way to the table. It goes again, the same to the letter, until it is known to have arrived.
    leaving: Vec<(Line, Sums)>,
    /// Its number.
    batch: i64,
    /// Calls there was no room to count.
    lost: u64,
    /// Whether that was said since there was room last.
    said: bool,
}

impl Detail {
    /// Nothing counted; `kept`: somebody writes it down.
    pub(super) fn new(kept: bool) -> Self {
        Self { kept, host: Uuid::new_v4(), state: Mutex::default() }
    }

    /// Count.
    pub(super) fn count(&self, line: &Line, sums: &Sums) {
        if !self.kept || sums.is_nothing() {
            return;
        }
        let mut state = self.lock();
        if let Some(known) = state.lines.get_mut(line) {
            known.add(sums);
        } else if state.lines.len() < LINES {
            state.lines.insert(line.clone(), *sums);
        } else {
            state.lost += u64::from(sums.0[0] > 0);
            if !std::mem::replace(&mut state.said, true) {
                tracing::warn!("usage cannot be written, and there is no room to count more accounts' use of plugins");
            }
        }
    }

    /// Calls there was no room to count since the start.
    pub(super) fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// The batch that is on its way, or the next one, with its number. One at a time: see [`Detail::arrived`].
    fn take(&self, most: usize) -> Option<(i64, Vec<(Line, Sums)>)> {
        let mut state = self.lock();
        while state.leaving.is_empty() && !state.lines.is_empty() {
            let next: Vec<Line> = state.lines.keys().take(most).cloned().collect();
            let taken = next.into_iter().filter_map(|line| state.lines.remove_entry(&line)).collect::<Vec<_>>();
            // What was counted and taken back since the last write needs none.
            state.leaving = taken.into_iter().filter(|(_, sums)| !sums.is_nothing()).collect();
            state.batch += 1;
        }
        (!state.leaving.is_empty()).then(|| (state.batch, state.leaving.clone()))
    }

    /// The batch on its way is in the table.
    fn arrived(&self) {
        let mut state = self.lock();
        state.leaving.clear();
        state.said = false;
    }

    /// Write everything down.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached, or not in time; what could not be written stays.
    pub(super) async fn write(&self, clerk: &Clerk) -> Result<(), BoxError> {
        while let Some((batch, lines)) = self.take(BATCH) {
            tokio::time::timeout(WRITING, self.send(clerk, batch, &lines)).await??;
            self.arrived();
        }
        Ok(())
    }

    async fn send(&self, clerk: &Clerk, batch: i64, lines: &[(Line, Sums)]) -> Result<(), BoxError> {
        let client = clerk.client(WRITING).await?;
        let days: Vec<i32> = lines.iter().map(|((day, ..), _)| *day).collect();
        let accounts: Vec<String> = lines.iter().map(|((_, account, _), _)| account.to_string()).collect();
        let plugins: Vec<&str> = lines.iter().map(|((.., plugin), _)| &**plugin).collect();
        let [calls, errors, rows, bytes, database, cpu, fuel, tokens]: [Vec<i64>; 8] =
            std::array::from_fn(|column| lines.iter().map(|(_, sums)| sums.0[column]).collect());
        client
            .execute(
                WRITE,
                &[
                    &self.host, &batch, &days, &accounts, &plugins, &calls, &errors, &rows, &bytes, &database, &cpu,
                    &fuel, &tokens,
                ],
            )
            .await?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delete what was used before this day.
///
/// # Errors
/// PostgreSQL cannot be reached, or not in time.
pub(super) async fn clear(clerk: &Clerk, day: i32) -> Result<(), BoxError> {
    let most = i64::from(CLEARED);
    loop {
        let client = clerk.client(WRITING).await?;
        let deleted = tokio::time::timeout(WRITING, client.execute(CLEAR, &[&day, &most])).await??;
        if deleted < u64::from(CLEARED) {
            tokio::time::timeout(WRITING, client.execute(CLEAR_WRITERS, &[&day])).await??;
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: u128, plugin: &str) -> Line {
        (20_000, Account::Tenant(Uuid::from_u128(n)), plugin.into())
    }

    fn rows(rows: u64) -> Sums {
        Sums::from(Usage { rows, ..Usage::default() })
    }

    #[test]
    fn a_batch_goes_unchanged_until_it_arrived() {
        let detail = Detail::new(true);
        detail.count(&line(1, "sales"), &Sums::ONE_CALL);
        detail.count(&line(1, "sales"), &rows(4));
        let mut sums = Sums::ONE_CALL;
        sums.add(&rows(4));
        let first = Some((1, vec![(line(1, "sales"), sums)]));
        assert_eq!(detail.take(10), first);
        // The answer does not come: the same goes again, and what was counted meanwhile waits for the next.
        detail.count(&line(1, "sales"), &rows(7));
        assert_eq!(detail.take(10), first);
        detail.arrived();
        assert_eq!(detail.take(10), Some((2, vec![(line(1, "sales"), rows(7))])));
        detail.arrived();
        assert_eq!(detail.take(10), None);
    }

    #[test]
    fn accounts_and_plugins_are_apart_and_what_is_taken_back_is_nothing() {
        let detail = Detail::new(true);
        for (n, plugin) in [(1, "sales"), (1, "search"), (2, "sales")] {
            detail.count(&line(n, plugin), &rows(1));
        }
        detail.count(&line(3, "sales"), &Sums::ONE_CALL);
        detail.count(&line(3, "sales"), &Sums::CALL_BACK);
        let mut written = 0;
        while let Some((_, lines)) = detail.take(2) {
            assert!(lines.len() <= 2 && lines.iter().all(|(_, sums)| *sums == rows(1)), "{lines:?}");
            written += lines.len();
            detail.arrived();
        }
        assert_eq!(written, 3);
    }

    #[test]
    fn there_is_a_bound_and_what_is_over_it_is_told() {
        let detail = Detail::new(true);
        (0..LINES as u128).for_each(|n| detail.count(&line(n, "sales"), &Sums::ONE_CALL));
        for _ in 0..3 {
            detail.count(&line(LINES as u128, "sales"), &Sums::ONE_CALL);
            detail.count(&line(LINES as u128, "sales"), &rows(9));
        }
        // Who is counted already is counted on.
        detail.count(&line(0, "sales"), &Sums::ONE_CALL);
        assert_eq!((detail.lost(), detail.lock().lines.len()), (3, LINES));
        assert_eq!(detail.lock().lines[&line(0, "sales")].0[0], 2);
        // Without anybody to write it down nothing is kept.
        let alone = Detail::new(false);
        alone.count(&line(1, "sales"), &Sums::ONE_CALL);
        assert_eq!((alone.take(10), alone.lock().lines.len()), (None, 0));
    }

    #[test]
    fn each_use_has_its_column() {
        let used = Usage {
            rows: 2,
            database: Duration::from_micros(4),
            embedding_tokens: 7,
            failed: true,
            bytes_out: 3,
            cpu: Duration::from_micros(5),
            fuel: 6,
        };
        assert_eq!(Sums::from(used), Sums([0, 1, 2, 3, 4, 5, 6, 7]));
        assert_eq!(Sums::from(Usage { fuel: u64::MAX, ..Usage::default() }).0[6], i64::MAX);
    }
}
