//! Texts that are searched by meaning: which model calls get vectors of, and vectors kept up with the texts.
//!
//! The database says which model is in use. A database without vectors gets its first ones from the model of the
//! settings; until they are all there calls are told how far it is, and are answered by words.

use super::ground::REACHING;
use super::{Ground, Watcher};
use crate::clerk::{Clerk, Topic};
use crate::config::{self, Settings};
use crate::embedding::backfill::{self, Progress, Report};
use crate::embedding::{Embeddings, Model, State, weights, weights_dir};
use crate::hosts;
use anyhow::{Context, Result};
use rowhouse_migrations::embeddings as shape;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::{Client, Config};

/// How long to wait for the host's own connection: the next tick asks again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks at every text. Changes are told; this finds those nobody told of, such as a category's new name.
const SWEEP: Duration = Duration::from_secs(3_600);

/// Keep up, until the caller ends it.
pub(super) async fn follow(embeddings: Embeddings, clerk: Clerk, admin: Config) {
    let mut changes = clerk.changes(Topic::Embeddings);
    let mut swept: Option<Instant> = None;
    let mut said = String::new();
    loop {
        changes.borrow_and_update();
        let round = async {
            let client = clerk.client(PATIENCE).await?;
            let standing = look(&embeddings, &client).await?;
            let due = swept.is_none_or(|at| at.elapsed() >= SWEEP);
            match standing {
                Standing::Nothing => {}
                Standing::Serves { queued: false, .. } if !due => {}
                _ if !embeddings.settings().follow => {}
                Standing::First { model } => {
                    make_first(&embeddings, &admin, &model).await?;
                    swept = Some(Instant::now());
                }
                Standing::Serves { model, .. } => {
                    let all = keep_up(&embeddings, &admin, &model, due).await?;
                    swept = if all { Some(Instant::now()) } else { swept };
                }
            }
            anyhow::Ok(())
        };
        let trouble = round.await.err().map(|error| format!("{error:#}")).unwrap_or_default();
        // Each trouble once: it is looked at every minute.
        if !trouble.is_empty() && trouble != said {
            tracing::warn!(error = %trouble, "vectors are not kept up with texts; trying again");
        }
        said = trouble;
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// What the database says, and what can be done about it here.
enum Standing {
    /// Nothing to do: no table, no model, or one this host has not.
    Nothing,
    /// No vectors yet.
    First { model: Arc<Model> },
    /// Vectors of this model are in use.
    Serves { model: Arc<Model>, queued: bool },
}

/// Set what calls get by what the database says.
async fn look(embeddings: &Embeddings, client: &Client) -> Result<Standing> {
    let found = client
        .query_one(
            "SELECT EXISTS (SELECT FROM rowhouse.embedding_sources), EXISTS (SELECT FROM rowhouse.embedding_queue),
               m.name, m.fingerprint
             FROM (VALUES (1)) AS one LEFT JOIN rowhouse.embedding_models m ON m.active",
            &[],
        )
        .await
        .context("read which model is in use")?;
    let (sources, queued): (bool, bool) = (found.get(0), found.get(1));
    let active: Option<(String, String)> = found.get::<_, Option<String>>(2).zip(found.get(3));
    let (name, fingerprint) = match (active, embeddings.settings().first()) {
        // "none": this host makes no vectors, whatever others do.
        (_, None) => (None, None),
        _ if !sources => (None, None),
        (Some((name, fingerprint)), Some(_)) => (Some(name), Some(fingerprint)),
        (None, Some((first, _))) => (Some(first.to_owned()), None),
    };
    let Some(name) = name else {
        embeddings.set(State::Off);
        return Ok(Standing::Nothing);
    };
    let model = match embeddings.model(&name).await {
        Ok(model) => model,
        Err(error) => {
            let why = match fingerprint {
                Some(_) => format!("the vectors in use are of the model `{name}`, which this host cannot ask"),
                None => format!("the model `{name}` is not on this host"),
            };
            embeddings.set(State::Waits(why));
            return Err(error.into());
        }
    };
    match fingerprint {
        None => Ok(Standing::First { model }),
        Some(fingerprint) if fingerprint == model.fingerprint() => {
            embeddings.set(State::Serves(Arc::clone(&model)));
            embeddings.keep_only(&name);
            Ok(Standing::Serves { model, queued })
        }
        Some(_) => {
            let why = format!("the vectors in use were made by another model than the settings call `{name}`");
            embeddings.set(State::Waits(why.clone()));
            Err(anyhow::anyhow!(why))
        }
    }
}

/// An administrator's connection that nobody else makes vectors over; nothing where another host does.
async fn alone(admin: &Config) -> Result<Option<Client>> {
    let (client, connection) = hosts::connect(admin, REACHING).await.context("reach the database to store vectors")?;
    drop(tokio::spawn(connection));
    Ok(shape::claim_embeddings(&client).await?.then_some(client))
}

/// The first vectors of a database, and with the last of them calls get some.
async fn make_first(embeddings: &Embeddings, admin: &Config, model: &Arc<Model>) -> Result<()> {
    let told = |progress: Progress<'_>| {
        let (done, total) = (progress.done, progress.total);
        let why = match progress.what {
            "texts" => format!("the first vectors are being made: {done} of {total} are there"),
            what => format!("the first vectors are being made ready ({what})"),
        };
        embeddings.set(State::Waits(why));
    };
    told(Progress { source: "", what: "starting", done: 0, total: 0 });
    let Some(client) = alone(admin).await? else { return Ok(()) };
    let budget = embeddings.settings().backfill_patience();
    let mut told = told;
    let report = backfill::all(&client, None, model, budget, &mut told).await?;
    activate(&client, model).await?;
    tracing::info!(embedding.model = model.name(), vectors = report.made, tokens = report.tokens, "vectors are in use");
    embeddings.set(State::Serves(Arc::clone(model)));
    Ok(())
}

/// What changed, or where `sweep` says so whatever is not as it should be. Whether everything was looked at.
async fn keep_up(embeddings: &Embeddings, admin: &Config, model: &Model, sweep: bool) -> Result<bool> {
    let Some(client) = alone(admin).await? else { return Ok(false) };
    let budget = embeddings.settings().backfill_patience();
    let report = match sweep {
        true => backfill::all(&client, None, model, budget, &mut |_| ()).await?,
        false => backfill::queued(&client, model, budget).await?,
    };
    if report.made > 0 {
        tracing::info!(embedding.model = model.name(), vectors = report.made, "vectors were made of changed texts");
    }
    Ok(sweep)
}

async fn activate(client: &Client, model: &Model) -> Result<()> {
    let row = backfill::register(client, model).await?;
    // What changed since the last lot is in the queue.
    Ok(shape::activate_embeddings(client, &row, true).await?)
}

impl Ground {
    /// Have vectors of every text there is to search by meaning, under the model the settings name, and take them into
    /// use where none are. `fetch`: weights that are not here are fetched. A model that cannot be had is no failure:
    /// search answers by words, and the step says why.
    ///
    /// # Errors
    /// Where the database cannot be read or written.
    pub async fn embed(&self, settings: &Settings, fetch: bool, watch: &mut dyn Watcher) -> Result<()> {
        let Some((name, model)) = settings.embedding.first() else {
            watch.step("vectors", "none: embedding.model is \"none\"");
            return Ok(());
        };
        let admin = self.admin().await?;
        let active = shape::embedding_models(&admin).await?.into_iter().find(|model| model.active);
        let name = active.as_ref().map_or(name, |active| &active.name).to_owned();
        let began = Instant::now();
        if fetch && model.provider == config::Provider::Local && model.path.is_none() {
            let mut on = |done, total| watch.count("model", "bytes fetched", done, total);
            match weights::fetch(&weights_dir(&settings.embedding, &settings.state_dir()), None, &mut on).await {
                Ok(None) => {}
                Ok(Some(from)) => watch.step("model", &format!("{} from {from}, digests verified", weights::NAME)),
                Err(error) => {
                    watch.step("vectors", &format!("none, search answers by words: {error}"));
                    return Ok(());
                }
            }
        }
        let embeddings =
            Embeddings::open(&settings.embedding, &settings.state_dir()).map_err(|e| anyhow::anyhow!(e))?;
        let model = match embeddings.model(&name).await {
            Ok(model) => model,
            Err(error) => {
                let error = anyhow::Error::from(error);
                watch.step("vectors", &format!("none, search answers by words: {error:#}"));
                return Ok(());
            }
        };
        let mut on = |at: Progress<'_>| watch.count("vectors", at.what, at.done, at.total);
        let (budget, second) = (settings.embedding.backfill_patience(), self.admin().await?);
        let report: Report = match backfill::all(&admin, Some(&second), &model, budget, &mut on).await {
            Err(backfill::Stopped::Model(why)) => {
                watch.step("vectors", &format!("not all, search answers by words: {why}"));
                return Ok(());
            }
            other => other?,
        };
        if active.is_none() {
            activate(&admin, &model).await?;
        }
        let detail = match report.made {
            0 => format!("there already, of {}", model.space().model),
            made => format!("{made} made by {} in {:.1} s", model.space().model, began.elapsed().as_secs_f64()),
        };
        watch.step("vectors", &detail);
        Ok(())
    }
}
