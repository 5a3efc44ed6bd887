//! Texts out, vectors in.

use std::fmt::Write as _;
use std::time::SystemTime;

use tokio_postgres::{Client, Row};

use super::{Model, Source, begin, end};
use crate::error::{Doing as _, Error};

/// A text that needs a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Key of its row, as text.
    pub key: String,
    /// What the model shall read.
    pub text: String,
    /// SHA-256 of the text in UTF-8.
    pub hash: [u8; 32],
}

/// The vector of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// [`Text::key`].
    pub key: String,
    /// [`Text::hash`] of the text that was embedded.
    pub hash: [u8; 32],
    /// As many numbers as the model's vectors have.
    pub vector: Vec<f32>,
}

/// A row that was asked for, as the queue had it. Rows that change again are not taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Key of the row, as text.
    pub key: String,
    at: SystemTime,
}

/// What the queue asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// The texts that need a vector. Rows that are current already, or gone, have none.
    pub texts: Vec<Text>,
    /// Every row that was looked at; for [`forget_queued`], once the vectors are stored. Empty: the queue is, too.
    pub asked: Vec<Asked>,
}

/// Texts without a vector by this model, or with one of an older text: by key, those after `after` only, `limit` at
/// most. Fewer mean that there are no more after these.
///
/// # Errors
/// [`Error::Database`], e.g. before [`super::prepare_embeddings`].
pub async fn outdated_texts(
    admin: &Client,
    source: &Source,
    model: &Model,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Text>, Error> {
    let Source { relation, key, key_type, .. } = source;
    let (text, vectors) = (source.text_of_t(), source.vectors(model));
    let statement = format!(
        "SELECT t.{key}::text, x.text, x.hash FROM {relation} t {text} LEFT JOIN {vectors} v ON v.key = t.{key}
         WHERE v.content_hash IS DISTINCT FROM x.hash AND ($1::text IS NULL OR t.{key} > $1::text::{key_type})
         ORDER BY t.{key} LIMIT $2"
    );
    begin(admin, source).await?;
    let rows = admin.query(&statement, &[&after, &i64::from(limit)]).await.doing("read the texts without a vector");
    let rows = end(admin, rows).await?;
    Ok(rows.iter().map(text_of).collect())
}

/// Texts whose rows changed, the longest waiting first; `limit` rows are looked at.
///
/// # Errors
/// As [`outdated_texts`].
pub async fn queued_texts(admin: &Client, source: &Source, model: &Model, limit: u32) -> Result<Queued, Error> {
    let rows = admin
        .query(
            "SELECT key, asked_at FROM rowhouse.embedding_queue WHERE source = $1 ORDER BY asked_at, key LIMIT $2",
            &[&source.id, &i64::from(limit)],
        )
        .await
        .doing("read the queue of changed texts")?;
    if rows.is_empty() {
        return Ok(Queued::default());
    }
    // The queue first: a text is then at least as new as what its row was asked for.
    let asked: Vec<Asked> = rows.iter().map(|row| Asked { key: row.get(0), at: row.get(1) }).collect();
    let keys: Vec<&str> = asked.iter().map(|asked| asked.key.as_str()).collect();
    let Source { relation, key, key_type, .. } = source;
    let (text, vectors) = (source.text_of_t(), source.vectors(model));
    let statement = format!(
        "SELECT t.{key}::text, x.text, x.hash FROM unnest($1::text[]) AS k(key)
         JOIN {relation} t ON t.{key} = k.key::{key_type} {text} LEFT JOIN {vectors} v ON v.key = t.{key}
         WHERE v.content_hash IS DISTINCT FROM x.hash"
    );
    begin(admin, source).await?;
    let rows = admin.query(&statement, &[&keys]).await.doing("read the changed texts");
    let rows = end(admin, rows).await?;
    Ok(Queued { texts: rows.iter().map(text_of).collect(), asked })
}

fn text_of(row: &Row) -> Text {
    let mut hash = [0; 32];
    hash.copy_from_slice(row.get(2));
    Text { key: row.get(0), text: row.get(1), hash }
}

/// Stores vectors, each of them if its row still has the text it is of, and says how many that were. The others have
/// a newer text, which the queue asks for, or none. All of them or nothing.
///
/// # Errors
/// [`Error::WrongDimensions`]; [`Error::Database`], e.g. for a number that is none, or two vectors for one key.
pub async fn store_embeddings(
    admin: &Client,
    source: &Source,
    model: &Model,
    embeddings: &[Embedding],
) -> Result<u64, Error> {
    let expected = usize::from(model.dimensions);
    if let Some(wrong) = embeddings.iter().map(|one| one.vector.len()).find(|length| *length != expected) {
        return Err(Error::WrongDimensions { expected: model.dimensions, found: wrong });
    }
    let keys: Vec<&str> = embeddings.iter().map(|one| one.key.as_str()).collect();
    let hashes: Vec<&[u8]> = embeddings.iter().map(|one| one.hash.as_slice()).collect();
    let vectors: Vec<String> = embeddings.iter().map(|one| literal(&one.vector)).collect();
    let Source { relation, key, key_type, extension, .. } = source;
    let (text, table) = (source.text_of_t(), source.vectors(model));
    // By key, so that two at once wait for each other in one order.
    let statement = format!(
        "INSERT INTO {table} AS v (key, content_hash, embedding)
         SELECT t.{key}, n.hash, n.vector::{extension}.halfvec
         FROM unnest($1::text[], $2::bytea[], $3::text[]) AS n(key, hash, vector)
         JOIN {relation} t ON t.{key} = n.key::{key_type} {text} WHERE x.hash = n.hash ORDER BY t.{key}
         ON CONFLICT (key) DO UPDATE SET content_hash = excluded.content_hash, embedding = excluded.embedding"
    );
    begin(admin, source).await?;
    let stored = admin.execute(&statement, &[&keys, &hashes, &vectors]).await.doing("store the vectors");
    end(admin, stored).await
}

/// A vector as pgvector reads it.
fn literal(vector: &[f32]) -> String {
    // Most numbers take about 13 characters.
    let mut literal = String::with_capacity(2 + vector.len() * 14);
    for number in vector {
        literal.push(if literal.is_empty() { '[' } else { ',' });
        // The shortest digits that mean the number; writing to a String cannot fail.
        let _ = write!(literal, "{number:e}");
    }
    literal.push(']');
    literal
}

/// Takes rows off the queue, except those that were asked for again since.
///
/// # Errors
/// [`Error::Database`].
pub async fn forget_queued(admin: &Client, source: &Source, asked: &[Asked]) -> Result<(), Error> {
    let keys: Vec<&str> = asked.iter().map(|asked| asked.key.as_str()).collect();
    let times: Vec<SystemTime> = asked.iter().map(|asked| asked.at).collect();
    // Waits for nobody: a row that a writer holds is about to be asked for again, and a writer that then waited for
    // another row of these would wait for ever.
    admin
        .execute(
            "DELETE FROM rowhouse.embedding_queue q USING (
               SELECT w.source, w.key FROM rowhouse.embedding_queue w
               JOIN unnest($2::text[], $3::timestamptz[]) AS seen(key, asked_at)
                 ON w.key = seen.key AND w.asked_at = seen.asked_at
               WHERE w.source = $1 FOR UPDATE OF w SKIP LOCKED) done
             WHERE q.source = done.source AND q.key = done.key",
            &[&source.id, &keys, &times],
        )
        .await
        .doing("take changed texts off the queue")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn vectors_are_written_for_pgvector() {
        let check = |vector: &[f32], written: &str| assert_eq!(literal(vector), written);
        check(&[1.0], "[1e0]");
        check(&[0.1, -0.25, 0.0], "[1e-1,-2.5e-1,0e0]");
        check(&[1e-8, 65504.0], "[1e-8,6.5504e4]");
    }
}
