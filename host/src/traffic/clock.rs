//! The time limits go by.

use governor::clock::Clock;
use governor::nanos::Nanos;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds of a day of UTC, which knows no leap seconds as far as POSIX goes.
const DAY: u64 = 24 * 60 * 60;

/// The time limits go by: a steady one for buckets, the calendar for quotas.
#[derive(Clone, Debug)]
pub(super) enum Time {
    /// The machine's.
    Real { start: Instant },
    /// A test's: nanoseconds since 1970, for both.
    #[cfg(test)]
    Set(std::sync::Arc<std::sync::atomic::AtomicU64>),
}

impl Time {
    /// The machine's.
    pub(super) fn real() -> Self {
        Time::Real { start: Instant::now() }
    }

    /// Since 1970.
    fn calendar(&self) -> Duration {
        match self {
            Time::Real { .. } => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            #[cfg(test)]
            Time::Set(now) => Duration::from_nanos(now.load(std::sync::atomic::Ordering::Relaxed)),
        }
    }

    /// The day of UTC, counted from 1970-01-01.
    pub(super) fn day(&self) -> i32 {
        i32::try_from(self.calendar().as_secs() / DAY).unwrap_or(i32::MAX)
    }

    /// How long until the next one.
    pub(super) fn till_midnight(&self) -> Duration {
        Duration::from_secs(DAY - self.calendar().as_secs() % DAY)
    }
}

impl Clock for Time {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        match self {
            Time::Real { start } => start.elapsed().into(),
            #[cfg(test)]
            Time::Set(_) => self.calendar().into(),
        }
    }
}
