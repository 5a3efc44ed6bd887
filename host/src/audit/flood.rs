//! Events a caller can cause at will must not fill a disk: each kind has a rate, and what goes over it is counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Events of one kind that are kept within one second. Enough to see an attack's beginning and shape; at 300 bytes
/// each, one kind writes 1.3 GB a day at most.
pub(super) const KEPT: u64 = 50;

const WINDOW: Duration = Duration::from_secs(1);

struct Window {
    began: Instant,
    seen: u64,
    suppressed: u64,
}

/// One window for each kind. Kinds are constants of the program, so there are few.
#[derive(Default)]
pub(super) struct Flood(Mutex<BTreeMap<&'static str, Window>>);

impl Flood {
    /// Whether one more event of this kind is kept.
    pub(super) fn admits(&self, kind: &'static str, now: Instant) -> bool {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = kinds.entry(kind).or_insert(Window { began: now, seen: 0, suppressed: 0 });
        if now.saturating_duration_since(window.began) >= WINDOW {
            (window.began, window.seen) = (now, 0);
        }
        window.seen += 1;
        let kept = window.seen <= KEPT;
        window.suppressed += u64::from(!kept);
        kept
    }

    /// How many of each kind were not kept since this was last asked.
    pub(super) fn take(&self) -> Vec<(&'static str, u64)> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = kinds.iter_mut().filter(|(_, window)| window.suppressed > 0);
        over.map(|(kind, window)| (*kind, std::mem::take(&mut window.suppressed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_other_kinds_are_not_touched() {
        let (flood, start) = (Flood::default(), Instant::now());
        let kept = |kind, times, at| (0..times).filter(|_| flood.admits(kind, at)).count() as u64;
        assert_eq!(kept("a", 1_000, start), KEPT);
        assert_eq!(kept("b", 3, start), 3);
        assert_eq!(flood.take(), [("a", 1_000 - KEPT)]);
        assert_eq!(flood.take(), []);
        assert_eq!(kept("a", 1, start + WINDOW / 2), 0);
        assert_eq!(kept("a", KEPT + 1, start + WINDOW), KEPT);
        assert_eq!(flood.take(), [("a", 2)]);
    }
}
