//! The way of a call, as spans, for a collector that speaks OTLP (`telemetry.otlp`).
//!
//! ```text
//! the caller's span ─► call ─┬─ policy
//!  (traceparent)             ├─ place        waiting for one
//!                            ├─ trail        waiting for one
//!                            └─ plugin ─┬─ statement
//!                                       └─ statement
//! ```
//!
//! Only spans of [`TARGET`] leave, and no log lines: what a span carries is a name, a number, a digest or a code, and
//! never a value of a tenant's, an argument, a statement's text or who asks. Where no collector is named none of it is
//! made, but the span of the call itself, which log lines are told by.

mod collector;

pub use collector::{Error, Tracing, start};

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// What is exported: spans of this target and nothing else.
pub const TARGET: &str = "rowhouse::trace";

/// The span of a call, by its name.
const CALL: &str = "call";

/// Bytes of a `tracestate` that is passed on: what the recommendation asks everybody to keep (W3C Trace Context, 3.3.1.5).
const STATE_BYTES: usize = 512;

/// Bytes of a `traceparent` that is looked at: those of version 00 are 55, of later ones a little more.
const PARENT_BYTES: usize = 256;

/// A span for one call that nobody began yet. Its level says nothing of the call: log lines are told by it, so it is there
/// whatever the log is to show.
#[must_use]
pub fn call() -> Span {
    tracing::error_span!(
        target: TARGET,
        "call",
        otel.name = Empty,
        otel.kind = "server",
        mcp.method = Empty,
        request.id = Empty,
        tool.name = Empty,
        plugin.name = Empty,
        plugin.version = Empty,
        plugin.digest = Empty,
        rows = Empty,
        error.code = Empty,
    )
}

/// The span of the call this is part of, or a new one.
#[must_use]
pub fn current_call() -> Span {
    let current = Span::current();
    let is_call = current.metadata().is_some_and(|it| it.target() == TARGET && it.name() == CALL);
    if is_call { current } else { call() }
}

/// Let a call's span continue what its caller's `traceparent` and `tracestate` name, if they name anything (W3C Trace
/// Context). Before the span is entered.
pub fn continues(span: &Span, parent: Option<&str>, state: Option<&str>) {
    let Some(parent) = parent.filter(|it| it.len() <= PARENT_BYTES) else { return };
    let told = Told { parent, state: state.filter(|it| it.len() <= STATE_BYTES) };
    let context = TraceContextPropagator::new().extract(&told);
    if context.span().span_context().is_valid() {
        // Fails where no collector is named: then there is nothing to continue.
        let _ = span.set_parent(context);
    }
}

/// Say that a call's span failed.
pub fn failed(span: &Span, code: &'static str) {
    span.record("error.code", code);
    span.set_status(Status::error(code));
}

struct Told<'a> {
    parent: &'a str,
    state: Option<&'a str>,
}

impl Extractor for Told<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => Some(self.parent),
            "tracestate" => self.state,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

#[cfg(test)]
mod tests;
