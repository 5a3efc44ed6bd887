//! What the host knows of the database's health, and how long it waits for it: a breaker, the waits between tries, and
//! which idle connections have to prove themselves.
//!
//! After five connections in a row that could not be made nobody waits for one: callers are answered at once, and the host
//! alone looks whether the database is back, two to four times a second. The first connection that is made closes the
//! breaker. After a connection is lost under a statement, each one that is idle is asked for a sign of life before it is
//! given out; if one gives none, all that are as old go with it.

use super::Shared;
use super::fault::{SqlCode, SqlError};
use crate::telemetry::{Breaker, Dial};
use backon::{BackoffBuilder, ConstantBuilder, ExponentialBuilder};
use failsafe::failure_policy::{self, ConsecutiveFailures};
use failsafe::{Instrument, StateMachine, backoff};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Connections in a row that open the breaker: more than one host of several going away makes, and soon reached by a pool
/// that has lost them all.
const FAILURES: u32 = 5;

/// Between two looks whether the database is back, and up to as much again at random: hosts do not come back together. So
/// it is served again within a second of its return.
const LOOK: Duration = Duration::from_millis(250);

/// Looks that may wait for an answer at once. A host that takes packets and says nothing holds each for seconds.
const LOOKS: usize = 4;

/// The first wait between two tries of a statement, and the longest. Doubled each time, with a little at random: what was
/// lost together does not come back together.
const WAIT_FIRST: Duration = Duration::from_millis(50);
const WAIT_MOST: Duration = Duration::from_secs(1);

/// What callers are told to wait: a quarter of how long the database has been away, within these. Who comes back every
/// second for an hour finds the same nothing.
const TOLD_LEAST: Duration = Duration::from_secs(1);
const TOLD_MOST: Duration = Duration::from_secs(15);

/// How long a sign of life may take: there and back once. A server that needs longer is no better known than one that is
/// away, and a database that has answered nobody for as long is silent.
pub(super) const SIGN: Duration = Duration::from_secs(1);

/// The breaker, the waits, and what was lost.
pub(super) struct Patience {
    /// When this began, and how many milliseconds after that the database last answered.
    since: Instant,
    heard: AtomicU64,
    breaker: StateMachine<ConsecutiveFailures<backoff::Constant>, Gauge>,
    gauge: Gauge,
    tries: usize,
    /// How often connections were lost, and as of which of these times all older ones are gone.
    losses: AtomicU64,
    condemned: AtomicU64,
}

/// Told by the breaker what it does.
#[derive(Clone)]
struct Gauge(Arc<Needle>);

struct Needle {
    standing: Dial,
    /// Since when the database is away, while it is.
    away: Mutex<Option<Instant>>,
    /// Whether statements run.
    runs: watch::Sender<bool>,
}

