//! Events a caller can cause at will must not fill a disk, and must not push other callers' events out: each kind has a
//! rate, each cause a floor below it, and what goes over is counted.

use super::record::Cause;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Events of one kind that are kept within one second, whoever causes them. Enough to see an attack's beginning and
/// shape; at 300 bytes each, one kind writes 1.3 GB a day at most.
pub(super) const KEPT: u64 = 50;

/// Events of one kind that each cause has kept within one second although the others used up [`KEPT`]: the first of
/// somebody new are seen in any flood.
pub(super) const FLOOR: u64 = 5;

/// Events of one kind that are kept within one second, floors included: forty causes at once, and 6.5 GB a day at most.
pub(super) const CEILING: u64 = 250;

/// Causes told apart at a time; further ones share one place. Some 700 bytes each, less than a megabyte.
const CAUSES: usize = 1_024;

/// Causes of one kind that a sum names, the loudest first; the others are summed up together. A sum must not be a
/// flood itself.
const NAMED: usize = 10;

const WINDOW: Duration = Duration::from_secs(1);

/// What was seen within one second.
struct Window {
    began: Instant,
    seen: u64,
    kept: u64,
    suppressed: u64,
}

impl Window {
    fn new(now: Instant) -> Self {
        Self { began: now, seen: 0, kept: 0, suppressed: 0 }
    }

    /// The window this moment belongs to.
    fn at(&mut self, now: Instant) -> &mut Self {
        if self.is_over(now) {
            (self.began, self.seen, self.kept) = (now, 0, 0);
        }
        self
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= WINDOW
    }
}

/// What was not kept one by one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) kind: &'static str,
    pub(super) of: Cause,
    pub(super) suppressed: u64,
}

#[derive(Default)]
struct Windows {
    /// Kinds are constants of the program, so there are few.
    kinds: BTreeMap<&'static str, Window>,
    causes: BTreeMap<(&'static str, Cause), Window>,
    /// When room was last made: looking for it at every event would make a flood dear.
    swept: Option<Instant>,
}

/// A window for each kind, and for each cause of it.
#[derive(Default)]
pub(super) struct Flood(Mutex<Windows>);

impl Flood {
    /// Whether one more event of this kind is kept.
    pub(super) fn admits(&self, kind: &'static str, cause: Cause, now: Instant) -> bool {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = windows.place((kind, cause), now);
        let Windows { kinds, causes, .. } = &mut *windows;
        let all = kinds.entry(kind).or_insert_with(|| Window::new(now)).at(now);
        let own = causes.entry(key).or_insert_with(|| Window::new(now)).at(now);
        own.seen += 1;
        let kept = all.kept < KEPT || (own.seen <= FLOOR && all.kept < CEILING);
        all.kept += u64::from(kept);
        own.suppressed += u64::from(!kept);
        kept
    }

    /// What was not kept since this was last asked. `named` says whether networks may be named.
    pub(super) fn take(&self, named: bool) -> Vec<Sum> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut over: BTreeMap<&'static str, Vec<(Cause, u64)>> = BTreeMap::new();
        for ((kind, cause), window) in windows.causes.iter_mut().filter(|(_, window)| window.suppressed > 0) {
            over.entry(kind).or_default().push((cause.clone(), std::mem::take(&mut window.suppressed)));
        }
        drop(windows);
        let mut sums = Vec::new();
        for (kind, mut causes) in over {
            causes.sort_by_key(|(_, suppressed)| Reverse(*suppressed));
            let (mut sources, mut others) = (0, 0);
            for (at, (of, suppressed)) in causes.into_iter().enumerate() {
                let hidden = matches!(of, Cause::Others { .. }) || (!named && matches!(of, Cause::Network { .. }));
                if at < NAMED && !hidden {
                    sums.push(Sum { kind, of, suppressed });
                } else {
                    (sources, others) = (sources + 1, others + suppressed);
                }
            }
            if others > 0 {
                sums.push(Sum { kind, of: Cause::Others { sources }, suppressed: others });
            }
        }
        sums
    }
}

