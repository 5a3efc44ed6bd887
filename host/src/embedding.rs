//! Texts become vectors: the model in use, what stands before it, and what was made before.
//!
//! ```text
//! text ─ bounds ─ cache ─ breaker and tries ─ local | openai | azure ─► vector
//! ```
//!
//! Which model is in use is in the database, beside the vectors it made: vectors of two models say nothing about each
//! other, so hosts follow the database and never their own settings alone. A host that cannot make vectors of that model
//! says so, and plugins answer by words.

pub mod backfill; // Vectors kept up with texts.
mod cache; // What was made before.
mod local; // A model on this machine.
mod patience; // Tries, and a breaker.
mod provider; // What a model is.
mod remote; // A model behind an interface.
pub mod weights; // The usual model's files.

pub use provider::{Failure, Provider, Purpose, Space, Vectors};

use crate::config;
use crate::telemetry::{Breaker, Telemetry};
use arc_swap::ArcSwap;
use cache::Cache;
use patience::Patience;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Vectors for calls. Cheap to clone.
#[derive(Clone)]
pub struct Embeddings(Arc<Inner>);

struct Inner {
    settings: config::Embedding,
    weights: PathBuf,
    cache: Cache,
    /// Models that were opened, by name. One in memory is a hundred megabytes.
    models: Mutex<BTreeMap<String, Arc<Model>>>,
    state: ArcSwap<State>,
    telemetry: OnceLock<Telemetry>,
}

/// What calls get.
#[derive(Clone)]
pub enum State {
    /// Nothing is searched by meaning here.
    Off,
    /// Not now, and why.
    Waits(String),
    /// Vectors of this model.
    Serves(Arc<Model>),
}

/// A model of the settings, opened.
pub struct Model {
    name: String,
    fingerprint: String,
    provider: Box<dyn Provider>,
    patience: Patience,
}

/// Why a call gets no vectors. `Display` is for plugins and their callers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoVectors {
    /// The operator has set up no model.
    #[error("no embedding model is set up")]
    NotConfigured,
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
    /// The model was asked and failed.
    #[error(transparent)]
    Failed(Failure),
    /// More than a call may ask for.
    #[error("{0}")]
    Limit(String),
}

/// Why a model of the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such model.
    #[error("there is no model `{0}` in the settings; add [embedding.models.{0}]")]
    Unknown(String),
    /// A model on this machine.
    #[error("embedding.models.{name}")]
    Local {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: local::Error,
    },
    /// A model behind an interface.
    #[error("embedding.models.{name}")]
    Remote {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: remote::Error,
    },
    /// The thread that read it broke.
    #[error("embedding.models.{0}: it could not be read")]
    Broke(String),
}

impl Model {
    /// Open a model of the settings. Reading weights blocks the thread.
    fn open(name: &str, settings: &config::Model, weights: &Path) -> Result<Self, Error> {
        let name = name.to_owned();
        let (provider, tries): (Box<dyn Provider>, usize) = match settings.provider {
            config::Provider::Local => {
                let opened = local::Local::open(settings, weights);
                (Box::new(opened.map_err(|source| Error::Local { name: name.clone(), source })?), 1)
            }
            config::Provider::OpenAi | config::Provider::Azure => {
                let opened = remote::Remote::open(settings);
                (Box::new(opened.map_err(|source| Error::Remote { name: name.clone(), source })?), settings.tries)
            }
        };
        Ok(Self { patience: Patience::new(&name, tries), fingerprint: provider.space().fingerprint(), name, provider })
    }

    /// Its name in the settings and in the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The space of its vectors, as one line.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The space of its vectors.
    pub fn space(&self) -> &Space {
        self.provider.space()
    }

    /// How the breaker before it stands.
    pub fn standing(&self) -> Breaker {
        self.patience.standing()
    }

    /// Texts a request of a backfill should have, and requests at once.
    pub fn batches(&self) -> (usize, usize) {
        self.provider.batches()
    }

    /// Make vectors within `budget`, all of them or none.
    ///
    /// # Errors
    /// See [`NoVectors`].
    pub async fn vectors(&self, purpose: Purpose, texts: &[String], budget: Duration) -> Result<Vectors, NoVectors> {
        if texts.is_empty() {
            return Ok(Vectors::default());
        }
        let mut made = self.patience.ask(budget, || self.provider.embed(purpose, texts)).await?;
        if made.tokens == 0 {
            // An interface that does not say: four bytes a token is what English comes to.
            made.tokens = texts.iter().map(|text| text.len() as u64 / 4 + 2).sum();
        }
        Ok(made)
    }
}

impl Embeddings {
    /// Prepare as the settings say; `state_dir` is where weights are kept unless they say otherwise. No model is opened
    /// yet.
    ///
    /// # Errors
    /// A Redis address that cannot be one, or is a secret that cannot be had.
    pub fn open(settings: &config::Embedding, state_dir: &Path) -> Result<Self, crate::error::BoxError> {
        let redis = settings.redis.as_ref().map(config::Secret::resolve).transpose()?;
        let life = Duration::from_secs(settings.cache_seconds.max(1));
        let cache = Cache::new(settings.cache_bytes, life, redis.as_ref())?;
        Ok(Self(Arc::new(Inner {
            weights: weights_dir(settings, state_dir),
            settings: settings.clone(),
            cache,
            models: Mutex::default(),
            state: ArcSwap::from_pointee(State::Off),
            telemetry: OnceLock::new(),
        })))
    }

