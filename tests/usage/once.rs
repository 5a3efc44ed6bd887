//! A write whose answer is lost: it is sent again, and counted once.

use super::place;
use crate::harness::shared;
use crate::patience::soon;
use crate::traffic::{Road, passes, read, unlimited};
use std::time::Duration;
use tokio_postgres::Client;
use uuid::Uuid;

/// Until a query gives true.
async fn until(admin: &Client, condition: &str) {
    soon(async {
        while admin.query_one(condition, &[]).await.expect("a look").get::<_, Option<bool>>(0) != Some(true) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_arrived_without_its_answer_is_counted_once() {
    let shared = soon(shared()).await;
    let (_, admin) = place(shared, "usage_once").await;
    let mut holder = shared.admin("usage_once").await;
    let mut road = Road::open().await;
    let (host, _clerk) = road.host_in("usage_once", &unlimited()).await;
    let tenant = Uuid::new_v4();
    // Somebody holds the very line that is to be written: the write waits in the database.
    let held = holder.transaction().await.expect("a transaction");
    let line = "INSERT INTO rowhouse.usage_by_plugin (day, account, plugin)
                SELECT (now() AT TIME ZONE 'UTC')::date + n, $1, 'sales' FROM generate_series(-1, 1) AS n";
    held.execute(line, &[&format!("tenant:{tenant}")]).await.expect("a line");
    passes(&host, tenant, "ann").await.settle(read(3));
    let waits = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'usage_once' AND wait_event_type = 'Lock'
                  AND query LIKE '%usage_by_plugin%' AND pid <> pg_backend_pid()";
    until(&admin, waits).await;
    // The way is cut, and only then the write goes through.
    road.close().await;
    held.commit().await.expect("the line is free");
    let sums = format!(
        "SELECT sum(calls) = {{}} AND sum(rows) = {{}} FROM rowhouse.usage_by_plugin WHERE account = 'tenant:{tenant}'"
    );
    let are = |calls: u32, rows: u32| sums.replacen("{}", &calls.to_string(), 1).replacen("{}", &rows.to_string(), 1);
    until(&admin, &are(1, 3)).await;
    // What comes after it is the next batch; the first one goes again before it, and changes nothing.
    passes(&host, tenant, "ann").await.settle(read(4));
    road.reopen().await;
    until(&admin, "SELECT max(batch) = 2 FROM rowhouse.usage_writers").await;
    until(&admin, &are(2, 7)).await;
    host.close().await;
    until(&admin, &are(2, 7)).await;
}

/// What was kept long enough goes, and the numbers of hosts that ended with it.
#[tokio::test(flavor = "multi_thread")]
async fn usage_by_plugin_is_deleted_when_it_was_kept_long_enough() {
    let shared = soon(shared()).await;
    let (_, admin) = place(shared, "usage_old").await;
    let old = "INSERT INTO rowhouse.usage_by_plugin (day, account, plugin, calls)
                 SELECT current_date - age, 'tenant:x', 'sales', age FROM unnest('{30, 20, 10}'::int[]) AS ages (age);
               INSERT INTO rowhouse.usage_writers (host, batch, at)
                 SELECT gen_random_uuid(), age, now() - age * interval '1 day' FROM unnest('{30, 10}'::int[]) AS ages (age)";
    admin.batch_execute(old).await.expect("old days");
    let road = Road::open().await;
    let settings = rowhouse::config::Traffic { keep_days: 15, ..unlimited() };
    let (_host, _clerk) = road.host_in("usage_old", &settings).await;
    until(&admin, "SELECT array_agg(calls) = '{10}' FROM rowhouse.usage_by_plugin").await;
    until(&admin, "SELECT array_agg(batch) = '{10}' FROM rowhouse.usage_writers").await;
}
