//! The models that make vectors of texts, and what asking them may cost.

use super::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The model that needs no setting: all-MiniLM-L6-v2 on this machine.
pub const USUAL_MODEL: &str = "minilm";

/// The word for no model at all.
const NONE: &str = "none";

/// Vectors of texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Embedding {
    /// Which of the models below a database without vectors gets its first ones from. Later the database says which one
    /// is in use: `rowhouse embed switch NAME`. `"none"`: this host makes no vectors and searches by words.
    pub model: String,
    /// The models, by a name of your own. `minilm` is always there.
    #[serde(deserialize_with = "models")]
    pub models: BTreeMap<String, Model>,
    /// Where weights are kept. Unset: `models` in the state directory. Hosts may share it.
    pub weights: Option<PathBuf>,
    /// Milliseconds a call waits for its vectors, tries and waits between them included. People who search wait; four
    /// fifths of a second leave the rest of one for an answer by words.
    pub query_ms: u64,
    /// Texts one call may have made vectors of. A question is one text; a basket of names a few dozen.
    pub texts_per_call: u32,
    /// Bytes of one text. More than models read: what comes after their last token is cut.
    pub text_bytes: usize,
    /// Bytes of vectors kept in memory, by model, account and text: ten thousand of 384 numbers. Nothing is kept for 0.
    pub cache_bytes: u64,
    /// Seconds they are kept, in memory and in Redis. The same text has the same vector for ever; what is not asked for
    /// again for a day will not be soon.
    pub cache_seconds: u64,
    /// A Redis that hosts share as a second cache, as `traffic.redis` is written. Worth it for models that are paid for.
    #[serde(skip_serializing)]
    pub redis: Option<Secret>,
    /// Milliseconds making one batch of a backfill may take, tries and waits between them included.
    pub backfill_ms: u64,
    /// Whether hosts keep vectors up with texts that change. False: only `rowhouse embed backfill` does.
    pub follow: bool,
}

impl Default for Embedding {
    fn default() -> Self {
        Self {
            model: USUAL_MODEL.to_owned(),
            models: BTreeMap::from([(USUAL_MODEL.to_owned(), Model::usual())]),
            weights: None,
            query_ms: 800,
            texts_per_call: 64,
            text_bytes: 8 << 10,
            cache_bytes: 16 << 20,
            cache_seconds: 86_400,
            redis: None,
            backfill_ms: 300_000,
            follow: true,
        }
    }
}

/// Names added to the model that is always there.
fn models<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Model>, D::Error> {
    let mut models = BTreeMap::<String, Model>::deserialize(from)?;
    models.entry(USUAL_MODEL.to_owned()).or_insert_with(Model::usual);
    Ok(models)
}

/// One model: where it runs, and how its vectors are to be read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Where it runs.
    pub provider: Provider,
    /// `local`: a directory with `model.safetensors`, `tokenizer.json` and `config.json` of a BERT. Unset:
    /// all-MiniLM-L6-v2.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// `local`: texts worked on at once. Unset: half the cores, so that calls have the others.
    #[serde(default)]
    pub threads: Option<usize>,
    /// `openai`: the address before `/embeddings`, e.g. `https://api.openai.com/v1`. `azure`: the resource's endpoint,
    /// `https://NAME.openai.azure.com`.
    #[serde(default)]
    pub url: Option<String>,
    /// `openai`: the model's name. `azure`: the deployment's.
    #[serde(default)]
    pub model: Option<String>,
    /// `azure`: the dated version of the interface (`2024-10-21`), for resources that do not serve `/openai/v1`.
    #[serde(default)]
    pub api_version: Option<String>,
    /// An API key. `openai` sends it as a bearer token, `azure` as `api-key`.
    #[serde(default, skip_serializing)]
    pub key: Option<Secret>,
    /// `azure`: an Entra access token, in place of a key. A command fetches a new one every five minutes and when one is
    /// refused.
    #[serde(default, skip_serializing)]
    pub token: Option<Secret>,
    /// Length of its vectors. Needed for `openai` and `azure`; asked of those that can cut (`text-embedding-3`).
    #[serde(default)]
    pub dimensions: Option<u16>,
    /// Whether `dimensions` is sent with each request. Models that cannot cut refuse it.
    #[serde(default)]
    pub send_dimensions: bool,
    /// Written before what is searched for, and before what is found. E5 wants `query: ` and `passage: `.
    #[serde(default)]
    pub query_prefix: String,
    #[serde(default)]
    #[expect(missing_docs, reason = "documented with the field above")]
    pub document_prefix: String,
    /// Similarity under which nothing is relevant, 0 to 1. Unset: 0.25, where MiniLM's off-topic questions end (the best
    /// of ten reached 0.22).
    #[serde(default)]
    pub floor: Option<f32>,
    /// Texts a request of a backfill. Interfaces take 2,048 at the most.
    #[serde(default = "batch")]
    pub batch: usize,
    /// Requests at once.
    #[serde(default = "concurrent")]
    pub concurrent: usize,
    /// Milliseconds one request may take.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    /// Tries in all, with growing waits between them.
    #[serde(default = "tries")]
    pub tries: usize,
}

/// Where a model runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is said at the settings it needs")]
pub enum Provider {
    Local,
    OpenAi,
    Azure,
}

impl Provider {
    /// Its word in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::OpenAi => "openai",
            Self::Azure => "azure",
        }
    }
}

/// One request of this many names of products is some 2,000 tokens: answered within a second.
fn batch() -> usize {
    64
}

/// Endpoints count requests a minute; four at once fill most of the smaller quotas.
fn concurrent() -> usize {
    4
}

/// A slow endpoint answers 64 texts in three seconds.
fn timeout_ms() -> u64 {
    10_000
}

