//! What makes vectors of texts, wherever it runs.

use crate::config;
use futures_util::future::BoxFuture;
use std::time::Duration;

/// Everything that makes two vectors comparable. Vectors of different spaces say nothing about each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    /// `local`, `openai` or `azure`.
    pub provider: &'static str,
    /// The model, or the deployment.
    pub model: String,
    /// Digest of the weights, where they are known.
    pub revision: String,
    /// Length of every vector.
    pub dimensions: u16,
    /// Written before what is searched for.
    pub query_prefix: String,
    /// Written before what is found.
    pub document_prefix: String,
    /// Tokens read of a text; the rest is cut. 0: not known.
    pub max_tokens: usize,
    /// Similarity under which nothing is relevant. No part of what makes vectors comparable.
    pub floor: f32,
}

/// Where off-topic questions end for MiniLM: the best of ten reached 0.22.
pub(super) const USUAL_FLOOR: f32 = 0.25;

impl Space {
    /// One line for one space. Where the address of a model is another and the model the same, so is the space.
    pub fn fingerprint(&self) -> String {
        let Self { provider, model, revision, dimensions, query_prefix, document_prefix, max_tokens, .. } = self;
        // As JSON, so that no field can run into the next one.
        serde_json::json!([1, provider, model, revision, dimensions, max_tokens, query_prefix, document_prefix])
            .to_string()
    }
}

/// What a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To search with.
    Query,
    /// To be found.
    Document,
}

impl Space {
    /// The text as the model wants it.
    pub(super) fn prefixed(&self, purpose: Purpose, text: &str) -> String {
        let prefix = match purpose {
            Purpose::Query => &self.query_prefix,
            Purpose::Document => &self.document_prefix,
        };
        format!("{prefix}{text}")
    }
}

/// Vectors of texts, in the texts' order, each of length 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors {
    /// One a text.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens they cost.
    pub tokens: u64,
}

/// Why there are none. `Display` is for operators and for plugins: no address, no key, no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Asked too often, or too much at once.
    #[error("the embedding service has too much to do")]
    Busy {
        /// When to ask again, where it said so.
        after: Option<Duration>,
    },
    /// Not there, or it failed.
    #[error("the embedding service {0}")]
    Down(String),
    /// It will never answer this way: a key, a name, an address that is wrong.
    #[error("the embedding service {0}")]
    Refused(String),
    /// More texts than it takes at once, or one that is too long.
    #[error("the embedding service takes fewer or shorter texts at once")]
    TooMuch,
    /// What it sent cannot be used.
    #[error("the embedding service {0}")]
    Malformed(String),
}

impl Failure {
    /// Whether the same question may be answered a moment later.
    pub(super) fn passes(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Down(_))
    }

    /// Whether it says something of the service, and not of the question.
    pub(super) fn counts(&self) -> bool {
        !matches!(self, Self::TooMuch)
    }
}

/// One model that can be asked.
pub trait Provider: Send + Sync {
    /// The space its vectors lie in.
    fn space(&self) -> &Space;

    /// Make vectors. One attempt: tries, waits and breakers are [`super::Patience`]'s. Texts are not empty as a list.
    fn embed<'a>(&'a self, purpose: Purpose, texts: &'a [String]) -> BoxFuture<'a, Result<Vectors, Failure>>;

    /// Texts a request of a backfill should have, and requests at once.
    fn batches(&self) -> (usize, usize);
}

/// Length 1, so that cosine is a product. A vector without a direction, or with no number in it, is none.
pub(super) fn normalised(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if !length.is_finite() || length == 0.0 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "vectors are single precision")]
    vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    Some(vector)
}

/// The floor the settings give, or the usual one.
pub(super) fn floor(settings: &config::Model) -> f32 {
    settings.floor.unwrap_or(USUAL_FLOOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_have_length_one_or_are_none() {
        assert_eq!(normalised(vec![3.0, 4.0]), Some(vec![0.6, 0.8]));
        for none in [vec![0.0, 0.0], vec![f32::NAN, 1.0], vec![f32::INFINITY], vec![]] {
            assert_eq!(normalised(none), None);
        }
    }

    #[test]
    fn a_space_is_all_that_changes_vectors_and_nothing_else() {
        let space = Space {
            provider: "local",
            model: "m".into(),
            revision: "r".into(),
            dimensions: 3,
            query_prefix: String::new(),
            document_prefix: String::new(),
            max_tokens: 8,
            floor: 0.2,
        };
        let other = |change: fn(&mut Space)| {
            let mut other = space.clone();
            change(&mut other);
            other.fingerprint() != space.fingerprint()
        };
        assert!(!other(|s| s.floor = 0.9));
        assert!(other(|s| s.model = "n".into()));
        assert!(other(|s| s.revision = "s".into()));
        assert!(other(|s| s.dimensions = 4));
        assert!(other(|s| s.query_prefix = "query: ".into()));
        assert!(other(|s| s.document_prefix = "query: ".into()));
        assert!(other(|s| s.max_tokens = 9));
    }
}
