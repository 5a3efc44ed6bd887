//! Who did what: a record of every call and of every security event, off the path of the call.
//!
//! ```text
//! reserve ─► the call runs ─► record ─► queue ─ writer ─► spool (sealed, synced) ─ shipper ─► database
//! ```
//!
//! A call takes its place in the queue before it begins, so none can end without a record. The writer gives records
//! their number and their seal (HMAC-SHA-256 over the record and the seal before it) and writes them to disk; the
//! shipper brings them to the database, in order, and goes on after outages and restarts. Records are in the trail at
//! least once: a batch whose answer got lost while the disk failed may be there twice, under two nodes.
//!
//! Everything is bounded: the queue, the spool, a batch, a record, and the rate of events a caller can cause at will.

mod arguments;
mod books;
mod chain;
mod flood;
mod health;
mod read;
mod record;
mod shipper;
mod short;
mod spool;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use arguments::{Arguments, canonical};
pub use health::{Backlog, Status, backlog};
pub use read::{Exported, Part, Tail, export};
pub use record::{CallRecord, Cause, Entry, Event, Reach, Statement, Statements, VERSION, Who};
pub use short::{LIST, List, Short, TEXT};
pub use verify::{Fault, Verdict, Which, verify};

use crate::clerk::{Clerk, Gone};
use crate::config;
use crate::error::{CallError, Code};
use crate::keys::Key;
use arguments::Sealer;
use flood::Flood;
use health::Outage;
use record::Stamped;
use serde_json::{Map, Value};
use shipper::Shipper;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use writer::Writer;

/// A segment of the spool is closed at this size: a megabyte is read in milliseconds after a crash.
const SEGMENT: u64 = 1 << 20;

/// How long closing waits for calls that still run, for the disk, and for the database. What is on disk by then is
/// shipped by the next start.
const CLOSING: Duration = Duration::from_secs(10);

