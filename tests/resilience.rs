//! A database that goes away and comes back, and a host that is told to stop, to read its settings again, or cannot start.

mod lifecycle; // A host as a process: signals, failed starts, settings read again.
mod line; // A line to the database that can be cut.
mod twins; // Two PostgreSQL, one the other's replica.
mod restart; // A PostgreSQL that is stopped and started.

use crate::harness::{App, shared};
use crate::patience::soon;
use line::{Cut, Line, MARK, ROW};
use rowhouse::query::{Bounds, LaneStatus, Ran, SqlCode, SqlError, TenantTx, Value};
use rowhouse::telemetry::Breaker;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Between two looks at something that is bound to come.
const LOOK: Duration = Duration::from_millis(20);

/// Pairs of a series this long are not counted within any test's patience, and one of it fits into a statement's memory.
const FOR_EVER: i64 = 100_000;

/// Counts pairs; the work grows with the square of `$1`.
const PAIRS: &str = "SELECT count(*) AS cut_me FROM generate_series(1, $1) a, generate_series(1, $1) b WHERE a + b < 0";

/// A house on the shared database, at the end of this line.
async fn house(line: &Line, change: impl FnOnce(&mut rowhouse::config::Pool)) -> App {
    let shared = shared().await;
    let app = App::plan(|plan| {
        plan.guests = vec!["sales"];
        plan.settings.database.url = Some(line.url(shared).into());
        plan.settings.plugins.limits.wall_ms = 600_000;
        change(&mut plan.settings.database.pool);
    });
    soon(app).await
}

/// The right to run statements as Seattle's manager.
fn open(app: &App, cancel: CancellationToken) -> Arc<TenantTx> {
    let permit = app.host.policy.current().permit(&app.principal("seattle"), "sales", "execute_sales_query", None);
    let long = Duration::from_secs(600);
    let bounds = Bounds { rows: 1_000, bytes: 1 << 20, time: long, database: long };
    Arc::new(app.host.database.open(&permit.expect("a permit"), bounds, cancel).expect("a sound database"))
}

/// Run one statement; its rows, and what the call's account says of it.
async fn run(app: &App, statement: &str, parameters: &[Value]) -> (Result<usize, SqlError>, Vec<Ran>) {
    let transaction = open(app, CancellationToken::new());
    let outcome = soon(transaction.run(statement, parameters)).await;
    (outcome.map(|rows| rows.len()), transaction.ran())
}

/// How many rows a statement has that must have some.
async fn rows(app: &App, statement: &str) -> usize {
    run(app, statement, &[]).await.0.unwrap_or_else(|error| panic!("{statement}: {error}"))
}

fn lane(app: &App) -> LaneStatus {
    let status = app.host.database.status();
    status.lanes.into_iter().find(|lane| lane.role == "rowhouse_one").expect("the lane of one tenant")
}

