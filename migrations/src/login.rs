//! Passwords, limits and defaults of the three roles agents' statements run as.

use std::time::Duration;

use postgres_protocol::password::scram_sha_256;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::error::{Doing as _, Error};

/// The login roles, one for each shape of scope: one tenant, several, all.
pub const AGENT_ROLES: [&str; 3] = ["rowhouse_one", "rowhouse_some", "rowhouse_all"];

/// The login role of the host's own books. It reaches no tenant's table.
pub const CLERK_ROLE: &str = "rowhouse_clerk";

/// Defaults of every agent role in this database. Set when absent, so that an operator's own value stays.
const DEFAULTS: [(&str, &str); 10] = [
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "30s"), // The host's own deadline comes first; this is for when the host is gone.
    ("lock_timeout", "250ms"),    // A reader waits for nobody but a migration.
    ("idle_in_transaction_session_timeout", "5s"), // A call is one round trip.
    ("work_mem", "8MB"),          // Per sort or hash: a statement may have dozens.
    ("jit", "off"),               // Compiling costs more than these statements take.
    ("client_min_messages", "error"), // Notices are nobody's to read.
    ("max_parallel_workers_per_gather", "0"), // One call, one core.
    // Among 40,000 vectors it finds 9.2 of the 10 nearest in 1.1 ms; pgvector's own 40 finds 8.2 in 0.7 ms.
    ("hnsw.ef_search", "200"),
    // Where one row in a hundred meets a statement's condition, a single look at the index leaves half a row of ten.
    // Looking on leaves ten: 9.3 of the nearest if they may come about in order, 7.0 if they have to be in order.
    ("hnsw.iterative_scan", "relaxed_order"),
];

/// A literal of pgvector's: reading one loads the library, and with it the names of its settings. Before that only a
/// superuser may give a role one of them, and nobody hears that it is misspelt. No row: it is not installed.
const VECTOR: &str = "
    SELECT format('SELECT ''[1]''::%I.vector', n.nspname)
    FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'";

/// The schemas extensions live in, quoted and comma-separated; always `ext` among them.
pub(crate) const EXTENSION_SCHEMAS: &str = "
    SELECT string_agg(DISTINCT quote_ident(n.nspname), ', ')
    FROM pg_catalog.pg_namespace n
    WHERE n.nspname = 'ext' OR n.oid IN (
      SELECT e.extnamespace FROM pg_catalog.pg_extension e WHERE e.extname IN ('vector', 'pg_trgm', 'unaccent'))";

/// Sets password and connection limit of an agent role or of the clerk. The server gets a SCRAM verifier, so the
/// password is in no server log. Roles belong to the cluster: every database of it sees the change.
///
/// Each connection may use a core and several times `work_mem`, so keep the limit small: 8 is what a new role has.
///
/// # Errors
/// [`Error::NotAnAgentRole`] for any other role; [`Error::Database`] when the role is missing (run [`crate::migrate`]).
pub async fn set_login(admin: &Client, role: &str, password: &str, connection_limit: u16) -> Result<(), Error> {
    let role = known(role)?;
    // Safe to splice: base64, digits, `$` and `:` only.
    let verifier = scram_sha_256(password.as_bytes());
    let statement = format!("ALTER ROLE {role} LOGIN CONNECTION LIMIT {connection_limit} PASSWORD '{verifier}'");
    alter_shared(admin, &statement).await.doing("set the login of an agent role")
}

/// Gives login roles new passwords, all in one transaction, and leaves everything else about them. Open connections
/// stay open.
///
/// # Errors
/// As [`set_login`].
pub async fn set_passwords(admin: &Client, passwords: &[(&str, &str)]) -> Result<(), Error> {
    let mut statements = Vec::with_capacity(passwords.len());
    for (role, password) in passwords {
        let role = known(role)?;
        // Safe to splice: base64, digits, `$` and `:` only.
        statements.push(format!("ALTER ROLE {role} PASSWORD '{}'", scram_sha_256(password.as_bytes())));
    }
    alter_shared(admin, &statements.join("; ")).await.doing("set the passwords of the login roles")
}

/// A login role of ours.
fn known(role: &str) -> Result<&'static str, Error> {
    let mut known = AGENT_ROLES.into_iter().chain([CLERK_ROLE]);
    known.find(|known| *known == role).ok_or_else(|| Error::NotAnAgentRole(role.to_owned()))
}

/// Fills in missing defaults, and sets the search path to the schemas that hold registered tables.
pub(crate) async fn set_defaults(admin: &Client) -> Result<(), Error> {
    let (names, values): (Vec<&str>, Vec<&str>) = DEFAULTS.into_iter().unzip();
    if let Some(row) = admin.query_opt(VECTOR, &[]).await.doing("look for pgvector")? {
        admin.batch_execute(row.get(0)).await.doing("load pgvector")?;
    }
    let rows = admin
        .query(include_str!("login/defaults.sql"), &[&AGENT_ROLES.as_slice(), &names, &values])
        .await
        .doing("read the defaults of the agent roles")?;
    for row in rows {
        alter_shared(admin, row.get(0)).await.doing("set the defaults of the agent roles")?;
    }
    Ok(())
}

/// Runs a statement on a shared catalog. Two databases of one cluster may be at it at once; PostgreSQL does not queue
/// them but fails the slower with "tuple concurrently updated".
pub(crate) async fn alter_shared(admin: &Client, statement: &str) -> Result<(), tokio_postgres::Error> {
    /// The other side needs one try; twenty outlast any crowd of tests.
    const TRIES: u64 = 20;
    let mut attempt = 1;
    loop {
        match admin.batch_execute(statement).await {
            Err(error) if error.code() == Some(&SqlState::INTERNAL_ERROR) && attempt < TRIES => {
                tokio::time::sleep(Duration::from_millis(attempt * 5)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}
