//! What the last calls came to, for people who look: `rowhouse top`. Metrics tell the same over time, to programs.

use super::label::{Item, Outcome};
use super::slow::Slow;
use super::state::{Queue, State};
use crate::error::Code;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Calls of which the time is kept: of all tools, and of each. Four kilobytes and one.
const OF_ALL: usize = 1_024;
const OF_EACH: usize = 256;

/// Seconds over which calls a second are counted.
const WINDOW: u64 = 10;

/// Slow statements that are shown.
const SLOWEST: usize = 10;

/// The latest times, in microseconds.
struct Ring {
    times: Vec<u32>,
    next: usize,
    most: usize,
}

impl Ring {
    fn new(most: usize) -> Self {
        Self { times: Vec::new(), next: 0, most }
    }

    fn push(&mut self, took: Duration) {
        let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        match self.times.get_mut(self.next) {
            Some(oldest) => *oldest = took,
            None => self.times.push(took),
        }
        self.next = (self.next + 1) % self.most;
    }

    /// Milliseconds that this share of them did not exceed.
    fn quantiles<const N: usize>(&self, shares: [usize; N]) -> [f64; N] {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        shares.map(|percent| {
            let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(at).map_or(0.0, |time| f64::from(*time) / 1_000.0)
        })
    }
}

struct Of {
    calls: u64,
    failed: u64,
    times: Ring,
}

struct Inner {
    /// By the second of the host's life: which, and calls in it.
    seconds: [(u64, u64); WINDOW as usize + 1],
    calls: u64,
    errors: BTreeMap<Code, u64>,
    times: Ring,
    items: HashMap<Item, Of>,
}

/// The last calls.
pub(super) struct Recent {
    began: Instant,
    inner: Mutex<Inner>,
}

impl Default for Recent {
    fn default() -> Self {
        let inner = Inner {
            seconds: [(0, 0); WINDOW as usize + 1],
            calls: 0,
            errors: BTreeMap::new(),
            times: Ring::new(OF_ALL),
            items: HashMap::new(),
        };
        Self { began: Instant::now(), inner: Mutex::new(inner) }
    }
}

/// What a person at a terminal sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Seconds since the host began.
    pub up_seconds: u64,
    /// Calls since then.
    pub calls: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Calls a second, over the last ten.
    pub calls_per_second: f64,
    /// Milliseconds half of the last calls did not exceed.
    pub p50_ms: f64,
    /// Milliseconds 95 of 100 of the last calls did not exceed.
    pub p95_ms: f64,
    /// Failed calls since the start, by code.
    pub errors: Failures,
    /// How full the host is, 0 to 1.
    pub saturation: f64,
    /// Calls and their places.
    pub places: Queue,
    /// Statements and their connections.
    pub connections: Queue,
    /// Tools that were called, the busiest first.
    pub tools: Vec<Line>,
    /// Plugins that serve, with their versions.
    pub plugins: BTreeMap<String, String>,
    /// Statements that were slow, the costliest first.
    pub slow: Vec<Slow>,
}

/// Numbers by code.
pub type Failures = BTreeMap<String, u64>;

/// One tool's calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Whose.
    pub plugin: String,
    /// Its name.
    pub tool: String,
    /// Calls since the start.
    pub calls: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Milliseconds half of the last ones did not exceed.
    pub p50_ms: f64,
    /// Milliseconds 95 of 100 of the last ones did not exceed.
    pub p95_ms: f64,
}

impl Recent {
    pub(super) fn call(&self, item: &Item, outcome: Outcome, took: Duration) {
        self.call_at(self.began.elapsed().as_secs(), item, outcome, took);
    }

