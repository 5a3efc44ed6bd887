//! The street: what happens between a request and its answer, in order.

use crate::config::Limits;
use crate::error::{CallError, Code};
use crate::identity::{Identity, Principal};
use crate::plugin::{Answer, CallFacts, Listener, Registry, Stop, Tool};
use crate::policy::Policy;
use crate::query::catalog::Catalog;
use crate::query::{Bounds, Database};
use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Everything a call needs. One for the whole process.
pub struct Host {
    /// Who is asking.
    pub identity: Identity,
    /// What they may call.
    pub policy: ArcSwap<Policy>,
    /// The tools.
    pub plugins: Arc<Registry>,
    /// The door to the rows.
    pub database: Database,
    /// What there is to ask about.
    pub catalog: ArcSwap<Catalog>,
    /// What one call may use.
    pub limits: Limits,
    /// One permit for each call that may run at once. Fair: first come, first served.
    pub slots: Arc<Semaphore>,
}

/// One call, as the transport understood it.
pub struct Request {
    /// Names the call in logs and in errors.
    pub id: String,
    /// The tool's name, as the caller wrote it.
    pub tool: String,
    /// The tool's arguments, as the caller wrote them.
    pub arguments: Map<String, Value>,
    /// The caller's ear, where it asked for word.
    pub listener: Option<Arc<dyn Listener>>,
    /// Fires when the caller leaves.
    pub cancelled: CancellationToken,
}

impl Host {
    /// Answer one call of someone whose identity was proved.
    ///
    /// # Errors
    /// See [`Code`]; who may not call a tool is told what one is told whose tool does not exist.
    pub async fn call(&self, who: &Arc<Principal>, request: Request) -> Result<Answer, CallError> {
        let unknown = || CallError::unknown_tool(&request.tool);
        let permit = self.policy.load().permit(who, &request.tool).ok_or_else(unknown)?;
        let published = self.plugins.published();
        let (plugin, tool) = published.find(permit.tool()).ok_or_else(unknown)?;
        let arguments = Value::Object(request.arguments);
        tool.check_arguments(&arguments)?;
        let deadline = Instant::now() + Duration::from_millis(self.limits.wall_ms);
        let slot = self.slot(deadline, &request.cancelled).await?;
        let stop = Arc::new(Stop::default());
        let time = deadline.saturating_duration_since(Instant::now());
        let bounds = Bounds { rows: self.limits.rows, bytes: self.limits.row_bytes, time };
        let transaction = self.database.open(&permit, bounds, stop.token().clone());
        let facts = CallFacts {
            request: request.id,
            principal: Arc::clone(who),
            scope: permit.scope().clone(),
            transaction: Arc::new(transaction),
            catalog: self.catalog.load_full(),
            listener: request.listener,
            deadline,
            now: now(),
        };
        plugin.run(tool, arguments.to_string(), facts, stop, request.cancelled, slot).await
    }

    /// The tools this principal may call, by name.
    pub fn tools(&self, who: &Arc<Principal>) -> Vec<Arc<Tool>> {
        let policy = self.policy.load();
        let published = self.plugins.published();
        published.tools().filter(|tool| policy.permit(who, &tool.name).is_some()).cloned().collect()
    }

    /// One tool, if this principal may call it.
    pub fn tool(&self, who: &Arc<Principal>, name: &str) -> Option<Arc<Tool>> {
        self.policy.load().permit(who, name)?;
        self.plugins.published().find(name).map(|(_, tool)| Arc::clone(tool))
    }

    /// Ticks when the published set changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.plugins.changes()
    }

    /// Who is asking.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Wait for a place among the calls that run. A quarter of the call's time at most: what is left must be enough
    /// to answer with.
    async fn slot(
        &self,
        deadline: Instant,
        cancelled: &CancellationToken,
    ) -> Result<tokio::sync::OwnedSemaphorePermit, CallError> {
        let patience = deadline.saturating_duration_since(Instant::now()) / 4;
        let wait = tokio::time::timeout(patience, Arc::clone(&self.slots).acquire_owned());
        tokio::select! {
            slot = wait => match slot {
                Ok(Ok(slot)) => Ok(slot),
                Ok(Err(closed)) => Err(CallError::internal(closed)),
                Err(_) => Err(CallError::new(Code::Overloaded, "the host has as many calls as it can hold; try again in a moment")
                    .retry_after(Duration::from_secs(1))),
            },
            () = cancelled.cancelled() => Err(CallError::new(Code::Cancelled, "the caller left before the call began")),
        }
    }
}

/// The call's clock, in microseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