async fn until(what: impl Fn() -> bool) {
    soon(async {
        while !what() {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
}

/// Have so many connections open, all of them idle.
async fn idle(app: &App, connections: u32) {
    let transaction = open(app, CancellationToken::new());
    while lane(app).idle < connections {
        let mut running = JoinSet::new();
        for _ in 0..2 * connections {
            running.spawn(transaction.start(PAIRS.to_owned(), vec![Value::Int(300)]).await);
        }
        while let Some(ended) = soon(running.join_next()).await {
            ended.expect("no panic").expect("rows");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_connection_is_cut_runs_again_and_counts_once() {
    let line = Line::lay(shared().await).await;
    let app = house(&line, |_| {}).await;
    let statement = format!("SELECT '{ROW}' AS {MARK} FROM generate_series(1, 500)");
    for (cuts, rows, runs) in [
        (&[][..], Some(500), 1),
        (&[Cut::Before], Some(500), 2),
        (&[Cut::Mid], Some(500), 2),
        // Twice without a word: perhaps it is the statement.
        (&[Cut::Before, Cut::Before], None, 2),
        (&[Cut::Mid, Cut::Before, Cut::Before], None, 2),
    ] {
        line.cut(cuts);
        let before = line.marked();
        let (outcome, ran) = run(&app, &statement, &[]).await;
        assert_eq!((outcome.as_ref().ok().copied(), line.marked() - before), (rows, runs), "{cuts:?}: {outcome:?}");
        let [ran] = &ran[..] else { panic!("{cuts:?}: {ran:?}") };
        let failed = rows.is_none().then_some(SqlCode::Unavailable);
        assert_eq!((ran.failed, ran.rows), (failed, rows.unwrap_or_default() as u64), "{cuts:?}");
        assert!(!ran.time.is_zero(), "{cuts:?}: what it held of the database counts");
        if let Err(error) = outcome {
            assert!(error.message.contains("cannot be reached; try again"), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_by_itself_does_not_run_again() {
    let line = Line::lay(shared().await).await;
    let app = house(&line, |pool| pool.statement_timeout_seconds = 1).await;
    for (statement, parameters, code) in [
        (format!("SELECT 1 / 0 AS {MARK}"), vec![], SqlCode::Invalid),
        (format!("SELECT {MARK} FROM retail.stores"), vec![], SqlCode::Invalid),
        (format!("SELECT repeat('x', 9999) AS {MARK} FROM generate_series(1, 900)"), vec![], SqlCode::Limit),
        (PAIRS.to_owned(), vec![Value::Int(FOR_EVER)], SqlCode::Timeout),
    ] {
        let before = line.marked();
        let (outcome, ran) = run(&app, &statement, &parameters).await;
        let error = outcome.expect_err(&statement);
        assert_eq!((error.code, line.marked() - before), (code, 1), "{statement}: {error}");
        assert_eq!(ran.iter().map(|ran| ran.failed).collect::<Vec<_>>(), [Some(code)], "{statement}");
    }
    // Refused: it never comes to the line.
    let before = line.marked();
    let refused = run(&app, &format!("DELETE FROM retail.stores WHERE '{MARK}' = ''"), &[]).await.0;
    assert_eq!((refused.expect_err("no SELECT").code, line.marked()), (SqlCode::Rejected, before));
    // Cancelled, on its first try or while it waits for the next.
    for cuts in [&[][..], &[Cut::Before]] {
        line.cut(cuts);
        let (before, cancel) = (line.marked(), CancellationToken::new());
        let transaction = open(&app, cancel.clone());
        let running = tokio::spawn(transaction.start(PAIRS.to_owned(), vec![Value::Int(FOR_EVER)]).await);
        until(|| line.marked() > before).await;
        cancel.cancel();
        let error = soon(running).await.expect("no panic").expect_err("cancelled");
        assert_eq!(error.code, SqlCode::Cancelled, "{cuts:?}: {error}");
        assert!(line.marked() - before <= 1 + cuts.len(), "{cuts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_told_at_once_and_served_again_by_itself() {
    let line = Line::lay(shared().await).await;
    let app = house(&line, |pool| pool.tries = 2).await;
    let standing = || app.host.database.standing().0;
    assert_eq!((rows(&app, "SELECT 1").await, standing()), (1, Breaker::Closed));
    assert_eq!(app.ready().await, 200);
    line.down();
    // The first ones find out.
    let mut before = 0;
    while standing() == Breaker::Closed {
        let error = run(&app, "SELECT 1", &[]).await.0.expect_err("nobody is there");
        assert_eq!(error.code, SqlCode::Unavailable);
        assert!(error.message.contains("cannot be reached"), "{error}");
        before += 1;
        assert!(before < 10, "it is away, and nobody notices");
    }
    // From then on nobody asks for a connection, and everybody is told how long to wait.
    for _ in 0..20 {
        let (outcome, ran) = run(&app, &format!("SELECT 1 AS {MARK}"), &[]).await;
        let error = outcome.expect_err("it is away");
        assert!(error.message.contains("at the moment; try again in ") && error.message.ends_with(" s"), "{error}");
        assert!(ran.len() == 1 && ran[0].time.is_zero() && ran[0].failed == Some(SqlCode::Unavailable), "{ran:?}");
    }
    let (code, text) = soon(app.failure("seattle", "execute_sales_query", json!({ "query": "SELECT 1" }))).await;
    assert!(code == "DATABASE_ERROR" && text.contains("try again in "), "{code}: {text}");
    soon(async {
        while app.ready().await != 503 {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
    assert_eq!(line.marked(), 0);
    // Nobody calls meanwhile: it comes back by itself.
    let back = std::time::Instant::now();
    line.up();
    until(|| standing() == Breaker::Closed).await;
    println!("served again {} ms after the database was back", back.elapsed().as_millis());
    for _ in 0..5 {
        assert_eq!(rows(&app, "SELECT 1").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_that_died_cost_no_call() {
    const IDLE: u32 = 4;
    let line = Line::lay(shared().await).await;
    let change = |pool: &mut rowhouse::config::Pool| {
        (pool.max, pool.max_per_tenant, pool.statement_timeout_seconds) = (Some(8), Some(8), 5);
    };
    let app = house(&line, change).await;
    // Closed, as by a restart of the server.
    idle(&app, IDLE).await;
    line.reset();
    for _ in 0..2 * IDLE {
        assert_eq!(rows(&app, "SELECT 1").await, 1);
    }
    // Silent, as by a firewall that forgot them. The first statement cannot know, and is stopped by its time; then each is
    // asked for a sign of life, and after the first that gives none nobody asks the others.
    idle(&app, IDLE).await;
    line.forget();
    let first = run(&app, PAIRS, &[Value::Int(1)]).await.0.expect_err("nothing comes back");
    assert_eq!(first.code, SqlCode::Timeout, "{first}");
    for _ in 0..2 * IDLE {
        assert_eq!(rows(&app, "SELECT 1").await, 1);
    }
}

/// As many connections as statements want, and hardly any when none does.
#[tokio::test(flavor = "multi_thread")]
async fn the_pool_grows_with_who_waits_and_shrinks_when_nobody_does() {
    let line = Line::lay(shared().await).await;
    let change = |pool: &mut rowhouse::config::Pool| {
        (pool.min, pool.max, pool.max_per_tenant, pool.idle_seconds) = (1, Some(6), Some(6), 1);
        pool.statement_timeout_seconds = 3_600;
    };
    let app = house(&line, change).await;
    until(|| lane(&app).idle == 1).await;
    let transaction = open(&app, CancellationToken::new());
    let mut running = JoinSet::new();
    for connections in 1..=8_u32 {
        running.spawn(transaction.start(PAIRS.to_owned(), vec![Value::Int(FOR_EVER)]).await);
        let bound = connections.min(6);
        until(|| app.host.database.status().in_use == bound && lane(&app).open >= bound).await;
        assert!(lane(&app).open <= 6, "never more than `max`");
    }
    running.shutdown().await;
    until(|| app.host.database.status().in_use == 0 && lane(&app).open == 1).await;
}
