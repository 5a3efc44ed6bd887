//! PostgreSQL itself.

use super::Scene;
use crate::row::Row;
use anyhow::Result;

/// Killed as by a crash of its machine; started again, it recovers.
pub(super) async fn killed(scene: &mut Scene<'_>) -> Result<Row> {
    let host = scene.stage.host(scene.place).await?;
    let mut trial = scene.trial(&host).await?;
    trial.strike();
    scene.stage.cluster.kill().await?;
    scene.hold().await;
    scene.stage.cluster.again().await?;
    trial.mend();
    scene.end(trial, host).await
}

/// Stopped with every session ended, and started at once.
pub(super) async fn restarted(scene: &mut Scene<'_>) -> Result<Row> {
    let host = scene.stage.host(scene.place).await?;
    let mut trial = scene.trial(&host).await?;
    trial.strike();
    scene.stage.cluster.stop().await?;
    scene.stage.cluster.again().await?;
    trial.mend();
    scene.end(trial, host).await
}

/// Nothing of it moves, no connection is closed: what a machine does that is out of reach, or out of memory.
pub(super) async fn paused(scene: &mut Scene<'_>) -> Result<Row> {
    let host = scene.stage.host(scene.place).await?;
    let mut trial = scene.trial(&host).await?;
    trial.strike();
    scene.stage.cluster.freeze();
    scene.hold().await;
    scene.stage.cluster.thaw();
    trial.mend();
    scene.end(trial, host).await
}
