//! The disk PostgreSQL writes on.

use super::Scene;
use super::process::trail;
use crate::Cli;
use crate::cluster::Cluster;
use crate::disk::Disk;
use crate::place::Place;
use crate::row::Row;
use crate::stage::Stage;
use anyhow::Result;
use std::time::{Duration, Instant};

/// What somebody else writes meanwhile: what is free within PostgreSQL's own files is used up by it.
const WRITE: &str = "CREATE TABLE IF NOT EXISTS filler (t text);
    INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 2000)";

/// Between two tries to write.
const LOOK: Duration = Duration::from_millis(50);

/// A database of its own on a small disk, which is filled to the last byte and cleared again.
pub(super) async fn disk(cli: &Cli, place: &Place, name: String) -> Result<Row> {
    let disk = match Disk::mount() {
        Ok(disk) => disk,
        Err(error) => return Ok(Row::unmeasured(&name, format!("{error:#}"))),
    };
    let mut stage = Stage::open(place, Some(disk.path())).await?;
    let scene = Scene { cli, place, stage: &mut stage, name };
    let host = scene.stage.host(place).await?;
    let mut trial = scene.trial(&host).await?;
    trial.strike();
    disk.fill()?;
    let refused = write(&scene.stage.cluster, cli.lasting()).await;
    disk.clear()?;
    // It may have ended over it: a database that cannot write its log does.
    scene.stage.cluster.again().await?;
    trial.mend();
    let mut row = trial.end(&host, &scene.stage.cluster).await?;
    row.check("the database could not write", refused > 0, &format!("{refused} times"));
    trail(&host, &mut row).await?;
    let row = super::ended(row, host).await;
    stage.close().await?;
    Ok(row)
}

/// Write for so long; how often that was refused.
async fn write(cluster: &Cluster, lasting: Duration) -> usize {
    let (began, mut refused) = (Instant::now(), 0);
    while began.elapsed() < lasting {
        let written = async {
            let admin = cluster.admin().await?;
            Ok::<_, anyhow::Error>(admin.batch_execute(WRITE).await?)
        };
        let left = lasting.saturating_sub(began.elapsed());
        match tokio::time::timeout(left, written).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => refused += 1,
            Err(_) => break,
        }
        tokio::time::sleep(LOOK).await;
    }
    refused
}