    /// Tell of what calls have made from now on. Once.
    pub fn tell(&self, telemetry: &Telemetry) {
        let _ = self.0.telemetry.set(telemetry.clone());
    }

    /// The settings it was opened with.
    pub fn settings(&self) -> &config::Embedding {
        &self.0.settings
    }

    /// A model of the settings, opened once. A usual model whose weights are missing is looked for again each time.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn model(&self, name: &str) -> Result<Arc<Model>, Error> {
        let known = || self.0.models.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(name) {
            return Ok(Arc::clone(found));
        }
        let settings = self.0.settings.models.get(name).cloned().ok_or_else(|| Error::Unknown(name.to_owned()))?;
        let (owned, weights) = (name.to_owned(), self.0.weights.clone());
        let opened = tokio::task::spawn_blocking(move || Model::open(&owned, &settings, &weights)).await;
        let opened = Arc::new(opened.map_err(|_| Error::Broke(name.to_owned()))??);
        Ok(Arc::clone(known().entry(name.to_owned()).or_insert(opened)))
    }

    /// Forget opened models but this one: after a switch the one before is a hundred megabytes for nothing.
    pub fn keep_only(&self, name: &str) {
        self.0.models.lock().unwrap_or_else(PoisonError::into_inner).retain(|known, _| known == name);
    }

    /// What calls get from now on.
    pub fn set(&self, state: State) {
        self.0.state.store(Arc::new(state));
    }

    /// What calls get.
    pub fn state(&self) -> State {
        State::clone(&self.0.state.load())
    }

    /// Texts found in the cache and not found, since the start.
    pub fn cache_counts(&self) -> (u64, u64) {
        self.0.cache.counts()
    }

    /// One vector for each text, in order, and what they cost in tokens: nothing for those known from before. `account`
    /// is who pays; `left` is how many texts the call may still have made.
    ///
    /// # Errors
    /// See [`NoVectors`]. Never later than `embedding.query_ms`, and a little for the cache.
    pub async fn embed(&self, account: &str, texts: &[String], left: usize) -> Result<Vectors, NoVectors> {
        let model = self.admit(texts, left)?;
        self.make(&model, account, texts).await
    }

    /// The model in use, where these texts may have vectors made of them. Nothing is waited for.
    ///
    /// # Errors
    /// See [`NoVectors`].
    pub(crate) fn admit(&self, texts: &[String], left: usize) -> Result<Arc<Model>, NoVectors> {
        let model = match &**self.0.state.load() {
            State::Off => return Err(NoVectors::NotConfigured),
            State::Waits(why) => return Err(NoVectors::Unavailable(why.clone())),
            State::Serves(model) => Arc::clone(model),
        };
        if texts.len() > left {
            let most = self.0.settings.texts_per_call;
            return Err(NoVectors::Limit(format!("a call may have vectors made of {most} texts")));
        }
        let most = self.0.settings.text_bytes;
        if let Some(long) = texts.iter().find(|text| text.len() > most) {
            return Err(NoVectors::Limit(format!(
                "a text of {} bytes: vectors are made of {most} at most",
                long.len()
            )));
        }
        Ok(model)
    }

    /// One vector for each of the texts that were admitted.
    ///
    /// # Errors
    /// See [`Self::embed`].
    pub(crate) async fn make(&self, model: &Model, account: &str, texts: &[String]) -> Result<Vectors, NoVectors> {
        let dimensions = usize::from(model.space().dimensions);
        let keys: Vec<cache::Key> = texts.iter().map(|text| cache::key(&model.fingerprint, account, text)).collect();
        let mut found = self.0.cache.get(&keys, dimensions).await;
        let missing: Vec<usize> = (0..texts.len()).filter(|at| found[*at].is_none()).collect();
        let asked: Vec<String> = missing.iter().map(|at| texts[*at].clone()).collect();
        let made = model.vectors(Purpose::Query, &asked, self.0.settings.query_patience()).await;
        if let Some(telemetry) = self.0.telemetry.get() {
            telemetry.embedded(asked.len(), made.is_err());
        }
        let made = made?;
        let fresh: Vec<(cache::Key, Arc<[f32]>)> =
            missing.iter().zip(made.vectors).map(|(at, vector)| (keys[*at], vector.into())).collect();
        for (at, (_, vector)) in missing.iter().zip(&fresh) {
            found[*at] = Some(Arc::clone(vector));
        }
        if !fresh.is_empty() {
            self.0.cache.put(&fresh).await;
        }
        Ok(Vectors {
            vectors: found.into_iter().flatten().map(|vector| vector.to_vec()).collect(),
            tokens: made.tokens,
        })
    }
}

/// Where the usual model's files are.
pub fn weights_dir(settings: &config::Embedding, state_dir: &Path) -> PathBuf {
    settings.weights.clone().unwrap_or_else(|| state_dir.join("models")).join(weights::NAME)
}
