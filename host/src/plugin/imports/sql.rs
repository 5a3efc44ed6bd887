//! `sql`: the guest's statements, through the door that its permit opened.

use super::super::bindings::rowhouse::plugin::sql::{self, Batch, Column, SqlError, Value};
use super::super::state::{CallState, Pending, RowSet};
use super::convert;
use crate::error::Code;
use crate::plugin::meter::Breach;
use crate::query::Rows;
use std::sync::Arc;
use tokio::task::JoinSet;
use wasmtime::Result;
use wasmtime::component::Resource;

/// Rows one `next` may hold, whatever the guest asks for: the list is built in the host before it is copied.
const MAX_PAGE: u32 = 1_000;

/// Rows one `next-batch` may hold. Packed columns cost a tenth of variants.
const MAX_BATCH: u32 = 10_000;

impl CallState {
    fn keep(&mut self, rows: Rows) -> Result<Resource<RowSet>> {
        self.meter.hold()?;
        Ok(self.table.push(RowSet { rows, read: 0 })?)
    }

    /// Take rows out of the table, to answer with them.
    pub(in crate::plugin) fn take_rows(&mut self, handle: Resource<RowSet>) -> Result<Rows> {
        let set = self.table.delete(handle)?;
        self.meter.release();
        Ok(set.rows)
    }
}

impl sql::Host for CallState {
    async fn query(&mut self, statement: String, parameters: Vec<Value>) -> Result<Result<Resource<RowSet>, SqlError>> {
        self.enter()?;
        self.meter.statement()?;
        let transaction = Arc::clone(&self.facts()?.transaction);
        let parameters: Vec<_> = parameters.into_iter().map(convert::parameter).collect();
        let statement = transaction.start(statement, parameters).await;
        let outcome = self.ask(statement).await?;
        self.stopped()?;
        match outcome {
            Ok(rows) => self.keep(rows).map(Ok),
            Err(error) => Ok(Err(convert::sql_error(&self.plugin, error))),
        }
    }

    async fn submit(
        &mut self,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<Result<Resource<Pending>, SqlError>> {
        self.enter()?;
        self.meter.statement()?;
        self.meter.hold()?;
        let transaction = Arc::clone(&self.facts()?.transaction);
        let parameters: Vec<_> = parameters.into_iter().map(convert::parameter).collect();
        let statement = transaction.start(statement, parameters).await;
        let task = match self.place.aside() {
            Some(aside) => aside.ask(self.stop.token().clone(), statement),
            None => {
                let mut task = JoinSet::new();
                task.spawn(statement);
                task
            }
        };
        Ok(Ok(self.table.push(Pending(Some(task)))?))
    }
}

impl sql::HostPending for CallState {
    async fn wait(&mut self, pending: Resource<Pending>) -> Result<Result<Resource<RowSet>, SqlError>> {
        self.enter()?;
        let Some(mut task) = self.table.get_mut(&pending)?.0.take() else {
            return Ok(Err(convert::waited_twice()));
        };
        let outcome = task.join_next().await;
        self.stopped()?;
        match outcome {
            Some(Ok(Ok(rows))) => self.keep(rows).map(Ok),
            Some(Ok(Err(error))) => Ok(Err(convert::sql_error(&self.plugin, error))),
            _ => Err(Breach::new(Code::Internal, "lost a statement").into()),
        }
    }

    fn drop(&mut self, pending: Resource<Pending>) -> Result<()> {
        self.table.delete(pending)?;
        self.meter.release();
        Ok(())
    }
}

impl sql::HostRows for CallState {
    fn columns(&mut self, handle: Resource<RowSet>) -> Result<Vec<Column>> {
        self.enter()?;
        Ok(self.table.get(&handle)?.rows.columns().iter().map(convert::column).collect())
    }

    fn count(&mut self, handle: Resource<RowSet>) -> Result<u32> {
        self.enter()?;
        Ok(u32::try_from(self.table.get(&handle)?.rows.len()).unwrap_or(u32::MAX))
    }

    fn truncated(&mut self, handle: Resource<RowSet>) -> Result<bool> {
        self.enter()?;
        Ok(self.table.get(&handle)?.rows.truncated())
    }

    fn next(&mut self, handle: Resource<RowSet>, max: u32) -> Result<Vec<Vec<Value>>> {
        self.enter()?;
        let set = self.table.get_mut(&handle)?;
        let page = set.rows.values(set.read, max.clamp(1, MAX_PAGE) as usize);
        set.read += page.len();
        Ok(page.into_iter().map(|row| row.into_iter().map(convert::value).collect()).collect())
    }

    fn next_batch(&mut self, handle: Resource<RowSet>, max: u32) -> Result<Option<Batch>> {
        self.enter()?;
        let set = self.table.get_mut(&handle)?;
        let batch = set.rows.batch(set.read, max.clamp(1, MAX_BATCH) as usize);
        set.read += batch.as_ref().map_or(0, |batch| batch.rows as usize);
        Ok(batch.map(convert::batch))
    }

    fn drop(&mut self, handle: Resource<RowSet>) -> Result<()> {
        self.take_rows(handle).map(drop)
    }
}
