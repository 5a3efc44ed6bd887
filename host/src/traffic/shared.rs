//! Limits that hold over all hosts together: buckets and the day's quotas in Redis.
//!
//! When Redis is away each host limits for itself, by its own buckets and by what PostgreSQL told it of the day: an
//! outage of a helper must not be one of the host, and no call goes without any limit. That it is away is found out by
//! the calls under way, which wait a second for it at most; after that a task asks, not callers.

use super::account::Charge;
use super::bucket::Buckets;
use super::ledger::{Amounts, Key, Ledger, bounds};
use super::{Error, Which};
use crate::config::Quota;
use arc_swap::ArcSwap;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{RedisError, RedisResult, Script};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long a call waits for Redis. In one network it answers within a millisecond; a host short of CPU must not take
/// itself for alone, and half a second is what an outage costs the calls that find it.
const ANSWER: Duration = Duration::from_millis(500);

/// How long connecting may take, and a whole question with it.
const CONNECT: Duration = Duration::from_secs(1);

/// While Redis is away: time between two questions.
const PROBE: Duration = Duration::from_secs(1);

/// What Redis is asked to find out whether it is one for us: all that a call asks, of nobody's bucket and nobody's day.
/// A server that may not be written to, or holds only a part of the keys, or refuses scripts, answers PING as any other.
const NOBODY: [&str; 2] = ["rowhouse:bucket:nobody", "rowhouse:usage:nobody"];

/// Seconds a day's hash is kept: the day itself, and one for calls that end after midnight.
const KEPT: u64 = 2 * 86_400;

/// Sheets told at once: more would hold up callers' own questions on the same connection.
const BATCH: usize = 500;

/// Questions under way on the connection.
const PIPELINE: usize = 1_024;

/// What Redis says to a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may go, and is counted.
    Go,
    /// A bucket is empty: which of those asked about, and for how long.
    Empty(Which, Duration),
    /// A quota is used up: its place in [`bounds`].
    Exhausted(usize),
}

/// The way to Redis.
pub(super) struct Shared {
    connection: ConnectionManager,
    script: Script,
    bounds: ArcSwap<[i64; 4]>,
    up: AtomicBool,
    /// Something is to be told, or Redis went away.
    news: Notify,
}

