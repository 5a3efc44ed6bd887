//! What each account used today, as far as this host knows: how much.
//!
//! A sheet for each account and day: what PostgreSQL is known to hold (all hosts together), what is on its way there,
//! and what is not yet. The sum is what a quota is held against.

use super::account::Account;
use super::{Measure, Usage};
use crate::config::Quota;
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, HashMap};
use std::ops::{Add, AddAssign};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sheets kept at once, over all days. Some 25 MiB.
const SHEETS: usize = 100_000;

/// Microseconds in the unit PostgreSQL counts database time in.
const MICROS: i64 = 1_000;

/// An amount of each thing that is counted. Signed: a call that was counted and then had no place is taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amounts {
    pub(super) calls: i64,
    pub(super) rows: i64,
    /// Finer than PostgreSQL's milliseconds: most statements are shorter than one.
    pub(super) database_us: i64,
    pub(super) embedding_tokens: i64,
}

impl Amounts {
    pub(super) const ONE_CALL: Amounts = Amounts { calls: 1, rows: 0, database_us: 0, embedding_tokens: 0 };
    pub(super) const CALL_BACK: Amounts = Amounts { calls: -1, rows: 0, database_us: 0, embedding_tokens: 0 };

    fn is_nothing(self) -> bool {
        self == Amounts::default()
    }

    /// What can be written in PostgreSQL's units, and the rest.
    fn whole(self) -> (Amounts, Amounts) {
        let rest = self.database_us % MICROS;
        let whole = Amounts { database_us: self.database_us - rest, ..self };
        (whole, Amounts { database_us: rest, ..Amounts::default() })
    }

    /// Field by field the larger: totals of a day only grow, so the larger is the later.
    fn later(self, other: Self) -> Self {
        Self {
            calls: self.calls.max(other.calls),
            rows: self.rows.max(other.rows),
            database_us: self.database_us.max(other.database_us),
            embedding_tokens: self.embedding_tokens.max(other.embedding_tokens),
        }
    }
}

impl Add for Amounts {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(more.calls),
            rows: self.rows.saturating_add(more.rows),
            database_us: self.database_us.saturating_add(more.database_us),
            embedding_tokens: self.embedding_tokens.saturating_add(more.embedding_tokens),
        }
    }
}

impl AddAssign for Amounts {
    fn add_assign(&mut self, more: Self) {
        *self = *self + more;
    }
}

impl From<Usage> for Amounts {
    fn from(usage: Usage) -> Self {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        Self {
            calls: 0,
            rows: signed(usage.rows),
            database_us: i64::try_from(usage.database.as_micros()).unwrap_or(i64::MAX),
            embedding_tokens: signed(usage.embedding_tokens),
        }
    }
}

/// A day's bounds in the units things are counted in; `None` is no bound.
pub(super) fn bounds(quota: &Quota) -> [(Measure, Option<i64>); 4] {
    let signed = |bound: Option<u64>, unit: u64| {
        bound.map(|bound| i64::try_from(bound.saturating_mul(unit)).unwrap_or(i64::MAX))
    };
    [
        (Measure::Calls, signed(quota.calls, 1)),
        (Measure::Rows, signed(quota.rows, 1)),
        (Measure::DatabaseSeconds, signed(quota.database_seconds, 1_000_000)),
        (Measure::EmbeddingTokens, signed(quota.embedding_tokens, 1)),
    ]
}

/// Which quota this is all of, if one.
fn over(quota: &Quota, used: Amounts) -> Option<Measure> {
    let used = [used.calls, used.rows, used.database_us, used.embedding_tokens];
    let over = |((_, bound), used): &((Measure, Option<i64>), i64)| bound.is_some_and(|bound| *used >= bound);
    bounds(quota).into_iter().zip(used).find(over).map(|((measure, _), _)| measure)
}

/// A day (counted from 1970) of one account.
pub(super) type Key = (i32, Account);

/// There is no room to count for another account.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Why a call is not counted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// This quota is used up.
    Exhausted(Measure),
    /// See [`Full`].
    Full,
}

/// The sheets of all accounts.
pub(super) struct Ledger {
    /// May be another while calls run.
    quota: ArcSwap<Quota>,
    /// Whether sheets are written down elsewhere, and may go from here once they are.
    written: bool,
    /// Whether sheets are told to Redis.
    shared: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    days: BTreeMap<i32, HashMap<Account, Sheet>>,
    sheets: usize,
    /// Sheets with something PostgreSQL does not know, and with something Redis does not: each sheet once.
    unwritten: Vec<Key>,
    unshared: Vec<Key>,
}

