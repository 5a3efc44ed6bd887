//! The interfaces a plugin may import, on top of the host: convert, delegate, convert.

mod convert;
mod sql;

use super::bindings::rowhouse::plugin::{call_context, embedding, log, progress, schema, types};
use super::listener::LogLevel;
use super::meter::Breach;
use super::state::CallState;
use super::text::{self, MAX_LINE};
use crate::embedding::{NoVectors, State};
use crate::error::Code;
use crate::policy::Scope;
use std::time::Instant;
use wasmtime::Result;

impl types::Host for CallState {}

impl schema::Host for CallState {
    fn tables(&mut self) -> Result<Result<Vec<schema::Table>, types::SqlError>> {
        self.enter()?;
        let facts = self.facts()?;
        Ok(Ok(facts.transaction.sees(&facts.catalog).tables().iter().map(convert::table).collect()))
    }

    async fn samples(
        &mut self,
        table: String,
        column: String,
        max: u32,
    ) -> Result<Result<Vec<String>, types::SqlError>> {
        self.enter()?;
        self.meter.statement()?;
        let facts = self.facts()?;
        let (catalog, transaction) = (facts.catalog.clone(), facts.transaction.clone());
        let samples = async move { transaction.samples(&catalog, &table, &column, max).await };
        let samples = self.ask(samples).await?;
        self.stopped()?;
        Ok(samples.map_err(|error| convert::sql_error(&self.plugin, error)))
    }
}

impl embedding::Host for CallState {
    fn current(&mut self) -> Result<Option<embedding::Model>> {
        self.enter()?;
        Ok(match self.facts()?.vectors.embeddings.state() {
            State::Serves(model) => Some(embedding::Model {
                name: model.name().to_owned(),
                dimensions: u32::from(model.space().dimensions),
            }),
            State::Off | State::Waits(_) => None,
        })
    }

    async fn embed(&mut self, texts: Vec<String>) -> Result<Result<Vec<Vec<f32>>, embedding::EmbeddingError>> {
        self.enter()?;
        let vectors = &self.facts()?.vectors;
        let (embeddings, account) = (vectors.embeddings.clone(), vectors.account.clone());
        let left = (embeddings.settings().texts_per_call as usize).saturating_sub(self.embedded);
        let count = texts.len();
        // A refusal waits for nothing, and so never pays for a hand-over between threads.
        let made = match embeddings.admit(&texts, left) {
            Ok(model) => self.ask(async move { embeddings.make(&model, &account, &texts).await }).await?,
            Err(refused) => Err(refused),
        };
        self.stopped()?;
        Ok(match made {
            Ok(made) => {
                self.embedded += count;
                self.facts()?.vectors.spent(made.tokens);
                Ok(made.vectors)
            }
            Err(NoVectors::NotConfigured) => Err(embedding::EmbeddingError::NotConfigured),
            Err(NoVectors::Limit(what)) => Err(embedding::EmbeddingError::Limit(what)),
            Err(other) => {
                tracing::debug!(plugin.name = %self.plugin, error = %other, "no vectors");
                Err(embedding::EmbeddingError::Unavailable(other.to_string()))
            }
        })
    }
}

impl call_context::Host for CallState {
    fn request_id(&mut self) -> Result<String> {
        self.enter()?;
        Ok(self.facts()?.request.clone())
    }

    fn deadline_left(&mut self) -> Result<u64> {
        self.enter()?;
        let left = self.facts()?.deadline.saturating_duration_since(Instant::now());
        Ok(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    fn now(&mut self) -> Result<i64> {
        self.enter()?;
        Ok(self.facts()?.now)
    }

    fn caller(&mut self) -> Result<call_context::Principal> {
        self.enter()?;
        let facts = self.facts()?;
        Ok(call_context::Principal {
            display_name: facts.permit.principal().display_name().to_owned(),
            roles: facts.permit.principal().roles().to_vec(),
            scope: match facts.permit.scope() {
                Scope::One(_) => call_context::Scope::Single,
                Scope::Some(_) => call_context::Scope::Several,
                Scope::All => call_context::Scope::All,
            },
        })
    }
}

impl log::Host for CallState {
    fn write(&mut self, level: log::Level, message: String) -> Result<()> {
        self.enter()?;
        let line = text::line(&message, MAX_LINE);
        if !self.meter.log(line.len()) {
            return Ok(());
        }
        let (level, plugin) = (convert::level(level), &self.plugin);
        let request = self.call.as_ref().map_or("describe", |facts| facts.request.as_str());
        match level {
            LogLevel::Debug => tracing::debug!(plugin.name = %plugin, request.id = request, "{line}"),
            LogLevel::Info => tracing::info!(plugin.name = %plugin, request.id = request, "{line}"),
            LogLevel::Warn => tracing::warn!(plugin.name = %plugin, request.id = request, "{line}"),
            LogLevel::Error => tracing::error!(plugin.name = %plugin, request.id = request, "{line}"),
        }
        if let Some(listener) = self.call.as_ref().and_then(|facts| facts.listener.as_ref()) {
            listener.log(level, plugin, &line);
        }
        Ok(())
    }
}

impl progress::Host for CallState {
    fn report(&mut self, done: f64, total: Option<f64>, message: Option<String>) -> Result<()> {
        self.enter()?;
        // JSON has no NaN and no infinity; a report that cannot be told is not one.
        if !done.is_finite() || total.is_some_and(|total| !total.is_finite()) || !self.meter.progress() {
            return Ok(());
        }
        if let Some(listener) = self.call.as_ref().and_then(|facts| facts.listener.as_ref()) {
            listener.progress(done, total, message.map(|message| text::line(&message, MAX_LINE)).as_deref());
        }
        Ok(())
    }
}

impl CallState {
    /// After waiting: the end of the road where the call was told to stop meanwhile. What it waited for then failed
    /// for that reason, and the guest is not asked what it thinks of it.
    fn stopped(&self) -> Result<()> {
        if let Some(reason) = self.stop.reason() {
            return Err(reason.into());
        }
        match self.facts()?.transaction.overdrawn() {
            Some(most) => {
                let what = format!("held the database for more than {} ms with its statements", most.as_millis());
                Err(Breach::new(Code::PluginDatabaseTime, what).into())
            }
            None => Ok(()),
        }
    }
}
