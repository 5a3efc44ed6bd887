//! Records on disk, between the call and the database.
//!
//! A spool is a directory of the node's own, named by the node's id:
//!
//! - `lock`: held while a process writes here; it names the key the chain is sealed with;
//! - `<first seq>.jsonl`: segments, one sealed record a line, oldest first;
//! - `head`: the last record the database is known to have. What a segment holds beyond it is still to be shipped.
//!
//! The last of both is the chain's head: a trail whose end is missing is found out on this machine.

mod segment;

pub(super) use segment::Cursor;

use super::Error;
use super::chain::{Chain, Head, Link, Seal};
use crate::disk;
use crate::keys::Key;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A process whose disk and database disagree on what was written starts another chain next time: see [`retire`].
const RETIRED: &str = "retired";

/// The segment that is written to.
struct Open {
    file: File,
    bytes: u64,
}

/// One node's spool, held by this process.
pub(super) struct Spool {
    dir: PathBuf,
    chain: Chain,
    open: Option<Open>,
    /// A segment is closed when it has this many bytes.
    segment: u64,
    /// Half a batch may stand at the end of the segment and could not be cut off. Only a start anew mends that.
    torn: bool,
    /// Whether the chain was sealed with the key of today. One that was not is shipped, and not carried on.
    current: bool,
    _lock: File,
}

/// What a process found when it opened the spools.
pub(super) struct Opened {
    /// Its own.
    pub(super) own: Spool,
    /// Those of processes that died with records to ship.
    pub(super) left: Vec<Spool>,
}

/// Open a spool below `root` that nobody else holds, or make one; adopt those that were left with records.
pub(super) fn open(root: &Path, key: &Key, segment: u64) -> Result<Opened, Error> {
    disk::private_directory(root).map_err(|e| Error::spool(root, e))?;
    let mode = std::fs::metadata(root).map_err(|e| Error::spool(root, e))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Error::Exposed(root.to_owned()));
    }
    let (mut own, mut left) = (None, Vec::new());
    for node in nodes(root).map_err(|e| Error::spool(root, e))? {
        let dir = root.join(node.to_string());
        let Some(spool) = Spool::take(&dir, node, key, segment).map_err(|e| Error::spool(&dir, e))? else { continue };
        if own.is_none() && spool.current && !dir.join(RETIRED).exists() {
            own = Some(spool);
        } else if !segment::list(&dir).map_err(|e| Error::spool(&dir, e))?.is_empty() {
            left.push(spool);
        }
    }
    let own = match own {
        Some(own) => own,
        None => {
            let node = Uuid::new_v4();
            let dir = root.join(node.to_string());
            let fresh = Spool::take(&dir, node, key, segment).map_err(|e| Error::spool(&dir, e))?;
            sync(root).map_err(|e| Error::spool(root, e))?;
            fresh.ok_or_else(|| Error::spool(&dir, io::Error::from(io::ErrorKind::WouldBlock)))?
        }
    };
    Ok(Opened { own, left })
}

/// The nodes that have a spool below `root`, in order.
pub(super) fn nodes(root: &Path) -> io::Result<Vec<Uuid>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|name| name.parse::<Uuid>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// What [`waiting`] found.
#[derive(Default)]
pub(super) struct Waiting {
    /// Records of all nodes that the database does not have yet.
    pub(super) records: u64,
    /// The first of them, of each node.
    pub(super) first: Vec<Link>,
    /// Records the database has otherwise.
    pub(super) conflicts: u64,
}

/// What waits in the spools below `root`. Reads beside processes that write: a snapshot that may be a moment old.
pub(super) fn waiting(root: &Path) -> io::Result<Waiting> {
    let mut found = Waiting::default();
    let lines = |path: &Path| -> io::Result<u64> {
        Ok(std::io::BufRead::split(io::BufReader::new(File::open(path)?), b'\n').count() as u64)
    };
    for node in nodes(root)? {
        let dir = root.join(node.to_string());
        let known = shipped(&dir)?.map_or(0, |head| head.seq);
        if let Some(first) = segment::list(&dir)?.last() {
            let last = (first - 1) + lines(&segment::path(&dir, *first))?;
            found.records += last.saturating_sub(known);
        }
        found.first.extend(Cursor::after(&dir, known).read(u64::MAX)?.into_iter().next());
        let conflict = dir.join("conflict");
        if conflict.exists() {
            found.conflicts += lines(&conflict)?;
        }
    }
    Ok(found)
}

/// The last record the database is known to have.
pub(super) fn shipped(dir: &Path) -> io::Result<Option<Head>> {
    let text = match std::fs::read_to_string(dir.join("head")) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let head = text.trim_end().split_once(' ').and_then(|(seq, mac)| {
        let mut seal = Seal::default();
        hex::decode_to_slice(mac, &mut seal).ok()?;
        Some(Head { seq: seq.parse().ok()?, mac: seal })
    });
    let damaged = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "the file `head` is damaged; restore it from a backup, or move this directory away to begin a new chain",
        )
    };
    head.map(Some).ok_or_else(damaged)
}

