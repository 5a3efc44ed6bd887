//! Texts that are searched by what they mean: which model made the vectors, whose texts they are of, which texts
//! changed since.
//!
//! `CALL rowhouse.embed(...)` registers a table. The vectors come from the caller: nothing here speaks to a model. In
//! the order a model is brought in: [`add_embedding_model`], [`prepare_embeddings`], page by page [`outdated_texts`]
//! and [`store_embeddings`], [`finish_embeddings`], [`activate_embeddings`]. From then on [`queued_texts`] keeps up.
//!
//! Texts are read, and vectors written, as the owner of the table: row security binds even owners here, and a function
//! that makes texts has no business with the administrator's rights. `admin` must be able to act as that owner. That is
//! care, not a wall: a function can take the administrator's role back, so whoever may replace it is trusted. It names
//! everything with its schema: only `pg_catalog` is searched.
//!
//! Nothing here is called inside a transaction of the caller's. Whoever drops one of these futures before it is done
//! closes the connection, too: it may be inside a transaction, and another role.

mod count; // How many texts have a vector.
mod finish; // What remains when all are stored: an index.
mod switch; // From one model to another, under readers.
mod texts; // Texts out, vectors in.

pub use count::{Count, count_embeddings};
pub use finish::{Step, finish_embeddings};
pub use switch::{activate_embeddings, drop_embedding_model, prepare_embeddings};
pub use texts::{Asked, Embedding, Queued, Text, forget_queued, outdated_texts, queued_texts, store_embeddings};

use std::time::SystemTime;

use tokio_postgres::{Client, Row};

use crate::error::{Doing as _, Error};

/// Numbers in the longest vector an index over half-precision vectors takes.
const MOST_DIMENSIONS: u16 = 4_000;

/// A space of its own among the server's advisory locks: the letters `mean` in ASCII.
const LOCKS: i32 = 0x6d65_616e;

/// A model as it is brought in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewModel<'a> {
    /// What the operator calls it.
    pub name: &'a str,
    /// Everything that makes two vectors comparable, as one text.
    pub fingerprint: &'a str,
    /// Who computes: `local`, `openai`, ...
    pub provider: &'a str,
    /// What the provider calls it.
    pub model: &'a str,
    /// Which build of it, where the provider says; else empty.
    pub revision: &'a str,
    /// Numbers in a vector: 1 to 4,000.
    pub dimensions: u16,
    /// Whether every vector has length 1.
    pub normalised: bool,
    /// The cosine similarity, -1 to 1, under which nothing is relevant.
    pub floor: f32,
}

/// A model of this database.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Part of its tables' names; never used again.
    pub id: i32,
    /// What the operator calls it.
    pub name: String,
    /// Everything that makes two vectors comparable, as one text.
    pub fingerprint: String,
    /// Who computes.
    pub provider: String,
    /// What the provider calls it.
    pub model: String,
    /// Which build of it; may be empty.
    pub revision: String,
    /// Numbers in a vector.
    pub dimensions: u16,
    /// Whether every vector has length 1.
    pub normalised: bool,
    /// The cosine similarity under which nothing is relevant.
    pub floor: f32,
    /// When it was brought in.
    pub created: SystemTime,
    /// When it last became the active one.
    pub activated: Option<SystemTime>,
    /// Whether the views show its vectors. True of one model at most.
    pub active: bool,
}

/// A table whose texts are searched by meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Part of its tables' names; never used again.
    pub id: i32,
    /// The table as it is written in a statement: `retail.products`.
    pub relation: String,
    /// The view of its vectors as it is written in a statement.
    pub view: String,
    /// Names as they are written in a statement; the type of the key and the schema of the extension, too.
    key: String,
    key_type: String,
    function: String,
    owner: String,
    extension: String,
    /// Whether the owner sees the rows.
    open: bool,
}

impl Source {
    /// The table of its vectors by a model.
    fn vectors(&self, model: &Model) -> String {
        format!("rowhouse_vectors.s{}_m{}", self.id, model.id)
    }

    /// The text of row `t`, as column `text` of `x`, and its digest as `hash`. A row without a visible character has
    /// none: no model makes anything of it.
    fn text_of_t(&self) -> String {
        format!(
            r"CROSS JOIN LATERAL (SELECT f.text, sha256(convert_to(f.text, 'UTF8')) AS hash
                FROM {}(t) AS f(text) WHERE f.text ~ '\S') x",
            self.function
        )
    }
}

const MODEL: &str = "id, name, fingerprint, provider, model, revision, dimensions, normalised, floor, created_at,
    activated_at, active";

