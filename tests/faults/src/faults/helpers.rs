//! What a host does without for a while.

use super::Scene;
use crate::caller::{Question, SEARCH, Said};
use crate::endpoint::{Endpoint, Mood};
use crate::host::{Host, Plan, USUAL};
use crate::issuer::{AUDIENCE, Bearer, Issuer};
use crate::load::End;
use crate::redis::Redis;
use crate::row::Row;
use crate::stage::{Crew, IDENTITIES, Truth};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Length of vectors here: few words share one of these numbers.
const DIMENSIONS: usize = 512;

/// How long vectors of all products may take to be made.
const VECTORS: Duration = Duration::from_secs(120);

/// Between two moods of a service that comes and goes.
const MOOD: Duration = Duration::from_millis(400);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// An issuer is asked for a key nobody knows once in ten seconds, so that forged names do not make a host ask for ever;
/// and two more, as for any recovery.
const LEARNT: Duration = Duration::from_secs(12);

/// A service that fails is left alone, longer each time, a minute at most; and two seconds more.
const ASKED_AGAIN: Duration = Duration::from_secs(62);

/// How long anything of this is waited for.
const PATIENCE: Duration = Duration::from_secs(90);

async fn host(scene: &Scene<'_>, settings: String) -> Result<Host> {
    let plan = Plan { database: scene.stage.cluster.url(), settings, ..Plan::default() };
    Host::start(scene.place, scene.stage.dir(), plan).await
}

/// Limits are then kept by each host for itself.
pub(super) async fn redis(scene: &Scene<'_>) -> Result<Row> {
    let mut redis = match Redis::start(&scene.place.root).await {
        Ok(redis) => redis,
        Err(error) => return Ok(Row::unmeasured(&scene.name, format!("{error:#}; or say --skip redis"))),
    };
    // Rates nobody reaches: an unlimited caller would not be asked about.
    let rate = "{ per_second = 1e6, burst = 1000000 }";
    let url = redis.url();
    let settings =
        format!("[traffic]\nprincipal = {rate}\ntenant = {rate}\nredis = \"{url}\"\n[embedding]\nmodel = \"none\"\n");
    let host = host(scene, settings).await?;
    let mut trial = scene.trial(&host).await?;
    trial.strike();
    redis.crash().await?;
    scene.hold().await;
    redis.again().await?;
    trial.mend();
    let mut row = scene.end(trial, host).await?;
    row.goes_on();
    row.fails_nobody();
    Ok(row)
}

/// Proofs that were looked at go on, and so do others by keys that are known; keys that are not cannot be learnt.
pub(super) async fn issuer(scene: &Scene<'_>) -> Result<Row> {
    let mut issuer = Issuer::start().await?;
    let settings = format!(
        "{USUAL}[[identity.issuers]]\nurl = \"{}\"\naudiences = [\"{AUDIENCE}\"]\nalgorithms = [\"EdDSA\"]\n",
        issuer.url()
    );
    let host = host(scene, settings).await?;
    let admin = scene.stage.cluster.admin().await?;
    let mut tokens = BTreeMap::new();
    for (name, store) in IDENTITIES {
        let find = "SELECT store_id::text FROM retail.stores WHERE store_name = $1";
        let tenants = admin.query(find, &[&store]).await?.iter().map(|row| row.get(0)).collect();
        let role = if store.is_some() { "store_manager" } else { "super_admin" };
        tokens.insert(name, issuer.token(&Bearer { name, role, tenants })?);
    }
    let crew = Crew { url: host.url(), tokens };
    let truth = scene.stage.truth(&crew, Truth::default()).await?;
    let mut trial = scene.trial_with(&host, &crew, truth).await?;
    let nobody = Bearer { name: "head-office", role: "super_admin", tenants: Vec::new() };
    let known = issuer.token(&nobody)?;
    let ask = async |token: &str| Ok::<_, anyhow::Error>(line(&host, token)?.ask(&Question::all()[0]).await);
    trial.strike();
    issuer.leave().await;
    issuer.turn()?;
    let unknown = issuer.token(&nobody)?;
    scene.hold().await;
    let (by_known, by_unknown) = (ask(&known).await?, ask(&unknown).await?);
    issuer.come_back().await;
    trial.mend();
    let learnt = until(PATIENCE, async || Ok(matches!(ask(&unknown).await?, Said::Answer(..)))).await?;
    let mut row = scene.end(trial, host).await?;
    row.goes_on();
    row.fails_nobody();
    row.check(
        "a new token by a known key is believed meanwhile",
        matches!(by_known, Said::Answer(..)),
        &short(&by_known),
    );
    let refused = by_unknown == Said::Failed("HTTP 401".to_owned());
    row.check("a token by a key that cannot be learnt is refused", refused, &short(&by_unknown));
    row.check_time("that key is learnt when the issuer is back", learnt, LEARNT);
    Ok(row)
}

