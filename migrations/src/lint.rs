//! Is it all still so? Reads the catalogs as an administrator and compares them with what the walls rest on.

use tokio_postgres::Client;

use crate::allowed_functions;
use crate::error::{Doing as _, Error};
use crate::login::AGENT_ROLES;

/// Something in the database that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The host must not serve while this stands: a tenant could read another's rows, or write. Otherwise it is a
    /// weakness another wall covers.
    pub fatal: bool,
    /// Which rule, a few stable words, e.g. `row security not forced`.
    pub rule: String,
    /// The role, table, function or index in question.
    pub object: String,
    /// The SQL that mends it; after `--`, another way to.
    pub mend: String,
}

/// One file per subject; each takes the agent roles ($1) and the allow-list ($2), and gives the columns of [`Finding`].
const QUERIES: [(&str, &str); 4] = [
    ("check the agent roles", include_str!("lint/roles.sql")),
    ("check what agents may read and write", include_str!("lint/tables.sql")),
    ("check the policies and indexes", include_str!("lint/policies.sql")),
    ("check what agents may call", include_str!("lint/functions.sql")),
];

/// Everything that is not as it should be, fatal findings first. Changes nothing.
///
/// # Errors
/// [`Error::Database`], e.g. when the schema is missing (run [`crate::migrate`]).
pub async fn lint(admin: &Client) -> Result<Vec<Finding>, Error> {
    // With only pg_catalog in the path every name is printed in full, here and inside policies.
    admin
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = pg_catalog")
        .await
        .doing("begin to check the database")?;
    let findings = read(admin).await;
    admin.batch_execute("ROLLBACK").await.doing("finish checking the database")?;
    findings
}

async fn read(admin: &Client) -> Result<Vec<Finding>, Error> {
    let allowed: Vec<&str> = allowed_functions().collect();
    let mut findings = Vec::new();
    for (doing, query) in QUERIES {
        let rows = admin.query(query, &[&AGENT_ROLES.as_slice(), &allowed]).await.doing(doing)?;
        findings.extend(rows.iter().map(|row| Finding {
            fatal: row.get(0),
            rule: row.get(1),
            object: row.get(2),
            mend: row.get(3),
        }));
    }
    findings.sort_by(|a, b| b.fatal.cmp(&a.fatal).then_with(|| (&a.rule, &a.object).cmp(&(&b.rule, &b.object))));
    Ok(findings)
}
