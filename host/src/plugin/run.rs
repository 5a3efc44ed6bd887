//! One call in one fresh instance.

use super::bindings::exports::rowhouse::plugin::tools as wit;
use super::bindings::rowhouse::plugin::types::{SqlError, SqlErrorCode};
use super::blame::{blame, broken, named};
use super::engine;
use super::loader::Loaded;
use super::meter::{Breach, Stop};
use super::nesting::deeper_than;
use super::state::{CallFacts, CallState};
use super::text;
use super::tool::{Answer, Part, Tool};
use super::usage::Used;
use crate::config::Limits;
use crate::error::{CallError, Code};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long a call that was told to stop may take to do so before its future is dropped. A tick and a round trip to
/// the database fit many times over; what does not stop by then waits inside WASI, where dropping is clean.
const GRACE: Duration = Duration::from_millis(1_000);

/// The longest error text a plugin may send its caller, in bytes.
const MAX_TEXT: usize = 4_000;

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
    /// A call's arguments as they go in, if they may: small enough, flat enough, and of the tool's shape.
    ///
    /// # Errors
    /// [`Code::Arguments`] and [`Code::Validation`].
    pub fn admit(&self, tool: &Tool, arguments: &Value, limits: &Limits) -> Result<String, CallError> {
        let text = arguments.to_string();
        let (bytes, most) = (text.len(), limits.argument_bytes);
        if bytes > most {
            let text = format!("the arguments for `{}` have {bytes} bytes; at most {most} are taken", tool.name);
            return Err(CallError::new(Code::Arguments, text));
        }
        if deeper_than(&text, limits.json_depth) {
            let most = limits.json_depth;
            let text = format!("the arguments for `{}` nest deeper than {most} levels", tool.name);
            return Err(CallError::new(Code::Arguments, text));
        }
        tool.check_arguments(arguments)?;
        Ok(text)
    }

    /// Answer one call in a fresh instance. `held` is let go when the guest has ended, however that is.
    ///
    /// The guest runs in a task of its own: when the caller leaves, or this future is dropped, the guest is told to
    /// stop and ends at its next tick or wait, instead of being dropped in the middle of one.
    ///
    /// # Errors
    /// What the tool answered instead, which bound it broke, or that it was stopped.
    pub async fn run(
        self: &Arc<Self>,
        tool: &Arc<Tool>,
        arguments: String,
        facts: CallFacts,
        stop: Arc<Stop>,
        cancelled: CancellationToken,
        held: impl Send + 'static,
    ) -> Result<Answer, CallError> {
        let (deadline, most) = (facts.deadline, facts.limits.wall_ms);
        let (plugin, tool, order) = (Arc::clone(self), Arc::clone(tool), Arc::clone(&stop));
        let mut task = tokio::spawn(async move {
            let outcome = plugin.answer(&tool, &arguments, facts, order).await;
            drop(held);
            outcome
        });
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
        match outcome {
            Ok(Ok(outcome)) => outcome,
            // The task itself panicked: a fault of ours or of the runtime, contained in that task.
            Ok(Err(fault)) => Err(CallError::internal(fault)),
            Err(_) => {
                abort.abort();
                let error = broken(&self.name, Some(&self.version), &stop.reason().unwrap_or_else(left));
                self.usage.ended(Some(error.code), &Used { wall_ms: most, ..Used::default() }, 0);
                Err(error)
            }
        }
    }

    async fn answer(
        &self,
        tool: &Tool,
        arguments: &str,
        facts: CallFacts,
        stop: Arc<Stop>,
    ) -> Result<Answer, CallError> {
        let (request, began) = (facts.request.clone(), Instant::now());
        let (limits, transaction) = (facts.limits.clone(), Arc::clone(&facts.transaction));
        let state = CallState::new(Arc::clone(&self.name), &limits, Arc::clone(&stop), Some(facts), self.wasi);
        let mut store = engine::store(&self.pre, state, &limits, &stop);
        let called = async {
            let plugin = self.pre.instantiate_async(&mut store).await?;
            plugin.rowhouse_plugin_tools().call_call(&mut store, &tool.name, arguments).await
        }
        .await;
        let fuel = store.get_fuel().map_or(0, |left| limits.fuel.saturating_sub(left));
        let mut state = store.into_data();
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
            tool.name = %tool.name,
            request.id = %request,
            host_calls = state.meter.host_calls,
            statements = state.meter.statements,
            memory = state.bounds.used(),
            elapsed_us = began.elapsed().as_micros() as u64,
            "guest ended"
        );
        let outcome = match called {
            Ok(Ok(answer)) => self.understand(tool, answer, &mut state, &limits),
            Ok(Err(error)) => Err(given_up(error)),
            Err(error) => Err(blame(&self.name, Some(&self.version), &error)),
        };
        let ran = transaction.ran();
        let used = Used {
            wall_ms: began.elapsed().as_millis() as u64,
            cpu_ms: state.meter.ticks * engine::TICK.as_millis() as u64,
            fuel,
            memory: state.bounds.used() as u64,
            host_calls: state.meter.host_calls,
            statements: u64::from(state.meter.statements),
            database_ms: ran.iter().map(|ran| ran.time).sum::<Duration>().as_millis() as u64,
            rows: ran.iter().map(|ran| ran.rows).max().unwrap_or(0),
            answer_bytes: state.answer_bytes as u64,
            log_bytes: state.meter.log_bytes as u64,
        };
        self.usage.ended(outcome.as_ref().err().map(|error| error.code), &used, state.meter.log_dropped);
        outcome
    }

    /// The guest's answer in the host's own terms, held to the tool's output schema.
    fn understand(
        &self,
        tool: &Tool,
        answer: wit::Answer,
        state: &mut CallState,
        limits: &Limits,
    ) -> Result<Answer, CallError> {
        let named = named(&self.name, Some(&self.version));
        let broke = |code, what: &str| CallError::new(code, format!("the tool `{}` of {named} {what}", tool.name));
        let lie = |what: &str| broke(Code::PluginContract, what);
        let mut aside = 0;
        let answer = match answer {
            wit::Answer::Rows(handle) => {
                let rows = state.take_rows(handle).map_err(|_| lie("answered with rows it does not hold"))?;
                let json = rows.to_json();
                let structured = serde_json::from_str(&json).map_err(CallError::internal)?;
                Answer { parts: vec![Part::Text(json)], structured: Some(structured) }
            }
            wit::Answer::Structured(answer) => {
                if deeper_than(&answer.json, limits.json_depth) {
                    let what = format!("answered with JSON that nests deeper than {} levels", limits.json_depth);
                    return Err(broke(Code::PluginNesting, &what));
                }
                let structured: Value = serde_json::from_str(&answer.json)
                    .map_err(|e| lie("answered with text that is not JSON").because(e))?;
                if !structured.is_object() {
                    return Err(lie("answered with JSON that is not an object"));
                }
                // With words of its own for models, the JSON comes beside them.
                aside = answer.text.as_ref().map_or(0, |_| answer.json.len());
                Answer { parts: vec![Part::Text(answer.text.unwrap_or(answer.json))], structured: Some(structured) }
            }
            wit::Answer::Text(text) => Answer { parts: vec![Part::Text(text)], structured: None },
            wit::Answer::Parts(parts) if parts.len() > limits.answer_parts as usize => {
                let what = format!("answered with {} parts; an answer may have {}", parts.len(), limits.answer_parts);
                return Err(broke(Code::PluginAnswer, &what));
            }
            wit::Answer::Parts(parts) => Answer { parts: parts.into_iter().map(part).collect(), structured: None },
        };
        let (bytes, most) = (aside + answer.size(), limits.answer_bytes);
        state.answer_bytes = bytes;
        if bytes > most {
            return Err(broke(Code::PluginAnswer, &format!("answered with {bytes} bytes; an answer may have {most}")));
        }
        if let Some(fault) = answer.parts.iter().find_map(Part::fault) {
            return Err(lie(&format!("answered with a part whose {fault}")));
        }
        match &answer.structured {
            Some(structured) => tool.check_answer(structured, &named)?,
            None if tool.output_schema.is_some() => {
                return Err(lie("has an output schema and answered without structure"));
            }
            None => {}
        }
        Ok(answer)
    }
}

