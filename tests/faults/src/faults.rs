//! The faults, and what holds for each beside what holds for all.

mod database; // PostgreSQL: killed, restarted, paused.
mod line; // The way to it: slow, cut, no connection to be had.
mod space; // Its disk: full.
mod helpers; // What a host does without for a while: Redis, the identity provider, the embedding service.
mod process; // The host itself, and who asks it.
mod clock; // The time.

use crate::Cli;
use crate::host::Host;
use crate::place::Place;
use crate::row::Row;
use crate::stage::{Crew, Stage, Truth};
use crate::trial::Trial;
use anyhow::{Context, Result};
use clap::ValueEnum;

/// A fault by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// PostgreSQL is killed, and started again
    Killed,
    /// PostgreSQL is restarted as an operator does it
    Restarted,
    /// Every process of PostgreSQL stands still, and goes on
    Paused,
    /// The way to PostgreSQL takes 0.15 s longer in each direction
    Slow,
    /// Connections to PostgreSQL end in the middle of an answer
    Cut,
    /// Another client takes every connection PostgreSQL has
    Connections,
    /// PostgreSQL's disk is full
    Disk,
    /// Redis is gone, and comes back empty
    Redis,
    /// The identity provider is gone
    Issuer,
    /// The embedding service comes and goes, is slow, and fails
    Embedding,
    /// Clients leave in the middle of a call
    Client,
    /// The host is killed while it writes, three times
    Host,
    /// The host's clock is an hour ahead, then an hour behind
    Clock,
}

impl Name {
    /// All of them, in the order they are tried in.
    pub(crate) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Its word on the command line.
    pub(crate) fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What happens.
    pub(crate) fn about(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }
}

/// What is around a fault.
pub(crate) struct Scene<'a> {
    /// What was asked for.
    cli: &'a Cli,
    /// Where things are.
    place: &'a Place,
    /// The database, and who asks about it.
    stage: &'a mut Stage,
    /// The fault's word.
    name: String,
}

impl Scene<'_> {
    /// Callers of the host's own issuer, at work; the fault comes next.
    async fn trial(&self, host: &Host) -> Result<Trial> {
        let crew = self.stage.crew(host).await?;
        let truth = self.stage.truth(&crew, Truth::default()).await?;
        self.trial_with(host, &crew, truth).await
    }

    /// The same, with these callers and these right answers.
    async fn trial_with(&self, host: &Host, crew: &Crew, truth: Truth) -> Result<Trial> {
        Trial::begin(&self.name, crew, truth, host, &self.stage.cluster).await
    }

    /// Leave it broken for as long as was asked for.
    async fn hold(&self) {
        tokio::time::sleep(self.cli.lasting()).await;
    }

    /// The end: who asks was answered again, nothing is left behind, and the host ends when it is asked to.
    async fn end(&self, trial: Trial, host: Host) -> Result<Row> {
        let row = trial.end(&host, &self.stage.cluster).await?;
        Ok(ended(row, host).await)
    }
}

/// A row whose host has ended, well or not.
async fn ended(mut row: Row, host: Host) -> Row {
    let ended = host.stop().await;
    let seen = ended.as_ref().err().map_or_else(|| "it does".to_owned(), |error| format!("{error:#}"));
    row.check("the host ends when it is asked to", ended.is_ok(), &seen);
    row
}

/// Try one, on the stage that is there or on a new one.
///
/// # Errors
/// What kept it from being measured.
pub(crate) async fn run(name: Name, cli: &Cli, place: &Place, stage: &mut Option<Stage>) -> Result<Row> {
    if name == Name::Disk {
        // Its database is the one whose disk is filled.
        return space::disk(cli, place, name.word()).await;
    }
    if stage.is_none() {
        *stage = Some(Stage::open(place, None).await.context("make a database with the demo's data")?);
    }
    let stage = stage.as_mut().context("a stage was made a moment ago")?;
    let mut scene = Scene { cli, place, stage, name: name.word() };
    match name {
        Name::Killed => database::killed(&mut scene).await,
        Name::Restarted => database::restarted(&mut scene).await,
        Name::Paused => database::paused(&mut scene).await,
        Name::Slow => line::slow(&scene).await,
        Name::Cut => line::cut(&scene).await,
        Name::Connections => line::connections(&scene).await,
        Name::Disk => space::disk(cli, place, name.word()).await,
        Name::Redis => helpers::redis(&scene).await,
        Name::Issuer => helpers::issuer(&scene).await,
        Name::Embedding => helpers::embedding(&scene).await,
        Name::Client => process::client(&scene).await,
        Name::Host => process::host(&scene).await,
        Name::Clock => clock::steps(&scene).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_fault_has_a_word_and_says_what_happens() {
        let words: BTreeSet<String> = Name::all().iter().map(|name| name.word()).collect();
        assert_eq!(words.len(), Name::all().len());
        let docs = include_str!("../../../docs/faults.md");
        for name in Name::all() {
            assert!(!name.about().is_empty(), "{name:?}");
            assert!(docs.contains(&format!("| `{}` |", name.word())), "docs/faults.md has no row `{}`", name.word());
        }
    }
}
