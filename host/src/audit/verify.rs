//! Walking the chains: is every record there, in its place, as it was written?

use super::Error;
use super::books::{self, Kept};
use super::chain::{Chain, Head, Link};
use super::spool::{self, Cursor};
use crate::keys::Key;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use tokio_postgres::Client;
use uuid::Uuid;

/// The first thing wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The record was changed after it was sealed; its seal is the one it was given.
    Edited,
    /// The columns `at` or `event` do not say what the record says.
    Relabelled,
    /// The record is not there, although later ones are.
    Missing,
    /// The record was not sealed in this place: it was made up, moved here, or taken from elsewhere.
    Foreign,
    /// Not even the first record fits: the key is not the one this chain was sealed with, or the chain was made up.
    Key,
    /// The end is missing: this machine knows that the database had more.
    Truncated,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Fault::Edited => "was edited after it was sealed",
            Fault::Relabelled => "stands under another time or event than it says",
            Fault::Missing => "is missing, although later ones are there",
            Fault::Foreign => "was not sealed in this place: made up, moved, or replaced",
            Fault::Key => "was not sealed with this key: is it the audit key of the host that wrote it?",
            Fault::Truncated => "is missing with everything after it: this machine knows the database had it",
        })
    }
}

/// What was found of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The node.
    pub node: Uuid,
    /// Records that are as they were sealed.
    pub sound: u64,
    /// How many of these wait in the spool of this machine.
    pub spooled: u64,
    /// The number of the last sound record.
    pub last: u64,
    /// The first break, if there is one: the number of the record, and what is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<(u64, Fault)>,
}

/// Where the records of a node come from: the database, then this machine's spool.
struct Source<'a> {
    client: &'a Client,
    node: Uuid,
    rows: VecDeque<Kept>,
    dir: PathBuf,
    /// What the database is known to have had.
    shipped: Option<Head>,
    spool: Option<Cursor>,
    waiting: VecDeque<Link>,
}

impl Source<'_> {
    /// The first record after `after`, and whether it comes from the spool.
    async fn next(&mut self, after: u64) -> Result<Option<(Kept, bool)>, Error> {
        if self.waiting.is_empty() {
            if let Some(row) = self.row(after).await? {
                return Ok(Some((row, false)));
            }
            // What the database had must be there, even if it still is on this disk as well.
            if self.shipped.is_some_and(|head| head.seq > after) {
                return Ok(None);
            }
            let mut cursor = self.spool.take().unwrap_or_else(|| Cursor::after(&self.dir, after));
            if self.dir.exists() {
                self.waiting = cursor.read(u64::MAX).map_err(|e| Error::spool(&self.dir, e))?.into();
            }
            self.spool = Some(cursor);
        }
        if self.waiting.front().is_none_or(|link| link.seq != after + 1)
            // Shipped, and gone from the disk, while we looked.
            && let Some(row) = self.row(after).await?
        {
            (self.spool, self.waiting) = (None, VecDeque::new());
            return Ok(Some((row, false)));
        }
        Ok(self.waiting.pop_front().map(|link| (Kept::labelled(link), true)))
    }

    async fn row(&mut self, after: u64) -> Result<Option<Kept>, Error> {
        if self.rows.is_empty() {
            self.rows = books::page(self.client, self.node, after).await?.into();
        }
        Ok(self.rows.pop_front())
    }
}

/// Which chains to walk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Which {
    /// This node only.
    pub node: Option<Uuid>,
    /// Begin after this record, whose seal is taken as given: for a trail whose beginning was archived.
    pub after: Option<u64>,
}

/// Walk the chains in the database and in the spools below `spool`, each up to its first break. Holds one page of
/// records in memory. `progress` hears of records walked and records there are, about.
///
/// # Errors
/// A database or a spool that cannot be read. A break is no error but a [`Verdict`].
pub async fn verify(
    client: &Client,
    key: &Key,
    spool: &Path,
    which: Which,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Vec<Verdict>, Error> {
    // What the spools know comes first: the database only grows after that.
    let mut nodes: BTreeMap<Uuid, Option<Head>> = BTreeMap::new();
    if spool.exists() {
        for node in spool::nodes(spool).map_err(|e| Error::spool(spool, e))? {
            let dir = spool.join(node.to_string());
            nodes.insert(node, spool::shipped(&dir).map_err(|e| Error::spool(&dir, e))?);
        }
    }
    let (mut total, mut walked, mut verdicts) = (0, 0, Vec::new());
    for (node, last) in books::nodes(client).await? {
        nodes.entry(node).or_default();
        if which.node.is_none_or(|only| only == node) {
            total += last.saturating_sub(which.after.unwrap_or(0));
        }
    }
    for (node, shipped) in nodes {
        if which.node.is_some_and(|only| only != node) {
            continue;
        }
        let mut chain = Chain::begin(key, node);
        let mut verdict = Verdict { node, sound: 0, spooled: 0, last: which.after.unwrap_or(0), broken: None };
        if let Some(after) = which.after {
            match books::seal(client, node, after).await? {
                Some(head) => chain = chain.after(head),
                None => verdict.broken = Some((after, Fault::Missing)),
            }
        }
        let dir = spool.join(node.to_string());
        let rows = VecDeque::new();
        let mut source = Source { client, node, rows, dir, shipped, spool: None, waiting: VecDeque::new() };
        if verdict.broken.is_none() {
            walk(&mut source, &mut chain, &mut verdict, &mut || {
                walked += 1;
                progress(walked, total.max(walked));
            })
            .await?;
        }
        if verdict.sound > 0 || verdict.broken.is_some() {
            verdicts.push(verdict);
        }
    }
    Ok(verdicts)
}

async fn walk(
    source: &mut Source<'_>,
    chain: &mut Chain,
    verdict: &mut Verdict,
    step: &mut (dyn FnMut() + Send),
) -> Result<(), Error> {
    loop {
        let before = chain.head();
        let Some((kept, spooled)) = source.next(before.seq).await? else { break };
        if kept.link.seq != before.seq + 1 {
            verdict.broken = Some((before.seq + 1, Fault::Missing));
            return Ok(());
        }
        if !chain.fits(&kept.link) {
            let first = verdict.sound == 0;
            chain.pass(&kept.link);
            let foreign = kept.is_of_another_than(verdict.node);
            let fault = if foreign { Fault::Foreign } else { blame(source, chain, first).await? };
            verdict.broken = Some((kept.link.seq, fault));
            return Ok(());
        }
        if !kept.is_labelled_truly() {
            verdict.broken = Some((kept.link.seq, Fault::Relabelled));
            return Ok(());
        }
        chain.pass(&kept.link);
        verdict.sound += 1;
        verdict.spooled += u64::from(spooled);
        verdict.last = kept.link.seq;
        step();
    }
    if let Some(head) = source.shipped
        && head.seq > verdict.last
    {
        verdict.broken = Some((verdict.last + 1, Fault::Truncated));
    }
    Ok(())
}

/// Why a record does not fit. `chain` stands after it: if what follows fits its seal, the seal is genuine and the
/// record was changed beneath it.
async fn blame(source: &mut Source<'_>, chain: &Chain, first: bool) -> Result<Fault, Error> {
    let head = chain.head();
    let genuine = match source.next(head.seq).await? {
        Some((next, _)) => chain.fits(&next.link),
        None => source.shipped == Some(head),
    };
    Ok(match (genuine, first) {
        (true, _) => Fault::Edited,
        (false, true) => Fault::Key,
        (false, false) => Fault::Foreign,
    })
}
