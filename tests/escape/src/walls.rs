//! The five walls, and how each is taken down alone.
//!
//! Two stand in the host, in this process, and are lowered there; three stand in the database, where its administrator
//! lowers them. Nothing here is reached by a setting of the `rowhouse` program.

use crate::case::Goal;
use crate::judge::{self, End};
use crate::server::Server;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use rowhouse::config::Settings;
use rowhouse::keys::Keys;
use rowhouse::query::{Database, demolition};
use secrecy::ExposeSecret;
use std::time::Duration;
use tokio_postgres::{Client, Config, NoTls};
use uuid::Uuid;

/// A wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wall {
    /// The signed context. Down: `enter` believes any ticket, and the verifiers believe the setting as it stands.
    Context,
    /// The read-only transaction that is always rolled back. Down: a statement may write and is committed.
    Transaction,
    /// Functions and catalogs taken from PUBLIC, and the roles' limits. Down: never taken.
    Grants,
    /// The gate. Down: every text goes to the database.
    Gate,
    /// The cap on a backend's memory. Down: eight times as high, so that the machine outlives the proof.
    Memory,
}

/// What `--without` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Without {
    Context,
    Transaction,
    Grants,
    Gate,
    Memory,
    /// Each of them, one after the other.
    Each,
}

/// Memory of a backend with that wall down.
const NO_CAP: u64 = 4 << 30;

/// Statements sent to see how their transactions end, and the pause after each: sessions report once a second.
const STATEMENTS: i64 = 20;
const BETWEEN: Duration = Duration::from_millis(100);

/// The role of callers of one tenant.
const ROLE: &str = "rowhouse_one";

/// As it was, without a look at who signed what.
const UNSIGNED: &str = "\
CREATE OR REPLACE FUNCTION rowhouse_private.scope() RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
BEGIN
  RETURN (string_to_array(current_setting('rowhouse.ctx', true), '|'))[2];
END $$;
CREATE OR REPLACE FUNCTION rowhouse.enter(ticket text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  part CONSTANT text[] := string_to_array(ticket, '|');
BEGIN
  PERFORM set_config('rowhouse.ctx', concat_ws('|', 'c1', part[3], part[4], pg_backend_pid(), '0', ''), true);
END $$;";

/// What `enter` says of the transaction, in its source.
const DEMANDS_READ_ONLY: &str = "current_setting('transaction_read_only') <> 'on'";

impl Without {
    /// The walls it stands for.
    pub(crate) fn walls(self) -> Vec<Wall> {
        match self {
            Without::Context => vec![Wall::Context],
            Without::Transaction => vec![Wall::Transaction],
            Without::Grants => vec![Wall::Grants],
            Without::Gate => vec![Wall::Gate],
            Without::Memory => vec![Wall::Memory],
            Without::Each => Wall::value_variants().to_vec(),
        }
    }
}

impl Wall {
    /// As it is written on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Wall::Context => "context",
            Wall::Transaction => "transaction",
            Wall::Grants => "grants",
            Wall::Gate => "gate",
            Wall::Memory => "memory",
        }
    }

    /// What no other wall keeps: proofs of this kind are counted and shown, and do not fail a run without the wall. Never
    /// a row of somebody else's.
    pub(crate) fn alone_keeps(self) -> &'static [Goal] {
        match self {
            Wall::Context | Wall::Transaction | Wall::Grants => &[],
            // That PostgreSQL answers what it is asked of itself: names of roles and catalogs, system columns.
            Wall::Gate => &[Goal::Answered],
            Wall::Memory => &[Goal::Memory],
        }
    }

    /// Take it down where it is built: in the settings of a host of this process.
    pub(crate) fn settings(self, settings: &mut Settings) {
        settings.database.harden = Some(self != Wall::Grants);
        if self == Wall::Memory {
            settings.database.backend_memory = NO_CAP;
        }
    }

    /// Take it down in a host that is open.
    ///
    /// # Errors
    /// When the database does not let it.
    pub(crate) async fn lower(self, database: &Database, admin: &Client) -> Result<()> {
        match self {
            Wall::Context => {
                database.lower(demolition::Wall::Watch);
                admin.batch_execute(UNSIGNED).await.context("take the signatures away")
            }
            Wall::Transaction => {
                let source = "SELECT pg_get_functiondef('rowhouse.enter(text)'::regprocedure)";
                let source: String = admin.query_one(source, &[]).await?.get(0);
                if !source.contains(DEMANDS_READ_ONLY) {
                    bail!("rowhouse.enter demands a read-only transaction in other words than {DEMANDS_READ_ONLY}");
                }
                database.lower(demolition::Wall::Watch);
                admin.batch_execute(&source.replace(DEMANDS_READ_ONLY, "false")).await?;
                database.lower(demolition::Wall::Transaction);
                Ok(())
            }
            Wall::Gate => {
                database.lower(demolition::Wall::Gate);
                Ok(())
            }
            Wall::Grants | Wall::Memory => Ok(()),
        }
    }

    /// See that it is down: a run against a wall that stands would prove nothing. `foreign` is a store of somebody
    /// else's, `statement` sends a statement to the host as the attacker.
    ///
    /// # Errors
    /// When it stands, or that cannot be seen.
    pub(crate) async fn is_down(self, site: &Site<'_>, attacker: &Server) -> Result<()> {
        let down = match self {
            Wall::Context => {
                let login = site.login().await?;
                let forged = format!("c1|one:{}|0|1|1|", site.foreign);
                // Not set_config: that one is behind a wall that stands.
                login.batch_execute(&format!("SET rowhouse.ctx = '{forged}'")).await?;
                let seen: i64 = login.query_one("SELECT count(*) FROM retail.orders", &[]).await?.get(0);
                seen > 0
            }
            Wall::Transaction => {
                let before = site.rollbacks().await?;
                for _ in 0..STATEMENTS {
                    attacker.sql("SELECT 1").await;
                    tokio::time::sleep(BETWEEN).await;
                }
                site.rollbacks().await? - before < STATEMENTS / 2
            }
            Wall::Grants => {
                let login = site.login().await?;
                login.query("SELECT pg_sleep(0) FROM pg_class LIMIT 1", &[]).await.is_ok()
            }
            // PostgreSQL knows no such function; the gate would say that it is not on the list.
            Wall::Gate => judge::end(&attacker.sql("SELECT no_such_function()").await) == End::Database,
            Wall::Memory => site.memory_cap().await? == NO_CAP,
        };
        if !down {
            bail!("the wall `{}` still stands", self.name());
        }
        Ok(())
    }
}

