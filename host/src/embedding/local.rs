//! A BERT on this machine, by candle. Texts are worked on side by side, each lot on one thread: matrix products that
//! share threads wait for each other on a busy machine, three times slower than alone.

use super::provider::{Failure, Provider, Purpose, Space, Vectors, floor, normalised};
use super::weights::{self, MAX_TOKENS, REVISION, WEIGHTS};
use crate::config;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokenizers::{Tokenizer, TruncationParams};
use tokio::sync::Semaphore;

/// Texts of one lot. Eight product descriptions take some 60 ms: no question waits longer than that for a backfill.
const LOT: usize = 8;

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The usual model's weights are not on this machine.
    #[error("the weights of {} are not in {}; run `rowhouse embed fetch`", weights::NAME, .0.display())]
    Absent(PathBuf),
    /// A file of a model is missing, or is something else.
    #[error("{}: {what}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// A model in memory.
pub(super) struct Local {
    space: Space,
    engine: Arc<Engine>,
    /// Lots worked on at once.
    places: Arc<Semaphore>,
    /// Of these, lots of a backfill: one place stays free for questions where there are two.
    behind: Arc<Semaphore>,
    threads: usize,
}

struct Engine {
    model: BertModel,
    tokenizer: Tokenizer,
    pooling: Pooling,
    /// One thread each; as many as places.
    pools: Mutex<Vec<rayon::ThreadPool>>,
}

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pooling {
    /// Their mean.
    Mean,
    /// The first one.
    First,
}

/// `1_Pooling/config.json` of Sentence Transformers.
#[derive(Deserialize)]
struct PoolingFile {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
}

/// `sentence_bert_config.json` of Sentence Transformers.
#[derive(Deserialize)]
struct LengthFile {
    max_seq_length: usize,
}

impl Local {
    /// Read a model into memory: the one in `settings.path`, or the usual one in `weights`. Takes a fraction of a second,
    /// and blocks the thread.
    ///
    /// # Errors
    /// See [`Error`].
    pub(super) fn open(settings: &config::Model, weights: &Path) -> Result<Self, Error> {
        let (dir, usual) = match &settings.path {
            Some(path) => (path.clone(), false),
            None if weights::are_there(weights) => (weights.to_owned(), true),
            None => return Err(Error::Absent(weights.to_owned())),
        };
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read(&path).map_err(|error| Error::File { path, what: error.to_string() })
        };
        let wrong = |name: &str, what: String| Error::File { path: dir.join(name), what };
        let bytes = read(WEIGHTS)?;
        let revision = hex::encode(Sha256::digest(&bytes));
        if usual && revision != REVISION {
            return Err(wrong(WEIGHTS, format!("its sha256 is {revision}; remove it and run `rowhouse embed fetch`")));
        }
        let config: Config =
            serde_json::from_slice(&read("config.json")?).map_err(|error| wrong("config.json", error.to_string()))?;
        let dimensions = u16::try_from(config.hidden_size)
            .map_err(|_| wrong("config.json", "hidden_size is more than a vector can have".to_owned()))?;
        let length = match usual {
            true => MAX_TOKENS,
            false => optional::<LengthFile>(&dir.join("sentence_bert_config.json"))?
                .map_or(config.max_position_embeddings, |file| file.max_seq_length.min(config.max_position_embeddings)),
        };
        let pooling = match optional::<PoolingFile>(&dir.join("1_Pooling/config.json"))? {
            Some(file) if file.pooling_mode_cls_token => Pooling::First,
            Some(file) if !file.pooling_mode_mean_tokens => {
                return Err(wrong("1_Pooling/config.json", "only the mean and the first token are known".to_owned()));
            }
            _ => Pooling::Mean,
        };
        let mut tokenizer = Tokenizer::from_bytes(read("tokenizer.json")?)
            .map_err(|error| wrong("tokenizer.json", error.to_string()))?;
        let truncation = TruncationParams { max_length: length, ..TruncationParams::default() };
        tokenizer
            .with_padding(None)
            .with_truncation(Some(truncation))
            .map_err(|error| wrong("tokenizer.json", error.to_string()))?;
        let load = || {
            let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)?;
            BertModel::load(VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu), &config)
        };
        let model = load().map_err(|error| wrong(WEIGHTS, error.to_string()))?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = settings.threads.unwrap_or((cores / 2).max(1));
        let pool = |_| rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "embedding".to_owned()).build();
        let pools = (0..threads).map(pool).collect::<Result<Vec<_>, _>>();
        let pools = pools.map_err(|error| wrong(WEIGHTS, error.to_string()))?;
        let name = match &settings.path {
            None => weights::NAME.to_owned(),
            Some(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        let space = Space {
            provider: "local",
            model: name,
            revision,
            dimensions,
            query_prefix: settings.query_prefix.clone(),
            document_prefix: settings.document_prefix.clone(),
            max_tokens: length,
            floor: floor(settings),
        };
        let behind = threads.saturating_sub(1).max(1);
        Ok(Self {
            space,
            engine: Arc::new(Engine { model, tokenizer, pooling, pools: Mutex::new(pools) }),
            places: Arc::new(Semaphore::new(threads)),
            behind: Arc::new(Semaphore::new(behind)),
            threads,
        })
    }

    async fn lots(&self, purpose: Purpose, texts: &[String]) -> Result<Vectors, Failure> {
        let gone = || Failure::Down("is closing".to_owned());
        // Alike in length beside each other: what is shorter is padded, and paid for as if it were not.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|at| texts[*at].len());
        let work = order.chunks(LOT).map(|lot| async move {
            let _behind = match purpose {
                Purpose::Query => None,
                Purpose::Document => Some(self.behind.acquire().await.map_err(|_| gone())?),
            };
            // Goes with the work: a question whose asker left is worked on to its end all the same.
            let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| gone())?;
            let lot_texts: Vec<String> = lot.iter().map(|at| self.space.prefixed(purpose, &texts[*at])).collect();
            let engine = Arc::clone(&self.engine);
            let made = tokio::task::spawn_blocking(move || {
                let _place = place;
                engine.embed(&lot_texts)
            });
            let (vectors, tokens) = made.await.map_err(|_| gone())?.map_err(Failure::Malformed)?;
            Ok::<_, Failure>((lot, vectors, tokens))
        });
        let mut all = Vectors { vectors: vec![Vec::new(); texts.len()], tokens: 0 };
        for done in futures_util::future::join_all(work).await {
            let (lot, vectors, tokens) = done?;
            all.tokens += tokens;
            for (at, vector) in lot.iter().zip(vectors) {
                all.vectors[*at] = vector;
            }
        }
        Ok(all)
    }
}

