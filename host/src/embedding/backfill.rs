//! Vectors kept up with texts: what is missing or says something else is made again, and nothing else.
//!
//! Where a pass stopped is seen from what is there, so any pass can be the next one. Lots are stored as they are made; a
//! pass that is ended loses those under way at most.

use super::{Error, Failure, Model, NoVectors, Purpose, Vectors};
use futures_util::StreamExt;
use futures_util::stream;
use rowhouse_migrations as shape;
use shape::embeddings::{Embedding, Queued, Source, Step, Text};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_postgres::Client;

/// Texts looked for at once. A thousand product texts are some 200 KiB.
const PAGE: u32 = 1_000;

/// How far a pass is.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// The table.
    pub source: &'a str,
    /// What is being done: `texts`, or a step of finishing.
    pub what: &'a str,
    /// Done of it.
    pub done: u64,
    /// In all.
    pub total: u64,
}

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Vectors made.
    pub made: u64,
    /// Tokens they cost.
    pub tokens: u64,
    /// Texts the model would not take, by table and key: the first hundred.
    pub skipped: Vec<String>,
}

/// Why a pass ended early. What was made until then is stored.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The database.
    #[error(transparent)]
    Database(#[from] shape::Error),
    /// The model.
    #[error("no vectors were made: {0}")]
    Model(#[from] NoVectors),
    /// The model of this name cannot be opened.
    #[error(transparent)]
    Unusable(#[from] Error),
}

/// Tables named in a report as skipped.
const NAMED: usize = 100;

/// The row of this model in the database, made where there is none.
///
/// # Errors
/// Where the name stands for another model there.
pub async fn register(admin: &Client, model: &Model) -> Result<shape::embeddings::Model, shape::Error> {
    let space = model.space();
    let fresh = shape::embeddings::NewModel {
        name: model.name(),
        fingerprint: model.fingerprint(),
        provider: space.provider,
        model: &space.model,
        revision: &space.revision,
        dimensions: space.dimensions,
        normalised: true,
        floor: space.floor,
    };
    shape::embeddings::add_embedding_model(admin, &fresh).await
}

/// Bring the vectors of every table up to date under `model`, and its index after them. `budget` is for one lot; `watch`,
/// a second connection, tells how far an index is.
///
/// # Errors
/// See [`Stopped`].
pub async fn all(
    admin: &Client,
    watch: Option<&Client>,
    model: &Model,
    budget: Duration,
    on: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Report, Stopped> {
    let row = register(admin, model).await?;
    let mut report = Report::default();
    for source in shape::embeddings::embedding_sources(admin).await? {
        shape::embeddings::prepare_embeddings(admin, &source, &row).await?;
        let counts = shape::embeddings::count_embeddings(admin, &row).await?;
        let total = counts.iter().find(|count| count.source == source.relation).map_or(0, |c| c.missing + c.outdated);
        let mut after: Option<String> = None;
        let mut done = 0;
        on(Progress { source: &source.relation, what: "texts", done, total });
        loop {
            let page = shape::embeddings::outdated_texts(admin, &source, &row, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            let mut tell = |more: u64| {
                done += more;
                on(Progress { source: &source.relation, what: "texts", done, total: total.max(done) });
            };
            lots(admin, &source, &row, model, budget, page, &mut report, &mut tell).await?;
        }
        let mut step = |step: Step| {
            let (what, done, total) = match step {
                Step::Swept { .. } => return,
                Step::Waiting => ("waiting for another index", 0, 1),
                Step::Indexing { done, total } => ("index", done, total),
                Step::Indexed => ("index", 1, 1),
            };
            on(Progress { source: &source.relation, what, done, total });
        };
        shape::embeddings::finish_embeddings(admin, &source, &row, watch, &mut step).await?;
    }
    // What was told meanwhile, and what was told before and is done.
    let more = queued(admin, model, budget).await?;
    report.made += more.made;
    report.tokens += more.tokens;
    report.skipped.extend(more.skipped);
    Ok(report)
}

/// Only what was told to have changed since.
///
/// # Errors
/// See [`Stopped`].
pub async fn queued(admin: &Client, model: &Model, budget: Duration) -> Result<Report, Stopped> {
    let row = register(admin, model).await?;
    let mut report = Report::default();
    for source in shape::embeddings::embedding_sources(admin).await? {
        shape::embeddings::prepare_embeddings(admin, &source, &row).await?;
        loop {
            let Queued { texts, asked } = shape::embeddings::queued_texts(admin, &source, &row, PAGE).await?;
            if asked.is_empty() {
                break;
            }
            lots(admin, &source, &row, model, budget, texts, &mut report, &mut |_| ()).await?;
            shape::embeddings::forget_queued(admin, &source, &asked).await?;
        }
    }
    Ok(report)
}

/// Make and store vectors of these texts, several lots at once. After a failure no more are asked for; those under way
/// are waited for and stored, since they are paid for.
#[expect(clippy::too_many_arguments, reason = "one place, called from two")]
async fn lots(
    admin: &Client,
    source: &Source,
    row: &shape::embeddings::Model,
    model: &Model,
    budget: Duration,
    page: Vec<Text>,
    report: &mut Report,
    on: &mut (dyn FnMut(u64) + Send),
) -> Result<(), Stopped> {
    let (size, at_once) = model.batches();
    let mut page = page.into_iter().peekable();
    let lots: Vec<Vec<Text>> =
        std::iter::from_fn(|| page.peek().is_some().then(|| page.by_ref().take(size).collect())).collect();
    let failed = AtomicBool::new(false);
    let mut failure = None;
    let mut made = stream::iter(lots)
        .take_while(|_| std::future::ready(!failed.load(Ordering::Relaxed)))
        .map(|lot| async move {
            let vectors = lot_of(model, &lot, budget).await;
            (lot, vectors)
        })
        .buffer_unordered(at_once);
    while let Some((lot, vectors)) = made.next().await {
        let Made { vectors, tokens } = match vectors {
            Ok(made) => made,
            Err(why) => {
                failed.store(true, Ordering::Relaxed);
                failure.get_or_insert(why);
                continue;
            }
        };
        report.tokens += tokens;
        let lot_size = lot.len() as u64;
        let mut stored = Vec::with_capacity(lot.len());
        for (Text { key, hash, .. }, vector) in lot.into_iter().zip(vectors) {
            match vector {
                Some(vector) => stored.push(Embedding { key, hash, vector }),
                None if report.skipped.len() < NAMED => report.skipped.push(format!("{} {key}", source.relation)),
                None => {}
            }
        }
        report.made += shape::embeddings::store_embeddings(admin, source, row, &stored).await?;
        on(lot_size);
    }
    failure.map_or(Ok(()), |why| Err(why.into()))
}

/// Vectors of one lot; nothing for a text the model does not take even alone.
struct Made {
    vectors: Vec<Option<Vec<f32>>>,
    tokens: u64,
}

/// What is too much at once is asked in halves.
async fn lot_of(model: &Model, lot: &[Text], budget: Duration) -> Result<Made, NoVectors> {
    let mut made = Made { vectors: Vec::with_capacity(lot.len()), tokens: 0 };
    let mut waiting: Vec<&[Text]> = vec![lot];
    while let Some(part) = waiting.pop() {
        let texts: Vec<String> = part.iter().map(|text| text.text.clone()).collect();
        match model.vectors(Purpose::Document, &texts, budget).await {
            Ok(Vectors { vectors, tokens }) => {
                made.tokens += tokens;
                made.vectors.extend(vectors.into_iter().map(Some));
            }
            Err(NoVectors::Failed(Failure::TooMuch)) if part.len() == 1 => made.vectors.push(None),
            Err(NoVectors::Failed(Failure::TooMuch)) => {
                let (first, second) = part.split_at(part.len() / 2);
                waiting.extend([second, first]);
            }
            Err(other) => return Err(other),
        }
    }
    Ok(made)
}
