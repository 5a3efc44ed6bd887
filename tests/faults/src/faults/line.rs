//! The way to PostgreSQL.

use super::Scene;
use crate::host::{Host, Plan, USUAL};
use crate::proxy::{Manner, Proxy};
use crate::row::Row;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// Each way: a database on another continent.
const LATENCY: Duration = Duration::from_millis(150);

/// Between two tries to take what was given back.
const LOOK: Duration = Duration::from_millis(50);

/// A host behind a proxy of its own.
async fn behind(scene: &Scene<'_>) -> Result<(Host, Proxy)> {
    let cluster = &scene.stage.cluster;
    let proxy = Proxy::before(cluster.socket()).await?;
    let plan = Plan { database: cluster.url_through(proxy.port()), settings: USUAL.to_owned(), ..Plan::default() };
    Ok((Host::start(scene.place, scene.stage.dir(), plan).await?, proxy))
}

/// A fault of the line, for as long as was asked for.
async fn faulty(scene: &Scene<'_>, manner: Manner) -> Result<Row> {
    let (host, proxy) = behind(scene).await?;
    let mut trial = scene.trial(&host).await?;
    trial.strike();
    proxy.set(manner);
    scene.hold().await;
    proxy.set(Manner::Plain);
    trial.mend();
    scene.end(trial, host).await
}

/// Everything takes longer, and nothing is lost.
pub(super) async fn slow(scene: &Scene<'_>) -> Result<Row> {
    let mut row = faulty(scene, Manner::Slow(LATENCY)).await?;
    row.goes_on();
    Ok(row)
}

/// Answers end in the middle.
pub(super) async fn cut(scene: &Scene<'_>) -> Result<Row> {
    faulty(scene, Manner::Cut).await
}

/// Nobody else gets a connection. Those the host has are ended, and taken as well: else a pool that is full would not
/// notice.
pub(super) async fn connections(scene: &Scene<'_>) -> Result<Row> {
    let cluster = &scene.stage.cluster;
    let host = scene.stage.host(scene.place).await?;
    let admin = cluster.admin().await?;
    admin.batch_execute("CREATE ROLE hog LOGIN PASSWORD 'hog'").await.context("a role that takes all")?;
    let mut trial = scene.trial(&host).await?;
    trial.strike();
    let (began, mut taken, mut fewest) = (Instant::now(), Vec::new(), i64::MAX);
    while began.elapsed() < scene.cli.lasting() {
        match cluster.client("hog", "hog").await {
            Ok(client) => taken.push(client),
            Err(_) => {
                let end =
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename LIKE 'rowhouse%'";
                fewest = fewest.min(admin.query_one(end, &[]).await?.get(0));
                tokio::time::sleep(LOOK).await;
            }
        }
    }
    let all = taken.len();
    drop(taken);
    let left = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'hog'";
    while admin.query_one(left, &[]).await?.get::<_, i64>(0) > 0 {
        tokio::time::sleep(LOOK).await;
    }
    trial.mend();
    let mut row = scene.end(trial, host).await?;
    row.check("there was no connection for the host", fewest == 0, &format!("{all} taken, {fewest} left to it"));
    admin.batch_execute("DROP ROLE hog").await?;
    Ok(row)
}
