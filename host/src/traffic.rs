//! How much, how often, how many at once.
//!
//! Before a call runs it passes three limits: token buckets (its principal's, its tenant's, its tool's), the day's
//! quotas of its account, and the fair queue for a place among the calls that run. A call that is refused by one has
//! paid nothing to the others, but that a call which finds no place in the queue has paid its buckets: otherwise knocking
//! at a full house would be free. The same queue stands once more before the database's connections. With Redis, buckets
//! and quotas hold over all hosts together; without it, buckets are each host's own, and quotas meet in PostgreSQL. The
//! queue is each host's own, as what it guards is.

mod account; // Who is charged.
mod clock; // The time limits go by.
mod bucket; // How often: token buckets of this host.
mod rates; // Which of them a call has to pass.
mod ledger; // How much: what each account used today.
mod book; // The ledger in PostgreSQL.
mod detail; // The same by plugin, for reports.
mod shared; // Buckets and quotas over all hosts, in Redis.
mod queue; // How many at once: the fair queue.
mod pass; // The right to run, and where to tell what a call used.
mod refusal; // What a caller is told whom a limit stops.
mod status; // How they are doing.
mod tune; // Limits that change while calls run.

pub use account::{Account, Charge};
pub use pass::{Pass, Tally, Usage};
pub(crate) use queue::{Place, Queue, Shape, Turned};
pub use refusal::Refusal;
pub use status::Status;
pub use tune::Tuned;

use crate::clerk::Clerk;
use crate::config;
use crate::error::BoxError;
use arc_swap::ArcSwap;
use bucket::Empty;
use clock::Time;
use detail::Detail;
use ledger::{Amounts, Key, Ledger, Stopped};
use pass::Counted;
use rates::Rates;
use shared::{Shared, Verdict};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Callers whose buckets are full again are forgotten this often.
const SWEEP: Duration = Duration::from_secs(60);

/// How long the last write may take when the host closes.
const CLOSING: Duration = Duration::from_secs(5);

/// Why limits cannot be kept as configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rate no bucket can have.
    #[error("traffic.{name}: {why}")]
    Rate {
        /// The setting.
        name: String,
        /// What is wrong and what would not be.
        why: &'static str,
    },
    /// A rate of something that is no tool.
    #[error("traffic.tools: `{0}` names no tool; write \"plugin/tool\"")]
    Tool(String),
    /// Nothing could run, or nothing would ever be written.
    #[error("traffic.{0} must be 1 or more")]
    Zero(&'static str),
    /// The URL of the Redis is not where the settings say.
    #[error("the setting traffic.redis")]
    Secret(#[source] config::SecretError),
    /// Not the URL of a Redis. It is not shown: it may hold a password.
    #[error(
        "traffic.redis is not a URL of Redis: redis://[user:password@]host[:port][/db] or redis+unix:///path (no TLS)"
    )]
    Redis,
}

/// Whose token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The principal's.
    Principal,
    /// The tenant's, or, over several tenants, another one of the principal's.
    Tenant,
    /// That of the tool in the hands of the account.
    Tool,
}

impl Which {
    /// The caller's key among the buckets of this kind.
    fn key(self, charge: &Charge) -> [u8; 16] {
        match self {
            Which::Principal => charge.principal,
            Which::Tenant => charge.account_key(),
            Which::Tool => charge.tool,
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Which::Principal => "principal",
            Which::Tenant => "tenant",
            Which::Tool => "tool",
        })
    }
}

/// What a quota is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Calls,
    Rows,
    DatabaseSeconds,
    EmbeddingTokens,
}

/// All limits. One for the whole process.
pub struct Traffic {
    inner: Arc<Inner>,
    stop: CancellationToken,
}

struct Inner {
    time: Time,
    rates: ArcSwap<Rates>,
    ledger: Ledger,
    detail: Detail,
    clerk: Option<Clerk>,
    shared: Option<Shared>,
    shape: Shape,
    queue: Arc<Queue>,
    /// One writer at a time: the ledger counts on it.
    writing: tokio::sync::Mutex<()>,
    /// Whether PostgreSQL was there at the last write, so that an outage is said once.
    written: AtomicBool,
    /// Days usage is kept in PostgreSQL.
    keep_days: i32,
    flush: Duration,
}

impl Traffic {
    /// Keep these limits, with `calls_at_once` places in the queue. Usage is written through `clerk`; without one, and
    /// without Redis, quotas are this process's own and end with it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Settings that cannot be kept. A Redis that is away is none: see the log.
    pub fn open(settings: config::Traffic, calls_at_once: usize, clerk: Option<Clerk>) -> Result<Self, Error> {
        Self::open_at(Time::real(), settings, calls_at_once, clerk)
    }

