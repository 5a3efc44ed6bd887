//! An issuer's keys, kept at hand and kept fresh.
//!
//! While calls come, none waits for an issuer whose keys are known: keys that are due are fetched behind its back. After
//! a silence the first one waits for a look, lest it be judged by keys that were withdrawn meanwhile. A key nobody has
//! seen, or a signature that does not fit the one that was seen, is worth one fetch, which all who ask for it share, and
//! not a second one right after: forging must not turn the host into a hammer.

use super::key::Key;
use super::source::Source;
use super::token::Token;
use super::unproven::{Reason, Unproven};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};

/// How often things happen.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// Keys this old are due.
    pub(super) refresh: Duration,
    /// Keys this old judge nobody before they were looked at again.
    pub(super) overdue: Duration,
    /// For so long after a look that failed they do, all the same.
    pub(super) respite: Duration,
    /// Between two fetches for unknown keys.
    pub(super) pause: Duration,
    /// The same, while there are no keys at all: nobody gets in until there are.
    pub(super) pause_without: Duration,
    /// Keys older than this are forgotten.
    pub(super) keep: Duration,
}

impl Pace {
    /// Fetched each 10 minutes while calls come, and before anybody is judged after 20 without: a key the issuer
    /// withdrew is believed no longer than that. An issuer that is down or slow makes callers wait for it once a minute at
    /// most. At most one fetch each 10 seconds for a key or a signature that is not known, each second while there is no
    /// key at all. Kept for an hour while the issuer is down:
    /// access tokens rarely live longer, so longer would serve few, and a key withdrawn because it was stolen must
    /// not live on because somebody keeps us from the issuer.
    pub(super) const USUAL: Self = Self {
        refresh: Duration::from_secs(10 * 60),
        overdue: Duration::from_secs(20 * 60),
        respite: Duration::from_secs(60),
        pause: Duration::from_secs(10),
        pause_without: Duration::from_secs(1),
        keep: Duration::from_secs(60 * 60),
    };
}

/// Callers that may wait for one fetch. Each holds a connection and some 10 KiB for at most 20 seconds.
const WAITING: usize = 256;

/// The keys of one issuer.
pub(super) struct KeySet {
    source: Source,
    pace: Pace,
    shelf: ArcSwap<Shelf>,
    /// When a fetch was last begun. Held for as long as one is under way.
    fetching: Arc<Mutex<Option<Instant>>>,
    /// When the last fetch failed, unless it did not.
    failed: ArcSwapOption<Instant>,
    waiting: Semaphore,
}

#[derive(Default)]
struct Shelf {
    keys: Vec<Key>,
    /// When they came; never, while there are none.
    since: Option<Instant>,
}

impl Shelf {
    /// Whether the key of this name made the token's signature.
    fn judge(&self, token: &Token<'_>, id: &str) -> Result<(), Unproven> {
        if self.since.is_none() {
            return Err(Unproven::new(Reason::IssuerUnreachable, "there are no keys of its issuer"));
        }
        let mut named = self.keys.iter().filter(|key| key.is_called(id)).peekable();
        if named.peek().is_none() {
            return Err(Unproven::new(Reason::UnknownKey, "its issuer publishes no key of that name"));
        }
        // Two keys of one name are told apart by their type (RFC 7517, section 4.5).
        let Some(key) = named.find_map(|key| key.used_with(token.algorithm)) else {
            let what = format!("{:?} is not what its issuer's key may be used with", token.algorithm);
            return Err(Unproven::new(Reason::WrongAlgorithm, what));
        };
        match token.is_signed_by(key) {
            true => Ok(()),
            false => Err(Unproven::new(Reason::BadSignature, "not made by its issuer's key")),
        }
    }
}

impl KeySet {
    pub(super) fn new(source: Source, pace: Pace) -> Self {
        let (shelf, failed, waiting) = (ArcSwap::default(), ArcSwapOption::empty(), Semaphore::new(WAITING));
        Self { source, pace, shelf, fetching: Arc::default(), failed, waiting }
    }