impl Gauge {
    fn since(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Instrument for Gauge {
    fn on_call_rejected(&self) {}

    fn on_open(&self) {
        // Once for an outage, however often a look finds that it lasts. Whoever sees that it is open is turned away.
        let begins = {
            let mut since = self.since();
            let begins = since.is_none();
            since.get_or_insert_with(Instant::now);
            begins
        };
        self.0.standing.turn(Breaker::Open);
        if begins {
            tracing::warn!("the database cannot be reached; callers are told so at once until it is back");
            self.0.runs.send_replace(false);
        }
    }

    fn on_half_open(&self) {
        self.0.standing.turn(Breaker::HalfOpen);
    }

    fn on_closed(&self) {
        self.0.standing.turn(Breaker::Closed);
        // As loud as what it takes back.
        if let Some(since) = self.since().take() {
            tracing::warn!(away_ms = since.elapsed().as_millis(), "the database is reached again");
            self.0.runs.send_replace(true);
        }
    }
}

impl Patience {
    /// With so many tries for a statement whose connection is lost, the first included.
    pub(super) fn new(tries: usize) -> Arc<Self> {
        let needle = Needle { standing: Dial::default(), away: Mutex::default(), runs: watch::channel(true).0 };
        let gauge = Gauge(Arc::new(needle));
        let policy = failure_policy::consecutive_failures(FAILURES, backoff::constant(LOOK));
        Arc::new(Self {
            since: Instant::now(),
            heard: AtomicU64::new(0),
            breaker: StateMachine::new(policy, gauge.clone()),
            gauge,
            tries,
            losses: AtomicU64::new(0),
            condemned: AtomicU64::new(0),
        })
    }

    /// How the breaker stands.
    pub(super) fn standing(&self) -> Breaker {
        self.gauge.0.standing.read()
    }

    /// Since when the database is away. `None`: it is not.
    pub(super) fn away(&self) -> Option<Duration> {
        self.gauge.since().map(|since| since.elapsed())
    }

    /// Whether a statement may ask for a connection.
    ///
    /// # Errors
    /// [`SqlCode::Unavailable`] while the database is away, with the time to wait.
    pub(super) fn permit(&self) -> Result<(), SqlError> {
        let Some(away) = self.away() else { return Ok(()) };
        let wait = (away / 4).clamp(TOLD_LEAST, TOLD_MOST);
        let text = format!("the database cannot be reached at the moment; try again in {} s", wait.as_secs());
        Err(SqlError::new(SqlCode::Unavailable, text).after(wait))
    }

    /// The waits before the second try of a statement, the third and so on.
    pub(super) fn waits(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        let waits = ExponentialBuilder::default().with_min_delay(WAIT_FIRST).with_max_delay(WAIT_MOST);
        waits.with_factor(2.0).with_max_times(self.tries.saturating_sub(1)).with_jitter().build()
    }

    /// Whether nobody has had an answer from the database lately: what waits for it does so for no fault of its own.
    pub(super) fn is_silent(&self) -> bool {
        let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(heard) >= SIGN
    }

    /// The database answered: a connection was made, or a statement came back.
    pub(super) fn answered(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(now, Ordering::Relaxed);
        match self.standing() {
            Breaker::Closed => self.breaker.on_success(),
            // Whoever hears it first: also a connection that was older than the outage.
            Breaker::Open | Breaker::HalfOpen => {
                self.breaker.reset();
                // A breaker that was closed by somebody else a moment ago does not say so again.
                self.gauge.on_closed();
            }
        }
    }

    /// A connection could not be made, and nothing answered.
    pub(super) fn failed(&self) {
        self.breaker.on_error();
    }

    /// A connection was lost, and others may have been with it.
    pub(super) fn lost(&self) {
        self.losses.fetch_add(1, Ordering::AcqRel);
    }

    /// How often any was. A connection that was made, or gave a sign of life, at this count is good.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    /// One that was lost at this count gave no sign of life: whatever is as old is gone, too.
    pub(super) fn condemn(&self, losses: u64) {
        self.condemned.fetch_max(losses, Ordering::AcqRel);
    }

    /// Whether a connection this old is gone, with no need to ask it.
    pub(super) fn is_condemned(&self, stamp: u64) -> bool {
        stamp < self.condemned.load(Ordering::Acquire)
    }
}

/// Look, while the database is away, whether it is back. Ends with the pool.
pub(super) async fn look(patience: Arc<Patience>, of: Weak<Shared>) {
    let mut runs = patience.gauge.0.runs.subscribe();
    // Never ends by itself: the gauge, and with it the sender, is ours as well.
    while runs.wait_for(|runs| !runs).await.is_ok() {
        let mut looks = JoinSet::new();
        let mut pauses = ConstantBuilder::default().with_delay(LOOK).without_max_times().with_jitter().build();
        while !*runs.borrow() {
            let Some(shared) = of.upgrade() else { return };
            while looks.try_join_next().is_some() {}
            // What it finds it tells the breaker itself, as every connection does.
            if looks.len() < LOOKS && patience.breaker.is_call_permitted() {
                looks.spawn(async move { shared.pool.look().await });
            }
            let pause = pauses.next().unwrap_or(LOOK);
            let _ = tokio::time::timeout(pause, runs.wait_for(|runs| *runs)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_jittered_and_are_as_many_as_tries_but_one() {
        for tries in [1, 2, 6] {
            assert_eq!(Patience::new(tries).waits().count(), tries - 1, "{tries}");
        }
        let twice: Vec<Vec<Duration>> = (0..2).map(|_| Patience::new(6).waits().collect()).collect();
        assert_ne!(twice[0], twice[1], "jitter");
        for (n, wait) in twice[0].iter().enumerate() {
            let least = WAIT_FIRST * 2_u32.pow(u32::try_from(n).unwrap());
            assert!((least..=least * 2).contains(wait), "{n}: {wait:?}");
        }
    }

    #[test]
    fn who_cannot_be_reached_is_left_alone_until_it_answers() {
        let patience = Patience::new(3);
        let open = |patience: &Patience| (patience.standing() != Breaker::Closed, patience.permit().is_err());
        for _ in 1..FAILURES {
            patience.failed();
        }
        // In a row.
        patience.answered();
        for _ in 1..FAILURES {
            patience.failed();
        }
        assert_eq!(open(&patience), (false, false));
        patience.failed();
        assert_eq!((open(&patience), *patience.gauge.0.runs.borrow()), ((true, true), false));
        let told = patience.permit().unwrap_err();
        assert_eq!((told.code, told.wait), (SqlCode::Unavailable, Some(TOLD_LEAST)));
        assert!(told.message.contains("cannot be reached") && told.message.contains("in 1 s"), "{told}");
        // Any answer ends it, however it came.
        patience.answered();
        assert_eq!((open(&patience), *patience.gauge.0.runs.borrow()), ((false, false), true));
    }

    #[test]
    fn a_database_that_answers_nobody_for_a_second_is_silent() {
        let mut patience = Patience::new(3);
        assert!(!patience.is_silent());
        let inner = Arc::get_mut(&mut patience).expect("nobody else has it");
        inner.since = Instant::now().checked_sub(2 * SIGN).expect("a machine that has run for two seconds");
        assert!(patience.is_silent());
        patience.failed();
        assert!(patience.is_silent());
        patience.answered();
        assert!(!patience.is_silent());
    }

    #[test]
    fn one_that_gives_no_sign_of_life_takes_those_as_old_along() {
        let patience = Patience::new(3);
        let stamp = patience.losses();
        assert!(!patience.is_condemned(stamp));
        patience.lost();
        assert_ne!(patience.losses(), stamp, "it has to prove itself");
        let fresh = patience.losses();
        patience.condemn(fresh);
        assert!(patience.is_condemned(stamp) && !patience.is_condemned(fresh));
    }
}
