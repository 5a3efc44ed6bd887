//! What only several looks show: how calls ended lately, and whether the trail moves.

use super::Component;
use crate::config::Bounds;
use crate::error::{Blame, Code};
use crate::plugin::{Account, Accounts};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How far back "lately" reaches. An outage of a minute is seen, and is not held against the host for an hour.
const WINDOW: Duration = Duration::from_secs(300);

/// Calls below which there is no rate: two failures of three calls at night are no reason to wake anybody.
const FEWEST: u64 = 20;

/// Looks closer together than this are one: whoever asks often does not make the list long. At most 61 of them are kept.
const APART: Duration = Duration::from_secs(5);

/// How calls ended, look by look.
#[derive(Default)]
pub(super) struct Calls {
    /// What each version's calls had come to at the last look: calls, and those that failed.
    seen: BTreeMap<(String, String), (u64, u64)>,
    /// What came between two looks.
    looks: VecDeque<(Instant, u64, u64)>,
}

/// Calls of a version that failed by no fault of their caller.
fn failed(account: &Account) -> u64 {
    let callers = |name: &str| Code::ALL.iter().any(|code| code.as_str() == name && code.blame() == Blame::Caller);
    account.failed.iter().filter(|(code, _)| !callers(code)).map(|(_, n)| n).sum()
}

impl Calls {
    /// Take in what the plugins' calls came to by now.
    pub(super) fn note(&mut self, now: Instant, accounts: &Accounts) {
        let (mut calls, mut errors, mut seen) = (0, 0, BTreeMap::new());
        for account in &accounts.plugins {
            let key = (account.plugin.clone(), account.digest.clone());
            let fresh = (account.calls, failed(account));
            // A version that is served again begins to count again.
            let before = self.seen.get(&key).copied().filter(|before| before.0 <= fresh.0).unwrap_or_default();
            calls += fresh.0 - before.0;
            errors += fresh.1.saturating_sub(before.1);
            seen.insert(key, fresh);
        }
        self.seen = seen;
        match self.looks.back_mut() {
            Some((at, sum, wrong)) if now.saturating_duration_since(*at) < APART => {
                *sum += calls;
                *wrong += errors;
            }
            _ => self.looks.push_back((now, calls, errors)),
        }
        while self.looks.front().is_some_and(|(at, ..)| now.saturating_duration_since(*at) > WINDOW) {
            self.looks.pop_front();
        }
    }

    /// What they come to.
    pub(super) fn told(&self, bounds: Bounds, facts: Value) -> Component {
        let (calls, errors) = self.looks.iter().fold((0, 0), |sum, (_, calls, errors)| (sum.0 + calls, sum.1 + errors));
        let mut facts = facts;
        facts["recent"] = json!({ "seconds": WINDOW.as_secs(), "calls": calls, "errors": errors });
        let share = (errors * 100).checked_div(calls).unwrap_or(0);
        let component = Component::new("calls", facts);
        match bounds.judge_high(share).filter(|_| calls >= FEWEST) {
            Some(severity) => component.with(true, severity, "calls.errors", what(share)),
            None => component,
        }
    }
}

fn what(share: u64) -> String {
    format!("{share} % of the calls of the last {} s failed, not by their callers' fault", WINDOW.as_secs())
}

/// Whether something that waits is being dealt with.
#[derive(Default)]
pub(super) struct Moves(Option<(Instant, u64)>);

impl Moves {
    /// For how long nothing was done although something waits. `done` only grows while something is done.
    pub(super) fn still(&mut self, now: Instant, waits: bool, done: u64) -> Duration {
        match self.0 {
            Some((since, before)) if waits && before == done => now.saturating_duration_since(since),
            _ => {
                self.0 = waits.then_some((now, done));
                Duration::ZERO
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    fn account(digest: &str, calls: u64, failed: &[(Code, u64)]) -> Account {
        Account {
            plugin: "sales".to_owned(),
            version: "1".to_owned(),
            digest: digest.to_owned(),
            calls,
            failed: failed.iter().map(|(code, n)| (code.as_str().to_owned(), *n)).collect(),
            log_lines_dropped: 0,
            calls_on_probation: 0,
            calls_long: 0,
            recent_calls: 0,
            used: BTreeMap::new(),
        }
    }

    #[test]
    fn errors_count_while_they_are_recent_and_not_the_callers() {
        let (start, bounds) = (Instant::now(), Bounds { degraded: 25, down: 75 });
        let mut calls = Calls::default();
        let mut look = |seconds: u64, digest: &str, n: u64, failed: &[(Code, u64)]| {
            let accounts = Accounts { host: 1, written: 0, plugins: vec![account(digest, n, failed)] };
            calls.note(start + Duration::from_secs(seconds), &accounts);
            let told = calls.told(bounds, json!({}));
            let recent = told.to_json()["recent"].clone();
            let counts = (recent["calls"].as_u64().unwrap(), recent["errors"].as_u64().unwrap());
            (told.problems.first().map(|problem| problem.severity), counts)
        };
        // Too few to say anything.
        assert_eq!(look(0, "a", 10, &[(Code::PluginTrapped, 10)]), (None, (10, 10)));
        assert_eq!(look(60, "a", 40, &[(Code::PluginTrapped, 20)]), (Some(Severity::Warning), (40, 20)));
        assert_eq!(look(61, "a", 100, &[(Code::Database, 80)]), (Some(Severity::Critical), (100, 80)));
        // What callers did wrong is not the host's.
        assert_eq!(look(120, "a", 200, &[(Code::Database, 80), (Code::Validation, 100)]).0, Some(Severity::Warning));
        // Another build counts from its own beginning.
        assert_eq!(look(130, "b", 200, &[]), (None, (400, 80)));
        // The first two looks are over.
        assert_eq!(look(365, "b", 200, &[]).1, (300, 0));
        assert_eq!(look(1_000, "b", 200, &[]), (None, (0, 0)));
    }

    #[test]
    fn what_waits_and_does_not_move_is_still() {
        let (start, mut moves) = (Instant::now(), Moves::default());
        let mut look = |seconds, waits, done| moves.still(start + Duration::from_secs(seconds), waits, done).as_secs();
        assert_eq!(look(0, false, 5), 0);
        assert_eq!([look(10, true, 5), look(30, true, 5), look(70, true, 5)], [0, 20, 60]);
        assert_eq!([look(80, true, 6), look(90, true, 6), look(95, false, 6), look(200, true, 6)], [0, 10, 0, 0]);
    }
}
