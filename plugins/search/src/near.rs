//! The nearest vectors, and what is said where there are none.

use rowhouse_plugin::{
    embedding::NoVectors,
    prelude::*,
    sql::{SqlError, SqlErrorCode},
};

use crate::product::FITS;

/// The cosine similarity under which nothing is relevant, where nobody names another: of MiniLM, the usual model, the
/// worst right answer of a labelled set had 0.29, the best wrong one to questions off the subject 0.22. Other models
/// lie higher, where this cuts nothing.
pub(crate) const FLOOR: f64 = 0.25;

/// A query of a WITH clause: `near (product_id, similarity, place)`, the `most` products that fit and lie nearest to
/// `vector`, of those at least `least` like it. `but` narrows further, and begins with AND.
///
/// An index gives them only about in order, so they are numbered outside of the LIMIT.
pub(crate) fn near(vector: &'static str, but: &'static str, most: &'static str, least: f64) -> String {
    format!(
        "\
near AS (
  SELECT product_id, similarity, row_number() OVER (ORDER BY similarity DESC, product_id) AS place
  FROM (
    SELECT e.product_id, 1 - (e.embedding <=> {vector}) AS similarity
    FROM retail.product_embeddings AS e
    JOIN retail.products AS p ON p.product_id = e.product_id
    JOIN retail.categories AS c ON c.category_id = p.category_id
    WHERE {FITS} {but}
    ORDER BY e.embedding <=> {vector} LIMIT {most}) AS nearest
  WHERE similarity >= {least})"
    )
}

/// Why an answer has no vectors in it, as its `degraded` says.
pub(crate) fn degraded(why: &NoVectors) -> String {
    let why = why.to_string();
    format!("Ranked by words, not by meaning: {}.", why.trim_end_matches('.'))
}

/// Why words answer after all, where a statement failed for its vector: since that was made, the vectors of the catalogue
/// became another model's, of another length. Nothing else in a statement of ours can be invalid.
pub(crate) fn switched(error: &Error) -> Option<NoVectors> {
    let invalid = matches!(error, Error::Sql(SqlError { code: SqlErrorCode::Invalid, .. }));
    invalid.then(|| NoVectors::Unavailable("another model is being taken into use".to_owned()))
}

/// What a text says that has found nothing at all.
pub(crate) const NOTHING: &str = "Nothing found: use other words, or loosen the filters.";