#[derive(Default)]
struct Sheet {
    /// Read from PostgreSQL, or written there: all hosts together.
    known: Amounts,
    /// Whether `known` has been read at all.
    read: bool,
    /// Being written to PostgreSQL.
    leaving: Amounts,
    /// Not yet being written.
    unwritten: Amounts,
    /// Not yet told to Redis.
    unshared: Amounts,
    /// Whether it stands in [`State::unwritten`] and in [`State::unshared`].
    listed: (bool, bool),
}

impl Sheet {
    fn used(&self) -> Amounts {
        self.known + self.leaving + self.unwritten
    }

    /// Whether nothing of it is still to go elsewhere (less than a millisecond of database time aside).
    fn may_go(&self) -> bool {
        self.listed == (false, false) && self.leaving.is_nothing()
    }
}

impl Ledger {
    /// An empty ledger; `written`: to PostgreSQL, `shared`: over Redis.
    pub(super) fn new(quota: Quota, written: bool, shared: bool) -> Self {
        Self { quota: ArcSwap::from_pointee(quota), written, shared, state: Mutex::default() }
    }

    /// What accounts are held to.
    pub(super) fn quota(&self) -> Quota {
        **self.quota.load()
    }

    /// Hold accounts to this from now on. What they used today stays.
    pub(super) fn set_quota(&self, quota: Quota) {
        self.quota.store(Arc::new(quota));
    }

    /// Whether anything is limited at all.
    pub(super) fn is_limited(&self) -> bool {
        self.quota() != Quota::default()
    }

    /// Whether the account's total over all hosts has to be read first.
    pub(super) fn is_unread(&self, (day, account): Key) -> bool {
        let state = self.lock();
        self.written && !state.days.get(&day).and_then(|sheets| sheets.get(&account)).is_some_and(|sheet| sheet.read)
    }

    /// Count one call, if no quota is used up: under one lock, so that the last one is given once. Redis is not told:
    /// see [`Ledger::owe`].
    ///
    /// # Errors
    /// [`Stopped`]; then nothing is counted.
    pub(super) fn admit(&self, key: Key) -> Result<(), Stopped> {
        let mut state = self.lock();
        let used = state.get(key).map(|sheet| sheet.used()).unwrap_or_default();
        if let Some(measure) = over(&self.quota(), used) {
            return Err(Stopped::Exhausted(measure));
        }
        let (more, none) = (Amounts::ONE_CALL, Amounts::default());
        state.count(key, more, none, self.written).map_err(|Full| Stopped::Full)
    }

    /// Redis is to be told of a call that it did not count itself.
    pub(super) fn owe(&self, key: Key) {
        // The sheet is there since the call was admitted; one that went since is counted in PostgreSQL alone.
        let _ = self.lock().count(key, Amounts::default(), Amounts::ONE_CALL, self.written);
    }

    /// Count. `shared`: Redis knows already.
    ///
    /// # Errors
    /// [`Full`] when there is no room for one more account.
    pub(super) fn add(&self, key: Key, amounts: Amounts, shared: bool) -> Result<(), Full> {
        let told = if self.shared && !shared { amounts } else { Amounts::default() };
        self.lock().count(key, amounts, told, self.written)
    }

    /// Take in what PostgreSQL holds, read apart from a write.
    pub(super) fn learn(&self, key: Key, total: Amounts) {
        if let Ok(sheet) = self.lock().sheet(key, self.written) {
            sheet.known = sheet.known.later(total);
            sheet.read = true;
        }
    }

