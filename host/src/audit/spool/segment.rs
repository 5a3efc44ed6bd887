//! Files of sealed records: reading them on, and finding their end after a crash.

use super::super::chain::{Chain, Link, MAX_LINE};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Records read at once. A batch of 500 is one round trip and about half a megabyte.
const RECORDS: usize = 500;

/// Bytes of records read at once: two megabytes, for records at their largest.
const BYTES: u64 = 2 << 20;

/// Where the segment that begins with record `first` is. Twenty digits hold every number, so names sort as numbers.
pub(super) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.jsonl"))
}

/// The first record of each segment, in order.
pub(super) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// One line, its end included; `None` at the end of the file. A line that is too long comes without its end, as a torn
/// one does.
fn line(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = reader.take(MAX_LINE as u64).read_until(b'\n', &mut line)?;
    Ok((read > 0).then_some(line))
}

/// The chain after the last record on disk. What a crash tore off is set aside in a file of its own and cut away.
/// `seals` says whether seals can be checked, or only numbers: the chain may be under another key.
pub(super) fn recover(dir: &Path, empty: Chain, seals: bool) -> io::Result<Chain> {
    let shipped = super::shipped(dir)?;
    let known = shipped.map_or(empty.clone(), |head| empty.clone().after(head));
    while let Some(first) = list(dir)?.last().copied() {
        let path = path(dir, first);
        let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
        // Where the record before this segment is not known, the segment's own word is taken for it; `verify` walks
        // from the very first.
        let mut chain = if first == known.head().seq + 1 { Some(known.clone()) } else { None };
        if first == 1 {
            chain = Some(empty.clone());
        }
        let (mut good, mut reader) = (0, BufReader::new(&file));
        while let Some(line) = line(&mut reader)? {
            let Some(link) = Link::from_line(&line) else { break };
            let fits = match &chain {
                Some(chain) if seals => chain.fits(&link),
                Some(chain) => link.seq == chain.head().seq + 1,
                None => link.seq == first,
            };
            if !fits {
                break;
            }
            let mut after = chain.unwrap_or_else(|| empty.clone());
            after.pass(&link);
            chain = Some(after);
            good += line.len() as u64;
        }
        if good < file.metadata()?.len() {
            set_aside(&mut file, good, &dir.join(format!("torn-{first}-{good}")))?;
        }
        if good > 0 {
            // The database may be ahead of what is left here, where a later segment was lost.
            return Ok(chain.filter(|chain| chain.head().seq >= known.head().seq).unwrap_or(known));
        }
        std::fs::remove_file(path)?;
    }
    Ok(known)
}

/// Move what stands behind `good` to a file of its own: cut off, it may still tell somebody something.
fn set_aside(file: &mut File, good: u64, to: &Path) -> io::Result<()> {
    tracing::warn!(file = %to.display(), "the audit spool ended in a torn record; what was torn is kept in this file");
    file.seek(SeekFrom::Start(good))?;
    let mut aside = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to)?;
    io::copy(file, &mut aside)?;
    aside.flush()?;
    aside.sync_all()?;
    file.set_len(good)?;
    file.sync_all()
}

/// A place between two records of a spool, from which reading goes on.
#[derive(Clone, Debug)]
pub(in super::super) struct Cursor {
    dir: PathBuf,
    /// The segment, and the byte in it.
    at: Option<(u64, u64)>,
    /// The last record read.
    seq: u64,
}

impl Cursor {
    /// Right after this record; 0 for the beginning.
    pub(in super::super) fn after(dir: &Path, seq: u64) -> Self {
        Self { dir: dir.to_owned(), at: None, seq }
    }

    /// The next records up to `last`, none if there are none yet. Bounded in number and size; a damaged line is
    /// skipped, and shows as a gap in the chain.
    pub(in super::super) fn read(&mut self, last: u64) -> io::Result<Vec<Link>> {
        loop {
            let segments = list(&self.dir)?;
            let (first, offset) = match self.at {
                Some(at) => at,
                // The segment that would hold the next record: the last that does not begin after it.
                None => {
                    let holds = segments.iter().rev().find(|first| **first <= self.seq + 1).or(segments.first());
                    let Some(first) = holds else { return Ok(Vec::new()) };
                    (*first, 0)
                }
            };
            let links = match File::open(path(&self.dir, first)) {
                Ok(file) => self.lines(file, first, offset, last)?,
                // Shipped and removed by its owner while somebody else reads.
                Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(e) => return Err(e),
            };
            let next = segments.into_iter().find(|other| *other > first && *other <= last);
            match next {
                Some(next) if links.is_empty() => self.at = Some((next, 0)),
                _ => return Ok(links),
            }
        }
    }

    fn lines(&mut self, mut file: File, first: u64, mut offset: u64, last: u64) -> io::Result<Vec<Link>> {
        file.seek(SeekFrom::Start(offset))?;
        let (mut links, mut reader, began) = (Vec::new(), BufReader::new(file), offset);
        while links.len() < RECORDS && offset - began < BYTES {
            let Some(line) = line(&mut reader)? else { break };
            let whole = line.ends_with(b"\n");
            match Link::from_line(&line) {
                Some(link) if link.seq > last => break,
                Some(link) if link.seq > self.seq => {
                    self.seq = link.seq;
                    links.push(link);
                }
                Some(_) => {}
                // Being written just now, or torn.
                None if !whole && line.len() < MAX_LINE => break,
                None => tracing::error!(segment = first, offset, "a line of the audit spool is damaged"),
            }
            offset += line.len() as u64;
        }
        self.at = Some((first, offset));
        Ok(links)
    }
}
