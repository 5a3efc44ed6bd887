//! A PostgreSQL of its own under a house, that is stopped and started.

use super::{FOR_EVER, LOOK, PAIRS, idle, open, rows, run, until};
use crate::harness::{App, SCALE, Silent, settings, shared};
use crate::patience::soon;
use rowhouse::config::Settings;
use rowhouse::embedded::{self, Options, Server};
use rowhouse::house::Ground;
use rowhouse::keys::Keys;
use rowhouse::query::{SqlCode, Value};
use rowhouse::telemetry::Breaker;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// How to run a server of this name, with the programs of the shared one.
pub(super) async fn options(name: &str) -> Options {
    Options {
        state_dir: Some(shared().await.state.clone()),
        cluster: format!("{name}-{}", std::process::id()),
        bin_dir: std::env::var_os("ROWHOUSE_PG_BIN_DIR").map(PathBuf::from),
        durable: false,
        ..Options::default()
    }
}

/// Start it.
pub(super) async fn start(options: &Options) -> Server {
    soon(Server::start(options, &mut |_| {})).await.expect("a PostgreSQL of its own")
}

/// The superuser's way in, at one socket directory or at several.
pub(super) fn url(servers: &[&Server], more: &str) -> String {
    let admin = servers[0].admin();
    let password = String::from_utf8(admin.get_password().expect("one").to_vec()).expect("in ASCII");
    let hosts: Vec<String> =
        servers.iter().map(|server| server.socket_dir().display().to_string().replace('/', "%2F")).collect();
    format!("postgres://postgres:{password}@{}/{}{more}", hosts.join(","), embedded::DATABASE)
}

/// Stop it for good, and leave nothing.
pub(super) async fn end(server: Server) {
    let cluster = server.data_dir().parent().expect("a cluster's directory").to_owned();
    soon(server.stop()).await.expect("an end");
    std::fs::remove_dir_all(cluster).expect("a directory of ours");
}

/// Settings of a house at this URL, with keys of its own, and the database made ready for it.
pub(super) async fn prepared(url: &str, state: &tempfile::TempDir) -> Settings {
    let shared = shared().await;
    let mut settings = settings(shared);
    settings.plugins.cache = Some(shared.state.join("code"));
    settings.state = Some(state.path().to_owned());
    settings.database.url = Some(url.to_owned().into());
    settings.plugins.limits.wall_ms = 600_000;
    let pool = &mut settings.database.pool;
    (pool.max, pool.max_per_tenant, pool.tries, pool.statement_timeout_seconds) = (Some(8), Some(8), 60, 3_600);
    let keys = Keys::open(state.path()).expect("keys");
    let ground = soon(Ground::find(&settings, false, &mut Silent)).await.expect("the database");
    soon(ground.prepare(&settings, &keys, &mut Silent)).await.expect("a migrated database");
    soon(ground.seed(SCALE / 10.0, &mut Silent)).await.expect("a seeded database");
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_database_is_waited_out() {
    let options = options("restart").await;
    let state = tempfile::tempdir().expect("a directory");
    let server = start(&options).await;
    let settings = prepared(&url(&[&server], ""), &state).await;
    let app = soon(App::plan(|plan| (plan.settings, plan.guests) = (settings, vec!["sales"]))).await;
    idle(&app, 4).await;
    // One is under way when the server goes, and runs again when it is back: the same one, counted once.
    let transaction = open(&app, CancellationToken::new());
    let pairs = vec![Value::Int(8_000)];
    let running = tokio::spawn(transaction.start(PAIRS.to_owned(), pairs).await);
    until(|| app.host.database.status().in_use == 1).await;
    soon(server.stop()).await.expect("an end");
    // Who comes now is told at once, after the first have found out.
    while app.host.database.standing().0 == Breaker::Closed {
        let probe = open(&app, CancellationToken::new());
        let asked = tokio::spawn(probe.start("SELECT 1".to_owned(), Vec::new()).await);
        tokio::time::sleep(LOOK).await;
        asked.abort();
    }
    let away = run(&app, "SELECT 1", &[]).await.0.expect_err("it is away");
    assert!(away.code == SqlCode::Unavailable && away.message.contains("try again in "), "{away}");
    let server = start(&options).await;
    let back = std::time::Instant::now();
    until(|| app.host.database.standing().0 == Breaker::Closed).await;
    println!("served again {} ms after the server was back", back.elapsed().as_millis());
    for _ in 0..16 {
        assert_eq!(rows(&app, "SELECT 1").await, 1, "no connection of before costs a call");
    }
    let counted = soon(running).await.expect("no panic").expect("its rows, in the end");
    assert_eq!(counted.len(), 1);
    let ran = transaction.ran();
    assert_eq!(ran.iter().map(|ran| (ran.failed, ran.rows)).collect::<Vec<_>>(), [(None, 1)]);
    app.stop().await;
    end(server).await;
}

/// A process of the server that dies without a word takes all its neighbours' connections: those statements run again. Its
/// own would, once; but whoever brings the server down twice is not helped to a third time.
#[tokio::test(flavor = "multi_thread")]
async fn neighbours_of_a_process_that_died_do_not_notice() {
    let options = options("crash").await;
    let state = tempfile::tempdir().expect("a directory");
    let server = start(&options).await;
    let url = url(&[&server], "");
    let settings = prepared(&url, &state).await;
    let app = soon(App::plan(|plan| (plan.settings, plan.guests) = (settings, vec!["sales"]))).await;
    let (poisoned, innocent) = (open(&app, CancellationToken::new()), open(&app, CancellationToken::new()));
    let dying = tokio::spawn(poisoned.start(PAIRS.to_owned(), vec![Value::Int(FOR_EVER)]).await);
    for times in 1..=2 {
        let victim = soon(alone(&url)).await;
        let neighbour = tokio::spawn(innocent.start(PAIRS.to_owned(), vec![Value::Int(6_000)]).await);
        until(|| app.host.database.status().in_use == 2).await;
        let pid = rustix::process::Pid::from_raw(victim).expect("a process");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it runs");
        let counted = soon(neighbour).await.expect("no panic").unwrap_or_else(|error| panic!("{times}: {error}"));
        assert_eq!(counted.len(), 1);
    }
    let error = soon(dying).await.expect("no panic").expect_err("twice without a word");
    assert_eq!(error.code, SqlCode::Unavailable, "{error}");
    assert_eq!((poisoned.ran().len(), innocent.ran().len()), (1, 2));
    app.stop().await;
    end(server).await;
}

/// The process of the one statement under way: found at two looks in a row, so that it is none of the short ones a new
/// connection begins with.
async fn alone(url: &str) -> i32 {
    let under_way = "SELECT a.pid, l.virtualtransaction FROM pg_stat_activity a JOIN pg_locks l USING (pid)
                     WHERE a.usename = 'rowhouse_one' AND l.locktype = 'virtualxid' AND l.granted ORDER BY 1";
    let mut before = Vec::new();
    loop {
        tokio::time::sleep(LOOK).await;
        // It may be starting over.
        let Ok((client, connection)) = tokio_postgres::connect(url, tokio_postgres::NoTls).await else { continue };
        tokio::spawn(connection);
        let Ok(rows) = client.query(under_way, &[]).await else { continue };
        let now: Vec<(i32, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        match &now[..] {
            [(pid, _)] if now == before => return *pid,
            _ => before = now,
        }
    }
}
