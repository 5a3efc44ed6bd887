//! What is told of a call: how it ended, where its time went, what of it was slow.

use super::Request;
use crate::error::{CallError, Code};
use crate::plugin::Loaded;
use crate::query::{Ran, TenantTx};
use crate::telemetry::{Item, Outcome, Phase, Statement, Telemetry, trace};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{Instrument, Span};

/// A call under way, watched. Dropped before it ended, its caller left.
pub(super) struct Watch {
    telemetry: Telemetry,
    item: Item,
    request: String,
    span: Span,
    version: Span,
    began: Instant,
    transaction: Option<Arc<TenantTx>>,
    /// How long the guest ran, once it did.
    guest: Option<Instant>,
    over: bool,
}

impl Watch {
    /// Of this call of an item.
    pub(super) fn begin(telemetry: &Telemetry, request: &Request, plugin: &Loaded, item: &str) -> Self {
        let (of, span) = (telemetry.item(plugin, item), trace::current_call());
        span.record("otel.name", format!("call {}", of.tool.as_str()));
        span.record("request.id", request.id.as_str());
        span.record("tool.name", of.tool.as_str());
        let (name, version, digest) = (of.plugin.as_str(), plugin.version.as_str(), plugin.digest.as_str());
        span.record("plugin.name", name);
        span.record("plugin.version", version);
        span.record("plugin.digest", digest);
        let version = tracing::info_span!(
            target: trace::TARGET,
            parent: &span,
            "plugin",
            plugin.name = name,
            plugin.version = version,
            plugin.digest = digest,
        );
        Self {
            telemetry: telemetry.clone(),
            item: of,
            request: request.id.clone(),
            span,
            version,
            began: Instant::now(),
            transaction: None,
            guest: None,
            over: false,
        }
    }

    /// The call's span.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Where a guest tells what it used.
    pub(super) fn told(&self) -> (Telemetry, Item) {
        (self.telemetry.clone(), self.item.clone())
    }

    /// A part of the way, before the guest runs.
    pub(super) async fn phase<T>(&self, phase: Phase, part: impl Future<Output = T>) -> T {
        let span = match phase {
            Phase::Policy => tracing::info_span!(target: trace::TARGET, "policy"),
            Phase::Place => tracing::info_span!(target: trace::TARGET, "place"),
            _ => tracing::info_span!(target: trace::TARGET, "trail"),
        };
        let began = Instant::now();
        let done = part.instrument(span).await;
        self.telemetry.phase(phase, began.elapsed());
        done
    }

    /// Its statements are run by this.
    pub(super) fn over(&mut self, transaction: &Arc<TenantTx>) {
        self.transaction = Some(Arc::clone(transaction));
    }

    /// The guest's run.
    pub(super) async fn guest<T>(&mut self, run: impl Future<Output = T>) -> T {
        self.guest = Some(Instant::now());
        run.instrument(self.version.clone()).await
    }

    /// The call is over.
    pub(super) fn end<T>(mut self, outcome: &Result<T, CallError>) {
        self.tell(Outcome::from(outcome));
    }

    fn tell(&mut self, outcome: Outcome) {
        self.over = true;
        let took = self.began.elapsed();
        let ran = self.transaction.take().map(|transaction| transaction.ran()).unwrap_or_default();
        let sum = |time: fn(&Ran) -> Duration| ran.iter().map(time).sum::<Duration>();
        let (waited, held) = (sum(|ran| ran.waited), sum(|ran| ran.time));
        ran.iter().for_each(|ran| self.statement(ran));
        if let Some(began) = self.guest {
            self.telemetry.phase(Phase::Connection, waited);
            self.telemetry.phase(Phase::Statement, held);
            // Statements at once take more together than the guest waited for them.
            self.telemetry.phase(Phase::Guest, began.elapsed().saturating_sub(waited + held));
        }
        self.span.record("rows", ran.iter().map(|ran| ran.rows).sum::<u64>());
        if let Some(code) = outcome.0 {
            trace::failed(&self.span, code.as_str());
        }
        self.telemetry.call(&self.item, outcome, took);
    }

    fn statement(&self, ran: &Ran) {
        let outcome = Outcome(ran.failed.map(Code::from));
        if self.telemetry.statement(outcome, ran.time, ran.waited, ran.rows) {
            let text = ran.wording.without_values();
            self.telemetry.slow(&Statement {
                request: &self.request,
                of: &self.item,
                fingerprint: ran.fingerprint.as_deref().unwrap_or_default(),
                text: text.as_deref(),
                rows: ran.rows,
                took: ran.time,
                waited: ran.waited,
            });
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.over {
            self.tell(Outcome(Some(Code::Cancelled)));
        }
    }
}
