//! New versions on trial: which callers a canary gets, and whether a version fails so often that the last one was better.

use super::loader::Loaded;
use super::lock::{Canary, Share, since};
use crate::config::Rollback;
use crate::error::{Blame, CallError, Code};
use crate::identity::Principal;
use crate::policy::{Policy, Scope};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Callers told apart while a version is watched. Later ones count as one: memory is bounded, and a thousand callers in
/// five minutes are an opinion.
const CALLERS: usize = 1_000;

impl Canary {
    /// Whether the calls of this caller go to it. The same for all its calls and lists, also those about some of its
    /// tenants only: what a caller reads of a tool is what it calls.
    pub(super) fn takes(&self, plugin: &str, tool: &str, who: &Arc<Principal>, policy: &Policy) -> bool {
        match &self.share {
            Share::Percent(percent) => place(plugin, &self.digest, who) < u64::from(*percent),
            Share::Tenants(names) => {
                let directory = policy.directory();
                let named = |id: &uuid::Uuid| {
                    let listed = directory.iter().find(|tenant| tenant.id == *id);
                    listed.is_some_and(|tenant| names.iter().any(|name| tenant.is_called(name)))
                };
                match policy.permit(who, plugin, tool, None).map(|permit| permit.scope().clone()) {
                    Ok(Scope::One(id)) => named(&id),
                    Ok(Scope::Some(ids)) => ids.iter().all(named),
                    Ok(Scope::All) | Err(_) => false,
                }
            }
        }
    }
}

/// A caller's place in a hundred: always the same for one trial, another for the next, so that it is not always the same
/// callers who try what is new.
fn place(plugin: &str, digest: &str, who: &Principal) -> u64 {
    number(&[plugin, digest, who.issuer(), who.subject()]) % 100
}

