//! Is it all still so? Reads the catalogs as an administrator and compares them with what the walls rest on.

mod bodies; // The functions every wall rests on.
mod clock; // Host and database must agree on the time.
mod vectors; // What is searched by meaning.

pub use bodies::{digests, repair};

use std::fmt;

use tokio_postgres::{Client, Row};

use crate::allowed_functions;
use crate::error::{Doing as _, Error};
use crate::harden;
use crate::login::AGENT_ROLES;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The host must not serve while this stands: a tenant could read another's rows, or write.
    Unsafe,
    /// A wall is down that this administrator could raise. The others cover it, so the host serves.
    Weak,
    /// Worth knowing; nobody here can or need mend it.
    Note,
}

impl Level {
    /// One stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Unsafe => "unsafe",
            Level::Weak => "weak",
            Level::Note => "note",
        }
    }

    /// The checks of this file write the words of [`Level::as_str`]; whatever else one wrote is taken for the worst.
    fn parse(word: &str) -> Self {
        match word {
            "note" => Level::Note,
            "weak" => Level::Weak,
            _ => Level::Unsafe,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something in the database that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Which rule, a few stable words, e.g. `row security not forced`.
    pub rule: String,
    /// The role, table, function or index in question.
    pub object: String,
    /// The SQL that mends it; after `--`, another way to.
    pub mend: String,
}

/// The functions of ours an agent role calls; in `lint/functions.sql`, too.
const VERIFIERS: [&str; 6] = [
    "rowhouse.enter(text)",
    "rowhouse.tenant()",
    "rowhouse.tenants()",
    "rowhouse.every_tenant()",
    "rowhouse.entered()",
    "rowhouse.hello()",
];

/// One file per subject; each takes the agent roles ($1) and the allow-list ($2), and gives the columns of [`Finding`].
const QUERIES: [(&str, &str); 7] = [
    ("check the login roles", include_str!("lint/roles.sql")),
    ("check what agents may read and write", include_str!("lint/tables.sql")),
    ("check the policies and indexes", include_str!("lint/policies.sql")),
    ("check what agents may call", include_str!("lint/functions.sql")),
    ("check what else agents may call", include_str!("lint/routines.sql")),
    ("check the host's own books", include_str!("lint/books.sql")),
    ("check the server and its extensions", include_str!("lint/server.sql")),
];

/// Everything that is not as it should be, the worst first. Changes nothing. `kept` are functions that the operator lets
/// statements call besides those of the allow-list, each as `schema.name`.
///
/// # Errors
/// [`Error::Database`], e.g. when the schema is missing (run [`crate::migrate`]).
pub async fn lint(admin: &Client, kept: &[String]) -> Result<Vec<Finding>, Error> {
    let clock = clock::look(admin).await?;
    // With only pg_catalog in the path every name is printed in full, here and inside policies.
    admin
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = pg_catalog")
        .await
        .doing("begin to check the database")?;
    let findings = read(admin, kept).await;
    admin.batch_execute("ROLLBACK").await.doing("finish checking the database")?;
    let mut findings = findings?;
    findings.extend(clock);
    findings.sort_by(|a, b| (a.level, &a.rule, &a.object).cmp(&(b.level, &b.rule, &b.object)));
    Ok(findings)
}

async fn read(admin: &Client, kept: &[String]) -> Result<Vec<Finding>, Error> {
    let mut allowed: Vec<&str> = allowed_functions().collect();
    allowed.extend(kept.iter().map(String::as_str));
    let mut findings = Vec::new();
    for (doing, query) in QUERIES {
        let rows = admin.query(query, &[&AGENT_ROLES.as_slice(), &allowed]).await.doing(doing)?;
        findings.extend(rows.iter().map(finding));
    }
    findings.extend(vectors::look(admin).await?);
    findings.extend(bodies::look(admin).await?);
    findings.extend(unhardened(admin, kept, &findings).await?);
    Ok(findings)
}

fn finding(row: &Row) -> Finding {
    Finding { level: Level::parse(row.get(0)), rule: row.get(1), object: row.get(2), mend: row.get(3) }
}

/// What a run of [`crate::harden`] would still do, where the checks by name found nothing: a new extension, another
/// version of the server.
async fn unhardened(admin: &Client, kept: &[String], found: &[Finding]) -> Result<Option<Finding>, Error> {
    const NAMED: [&str; 3] =
        ["functions that reach beyond a statement's rows", "set_config may be called", "catalogs readable"];
    if found.iter().any(|finding| NAMED.contains(&finding.rule.as_str())) {
        return Ok(None);
    }
    if harden::is_hardened(admin, kept).await? {
        return Ok(None);
    }
    let level = if harden::is_superuser(admin).await? { Level::Weak } else { Level::Note };
    Ok(Some(Finding {
        level,
        rule: "not hardened".to_owned(),
        object: "functions, relations, languages or settings outside the allow-list".to_owned(),
        mend: match level {
            Level::Weak => "-- run `rowhouse db migrate --harden`",
            _ => {
                "-- cannot be revoked here; the gate keeps statements from them; point agents at a replica of their own"
            }
        }
        .to_owned(),
    }))
}
