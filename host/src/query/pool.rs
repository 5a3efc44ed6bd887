//! The pools of the three lanes, and the one queue before them.
//!
//! Connections are what is short: tens of calls run at once, each with tens of statements, over ten or twenty of them.
//! Accounts take turns for them as calls do for their places, and one account has some at the most, also while nobody
//! else wants any: a statement under way cannot be taken back, and a neighbour who came a moment later would wait for
//! the longest of them.

use super::fault::{SqlCode, SqlError};
use super::lane::{Failures, Lane, LinkError, Logins, Manager, Ringer, Target};
use super::patience::Patience;
use super::trip::out_of_time;
use crate::config::Pool as Settings;
use crate::hosts::Hosts;
use crate::traffic::{Account, Place, Queue, Shape, Turned};
use arc_swap::{ArcSwap, ArcSwapOption};
use bb8::{PooledConnection, RunError};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::Config;
use tokio_util::sync::CancellationToken;

/// How often the pools look for connections that are idle or old, unless they may be idle for less.
const REAP_EVERY: Duration = Duration::from_secs(15);

/// Statements that may wait for a connection, and of these one account's: 64 calls at once, each with 64 under way, and half
/// of that. Each waits with its text and parameters, a megabyte at the most.
const WAITING: usize = 4_096;
const WAITING_EACH: usize = 2_048;

/// What the pool is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Statements that may run at once.
    pub max: u32,
    /// Statements that run now.
    pub in_use: u32,
    /// Statements that wait for a connection.
    pub waiting: u32,
    /// One for each login role.
    pub lanes: Vec<LaneStatus>,
}

/// What one login role's connections are doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneStatus {
    /// The login role.
    pub role: &'static str,
    /// Connections open.
    pub open: u32,
    /// Connections open that nobody uses.
    pub idle: u32,
    /// Connections made since the start.
    pub made: u64,
    /// Connections closed since the start because their state was unknown, they were used up, or the server left.
    pub broken: u64,
}

struct LanePool {
    lane: Lane,
    pool: bb8::Pool<Manager>,
    failures: Arc<Failures>,
    config: Arc<ArcSwap<Config>>,
}

/// Connections of all lanes.
pub(super) struct Pool {
    /// Whatever the lane: so many connections are in use at once and no more.
    queue: Arc<Queue>,
    shape: Shape,
    /// Who has a place has one of these, too: closing waits until it has all of them.
    inside: Arc<Semaphore>,
    most: u32,
    patience: Duration,
    lanes: ArcSwapOption<Vec<LanePool>>,
}

impl Pool {
    pub(super) fn new(target: &Target, settings: &Settings, patience: &Arc<Patience>) -> Self {
        let vector = Arc::new(OnceCell::new());
        let hosts = Arc::new(Hosts::new(&target.config, settings.connect_timeout()));
        let lanes = Lane::ALL.map(|lane| {
            let (hosts, patience) = (Arc::clone(&hosts), Arc::clone(patience));
            let manager = Manager::new(lane, target, settings, Arc::clone(&vector), hosts, patience);
            let failures = Arc::<Failures>::default();
            let config = Arc::clone(&manager.config);
            let pool = bb8::Pool::builder()
                .max_size(settings.most())
                // Most calls are of one tenant; the other lanes open connections when they are asked for.
                .min_idle((lane == Lane::One).then_some(settings.min))
                .idle_timeout(Duration::from_secs(settings.idle_seconds))
                .max_lifetime(Duration::from_secs(settings.lifetime_seconds))
                .connection_timeout(settings.acquire_timeout())
                // Who waits is told at once and may try again; a pool that retries by itself hides an outage.
                .retry_connection(false)
                .error_sink(Box::new(Ringer(Arc::clone(&failures))))
                .reaper_rate(REAP_EVERY.min(Duration::from_secs(settings.idle_seconds)))
                // The connection used last has the warmest caches, and the others get to be idle.
                .queue_strategy(bb8::QueueStrategy::Lifo)
                .build_unchecked(manager);
            LanePool { lane, pool, failures, config }
        });
        let shape = Shape {
            places: settings.most() as usize,
            each: settings.most_per_tenant() as usize,
            waiting: WAITING,
            waiting_each: WAITING_EACH,
        };
        Self {
            queue: Queue::new(shape),
            shape,
            inside: Arc::new(Semaphore::new(shape.places)),
            most: settings.most(),
            patience: settings.acquire_timeout(),
            lanes: ArcSwapOption::from_pointee(Vec::from(lanes)),
        }
    }

