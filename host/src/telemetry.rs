//! What the host tells of itself: numbers, the way a call took, log lines, slow statements.
//!
//! One handle, [`Telemetry`], is passed to every room that has something to count; it is a reference count, and nothing
//! here is global but the subscriber of log and traces, which belongs to the process. Telling costs a call some
//! microseconds and never waits.
//!
//! **To add a metric**: a field in `metrics.rs` with its line in `Metrics::new`, a method of [`Telemetry`] that tells it,
//! and a row in `docs/operations.md`, which a test holds against the code. What is state (how many wait, how many are
//! open) is not told but read when somebody looks: a field of [`State`] and its line in `state.rs`. Labels are types
//! (`label.rs`): codes, phases, names of what is served. There is none for a tenant, a principal, a statement or an
//! argument, and a text from outside does not become one.

mod breaker; // How one stands.
mod label; // What metrics may be told apart by.
pub mod log; // Log lines, with what is secret masked.
mod metrics; // What is counted.
mod recent; // What the last calls came to, for people who look.
mod slow; // Statements that took long.
mod state; // What is read when somebody looks.
pub mod trace; // The way of a call, for a collector.

pub(crate) use breaker::Dial;
pub use label::{Breaker, Item, Name, Offers, Outcome, Phase, Swap};
pub use recent::{Failures, Line, Snapshot};
pub use slow::{Slow, Statement};
pub use state::{Connections, Meeting, Queue, State, Trail, Version};

use crate::config;
use crate::error::Code;
use label::Names;
use metrics::Metrics;
use recent::Recent;
use slow::Slows;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The text Prometheus reads (OpenMetrics 1.0).
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where every room tells what it did. Cheap to clone.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    names: Names,
    metrics: Metrics,
    recent: Recent,
    slow: Slows,
    threshold: Duration,
    began: Instant,
    since: SystemTime,
}

/// What one guest used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guest {
    /// Bytes of linear memory.
    pub memory: u64,
    /// What its call computed, the host's work for it included.
    pub cpu: Duration,
    /// Fuel, where it is counted.
    pub fuel: u64,
    /// Calls into the host.
    pub host_calls: u64,
    /// Log lines over its bounds.
    pub lines_dropped: u64,
}

impl Telemetry {
    /// Begin to count.
    #[must_use]
    pub fn open(settings: &config::Telemetry) -> Self {
        Self(Arc::new(Inner {
            names: Names::default(),
            metrics: Metrics::new(),
            recent: Recent::default(),
            slow: Slows::new(settings.slow_kept),
            threshold: settings.slow(),
            began: Instant::now(),
            since: SystemTime::now(),
        }))
    }

    /// An item of a plugin, as a label. What the plugin does not offer, and what would be one name too many, is `other`.
    pub fn item(&self, of: &impl Offers, item: &str) -> Item {
        self.0.names.item(of, item)
    }

    /// A call ended.
    pub fn call(&self, item: &Item, outcome: Outcome, took: Duration) {
        self.0.metrics.call(item, outcome, took);
        self.0.recent.call(item, outcome, took);
    }

    /// A call was refused before it was known what it is of.
    pub fn refused(&self, code: Code) {
        self.call(&Item::other(), Outcome(Some(code)), Duration::ZERO);
    }

    /// A call spent this long in one phase of its way.
    pub fn phase(&self, phase: Phase, took: Duration) {
        self.0.metrics.phase(phase, took);
    }

    /// A statement ended, or was refused. True: it was slow, and [`Telemetry::slow`] wants to know its text.
    pub fn statement(&self, outcome: Outcome, took: Duration, waited: Duration, rows: u64) -> bool {
        let slow = outcome.0 != Some(Code::QueryRejected) && took >= self.0.threshold;
        self.0.metrics.statement(outcome, took, waited, rows, slow);
        slow
    }

    /// A statement was slow: told in the log, and remembered.
    pub fn slow(&self, statement: &Statement<'_>) {
        self.0.slow.note(statement);
    }

    /// A guest ended.
    pub fn guest(&self, item: &Item, guest: &Guest) {
        self.0.metrics.guest(item, guest);
    }

    /// A version of a plugin came, was refused, or was taken back.
    pub fn swap(&self, of: &impl Offers, what: Swap) {
        self.0.metrics.swap(&self.item(of, ""), what);
    }

    /// Vectors were made of so many texts, or were to be.
    pub fn embedded(&self, texts: usize, failed: bool) {
        self.0.metrics.embedded(texts, failed);
    }

    /// All of it, as Prometheus reads it ([`CONTENT_TYPE`]).
    ///
    /// # Errors
    /// A number that cannot be written.
    pub fn render(&self, state: State) -> Result<String, fmt::Error> {
        self.0.metrics.render(state, self.0.since)
    }

    /// Slow statements, the costliest first.
    pub fn slows(&self) -> Vec<Slow> {
        self.0.slow.all()
    }

    /// What a person at a terminal sees.
    pub fn snapshot(&self, state: State) -> Snapshot {
        self.0.recent.snapshot(state, self.0.began.elapsed(), self.slows())
    }
}

#[cfg(test)]
mod tests;
