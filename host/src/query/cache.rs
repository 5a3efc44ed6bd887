//! Answers of statements, given again.
//!
//! An answer is kept under everything that can change it or say who may see it: the component that asks, the statement to
//! the letter, its parameters, whose rows, by which login role, which relations may be read, how much an answer may have,
//! and which database in which shape ([`key`]). No two tenants share one, so nobody learns by its time what another asked.
//!
//! What is kept: answers that follow from rows alone (`gate/settled.rs`), of relations whose tables all tell of their
//! changes ([`sources`]), while they are told ([`changes`]), and never longer than the settings say. Equal questions at one
//! time are asked once ([`flight`]). A Redis may hold a second level, encrypted ([`shared`], [`seal`]).
//!
//! Every answer passes what it would pass without: the gate, the grant, the bounds, the tally. Only the way to the
//! database and back is left out.

mod answer;
mod changes;
mod count;
mod flight;
mod kept;
mod key;
mod seal;
mod shared;
mod sources;

pub use count::{Counted, Status};

use super::Database;
use crate::clerk::Ear;
use crate::commons::BadAddress;
use crate::config;
use crate::keys::Keys;
use changes::{Changes, Stamp};
use count::{Counts, add};
use flight::Flights;
pub(super) use kept::Kept;
use key::{Asker, Key};
use moka::notification::RemovalCause;
use moka::sync::Cache as Memory;
use shared::{Found, Shared};
use sources::Sources;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// How often a statement waits for an equal one before it goes alone: where tables change faster than they are read,
/// waiting finds nothing that holds.
const WAITS: usize = 3;

/// Between two tries to tell other hosts of changes.
const AGAIN: Duration = Duration::from_secs(1);

/// An answer, and what it was read from.
pub(super) struct Entry {
    kept: Arc<Kept>,
    /// Before its statement began.
    began: Instant,
    tick: u64,
    tables: Arc<[u32]>,
}

/// The cache. One for the whole process; cheap to clone.
#[derive(Clone)]
pub struct Answers(Arc<Inner>);

struct Inner {
    settings: config::Cache,
    memory: Memory<Key, Arc<Entry>>,
    flights: Flights,
    changes: Arc<Changes>,
    shared: Option<Arc<Shared>>,
    counts: Arc<Counts>,
    /// What was last said of relations whose answers are not kept.
    said: Mutex<BTreeSet<String>>,
}

/// Who asks, for as long as a call lasts.
pub(super) struct Asking {
    answers: Answers,
    asker: Asker,
}

/// One statement that may be answered again.
struct Question {
    key: Key,
    stamp: Stamp,
}

impl Answers {
    /// As the settings say. Must be called inside a tokio runtime. Nothing is kept before the database tells of changes:
    /// see [`Answers::ear`] and [`Database::learn`].
    ///
    /// # Errors
    /// A Redis whose address is none.
    pub fn open(
        settings: &config::Cache,
        redis: Option<&secrecy::SecretString>,
        keys: &Keys,
    ) -> Result<Self, BadAddress> {
        let counts = Arc::new(Counts::default());
        let evicted = Arc::clone(&counts);
        let memory = Memory::builder()
            .max_capacity(settings.bytes)
            .weigher(|_: &Key, entry: &Arc<Entry>| u32::try_from(entry.kept.size()).unwrap_or(u32::MAX))
            .time_to_live(settings.life())
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    add(&evicted.evicted);
                }
            })
            .build();
        let shared = redis.map(|url| Shared::new(url, settings.life(), keys).map(Arc::new)).transpose()?;
        Ok(Self(Arc::new(Inner {
            settings: settings.clone(),
            memory,
            flights: Flights::default(),
            changes: Arc::default(),
            shared,
            counts,
            said: Mutex::default(),
        })))
    }

    /// What is to hear of changes to tables.
    pub fn ear(&self) -> Arc<dyn Ear> {
        Arc::clone(&self.0.changes) as Arc<dyn Ear>
    }

    /// Seal with these keys from now on, and open what the ones before sealed while their grace lasts.
    pub fn set_keys(&self, keys: &Keys) {
        if let Some(shared) = &self.0.shared {
            shared.set_keys(keys);
        }
    }

    /// Give none of the answers there are to anybody, here or on other hosts.
    pub fn forget(&self) {
        self.0.changes.forget();
        self.empty();
    }

    /// Keep nothing of what is in memory here. What other hosts kept stays good.
    pub fn empty(&self) {
        self.0.memory.invalidate_all();
    }

    /// Changes may go untold, for a reason the connection does not know of: keep nothing. With `true`, go on.
    pub fn hears(&self, hears: bool) {
        if hears { self.0.changes.hears() } else { self.0.changes.deaf() }
    }

    /// Until it should be found out anew what statements read.
    pub async fn to_learn(&self) {
        self.0.changes.look.notified().await;
    }

    /// Have it found out anew.
    pub fn learn_again(&self) {
        self.0.changes.look.notify_one();
    }

    /// Tell other hosts of changes, until the caller ends it.
    pub async fn tell_others(&self) {
        let (changes, Some(shared)) = (&self.0.changes, &self.0.shared) else { return };
        loop {
            changes.tell.notified().await;
            while let (untold, Some(place)) = (changes.untold(), changes.place()) {
                if untold.is_empty() {
                    break;
                }
                match shared.tell(&place, &untold).await {
                    true => changes.told(&untold),
                    false => tokio::time::sleep(AGAIN).await,
                }
            }
        }
    }

    /// How it stands, and what it did.
    pub fn status(&self) -> Status {
        let inner = &self.0;
        inner.memory.run_pending_tasks();
        let (changes, told) = inner.changes.counts();
        let mut counted = inner.counts.read();
        if let Some(shared) = &inner.shared {
            counted.shared_failures = shared.failures();
        }
        Status {
            standing: inner.changes.standing(),
            shared: inner.shared.as_ref().map(|shared| shared.is_asked()),
            answers: inner.memory.entry_count(),
            bytes: inner.memory.weighted_size(),
            told,
            changes,
            counted,
        }
    }

    /// The answer that is kept, if it may still be given, and how old it is.
    fn find(&self, question: &Question) -> Option<Arc<Entry>> {
        let entry = self.0.memory.get(&question.key)?;
        if !self.holds(&entry) {
            self.0.memory.invalidate(&question.key);
            add(&self.0.counts.invalidated);
            return None;
        }
        Some(entry)
    }

    /// Whether an answer may be given now. Its age counts from before its statement began, whatever the memory says.
    fn holds(&self, entry: &Entry) -> bool {
        entry.began.elapsed() < self.0.settings.life() && self.0.changes.hold(entry.tick, &entry.tables)
    }

    /// What Redis has.
    async fn look(&self, question: &Question) -> Found {
        let (Some(shared), stamp) = (&self.0.shared, &question.stamp) else { return Found::default() };
        if !self.0.changes.is_told(&stamp.tables) {
            return Found::default();
        }
        let found = shared.find(&stamp.sources.place, &question.key, &stamp.tables).await;
        if !found.gone.is_empty() {
            self.0.changes.retell(found.gone.iter().copied());
        }
        found
    }

    /// Keep an answer, where it still holds.
    fn keep(&self, question: &Question, entry: &Arc<Entry>) -> bool {
        if entry.kept.size() > self.0.settings.answer_bytes {
            add(&self.0.counts.oversized);
            return false;
        }
        if !self.holds(entry) {
            add(&self.0.counts.invalidated);
            return false;
        }
        self.0.memory.insert(question.key, Arc::clone(entry));
        add(&self.0.counts.stored);
        true
    }
}

