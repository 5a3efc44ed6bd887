//! From the queue to the disk: the one place where records get their number and their seal.

use super::chain::Chain;
use super::flood::Sum;
use super::record::{Entry, Event, Stamped};
use super::spool::Spool;
use super::{Error, Shared, books};
use crate::clerk::Clerk;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Records written with one sync. Two hundred take the disk no longer than one, and bound what a failed write holds in
/// memory.
const BATCH: usize = 200;

/// How often suppressed and lost records are summed up, and a failed write is tried again.
const ROUND: Duration = Duration::from_secs(1);

/// How long the database may take in place of a disk that fails.
const PATIENCE: Duration = Duration::from_secs(2);

/// Takes records from the queue.
pub(super) struct Writer {
    pub(super) queue: mpsc::Receiver<Stamped>,
    pub(super) shared: Arc<Shared>,
    /// Bytes the spool may hold.
    pub(super) most: u64,
    pub(super) required: bool,
    /// Whether addresses are recorded.
    pub(super) remote: bool,
    pub(super) clerk: Option<Clerk>,
    /// Tells the shipper which record the disk has.
    pub(super) written: watch::Sender<u64>,
    pub(super) closing: CancellationToken,
}

/// Why a batch was not written.
enum Stuck {
    /// Too much waits for the database.
    Full,
    /// The disk does not take it.
    Disk(Error),
}

impl Writer {
    /// Write until the queue is closed and empty.
    pub(super) async fn run(mut self, spool: Spool) {
        let mut round = interval(ROUND);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // A chain of its own, straight into the database, while the disk fails.
        let (mut spool, mut direct, mut batch, mut closed) = (spool, None, Vec::with_capacity(BATCH), false);
        loop {
            let ended = tokio::select! {
                read = self.queue.recv_many(&mut batch, BATCH), if batch.is_empty() => read == 0,
                _ = round.tick() => {
                    // A batch that waits must not grow by a sum a second.
                    if batch.is_empty() {
                        batch = self.sums();
                    }
                    false
                }
                () = self.closing.cancelled(), if !closed => {
                    self.queue.close();
                    closed = true;
                    false
                }
            };
            if ended {
                batch.extend(self.sums());
            }
            if !batch.is_empty() {
                match self.write(spool, &mut direct, std::mem::take(&mut batch)).await {
                    Ok((same, left)) => (spool, batch) = (same, left),
                    Err(error) => {
                        // The queue ends with this task, and `reserve` refuses from here on.
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "the audit trail's writer broke; restart the host"
                        );
                        self.shared.stuck.send_replace(true);
                        return;
                    }
                }
            }
            // The last try is over: nobody would wait for another.
            if ended || (closed && !batch.is_empty()) {
                while let Ok(queued) = self.queue.try_recv() {
                    batch.push(queued);
                }
                self.lose(&batch);
                if !batch.is_empty() {
                    tracing::error!(
                        records = batch.len(),
                        "these audit records could be written nowhere when the host stopped, and are lost"
                    );
                }
                return;
            }
        }
    }

    /// Write a batch, or give back what must be tried again.
    async fn write(
        &self,
        spool: Spool,
        direct: &mut Option<Chain>,
        mut batch: Vec<Stamped>,
    ) -> Result<(Spool, Vec<Stamped>), Error> {
        // Carried on here; the records before it are in the database, under the other node.
        if let Some(chain) = direct.as_ref() {
            let (seq, mac) = (chain.head().seq, hex::encode(chain.head().mac));
            batch.insert(0, own(Event::ChainClosed { chain: chain.node(), seq, mac }));
        }
        let before = batch.len();
        let (spool, mut batch, outcome) = self.to_disk(spool, batch).await?;
        if batch.len() < before {
            *direct = None;
        }
        let stuck = match outcome {
            Ok(()) => {
                self.shared.disk.ended("the audit spool takes records again");
                self.shared.stuck.send_replace(false);
                return Ok((spool, Vec::new()));
            }
            Err(stuck) => stuck,
        };
        if direct.is_some() {
            batch.remove(0);
        }
        if let Stuck::Disk(error) = &stuck {
            match self.to_database(spool.chain(), direct, &batch).await {
                Ok(()) => {
                    let what = "write the audit spool (records go straight to the database)";
                    self.shared.disk.began(what, error, self.lost());
                    self.shared.stuck.send_replace(false);
                    return Ok((spool, Vec::new()));
                }
                Err(away) => {
                    tracing::debug!(error = &away as &dyn std::error::Error, "nor does the database take records")
                }
            }
        }
        let error = match stuck {
            Stuck::Full => Error::Full(self.most),
            Stuck::Disk(error) => error,
        };
        let what = if self.required { "write the audit trail (calls are refused)" } else { "write the audit trail" };
        self.shared.disk.began(what, &error, self.lost());
        if self.required {
            self.shared.stuck.send_replace(true);
            return Ok((spool, batch));
        }
        self.lose(&batch);
        Ok((spool, Vec::new()))
    }

    /// Seal the batch and write it, piece by piece; what is left of it, and why.
    async fn to_disk(
        &self,
        mut spool: Spool,
        mut batch: Vec<Stamped>,
    ) -> Result<(Spool, Vec<Stamped>, Result<(), Stuck>), Error> {
        let (shared, most) = (Arc::clone(&self.shared), self.most);
        let write = move || {
            let (mut done, mut outcome) = (0, Ok(()));
            while outcome.is_ok() && done < batch.len() {
                outcome = append(&mut spool, &batch[done..], &shared, most).map(|count| done += count);
            }
            batch.drain(..done);
            (spool, batch, outcome)
        };
        let (spool, batch, outcome) = spawn_blocking(write).await.map_err(Error::Task)?;
        self.written.send_if_modified(|last| {
            let head = spool.chain().head().seq;
            std::mem::replace(last, head) != head
        });
        Ok((spool, batch, outcome))
    }

    /// Records lost for good until now.
    fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// The disk fails: under a node of its own, so that no number can be given out twice whatever becomes of the disk.
    async fn to_database(&self, own_chain: &Chain, direct: &mut Option<Chain>, batch: &[Stamped]) -> Result<(), Error> {
        let clerk = self.clerk.as_ref().ok_or(Error::NoDatabase)?;
        let mut chain = direct.clone().unwrap_or_else(|| own_chain.sibling(Uuid::new_v4()));
        let mut links = Vec::with_capacity(batch.len() + 1);
        let opened = own(Event::ChainOpened { after: own_chain.node() });
        for entry in direct.is_none().then_some(&opened).into_iter().chain(batch) {
            let record = entry.to_json(chain.node())?;
            links.push(chain.add(record));
        }
        let client = clerk.client(PATIENCE).await?;
        // Sent again under the same numbers after a time-out, a batch may be longer: what is there already stays.
        let taken = timeout(PATIENCE, books::add(&client, chain.node(), &links)).await.map_err(|_| Error::Slow)??;
        if !taken.is_empty() {
            // Somebody made rows up under this node: the next try takes another.
            *direct = None;
            return Err(Error::Taken);
        }
        self.shared.shipped.fetch_add(batch.len() as u64, Ordering::Relaxed);
        *direct = Some(chain);
        Ok(())
    }

    /// What there is to say of events that were not kept one by one.
    fn sums(&self) -> Vec<Stamped> {
        let sums = self.shared.flood.take(self.remote).into_iter();
        let mut sums: Vec<_> =
            sums.map(|Sum { kind, of, suppressed }| own(Event::Suppressed { kind, suppressed, of })).collect();
        let lost = self.shared.unsaid.swap(0, Ordering::Relaxed);
        if lost > 0 {
            sums.push(own(Event::RecordsLost { lost }));
        }
        sums
    }

    fn lose(&self, batch: &[Stamped]) {
        for stamped in batch {
            match &stamped.entry {
                // Lost itself, it says so with the next one.
                Entry::Event(Event::RecordsLost { lost }) => {
                    self.shared.unsaid.fetch_add(*lost, Ordering::Relaxed);
                }
                _ => self.shared.lose(),
            }
        }
    }
}

