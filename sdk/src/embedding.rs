//! Text to vector, with the model the operator chose.

pub use crate::bindings::rowhouse::plugin::embedding::Model;
use crate::{
    bindings::rowhouse::plugin::embedding::EmbeddingError,
    error::{Error, Result},
    imports::embedding as host,
    value::Vector,
};

/// The model in use, where there is one.
#[must_use]
pub fn current() -> Option<Model> {
    host::current()
}

/// One vector a text, in the same order. None where the operator has set up no model: answer without vectors.
///
/// # Errors
/// The model cannot be reached now; or too many texts, one too long, or a quota used up.
pub fn embed(texts: &[String]) -> Result<Option<Vec<Vector>>> {
    match host::embed(texts) {
        Ok(vectors) => Ok(Some(vectors.into_iter().map(Vector).collect())),
        Err(EmbeddingError::NotConfigured) => Ok(None),
        Err(EmbeddingError::Unavailable(text)) => Err(Error::failed(format!("no vectors now, try again: {text}"))),
        Err(EmbeddingError::Limit(text)) => Err(Error::failed(text)),
    }
}