fn model(row: &Row) -> Model {
    Model {
        id: row.get(0),
        name: row.get(1),
        fingerprint: row.get(2),
        provider: row.get(3),
        model: row.get(4),
        revision: row.get(5),
        // The table takes 1 to 4,000.
        dimensions: u16::try_from(row.get::<_, i32>(6)).unwrap_or(MOST_DIMENSIONS),
        normalised: row.get(7),
        floor: row.get(8),
        created: row.get(9),
        activated: row.get(10),
        active: row.get(11),
    }
}

/// Every model, the oldest first.
///
/// # Errors
/// [`Error::Database`], e.g. before [`crate::migrate`].
pub async fn embedding_models(admin: &Client) -> Result<Vec<Model>, Error> {
    let rows = admin
        .query(&format!("SELECT {MODEL} FROM rowhouse.embedding_models ORDER BY id"), &[])
        .await
        .doing("list the embedding models (run `rowhouse db migrate` first)")?;
    Ok(rows.iter().map(model).collect())
}

/// Every table whose texts are searched by meaning, by name. One that was dropped is not among them.
///
/// # Errors
/// [`Error::Database`], e.g. before [`crate::migrate`].
pub async fn embedding_sources(admin: &Client) -> Result<Vec<Source>, Error> {
    let rows = admin
        .query(include_str!("embeddings/sources.sql"), &[])
        .await
        .doing("list the tables that are searched by meaning (run `rowhouse db migrate` first)")?;
    let source = |row: &Row| Source {
        id: row.get(0),
        relation: row.get(1),
        view: row.get(2),
        key: row.get(3),
        key_type: row.get(4),
        function: row.get(5),
        owner: row.get(6),
        extension: row.get(7),
        open: row.get(8),
    };
    Ok(rows.iter().map(source).collect())
}

/// Brings in a model, or finds it by its name. Nothing is active for it yet.
///
/// # Errors
/// [`Error::AnotherModel`] when the name belongs to a model whose vectors cannot be compared with this one's;
/// [`Error::BadDimensions`]; [`Error::Database`], e.g. for a floor outside -1 to 1.
pub async fn add_embedding_model(admin: &Client, new: &NewModel<'_>) -> Result<Model, Error> {
    if !(1..=MOST_DIMENSIONS).contains(&new.dimensions) {
        return Err(Error::BadDimensions(new.dimensions));
    }
    let dimensions = i32::from(new.dimensions);
    admin
        .execute(
            "INSERT INTO rowhouse.embedding_models
               (name, fingerprint, provider, model, revision, dimensions, normalised, floor)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING",
            &[
                &new.name,
                &new.fingerprint,
                &new.provider,
                &new.model,
                &new.revision,
                &dimensions,
                &new.normalised,
                &new.floor,
            ],
        )
        .await
        .doing("bring in an embedding model (run `rowhouse db migrate` first)")?;
    let found = named(admin, new.name).await?;
    if found.fingerprint != new.fingerprint || found.dimensions != new.dimensions {
        return Err(Error::AnotherModel(new.name.to_owned()));
    }
    Ok(found)
}

async fn named(admin: &Client, name: &str) -> Result<Model, Error> {
    admin
        .query_opt(&format!("SELECT {MODEL} FROM rowhouse.embedding_models WHERE name = $1"), &[&name])
        .await
        .doing("find an embedding model")?
        .map(|row| model(&row))
        .ok_or_else(|| Error::NoEmbeddingModel(name.to_owned()))
}

/// Whether this connection is now, or was already, the one that keeps the vectors of this database current. True for
/// one connection at a time, until it closes: so that of several hosts one only has the changed texts computed.
///
/// # Errors
/// [`Error::Database`].
pub async fn claim_embeddings(admin: &Client) -> Result<bool, Error> {
    // A lock of the session's: PostgreSQL gives it back when the connection ends, however it ends.
    let row = admin
        .query_one("SELECT pg_try_advisory_lock($1, 0)", &[&LOCKS])
        .await
        .doing("ask whose turn it is to keep the vectors current")?;
    Ok(row.get(0))
}

/// Begins a transaction as the owner of a table. Every way on leads to [`end`].
async fn begin(admin: &Client, source: &Source) -> Result<(), Error> {
    // To an owner who sees no rows every vector would be one without a row.
    if !source.open {
        return Err(Error::RowsHidden(source.relation.clone()));
    }
    let begin = format!("BEGIN; SET LOCAL ROLE {}; SET LOCAL search_path = pg_catalog", source.owner);
    match admin.batch_execute(&begin).await.doing("act as the owner of the texts") {
        Ok(()) => Ok(()),
        Err(error) => end(admin, Err(error)).await,
    }
}

/// Keeps what was done, or nothing of it.
async fn end<T>(admin: &Client, outcome: Result<T, Error>) -> Result<T, Error> {
    let how = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = admin.batch_execute(how).await.doing("be the administrator again");
    let value = outcome?;
    ended.map(|()| value)
}
