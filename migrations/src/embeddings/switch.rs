//! From one model to another, under readers.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::count::count;
use super::{Model, Source, embedding_sources, named};
use crate::error::{Doing as _, Error};

/// Makes the table for the vectors of a table by a model, where it is missing. Where the model is active, the view
/// shows them from then on.
///
/// # Errors
/// [`Error::Database`], e.g. when pgvector is missing.
pub async fn prepare_embeddings(admin: &Client, source: &Source, model: &Model) -> Result<(), Error> {
    let statement = format!("CALL rowhouse.prepare_embeddings({}, {})", source.id, model.id);
    between_readers(admin, &statement).await.doing("make a table for the vectors")
}

/// Makes a model the active one: from one moment on every view shows its vectors. Statements that run see the old
/// ones to their end; none fails. Again for the active model, it points the views at what there is.
///
/// The queue is one for all models: what changed meanwhile may have been taken off it for the model before. Go through
/// [`super::outdated_texts`] once more afterwards.
///
/// `partial`: in spite of texts without a current vector.
///
/// # Errors
/// [`Error::TextsWithoutVector`] unless `partial`; [`Error::Database`], e.g. when statements of a minute and more leave
/// no moment free.
pub async fn activate_embeddings(admin: &Client, model: &Model, partial: bool) -> Result<(), Error> {
    for source in embedding_sources(admin).await? {
        prepare_embeddings(admin, &source, model).await?;
        let count = count(admin, &source, model).await?;
        let lacking = count.missing + count.outdated;
        if lacking > 0 && !partial {
            return Err(Error::TextsWithoutVector { relation: count.source, lacking });
        }
    }
    let statement = format!("CALL rowhouse.activate_embeddings({})", model.id);
    between_readers(admin, &statement).await.doing("show the vectors of another model")
}

/// Forgets a model and drops its vectors.
///
/// # Errors
/// [`Error::NoEmbeddingModel`]; [`Error::ActiveModel`]; [`Error::Database`].
pub async fn drop_embedding_model(admin: &Client, name: &str) -> Result<(), Error> {
    let model = named(admin, name).await?;
    if model.active {
        return Err(Error::ActiveModel(model.name));
    }
    // Should it become the active one just now, its tables have views that rest on them, and nothing is dropped.
    let id = model.id;
    let statement = format!(
        "CALL rowhouse.drop_vectors(NULL, {id}); DELETE FROM rowhouse.embedding_models WHERE id = {id} AND NOT active"
    );
    between_readers(admin, &statement).await.doing("drop the vectors of a model")
}

/// Runs statements that lock a view for a moment, as one transaction, when nobody reads it.
async fn between_readers(admin: &Client, statements: &str) -> Result<(), tokio_postgres::Error> {
    /// Readers queue up behind one that waits, and give up after 250 ms: this one has to go first, also where several
    /// views follow each other.
    const WAIT: &str = "50ms";
    /// Between two tries readers come to their turn.
    const PAUSE: Duration = Duration::from_millis(250);
    /// A minute and more: a statement of an agent's runs half of that at most.
    const TRIES: u32 = 240;
    let script = format!("BEGIN; SET LOCAL lock_timeout = '{WAIT}'; {statements}; COMMIT");
    let mut attempt = 1;
    loop {
        let outcome = admin.batch_execute(&script).await;
        if outcome.is_err() {
            admin.batch_execute("ROLLBACK").await?;
        }
        match outcome {
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) && attempt < TRIES => {
                tokio::time::sleep(PAUSE).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}