/// Why the audit trail cannot be kept or read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum Error {
    #[error("the settings of the audit trail ([audit]): {0}")]
    Settings(String),
    #[error("the audit spool {path}; set audit.spool to a directory this user may write")]
    Spool { path: PathBuf, source: std::io::Error },
    #[error("the audit spool {0} is open to others; run `chmod 700` on it")]
    Exposed(PathBuf),
    #[error("the audit spool holds all it may ({0} bytes, audit.max_spool_bytes) and waits for the database")]
    Full(u64),
    #[error("the audit trail in the database")]
    Database(#[from] tokio_postgres::Error),
    #[error("the audit trail in the database")]
    Gone(#[from] Gone),
    #[error("the database took too long to take audit records")]
    Slow,
    #[error("the database holds other records under this node's numbers")]
    Taken,
    #[error("there is no database for audit records")]
    NoDatabase,
    #[error("write an audit record as JSON")]
    Encode(#[source] serde_json::Error),
    #[error("a task of the audit trail ended too early")]
    Task(#[source] tokio::task::JoinError),
}

impl Error {
    fn spool(path: &Path, source: std::io::Error) -> Self {
        Self::Spool { path: path.to_owned(), source }
    }
}

/// What the parts know of each other.
struct Shared {
    node: Uuid,
    flood: Flood,
    /// Bytes in this process's own spool.
    bytes: AtomicU64,
    waiting: AtomicU64,
    shipped: AtomicU64,
    conflicts: AtomicU64,
    lost: AtomicU64,
    /// Lost records the trail does not tell of yet.
    unsaid: AtomicU64,
    /// Nothing can be written anywhere.
    stuck: watch::Sender<bool>,
    disk: Outage,
    database: Outage,
}

impl Shared {
    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.unsaid.fetch_add(1, Ordering::Relaxed);
    }
}

struct Inner {
    queue: mpsc::Sender<Stamped>,
    shared: Arc<Shared>,
    sealer: Sealer,
    required: bool,
    /// Whether addresses are recorded.
    remote: bool,
    closing: CancellationToken,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// The audit trail. One for the whole process; cheap to clone.
#[derive(Clone)]
pub struct Audit(Option<Arc<Inner>>);

impl Audit {
    /// Open the spool, go on where its chain ended, and start writing and shipping. Must be called inside a tokio
    /// runtime. Without a `clerk` records stay on disk.
    ///
    /// # Errors
    /// Settings that cannot work; a spool that cannot be written or is open to others.
    pub fn open(settings: &config::Audit, state_dir: &Path, key: &Key, clerk: Option<Clerk>) -> Result<Audit, Error> {
        if !settings.enabled {
            tracing::warn!("the audit trail is off (audit.enabled = false): calls leave no record");
            return Ok(Self::disabled());
        }
        if let Some(fault) = settings.fault() {
            return Err(Error::Settings(fault));
        }
        let root = settings.directory(state_dir);
        // Small spools have small segments: only whole ones are removed.
        let spool::Opened { own, left } = spool::open(&root, key, SEGMENT.min(settings.max_spool_bytes / 8))?;
        let mut waiting = 0;
        for spool in left.iter().chain([&own]) {
            let shipped = spool::shipped(spool.dir()).map_err(|e| Error::spool(spool.dir(), e))?;
            waiting += spool.chain().head().seq.saturating_sub(shipped.map_or(0, |head| head.seq));
        }
        let shared = Arc::new(Shared {
            node: own.chain().node(),
            flood: Flood::default(),
            bytes: AtomicU64::new(own.bytes().map_err(|e| Error::spool(own.dir(), e))?),
            waiting: AtomicU64::new(waiting),
            shipped: AtomicU64::default(),
            conflicts: AtomicU64::default(),
            lost: AtomicU64::default(),
            unsaid: AtomicU64::default(),
            stuck: watch::Sender::new(false),
            disk: Outage::default(),
            database: Outage::default(),
        });
        let (sender, queue) = mpsc::channel(settings.queue);
        let (written, read) = watch::channel(own.chain().head().seq);
        let closing = CancellationToken::new();
        let mut tasks = Vec::new();
        let (dir, node) = (own.dir().to_owned(), own.chain().node());
        let writer = Writer {
            queue,
            shared: Arc::clone(&shared),
            most: settings.max_spool_bytes,
            required: settings.required,
            remote: settings.remote,
            clerk: clerk.clone(),
            written,
            closing: closing.clone(),
        };
        tasks.push(tokio::spawn(writer.run(own)));
        if let Some(clerk) = clerk {
            let shipper = Shipper { clerk, shared: Arc::clone(&shared), written: read };
            tasks.push(tokio::spawn(shipper.run(dir, node, left)));
        }
        let inner = Inner {
            queue: sender,
            shared,
            sealer: Sealer::new(key),
            required: settings.required,
            remote: settings.remote,
            closing,
            tasks: Mutex::new(tasks),
        };
        Ok(Self(Some(Arc::new(inner))))
    }

    /// A trail that keeps nothing.
    pub fn disabled() -> Self {
        Self(None)
    }

    /// A place for the record of a call that is about to begin. Waits a quarter of the time to `deadline` at most:
    /// what is left must be enough to answer with.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when the trail is required and cannot take the record.
    pub async fn reserve(&self, deadline: Instant) -> Result<Reservation, CallError> {
        let Some(inner) = &self.0 else { return Ok(Reservation { place: None, shared: None, draft: None }) };
        let place = inner.place(deadline).await;
        if place.is_none() && inner.required {
            return Err(CallError::new(
                Code::Overloaded,
                "the audit trail cannot be written, and no call is answered without a record; try again later, or tell the operator",
            )
            .retry_after(Duration::from_secs(5)));
        }
        Ok(Reservation { place, shared: Some(Arc::clone(&inner.shared)), draft: None })
    }

    /// Something happened. Never waits: of each kind 50 a second are kept, and the first few of each cause beyond that;
    /// more are summed up once a second, by whom they are; what finds no place is counted as lost.
    pub fn event(&self, event: Event) {
        let Some(inner) = &self.0 else { return };
        if !inner.shared.flood.admits(event.kind(), event.cause(), Instant::now()) {
            return;
        }
        // Told apart by it, and kept only where that is wanted.
        let event = match event {
            Event::TokenRejected { reason, remote } => {
                Event::TokenRejected { reason, remote: remote.filter(|_| inner.remote) }
            }
            other => other,
        };
        if inner.queue.try_send(Stamped::now(Entry::Event(event))).is_err() {
            inner.shared.lose();
        }
    }

    /// A call's arguments as a record may keep them. `known` says whether the tool's input schema lists a name; `plain`
    /// is the policy's leave to keep values and not only their seals.
    pub fn hash_arguments(&self, given: &Map<String, Value>, known: impl Fn(&str) -> bool, plain: bool) -> Arguments {
        self.0.as_ref().map(|inner| inner.sealer.seal(given, known, plain)).unwrap_or_default()
    }

    /// Write what is queued, wait for calls that hold a reservation, ship what can be shipped. At most 10 seconds.
    pub async fn close(&self) {
        let Some(inner) = &self.0 else { return };
        inner.closing.cancel();
        let tasks = std::mem::take(&mut *inner.tasks.lock().await);
        let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
        let all = async {
            for task in tasks {
                if let Err(error) = task.await {
                    tracing::error!(error = &error as &dyn std::error::Error, "a task of the audit trail broke");
                }
            }
        };
        if tokio::time::timeout(CLOSING, all).await.is_err() {
            tracing::warn!("the audit trail was not done in time; what is on disk is shipped by the next start");
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
        }
    }

    /// How the trail is doing; none when it is off.
    pub fn status(&self) -> Option<Status> {
        let shared = &self.0.as_ref()?.shared;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Some(Status {
            node: shared.node,
            spooled: read(&shared.waiting),
            spool_bytes: read(&shared.bytes),
            shipped: read(&shared.shipped),
            lost: read(&shared.lost),
            conflicts: read(&shared.conflicts),
            stuck: *shared.stuck.borrow(),
        })
    }
}

impl Inner {
    /// A place in the queue, if there is one in time.
    async fn place(&self, deadline: Instant) -> Option<mpsc::OwnedPermit<Stamped>> {
        let mut stuck = self.shared.stuck.subscribe();
        if self.required && *stuck.borrow() {
            return None;
        }
        match self.queue.clone().try_reserve_owned() {
            Ok(place) => Some(place),
            // Not required: a call does not wait for its record.
            Err(mpsc::error::TrySendError::Full(queue)) if self.required => {
                let patience = deadline.saturating_duration_since(Instant::now()) / 4;
                tokio::select! {
                    place = tokio::time::timeout(patience, queue.reserve_owned()) => place.ok()?.ok(),
                    _ = stuck.wait_for(|stuck| *stuck) => None,
                }
            }
            Err(_) => None,
        }
    }
}

/// A place for one call's record.
#[must_use = "a call without a record"]
pub struct Reservation {
    place: Option<mpsc::OwnedPermit<Stamped>>,
    shared: Option<Arc<Shared>>,
    draft: Option<Box<CallRecord>>,
}

impl Reservation {
    /// What is written if the call is dropped and never says how it ended: the record as known by now, with the
    /// outcome `CANCELLED`.
    pub fn draft(&mut self, record: CallRecord) {
        self.draft = Some(Box::new(record));
    }

    /// The call ended. Never waits.
    pub fn call(mut self, record: CallRecord) {
        self.draft = None;
        self.put(Box::new(record));
    }

    fn put(&mut self, record: Box<CallRecord>) {
        match (self.place.take(), &self.shared) {
            (Some(place), _) => drop(place.send(Stamped::now(Entry::Call(record)))),
            (None, Some(shared)) => shared.lose(),
            (None, None) => {}
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(mut record) = self.draft.take() {
            record.outcome = Some(Code::Cancelled);
            self.put(record);
        }
    }
}