impl Shared {
    /// Prepare; connecting happens with the first question. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Redis`] for a URL that cannot be one. The URL is in no error and no log: it may hold a password.
    pub(super) fn new(url: &SecretString, quota: &Quota) -> Result<Self, Error> {
        let client = redis::Client::open(url.expose_secret()).map_err(|_| Error::Redis)?;
        let config = ConnectionManagerConfig::new()
            // The task below tries again; a call does not wait for that.
            .set_number_of_retries(0)
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER))
            .set_pipeline_buffer_size(PIPELINE);
        let connection = ConnectionManager::new_lazy_with_config(client, config).map_err(|_| Error::Redis)?;
        Ok(Self {
            connection,
            script: Script::new(include_str!("admit.lua")),
            bounds: ArcSwap::from_pointee(limits(quota)),
            // Taken for up until a question fails: the first call is to be counted there, too.
            up: AtomicBool::new(true),
            news: Notify::new(),
        })
    }

    /// Hold accounts to this from now on.
    pub(super) fn set_quota(&self, quota: &Quota) {
        self.bounds.store(Arc::new(limits(quota)));
    }

    /// Whether it was there when it was last asked.
    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Whether it answers as it must. Where it does not, it is away from here on.
    pub(super) async fn ask(&self) -> bool {
        match self.probe().await {
            Ok(()) => true,
            Err(error) => {
                self.went_away(&error);
                false
            }
        }
    }

    async fn probe(&self) -> RedisResult<()> {
        let mut asked = self.script.prepare_invoke();
        // One bucket that is full again after a microsecond, no bound, and a day that is over after a second.
        asked.key(&NOBODY[..]).arg(&[1, 1, 1, -1, -1, -1, -1, 1][..]);
        let mut connection = self.connection.clone();
        let answer = tokio::time::timeout(CONNECT, asked.invoke_async::<Vec<u64>>(&mut connection)).await;
        answer.map_err(|_| late())?.map(drop)
    }

    /// Ask for one call. `None`: Redis is away.
    pub(super) async fn admit(
        &self,
        charge: &Charge,
        (day, account): Key,
        buckets: &[(Which, &Buckets)],
    ) -> Option<Verdict> {
        if !self.is_up() {
            return None;
        }
        let mut asked = self.script.prepare_invoke();
        asked.arg(buckets.len());
        for (which, bucket) in buckets {
            asked.key(format!("rowhouse:bucket:{which}:{}", hex::encode(which.key(charge))));
            asked.arg(bucket.interval_us()).arg(bucket.rate.burst);
        }
        asked.key(usage_key((day, account))).arg(&self.bounds.load()[..]).arg(KEPT);
        let mut connection = self.connection.clone();
        let answer = tokio::time::timeout(CONNECT, asked.invoke_async::<Vec<u64>>(&mut connection)).await;
        let verdict = match answer.map_err(|_| late()) {
            Ok(Ok(answer)) => understand(&answer, buckets),
            Ok(Err(error)) | Err(error) => {
                self.went_away(&error);
                return None;
            }
        };
        if verdict.is_none() {
            self.went_away(&RedisError::from((redis::ErrorKind::UnexpectedReturnType, "an answer of another shape")));
        }
        verdict
    }

    /// There is something to tell.
    pub(super) fn wake(&self) {
        self.news.notify_one();
    }

    /// Tell Redis what it has not counted itself, and ask for it while it is away. Ends with `stop`.
    pub(super) async fn serve(&self, ledger: &Ledger, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.news.notified(), if self.is_up() => {}
                () = tokio::time::sleep(PROBE) => {}
            }
            if !self.is_up() {
                if self.probe().await.is_err() {
                    continue;
                }
                self.up.store(true, Ordering::Relaxed);
                // As loud as what it takes back.
                tracing::warn!("Redis answers: limits hold over all hosts together from now on");
            }
            if let Err(error) = self.tell(ledger).await {
                self.went_away(&error);
            }
        }
    }

    /// Tell what is untold. Told in doubt: twice, so that a quota ends early and never late.
    ///
    /// # Errors
    /// Redis is away; what was not told stays.
    pub(super) async fn tell(&self, ledger: &Ledger) -> RedisResult<()> {
        loop {
            let sheets = ledger.take_unshared(BATCH);
            if sheets.is_empty() {
                return Ok(());
            }
            let mut told = redis::pipe();
            told.atomic();
            for (key, amounts) in &sheets {
                add(&mut told, *key, amounts);
            }
            let mut connection = self.connection.clone();
            if let Err(error) = told.exec_async(&mut connection).await {
                ledger.unshare(sheets);
                return Err(error);
            }
        }
    }

    /// Redis is away. Said once for each outage.
    fn went_away(&self, error: &RedisError) {
        if self.up.swap(false, Ordering::Relaxed) {
            // Its kind and no more: the text may quote what was sent.
            tracing::warn!(
                error.kind = ?error.kind(),
                "Redis does not answer as it must: each host limits for itself until it does, by the same numbers"
            );
            self.news.notify_one();
        }
    }
}

/// Bounds as the script takes them: less than none is none.
fn limits(quota: &Quota) -> [i64; 4] {
    bounds(quota).map(|(_, bound)| bound.unwrap_or(-1))
}

fn late() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

fn usage_key((day, account): Key) -> String {
    format!("rowhouse:usage:{day}:{account}")
}

/// The commands that add a sheet to the account's day.
fn add(told: &mut redis::Pipeline, key: Key, amounts: &Amounts) {
    let day = usage_key(key);
    let fields = [
        ("calls", amounts.calls),
        ("rows", amounts.rows),
        ("database_us", amounts.database_us),
        ("embedding_tokens", amounts.embedding_tokens),
    ];
    for (field, amount) in fields.into_iter().filter(|(_, amount)| *amount != 0) {
        told.cmd("HINCRBY").arg(&day).arg(field).arg(amount).ignore();
    }
    told.cmd("EXPIRE").arg(&day).arg(KEPT).ignore();
}

/// What `admit.lua` answered; `None` if that is not one of its answers.
fn understand(answer: &[u64], buckets: &[(Which, &Buckets)]) -> Option<Verdict> {
    let nth = |n: u64| usize::try_from(n).ok()?.checked_sub(1);
    match *answer {
        [0] => Some(Verdict::Go),
        [1, bucket, wait] => {
            let (which, _) = buckets.get(nth(bucket)?)?;
            Some(Verdict::Empty(*which, Duration::from_micros(wait)))
        }
        [2, bound] => nth(bound).filter(|bound| *bound < 4).map(Verdict::Exhausted),
        _ => None,
    }
}