impl Database {
    /// Keep answers of statements from now on. Once, before anything is asked; later ones are not heeded.
    pub fn keep_answers(&self, answers: Answers) {
        // A second cache would have to hear what the first one heard.
        let _ = self.0.answers.set(answers);
    }

    /// The cache, where there is one.
    pub fn answers(&self) -> Option<&Answers> {
        self.0.answers.get()
    }

    /// Find out what statements over these schemas read. Until this was done nothing is kept.
    ///
    /// # Errors
    /// What could not be read. Nothing is kept then.
    pub async fn learn(
        &self,
        admin: &Client,
        schemas: &[String],
        path: &[String],
    ) -> Result<(), tokio_postgres::Error> {
        let Some(answers) = self.answers() else { return Ok(()) };
        let changes = &answers.0.changes;
        let (begun, gate) = (changes.begin(), self.0.gate.load_full());
        let read = Sources::read(admin, &gate, schemas, path, &self.0.address).await;
        let sources = read.inspect_err(|_| changes.unlearn())?;
        answers.say(&sources);
        // Where nothing is heard there is nothing to know; who hears again looks again.
        if !changes.learn(begun, sources) && changes.is_hearing() {
            changes.look.notify_one();
        }
        Ok(())
    }
}

impl Answers {
    /// Say what is not kept and why, each thing once.
    fn say(&self, sources: &Sources) {
        let now: BTreeSet<String> = sources.silent().map(|(name, why)| format!("{name}: {why}")).collect();
        let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        for line in now.difference(&said) {
            tracing::info!("answers are not kept of {line}");
        }
        *said = now;
    }
}

#[cfg(test)]
mod tests {
    use super::answer::may_tell_the_time;
    use super::kept::tests::kept;
    use super::*;
    use crate::query::{Kind, Value};

    /// An answer of one cell, read now from no table.
    pub(super) fn entry(cell: &str) -> Arc<Entry> {
        let kept = Arc::new(kept(&[("c", Kind::Text)], &[&[Some(cell)]]));
        Arc::new(Entry { kept, began: Instant::now(), tick: 0, tables: Arc::from([]) })
    }

    #[test]
    fn a_parameter_that_tells_the_time_is_seen_in_every_kind_of_text() {
        let now = || "NOW".to_owned();
        for (value, tells) in [
            (Value::Text(now()), true),
            (Value::Date("today".into()), true),
            (Value::Timestamp(now()), true),
            (Value::Json("{\"d\": \"yesterday\"}".into()), true),
            (Value::TextArray(vec!["a".into(), now()]), true),
            (Value::Text("2026-01-31".into()), false),
            (Value::Bytes(b"now".to_vec()), false),
            (Value::Null, false),
            (Value::Int(1), false),
        ] {
            assert_eq!(may_tell_the_time(&value), tells, "{value:?}");
        }
    }
}
