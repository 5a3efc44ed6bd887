//! What is searched by meaning: are only shared texts, and is a change of one noticed?

use tokio_postgres::Client;

use super::{Finding, finding};
use crate::error::{Doing as _, Error};
use crate::login::AGENT_ROLES;

/// Nothing, of a database whose schema is too old for it.
pub(super) async fn look(admin: &Client) -> Result<Vec<Finding>, Error> {
    let doing = "check what is searched by meaning";
    let there =
        admin.query_one("SELECT to_regclass('rowhouse.embedding_sources') IS NOT NULL", &[]).await.doing(doing)?;
    if !there.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let rows = admin.query(include_str!("vectors.sql"), &[&AGENT_ROLES.as_slice()]).await.doing(doing)?;
    Ok(rows.iter().map(finding).collect())
}