impl Windows {
    /// The place of a cause: its own, or the one all share for whom there is no room.
    fn place(&mut self, key: (&'static str, Cause), now: Instant) -> (&'static str, Cause) {
        let full = self.causes.len() >= CAUSES && !self.causes.contains_key(&key);
        if full && self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= WINDOW) {
            self.causes.retain(|_, window| window.suppressed > 0 || !window.is_over(now));
            self.swept = Some(now);
        }
        if full && self.causes.len() >= CAUSES { (key.0, Cause::Others { sources: 1 }) } else { key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: impl ToString) -> Cause {
        Cause::Account { issuer: "i".into(), subject: name.to_string().into() }
    }

    fn kept(flood: &Flood, kind: &'static str, cause: &Cause, times: u64, at: Instant) -> u64 {
        (0..times).filter(|_| flood.admits(kind, cause.clone(), at)).count() as u64
    }

    fn sum(kind: &'static str, of: Cause, suppressed: u64) -> Sum {
        Sum { kind, of, suppressed }
    }

    #[test]
    fn a_flood_is_counted_and_other_kinds_are_not_touched() {
        let (flood, start, ann) = (Flood::default(), Instant::now(), account("ann"));
        assert_eq!(kept(&flood, "a", &ann, 1_000, start), KEPT);
        assert_eq!(kept(&flood, "b", &ann, 3, start), 3);
        assert_eq!(flood.take(true), [sum("a", ann.clone(), 1_000 - KEPT)]);
        assert_eq!(flood.take(true), []);
        assert_eq!(kept(&flood, "a", &ann, 1, start + WINDOW / 2), 0);
        assert_eq!(kept(&flood, "a", &ann, KEPT + 1, start + WINDOW), KEPT);
        assert_eq!(flood.take(true), [sum("a", ann, 2)]);
    }

    #[test]
    fn one_caller_cannot_hide_another() {
        let (flood, start) = (Flood::default(), Instant::now());
        for second in 0..3 {
            let now = start + WINDOW * second;
            assert_eq!(kept(&flood, "a", &account("loud"), 1_000, now), KEPT);
            assert_eq!(kept(&flood, "a", &account(second), 9, now), FLOOR, "somebody new");
        }
        // However many they are, one kind has an end.
        let now = start + WINDOW * 3;
        let all: u64 = (0..CAUSES).map(|name| kept(&flood, "a", &account(name), 9, now)).sum();
        assert_eq!(all, CEILING);
    }

    #[test]
    fn causes_are_bounded_and_so_are_their_sums() {
        let (flood, start) = (Flood::default(), Instant::now());
        let all: u64 = (0..3 * CAUSES).map(|name| kept(&flood, "a", &account(name), 10, start)).sum();
        assert!(flood.0.lock().unwrap().causes.len() <= CAUSES + 1);
        let sums = flood.take(true);
        assert_eq!(sums.len(), NAMED);
        assert_eq!(sums.iter().map(|sum| sum.suppressed).sum::<u64>() + all, 30 * CAUSES as u64);
        assert!(matches!(sums[NAMED - 1].of, Cause::Others { sources } if sources > 1_000), "{sums:?}");
        // Room again, once they are quiet.
        assert_eq!(kept(&flood, "a", &account("new"), 60, start + WINDOW), KEPT);
        assert_eq!(flood.take(true), [sum("a", account("new"), 10)]);
    }

    #[test]
    fn a_network_is_named_only_where_that_is_wanted() {
        let flood = Flood::default();
        let event = super::super::Event::TokenRejected { reason: "expired", remote: Some([192, 0, 2, 1].into()) };
        for named in [true, false] {
            kept(&flood, "a", &event.cause(), KEPT + 7, Instant::now() + WINDOW * u32::from(!named));
            let of = if named { event.cause() } else { Cause::Others { sources: 1 } };
            assert_eq!(flood.take(named), [sum("a", of, 7)]);
        }
    }
}
