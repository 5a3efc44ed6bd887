//! What the database's own administrator sees before and after an attack.

use crate::memory::Watch;
use crate::truth;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

/// The channel attacks of the corpus notify.
const CHANNEL: &str = "escape";

/// One of the counts of [`STATE`].
pub(crate) const KILLED: &str = "sessions killed";

/// What is counted after every attack. Nothing of this changes by itself; what does comes from [`GROWTH`].
const STATE: &str = "\
SELECT 'advisory locks', count(*) FROM pg_locks WHERE locktype = 'advisory'
UNION ALL SELECT 'prepared transactions', count(*) FROM pg_prepared_xacts
UNION ALL SELECT 'relations', count(*) FROM pg_class
UNION ALL SELECT 'functions', count(*) FROM pg_proc
UNION ALL SELECT 'schemas', count(*) FROM pg_namespace
UNION ALL SELECT 'types', count(*) FROM pg_type
UNION ALL SELECT 'roles', count(*) FROM pg_authid
UNION ALL SELECT 'role settings', count(*) FROM pg_db_role_setting
UNION ALL SELECT 'policies', count(*) FROM pg_policy
UNION ALL SELECT 'triggers', count(*) FROM pg_trigger
UNION ALL SELECT 'extensions', count(*) FROM pg_extension
UNION ALL SELECT 'large objects', count(*) FROM pg_largeobject_metadata
UNION ALL SELECT 'replication slots', count(*) FROM pg_replication_slots
UNION ALL SELECT 'sessions killed', coalesce(sum(sessions_killed), 0) FROM pg_stat_database
UNION ALL SELECT 'grants', count(*) FROM pg_class, aclexplode(relacl)
UNION ALL SELECT 'notifications waiting', (pg_notification_queue_usage() * 1e6)::bigint";

/// Write-ahead log in bytes, and the next transaction id.
const GROWTH: &str = "SELECT pg_current_wal_insert_lsn() - '0/0', pg_snapshot_xmax(pg_current_snapshot())";

/// The tables whose rows are counted and hashed: all but the four a host keeps its books in, where every call leaves a
/// line and every host a sign of life.
const TABLES: &str = "\
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema)'
  AND (n.nspname, c.relname) NOT IN (('rowhouse', 'audit'), ('rowhouse', 'usage'), ('rowhouse', 'usage_by_plugin'),
                                     ('rowhouse', 'usage_writers')) ORDER BY 1";

/// Counts by name.
pub(crate) type State = BTreeMap<String, String>;

/// The administrator: one session that looks, and one that is the victim.
pub(crate) struct Admin {
    looks: Client,
    victim: Client,
    notified: Arc<AtomicU32>,
    memory: Option<Watch>,
}

impl Admin {
    /// Connect, and watch the memory of backends where they can be seen.
    ///
    /// # Errors
    /// When the database does not answer, or the role is not a superuser: what it cannot see it could not prove.
    pub(crate) async fn connect(url: &str, more: Vec<u32>) -> Result<Self> {
        let config: Config = url.parse().context("--admin-url is not the URL of a database")?;
        let (looks, connection) = config.connect(NoTls).await.context("connect as the administrator")?;
        tokio::spawn(connection);
        let me = truth::rows(&looks, "SELECT current_setting('is_superuser'), pg_backend_pid()").await?.concat();
        let [superuser, pid] = me.as_slice() else { bail!("the administrator's session gives no answer") };
        if superuser != "on" {
            bail!("--admin-url is not a superuser's: row security could hide from it what it looks for");
        }
        let (victim, mut connection) = config.connect(NoTls).await.context("connect as the victim")?;
        let notified = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&notified);
        tokio::spawn(async move {
            while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                if matches!(message, AsyncMessage::Notification(_)) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        victim.batch_execute(&format!("LISTEN {CHANNEL}")).await.context("listen")?;
        let memory = pid.parse().ok().and_then(|pid| Watch::start(pid, more));
        Ok(Self { looks, victim, notified, memory })
    }

    /// The session that looks.
    pub(crate) fn client(&self) -> &Client {
        &self.looks
    }

    /// Whether the memory of backends can be seen.
    pub(crate) fn sees_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// The most memory one backend had since the last time this was asked, in bytes.
    pub(crate) fn memory(&self) -> Option<u64> {
        self.memory.as_ref().map(Watch::take)
    }

    /// What must be the same before and after.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn state(&self) -> Result<State> {
        let rows = truth::rows(&self.looks, STATE).await.context("look at the database's state")?;
        Ok(rows.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect())
    }

    /// Write-ahead log in bytes and the next transaction id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn growth(&self) -> Result<(u64, u64)> {
        let row = truth::rows(&self.looks, GROWTH).await.context("look at the write-ahead log")?.concat();
        let number = |at: usize| row.get(at).and_then(|text| text.parse().ok()).context("a number");
        Ok((number(0)?, number(1)?))
    }

    /// Every table by name: how many rows, and a hash of them all in any order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn fingerprint(&self) -> Result<State> {
        let mut found = State::new();
        for table in truth::rows(&self.looks, TABLES).await?.concat() {
            let sql =
                format!("SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {table} t");
            found.insert(table, truth::rows(&self.looks, &sql).await?.concat().join("/"));
        }
        Ok(found)
    }

    /// End every session but the administrator's own: what stands in one goes with it.
    pub(crate) async fn end_sessions(&self) {
        // Not the view: it joins catalogs, and takes locks there may be no room for.
        let sql = "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_get_activity(NULL) \
                   WHERE backend_type = 'client backend' AND usesysid <> current_user::regrole";
        // A server that cannot even do this shows it again after the next attack.
        let _ = self.looks.simple_query(sql).await;
    }

    /// What became of another session: nothing, or what.
    pub(crate) async fn victim(&self) -> Option<String> {
        if self.notified.swap(0, Ordering::Relaxed) > 0 {
            return Some(format!("a session that listens to {CHANNEL:?} was notified"));
        }
        // Five seconds: longer than a statement takes to be cancelled, and than maintenance takes to make way.
        let lock = "BEGIN; SET LOCAL lock_timeout = '5s'; \
                    LOCK TABLE retail.stores, retail.orders, retail.customers IN ACCESS EXCLUSIVE MODE; ROLLBACK";
        match self.victim.batch_execute(lock).await {
            Ok(()) => None,
            Err(error) if self.victim.is_closed() => {
                Some(format!("a session of another user is gone: {:#}", anyhow::Error::from(error)))
            }
            Err(error) => {
                // Leaves the failed transaction; what matters was said above.
                let _ = self.victim.batch_execute("ROLLBACK").await;
                Some(format!("tables stay locked: {:#}", anyhow::Error::from(error)))
            }
        }
    }
}

/// What is not the same, in words.
pub(crate) fn difference(before: &State, after: &State) -> Option<String> {
    let names = before.keys().chain(after.keys());
    let changed = names.filter(|name| before.get(*name) != after.get(*name)).map(|name| {
        let show = |state: &State| state.get(name).cloned().unwrap_or_else(|| "none".to_owned());
        format!("{name}: {} before, {} after", show(before), show(after))
    });
    let changed: Vec<_> = changed.collect();
    changed.first().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_named() {
        let state = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let before: State = state(&[("roles", "3"), ("types", "9")]);
        assert_eq!(difference(&before, &before), None);
        let after = state(&[("roles", "4"), ("types", "9")]);
        assert_eq!(difference(&before, &after).as_deref(), Some("roles: 3 before, 4 after"));
        assert_eq!(difference(&before, &state(&[("roles", "3")])).as_deref(), Some("types: 9 before, none after"));
    }
}
