//! From an empty database to the current shape, forward only.

use refinery::{Migration, Runner};
use tokio_postgres::Client;

use crate::error::{Doing as _, Error};
use crate::login;

/// What to bring into the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domains {
    /// Schema `rowhouse` alone: for a database with tables of its own.
    Core,
    /// `rowhouse` and the demo's schema `retail`.
    CoreAndRetail,
}

/// What a run of [`migrate`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Applied just now, in order, as `core V1 context`.
    pub applied: Vec<String>,
    /// Applied in all, now and before.
    pub total: usize,
}

struct Domain {
    name: &'static str,
    history: &'static str,
    roles: &'static str,
    extensions: &'static [&'static str],
    migrations: &'static [(&'static str, &'static str)],
}

const CORE: Domain = Domain {
    name: "core",
    history: "rowhouse.core_history",
    roles: include_str!("../core/roles.sql"),
    extensions: &[],
    migrations: &[
        ("V1__context", include_str!("../core/V1__context.sql")),
        ("V2__tenants", include_str!("../core/V2__tenants.sql")),
        ("V3__books", include_str!("../core/V3__books.sql")),
        ("V4__rotate", include_str!("../core/V4__rotate.sql")),
        ("V5__hello", include_str!("../core/V5__hello.sql")),
        ("V6__usage", include_str!("../core/V6__usage.sql")),
        ("V7__embeddings", include_str!("../core/V7__embeddings.sql")),
        ("V8__changes", include_str!("../core/V8__changes.sql")),
        ("V9__usage_by_plugin", include_str!("../core/V9__usage_by_plugin.sql")),
    ],
};

const RETAIL: Domain = Domain {
    name: "retail",
    history: "rowhouse.retail_history",
    roles: include_str!("../retail/roles.sql"),
    extensions: &["vector", "pg_trgm", "unaccent"],
    migrations: &[
        ("V1__catalogue", include_str!("../retail/V1__catalogue.sql")),
        ("V2__stores", include_str!("../retail/V2__stores.sql")),
        ("V3__embeddings", include_str!("../retail/V3__embeddings.sql")),
    ],
};

/// Any number nobody else locks on; the letters `rowhouse` in ASCII.
const LOCK: i64 = 0x726f_7768_6f75_7365;

/// Brings the database to the current shape and says what that took. Safe to run again, and from several places at
/// once: the second waits for the first.
///
/// `admin` is a superuser, or owns the database and has CREATEROLE (a managed server's administrator). Without a
/// superuser the extensions of the demo may have to exist already.
///
/// # Errors
/// [`Error::Extension`] names the statement a superuser must run; [`Error::Migration`] the migration that failed,
/// none of which is kept.
pub async fn migrate(admin: &mut Client, domains: Domains) -> Result<Report, Error> {
    refuse_old_server(admin).await?;
    admin.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.doing("wait for another migration to finish")?;
    let report = migrate_locked(admin, domains).await;
    // Before `?`: the lock belongs to the session, which the caller may keep.
    let unlocked = admin.batch_execute(&format!("RESET search_path; SELECT pg_advisory_unlock({LOCK})")).await;
    let report = report?;
    unlocked.doing("release the migration lock")?;
    Ok(report)
}

async fn migrate_locked(admin: &mut Client, domains: Domains) -> Result<Report, Error> {
    let chosen: &[Domain] = match domains {
        Domains::Core => &[CORE],
        Domains::CoreAndRetail => &[CORE, RETAIL],
    };
    let mut report = Report::default();
    for domain in chosen {
        admin.batch_execute(domain.roles).await.doing("create the roles and schemas Rowhouse needs")?;
        for extension in domain.extensions {
            create_extension(admin, extension).await?;
        }
        use_extension_schemas(admin).await?;
        report.applied.extend(apply(admin, domain).await?);
        report.total += domain.migrations.len();
    }
    login::set_defaults(admin).await?;
    Ok(report)
}

async fn refuse_old_server(admin: &Client) -> Result<(), Error> {
    let row = admin
        .query_one("SELECT current_setting('server_version_num')::int / 10000", &[])
        .await
        .doing("ask for the server's version")?;
    match row.get(0) {
        found if found < 15 => Err(Error::ServerTooOld { found }),
        _ => Ok(()),
    }
}

async fn create_extension(admin: &Client, name: &'static str) -> Result<(), Error> {
    let statement = format!("CREATE EXTENSION IF NOT EXISTS {name} SCHEMA ext");
    admin.batch_execute(&statement).await.map_err(|source| Error::Extension { name, statement, source })
}

/// Migrations write `vector(384)`, not `ext.vector(384)`: an operator may have created the extension elsewhere.
async fn use_extension_schemas(admin: &Client) -> Result<(), Error> {
    let row = admin.query_one(login::EXTENSION_SCHEMAS, &[]).await.doing("find the extensions")?;
    let schemas: String = row.get(0);
    admin.batch_execute(&format!("SET search_path = {schemas}")).await.doing("set the search path")
}

async fn apply(admin: &mut Client, domain: &'static Domain) -> Result<Vec<String>, Error> {
    let failed = |source| Error::Migration { domain: domain.name, source: Box::new(source) };
    let migrations = domain
        .migrations
        .iter()
        .map(|(name, sql)| Migration::unapplied(name, sql))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    let mut runner = Runner::new(&migrations);
    runner.set_migration_table_name(domain.history);
    let report = runner.run_async(admin).await.map_err(failed)?;
    Ok(report
        .applied_migrations()
        .iter()
        .map(|done| format!("{} V{} {}", domain.name, done.version(), done.name()))
        .collect())
}

/// The version the core's last migration brings the database to.
pub(crate) fn newest_core() -> i32 {
    let version = |name: &str| name.strip_prefix('V')?.split_once("__")?.0.parse().ok();
    CORE.migrations.iter().filter_map(|(name, _)| version(name)).max().unwrap_or_default()
}

/// The owner of a function of the core, and the text that makes it again, from the last migration that made it.
/// `signature` is as PostgreSQL prints it.
pub(crate) fn made(signature: &str) -> Option<(&'static str, String)> {
    let (name, _) = signature.split_once('(')?;
    CORE.migrations.iter().rev().find_map(|(_, sql)| {
        let kind =
            ["FUNCTION", "PROCEDURE"].into_iter().find(|kind| sql.contains(&format!("\nCREATE {kind} {name}(")))?;
        let (before, rest) = sql.split_once(&format!("\nCREATE {kind} {name}("))?;
        // Each body stands between `$$`, and ends its statement.
        let (text, _) = rest.split_once("$$;")?;
        let (_, role) = before.rsplit_once("SET LOCAL ROLE ")?;
        let (owner, _) = role.split_once(';')?;
        Some((owner, format!("CREATE OR REPLACE {kind} {name}({text}$$;")))
    })
}
