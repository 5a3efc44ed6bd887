//! From the queue to the disk: the one place where records get their number and their seal.

use super::chain::Chain;
use super::record::{Entry, Event, Stamped};
use super::spool::Spool;
use super::{Error, Shared, books};
use crate::clerk::Clerk;
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
                return self.lose(&batch);
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
        let (spool, mut batch, outcome) = self.to_disk(spool, batch).await?;
        let stuck = match outcome {
            Ok(()) => {
                *direct = None;
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
                    self.shared.disk.began("write the audit spool (records go straight to the database)", error);
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
        self.shared.disk.began("write the audit trail", &error);
        if self.required {
            self.shared.stuck.send_replace(true);
            return Ok((spool, batch));
        }
        self.lose(&batch);
        Ok((spool, Vec::new()))
    }

    /// Seal the batch and write it, all or nothing.
    async fn to_disk(
        &self,
        mut spool: Spool,
        batch: Vec<Stamped>,
    ) -> Result<(Spool, Vec<Stamped>, Result<(), Stuck>), Error> {
        let (shared, most) = (Arc::clone(&self.shared), self.most);
        let write = move || {
            let outcome = seal(spool.chain(), &batch).map_err(Stuck::Disk).and_then(|(chain, lines)| {
                let bytes = lines.len() as u64;
                if shared.bytes.load(Ordering::Relaxed) + bytes > most {
                    return Err(Stuck::Full);
                }
                let dir = spool.dir().to_owned();
                spool.append(chain, &lines).map_err(|e| Stuck::Disk(Error::spool(&dir, e)))?;
                shared.bytes.fetch_add(bytes, Ordering::Relaxed);
                shared.waiting.fetch_add(batch.len() as u64, Ordering::Relaxed);
                Ok(())
            });
            (spool, batch, outcome)
        };
        let (spool, batch, outcome) = spawn_blocking(write).await.map_err(Error::Task)?;
        if outcome.is_ok() {
            self.written.send_replace(spool.chain().head().seq);
        }
        Ok((spool, batch, outcome))
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
        let suppressed = self.shared.flood.take().into_iter();
        let mut sums: Vec<_> =
            suppressed.map(|(kind, suppressed)| own(Event::Suppressed { kind, suppressed })).collect();
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

/// The chain after the batch, and the batch as lines.
fn seal(chain: &Chain, batch: &[Stamped]) -> Result<(Chain, String), Error> {
    let (mut chain, mut lines) = (chain.clone(), String::new());
    for entry in batch {
        let record = entry.to_json(chain.node())?;
        lines.push_str(&chain.add(record).to_line()?);
    }
    Ok((chain, lines))
}
