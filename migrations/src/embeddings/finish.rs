//! What remains when all vectors are stored: none without a row, and an index.

use std::time::Duration;

use tokio_postgres::Client;

use super::{LOCKS, Model, Source, begin, end};
use crate::error::{Doing as _, Error};

/// What the index may take while it is built, in kB. At least PostgreSQL's own 64 MB; at most 1 GB, which a server
/// that answers meanwhile can spare: a graph that does not fit is built several times slower.
const MEMORY: std::ops::RangeInclusive<u64> = 65_536..=1_048_576;

/// Besides its numbers, in bytes: 32 neighbours of 24 bytes below, a few above, and its own head.
const ELEMENT: u64 = 1_024;

/// How often progress is looked at, and a lock asked for.
const LOOK: Duration = Duration::from_millis(500);

/// How far the process that builds has come. pgvector counts no rows; what comes after has counts of its own.
const PROGRESS: &str = "SELECT blocks_done, blocks_total FROM pg_catalog.pg_stat_progress_create_index
    WHERE pid = $1 AND phase LIKE 'building index%'";

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Vectors without a row are gone.
    Swept {
        /// How many they were.
        orphans: u64,
    },
    /// Somebody else builds the same index.
    Waiting,
    /// The index is being built. What remains after its last part, a second look at the table, is told of nowhere.
    Indexing {
        /// Parts of the table that are in it.
        done: u64,
        /// Parts of the table.
        total: u64,
    },
    /// The index is there; nothing is left to do.
    Indexed,
}

/// Deletes vectors whose row is gone, gathers the planner's statistics, and builds the index for the nearest where it
/// is missing or broken. Readers and writers go on meanwhile. Safe to run again, and from several places at once.
///
/// `watch`, a second connection of the same administrator, makes `on` hear how far the index has come.
///
/// # Errors
/// [`Error::Database`]. What was done until then is kept.
pub async fn finish_embeddings(
    admin: &Client,
    source: &Source,
    model: &Model,
    watch: Option<&Client>,
    on: &mut (dyn FnMut(Step) + Send),
) -> Result<(), Error> {
    let orphans = sweep(admin, source, model).await?;
    on(Step::Swept { orphans });
    // Two at once would each take the other's unfinished index for a broken one. Asked for again and again, because
    // the one that builds waits for every statement that runs, and so for one that waits for it.
    let lock = [LOCKS, (source.id << 16) ^ model.id];
    while !try_lock(admin, lock).await? {
        on(Step::Waiting);
        tokio::time::sleep(LOOK).await;
    }
    let built = build(admin, source, model, watch, on).await;
    let unlocked = admin.execute("SELECT pg_advisory_unlock($1, $2)", &[&lock[0], &lock[1]]).await;
    built?;
    unlocked.doing("let others build an index of vectors")?;
    on(Step::Indexed);
    Ok(())
}

async fn sweep(admin: &Client, source: &Source, model: &Model) -> Result<u64, Error> {
    let (vectors, relation, key, text) = (source.vectors(model), &source.relation, &source.key, source.text_of_t());
    let statement =
        format!("DELETE FROM {vectors} v WHERE NOT EXISTS (SELECT FROM {relation} t {text} WHERE t.{key} = v.key)");
    begin(admin, source).await?;
    let swept = admin.execute(&statement, &[]).await.doing("delete vectors without a row");
    end(admin, swept).await
}

async fn try_lock(admin: &Client, lock: [i32; 2]) -> Result<bool, Error> {
    let row = admin
        .query_one("SELECT pg_try_advisory_lock($1, $2)", &[&lock[0], &lock[1]])
        .await
        .doing("ask whether somebody builds the same index")?;
    Ok(row.get(0))
}

async fn build(
    admin: &Client,
    source: &Source,
    model: &Model,
    watch: Option<&Client>,
    on: &mut (dyn FnMut(Step) + Send),
) -> Result<(), Error> {
    let vectors = source.vectors(model);
    // Under the same lock: one that analyses waits for one that builds, which waits for whoever runs.
    admin.batch_execute(&format!("ANALYZE {vectors}")).await.doing("gather the planner's statistics of the vectors")?;
    let row = admin
        .query_one(include_str!("index.sql"), &[&vectors, &format!("{vectors}_nearest")])
        .await
        .doing("look for the index of the vectors")?;
    let (indexed, broken, rows, has): (bool, bool, i64, i64) = (row.get(0), row.get(1), row.get(2), row.get(3));
    if indexed {
        return Ok(());
    }
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    let needs = number(rows) * (2 * u64::from(model.dimensions) + ELEMENT) / 1_024;
    let memory = needs.clamp(*MEMORY.start(), *MEMORY.end()).max(number(has));
    // One core: the server answers meanwhile, and a container's shared memory is often too small for several. An
    // administrator's own limits of time are not for this.
    let settings = format!(
        "SET maintenance_work_mem = {memory}; SET max_parallel_maintenance_workers = 0; SET statement_timeout = 0;
         SET lock_timeout = 0"
    );
    admin.batch_execute(&settings).await.doing("prepare for building the index of the vectors")?;
    let outcome = create(admin, source, model, broken, watch, on).await;
    let reset = "RESET maintenance_work_mem; RESET max_parallel_maintenance_workers; RESET statement_timeout;
                 RESET lock_timeout";
    let reset = admin.batch_execute(reset).await.doing("restore the settings of the session");
    outcome.and(reset)
}

async fn create(
    admin: &Client,
    source: &Source,
    model: &Model,
    broken: bool,
    watch: Option<&Client>,
    on: &mut (dyn FnMut(Step) + Send),
) -> Result<(), Error> {
    let (extension, id) = (&source.extension, format!("s{}_m{}", source.id, model.id));
    if broken {
        // Left by a build that was broken off.
        admin
            .batch_execute(&format!("DROP INDEX CONCURRENTLY rowhouse_vectors.{id}_nearest"))
            .await
            .doing("drop the broken index of the vectors")?;
    }
    let pid: i32 = admin.query_one("SELECT pg_backend_pid()", &[]).await.doing("ask which process builds")?.get(0);
    // 16 neighbours and 128 candidates: pgvector's own 16, and twice its 64, since it is built once and searched often.
    let statement = format!(
        "CREATE INDEX CONCURRENTLY {id}_nearest ON rowhouse_vectors.{id}
         USING hnsw (embedding {extension}.halfvec_cosine_ops) WITH (m = 16, ef_construction = 128)"
    );
    let building = admin.batch_execute(&statement);
    tokio::pin!(building);
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            done = &mut building => return done.doing("build the index of the vectors"),
            _ = looks.tick() => if let Some(watch) = watch {
                // No news are no failure of the build's.
                let row = watch.query_opt(PROGRESS, &[&pid]).await;
                if let Ok(Some(row)) = row {
                    let [done, total] = [0, 1].map(|column| row.get::<_, i64>(column).unsigned_abs());
                    on(Step::Indexing { done, total });
                }
            },
        }
    }
}
