//! What a host holds: in the system, in the database, and by its own word.

use crate::cluster::Cluster;
use crate::host::Host;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// How long what was held may take to be let go. Idle threads of the runtime leave after ten seconds.
const SETTLING: Duration = Duration::from_secs(25);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// A host's connections: of its login roles, and of the administrator in its name.
const CONNECTIONS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND (usename LIKE 'rowhouse%' OR application_name LIKE 'rowhouse%')";

/// Transactions under way on them: what a statement does is hidden from everybody, that it holds its own number is not.
const TRANSACTIONS: &str = "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid)
    WHERE l.locktype = 'virtualxid' AND l.granted AND a.pid <> pg_backend_pid()
      AND (a.usename LIKE 'rowhouse%' OR a.application_name LIKE 'rowhouse%')";

/// What it holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vitals {
    /// Connections in PostgreSQL.
    pub(crate) connections: i64,
    /// Transactions under way on them.
    pub(crate) transactions: i64,
    /// Places among the statements, by its own word.
    pub(crate) places: i64,
    /// File handles, but for the connections above: a pool that is filled otherwise is no leak.
    pub(crate) handles: i64,
    /// Tasks, by its own word, but for the connections above: each is driven by one.
    pub(crate) tasks: i64,
    /// Threads.
    pub(crate) threads: i64,
}

impl Vitals {
    /// Look.
    ///
    /// # Errors
    /// When it is not there, or the database is not.
    pub(crate) async fn of(host: &Host, cluster: &Cluster) -> Result<Self> {
        let pid = host.pid().context("the host ended")?;
        let health = host.health().await?;
        let admin = cluster.admin().await?;
        let connections: i64 = admin.query_one(CONNECTIONS, &[]).await?.get(0);
        let handles = std::fs::read_dir(format!("/proc/{pid}/fd")).context("the host's file handles")?.count();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the host's status")?;
        Ok(Self {
            connections,
            transactions: admin.query_one(TRANSACTIONS, &[]).await?.get(0),
            places: health["database"]["statements"]["running"].as_i64().context("the places taken")?,
            handles: i64::try_from(handles)? - connections,
            tasks: health["calls"]["tasks"].as_i64().context("the tasks")? - connections,
            threads: threads(&status).context("the host's threads")?,
        })
    }

    /// Look until no more is held than `before`, or it is plain that more will be.
    ///
    /// # Errors
    /// As [`Vitals::of`], for as long as that.
    pub(crate) async fn settled(host: &Host, cluster: &Cluster, before: Self) -> Result<Self> {
        let began = Instant::now();
        loop {
            let now = Self::of(host, cluster).await;
            let done = now.as_ref().is_ok_and(|now| now.beyond(before).is_empty());
            if done || began.elapsed() > SETTLING {
                return now;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What is held that should not be, in words: more than before, and of connections more than there is a reason for.
    pub(crate) fn beyond(self, before: Self) -> Vec<String> {
        let table = [
            ("connections", self.connections, before.connections.max(MOST_CONNECTIONS)),
            ("transactions", self.transactions, 0),
            ("places", self.places, 0),
            ("handles", self.handles, before.handles),
            ("tasks", self.tasks, before.tasks),
            ("threads", self.threads, before.threads + IDLE_THREADS),
        ];
        let over = table.into_iter().filter(|(_, now, most)| now > most);
        over.map(|(what, now, most)| format!("{what}: {now}, and not {most}")).collect()
    }
}

/// A pool keeps what its callers needed at once: one connection a caller, two that are kept warm, and the host's own two
/// (its books, and a look at the walls).
const MOST_CONNECTIONS: i64 = crate::stage::CALLERS as i64 + 4;

/// Threads for work that blocks stay ten seconds after it, and the host's own clocks (spool, settings, disk) have some now
/// and then.
const IDLE_THREADS: i64 = 2;

/// The number of threads in `/proc/PID/status` (proc_pid_status(5)).
fn threads(status: &str) -> Option<i64> {
    status.lines().find_map(|line| line.strip_prefix("Threads:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_beyond_is_named() {
        let before = Vitals { connections: 5, handles: 40, tasks: 20, threads: 9, ..Vitals::default() };
        let check = |now: Vitals, named: &[&str]| {
            let beyond = now.beyond(before);
            assert_eq!(beyond.len(), named.len(), "{beyond:?}");
            assert!(beyond.iter().zip(named).all(|(said, name)| said.starts_with(name)), "{beyond:?}");
        };
        check(before, &[]);
        check(Vitals { connections: MOST_CONNECTIONS, handles: 30, threads: 1, ..before }, &[]);
        check(Vitals { connections: MOST_CONNECTIONS + 1, ..before }, &["connections"]);
        check(
            Vitals { transactions: 1, places: 1, handles: 41, tasks: 21, threads: 12, ..before },
            &["transactions", "places", "handles", "tasks", "threads"],
        );
    }

    #[test]
    fn threads_are_read() {
        assert_eq!(threads("Name:\tx\nThreads:\t12\nSigQ:\t0/1\n"), Some(12));
        assert_eq!(threads("Name:\tx\n"), None);
        let own = std::fs::read_to_string("/proc/self/status").expect("a status");
        assert!(threads(&own).is_some_and(|threads| threads > 0));
    }
}
