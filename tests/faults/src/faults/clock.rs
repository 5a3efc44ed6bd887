//! The time, as the host has it. The database's stays right.

use super::Scene;
use crate::caller::{Line, Question, Said};
use crate::host::{Host, Plan, USUAL};
use crate::row::Row;
use crate::stage::Truth;
use anyhow::{Context, Result};
use std::path::Path;
use std::time::Duration;

/// A step: longer than any leeway, shorter than a token of a working day lasts.
const AHEAD: &str = "+3600";
const BEHIND: &str = "-3600";
const RIGHT: &str = "+0";

/// A token that is over within a step, and one that is not.
const BRIEF: Duration = Duration::from_secs(600);
const LONG: Duration = Duration::from_secs(12 * 60 * 60);

/// Set the clock: by a file, replaced whole, that the library reads at every look.
fn set(file: &Path, to: &str) -> Result<()> {
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, format!("{to}\n")).context("write the clock's offset")?;
    std::fs::rename(&fresh, file).context("set the clock")
}

/// An hour ahead, an hour behind, and right again. What cannot be proved by a wrong clock is refused; nothing ends.
pub(super) async fn steps(scene: &Scene<'_>) -> Result<Row> {
    let root = scene.place.root.clone();
    let library = match tokio::task::spawn_blocking(move || xtask::faketime::ensure(&root)).await? {
        Ok(library) => library,
        Err(error) => return Ok(Row::unmeasured(&scene.name, format!("{error:#}; or say --skip clock"))),
    };
    let file = scene.stage.dir().join("clock");
    set(&file, RIGHT)?;
    let environment = vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        // Timers go by a clock that no step reaches, and so they do on a real machine. Two names of two versions.
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let plan = Plan { database: scene.stage.cluster.url(), settings: USUAL.to_owned(), environment };
    let host = Host::start(scene.place, scene.stage.dir(), plan).await?;
    let crew = scene.stage.crew(&host).await?;
    let (brief, fresh) = (host.token("seattle", BRIEF).await?, host.token("seattle", LONG).await?);
    let truth = scene.stage.truth(&crew, Truth::default()).await?;
    let mut trial = scene.trial_with(&host, &crew, truth).await?;
    let ask = async |token: &str| Ok::<_, anyhow::Error>(Line::new(&host.url(), token)?.ask(&Question::all()[0]).await);
    trial.strike();
    let half = scene.cli.lasting() / 2;
    set(&file, AHEAD)?;
    tokio::time::sleep(half).await;
    let over = ask(&brief).await?;
    set(&file, BEHIND)?;
    tokio::time::sleep(half).await;
    let early = ask(&fresh).await?;
    set(&file, RIGHT)?;
    trial.mend();
    let late = ask(&fresh).await?;
    let mut row = scene.end(trial, host).await?;
    let refused = Said::Failed("HTTP 401".to_owned());
    row.check("a token that is over is refused", over == refused, &format!("{over:?}"));
    row.check("a token that is not yet good is refused", early == refused, &format!("{early:?}"));
    row.check("it is believed when the clock is right again", matches!(late, Said::Answer(..)), &format!("{late:?}"));
    Ok(row)
}