/// The waits between five tries add up to some six seconds, longer than a deployment's restart.
fn tries() -> usize {
    5
}

impl Model {
    /// all-MiniLM-L6-v2 on this machine.
    #[must_use]
    pub fn usual() -> Self {
        Self {
            provider: Provider::Local,
            path: None,
            threads: None,
            url: None,
            model: None,
            api_version: None,
            key: None,
            token: None,
            dimensions: None,
            send_dimensions: false,
            query_prefix: String::new(),
            document_prefix: String::new(),
            floor: None,
            batch: batch(),
            concurrent: concurrent(),
            timeout_ms: timeout_ms(),
            tries: tries(),
        }
    }

    fn faults(&self, place: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut fault = |wrong: bool, what: &str| {
            if wrong {
                found.push(format!("{place}{what}"));
            }
        };
        let local = self.provider == Provider::Local;
        let remote = [
            (self.url.is_some(), ".url"),
            (self.model.is_some(), ".model"),
            (self.api_version.is_some(), ".api_version"),
            (self.key.is_some(), ".key"),
            (self.token.is_some(), ".token"),
        ];
        for (set, name) in remote {
            fault(local && set, &format!("{name}: a local model has none"));
        }
        let word = self.provider.as_str();
        fault(!local && self.path.is_some(), &format!(".path: only a local model has weights, and this is `{word}`"));
        fault(!local && self.url.is_none(), ".url: say where it is asked, e.g. \"https://api.openai.com/v1\"");
        fault(!local && self.model.is_none(), ".model: name the model, for azure the deployment");
        fault(!local && self.dimensions.is_none(), ".dimensions: say how long its vectors are, e.g. 1536");
        fault(self.dimensions == Some(0) || self.dimensions > Some(4_000), ".dimensions: 1 to 4000");
        fault(self.provider != Provider::Azure && self.token.is_some(), ".token: only azure takes one; use `key`");
        fault(
            self.provider == Provider::Azure && self.key.is_some() == self.token.is_some(),
            ": give azure a `key` or a `token`, one of them",
        );
        fault(self.provider != Provider::Azure && self.api_version.is_some(), ".api_version: only azure has one");
        fault(!self.floor.is_none_or(|floor| (0.0..=1.0).contains(&floor)), ".floor: 0 to 1");
        fault(!(1..=2_048).contains(&self.batch), ".batch: 1 to 2048");
        fault(!(1..=64).contains(&self.concurrent), ".concurrent: 1 to 64");
        fault(!(1..=20).contains(&self.tries), ".tries: 1 to 20");
        fault(self.timeout_ms == 0, ".timeout_ms: at least 1");
        fault(self.threads == Some(0), ".threads: at least 1");
        found
    }
}

impl Embedding {
    /// The model a database without vectors gets its first ones from.
    pub fn first(&self) -> Option<(&str, &Model)> {
        let (name, model) = self.models.get_key_value(&self.model)?;
        Some((name, model))
    }

    /// How long a call waits for its vectors.
    pub fn query_patience(&self) -> Duration {
        Duration::from_millis(self.query_ms)
    }

    /// How long one lot of a backfill may take.
    pub fn backfill_patience(&self) -> Duration {
        Duration::from_millis(self.backfill_ms)
    }

    /// What cannot work, a line each.
    pub fn faults(&self) -> Vec<String> {
        let mut found: Vec<String> =
            self.models.iter().flat_map(|(name, model)| model.faults(&format!("embedding.models.{name}"))).collect();
        if self.model != NONE && self.first().is_none() {
            let known: Vec<&str> = self.models.keys().map(String::as_str).chain([NONE]).collect();
            found.push(format!("embedding.model: there is no model `{}`; there are {}", self.model, known.join(", ")));
        }
        if self.models.contains_key(NONE) {
            found.push(format!("embedding.models.{NONE}: this name means no model; choose another"));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(toml: &str, faults: &[&str]) {
        let read: Embedding = toml::from_str(toml).expect("settings");
        assert_eq!(read.faults(), faults, "{toml}");
    }

    #[test]
    fn every_setting_that_cannot_work_is_named() {
        check("", &[]);
        check("model = 'none'", &[]);
        check("model = 'other'", &["embedding.model: there is no model `other`; there are minilm, none"]);
        let azure = "[models.a]\nprovider = 'azure'\nurl = 'https://x'\nmodel = 'd'\ndimensions = 8\n";
        check(&format!("{azure}key = 'k'"), &[]);
        check(azure, &["embedding.models.a: give azure a `key` or a `token`, one of them"]);
        check(
            &format!("{azure}key = 'k'\ntoken = 't'"),
            &["embedding.models.a: give azure a `key` or a `token`, one of them"],
        );
        check(
            "[models.o]\nprovider = 'openai'\npath = '/x'\nbatch = 0",
            &[
                "embedding.models.o.path: only a local model has weights, and this is `openai`",
                "embedding.models.o.url: say where it is asked, e.g. \"https://api.openai.com/v1\"",
                "embedding.models.o.model: name the model, for azure the deployment",
                "embedding.models.o.dimensions: say how long its vectors are, e.g. 1536",
                "embedding.models.o.batch: 1 to 2048",
            ],
        );
        check("[models.l]\nprovider = 'local'\nkey = 'k'", &["embedding.models.l.key: a local model has none"]);
    }

    #[test]
    fn the_usual_model_is_there_beside_others() {
        let read: Embedding = toml::from_str("[models.x]\nprovider = 'local'\npath = '/weights'").expect("settings");
        assert_eq!(read.models.keys().collect::<Vec<_>>(), ["minilm", "x"]);
        assert_eq!(read.first().map(|(name, _)| name), Some("minilm"));
    }
}
