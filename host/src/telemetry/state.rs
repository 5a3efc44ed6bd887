//! What is not told as it happens but read when somebody looks: what waits, what is open, what serves.

use super::label::{Breaker, Item, Name};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A queue before places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Places that are taken.
    pub running: u64,
    /// Places there are.
    pub most: u64,
    /// Who waits for one.
    pub waiting: u64,
    /// How many may wait.
    pub most_waiting: u64,
}

/// The connections of one login role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// The role.
    pub role: &'static str,
    /// Open.
    pub open: u64,
    /// Of these, used by nobody.
    pub idle: u64,
    /// Made since the start.
    pub made: u64,
    /// Closed since the start because their state was unknown, they were used up, or the server left.
    pub broken: u64,
}

/// How texts become vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// The breaker before the model in use; none where none is in use.
    pub breaker: Option<Breaker>,
    /// Texts whose vectors were known.
    pub hits: u64,
    /// Texts whose vectors were not.
    pub misses: u64,
}

/// How the audit trail is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// Records on disk the database does not have.
    pub spooled: u64,
    /// Bytes of the spool.
    pub spool_bytes: u64,
    /// Records the database got from this process.
    pub shipped: u64,
    /// Records that could be written nowhere.
    pub lost: u64,
    /// Records whose number the database has for another record.
    pub conflicts: u64,
    /// Whether nothing can be written anywhere.
    pub stuck: bool,
}

/// A version that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Whose.
    pub of: Item,
    /// What it says it is.
    pub version: String,
    /// SHA-256 of its bytes.
    pub digest: String,
}

/// What is read when somebody looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Calls that run, and that wait for a place.
    pub calls: Queue,
    /// Statements that run, and that wait for a connection.
    pub statements: Queue,
    /// Connections, by login role.
    pub connections: Vec<Connections>,
    /// The database has a hole in its walls and nothing is asked of it.
    pub refused: bool,
    /// Texts to vectors.
    pub embedding: Option<Meeting>,
    /// The trail; none where it is off.
    pub trail: Option<Trail>,
    /// Plugins that serve.
    pub plugins: Vec<Version>,
    /// Versions that wait for approval.
    pub parked: u64,
    /// Files that hold no plugin.
    pub unfit: u64,
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64).min(1.0) }
}

impl State {
    /// How full the host is, 0 to 1: the largest of the places taken, of the line before them, and of the line before the
    /// connections, which counts as full when as many wait as there are connections. For what adds hosts: a host that
    /// waits for its database is full without using its processor.
    pub fn saturation(&self) -> f64 {
        let (calls, statements) = (&self.calls, &self.statements);
        let parts = [
            share(calls.running, calls.most),
            share(calls.waiting, calls.most_waiting),
            share(statements.waiting, statements.most),
        ];
        parts.into_iter().fold(0.0, f64::max)
    }
}

/// Reads the state out to Prometheus.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) state: State,
    pub(super) since: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Role {
    role: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kept {
    state: &'static str,
    role: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Looked {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Serving {
    plugin: Name,
    version: String,
    digest: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Built {
    version: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Standing {
    state: Breaker,
}

/// Writes one metric after the other.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn gauges<L: EncodeLabelSet>(&mut self, name: &str, help: &str, values: Vec<(L, u64)>) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values.into_iter().try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }

    fn info<L: EncodeLabelSet>(&mut self, name: &str, help: &str, each: impl IntoIterator<Item = L>) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Info)?;
        each.into_iter().try_for_each(|labels| metric.encode_info(&labels))
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        count(&mut metric, value)
    }

    fn counters<L: EncodeLabelSet>(&mut self, name: &str, help: &str, values: Vec<(L, u64)>) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        values.into_iter().try_for_each(|(labels, value)| count(&mut family.encode_family(&labels)?, value))
    }
}

fn count(metric: &mut prometheus_client::encoding::MetricEncoder<'_>, value: impl EncodeCounterValue) -> fmt::Result {
    metric.encode_counter::<[(&str, &str); 0], _, u64>(&value, None)
}

impl Collector for Live {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (state, mut page) = (&self.state, Page(encoder));
        page.gauge("saturation", "How full the host is, 0 to 1.", state.saturation())?;
        page.gauge("calls_running", "Calls that run.", state.calls.running)?;
        page.gauge("calls_waiting", "Calls that wait for a place.", state.calls.waiting)?;
        page.gauge("calls_most", "Calls that may run at once.", state.calls.most)?;
        page.gauge("pool_statements_running", "Statements that hold a connection.", state.statements.running)?;
        page.gauge("pool_statements_waiting", "Statements that wait for one.", state.statements.waiting)?;
        page.gauge("pool_statements_most", "Statements that may run at once.", state.statements.most)?;
        let kept = |it: &Connections| {
            let of = |state, n| (Kept { state, role: it.role }, n);
            [of("in_use", it.open.saturating_sub(it.idle)), of("idle", it.idle)]
        };
        let kept: Vec<_> = state.connections.iter().flat_map(kept).collect();
        page.gauges("pool_connections", "Connections that are open.", kept)?;
        let each = |number: fn(&Connections) -> u64| {
            state.connections.iter().map(|it| (Role { role: it.role }, number(it))).collect::<Vec<_>>()
        };
        page.counters("pool_connections_made", "Connections that were made.", each(|it| it.made))?;
        page.counters("pool_connections_broken", "Connections that were closed as unfit.", each(|it| it.broken))?;
        page.gauge("database_refused", "Whether nothing is asked of an unsafe database.", u64::from(state.refused))?;
        if let Some(embedding) = &state.embedding {
            let looked = [("hit", embedding.hits), ("miss", embedding.misses)];
            let looked = Vec::from(looked.map(|(result, n)| (Looked { result }, n)));
            page.counters("embedding_cache", "Texts looked up among known vectors.", looked)?;
            let standing = Breaker::ALL.iter().map(|state| {
                let is = embedding.breaker == Some(*state);
                (Standing { state: *state }, u64::from(is))
            });
            page.gauges("embedding_breaker", "How the breaker before the model stands.", standing.collect())?;
        }
        if let Some(trail) = &state.trail {
            page.gauge("audit_spooled_records", "Records the database does not have yet.", trail.spooled)?;
            page.gauge("audit_spool_bytes", "Bytes of the spool.", trail.spool_bytes)?;
            page.counter("audit_shipped_records", "Records the database got.", trail.shipped)?;
            page.counter("audit_lost_records", "Records that could be written nowhere.", trail.lost)?;
            page.counter("audit_conflicts", "Records under numbers that were taken.", trail.conflicts)?;
            page.gauge("audit_stuck", "Whether nothing can be written anywhere.", u64::from(trail.stuck))?;
        }
        let serving = state.plugins.iter().map(|it| {
            let plugin = it.of.plugin.clone();
            Serving { plugin, version: it.version.clone(), digest: it.digest.clone() }
        });
        page.info("plugin", "Versions that serve.", serving)?;
        page.gauge("plugins_waiting", "Versions that wait for approval.", state.parked)?;
        page.gauge("plugins_refused", "Files that hold no plugin.", state.unfit)?;
        page.info("build", "The host's version.", [Built { version: env!("CARGO_PKG_VERSION") }])?;
        let since = self.since.duration_since(UNIX_EPOCH).unwrap_or_default();
        page.gauge("start_time_seconds", "When the host began, in seconds since 1970.", since.as_secs_f64())
    }
}