fn number(parts: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

/// What became of a version's calls while it is watched.
pub(super) struct Tally {
    bound: Rollback,
    /// Told once, when the bound is crossed.
    alarm: Arc<Notify>,
    watch: Mutex<Option<Watch>>,
}

/// A version being watched.
#[derive(Default)]
struct Watch {
    /// The moment of the lock it began at: a look at the directory does not begin it again.
    began: String,
    /// When it ends. None: with the trial.
    until: Option<Instant>,
    calls: u32,
    failed: BTreeMap<Code, u32>,
    /// Calls and failures by caller.
    callers: HashMap<u64, (u32, u32)>,
    told: bool,
}

impl Tally {
    pub(super) fn new(bound: Rollback, alarm: Arc<Notify>) -> Self {
        Self { bound, alarm, watch: Mutex::default() }
    }

    /// Watch a version that serves since `began`, for what is left of the window.
    pub(super) fn watch_new(&self, began: &str) {
        let window = Duration::from_secs(self.bound.window_seconds);
        // A moment that cannot be read, or is yet to come by a clock that was set: watched for a whole window.
        let left = window.saturating_sub(since(began).unwrap_or_default());
        if !left.is_zero() {
            self.begin(began, Some(Instant::now() + left));
        }
    }

    /// Watch a version as long as it is tried.
    pub(super) fn watch_canary(&self, began: &str) {
        self.begin(began, None);
    }

    /// Watch it no longer.
    pub(super) fn rest(&self) {
        *self.lock() = None;
    }

    fn begin(&self, began: &str, until: Option<Instant>) {
        let mut watch = self.lock();
        let goes_on =
            watch.as_ref().is_some_and(|watch| watch.began == began && watch.until.is_some() == until.is_some());
        if !goes_on {
            *watch = Some(Watch { began: began.to_owned(), until, ..Watch::default() });
        }
    }

    /// One call is over. Whose it was is worked out only while somebody watches.
    fn count(&self, caller: impl FnOnce() -> u64, failed: Option<Code>) {
        let mut guard = self.lock();
        let Some(watch) = guard.as_mut() else { return };
        if watch.until.is_some_and(|until| until < Instant::now()) {
            *guard = None;
            return;
        }
        let caller = caller();
        let key = if watch.callers.len() < CALLERS || watch.callers.contains_key(&caller) { caller } else { 0 };
        let (calls, failures) = watch.callers.entry(key).or_default();
        *calls = calls.saturating_add(1);
        watch.calls = watch.calls.saturating_add(1);
        if let Some(code) = failed {
            *failures = failures.saturating_add(1);
            let of_code = watch.failed.entry(code).or_default();
            *of_code = of_code.saturating_add(1);
        }
        if failed.is_some() && !watch.told && watch.fails(&self.bound) {
            watch.told = true;
            self.alarm.notify_one();
        }
    }

    /// Why this version should be taken back, where it should.
    pub(super) fn verdict(&self) -> Option<String> {
        self.lock().as_ref().filter(|watch| watch.told).map(Watch::words)
    }

    /// Nothing was done about it: say it again with the next failure.
    pub(super) fn unheard(&self) {
        if let Some(watch) = self.lock().as_mut() {
            watch.told = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Watch>> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// More than the share of all calls, and for more than half of the callers more than the share of their own: who
    /// makes a version fail on purpose does not take it from those it works for.
    fn fails(&self, bound: &Rollback) -> bool {
        let over =
            |failed: u32, calls: u32| u64::from(failed) * 100 > u64::from(bound.errors_percent) * u64::from(calls);
        let unlucky = self.callers.values().filter(|(calls, failed)| over(*failed, *calls)).count();
        self.calls >= bound.calls && over(self.failed.values().sum(), self.calls) && unlucky * 2 > self.callers.len()
    }

    fn words(&self) -> String {
        let most = self.failed.iter().max_by_key(|(_, count)| **count).map_or("", |(code, _)| code.as_str());
        format!("{} of {} calls failed, most with {most}", self.failed.values().sum::<u32>(), self.calls)
    }
}

impl Loaded {
    /// A call of this version is over: what came of it counts while the version is new.
    pub fn tried<T>(&self, who: &Principal, outcome: &Result<T, CallError>) {
        let failed = outcome.as_ref().err().map(|error| error.code).filter(|code| code.blame() == Blame::Plugin);
        self.tally.count(|| number(&[who.issuer(), who.subject()]), failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Rollback = Rollback { window_seconds: 300, calls: 20, errors_percent: 50 };

    /// Calls as (caller, of them good, of them failed), and whether the version is taken back.
    #[track_caller]
    fn check(bound: Rollback, calls: &[(u64, u32, u32)], taken_back: Option<&str>) {
        let tally = Tally::new(bound, Arc::default());
        tally.watch_canary("now");
        for (caller, good, failed) in calls {
            (0..*good).for_each(|_| tally.count(|| *caller, None));
            (0..*failed).for_each(|_| tally.count(|| *caller, Some(Code::PluginTrapped)));
        }
        assert_eq!(tally.verdict().as_deref(), taken_back, "{calls:?}");
    }

    #[test]
    fn a_version_is_taken_back_when_most_calls_of_most_callers_fail() {
        check(BOUND, &[(1, 9, 11)], Some("11 of 20 calls failed, most with PLUGIN_TRAPPED"));
        check(BOUND, &[(1, 10, 10)], None);
        check(BOUND, &[(1, 0, 19)], None);
        check(BOUND, &[(1, 0, 10), (2, 0, 10)], Some("20 of 20 calls failed, most with PLUGIN_TRAPPED"));
        // One caller alone, however often it tries.
        check(BOUND, &[(2, 1, 0), (1, 0, 500)], None);
        check(BOUND, &[(2, 1, 0), (3, 1, 0), (1, 0, 500)], None);
        check(BOUND, &[(2, 1, 0), (3, 0, 1), (1, 0, 500)], Some("501 of 502 calls failed, most with PLUGIN_TRAPPED"));
        check(Rollback { errors_percent: 100, ..BOUND }, &[(1, 0, 500)], None);
        check(
            Rollback { calls: 0, errors_percent: 0, ..BOUND },
            &[(1, 0, 1)],
            Some("1 of 1 calls failed, most with PLUGIN_TRAPPED"),
        );
    }

    #[test]
    fn only_what_is_watched_is_counted() {
        let count = |tally: &Tally| (0..50).for_each(|_| tally.count(|| 1, Some(Code::PluginCpu)));
        let tally = Tally::new(BOUND, Arc::default());
        count(&tally);
        assert_eq!(tally.verdict(), None, "nobody watches");
        tally.watch_new("2020-01-01T00:00:00Z");
        count(&tally);
        assert_eq!(tally.verdict(), None, "the window is over");
        let now = super::super::lock::now();
        tally.watch_new(&now);
        count(&tally);
        assert!(tally.verdict().is_some());
        tally.watch_new(&now);
        assert!(tally.verdict().is_some(), "another look begins nothing");
        tally.watch_canary(&now);
        assert_eq!(tally.verdict(), None, "another trial begins anew");
    }
}
