//! What the host tells of itself: metrics, traces, slow statements.

use super::Secret;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// The variables OpenTelemetry gives every exporter: a collector's address, and headers for it.
const ENDPOINT_VARIABLE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS_VARIABLE: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// What the host tells of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// An address of its own at which Prometheus finds `GET /metrics`, such as `127.0.0.1:9464`. Unset: the admin socket
    /// only. Whoever reaches it learns how much is asked of which tool, so it is never the endpoint of callers; reaching
    /// further than this machine is a decision, and needs a network policy around it.
    pub metrics: Option<SocketAddr>,
    /// Milliseconds from which a statement counts as slow: it is told in the log, and remembered. A second is what a
    /// person notices. 0: every statement; to have none, more than a statement may take.
    pub slow_ms: u64,
    /// Slow statements remembered, by their fingerprint: the one that was not slow for longest makes room. Some 8 KiB each.
    pub slow_kept: usize,
    /// Where traces go.
    pub otlp: Otlp,
}

/// Where traces go, and how many.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Otlp {
    /// A collector that speaks OTLP over HTTP, as the address before `/v1/traces`: `http://127.0.0.1:4318`. Unset: what
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` says. Neither: no traces are made.
    pub endpoint: Option<String>,
    /// Headers for the collector, as `name=value,name=value`: most take a key so. Unset: what
    /// `OTEL_EXPORTER_OTLP_HEADERS` says. They go by https, or to this machine.
    #[serde(skip_serializing)]
    pub headers: Option<Secret>,
    /// Of calls whose caller does not trace, the share that is traced, 0 to 1. A caller that traces decides for its own
    /// calls. One in ten shows what is usual, and what is rare within a day.
    pub ratio: f64,
    /// Spans that may wait to be sent; more are dropped. A call has some six, so this is a few hundred calls.
    pub queue: usize,
    /// Milliseconds between two batches.
    pub interval_ms: u64,
    /// Milliseconds one batch may take, tries included.
    pub timeout_ms: u64,
    /// Milliseconds the last batch may take when the host closes.
    pub flush_ms: u64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { metrics: None, slow_ms: 1_000, slow_kept: 200, otlp: Otlp::default() }
    }
}

impl Default for Otlp {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: None,
            ratio: 0.1,
            queue: 2_048,
            interval_ms: 2_000,
            timeout_ms: 5_000,
            flush_ms: 3_000,
        }
    }
}

impl Telemetry {
    /// What cannot work, a line each.
    pub fn faults(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut fault = |wrong: bool, what: &str| {
            if wrong {
                found.push(format!("telemetry.{what}"));
            }
        };
        let otlp = &self.otlp;
        fault(!(1..=10_000).contains(&self.slow_kept), "slow_kept: 1 to 10000");
        fault(!(0.0..=1.0).contains(&otlp.ratio), "otlp.ratio: 0 to 1");
        fault(!(1..=65_536).contains(&otlp.queue), "otlp.queue: 1 to 65536");
        fault(otlp.interval_ms == 0, "otlp.interval_ms: at least 1");
        fault(otlp.timeout_ms == 0, "otlp.timeout_ms: at least 1");
        let http = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        fault(
            otlp.endpoint.as_deref().is_some_and(|url| !http(url)),
            "otlp.endpoint: write http://host:4318 or https://host",
        );
        found
    }

    /// From when a statement is slow.
    pub fn slow(&self) -> Duration {
        Duration::from_millis(self.slow_ms)
    }
}

impl Otlp {
    /// The collector's address, of the settings or of OpenTelemetry's own variable. `None`: no traces are made.
    pub fn collector(&self) -> Option<String> {
        let told = || std::env::var(ENDPOINT_VARIABLE).ok();
        let found = self.endpoint.clone().or_else(told).filter(|url| !url.trim().is_empty())?;
        Some(found.trim().trim_end_matches('/').to_owned())
    }

    /// The collector's headers, of the settings or of OpenTelemetry's own variable.
    pub fn credentials(&self) -> Option<Secret> {
        let told = || std::env::var_os(HEADERS_VARIABLE).map(|_| Secret::Env(HEADERS_VARIABLE.to_owned()));
        self.headers.clone().or_else(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_cannot_work_are_named() {
        let check = |toml: &str, named: &[&str]| {
            let read: Telemetry = toml::from_str(toml).unwrap();
            let found = read.faults();
            assert_eq!(found.len(), named.len(), "{toml}: {found:?}");
            for (fault, name) in found.iter().zip(named) {
                assert!(fault.starts_with(&format!("telemetry.{name}:")), "{toml}: {fault}");
            }
        };
        check("", &[]);
        check("metrics = \"127.0.0.1:9464\"\nslow_ms = 0", &[]);
        check("slow_kept = 0", &["slow_kept"]);
        check("[otlp]\nratio = 1.5\nqueue = 0", &["otlp.ratio", "otlp.queue"]);
        check("[otlp]\ninterval_ms = 0\ntimeout_ms = 0", &["otlp.interval_ms", "otlp.timeout_ms"]);
        check("[otlp]\nendpoint = \"collector:4318\"", &["otlp.endpoint"]);
        check("[otlp]\nendpoint = \"http://collector:4318\"\nratio = 1", &[]);
    }

    #[test]
    fn a_collector_is_named_without_its_last_slash() {
        let of = |url: &str| Otlp { endpoint: Some(url.to_owned()), ..Otlp::default() }.collector();
        assert_eq!(of("http://127.0.0.1:4318/").as_deref(), Some("http://127.0.0.1:4318"));
        assert_eq!(of("  "), None);
    }
}
