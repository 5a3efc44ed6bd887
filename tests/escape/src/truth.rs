//! What is really in the database, asked by somebody who may see everything.

use crate::server::Server;
use anyhow::{Result, bail};
use tokio_postgres::{Client, SimpleQueryMessage};

/// Somebody who may see everything: the database's administrator, or else a caller the server trusts with all.
pub(crate) enum Truth<'a> {
    /// Sees what the server cannot hide.
    Admin(&'a Client),
    /// Sees what the server shows.
    Caller(&'a Server),
}

impl Truth<'_> {
    /// The rows of a statement, as texts.
    ///
    /// # Errors
    /// When the statement is not answered.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        match self {
            Truth::Admin(client) => rows(client, sql).await,
            Truth::Caller(server) => {
                let reply = server.sql(sql).await;
                match reply.rows {
                    Some(rows) => Ok(rows),
                    None => bail!("whoever sees everything got no answer to {sql:?}: {}", reply.said),
                }
            }
        }
    }

    /// The first column of a statement.
    ///
    /// # Errors
    /// When the statement is not answered.
    pub(crate) async fn column(&self, sql: &str) -> Result<Vec<String>> {
        Ok(self.rows(sql).await?.into_iter().filter_map(|row| row.into_iter().next()).collect())
    }

    /// The first cell of a statement.
    ///
    /// # Errors
    /// When the statement is not answered or gives no rows.
    pub(crate) async fn cell(&self, sql: &str) -> Result<String> {
        match self.column(sql).await?.into_iter().next() {
            Some(cell) => Ok(cell),
            None => bail!("no rows for {sql:?}: is the demo's data loaded?"),
        }
    }
}

/// Rows as PostgreSQL writes them.
///
/// # Errors
/// When the statement fails.
pub(crate) async fn rows(client: &Client, sql: &str) -> Result<Vec<Vec<String>>> {
    let messages = client.simple_query(sql).await?;
    Ok(messages
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|at| row.get(at).unwrap_or_default().to_owned()).collect())
            }
            _ => None,
        })
        .collect())
}