    /// A connection of this lane, and a place among those in use to hold as long as the connection.
    ///
    /// # Errors
    /// [`SqlCode::Unavailable`] when there is none in time or the database cannot be reached,
    /// [`SqlCode::Cancelled`] when `deadline` passes or `cancel` fires first.
    pub(super) async fn link(
        &self,
        lane: Lane,
        account: Account,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<(PooledConnection<'static, Manager>, Guest), SqlError> {
        let until = deadline.min(Instant::now() + self.patience);
        let patience = until.saturating_duration_since(Instant::now());
        let place = self.queue.enter(account, patience, cancel).await.map_err(|turned| match turned {
            Turned::Left => cancelled(),
            Turned::OwnFar(wait) => self.own(account).after(wait),
            Turned::Far(wait) => busy().after(wait),
            _ if until == deadline => out_of_time(),
            Turned::OwnLine | Turned::OwnLate => self.own(account),
            Turned::Line | Turned::Late => busy(),
        })?;
        // There are as many as places, unless closing has begun to take them.
        let inside = Arc::clone(&self.inside).try_acquire_owned().map_err(|_| closing())?;
        let guest = Guest { _inside: inside, _place: place };
        let link = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(cancelled()),
            link = self.connect(lane, until) => link,
        };
        match link {
            Err(_) if Instant::now() >= deadline => Err(out_of_time()),
            link => Ok((link?, guest)),
        }
    }

    /// A connection of this lane, past the queue: for the host's own questions.
    ///
    /// # Errors
    /// [`SqlCode::Unavailable`] when there is none in time or the database cannot be reached.
    pub(super) async fn connect(
        &self,
        lane: Lane,
        until: Instant,
    ) -> Result<PooledConnection<'static, Manager>, SqlError> {
        let lanes = self.lanes.load_full().ok_or_else(closing)?;
        let lane = lanes.iter().find(|l| l.lane == lane).ok_or_else(closing)?;
        let failed = lane.failures.next();
        let link = tokio::select! {
            biased;
            link = timeout_at(until, take(&lane.pool)) => link,
            error = failed => return Err(error),
        };
        match link {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(RunError::User(error))) => Err(SqlError::unreached(error)),
            Ok(Err(RunError::TimedOut)) | Err(_) => Err(busy()),
        }
    }

    /// Make a connection, past the queue and the pool, to see whether one can be made. What comes of it the breaker hears.
    pub(super) async fn look(&self) {
        let lanes = self.lanes.load_full();
        if let Some(lane) = lanes.iter().flat_map(|lanes| lanes.iter()).find(|l| l.lane == Lane::One) {
            drop(lane.pool.dedicated_connection().await);
        }
    }

    /// The account's own statements keep each other waiting.
    fn own(&self, account: Account) -> SqlError {
        let (each, whose) = (self.shape.each, account.whose());
        let text = format!("no connection in time: statements {whose} hold all they may have ({each}); try again");
        SqlError::new(SqlCode::Unavailable, text)
    }

    pub(super) fn status(&self) -> Status {
        let lanes = self.lanes.load();
        let number = |n| u32::try_from(n).unwrap_or(u32::MAX);
        let (in_use, waiting) = (number(self.queue.running()), number(self.queue.waiting()));
        let lanes = lanes.iter().flat_map(|lanes| lanes.iter()).map(|l| {
            let state = l.pool.state();
            let counts = state.statistics;
            LaneStatus {
                role: l.lane.role(),
                open: state.connections,
                idle: state.idle_connections,
                made: counts.connections_created,
                broken: counts.connections_closed_broken + counts.connections_closed_invalid,
            }
        });
        Status { max: self.most, in_use, waiting, lanes: lanes.collect() }
    }

    /// New connections log in with these.
    pub(super) fn set_logins(&self, logins: &Logins) {
        for lane in self.lanes.load().iter().flat_map(|lanes| lanes.iter()) {
            let mut config = Config::clone(&lane.config.load());
            config.password(lane.lane.password(logins).expose_secret());
            lane.config.store(Arc::new(config));
        }
    }

    /// Refuse newcomers, wait at most `patience` for who is inside, close what is open.
    pub(super) async fn close(&self, patience: Duration) {
        let everybody = Arc::clone(&self.inside);
        let _ = timeout(patience, everybody.acquire_many(self.most)).await;
        self.inside.close();
        self.lanes.store(None);
    }
}

/// A place among the connections in use. First the one that closing counts, then the one somebody waits for: who gets
/// the second must find the first.
pub(super) struct Guest {
    _inside: OwnedSemaphorePermit,
    _place: Place,
}

fn cancelled() -> SqlError {
    SqlError::new(SqlCode::Cancelled, "the call was cancelled")
}

fn busy() -> SqlError {
    SqlError::new(SqlCode::Unavailable, "the database is busy; try again")
}

fn closing() -> SqlError {
    SqlError::new(SqlCode::Unavailable, "the server is shutting down")
}

/// The one place that takes a connection.
#[expect(clippy::disallowed_methods, reason = "only the holder of a permit comes here")]
async fn take(pool: &bb8::Pool<Manager>) -> Result<PooledConnection<'static, Manager>, RunError<Arc<LinkError>>> {
    pool.get_owned().await
}