    /// Check a token's signature against the key it names.
    pub(super) async fn check(self: &Arc<Self>, token: &Token<'_>) -> Result<(), Unproven> {
        let id = token.key_id.as_deref();
        let id = id.ok_or_else(|| Unproven::new(Reason::UnknownKey, "the token names no key (`kid`)"))?;
        let mut shelf = self.shelf();
        match shelf.since.map(|since| since.elapsed()) {
            Some(age) if age >= self.pace.overdue && !self.failed_lately() => shelf = self.look_again(&shelf).await?,
            Some(age) if age >= self.pace.refresh => self.refresh_behind(),
            _ => {}
        }
        if !shelf.keys.iter().any(|key| key.is_called(id)) {
            shelf = self.look_again(&shelf).await?;
        }
        let judged = shelf.judge(token, id);
        if !judged.as_ref().is_err_and(|refused| refused.reason() == Reason::BadSignature) {
            return judged;
        }
        // An issuer may have put another key under the same name.
        let fresh = self.look_again(&shelf).await?;
        if fresh.since == shelf.since { judged } else { fresh.judge(token, id) }
    }

    /// See [`Source::ahead`].
    pub(super) fn ahead(&self) -> Option<i64> {
        self.source.ahead()
    }

    /// Fetch the keys now; how many of use there are.
    ///
    /// # Errors
    /// What stood in the way. The keys at hand stay.
    pub(super) async fn refresh(self: Arc<Self>) -> Result<usize, String> {
        let began = Arc::clone(&self.fetching).lock_owned().await;
        self.fetch(began).await
    }

    /// The keys at hand, unless they are too old to be believed.
    fn shelf(&self) -> Arc<Shelf> {
        let shelf = self.shelf.load_full();
        match shelf.since {
            Some(since) if since.elapsed() > self.pace.keep => Arc::default(),
            _ => shelf,
        }
    }

    /// Whether it was tried in vain a moment ago.
    fn failed_lately(&self) -> bool {
        self.failed.load().as_ref().is_some_and(|failed| failed.elapsed() < self.pace.respite)
    }

    /// One errand at a time, however many callers see that keys are due.
    fn refresh_behind(self: &Arc<Self>) {
        let Ok(began) = Arc::clone(&self.fetching).try_lock_owned() else { return };
        if began.is_none_or(|it| it.elapsed() >= self.pace.pause) {
            tokio::spawn(Arc::clone(self).fetch(began));
        }
    }

    /// What is on the shelf after a fetch that began after `seen` was read, if there may be one.
    async fn look_again(self: &Arc<Self>, seen: &Shelf) -> Result<Arc<Shelf>, Unproven> {
        let busy = |_| Unproven::new(Reason::Busy, "too many wait for the keys of its issuer");
        let _place = self.waiting.try_acquire().map_err(busy)?;
        let began = Arc::clone(&self.fetching).lock_owned().await;
        let shelf = self.shelf();
        let pause = if shelf.keys.is_empty() { self.pace.pause_without } else { self.pace.pause };
        // Somebody fetched while we waited, or lately: that is the answer.
        if shelf.since != seen.since || began.is_some_and(|it| it.elapsed() < pause) {
            return Ok(shelf);
        }
        // On its own feet: a caller that leaves must not take the fetch along, and everybody's turn with it.
        let _ = tokio::spawn(Arc::clone(self).fetch(began)).await;
        Ok(self.shelf())
    }

    async fn fetch(self: Arc<Self>, mut began: OwnedMutexGuard<Option<Instant>>) -> Result<usize, String> {
        *began = Some(Instant::now());
        let issuer = self.source.name();
        match self.source.keys().await {
            Ok(keys) => {
                let count = keys.len();
                if count == 0 {
                    tracing::warn!(
                        issuer,
                        "an issuer publishes no key that its settings allow; none of its tokens is believed"
                    );
                }
                self.shelf.store(Arc::new(Shelf { keys, since: Some(Instant::now()) }));
                self.failed.store(None);
                tracing::debug!(issuer, keys = count, "fetched an issuer's keys");
                Ok(count)
            }
            Err(trouble) => {
                self.failed.store(Some(Arc::new(Instant::now())));
                tracing::warn!(issuer, trouble, "an issuer's keys cannot be fetched");
                Err(trouble)
            }
        }
    }
}
