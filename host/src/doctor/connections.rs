//! Whether every host of this database finds a connection free.

use super::{Finding, Level};
use crate::config::Pool;
use anyhow::Result;
use rowhouse_migrations as shape;
use tokio_postgres::Client;

/// What each host has besides the connections of calls: the clerk's, and now and then the administrator's.
const OTHERS: u32 = 2;

/// Connections the server gives to others than superusers.
const ROOM: &str = "
    SELECT (SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END)::int
            FROM pg_catalog.pg_settings
            WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections'))";

/// The connection limits of the login roles; -1 is none.
const LIMITS: &str = "SELECT rolname::text, rolconnlimit FROM pg_catalog.pg_roles WHERE rolname = ANY($1) ORDER BY 1";

pub(super) async fn look(admin: &Client, pool: &Pool) -> Result<Vec<Finding>> {
    let room: i32 = admin.query_one(ROOM, &[]).await?.get(0);
    let limits = admin.query(LIMITS, &[&shape::AGENT_ROLES.as_slice()]).await?;
    let limits: Vec<(String, i32)> = limits.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(judge(pool, u32::try_from(room).unwrap_or_default(), &limits))
}

fn judge(pool: &Pool, room: u32, limits: &[(String, i32)]) -> Vec<Finding> {
    let mut found = Vec::new();
    let (hosts, max) = (pool.hosts, pool.most());
    let needed = hosts.saturating_mul(max.saturating_add(OTHERS));
    if needed > room {
        found.push(Finding::new(
            Level::Weak,
            "database",
            "PostgreSQL takes fewer connections than its hosts use at once",
            format!("{hosts} hosts use {needed}, and there are {room}"),
            format!("set max_connections to {needed} and some more, or lower database.pool.max or database.pool.hosts"),
        ));
    }
    for (role, limit) in limits {
        if *limit >= 0 && *limit < i32::from(pool.role_limit()) {
            found.push(Finding::new(
                Level::Weak,
                "database",
                "a login role may have fewer connections than its hosts use at once",
                format!("{role}: {limit}"),
                "give every host the same database.pool.hosts and database.pool.max, then run: rowhouse db migrate",
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Pool, judge};

    #[test]
    fn too_few_connections_are_told() {
        let check = |hosts: u32, max: u32, room: u32, limit: i32, want: &[&str]| {
            let pool = Pool { hosts, max: Some(max), ..Pool::default() };
            let told: Vec<String> =
                judge(&pool, room, &[("rowhouse_one".to_owned(), limit)]).into_iter().map(|f| f.object).collect();
            assert_eq!(told, want, "{hosts} {max} {room} {limit}");
        };
        check(2, 20, 97, 42, &[]);
        check(2, 20, 44, -1, &[]);
        check(2, 20, 43, 42, &["2 hosts use 44, and there are 43"]);
        check(8, 20, 97, 162, &["8 hosts use 176, and there are 97"]);
        check(3, 20, 200, 42, &["rowhouse_one: 42"]);
    }
}
