//! What is counted. Names are those of the table in `docs/operations.md`, without `rowhouse_` in front and, for counters,
//! without `_total` at the end: the encoder adds both.

use super::Guest;
use super::label::{Item, Name, Outcome, Phase, Swap};
use super::state::{Live, State};
use crate::error::{Blame, Code};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

/// What stands before every name.
pub(super) const PREFIX: &str = "rowhouse";

/// Seconds, from a call that reads nothing to the longest a call may take: each is about twice the one before, so that a
/// quantile that is read off is right to a third.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    plugin: Name,
    tool: Name,
    code: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    plugin: Name,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct In {
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct With {
    code: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Blamed {
    code: Code,
    blame: Blame,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Swapped {
    plugin: Name,
    outcome: Swap,
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// From a guest that has the least a component has to the largest a call may be allowed.
fn bytes() -> Histogram {
    Histogram::new(exponential_buckets(f64::from(1 << 20), 2.0, 9))
}

/// Every number that is told.
pub(super) struct Metrics {
    registry: Registry,
    calls: Family<Ended, Counter>,
    duration: Family<Item, Histogram>,
    phases: Family<In, Histogram>,
    errors: Family<Blamed, Counter>,
    breaches: Family<With, Counter>,
    statements: Family<With, Counter>,
    statement_time: Histogram,
    wait: Histogram,
    rows: Counter,
    slow: Counter,
    memory: Family<Of, Histogram>,
    cpu: Family<Of, Counter<f64, AtomicU64>>,
    fuel: Family<Of, Counter>,
    host_calls: Family<Of, Counter>,
    lines_dropped: Family<Of, Counter>,
    swaps: Family<Swapped, Counter>,
    texts: Counter,
    texts_failed: Counter,
}

/// A registry that gives back what is registered.
struct Book(Registry);

impl Book {
    fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut book = Book(Registry::with_prefix(PREFIX));
        Self {
            calls: book.add("calls", "Calls that ended, by tool and by how they ended", Family::default()),
            duration: book.add(
                "call_duration_seconds",
                "How long calls took, by tool",
                Family::new_with_constructor(seconds),
            ),
            phases: book.add(
                "call_phase_seconds",
                "Where the time of calls went",
                Family::new_with_constructor(seconds),
            ),
            errors: book.add("errors", "Calls that failed, by code and by who can act", Family::default()),
            breaches: book.add("limit_breaches", "Calls that met a limit, by its code", Family::default()),
            statements: book.add("statements", "Statements that were asked for, by how they ended", Family::default()),
            statement_time: book.add("statement_seconds", "How long statements held a connection", seconds()),
            wait: book.add("connection_wait_seconds", "How long statements waited for a connection", seconds()),
            rows: book.add("statement_rows", "Rows that statements gave", Counter::default()),
            slow: book.add("slow_statements", "Statements slower than telemetry.slow_ms", Counter::default()),
            memory: book.add(
                "guest_memory_bytes",
                "Linear memory of guests, by plugin",
                Family::new_with_constructor(bytes),
            ),
            cpu: book.add("guest_cpu_seconds", "Time guests computed, by plugin", Family::default()),
            fuel: book.add("guest_fuel", "Fuel guests used where it is counted, by plugin", Family::default()),
            host_calls: book.add("guest_host_calls", "Calls of guests into the host, by plugin", Family::default()),
            lines_dropped: book.add(
                "guest_log_lines_dropped",
                "Log lines of guests over their bounds, by plugin",
                Family::default(),
            ),
            swaps: book.add("swaps", "Versions of plugins, by what became of them", Family::default()),
            texts: book.add("embedding_texts", "Texts vectors were made of", Counter::default()),
            texts_failed: book.add("embedding_failures", "Times no vectors could be made", Counter::default()),
            registry: book.0,
        }
    }

    pub(super) fn call(&self, item: &Item, code: Outcome, took: Duration) {
        let ended = Ended { plugin: item.plugin.clone(), tool: item.tool.clone(), code };
        self.calls.get_or_create(&ended).inc();
        self.duration.get_or_create(item).observe(took.as_secs_f64());
        if let Some(failed) = code.0 {
            self.errors.get_or_create(&Blamed { code: failed, blame: failed.blame() }).inc();
            if failed.is_limit() {
                self.breaches.get_or_create(&With { code }).inc();
            }
        }
    }

    pub(super) fn phase(&self, phase: Phase, took: Duration) {
        self.phases.get_or_create(&In { phase }).observe(took.as_secs_f64());
    }

    pub(super) fn statement(&self, code: Outcome, took: Duration, waited: Duration, rows: u64, slow: bool) {
        self.statements.get_or_create(&With { code }).inc();
        self.rows.inc_by(rows);
        // One that was refused neither waited nor ran.
        if code.0 != Some(Code::QueryRejected) {
            self.statement_time.observe(took.as_secs_f64());
            self.wait.observe(waited.as_secs_f64());
        }
        if slow {
            self.slow.inc();
        }
    }

    pub(super) fn guest(&self, item: &Item, guest: &Guest) {
        let of = Of { plugin: item.plugin.clone() };
        self.memory.get_or_create(&of).observe(guest.memory as f64);
        self.cpu.get_or_create(&of).inc_by(guest.cpu.as_secs_f64());
        self.host_calls.get_or_create(&of).inc_by(guest.host_calls);
        if guest.fuel > 0 {
            self.fuel.get_or_create(&of).inc_by(guest.fuel);
        }
        if guest.lines_dropped > 0 {
            self.lines_dropped.get_or_create(&of).inc_by(guest.lines_dropped);
        }
    }

    pub(super) fn swap(&self, item: &Item, outcome: Swap) {
        self.swaps.get_or_create(&Swapped { plugin: item.plugin.clone(), outcome }).inc();
    }

    pub(super) fn embedded(&self, texts: usize, failed: bool) {
        if failed {
            self.texts_failed.inc();
        } else {
            self.texts.inc_by(texts as u64);
        }
    }

    /// What was told, then what `state` says.
    pub(super) fn render(&self, state: State, since: SystemTime) -> Result<String, fmt::Error> {
        let mut live = Registry::with_prefix(PREFIX);
        live.register_collector(Box::new(Live { state, since }));
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &live)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}
