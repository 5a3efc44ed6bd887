//! Accounts whose calls break bounds again and again: served on, behind everybody else.
//!
//! A call that breaks a bound has used all of it: memory that was touched and is cleared again, seconds of the database.
//! Each is small; twenty a second take a machine from its neighbours all the same. So an account is on probation with a
//! plugin whose bounds its calls break: they compute on threads that get a core when nobody else wants it, and have one
//! statement under way at a time, over all of them.

use super::place::{Background, Place};
use crate::config::Probation;
use crate::error::{Blame, Code};
use crate::traffic::Account;
use moka::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Accounts remembered for each version of a plugin: some hundred bytes each. Of more, the ones asked of least are
/// forgotten, and begin anew.
const ACCOUNTS: u64 = 10_000;

/// What accounts did with one version of a plugin.
pub(super) struct Conduct {
    rule: Probation,
    background: Arc<Background>,
    /// Forgotten when the time is over since the last breach.
    accounts: Cache<Account, Arc<Record>>,
}

struct Record {
    breaches: AtomicU32,
    statements: Arc<Semaphore>,
}

impl Conduct {
    pub(super) fn new(rule: Probation, background: Arc<Background>) -> Self {
        let time = Duration::from_secs(rule.seconds);
        Self { rule, background, accounts: Cache::builder().max_capacity(ACCOUNTS).time_to_live(time).build() }
    }

    /// Where a call of this account computes.
    pub(super) fn place(&self, account: Account) -> Place {
        let record = self.accounts.get(&account);
        match record.filter(|it| it.breaches.load(Ordering::Relaxed) >= self.rule.breaches) {
            Some(record) => Place::Probation(self.background.probation(Arc::clone(&record.statements))),
            None => Place::front(Arc::clone(&self.background)),
        }
    }

    /// A call ended, with an answer or with a code. Gives whether the account is on probation from now on.
    pub(super) fn ended(&self, account: Account, failed: Option<Code>) -> bool {
        if self.rule.breaches == 0 || !failed.is_some_and(is_breach) {
            return false;
        }
        let fresh = || Arc::new(Record { breaches: AtomicU32::new(0), statements: Arc::new(Semaphore::new(1)) });
        let record = self.accounts.get(&account).unwrap_or_else(fresh);
        let before = record.breaches.fetch_add(1, Ordering::Relaxed);
        // Written again, which begins its time anew.
        self.accounts.insert(account, record);
        before + 1 == self.rule.breaches
    }
}

/// Whether a call that ended so used more than a call may.
fn is_breach(code: Code) -> bool {
    code.blame() == Blame::Plugin || matches!(code, Code::QueryTimeout | Code::QueryLimit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const RULE: Probation = Probation { breaches: 3, seconds: 60 };
    const ONE: Account = Account::Tenant(Uuid::from_u128(1));
    const OTHER: Account = Account::Tenant(Uuid::from_u128(2));

    #[tokio::test]
    async fn who_breaks_bounds_is_put_aside_and_nobody_else() {
        let check = |rule: Probation, codes: &[Option<Code>], aside: bool| {
            let conduct = Conduct::new(rule, Arc::default());
            let told = codes.iter().filter(|code| conduct.ended(ONE, **code)).count();
            assert_eq!(matches!(conduct.place(ONE), Place::Probation(_)), aside, "{codes:?}");
            assert_eq!(told, usize::from(aside), "{codes:?}: said once");
            assert!(matches!(conduct.place(OTHER), Place::Front(_)), "{codes:?}");
        };
        let [memory, timeout] = [Some(Code::PluginMemory), Some(Code::QueryTimeout)];
        check(RULE, &[], false);
        check(RULE, &[memory, memory], false);
        check(RULE, &[memory, None, timeout, None, memory], true);
        check(RULE, &[memory; 20], true);
        check(RULE, &[Some(Code::Validation); 20], false);
        check(RULE, &[Some(Code::Database); 20], false);
        check(Probation { breaches: 1, ..RULE }, &[timeout], true);
        check(Probation { breaches: 0, ..RULE }, &[memory; 20], false);
        check(Probation { seconds: 0, ..RULE }, &[], false);
    }
}
