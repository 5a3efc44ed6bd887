//! What bounds a statement and its rows, and what comes through unchanged.

use super::neighbour_answers;
use crate::harness::{App, Plan};
use crate::patience::soon;
use serde_json::{Value, json};

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