/// Note what the database has, then remove the segments it has whole. In this order, each step made durable: a chain
/// whose head was forgotten would give a number out twice. `all` removes the last segment too; only for a spool that
/// nobody writes to any more. Returns the bytes given free.
pub(super) fn release(dir: &Path, head: Head, all: bool) -> io::Result<u64> {
    let line = format!("{} {}\n", head.seq, hex::encode(head.mac));
    disk::write(&dir.join("head"), line.as_bytes(), 0o600)?;
    let segments = segment::list(dir)?;
    let mut freed = 0;
    for (at, first) in segments.iter().enumerate() {
        // A segment ends where the next begins; the last is open-ended, and may be written to.
        if segments.get(at + 1).map_or(all, |next| *next <= head.seq + 1) {
            freed += remove(&segment::path(dir, *first))?;
        }
    }
    Ok(freed)
}

/// Remove a segment; the bytes that gave free. The writer and the shipper may both come to it: whoever is second frees
/// nothing.
fn remove(path: &Path) -> io::Result<u64> {
    let gone = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(0) } else { Err(error) };
    match std::fs::metadata(path) {
        Ok(data) => std::fs::remove_file(path).map(|()| data.len()).or_else(gone),
        Err(error) => gone(error),
    }
}

/// Never write to this spool again after this process: the database holds other records under its numbers (a directory
/// restored from a backup, or rows somebody made up). The next start begins a new chain, and nothing is overwritten.
pub(super) fn retire(dir: &Path) -> io::Result<()> {
    File::create(dir.join(RETIRED))?.sync_all()
}

/// Make the names in a directory durable.
fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

impl Spool {
    /// Take the spool in `dir`, making it if it is not there. None if another process has it.
    fn take(dir: &Path, node: Uuid, key: &Key, segment: u64) -> io::Result<Option<Self>> {
        disk::private_directory(dir)?;
        let mut lock = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(dir.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(e),
        }
        let (empty, mut sealed_with) = (Chain::begin(key, node), String::new());
        lock.read_to_string(&mut sealed_with)?;
        if sealed_with.is_empty() {
            sealed_with = empty.key_name();
            lock.write_all(sealed_with.as_bytes())?;
            lock.sync_all()?;
        }
        let current = sealed_with == empty.key_name();
        let chain = segment::recover(dir, empty, current)?;
        Ok(Some(Self { dir: dir.to_owned(), chain, open: None, segment, torn: false, current, _lock: lock }))
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The chain, after its last record on this disk.
    pub(super) fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Bytes of all segments.
    pub(super) fn bytes(&self) -> io::Result<u64> {
        let sizes = segment::list(&self.dir)?
            .into_iter()
            .map(|first| std::fs::metadata(segment::path(&self.dir, first)).map(|data| data.len()));
        sizes.sum()
    }

    /// Where the database has every record, close the segment that is written to and remove all of them: the open one
    /// never ends while nothing fits into it. Returns the bytes given free.
    pub(super) fn clear(&mut self) -> io::Result<u64> {
        if shipped(&self.dir)?.is_none_or(|head| head.seq != self.chain.head().seq) {
            return Ok(0);
        }
        self.open = None;
        segment::list(&self.dir)?.into_iter().map(|first| remove(&segment::path(&self.dir, first))).sum()
    }

    /// Write lines that take the chain to `chain`, and wait until the disk has them. All of them or none.
    ///
    /// One sync for the batch and not one for each record: a sync takes milliseconds, and while it runs the next batch
    /// gathers. What a power cut can cost is the batch in the making.
    pub(super) fn append(&mut self, chain: Chain, lines: &str) -> io::Result<()> {
        if self.torn {
            return Err(io::Error::other("an earlier write left a torn record; restart the host to mend the spool"));
        }
        let mut open = match self.open.take() {
            Some(open) if open.bytes < self.segment => open,
            _ => {
                let path = segment::path(&self.dir, self.chain.head().seq + 1);
                let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
                sync(&self.dir)?;
                let bytes = file.metadata()?.len();
                Open { file, bytes }
            }
        };
        let written = open.file.write_all(lines.as_bytes()).and_then(|()| open.file.sync_data());
        if let Err(e) = written {
            // Half a batch would be shipped, and its numbers given out again.
            self.torn = open.file.set_len(open.bytes).is_err();
            return Err(e);
        }
        open.bytes += lines.len() as u64;
        self.open = Some(open);
        self.chain = chain;
        Ok(())
    }
}
