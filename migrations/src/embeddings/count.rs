//! How many texts have a vector.

use tokio_postgres::Client;

use super::{Model, Source, begin, embedding_sources, end};
use crate::error::{Doing as _, Error};

/// How a table stands by a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// The table as it is written in a statement: `retail.products`.
    pub source: String,
    /// Rows that have a text.
    pub total: u64,
    /// Of these, with the vector of their text.
    pub current: u64,
    /// With the vector of an older text.
    pub outdated: u64,
    /// With none.
    pub missing: u64,
    /// Vectors whose row is gone, or has no text any more.
    pub orphans: u64,
    /// Rows in the queue, whatever model reads it.
    pub queued: u64,
    /// Whether an index finds the nearest vectors.
    pub indexed: bool,
    /// What the vectors take on disk, index and all.
    pub bytes: u64,
}

/// How every table stands by a model. Makes each text once, so it takes as long as that.
///
/// # Errors
/// [`Error::Database`].
pub async fn count_embeddings(admin: &Client, model: &Model) -> Result<Vec<Count>, Error> {
    let mut counts = Vec::new();
    for source in embedding_sources(admin).await? {
        counts.push(count(admin, &source, model).await?);
    }
    Ok(counts)
}

/// How one table stands.
pub(super) async fn count(admin: &Client, source: &Source, model: &Model) -> Result<Count, Error> {
    let size = admin
        .query_one(include_str!("size.sql"), &[&source.vectors(model), &source.id])
        .await
        .doing("look at the table of the vectors")?;
    let (there, indexed): (bool, bool) = (size.get(0), size.get(1));
    let number = |count: i64| u64::try_from(count).unwrap_or_default();
    let (relation, key, text) = (&source.relation, &source.key, source.text_of_t());
    let statement = if there {
        let vectors = source.vectors(model);
        format!(
            "SELECT count(*), count(*) FILTER (WHERE v.content_hash = x.hash),
                    count(*) FILTER (WHERE v.content_hash <> x.hash), (SELECT count(*) FROM {vectors})
             FROM {relation} t {text} LEFT JOIN {vectors} v ON v.key = t.{key}"
        )
    } else {
        format!("SELECT count(*), 0::bigint, 0::bigint, 0::bigint FROM {relation} t {text}")
    };
    begin(admin, source).await?;
    let row = admin.query_one(&statement, &[]).await.doing("count the texts and their vectors");
    let row = end(admin, row).await?;
    let [total, current, outdated, stored] = [0, 1, 2, 3].map(|column| number(row.get(column)));
    Ok(Count {
        source: source.relation.clone(),
        total,
        current,
        outdated,
        missing: total - current - outdated,
        orphans: stored.saturating_sub(current + outdated),
        queued: number(size.get(3)),
        indexed,
        bytes: number(size.get(2)),
    })
}