/// What it takes to see whether a wall of the database is down.
pub(crate) struct Site<'a> {
    /// Its administrator.
    pub(crate) admin: &'a Client,
    /// The way into it, but for who logs in.
    pub(crate) config: Config,
    /// The host's keys: passwords follow from them.
    pub(crate) keys: &'a Keys,
    /// A store that is not the attacker's.
    pub(crate) foreign: Uuid,
}

impl Site<'_> {
    /// Log in as the role of callers of one tenant.
    async fn login(&self) -> Result<Client> {
        let mut config = self.config.clone();
        config.user(ROLE).password(self.keys.password(ROLE).expose_secret());
        let (client, connection) = config.connect(NoTls).await.context("log in as an agent role")?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Transactions that were rolled back in this database, as far as sessions have reported them.
    async fn rollbacks(&self) -> Result<i64> {
        let sql = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()";
        Ok(self.admin.query_one(sql, &[]).await?.get(0))
    }

    /// The most memory a backend may take, in bytes, as the kernel has it.
    async fn memory_cap(&self) -> Result<u64> {
        let pid: i32 = self.admin.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).context("read a backend's limits")?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max data size")).unwrap_or_default();
        line.split_whitespace().next().and_then(|cap| cap.parse().ok()).context("a backend's limit is no number")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken down is what the migration builds.
    #[test]
    fn the_migration_has_what_is_taken_down() {
        let context = include_str!("../../../migrations/core/V1__context.sql");
        for part in [
            DEMANDS_READ_ONLY,
            "CREATE FUNCTION rowhouse_private.scope() RETURNS text\nLANGUAGE plpgsql STABLE PARALLEL RESTRICTED\n",
            "CREATE FUNCTION rowhouse.enter(ticket text) RETURNS void\nLANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT \
             SECURITY DEFINER SET search_path = pg_catalog, pg_temp\n",
        ] {
            assert_eq!(context.matches(part).count(), 1, "{part}");
        }
    }

    #[test]
    fn each_is_every_one_and_none_keeps_rows_alone() {
        assert_eq!(Without::Each.walls().len(), 5);
        for wall in Without::Each.walls() {
            let kinds = wall.alone_keeps();
            assert!(!kinds.iter().any(|goal| matches!(goal, Goal::Canary | Goal::Foreign | Goal::Truth | Goal::State)));
        }
    }
}
