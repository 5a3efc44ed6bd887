//! What breaks around the host, what it says then, and how it goes on.

mod listing; // What every account can read of a process.
pub mod process;
mod sharing;
mod unsafe_database;

use crate::harness::{App, Plan, shared};
use crate::patience::soon;
use process::{Home, LOOK, Serving, ended};
use serde_json::{Value, json};
use std::sync::Arc;

/// What must not be read back from an error.
const SECRET: &str = "hunter2";

/// The command fails, names each of `parts`, and gives no secret away.
async fn refuses(home: &Home, arguments: &[&str], database: Option<&str>, parts: &[&str]) {
    let mut command = home.command(arguments);
    command.envs(database.map(|url| ("DATABASE_URL", url)));
    let ended = ended(&mut command).await;
    assert_eq!(ended.code, Some(1), "{arguments:?}: {}{}", ended.out, ended.err);
    assert!(ended.err.contains("rowhouse: "), "{arguments:?}: {}", ended.err);
    for part in parts {
        assert!(ended.err.contains(part), "{arguments:?}: no {part:?} in {}", ended.err);
    }
    assert!(!format!("{}{}", ended.out, ended.err).contains(SECRET), "{arguments:?}: {}", ended.err);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let (home, shared) = (Home::new(&[]).await, shared().await);
    let socket = shared.socket.display().to_string().replace('/', "%2F");
    let wrong = format!("postgres://postgres:{SECRET}@{socket}/rowhouse");
    let missing = format!("{}_that_is_missing", shared.url);
    let nobody = format!("postgres://operator:{SECRET}@127.0.0.1:1/sales");
    let commands: [&[&str]; 3] =
        [&["serve", "--listen", "127.0.0.1:0"], &["stdio", "--as", "seattle"], &["db", "check"]];
    for command in commands {
        for url in [&nobody, &wrong, &missing] {
            refuses(&home, command, Some(url), &["reach the database", "DATABASE_URL", "--database"]).await;
        }
    }
    for (url, part) in [
        ("postgres//operator:hunter2@127.0.0.1/sales", "is not a PostgreSQL URL"),
        ("postgres://operator:hunter2@127.0.0.1:port/sales", "is not a PostgreSQL URL"),
        ("postgres://operator:hunter2@127.0.0.1", "names no database"),
    ] {
        refuses(
            &home,
            &["db", "check"],
            Some(url),
            &["DATABASE_URL", part, "postgres://user:password@host:5432/database"],
        )
        .await;
    }
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named() {
    let home = Home::new(&[]).await;
    let file = home.path().join("rowhouse.toml");
    for (text, parts) in [
        ("[http]\nport = 8000", &["port", "http", "rowhouse.toml"][..]),
        ("[databse]\npool = {}", &["databse", "rowhouse.toml"]),
        (
            "[plugins]\nconcurrent_calls = \"many\"",
            &["plugins.concurrent_calls", "must be a whole number", "rowhouse.toml"],
        ),
        ("[http]\nlisten = \"here\"", &["listen", "rowhouse.toml"]),
        ("[database.pool]\nmax = 0", &["database.pool", "`max`"]),
        ("[policy]\nfiles = \"x\"", &["files", "policy", "rowhouse.toml"]),
        ("[audit]\nqueue = 0", &["audit", "queue"]),
        ("not toml", &["rowhouse.toml"]),
    ] {
        std::fs::write(&file, text).expect("a file");
        refuses(&home, &["token"], None, parts).await;
    }
    std::fs::remove_file(&file).expect("a file");
    refuses(&home, &["token", "--config", "absent.toml"], None, &["absent.toml"]).await;
    refuses(&home, &["token", "--log", "a=b=c"], None, &["--log", "a=b=c"]).await;
    // A directory cannot be made below a file, by root either.
    std::fs::write(home.path().join("file"), "").expect("a file");
    refuses(&home, &["token", "--as", "seattle", "--state-dir", "file/state"], None, &["file/state", "--state-dir"])
        .await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    for command in ["serve", "demo"] {
        refuses(&home, &[command, "--listen", &address], None, &[&address, "--listen"]).await;
    }
}

#[tokio::test]
async fn commands_answer_scripts() {
    let (home, shared) = (Home::new(&["echo"]).await, shared().await);
    let names = home.run(["token"]).await;
    assert_eq!((names.code, names.out.contains("seattle\n")), (Some(0), true), "{}", names.out);
    let listed = home.run(["token", "--json"]).await.json();
    let listed: Vec<&str> = listed["identities"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    assert_eq!(names.out.lines().collect::<Vec<_>>(), listed);
    let token = home.run(["token", "--as", "seattle", "--seconds", "60", "--json"]).await.json();
    assert_eq!((&token["identity"], &token["expires_in"]), (&json!("seattle"), &json!(60)));
    assert_eq!(token["token"].as_str().expect("a token").split('.').count(), 3);
    refuses(&home, &["token", "--as", "nobody"], None, &["nobody", "known: ", "head-office"]).await;

    let good = home.run(["plugin", "list", "--json"]).await;
    let json = good.json();
    assert_eq!((good.code, &json["refused"]), (Some(0), &json!([])), "{json}");
    assert_eq!((&json["served"][0]["name"], &json["served"][0]["version"]), (&json!("echo"), &json!("0.1.0")));
    assert_eq!(json["served"][0]["digest"].as_str().map(str::len), Some(64));
    assert!(json["served"][0]["tools"].as_array().is_some_and(|tools| tools.contains(&json!("echo_rows"))), "{json}");
    std::fs::write(home.path().join("plugins/junk.wasm"), "no wasm").expect("a file");
    let bad = home.run(["plugin", "list", "--json"]).await;
    let json = bad.json();
    assert_eq!((bad.code, &json["served"][0]["name"]), (Some(1), &json!("echo")), "{json}");
    assert_eq!(json["refused"][0]["name"], "junk");
    for part in ["step", "reason"] {
        assert!(json["refused"][0][part].as_str().is_some_and(|text| !text.is_empty()), "{json}");
    }
    let words = home.run(["plugin", "list"]).await;
    assert_eq!((words.code, words.out.contains("REFUSED  ")), (Some(1), true), "{}", words.out);

    let check = ended(home.command(["db", "check", "--json"]).env("DATABASE_URL", &shared.url)).await;
    let json = check.json();
    assert_eq!(check.code, Some(0), "{json}");
    assert!(json["findings"].as_array().expect("findings").iter().all(|finding| finding["fatal"] == false), "{json}");
    // What is asked wrongly is told how to ask.
    let wrong = home.run(["serve", "--no-such-thing"]).await;
    assert_eq!((wrong.code, wrong.err.contains("--help")), (Some(2), true), "{}", wrong.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_host_leaves_nothing_and_loses_nothing() {
    let home = Home::new(&["sales"]).await;
    let demo = home.run(["demo", "--no-serve", "--scale", "0.002", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(demo.code, Some(0), "{}", demo.err);
    home.deserted().await;
    let token = home.run(["token", "--as", "seattle"]).await.out.trim().to_owned();
    assert!(demo.out.contains(token.split('.').next().expect("a head")), "the demo prints tokens: {}", demo.out);
    let question = "SELECT count(*), sum(total_amount), max(order_id::text) FROM retail.orders";

    let first = Serving::start(&home).await;
    let answer = first.rows(&token, question).await;
    assert!(answer[0][0].as_i64().is_some_and(|orders| orders > 0), "{answer}");
    assert!(!home.servers().is_empty(), "the host has a database of its own");
    let parts = ["another rowhouse already runs", "--state-dir"];
    refuses(&home, &["serve", "--listen", "127.0.0.1:0"], None, &parts).await;
    assert_eq!(first.rows(&token, question).await, answer, "the first goes on");
    // A host on stdio joins the first one's database instead, and leaves it running.
    assert_eq!(home.stdio("seattle", question).await, answer);
    assert_eq!(first.rows(&token, question).await, answer, "the first still goes on");
    first.kill().await;
    home.deserted().await;

    let second = Serving::start(&home).await;
    assert_eq!(second.rows(&token, question).await, answer);
    assert_eq!(second.terminate().await, Some(0));
    home.deserted().await;
}

/// A house whose connections can be told from everybody else's, and where nothing ends by itself.
async fn patient(name: &str) -> Arc<App> {
    let change = |plan: &mut Plan| {
        plan.guests = vec!["sales", "slow_query"];
        plan.settings.database.pool.application_name = name.to_owned();
        plan.settings.database.pool.statement_timeout_seconds = 3_600;
        plan.settings.plugins.limits.wall_ms = 3_600_000;
    };
    Arc::new(App::plan(change).await)
}

/// The transactions under way on connections of this name.
async fn under_way(admin: &tokio_postgres::Client, name: &str) -> Vec<String> {
    let statement = "SELECT l.virtualtransaction FROM pg_stat_activity a JOIN pg_locks l USING (pid)
                     WHERE a.application_name = $1 AND l.locktype = 'virtualxid' AND l.granted ORDER BY 1";
    admin.query(statement, &[&name]).await.expect("a look").iter().map(|row| row.get(0)).collect()
}

/// Wait until one statement is there at two looks in a row: not one of the short ones a new connection begins with.
async fn one_runs(admin: &tokio_postgres::Client, name: &str) {
    soon(async {
        let mut before = Vec::new();
        loop {
            let now = under_way(admin, name).await;
            if !now.is_empty() && now == before {
                return;
            }
            before = now;
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
}

/// Wait until no statement is.
async fn none_runs(admin: &tokio_postgres::Client, name: &str) {
    soon(async {
        while !under_way(admin, name).await.is_empty() {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
}

/// Pairs of a series this long are not counted within any test's patience.
const FOR_EVER: u64 = 2_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_are_replaced() {
    let name = "suite-cut";
    let (app, admin) = (patient(name).await, shared().await.admin("postgres").await);
    assert_eq!(soon(app.rows("seattle", "SELECT 1")).await, [json!([1])]);
    let calling = Arc::clone(&app);
    let call = tokio::spawn(async move { calling.failure("seattle", "slow_query", json!({ "size": FOR_EVER })).await });
    one_runs(&admin, name).await;
    // Returns once each is gone.
    let cut = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = $1";
    let rows = admin.query(cut, &[&name]).await.expect("the superuser may");
    assert!(!rows.is_empty() && rows.iter().all(|row| row.get::<_, bool>(0)), "{rows:?}");
    let (code, text) = soon(call).await.expect("a task");
    assert_eq!(code, "DATABASE_ERROR", "{text}");
    assert!(text.contains("try again") && !text.contains("terminat"), "{text}");
    for _ in 0..3 {
        assert_eq!(soon(app.rows("seattle", "SELECT 1")).await, [json!([1])]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_leaves_takes_the_statement_along() {
    let name = "suite-left";
    let (app, admin) = (patient(name).await, shared().await.admin("postgres").await);
    let calling = Arc::clone(&app);
    let call = tokio::spawn(async move { calling.post("seattle", "slow_query", json!({ "size": FOR_EVER })).await });
    one_runs(&admin, name).await;
    // The request is dropped, and with it its connection.
    call.abort();
    none_runs(&admin, name).await;
    // Nor does a guest leave one behind that it let go of.
    let dropped = soon(app.post("seattle", "slow_query", json!({ "size": FOR_EVER, "drop": true }))).await;
    assert_eq!(dropped["result"]["content"][0]["text"], "dropped", "{dropped}");
    none_runs(&admin, name).await;
    assert_eq!(soon(app.rows("seattle", "SELECT 1")).await, [json!([1])]);
}
