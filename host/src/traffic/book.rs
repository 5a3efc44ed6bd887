//! The day's usage in PostgreSQL: the table `rowhouse.usage`.

use super::account::Account;
use super::ledger::{Amounts, Key, Ledger};
use crate::clerk::Clerk;
use crate::error::BoxError;
use std::time::Duration;
use tokio_postgres::Row;

/// Sheets in one statement: some 100 KB of parameters.
const BATCH: usize = 1_000;

/// How long a call waits for its account's total. Once a day and account; when PostgreSQL is away the call would find
/// no rows either.
const READING: Duration = Duration::from_millis(500);

/// How long one write may take.
const WRITING: Duration = Duration::from_secs(10);

/// Ordered, so that two hosts lock rows in the same order. Days are counted from 1970.
const WRITE: &str = "\
INSERT INTO rowhouse.usage AS u (day, account, calls, rows, database_ms, embedding_tokens)
SELECT DATE '1970-01-01' + n.day, n.account, n.calls, n.rows, n.database_ms, n.embedding_tokens
  FROM unnest($1::int4[], $2::text[], $3::int8[], $4::int8[], $5::int8[], $6::int8[])
       AS n (day, account, calls, rows, database_ms, embedding_tokens)
 ORDER BY 1, 2
ON CONFLICT (day, account) DO UPDATE SET
  calls = u.calls + excluded.calls, rows = u.rows + excluded.rows,
  database_ms = u.database_ms + excluded.database_ms,
  embedding_tokens = u.embedding_tokens + excluded.embedding_tokens
RETURNING u.day - DATE '1970-01-01', u.account, u.calls, u.rows, u.database_ms, u.embedding_tokens";

const READ: &str = "\
SELECT u.day - DATE '1970-01-01', u.account, u.calls, u.rows, u.database_ms, u.embedding_tokens
  FROM rowhouse.usage AS u WHERE u.day = DATE '1970-01-01' + $1::int4 AND u.account = $2::text";

/// By the key, which begins with the day: without anything to delete it costs a look into the index.
const CLEAR: &str = "\
DELETE FROM rowhouse.usage WHERE (day, account) IN
  (SELECT day, account FROM rowhouse.usage WHERE day < DATE '1970-01-01' + $1::int4 ORDER BY 1, 2 LIMIT $2)";

/// Rows deleted in one statement: some tens of milliseconds, so that a host that begins with an old table does not hold
/// up its own writes.
const CLEARED: u32 = 10_000;

/// Read what all hosts together counted for one account on one day.
///
/// # Errors
/// PostgreSQL cannot be reached, or not in time.
pub(super) async fn read(clerk: &Clerk, ledger: &Ledger, (day, account): Key) -> Result<(), BoxError> {
    let found = async {
        let client = clerk.client(READING).await?;
        Ok::<_, BoxError>(client.query_opt(READ, &[&day, &account.to_string()]).await?)
    };
    let total = match tokio::time::timeout(READING, found).await?? {
        Some(row) => sheet(&row)?.1,
        None => Amounts::default(),
    };
    ledger.learn((day, account), total);
    Ok(())
}

/// Write what is unwritten. What could not be written stays for the next time; where it is not known whether it was
/// (the connection broke before the answer), it is counted again: a quota then ends early, never late.
///
/// # Errors
/// PostgreSQL cannot be reached, or not in time.
pub(super) async fn write(clerk: &Clerk, ledger: &Ledger) -> Result<(), BoxError> {
    loop {
        let sheets = ledger.take_unwritten(BATCH);
        if sheets.is_empty() {
            return Ok(());
        }
        let written =
            tokio::time::timeout(WRITING, write_batch(clerk, &sheets)).await.map_err(BoxError::from).flatten();
        match written {
            Ok(totals) => ledger.wrote(&totals),
            Err(error) => {
                ledger.unwrite(sheets.into_iter().map(|(key, _)| key));
                return Err(error);
            }
        }
    }
}

/// Delete what was used before this day.
///
/// # Errors
/// PostgreSQL cannot be reached, or not in time, or does not let the clerk.
pub(super) async fn clear(clerk: &Clerk, day: i32) -> Result<(), BoxError> {
    let most = i64::from(CLEARED);
    loop {
        let client = clerk.client(WRITING).await?;
        let deleted = tokio::time::timeout(WRITING, client.execute(CLEAR, &[&day, &most])).await??;
        if deleted < u64::from(CLEARED) {
            return Ok(());
        }
    }
}

async fn write_batch(clerk: &Clerk, sheets: &[(Key, Amounts)]) -> Result<Vec<(Key, Amounts)>, BoxError> {
    let client = clerk.client(WRITING).await?;
    let column = |of: fn(&Amounts) -> i64| sheets.iter().map(|(_, amounts)| of(amounts)).collect::<Vec<_>>();
    let days: Vec<i32> = sheets.iter().map(|((day, _), _)| *day).collect();
    let accounts: Vec<String> = sheets.iter().map(|((_, account), _)| account.to_string()).collect();
    let (calls, rows) = (column(|a| a.calls), column(|a| a.rows));
    let (database_ms, tokens) = (column(|a| a.database_us / 1_000), column(|a| a.embedding_tokens));
    let rows = client.query(WRITE, &[&days, &accounts, &calls, &rows, &database_ms, &tokens]).await?;
    rows.iter().map(sheet).collect()
}

/// A row of the table.
fn sheet(row: &Row) -> Result<(Key, Amounts), BoxError> {
    let account = Account::read(row.try_get(1)?).ok_or("an account that is none")?;
    let amounts = Amounts {
        calls: row.try_get(2)?,
        rows: row.try_get(3)?,
        database_us: row.try_get::<_, i64>(4)?.saturating_mul(1_000),
        embedding_tokens: row.try_get(5)?,
    };
    Ok(((row.try_get(0)?, account), amounts))
}
