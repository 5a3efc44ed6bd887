//! The nearest ten of many vectors: how many of them the index finds, and what it takes, with row security and without.
//!
//! Vectors are drawn as the model's own lie: a point between two products' vectors, and a little to one side. Every
//! store stocks one vector in ten. Exact answers come from a scan of everything.

use crate::harness::{App, Silent, root, settings, shared};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rowhouse::house::Ground;
use rowhouse::plugin::Stop;
use rowhouse::query::{Bounds, TenantTx, Value as Parameter};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::{Client, SimpleQueryMessage};
use uuid::Uuid;

/// Neighbours asked for.
const NEAREST: usize = 10;

/// One table's figures. Times are medians in milliseconds.
struct Line {
    rows: u32,
    what: &'static str,
    exact: f64,
    recall: f64,
    raw: f64,
    walled: f64,
    build_seconds: f64,
}

pub(crate) struct Neighbours(Vec<Line>);

/// The statements: as agents write them, and as a driver without row security must.
struct Case {
    what: &'static str,
    walled: &'static str,
    raw: &'static str,
}

const CASES: [Case; 2] = [
    Case {
        what: "all",
        walled: "SELECT n.id FROM (SELECT v.id, v.embedding <=> $1::halfvec AS d FROM bench.vectors AS v \
                 ORDER BY v.embedding <=> $1::halfvec LIMIT 10) AS n ORDER BY n.d",
        raw: "SELECT n.id FROM (SELECT v.id, v.embedding <=> 'VECTOR'::halfvec AS d FROM bench.vectors AS v \
              ORDER BY v.embedding <=> 'VECTOR'::halfvec LIMIT 10) AS n ORDER BY n.d",
    },
    Case {
        what: "in stock at my store",
        walled: "SELECT n.id FROM (SELECT v.id, v.embedding <=> $1::halfvec AS d FROM bench.vectors AS v \
                 WHERE EXISTS (SELECT FROM bench.stock AS s WHERE s.id = v.id AND s.level > 0) \
                 ORDER BY v.embedding <=> $1::halfvec LIMIT 10) AS n ORDER BY n.d",
        raw: "SELECT n.id FROM (SELECT v.id, v.embedding <=> 'VECTOR'::halfvec AS d FROM bench.vectors AS v \
              WHERE EXISTS (SELECT FROM bench.stock AS s WHERE s.id = v.id AND s.level > 0 AND s.store = STORE) \
              ORDER BY v.embedding <=> 'VECTOR'::halfvec LIMIT 10) AS n ORDER BY n.d",
    },
];

pub(crate) async fn measure(most: u32, questions: usize) -> Neighbours {
    let shared = shared().await;
    let mut mine = settings(shared);
    mine.embedding.model = rowhouse::config::USUAL_MODEL.to_owned();
    mine.embedding.weights = Some(root().join(".tools/models"));
    let ground = Ground::find(&mine, false, &mut Silent).await.expect("the shared database");
    ground.embed(&mine, true, &mut Silent).await.expect("vectors");
    let admin = ground.admin().await.expect("the administrator");
    let store: Uuid = admin
        .query_one("SELECT id FROM rowhouse.tenants_directory WHERE name ILIKE '%seattle%'", &[])
        .await
        .expect("a store")
        .get(0);
    let base = base(&admin).await;
    let mut lines = Vec::new();
    let mut rows = 1_000;
    while rows <= most {
        let build_seconds = fill(&admin, &base, rows).await;
        // Tables are read when a house opens.
        let mut mine = mine.clone();
        mine.database.schemas.push("bench".to_owned());
        mine.embedding.model = "none".to_owned();
        let app = App::plan(|plan| plan.settings = mine).await;
        let mut chance = StdRng::seed_from_u64(1);
        let asked: Vec<Vec<f32>> = (0..questions).map(|_| drawn(&base, &mut chance, 0.04)).collect();
        for case in &CASES {
            lines.push(line(&app, &admin, case, &asked, rows, store, build_seconds).await);
        }
        app.stop().await;
        rows *= 10;
    }
    admin.batch_execute("DROP SCHEMA bench CASCADE").await.expect("it is ours");
    Neighbours(lines)
}

/// A table of vectors and one of stock; how long the index took.
async fn fill(admin: &Client, base: &[Vec<f32>], rows: u32) -> f64 {
    let tables = "DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench; SET search_path = ext, pg_catalog;
         CREATE TABLE bench.vectors (id uuid PRIMARY KEY, embedding halfvec(384) NOT NULL);
         CREATE TABLE bench.stock (store uuid NOT NULL, id uuid NOT NULL, level int NOT NULL, PRIMARY KEY (store, id))";
    admin.batch_execute(tables).await.expect("tables of vectors");
    let mut chance = StdRng::seed_from_u64(u64::from(rows));
    let mut left = rows as usize;
    while left > 0 {
        let lot: Vec<String> = (0..left.min(LOT)).map(|_| written(&drawn(base, &mut chance, 0.03))).collect();
        left -= lot.len();
        let insert = "INSERT INTO bench.vectors SELECT gen_random_uuid(), v::halfvec FROM unnest($1::text[]) AS v";
        admin.execute(insert, &[&lot]).await.expect("vectors");
    }
    let rest = "INSERT INTO bench.stock
           SELECT t.id, v.id, 1 FROM rowhouse.tenants_directory AS t CROSS JOIN bench.vectors AS v
           WHERE abs(hashtext(t.id::text || v.id::text)) % 10 = 0;
         CALL rowhouse.share('bench.vectors'); CALL rowhouse.protect('bench.stock', 'store');
         SET maintenance_work_mem = '2GB'; SET max_parallel_maintenance_workers = 2";
    admin.batch_execute(rest).await.expect("stock");
    let began = Instant::now();
    // As `rowhouse_migrations` builds them.
    let index =
        "CREATE INDEX ON bench.vectors USING hnsw (embedding halfvec_cosine_ops) WITH (m = 16, ef_construction = 128)";
    admin.batch_execute(index).await.expect("an index");
    let built = began.elapsed().as_secs_f64();
    for table in ["bench.vectors", "bench.stock"] {
        admin.batch_execute(&format!("VACUUM ANALYZE {table}")).await.expect("statistics");
    }
    built
}

