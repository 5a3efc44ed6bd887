//! The pools of the three lanes, and the one queue before them.

use super::fault::{SqlCode, SqlError};
use super::lane::{Failures, Lane, LinkError, Logins, Manager, Target};
use super::trip::out_of_time;
use crate::config::Pool as Settings;
use arc_swap::{ArcSwap, ArcSwapOption};
use bb8::{PooledConnection, RunError};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::Config;

/// How often the pools look for connections that are idle or old.
const REAP_EVERY: Duration = Duration::from_secs(15);

/// What the pool is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Statements that may run at once.
    pub max: u32,
    /// Statements that run now.
    pub in_use: u32,
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
    /// First come, first served, whatever the lane: so many connections are in use at once and no more.
    places: Arc<Semaphore>,
    most: u32,
    patience: Duration,
    lanes: ArcSwapOption<Vec<LanePool>>,
}

impl Pool {
    pub(super) fn new(target: &Target, settings: &Settings) -> Self {
        let vector = Arc::new(OnceCell::new());
        let lanes = Lane::ALL.map(|lane| {
            let manager = Manager::new(lane, target, settings, Arc::clone(&vector));
            let failures = Arc::clone(&manager.failures);
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
                .reaper_rate(REAP_EVERY)
                // The connection used last has the warmest caches, and the others get to be idle.
                .queue_strategy(bb8::QueueStrategy::Lifo)
                .build_unchecked(manager);
            LanePool { lane, pool, failures, config }
        });
        Self {
            places: Arc::new(Semaphore::new(settings.most() as usize)),
            most: settings.most(),
            patience: settings.acquire_timeout(),
            lanes: ArcSwapOption::from_pointee(Vec::from(lanes)),
        }
    }

    /// A connection of this lane, and a place among those in use to hold as long as the connection.
    ///
    /// # Errors
    /// [`SqlCode::Unavailable`] when there is none in time or the database cannot be reached,
    /// [`SqlCode::Cancelled`] when `deadline` passes first.
    pub(super) async fn link(
        &self,
        lane: Lane,
        deadline: Instant,
    ) -> Result<(PooledConnection<'static, Manager>, OwnedSemaphorePermit), SqlError> {
        let until = deadline.min(Instant::now() + self.patience);
        let late = || match until == deadline {
            true => out_of_time(),
            false => SqlError::new(SqlCode::Unavailable, "the database is busy; try again"),
        };
        let place = timeout_at(until, Arc::clone(&self.places).acquire_owned()).await;
        let place = place.map_err(|_| late())?.map_err(|_| closing())?;
        let lanes = self.lanes.load_full().ok_or_else(closing)?;
        let lane = lanes.iter().find(|l| l.lane == lane).ok_or_else(closing)?;
        let failed = lane.failures.next();
        let link = tokio::select! {
            biased;
            link = timeout_at(until, take(&lane.pool)) => link,
            error = failed => return Err(error),
        };
        match link {
            Ok(Ok(link)) => Ok((link, place)),
            Ok(Err(RunError::User(error))) => Err(SqlError::unavailable(error)),
            Ok(Err(RunError::TimedOut)) | Err(_) => Err(late()),
        }
    }

    pub(super) fn status(&self) -> Status {
        let lanes = self.lanes.load();
        let in_use = self.most.saturating_sub(u32::try_from(self.places.available_permits()).unwrap_or(u32::MAX));
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
        Status { max: self.most, in_use, lanes: lanes.collect() }
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
        let everybody = Arc::clone(&self.places);
        let _ = timeout(patience, everybody.acquire_many(self.most)).await;
        self.places.close();
        self.lanes.store(None);
    }
}

fn closing() -> SqlError {
    SqlError::new(SqlCode::Unavailable, "the server is shutting down")
}
/// The one place that takes a connection.
#[expect(clippy::disallowed_methods, reason = "only the holder of a permit comes here")]
async fn take(pool: &bb8::Pool<Manager>) -> Result<PooledConnection<'static, Manager>, RunError<Arc<LinkError>>> {
    pool.get_owned().await
}