    fn open_at(
        time: Time,
        settings: config::Traffic,
        calls_at_once: usize,
        clerk: Option<Clerk>,
    ) -> Result<Self, Error> {
        let positive = |n: usize, name| if n == 0 { Err(Error::Zero(name)) } else { Ok(n) };
        let places = positive(calls_at_once, "concurrent_calls")?;
        let each = settings.concurrent_per_tenant.map_or(places.div_ceil(2), |each| each as usize);
        let each = positive(each, "concurrent_per_tenant")?.min(places);
        positive(usize::from(settings.flush_seconds > 0), "flush_seconds")?;
        positive(settings.keep_days as usize, "keep_days")?;
        let waiting = positive(settings.waiting as usize, "waiting")?;
        let waiting_each = positive(settings.waiting_per_tenant as usize, "waiting_per_tenant")?;
        let rates = Rates::open(&settings, &time)?;
        let redis = settings.redis.as_ref().map(config::Secret::resolve).transpose().map_err(Error::Secret)?;
        let shared = redis.as_ref().map(|url| Shared::new(url, &settings.quota)).transpose()?;
        let shape = Shape { places, each, waiting, waiting_each };
        let inner = Arc::new(Inner {
            time,
            rates: ArcSwap::from_pointee(rates),
            ledger: Ledger::new(settings.quota, clerk.is_some(), shared.is_some()),
            detail: Detail::new(clerk.is_some()),
            clerk,
            shared,
            shape,
            queue: Queue::new(shape),
            writing: tokio::sync::Mutex::default(),
            written: AtomicBool::new(true),
            keep_days: i32::try_from(settings.keep_days).unwrap_or(i32::MAX),
            flush: Duration::from_secs(settings.flush_seconds),
        });
        let stop = CancellationToken::new();
        tokio::spawn(keep(Arc::clone(&inner), stop.clone()));
        if inner.shared.is_some() {
            tokio::spawn(tell(Arc::clone(&inner), stop.clone()));
        }
        Ok(Self { inner, stop })
    }

    /// Over what limits hold, for whoever starts the host. Asks Redis, where there should be one, for a second at most.
    pub async fn terms(&self) -> String {
        let quotas = self.inner.ledger.is_limited();
        if !quotas && !self.inner.rates.load().are_some() {
            return "on calls at once only, each host for itself".to_owned();
        }
        match (&self.inner.shared, &self.inner.clerk) {
            (Some(shared), _) if shared.ask().await => "over all hosts that share this Redis".to_owned(),
            (Some(_), _) => "each host for itself, since Redis does not answer as it must".to_owned(),
            (None, Some(_)) if quotas => {
                let seconds = self.inner.flush.as_secs();
                format!("each host for itself (no traffic.redis); quotas of all hosts meet every {seconds} s")
            }
            (None, _) => "each host for itself (no traffic.redis)".to_owned(),
        }
    }

    /// Whether limits hold over all hosts right now: Redis answers as it must.
    pub fn is_shared(&self) -> bool {
        self.inner.shared.as_ref().is_some_and(Shared::is_up)
    }

    /// Let one call in, or say which limit stops it. It is counted from here on, whatever becomes of it; a call that
    /// finds no place in the queue has paid its buckets and is not counted in the day. It waits a quarter of its time
    /// at most: what is left must be enough to answer with.
    ///
    /// # Errors
    /// [`Code::RateLimited`](crate::error::Code::RateLimited) and
    /// [`Code::QuotaExceeded`](crate::error::Code::QuotaExceeded), with the time to wait;
    /// [`Code::Overloaded`](crate::error::Code::Overloaded) when the host has as many calls as it may;
    /// [`Code::Cancelled`](crate::error::Code::Cancelled) when the caller left first.
    pub async fn admit(
        &self,
        charge: &Charge,
        deadline: Instant,
        cancelled: &CancellationToken,
    ) -> Result<Pass, Refusal> {
        let key = (self.inner.time.day(), charge.account);
        let counted = tokio::select! {
            counted = self.inner.count(charge, key) => counted?,
            () = cancelled.cancelled() => return Err(refusal::left()),
        };
        let patience = deadline.saturating_duration_since(Instant::now()) / 4;
        let place = self.inner.queue.enter(charge.account, patience, cancelled).await;
        let place = place.map_err(|turned| refusal::turned(turned, &self.inner.shape, charge.account))?;
        Ok(Pass::new(counted.keep(), place))
    }

    /// Calls that run right now.
    pub fn running(&self) -> usize {
        self.inner.queue.running()
    }

