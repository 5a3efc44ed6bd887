//! What one call costs, part by part. For an author at work: it goes past the street's queue and record, and never serves.

use super::blame::blame;
use super::clock;
use super::engine;
use super::loader::Loaded;
use super::meter::Stop;
use super::state::{CallFacts, CallState};
use crate::error::{CallError, Code};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One call, taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Until there is an instance.
    pub instance: Duration,
    /// From then on until there is an answer, the statements it waited for included.
    pub guest: Duration,
    /// Bytes of linear memory it had in the end.
    pub memory: usize,
    /// Calls it made into the host.
    pub host_calls: u64,
}

impl Loaded {
    /// Call a tool in a fresh instance, and measure. `facts` are those of a call that was permitted.
    ///
    /// # Errors
    /// Which bound it broke, or that the tool gave up.
    pub async fn measure(
        &self,
        tool: &str,
        arguments: &str,
        facts: CallFacts,
        stop: Arc<Stop>,
    ) -> Result<Measured, CallError> {
        let began = Instant::now();
        let limits = facts.limits.clone();
        let state = CallState::new(Arc::clone(&self.name), &limits, Arc::clone(&stop), Some(facts), self.wasi);
        let mut store = engine::store(self.exports.pre(), state, &limits, &stop);
        let work = async {
            let inside = self.exports.pre().instantiate_async(&mut store).await?;
            let plugin = self.exports.tools(&mut store, &inside)?;
            let (instance, began) = (began.elapsed(), Instant::now());
            let called = plugin.call_call(&mut store, tool, arguments).await?;
            wasmtime::Result::Ok((instance, began.elapsed(), called))
        };
        let (instance, guest, called) =
            clock::timed(work).await.0.map_err(|e| blame(&self.name, Some(&self.version), &e))?;
        if called.is_err() {
            return Err(CallError::new(Code::ToolFailed, format!("the tool `{tool}` gave up")));
        }
        let state = store.into_data();
        Ok(Measured { instance, guest, memory: state.bounds.used(), host_calls: state.meter.host_calls })
    }
}