impl Provider for Local {
    fn space(&self) -> &Space {
        &self.space
    }

    fn embed<'a>(&'a self, purpose: Purpose, texts: &'a [String]) -> BoxFuture<'a, Result<Vectors, Failure>> {
        Box::pin(self.lots(purpose, texts))
    }

    fn batches(&self) -> (usize, usize) {
        (LOT * 4, self.threads)
    }
}

impl Engine {
    /// On a thread of its own.
    fn embed(&self, texts: &[String]) -> Result<(Vec<Vec<f32>>, u64), String> {
        let pool = self.pools.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let pool = pool.ok_or("has no thread left")?;
        let made = pool.install(|| self.forward(texts));
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).push(pool);
        made
    }

    fn forward(&self, texts: &[String]) -> Result<(Vec<Vec<f32>>, u64), String> {
        let read = |text: &String| self.tokenizer.encode(text.as_str(), true);
        let tokens = texts.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        let longest = tokens.iter().map(tokenizers::Encoding::len).max().unwrap_or(0);
        let (mut ids, mut mask) = (Vec::new(), Vec::new());
        for one in &tokens {
            let padding = longest - one.len();
            ids.extend(one.get_ids().iter().copied().chain(std::iter::repeat_n(0, padding)));
            mask.extend(std::iter::repeat_n(1_u32, one.len()).chain(std::iter::repeat_n(0, padding)));
        }
        let shape = (texts.len(), longest);
        let work = || -> candle_core::Result<Vec<Vec<f32>>> {
            let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
            let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
            let hidden = self.model.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
            let pooled = match self.pooling {
                Pooling::First => hidden.narrow(1, 0, 1)?.squeeze(1)?,
                Pooling::Mean => {
                    let mask = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
                    hidden.broadcast_mul(&mask)?.sum(1)?.broadcast_div(&mask.sum(1)?)?
                }
            };
            pooled.to_vec2()
        };
        let vectors = work().map_err(|error| error.to_string())?;
        let vectors = vectors.into_iter().map(normalised).collect::<Option<_>>().ok_or("made a vector of nothing")?;
        Ok((vectors, tokens.iter().map(|one| one.len() as u64).sum()))
    }
}

/// A file that need not be there.
fn optional<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let wrong = |what: String| Error::File { path: path.to_owned(), what };
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| wrong(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(error.to_string())),
    }
}