    /// Up to `most` sheets to write. They stay counted, and must come back through [`Ledger::wrote`] or
    /// [`Ledger::unwrite`] before the next take.
    pub(super) fn take_unwritten(&self, most: usize) -> Vec<(Key, Amounts)> {
        let mut state = self.lock();
        let keys = take(&mut state.unwritten, most);
        let mut taken = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(sheet) = state.get(key).filter(|sheet| sheet.listed.0) else { continue };
            sheet.listed.0 = false;
            (sheet.leaving, sheet.unwritten) = sheet.unwritten.whole();
            // What was counted and taken back since the last write needs none.
            if !sheet.leaving.is_nothing() {
                taken.push((key, sheet.leaving));
            }
        }
        taken
    }

    /// They were written, and PostgreSQL now holds these totals.
    pub(super) fn wrote(&self, totals: &[(Key, Amounts)]) {
        let mut state = self.lock();
        for (key, total) in totals {
            if let Some(sheet) = state.get(*key) {
                (sheet.known, sheet.leaving, sheet.read) = (*total, Amounts::default(), true);
            }
        }
    }

    /// Forget days before this one, but for what is still to go elsewhere.
    pub(super) fn turn_page(&self, today: i32) {
        self.lock().forget(|day| day < today);
    }

    /// They were not written: they are kept for the next time.
    pub(super) fn unwrite(&self, keys: impl IntoIterator<Item = Key>) {
        let mut state = self.lock();
        for key in keys {
            let Some(sheet) = state.get(key) else { continue };
            sheet.unwritten += std::mem::take(&mut sheet.leaving);
            if !std::mem::replace(&mut sheet.listed.0, true) {
                state.unwritten.push(key);
            }
        }
    }

    /// Up to `most` sheets to tell Redis.
    pub(super) fn take_unshared(&self, most: usize) -> Vec<(Key, Amounts)> {
        let mut state = self.lock();
        let keys = take(&mut state.unshared, most);
        let mut taken = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(sheet) = state.get(key).filter(|sheet| sheet.listed.1) else { continue };
            sheet.listed.1 = false;
            taken.push((key, std::mem::take(&mut sheet.unshared)));
        }
        taken
    }

    /// Redis was not told: they are kept for the next time.
    pub(super) fn unshare(&self, sheets: impl IntoIterator<Item = (Key, Amounts)>) {
        let mut state = self.lock();
        for (key, amounts) in sheets {
            let Ok(sheet) = state.sheet(key, self.written) else { continue };
            sheet.unshared += amounts;
            if !std::mem::replace(&mut sheet.listed.1, true) {
                state.unshared.push(key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn get(&mut self, (day, account): Key) -> Option<&mut Sheet> {
        self.days.get_mut(&day)?.get_mut(&account)
    }

    /// Count for PostgreSQL, and for Redis.
    fn count(&mut self, key: Key, amounts: Amounts, told: Amounts, written: bool) -> Result<(), Full> {
        let sheet = self.sheet(key, written)?;
        sheet.unwritten += amounts;
        sheet.unshared += told;
        let before = sheet.listed;
        let (write, tell) = (written && !amounts.is_nothing(), !told.is_nothing());
        sheet.listed = (before.0 || write, before.1 || tell);
        let after = sheet.listed;
        if before.0 != after.0 {
            self.unwritten.push(key);
        }
        if before.1 != after.1 {
            self.unshared.push(key);
        }
        Ok(())
    }

    /// The account's sheet of the day, a fresh one if need be. Room is made of what stands elsewhere, then of the
    /// oldest day; never of today's counts that stand nowhere else.
    fn sheet(&mut self, key: Key, written: bool) -> Result<&mut Sheet, Full> {
        let (day, account) = key;
        if self.get(key).is_none() {
            if self.sheets >= SHEETS {
                self.forget(|other| written || other < day);
            }
            if self.sheets >= SHEETS {
                let oldest = self.days.first_key_value().map(|(oldest, _)| *oldest).filter(|oldest| *oldest < day);
                let dropped = self.days.remove(&oldest.ok_or(Full)?).map_or(0, |sheets| sheets.len());
                self.sheets -= dropped;
                tracing::warn!(accounts = dropped, "the usage of an older day could not be written and is forgotten");
            }
            self.sheets += 1;
        }
        Ok(self.days.entry(day).or_default().entry(account).or_default())
    }

    /// Forget sheets of such days that stand elsewhere.
    fn forget(&mut self, of: impl Fn(i32) -> bool) {
        self.days.retain(|day, sheets| {
            if of(*day) {
                sheets.retain(|_, sheet| !sheet.may_go());
            }
            !sheets.is_empty()
        });
        self.sheets = self.days.values().map(HashMap::len).sum();
    }
}

/// The first `most` of a list.
fn take(list: &mut Vec<Key>, most: usize) -> Vec<Key> {
    let most = most.min(list.len());
    list.drain(..most).collect()
}

#[cfg(test)]
mod tests;
