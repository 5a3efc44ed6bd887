//! The host itself, and who asks it.

use super::Scene;
use crate::caller::Question;
use crate::cluster::Cluster;
use crate::host::Host;
use crate::row::Row;
use crate::stage::Truth;
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How often the host is killed: writing is a small part of its time, and one shot seldom hits it.
const KILLS: u32 = 3;

/// Of work between two of them.
const BETWEEN: Duration = Duration::from_secs(1);

/// A statement that is there at two looks so far apart is the endless one: the others are over by then.
const APART: Duration = Duration::from_millis(400);

/// How long it may take to be there.
const BEGINS: Duration = Duration::from_secs(3);

/// How soon a statement must end whose caller left, and how long it is looked for.
const STOPPED: Duration = Duration::from_secs(2);
const LOOKED_FOR: Duration = Duration::from_secs(20);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// The transactions under way in the host's name.
const UNDER_WAY: &str = "SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'virtualxid' AND l.granted AND a.usename LIKE 'rowhouse%'";

async fn under_way(admin: &tokio_postgres::Client) -> Result<BTreeSet<String>> {
    Ok(admin.query(UNDER_WAY, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// Clients that leave while their statement runs; the others do not notice.
pub(super) async fn client(scene: &Scene<'_>) -> Result<Row> {
    let host = scene.stage.host(scene.place).await?;
    let crew = scene.stage.crew(&host).await?;
    let truth = scene.stage.truth(&crew, Truth::default()).await?;
    let mut trial = scene.trial_with(&host, &crew, truth).await?;
    trial.strike();
    let (began, mut left, mut longest) = (Instant::now(), 0, Duration::ZERO);
    while began.elapsed() < scene.cli.lasting() {
        let line = crew.line("seattle")?;
        let asking = tokio::spawn(async move { line.ask(&Question::endless()).await });
        let running = steady(&scene.stage.cluster).await?;
        // The request is dropped, and with it its connection.
        asking.abort();
        drop(asking.await);
        if !running.is_empty() {
            left += 1;
            longest = longest.max(gone(&scene.stage.cluster, &running).await?);
        }
    }
    trial.mend();
    let mut row = scene.end(trial, host).await?;
    row.goes_on();
    row.check("clients left while their statement ran", left > 0, &format!("{left}"));
    row.check_time("their statements are stopped", (longest < LOOKED_FOR).then_some(longest), STOPPED);
    Ok(row)
}

/// What runs and goes on running.
async fn steady(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let (admin, began) = (cluster.admin().await?, Instant::now());
    let mut before = under_way(&admin).await?;
    while began.elapsed() < BEGINS {
        tokio::time::sleep(APART).await;
        let now = under_way(&admin).await?;
        let both: BTreeSet<String> = before.intersection(&now).cloned().collect();
        if !both.is_empty() {
            return Ok(both);
        }
        before = now;
    }
    Ok(BTreeSet::new())
}

/// How long until none of these is there any more.
async fn gone(cluster: &Cluster, running: &BTreeSet<String>) -> Result<Duration> {
    let (admin, began) = (cluster.admin().await?, Instant::now());
    while !under_way(&admin).await?.is_disjoint(running) && began.elapsed() < LOOKED_FOR {
        tokio::time::sleep(LOOK).await;
    }
    Ok(began.elapsed())
}

/// Killed without a word while it answers and writes its trail, and started on what it left.
pub(super) async fn host(scene: &Scene<'_>) -> Result<Row> {
    let mut host = scene.stage.host(scene.place).await?;
    let mut trial = scene.trial(&host).await?;
    trial.strike();
    for kill in 0..KILLS {
        if kill > 0 {
            tokio::time::sleep(BETWEEN).await;
        }
        host.kill().await?;
        host.again().await?;
    }
    trial.mend();
    let mut row = trial.end(&host, &scene.stage.cluster).await?;
    trail(&host, &mut row).await?;
    let listed = host.command(["plugin", "list", "--json"]).await?;
    let plugins: Value = serde_json::from_slice(&listed.stdout).unwrap_or_default();
    let served = plugins["served"].as_array().map_or(0, Vec::len);
    let holds = listed.status.success() && served == 2;
    row.check("every plugin is served", holds, &format!("{served}, {}", listed.status));
    Ok(super::ended(row, host).await)
}

/// The trail verifies, to its last record.
pub(super) async fn trail(host: &Host, row: &mut Row) -> Result<()> {
    let verified = host.command(["audit", "verify", "--json"]).await?;
    let said: Value = serde_json::from_slice(&verified.stdout).unwrap_or_default();
    let chains = said["chains"].as_array().map_or(0, Vec::len);
    let records = said["chains"].as_array().into_iter().flatten().filter_map(|chain| chain["sound"].as_u64());
    let seen = format!("{} records in {chains} chains, {}", records.sum::<u64>(), verified.status);
    row.check("the audit trail verifies", verified.status.success() && said["intact"] == true && chains > 0, &seen);
    Ok(())
}
