//! Token buckets of this host: how often.

use super::clock::Time;
use crate::config::Rate;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Callers one bucket's table remembers. A caller who has rested is forgotten without loss; more than this many, all
/// busy within the time a bucket needs to fill, are more than a host can serve. Some 5 MiB.
const REMEMBERED: usize = 100_000;

/// Calls a second at most, and seconds an empty bucket may need to fill: a week. Beyond either the numbers below would
/// lose their digits.
const FASTEST: f64 = 1_000_000.0;
const SLOWEST: f64 = 7.0 * 86_400.0;

/// Why a bucket gives nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Empty {
    /// It holds the next call after this time.
    Until(Duration),
    /// There is no room to remember another caller.
    Crowded,
}

/// One kind of bucket, for many callers.
pub(super) struct Buckets {
    pub(super) rate: Rate,
    /// What one call costs, as time.
    interval: Duration,
    limiter: RateLimiter<Ask, Cells, Time, NoOpMiddleware<Nanos>>,
    time: Time,
}

impl Buckets {
    /// Buckets that fill at this rate.
    ///
    /// # Errors
    /// What is wrong with a rate no bucket can have, and what would not be.
    pub(super) fn new(rate: Rate, time: Time) -> Result<Self, &'static str> {
        if !(rate.per_second > 0.0 && rate.per_second <= FASTEST) {
            return Err("per_second must be above 0 and at most 1000000");
        }
        let burst = NonZeroU32::new(rate.burst).ok_or("burst must be 1 or more")?;
        if f64::from(rate.burst) / rate.per_second > SLOWEST {
            return Err("an empty bucket must fill within a week: raise per_second or lower burst");
        }
        let interval = Duration::from_secs_f64(1.0 / rate.per_second);
        let quota = Quota::with_period(interval).ok_or("per_second is too large")?.allow_burst(burst);
        Ok(Self { rate, interval, limiter: RateLimiter::new(quota, Cells::default(), time.clone()), time })
    }

    /// Microseconds between two calls in the long run.
    pub(super) fn interval_us(&self) -> u64 {
        u64::try_from(self.interval.as_micros()).unwrap_or(u64::MAX).max(1)
    }

    /// Whether there is a call in the bucket; it stays there.
    pub(super) fn look(&self, key: [u8; 16]) -> Result<(), Empty> {
        self.ask(Ask { key, take: false })
    }

    /// Take a call out of the bucket.
    pub(super) fn take(&self, key: [u8; 16]) -> Result<(), Empty> {
        if self.limiter.len() >= REMEMBERED {
            self.limiter.retain_recent();
            if self.limiter.len() >= REMEMBERED {
                return Err(Empty::Crowded);
            }
        }
        self.ask(Ask { key, take: true })
    }

    fn ask(&self, ask: Ask) -> Result<(), Empty> {
        self.limiter.check_key(&ask).map_err(|not| Empty::Until(not.wait_time_from(self.time.now())))
    }

    /// Forget callers whose bucket is full again.
    pub(super) fn sweep(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// A question to a bucket: may a call go, and does it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Ask {
    key: [u8; 16],
    take: bool,
}

/// Where the limiter keeps its cells. The library's own stores can only take; a call that the third bucket refuses
/// would have paid the first two.
#[derive(Default)]
struct Cells(Mutex<HashMap<[u8; 16], Nanos>>);

impl Cells {
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 16], Nanos>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Cells {
    type Key = Ask;

    fn measure_and_replace<T, F, E>(&self, ask: &Ask, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut cells = self.lock();
        let (outcome, next) = f(cells.get(&ask.key).copied())?;
        if ask.take {
            cells.insert(ask.key, next);
        }
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<Ask> for Cells {
    fn retain_recent(&self, drop_below: Nanos) {
        self.lock().retain(|_, cell| *cell > drop_below);
    }

    fn shrink_to_fit(&self) {
        self.lock().shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.lock().len()
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn buckets(per_second: f64, burst: u32) -> (Buckets, Arc<AtomicU64>) {
        let now = Arc::new(AtomicU64::new(1_000_000_000));
        let rate = Rate { per_second, burst };
        (Buckets::new(rate, Time::Set(Arc::clone(&now))).unwrap(), now)
    }

    #[test]
    fn a_look_takes_nothing_and_a_taker_waits() {
        let (buckets, now) = buckets(4.0, 2);
        let (ann, bob) = ([1; 16], [2; 16]);
        for _ in 0..10 {
            assert_eq!(buckets.look(ann), Ok(()));
        }
        assert_eq!((buckets.take(ann), buckets.take(ann)), (Ok(()), Ok(())));
        assert_eq!(buckets.look(ann), Err(Empty::Until(Duration::from_millis(250))));
        now.fetch_add(100_000_000, Ordering::Relaxed);
        assert_eq!(buckets.take(ann), Err(Empty::Until(Duration::from_millis(150))));
        assert_eq!(buckets.take(bob), Ok(()));
        now.fetch_add(150_000_000, Ordering::Relaxed);
        assert_eq!(buckets.take(ann), Ok(()));
    }

    #[test]
    fn the_rested_are_forgotten_and_the_table_has_an_end() {
        let (buckets, now) = buckets(1.0, 1);
        let caller = |n: usize| (n as u128).to_be_bytes();
        for n in 0..REMEMBERED {
            assert_eq!(buckets.take(caller(n)), Ok(()));
        }
        assert_eq!(buckets.take(caller(REMEMBERED)), Err(Empty::Crowded));
        now.fetch_add(2_000_000_000, Ordering::Relaxed);
        assert_eq!(buckets.take(caller(REMEMBERED)), Ok(()));
        assert_eq!(buckets.limiter.len(), 1);
        now.fetch_add(2_000_000_000, Ordering::Relaxed);
        buckets.sweep();
        assert!(buckets.limiter.is_empty());
    }

    #[test]
    fn rates_no_bucket_can_have_are_refused() {
        for (per_second, burst, named) in [
            (0.0, 1, "per_second"),
            (-1.0, 1, "per_second"),
            (f64::NAN, 1, "per_second"),
            (f64::INFINITY, 1, "per_second"),
            (2_000_000.0, 1, "per_second"),
            (1.0, 0, "burst"),
            (0.000_001, 1, "within a week"),
            (1.0, u32::MAX, "within a week"),
        ] {
            let said = Buckets::new(Rate { per_second, burst }, Time::real()).err().unwrap_or_default();
            assert!(said.contains(named), "{per_second} {burst}: {said}");
        }
    }
}
