//! From the spool to the database, in order, for as long as it takes.

use super::chain::Head;
use super::spool::{self, Cursor, Spool};
use super::{Error, Shared, books};
use crate::clerk::Clerk;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// How long records gather before they are shipped: four statements a second at most, and the table is a quarter of a
/// second behind.
const GATHER: Duration = Duration::from_millis(250);

/// How long one try waits for a connection; the clerk heals it meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same, when the host stops: what is not shipped stays on disk, and nobody should wait for it.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long one batch may take: 500 rows take milliseconds, so a database that needs longer is away in all but name.
const BATCH: Duration = Duration::from_secs(30);

/// The pause after a failed try, so that a table without rights is not asked a thousand times a second.
const PAUSE: Duration = Duration::from_secs(1);

/// Ships one process's spools.
pub(super) struct Shipper {
    pub(super) clerk: Clerk,
    pub(super) shared: Arc<Shared>,
    /// The last record the disk has; closed when no more will come.
    pub(super) written: watch::Receiver<u64>,
}

/// One spool on its way.
struct Load {
    dir: PathBuf,
    node: Uuid,
    cursor: Cursor,
}

impl Load {
    async fn of(dir: &Path, node: Uuid) -> Result<Self, Error> {
        let seq = shipped(dir).await?.map_or(0, |head| head.seq);
        Ok(Self { dir: dir.to_owned(), node, cursor: Cursor::after(dir, seq) })
    }
}

/// Work on files, on a thread that may wait for the disk.
async fn on_disk<T: Send + 'static>(
    dir: &Path,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let own = dir.to_owned();
    spawn_blocking(move || work(&own)).await.map_err(Error::Task)?.map_err(|e| Error::spool(dir, e))
}

/// The last record the database is known to have.
async fn shipped(dir: &Path) -> Result<Option<Head>, Error> {
    on_disk(dir, spool::shipped).await
}

impl Shipper {
    /// Ship what others left, then `own` as it grows, until nothing more will come and everything is shipped, or the
    /// last try failed.
    pub(super) async fn run(mut self, dir: PathBuf, node: Uuid, left: Vec<Spool>) {
        for spool in left {
            let last = spool.chain().head().seq;
            if let Err(error) = self.finish(spool.dir(), spool.chain().node(), last).await {
                tracing::error!(error = &error as &dyn std::error::Error, spool = %spool.dir().display(), "an audit spool cannot be read; `rowhouse audit verify` shows what is missing");
            }
        }
        let mut load = match Load::of(&dir, node).await {
            Ok(load) => load,
            Err(error) => return self.shared.disk.began("read the audit spool", &error, self.lost()),
        };
        loop {
            // Asked before the number: once closed, nothing comes after it.
            let closed = self.closed();
            let last = *self.written.borrow_and_update();
            match self.ship(&mut load, last).await {
                Ok(true) => self.shared.database.ended("the audit trail is shipped again"),
                Ok(false) if closed => {
                    if let Err(error) = self.release(&load, last, true).await {
                        self.shared.disk.began("clear the audit spool", &error, self.lost());
                    }
                    return;
                }
                Ok(false) => {
                    if self.written.changed().await.is_ok() {
                        sleep(GATHER).await;
                    }
                }
                Err(error) => {
                    self.shared.database.began("ship the audit trail (records wait on disk)", &error, self.lost());
                    // What is not shipped stays on disk for the next start.
                    if closed {
                        return;
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Records lost for good until now.
    fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Whether the writer is done.
    fn closed(&self) -> bool {
        self.written.has_changed().is_err()
    }

    /// Ship a spool nobody writes to any more.
    async fn finish(&mut self, dir: &Path, node: Uuid, last: u64) -> Result<(), Error> {
        let mut load = Load::of(dir, node).await?;
        loop {
            match self.ship(&mut load, last).await {
                Ok(true) => self.shared.database.ended("the audit trail is shipped again"),
                Ok(false) => return self.release(&load, last, true).await,
                Err(error @ Error::Spool { .. }) => return Err(error),
                Err(error) => {
                    self.shared.database.began("ship the audit trail (records wait on disk)", &error, self.lost());
                    if self.closed() {
                        return Ok(());
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Ship one batch; whether there was one.
    async fn ship(&self, load: &mut Load, last: u64) -> Result<bool, Error> {
        let mut cursor = load.cursor.clone();
        let (cursor, links) = on_disk(&load.dir, move |_| cursor.read(last).map(|links| (cursor, links))).await?;
        let Some(end) = links.last() else {
            load.cursor = cursor;
            return Ok(false);
        };
        let head = Head { seq: end.seq, mac: end.mac };
        let client = self.clerk.client(if self.closed() { FAREWELL } else { PATIENCE }).await?;
        let taken = timeout(BATCH, books::add(&client, load.node, &links)).await.map_err(|_| Error::Slow)??;
        if !taken.is_empty() {
            let lines: Vec<String> =
                links.iter().filter(|link| taken.contains(&link.seq)).filter_map(|link| link.to_line().ok()).collect();
            self.conflict(load, lines).await?;
        }
        self.release_to(load, head, false).await?;
        load.cursor = cursor;
        self.shared.shipped.fetch_add((links.len() - taken.len()) as u64, Ordering::Relaxed);
        self.shared.waiting.fetch_sub(links.len() as u64, Ordering::Relaxed);
        Ok(true)
    }

    /// The database holds other records under these numbers: keep ours beside, and never continue this chain again.
    async fn conflict(&self, load: &Load, lines: Vec<String>) -> Result<(), Error> {
        let (records, file) = (lines.len(), load.dir.join("conflict"));
        self.shared.conflicts.fetch_add(records as u64, Ordering::Relaxed);
        on_disk(&load.dir, move |dir| keep_aside(dir, &lines.concat())).await?;
        tracing::error!(node = %load.node, records, file = %file.display(), "the audit trail holds other records under this node's numbers: the spool was restored from a backup, or rows were made up; ours are in this file, and the next start begins a new chain");
        Ok(())
    }

    async fn release(&self, load: &Load, last: u64, all: bool) -> Result<(), Error> {
        match shipped(&load.dir).await? {
            Some(head) if head.seq == last => self.release_to(load, head, all).await,
            _ => Ok(()),
        }
    }

    async fn release_to(&self, load: &Load, head: Head, all: bool) -> Result<(), Error> {
        let freed = on_disk(&load.dir, move |dir| spool::release(dir, head, all)).await?;
        if load.node == self.shared.node {
            self.shared.bytes.fetch_sub(freed, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Add lines to the file `conflict`, and retire the spool.
fn keep_aside(dir: &Path, lines: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(dir.join("conflict"))?;
    file.write_all(lines.as_bytes())?;
    file.sync_all()?;
    spool::retire(dir)
}
