//! A Redis that hosts share and none depends on: asked with little patience, and left alone for a while when it fails.

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use secrecy::{ExposeSecret, SecretString};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long anybody waits. In one network Redis answers within a millisecond; in more than this whatever is looked for
/// there is made anew.
const ANSWER: Duration = Duration::from_millis(50);

/// How long nobody asks a Redis that failed.
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// The Redis's address cannot be one. It is not repeated: it may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("{0} is no address of a Redis; write redis://host:port")]
pub struct BadAddress(&'static str);

/// The way to it.
pub(crate) struct Commons {
    connection: ConnectionManager,
    /// The setting that names it, and what is kept there: for the log.
    of: (&'static str, &'static str),
    since: Instant,
    /// Milliseconds after `since` before which nobody asks.
    quiet_until: AtomicU64,
    failures: AtomicU64,
}

impl Commons {
    /// Prepare; connecting happens with the first question. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub(crate) fn new(url: &SecretString, setting: &'static str, kept: &'static str) -> Result<Self, BadAddress> {
        let client = redis::Client::open(url.expose_secret()).map_err(|_| BadAddress(setting))?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER));
        let connection = ConnectionManager::new_lazy_with_config(client, config).map_err(|_| BadAddress(setting))?;
        let (quiet_until, failures) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { connection, of: (setting, kept), since: Instant::now(), quiet_until, failures })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether it is asked at the moment.
    pub(crate) fn is_asked(&self) -> bool {
        self.now() >= self.quiet_until.load(Ordering::Relaxed)
    }

    /// How often it failed since the start.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let until = self.now() + u64::try_from(LEFT_ALONE.as_millis()).unwrap_or_default();
        if self.quiet_until.swap(until, Ordering::Relaxed) == 0 {
            let (setting, kept) = self.of;
            tracing::warn!("the Redis of {setting} does not answer; {kept} are kept in memory only");
        }
    }

    /// What it says to this. Nothing where it is left alone, is late, or says something else.
    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, pipe: &redis::Pipeline) -> Option<T> {
        if !self.is_asked() {
            return None;
        }
        let mut connection = self.connection.clone();
        match tokio::time::timeout(ANSWER, pipe.query_async::<T>(&mut connection)).await {
            Ok(Ok(said)) => Some(said),
            Ok(Err(_)) | Err(_) => {
                self.failed();
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_not_repeated() {
        let said = Commons::new(&SecretString::from("http://:hunter2@x"), "cache.redis", "answers").err().unwrap();
        assert!(!format!("{said} {said:?}").contains("hunter2"));
        assert!(said.to_string().starts_with("cache.redis is no address of a Redis"), "{said}");
    }

    #[tokio::test]
    async fn one_that_is_away_is_asked_once_and_left_alone() {
        // Nothing listens at this port of the machine itself.
        let commons = Commons::new(&SecretString::from("redis://127.0.0.1:1"), "cache.redis", "answers").unwrap();
        assert!(commons.is_asked());
        for _ in 0..3 {
            assert!(commons.ask::<()>(redis::pipe().cmd("PING").ignore()).await.is_none());
        }
        assert_eq!((commons.is_asked(), commons.failures()), (false, 1), "once");
    }
}