fn own(event: Event) -> Stamped {
    Stamped::now(Entry::Event(event))
}

/// Seal the first records of a batch and write them, all or none; how many. One at least, and no more than an eighth of
/// the spool: a piece must not stay in a segment that is too large to go.
fn append(spool: &mut Spool, batch: &[Stamped], shared: &Shared, most: u64) -> Result<usize, Stuck> {
    let (chain, lines, count) = seal(spool.chain(), batch, most / 8).map_err(Stuck::Disk)?;
    let failed = |dir: &Path, error| Stuck::Disk(Error::spool(dir, error));
    let (dir, bytes) = (spool.dir().to_owned(), lines.len() as u64);
    let full = || shared.bytes.load(Ordering::Relaxed) + bytes > most;
    if full() {
        let freed = spool.clear().map_err(|e| failed(&dir, e))?;
        shared.bytes.fetch_sub(freed, Ordering::Relaxed);
    }
    if full() {
        return Err(Stuck::Full);
    }
    spool.append(chain, &lines).map_err(|e| failed(&dir, e))?;
    shared.bytes.fetch_add(bytes, Ordering::Relaxed);
    shared.waiting.fetch_add(count as u64, Ordering::Relaxed);
    Ok(count)
}

/// The beginning of a batch, of this many bytes but one record at least: the chain after it, its lines, and how many
/// records they are.
fn seal(chain: &Chain, batch: &[Stamped], most: u64) -> Result<(Chain, String, usize), Error> {
    let (mut chain, mut lines, mut count) = (chain.clone(), String::new(), 0);
    for entry in batch {
        let mut next = chain.clone();
        let line = next.add(entry.to_json(chain.node())?).to_line()?;
        if count > 0 && (lines.len() + line.len()) as u64 > most {
            break;
        }
        lines.push_str(&line);
        (chain, count) = (next, count + 1);
    }
    Ok((chain, lines, count))
}
