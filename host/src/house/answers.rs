//! Answers that are kept: hearing of changes, finding out what statements read, telling other hosts.

use crate::call::Host;
use crate::clerk::Clerk;
use crate::config::{Secret, Settings};
use crate::keys::Keys;
use crate::query::{Answers, Database};
use anyhow::{Context, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::{Config, NoTls};
use tokio_util::sync::CancellationToken;

/// Between two looks at what statements read, for what nobody tells of: a view that was replaced, a trigger that was
/// dropped. An answer lives half as long.
const ROUND: Duration = Duration::from_secs(60);

/// Between two questions on the connection that changes are told on, and how long it may owe an answer: as long as a
/// statement of the clerk's may take. One that was dropped without a word tells of nothing and looks well.
const PULSE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two tries to find out what statements read.
const AGAIN: Duration = Duration::from_secs(1);

/// Keep answers, where the settings say so.
///
/// # Errors
/// A Redis whose address cannot be had, or is none.
pub(super) fn open(settings: &Settings, keys: &Keys, database: &Database) -> Result<()> {
    if !settings.cache.enabled {
        return Ok(());
    }
    let redis = settings.cache.redis.as_ref().map(Secret::resolve).transpose().context("the setting cache.redis")?;
    database.keep_answers(Answers::open(&settings.cache, redis.as_ref(), keys)?);
    Ok(())
}

/// Keep up until `stop`. `admin` may read the catalog.
pub(super) fn start(host: &Arc<Host>, clerk: &Clerk, admin: Config, settings: &Settings, stop: &CancellationToken) {
    let Some(answers) = host.database.answers().cloned() else { return };
    clerk.tell(answers.ear());
    let schemas = settings.database.schemas.clone();
    let tasks = [
        tokio::spawn(stop.clone().run_until_cancelled_owned(learn(Arc::clone(host), answers.clone(), admin, schemas))),
        tokio::spawn(stop.clone().run_until_cancelled_owned(feel(answers.clone(), clerk.clone()))),
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move { answers.tell_others().await })),
    ];
    // Nobody waits for them: each says in the log what it could not do, and goes on.
    drop(tasks);
}

/// Know what statements read.
async fn learn(host: Arc<Host>, answers: Answers, admin: Config, schemas: Vec<String>) {
    let mut said = String::new();
    loop {
        // Sooner where it is known to have changed; where nothing is heard there is nothing to know.
        let _ = timeout(ROUND, answers.to_learn()).await;
        let path = host.catalog.load().search_path().to_vec();
        let trouble = match timeout(PATIENCE, look(&host, &admin, &schemas, &path)).await {
            Ok(Ok(())) => String::new(),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "the database took too long".to_owned(),
        };
        if !trouble.is_empty() {
            // Each trouble once.
            if trouble != said {
                tracing::warn!(error = %trouble, "it could not be found out what statements read; no answer is kept");
            }
            tokio::time::sleep(AGAIN).await;
            answers.learn_again();
        }
        said = trouble;
    }
}

/// A connection for each look, as for the walls: none is held by somebody who may do everything.
async fn look(host: &Host, admin: &Config, schemas: &[String], path: &[String]) -> Result<()> {
    let (client, connection) = admin.connect(NoTls).await?;
    let driver = tokio::spawn(connection);
    let learnt = host.database.learn(&client, schemas, path).await;
    // Also where the statement hangs: the socket goes with its driver.
    driver.abort();
    Ok(learnt?)
}

/// Feel the pulse of the connection that changes are told on. What it tells comes in order, so once it answers again
/// everything before was told.
async fn feel(answers: Answers, clerk: Clerk) {
    let mut alive = true;
    loop {
        tokio::time::sleep(PULSE).await;
        // While there is none, the connection itself has said so.
        let Ok(client) = clerk.client(PATIENCE).await else { continue };
        let answered = matches!(timeout(PATIENCE, client.simple_query("SELECT")).await, Ok(Ok(_)));
        if answered != alive && !client.is_closed() {
            match answered {
                true => tracing::info!("the database tells of changes again"),
                false => tracing::warn!("the database does not answer where it tells of changes; no answer is kept"),
            }
            answers.hears(answered);
            alive = answered;
        }
    }
}