fn line(host: &Host, token: &str) -> Result<crate::caller::Line> {
    crate::caller::Line::new(&host.url(), token)
}

fn short(said: &Said) -> String {
    match said {
        Said::Answer(..) => "an answer".to_owned(),
        Said::Failed(code) => code.clone(),
    }
}

/// How long until it is so; none, if it is not within `patience`.
async fn until(patience: Duration, so: impl AsyncFn() -> Result<bool>) -> Result<Option<Duration>> {
    let began = Instant::now();
    while began.elapsed() < patience {
        if so().await? {
            return Ok(Some(began.elapsed()));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(None)
}

/// Searches are answered by words meanwhile, and say so.
pub(super) async fn embedding(scene: &Scene<'_>) -> Result<Row> {
    let mut endpoint = Endpoint::start(DIMENSIONS).await;
    // Nothing is remembered, so that every search asks.
    let settings = format!(
        "{}[embedding]\nmodel = \"words\"\ncache_bytes = 0\n[embedding.models.words]\nprovider = \"openai\"\n\
         url = \"{}\"\nmodel = \"words\"\ndimensions = {DIMENSIONS}\n",
        USUAL.split("[embedding]").next().unwrap_or_default(),
        endpoint.url()
    );
    let host = host(scene, settings).await?;
    let crew = scene.stage.crew(&host).await?;
    let search = Question::all().into_iter().find(|question| question.name == SEARCH).context("a search")?;
    let head_office = crew.line("head-office")?;
    let by_meaning = async || Ok::<_, anyhow::Error>(matches!(head_office.ask(&search).await, Said::Answer(_, false)));
    let admin = scene.stage.cluster.admin().await?;
    let all = "SELECT (SELECT count(*) FROM retail.product_embeddings) = (SELECT count(*) FROM retail.products)";
    let made = async || {
        // The view is there once there is a model.
        let whole = admin.query_one(all, &[]).await.is_ok_and(|row| row.get(0));
        Ok(whole && by_meaning().await?)
    };
    if until(VECTORS, made).await?.is_none() {
        bail!("the host made no vectors of the products within {} s", VECTORS.as_secs());
    }
    let truth = scene.stage.truth(&crew, Truth::default()).await?;
    endpoint.answers(&[Mood::Status(503)]);
    let truth = scene.stage.truth(&crew, truth).await?;
    endpoint.answers(&[Mood::Well]);
    if !truth.has_both() || until(PATIENCE, &by_meaning).await?.is_none() {
        bail!("there is no answer by meaning and by words to hold others against");
    }
    let mut trial = scene.trial_with(&host, &crew, truth).await?;
    trial.strike();
    let began = Instant::now();
    let moods = [Some(Mood::Status(503)), None, Some(Mood::Slow(Duration::from_secs(2))), Some(Mood::Well)];
    for mood in moods.iter().cycle() {
        if began.elapsed() >= scene.cli.lasting() {
            break;
        }
        endpoint.leave().await;
        if let Some(mood) = mood {
            endpoint.answers(std::slice::from_ref(mood));
            endpoint.come_back().await;
        }
        tokio::time::sleep(MOOD).await;
    }
    endpoint.leave().await;
    endpoint.answers(&[Mood::Well]);
    endpoint.come_back().await;
    trial.mend();
    let back = Instant::now();
    let words = trial.meanwhile().iter().filter(|call| call.end == End::Right(true)).count();
    let mut row = trial.end(&host, &scene.stage.cluster).await?;
    let again = until(PATIENCE, &by_meaning).await?.map(|_| back.elapsed());
    row.goes_on();
    row.fails_nobody();
    row.check("words answer meanwhile, and say so", words > 0, &format!("{words} searches"));
    row.check_time("searches go by meaning again", again, ASKED_AGAIN);
    Ok(super::ended(row, host).await)
}