    /// Stop, and write what is unwritten: after the last call has ended.
    pub async fn close(&self) {
        self.stop.cancel();
        let told = async {
            if let Some(shared) = &self.inner.shared {
                // What Redis does not hear now it does not need: PostgreSQL has the day's totals.
                let _ = shared.tell(&self.inner.ledger).await;
            }
        };
        let (written, ()) = tokio::join!(tokio::time::timeout(CLOSING, self.inner.write()), told);
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!("the usage since the last write could not be written and is forgotten");
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Inner {
    /// Pass buckets and quotas, and count the call.
    async fn count(self: &Arc<Self>, charge: &Charge, key: Key) -> Result<Counted, Refusal> {
        // Before anything that costs: who knocks too often costs nothing.
        let rates = self.rates.load_full();
        rates.look(charge)?;
        if self.ledger.is_limited()
            && self.ledger.is_unread(key)
            && let Some(clerk) = &self.clerk
        {
            // Without an answer the call goes by what is known here; the next write brings the rest.
            if let Err(error) = book::read(clerk, &self.ledger, key).await {
                tracing::debug!(error = %error, "an account's usage could not be read");
            }
        }
        self.ledger.admit(key).map_err(|stopped| match stopped {
            Stopped::Exhausted(measure) => self.exhausted(measure, key),
            Stopped::Full => refusal::ledger_full(),
        })?;
        // Whatever refuses it from here on, this takes it back.
        let mut counted = Counted::new(Tally::new(Arc::clone(self), key, charge));
        let Some(shared) = &self.shared else {
            rates.take(charge)?;
            return Ok(counted);
        };
        match shared.admit(charge, key, &rates.of(charge)).await {
            Some(Verdict::Go) => {
                counted.is_shared();
                // This host's share goes from its own buckets, too: when Redis leaves, they are as full as they are.
                let _ = rates.take(charge);
            }
            None => {
                rates.take(charge)?;
                self.ledger.owe(key);
                counted.is_shared();
                shared.wake();
            }
            Some(Verdict::Empty(which, wait)) => return Err(rates.refuse(which, charge, &Empty::Until(wait))),
            Some(Verdict::Exhausted(bound)) => {
                let (measure, _) = ledger::bounds(&self.ledger.quota())[bound];
                return Err(self.exhausted(measure, key));
            }
        }
        Ok(counted)
    }

    fn exhausted(&self, measure: Measure, (_, account): Key) -> Refusal {
        refusal::quota(measure, &self.ledger.quota(), account, self.time.till_midnight())
    }

    fn add(&self, key: Key, amounts: Amounts) {
        self.put(key, amounts, false);
    }

    /// A call does not run after all. `shared`: Redis counts it, too, and has to be told.
    fn take_back(&self, key: Key, shared: bool) {
        self.put(key, Amounts::CALL_BACK, !shared);
    }

    fn put(&self, key: Key, amounts: Amounts, known: bool) {
        // No room: the account's sheet was given up for newer days, and with it what it would have been added to.
        if self.ledger.add(key, amounts, known).is_ok()
            && let Some(shared) = &self.shared
        {
            shared.wake();
        }
    }

    async fn write(&self) -> Result<(), BoxError> {
        let _alone = self.writing.lock().await;
        match &self.clerk {
            Some(clerk) => {
                // Quotas first: calls wait for what they say. The one is written where the other cannot be.
                let quotas = book::write(clerk, &self.ledger).await;
                self.detail.write(clerk).await.and(quotas)
            }
            None => Ok(()),
        }
    }

    /// Delete what was kept long enough. Once a day: what fails today is done tomorrow.
    async fn clear(&self, today: i32) {
        let Some(clerk) = &self.clerk else { return };
        let first = today.saturating_sub(self.keep_days);
        if let Err(error) = book::clear(clerk, first).await.and(detail::clear(clerk, first).await) {
            tracing::warn!(error = %error, "usage older than traffic.keep_days cannot be deleted today");
        }
    }
}

/// Write usage down, again and again, and forget what is over.
async fn keep(inner: Arc<Inner>, stop: CancellationToken) {
    let (mut swept, mut cleared) = (Instant::now(), None);
    while stop.run_until_cancelled(tokio::time::sleep(inner.flush)).await.is_some() {
        let written = inner.write().await;
        match (&written, inner.written.swap(written.is_ok(), Ordering::Relaxed)) {
            (Err(error), true) => {
                tracing::warn!(error = %error, "usage cannot be written; it is counted on and written later");
            }
            // As loud as what it takes back.
            (Ok(()), false) => tracing::warn!("usage is written again"),
            _ => {}
        }
        let today = inner.time.day();
        inner.ledger.turn_page(today);
        if written.is_ok() && cleared.replace(today) != Some(today) {
            inner.clear(today).await;
        }
        if swept.elapsed() >= SWEEP {
            swept = Instant::now();
            inner.rates.load().sweep();
        }
    }
}

/// Tell Redis what it has not counted.
async fn tell(inner: Arc<Inner>, stop: CancellationToken) {
    if let Some(shared) = &inner.shared {
        shared.serve(&inner.ledger, &stop).await;
    }
}

#[cfg(test)]
mod tests;
