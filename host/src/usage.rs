//! What was used, and what it costs: out of the books [`crate::traffic`] keeps, for people.
//!
//! A line of the books is an account with a plugin on a day. Each is priced by itself, exactly, and rounded once; reports only
//! add up. So every way of grouping comes to the same total.

mod cost; // What a line costs.

pub use cost::{Cost, Dear};

use crate::config::Prices;
use crate::traffic::Account;
use chrono::{Days, NaiveDate};
use futures_util::TryStreamExt;
use std::collections::BTreeMap;
use std::pin::pin;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Line by line: what is added up is added here, where sums of a long time have room.
const READ: &str = "\
SELECT u.day - DATE '1970-01-01', u.account, u.plugin,
       u.calls, u.errors, u.rows, u.bytes_out, u.database_us, u.cpu_us, u.fuel, u.embedding_tokens
  FROM rowhouse.usage_by_plugin AS u
 WHERE u.day BETWEEN DATE '1970-01-01' + $1::int4 AND DATE '1970-01-01' + $2::int4
   AND ($3::text IS NULL OR u.account = $3)";

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The books cannot be read.
    #[error("read the books of usage; where the table is missing, run `rowhouse db migrate`")]
    Books(#[from] tokio_postgres::Error),
    /// Nobody of this name or id is in the directory of tenants, or uses anything.
    #[error("there is no tenant {0:?} in the directory; give its name as it stands there, or its id")]
    Tenant(String),
    /// Several are called so.
    #[error("several tenants are called {0:?}; give an id")]
    Ambiguous(String),
    /// A line of the books costs more than can be counted.
    #[error(transparent)]
    Dear(#[from] Dear),
    /// A day no calendar has.
    #[error("a day of the books is none")]
    Day,
}

/// What a report is by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Who pays.
    Tenant,
    /// Whose tools.
    Plugin,
    /// When, in UTC.
    Day,
}

/// What a report is of.
#[derive(Clone, Debug)]
pub struct Query {
    /// The first day, and the last.
    pub days: (NaiveDate, NaiveDate),
    /// What its lines are by; nothing: one line.
    pub by: Vec<By>,
    /// One tenant alone, by name or id.
    pub tenant: Option<String>,
}

/// How much of each thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Calls that ran, however they ended.
    pub calls: i128,
    /// Of these, those that ended without an answer, by whomever's fault.
    pub errors: i128,
    /// Rows read.
    pub rows: i128,
    /// Bytes of answers.
    pub bytes_out: i128,
    /// Microseconds statements held connections.
    pub database_us: i128,
    /// Microseconds calls held threads.
    pub cpu_us: i128,
    /// Fuel, where hosts count it.
    pub fuel: i128,
    /// Tokens sent to the model that makes vectors.
    pub embedding_tokens: i128,
}

impl Used {
    fn add(&mut self, more: &Self) {
        self.calls += more.calls;
        self.errors += more.errors;
        self.rows += more.rows;
        self.bytes_out += more.bytes_out;
        self.database_us += more.database_us;
        self.cpu_us += more.cpu_us;
        self.fuel += more.fuel;
        self.embedding_tokens += more.embedding_tokens;
    }
}

/// Who pays, for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Payer {
    /// The tenant's name; of one the directory no longer has, its id; of callers who may see several tenants, what they are
    /// known by in the books.
    pub name: String,
    /// The key in the books.
    pub account: String,
}

/// One line of a report; what it is not by is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub day: Option<NaiveDate>,
    /// Who.
    pub tenant: Option<Payer>,
    /// What.
    pub plugin: Option<String>,
    /// How much.
    pub used: Used,
    /// What it costs.
    pub cost: Cost,
}

/// A report: its lines in order of day, tenant and plugin, and what they come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// None where nothing was used.
    pub lines: Vec<Line>,
    /// All of them.
    pub total: (Used, Cost),
}

type Key = (Option<NaiveDate>, Option<Payer>, Option<String>);

