//! One errand in one fresh instance.

use super::blame::{blame, broken, named};
use super::clock;
use super::engine;
use super::loader::Loaded;
use super::meter::{Breach, Stop};
use super::nesting::deeper_than;
use super::place::Place;
use super::state::{CallFacts, CallState};
use super::text;
use super::usage::Used;
use crate::config::Limits;
use crate::error::{CallError, Code};
use crate::telemetry;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use wasmtime::Store;
use wasmtime::component::Instance;

/// How long a call that was told to stop may take to do so before its future is dropped. A tick and a round trip to
/// the database fit many times over; what does not stop by then waits inside WASI, or for a database that says nothing,
/// where dropping is clean.
const GRACE: Duration = Duration::from_millis(500);

/// What a guest is asked to do.
pub trait Errand: Send + Sync + 'static {
    /// What comes of it.
    type Outcome: Send + 'static;

    /// What is asked for, for the log: a name the plugin gave.
    fn name(&self) -> &str;

    /// Do it, in an instance that nobody used before.
    fn run(&self, guest: &mut Guest<'_>) -> impl Future<Output = Result<Self::Outcome, Fault>> + Send;
}

/// What a guest took of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Time its call held a thread: the guest's computing and the host's for it, its waits aside.
    pub cpu: Duration,
    /// Fuel, where it is counted.
    pub fuel: u64,
}

/// What a call holds until its guest has ended.
pub trait Held: Send + 'static {
    /// The guest has ended, and took this. Not told of one that had to be dropped where it waited.
    fn ended(&mut self, spent: Spent);
}

/// A guest in its instance.
pub struct Guest<'a> {
    pub(super) plugin: &'a Loaded,
    pub(super) store: Store<CallState>,
    pub(super) instance: Instance,
    pub(super) limits: &'a Limits,
}

/// Why an errand came to nothing.
#[derive(Debug)]
pub enum Fault {
    /// The guest was ended, or ended itself.
    Ended(wasmtime::Error),
    /// It came back, with an error or with what it may not.
    Call(CallError),
}

impl From<wasmtime::Error> for Fault {
    fn from(error: wasmtime::Error) -> Self {
        Self::Ended(error)
    }
}

impl From<CallError> for Fault {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// The order to stop, given when nobody waits for the answer any more.
struct StopWhenLeft(Arc<Stop>);

impl Drop for StopWhenLeft {
    fn drop(&mut self) {
        self.0.order(left());
    }
}

fn left() -> Breach {
    Breach::new(Code::Cancelled, "was stopped because the caller left")
}

impl Loaded {
    /// What a caller sends as it goes in, if it may: small enough and flat enough. Its shape is the item's business.
    ///
    /// # Errors
    /// [`Code::Arguments`].
    pub fn admit(&self, item: &str, arguments: &Value, limits: &Limits) -> Result<String, CallError> {
        let text = arguments.to_string();
        let (bytes, most) = (text.len(), limits.argument_bytes);
        if bytes > most {
            let text = format!("the arguments for `{item}` have {bytes} bytes; at most {most} are taken");
            return Err(CallError::new(Code::Arguments, text));
        }
        if deeper_than(&text, limits.json_depth) {
            let most = limits.json_depth;
            let text = format!("the arguments for `{item}` nest deeper than {most} levels");
            return Err(CallError::new(Code::Arguments, text));
        }
        Ok(text)
    }

    /// Do one errand in a fresh instance. `held` is let go when the guest has ended, however that is.
    ///
    /// The guest runs in a task of its own: when the caller leaves, or this future is dropped, the guest is told to
    /// stop and ends at its next tick or wait, instead of being dropped in the middle of one.
    ///
    /// # Errors
    /// What the plugin answered instead, which bound it broke, or that it was stopped.
    pub async fn run<E: Errand>(
        self: &Arc<Self>,
        errand: E,
        facts: CallFacts,
        stop: Arc<Stop>,
        cancelled: CancellationToken,
        mut held: impl Held,
    ) -> Result<E::Outcome, CallError> {
        let (deadline, most) = (facts.deadline, facts.limits.wall_ms);
        let (transaction, account) = (Arc::clone(&facts.transaction), facts.transaction.account());
        let place = self.conduct.place(account);
        let (plugin, order, seat) = (Arc::clone(self), Arc::clone(&stop), place.clone());
        let guest = async move {
            let (outcome, spent) = plugin.send(&errand, facts, order, seat).await;
            held.ended(spent);
            drop(held);
            outcome
        }
        .in_current_span();
        let on_probation = matches!(place, Place::Probation(_));
        let mut task = place.spawn(guest);
        let abort = task.abort_handle();
        let _left = StopWhenLeft(Arc::clone(&stop));
        let outcome = tokio::select! {
            outcome = &mut task => Some(outcome),
            () = cancelled.cancelled() => { stop.order(left()); None }
            () = tokio::time::sleep_until(deadline.into()) => {
                stop.order(Breach::new(Code::PluginDeadline, format!("took longer than {most} ms")));
                None
            }
        };
        let outcome = match outcome {
            Some(outcome) => Ok(outcome),
            None => tokio::time::timeout(GRACE, &mut task).await,
        };
        let outcome = match outcome {
            Ok(Ok(outcome)) => outcome,
            // The task itself panicked: a fault of ours or of the runtime, contained in that task.
            Ok(Err(fault)) => Err(CallError::internal(fault)),
            Err(_) => {
                abort.abort();
                let error = broken(&self.name, Some(&self.version), &stop.reason().unwrap_or_else(left));
                self.usage.ended(Some(error.code), &Used { wall_ms: most, ..Used::default() }, 0);
                Err(error)
            }
        };
        if on_probation {
            self.usage.was_on_probation();
        }
        let failed = outcome.as_ref().err().map(|error| error.code);
        // Who waited for a database that answers nobody broke no bound of its own making.
        let failed = failed.filter(|code| *code != Code::PluginDeadline || !transaction.is_unheard());
        if self.conduct.ended(account, failed) {
            let whose = account.whose();
            tracing::warn!(plugin.name = %self.name, "calls {whose} break the plugin's bounds again and again and step behind all others");
        }
        outcome
    }

