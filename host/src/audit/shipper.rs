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
    fn of(dir: &Path, node: Uuid) -> io::Result<Self> {
        let seq = spool::shipped(dir)?.map_or(0, |head| head.seq);
        Ok(Self { dir: dir.to_owned(), node, cursor: Cursor::after(dir, seq) })
    }
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
        let mut load = match Load::of(&dir, node) {
            Ok(load) => load,
            Err(error) => return self.shared.disk.began("read the audit spool", &Error::spool(&dir, error)),
        };
        loop {
            // Asked before the number: once closed, nothing comes after it.
            let closed = self.closed();
            let last = *self.written.borrow_and_update();
            match self.ship(&mut load, last).await {
                Ok(true) => self.shared.database.ended("the audit trail is shipped again"),
                Ok(false) if closed => {
                    if let Err(error) = self.release(&load, last, true).await {
                        self.shared.disk.began("clear the audit spool", &error);
                    }
                    return;
                }
                Ok(false) => {
                    if self.written.changed().await.is_ok() {
                        sleep(GATHER).await;
                    }
                }
                Err(error) => {
                    self.shared.database.began("ship the audit trail (records wait on disk)", &error);
                    // What is not shipped stays on disk for the next start.
                    if closed {
                        return;
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Whether the writer is done.
    fn closed(&self) -> bool {
        self.written.has_changed().is_err()
    }

    /// Ship a spool nobody writes to any more.
    async fn finish(&mut self, dir: &Path, node: Uuid, last: u64) -> Result<(), Error> {
        let mut load = Load::of(dir, node).map_err(|e| Error::spool(dir, e))?;
        loop {
            match self.ship(&mut load, last).await {
                Ok(true) => self.shared.database.ended("the audit trail is shipped again"),
                Ok(false) => return self.release(&load, last, true).await,
                Err(error @ Error::Spool { .. }) => return Err(error),
                Err(error) => {
                    self.shared.database.began("ship the audit trail (records wait on disk)", &error);
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
        let (cursor, links) = spawn_blocking(move || cursor.read(last).map(|links| (cursor, links)))
            .await
            .map_err(Error::Task)?
            .map_err(|e| Error::spool(&load.dir, e))?;
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
            self.conflict(load, &lines).map_err(|e| Error::spool(&load.dir, e))?;
        }
        self.release_to(load, head, false).await?;
        load.cursor = cursor;
        self.shared.shipped.fetch_add((links.len() - taken.len()) as u64, Ordering::Relaxed);
        self.shared.waiting.fetch_sub(links.len() as u64, Ordering::Relaxed);
        Ok(true)
    }

    /// The database holds other records under these numbers: keep ours beside, and never continue this chain again.
    fn conflict(&self, load: &Load, lines: &[String]) -> io::Result<()> {
        self.shared.conflicts.fetch_add(lines.len() as u64, Ordering::Relaxed);
        let path = load.dir.join("conflict");
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        file.write_all(lines.concat().as_bytes())?;
        file.sync_all()?;
        spool::retire(&load.dir)?;
        tracing::error!(node = %load.node, records = lines.len(), file = %path.display(), "the audit trail holds other records under this node's numbers: the spool was restored from a backup, or rows were made up; ours are in this file, and the next start begins a new chain");
        Ok(())
    }

    async fn release(&self, load: &Load, last: u64, all: bool) -> Result<(), Error> {
        match spool::shipped(&load.dir).map_err(|e| Error::spool(&load.dir, e))? {
            Some(head) if head.seq == last => self.release_to(load, head, all).await,
            _ => Ok(()),
        }
    }

    async fn release_to(&self, load: &Load, head: Head, all: bool) -> Result<(), Error> {
        let dir = load.dir.clone();
        let freed = spawn_blocking(move || spool::release(&dir, head, all)).await.map_err(Error::Task)?;
        let freed = freed.map_err(|e| Error::spool(&load.dir, e))?;
        if load.node == self.shared.node {
            self.shared.bytes.fetch_sub(freed, Ordering::Relaxed);
        }
        Ok(())
    }
}
