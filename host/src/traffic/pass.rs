//! The right to run, and where to tell what a call used.

use super::Inner;
use super::account::Charge;
use super::detail::{Line, Sums};
use super::ledger::{Amounts, Key};
use super::queue::Place;
use std::sync::Arc;
use std::time::Duration;

/// What a call used, besides being one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Rows read.
    pub rows: u64,
    /// Time its statements ran.
    pub database: Duration,
    /// Tokens sent to the model that makes vectors of texts.
    pub embedding_tokens: u64,
    /// It ended without an answer.
    pub failed: bool,
    /// Bytes of its answer.
    pub bytes_out: u64,
    /// Time it held a thread.
    pub cpu: Duration,
    /// Fuel its guest used, where that is counted.
    pub fuel: u64,
}

/// The right to run, until dropped. Goes with the call into its task.
pub struct Pass {
    tally: Tally,
    _place: Place,
}

impl Pass {
    pub(super) fn new(tally: Tally, place: Place) -> Self {
        Self { tally, _place: place }
    }

    /// Where to tell what the call used: apart from the pass, so that it can be told as it happens.
    pub fn tally(&self) -> Tally {
        self.tally.clone()
    }

    /// The call does not run after all, for a reason that is not its own: it is not counted in the day. Its buckets have
    /// paid: knocking is not free.
    pub fn give_back(self) {
        self.tally.inner.add(self.tally.key, Amounts::CALL_BACK);
        self.tally.inner.detail.count(&self.tally.line, &Sums::CALL_BACK);
    }

    /// Tell what the call used, and give the place to the next.
    pub fn settle(self, usage: Usage) {
        self.tally.add(usage);
    }
}

/// Where to tell what a call used, at any time and as often as there is something to tell, failed or not. It goes to the
/// day the call began on.
#[derive(Clone)]
pub struct Tally {
    inner: Arc<Inner>,
    key: Key,
    line: Line,
}

impl Tally {
    pub(super) fn new(inner: Arc<Inner>, key: Key, charge: &Charge) -> Self {
        Self { inner, key, line: (key.0, key.1, Arc::clone(&charge.plugin)) }
    }

    /// Add to what the call used.
    pub fn add(&self, usage: Usage) {
        let amounts = Amounts::from(usage);
        if amounts != Amounts::default() {
            self.inner.add(self.key, amounts);
        }
        self.inner.detail.count(&self.line, &usage.into());
    }
}

/// A call that was counted and has no place yet; taken back when dropped before it is kept.
pub(super) struct Counted {
    tally: Tally,
    /// Whether Redis counts it, or will be told to.
    shared: bool,
    kept: bool,
}

impl Counted {
    pub(super) fn new(tally: Tally) -> Self {
        Self { tally, shared: false, kept: false }
    }

    /// Redis counts it, too.
    pub(super) fn is_shared(&mut self) {
        self.shared = true;
    }

    pub(super) fn keep(mut self) -> Tally {
        self.kept = true;
        self.tally.inner.detail.count(&self.tally.line, &Sums::ONE_CALL);
        self.tally.clone()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if !self.kept {
            self.tally.inner.take_back(self.tally.key, self.shared);
        }
    }
}
