//! What bounds a statement and its rows, and what comes through unchanged.

use super::neighbour_answers;
use crate::harness::{App, Plan, shared};
use crate::patience::soon;
use rowhouse::embedded;
use rustix::process::{Pid, getpriority_process, setpriority_process};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Client;

const HUNDRED: &str = "SELECT g FROM generate_series(1, 100) g";

async fn app(change: impl FnOnce(&mut Plan)) -> App {
    let plan = |plan: &mut Plan| {
        plan.guests = vec!["echo", "slow_query"];
        change(plan);
    };
    soon(App::plan(plan)).await
}

#[tokio::test]
async fn more_rows_than_a_call_may_have_are_cut_and_said_to_be() {
    let app = app(|plan| plan.settings.plugins.limits.rows = 10).await;
    for (statement, count, truncated) in [
        (HUNDRED, 10, true),
        ("SELECT g FROM generate_series(1, 11) g", 10, true),
        ("SELECT g FROM generate_series(1, 10) g", 10, false),
        ("SELECT g FROM generate_series(1, 0) g", 0, false),
    ] {
        let passed = soon(app.answer("seattle", "echo_rows", json!({ "statement": statement }))).await;
        assert_eq!(
            (&passed["n"], &passed["truncated"]),
            (&json!(count), &truncated.then_some(true).into()),
            "{passed}"
        );
        for how in ["next", "batch"] {
            let arguments = json!({ "statement": statement, "how": how, "page": 3 });
            let read = soon(app.answer("seattle", "echo_rows", arguments)).await;
            assert_eq!((&read["count"], &read["truncated"]), (&json!(count), &json!(truncated)), "{how}: {read}");
            assert_eq!(read["rows"].as_array().map(Vec::len), Some(count), "{how}: {read}");
            assert_eq!(read["pages"], count.div_ceil(3), "{how}: {read}");
        }
    }
}

#[tokio::test]
async fn more_bytes_than_a_call_may_have_are_an_error() {
    let app = app(|plan| plan.settings.plugins.limits.row_bytes = 64 << 10).await;
    let wide = "SELECT g, p.product_description FROM generate_series(1, 10) g, retail.products p LIMIT 1000";
    let (code, text) = soon(app.failure("seattle", "echo_rows", json!({ "statement": wide }))).await;
    assert_eq!(code, "QUERY_LIMIT", "{text}");
    assert!(text.contains("longer than a call may have"), "{text}");
    soon(app.answer("seattle", "echo_rows", json!({ "statement": HUNDRED }))).await;
}

/// A guest asks on a stack of 1 MiB, part of which it has used up. Reading a statement must not depend on the rest.
#[tokio::test]
async fn a_statement_as_deep_as_it_gets_is_read_on_a_whole_stack() {
    let app = app(|_| {}).await;
    let nest = |open: &str, close: &str| {
        let count = 32_000 / (open.len() + close.len());
        format!("SELECT {}1{}", open.repeat(count), close.repeat(count))
    };
    let chain = |link: &str| format!("SELECT 1{}", link.repeat(32_000 / link.len()));
    let within =
        |open: &str, close: &str, count: usize| format!("SELECT {}1{}", open.repeat(count), close.repeat(count));
    let mut statements = vec![chain("+1"), chain("::int"), chain(" IS NULL"), chain(" UNION SELECT 1")];
    for (open, close) in
        [("(", ")"), ("(SELECT ", ")"), ("abs(", ")"), ("CASE WHEN true THEN ", " END"), ("ARRAY[", "]")]
    {
        statements.push(nest(open, close));
        // Just under and just over what the gate lets through.
        statements.extend((8..=48).step_by(4).map(|count| within(open, close, count)));
    }
    for statement in statements {
        for tool in ["echo_rows", "echo_many"] {
            // What comes of it is the gate's business; that something does, and that the host lives, is this test's.
            let _ = soon(app.post("seattle", tool, json!({ "statement": statement }))).await;
        }
    }
    soon(app.answer("seattle", "echo_rows", json!({ "statement": HUNDRED }))).await;
}

#[tokio::test]
async fn a_statement_has_its_own_time() {
    let app = app(|plan| plan.settings.database.pool.statement_timeout_seconds = 1).await;
    let (code, text) = soon(app.failure("seattle", "slow_query", json!({ "size": 200_000 }))).await;
    assert_eq!(code, "QUERY_TIMEOUT", "{text}");
    assert!(text.contains("longer than a statement may"), "{text}");
    neighbour_answers(&app).await;
    // The door is open again.
    soon(app.answer("seattle", "echo_rows", json!({ "statement": HUNDRED }))).await;
}

/// The priorities of the backends under this name, as far as they are there still.
async fn priorities(admin: &Client, name: &str) -> Vec<i32> {
    let rows = admin.query("SELECT pid FROM pg_stat_activity WHERE application_name = $1", &[&name]).await;
    let rows = rows.expect("an administrator may look");
    rows.iter().filter_map(|row| getpriority_process(Pid::from_raw(row.get(0))).ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(target_os = "linux")]
async fn a_long_statement_steps_behind_short_ones() {
    let name = "rowhouse-courtesy";
    let plan = |plan: &mut Plan| {
        plan.settings.database.pool.application_name = name.to_owned();
        // On a machine that does other things, who steps behind them takes a while.
        plan.settings.database.pool.statement_timeout_seconds = 90;
        plan.settings.plugins.limits.wall_ms = 100_000;
        plan.settings.plugins.limits.database_ms = 100_000;
    };
    let app = Arc::new(app(plan).await);
    let admin = shared().await.admin(embedded::DATABASE).await;
    soon(app.answer("seattle", "echo_rows", json!({ "statement": HUNDRED }))).await;
    let before = priorities(&admin, name).await;
    assert!(
        !before.is_empty() && before.iter().all(|it| *it == before[0]),
        "short ones are where they were: {before:?}"
    );
    // Who may not tell the database's processes, which are another user's here, leaves them alone.
    let one = admin.query_one("SELECT min(pid) FROM pg_stat_activity WHERE application_name = $1", &[&name]).await;
    let one = Pid::from_raw(one.expect("an administrator may look").get(0));
    let may = setpriority_process(one, before[0]).is_ok();
    let long = {
        let app = Arc::clone(&app);
        tokio::spawn(async move { app.answer("seattle", "slow_query", json!({ "size": 12_000 })).await })
    };
    let mut lowered = false;
    while !long.is_finished() {
        lowered |= priorities(&admin, name).await.iter().any(|it| *it > before[0]);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(lowered, may);
    assert_eq!(soon(long).await.expect("does not panic")["n"], 1, "it is answered");
    // No other statement gets its connection.
    let all_back = async {
        while priorities(&admin, name).await.iter().any(|it| *it > before[0]) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(all_back).await;
    soon(app.answer("seattle", "echo_rows", json!({ "statement": HUNDRED }))).await;
}

#[tokio::test]
async fn values_of_every_kind_come_back_as_they_went() {
    let app = app(|_| {}).await;
    let report = soon(app.answer("seattle", "echo_values", json!({}))).await;
    let values = report["values"].as_array().expect("a list");
    let strange: Vec<&Value> = values.iter().filter(|value| value["same"] != true).collect();
    assert!(strange.is_empty(), "{strange:#?}");
    // Every case of `value`, and null.
    let mut kinds: Vec<_> =
        values.iter().map(|v| v["sent"].as_object().and_then(|o| o.keys().next()).cloned()).collect();
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds.len(), 17, "{kinds:?}");
}