    async fn send<E: Errand>(
        &self,
        errand: &E,
        facts: CallFacts,
        stop: Arc<Stop>,
        place: Place,
    ) -> (Result<E::Outcome, CallError>, Spent) {
        let (request, began) = (facts.request.clone(), Instant::now());
        let (limits, transaction, told) = (facts.limits.clone(), Arc::clone(&facts.transaction), facts.told.clone());
        let mut state = CallState::new(Arc::clone(&self.name), &limits, Arc::clone(&stop), Some(facts), self.wasi);
        state.place = place;
        let mut store = engine::store(self.exports.pre(), state, &limits, &stop);
        let work = async {
            match self.exports.pre().instantiate_async(&mut store).await {
                Ok(instance) => {
                    let mut guest = Guest { plugin: self, store, instance, limits: &limits };
                    (errand.run(&mut guest).await, guest.store)
                }
                Err(error) => (Err(error.into()), store),
            }
        };
        let ((outcome, store), cpu) = clock::timed(work).await;
        let fuel = store.get_fuel().map_or(0, |left| limits.fuel.saturating_sub(left));
        let state = store.into_data();
        if let Some(stderr) = &state.stderr {
            let said = stderr.contents();
            if !said.is_empty() {
                tracing::info!(plugin.name = %self.name, request.id = %request, "{}", text::block(&String::from_utf8_lossy(&said), limits.log_bytes));
            }
        }
        if state.meter.log_dropped > 0 {
            tracing::warn!(plugin.name = %self.name, request.id = %request, dropped = state.meter.log_dropped, "log lines over the call's bound were dropped");
        }
        tracing::debug!(
            plugin.name = %self.name,
            tool.name = errand.name(),
            request.id = %request,
            host_calls = state.meter.host_calls,
            statements = state.meter.statements,
            memory = state.bounds.used(),
            elapsed_us = began.elapsed().as_micros() as u64,
            "guest ended"
        );
        let outcome = outcome.map_err(|fault| match fault {
            Fault::Ended(error) => blame(&self.name, Some(&self.version), &error),
            Fault::Call(error) => error,
        });
        let ran = transaction.ran();
        let used = Used {
            wall_ms: began.elapsed().as_millis() as u64,
            cpu_ms: cpu.as_millis() as u64,
            fuel,
            memory: state.bounds.used() as u64,
            host_calls: state.meter.host_calls,
            statements: u64::from(state.meter.statements),
            database_ms: ran.iter().map(|ran| ran.time).sum::<Duration>().as_millis() as u64,
            rows: ran.iter().map(|ran| ran.rows).max().unwrap_or(0),
            answer_bytes: state.answer_bytes as u64,
            log_bytes: state.meter.log_bytes as u64,
        };
        if matches!(state.place, Place::Long(_)) {
            self.usage.was_long();
        }
        self.usage.ended(outcome.as_ref().err().map(|error| error.code), &used, state.meter.log_dropped);
        if let Some((telemetry, item)) = &told {
            let (memory, host_calls, lines_dropped) = (used.memory, used.host_calls, state.meter.log_dropped);
            telemetry.guest(item, &telemetry::Guest { memory, cpu, fuel, host_calls, lines_dropped });
        }
        (outcome, Spent { cpu, fuel })
    }

    /// The plugin as errors name it.
    pub(super) fn called(&self) -> String {
        named(&self.name, Some(&self.version))
    }
}
