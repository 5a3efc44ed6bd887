//! Text to vector, with the model the operator chose.
//!
//! There may be no vectors, today or ever, and then a tool that could do without them should:
//!
//! ```
//! # use rowhouse_plugin::prelude::*;
//! fn search(text: &str) -> Result<(Statement, Option<String>)> {
//!     Ok(match embedding::embed_one(text) {
//!         Ok(near) => (sql!("SELECT name FROM shop.notes ORDER BY meaning <=> {near}::halfvec LIMIT 10"), None),
//!         // `?` in place of this arm where there is no answer without: the caller is told the same.
//!         Err(why) => {
//!             let by_words = sql!("SELECT name FROM shop.notes WHERE words @@ websearch_to_tsquery({text}) LIMIT 10");
//!             (by_words, Some(why.to_string()))
//!         }
//!     })
//! }
//! ```

use std::fmt;

pub use crate::bindings::rowhouse::plugin::embedding::Model;
use crate::{
    bindings::rowhouse::plugin::embedding::EmbeddingError, error::Error, imports::embedding as host, value::Vector,
};

/// Why there are no vectors. Its text is fit for a caller: half a sentence, to stand after a colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoVectors {
    /// The operator has set up no model. Nor will there be one on the next call: answer without vectors.
    NotConfigured,
    /// Not now: the model cannot be reached, or vectors of the data are still being made. The text says which. The same
    /// call may work later.
    Unavailable(String),
    /// Too many texts, or one too long, or the tenant's quota is used up. The text says which.
    Limit(String),
}

impl fmt::Display for NoVectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoVectors::NotConfigured => f.write_str("the operator has set up no embedding model"),
            NoVectors::Unavailable(text) | NoVectors::Limit(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for NoVectors {}

/// For tools that have no answer without vectors.
impl From<NoVectors> for Error {
    fn from(why: NoVectors) -> Error {
        Error::failed(format!("no vectors: {why}"))
    }
}

impl From<EmbeddingError> for NoVectors {
    fn from(error: EmbeddingError) -> NoVectors {
        match error {
            EmbeddingError::NotConfigured => NoVectors::NotConfigured,
            EmbeddingError::Unavailable(text) => NoVectors::Unavailable(text),
            EmbeddingError::Limit(text) => NoVectors::Limit(text),
        }
    }
}

/// The model in use, where there is one; none, too, while its vectors are not ready.
#[must_use]
pub fn current() -> Option<Model> {
    host::current()
}

/// One vector a text, in the same order.
///
/// # Errors
/// Why there are none; never some of them.
pub fn embed(texts: &[String]) -> Result<Vec<Vector>, NoVectors> {
    Ok(host::embed(texts)?.into_iter().map(Vector).collect())
}

/// The vector of one text.
///
/// # Errors
/// Why there is none.
pub fn embed_one(text: &str) -> Result<Vector, NoVectors> {
    let vector = embed(&[text.to_owned()])?.pop();
    vector.ok_or_else(|| NoVectors::Unavailable("the host gave no vector for the text".to_owned()))
}