/// Read the books and add up. `client` is an administrator's or a clerk's.
///
/// # Errors
/// See [`Error`].
pub async fn report(client: &Client, query: &Query, prices: &Prices) -> Result<Report, Error> {
    let directory = directory(client).await?;
    let account = query.tenant.as_deref().map(|tenant| account(&directory, tenant)).transpose()?;
    let (first, last) = (number(query.days.0), number(query.days.1));
    let parameters: [&(dyn ToSql + Sync); 3] = [&first, &last, &account];
    let mut rows = pin!(client.query_raw(READ, parameters).await?);
    let (mut lines, mut total) = (BTreeMap::<Key, (Used, Cost)>::new(), (Used::default(), Cost::default()));
    while let Some(row) = rows.try_next().await? {
        let count = |column| row.try_get::<_, i64>(column).map(i128::from);
        let used = Used {
            calls: count(3)?,
            errors: count(4)?,
            rows: count(5)?,
            bytes_out: count(6)?,
            database_us: count(7)?,
            cpu_us: count(8)?,
            fuel: count(9)?,
            embedding_tokens: count(10)?,
        };
        let cost = Cost::of(&used, prices)?;
        let wants = |by| query.by.contains(&by);
        let day = wants(By::Day).then(|| row.try_get(0).map(day)).transpose()?;
        let key = (
            day.map(|day| day.ok_or(Error::Day)).transpose()?,
            wants(By::Tenant).then(|| row.try_get(1).map(|account| payer(&directory, account))).transpose()?,
            wants(By::Plugin).then(|| row.try_get(2)).transpose()?,
        );
        for sum in [lines.entry(key).or_default(), &mut total] {
            sum.0.add(&used);
            sum.1 += cost;
        }
    }
    let line = |((day, tenant, plugin), (used, cost))| Line { day, tenant, plugin, used, cost };
    Ok(Report { lines: lines.into_iter().map(line).collect(), total })
}

/// Ids of tenants with their names.
async fn directory(client: &Client) -> Result<BTreeMap<Uuid, String>, Error> {
    let rows = client.query("SELECT id, name FROM rowhouse.tenants_directory", &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// The account of a tenant, by name or id. An id need not be in the directory any more.
fn account(directory: &BTreeMap<Uuid, String>, tenant: &str) -> Result<String, Error> {
    let mut named = directory.iter().filter(|(_, name)| *name == tenant).map(|(id, _)| *id);
    let id = match (named.next(), named.next()) {
        (Some(_), Some(_)) => return Err(Error::Ambiguous(tenant.to_owned())),
        (Some(id), None) => id,
        _ => Uuid::parse_str(tenant).map_err(|_| Error::Tenant(tenant.to_owned()))?,
    };
    Ok(Account::Tenant(id).to_string())
}

fn payer(directory: &BTreeMap<Uuid, String>, account: String) -> Payer {
    let name = match Account::read(&account) {
        Some(Account::Tenant(id)) => directory.get(&id).cloned().unwrap_or_else(|| id.to_string()),
        // Who it is stands nowhere: the books have a digest.
        _ => format!("several tenants ({account})"),
    };
    Payer { name, account }
}

/// Days are counted from 1970 in the books.
fn number(day: NaiveDate) -> i32 {
    i32::try_from(day.signed_duration_since(NaiveDate::default()).num_days()).unwrap_or(i32::MAX)
}

fn day(number: i32) -> Option<NaiveDate> {
    NaiveDate::default().checked_add_days(Days::new(u64::try_from(number).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_books() {
        for (text, n) in [("1970-01-01", 0), ("1970-01-02", 1), ("2026-11-21", 20_778), ("2024-02-29", 19_782)] {
            let date: NaiveDate = text.parse().unwrap();
            assert_eq!((number(date), day(n)), (n, Some(date)), "{text}");
        }
    }

    #[test]
    fn tenants_have_names_and_callers_of_several_have_none() {
        let (seattle, gone) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let twins = [(Uuid::from_u128(3), "Twin".to_owned()), (Uuid::from_u128(4), "Twin".to_owned())];
        let directory: BTreeMap<_, _> = [(seattle, "Seattle".to_owned())].into_iter().chain(twins).collect();
        let named = |account: &str| payer(&directory, account.to_owned()).name;
        assert_eq!(named(&format!("tenant:{seattle}")), "Seattle");
        assert_eq!(named(&format!("tenant:{gone}")), gone.to_string());
        let principal = format!("principal:{}", "0".repeat(32));
        assert_eq!(named(&principal), format!("several tenants ({principal})"));
        let found = |tenant: &str| account(&directory, tenant).map_err(|error| error.to_string());
        assert_eq!(found("Seattle"), Ok(format!("tenant:{seattle}")));
        assert_eq!(found(&gone.to_string()), Ok(format!("tenant:{gone}")));
        assert!(found("Tacoma").unwrap_err().contains("no tenant") && found("Twin").unwrap_err().contains("several"));
    }
}