fn part(part: wit::Part) -> Part {
    match part {
        wit::Part::Text(text) => Part::Text(text),
        wit::Part::Image(media) => Part::Image { data: media.data, mime_type: media.mime_type },
        wit::Part::Audio(media) => Part::Audio { data: media.data, mime_type: media.mime_type },
        wit::Part::Resource(it) => Part::Resource { uri: it.uri, mime_type: it.mime_type, text: it.text },
    }
}

/// The tool gave up, and said why.
fn given_up(error: wit::ToolError) -> CallError {
    let (code, said) = match error {
        wit::ToolError::InvalidArguments(text) => (Code::Validation, text),
        wit::ToolError::NotFound(text) => (Code::NotFound, text),
        wit::ToolError::Failed(text) => (Code::ToolFailed, text),
        wit::ToolError::Sql(error) => (sql_code(&error), sql_text(&error)),
    };
    // In lines, as its author wrote it; what would move a terminal's cursor is written out.
    let lines: Vec<String> =
        said[..said.floor_char_boundary(MAX_TEXT)].lines().map(|it| text::line(it, MAX_TEXT)).collect();
    CallError::new(code, lines.join("\n"))
}

fn sql_code(error: &SqlError) -> Code {
    match error.code {
        SqlErrorCode::Rejected => Code::QueryRejected,
        SqlErrorCode::Invalid => Code::QueryInvalid,
        SqlErrorCode::Timeout => Code::QueryTimeout,
        SqlErrorCode::Limit => Code::QueryLimit,
        SqlErrorCode::Cancelled => Code::Cancelled,
        SqlErrorCode::Unavailable => Code::Database,
    }
}

fn sql_text(error: &SqlError) -> String {
    let mut text = error.message.clone();
    if let Some(position) = error.position {
        text.push_str(&format!(" (at character {position})"));
    }
    if let Some(state) = &error.sqlstate {
        text.push_str(&format!(" [{state}]"));
    }
    text
}