    fn call_at(&self, second: u64, item: &Item, outcome: Outcome, took: Duration) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.calls += 1;
        let slot = &mut inner.seconds[usize::try_from(second % (WINDOW + 1)).unwrap_or_default()];
        *slot = if slot.0 == second { (second, slot.1 + 1) } else { (second, 1) };
        if let Some(code) = outcome.0 {
            *inner.errors.entry(code).or_default() += 1;
        }
        inner.times.push(took);
        let fresh = || Of { calls: 0, failed: 0, times: Ring::new(OF_EACH) };
        let of = inner.items.entry(item.clone()).or_insert_with(fresh);
        of.calls += 1;
        of.failed += u64::from(outcome.0.is_some());
        of.times.push(took);
    }

    pub(super) fn snapshot(&self, state: State, up: Duration, mut slow: Vec<Slow>) -> Snapshot {
        slow.truncate(SLOWEST);
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let [p50_ms, p95_ms] = inner.times.quantiles([50, 95]);
        let mut tools: Vec<Line> = inner
            .items
            .iter()
            .map(|(item, of)| {
                let [p50_ms, p95_ms] = of.times.quantiles([50, 95]);
                let (plugin, tool) = (item.plugin.as_str().to_owned(), item.tool.as_str().to_owned());
                Line { plugin, tool, calls: of.calls, failed: of.failed, p50_ms, p95_ms }
            })
            .collect();
        tools.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| (&a.plugin, &a.tool).cmp(&(&b.plugin, &b.tool))));
        Snapshot {
            up_seconds: up.as_secs(),
            calls: inner.calls,
            failed: inner.errors.values().sum(),
            calls_per_second: inner.per_second(self.began.elapsed().as_secs()),
            p50_ms,
            p95_ms,
            errors: inner.errors.iter().map(|(code, n)| (code.as_str().to_owned(), *n)).collect(),
            saturation: state.saturation(),
            places: state.calls,
            connections: state.statements,
            tools,
            plugins: state.plugins.iter().map(|it| (it.of.plugin.as_str().to_owned(), it.version.clone())).collect(),
            slow,
        }
    }
}

impl Inner {
    /// Over the seconds that are over: the one under way would make every first look a dip.
    fn per_second(&self, now: u64) -> f64 {
        let recent = self.seconds.iter().filter(|(second, _)| *second < now && second + WINDOW >= now);
        let calls: u64 = recent.map(|(_, calls)| calls).sum();
        calls as f64 / now.clamp(1, WINDOW) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_a_second_are_those_of_the_last_ten() {
        let recent = Recent::default();
        let call = |second| recent.call_at(second, &Item::other(), Outcome(None), Duration::from_millis(1));
        let check = |now, expected: f64| {
            let found = recent.inner.lock().unwrap().per_second(now);
            assert!((found - expected).abs() < 1e-9, "{now}: {found}");
        };
        check(0, 0.0);
        (0..20).for_each(|_| call(0));
        check(1, 20.0);
        check(10, 2.0);
        check(11, 0.0);
        (0..5).for_each(|_| call(15));
        check(15, 0.0);
        check(16, 0.5);
        check(25, 0.5);
        check(26, 0.0);
    }

    #[test]
    fn the_latest_calls_are_what_quantiles_are_of() {
        let mut ring = Ring::new(100);
        assert_eq!(ring.quantiles([50, 95]), [0.0, 0.0]);
        (1..=1_000).for_each(|ms| ring.push(Duration::from_millis(ms)));
        assert_eq!(ring.quantiles([50, 95, 100]), [950.0, 995.0, 1_000.0]);
    }

    #[test]
    fn a_snapshot_has_the_busiest_tool_first_and_errors_by_code() {
        let recent = Recent::default();
        for (n, outcome) in [(3, None), (2, Some(Code::Database))] {
            (0..n).for_each(|_| recent.call(&Item::other(), Outcome(outcome), Duration::from_millis(4)));
        }
        let seen = recent.snapshot(State::default(), Duration::from_secs(9), Vec::new());
        assert_eq!((seen.up_seconds, seen.calls, seen.failed), (9, 5, 2));
        assert_eq!(seen.errors, BTreeMap::from([("DATABASE_ERROR".to_owned(), 2)]));
        assert_eq!((seen.tools[0].calls, seen.tools[0].failed, seen.p95_ms.round()), (5, 2, 4.0));
        let text = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), seen);
    }
}
