//! What one call carries: the host's side of its store.

use super::clock::Interrupted;
use super::listener::Listener;
use super::meter::{Bounds, Breach, Meter, Stop};
use super::place::Place;
use crate::config::Limits;
use crate::embedding::Embeddings;
use crate::error::Code;
use crate::policy::Permit;
use crate::query::catalog::Catalog;
use crate::query::{Rows, SqlError, TenantTx};
use crate::telemetry::{Item, Telemetry};
use crate::traffic::{Account, Tally, Usage};
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// Rows the guest holds a handle to, and how far it has read them.
#[expect(unreachable_pub, reason = "the generated bindings re-export it, which takes a public type")]
pub struct RowSet {
    pub(super) rows: Rows,
    pub(super) read: usize,
}

/// A statement under way. Dropping it ends the task, which drops the transaction's future, which cancels the statement in
/// the database.
#[expect(unreachable_pub, reason = "the generated bindings re-export it, which takes a public type")]
pub struct Pending(pub(super) Option<JoinSet<Result<Rows, SqlError>>>);

/// Who and what a call is about. Lives as long as the call.
pub struct CallFacts {
    /// Names the call in the log.
    pub request: String,
    /// What was allowed: who is calling, over whose rows.
    pub permit: Permit,
    /// The door to the rows.
    pub transaction: Arc<TenantTx>,
    /// What there is to ask about.
    pub catalog: Arc<Catalog>,
    /// Texts to vectors.
    pub vectors: Vectors,
    /// The caller's ear, where it asked for word.
    pub listener: Option<Arc<dyn Listener>>,
    /// When the call ends, whatever it does.
    pub deadline: Instant,
    /// What it may use: the plugin's bounds, narrowed to the tenant's.
    pub limits: Limits,
    /// The call's clock, in microseconds since 1970.
    pub now: i64,
    /// Where to tell what its guest used, and of which item.
    pub told: Option<(Telemetry, Item)>,
}

/// Texts to vectors, for one call.
pub struct Vectors {
    /// The model in use.
    pub(super) embeddings: Embeddings,
    /// Who pays, as the cache knows them.
    pub(super) account: String,
    tally: Option<Tally>,
}

impl Vectors {
    /// For a call under this permit. What they cost is told to `tally`; nobody pays where there is none.
    pub fn new(embeddings: &Embeddings, permit: &Permit, tally: Option<Tally>) -> Self {
        let account = Account::of_permit(permit).to_string();
        Self { embeddings: embeddings.clone(), account, tally }
    }

    /// One more embedding was paid for.
    pub(super) fn spent(&self, tokens: u64) {
        if let Some(tally) = &self.tally {
            tally.add(Usage { embedding_tokens: tokens, ..Usage::default() });
        }
    }
}

/// The host's side of one store.
pub(super) struct CallState {
    pub(super) plugin: Arc<str>,
    pub(super) table: ResourceTable,
    pub(super) bounds: Bounds,
    pub(super) meter: Meter,
    pub(super) stop: Arc<Stop>,
    /// None while `describe` runs: there is no caller, and so nothing to see.
    pub(super) call: Option<CallFacts>,
    wasi: WasiCtx,
    /// Where it computes.
    pub(super) place: Place,
    _interrupted: Interrupted,
    /// Texts it had vectors made of.
    pub(super) embedded: usize,
    /// Bytes it answered with.
    pub(super) answer_bytes: usize,
    /// Where a WASI guest's panic message or traceback goes.
    pub(super) stderr: Option<MemoryOutputPipe>,
}

impl CallState {
    pub(super) fn new(plugin: Arc<str>, limits: &Limits, stop: Arc<Stop>, call: Option<CallFacts>, wasi: bool) -> Self {
        let mut context = WasiCtx::builder();
        context.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false).max_random_size(4096);
        let stderr = wasi.then(|| MemoryOutputPipe::new(limits.log_bytes));
        if let Some(pipe) = &stderr {
            context.stdout(pipe.clone()).stderr(pipe.clone());
        }
        Self {
            plugin,
            table: ResourceTable::new(),
            bounds: Bounds::new(limits),
            meter: Meter::new(limits),
            stop,
            call,
            wasi: context.build(),
            place: Place::Here,
            _interrupted: Interrupted::new(),
            embedded: 0,
            answer_bytes: 0,
            stderr,
        }
    }

    /// One more call into the host; the end of the road where the call was told to stop.
    pub(super) fn enter(&mut self) -> Result<(), Breach> {
        if let Some(reason) = self.stop.reason() {
            return Err(reason);
        }
        self.meter.host_call()
    }

    /// What the host does for the call, to wait for. Dropping it ends the work.
    pub(super) fn ask<F>(&self, work: F) -> impl Future<Output = Result<F::Output, Breach>> + Send + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let aside = self.place.aside().map(|aside| (aside.clone(), self.stop.token().clone()));
        async move {
            let Some((aside, stop)) = aside else { return Ok(work.await) };
            match aside.ask(stop, work).join_next().await {
                Some(Ok(done)) => Ok(done),
                _ => Err(Breach::new(Code::Internal, "lost what it asked of the host")),
            }
        }
    }

    /// The facts of the call, for an import that needs them.
    pub(super) fn facts(&self) -> Result<&CallFacts, Breach> {
        self.call.as_ref().ok_or_else(|| {
            Breach::new(Code::PluginDenied, "reached for the call's data in `describe`, where there is no call")
        })
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
