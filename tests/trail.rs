//! What callers did, as the trail has it: over real HTTP, read from the database.

use crate::harness::{App, shared};
use crate::patience::soon;
use rowhouse::embedded::DATABASE;
use serde_json::{Value, json};
use std::time::Duration;

/// What no record may have in it: an argument, a row's value.
const PLANTED: &str = "planted-in-an-argument";
const ROW: &str = "row-of-nobody";

/// The records of a kind that have all of these texts in them, once there is one.
async fn records(kind: &str, parts: &[&str]) -> Vec<Value> {
    let admin = shared().await.admin(DATABASE).await;
    let patterns: Vec<String> = parts.iter().map(|part| format!("%{part}%")).collect();
    let query = "SELECT record FROM rowhouse.audit WHERE event = $1 AND record LIKE ALL ($2)";
    soon(async {
        loop {
            let rows = admin.query(query, &[&kind, &patterns]).await.expect("the trail");
            if !rows.is_empty() {
                let read = |row: &tokio_postgres::Row| serde_json::from_str(row.get(0)).expect("a record is JSON");
                return rows.iter().map(read).collect();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}

/// A call that must fail, and the name the trail knows it by.
async fn failed(app: &App, who: &str, tool: &str, arguments: Value) -> String {
    let reply = soon(app.post(who, tool, arguments)).await;
    let detail = &reply["result"]["_meta"]["rowhouse/error"];
    detail["requestId"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_leaves_who_what_and_how_it_ended() {
    let app = App::start().await;
    let marked = format!("SELECT '{ROW}' AS a, '{PLANTED}' AS b FROM generate_series(1, 3)");
    let failing = format!("SELECT no_such_column, '{PLANTED}' FROM retail.orders");
    let rows = soon(app.rows("kirkland", &marked)).await;
    assert_eq!(rows.len(), 3);
    let plugins = app.host.plugins.published();
    let sales = &plugins.plugins["sales"];
    let found = records("call", &["\"kirkland\"", "\"execute_sales_query\"", "\"rows\":3", &sales.digest]).await;
    let record = found.last().expect("one at least");
    let scope = record["scope"].as_str().expect("a scope");
    assert!(scope.starts_with("one:"), "{record}");
    assert_eq!((&record["plugin"], &record["outcome"]), (&json!("sales"), &json!("ok")), "{record}");
    let statement = &record["statements"][0];
    assert!(statement["fingerprint"].as_str().is_some_and(|print| !print.is_empty()), "{record}");
    assert_eq!((&statement["rows"], &statement["outcome"]), (&json!(3), &json!("ok")), "{record}");
    assert!(record["duration_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{record}");
    let query = &record["arguments"]["query"];
    assert!(query.is_string() && !query.as_str().is_some_and(|it| it.contains("SELECT")), "sealed: {record}");

    let request = failed(&app, "kirkland", "execute_sales_query", json!({ "query": failing })).await;
    let record = &records("call", &[&request]).await[0];
    assert_eq!(record["outcome"], "QUERY_INVALID", "{record}");

    let admin = shared().await.admin(DATABASE).await;
    for text in [PLANTED, ROW] {
        let found = admin
            .query_one("SELECT count(*) FROM rowhouse.audit WHERE record LIKE '%' || $1 || '%'", &[&text])
            .await
            .expect("the trail");
        assert_eq!(found.get::<_, i64>(0), 0, "{text} stands in the trail");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_an_event_of_its_own() {
    let app = App::start().await;
    let request = failed(&app, "kirkland", "execute_sales_query", json!({ "query": "SELECT pg_sleep(1)" })).await;
    let record = &records("statement_rejected", &[&request]).await[0];
    assert_eq!(record["tool"], "execute_sales_query", "{record}");
    let reason = record["reason"].as_str().expect("the rule");
    assert!(reason != "gate" && reason != "database" && !reason.contains("pg_sleep"), "{record}");

    let unknown = "no_such_tool_of_the_trail";
    let reply = soon(app.post("kirkland", unknown, json!({}))).await;
    assert_eq!(reply["error"]["code"], -32602, "{reply}");
    let record = &records("tool_forbidden", &[unknown]).await[0];
    assert_eq!(record["tool"], unknown, "{record}");

    let token = "not.a.token";
    let refused = reqwest::Client::new().post(app.url()).bearer_auth(token).body("{}").send().await.expect("a reply");
    assert_eq!(refused.status(), 401);
    let record = &records("token_rejected", &["127.0.0.1"]).await[0];
    assert_eq!(record["remote"], "127.0.0.1", "{record}");
    assert!(!record.to_string().contains(token), "{record}");

    for record in records("plugin_published", &["\"sales\""]).await {
        assert!(record["digest"].as_str().is_some_and(|digest| digest.len() == 64), "{record}");
    }
}