/// Vectors of one insert: some 10 MB of text.
const LOT: usize = 2_000;

/// The model's own vectors, of the demo's products.
async fn base(admin: &Client) -> Vec<Vec<f32>> {
    let rows = admin.query("SELECT embedding::text FROM retail.product_embeddings ORDER BY product_id", &[]).await;
    let read = |text: String| {
        text.trim_matches(['[', ']']).split(',').map(|number| number.parse().expect("a number")).collect()
    };
    rows.expect("the products' vectors").iter().map(|row| read(row.get(0))).collect()
}

/// A point between two of the model's vectors, and a little to one side: `noise` is the most any number is moved by.
fn drawn(base: &[Vec<f32>], chance: &mut StdRng, noise: f32) -> Vec<f32> {
    let (one, other) = (&base[chance.random_range(0..base.len())], &base[chance.random_range(0..base.len())]);
    let (mine, theirs) = (chance.random_range(0.5..1.0_f32), chance.random_range(0.0..0.5_f32));
    let mixed = one.iter().zip(other).map(|(a, b)| a * mine + b * theirs + chance.random_range(-noise..noise));
    let mixed: Vec<f32> = mixed.collect();
    let length = mixed.iter().map(|x| x * x).sum::<f32>().sqrt();
    mixed.into_iter().map(|x| x / length).collect()
}

/// As pgvector reads it.
fn written(vector: &[f32]) -> String {
    format!("{vector:?}").replace(' ', "")
}

async fn line(
    app: &App,
    admin: &Client,
    case: &Case,
    asked: &[Vec<f32>],
    rows: u32,
    store: Uuid,
    build_seconds: f64,
) -> Line {
    let raw = case.raw.replace("STORE", &format!("'{store}'"));
    // As the agent roles' defaults are.
    admin
        .batch_execute("SET hnsw.iterative_scan = relaxed_order; SET hnsw.ef_search = 200; SET jit = off; SET max_parallel_workers_per_gather = 0")
        .await
        .expect("settings");
    // Planned for each question, as an agent's is.
    let ask = async |vector: &[f32]| {
        let found = admin.simple_query(&raw.replace("VECTOR", &written(vector))).await.expect("an answer");
        let id = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        found.iter().filter_map(id).collect::<Vec<String>>()
    };
    let mut truth = Vec::new();
    let mut exact_times = Vec::new();
    admin.batch_execute("SET enable_indexscan = off").await.expect("a setting");
    for vector in asked.iter().take(50) {
        let began = Instant::now();
        truth.push(ask(vector).await);
        exact_times.push(began.elapsed());
    }
    admin.batch_execute("RESET enable_indexscan").await.expect("a setting");
    let (mut raw_times, mut walled_times) = (Vec::new(), Vec::new());
    let (mut hits, mut wanted) = (0, 0);
    // In turn, so that a busy moment falls on both.
    for (at, vector) in asked.iter().enumerate() {
        let began = Instant::now();
        ask(vector).await;
        raw_times.push(began.elapsed());
        let transaction = transaction(app);
        let began = Instant::now();
        let found = transaction.run(case.walled, &[Parameter::Vector(vector.clone())]).await.expect("an answer");
        walled_times.push(began.elapsed());
        if let Some(truth) = truth.get(at) {
            let found: Vec<&str> = (0..found.len()).filter_map(|row| found.cell(row, 0)).collect();
            hits += truth.iter().filter(|id| found.contains(&id.as_str())).count();
            wanted += truth.len().min(NEAREST);
        }
    }
    Line {
        rows,
        what: case.what,
        exact: median(exact_times),
        recall: hits as f64 / wanted.max(1) as f64,
        raw: median(raw_times),
        walled: median(walled_times),
        build_seconds,
    }
}

/// The way of a statement of a call, as the Seattle manager.
fn transaction(app: &App) -> Arc<TenantTx> {
    let who = app.principal("seattle");
    let permit = app.host.policy.current().permit(&who, "sales", "execute_sales_query", None).expect("a permit");
    let minute = Duration::from_secs(60);
    let bounds = Bounds { rows: 1_000, bytes: 1 << 20, time: minute, database: minute };
    Arc::new(app.host.database.open(&permit, bounds, Stop::default().token().clone()).expect("a transaction"))
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
}

impl Neighbours {
    pub(crate) fn table(&self) -> String {
        let mut out = String::from(
            "\nvectors    nearest ten of          recall@10  exact ms  driver ms  rowhouse ms  ratio  index built in s\n",
        );
        for l in &self.0 {
            let ratio = l.walled / l.raw;
            let _ = writeln!(
                out,
                "{:<10} {:<23} {:>9.3}  {:>8.2}  {:>9.2}  {:>11.2}  {ratio:>5.2}  {:.1}",
                l.rows, l.what, l.recall, l.exact, l.raw, l.walled, l.build_seconds
            );
        }
        out
    }

    pub(crate) fn json(&self) -> Value {
        let one = |l: &Line| {
            json!({ "rows": l.rows, "of": l.what, "recall_at_10": l.recall, "exact_ms": l.exact, "driver_ms": l.raw,
                "rowhouse_ms": l.walled, "build_seconds": l.build_seconds })
        };
        self.0.iter().map(one).collect()
    }
}
