//! Accounts whose calls break bounds again and again: served on, behind everybody else.
//!
//! A call that breaks a bound has used all of it: memory that was touched and is cleared again, seconds of the database.
//! Each is small; twenty a second take a machine from its neighbours all the same. So an account is on probation with a
//! plugin whose bounds its calls break: they compute on threads that get a core when nobody else wants it, and have one
//! statement under way at a time, over all of them.

use crate::config::Probation;
use crate::error::{Blame, Code};
use crate::query::gate::STACK_BYTES;
use crate::traffic::Account;
use moka::sync::Cache;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Accounts remembered for each version of a plugin: some hundred bytes each. Of more, the ones asked of least are
/// forgotten, and begin anew.
const ACCOUNTS: u64 = 10_000;

/// The least of the kernel's priorities: such a thread has 15 shares of a core where another has 1,024 (`sched(7)`).
const NICE: i32 = 19;

/// The threads of calls on probation, started with the first of them.
#[derive(Default)]
pub(super) struct Background(OnceLock<Option<Runtime>>);

impl Background {
    /// Where to run. The caller's own threads, where no others could be had: slower neighbours, and no call lost.
    fn handle(&self) -> Handle {
        let runtime = self.0.get_or_init(|| {
            // Half of the cores: also memory and caches, which have no priorities, are shared with the neighbours.
            let threads = available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
            let started = Builder::new_multi_thread()
                .worker_threads(threads)
                .thread_name("background")
                .thread_stack_size(STACK_BYTES)
                .on_thread_start(yielding)
                .enable_all()
                .build();
            started.inspect_err(|error| tracing::error!(%error, "no threads for calls on probation")).ok()
        });
        runtime.as_ref().map_or_else(Handle::current, |runtime| runtime.handle().clone())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, which nothing asynchronous may do.
        if let Some(runtime) = self.0.take().flatten() {
            runtime.shutdown_background();
        }
    }
}

/// Step behind every other thread. Linux has priorities of threads; elsewhere they are the whole process's, and stay.
fn yielding() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::warn!(%error, "the threads of calls on probation keep their priority");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = NICE;
}

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

/// How a call on probation is run.
#[derive(Clone)]
pub(super) struct Aside {
    /// For its guest.
    threads: Handle,
    /// For what it asks of the host. A connection is driven by the threads it was opened from, and then lent to others:
    /// none is opened from threads that may never get a core.
    everybodys: Handle,
    /// One permit: who has it may have a statement under way.
    statements: Arc<Semaphore>,
}

impl Aside {
    /// Run its guest.
    pub(super) fn guest<F>(&self, guest: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.threads.spawn(guest)
    }

    /// Do what it asks of the host, when it is its turn or the call is told to stop; then the work is told as well.
    /// Dropping the set ends it.
    pub(super) fn ask<F>(&self, stop: CancellationToken, work: F) -> JoinSet<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (statements, mut task) = (Arc::clone(&self.statements), JoinSet::new());
        let in_turn = async move {
            let _turn = tokio::select! {
                turn = statements.acquire_owned() => turn.ok(),
                () = stop.cancelled() => None,
            };
            work.await
        };
        task.spawn_on(in_turn, &self.everybodys);
        task
    }
}

impl Conduct {
    pub(super) fn new(rule: Probation, background: Arc<Background>) -> Self {
        let time = Duration::from_secs(rule.seconds);
        Self { rule, background, accounts: Cache::builder().max_capacity(ACCOUNTS).time_to_live(time).build() }
    }

    /// Where calls of this account run, while it is on probation.
    pub(super) fn aside(&self, account: Account) -> Option<Aside> {
        let record = self.accounts.get(&account)?;
        let on_probation = record.breaches.load(Ordering::Relaxed) >= self.rule.breaches;
        on_probation.then(|| Aside {
            threads: self.background.handle(),
            everybodys: Handle::current(),
            statements: Arc::clone(&record.statements),
        })
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

    fn conduct(rule: Probation) -> Conduct {
        Conduct::new(rule, Arc::default())
    }

    #[tokio::test]
    async fn who_breaks_bounds_is_put_aside_and_nobody_else() {
        let check = |rule: Probation, codes: &[Option<Code>], aside: bool| {
            let conduct = conduct(rule);
            let told = codes.iter().filter(|code| conduct.ended(ONE, **code)).count();
            assert_eq!(conduct.aside(ONE).is_some(), aside, "{codes:?}");
            assert_eq!(told, usize::from(aside), "{codes:?}: said once");
            assert!(conduct.aside(OTHER).is_none(), "{codes:?}");
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

    #[tokio::test]
    async fn calls_aside_run_on_their_own_threads_behind_all_others() {
        let conduct = conduct(Probation { breaches: 1, ..RULE });
        conduct.ended(ONE, Some(Code::PluginCpu));
        let aside = conduct.aside(ONE).expect("on probation");
        let ran = aside.guest(async {
            let priority = rustix::process::getpriority_process(None).expect("its own");
            (std::thread::current().name().map(str::to_owned), priority)
        });
        let (name, priority) = ran.await.expect("does not panic");
        assert_eq!(name.as_deref(), Some("background"));
        if cfg!(target_os = "linux") {
            assert_eq!(priority, NICE);
            assert!(rustix::process::getpriority_process(None).expect("ours") < NICE, "the others keep theirs");
        }
    }

    #[tokio::test]
    async fn what_calls_aside_ask_for_takes_turns_until_they_are_told_to_stop() {
        let conduct = conduct(Probation { breaches: 1, ..RULE });
        conduct.ended(ONE, Some(Code::PluginCpu));
        let (one, two) = (conduct.aside(ONE).expect("on probation"), conduct.aside(ONE).expect("on probation"));
        let (stop, (open, opened)) = (CancellationToken::new(), tokio::sync::oneshot::channel::<()>());
        let mut first = one.ask(stop.clone(), opened);
        let mut second = two.ask(stop.clone(), async {});
        let other = CancellationToken::new();
        let mut third = two.ask(other.clone(), async {});
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert!(
            second.try_join_next().is_none() && third.try_join_next().is_none(),
            "one at a time, over all its calls"
        );
        other.cancel();
        assert!(matches!(third.join_next().await, Some(Ok(()))), "goes on, to hear that it is to stop");
        assert!(second.try_join_next().is_none());
        drop(open);
        assert!(matches!(first.join_next().await, Some(Ok(Err(_)))));
        assert!(matches!(second.join_next().await, Some(Ok(()))), "its turn");
    }
}
